"""What the tests of files share."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import json
import os
import re
import subprocess
import time

import hearbytest
from couple import couple


def pinned(stage):
    """Two who have written to each other, so that each has the other's key."""
    juliet, romeo = couple(stage)
    romeo.cli('send', 'juliet', '--wait=delivered', 'hello')
    juliet.cli('send', 'romeo', '--wait=delivered', 'hello')
    return juliet, romeo


def trusting(stage, *rules):
    """The same, and juliet takes what romeo sends, into In of her home."""
    juliet, romeo = pinned(stage)
    os.makedirs(inbox(juliet))
    juliet.cli('policy', 'romeo', 'files=auto', 'to=' + inbox(juliet), *rules)
    return juliet, romeo


def inbox(person):
    return os.path.join(person.home, 'In')


def make(person, name, data=b'x', mode=0o644):
    """A file of @person's home; its path."""
    path = os.path.join(person.home, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    os.chmod(path, mode)
    return path


def read(*parts):
    with open(os.path.join(*parts), 'rb') as file:
        return file.read()


def tree(folder):
    """Names below @folder, those that are hidden too."""
    found = []
    for where, folders, files in os.walk(folder):
        found += [os.path.relpath(os.path.join(where, name), folder) for name in folders + files]
    return sorted(found)


def transfer(person, id):
    return person.json('transfers', str(id))['transfers'][0]


def start(person, *args, **options):
    """A verb in the background, stdout and stderr apart."""
    return person.host.popen(hearbytest.HEARBY, *args, env=person.environment(), merge=False, **options)


def offer(receiver, sender=None):
    """Waits for an offer; its id."""
    more = ['--from', sender.instance] if sender else []
    return receiver.cli('wait', 'offer', '--trust=any', '--timeout=%d' % hearbytest.PATIENCE, *more).stdout.strip()


def wait_connected(person, count):
    """Until so many programs are connected to the daemon: then they do not start one where it ends."""
    with open(os.path.join(person.home, '.local/share/hearby/lock')) as file:
        path = file.readline().strip().removeprefix('unix:path=')
    deadline = time.monotonic() + hearbytest.PATIENCE
    while len(re.findall(r' 03 +\d+ %s$' % re.escape(path), person.host.run('cat', '/proc/net/unix'), re.M)) < count:
        assert time.monotonic() < deadline, 'too few are connected'


def until(events, id, state):
    """@events: listen --type transfer; the event."""
    return events.wait_for(lambda event: event['type'] == 'transfer' and event['id'] == str(id) and event['state'] == state)


def run(person, *args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **options):
    """A verb with raw bytes: a CompletedProcess."""
    return subprocess.run(person.host.argv(hearbytest.HEARBY, *args), env=person.environment(), stdin=stdin, stdout=stdout,
                          stderr=subprocess.PIPE, timeout=hearbytest.PATIENCE, **options)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]
