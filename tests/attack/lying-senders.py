#!/usr/bin/python3
"""Whoever sends files and lies, gets nothing onto the disk but what the user agreed to, and the user reads why it failed."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import re
import secrets
import struct
import sys
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import hearbytest
from hearbyfiles import Files, describe
from hearbyliar import FOLDER, LINK, Liar, begin_entry, end, entry, finish, frame, leave, whole_file, word
from hearbytest import SOURCE, Failed, equal

MEGA = 1 << 20


CORPUS = os.path.join(SOURCE, 'tests', 'vectors', 'traversal.tsv')
LONG = 'HEARBY_LONG' in os.environ or '--long' in sys.argv


def rows(kind):
    """The lines of the corpus of names that want to get out, as bytes."""
    with open(CORPUS, encoding='ascii') as file:
        for line in file:
            cells = line.rstrip('\n').split('\t')
            if cells[0] == kind:
                yield [re.sub(rb'\\(?:x([0-9a-fA-F]{2})|\\)', lambda m: bytes([int(m[1], 16)]) if m[1] else b'\\', cell.encode())
                       for cell in cells[1:]]


class Scene:
    """romeo, alone on a host with a liar."""

    def __init__(self, stage):
        self.stage = stage
        self.romeo = Files(stage.person(stage.lonely_host('forza'), 'romeo', discovery='off'))
        self.outside = os.path.join(stage.folder, 'outside')
        os.mkdir(self.outside)
        self.liar = Liar(stage, self.romeo.person.host, self.romeo.person)

    def offered(self, *files, **totals):
        """He offers, romeo says yes: romeo's transfer."""
        answer = self.liar.offer(list(files), **totals)
        equal(answer.get('type'), 'result')
        into = self.romeo.next()
        into.wait('offered')
        into.accept(self.romeo.downloads)
        self.liar.wait_session('session-accept')
        return into

    def refused(self, into, frames, *reasons, left=()):
        """He is stopped, the transfer failed for one of @reasons, and nothing is there but @left."""
        frames.hear_stop(*reasons)
        values = into.until(lambda values: values['State'] == 'failed', 'failed')
        self.liar.wait_session('session-terminate')
        equal(values['Reason'] in reasons, True, 'the reason %r' % values['Reason'])
        equal(bool(values['Error'][1]), True, 'words for people')
        self.romeo.wait_received(*left)
        equal(os.listdir(self.outside), [])

    def landed(self, into, frames, *failures):
        """He was heard to the end."""
        equal(frames.hear_result(), 'DONE')
        into.wait('complete', 'partial' if failures else '')
        equal(into.now()['Failures'], list(failures))


def test_honest(stage):
    """The liar can speak the truth, so what follows is not refused for another reason."""
    scene = Scene(stage)
    into = scene.offered(('folder', 5, 'folder'), ('file', 100000), entries=4)
    content = secrets.token_bytes(100000)
    frames = scene.liar.send(begin_entry(0, entry('folder', kind=FOLDER, mode=0o750)) + whole_file(1, 'folder/five', b'12345')
                             + begin_entry(2, entry('folder/link', kind=LINK, target='five'))
                             + leave(0) + whole_file(3, 'file', content)
                             + finish(4, 100005))
    scene.landed(into, frames)
    scene.romeo.wait_received('file', 'folder')
    with open(scene.romeo.where('file'), 'rb') as file:
        equal(file.read() == content, True)
    equal(os.readlink(scene.romeo.where('folder/link')), 'five')


def more_than_announced(stage):
    """In one file, in another file, in an entry more, and after the end of all."""
    scene = Scene(stage)
    for said in (begin_entry(0, entry('file', 1000)) + frame('DATA', bytes(1001)),
                 begin_entry(0, entry('file', 5000)) + frame('DATA', bytes(5000)),
                 whole_file(0, 'file', bytes(1000)) + begin_entry(1, entry('another')),
                 whole_file(0, 'file', bytes(400)) + finish(1, 1000)):
        into = scene.offered(('file', 1000))
        scene.refused(into, scene.liar.send(said), 'too-large', 'protocol')


