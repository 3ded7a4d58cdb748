#!/usr/bin/python3
"""A host that vanishes without a goodbye is offline when its SRV and addresses run out, not when its PTR does, 75 minutes later."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
import time
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest

LIMIT = 300  # seconds; the records live 120


def test(discovery):
    def run(stage):
        juliet = stage.person(stage.host('pronto'), 'juliet', discovery=discovery)
        romeo = stage.person(stage.host('forza'), 'romeo', discovery=discovery)
        bus = juliet.on_bus()
        bus.wait_peer(romeo, Online=True)
        romeo.host.link.cut()
        begin = time.monotonic()
        bus.wait_peer(romeo, Online=False, timeout=LIMIT)
        hearbytest.diag('offline %.0f s after it vanished' % (time.monotonic() - begin))
        romeo.host.link.heal()
        romeo.stop()
        romeo.start()
        bus.wait_peer(romeo, Online=True)
    return discovery, run


if __name__ == '__main__':
    hearbytest.main(test('embedded'), test('avahi'))
