#!/usr/bin/python3
"""Every method, property and signal of the D-Bus definition exists and behaves by its rules, on a session bus."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
import time
import xml.etree.ElementTree as ElementTree
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import AGENT, CONVERSATION, MANAGER, PEER, ROOT, TRANSFER, BusError, Failed, equal
from messagebus import MessageBus

DEFINITION = ElementTree.parse(os.path.join(hearbytest.SOURCE, 'data', 'org.hearby.Hearby.xml')).getroot()
INTERFACES = [face for face in DEFINITION.findall('interface') if face.get('name') != AGENT]     # that one clients have
PROPERTIES = 'org.freedesktop.DBus.Properties'
OBJECTS = 'org.freedesktop.DBus.ObjectManager'
OURS = {'Failed', 'NotSupported', 'InvalidArgument', 'Timeout', 'Rejected', 'Blocked', 'NotVerified', 'KeyChanged', 'Unencrypted', 'NotFound',
        'Ambiguous', 'FileError', 'Exists', 'NoSpace', 'AccessDenied', 'Canceled', 'Partial', 'PeerOffline'}
# A value for each type of an argument, and one that is not of that type.
DUMMIES = {'s': 'x', 't': 1, 'b': True, 'o': '/agent', 'ao': [], 'as': [], 'a(hsa{sv})': [], 'h': 0, 'a{sv}': {}}


# Somebody who has a key and is not there.
ABSENT = 'xmpp:nurse@verona?trust-message;encryption=urn:x-hearby:noise:0;trust=' + '09' * 32


class Scene:
    def __init__(self, stage):
        self.juliet = stage.person(stage.lonely_host('pronto'), 'juliet', discovery='off', bus=True)
        self.bus = MessageBus(self.juliet.runtime + '/bus')
        self.bus.match("sender='org.hearby.Hearby'")
        self.peer = self.bus.manager('AddAddress', 'sa{sv}', '127.0.0.1:9', {})[0]     # nobody is there
        self.me = self.bus.manager('FindPeer', 'sa{sv}', 'self', {})[0][0]
        later = self.bus.manager('TrustUri', 'sa{sv}', ABSENT, {})[0]
        self.transfer = self.bus.manager('SendPaths', 'aoasa{sv}', [later], ['/etc/passwd'], {})[0][0]
        self.paths = {MANAGER: ROOT, PEER: self.peer, CONVERSATION: self.peer.replace('/peers/', '/conversations/'),
                      TRANSFER: self.transfer}

    def refused(self, path, interface, member, signature, *args):
        """The name of the error that a call is answered with, or None."""
        try:
            self.bus.call(path, interface, member, signature, *args)
        except BusError as error:
            return error.name
        return None


def members(interface):
    """What an interface of an introspection has, in a form that compares."""
    found = {}
    for kind in ('method', 'signal', 'property'):
        for one in interface.findall(kind):
            # gdbus leaves out what is the default
            arguments = [(a.get('type'), a.get('direction', 'in' if kind == 'method' else None)) for a in one.findall('arg')]
            found[kind, one.get('name')] = arguments if kind != 'property' else (one.get('type'), one.get('access'))
    return found


def inputs(method):
    return [a.get('type') for a in method.findall('arg') if a.get('direction', 'in') == 'in']


def methods():
    """(interface, method, types of its arguments) of all but those that end something."""
    for interface in INTERFACES:
        for method in interface.findall('method'):
            if method.get('name') not in ('Quit', 'JoinBus'):
                yield interface.get('name'), method.get('name'), inputs(method)


def test_introspection(stage):
    scene = Scene(stage)
    for interface in INTERFACES:
        name = interface.get('name')
        shown = scene.juliet.host.run('gdbus', 'introspect', '--session', '--xml', '--dest', 'org.hearby.Hearby',
                                      '--object-path', scene.paths[name], env=scene.juliet.environment())
        there = {face.get('name'): face for face in ElementTree.fromstring(shown).findall('interface')}
        equal(members(there[name]), members(interface), name)
    equal(OBJECTS in scene.bus.call(ROOT, 'org.freedesktop.DBus.Introspectable', 'Introspect')[0], True)


def test_properties(stage):
    """Each is there, of its type, also among all and in the object manager; none can be written."""
    scene = Scene(stage)
    objects = scene.bus.call(ROOT, OBJECTS, 'GetManagedObjects')[0]
    for interface in INTERFACES:
        name, path = interface.get('name'), scene.paths[interface.get('name')]
        wanted = {p.get('name'): p.get('type') for p in interface.findall('property')}
        equal(set(scene.bus.call(path, PROPERTIES, 'GetAll', 's', name)[0]), set(wanted), name)
        if path != ROOT:
            equal(set(objects[path][name]), set(wanted), path)
        for key, kind in wanted.items():
            serial = scene.bus.post(path, PROPERTIES, 'Get', 'ss', name, key)
            while True:
                message = scene.bus._receive(time.monotonic() + hearbytest.PATIENCE)
                if message.reply_to == serial:
                    break
            equal(message.body[1:1 + message.body[0]].decode(), kind, 'the type of ' + key)
            equal(scene.refused(path, PROPERTIES, 'Set', 'ssv', name, key, 'x') is not None, True, 'a write to ' + key)
    for path, interface in ((scene.paths[PEER], 'org.hearby.Nothing1'), (ROOT, PEER), (ROOT + '/peers/p9999', PEER)):
        equal(scene.refused(path, PROPERTIES, 'Get', 'ss', interface, 'Name') is not None, True, 'what is not there')


def test_options(stage):
    """What must be understood and is not is refused by its name; what need not be is ignored."""
    scene = Scene(stage)
    for interface, method, types in methods():
        equal(types[-1], 'a{sv}', method + ': the last argument')
        arguments = [DUMMIES[kind] for kind in types[:-1]]
        try:
            scene.bus.call(scene.paths[interface], interface, method, ''.join(types), *arguments, {'!nonsense': ('b', True)})
        except BusError as error:
            equal(error.name, 'InvalidArgument', method)
            assert 'nonsense' in error.message, error.message
        else:
            raise Failed('%s understood nonsense' % method)
        if method != 'Forget':
            error = scene.refused(scene.paths[interface], interface, method, ''.join(types), *arguments,
                                  {'nonsense': ('(ii)', (1, 2)), 'more': ('as', ['x'])})
            equal(error in OURS | {None}, True, '%s: %s' % (method, error))
    message = scene.bus.manager('SendMessage', 'aosa{sv}', [scene.me], 'all that it knows', {'!id': 'k', '!expire': ('x', 60)})[0]
    equal(scene.bus.manager('SendMessage', 'aosa{sv}', [scene.me], 'again', {'id': 'k'})[0], message)


def test_wrong_types(stage):
    """Refused before anything happens; an option of another type than it should be does nothing."""
    scene = Scene(stage)
    for interface, method, types in methods():
        for signature, arguments in (('', ()), ('i', (1,)), ('as' * len(types), ([],) * len(types)),
                                     (''.join(types) + 'i', [DUMMIES[kind] for kind in types] + [1])):
            equal(scene.refused(scene.paths[interface], interface, method, signature, *arguments), 'InvalidArgs', method)
    equal(scene.refused(ROOT, MANAGER, 'Nonsense', ''), 'UnknownMethod')
    rows = scene.bus.manager('ListMessages', 'a{sv}', {'limit': 'many', 'since_seq': ('i', -1), 'search': ('u', 7), 'peers': ('as', [])})[0]
    equal(rows, [])
    scene.bus.manager('SendMessage', 'aosa{sv}', [scene.me], 'x', {'id': ('t', 1), 'expire': 'soon', 'replaces': 'it'})


def test_unknown_objects(stage):
    scene = Scene(stage)
    for path in ('/peers/p9999', '/peers/p', '/peers/p1x', '/peers/p_1', '/peers/p99999999999999999999999', '/conversations/q1'):
        face = PEER if 'peers' in path else CONVERSATION
        member, types = ('Forget', 'a{sv}') if face == PEER else ('SetTyping', 'sa{sv}')
        error = scene.refused(ROOT + path, face, member, types, *([{}] if face == PEER else ['active', {}]))
        assert error in ('NotFound', 'UnknownMethod', 'UnknownObject'), (path, error)
        if face == PEER:
            equal(scene.refused(ROOT, MANAGER, 'SendMessage', 'aosa{sv}', [ROOT + path], 'x', {}), 'NotFound')
    for path in ('/', '/org', ROOT + '/transfers/99', scene.transfer + 'x', ROOT + '/transfers/01', '/elsewhere'):
        assert scene.refused(path, MANAGER, 'Settle', 'a{sv}', {}), path


ERRORS = [
    # method, types, arguments, the error
    ('SetStatus', 'ssa{sv}', ('asleep', '', {}), 'InvalidArgument'),
    ('SetStatus', 'ssa{sv}', ('away', 'x' * 251, {}), 'InvalidArgument'),
    ('Configure', 'a{sv}a{sv}', ({'nonsense': 'x'}, {}), 'NotFound'),
    ('Configure', 'a{sv}a{sv}', ({'port': '70000'}, {}), 'InvalidArgument'),
    ('Configure', 'a{sv}a{sv}', ({'port': ('u', 1)}, {}), 'InvalidArgument'),
    ('Configure', 'a{sv}a{sv}', ({'nick': 'Jule', 'port': 'x'}, {}), 'InvalidArgument'),
    ('FindPeer', 'sa{sv}', ('nobody', {}), 'NotFound'),
    ('FindPeer', 'sa{sv}', ('', {}), 'NotFound'),
    ('FindPeer', 'sa{sv}', ('x' * 100000, {}), 'NotFound'),
    ('AddAddress', 'sa{sv}', ('', {}), 'InvalidArgument'),
    ('AddAddress', 'sa{sv}', ('a b', {}), 'InvalidArgument'),
    ('AddAddress', 'sa{sv}', ('host:99999', {}), 'InvalidArgument'),
    ('AddAddress', 'sa{sv}', ('x' * 300, {}), 'InvalidArgument'),
    ('AddAddress', 'sa{sv}', ('127.0.0.1:9', {'wait': ('b', True)}), 'PeerOffline'),
    ('SetAlias', 'saoa{sv}', ('x', [ROOT], {}), 'NotFound'),
    ('SendMessage', 'aosa{sv}', ([], 'x', {}), 'InvalidArgument'),
    ('CancelMessage', 'ta{sv}', (99, {}), 'NotFound'),
    ('CancelMessage', 'ta{sv}', ((1 << 64) - 1, {}), 'NotFound'),
    ('Acknowledge', 'sta{sv}', ('bot', 99, {}), 'InvalidArgument'),
    ('Acknowledge', 'sta{sv}', ('bot', (1 << 64) - 1, {}), 'InvalidArgument'),
    ('ListMessages', 'a{sv}', ({'peers': ('ao', [ROOT + '/peers/p77'])},), 'NotFound'),
    ('SendPaths', 'aoasa{sv}', ([], ['/etc/passwd'], {}), 'InvalidArgument'),
    ('SendPaths', 'aoasa{sv}', ([ROOT + '/peers/p77'], ['/etc/passwd'], {}), 'NotFound'),
    ('RetryTransfer', 'ta{sv}', (99, {}), 'NotFound'),
    ('RetryTransfer', 'ta{sv}', ((1 << 64) - 1, {}), 'NotFound'),
    ('UnregisterAgent', 'oa{sv}', ('/nobody', {}), 'NotFound'),
    ('ListTransfers', 'a{sv}', ({'peers': ('ao', [ROOT + '/peers/p77'])},), 'NotFound'),
    ('ListTransfers', 'a{sv}', ({'ids': ('at', [1] * 1001)},), 'InvalidArgument'),
    ('JoinBus', 'sa{sv}', ('unix:path=/nowhere', {}), 'AccessDenied'),
]


def test_errors(stage):
    scene = Scene(stage)
    for method, types, arguments, wanted in ERRORS:
        equal(scene.refused(ROOT, MANAGER, method, types, *arguments), wanted, '%s%.200r' % (method, arguments))
    equal(scene.bus.manager('Settings', 'a{sv}', {})[0]['nick'], '', 'a setting of which another was bad')
    for text, wanted in (('', 'InvalidArgument'), ('x' * 65537, 'InvalidArgument'), ('x' * 65536, None)):
        equal(scene.refused(ROOT, MANAGER, 'SendMessage', 'aosa{sv}', [scene.me], text, {}), wanted)
    for options, wanted in (({}, 'Unencrypted'), ({'plaintext': ('b', True)}, 'PeerOffline'), ({'now': ('b', True)}, 'Unencrypted')):
        equal(scene.refused(ROOT, MANAGER, 'SendMessage', 'aosa{sv}', [scene.me, scene.peer], 'to both or none', options), wanted)
    equal(len(scene.bus.manager('ListMessages', 'a{sv}', {'search': 'none'})[0]), 0)
    equal(scene.refused(scene.peer, PEER, 'Configure', 'a{sv}a{sv}', {'plaintext': 'perhaps'}, {}), 'InvalidArgument')
    equal(scene.refused(scene.peer, PEER, 'Configure', 'a{sv}a{sv}', {'blocked': ('b', True)}, {}), None)
    equal(scene.refused(ROOT, MANAGER, 'SendMessage', 'aosa{sv}', [scene.peer], 'x', {'plaintext': ('b', True)}), 'Blocked')
    equal(scene.refused(scene.me, PEER, 'Forget', 'a{sv}', {}), 'InvalidArgument')
    equal(scene.refused(scene.paths[CONVERSATION], CONVERSATION, 'SetTyping', 'sa{sv}', 'dancing', {}), 'InvalidArgument')
    equal(scene.refused(scene.paths[CONVERSATION], CONVERSATION, 'MarkRead', 'ta{sv}', (1 << 64) - 1, {}), None)
    result = scene.bus.call(scene.peer, PEER, 'Probe', 'a{sv}', {})[0]
    equal((result['connected'], 'error' in result), (False, True), result)


def wait_changed(bus, path, interface, **wanted):
    def match(message):
        if message.member != 'PropertiesChanged' or message.path != path or message.args[0] != interface:
            return False
        return all(message.args[1].get(key) == value for key, value in wanted.items())
    bus.wait_signal(match)


def test_signals(stage):
    scene = Scene(stage)
    bus = scene.bus
    bus.manager('SetStatus', 'ssa{sv}', 'away', 'lunch', {})
    wait_changed(bus, ROOT, MANAGER, Status='away', StatusText='lunch')
    other = bus.manager('AddAddress', 'sa{sv}', '127.0.0.1:10', {'alias': 'lab'})[0]
    faces = set()
    while len(faces) < 2:
        faces |= set(bus.wait_signal(lambda m: m.member == 'InterfacesAdded' and m.path == ROOT and m.args[0].endswith(other[-3:])
                                     and m.args[1]))
    equal(faces, {PEER, CONVERSATION})
    wait_changed(bus, other, PEER, Alias='lab', Name='lab')
    bus.manager('SetAlias', 'saoa{sv}', 'group', [other, scene.peer], {})
    wait_changed(bus, ROOT, MANAGER, Aliases={'lab': [other], 'group': [other, scene.peer]})
    bus.call(other, PEER, 'Configure', 'a{sv}a{sv}', {'blocked': ('b', True), 'plaintext': 'allow'}, {})
    wait_changed(bus, other, PEER, Blocked=True, Trust='blocked',
                 Policy={'plaintext': 'allow', 'encryption': 'default', 'files': 'ask', 'files_limit': 0, 'files_to': '', 'quota': 0})
    seq = bus.manager('SendMessage', 'aosa{sv}', [scene.me], 'note to myself', {})[0][0]
    rows = [bus.wait_message(body='note to myself', direction=direction) for direction in ('out', 'in')]
    equal((rows[0]['seq'], rows[0]['state'], rows[1]['state'], rows[1]['peer']), (seq, 'delivered', 'received', scene.me))
    wait_changed(bus, ROOT, MANAGER, UnreadCount=1)
    conversation = scene.me.replace('/peers/', '/conversations/')
    bus.call(conversation, CONVERSATION, 'MarkRead', 'ta{sv}', rows[1]['seq'], {})
    wait_changed(bus, conversation, CONVERSATION, Unread=0)
    bus.call(other, PEER, 'Forget', 'a{sv}', {})
    removed = set()
    while len(removed) < 2:
        removed.add(bus.wait_signal(lambda m: m.member == 'InterfacesRemoved' and m.args[0]))
    equal(removed, {other, other.replace('/peers/', '/conversations/')})
    equal(other in bus.peers(), False)
    bus.manager('Announce', 'a{sv}', {})


def test_objects_before_the_name(stage):
    """Who waits for the name finds everything there: five times."""
    juliet = stage.person(stage.lonely_host('pronto'), 'juliet', discovery='off', bus=True, start=False)
    bus = MessageBus(juliet.runtime + '/bus')
    bus.match("member='NameOwnerChanged',arg0='org.hearby.Hearby'")
    for _ in range(5):
        daemon = juliet.host.popen(hearbytest.HEARBY, 'daemon', '--off-air', env=juliet.environment())
        bus.wait_signal(lambda m: m.member == 'NameOwnerChanged' and m.args[2])
        equal(len(bus.call(ROOT, OBJECTS, 'GetManagedObjects')[0]), 2, 'the number of objects')
        equal(bus.call(ROOT, PROPERTIES, 'Get', 'ss', MANAGER, 'Status'), ['available'])
        bus.manager('Quit', 'a{sv}', {})
        bus.wait_signal(lambda m: m.member == 'NameOwnerChanged' and not m.args[2])
        equal(daemon.wait_exit(), 0)
        hearbytest.complain(daemon.text(), 'the daemon')


if __name__ == '__main__':
    hearbytest.main(test_introspection, test_properties, test_options, test_wrong_types, test_unknown_objects, test_errors, test_signals,
                    test_objects_before_the_name)
