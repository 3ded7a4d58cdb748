#!/usr/bin/python3
"""Pidgin's library and we talk both ways: Unicode, markup, line breaks, 60 kB, status, closing and reopening."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal

ROUNDS = 4

TEXTS = [
    'hi there',
    "Grüße, 中文, 👍🏽, ‏עברית",
    "1 < 2 & 3 > 2, <b>not bold</b>, &amp; it's \"so\"",
    'line one\nline two\n\nline four',
    'see https://example.org/?a=1&b=2 there',
    'é' * 30000,
]


def scene(stage, discovery):
    juliet = stage.person(stage.host('pronto'), 'juliet', discovery=discovery)
    pidgin = stage.purple(stage.host('lan1'), 'alice')
    bus = juliet.on_bus()
    bus.wait_peer(pidgin, Online=True)
    pidgin.wait('buddy-on', who=juliet.instance)
    juliet.allow(pidgin)
    return juliet, pidgin, bus


def talk(discovery):
    def run(stage):
        juliet, pidgin, bus = scene(stage, discovery)
        for text in TEXTS:
            juliet.send(pidgin, text)
            equal(pidgin.wait('im', who=juliet.instance)['text'], text, 'what Pidgin shows')
        for text in TEXTS:
            pidgin.send(juliet, text)
            got = bus.wait_message(direction='in')['body']
            if '://' not in text:              # libpurple writes a link twice
                equal(got, text, 'what we got')
        refused = juliet.cli('send', '--wait=delivered', pidgin.instance, 'you cannot tell me', check=1)
        if 'NotSupported' not in refused.stderr and 'confirm' not in refused.stderr:
            raise hearbytest.Failed(refused.stderr)
    return 'talk by ' + discovery, run


def test_status(stage):
    juliet, pidgin, bus = scene(stage, 'avahi')
    pidgin.command('status', status='away', text='lunch & <tea>')
    bus.wait_peer(pidgin, Online=True, Status='dnd', StatusText='lunch & <tea>')      # its "away" is the link's dnd
    pidgin.command('status', status='available', text='')
    bus.wait_peer(pidgin, Online=True, Status='available', StatusText='')
    juliet.cli('status', 'dnd', 'hacking & <coffee>')
    equal(pidgin.wait('buddy-status', who=juliet.instance, status='away')['text'], 'hacking & <coffee>')
    juliet.cli('status', 'available')
    pidgin.wait('buddy-status', who=juliet.instance, status='available')


def test_close_and_reopen(stage):
    juliet, pidgin, bus = scene(stage, 'embedded')
    for i in range(5):
        pidgin.send(juliet, 'question %d' % i)
        equal(bus.wait_message(direction='in')['body'], 'question %d' % i)
        juliet.send(pidgin, 'answer %d' % i)
        pidgin.wait('im', text='answer %d' % i)
        pidgin.command('close', to=juliet.instance)
        juliet.send(pidgin, 'afterthought %d' % i)                 # opens a stream, or goes through the dying one
        pidgin.wait('im', text='afterthought %d' % i)


def test_both_at_once(stage):
    """What libpurple loses of its own by this (measured: most of it) is its fault; ours arrives, and then everything."""
    juliet, pidgin, bus = scene(stage, 'embedded')
    path = bus.find(pidgin)
    for i in range(ROUNDS):
        pidgin.send(juliet, 'its %d' % i)
        bus.manager('SendMessage', 'aosa{sv}', [path], 'ours %d' % i, {})
        pidgin.wait('im', text='ours %d' % i)
        pidgin.send(juliet, 'later %d' % i)
        bus.wait_message(direction='in', body='later %d' % i)
        pidgin.quit()                          # the next round begins without a stream
        bus.wait_peer(pidgin, Online=False)
        pidgin.start()
        bus.wait_peer(pidgin, Online=True)
        pidgin.wait('buddy-on', who=juliet.instance)
    hearbytest.diag('%d of %d that libpurple sent at the same moment came' % (
        sum(text.startswith('its') for text in juliet.received()), ROUNDS))


if __name__ == '__main__':
    hearbytest.main(talk('embedded'), talk('avahi'), test_status, test_close_and_reopen, test_both_at_once)
