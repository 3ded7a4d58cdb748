# SPDX-License-Identifier: LGPL-2.1-or-later
"""Discovery alone on a host: probe-discovery as an object."""

import os
import re
import time

from hearbytest import BUILD, PATIENCE, Failed, diag, equal

PROGRAM = os.path.join(BUILD, 'tests', 'hosts', 'probe-discovery')
BACKENDS = ('avahi', 'embedded')


class Probe:
    """One discovery on @host. Events are lists: [name, field, …]; see probe-discovery.c."""

    def __init__(self, stage, host, backend='embedded', interfaces='-', ignore='-', avahi=True):
        if backend == 'avahi' and avahi and not host.avahi:
            host.start_avahi()
        self.host = host
        self.begin = time.monotonic()
        self.process = host.popen(PROGRAM, backend, interfaces, ignore)
        self.process.name = 'probe on %s' % host.name

    def do(self, *words):
        self.process.write('\t'.join(str(word) for word in words) + '\n')

    def wait(self, *fields, timeout=None):
        """The next event that begins with these fields (None: any); the event. Looks only behind the last one waited for."""
        return self.process.wait_line(lambda line: self._match(line, fields), timeout)

    def once(self, *fields):
        """As wait(), among all events that there were."""
        deadline = time.monotonic() + PATIENCE
        seen = -1
        while time.monotonic() < deadline:
            before, seen = seen, self.process.wait_change(seen, deadline - time.monotonic())
            for line in list(self.process.lines):
                if self._match(line, fields):
                    return self._match(line, fields)
            if seen == before:  # it ended
                break
        raise Failed('%s never said %r:\n%s' % (self.process.name, fields, self.process.text()))

    @staticmethod
    def _match(line, fields):
        event = line.split('\t')[1:]
        if len(event) < len(fields) or any(wanted not in (None, got) for wanted, got in zip(fields, event)):
            return None
        return event

    def publish(self, name, *txt, port=5298):
        """Publishes when that is possible, and waits until it is; the name that it became."""
        self.once('ready')
        self.do('publish', name, port, *(txt or ('txtvers=1', 'status=avail')))
        return self.once('published')[1]

    def wait_seen(self, name, *, family=None, txt=None, interface=None, timeout=None):
        """Until @name is seen so; the event."""
        deadline = time.monotonic() + (timeout or PATIENCE)
        while True:
            event = self.wait('seen', name, interface, family, timeout=max(0.01, deadline - time.monotonic()))
            if txt is None or event[7:] == [txt]:
                return event

    def all(self, kind):
        return [line.split('\t')[1:] for line in list(self.process.lines) if line.split('\t')[1:2] == [kind]]

    def moments(self, *fields):
        """Of all events that begin with these fields: the seconds from the start of the program, by its own clock."""
        return [int(line.split('\t')[0]) / 1000 for line in list(self.process.lines) if self._match(line, fields)]

    def there(self):
        """Who is on the link now, by what was told: (name, interface, family)."""
        there = set()
        for line in list(self.process.lines):
            event = line.split('\t')[1:]
            if event[:1] == ['seen']:
                there.add((event[1], event[2], event[3]))
            elif event[:1] == ['gone']:
                there.discard((event[1], event[2], event[3]))
        return there

    def names(self):
        return sorted({name for name, _, _ in self.there()})

    def wait_until(self, holds, what):
        """Until @holds() does; looks again whenever this one says something, and now and then for what others say."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise Failed('%s: too long until %s:\n%s' % (self.process.name, what, self.process.text()))
            self.process.wait_change(len(self.process.lines), 0.1)

    def wait_names(self, *names):
        """Until exactly these are there."""
        self.wait_until(lambda: self.names() == sorted(names), 'it sees %r alone' % (names,))

    def expect_nothing_of(self, *names):
        for event in self.all('seen'):
            if event[1] in names:
                raise Failed('%s was seen: %r' % (event[1], event))

    def child(self):
        """The process of the embedded responder."""
        return int(self.host.run('sh', '-c', 'cat /proc/%d/task/*/children' % self.pid()).split()[0])

    def pid(self):
        # popen() runs nsenter, which becomes the program
        return self.process.pid

    def quit(self):
        self.do('quit')
        equal(self.process.wait_exit(), 0, 'exit status')

    def kill(self):
        self.process.kill()


def fence(stage, host, *probes, name='fence@wall'):
    """A new somebody, whom all @probes see: what was on its way before has come then."""
    probe = Probe(stage, host)
    probe.publish(name)
    for other in probes:
        other.wait_seen(name)
    return probe


def measured(what, begin):
    seconds = time.monotonic() - begin
    diag('%s: %.2f s' % (what, seconds))
    return seconds


def interface_index(host, name):
    return re.match(r'(\d+):', host.run('ip', '-o', 'link', 'show', 'dev', name)).group(1)
