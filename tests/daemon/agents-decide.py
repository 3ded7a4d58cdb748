#!/usr/bin/python3
"""An agent says what becomes of an offer: the newest one, once, and only as long as it is there.

With --long one says nothing at all, for minutes."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
import time
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from hearbytest import AGENT, PEER, TRANSFER, BusError, equal, main
from messagebus import MessageBus
from transfers import Pair, content_of, offers_of, properties

PATH = '/agent'
PATIENCE_OF_US = 300                            # LIMIT_AGENT_S


class Agents(Pair):
    """romeo's agents are clients on his private socket and on his session bus."""

    def __init__(self, stage):
        super().__init__(stage, bus=True)
        self.file = self.make('file', b'content')

    def agent(self, session=False):
        bus = MessageBus(self.romeo.runtime + '/bus') if session else self.romeo.on_bus()
        bus.manager('RegisterAgent', 'oa{sv}', PATH, {})
        return bus

    def send(self):
        return self.send_paths([self.file])


def asked(bus):
    """The next question to an agent; checked to be one."""
    call = bus.wait_call('AuthorizeTransfer')
    equal((call.path, call.interface), (PATH, AGENT))
    return call


def withdrawn(bus, path):
    call = bus.wait_call('Cancel')
    equal((call.path, call.interface, call.args), (PATH, AGENT, [path, {}]))


def not_asked(bus):
    """Nothing came until now."""
    bus.manager('Settings', 'a{sv}', {})
    equal([call.member for call in bus.calls], [], 'calls')


def answer_in_a_folder(stage, session):
    pair = Agents(stage)
    bus = pair.agent(session)
    sent = pair.send()
    call = asked(bus)
    pair.offer()
    path, details = call.args
    equal(path, pair.offered)
    equal({key: details[key] for key in ('Name', 'Size', 'State', 'Direction', 'PeerName', 'Trust', 'Peer')},
          {'Name': 'file', 'Size': 7, 'State': 'offered', 'Direction': 'in', 'PeerName': 'juliet', 'Trust': 'new', 'Peer': pair.juliet_path})
    equal(set(properties(pair.romeo_bus, path)) <= set(details), True)
    target = pair.target()
    bus.answer(call, 'a{sv}', {'accept': ('b', True), 'folder': target})
    equal(pair.wait_finished(sent), ['complete', ''])
    equal(content_of(target), {'file': b'content'})
    not_asked(bus)


def test_yes_on_the_private_socket(stage):
    answer_in_a_folder(stage, False)


def test_yes_on_the_bus(stage):
    answer_in_a_folder(stage, True)


def test_yes_with_descriptors(stage):
    """A folder that the agent opened; a pipe for the content."""
    pair = Agents(stage)
    bus = pair.agent()
    sent = pair.send()
    target = pair.target()
    fd = os.open(target, os.O_RDONLY)
    bus.answer(asked(bus), 'a{sv}', {'accept': ('b', True), 'folder_fd': ('h', fd)})
    os.close(fd)
    equal(pair.wait_finished(sent), ['complete', ''])
    equal(content_of(target), {'file': b'content'})
    sent = pair.send()
    end, out = os.pipe()
    bus.answer(asked(bus), 'a{sv}', {'accept': ('b', True), 'fd': ('h', out)})
    os.close(out)
    with open(end, 'rb') as file:
        equal(file.read(), b'content')
    equal(pair.wait_finished(sent), ['complete', ''])


def test_no_and_neither(stage):
    """No is no; an answer without one, or one that cannot be followed, leaves it to the user."""
    pair = Agents(stage)
    bus = pair.agent()
    sent = pair.send()
    bus.answer(asked(bus), 'a{sv}', {'accept': ('b', False)})
    equal(pair.wait_finished(sent), ['rejected', 'declined'])
    pair.offer()
    for answer in ({}, {'accept': 'yes'}, {'accept': ('b', True), 'folder': '/nowhere/at/all'},
                   {'accept': ('b', True), 'folder': 'relative'},
                   {'accept': ('b', True), 'folder_fd': ('h', bus.socket)}):
        sent = pair.send()
        bus.answer(asked(bus), 'a{sv}', answer)
        pair.offer()
        not_asked(bus)
        equal(properties(pair.romeo_bus, pair.offered)['State'], 'offered', answer)
        pair.romeo_bus.call(pair.offered, TRANSFER, 'Reject', 'a{sv}', {})
        equal(pair.wait_finished(sent), ['rejected', 'declined'])


