#!/usr/bin/python3
"""Either side may pause a transfer; it goes on when the same side says so, and what moved does not move again."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import contextlib
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbybus import BusError
from hearbyfiles import beside, hurry, make_file, same, slow_down
from hearbytest import Failed

MEGA = 1 << 20


def paused_by(sender):
    def run(stage):
        juliet, romeo = beside(stage)
        slow_down(juliet.person.host, device='lo')
        path = make_file(os.path.join(stage.folder, 'file'), 16 * MEGA)
        out = juliet.send(romeo, path)
        into = romeo.next()
        into.wait('offered')
        into.accept(romeo.downloads)
        mine, theirs = (out, into) if sender else (into, out)
        for _ in range(3):
            mine.wait_moved(MEGA // 2)
            mine.call('Pause')
            mine.wait('paused', 'paused')
            before = theirs.wait('paused', 'peer-paused')['Transferred']
            mine.call('Resume')
            after = theirs.wait('active')['Transferred']
            if after < before // 2:
                raise Failed('it began again: %d, then %d' % (before, after))
        hurry(juliet.person.host, 'lo')
        out.wait('complete')
        into.wait('complete')
        romeo.wait_received('file')
        same(path, romeo.where('file'))
    return 'by the ' + ('sender' if sender else 'receiver'), run


def test_by_both(stage):
    """It goes on when both want it to."""
    juliet, romeo = beside(stage)
    slow_down(juliet.person.host, device='lo')
    path = make_file(os.path.join(stage.folder, 'file'), 8 * MEGA)
    out = juliet.send(romeo, path)
    into = romeo.next()
    into.wait('offered')
    into.accept(romeo.downloads)
    out.wait_moved(MEGA // 2)
    out.call('Pause')
    into.wait('paused', 'peer-paused')
    into.call('Pause')
    into.wait('paused', 'paused')
    for transfer in (out, into):
        with contextlib.suppress(BusError):                          # for the first one it is not over
            transfer.call('Resume')
    hurry(juliet.person.host, 'lo')
    out.wait('complete')
    into.wait('complete')
    same(path, romeo.where('file'))


if __name__ == '__main__':
    hearbytest.main(paused_by(True), paused_by(False), test_by_both)
