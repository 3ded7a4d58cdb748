#!/usr/bin/python3
"""Whoever changes, strips or adds one byte before the encryption, prevents it: nothing is sent, and later it is sent to whom it is for."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import hearbytest
from hearbyattack import Scene, must_not_contain
from hearbytest import Failed, equal

PLAIN = "<message from='romeo@forza' to='juliet@pronto' type='chat'><body>injected</body></message>"


def prevented(scene, *mode):
    """The stream does not come about, and afterwards it does."""
    marker = 'for juliet alone: ' + ' '.join(mode)[:60]
    attacker = scene.attack(*mode)
    scene.say(marker)
    connection = attacker.wait('attack')['connection']
    attacker.wait('over', connection=connection)
    must_not_contain([attacker], marker)
    if attacker.said(unit='initiator.record.2'):
        raise Failed('romeo went on in records:\n' + attacker.text())
    if marker in scene.juliet.received() or 'injected' in scene.juliet.received():
        raise Failed('it arrived: %r' % scene.juliet.received())


def each(*modes):
    def run(stage):
        scene = Scene(stage).greet()
        for mode in modes:
            prevented(scene, *mode)
            scene.recover()
    return run


def test_stripped(stage):
    """The user is told, and does not get to send in clear by insisting."""
    scene = Scene(stage).greet()
    for mode in (('strip',), ('replace', 'initiator.header', " version='1.0'>", '>'), ('replace', 'responder.header', " version='1.0'>", '>')):
        prevented(scene, *mode)
        problems = scene.romeo.json('status')['health']
        if not any('juliet' in problem for problem in problems):
            raise Failed('romeo is not told: %r' % problems)
        scene.say('in clear, please', '--plaintext')
        scene.recover()


def test_stripped_at_first_contact(stage):
    """The TXT records promise encryption; also for who was away from the first word on."""
    scene = Scene(stage)
    prevented(scene, 'strip')
    if not any('juliet' in problem for problem in scene.romeo.json('status')['health']):
        raise Failed('romeo is not told')
    scene.romeo.stop()
    scene.romeo.start()
    prevented_again = scene.between.attackers[0].wait('attack')
    scene.between.attackers[0].wait('over', connection=prevented_again['connection'])
    gone = scene.between.leave()
    equal(scene.inbox.wait_for({'body': scene.said[-1]})['encrypted'], True)
    must_not_contain(gone, scene.said[-1])


def test_mirrored(stage):
    """Nobody takes himself for somebody else."""
    scene = Scene(stage).greet()
    attacker = scene.attack('mirror')
    scene.say('for juliet alone')
    attacker.wait('over')
    must_not_contain([attacker], 'alone')
    scene.recover()


if __name__ == '__main__':
    hearbytest.main(
        ('headers and features', each(('flip', 'initiator.header', '5'), ('flip', 'responder.header', '-20'),
                                      ('replace', 'responder.features', "type='pc'", "type='pd'"))),
        ('names', each(('replace', 'initiator.header', "from='romeo@forza'", "from='rosaline@forza'"),
                       ('replace', 'responder.header', "to='romeo@forza'", "to='rosaline@forza'"))),
        ('the switch', each(('replace', 'initiator.start', '/>', ' />'), ('replace', 'responder.proceed', '/>', ' />'))),
        ('refused in the other name', each(('replace', 'responder.proceed', '<proceed', '<failure'),
                                           ('replace', 'initiator.start', 'protocol=', "purpose='bytes' protocol="))),
        ('injected behind start', each(('append', 'initiator.start', PLAIN), ('append', 'initiator.start', ' '))),
        ('injected behind proceed', each(('append', 'responder.proceed', PLAIN), ('append', 'responder.proceed', ' '))),
        ('the handshake', each(('flip', 'handshake.1', '5'), ('flip', 'handshake.2', '40'), ('flip', 'handshake.3', '-1'))),
        test_stripped, test_stripped_at_first_contact, test_mirrored)
