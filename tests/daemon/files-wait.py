#!/usr/bin/python3
"""An offer to who is not there waits for him, through restarts, and its source is read when he comes."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbybus import BusError
from hearbyfiles import beside, make_file, same
from hearbytest import Failed, equal


def test_who_is_not_there(stage):
    juliet, romeo = beside(stage)
    romeo.take_all(juliet)
    romeo.person.stop()
    juliet.bus.wait_peer(romeo.person, Online=False)
    path = make_file(os.path.join(stage.folder, 'file'), 100000)
    try:
        juliet.send(romeo, path, now=True)
    except BusError as error:
        equal(error.name, 'PeerOffline')
    else:
        raise Failed('who is not there was offered something now')
    out = juliet.send(romeo, path)
    out.wait('queued')
    juliet.person.stop()
    juliet.person.start()
    juliet.reconnect()
    out.wait('queued')
    romeo.person.start()
    romeo.reconnect()
    out.wait('complete')
    same(path, romeo.where('file'))


def test_who_does_not_come(stage):
    juliet, romeo = beside(stage)
    romeo.person.stop()
    juliet.bus.wait_peer(romeo.person, Online=False)
    out = juliet.send(romeo, make_file(os.path.join(stage.folder, 'file'), 1000), expire=1)
    out.wait('failed', 'expired')


def test_same_key_same_transfer(stage):
    juliet, romeo = beside(stage)
    romeo.take_all(juliet)
    path = make_file(os.path.join(stage.folder, 'file'), 1000)
    out = juliet.send(romeo, path, id='backup')
    equal(juliet.send(romeo, path, id='backup').path, out.path)
    out.wait('complete')
    equal(juliet.send(romeo, path, id='backup').path, out.path)
    romeo.wait_received('file')


def test_offer_outlives_a_restart(stage):
    """Of the receiver, before he answered."""
    juliet, romeo = beside(stage)
    path = make_file(os.path.join(stage.folder, 'file'), 1000)
    out = juliet.send(romeo, path)
    into = romeo.next()
    into.wait('offered')
    romeo.person.kill()
    romeo.person.start()
    romeo.reconnect()
    into.wait('offered')
    into.accept(romeo.downloads)
    out.wait('complete')
    same(path, romeo.where('file'))


if __name__ == '__main__':
    hearbytest.main(test_who_is_not_there, test_who_does_not_come, test_same_key_same_transfer, test_offer_outlives_a_restart)
