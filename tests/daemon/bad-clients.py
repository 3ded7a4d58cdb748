#!/usr/bin/python3
"""A client of the bus that does not read, asks without end or talks nonsense harms only itself."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import select
import socket
import struct
import sys
import time
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbybus import BusError, Writer
from hearbytest import MANAGER, ROOT, Failed, equal
from scene import check_growth, juliet_alone, memory

LAG = 20000                 # messages that a client may be behind
LAG_BYTES = 64 * 1024 * 1024
CLIENTS = 256
VALUES = 65536              # in the arguments of one call
BODY = 64 * 1024
LINE = 'x' * 1000
KERNEL = 10000              # signals with such a line that the socket itself holds, at most
QUIET = 2                   # seconds without room for another byte: it is not read from any more


def say_to_self(bus, count, body, each):
    """@count messages of juliet to herself, @each by one call; two signals each. All is read."""
    me = bus.manager('FindPeer', 'sa{sv}', 'self', {})[0][0]
    for _ in range(count // each):
        bus.manager('SendMessage', 'aosa{sv}', [me] * each, body, {})
        bus.signals.clear()


def read_all(bus):
    """How many bytes come before the end; Failed where it does not end."""
    bus.socket.settimeout(hearbytest.PATIENCE)
    size = 0
    try:
        while True:
            data = bus.socket.recv(1 << 20)
            if not data:
                return size
            size += len(data)
    except ConnectionResetError:
        return size
    except (TimeoutError, socket.timeout):
        raise Failed('it is not closed') from None


def test_somebody_who_does_not_read(stage):
    """Within the limit nothing is lost; beyond it he is closed, and his memory is given back."""
    juliet = juliet_alone(stage)
    talker, slow = juliet.on_bus(), juliet.on_bus()
    say_to_self(talker, LAG // 2 - 500, LINE, 100)           # signals of other kinds come too
    slow.manager('Settings', 'a{sv}', {})
    equal(sum(signal.member == 'MessageAdded' for signal in slow.signals), LAG - 1000, 'signals to somebody slow')
    slow.close()
    before = memory(juliet)
    silent = juliet.on_bus()
    say_to_self(talker, (LAG + KERNEL) // 2, LINE, 100)
    read_all(silent)
    talker.manager('Settings', 'a{sv}', {})
    check_growth(juliet, before, 80e6)                       # half of that was waiting


def test_somebody_who_does_not_read_long_texts(stage):
    juliet = juliet_alone(stage)
    talker, silent = juliet.on_bus(), juliet.on_bus()
    say_to_self(talker, 100, 'x' * BODY, 10)
    before = memory(juliet)
    say_to_self(talker, LAG_BYTES // BODY // 2 + 100, 'x' * BODY, 10)
    check_growth(juliet, before, 40e6)
    assert read_all(silent) < LAG_BYTES


def test_questions_without_end(stage):
    """Who does not read the answers is not heard until he does; then all of them come."""
    juliet = juliet_alone(stage)
    greedy, other = juliet.on_bus(), juliet.on_bus()
    before = memory(juliet)
    sent, poll = 0, select.poll()
    poll.register(greedy.socket.fileno(), select.POLLOUT)
    while poll.poll(QUIET * 1000):
        greedy.post(ROOT, MANAGER, 'Settings', 'a{sv}', {})
        sent += 1
        assert sent < 50000, 'it is read from without end'
    other.manager('Settings', 'a{sv}', {})
    check_growth(juliet, before, 16e6)
    answers = set()
    while len(answers) < sent:
        message = greedy._receive(time.monotonic() + hearbytest.PATIENCE)
        if message.kind == 2:
            answers.add(message.reply_to)


def test_as_many_as_there_may_be(stage):
    juliet = juliet_alone(stage)
    buses = [juliet.on_bus() for _ in range(CLIENTS)]
    try:
        juliet.on_bus()
    except (Failed, OSError, IndexError):
        pass
    else:
        raise Failed('one more is let in')
    buses.pop().close()
    buses[0].manager('Settings', 'a{sv}', {})
    juliet.on_bus()


def test_values(stage):
    """As many as there may be in one call, and one more."""
    bus = juliet_alone(stage).on_bus()
    for count, wanted in ((VALUES - 3, 'NotFound'), (VALUES - 2, 'InvalidArgs')):    # the text and both containers count too
        try:
            bus.manager('SetAlias', 'saoa{sv}', 'x', ['/a'] * count, {})
        except BusError as error:
            equal(error.name, wanted, count)
        else:
            raise Failed('%d paths are taken' % count)


def header(kind, fields, body=b'', order='l', version=1, length=None):
    head = Writer()
    for part, value in zip('yyyyuu', (ord(order), kind, 0, version, len(body) if length is None else length, 77)):
        head.put(part, value)
    head.put('a(yv)', fields)
    head.align(8)
    return bytes(head.out) + body


CALL = [(1, ('o', ROOT)), (2, ('s', MANAGER)), (3, ('s', 'FindPeer'))]
NONSENSE = {
    'noise': os.urandom(4096),
    'another protocol': b'GET / HTTP/1.1\r\nHost: pronto\r\n\r\n',
    'another version': header(1, CALL, version=2),
    'a body of 4 GB': header(1, CALL, length=0xfffffff8),
    'a path that is none': header(1, [(1, ('o', 'here//there'))] + CALL[1:]),
    'a name that is none': header(1, CALL[:2] + [(3, ('s', 'Find Peer'))]),
    'a signature that is none': header(1, CALL + [(8, ('g', 'a{'))]),
    'a call of nothing': header(1, []),
    'a header that is longer than it says': struct.pack('<BBBBIII', ord('l'), 1, 0, 1, 0, 77, 1 << 27),
}
BODIES = {
    'text that is not UTF-8': ('sa{sv}', struct.pack('<I', 2) + b'\xc3\x28\0\0' + struct.pack('<II', 0, 0)),
    'text that is longer than the message': ('sa{sv}', struct.pack('<I', 1 << 20) + b'x\0\0\0' + struct.pack('<II', 0, 0)),
    'text without an end': ('sa{sv}', struct.pack('<I', 4) + b'xxxx' + struct.pack('<II', 0, 0)),
    'an array longer than the message': ('sa{sv}', struct.pack('<I', 3) + b'xxx\0' + struct.pack('<II', 1 << 25, 0)),
    'no body': ('sa{sv}', b''),
}


def test_nonsense(stage):
    juliet = juliet_alone(stage)
    other = juliet.on_bus()
    for what, data in NONSENSE.items():
        bus = juliet.on_bus()
        bus.socket.sendall(data)
        bus.socket.shutdown(socket.SHUT_WR)
        read_all(bus)
        other.manager('Settings', 'a{sv}', {})
    for what, (signature, body) in BODIES.items():
        bus = juliet.on_bus()
        bus.socket.sendall(header(1, CALL + [(8, ('g', signature))], body))
        try:
            answer = bus._receive(time.monotonic() + hearbytest.PATIENCE)
            equal((answer.kind, answer.reply_to), (3, 77), what)
        except Failed as error:
            assert 'closed' in str(error), what              # that is an answer as well
        other.manager('Settings', 'a{sv}', {})
    bus = juliet.on_bus()
    value = ('s', 'x')
    for _ in range(200):
        value = ('v', value)
    try:
        bus.manager('FindPeer', 'sa{sv}', 'self', {'deep': value})
    except (BusError, Failed):
        pass
    other.manager('Settings', 'a{sv}', {})


def test_who_is_somebody_else(stage):
    """Only our own user is let in, by what the system says of him and not by what he says."""
    juliet = juliet_alone(stage)
    path = juliet.on_bus().socket.getpeername()
    for line in (b'AUTH ANONYMOUS 00\r\n', b'AUTH EXTERNAL %s\r\n' % b'12345'.hex().encode(), b'AUTH DBUS_COOKIE_SHA1 30\r\n', b'BEGIN\r\n'):
        raw = socket.socket(socket.AF_UNIX)
        raw.settimeout(hearbytest.PATIENCE)
        raw.connect(path)
        raw.sendall(b'\0' + line)
        raw.shutdown(socket.SHUT_WR)
        told = b''
        while True:
            try:
                data = raw.recv(1024)
            except ConnectionResetError:
                break
            if not data:
                break
            told += data
        equal(told.startswith(b'OK'), False, line)


if __name__ == '__main__':
    hearbytest.main(test_somebody_who_does_not_read, test_somebody_who_does_not_read_long_texts, test_questions_without_end,
                    test_as_many_as_there_may_be, test_values, test_nonsense, test_who_is_somebody_else)
