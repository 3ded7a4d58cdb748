#!/usr/bin/python3
"""Whoever comes back from another address, or under another name, is the same person: by the key, not by what it is called."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import shutil
import sys
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import hearbytest
from hearbyattack import User, compare, greet
from hearbytest import equal


def verified(stage):
    juliet, romeo = stage.person(stage.host('pronto'), 'juliet'), stage.person(stage.host('forza'), 'romeo')
    romeo.wait_online(juliet)
    juliet.wait_online(romeo)
    greet(juliet, romeo)
    his, hers = User(romeo, juliet), User(juliet, romeo)
    (his_run, his_code), (her_run, her_code) = compare(his, hers)
    equal(his_code, her_code)
    his.answer(his_run, True)
    hers.answer(her_run, True)
    juliet.stop()
    romeo.wait_offline(juliet)
    return juliet, romeo


def moves(stage, juliet, host, **settings):
    """Her laptop, with all that is on it, is another host now."""
    moved = stage.person(stage.host(host), 'juliet', settings=settings, start=False)
    shutil.copytree(os.path.join(juliet.home, '.local'), os.path.join(moved.home, '.local'))
    moved.start()
    return moved


def same_person(juliet, romeo, before):
    romeo.on_bus().wait_peer(juliet, Trust='verified', Online=True, Confirmed=True)
    romeo.cli('send', '--wait=delivered', juliet.instance, 'there you are')
    equal(juliet.received(), ['hello', 'while you were away', 'there you are'])
    people = [peer for peer in romeo.json('peers')['peers'] if not peer['self']]
    equal([(peer['id'], peer['instance'], peer['trust']) for peer in people], [(before, juliet.instance, 'verified')], 'whom romeo knows')


def test_another_address(stage):
    juliet, romeo = verified(stage)
    before = romeo.peers()[juliet.instance]['id']
    romeo.send(juliet, 'while you were away')
    moved = moves(stage, juliet, 'castle', instance=juliet.instance)
    moved.consumer('after').wait_for({'body': 'while you were away'})
    same_person(moved, romeo, before)


def test_another_name(stage):
    juliet, romeo = verified(stage)
    before = romeo.peers()[juliet.instance]['id']
    romeo.send(juliet, 'while you were away')
    moved = moves(stage, juliet, 'castle')
    equal(moved.instance, 'juliet@castle')
    moved.consumer('after').wait_for({'body': 'while you were away'})
    same_person(moved, romeo, before)


def test_calls_from_where_nobody_looks_for_her(stage):
    """Her first word comes from an address that is not the one to which her name leads."""
    pronto, forza = stage.host('pronto', ipv6=False), stage.host('forza', ipv6=False)
    juliet, romeo = stage.person(pronto, 'juliet'), stage.person(forza, 'romeo')
    romeo.wait_online(juliet)
    juliet.wait_online(romeo)
    pronto.run('ip', 'addr', 'add', '10.77.1.200/32', 'dev', 'lo')
    pronto.run('ip', 'route', 'replace', forza.address + '/32', 'dev', 'eth0', 'src', '10.77.1.200')
    forza.run('ip', 'route', 'replace', '10.77.1.200/32', 'via', pronto.address)
    juliet.send(romeo, 'from elsewhere', '--wait=delivered')
    romeo.send(juliet, 'from forza', '--wait=delivered')
    equal((juliet.received(), romeo.received()), (['from forza'], ['from elsewhere']))
    equal((juliet.peers()[romeo.instance]['trust'], romeo.peers()[juliet.instance]['trust']), ('pinned', 'pinned'))


if __name__ == '__main__':
    hearbytest.main(test_another_address, test_another_name, test_calls_from_where_nobody_looks_for_her)
