#!/usr/bin/python3
"""What is written while the other, or one's own daemon, is away arrives once and in order after whatever restarts."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal


def numbered(first, last):
    return ['number %d' % i for i in range(first, last)]


def pair(stage, discovery):
    juliet = stage.person(stage.host('pronto'), 'juliet', discovery=discovery)
    romeo = stage.person(stage.host('forza'), 'romeo', discovery=discovery)
    juliet.on_bus().wait_peer(romeo, Online=True)
    romeo.on_bus().wait_peer(juliet, Online=True)
    for me, other in ((juliet, romeo), (romeo, juliet)):
        me.cli('send', '--wait=delivered', other.instance, 'hello')
    return juliet, romeo


def post(bus, path, texts):
    """Sends without waiting for answers; the serial of the last call."""
    for text in texts:
        serial = bus.post(hearbytest.ROOT, hearbytest.MANAGER, 'SendMessage', 'aosa{sv}', [path], text, {})
    return serial


def wait_all(person, last):
    """Until @last came in; a new listener each time, so that nothing depends on when it starts."""
    events = person.consumer('all')
    events.wait_for({'body': last})
    events.kill()


def test(discovery):
    def run(stage):
        juliet, romeo = pair(stage, discovery)

        romeo.kill()                          # the receiver is away; then the sender dies with a full outbox
        bus = juliet.on_bus()
        bus.wait_peer(romeo, Online=False)
        path = bus.find(romeo)
        for text in numbered(0, 20):
            bus.manager('SendMessage', 'aosa{sv}', [path], text, {})
        juliet.kill()
        juliet.start()
        equal(juliet.on_bus().peers()[path]['Queued'], 20)
        romeo.start()
        wait_all(romeo, 'number 19')
        equal(romeo.received(), ['hello'] + numbered(0, 20))

        bus = juliet.on_bus()                 # the receiver dies in the middle of a burst
        watch = romeo.on_bus()
        post(bus, path, numbered(20, 320))
        watch.wait_message(body='number 90')
        romeo.kill()
        romeo.start()
        wait_all(romeo, 'number 319')
        equal(romeo.received(), ['hello'] + numbered(0, 320))

        watch = romeo.on_bus()                # the sender dies in the middle of a burst: what it had answered is on the disk
        for text in numbered(320, 620):
            bus.manager('SendMessage', 'aosa{sv}', [path], text, {})
        watch.wait_message(body='number 400')
        juliet.kill()
        juliet.start()
        wait_all(romeo, 'number 619')
        equal(romeo.received(), ['hello'] + numbered(0, 620))

        juliet.stop()                         # both end as at logout
        romeo.stop()
        romeo.start()
        juliet.start()
        juliet.cli('send', '--wait=delivered', romeo.instance, 'the end')
        equal(romeo.received()[-1], 'the end')
        states = {m['state'] for m in juliet.json('history', '-n', '1000')['messages'] if m['direction'] == 'out'}
        equal(states, {'delivered'})
    return discovery, run


if __name__ == '__main__':
    hearbytest.main(test('embedded'), test('avahi'))
