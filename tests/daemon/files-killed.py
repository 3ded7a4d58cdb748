#!/usr/bin/python3
"""kill -9 at either end costs no more than what was under way: it goes on, or starts over when the source is another one now."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import contextlib
import os
import sqlite3
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbyfiles import SLOW, beside, hurry, make_file, same, sent_bytes, slow_down
from hearbytest import Failed, equal

MEGA = 1 << 20
LONG = '--long' in sys.argv or 'HEARBY_LONG' in os.environ
SIZE, RATE = (1024 * MEGA, '1600mbit') if LONG else (32 * MEGA, SLOW)
LOST = 2 * MEGA                                                      # at most, each time: what buffers hold, and what is told late


def killed(who):
    """@who: "sender" or "receiver"."""
    def run(stage):
        juliet, romeo = beside(stage)
        host = juliet.person.host
        slow_down(host, RATE, 'lo')
        path = make_file(os.path.join(stage.folder, 'file'), SIZE)
        romeo.take_all(juliet)
        before = sent_bytes(host, 'lo')
        out = juliet.send(romeo, path)
        into = romeo.next()
        victim, transfer = (juliet, out) if who == 'sender' else (romeo, into)
        for _ in range(5):
            transfer.wait_moved(SIZE // 40)
            victim.person.kill()
            victim.person.start()
            victim.reconnect()
        hurry(host, 'lo')
        out.wait('complete')
        into.wait('complete')
        spent = sent_bytes(host, 'lo') - before
        hearbytest.diag('%d bytes for %d: %.3f' % (spent, SIZE, spent / SIZE))
        if spent > SIZE * 1.05 + (0 if LONG else 5 * LOST):
            raise Failed('%d bytes went over the link for %d' % (spent, SIZE))
        romeo.wait_received('file')
        same(path, romeo.where('file'))
        equal(len(romeo.transfers()), 1, 'transfers at the receiver')
    return 'the ' + who, run


def test_source_changed_meanwhile(stage):
    """Nothing of the old one gets into the new one."""
    juliet, romeo = beside(stage)
    slow_down(juliet.person.host, device='lo')
    path = make_file(os.path.join(stage.folder, 'file'), 8 * MEGA)
    romeo.take_all(juliet)
    out = juliet.send(romeo, path)
    into = romeo.next()
    into.wait_moved(2 * MEGA)
    juliet.person.kill()
    make_file(path, 8 * MEGA, seed='another')
    hurry(juliet.person.host, 'lo')
    juliet.person.start()
    juliet.reconnect()
    for transfer in (out, into):
        values = transfer.until(lambda values: values['State'] == 'complete', 'complete')
        equal(values['Reason'], 'restarted')
    romeo.wait_received('file')
    same(path, romeo.where('file'))


DAY = 24 * 3600


def age(person, *folders):
    """All that @person's stopped daemon kept of transfers is a day older than it was: in the store, and on the disk."""
    data = os.path.join(person.home, '.local', 'share', 'hearby')
    with contextlib.closing(sqlite3.connect(os.path.join(data, 'hearby.db'))) as db, db:
        equal(db.execute('UPDATE transfer SET created = created - ?1, changed = changed - ?1, expires = expires - ?1',
                         [DAY * 1000000]).rowcount, 1)
        db.execute('UPDATE peer SET last_seen = last_seen - ?', [DAY * 1000000])
    for folder in (data, *folders):
        for where, inner, names in os.walk(folder):
            for path in [where] + [os.path.join(where, name) for name in names]:
                status = os.lstat(path)
                os.utime(path, ns=(status.st_atime_ns - DAY * 10**9, status.st_mtime_ns - DAY * 10**9), follow_symlinks=False)


def test_a_day_later(stage):
    """It goes on where it was, too."""
    juliet, romeo = beside(stage)
    host = juliet.person.host
    slow_down(host, '80mbit', 'lo')
    path = make_file(os.path.join(stage.folder, 'file'), 16 * MEGA)
    romeo.take_all(juliet)
    before = sent_bytes(host, 'lo')
    out = juliet.send(romeo, path)
    into = romeo.next()
    into.wait_moved(8 * MEGA)
    for files, folders in ((juliet, []), (romeo, [romeo.downloads])):
        files.person.stop()
        age(files.person, *folders)
    for files in (juliet, romeo):
        files.person.start()
        files.reconnect()
    for transfer in (out, into):
        transfer.wait('complete')
    spent = sent_bytes(host, 'lo') - before
    if spent > 16 * MEGA * 1.05 + LOST:
        raise Failed('%d bytes went over the link for %d' % (spent, 16 * MEGA))
    romeo.wait_received('file')
    same(path, romeo.where('file'))


def test_after_the_last_byte(stage):
    """Whenever the receiver dies, there is one copy in the end."""
    juliet, romeo = beside(stage)
    romeo.take_all(juliet)
    for i in range(4):
        path = make_file(os.path.join(stage.folder, 'file %d' % i), 100000)
        out = juliet.send(romeo, path)
        romeo.next()
        romeo.bus.wait_signal(lambda m: m.member == 'PropertiesChanged' or None)
        romeo.person.kill()
        romeo.person.start()
        romeo.reconnect()
        out.wait('complete')
        same(path, romeo.where('file %d' % i))
        romeo.wait_received(*['file %d' % n for n in range(i + 1)])


if __name__ == '__main__':
    if '--long' in sys.argv:
        sys.argv.remove('--long')
        os.environ['HEARBY_LONG'] = 'yes'
    hearbytest.main(killed('sender'), killed('receiver'), test_source_changed_meanwhile, test_a_day_later, test_after_the_last_byte)
