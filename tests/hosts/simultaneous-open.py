#!/usr/bin/python3
"""When both sides have something to say at the same moment, everything arrives once, on whatever streams."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import functools
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal

ROUNDS = 5


def couple(stage, clear):
    settings = {'encryption': 'never'} if clear else {}
    juliet = stage.person(stage.host('pronto'), 'juliet', settings=settings)
    romeo = stage.person(stage.host('forza'), 'romeo', settings=settings)
    for me, other in ((juliet, romeo), (romeo, juliet)):
        me.on_bus().wait_peer(other, Online=True)
        if clear:
            me.allow(other)
    return juliet, romeo


def two_of_us(stage, clear):
    juliet, romeo = couple(stage, clear)
    streams = {juliet: juliet.consumer(), romeo: romeo.consumer()}
    for me, other in ((juliet, romeo), (romeo, juliet)):
        me.send(other, 'hello')
        streams[other].wait_for({'body': 'hello'})
    wanted = {juliet: ['hello'], romeo: ['hello']}

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
            streams[me].wait_for({'body': wanted[me][-1]})
        for bus in buses:
            bus.close()

    for me in (juliet, romeo):
        equal(me.received(), wanted[me], 'what %s got' % me.name)


def same_millisecond(stage, clear):
    """No stream yet, and two SendMessage calls posted together."""
    juliet, romeo = couple(stage, clear)
    buses = {juliet: juliet.on_bus(), romeo: romeo.on_bus()}
    paths = {juliet: buses[juliet].find(romeo), romeo: buses[romeo].find(juliet)}
    for i in range(20):
        for me in (juliet, romeo):
            buses[me].post(hearbytest.ROOT, hearbytest.MANAGER, 'SendMessage', 'aosa{sv}', [paths[me]], 'word %d' % i, {})
    for me in (juliet, romeo):
        buses[me].wait_message(direction='in', body='word 19')
        equal(me.received(), ['word %d' % i for i in range(20)])


if __name__ == '__main__':
    hearbytest.main(*((name + (' in clear' if clear else ''), functools.partial(test, clear=clear)) for clear in (False, True)
                      for name, test in (('two of us', two_of_us), ('at the same millisecond', same_millisecond))))
