#!/usr/bin/python3
"""When both sides have something to say at the same moment, everything arrives once, on whatever streams."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal

ROUNDS = 5


def test_two_of_us(stage):
    juliet = stage.person(stage.host('pronto'), 'juliet')
    romeo = stage.person(stage.host('forza'), 'romeo')
    juliet.on_bus().wait_peer(romeo, Online=True)
    romeo.on_bus().wait_peer(juliet, Online=True)
    juliet.allow(romeo)
    romeo.allow(juliet)
    streams = {juliet: juliet.consumer(), romeo: romeo.consumer()}
    wanted = {juliet: [], romeo: []}

    for i in range(ROUNDS):
        # Both want to speak at the moment they see each other again: each has a full outbox and no stream.
        romeo.cli('status', 'offline')
        juliet.cli('status', 'offline')
        for me, other in ((juliet, romeo), (romeo, juliet)):
            for j in range(3):
                text = '%d.%d from %s' % (i, j, me.name)
                me.send(other, text)
                wanted[other].append(text)
        buses = [juliet.on_bus(), romeo.on_bus()]
        for bus in buses:
            bus.post(hearbytest.ROOT, hearbytest.MANAGER, 'SetStatus', 'ssa{sv}', 'available', '', {})
        for me in (juliet, romeo):
            streams[me].wait_for({'body': wanted[me][-1]}, timeout=40)
        for bus in buses:
            bus.close()

    for me in (juliet, romeo):
        equal(me.received(), wanted[me], 'what %s got' % me.name)


def test_at_the_same_millisecond(stage):
    """No stream yet, and two SendMessage calls posted together."""
    juliet = stage.person(stage.host('pronto'), 'juliet')
    romeo = stage.person(stage.host('forza'), 'romeo')
    buses = {juliet: juliet.on_bus(), romeo: romeo.on_bus()}
    buses[juliet].wait_peer(romeo, Online=True)
    buses[romeo].wait_peer(juliet, Online=True)
    juliet.allow(romeo)
    romeo.allow(juliet)
    paths = {juliet: buses[juliet].find(romeo), romeo: buses[romeo].find(juliet)}
    for i in range(20):
        for me in (juliet, romeo):
            buses[me].post(hearbytest.ROOT, hearbytest.MANAGER, 'SendMessage', 'aosa{sv}', [paths[me]], 'word %d' % i, {})
    for me in (juliet, romeo):
        buses[me].wait_message(direction='in', body='word 19')
        equal(me.received(), ['word %d' % i for i in range(20)])


if __name__ == '__main__':
    hearbytest.main(test_two_of_us, test_at_the_same_millisecond)
