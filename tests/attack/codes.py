#!/usr/bin/python3
"""Two people who compare codes find out whoever is between them; and where nobody is, the codes are the same."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import hearbytest
from hearbyattack import Scene, User, compare, start_attacker
from hearbytest import BusError, Failed, equal


def users(scene):
    return User(scene.romeo, scene.juliet), User(scene.juliet, scene.romeo)


def between(stage, kind):
    """Somebody with a key of his own, from the first word on."""
    scene = Scene(stage)
    attacker = scene.attack('own-key', kind)
    scene.romeo.send(scene.juliet, 'hello', '--wait=delivered')
    scene.juliet.send(scene.romeo, 'hello', '--wait=delivered')
    return scene, attacker


def found_out(scene, *both):
    for user in both:
        user.trusts('conflict')
        user.me.cli('send', user.other.instance, 'and now?', check=5)
    equal(scene.juliet.received(), ['hello'])


def test_nobody_between(stage):
    scene = Scene(stage).greet()
    romeo, juliet = users(scene)
    (his_run, his_code), (her_run, her_code) = compare(romeo, juliet)
    equal(his_code, her_code, 'the codes')
    equal((romeo.answer(his_run, True), juliet.answer(her_run, True)), (True, True))
    romeo.trusts('verified')
    juliet.trusts('verified')


def test_each_believes_his_own_user(stage):
    scene = Scene(stage).greet()
    romeo, juliet = users(scene)
    (his_run, _), (her_run, _) = compare(romeo, juliet)
    romeo.answer(his_run, True)
    romeo.trusts('verified')
    equal(scene.trust(scene.juliet, scene.romeo), 'pinned', "juliet's word before her answer")
    juliet.answer(her_run, False)
    juliet.trusts('conflict')


def test_he_answers_both(stage):
    """The attacker plays the other user on each side: two codes, and both differ."""
    scene, attacker = between(stage, 'answer')
    romeo, juliet = users(scene)
    (his_run, his_code), (her_run, her_code) = compare(romeo, juliet)
    equal({event['code'] for event in attacker.said(event='code')} >= {his_code}, True)
    if his_code == her_code:
        raise Failed('one in 2^39, or broken: %s' % his_code)
    romeo.answer(his_run, False)
    juliet.answer(her_run, False)
    found_out(scene, romeo, juliet)


def test_he_begins_with_both(stage):
    """He asks each in the other's name; without their users' consent he gets no nonce, and with it only codes that differ."""
    scene, attacker = between(stage, 'start')
    romeo, juliet = users(scene)
    romeo.is_asked()
    juliet.is_asked()
    equal(attacker.said(event='verify', heard='nonce'), [], 'what the attacker got before anybody agreed')
    his, hers = romeo.verify(), juliet.verify()
    (his_run, his_code), (her_run, her_code) = his.result(), hers.result()
    if his_code == her_code:
        raise Failed('one in 2^39, or broken: %s' % his_code)
    romeo.answer(his_run, False)
    juliet.answer(her_run, False)
    found_out(scene, romeo, juliet)


def test_he_passes_on(stage):
    """Copied commitments do not fit: she who is to check one says so, and shows no code."""
    scene, attacker = between(stage, 'relay')
    romeo, juliet = users(scene)
    his = romeo.verify()
    juliet.is_asked()
    try:
        juliet.verify().result()
        raise Failed('juliet was shown a code')
    except BusError as error:
        equal(error.name, 'Canceled')
    his_run, _ = his.result()
    attacker.wait_for(lambda event: "step='cancel'" in event.get('text', ''))
    scene.juliet.send(scene.romeo, 'behind it', '--wait=delivered')
    try:
        romeo.answer(his_run, True)
        raise Failed('romeo could say yes to it')
    except BusError as error:
        equal(error.name, 'Canceled')


def test_a_no_counts_when_the_run_has_ended(stage):
    """Whoever is in between knows first that the codes differ, and cuts the stream; what the users say then is not lost."""
    scene, _ = between(stage, 'answer')
    romeo, juliet = users(scene)
    (his_run, his_code), (her_run, _) = compare(romeo, juliet)
    scene.between.leave()
    for user in romeo, juliet:
        user.me.send(user.other, 'are you there?')
        user.trusts('conflict')                                        # by another key: so the stream has ended
    romeo.answer(his_run, False)
    try:
        juliet.answer(her_run, True)
        raise Failed('juliet could say yes to what is over')
    except BusError as error:
        equal(error.name, 'Canceled')
    heard = juliet.me.cli('verify', scene.romeo.instance, '--code', his_code, check=5)   # as romeo read it out
    if 'differ' not in heard.stderr:
        raise Failed('juliet is not told: ' + heard.stderr)
    found_out(scene, romeo, juliet)
    for user in romeo, juliet:
        if 'codes' not in user.me.cli('send', user.other.instance, 'and now?', check=5).stderr:
            raise Failed('%s is not told why' % user.me.name)


def test_strangers_cannot_use_up_the_runs(stage):
    """Nobody agreed to theirs."""
    scene = Scene(stage).greet()
    evil = start_attacker(stage, stage.host('evil', ipv6=False), '--connect=%s:5298' % scene.pronto.address, '--own=mercutio@evil',
                          '--peer=' + scene.juliet.instance, 'call')
    evil.wait('secure')
    start = "<message from='mercutio@evil' to='juliet@pronto'><verify xmlns='urn:x-hearby:verify:0' run='%d' step='start'>" + \
        'A' * 43 + '=</verify></message>'
    cancel = "<message from='mercutio@evil' to='juliet@pronto'><verify xmlns='urn:x-hearby:verify:0' run='%d' step='cancel'/></message>"
    bus = scene.juliet.on_bus()
    for run in range(12):
        evil.say(start % run)
        if not run:
            bus.wait_peer('mercutio@evil', VerifyWanted=True)
        evil.say(cancel % run)
    evil.say("<iq type='get' id='done' from='mercutio@evil' to='juliet@pronto'><ping xmlns='urn:xmpp:ping'/></iq>")
    evil.wait_for(lambda event: "id='done'" in event.get('text', ''))
    equal(evil.said(event='nonce'), [])
    romeo, juliet = users(scene)
    (his_run, his_code), (her_run, her_code) = compare(romeo, juliet)
    equal(his_code, her_code, 'the codes')
    evil.say('/close')


if __name__ == '__main__':
    hearbytest.main(test_nobody_between, test_each_believes_his_own_user, test_he_answers_both, test_he_begins_with_both,
                    test_he_passes_on, test_a_no_counts_when_the_run_has_ended, test_strangers_cannot_use_up_the_runs)
