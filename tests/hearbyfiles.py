# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of files share: people whose transfers are followed on the bus, files to send, and what must be there in the end."""

import ctypes
import json
import os
import random
import select
import stat
import subprocess
import time

from hearbybus import PEER
from hearbytest import PATIENCE, Failed

TRANSFER = 'org.hearby.Transfer1'
OBJECTS = 'org.freedesktop.DBus.ObjectManager'
PROPERTIES = 'org.freedesktop.DBus.Properties'
OVER = ('complete', 'rejected', 'canceled', 'failed')


class Transfer:
    """One transfer as one of the two sides has it."""

    def __init__(self, files, path):
        self.files, self.path = files, path
        self.id = path.rpartition('/')[2]

    @property
    def bus(self):
        return self.files.bus

    def now(self):
        """Its properties."""
        return self.bus.call(self.path, PROPERTIES, 'GetAll', 's', TRANSFER)[0]

    def call(self, method, **options):
        self.bus.call(self.path, TRANSFER, method, 'a{sv}', options)

    def accept(self, folder=None):
        self.call('Accept', **({'folder': folder} if folder else {}))

    def until(self, accept, what, timeout=None):
        """Waits for signals until accept(properties); the properties."""
        deadline = time.monotonic() + (timeout or PATIENCE)
        while True:
            values = self.now()
            if accept(values):
                return values
            try:
                self.bus.wait_signal(lambda m: m.path == self.path or None, deadline - time.monotonic())
            except Failed as error:
                raise Failed('%s transfer %s is never %s, but %s' % (
                    self.files.person.name, self.id, what, brief(self.now()))) from error

    def wait(self, state, reason='', timeout=None):
        """Until it is so. It must not end in another way before."""
        def match(values):
            if (values['State'], values['Reason']) == (state, reason):
                return True
            if values['State'] in OVER:
                raise Failed('%s transfer %s is %s, not %s %s' % (self.files.person.name, self.id, brief(values), state, reason))
            return False
        return self.until(match, '%s %r' % (state, reason), timeout)

    def wait_moved(self, more, timeout=None):
        """Until @more bytes than now are there."""
        goal = self.now()['Transferred'] + more
        return self.until(lambda values: values['Transferred'] >= goal, 'further than %d' % goal, timeout)


def brief(values):
    return {key: values[key] for key in ('State', 'Reason', 'Error', 'Transferred', 'Size', 'Failures')}


class Files:
    """What a person sends and gets. Made again by reconnect() when the daemon is another one."""

    def __init__(self, person):
        self.person = person
        self.seen = set()
        self.downloads = os.path.join(person.folder, 'downloads')
        os.mkdir(self.downloads)
        self.reconnect()

    def reconnect(self):
        self.bus = self.person.on_bus()

    def peer(self, other):
        return self.bus.find(getattr(other, 'person', other))

    def transfers(self):
        """Properties by path."""
        objects = self.bus.call('/org/hearby/Hearby', OBJECTS, 'GetManagedObjects')[0]
        return {path: faces[TRANSFER] for path, faces in objects.items() if TRANSFER in faces}

    def send(self, other, *paths, **options):
        """Offers; the Transfer."""
        typed = {key: ('b' if isinstance(value, bool) else 'x' if isinstance(value, int) else 's', value)
                 for key, value in options.items()}
        return Transfer(self, self.bus.manager('SendPaths', 'aoasa{sv}', [self.peer(other)], list(paths), typed)[0][0])

    def next(self, timeout=None):
        """The next one that comes in: the Transfer, as soon as it is there."""
        deadline = time.monotonic() + (timeout or PATIENCE)
        while True:
            for path, values in sorted(self.transfers().items(), key=lambda item: int(item[1]['Id'])):
                if values['Direction'] == 'in' and path not in self.seen:
                    self.seen.add(path)
                    return Transfer(self, path)
            self.bus.wait_signal(lambda m: m.member == 'InterfacesAdded' or None, deadline - time.monotonic())

    def configure(self, other, **changes):
        """The policy for @other: files='auto', files_limit=…, files_to=…, quota=…"""
        typed = {key: ('x' if isinstance(value, int) else 's', value) for key, value in changes.items()}
        self.bus.call(self.peer(other), PEER, 'Configure', 'a{sv}a{sv}', typed, {})

    def take_all(self, other):
        """Whatever comes from @other goes to the folder downloads without a question."""
        self.configure(other, files='auto', files_to=self.downloads)

    def received(self):
        """What lies in downloads: also what should not."""
        return sorted(os.listdir(self.downloads))

    def wait_received(self, *names):
        """Until that is all."""
        wait_names(self.downloads, names)

    def wait_settled(self):
        """Until nothing in downloads belongs to a transfer any more."""
        wait_listed(self.downloads, lambda found: not any(name.endswith('.part') for name in found), 'whole files only')

    def where(self, name):
        return os.path.join(self.downloads, name)


