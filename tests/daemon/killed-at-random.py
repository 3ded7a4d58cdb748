#!/usr/bin/python3
"""Sender and receiver are killed at any moment: each message arrives exactly once, in order, and its sender knows.

With --long a thousand times, and at others each time. HEARBY_SEED repeats a run."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import random
import sys
import time
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbybus import Bus
from hearbytest import Failed, equal

LONG = '--long' in sys.argv or 'HEARBY_LONG' in os.environ
MESSAGES, KILLS = (40000, 1000) if LONG else (2000, 30)


class Pipeline(Bus):
    """Calls that do not wait for one another."""

    def gather(self, serials, until=0):
        """Waits for the answers to @serials but for the last @until: {serial: error or None}."""
        answers, deadline = {}, time.monotonic() + hearbytest.PATIENCE
        while len(answers) < len(serials) - until:
            message = self._receive(deadline)
            if message.reply_to in serials:
                answers[message.reply_to] = message.error
        return answers

    def list(self, direction):
        """The bodies and states of all messages of one direction, in order."""
        found, since = [], 0
        while True:
            rows = self.manager('ListMessages', 'a{sv}', {'since_seq': ('t', since)})[0]
            if not rows:
                return found
            since = rows[-1]['seq']
            found += [(row['body'], row['state']) for row in rows if row['direction'] == direction]


class Sender:
    """Sends "1", "2", … by juliet, each with a key of its own, over deaths of her daemon and of the receiver's."""

    def __init__(self, juliet, romeo, seed):
        self.juliet, self.romeo, self.random = juliet, romeo, random.Random(seed)
        self.left = list(range(1, MESSAGES + 1))
        self.connect()

    def connect(self):
        self.bus = Pipeline(self.juliet)
        self.path = self.bus.find(self.romeo)

    def send_some(self):
        """A batch; those that were refused or not answered stay. Now and then somebody dies meanwhile."""
        batch = self.left[:self.random.randint(1, 130)]
        serials = {}
        try:
            for number in batch:
                serials[self.bus.post(hearbytest.ROOT, hearbytest.MANAGER, 'SendMessage', 'aosa{sv}', [self.path], str(number),
                                      {'id': 'key %d' % number})] = number
            answers = self.bus.gather(serials, until=self.random.randint(0, len(serials)))
            for serial, error in answers.items():
                if error not in (None, 'org.hearby.Error.PeerOffline'):
                    raise Failed('message %d: %s' % (serials[serial], error))
        except (OSError, Failed) as failure:
            raise Failed('sending from %d: %s\n%s' % (batch[0], failure, self.juliet.log()[-3000:])) from failure
        done = {serials[serial] for serial, error in answers.items() if error is None}
        self.left = [number for number in self.left if number not in done]

    def kill_somebody(self):
        victims = self.random.choice([[self.juliet], [self.romeo], [self.romeo], [self.juliet, self.romeo]])
        for victim in victims:
            victim.kill()
        for victim in victims:
            victim.start()
        self.bus.close()
        self.connect()
        self.bus.wait_peer(self.romeo, Online=True)


def test_each_once_and_in_order(stage):
    seed = int(os.environ.get('HEARBY_SEED', time.time() if LONG else 1))
    hearbytest.diag('HEARBY_SEED=%d' % seed)
    host = stage.lonely_host('pronto')
    juliet = stage.person(host, 'juliet', discovery='off', settings={'port': 5298})
    romeo = stage.person(host, 'romeo', discovery='off', settings={'port': 5299})
    juliet.cli('add', '127.0.0.1:5299')
    romeo.cli('add', '127.0.0.1:5298', check=False)     # who has no name yet for who just called
    sender = Sender(juliet, romeo, seed)
    sender.bus.wait_peer(romeo, Online=True)

    kills = 0
    while sender.left:
        sender.send_some()
        if kills < KILLS and sender.random.random() < KILLS * 90 / MESSAGES:
            kills += 1
            sender.kill_somebody()
    sender.bus.wait_peer(romeo, Queued=0)

    sent, came = sender.bus.list('out'), Pipeline(romeo).list('in')
    equal(sorted(int(body) for body, _ in sent), list(range(1, MESSAGES + 1)), 'what was accepted')
    equal([body for body, _ in came], [body for body, _ in sent], 'what arrived')
    equal({state for _, state in sent}, {'delivered'}, 'the states')
    hearbytest.diag('%d messages, %d kills' % (MESSAGES, kills))
    if kills < KILLS // 3:
        raise Failed('nobody was killed')


if __name__ == '__main__':
    if '--long' in sys.argv:
        sys.argv.remove('--long')
        os.environ['HEARBY_LONG'] = 'yes'
    hearbytest.main(test_each_once_and_in_order)
