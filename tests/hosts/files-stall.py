#!/usr/bin/python3
"""When nothing moves any more, both sides say so instead of waiting for ever, and go on when the link is there again."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbyfiles import hurry, make_file, on_hosts, same, slow_down
from hearbytest import equal

MEGA = 1 << 20


def test_silent_link(stage):
    juliet, romeo = on_hosts(stage, ipv6=False)
    slow_down(juliet.person.host)
    path = make_file(os.path.join(stage.folder, 'file'), 16 * MEGA)
    romeo.take_all(juliet)
    out = juliet.send(romeo, path)
    into = romeo.next()
    into.wait_moved(MEGA)
    juliet.person.host.link.cut()
    for transfer in (out, into):
        values = transfer.until(lambda values: values['State'] == 'waiting-peer', 'waiting', timeout=2 * hearbytest.PATIENCE)
        equal(values['Reason'] in ('stalled', 'connection-lost'), True, values['Reason'])
    hurry(juliet.person.host)
    juliet.person.host.link.heal()
    out.wait('complete', timeout=2 * hearbytest.PATIENCE)
    into.wait('complete')
    same(path, romeo.where('file'))


if __name__ == '__main__':
    hearbytest.main(test_silent_link)
