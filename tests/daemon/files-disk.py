#!/usr/bin/python3
"""What the disk refuses, at either end, is said with the right words at both; a full one only makes a transfer wait."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import shutil
import subprocess
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbybus import BusError
from hearbyfiles import beside, describe, hurry, make_file, same, slow_down, wait_names
from hearbytest import Failed, equal

MEGA = 1 << 20
RESERVE = 250 * MEGA                                                 # stays free


def small_disk(stage, size):
    """Before there is a host, which gets the mounts of now."""
    folder = os.path.join(stage.folder, 'disk')
    os.mkdir(folder)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%d' % size, 'tmpfs', folder], check=True)
    return folder


def reserve_space(path, size):
    """A file that takes it without being written."""
    with open(path, 'wb') as file:
        os.posix_fallocate(file.fileno(), 0, size)
    return path


def test_no_room_for_it(stage):
    """It waits before a byte moved, and goes on by itself when there is room."""
    disk = small_disk(stage, RESERVE + 8 * MEGA)
    juliet, romeo = beside(stage)
    filler = reserve_space(os.path.join(disk, 'filler'), 6 * MEGA)
    path = make_file(os.path.join(stage.folder, 'file'), 4 * MEGA)
    out = juliet.send(romeo, path)
    into = romeo.next()
    into.wait('offered')
    into.accept(disk)
    into.wait('paused', 'no-space')
    out.wait('paused', 'peer-no-space')
    os.unlink(filler)
    out.wait('complete')
    into.wait('complete')
    wait_names(disk, ['file'])
    same(path, os.path.join(disk, 'file'))


def make_folder(stage, files, size):
    top = os.path.join(stage.folder, 'folder')
    os.mkdir(top)
    for i in range(files):
        make_file(os.path.join(top, 'file %d' % i), size)
    return top


def test_full_on_the_way(stage):
    """Somebody else takes the room while bytes move; they are not lost."""
    disk = small_disk(stage, RESERVE + 40 * MEGA)
    juliet, romeo = beside(stage)
    slow_down(juliet.person.host, device='lo')
    top = make_folder(stage, 16, MEGA)                               # for one file there is room from the begin
    out = juliet.send(romeo, top)
    into = romeo.next()
    into.wait('offered')
    into.accept(disk)
    into.wait_moved(MEGA)
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler = reserve_space(os.path.join(disk, 'filler'), free - 8 * MEGA)
    into.wait('paused', 'no-space')
    out.wait('paused', 'peer-no-space')
    os.unlink(filler)
    hurry(juliet.person.host, 'lo')
    out.wait('complete')
    into.wait('complete')
    wait_names(disk, ['folder'])
    equal(describe(os.path.join(disk, 'folder')), describe(top))


def test_read_only(stage):
    """A folder that cannot be written to is refused when it is named, and the offer stays."""
    disk = small_disk(stage, RESERVE + 8 * MEGA)
    juliet, romeo = beside(stage)
    subprocess.run(['mount', '-o', 'remount,ro', disk], check=True)
    path = make_file(os.path.join(stage.folder, 'file'), 1000)
    out = juliet.send(romeo, path)
    into = romeo.next()
    into.wait('offered')
    try:
        into.accept(disk)
    except BusError as error:
        equal(error.name, 'AccessDenied')
    else:
        raise Failed('a read-only folder was taken')
    into.wait('offered')
    into.accept(romeo.downloads)
    out.wait('complete')
    same(path, romeo.where('file'))


def test_read_only_on_the_way(stage):
    """Nobody says that it arrived."""
    disk = small_disk(stage, RESERVE + 40 * MEGA)
    juliet, romeo = beside(stage)
    slow_down(juliet.person.host, '80mbit', 'lo')
    top = make_folder(stage, 1000, 10000)
    out = juliet.send(romeo, top)
    into = romeo.next()
    into.wait('offered')
    into.accept(disk)
    into.wait_moved(MEGA)
    while subprocess.run(['mount', '-o', 'remount,ro', disk], stderr=subprocess.DEVNULL).returncode:
        pass                                                         # it is busy while a file is written
    for transfer in (out, into):
        transfer.wait('failed', 'access-denied')
    equal([name for name in os.listdir(disk) if not name.endswith('.part')], [])


def test_folder_is_removed_on_the_way(stage):
    juliet, romeo = beside(stage)
    slow_down(juliet.person.host, device='lo')
    top = make_folder(stage, 16, MEGA)
    out = juliet.send(romeo, top)
    into = romeo.next()
    into.wait('offered')
    into.accept(romeo.downloads)
    into.wait_moved(MEGA)
    while os.path.exists(romeo.downloads):
        shutil.rmtree(romeo.downloads, ignore_errors=True)           # files come meanwhile
    hurry(juliet.person.host, 'lo')
    for transfer in (out, into):
        transfer.wait('failed', 'file-error')


def test_source_is_gone(stage):
    """Before it was asked for: there is nothing to send. One of several: the rest arrives, and what failed is named."""
    juliet, romeo = beside(stage)
    path = make_file(os.path.join(stage.folder, 'file'), 1000)
    out = juliet.send(romeo, path)
    into = romeo.next()
    into.wait('offered')
    os.unlink(path)
    into.accept(romeo.downloads)
    out.wait('failed', 'source-gone')
    into.until(lambda values: values['State'] == 'failed', 'failed')
    romeo.wait_received()

    paths = [make_file(os.path.join(stage.folder, name), 1000) for name in ('one', 'two', 'three')]
    out = juliet.send(romeo, *paths)
    into = romeo.next()
    into.wait('offered')
    os.unlink(paths[1])
    into.accept(romeo.downloads)
    out.wait('complete', 'partial')
    into.wait('complete', 'partial')
    equal(out.now()['Failures'], [('two', 'source-gone')])
    equal(into.now()['Failures'], [('two', 'source-gone')])
    romeo.wait_received('one', 'three')


def test_source_is_cut_short(stage):
    """While it is read."""
    juliet, romeo = beside(stage)
    slow_down(juliet.person.host, device='lo')
    path = make_file(os.path.join(stage.folder, 'file'), 16 * MEGA)
    other = make_file(os.path.join(stage.folder, 'other'), 1000)
    out = juliet.send(romeo, path, other)
    into = romeo.next()
    into.wait('offered')
    into.accept(romeo.downloads)
    out.wait_moved(MEGA)
    os.truncate(path, MEGA)
    out.wait('complete', 'partial')
    into.wait('complete', 'partial')
    equal(out.now()['Failures'], [('file', 'source-changed')])
    romeo.wait_received('other')


if __name__ == '__main__':
    hearbytest.main(test_no_room_for_it, test_full_on_the_way, test_read_only, test_read_only_on_the_way,
                    test_folder_is_removed_on_the_way, test_source_is_gone, test_source_is_cut_short)
