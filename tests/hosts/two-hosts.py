#!/usr/bin/python3
"""Two hosts see each other, talk both ways, see status changes, and miss whoever leaves, whatever backend each has."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import time

import hearbytest
from hearbytest import equal

GOODBYE = 1.3  # seconds until others know; RFC 6762 10.1 alone takes one

TEXT = "Grüße, Romeo: <b>&'\"\nsecond line 👍 \u202e \x07"
CLEAN = "Grüße, Romeo: <b>&'\"\nsecond line 👍"


def two(stage, first, second, settings):
    begin = time.monotonic()
    juliet = stage.person(stage.host('pronto'), 'juliet', discovery=first, settings=settings)
    romeo = stage.person(stage.host('forza'), 'romeo', discovery=second, settings=settings)
    juliet.wait_online(romeo)
    romeo.wait_online(juliet)
    hearbytest.diag('%s and %s: both up and seen after %.2f s, avahi included' % (first, second, time.monotonic() - begin))
    return juliet, romeo


def check_lists(juliet, romeo, trust):
    for me, other in ((juliet, romeo), (romeo, juliet)):
        equal(me.online(), [other.instance], 'who is online')
        peer = me.peers()[other.instance]
        equal((peer['status'], peer['trust']), ('available', trust))
        equal(me.json('status')['instance'], me.instance)


def check_talk(juliet, romeo):
    for me, other in ((juliet, romeo), (romeo, juliet)):
        events = other.consumer()
        me.send(other, TEXT)
        got = events.wait_for({'type': 'message'})
        if not got['body'].startswith(CLEAN):
            raise hearbytest.Failed(repr(got))
        equal((got['direction'], got['encrypted']), ('in', True))
        me.send(other, 'x' * 65536)
        equal(len(events.wait_for({'type': 'message'})['body']), 65536)
        equal(me.peers()[other.instance]['trust'], 'pinned')


def check_talk_in_clear(juliet, romeo):
    for me, other in ((juliet, romeo), (romeo, juliet)):
        events = other.consumer()
        refused = me.cli('send', other.instance, 'not in clear', check=5)
        if 'plaintext' not in refused.stderr:
            raise hearbytest.Failed('no hint: ' + refused.stderr)
        me.cli('send', '--plaintext', '--wait=delivered', other.instance, 'now')
        equal(events.wait_for({'type': 'message'})['body'], 'now')
        me.allow(other)
        me.send(other, TEXT)
        got = events.wait_for({'type': 'message'})
        if not got['body'].startswith(CLEAN):
            raise hearbytest.Failed(repr(got))
        equal((got['direction'], got['encrypted'], got['trust']), ('in', False, 'plain'))
        me.send(other, 'x' * 65536)
        equal(len(events.wait_for({'type': 'message'})['body']), 65536)


def check_status(juliet, romeo):
    bus = romeo.on_bus()
    for status, text in (('away', 'lunch & <tea>'), ('dnd', ''), ('available', 'back')):
        begin = time.monotonic()
        juliet.cli('status', status, text)
        bus.wait_peer(juliet, Online=True, Status=status, StatusText=text)
        hearbytest.diag('%s seen after %.2f s' % (status, time.monotonic() - begin))
    shown = romeo.peers()[juliet.instance]
    equal((shown['status'], shown['status_text']), ('available', 'back'))
    juliet.cli('status', 'offline')
    bus.wait_peer(juliet, Online=False)
    juliet.cli('status', 'available')
    bus.wait_peer(juliet, Online=True, Status='available')


def check_goodbye(juliet, romeo):
    bus = romeo.on_bus()

    def come_back():
        juliet.start()
        bus.wait_peer(juliet, Online=True)

    def seconds_after(end):
        begin = time.monotonic()
        end()
        bus.wait_peer(juliet, Online=False)
        return time.monotonic() - begin

    for what, end in (('goodbye', juliet.stop), ('killed,', juliet.kill)):
        took = hearbytest.quick_enough(GOODBYE, lambda: seconds_after(end), come_back)
        hearbytest.diag('%s seen after %.2f s' % (what, took))
        come_back()


def test(first, second, clear=False):
    def run(stage):
        juliet, romeo = two(stage, first, second, {'encryption': 'never'} if clear else {})
        check_lists(juliet, romeo, 'plain' if clear else 'new')
        if clear:
            check_talk_in_clear(juliet, romeo)
        else:
            check_talk(juliet, romeo)
        check_status(juliet, romeo)
        check_goodbye(juliet, romeo)
    return '%s and %s%s' % (first, second, ' in clear' if clear else ''), run


if __name__ == '__main__':
    hearbytest.main(test('embedded', 'embedded'), test('avahi', 'avahi'), test('embedded', 'avahi'),
                    test('embedded', 'embedded', clear=True))
