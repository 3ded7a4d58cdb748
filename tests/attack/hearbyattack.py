# SPDX-License-Identifier: LGPL-2.1-or-later
"""The one in the middle, for the tests of this folder: hosts that took the addresses of romeo's and juliet's, and the program
`attacker` on them.

Their hosts look for each other by Ethernet address, so whoever poisons that table (ARP believes everybody) gets what they send.
Here the entries are just written. One host of his has juliet's address, so that it answers romeo, and speaks to romeo as if from
there; one has romeo's. Multicast is left alone: they find each other."""

import contextlib
import os
import re
import socket
import struct
from concurrent.futures import ThreadPoolExecutor

import hearbytest
from hearbytest import BUILD, PEER, Failed, Listener, equal

ATTACKER = os.path.join(BUILD, 'tests', 'attack', 'attacker')
PORT = 5298
SO_RCVBUFFORCE = 33


class Attacker(Listener):
    """One `attacker`: what it says is there as dictionaries."""

    def said(self, **wanted):
        return [event for event in self.events() if all(event.get(key) == value for key, value in wanted.items())]

    def wait(self, event, timeout=None, **wanted):
        return self.wait_for({'event': event, **wanted}, timeout)

    def say(self, line):
        """As an end (answer, call): a line to the other."""
        self.write(line + '\n')


def start_attacker(stage, host, *arguments):
    attacker = stage.own(Attacker(host.argv(ATTACKER, *map(str, arguments)), merge=False, name='attacker ' + host.name,
                                  env=hearbytest.clean_environment()))
    return attacker


def listening(stage, host, *arguments):
    """The same, and returns when it accepts."""
    attacker = start_attacker(stage, host, *arguments)
    attacker.wait('ready')
    return attacker


def hardware_address(host):
    return re.search(r'link/ether ([0-9a-f:]+)', host.run('ip', '-o', 'link', 'show', 'dev', 'eth0')).group(1)


class Between:
    """The middle of two hosts, which have IPv4 only. Nobody is there before take()."""

    def __init__(self, stage, one, two):
        self.stage, self.sides = stage, (one, two)
        self.masks = {host: stage.host('mask%d' % i, ipv6=False) for i, host in enumerate(self.sides)}
        self.attackers = []
        for host, other in ((one, two), (two, one)):
            mask = self.masks[host]          # where the packets for @host arrive; speaks to @other in its name
            mask.run('sh', '-ec', '''
                echo 1 > /proc/sys/net/ipv4/conf/eth0/arp_ignore
                ip addr add %s/32 dev lo
                ip neigh replace %s lladdr %s nud permanent dev eth0
                ip route replace %s/32 dev eth0 src %s''' % (
                    host.address, other.address, hardware_address(other), other.address, host.address))

    def take(self, *mode, only=None):
        """The attacker stands there in @mode, for connections of both directions or only for those to the host @only."""
        one, two = self.sides
        for host, other in ((one, two), (two, one)):
            if only in (None, host):
                self.attackers.append(listening(
                    self.stage, self.masks[host], '--listen=%d' % PORT, '--connect=%s:%d' % (host.address, PORT),
                    '--through=%d' % self.masks[other].holder.pid, *mode))
            other.run('ip', 'neigh', 'replace', host.address, 'lladdr', hardware_address(self.masks[host]), 'nud', 'permanent',
                      'dev', 'eth0')

    def leave(self):
        """He is gone, his connections end, and packets find their way again."""
        one, two = self.sides
        for attacker in self.attackers:
            attacker.kill()
        for host, other in ((one, two), (two, one)):
            other.run('ip', 'neigh', 'del', host.address, 'dev', 'eth0', check=False)
        gone, self.attackers = self.attackers, []
        return gone


def must_not_contain(attackers, marker):
    for attacker in attackers:
        if marker in attacker.text():
            raise Failed('the attacker read %r:\n%s' % (marker, attacker.text()[-3000:]))


