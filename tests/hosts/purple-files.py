#!/usr/bin/python3
"""Files to and from Pidgin's library: whole and equal, declined, cancelled half way, two at once, empty, with odd names."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import hashlib
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbyfiles import hurry, slow_down, wait_names
from hearbytest import equal

MIB = 1 << 20
LARGE = 200 * MIB
NAMES = ['a b.txt', '"quoted" \'twice\'.txt', 'Grüße äöü.txt', 'less < and > & more.txt', '100% $HOME `id`;.txt', '👍🏽.tar.gz']


class Scene:
    def __init__(self, stage):
        self.juliet = stage.person(stage.host('pronto'), 'juliet', discovery='avahi')
        self.pidgin = stage.purple(stage.host('lan1'), 'alice')
        self.juliet.wait_online(self.pidgin)
        self.pidgin.wait('buddy-on', who=self.juliet.instance)
        self.juliet.allow(self.pidgin)
        self.here, self.there = (os.path.join(stage.folder, name) for name in ('here', 'there'))
        os.mkdir(self.here)
        os.mkdir(self.there)
        self.events = self.juliet.listen(type='transfer')

    def make(self, name, size, folder=None):
        path = os.path.join(folder or self.here, name)
        with open(path, 'wb') as file:
            for at in range(0, size, MIB):
                file.write(os.urandom(min(MIB, size - at)))
        return path

    def put(self, *paths, check=True, wait='queued'):
        """We send; the transfer's id."""
        return self.juliet.cli('put', '--wait=' + wait, self.pidgin.instance, *paths, check=check).stdout.strip()

    def offer(self, path, **options):
        """Pidgin sends; our id for it."""
        known = {t['id'] for t in self.transfers()}
        self.pidgin.command('send-file', to=self.juliet.instance, path=path, **options)
        self.pidgin.wait('file-sending')
        return self.wait(lambda t: t['id'] not in known and t['direction'] == 'in' and t['state'] == 'offered')['id']

    def transfers(self):
        return self.juliet.json('transfers')['transfers']

    def wait(self, match):
        """The first transfer, as it is now or comes to be, that @match accepts."""
        for transfer in self.transfers():
            if match(transfer):
                return transfer
        return self.events.wait_for(lambda event: event.get('type') == 'transfer' and match(event))

    def wait_state(self, id, state, reason=None):
        return self.wait(lambda t: t['id'] == id and t['state'] == state and t.get('reason') == reason)

    def accept(self, id):
        self.juliet.cli('accept', id, '--to', self.there)


def digest(path):
    sum = hashlib.blake2b()
    with open(path, 'rb') as file:
        while True:
            piece = file.read(MIB)
            if not piece:
                return sum.hexdigest()
            sum.update(piece)


def only(folder, *names):
    wait_names(folder, names)


def test_to_pidgin(stage):
    scene = Scene(stage)
    for size in (MIB, LARGE):
        path = scene.make('film %d.mkv' % size, size)
        id = scene.put(path)
        offered = scene.pidgin.wait('file-offer', who=scene.juliet.instance)
        equal((offered['name'], offered['size']), ('film %d.mkv' % size, str(size)))
        got = os.path.join(scene.there, 'got')
        scene.pidgin.command('accept-file', file=offered['file'], path=got)
        scene.pidgin.wait('file-complete', file=offered['file'], bytes=str(size))
        done = scene.wait_state(id, 'complete')
        equal((done['transferred'], done['encrypted']), (size, False))
        equal(digest(got), digest(path), 'the content')


def test_from_pidgin(stage):
    scene = Scene(stage)
    for size in (MIB, LARGE):
        path = scene.make('film %d.mkv' % size, size)
        id = scene.offer(path)
        offered = scene.wait_state(id, 'offered')
        equal((offered['name'], offered['size'], offered['encrypted']), ('film %d.mkv' % size, size, False))
        scene.accept(id)
        scene.pidgin.wait('file-complete')
        done = scene.wait_state(id, 'complete')
        equal(digest(done['path']), digest(path), 'the content')
    only(scene.there, 'film %d.mkv' % MIB, 'film %d.mkv' % LARGE)


