# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small D-Bus client for the daemon's private socket, in the standard library only: calls, signals that can be waited for,
descriptors, and calls that the daemon makes.

On that socket every signal comes to every connection, so nothing is missed once Bus() returned. A descriptor ('h') is an open file or a
number in what is sent, and a number in what comes."""

import array
import functools
import os
import re
import socket
import struct
import time

from hearbylink import PATIENCE, Failed

ROOT = '/org/hearby/Hearby'
MANAGER = 'org.hearby.Manager1'
PEER = 'org.hearby.Peer1'
CONVERSATION = 'org.hearby.Conversation1'
TRANSFER = 'org.hearby.Transfer1'
AGENT = 'org.hearby.Agent1'

_NUMBERS = {'y': 'B', 'n': 'h', 'q': 'H', 'i': 'i', 'u': 'I', 'x': 'q', 't': 'Q', 'd': 'd', 'b': 'I', 'h': 'I'}
_ALIGN = {'y': 1, 'n': 2, 'q': 2, 'i': 4, 'u': 4, 'x': 8, 't': 8, 'd': 8, 'b': 4, 'h': 4, 's': 4, 'o': 4, 'g': 1, 'v': 1,
          'a': 4, '(': 8, '{': 8}


class BusError(Failed):
    def __init__(self, name, message):
        super().__init__('%s: %s' % (name, message))
        self.name, self.message = name.rpartition('.')[2], message


def split(signature):
    """The complete types of @signature, as a list."""
    types, rest = [], signature
    while rest:
        n = _length(rest)
        types.append(rest[:n])
        rest = rest[n:]
    return types


def _length(signature):
    if signature[0] == 'a':
        return 1 + _length(signature[1:])
    if signature[0] not in '({':
        return 1
    depth = 0
    for i, c in enumerate(signature):
        depth += (c in '({') - (c in ')}')
        if not depth:
            return i + 1
    raise ValueError(signature)


class Writer:
    def __init__(self):
        self.out, self.fds = bytearray(), []

    def align(self, n):
        self.out += bytes(-len(self.out) % n)

    def put(self, kind, value):
        self.align(_ALIGN[kind[0]])
        if kind == 'h':
            self.fds.append(value)
            value = len(self.fds) - 1
        if kind in _NUMBERS:
            self.out += struct.pack('<' + _NUMBERS[kind], value)
        elif kind in 'so':
            raw = value.encode()
            self.out += struct.pack('<I', len(raw)) + raw + b'\0'
        elif kind == 'g':
            self.out += bytes([len(value)]) + value.encode() + b'\0'
        elif kind == 'v':  # a value is (signature, value); text may stand for itself
            inner, value = ('s', value) if isinstance(value, str) else value
            self.put('g', inner)
            self.put(inner, value)
        elif kind[0] == 'a':
            self._array(kind[1:], value)
        else:
            for part, item in zip(split(kind[1:-1]), value):
                self.put(part, item)

    def _array(self, kind, items):
        where = len(self.out)
        self.out += b'\0\0\0\0'
        self.align(_ALIGN[kind[0]])
        begin = len(self.out)
        for item in items.items() if kind[0] == '{' else items:
            self.put(kind, item)
        struct.pack_into('<I', self.out, where, len(self.out) - begin)


class Reader:
    def __init__(self, data, at=0, fds=()):
        self.data, self.at, self.fds = data, at, fds

    def align(self, n):
        self.at += -self.at % n

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def get(self, kind):
        self.align(_ALIGN[kind[0]])
        if kind in _NUMBERS:
            value = struct.unpack('<' + _NUMBERS[kind], self.take(struct.calcsize(_NUMBERS[kind])))[0]
            return bool(value) if kind == 'b' else self.fds[value] if kind == 'h' else value
        if kind in 'sog':
            length = self.take(1)[0] if kind == 'g' else struct.unpack('<I', self.take(4))[0]
            return self.take(length + 1)[:-1].decode()
        if kind == 'v':
            return self.get(self.get('g'))
        if kind[0] == 'a':
            return self._array(kind[1:])
        return tuple(self.get(part) for part in split(kind[1:-1]))

    def _array(self, kind):
        length = struct.unpack('<I', self.take(4))[0]
        self.align(_ALIGN[kind[0]])
        end, items = self.at + length, []
        while self.at < end:
            items.append(self.get(kind))
        return dict(items) if kind[0] == '{' else items


class Message:
    def __init__(self, kind, serial, fields, body, fds):
        self.kind, self.serial, self.body = kind, serial, body
        self.path, self.interface, self.member = fields.get(1), fields.get(2), fields.get(3)
        self.error, self.reply_to, self.sender = fields.get(4), fields.get(5), fields.get(7)
        self._signature, self._fds = fields.get(8, ''), fds

    @functools.cached_property
    def args(self):
        reader = Reader(self.body, fds=self._fds)    # only of those that somebody looks at
        return [reader.get(part) for part in split(self._signature)]

    def close(self):
        """Ends the descriptors that came with it."""
        for fd in self._fds:
            os.close(fd)


class Bus:
    """A connection to the daemon of a Person."""

    def __init__(self, person):
        with open(os.path.join(person.home, '.local/share/hearby/lock')) as file:
            path = re.search(r'unix:path=([^,\s]+)', file.readline()).group(1)
        self.open(path)
        self.call(ROOT, 'org.freedesktop.DBus.Peer', 'Ping')  # from here on all signals come

    def open(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.buffer, self.serial, self.fds = bytearray(), 0, []
        self.signals, self.calls = [], []       # that came and nobody waited for yet
        self.socket.sendall(b'\0AUTH EXTERNAL %s\r\n' % str(os.geteuid()).encode().hex().encode())
        self._line(b'OK')
        self.socket.sendall(b'NEGOTIATE_UNIX_FD\r\n')
        self._line(b'AGREE_UNIX_FD')
        self.socket.sendall(b'BEGIN\r\n')

    def _line(self, start):
        answer = b''
        while not answer.endswith(b'\r\n'):
            answer += self.socket.recv(1024)
        if not answer.startswith(start):
            raise Failed('the other end says %r' % answer)

    def send(self, kind, fields, signature='', args=()):
        """Any message; its serial. @fields: code → (signature, value)."""
        body, head = Writer(), Writer()
        for part, value in zip(split(signature), args):
            body.put(part, value)
        self.serial += 1
        fields = dict(fields)
        if signature:
            fields[8] = ('g', signature)
        if body.fds:
            fields[9] = ('u', len(body.fds))
        for part, value in zip('yyyyuu', (ord('l'), kind, 0, 1, len(body.out), self.serial)):
            head.put(part, value)
        head.put('a(yv)', list(fields.items()))
        head.align(8)
        fds = array.array('i', [fd if isinstance(fd, int) else fd.fileno() for fd in body.fds])
        data = head.out + body.out
        sent = self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else [])
        if sent < len(data):
            self.socket.sendall(data[sent:])
        return self.serial

    def post(self, path, interface, member, signature='', *args):
        """Sends a call; its serial."""
        return self.send(1, {1: ('o', path), 2: ('s', interface), 3: ('s', member)}, signature, args)

    def call(self, path, interface, member, signature='', *args, timeout=None):
        """Calls and waits; the list of what was answered. A BusError carries the error's short name."""
        serial = self.post(path, interface, member, signature, *args)
        deadline = time.monotonic() + (timeout or PATIENCE)
        while True:
            message = self._receive(deadline)
            if message.kind == 4:
                self.signals.append(message)
            elif message.kind == 1:
                self.calls.append(message)
            elif message.reply_to == serial and message.kind == 3:
                raise BusError(message.error, message.args[0] if message.args else '')
            elif message.reply_to == serial:
                return message.args

    def _receive(self, deadline):
        head = self._exactly(16, deadline)
        size, serial, length = struct.unpack('<III', head[4:])
        rest = self._exactly(-(-length // 8) * 8 + size, deadline)
        fields = dict(Reader(head + rest[:length], 12).get('a(yv)'))
        count = fields.get(9, 0)
        fds, self.fds = self.fds[:count], self.fds[count:]
        return Message(head[1], serial, fields, rest[-(-length // 8) * 8:], fds)

    def _exactly(self, n, deadline):
        while len(self.buffer) < n:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data, fds = socket.recv_fds(self.socket, 1 << 20, 64)[:2]
            except (TimeoutError, socket.timeout):
                raise Failed('nothing that was waited for came on the bus') from None
            self.fds += fds
            if not data:
                raise Failed('the other end closed the bus')
            self.buffer += data
        taken = bytes(self.buffer[:n])
        del self.buffer[:n]                          # costs nothing, however much is behind
        return taken

    def wait_signal(self, match, timeout=None):
        """The first signal since the last one waited for that @match (a function of a Message) accepts: what it returned."""
        deadline = time.monotonic() + (timeout or PATIENCE)
        while True:
            message = self.signals.pop(0) if self.signals else self._receive(deadline)
            if message.kind == 1:
                self.calls.append(message)
            found = message.kind == 4 and match(message)
            if found:
                return found

    def wait_call(self, member, timeout=None):
        """The next call of @member that somebody makes to us."""
        deadline = time.monotonic() + (timeout or PATIENCE)
        while True:
            message = self.calls.pop(0) if self.calls else self._receive(deadline)
            if message.kind == 4:
                self.signals.append(message)
            elif message.kind == 1 and message.member == member:
                return message

    def answer(self, call, signature='', *args):
        self.send(2, self._reply(call), signature, args)

    def refuse(self, call, error):
        """@error: its whole name."""
        self.send(3, {4: ('s', error), **self._reply(call)})

    def _reply(self, call):
        return {5: ('u', call.serial), **({6: ('s', call.sender)} if call.sender else {})}

    def manager(self, member, signature='', *args, **options):
        return self.call(ROOT, MANAGER, member, signature, *args, **options)

    def peers(self):
        """Properties of all Peer1 objects by path."""
        objects = self.call(ROOT, 'org.freedesktop.DBus.ObjectManager', 'GetManagedObjects')[0]
        return {path: faces[PEER] for path, faces in objects.items() if PEER in faces}

    def find(self, other):
        """The path of a peer (a Person, or an instance), or None."""
        instance = getattr(other, 'instance', other)
        for path, peer in self.peers().items():
            if peer['Instance'].lower() == instance.lower():
                return path
        return None

    def wait_peer(self, other, timeout=None, **wanted):
        """Until the peer's properties are as @wanted (Online=True, Status='away', …); its properties."""
        deadline = time.monotonic() + (timeout or PATIENCE)
        while True:
            path = self.find(other)
            peer = self.peers().get(path, {})
            if peer and all(peer.get(key) == value for key, value in wanted.items()):
                return peer
            try:
                self.wait_signal(lambda m: m.interface.startswith('org.freedesktop.DBus.'), deadline - time.monotonic())
            except Failed as error:
                raise Failed('%s: %r is never %r' % (getattr(other, 'instance', other), peer, wanted)) from error

    def wait_message(self, timeout=None, **wanted):
        """The next MessageAdded whose dictionary has what is @wanted."""
        def match(message):
            if message.member != 'MessageAdded':
                return None
            values = message.args[1]
            return values if all(values.get(key) == value for key, value in wanted.items()) else None
        return self.wait_signal(match, timeout)

    def close(self):
        self.socket.close()
