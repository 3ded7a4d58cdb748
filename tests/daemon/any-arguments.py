#!/usr/bin/python3
"""Whatever values of whatever types a client calls with: each call is answered, errors are of the closed list, and the daemon stays.

With --long for a minute, and others each time. HEARBY_SEED repeats a run."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import contextlib
import os
import random
import re
import socket
import sys
import time
import xml.etree.ElementTree
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbybus import CONVERSATION, MANAGER, PEER, ROOT, TRANSFER, Bus, BusError, split
from hearbylink import SOURCE
from hearbytest import Failed, RawPeer, equal
from scene import Friend, juliet_alone

LONG = '--long' in sys.argv or 'HEARBY_LONG' in os.environ
CALLS, SECONDS = 900, 60
AGAIN = 100                                     # calls until whom they forgot is added again
WAITING = 32                                    # calls that are not answered yet
FDO = 'org.freedesktop.DBus.'
XML = open(os.path.join(SOURCE, 'data', 'org.hearby.Hearby.xml'), encoding='utf-8').read()
INTERFACES = {interface.get('name'): {
    'methods': {method.get('name'): ''.join(arg.get('type') for arg in method if arg.get('direction') == 'in')
                for method in interface.iter('method')},
    'properties': [each.get('name') for each in interface.iter('property')],
} for interface in xml.etree.ElementTree.fromstring(XML).iter('interface')}
OURS = set(re.search(r'with NAME one of ([\w\s]+);', XML).group(1).split())
THEIRS = {'InvalidArgs', 'UnknownMethod', 'UnknownInterface', 'UnknownObject', 'UnknownProperty', 'PropertyReadOnly'}
WORDS = sorted(set(re.findall(r'"([\w-]+)"', XML)))
TEXTS = ['', ' ', 'x', '!', '!x', '-1', '0', '65536', 'yes', 'no', 'off', 'a\nb', '\t', '\x1b[31m', '\u202e', '\ud7ff', '\U0010ffff',
         '\u00e9', 'e\u0301', 'nurse@verona', 'NURSE@VERONA', 'nurse', 'self', '127.0.0.1', '127.0.0.9:1', '[::1]:5298', '[fe80::1%lo]:1',
         '999.1.1.1:99999', 'a' * 63, 'a' * 64, 'b@' + 'c' * 61, 'y' * 65536, 'z' * 70000, '%s%n', '/etc/passwd', 'unix:path=/nowhere',
         'aaaa-' * 7 + 'aaaa', '0' * 64, 'xmpp:nurse@verona?trust-message;encryption=urn:x-hearby:noise:0;trust=' + '09' * 32]
NUMBERS = {'y': (0, 255), 'n': (-2**15, 2**15 - 1), 'q': (0, 2**16 - 1), 'i': (-2**31, 2**31 - 1), 'u': (0, 2**32 - 1),
           'x': (-2**63, 2**63 - 1), 't': (0, 2**64 - 1)}
TYPES = ['s', 'o', 'g', 'b', 'd', 'v', 'h', 'as', 'aay', 'ao', 'at', 'ay', 'a{sv}', 'a{ss}', '(sv)', 'aa{sv}', 'a{sa{sv}}', 'a(sssq)', *NUMBERS]
NOWHERE = [ROOT, '/', '/nowhere', ROOT + '/peers/p999999']
NOT_SO = {'Quit'}                               # ends the daemon, as it should


class Any:
    """Random values; @texts and .paths: that mean something to the daemon."""

    def __init__(self, seed, texts):
        self.random = random.Random(seed)
        self.texts, self.paths = texts + TEXTS, NOWHERE
        self.files = [os.open(*how) for how in (('/dev/null', os.O_RDWR), ('/', os.O_RDONLY), (__file__, os.O_RDONLY), ('/', os.O_PATH))]
        self.files += [*os.pipe(), socket.socket()]

    def value(self, kind, depth=0):
        choice = self.random.choice
        if kind in NUMBERS:
            low, high = NUMBERS[kind]
            return choice([low, high, 0, 1, 2, 7, self.random.randint(low, high), self.random.randint(0, 100)])
        if kind == 'b':
            return choice([False, True])
        if kind == 'd':
            return choice([0.0, -1.5, float('nan'), float('inf')])
        if kind == 's':
            return choice(choice([self.texts, WORDS]))
        if kind == 'o':
            return choice(self.paths)
        if kind == 'g':
            return choice(TYPES)
        if kind == 'h':
            return choice(self.files)
        if kind == 'v':
            inner = choice(['s', 's', 'b', 'u', 't', 'x', 'q', 'h'] if depth or self.random.random() < 0.8 else TYPES)
            return inner, self.value(inner, depth + 1)
        count = choice([0, 0, 1, 1, 2, 5])
        if kind[:2] == 'a{':
            return {self.value(kind[2], depth + 1): self.value(kind[3:-1], depth + 1) for _ in range(count)}
        if kind[0] == 'a':
            return [self.value(kind[1:], depth + 1) for _ in range(count)]
        return tuple(self.value(part, depth + 1) for part in split(kind[1:-1]))

    def call(self):
        """One: path, interface, member, signature, values, and whether they are of the right types."""
        interface = self.random.choice(list(INTERFACES))
        own = [path for path in self.paths if {MANAGER: path == ROOT, PEER: '/peers/' in path, CONVERSATION: '/conversations/' in path,
                                             TRANSFER: '/transfers/' in path}
               .get(interface, True)]
        path = self.random.choice(own if own and self.random.random() < 0.9 else self.paths)
        if self.random.random() < 0.1:          # a property
            member = self.random.choice(['Get', 'Set', 'GetAll'])
            name = self.random.choice(INTERFACES[interface]['properties'] + ['Nothing'])
            values = [interface, name, self.value('v')][:{'Get': 2, 'Set': 3, 'GetAll': 1}[member]]
            return path, FDO + 'Properties', member, 'ssv'[:len(values)], values, True
        methods = INTERFACES[interface]['methods']
        member = self.random.choice(list(methods))
        signature = methods[member]
        if member in NOT_SO or self.random.random() < 0.3:
            signature = ''.join(self.random.choice(TYPES) for _ in range(self.random.randint(0, 4)))
        right = signature == methods[member]
        if right and member in NOT_SO:
            return self.call()
        return path, interface, member, signature, [self.value(part) for part in split(signature)], right


def name_of(error):
    """Of an error of the lists, or Failed."""
    domain, _, name = error.rpartition('.')
    if not (domain == 'org.hearby.Error' and name in OURS) and not (domain == FDO + 'Error' and name in THEIRS):
        raise Failed('an error that nobody knows: %s' % error)
    return name


class Caller(Bus):
    """Many calls at once, each of which has to be answered."""

    def __init__(self, person):
        super().__init__(person)
        self.open, self.counts = {}, {}

    def throw(self, path, interface, member, signature, values, right):
        self.open[self.post(path, interface, member, signature, *values)] = (path, interface, member, signature, values, right)

    def gather(self, most):
        """Until no more than @most wait."""
        deadline = time.monotonic() + hearbytest.PATIENCE
        while len(self.open) > most:
            try:
                message = self._receive(deadline)
            except Failed as error:
                raise Failed('%s; open are: %.3000r' % (error, list(self.open.values()))) from error
            message.close()
            if message.kind in (1, 4):          # a signal, or an agent is asked
                continue
            call = self.open.pop(message.reply_to)
            name = name_of(message.error) if message.kind == 3 else 'an answer'
            if name == 'an answer' and not call[-1]:
                raise Failed('%.500r was taken' % (call,))
            self.counts[name] = self.counts.get(name, 0) + 1


def test_any_arguments(stage):
    seed = int(os.environ.get('HEARBY_SEED', random.randrange(2**32) if LONG else 1))
    hearbytest.diag('HEARBY_SEED=%d' % seed)
    juliet = juliet_alone(stage)
    friends = [Friend(juliet, name, address) for name, address in (('nurse@verona', '127.0.0.2'), ('mercutio@forza', '127.0.0.3'))]
    other, bus = friends[0].bus, Caller(juliet)
    values = Any(seed, [friend.added for friend in friends] + list(other.manager('Settings', 'a{sv}', {})[0]))
    end = time.monotonic() + SECONDS if LONG else 0
    thrown = 0
    while thrown < CALLS or time.monotonic() < end:
        if thrown % AGAIN == 0:
            for friend in friends:
                other.manager('AddAddress', 'sa{sv}', friend.added, {})
            absent, = other.manager('TrustUri', 'sa{sv}', TEXTS[-1], {})
            with contextlib.suppress(BusError):     # it may be blocked now
                other.manager('SendPaths', 'aoasa{sv}', [absent], [__file__], {})
            values.paths = list(other.call(ROOT, FDO + 'ObjectManager', 'GetManagedObjects')[0]) + NOWHERE
            other.signals.clear()
        bus.throw(*values.call())
        bus.gather(WAITING)
        thrown += 1
    bus.gather(0)
    hearbytest.diag('%d calls: %s' % (thrown, bus.counts))
    if not bus.counts.get('an answer') or not bus.counts.get('InvalidArgs'):
        raise Failed('nothing was tried: %r' % bus.counts)
    bus.manager('Settings', 'a{sv}', {})


def test_probe_of_what_closes(stage):
    """A probe that finds only a stream on its way out is answered, not left waiting."""
    juliet = juliet_alone(stage)
    nurse = Friend(juliet, 'nurse@verona', '127.0.0.2')
    bus = juliet.on_bus()
    bus.post(ROOT, MANAGER, 'SetStatus', 'ssa{sv}', 'offline', '', {})
    equal(bus.call(nurse.path, PEER, 'Probe', 'a{sv}', {})[0]['connected'], False)
    nurse.raw.expect('</stream:stream>')


def test_probe_under_a_key_that_goes(stage):
    """A new key ends all streams at once, and with them what waits for one."""
    juliet = juliet_alone(stage)
    listener = RawPeer.listen(juliet.host)
    bus = Caller(juliet)
    path = bus.manager('AddAddress', 'sa{sv}', '127.0.0.1:%d' % listener.getsockname()[1], {})[0]
    silent = RawPeer.accept(listener)
    silent.expect('<stream:stream ')
    bus.throw(path, PEER, 'Probe', 'a{sv}', [{}], True)
    bus.throw(ROOT, MANAGER, 'NewIdentity', 'a{sv}', [{}], True)
    bus.gather(0)


if __name__ == '__main__':
    if '--long' in sys.argv:
        sys.argv.remove('--long')
        os.environ['HEARBY_LONG'] = 'yes'           # main() runs this file again
    hearbytest.main(test_any_arguments, test_probe_of_what_closes, test_probe_under_a_key_that_goes)
