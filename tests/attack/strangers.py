#!/usr/bin/python3
"""Whoever speaks the protocol, and lies within it, gets no further than anybody whom nobody knows."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import hearbytest
from hearbyattack import PORT, greet, listening, must_not_contain, start_attacker
from hearbytest import Failed, RawPeer, equal

KEY = '77' * 32


def friends(stage, **settings):
    juliet, romeo = stage.person(stage.host('pronto'), 'juliet', **settings), stage.person(stage.host('forza'), 'romeo')
    romeo.wait_online(juliet)
    juliet.wait_online(romeo)
    greet(juliet, romeo)
    return juliet, romeo


def call(stage, host, juliet, own, *options):
    """Somebody who opens an encrypted stream to juliet as @own."""
    return start_attacker(stage, host, '--connect=%s:%d' % (juliet.host.address, PORT), '--own=' + own, '--peer=' + juliet.instance,
                          *options, 'call')


def message(me, other, content):
    return "<message from='%s' to='%s' type='chat'>%s</message>" % (me, getattr(other, 'instance', other), content)


def test_another_name_inside(stage):
    juliet, _ = friends(stage)
    evil = call(stage, stage.host('evil'), juliet, 'mercutio@evil', '--inner=romeo@forza')
    evil.wait('secure')
    equal(evil.wait('end')['how'], 'cut')
    equal(evil.said(event='inner'), [], 'what he was told')


def test_another_name_on_a_message(stage):
    juliet, romeo = friends(stage)
    evil = call(stage, stage.host('evil'), juliet, 'mercutio@evil')
    evil.wait('secure')
    evil.say(message(romeo.instance, juliet, '<body>I am romeo</body>'))
    evil.wait_for(lambda event: 'invalid-from' in event.get('text', ''))
    evil.wait('end')
    equal(juliet.received(), ['hello'])
    equal(juliet.peers()[romeo.instance]['trust'], 'pinned')


def test_a_known_one_takes_a_friends_name(stage):
    """He is whom his key says he is, and gets nothing that is for the friend."""
    juliet, romeo = friends(stage)
    evil = stage.host('evil')
    mercutio = call(stage, evil, juliet, 'mercutio@evil', '--key=' + KEY)
    mercutio.wait('secure')
    mercutio.say(message('mercutio@evil', juliet, '<body>hi</body>'))
    bus = juliet.on_bus()
    bus.wait_peer('mercutio@evil', Trust='new', Unread=1)
    juliet.send('mercutio@evil', 'hi, you')
    bus.wait_peer('mercutio@evil', Trust='pinned')
    mercutio.wait_for(lambda event: 'hi, you' in event.get('text', ''))
    mercutio.say('/close')
    mercutio.wait_exit()

    romeo.stop()
    juliet.wait_offline(romeo)
    juliet.send(romeo, 'for romeo alone')
    mercutio = call(stage, evil, juliet, romeo.instance, '--key=' + KEY)
    mercutio.wait('secure')
    mercutio.say(message(romeo.instance, juliet, '<body>it is me, romeo</body>'))
    bus.wait_message(body='it is me, romeo')
    said = [m for m in juliet.json('history', '-n', '9')['messages'] if m['body'] == 'it is me, romeo']
    if any('romeo' in str(m.get('name', '')) + str(m.get('instance', '')) for m in said):
        raise Failed('it is shown as from romeo: %r' % said)
    romeo.start()
    romeo.consumer('after').wait_for({'body': 'for romeo alone'})
    must_not_contain([mercutio], 'alone')
    bus.wait_peer(romeo, Trust='pinned', Online=True)


def they_meet(juliet, romeo, others):
    """Their first words reach each other, and nobody else."""
    romeo.send(juliet, 'for juliet alone', '--wait=delivered')
    juliet.send(romeo, 'for romeo alone', '--wait=delivered')
    equal((juliet.received(), romeo.received()), (['for juliet alone'], ['for romeo alone']))
    must_not_contain(others, 'alone')
    equal((juliet.peers()[romeo.instance]['trust'], romeo.peers()[juliet.instance]['trust']), ('pinned', 'pinned'))


def test_a_name_that_is_here_and_unknown(stage):
    """romeo sees juliet, and has never talked with her, when somebody calls from elsewhere under her name."""
    juliet, romeo = stage.person(stage.host('pronto'), 'juliet'), stage.person(stage.host('forza'), 'romeo')
    romeo.wait_online(juliet)
    evil = call(stage, stage.host('evil'), romeo, juliet.instance)
    equal(evil.wait('end')['how'], 'cut')
    equal(evil.said(event='inner'), [], 'what he was told')
    they_meet(juliet, romeo, [evil])


def test_a_name_before_it_is_here(stage):
    """The same before juliet is there: what she shows counts, from the moment on at which she can be asked."""
    pronto, romeo = stage.host('pronto'), stage.person(stage.host('forza'), 'romeo')
    bus = romeo.on_bus()
    evil = call(stage, stage.host('evil'), romeo, 'juliet@pronto')
    evil.wait('secure')
    bus.wait_peer('juliet@pronto', Trust='new')
    juliet = stage.person(pronto, 'juliet')
    bus.wait_peer(juliet, Nick='juliet')
    romeo.send(juliet, 'for juliet alone', '--wait=delivered')
    juliet.send(romeo, 'for romeo alone', '--wait=delivered')
    equal((juliet.received(), romeo.received()), (['for juliet alone'], ['for romeo alone']))
    must_not_contain([evil], 'alone')
    evil.wait('end')
    equal({(peer['trust'], peer['online']) for peer in romeo.json('peers')['peers'] if peer['instance'] == juliet.instance},
          {('pinned', True), ('new', False)}, 'whom romeo knows by the name')


def test_a_known_one_takes_it(stage):
    """The same by somebody whom romeo knows: when he calls, and when he answers."""
    juliet, romeo = stage.person(stage.host('pronto'), 'juliet'), stage.person(stage.host('forza'), 'romeo')
    host = stage.host('evil', avahi=True)
    romeo.wait_online(juliet)
    bus = romeo.on_bus()
    first = call(stage, host, romeo, 'mercutio@evil', '--key=' + KEY)
    first.wait('secure')
    bus.wait_peer('mercutio@evil', Trust='new')
    romeo.send('mercutio@evil', 'hi', '--wait=sent')
    bus.wait_peer('mercutio@evil', Trust='pinned')
    first.say('/close')
    first.wait_exit()

    second = call(stage, host, romeo, juliet.instance, '--key=' + KEY)
    equal(second.wait('end')['how'], 'cut')
    third = listening(stage, host, '--listen=%d' % PORT, '--own=' + juliet.instance, '--key=' + KEY, 'answer')
    host.publish('mercutio@evil', PORT, 'txtvers=1', 'noise=0')
    third.wait('failed')                                               # romeo wants a proof of mercutio's key, and not that name
    equal(third.said(event='inner'), [], 'what he was told')
    third.kill()
    they_meet(juliet, romeo, [second, third])


def test_a_strangers_receipt(stage):
    """What juliet sent to romeo is not delivered because somebody else says so."""
    juliet, romeo = friends(stage)
    romeo.stop()
    juliet.wait_offline(romeo)
    seq = juliet.send(romeo, 'for romeo alone')
    bus = juliet.on_bus()
    ids = [m['id'] for m in juliet.json('history', '-n', '9')['messages'] if str(m['seq']) == seq]
    evil = call(stage, stage.host('evil'), juliet, 'mercutio@evil')
    evil.wait('secure')
    for child in ("<received xmlns='urn:xmpp:receipts' id='%s'/>", "<displayed xmlns='urn:xmpp:chat-markers:0' id='%s'/>"):
        evil.say(message('mercutio@evil', juliet, child % ids[0]))
    evil.say(message('mercutio@evil', juliet, '<body>done</body>'))
    bus.wait_message(body='done')
    state = [m['state'] for m in juliet.json('history', '-n', '9')['messages'] if str(m['seq']) == seq]
    equal(state, ['queued'])


def test_at_an_added_address(stage):
    """Whoever has the address by now, and whatever he calls himself, is not who was there."""
    here, there = stage.lan(), stage.lan()
    pronto, forza = stage.host('pronto', here), stage.host('forza', there)
    stage.route(here, there)
    juliet, romeo = stage.person(pronto, 'juliet'), stage.person(forza, 'romeo')
    romeo.cli('add', '%s:%d' % (pronto.address, PORT))
    juliet.cli('add', '%s:%d' % (forza.address, PORT))
    bus = romeo.on_bus()
    bus.wait_peer(juliet, Online=True)
    juliet.on_bus().wait_peer(romeo, Online=True)
    greet(juliet, romeo)
    juliet.stop()
    bus.wait_peer(juliet, Online=False)
    romeo.send(juliet, 'for juliet alone')
    for name in (juliet.instance, 'bob@pronto'):
        evil = listening(stage, pronto, '--listen=%d' % PORT, '--own=' + name, 'answer')
        equal(evil.wait('failed', timeout=2 * hearbytest.PATIENCE)['text'], 'the connection ended in the handshake')
        must_not_contain([evil], 'alone')
        evil.kill()
    bus.wait_peer(juliet, Trust='conflict')
    juliet.start()
    juliet.consumer('after').wait_for({'body': 'for juliet alone'}, timeout=2 * hearbytest.PATIENCE)
    bus.wait_peer(juliet, Trust='pinned')


def test_where_encryption_is_required(stage):
    """Not even a friend with an old program, who has the yes."""
    forza = stage.host('forza', avahi=True)
    juliet = stage.person(stage.host('pronto'), 'juliet', settings={'encryption': 'require'})
    listener = RawPeer.listen(forza)
    forza.publish('mercutio@forza', listener.getsockname()[1], 'txtvers=1')
    juliet.on_bus().wait_peer('mercutio@forza', Online=True)
    juliet.allow('mercutio@forza')
    for version in ('1.0', None):
        raw = RawPeer.connect(forza, juliet.host.address, PORT)
        raw.open('mercutio@forza', juliet.instance, version)
        if version:
            raw.expect('<required/>.*</stream:features>')
        raw.message('mercutio@forza', juliet.instance, 'in clear')
        if b'policy-violation' not in raw.expect_end():
            raise Failed('no reason was given')
    juliet.cli('send', 'mercutio@forza', 'in clear', check=5)
    equal(juliet.received(), [])


if __name__ == '__main__':
    hearbytest.main(test_another_name_inside, test_another_name_on_a_message, test_a_known_one_takes_a_friends_name,
                    test_a_name_that_is_here_and_unknown,
                    test_a_name_before_it_is_here, test_a_known_one_takes_it, test_a_strangers_receipt, test_at_an_added_address, test_where_encryption_is_required)
