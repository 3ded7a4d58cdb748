# SPDX-License-Identifier: LGPL-2.1-or-later
"""A peer that speaks the protocol of files and lies: the program `attacker` seals what is said, here is what. The frames are written
down a second time, so that a change of what goes over the wire does not pass unnoticed."""

import base64
import contextlib
import os
import re
import secrets
import struct
import xml.etree.ElementTree as tree

from hearbyattack import start_attacker
from hearbytest import Failed

JINGLE = 'urn:xmpp:jingle:1'
FILES = 'urn:xmpp:jingle:apps:file-transfer:5'
BYTES = 'urn:x-hearby:bytes:0'
KINDS = ['', 'BEGIN', 'LIST', 'LISTED', 'HAVE', 'PARTIAL', 'GO', 'ENTRY', 'DATA', 'END', 'LEAVE', 'FINISH', 'FAILED', 'DONE', 'STOP',
         'KEEP']
FILE, FOLDER, LINK = 1, 2, 3


def frame(kind, body=b''):
    number = KINDS.index(kind) if isinstance(kind, str) else kind
    return struct.pack('>BI', number, len(body)) + body


def text(value):
    value = os.fsencode(value)
    return struct.pack('>H', len(value)) + value


def entry(path, size=0, kind=FILE, mode=0o644, target='', mtime=1_700_000_000_000_000_000):
    return struct.pack('>BIqq', kind, mode, mtime, size) + text(path) + text(target)


def begin_entry(index, described, offset=0):
    return frame('ENTRY', struct.pack('>IQ', index, offset) + described)


def word(reason):
    return struct.pack('>B', len(reason)) + reason.encode()


def end(reason=''):
    return frame('END', word(reason))


def whole_file(index, path, content, **more):
    """A file as an honest peer sends it."""
    data = b''.join(frame('DATA', content[i:i + 65511]) for i in range(0, len(content), 65511))
    return begin_entry(index, entry(path, len(content), **more)) + data + end()


def leave(index, mode=0o755):
    return frame('LEAVE', struct.pack('>IIq', index, mode, 1_600_000_000_000_000_000))


def finish(entries, size):
    return frame('FINISH', struct.pack('>QQ', entries, size))


class Frames:
    """The data connection: what he says goes as it is, what he hears comes by frames."""

    def __init__(self, program):
        self.program, self.buffer = program, b''

    def say(self, data):
        for i in range(0, len(data), 1 << 20):
            self.program.say(base64.b64encode(data[i:i + (1 << 20)]).decode())

    def hear(self, *kinds):
        """The next frame that says something as (kind, body), or how the connection ended; it must be one of @kinds, if there are any."""
        kind, body = self.read()
        while kind == 'KEEP':
            kind, body = self.read()
        if kinds and kind not in kinds:
            raise Failed('%s %r came, not %s' % (kind, body[:100], ' or '.join(kinds)))
        return kind, body

    def hear_result(self):
        """The last frame that he hears: what it is."""
        kind = self.hear()[0]
        while kind not in ('DONE', 'STOP', 'end'):
            kind = self.hear()[0]
        return kind

    def read(self):
        while len(self.buffer) < 5 or len(self.buffer) < 5 + int.from_bytes(self.buffer[1:5], 'big'):
            event = self.program.wait_for(lambda event: event['event'] in ('bytes', 'end'))
            if event['event'] == 'end':
                return 'end', event['how'].encode()
            self.buffer += base64.b64decode(event['data'])
        kind, size = KINDS[self.buffer[0]], int.from_bytes(self.buffer[1:5], 'big')
        body, self.buffer = self.buffer[5:5 + size], self.buffer[5 + size:]
        return kind, body

    def hear_stop(self, *reasons):
        """He is told one of @reasons, or nothing at all, and the connection ends: what he was told."""
        kind, body = self.hear()
        while kind not in ('STOP', 'end'):
            kind, body = self.hear()
        said = body[1:].decode() if kind == 'STOP' else ''
        if said and reasons and said not in reasons:
            raise Failed('he was told %r' % said)
        return said

    def hear_end(self):
        while self.hear()[0] != 'end':
            pass

    def cut(self):
        with contextlib.suppress(BrokenPipeError):
            self.program.say('/cut')
        self.program.wait_exit()


