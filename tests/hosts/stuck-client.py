#!/usr/bin/python3
"""A program that listens on the private socket and never reads keeps neither the others nor the daemon's end waiting."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest


def test_never_reads(stage):
    juliet = stage.person(stage.host('pronto'), 'juliet')
    romeo = stage.person(stage.host('forza'), 'romeo')
    juliet.on_bus().wait_peer(romeo, Online=True)
    stuck = romeo.on_bus()
    events = romeo.consumer()
    for i in range(20):                    # far more than a socket holds
        juliet.send(romeo, '%d %s' % (i, 'x' * 60000))
        events.wait_for(lambda event: event['body'].startswith('%d ' % i))
    romeo.stop()
    stuck.close()


if __name__ == '__main__':
    hearbytest.main(test_never_reads)
