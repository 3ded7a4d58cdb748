#!/usr/bin/python3
"""Without multicast, an added address is enough: reached, remembered over restarts of both, and tried until it answers."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal


def test_routed(stage):
    here, there = stage.lan(), stage.lan()
    pronto, forza = stage.host('pronto', here), stage.host('forza', there)
    stage.route(here, there)
    juliet, romeo = stage.person(pronto, 'juliet'), stage.person(forza, 'romeo')
    to_romeo, to_juliet = forza.address + ':5298', pronto.address + ':5298'
    equal((juliet.online(), romeo.online()), ([], []))

    juliet.cli('add', to_romeo)
    romeo.cli('add', to_juliet, '--alias', 'jule')
    juliet.cli('add', to_romeo)                                        # idempotent
    equal(len(juliet.peers()), 1)
    juliet.wait_online(to_romeo)
    romeo.wait_online('jule')
    chat(juliet, romeo, to_romeo, 'jule', 'first')

    for person in (juliet, romeo):
        person.stop()
    juliet.start()                                                     # romeo is tried until he answers
    equal(juliet.online(), [])
    romeo.start()
    juliet.wait_online(to_romeo)
    romeo.wait_online('jule')
    chat(juliet, romeo, to_romeo, 'jule', 'second')


def chat(juliet, romeo, to_romeo, to_juliet, word):
    juliet.cli('send', '--wait=delivered', to_romeo, word + ' from juliet')
    romeo.cli('send', '--wait=delivered', to_juliet, word + ' from romeo')
    equal(romeo.received()[-1], word + ' from juliet')
    equal(juliet.received()[-1], word + ' from romeo')


def test_nobody_there(stage):
    juliet = stage.person(stage.host('pronto'), 'juliet')
    juliet.cli('add', '10.77.1.99:5298', '--alias', 'lab')
    equal(juliet.online(), [])
    refused = juliet.cli('send', '--plaintext', 'lab', 'hello', check=11)
    equal(refused.stdout, '')


if __name__ == '__main__':
    hearbytest.main(test_routed, test_nobody_there)
