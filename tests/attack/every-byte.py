#!/usr/bin/python3
"""Of all that is said up to the end of the handshake, no byte can be changed without the daemon refusing the stream."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import hearbytest
from hearbyattack import start_attacker
from hearbytest import Failed, equal

SMALLEST = {'initiator.header': 100, 'responder.header': 100, 'responder.features': 300, 'initiator.start': 81,
            'responder.proceed': 39, 'handshake.1': 34, 'handshake.2': 98, 'handshake.3': 66}


def test_each_byte(stage):
    juliet = stage.person(stage.host('pronto', ipv6=False), 'juliet')
    evil = stage.host('evil', ipv6=False)
    attacker = start_attacker(stage, evil, '--connect=%s:5298' % juliet.host.address, '--own=mercutio@evil',
                              '--peer=' + juliet.instance, 'sweep')
    equal(attacker.wait_exit(100), 0, 'the exit status: ' + attacker.text()[-2000:])
    swept = {event['unit']: event['size'] for event in attacker.said(event='swept')}
    hearbytest.diag(swept)
    opened = attacker.said(event='opened')
    if opened:
        raise Failed('these bytes were changed, and nobody noticed: %r' % opened[:20])
    short = [unit for unit, size in SMALLEST.items() if swept.get(unit, 0) < size]
    equal(short, [], 'units of which not every byte was tried')


if __name__ == '__main__':
    hearbytest.main(test_each_byte)