def less_than_announced(stage):
    """A file that ends too early is no file."""
    scene = Scene(stage)
    into = scene.offered(('file', 1000))
    said = begin_entry(0, entry('file', 1000)) + frame('DATA', bytes(999)) + end() + finish(1, 999)
    scene.refused(into, scene.liar.send(said), 'protocol')


def an_impossible_size(stage):
    """Refused in the offer."""
    scene = Scene(stage)
    for size in (-1, 2**63, 2**64, 10**30):
        equal(scene.liar.offer([('file', size)], size=5).get('type'), 'error')
    for entries in (0, 10**9):
        equal(scene.liar.offer([('file', 1)], entries=entries).get('type'), 'error')
    equal(scene.liar.offer([('file', 10)], size=5).get('type'), 'error')
    equal(scene.romeo.transfers(), {})


def paths_that_lead_elsewhere(stage):
    scene = Scene(stage)
    for path in ('../evil', '..', '/etc/evil', 'folder/../../evil', 'folder/./evil', 'folder//evil', 'folder/', '', '.',
                 'folder/' + 'x' * 256, '/'.join(['d'] * 129), 'x' * 4097, 'nul\0/../../evil'):
        into = scene.offered(('folder', 4, 'folder'), entries=2)
        frames = scene.liar.send(begin_entry(0, entry('folder', kind=FOLDER, mode=0o755)) + whole_file(1, path, b'evil') + finish(2, 4))
        scene.refused(into, frames, 'unsafe-name', 'protocol')


def the_corpus_of_paths(stage):
    """What must be refused is, by the real program."""
    scene = Scene(stage)
    paths = [cells[0] for cells in rows('name') if cells[2] == b'!' and len(cells[0]) < 60000]
    for path in paths if LONG else paths[::8]:
        into = scene.offered(('file', 4))
        scene.refused(into, scene.liar.send(whole_file(0, path, b'evil') + finish(1, 4)), 'unsafe-name', 'protocol')


def the_corpus_of_links(stage):
    """In one transfer: those that stay inside are made, the others fail, each by itself."""
    scene = Scene(stage)
    said, index, wanted = b'', 0, {}
    for i, (path, target, what) in enumerate(rows('link')):
        parts = path.split(b'/')
        parts[0] = b'%d%s' % (i, parts[0])                           # each in a folder of its own
        leaves = b''
        for depth in range(1, len(parts)):
            said += begin_entry(index, entry(b'/'.join(parts[:depth]), kind=FOLDER, mode=0o755))
            leaves = leave(index) + leaves
            index += 1
        if target:
            said += begin_entry(index, entry(b'/'.join(parts), kind=LINK, target=target))
            index += 1
            wanted[b'/'.join(parts)] = what == b'inside'
        said += leaves
    tops = len({name.split(b'/')[0] for name in wanted})
    into = scene.offered(('0l', 0, 'folder'), entries=index, tops=tops)
    frames = scene.liar.send(said + finish(index, 0))
    frames.hear_result()
    into.wait('complete', 'partial')
    scene.romeo.wait_settled()
    outside = {os.fsdecode(path) for path, inside in wanted.items() if not inside}
    equal({path for path, reason in into.now()['Failures'] if reason == 'unsafe-link'} <= outside, True)
    made = {path for path, what in describe(scene.romeo.downloads).items() if isinstance(what, str)}
    equal(made & outside, set(), 'links that lead out')
    equal(len(made), len(wanted) - len(outside), 'links that stay inside')


def a_name_of_4_kB(stage):
    """In the offer it is cut, in an entry refused."""
    scene = Scene(stage)
    into = scene.offered(('x' * 4000 + '.txt', 4))
    equal(into.now()['Name'], 'x' * 251 + '.txt')
    scene.refused(into, scene.liar.send(whole_file(0, 'x' * 4000 + '.txt', b'evil') + finish(1, 4)), 'unsafe-name', 'protocol')


