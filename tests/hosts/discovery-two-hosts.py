#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two hosts find each other, follow a changed record and hear the goodbye, whichever responder each of them has."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

import hearbytest  # noqa: E402
from hearbytest import diag, dns_answer, dns_name, dns_record, equal, quick_enough, repeated, service_packet  # noqa: E402
from probe_discovery import BACKENDS, Probe, interface_index, measured  # noqa: E402

TXT = ('txtvers=1', 'port.p2pj=5299', 'status=avail', 'nick=B\u00f6b')
GOODBYE = 1.3  # seconds; RFC 6762 10.1 alone takes one
COME = 2  # seconds from the start of the program
LOOK = 3  # seconds, where not all is answered before


def meet(stage, kinds):
    """alice, who looks, and bob, who is there."""
    one, other = stage.host('one'), stage.host('other')
    alice, bob = Probe(stage, one, kinds[0]), Probe(stage, other, kinds[1])
    alice.publish('alice@one')
    bob.publish('bob@other', *TXT, port=5299)
    for family in ('ipv4', 'ipv6'):
        alice.once('seen', 'bob@other', None, family)
    bob.once('seen', 'alice@one')
    return alice, bob


def expect_goodbye(alice, what, end, again):
    """@end: bob goes; @again: he is there as before, for another try."""
    def go():
        begin = time.monotonic()
        end()
        alice.wait_names()
        return measured('goodbye after ' + what, begin)

    def come_back():
        again()
        alice.wait_until(lambda: len(alice.there()) == 2, 'bob is back by both families')
    quick_enough(GOODBYE, go, come_back)


def see_each_other(stage, kinds):
    alice, bob = meet(stage, kinds)
    other = bob.host
    index = interface_index(alice.host, 'eth0')
    equal(alice.once('seen', 'bob@other', None, 'ipv4')[2:], [index, 'ipv4', other.address, '0', '5299', ' '.join(TXT)], 'IPv4')
    equal(alice.once('seen', 'bob@other', None, 'ipv6')[2:], [index, 'ipv6', other.link_local(), index, '5299', ' '.join(TXT)], 'IPv6')
    alice.once('settled')
    bob.once('settled')
    alice.expect_nothing_of('alice@one')
    bob.expect_nothing_of('bob@other')
    equal(alice.once('changed')[1], kinds[0], 'backend')


def follow_the_record(stage, kinds):
    alice, bob = meet(stage, kinds)
    begin = time.monotonic()
    bob.do('update', 'txtvers=1', 'status=away')
    alice.wait_seen('bob@other', txt='txtvers=1 status=away')
    measured('update', begin)
    for status in ('dnd', 'avail', 'away', 'dnd'):
        bob.do('update', 'txtvers=1', 'status=' + status)
    bob.do('update', 'txtvers=1', 'status=avail', 'msg=last')
    alice.wait_seen('bob@other', txt='txtvers=1 status=avail msg=last')
    equal(alice.all('gone'), [], 'goodbyes')
    equal(bob.all('published'), [['published', 'bob@other']], 'names')


def follow_to_another_host(stage, kinds):
    """The service's host name is another one, and with it the address."""
    alice, other = Probe(stage, stage.host('one'), kinds[0]), stage.host('other')
    with repeated(lambda: other.multicast(service_packet('bob@other', 'former', '10.77.1.101'))):
        alice.wait('seen', 'bob@other', None, 'ipv4', '10.77.1.101')
    # a goodbye counts a second later, and one more would prolong that
    with repeated(lambda: other.multicast(service_packet('bob@other', 'present', '10.77.1.102', former='former')), every=3):
        alice.wait('seen', 'bob@other', None, 'ipv4', '10.77.1.102')
    equal(alice.all('gone'), [], 'goodbyes')


def look_once(stage, kinds):
    """The first look ends although somebody is called by a name only: no record of his ever comes."""
    service = ('_presence', '_tcp', 'local')
    ghost = dns_answer(dns_record(service, 12, 120, dns_name('ghost@other', *service)))
    one, other = stage.host('one'), stage.host('other')
    with repeated(lambda: other.multicast(ghost)):
        alice = Probe(stage, one, kinds[0])
        alice.once('settled')
    seconds = alice.moments('settled')[0]
    diag('the first look: %.2f s' % seconds)
    equal(LOOK <= seconds < LOOK + hearbytest.PATIENCE / 2, True, 'the time that it took')


def withdraw_and_come_back(stage, kinds):
    alice, bob = meet(stage, kinds)

    def come_back(port='5299'):
        bob.do('publish', 'bob@other', port, 'txtvers=1')
        alice.wait('seen', 'bob@other', None, 'ipv4', bob.host.address, '0', port)  # a cached SRV may come first
    expect_goodbye(alice, 'withdraw', lambda: bob.do('withdraw'), come_back)
    come_back('5300')


def leave(stage, kinds):
    end(stage, kinds, 'quit', Probe.quit)


def die(stage, kinds):
    end(stage, kinds, 'kill -9', Probe.kill)


def end(stage, kinds, what, how):
    alice, bob = meet(stage, kinds)

    def come_back():
        nonlocal bob
        bob = Probe(stage, bob.host, kinds[1])
        bob.publish('bob@other')
    expect_goodbye(alice, what, lambda: how(bob), come_back)


def come(stage, kinds):
    """How long it takes from the start of the program until another sees it."""
    alice = Probe(stage, stage.host('one'), kinds[0])
    alice.once('ready')
    other = stage.host('other')
    if kinds[1] == 'avahi':
        other.start_avahi()

    def start():
        nonlocal bob
        begin = time.monotonic()
        bob = Probe(stage, other, kinds[1])
        bob.once('ready')
        bob.do('publish', 'bob@other', 5298, 'txtvers=1')
        alice.wait_names('bob@other')
        return measured('start to seen', begin)

    def leave_again():
        bob.quit()
        alice.wait_names()
    bob = None
    quick_enough(COME, start, leave_again)


def tests():
    mixed = [(a, b) for a in BACKENDS for b in BACKENDS]
    for what in (come, see_each_other):
        for kinds in mixed:
            yield '%s, %s and %s' % (what.__name__.replace('_', ' '), *kinds), lambda stage, w=what, k=kinds: w(stage, k)
    for what in (follow_the_record, follow_to_another_host, look_once, withdraw_and_come_back, leave, die):
        for kind in BACKENDS:
            yield '%s, %s' % (what.__name__.replace('_', ' '), kind), lambda stage, w=what, k=kind: w(stage, (k, k))


if __name__ == '__main__':
    hearbytest.main(*tests())