class Liar:
    """Somebody on a host of his own with a key of his own, who calls @victim."""

    def __init__(self, stage, host, victim, name='liar', port=5298):
        self.stage, self.host, self.victim, self.port = stage, host, victim, port
        self.instance = '%s@%s' % (name, host.name)
        self.key = secrets.token_hex(32)
        self.ids = 0
        self.options = ['--connect=%s:%d' % (self.address(), port), '--own=' + self.instance, '--peer=' + victim.instance,
                        '--key=' + self.key]
        self.stream = start_attacker(stage, host, *self.options, 'call')
        self.stream.wait('secure')
        self.wait_text('<stream:features')

    def address(self):
        return self.victim.host.address if self.victim.host.interfaces else '127.0.0.1'

    def wait_text(self, pattern):
        """The next element of the stream in which @pattern is."""
        return self.stream.wait_for(lambda event: event['event'] == 'inner' and re.search(pattern, event['text']))['text']

    def request(self, child):
        self.ids += 1
        self.stream.say("<iq type='set' id='liar%d' from='%s' to='%s'>%s</iq>" % (self.ids, self.instance, self.victim.instance, child))

    def iq(self, child):
        """A request; returns when it was answered, with the answer."""
        self.request(child)
        return tree.fromstring(self.wait_text(r"id=['\"]liar%d['\"]" % self.ids))

    def jingle(self, action, inside, sid=None):
        return self.iq("<jingle xmlns='%s' action='%s' sid='%s'>%s</jingle>" % (JINGLE, action, sid or self.sid, inside))

    def answer(self, stanza):
        """That he got it."""
        self.stream.say("<iq type='result' id='%s' from='%s' to='%s'/>" % (
            re.search(r"\bid=['\"]([^'\"]*)", stanza).group(1), self.instance, self.victim.instance))
        return stanza

    def wait_session(self, action):
        return self.answer(self.wait_text(r"action=['\"]%s" % action))

    def transport(self):
        self.id = secrets.token_bytes(16)
        return "<transport xmlns='%s' id='%s'/>" % (BYTES, self.id.hex())

    def offer(self, files, entries=None, size=None, sid=None, tops=None):
        """@files: (name, size) or (name, size, 'folder'). The answer to the request."""
        named = ''.join("<file><name>%s</name><size>%d</size>%s</file>" % (
            name, length, "<folder xmlns='%s'/>" % BYTES if folder else '') for name, length, *folder in files)
        self.sid = sid or secrets.token_hex(8)
        size = sum(length for _, length, *_ in files) if size is None else size
        entries = len(files) if entries is None else entries
        return self.jingle('session-initiate', "<content creator='initiator' name='files' senders='initiator'>"
                           "<description xmlns='%s'>%s<batch xmlns='%s' tops='%d' entries='%d' files='%d' size='%d'/></description>%s"
                           "</content>" % (FILES, named, BYTES, tops or len(files), entries, entries, size, self.transport()))

    def connect(self, id=None):
        """The data connection, with the id of the offer said."""
        program = start_attacker(self.stage, self.host, *self.options, '--bytes', 'call')
        program.wait('secure')
        frames = Frames(program)
        frames.say(self.id if id is None else id)
        return frames

    def send(self, said):
        """Connects, waits for BEGIN, and for what the victim has already if it asks so; then says all of @said."""
        frames = self.connect()
        if frames.hear('BEGIN')[1] != b'\0':
            frames.say(frame('LISTED'))
            while frames.hear('HAVE', 'PARTIAL', 'GO')[0] != 'GO':
                pass
        frames.say(said)
        return frames

    def takes(self):
        """The victim offers him something: he says yes, cannot be called, and calls: the connection, before his first word."""
        offer = tree.fromstring(self.wait_session('session-initiate'))[0]
        self.sid = offer.get('sid')
        self.id = bytes.fromhex(offer.find('.//{%s}transport' % BYTES).get('id'))
        self.request("<jingle xmlns='%s' action='session-accept' sid='%s'><content creator='initiator' name='%s' senders='initiator'>"
                     "<description xmlns='%s'/><transport xmlns='%s' id='%s'/></content></jingle>" % (
                         JINGLE, self.sid, offer.find('{%s}content' % JINGLE).get('name'), FILES, BYTES, self.id.hex()))
        self.answer(self.wait_text('<connect'))
        return self.connect()