def test_the_newest_is_asked(stage):
    """Who fails, leaves or unregisters passes the question to the one before."""
    pair = Agents(stage)
    first, second, third, fourth = pair.agent(), pair.agent(True), pair.agent(), pair.agent(True)
    sent = pair.send()
    asked(fourth)
    pair.offer()
    fourth.close()                              # it disappears
    third.refuse(asked(third), 'org.freedesktop.DBus.Error.UnknownObject')
    asked(second)
    not_asked(third)
    second.manager('UnregisterAgent', 'oa{sv}', PATH, {})
    call = asked(first)
    not_asked(second)
    equal(properties(pair.romeo_bus, pair.offered)['State'], 'offered')
    first.answer(call, 'a{sv}', {'accept': ('b', False)})
    equal(pair.wait_finished(sent), ['rejected', 'declined'])
    sent = pair.send()
    call = asked(third)                         # an error once does not end it
    third.answer(call, 's', 'what?')            # but is not an answer
    call = asked(first)
    third.close()
    first.close()
    pair.offer()
    equal(properties(pair.romeo_bus, pair.offered)['State'], 'offered')
    pair.romeo_bus.call(pair.offered, TRANSFER, 'Cancel', 'a{sv}', {})
    equal(pair.wait_finished(sent)[0], 'rejected')


def test_many_questions(stage):
    """All that the one who goes was asked is asked of the one before; one who says nothing harms nobody."""
    pair = Agents(stage)
    first, second, silent = pair.agent(), pair.agent(), pair.agent(True)
    sent = [pair.send() for _ in range(5)]
    for _ in sent:
        asked(silent)
        pair.offer()
    silent.close()
    for _ in sent:
        asked(second)
    second.close()
    target = pair.target()
    for _ in sent:
        first.answer(asked(first), 'a{sv}', {'accept': ('b', True), 'folder': target})
    waiting = set(sent)                         # they end in any order
    while waiting:
        path, end = pair.juliet_bus.wait_signal(lambda m: m.member == 'Finished' and (m.path, m.args))
        equal(end[:2], ['complete', ''], path)
        waiting.remove(path)
    equal(content_of(target), {name: b'content' for name in ['file'] + ['file (%d)' % i for i in range(1, 5)]})
    pair.agent()                                # never reads
    offers = [(pair.send(), pair.offer()) for _ in range(60)]
    pair.romeo_bus.call(pair.offered, TRANSFER, 'Reject', 'a{sv}', {})
    equal(pair.wait_finished(offers[-1][0]), ['rejected', 'declined'])


def test_answered_elsewhere(stage):
    """The agent is told that its answer does not matter any more, and it does not."""
    pair = Agents(stage)
    bus = pair.agent(True)
    sent = pair.send()
    call = asked(bus)
    pair.offer()
    target = pair.target()
    pair.accept(folder=target)
    withdrawn(bus, pair.offered)
    bus.answer(call, 'a{sv}', {'accept': ('b', False)})
    equal(pair.wait_finished(sent), ['complete', ''])
    equal(content_of(target), {'file': b'content'})
    sent = pair.send()
    call = asked(bus)
    pair.offer()
    pair.juliet_bus.call(sent, TRANSFER, 'Cancel', 'a{sv}', {})
    withdrawn(bus, pair.offered)
    bus.answer(call, 'a{sv}', {'accept': ('b', True)})
    equal(pair.wait_finished(pair.offered, pair.romeo_bus), ['canceled', 'peer-canceled'])


