#!/usr/bin/python3
"""The packet that aborts libavahi-core 0.8 costs nobody anything: the chat goes on, and new people are still found."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import functools
import os
import select
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal

RESTARTED = 5  # seconds; one that heard it at once lives again by then


def send_and_see(me, other, text):
    me.cli('send', '--wait=delivered', other.instance, text)
    equal(other.received()[-1], text)


def test(discovery):
    def run(stage):
        pronto, forza, evil = stage.host('pronto'), stage.host('forza'), stage.host('evil')
        if discovery == 'avahi':
            pronto.start_avahi(activatable=True)
            forza.start_avahi(activatable=True)
        juliet = stage.person(pronto, 'juliet', discovery=discovery)
        romeo = stage.person(forza, 'romeo', discovery=discovery)
        bus = juliet.on_bus()
        bus.wait_peer(romeo, Online=True)
        send_and_see(juliet, romeo, 'before')

        deaths = responders(discovery, (juliet, romeo))
        with hearbytest.repeated(lambda: evil.multicast(hearbytest.killer_packet()), every=RESTARTED):
            for wait_death in deaths:
                wait_death()
        send_and_see(juliet, romeo, 'after')

        # found by a responder that lives again
        nurse = stage.person(stage.host('casa'), 'nurse')
        bus.wait_peer(nurse, Online=True)
        nurse_bus = nurse.on_bus()
        for other in (juliet, romeo):
            nurse_bus.wait_peer(other, Online=True)
        equal([name for name in juliet.online() if name != 'z'], sorted([romeo.instance, nurse.instance]))
        send_and_see(juliet, romeo, 'much later')
    return discovery, run


def responders(discovery, people):
    """For each process that the packet kills a function that waits for that."""
    if discovery == 'avahi':
        return [person.host.avahi.wait_exit for person in people]  # reaped: a new one asks whether the old one is still there
    children = []
    for person in people:
        with open('/proc/%d/task/%d/children' % (person.daemon.pid, person.daemon.pid)) as file:
            children += [int(pid) for pid in file.read().split()]
    equal(len(children), len(people), 'the number of responder children')
    return [functools.partial(wait_end, os.pidfd_open(pid)) for pid in children]


def wait_end(descriptor):
    if not select.select([descriptor], [], [], hearbytest.PATIENCE)[0]:
        raise hearbytest.Failed('the packet killed nobody: this test does not test what it says')
    os.close(descriptor)


if __name__ == '__main__':
    hearbytest.main(test('embedded'), test('avahi'))
