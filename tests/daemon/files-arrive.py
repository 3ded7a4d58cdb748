#!/usr/bin/python3
"""Files and folders arrive as they were, under their names or numbered ones, and leave nothing else behind."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbyfiles import beside, describe, make_file, same
from hearbytest import Failed, equal

TIME = 1_600_000_000_123_456_789


def make_folder(top):
    """One of everything; its description."""
    for name in ('', 'empty', 'deep', 'deep/er', 'deep/er/and deeper', '.hidden'):
        os.mkdir(os.path.join(top, name))
    for name, size in (('nothing', 0), ('one', 1), ('deep/er/more than a record', 70000), ('.hidden/file', 10),
                       ("quotes ' \" and\nlines", 5), ('Grüße', 6)):
        make_file(os.path.join(top, name), size)
    os.symlink('deep/er', os.path.join(top, 'inside'))
    os.symlink('../one', os.path.join(top, 'deep', 'up'))
    os.chmod(os.path.join(top, 'one'), 0o755)
    os.chmod(os.path.join(top, 'nothing'), 0o400)
    for folder, folders, names in os.walk(top, topdown=False):
        for name in names + folders:
            os.utime(os.path.join(folder, name), ns=(TIME, TIME), follow_symlinks=False)
    os.utime(top, ns=(TIME, TIME))
    os.chmod(os.path.join(top, 'empty'), 0o500)


def arrive(juliet, romeo, *paths):
    """juliet offers, romeo accepts; both transfers."""
    out = juliet.send(romeo, *paths)
    into = romeo.next()
    into.wait('offered')
    into.accept(romeo.downloads)
    out.wait('complete')
    into.wait('complete')
    return out, into


def test_a_folder(stage):
    juliet, romeo = beside(stage)
    top = os.path.join(stage.folder, 'photos')
    make_folder(top)
    wanted = describe(top)
    wanted['quotes \' " and_lines'] = wanted.pop('quotes \' " and\nlines')      # a name with a line break is cleaned
    out, into = arrive(juliet, romeo, top)
    romeo.wait_received('photos')
    equal(describe(romeo.where('photos')), wanted)
    equal(os.stat(romeo.where('photos')).st_mtime_ns, TIME)
    equal(into.now()['Paths'], [romeo.where('photos')])
    for values in (out.now(), into.now()):
        equal((values['Size'], values['Transferred'], values['EntryCount']), (70022, 70022, 14))


def test_many_and_again(stage):
    """What is there is never overwritten."""
    juliet, romeo = beside(stage)
    paths = [make_file(os.path.join(stage.folder, name), 1000) for name in ('a.txt', 'b.tar.gz', 'c')]
    os.chmod(paths[2], 0o755)
    for _ in range(3):
        arrive(juliet, romeo, *paths)
    romeo.wait_received('a (1).txt', 'a (2).txt', 'a.txt', 'b (1).tar.gz', 'b (2).tar.gz', 'b.tar.gz', 'c', 'c (1)', 'c (2)')
    for name in romeo.received():
        same(romeo.where(name), os.path.join(stage.folder, name.replace(' (1)', '').replace(' (2)', '')))
        if os.stat(romeo.where(name)).st_mode & 0o111:
            raise Failed('what a stranger sends is a program: ' + name)


def test_empty(stage):
    juliet, romeo = beside(stage)
    romeo.take_all(juliet)
    nothing = make_file(os.path.join(stage.folder, 'nothing'), 0)
    empty = os.path.join(stage.folder, 'empty')
    os.mkdir(empty)
    out = juliet.send(romeo, nothing, empty)
    out.wait('complete')
    romeo.wait_received('empty', 'nothing')


if __name__ == '__main__':
    hearbytest.main(test_a_folder, test_many_and_again, test_empty)
