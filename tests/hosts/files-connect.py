#!/usr/bin/python3
"""Bytes find a way: a connection of the sender's, else of the receiver's, else through the stream."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbyfiles import describe, make_file, no_calls_to, on_hosts, same
from hearbytest import equal

MEGA = 1 << 20




def move(stage, juliet, romeo, size):
    path = make_file(os.path.join(stage.folder, 'file'), size)
    romeo.take_all(juliet)
    out = juliet.send(romeo, path)
    into = romeo.next()
    out.wait('complete')
    into.wait('complete')
    romeo.wait_received('file')
    same(path, romeo.where('file'))
    return out, into


def test_receiver_calls(stage):
    """He has a firewall."""
    juliet, romeo = on_hosts(stage)
    no_calls_to(romeo.person.host)
    move(stage, juliet, romeo, 8 * MEGA)


def test_through_the_stream(stage):
    """Both have one, since they talked last."""
    juliet, romeo = on_hosts(stage)
    for side in (juliet, romeo):
        no_calls_to(side.person.host)
    move(stage, juliet, romeo, 2 * MEGA)


def test_a_folder_through_the_stream(stage):
    juliet, romeo = on_hosts(stage)
    for side in (juliet, romeo):
        no_calls_to(side.person.host)
    top = os.path.join(stage.folder, 'folder')
    os.mkdir(top)
    for i in range(200):
        make_file(os.path.join(top, 'file %d' % i), i * 10)
    romeo.take_all(juliet)
    out = juliet.send(romeo, top)
    juliet.person.send(romeo.person, 'meanwhile', '--wait=delivered')
    out.wait('complete')
    equal(describe(romeo.where('folder')), describe(top))


if __name__ == '__main__':
    hearbytest.main(test_receiver_calls, test_through_the_stream, test_a_folder_through_the_stream)
