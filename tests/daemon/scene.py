"""juliet's daemon on a host with nothing but loopback, and scripted peers that it knows by their addresses 127.0.0.x."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import re
import select
import socket
import time

import hearbytest
from hearbytest import Failed, RawPeer, equal
from hearbylink import SANITIZERS

DISCO = "<query xmlns='http://jabber.org/protocol/disco#info'>%s</query>"
RECEIPTS = "<feature var='urn:xmpp:receipts'/>"


def juliet_alone(stage, **options):
    """Freed memory is given back soon, so that growth is not the sanitizer's."""
    juliet = stage.person(stage.lonely_host('pronto'), 'juliet', discovery='off', start=False, **options)
    juliet.start(ASAN_OPTIONS=SANITIZERS['ASAN_OPTIONS']
                 + ':quarantine_size_mb=1:thread_local_quarantine_size_kb=64:allocator_release_to_os_interval_ms=200')
    return juliet


def connect(juliet, source='127.0.0.1', port=5298):
    def make():
        connection = socket.socket()
        connection.settimeout(hearbytest.PATIENCE)
        connection.bind((source, 0))
        connection.connect(('127.0.0.1', port))
        return connection
    return RawPeer(juliet.host.inside(make))


class Friend:
    """A peer that juliet added: at @address, with an open stream that juliet has opened."""

    def __init__(self, juliet, name, address, features=''):
        self.juliet, self.name, self.address, self.features = juliet, name, address, features
        self.listener = juliet.host.inside(self._listen)
        self.added = '%s:%d' % (address, self.listener.getsockname()[1])
        # one for all, so that none is left unread
        self.bus = juliet.test_bus = getattr(juliet, 'test_bus', None) or juliet.on_bus()
        self.path = self.bus.manager('AddAddress', 'sa{sv}', self.added, {})[0]
        self.said = 0
        self.answer()

    def _listen(self):
        listener = socket.socket()
        listener.bind((self.address, 0))
        listener.listen(64)
        listener.settimeout(hearbytest.PATIENCE)
        return listener

    def answer(self):
        """Takes juliet's next connection and says who this is."""
        self.raw = RawPeer.accept(self.listener)
        self.raw.expect('<stream:stream [^>]*>')
        self.raw.open(self.name, self.juliet.instance)
        self.raw.send('<stream:features>%s</stream:features>' % (DISCO % self.features))
        self.bus.wait_peer(self.name, Online=True)

    def allow(self):
        self.bus.call(self.path, hearbytest.PEER, 'Configure', 'a{sv}a{sv}', {'plaintext': 'allow'}, {})

    def chat(self):
        """Something said comes in, and an answer goes out: all is well."""
        self.said += 1
        word = 'word %d of %s' % (self.said, self.name)
        self.raw.message(self.name, self.juliet.instance, word)
        self.bus.wait_message(direction='in', body=word)
        self.bus.manager('SendMessage', 'aosa{sv}', [self.path], 'answer to ' + word, {'plaintext': ('b', True)})
        self.raw.expect('<body>answer to %s</body>' % word)


def memory(juliet):
    """Bytes of the daemon's memory that are in use."""
    with open('/proc/%d/status' % juliet.daemon.pid) as file:
        return int(re.search(r'VmRSS:\s+(\d+) kB', file.read()).group(1)) * 1024


def check_growth(juliet, before, most):
    """Memory is given back by and by, when something is done."""
    deadline = time.monotonic() + hearbytest.PATIENCE
    grown = memory(juliet) - before
    while grown > most and time.monotonic() < deadline:
        juliet.on_bus().close()
        grown = memory(juliet) - before
    if grown > most:
        raise Failed('the daemon has grown by %.1f MB, %.1f are allowed' % (grown / 1e6, most / 1e6))


def ended(peers):
    """Waits until all connections of @peers were closed from the other side; what each was told before."""
    waiting = {peer.socket.fileno(): (i, peer) for i, peer in enumerate(peers)}
    told = [b''] * len(peers)
    poll = select.poll()
    deadline = time.monotonic() + hearbytest.PATIENCE
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    while waiting:
        ready = poll.poll(max(0, deadline - time.monotonic()) * 1000)
        if not ready:
            raise Failed('%d of %d connections stay open' % (len(waiting), len(peers)))
        for fd, _ in ready:
            i, peer = waiting[fd]
            try:
                data = peer.socket.recv(65536)
            except ConnectionResetError:
                data = b''
            told[i] += data
            if not data:
                poll.unregister(fd)
                del waiting[fd]
    return told


def check_condition(told, wanted, what):
    """@told: what a stream ended with; @wanted: the condition of RFC 6120 4.9.3, or None for a close without a reason."""
    found = re.search(rb'<stream:error[^>]*><([a-z-]+)', told)
    equal(found.group(1).decode() if found else told[-300:], wanted, what + ': the reason')
