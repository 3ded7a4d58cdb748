#!/usr/bin/python3
"""Who lies about files in clear gets nowhere: no connection to others, no byte too much, no name that leads out, nothing left behind."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import hashlib
import os
import re
import sys
from xml.sax.saxutils import quoteattr
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbyfiles import wait_listed, wait_names
from hearbytest import Failed, RawPeer, equal

LIAR = 'mercutio@forza'
SI = 'http://jabber.org/protocol/si'
FILE = SI + '/profile/file-transfer'
BYTESTREAMS = 'http://jabber.org/protocol/bytestreams'
FORM = ("<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='form'><field var='stream-method' "
        "type='list-single'><option><value>%s</value></option></field></x></feature>")
OFFERS = 64        # LIMIT_OFFERS_PER_PEER


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.juliet = stage.person(stage.host('pronto'), 'juliet')
        self.forza = stage.host('forza', avahi=True)
        self.forza.publish(LIAR, RawPeer.listen(self.forza).getsockname()[1], 'txtvers=1', 'status=avail')
        self.juliet.wait_online(LIAR)
        self.juliet.allow(LIAR)
        self.raw = RawPeer.connect(self.forza, self.juliet.host.address, 5298)
        self.raw.open(LIAR, self.juliet.instance, version=None)
        self.raw.expect('<stream:stream [^>]*>')
        self.folder = os.path.join(stage.folder, 'in')
        os.mkdir(self.folder)
        self.events = self.juliet.listen(type='transfer')

    def iq(self, id, payload, type='set'):
        self.raw.send("<iq from='%s' to='%s' id='%s' type='%s'>%s</iq>" % (LIAR, self.juliet.instance, id, type, payload))

    def offer(self, id='0', name='f.txt', size=10, method=BYTESTREAMS, accept=True):
        """An offer of theirs, and our yes; the transfer's id."""
        self.iq(id, "<si xmlns='%s' profile='%s' id='%s'><file xmlns='%s' name=%s%s/>%s</si>" % (
            SI, FILE, id, FILE, quoteattr(name), '' if size is None else " size='%s'" % size, FORM % method))
        if not accept:
            return None
        transfer = self.wait(lambda t: t['state'] == 'offered' and t['direction'] == 'in')
        self.juliet.cli('accept', transfer['id'], '--to', self.folder)
        self.raw.expect("<iq [^>]*id='%s'[^>]*>.*<si .*submit.*%s.*</iq>" % (id, BYTESTREAMS))
        return transfer['id']

    def wait(self, match):
        for transfer in self.juliet.json('transfers')['transfers']:
            if match(transfer):
                return transfer
        return self.events.wait_for(lambda event: event.get('type') == 'transfer' and match(event))

    def wait_end(self, id, state, reason):
        return self.wait(lambda t: t['id'] == id and (t['state'], t.get('reason')) == (state, reason))

    def hosts(self, *hosts, id='0', sid=None):
        self.iq(id, "<query xmlns='%s' sid='%s' mode='tcp'>%s</query>" % (
            BYTESTREAMS, sid or id, ''.join("<streamhost jid='j%d' host='%s' port='%d'/>" % (i, *host) for i, host in enumerate(hosts))))

    def expect_error(self, condition, id='0'):
        self.raw.expect("<iq [^>]*id='%s'[^>]*>(?:(?!</iq>).)*<%s.*?</iq>" % (id, condition))

    def digest(self, sid):
        return hashlib.sha1((sid + LIAR + self.juliet.instance).encode()).hexdigest().encode()

    def serve(self, listener, sid='0'):
        """SOCKS5 as the sender's side; the connection."""
        raw = RawPeer.accept(listener)
        raw.expect(rb'^\x05\x01\x00')
        raw.send(b'\x05\x00')
        raw.expect(rb'^\x05\x01\x00\x03\x28' + self.digest(sid) + rb'\x00\x00')
        raw.send(b'\x05\x00\x00\x03\x0910.99.9.9\x00\x00')
        return raw

    def only(self, *names):
        wait_names(self.folder, names)