def a_link_and_a_file_through_it(stage):
    """A link out of the folder is not made; nothing goes through one that is."""
    scene = Scene(stage)
    for target in (scene.outside, '../outside', 'a/../../outside', '../../../../../..' + scene.outside):
        into = scene.offered(('folder', 4, 'folder'), entries=3)
        frames = scene.liar.send(begin_entry(0, entry('folder', kind=FOLDER, mode=0o755))
                                 + begin_entry(1, entry('folder/link', kind=LINK, target=target))
                                 + whole_file(2, 'folder/link/evil', b'evil') + finish(3, 4))
        frames.hear_result()
        into.until(lambda values: values['State'] in ('failed', 'complete'), 'over')
        equal(os.listdir(scene.outside), [])
    scene.romeo.wait_settled()
    for path in (path for path in describe(scene.romeo.downloads).values() if isinstance(path, str)):
        raise Failed('there is a link to ' + path)


def through_a_link_inside(stage):
    scene = Scene(stage)
    into = scene.offered(('folder', 4, 'folder'), entries=4)
    frames = scene.liar.send(begin_entry(0, entry('folder', kind=FOLDER, mode=0o755))
                             + begin_entry(1, entry('folder/real', kind=FOLDER, mode=0o755))
                             + begin_entry(2, entry('folder/link', kind=LINK, target='real'))
                             + whole_file(3, 'folder/link/evil', b'evil') + finish(4, 4))
    frames.hear_result()
    into.until(lambda values: values['State'] in ('failed', 'complete'), 'over')
    scene.romeo.wait_settled()
    equal([name for name in describe(scene.romeo.downloads) if 'evil' in name], [])


def a_link_at_the_top(stage):
    """What was called a file is a link."""
    scene = Scene(stage)
    into = scene.offered(('file', 4), entries=1)
    frames = scene.liar.send(begin_entry(0, entry('file', kind=LINK, target='/etc/passwd')) + finish(1, 0))
    frames.hear_result()
    into.until(lambda values: values['State'] in ('failed', 'complete'), 'over')
    equal([name for name in scene.romeo.received() if os.path.islink(scene.romeo.where(name))], [])


def another_top_level_entry(stage):
    """Only what was offered."""
    scene = Scene(stage)
    for name in ('evil', 'evil/file'):
        into = scene.offered(('file', 4))
        frames = scene.liar.send(whole_file(0, name, b'evil') + finish(1, 4))
        frames.hear_result()
        into.until(lambda values: values['State'] == 'failed', 'failed')
        scene.romeo.wait_received()


def many_empty_files(stage):
    """100,000: they are taken, if they were announced, within bounds."""
    scene = Scene(stage)
    count = 100_000
    into = scene.offered(('folder', 0, 'folder'), entries=count + 1)
    said = b''.join(whole_file(i + 1, 'folder/%06d' % i, b'') for i in range(count))
    frames = scene.liar.send(begin_entry(0, entry('folder', kind=FOLDER, mode=0o755)) + said
                             + leave(0) + finish(count + 1, 0))
    scene.landed(into, frames)
    equal(len(os.listdir(scene.romeo.where('folder'))), count)


def nonsense(stage):
    """Frames that are none, out of order, too long, of the other direction, or cut in the middle."""
    scene = Scene(stage)
    file = begin_entry(0, entry('file', 4))
    for said in (b'\0' * 5, b'\xff' * 5, frame(16), frame('DATA', b'evil'), end(), file + file, file + frame('LEAVE', bytes(16)),
                 struct.pack('>BI', 8, 65512), struct.pack('>BI', 8, 2**32 - 1), frame('BEGIN', b'\0'), frame('HAVE', bytes(8)),
                 frame('GO'), frame('DONE'), frame('LIST', entry('file', 4)), begin_entry(7, entry('file', 4)),
                 begin_entry(0, entry('file', 4), offset=2), begin_entry(0, entry('file', 4), offset=2**63), frame('ENTRY', bytes(13)),
                 begin_entry(0, entry('file', 4, kind=9)), begin_entry(0, entry('file', 4) + b'x'), finish(0, 0), file + finish(1, 4),
                 file + frame('DATA', b'evil') + end('no such reason' * 5)):
        into = scene.offered(('file', 4))
        scene.refused(into, scene.liar.send(said), 'protocol', 'too-large')


