#!/usr/bin/python3
"""What waits for somebody expires, is held or taken back as promised, and what is not to be kept is nowhere on the disk."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal

STRANGER = 'mercutio@forza'
HOUR, WEEK = 3600, 7 * 24 * 3600
CLEAR = {'encryption': 'never'}


def couple(stage, **settings):
    juliet = stage.person(stage.host('pronto'), 'juliet', settings=settings)
    romeo = stage.person(stage.host('forza'), 'romeo', settings=settings)
    bus = juliet.on_bus()
    bus.wait_peer(romeo, Online=True)
    romeo.wait_online(juliet)
    if settings.get('encryption') == 'never':
        juliet.allow(romeo)
    return juliet, romeo, bus


def wait_state(bus, seq, state, **more):
    def match(message):
        if message.member != 'MessageChanged' or message.args[0] != int(seq):
            return None
        return message.args[1] if message.args[1]['state'] == state else None
    changed = bus.wait_signal(match)
    equal({key: changed.get(key) for key in more}, more, 'the change to ' + state)


def state_of(bus, seq):
    return bus.manager('ListMessages', 'a{sv}', {'since_seq': ('t', int(seq) - 1), 'limit': ('u', 1)})[0][0]['state']


def leave(bus, person):
    person.stop()
    bus.wait_peer(person, Online=False)


def say_hello(juliet, romeo):
    """From now on it is known who romeo is."""
    juliet.send(romeo, 'hello', '--wait=delivered')


def expires(stage, most, **settings):
    juliet, romeo, bus = couple(stage, **settings)
    say_hello(juliet, romeo)
    leave(bus, romeo)
    first = juliet.send(romeo, 'in a second', '--expire=1')
    second = juliet.send(romeo, 'at the end', '--expire=7d')
    wait_state(bus, first, 'expired')
    message, = bus.manager('ListMessages', 'a{sv}', {'since_seq': ('t', int(second) - 1), 'limit': ('u', 1)})[0]
    equal(round((message['expires'] - message['time']) / 1e6), most, 'the life of what waits')
    romeo.start()
    wait_state(bus, second, 'delivered')
    equal(romeo.received(), ['hello', 'at the end'])
    equal(bus.peers()[bus.find(romeo)]['Queued'], 0)


def test_expires(stage):
    expires(stage, WEEK)


def test_expires_in_clear(stage):
    expires(stage, HOUR, **CLEAR)


def test_kept_on_another_network(stage):
    """A key is who somebody is, wherever that is."""
    juliet, romeo, bus = couple(stage)
    say_hello(juliet, romeo)
    leave(bus, romeo)
    seq = juliet.send(romeo, 'for romeo')
    juliet.host.run('ip', 'addr', 'add', '10.99.0.1/24', 'dev', 'eth0')
    while 'the network has changed' not in juliet.log():
        juliet.daemon.wait_change(len(juliet.daemon.lines), 1)
    equal(state_of(bus, seq), 'queued')
    romeo.start()
    wait_state(bus, seq, 'delivered')
    equal(romeo.received(), ['hello', 'for romeo'])


def test_held_on_another_network(stage):
    """In clear who has a name there may be somebody else: it takes the user's yes again."""
    juliet, romeo, bus = couple(stage, **CLEAR)
    leave(bus, romeo)
    seq = juliet.send(romeo, 'for the old network')
    juliet.host.run('ip', 'addr', 'add', '10.99.0.1/24', 'dev', 'eth0')
    wait_state(bus, seq, 'held', reason='network')
    romeo.start()
    bus.wait_peer(romeo, Online=True)
    equal(state_of(bus, seq), 'held')
    new = juliet.send(romeo, 'for the new network')
    wait_state(bus, new, 'delivered')
    equal(romeo.received(), ['for the new network'])
    juliet.allow(romeo)
    wait_state(bus, seq, 'delivered')
    equal(romeo.received(), ['for the new network', 'for the old network'])


def test_held_over_a_restart(stage):
    """The same when the network changed while no daemon ran."""
    juliet, romeo, bus = couple(stage, **CLEAR)
    leave(bus, romeo)
    seq = juliet.send(romeo, 'for the old network')
    juliet.stop()
    juliet.host.run('ip', 'addr', 'add', '10.99.0.1/24', 'dev', 'eth0')
    juliet.start()
    romeo.start()
    bus = juliet.on_bus()
    bus.wait_peer(romeo, Online=True)
    juliet.send(romeo, 'for the new network', '--wait=delivered')
    equal(romeo.received(), ['for the new network'])
    equal(state_of(bus, seq), 'held')
    juliet.cli('history')                    # and it can be taken back
    bus.manager('CancelMessage', 'ta{sv}', int(seq), {})
    equal(state_of(bus, seq), 'failed')