def test_connects_nowhere_else(stage):
    scene = Scene(stage)
    other = stage.host('other')
    doors = [RawPeer.listen(where) for where in (other, scene.juliet.host)]
    ports = [door.getsockname()[1] for door in doors]
    id = scene.offer()
    scene.hosts((other.address, ports[0]), ('127.0.0.1', ports[1]), ('::1', ports[1]), ('::ffff:127.0.0.1', ports[1]), ('0.0.0.0', ports[1]),
                (scene.juliet.host.address, ports[1]), ('localhost', ports[1]), ('forza.local', ports[1]), ('224.0.0.251', 5353),
                (other.link_local(), ports[0]))
    scene.expect_error('item-not-found')
    scene.wait_end(id, 'failed', 'connection-lost')
    for door in doors:
        door.settimeout(0)
        try:
            door.accept()
        except BlockingIOError:
            continue
        raise Failed('somebody else was connected to')
    scene.only()


def test_skips_what_refuses(stage):
    scene = Scene(stage)
    listener = RawPeer.listen(scene.forza)
    id = scene.offer()
    scene.hosts((scene.forza.link_local(), 1), (scene.forza.address, 1), (scene.forza.address, listener.getsockname()[1]))
    data = scene.serve(listener)
    data.send(b'0123456789')
    scene.raw.expect("<iq [^>]*id='0'[^>]*>.*streamhost-used jid='j2'")
    done = scene.wait_end(id, 'complete', None)
    data.expect_end()
    with open(done['path']) as file:
        equal(file.read(), '0123456789')


def test_size_is_a_cap(stage):
    scene = Scene(stage)
    listener = RawPeer.listen(scene.forza)
    where = (scene.forza.address, listener.getsockname()[1])
    id = scene.offer()
    scene.hosts(where)
    scene.serve(listener).send(b'0123456789 and much more' * 1000)
    equal(os.path.getsize(scene.wait_end(id, 'complete', None)['path']), 10)
    id = scene.offer('1', 'less.txt')
    scene.hosts(where, id='1')
    data = scene.serve(listener, '1')
    data.send(b'012345678')
    data.close()
    scene.wait_end(id, 'canceled', 'peer-canceled')
    id = scene.offer('2', 'too much', 1 << 60)
    scene.hosts(where, id='2')
    data = scene.serve(listener, '2')
    data.expect_end()
    scene.wait_end(id, 'failed', 'no-space')
    scene.only('f.txt')


def test_names_lead_nowhere(stage):
    scene = Scene(stage)
    listener = RawPeer.listen(scene.forza)
    names = ['../../evil.bin', '/etc/passwd', '..', '.bashrc', 'a\\b\\c.exe', 'x' * 4000 + '.txt', ' ', 'con\u202egpj.exe', '\t\n']
    for i, name in enumerate(names):
        id = scene.offer(str(i), name, 1)
        scene.hosts((scene.forza.address, listener.getsockname()[1]), id=str(i))
        scene.serve(listener, str(i)).send(b'x')
        path = scene.wait_end(id, 'complete', None)['path']
        equal((os.path.dirname(path), os.path.basename(path)[0] != '.'), (scene.folder, True))
    wait_listed(scene.folder, lambda found: len(found) == len(names), 'one for each')
    equal([os.path.exists(os.path.join(scene.folder, up, 'evil.bin')) for up in ('..', '../..')], [False, False])