class Capture:
    """Every Ethernet frame on a host's eth0 from now on."""

    def __init__(self, host):
        self.socket = host.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        with contextlib.suppress(PermissionError):                     # of an ordinary user
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.frames = []

    def take(self):
        """All bytes so far, in the order of the wire."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, (device, _, kind, _, _) = self.socket.recvfrom(1 << 17)
                if device == 'eth0':
                    self.frames.append(frame)
        return b''.join(self.frames)

    def streams(self, port):
        """What each direction of each TCP connection from or to @port carried: (source, destination) to bytes."""
        segments = {}
        for frame in self.frames:
            tcp = parse_tcp(frame)
            if tcp and port in (tcp[0][1], tcp[1][1]):
                segments.setdefault(tcp[:2], []).append(tcp[2:])
        return {ends: data for ends, data in ((ends, join(found)) for ends, found in segments.items()) if data}


def parse_tcp(frame):
    """(source, destination, sequence, is SYN, payload) of an Ethernet frame, or None."""
    kind = int.from_bytes(frame[12:14], 'big')
    if kind == 0x0800 and frame[23] == 6:
        ip, header, total = 14, (frame[14] & 15) * 4, int.from_bytes(frame[16:18], 'big')
        source, target = socket.inet_ntop(socket.AF_INET, frame[26:30]), socket.inet_ntop(socket.AF_INET, frame[30:34])
    elif kind == 0x86dd and frame[20] == 6:
        ip, header, total = 14, 40, 40 + int.from_bytes(frame[18:20], 'big')
        source, target = socket.inet_ntop(socket.AF_INET6, frame[22:38]), socket.inet_ntop(socket.AF_INET6, frame[38:54])
    else:
        return None
    tcp = frame[ip + header:ip + total] if total > header else frame[ip + header:]
    source_port, target_port, sequence = struct.unpack('>HHI', tcp[:8])
    return (source, source_port), (target, target_port), sequence, bool(tcp[13] & 2), tcp[(tcp[12] >> 4) * 4:]


def join(segments):
    """The bytes of @segments in order, each once."""
    begin = next((sequence + 1 for sequence, syn, _ in segments if syn), segments[0][0])
    data = b''
    for offset, payload in sorted(((sequence - begin) % (1 << 32), payload) for sequence, syn, payload in segments if not syn):
        if offset <= len(data) < offset + len(payload):
            data += payload[len(data) - offset:]
    return data


def greet(one, other):
    """Both say hello, so both are bound to the keys that they showed."""
    for me, you in ((other, one), (one, other)):
        me.send(you, 'hello', '--wait=delivered')
        equal(me.peers()[you.instance]['trust'], 'pinned', 'what %s thinks of %s' % (me.name, you.name))


class Scene:
    """juliet and romeo, who know each other's keys and trust them as far as talking does; and a middle to stand in."""

    def __init__(self, stage):
        self.stage = stage
        self.pronto, self.forza = stage.host('pronto', ipv6=False), stage.host('forza', ipv6=False)
        self.juliet, self.romeo = stage.person(self.pronto, 'juliet'), stage.person(self.forza, 'romeo')
        self.romeo.wait_online(self.juliet)
        self.juliet.wait_online(self.romeo)
        self.between = Between(stage, self.pronto, self.forza)
        self.inbox = self.juliet.consumer()
        self.said = []

    def greet(self):
        greet(self.juliet, self.romeo)
        self.said.append('hello')
        self.inbox.wait_for({'body': 'hello'})
        return self

    @staticmethod
    def trust(me, other):
        return me.peers()[other.instance]['trust']

    def say(self, text, *options, **more):
        """romeo to juliet; it waits in his outbox."""
        self.said.append(text)
        return self.romeo.send(self.juliet, text, *options, **more)

    def attack(self, *mode):
        """Somebody takes the middle; the attacker that romeo's calls meet."""
        self.between.take(*mode)
        return self.between.attackers[0]

    def recover(self):
        """Nobody is there any more: all that romeo said arrives, once and in order, encrypted, and trust is as before."""
        gone = self.between.leave()
        equal(self.inbox.wait_for({'body': self.said[-1]})['encrypted'], True)
        equal(self.juliet.received(), self.said, 'what juliet got')
        equal((self.trust(self.romeo, self.juliet), self.trust(self.juliet, self.romeo)), ('pinned', 'pinned'))
        equal(self.romeo.json('status')['health'], [], "what romeo's status says")
        for marker in self.said:
            must_not_contain(gone, marker)
        return gone


class User:
    """Somebody at his screen, who wants to compare codes with @other."""

    pool = ThreadPoolExecutor(4)

    def __init__(self, me, other):
        self.me, self.other = me, other
        self.bus, self.calls = me.on_bus(), me.on_bus()

    def verify(self):
        """The run and the code, as a future."""
        return self.pool.submit(self.calls.call, self.calls.find(self.other), PEER, 'Verify', 'a{sv}', {})

    def is_asked(self):
        self.bus.wait_peer(self.other, VerifyWanted=True)

    def answer(self, run, match):
        return self.bus.call(self.bus.find(self.other), PEER, 'Answer', 'sba{sv}', run, match, {})[0]

    def trusts(self, word):
        self.bus.wait_peer(self.other, Trust=word)


def compare(romeo, juliet):
    """romeo begins, juliet agrees: what each of them is shown."""
    his = romeo.verify()
    juliet.is_asked()
    hers = juliet.verify()
    return his.result(), hers.result()
