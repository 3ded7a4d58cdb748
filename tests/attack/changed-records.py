#!/usr/bin/python3
"""Whoever changes, repeats, swaps, drops, reflects or cuts off records, ends the stream; each message arrives once all the same."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import hearbytest
from hearbyattack import Scene


def broken(scene, *mode):
    """The second record of romeo's stream is his first message."""
    attacker = scene.attack(*mode)
    scene.say('first, under ' + mode[0])
    connection = attacker.wait('attack')['connection']
    scene.say('second, under ' + mode[0])
    attacker.wait('over', connection=connection)
    scene.recover()


def each(*modes):
    def run(stage):
        scene = Scene(stage).greet()
        for mode in modes:
            broken(scene, *mode)
    return run


if __name__ == '__main__':
    second = 'initiator.record.2'
    hearbytest.main(('changed or repeated', each(('flip', second, '100'), ('flip', second, '1'), ('replay', second))),
                    ('out of order', each(('swap', second), ('drop', second))),
                    ('cut off or reflected', each(('truncate', second), ('reflect', second))),
                    ('from the other side', each(('flip', 'responder.record.2', '50'), ('truncate', 'responder.record.1'))))
