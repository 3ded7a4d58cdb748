#!/usr/bin/python3
"""A name is only what somebody says he is called: who takes a friend's gets nothing that is for the friend, and parts nobody."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import hearbytest
from hearbyattack import greet, must_not_contain, start_attacker
from hearbytest import Failed, RawPeer, equal

FRIEND = 'mercutio@forza'


def friends(stage):
    juliet, romeo = stage.person(stage.host('pronto'), 'juliet'), stage.person(stage.host('forza'), 'romeo')
    romeo.wait_online(juliet)
    juliet.wait_online(romeo)
    greet(juliet, romeo)
    return juliet, romeo


def thief_of(stage, juliet, romeo):
    """juliet is away, a word waits for her, and somebody else takes her name, with a key of his own."""
    juliet.stop()
    romeo.wait_offline(juliet)
    bus = romeo.on_bus()
    romeo.send(juliet, 'for juliet alone')
    thief = stage.person(stage.host('evil'), 'thief', settings={'instance': juliet.instance})
    bus.wait_peer(juliet, Trust='conflict')
    if 'another key' not in romeo.cli('send', juliet.instance, 'and now?', check=5).stderr:
        raise Failed('romeo is not told why')
    thief.wait_online(romeo)
    thief.send(romeo, 'I am juliet', check=False)
    equal((thief.received(), romeo.received()), ([], ['hello']), 'what the thief got, and what he got through')
    return thief


def test_thief_leaves(stage):
    juliet, romeo = friends(stage)
    thief = thief_of(stage, juliet, romeo)
    thief.stop()
    juliet.start()
    juliet.consumer().wait_for({'body': 'for juliet alone'})
    romeo.on_bus().wait_peer(juliet, Trust='pinned', Online=True)
    equal((thief.received(), romeo.received()), ([], ['hello']))


def test_thief_stays(stage):
    """She cannot have her name then, and is known all the same."""
    juliet, romeo = friends(stage)
    thief = thief_of(stage, juliet, romeo)
    juliet.start()
    juliet.consumer().wait_for({'body': 'for juliet alone'})
    new = 'juliet-1@pronto'
    romeo.on_bus().wait_peer(new, Trust='pinned', Online=True)
    romeo.cli('send', '--wait=delivered', new, 'got you')
    equal((thief.received(), romeo.received()), ([], ['hello']))


def plain_friend(stage):
    """Somebody with an old program whom juliet talks to in clear, by an explicit yes."""
    juliet = stage.person(stage.host('pronto'), 'juliet')
    forza = stage.host('forza', avahi=True)
    listener = RawPeer.listen(forza)
    announced = forza.publish(FRIEND, listener.getsockname()[1], 'txtvers=1', 'status=avail', 'nick=Mercutio')
    juliet.on_bus().wait_peer(FRIEND, Online=True)
    juliet.allow(FRIEND)
    return juliet, forza, listener, announced


def talk(juliet, forza, text):
    raw = RawPeer.connect(forza, juliet.host.address, 5298)
    raw.open(FRIEND, juliet.instance)
    raw.expect(r'<stream:stream [^>]*>')
    raw.expect(r'</stream:features>')
    raw.message(FRIEND, juliet.instance, text)
    juliet.send(FRIEND, 'answer to ' + text)
    raw.expect('answer to ' + text)
    raw.close()


def keyed(juliet):
    """Those of the friend's name who showed a key."""
    return [peer for peer in juliet.json('peers')['peers'] if peer['instance'] == FRIEND and peer['trust'] != 'plain']


def test_stranger_with_a_plain_friends_name(stage):
    juliet, forza, listener, announced = plain_friend(stage)
    talk(juliet, forza, 'first')
    announced.stop()
    juliet.wait_offline(FRIEND)
    juliet.send(FRIEND, 'held for the friend')
    inbox = juliet.listen(type='message')
    evil = start_attacker(stage, stage.host('evil'), '--connect=%s:5298' % juliet.host.address, '--own=' + FRIEND,
                          '--peer=' + juliet.instance, 'call')
    evil.wait('secure')
    evil.say("<message from='%s' to='%s' type='chat'><body>it is me</body></message>" % (FRIEND, juliet.instance))
    got = inbox.wait_for({'body': 'it is me'})
    equal((got['trust'], got['encrypted']), ('new', True), 'the word for him')
    equal([peer['trust'] for peer in keyed(juliet)], ['new'])
    must_not_contain([evil], 'held for')

    forza.publish(FRIEND, listener.getsockname()[1], 'txtvers=1', 'status=avail', 'nick=Mercutio')
    raw = RawPeer.accept(listener)                                     # juliet brings what was held, in clear
    raw.expect(r"<stream:stream [^>]*>")
    raw.send("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
    raw.expect('held for the friend')
    raw.close()
    talk(juliet, forza, 'second')
    must_not_contain([evil], 'answer to')
    evil.say('/close')


def test_encrypted_once_never_in_clear(stage):
    juliet = stage.person(stage.host('pronto'), 'juliet')
    forza = stage.host('forza', avahi=True)
    romeo = stage.person(forza, 'romeo', discovery='avahi')
    romeo.wait_online(juliet)
    juliet.wait_online(romeo)
    greet(juliet, romeo)
    romeo.stop()
    juliet.wait_offline(romeo)

    listener = RawPeer.listen(forza)                                   # the same name, address and host, and no word of encryption
    forza.publish(romeo.instance, listener.getsockname()[1], 'txtvers=1', 'status=avail')
    juliet.on_bus().wait_peer(romeo, Online=True)
    for version in ('1.0', None):
        raw = RawPeer.connect(forza, juliet.host.address, 5298)
        raw.open(romeo.instance, juliet.instance, version)
        if version:
            raw.expect(r'</stream:features>')
        raw.message(romeo.instance, juliet.instance, 'in clear')
        if b'policy-violation' not in raw.expect_end():
            raise Failed('no reason was given')
    juliet.send(romeo, 'not in clear', '--plaintext', check=False)
    raw = RawPeer.accept(listener)
    raw.expect(r"<stream:stream [^>]*>")
    raw.send("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='%s'>" % romeo.instance)
    if b'not in clear' in raw.expect_end():
        raise Failed('it went in clear')
    equal(juliet.received(), ['hello'])
    if not any('romeo' in problem for problem in juliet.json('status')['health']):
        raise Failed('juliet is not told')


if __name__ == '__main__':
    hearbytest.main(test_thief_leaves, test_thief_stays, test_stranger_with_a_plain_friends_name, test_encrypted_once_never_in_clear)
