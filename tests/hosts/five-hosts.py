#!/usr/bin/python3
"""Five hosts, embedded and avahi-daemon mixed, all see each other, and a message to all reaches each once."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal

NAMES = ['juliet', 'romeo', 'nurse', 'tybalt', 'benvolio']


def test_five(stage):
    people = [stage.person(stage.host('host%d' % i), name, discovery='avahi' if i % 2 else 'embedded')
              for i, name in enumerate(NAMES)]
    for me in people:
        bus = me.on_bus()
        others = [other for other in people if other is not me]
        for other in others:
            bus.wait_peer(other, Online=True)
        bus.close()
        equal(me.online(), sorted(other.instance for other in others))

    juliet, others = people[0], people[1:]
    juliet.cli('alias', 'ops', *(other.instance for other in others))
    streams = [other.consumer() for other in others]
    juliet.cli('send', 'ops', 'disk over 90%')
    juliet.cli('send', 'ops', 'and the end')
    for other, events in zip(others, streams):
        events.wait_for({'body': 'and the end'})
        equal(other.received(), ['disk over 90%', 'and the end'])

    buses = [other.on_bus() for other in others]
    juliet.stop()
    for bus in buses:
        bus.wait_peer(juliet, Online=False)


if __name__ == '__main__':
    hearbytest.main(test_five)
