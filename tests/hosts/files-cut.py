#!/usr/bin/python3
"""A transfer whose link is cut again and again moves each byte about once, and arrives whole.

With --long it is 1 GiB, and the cuts are of every kind."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import random
import sys
import time
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbyfiles import firewall, hurry, make_file, no_firewall, on_hosts, same, sent_bytes, slow_down
from hearbytest import PATIENCE, Failed, diag

MEGA = 1 << 20
LONG = '--long' in sys.argv or 'HEARBY_LONG' in os.environ
SIZE, RATE = (1024 * MEGA, '800mbit') if LONG else (40 * MEGA, '16mbit')
CUTS = 10
RESET = '''chain in { type filter hook input priority 0; tcp flags & rst != rst reject with tcp reset
}
chain out { type filter hook output priority 0; tcp flags & rst != rst reject with tcp reset
}'''


def lost(transfer):
    """Until this side knows that the connection is gone."""
    transfer.until(lambda values: values['State'] == 'waiting-peer', 'without a connection')


def reset(host, transfers):
    """Every connection ends with a reset, and none can be made until both know."""
    firewall(host, RESET)
    for transfer in transfers:
        lost(transfer)
    no_firewall(host)


def silence(host, seconds):
    """Nothing passes for so long, and nobody is told: that is what is tried, so it is no wait for something."""
    host.link.cut()
    time.sleep(seconds)
    host.link.heal()


def unplug(host, seconds):
    host.link.down()
    time.sleep(seconds)
    host.link.up()


def cut(host, transfers, chance):
    kind = chance.choice(['reset', 'silence', 'unplug']) if LONG else 'reset'
    diag('%s at %d' % (kind, transfers[0].now()['Transferred']))
    if kind == 'reset':
        reset(host, transfers)
    elif kind == 'silence':
        silence(host, chance.uniform(0.2, 4))
    else:
        unplug(host, chance.uniform(0.2, 4))


def test_ten_times(stage):
    seed = int(os.environ.get('HEARBY_SEED') or (random.randrange(1 << 30) if LONG else 1))
    diag('HEARBY_SEED=%d' % seed)
    chance = random.Random(seed)
    juliet, romeo = on_hosts(stage, ipv6=False)
    sender = juliet.person.host
    slow_down(sender, RATE)
    path = make_file(os.path.join(stage.folder, 'file'), SIZE)
    romeo.take_all(juliet)
    before = sent_bytes(sender)
    out = juliet.send(romeo, path)
    into = romeo.next()
    for left in range(CUTS, 0, -1):
        missing = SIZE - into.now()['Transferred']                   # so that there is something for each of them
        into.wait_moved(int(missing / left * chance.uniform(0.3, 0.7)), timeout=2 * PATIENCE)
        cut(sender, (out, into), chance)
    hurry(sender)
    out.wait('complete', timeout=5 * PATIENCE)
    into.wait('complete')
    spent = sent_bytes(sender) - before
    diag('%d bytes for %d: %.3f' % (spent, SIZE, spent / SIZE))
    romeo.wait_received('file')
    same(path, romeo.where('file'))
    if spent > 1.05 * SIZE:
        raise Failed('%.3f times its size went over the link' % (spent / SIZE))


if __name__ == '__main__':
    if '--long' in sys.argv:
        sys.argv.remove('--long')
        os.environ['HEARBY_LONG'] = 'yes'           # main() runs this file again
    hearbytest.main(test_ten_times)
