#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A responder that dies, is stopped, is not there or does not want: discovery goes on, and says what is wrong."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

import hearbytest  # noqa: E402
from hearbytest import equal, killer_packet, repeated  # noqa: E402
from probe_discovery import Probe, fence, measured  # noqa: E402


MEMORY = 10  # seconds that who was seen outlives the responder


def meet(stage, kind, activatable=False):
    one, other = stage.host('one'), stage.host('other')
    if kind == 'avahi':
        one.start_avahi(activatable=activatable)
    alice, bob = Probe(stage, one, kind), Probe(stage, other)
    alice.publish('alice@one')
    bob.publish('bob@other')
    alice.once('seen', 'bob@other')
    bob.once('seen', 'alice@one')
    return alice, bob


def expect_recovery(stage, alice, bob, begin):
    """alice is published and sees newcomers, and bob never left for her: not before it was time to forget him."""
    alice.wait('ready')
    measured('ready again', begin)
    third = fence(stage, stage.host('wall'), alice, bob)
    third.once('seen', 'alice@one')
    lost = alice.moments('changed', 'none')[0]
    equal([moment for moment in alice.moments('gone', 'bob@other') if moment < lost + MEMORY / 2], [], "goodbyes of bob's")
    bob.do('update', 'txtvers=1', 'status=dnd')
    alice.wait_seen('bob@other', txt='txtvers=1 status=dnd')


def child_is_killed(stage):
    alice, bob = meet(stage, 'embedded')
    begin = time.monotonic()
    os.kill(alice.child(), signal.SIGKILL)
    alice.wait('changed', 'none')
    expect_recovery(stage, alice, bob, begin)


def killer_packet_embedded(stage):
    alice, bob = meet(stage, 'embedded')
    child = alice.child()
    begin = time.monotonic()
    with repeated(lambda: bob.host.multicast(killer_packet()), every=MEMORY):
        alice.wait('changed', 'none')
    expect_recovery(stage, alice, bob, begin)
    equal(alice.child() == child, False, 'the same child')


def killer_packet_avahi(stage):
    """avahi-daemon aborts and the bus starts it again."""
    alice, bob = meet(stage, 'avahi', activatable=True)
    begin = time.monotonic()
    with repeated(lambda: bob.host.multicast(killer_packet()), every=MEMORY):
        equal(alice.host.avahi.wait_exit() != 0, True, 'an abort')
    alice.wait('changed', 'none')
    expect_recovery(stage, alice, bob, begin)


def avahi_is_restarted(stage):
    alice, bob = meet(stage, 'avahi')
    begin = time.monotonic()
    alice.host.avahi.stop()
    alice.wait('changed', 'none')
    bob.wait('gone', 'alice@one')
    alice.host.start_avahi()
    expect_recovery(stage, alice, bob, begin)


def avahi_stays_away(stage):
    """Who was seen is forgotten after ten seconds."""
    alice, bob = meet(stage, 'avahi')
    begin = time.monotonic()
    alice.host.avahi.stop()
    alice.wait('changed', 'none')
    alice.wait_names()
    measured('forgotten', begin)
    forgotten = alice.moments('gone', 'bob@other')[0] - alice.moments('changed', 'none')[0]
    equal(forgotten >= MEMORY / 2, True, 'the memory of %.1f s' % forgotten)


def avahi_comes_later(stage):
    host = stage.host('one')
    host.start_bus()
    alice = Probe(stage, host, 'avahi', avahi=False)
    alice.once('settled')
    equal('there is no avahi-daemon' in alice.once('changed', 'none')[2], True, 'a reason')
    host.start_avahi()
    equal(alice.publish('alice@one'), 'alice@one', 'name')
    equal(alice.all('changed')[-1], ['changed', 'avahi', '-'], 'state')


def bus_is_lost(stage):
    """The system bus dies: no exit, and everything again when it is back."""
    alice, bob = meet(stage, 'avahi')
    begin = time.monotonic()
    alice.host.bus.kill()
    alice.wait('changed', 'none')
    alice.host.avahi.kill()
    alice.host.start_avahi()
    expect_recovery(stage, alice, bob, begin)


def auto_takes_avahi(stage):
    host = stage.host('one')
    host.start_avahi()
    alice = Probe(stage, host, 'auto')
    alice.publish('alice@one')
    equal(alice.all('changed')[-1], ['changed', 'avahi', '-'], 'state')


def auto_activates_avahi(stage):
    host = stage.host('one')
    host.start_avahi(activatable=True)
    host.avahi.stop()
    alice = Probe(stage, host, 'auto')
    alice.publish('alice@one')
    equal(alice.all('changed')[-1], ['changed', 'avahi', '-'], 'state')


def auto_without(stage, bus):
    """Neither bus nor avahi-daemon is needed, and nobody is bothered with that."""
    host = stage.host('one')
    if bus:
        host.start_bus()
    begin = time.monotonic()
    alice = Probe(stage, host, 'auto')
    alice.once('ready')
    measured('ready', begin)
    alice.publish('alice@one')
    equal(alice.all('changed'), [['changed', 'embedded', '-']], 'states')


def auto_loses_avahi(stage):
    """An avahi-daemon that was there and does not come back is replaced."""
    host = stage.host('one')
    host.start_avahi()
    alice = Probe(stage, host, 'auto')
    alice.publish('alice@one')
    host.avahi.stop()
    alice.wait('changed', 'embedded')
    fence(stage, stage.host('wall'), alice).once('seen', 'alice@one')


def avahi_refuses(stage):
    host = stage.host('one')
    host.start_avahi(publish='disable-user-service-publishing=yes')
    alice = Probe(stage, host, 'avahi')
    alice.once('ready')
    alice.do('publish', 'alice@one', 5298, 'txtvers=1')
    problem = alice.wait('changed', 'avahi')[2]
    while problem == '-':
        problem = alice.wait('changed', 'avahi')[2]
    equal('does not let users publish' in problem, True, 'the problem is %s' % problem)
    fence(stage, stage.host('wall'), alice)
    equal(alice.all('published'), [], 'names')


def off(stage):
    host = stage.host('one')
    alice = Probe(stage, host, 'off')
    alice.once('settled')
    alice.do('publish', 'alice@one', 5298)
    alice.quit()
    equal(alice.all('ready') + alice.all('published'), [], 'events')


if __name__ == '__main__':
    hearbytest.main(child_is_killed, killer_packet_embedded, killer_packet_avahi, avahi_is_restarted, avahi_stays_away,
                    avahi_comes_later, bus_is_lost, auto_takes_avahi, auto_activates_avahi,
                    ('auto without avahi', lambda stage: auto_without(stage, True)),
                    ('auto without a bus', lambda stage: auto_without(stage, False)),
                    auto_loses_avahi, avahi_refuses, off)