def stopped_with_any_word(stage):
    """What he says why is not more than a word of the list."""
    scene = Scene(stage)
    into = scene.offered(('file', 4))
    frames = scene.liar.send(frame('STOP', word('\x1b[31mevil')))
    frames.hear_end()
    values = into.until(lambda values: values['State'] in ('failed', 'waiting-peer'), 'stopped')
    equal('evil' in str(values), False)


def ids(stage):
    """The id is good once, for who offered."""
    scene = Scene(stage)
    into = scene.offered(('file', 4))
    scene.liar.connect(id=secrets.token_bytes(16)).hear_end()
    thief = Liar(stage, scene.romeo.person.host, scene.romeo.person, name='thief')
    thief.connect(id=scene.liar.id).hear_end()
    frames = scene.liar.send(whole_file(0, 'file', b'good'))
    scene.liar.connect().hear_end()                                  # the same again, while it is used
    frames.say(finish(1, 4))
    scene.landed(into, frames)
    scene.liar.connect().hear_end()
    scene.romeo.wait_received('file')


def before_yes(stage):
    """Bytes of what nobody accepted."""
    scene = Scene(stage)
    equal(scene.liar.offer([('file', 4)]).get('type'), 'result')
    into = scene.romeo.next()
    into.wait('offered')
    scene.liar.connect().hear_end()
    into.wait('offered')
    scene.romeo.wait_received()
    into.call('Reject')
    scene.liar.wait_session('session-terminate')


def many_offers(stage):
    """He is cut off before the list is long."""
    scene = Scene(stage)
    answers = [scene.liar.offer([('file %d' % i, 4)]).get('type') for i in range(150)]
    equal(answers[0], 'result')
    equal('error' in answers, True, 'an offer was refused')
    if len(scene.romeo.transfers()) > 128:
        raise Failed('%d offers of a stranger are kept' % len(scene.romeo.transfers()))


def answers_nothing(stage):
    """More requests than may be open: what cannot be said is not said again and again."""
    scene = Scene(stage)
    for i in range(80):
        scene.liar.offer([('file', 4)])
        into = scene.romeo.next()
        into.accept(scene.romeo.downloads)
        into.call('Cancel')
        into.wait('canceled', 'canceled')
    equal(len(scene.romeo.transfers()), 80)


def a_policy_is_not_for_strangers(stage):
    """Nothing is taken unasked from who is not pinned, whatever he calls himself."""
    scene = Scene(stage)
    try:
        scene.romeo.configure(scene.liar.instance, files='auto')
    except hearbytest.BusError as error:
        equal(error.name, 'NotVerified')
    else:
        raise Failed('files of a stranger are taken unasked')


def stalls_for_ever(stage):
    """He is given up."""
    scene = Scene(stage)
    into = scene.offered(('file', 4))
    frames = scene.liar.send(begin_entry(0, entry('file', 4)) + frame('DATA', b'ev'))
    frames.program.wait('end', timeout=2 * hearbytest.PATIENCE)
    values = into.until(lambda values: values['State'] != 'active', 'given up')
    equal((values['State'], values['Reason']), ('waiting-peer', 'stalled'))
    into.call('Cancel')
    into.wait('canceled', 'canceled')
    scene.romeo.wait_received()


if __name__ == '__main__':
    if '--long' in sys.argv:
        sys.argv.remove('--long')
        os.environ['HEARBY_LONG'] = 'yes'           # main() runs this file again
    hearbytest.main(*[(function.__name__.removeprefix('test_').replace('_', ' '), function) for function in (
        test_honest, more_than_announced, less_than_announced, an_impossible_size, paths_that_lead_elsewhere, the_corpus_of_paths,
        the_corpus_of_links, a_name_of_4_kB,
        a_link_and_a_file_through_it, through_a_link_inside, a_link_at_the_top, another_top_level_entry, many_empty_files, nonsense,
        stopped_with_any_word, ids, before_yes, many_offers, answers_nothing, a_policy_is_not_for_strangers, stalls_for_ever)])
