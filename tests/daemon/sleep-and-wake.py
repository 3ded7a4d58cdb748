#!/usr/bin/python3
"""Before the machine sleeps peers are told goodbye and what waits in clear is held; after it the user is back on the air."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import select
import signal
import socket
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import Failed, equal
from messagebus import MessageBus
from scene import Friend, connect
from transfers import Pair

LOGIND = 'org.freedesktop.login1'
GOODBYE = b'\0\x0c\0\x01\0\0\0\0'      # a PTR record of class IN that lives 0 seconds
ETH_P_ALL = 3
TRIES = 10


class Logind:
    """systemd-logind as far as we talk to it: one who may delay the sleep, and the signal."""

    def __init__(self, host):
        host.start_bus()
        self.bus = MessageBus('/proc/%d/root/run/dbus/system_bus_socket' % host.holder.pid)
        self.bus.own(LOGIND)
        self.lock = None

    def take_lock(self, what='sleep', mode='delay'):
        """Waits until somebody wants to delay the sleep."""
        call = self.bus.wait_call('Inhibit')
        equal((call.args[0], call.args[1], call.args[3]), (what, 'hearby', mode))
        self.lock, theirs = os.pipe()
        self.bus.answer(call, 'h', theirs)
        os.close(theirs)

    def wait_released(self):
        if not select.select([self.lock], [], [], hearbytest.PATIENCE)[0] or os.read(self.lock, 1):
            raise Failed('the sleep is still delayed')
        os.close(self.lock)

    def prepare(self, sleeping):
        self.bus.signal('/org/freedesktop/login1', LOGIND + '.Manager', 'PrepareForSleep', 'b', sleeping)


def listen_at_the_exit(host):
    """What leaves the host on eth0: a packet is there as soon as the program that sends it goes on."""
    ear = host.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)))
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    ear.setblocking(False)
    return ear


def packets(ear):
    """What went out so far."""
    found = []
    while True:
        try:
            packet, (interface, _, kind, _, _) = ear.recvfrom(9000)
        except BlockingIOError:
            return found
        if kind == socket.PACKET_OUTGOING and interface == 'eth0':
            found.append(packet)


def sleep(logind, juliet):
    """Whether the goodbye was on the link before the machine may sleep."""
    with listen_at_the_exit(juliet.host) as ear:
        logind.prepare(True)
        logind.wait_released()
        return any(GOODBYE in packet and juliet.instance.encode() in packet for packet in packets(ear))


def on_every_discovery(stage, discovery, clear):
    settings = {'encryption': 'never'} if clear else {}
    pronto = stage.host('pronto')
    logind = Logind(pronto)
    juliet = stage.person(pronto, 'juliet', discovery=discovery, settings=settings)
    romeo = stage.person(stage.host('forza'), 'romeo', settings=settings)
    nurse = stage.person(stage.host('verona'), 'nurse', settings=settings)
    logind.take_lock()
    bus, there = juliet.on_bus(), romeo.on_bus()
    for person in (romeo, nurse):
        bus.wait_peer(person, Online=True)
        if clear:
            juliet.allow(person)
    there.wait_peer(juliet, Online=True)
    for person in (romeo, nurse):
        juliet.send(person, 'good night', '--wait=delivered')
    nurse.stop()
    bus.wait_peer(nurse, Online=False)
    seq = int(juliet.send(nurse, 'are you there?'))

    tries = 1
    while not sleep(logind, juliet):                                   # half a second; a busy machine may need more
        if tries == TRIES:
            raise Failed('the machine may sleep before the goodbye is on the link')
        tries += 1
        logind.prepare(False)
        logind.take_lock()
        there.wait_peer(juliet, Online=True)
    if clear:
        bus.wait_signal(lambda m: m.member == 'MessageChanged' and m.args == [seq, {'state': 'held', 'reason': 'sleep'}])
    there.wait_peer(juliet, Online=False)
    raw = hearbytest.RawPeer.connect(romeo.host, pronto.address, 5298)   # nobody is let in
    raw.open(romeo.instance, juliet.instance)
    equal(raw.expect_end(), b'')

    logind.prepare(False)
    logind.take_lock()                                                 # and so the next time
    there.wait_peer(juliet, Online=True)
    if clear:
        romeo.allow(juliet)
    romeo.send(juliet, 'good morning', '--wait=delivered')
    nurse.start()
    bus.wait_peer(nurse, Online=True)
    juliet.send(nurse, 'good morning', '--wait=delivered')
    if clear:
        equal(nurse.received(), ['good night', 'good morning'])
        juliet.allow(nurse)
        bus.wait_signal(lambda m: m.member == 'MessageChanged' and m.args[0] == seq and m.args[1]['state'] == 'delivered')
        equal(nurse.received(), ['good night', 'good morning', 'are you there?'])
    else:
        equal(nurse.received(), ['good night', 'are you there?', 'good morning'])


def test_embedded(stage):
    on_every_discovery(stage, 'embedded', False)


def test_embedded_in_clear(stage):
    on_every_discovery(stage, 'embedded', True)


def test_avahi(stage):
    on_every_discovery(stage, 'avahi', True)


def test_streams_are_closed_first(stage):
    """The delay lasts until every peer has the end of its stream; a peer that does not answer cannot prolong it for long."""
    host = stage.lonely_host('pronto')
    logind = Logind(host)
    juliet = stage.person(host, 'juliet', discovery='off')
    logind.take_lock()
    friends = [Friend(juliet, 'friend%d@verona' % i, '127.0.0.%d' % (i + 2)) for i in range(3)]
    logind.prepare(True)
    logind.wait_released()
    juliet.daemon.kill(signal.SIGSTOP)                                 # what was not said before comes too late
    for friend in friends:
        friend.raw.expect('</stream:stream>')
    juliet.daemon.kill(signal.SIGCONT)
    connect(juliet, '127.0.0.2').expect_end()
    logind.prepare(False)
    logind.take_lock()
    for friend in friends:
        friend.raw.close()
        friend.answer()
        friend.chat()


def test_files_keep_it_awake(stage):
    """No sleep while bytes move, at the sender's as at the receiver's, and not a moment longer; again with the next one."""
    pair = Pair(stage, start=False)
    first = [Logind(person.host) for person in (pair.juliet, pair.romeo)]
    pair.start()
    for logind in first:
        logind.take_lock()
    for _ in range(2):
        theirs, ours = os.pipe()
        sent = pair.send_files([(theirs, 'stream', {})])
        os.close(theirs)
        pair.offer()
        pair.accept(folder=pair.target())
        for logind in first:
            logind.take_lock('sleep:idle', 'block')
        os.close(ours)
        equal(pair.wait_finished(sent), ['complete', ''])
        for logind in first:
            logind.wait_released()


def test_logind_comes_and_goes(stage):
    """Without one, and when it ends, nothing is different but that nobody tells of the sleep."""
    host = stage.lonely_host('pronto')
    logind = Logind(host)
    juliet = stage.person(host, 'juliet', discovery='off')
    logind.take_lock()
    host.bus.kill()
    friend = Friend(juliet, 'nurse@verona', '127.0.0.2')
    friend.chat()


if __name__ == '__main__':
    hearbytest.main(test_embedded, test_embedded_in_clear, test_avahi, test_streams_are_closed_first,
                    test_files_keep_it_awake, test_logind_comes_and_goes)
