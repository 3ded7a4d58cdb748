#!/usr/bin/python3
"""Pidgin's library and we find each other again, and talk, after either of us restarted, in whatever manner."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest


def hello(juliet, pidgin, word):
    bus = juliet.on_bus()
    juliet.cli('send', '--plaintext', pidgin.instance, word + ' to Pidgin')
    pidgin.wait('im', text=word + ' to Pidgin')
    pidgin.send(juliet, word + ' from Pidgin')
    bus.wait_message(body=word + ' from Pidgin')
    bus.close()


def test(discovery):
    def run(stage):
        juliet = stage.person(stage.host('pronto'), 'juliet', discovery=discovery)
        pidgin = stage.purple(stage.host('lan1'), 'alice')
        juliet.on_bus().wait_peer(pidgin, Online=True)
        pidgin.wait('buddy-on', who=juliet.instance)
        hello(juliet, pidgin, 'first')

        for end in (juliet.stop, juliet.kill):
            end()
            pidgin.wait('buddy-off', who=juliet.instance)
            juliet.start()
            pidgin.wait('buddy-on', who=juliet.instance)
            juliet.on_bus().wait_peer(pidgin, Online=True)
            hello(juliet, pidgin, 'after our ' + end.__name__)

        for end in (pidgin.quit, pidgin.kill):
            bus = juliet.on_bus()
            end()
            bus.wait_peer(pidgin, Online=False)
            pidgin.start()
            bus.wait_peer(pidgin, Online=True)
            pidgin.wait('buddy-on', who=juliet.instance)
            hello(juliet, pidgin, 'after its ' + end.__name__)

        juliet.allow(pidgin)                       # and what was written meanwhile
        pidgin.quit()
        juliet.on_bus().wait_peer(pidgin, Online=False)
        juliet.send(pidgin, 'while you were away')
        pidgin.start()
        pidgin.wait('im', text='while you were away')
    return discovery, run


if __name__ == '__main__':
    hearbytest.main(test('embedded'), test('avahi'))
