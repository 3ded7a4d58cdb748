#!/usr/bin/python3
"""An offer that is refused, canceled or too much ends at both sides with the same words, and nothing of it stays on the disk."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbybus import BusError
from hearbyfiles import OVER, beside, make_file, slow_down
from hearbytest import Failed, equal

MEGA = 1 << 20


def offer(stage, juliet, romeo, size=1000, name='file'):
    out = juliet.send(romeo, make_file(os.path.join(stage.folder, name), size))
    return out, romeo.next()


def running(stage, juliet, romeo):
    """One of which bytes move."""
    slow_down(juliet.person.host, device='lo')
    out, into = offer(stage, juliet, romeo, 32 * MEGA)
    into.wait('offered')
    into.accept(romeo.downloads)
    for transfer in (out, into):
        transfer.wait_moved(1)
    return out, into


def test_refused(stage):
    juliet, romeo = beside(stage)
    out, into = offer(stage, juliet, romeo)
    into.wait('offered')
    into.call('Reject')
    out.wait('rejected', 'declined')
    into.wait('rejected', 'declined')
    into.call('Reject')                                              # idempotent
    romeo.wait_received()


def test_withdrawn(stage):
    """Before anybody answered."""
    juliet, romeo = beside(stage)
    out, into = offer(stage, juliet, romeo)
    into.wait('offered')
    out.call('Cancel')
    out.wait('canceled', 'canceled')
    into.wait('canceled', 'peer-canceled')
    try:
        into.accept(romeo.downloads)
    except BusError as error:
        equal(error.name, 'Failed')
    else:
        raise Failed('what is over was accepted')


def canceled_by(sender):
    def run(stage):
        juliet, romeo = beside(stage)
        out, into = running(stage, juliet, romeo)
        mine, theirs = (out, into) if sender else (into, out)
        mine.call('Cancel')
        mine.wait('canceled', 'canceled')
        theirs.wait('canceled', 'peer-canceled')
        romeo.wait_received()
    return 'canceled half way by the %s' % ('sender' if sender else 'receiver'), run


def test_both_cancel_at_once(stage):
    juliet, romeo = beside(stage)
    out, into = running(stage, juliet, romeo)
    serials = [(transfer, transfer.bus.post(transfer.path, 'org.hearby.Transfer1', 'Cancel', 'a{sv}', {})) for transfer in (out, into)]
    equal(len(serials), 2)
    for transfer in (out, into):
        reason = transfer.until(lambda values: values['State'] in OVER, 'over')['Reason']
        equal((transfer.now()['State'], reason in ('canceled', 'peer-canceled')), ('canceled', True), reason)
    romeo.wait_received()


def test_more_than_a_day_takes(stage):
    """The quota: what fits is taken, the next is refused without a question."""
    juliet, romeo = beside(stage)
    romeo.configure(juliet, files='auto', files_to=romeo.downloads, quota=MEGA)
    out, into = offer(stage, juliet, romeo, MEGA // 2, 'first')
    out.wait('complete')
    out, into = offer(stage, juliet, romeo, MEGA, 'second')
    out.wait('rejected', 'quota')
    into.wait('rejected', 'quota')
    romeo.wait_received('first')


def test_more_than_is_taken_unasked(stage):
    juliet, romeo = beside(stage)
    romeo.configure(juliet, files='auto', files_to=romeo.downloads, files_limit=MEGA)
    out, into = offer(stage, juliet, romeo, MEGA // 2, 'first')
    out.wait('complete')
    out, into = offer(stage, juliet, romeo, MEGA + 1, 'second')
    into.wait('offered')
    out.wait('offered')
    into.accept()
    out.wait('complete')
    romeo.wait_received('first', 'second')


def test_never(stage):
    juliet, romeo = beside(stage)
    romeo.configure(juliet, files='never')
    out, into = offer(stage, juliet, romeo)
    out.wait('rejected', 'declined')
    romeo.wait_received()


if __name__ == '__main__':
    hearbytest.main(test_refused, test_withdrawn, canceled_by(True), canceled_by(False), test_both_cancel_at_once,
                    test_more_than_a_day_takes, test_more_than_is_taken_unasked, test_never)