def test_yes_for_now_only(stage):
    juliet = stage.person(stage.host('pronto'), 'juliet')
    forza = stage.host('forza', avahi=True)
    publisher = forza.publish(STRANGER, 9)       # nobody listens there
    bus = juliet.on_bus()
    bus.wait_peer(STRANGER, Online=True)
    juliet.cli('send', STRANGER, 'no', check=5)
    seq = juliet.send(STRANGER, 'now or never', '--plaintext')
    publisher.stop()
    wait_state(bus, seq, 'failed', reason='PeerOffline')
    bus.wait_peer(STRANGER, Online=False)
    juliet.cli('send', '--plaintext', STRANGER, 'he is not there', check=11)
    juliet.cli('send', STRANGER, 'nor allowed', check=5)
    equal(bus.wait_peer(STRANGER, Online=False)['Queued'], 0)


def test_taken_back(stage):
    juliet, romeo, bus = couple(stage)
    say_hello(juliet, romeo)
    leave(bus, romeo)
    first, second = juliet.send(romeo, 'oh no'), juliet.send(romeo, 'oh yes')
    bus.manager('CancelMessage', 'ta{sv}', int(first), {})
    wait_state(bus, first, 'failed', reason='Canceled')
    romeo.start()
    wait_state(bus, second, 'delivered')
    equal(romeo.received(), ['hello', 'oh yes'])
    for seq, name in ((second, 'Failed'), (first, 'Failed'), (4711, 'NotFound')):
        try:
            bus.manager('CancelMessage', 'ta{sv}', int(seq), {})
        except hearbytest.BusError as error:
            equal(error.name, name)
        else:
            raise hearbytest.Failed('message %s was taken back' % seq)


def test_same_key(stage):
    """A key does nothing a second time, whoever asks and whatever happened meanwhile."""
    juliet, romeo, bus = couple(stage)
    seqs = {juliet.send(romeo, 'once', '--id', 'disk-full') for _ in range(3)}
    juliet.stop()
    juliet.start()
    seqs.add(juliet.send(romeo, 'another text', '--id', 'disk-full'))
    equal(len(seqs), 1, 'the number of messages')
    juliet.send(romeo, 'last', '--id', 'other', '--wait=delivered')
    equal(romeo.received(), ['once', 'last'])


def traces(person, word):
    """The files of the data folder that hold @word."""
    found = []
    for folder, _, names in os.walk(os.path.join(person.home, '.local')):
        for name in names:
            if os.path.isfile(os.path.join(folder, name)):
                with open(os.path.join(folder, name), 'rb') as file:
                    found += [name] if word.encode() in file.read() else []
    return found


def test_no_history(stage):
    juliet, romeo, bus = couple(stage, history='off')
    word = 'xyzzy-plugh-%d' % os.getpid()
    assert not traces(juliet, word)
    juliet.send(romeo, 'the word is ' + word, '--wait=delivered')
    assert traces(romeo, word), 'unread mail was thrown away'
    there = romeo.on_bus()
    path = there.find(juliet)
    conversation = path.replace('/peers/', '/conversations/')
    there.call(conversation, hearbytest.CONVERSATION, 'MarkRead', 'ta{sv}', 1 << 62, {})
    for person in (juliet, romeo):                 # another turn each, and its commit
        person.cli('status', 'away', 'nothing to see')
        person.cli('status', 'available')
        equal(traces(person, word), [], 'where %s keeps it' % person.name)
        person.stop()
        equal(traces(person, word), [], 'where %s keeps it at the end' % person.name)



def test_same_key_without_history(stage):
    """How it ended is told while somebody waits; later nobody knows, and nobody waits for ever."""
    juliet, romeo, bus = couple(stage, history='off')
    for _ in range(10):
        juliet.send(romeo, 'hello', '--wait=delivered')
    number = juliet.send(romeo, 'hello', '--id=once', '--wait=delivered')
    equal(juliet.send(romeo, 'hello', '--id=once'), number)
    again = juliet.cli('send', romeo.instance, '--id=once', '--wait=delivered', 'hello', check=6)
    equal(again.stdout.strip(), number)
    equal(len(romeo.received()), 11)


if __name__ == '__main__':
    hearbytest.main(test_expires, test_expires_in_clear, test_kept_on_another_network, test_held_on_another_network, test_held_over_a_restart, test_yes_for_now_only, test_taken_back,
                    test_same_key, test_no_history, test_same_key_without_history)
