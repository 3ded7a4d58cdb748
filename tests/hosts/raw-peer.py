#!/usr/bin/python3
"""A strange program on the link gets what XEP-0174 promises it, and nobody who is not on the link gets in."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal

STRANGER = 'mercutio@forza'


def scene(stage):
    """juliet's daemon, and a host whose avahi announces a scripted peer."""
    juliet = stage.person(stage.host('pronto'), 'juliet')
    forza = stage.host('forza', avahi=True)
    listener = hearbytest.RawPeer.listen(forza)
    forza.publish(STRANGER, listener.getsockname()[1], 'txtvers=1', 'status=avail', 'nick=Mercutio')
    bus = juliet.on_bus()
    bus.wait_peer(STRANGER, Online=True, Nick='Mercutio', Trust='plain')
    return juliet, forza, listener, bus


def test_he_opens(stage):
    juliet, forza, listener, bus = scene(stage)
    raw = hearbytest.RawPeer.connect(forza, juliet.host.address, 5298)
    raw.open(STRANGER, juliet.instance)
    raw.expect(r"<stream:stream [^>]*>")
    raw.expect(r"<(stream:)?features.*disco#info.*</(stream:)?features>")
    raw.message(STRANGER, juliet.instance, "a plague o' both <your> houses")
    equal(bus.wait_message(direction='in')['body'], "a plague o' both <your> houses")
    raw.send("<iq type='get' id='q1' from='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % (STRANGER, juliet.instance))
    raw.expect(r"<iq [^>]*(id='q1'[^>]*type='result'|type='result'[^>]*id='q1')")
    raw.send("<iq type='set' id='q2' from='%s' to='%s'><x xmlns='urn:nobody:knows'/></iq>" % (STRANGER, juliet.instance))
    raw.expect(r"<iq [^>]*type='error'.*service-unavailable|<iq [^>]*type='error'.*feature-not-implemented")
    juliet.cli('send', '--plaintext', STRANGER, '1 < 2 & "3"')     # the same stream serves both ways
    raw.expect(r"<body>1 &lt; 2 &amp; (\"|&quot;)3(\"|&quot;)</body>.*</message>")
    raw.send("</stream:stream>")
    raw.expect(r"</stream:stream>")
    raw.expect_end()


def test_we_open(stage):
    juliet, forza, listener, bus = scene(stage)
    juliet.cli('send', '--plaintext', STRANGER, 'hello\nthere')
    raw = hearbytest.RawPeer.accept(listener)
    raw.expect(r"<stream:stream [^>]*to='mercutio@forza'[^>]*>")
    raw.send("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")   # as old ones do
    raw.expect(r"<message .*<body>hello\nthere</body>.*</message>")
    raw.send("<message type='chat'><body>hi</body></message>")
    equal(bus.wait_message(direction='in')['body'], 'hi')
    raw.close()
    juliet.cli('send', '--plaintext', STRANGER, 'again')           # a new stream after a rude end
    raw = hearbytest.RawPeer.accept(listener)
    raw.open(STRANGER, juliet.instance)
    raw.send('<stream:features/>')
    raw.expect(r"<body>again</body>")


def test_entity_bomb_ends_the_stream_only(stage):
    juliet, forza, listener, bus = scene(stage)
    raw = hearbytest.RawPeer.connect(forza, juliet.host.address, 5298)
    raw.send('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbb">]>')
    raw.open(STRANGER, juliet.instance)
    if b'restricted-xml' not in raw.expect_end():
        raise hearbytest.Failed('no reason was given')
    raw = hearbytest.RawPeer.connect(forza, juliet.host.address, 5298)
    raw.open(STRANGER, juliet.instance)
    raw.expect(r"<stream:stream ")
    raw.message(STRANGER, juliet.instance, 'still there?')
    equal(bus.wait_message(direction='in')['body'], 'still there?')


def test_somebody_who_is_not_announced(stage):
    juliet, forza, listener, bus = scene(stage)
    for me in ('nobody@nowhere', STRANGER):                        # and from another host under a known name
        evil = stage.host('evil' + me[:2])
        raw = hearbytest.RawPeer.connect(evil, juliet.host.address, 5298)
        raw.open(me, juliet.instance)
        raw.message(me, juliet.instance, 'trust me')
        raw.expect_end()
    equal(juliet.received(), [])


def test_many_strangers_do_not_lock_out_a_friend(stage):
    juliet, forza, listener, bus = scene(stage)
    evil = stage.host('evil')
    crowd = [hearbytest.RawPeer.connect(evil, juliet.host.address, 5298) for _ in range(100)]
    raw = hearbytest.RawPeer.connect(forza, juliet.host.address, 5298)
    raw.open(STRANGER, juliet.instance)
    raw.expect(r"<stream:stream ")
    raw.message(STRANGER, juliet.instance, 'excuse me')
    equal(bus.wait_message(direction='in')['body'], 'excuse me')
    for one in crowd:
        one.close()


if __name__ == '__main__':
    hearbytest.main(test_he_opens, test_we_open, test_entity_bomb_ends_the_stream_only, test_somebody_who_is_not_announced,
                    test_many_strangers_do_not_lock_out_a_friend)