def test_forgotten(stage):
    """With the peer go its transfers, and the question about them."""
    pair = Agents(stage)
    bus = pair.agent()
    sent = pair.send()
    call = asked(bus)
    pair.offer()
    pair.romeo_bus.call(pair.juliet_path, PEER, 'Forget', 'a{sv}', {})
    pair.romeo_bus.wait_signal(lambda m: m.member == 'InterfacesRemoved' and m.args == [pair.offered, [TRANSFER]])
    withdrawn(bus, pair.offered)
    bus.answer(call, 'a{sv}', {'accept': ('b', True)})
    equal(offers_of(pair.romeo_bus), [])
    equal(pair.romeo_bus.manager('ListTransfers', 'a{sv}', {})[0], [])
    pair.juliet_bus.call(sent, TRANSFER, 'Cancel', 'a{sv}', {})
    equal(pair.wait_finished(sent), ['canceled', 'canceled'])


def refusal(bus, member, path):
    try:
        bus.manager(member, 'oa{sv}', path, {})
    except BusError as error:
        return error.name
    return None


def test_one_for_each_connection(stage):
    """Registered again it is the same, another one is refused; another connection's cannot be touched."""
    pair = Agents(stage)
    bus, other = pair.agent(), pair.agent(True)
    for each in (bus, other):
        equal(refusal(each, 'RegisterAgent', PATH), None)
        equal(refusal(each, 'RegisterAgent', '/another'), 'Exists')
        equal(refusal(each, 'UnregisterAgent', '/another'), 'NotFound')
    stranger = pair.romeo.on_bus()
    equal(refusal(stranger, 'UnregisterAgent', PATH), 'NotFound')
    equal([refusal(other, 'UnregisterAgent', PATH) for _ in range(2)], [None, 'NotFound'])
    other.manager('RegisterAgent', 'oa{sv}', '/another', {})
    pair.send()
    equal(other.wait_call('AuthorizeTransfer').path, '/another')
    not_asked(bus)


def test_nobody_there(stage):
    """An offer that came before the agent stays the user's; one that no agent answers too."""
    pair = Agents(stage)
    sent = pair.send()
    pair.offer()
    bus = pair.agent()
    not_asked(bus)
    pair.romeo_bus.call(pair.offered, TRANSFER, 'Reject', 'a{sv}', {})
    equal(pair.wait_finished(sent), ['rejected', 'declined'])


def test_release(stage):
    """At the end of the daemon its agents are told."""
    pair = Agents(stage)
    buses = [pair.agent(), pair.agent(True)]
    pair.send()
    asked(buses[1])
    pair.romeo_bus.manager('Quit', 'a{sv}', {})
    for bus in buses:
        call = bus.wait_call('Release')
        equal((call.path, call.interface, call.args), (PATH, AGENT, [{}]))


def test_silent(stage):
    """Who says nothing is not waited for; as it has shown the question to somebody, it goes to that user and to no other agent."""
    pair = Agents(stage)
    older, silent = pair.agent(), pair.agent(True)
    sent = pair.send()
    path = asked(silent).args[0]
    begin = time.monotonic()
    call = silent.wait_call('Cancel', timeout=PATIENCE_OF_US + 60)
    equal(call.args, [path, {}])
    assert time.monotonic() - begin >= PATIENCE_OF_US - 1
    not_asked(older)
    pair.offer()
    equal(properties(pair.romeo_bus, path)['State'], 'offered')
    pair.accept(folder=pair.target())
    equal(pair.wait_finished(sent), ['complete', ''])


if __name__ == '__main__':
    if '--long' in sys.argv:
        sys.argv.remove('--long')
        os.environ['HEARBY_LONG'] = 'yes'       # main() runs this file again
    if 'HEARBY_LONG' in os.environ:
        main(test_silent)
    main(test_yes_on_the_private_socket, test_yes_on_the_bus, test_yes_with_descriptors, test_no_and_neither, test_the_newest_is_asked,
         test_many_questions, test_answered_elsewhere, test_forgotten, test_one_for_each_connection, test_nobody_there, test_release)
