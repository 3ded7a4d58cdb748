"""A client of a dbus-daemon, and services on it: what the private socket's Bus cannot, names and descriptors."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import array
import os
import socket
import struct
import time

import hearbytest
from hearbybus import Bus, Message, Reader, Writer, split
from hearbytest import Failed

DRIVER = ('/org/freedesktop/DBus', 'org.freedesktop.DBus')
NAME = 'org.hearby.Hearby'


class MessageBus(Bus):
    """A connection to the dbus-daemon at @path; methods are those of Bus, and go to @destination (the messenger)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(hearbytest.PATIENCE)
        self.socket.connect(path)
        self.buffer, self.serial, self.signals, self.destination = b'', 0, [], NAME
        self.socket.sendall(b'\0AUTH EXTERNAL %s\r\n' % str(os.geteuid()).encode().hex().encode())
        self._line(b'OK')
        self.socket.sendall(b'NEGOTIATE_UNIX_FD\r\n')
        self._line(b'AGREE_UNIX_FD')
        self.socket.sendall(b'BEGIN\r\n')
        self.name = self.driver('Hello')[0]

    def _line(self, start):
        answer = b''
        while not answer.endswith(b'\r\n'):
            answer += self.socket.recv(1024)
        if not answer.startswith(start):
            raise Failed('the bus says %r' % answer)

    def send(self, kind, fields, signature='', args=(), fds=()):
        """Any message; its serial. @fields: code → (signature, value)."""
        body, head = Writer(), Writer()
        for part, value in zip(split(signature), args):
            body.put(part, value)
        self.serial += 1
        fields = dict(fields)
        if signature:
            fields[8] = ('g', signature)
        if fds:
            fields[9] = ('u', len(fds))
        for part, value in zip('yyyyuu', (ord('l'), kind, 0, 1, len(body.out), self.serial)):
            head.put(part, value)
        head.put('a(yv)', list(fields.items()))
        head.align(8)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        self.socket.sendmsg([bytes(head.out + body.out)], rights)
        return self.serial

    def post(self, path, interface, member, signature='', *args):
        return self.send(1, {1: ('o', path), 2: ('s', interface), 3: ('s', member), 6: ('s', self.destination)}, signature, args)

    def driver(self, member, signature='', *args):
        """Calls the dbus-daemon itself."""
        before, self.destination = getattr(self, 'destination', NAME), DRIVER[1]
        try:
            return self.call(DRIVER[0], DRIVER[1], member, signature, *args)
        finally:
            self.destination = before

    def match(self, rule):
        self.driver('AddMatch', 's', rule)

    def owner(self, name=NAME):
        """Who has @name, or None."""
        if not self.driver('NameHasOwner', 's', name)[0]:
            return None
        return self.driver('GetNameOwner', 's', name)[0]

    def pid(self, name=NAME):
        return self.driver('GetConnectionUnixProcessID', 's', name)[0]

    # A service -------------------------------------------------------------------------------------------------

    def own(self, name):
        if self.driver('RequestName', 'su', name, 4)[0] != 1:
            raise Failed('%s is taken' % name)

    def _receive(self, deadline):
        head = self._exactly(16, deadline)
        size, serial, length = struct.unpack('<III', head[4:])
        rest = self._exactly(-(-length // 8) * 8 + size, deadline)
        fields = dict(Reader(head + rest[:length], 12).get('a(yv)'))
        message = Message((None, head[1], None, None, None, serial), fields, rest[-(-length // 8) * 8:])
        message.sender, message.serial, message.body = fields.get(7), serial, rest[-(-length // 8) * 8:]
        return message

    def wait_call(self, member, timeout=None):
        """The next call of @member that somebody makes to us."""
        deadline = time.monotonic() + (timeout or hearbytest.PATIENCE)
        while True:
            message = self._receive(deadline)
            if message.kind == 1 and message.member == member:
                return message

    def answer(self, call, signature='', *args, fds=()):
        self.send(2, {5: ('u', call.serial), 6: ('s', call.sender)}, signature, args, fds)

    def signal(self, path, interface, member, signature='', *args):
        self.send(4, {1: ('o', path), 2: ('s', interface), 3: ('s', member)}, signature, args)