def test_declined(stage):
    scene = Scene(stage)
    path = scene.make('f', 1000)
    id = scene.put(path)
    scene.pidgin.command('decline-file', file=scene.pidgin.wait('file-offer')['file'])
    scene.wait_state(id, 'rejected', 'declined')
    scene.juliet.cli('put', '--retry', id, '--wait=queued')                  # and the same once more, to the end
    offered = scene.pidgin.wait('file-offer')
    scene.pidgin.command('decline-file', file=offered['file'])

    scene.juliet.cli('reject', scene.offer(path))
    scene.pidgin.wait('file-cancelled', by='peer')
    scene.juliet.cli('policy', scene.pidgin.instance, 'files=never')
    scene.pidgin.command('send-file', to=scene.juliet.instance, path=path)
    scene.pidgin.wait('file-cancelled', by='peer')
    only(scene.there)


def test_canceled_by_pidgin(stage):
    scene = Scene(stage)
    path = scene.make('large', LARGE)
    id = scene.put(path)
    scene.pidgin.command('accept-file', file=scene.pidgin.wait('file-offer')['file'], path=os.path.join(scene.there, 'got'),
                         **{'cancel-at': LARGE // 2})
    scene.pidgin.wait('file-cancelled', by='us')
    canceled = scene.wait_state(id, 'canceled', 'peer-canceled')
    equal(canceled['transferred'] < LARGE, True)
    os.unlink(os.path.join(scene.there, 'got'))

    id = scene.offer(path, **{'cancel-at': LARGE // 2})
    scene.accept(id)
    scene.pidgin.wait('file-cancelled', by='us')
    scene.wait_state(id, 'canceled', 'peer-canceled')
    only(scene.there)


def test_canceled_by_us(stage):
    scene = Scene(stage)
    path = scene.make('large', LARGE)
    for person in (scene.juliet, scene.pidgin):
        slow_down(person.host, '80mbit')
    id = scene.put(path)
    scene.pidgin.command('accept-file', file=scene.pidgin.wait('file-offer')['file'], path=os.path.join(scene.there, 'got'))
    scene.pidgin.wait('file-progress')
    scene.juliet.cli('cancel', id)
    scene.pidgin.wait('file-cancelled', by='peer')
    scene.wait_state(id, 'canceled', 'canceled')

    id = scene.offer(path)
    scene.accept(id)
    scene.pidgin.wait('file-progress')
    scene.juliet.cli('cancel', id)
    scene.pidgin.wait('file-cancelled', by='peer')
    scene.wait_state(id, 'canceled', 'canceled')

    id = scene.put(scene.make('f', 10))                                      # before anybody said yes
    scene.pidgin.wait('file-offer')
    scene.juliet.cli('cancel', id)
    scene.pidgin.wait('file-cancelled', by='peer')


def test_two_at_once(stage):
    scene = Scene(stage)
    one, two = scene.make('one', 30 * MIB), scene.make('two', 20 * MIB)
    ids = [scene.put(path) for path in (one, two)]
    offers = [scene.pidgin.wait('file-offer') for id in ids]
    for offered in offers:
        scene.pidgin.command('accept-file', file=offered['file'], path=os.path.join(scene.there, 'to-' + offered['name']))
    for id in ids:
        scene.pidgin.wait('file-complete')
    for id in ids:
        scene.wait_state(id, 'complete')
    ids = [scene.offer(path) for path in (one, two)]
    for id in ids:
        scene.accept(id)
    for id in ids:
        scene.wait_state(id, 'complete')
    for name in ('to-one', 'one'):
        equal(digest(os.path.join(scene.there, name)), digest(one))
    for name in ('to-two', 'two'):
        equal(digest(os.path.join(scene.there, name)), digest(two))


def test_names(stage):
    scene = Scene(stage)
    for name in NAMES:
        path = scene.make(name, 1000)
        id = scene.put(path)
        offered = scene.pidgin.wait('file-offer')
        equal(offered['name'], name, 'the name over there')
        scene.pidgin.command('accept-file', file=offered['file'], path=os.path.join(scene.there, 'got'))
        scene.pidgin.wait('file-complete')
        scene.wait_state(id, 'complete')
        id = scene.offer(path)
        scene.accept(id)
        equal(scene.wait_state(id, 'complete')['path'], os.path.join(scene.there, name))
        equal(digest(os.path.join(scene.there, name)), digest(path))
    only(scene.there, 'got', *NAMES)


def test_several(stage):
    """One transfer here is an offer for each file over there."""
    scene = Scene(stage)
    paths = [scene.make('file %d' % i, 1000 + i) for i in range(3)]
    id = scene.put(*paths)
    for i in range(3):
        offered = scene.pidgin.wait('file-offer')
        equal(offered['name'], 'file %d' % i)
        if i == 1:
            scene.pidgin.command('decline-file', file=offered['file'])
        else:
            scene.pidgin.command('accept-file', file=offered['file'], path=os.path.join(scene.there, offered['name']))
    scene.wait_state(id, 'complete', 'partial')
    only(scene.there, 'file 0', 'file 2')


def test_empty(stage):
    """Ours is over when it was taken; libpurple makes one, and calls it cancelled; what it sends it never calls over."""
    scene = Scene(stage)
    path = scene.make('empty', 0)
    id = scene.put(path)
    got = os.path.join(scene.there, 'got')
    scene.pidgin.command('accept-file', file=scene.pidgin.wait('file-offer', size='0')['file'], path=got)
    scene.wait_state(id, 'complete')
    scene.pidgin.wait('file-cancelled', by='peer')
    equal(os.path.getsize(got), 0)
    id = scene.offer(path)
    scene.accept(id)
    equal(os.path.getsize(scene.wait_state(id, 'complete')['path']), 0)


def test_marked(stage):
    scene = Scene(stage)
    id = scene.offer(scene.make('f', 1000))
    row = scene.juliet.cli('transfers').stdout.splitlines()[1]
    equal(row.split()[-4:], ['[plain],', 'hearby', 'accept', id])


def test_refused_here(stage):
    scene = Scene(stage)
    os.mkdir(os.path.join(scene.here, 'album'))
    refused = scene.juliet.cli('put', scene.pidgin.instance, os.path.join(scene.here, 'album'), check=1)
    if 'folder' not in refused.stderr:
        raise hearbytest.Failed(refused.stderr)
    scene.juliet.cli('policy', scene.pidgin.instance, 'plaintext=ask')
    path = scene.make('f', 1000)
    refused = scene.juliet.cli('put', scene.pidgin.instance, path, check=5)
    if '--plaintext' not in refused.stderr:
        raise hearbytest.Failed(refused.stderr)
    id = scene.juliet.cli('put', '--plaintext', '--wait=queued', scene.pidgin.instance, path).stdout.strip()
    scene.pidgin.command('accept-file', file=scene.pidgin.wait('file-offer')['file'], path=os.path.join(scene.there, 'got'))
    scene.wait_state(id, 'complete')


def test_window_closed(stage):
    """With its window Pidgin closes the stream, and gives up what nobody accepted; what moves goes on, and the next one on another stream."""
    scene = Scene(stage)
    path = scene.make('f', 60 * MIB)
    out = scene.put(path)
    scene.pidgin.wait('file-offer')
    coming = scene.offer(path)
    scene.pidgin.command('close', to=scene.juliet.instance)
    scene.wait_state(out, 'failed', 'connection-lost')
    scene.wait_state(coming, 'failed', 'connection-lost')

    slow_down(scene.juliet.host)
    out = scene.put(path, scene.make('the next', 1000))
    offered = scene.pidgin.wait('file-offer')
    scene.pidgin.command('accept-file', file=offered['file'], path=os.path.join(scene.there, 'got'))
    scene.pidgin.wait('file-progress')
    scene.pidgin.command('close', to=scene.juliet.instance)
    hurry(scene.juliet.host)
    scene.pidgin.wait('file-complete')
    offered = scene.pidgin.wait('file-offer', name='the next')
    scene.pidgin.command('accept-file', file=offered['file'], path=os.path.join(scene.there, 'next'))
    scene.pidgin.wait('file-complete')
    scene.wait_state(out, 'complete')
    equal(digest(os.path.join(scene.there, 'got')), digest(path))


def test_pidgin_leaves(stage):
    scene = Scene(stage)
    path = scene.make('f', 1000)
    out = scene.put(path)
    scene.pidgin.wait('file-offer')
    coming = scene.offer(path)
    scene.pidgin.quit()
    scene.wait_state(out, 'failed', 'connection-lost')
    scene.wait_state(coming, 'failed', 'connection-lost')


if __name__ == '__main__':
    hearbytest.main(test_to_pidgin, test_from_pidgin, test_declined, test_canceled_by_pidgin, test_canceled_by_us, test_two_at_once,
                    test_names, test_several, test_empty, test_marked, test_refused_here, test_window_closed, test_pidgin_leaves)
