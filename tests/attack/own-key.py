#!/usr/bin/python3
"""Whoever is in the middle with a key of his own, gets nothing from people who know each other, and they are told."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import hearbytest
from hearbyattack import Scene, must_not_contain, start_attacker
from hearbytest import Failed, equal


def refused(me, other):
    """@me may not send to @other now, and is told why."""
    done = me.cli('send', other.instance, 'and now?', check=5)
    if 'key' not in done.stderr or 'verify' not in done.stderr:
        raise Failed('no good words: ' + done.stderr)


def call_as_romeo(scene):
    """Somebody on another host opens an encrypted stream to juliet under romeo's name."""
    evil = start_attacker(scene.stage, scene.stage.host('evil', ipv6=False), '--connect=%s:5298' % scene.pronto.address,
                          '--own=' + scene.romeo.instance, '--peer=' + scene.juliet.instance, 'call')
    evil.wait('secure')
    return evil


def test_they_know_each_other(stage):
    scene = Scene(stage).greet()
    bus = scene.romeo.on_bus()
    attacker = scene.attack('own-key', 'relay')
    scene.say('for juliet alone')
    failed = attacker.wait('failed', side='initiator')
    equal(failed['text'], 'the connection ended in the handshake')     # before he learned who called
    bus.wait_peer(scene.juliet, Trust='conflict')
    refused(scene.romeo, scene.juliet)
    equal(attacker.said(event='inner'), [], 'what the attacker read')
    equal(scene.juliet.received(), ['hello'])
    scene.recover()


def test_he_calls_as_romeo(stage):
    """He gets an answer to nothing, romeo's stream goes on, and juliet may go on talking to romeo."""
    scene = Scene(stage).greet()
    bus = scene.juliet.on_bus()
    evil = call_as_romeo(scene)
    evil.say("<message from='%s' to='%s' type='chat'><body>trust me</body></message>" % (scene.romeo.instance, scene.juliet.instance))
    evil.wait_for(lambda event: 'not-authorized' in event.get('text', ''))
    evil.say("<iq type='get' id='1' from='%s' to='%s'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>" % (
        scene.romeo.instance, scene.juliet.instance))
    evil.wait_for(lambda event: "id='1'" in event.get('text', '') and 'not-authorized' in event['text'])
    bus.wait_peer(scene.romeo, Trust='conflict')
    scene.say('it is still me', '--wait=delivered')
    scene.juliet.send(scene.romeo, 'still you, then', '--wait=delivered')
    equal(scene.juliet.received(), scene.said)
    must_not_contain([evil], 'still')
    evil.say('/close')
    evil.wait_exit()


def test_he_calls_while_there_is_no_stream(stage):
    """A stranger's call does not part people who could prove themselves to each other at once."""
    scene = Scene(stage).greet()
    scene.attack('pass')
    scene.say('through other hands', '--wait=delivered')
    scene.between.leave()                                              # which ends the stream
    bus = scene.juliet.on_bus()
    evil = call_as_romeo(scene)
    evil.wait('inner')
    for word in 'shows another key under the name', 'showed its own key again':    # which may be over before it is on the bus
        scene.juliet.daemon.wait_line(word)
    bus.wait_peer(scene.romeo, Trust='pinned')
    scene.juliet.send(scene.romeo, 'for romeo alone', '--wait=delivered')
    must_not_contain([evil], 'alone')


def test_he_was_there_first(stage):
    """Then he reads along, as nobody can tell; but nobody says that it is safe, and when he goes away it comes out."""
    scene = Scene(stage)
    attacker = scene.attack('own-key', 'relay')
    scene.romeo.send(scene.juliet, 'hello', '--wait=delivered')
    scene.juliet.send(scene.romeo, 'hello, too', '--wait=delivered')
    attacker.wait_for(lambda event: 'hello</body>' in event.get('text', ''))
    equal((scene.trust(scene.romeo, scene.juliet), scene.trust(scene.juliet, scene.romeo)), ('pinned', 'pinned'))
    buses = scene.romeo.on_bus(), scene.juliet.on_bus()
    scene.between.leave()
    scene.romeo.send(scene.juliet, 'still there?')
    buses[0].wait_peer(scene.juliet, Trust='conflict')
    refused(scene.romeo, scene.juliet)
    equal(scene.juliet.received(), ['hello'])


if __name__ == '__main__':
    hearbytest.main(test_they_know_each_other, test_he_calls_as_romeo, test_he_calls_while_there_is_no_stream, test_he_was_there_first)