def meet(one, other):
    """They said hello, so they are pinned to each other."""
    for me, you in ((one, other), (other, one)):
        me.bus.wait_peer(you.person, Online=True)
        me.person.send(you.person, 'hello', '--wait=delivered')
    return one, other


def beside(stage, start=True, **options):
    """juliet and romeo on one host that has only loopback, each known to the other by address: there within a second."""
    host = stage.lonely_host('pronto')
    juliet = stage.person(host, 'juliet', discovery='off', settings={'port': 5298}, **options)
    romeo = stage.person(host, 'romeo', discovery='off', settings={'port': 5299}, **options)
    for me, port in ((juliet, 5299), (romeo, 5298)):
        me.cli('add', '127.0.0.1:%d' % port)
    return meet(Files(juliet), Files(romeo))


def on_hosts(stage, **options):
    """juliet and romeo on a host each."""
    juliet = stage.person(stage.host('pronto', **options), 'juliet')
    romeo = stage.person(stage.host('forza', **options), 'romeo')
    return meet(Files(juliet), Files(romeo))


# Files


def make_file(path, size, seed=None):
    """Random content, different at every place."""
    source = random.Random(seed if seed is not None else path)
    with open(path, 'wb') as file:
        for i in range(0, size, 1 << 20):
            file.write(source.randbytes(min(1 << 20, size - i)))
    return path


def same(a, b):
    """Two files have the same bytes."""
    done = subprocess.run(['cmp', a, b], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Failed('not equal: %s' % done.stdout)


def describe(top):
    """All below @top by path: kind, permissions, mtime, content or target."""
    found = {}
    for folder, folders, names in os.walk(top):
        for name in folders + names:
            path = os.path.join(folder, name)
            is_link, status = os.path.islink(path), os.lstat(path)
            if is_link:
                what = os.readlink(path)
            elif stat.S_ISDIR(status.st_mode):
                what = (stat.S_IMODE(status.st_mode), status.st_mtime_ns)
            else:
                with open(path, 'rb') as file:
                    what = (stat.S_IMODE(status.st_mode), status.st_mtime_ns, file.read())
            found[os.path.relpath(path, top)] = what
    return found


_libc = ctypes.CDLL(None, use_errno=True)
_IN_ANY_NAME = 0x40 | 0x80 | 0x100 | 0x200                           # moved from, moved to, created, deleted


def wait_listed(folder, accept, what):
    """Until accept(names in @folder)."""
    deadline = time.monotonic() + PATIENCE
    watch = _libc.inotify_init()
    try:
        _libc.inotify_add_watch(watch, os.fsencode(folder), _IN_ANY_NAME)
        while not accept(os.listdir(folder)):
            if not select.select([watch], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failed('%s holds %r, not %s' % (folder, sorted(os.listdir(folder)), what))
            os.read(watch, 65536)
    finally:
        os.close(watch)


def wait_names(folder, names):
    """Until @folder holds just @names: what is left of a transfer goes behind its end."""
    wait_listed(folder, lambda found: sorted(found) == sorted(names), sorted(names))


# Networks


def sent_bytes(host, device='eth0'):
    """What left the host by @device so far, with all headers."""
    return json.loads(host.run('ip', '-j', '-s', 'link', 'show', 'dev', device))[0]['stats64']['tx']['bytes']


SLOW = '8mbit'              # so that what a test does while bytes move is done before they are through, on a busy machine too


def slow_down(host, rate=SLOW, device='eth0'):
    """@rate: as tc writes it, '200mbit'; what the host sends from now on."""
    host.run('tc', 'qdisc', 'replace', 'dev', device, 'root', 'tbf', 'rate', rate, 'burst', '256k', 'latency', '50ms')


def firewall(host, rules):
    """nft's words for one table, replaced as a whole."""
    host.run('nft', '-f', '-', input=('table inet test {}\ndelete table inet test\ntable inet test {\n%s\n}\n' % rules).encode())


def hurry(host, device='eth0'):
    """After slow_down(): the rest need not take long."""
    slow_down(host, '10gbit', device)


def no_calls_to(host, port=5298):
    """Nobody can connect to @host any more; what is connected stays."""
    firewall(host, '''chain in { type filter hook input priority 0
        tcp dport %d tcp flags & (syn|ack) == syn reject with tcp reset
    }''' % port)


def no_firewall(host):
    host.run('nft', 'delete', 'table', 'inet', 'test')