def test_nonsense_is_answered(stage):
    scene = Scene(stage)
    scene.offer('a', accept=False, method='http://jabber.org/protocol/ibb')
    scene.expect_error('no-valid-streams', 'a')
    for i, size in enumerate(('-1', '1e3', '99999999999999999999', '')):
        scene.offer('s%d' % i, accept=False, size=size)
        scene.expect_error('bad-request', 's%d' % i)
    scene.offer('n', '', accept=False)
    scene.expect_error('bad-request', 'n')
    scene.hosts((scene.forza.address, 1), id='h', sid='nobody offered it')
    scene.expect_error('not-acceptable', 'h')
    scene.iq('q', "<query xmlns='%s'/>" % BYTESTREAMS)
    scene.expect_error('bad-request', 'q')
    scene.iq('w', "<si xmlns='%s'/>" % SI, type='get')
    scene.expect_error('service-unavailable', 'w')
    scene.iq('0', "<si xmlns='%s'/>" % SI, type='result')                    # nobody asked
    scene.iq('0', "<error/>", type='error')
    equal(scene.juliet.json('transfers')['transfers'], [])
    id = scene.offer('again')                                                # and now an honest one
    scene.hosts((scene.forza.address, 1), id='again')
    scene.expect_error('item-not-found', 'again')
    scene.hosts((scene.forza.address, 1), id='again')
    scene.expect_error('not-acceptable', 'again')
    scene.wait_end(id, 'failed', 'connection-lost')


def test_offers_have_a_limit(stage):
    scene = Scene(stage)
    for i in range(OFFERS + 1):
        scene.offer(str(i), 'file %d' % i, accept=False)
    scene.expect_error('resource-constraint', str(OFFERS))
    equal(len(scene.juliet.json('transfers')['transfers']), OFFERS)


def test_started_anew(stage):
    """It counts from 0 again, and has forgotten what was before."""
    scene = Scene(stage)
    scene.offer('0', 'before', accept=False)
    scene.wait(lambda t: t['name'] == 'before' and t['state'] == 'offered')
    scene.offer('0', 'after', accept=False)
    scene.wait(lambda t: t['name'] == 'before' and t['state'] == 'failed')
    scene.wait(lambda t: t['name'] == 'after' and t['state'] == 'offered')


def hosts_of(raw):
    """The addresses in an offer of ours that was accepted."""
    found = raw.expect("<query xmlns='%s' sid='([^']*)'[^>]*>(.*?)</query>" % BYTESTREAMS)
    return found.group(1).decode(), [(host.decode(), int(port)) for host, port in re.findall(rb"host='([^']*)' port='(\d+)'", found.group(2))]


def test_who_gets_ours(stage):
    """Only the one it is meant for, by digest and address, at addresses of that link."""
    scene = Scene(stage)
    stranger = stage.host('stranger')
    path = os.path.join(stage.folder, 'f')
    with open(path, 'wb') as file:
        file.write(b'secret')
    id = scene.juliet.cli('put', '--wait=queued', LIAR, path).stdout.strip()
    request = scene.raw.expect("<iq [^>]*id='([^']*)'[^>]*><si [^>]*>.*?</iq>").group(1).decode()
    scene.iq(request, "<si xmlns='%s'>%s</si>" % (SI, (FORM % BYTESTREAMS).replace('form', 'submit').replace('<option>', '').replace(
        '</option>', '')), type='result')
    sid, hosts = hosts_of(scene.raw)
    equal({host for host, port in hosts}, {scene.juliet.host.address, scene.juliet.host.link_local()})
    host, port = next(pair for pair in hosts if '.' in pair[0])
    digest = hashlib.sha1((sid + scene.juliet.instance + LIAR).encode()).hexdigest().encode()
    right = b'\x05\x01\x00\x05\x01\x00\x03\x28' + digest + b'\x00\x00'
    thief = RawPeer.connect(stranger, host, port)
    equal(thief.expect_end(), b'', 'what somebody else is told')
    guesser = RawPeer.connect(scene.forza, host, port)
    guesser.send(right.replace(digest, digest[::-1]))
    if b'secret' in guesser.expect_end():
        raise Failed('a guess was enough')
    data = RawPeer.connect(scene.forza, host, port)
    data.send(right)
    data.expect(rb'^\x05\x00\x05\x00\x00\x03\x28' + digest + rb'\x00\x00secret$')
    data.close()
    scene.wait_end(id, 'complete', None)


if __name__ == '__main__':
    hearbytest.main(test_connects_nowhere_else, test_skips_what_refuses, test_size_is_a_cap, test_names_lead_nowhere, test_nonsense_is_answered,
                    test_offers_have_a_limit, test_started_anew, test_who_gets_ours)
