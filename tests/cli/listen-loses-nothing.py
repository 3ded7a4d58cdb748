#!/usr/bin/python3
"""listen shows each message, a named consumer gets each once, whoever is killed meanwhile, and a hook's status acknowledges."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import itertools
import json
import signal
import subprocess
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from couple import couple
from hearbytest import equal


def send_all(person, first, last):
    bus = person.on_bus()
    path = bus.find('romeo@forza')
    for i in range(first, last):
        bus.post(hearbytest.ROOT, hearbytest.MANAGER, 'SendMessage', 'aosa{sv}', [path], 'number %d' % i, {})
    bus.manager('SendMessage', 'aosa{sv}', [path], 'number %d' % last, {})
    return bus


def test_plain(stage):
    juliet, romeo = couple(stage)
    juliet.cli('send', 'romeo', 'before', '--wait=delivered')
    lines = romeo.host.popen(hearbytest.HEARBY, 'listen', env=romeo.environment())
    presence = romeo.listen(type='presence')
    for status in itertools.cycle(('dnd', 'available')):
        juliet.cli('send', 'romeo', 'ready', '--wait=delivered')
        juliet.cli('status', status)
        if presence.wait_change(0, 2) and lines.lines:      # both listen
            break
    juliet.cli('status', 'away', 'at\nlunch')
    presence.wait_for({'name': 'juliet', 'status': 'away', 'online': True})
    juliet.cli('send', 'romeo', '-', input='one\ntwo')
    lines.wait_line(r'^20..-..-.. ..:.. juliet \[new\]: one$')
    lines.wait_line('^    two$')
    juliet.cli('status', 'offline')
    presence.wait_for({'name': 'juliet', 'online': False})
    assert 'before' not in lines.text(), lines.text()


def test_consumer_killed(stage):
    """The listener dies again and again: every message at least once, and none twice but the one that was in work."""
    juliet, romeo = couple(stage)
    send_all(juliet, 1, 200)
    got, killed = [], 0
    while 'number 200' not in got:
        events = romeo.consumer('bot')
        for _ in range(15):
            got.append(events.wait_for(lambda event: True)['body'])
            if got[-1] == 'number 200':
                break
        killed += 1
        events.kill()
        events.wait_exit()
        got += [event['body'] for event in events.events()][15:]
    for i, number in enumerate(dict.fromkeys(got)):
        equal(number, 'number %d' % (i + 1))
    assert len(got) <= 200 + killed, 'more than one was printed twice at a kill: %d, %d' % (len(got), killed)
    equal(romeo.cli('listen', '--consumer', 'bot', '--ack=manual', input='').stdout, '')


def test_daemon_restarts(stage):
    """Without a consumer too, one listener goes on after the daemon's end: each once."""
    juliet, romeo = couple(stage)
    events = romeo.listen(type='message')
    marker = 0
    while not events.events():                # until it listens
        marker += 1
        juliet.cli('send', 'romeo', 'marker', '--wait=delivered')
        events.wait_change(0, 1)
    for stop in (romeo.stop, romeo.kill):
        stop()
        bus = send_all(juliet, 1, 20)
        romeo.start()
        events.wait_for({'body': 'number 20'})
        bus.close()
    bodies = [event['body'] for event in events.events() if event['body'] != 'marker']
    equal(bodies, ['number %d' % i for i in range(1, 21)] * 2)


def test_manual(stage):
    juliet, romeo = couple(stage)
    send_all(juliet, 1, 3)
    events = romeo.listen('--consumer', 'bot', '--ack=manual', type='message')
    seqs = [events.wait_for({'body': 'number %d' % i})['seq'] for i in (1, 2, 3)]
    events.write('%d\n' % seqs[1])
    events.process.stdin.close()
    equal(events.wait_exit(), 0)
    again = romeo.consumer('bot')
    equal(again.wait_for(lambda event: True)['body'], 'number 3')
    events = romeo.listen('--consumer', 'other', '--ack=manual', type='message')
    events.write('what\n')
    equal(events.wait_exit(), 2)


def test_exec(stage):
    """0 is done, 75 is tried again, anything else is skipped and said; no shell touches the text."""
    juliet, romeo = couple(stage)
    hook = os.path.join(romeo.home, 'on message')
    log = os.path.join(romeo.home, 'log')
    with open(hook, 'w') as file:
        file.write('''#!/bin/sh
printf '%s|%s|%s|%s\\n' "$HEARBY_FROM" "$HEARBY_TRUST" "$HEARBY_SEQ" "$HEARBY_BODY" >> "$HOME/log"
case "$HEARBY_BODY" in
  again) [ -e "$HOME/second" ] || { touch "$HOME/second"; exit 75; } ;;
  wrong) exit 3 ;;
  json) cat > "$HOME/json" ;;
esac
exit 0
''')
    os.chmod(hook, 0o755)
    for body in ('$(touch $HOME/owned) `id`;', 'again', 'wrong', 'json', 'last'):
        juliet.cli('send', 'romeo', body, '--wait=delivered')
    running = romeo.host.popen(hearbytest.HEARBY, 'listen', '--consumer', 'bot', '--trust', 'any', '--exec', hook,
                               env=romeo.environment())
    running.wait_line(r'on message failed \(3\)')
    marker = romeo.host.popen('tail', '-n', '+1', '-F', log)
    marker.wait_line('last$')
    with open(log) as file:
        rows = [line.rstrip('\n').split('|', 3) for line in file]
    equal([row[3] for row in rows], ['$(touch $HOME/owned) `id`;', 'again', 'again', 'wrong', 'json', 'last'])
    equal({tuple(row[:2]) for row in rows}, {('juliet', 'new')})
    with open(os.path.join(romeo.home, 'json')) as file:
        message = json.load(file)
    equal((message['body'], message['peer'], str(message['seq'])), ('json', 'juliet', rows[4][2]))
    assert not os.path.exists(os.path.join(romeo.home, 'owned'))


def test_exec_trust(stage):
    """For one who does not encrypt a hook would never run."""
    juliet, romeo = couple(stage, clear=True)
    for options in (['--from', 'juliet'], ['--from', 'juliet', '--trust', 'verified']):
        done = romeo.cli('listen', '--exec', '/bin/true', *options, check=5)
        assert '--trust any' in done.stderr, done.stderr


def test_ends(stage):
    """A reader that goes away ends it quietly, signals as usual."""
    juliet, romeo = couple(stage)
    juliet.cli('send', 'romeo', 'one')
    for number in (signal.SIGINT, signal.SIGTERM):
        running = romeo.consumer('y%d' % number)
        running.wait_for({'body': 'one'})
        os.kill(running.pid, number)
        equal(running.wait_exit(), -number)
    reader, writer = os.pipe()
    running = subprocess.Popen(romeo.host.argv(hearbytest.HEARBY, 'listen', '--consumer', 'z'), env=romeo.environment(),
                               stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert os.read(reader, 100)
    os.close(reader)
    juliet.cli('send', 'romeo', 'two')
    equal((running.wait(hearbytest.PATIENCE), running.stderr.read()), (-signal.SIGPIPE, b''))


if __name__ == '__main__':
    hearbytest.main(test_plain, test_consumer_killed, test_daemon_restarts, test_manual, test_exec, test_exec_trust, test_ends)
