#!/usr/bin/python3
"""A thousand connections, requests without end and a peer that does not read cost little, and friends talk on.

With --long the requests are ten thousand."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
import time
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal
from scene import Friend, check_condition, check_growth, connect, ended, juliet_alone, memory

EVIL = 'mercutio@forza'
REQUESTS = 10000 if '--long' in sys.argv or 'HEARBY_LONG' in os.environ else 600
SLOWLY = 100            # a second; 200 are allowed


def unknown_request(i):
    return "<iq type='%s' id='q%d' from='%s'><query xmlns='urn:nobody:knows'/></iq>" % ('get' if i % 2 else 'set', i, EVIL)


def open_stream(juliet, source='127.0.0.1', name=EVIL):
    raw = connect(juliet, source)
    raw.open(name, juliet.instance)
    raw.expect('</stream:features>')
    return raw


def test_a_thousand_silent_connections(stage):
    """From a hundred and more addresses at once: those who talk go on, a friend who comes is let in, and the silent ones are cut."""
    juliet = juliet_alone(stage)
    nurse = Friend(juliet, 'nurse@verona', '127.0.0.2')
    tybalt = Friend(juliet, 'tybalt@sword', '127.0.0.3')
    tybalt.raw.send('</stream:stream>')
    tybalt.raw.expect_end()
    nurse.chat()
    before = memory(juliet)
    crowd = [connect(juliet, '127.0.1.%d' % (i // 8 + 1)) for i in range(1000)]
    nurse.chat()
    raw = open_stream(juliet, tybalt.address, tybalt.name)
    raw.message(tybalt.name, juliet.instance, 'excuse me')
    nurse.bus.wait_message(body='excuse me')
    check_growth(juliet, before, 16e6)
    ended(crowd)
    nurse.chat()
    descriptors = len(os.listdir('/proc/%d/fd' % juliet.daemon.pid))
    assert descriptors < 64, descriptors


def test_too_many_streams_of_one_peer(stage):
    """Somebody who is known opens stream after stream: there are a few, and he can still talk."""
    juliet = juliet_alone(stage)
    evil = Friend(juliet, EVIL, '127.0.0.1')
    streams = [connect(juliet) for _ in range(7)]               # fewer than strangers may have from one address
    for raw in streams:
        raw.open(EVIL, juliet.instance)
        raw.send(unknown_request(0))                            # in clear: whose stream it is counts from here
    answers = [raw.expect('<resource-constraint |<service-unavailable ').group(0) for raw in streams]
    equal(answers.count(b'<resource-constraint '), 4, 'the number of refused streams')
    descriptors = len(os.listdir('/proc/%d/fd' % juliet.daemon.pid))
    assert descriptors < 40, descriptors
    evil.bus.wait_peer(EVIL, Online=True)


def test_requests_in_a_flood(stage):
    juliet = juliet_alone(stage)
    nurse = Friend(juliet, 'nurse@verona', '127.0.0.2')
    evil = Friend(juliet, EVIL, '127.0.0.1')
    nurse.chat()
    before = memory(juliet)
    raw = open_stream(juliet)
    try:
        raw.send(''.join(unknown_request(i) for i in range(10000)))
    except (BrokenPipeError, ConnectionResetError):
        pass
    check_condition(raw.expect_end(), 'policy-violation', 'a flood of requests')
    nurse.chat()
    check_growth(juliet, before, 12e6)
    evil.raw.close()


def test_requests_slowly(stage):
    """Requests that nobody understands are each answered: service-unavailable."""
    juliet = juliet_alone(stage)
    nurse = Friend(juliet, 'nurse@verona', '127.0.0.2')
    evil = Friend(juliet, EVIL, '127.0.0.1')
    raw = evil.raw
    before = memory(juliet)
    second = 0
    for begin in range(0, REQUESTS, SLOWLY):
        while int(time.monotonic()) == second:      # the limit is one for each second of this clock
            time.sleep(1 - time.monotonic() % 1)
        second = int(time.monotonic())
        raw.send(''.join(unknown_request(i) for i in range(begin, begin + SLOWLY)))
        for i in range(begin, begin + SLOWLY):
            raw.expect("<iq [^>]*id=.q%d.[^>]*>.*?<service-unavailable [^>]*/></error></iq>" % i)
    nurse.chat()
    check_growth(juliet, before, 8e6)


def test_a_peer_that_does_not_read(stage):
    """What it asks for piles up only so far: then its stream ends."""
    juliet = juliet_alone(stage)
    nurse = Friend(juliet, 'nurse@verona', '127.0.0.2')
    evil = Friend(juliet, EVIL, '127.0.0.1')
    evil.allow()
    nurse.chat()
    before = memory(juliet)
    body = 'z' * 60000
    for i in range(100):                            # 6 MB; a socket takes a part of it
        nurse.bus.manager('SendMessage', 'aosa{sv}', [evil.path], body, {})
    nurse.chat()
    check_growth(juliet, before, 12e6)
    evil.raw.expect(('<body>%s</body>.*' % body) * 3)
    evil.raw.close()


def test_messages_of_a_stranger(stage):
    """Somebody writes a lot, all of it twice: it is stored once, and what it cost is given back."""
    juliet = juliet_alone(stage)
    nurse = Friend(juliet, 'nurse@verona', '127.0.0.2')
    evil = Friend(juliet, EVIL, '127.0.0.1')
    for part in range(4):
        numbers = range(part * 2000, part * 2000 + 2000)
        for _ in range(2):
            evil.raw.send(''.join("<message from='%s' id='n%d'><body>%d</body></message>" % (EVIL, i, i) for i in numbers))
        evil.raw.send("<message from='%s'><body>end of %d</body></message>" % (EVIL, part))
        nurse.bus.wait_message(body='end of %d' % part)
        nurse.chat()
        if part == 0:
            before = memory(juliet)                 # by then everything has been used once
    equal(nurse.bus.peers()[evil.path]['Unread'], 8004)
    check_growth(juliet, before, 24e6)              # what lay in queues at the worst moment; leaks show at the end


if __name__ == '__main__':
    chosen = [test_a_thousand_silent_connections, test_too_many_streams_of_one_peer, test_requests_in_a_flood,
              test_requests_slowly, test_a_peer_that_does_not_read, test_messages_of_a_stranger]
    if '--long' in sys.argv:
        sys.argv.remove('--long')
        os.environ['HEARBY_LONG'] = 'yes'           # main() runs this file again
    hearbytest.main(*chosen)
