#!/usr/bin/python3
"""Whoever takes files and lies about them, learns nothing that was not offered, and the sender is not told that they arrived."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import secrets
import struct
import sys
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import hearbytest
from hearbyfiles import OVER, Files, make_file
from hearbyliar import Liar, frame, word
from hearbytest import Failed, equal

SIZE = 200_000


class Scene:
    """juliet, alone on a host with a liar who wants something of her."""

    def __init__(self, stage):
        self.stage = stage
        self.juliet = Files(stage.person(stage.lonely_host('pronto'), 'juliet', discovery='off'))
        self.liar = Liar(stage, self.juliet.person.host, self.juliet.person)
        self.path = make_file(os.path.join(stage.folder, 'file'), SIZE)

    def sends(self, *paths):
        """juliet's transfer, and the connection of him who takes it."""
        out = self.juliet.send(self.liar.instance, *(paths or [self.path]))
        return out, self.liar.takes()


def read_all(frames, sure=True):
    """What an honest receiver hears up to FINISH: the bytes of the one file."""
    data = b''
    while True:
        kind, body = frames.hear(*(['ENTRY', 'DATA', 'END', 'LEAVE', 'FINISH'] if sure else []))
        if kind == 'DATA':
            data += body
        elif kind in ('FINISH', 'STOP', 'end'):
            return data


def test_honest(stage):
    """The liar can speak the truth, so what follows is not refused for another reason."""
    scene = Scene(stage)
    out, frames = scene.sends()
    frames.say(frame('BEGIN', b'\0'))
    with open(scene.path, 'rb') as file:
        equal(read_all(frames) == file.read(), True)
    frames.say(frame('DONE'))
    out.wait('complete')


def test_resumed(stage):
    """What he has does not come again if he can prove it, and comes from the begin if he cannot."""
    import hashlib
    scene = Scene(stage)
    with open(scene.path, 'rb') as file:
        content = file.read()
    for honest in (True, False):
        out, frames = scene.sends()
        frames.say(frame('BEGIN', b'\1'))
        while frames.hear('LIST', 'LISTED')[0] != 'LISTED':
            pass
        proof = hashlib.blake2b(content[:1000] if honest else content[1:1001], digest_size=32).digest()
        frames.say(frame('PARTIAL', struct.pack('>IQ', 0, 1000) + proof) + frame('GO'))
        equal(read_all(frames) == content[1000 if honest else 0:], True)
        frames.say(frame('DONE'))
        out.wait('complete', '' if honest else 'restarted')


def lies(stage):
    """Words that are none, out of order, about what there is not, too long or of the other direction."""
    scene = Scene(stage)
    begin, again = frame('BEGIN', b'\0'), frame('BEGIN', b'\1')
    hash = secrets.token_bytes(32)
    for said in (b'\0' * 5, b'\xff' * 5, frame(16), frame('BEGIN', b''), frame('DONE'), frame('GO'), begin + begin,
                 begin + frame('GO'),
                 begin + frame('FAILED', struct.pack('>I', 7) + word('no-space')), frame('DATA', b'evil'),
                 again + frame('GO') * 2, again + frame('HAVE', struct.pack('>II', 1, 1)) + frame('GO'),
                 again + frame('HAVE', struct.pack('>II', 0, 2**32 - 1)) + frame('GO'), again + frame('HAVE', b'x' * 7),
                 again + frame('PARTIAL', struct.pack('>IQ', 0, 2**63) + hash) + frame('GO'),
                 struct.pack('>BI', 4, 2**32 - 1), again + frame('STOP', word('x' * 40))):
        out, frames = scene.sends()
        frames.say(said)
        frames.hear_end()
        out.wait('failed', 'protocol')
        if not out.now()['Error'][1]:
            raise Failed('no words for people')


def leaves_in_the_middle(stage):
    """It waits for him, and when he wants it again, he gets it, with an id of its own."""
    scene = Scene(stage)
    out, frames = scene.sends()
    frames.say(frame('BEGIN', b'\0'))
    frames.hear('ENTRY')
    old = scene.liar.id
    frames.cut()
    out.wait('waiting-peer', 'connection-lost')
    frames = scene.liar.takes()
    equal(scene.liar.id != old, True)
    frames.say(frame('BEGIN', b'\0'))
    equal(len(read_all(frames)), SIZE)
    frames.say(frame('DONE'))
    out.wait('complete')


def says_why(stage):
    """With a word that is none of the list."""
    scene = Scene(stage)
    out, frames = scene.sends()
    frames.say(frame('STOP', word('\x1b[31mevil')))
    frames.hear_end()
    values = out.until(lambda values: values['State'] in OVER + ('waiting-peer',), 'stopped')
    equal('evil' in str(values), False)


def is_deaf(stage):
    """He takes the connection and then nothing; he is given up."""
    scene = Scene(stage)
    big = make_file(os.path.join(stage.folder, 'big'), 64 << 20)
    out, frames = scene.sends(big)
    frames.program.say('/deaf')
    frames.say(frame('BEGIN', b'\0'))
    out.wait('waiting-peer', 'stalled', timeout=2 * hearbytest.PATIENCE)
    out.call('Cancel')
    out.wait('canceled', 'canceled')


def wants_what_was_not_offered(stage):
    """Accepting what does not exist, or what is over."""
    scene = Scene(stage)
    equal(scene.liar.jingle('session-accept', '', sid='nothing').get('type'), 'error')
    out, frames = scene.sends()
    frames.say(frame('BEGIN', b'\0'))
    read_all(frames)
    frames.say(frame('DONE'))
    out.wait('complete')
    frames = scene.liar.connect()
    frames.hear_end()


if __name__ == '__main__':
    hearbytest.main(*[(function.__name__.removeprefix('test_').replace('_', ' '), function) for function in (
        test_honest, test_resumed, lies, leaves_in_the_middle, says_why, is_deaf, wants_what_was_not_offered)])
