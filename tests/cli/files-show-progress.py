#!/usr/bin/python3
"""How far a transfer is: written over at a terminal, whole lines in plain, JSON Lines for programs, nothing elsewhere."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import json
import os
import re
import sys
import time
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from files import inbox, lines, make, run, trusting
from hearbytest import equal
from terminal import Terminal

BIG = 300 << 20


def sparse(person, name, size=BIG):
    path = os.path.join(person.home, name)
    with open(path, 'wb') as file:
        file.truncate(size)
    return path


def test_terminal(stage):
    juliet, romeo = trusting(stage)
    terminal = Terminal(romeo, 'put', 'juliet', sparse(romeo, 'build.iso'))
    terminal.expect(r'\r *build\.iso +\d+%  .*? of 315 MB')
    terminal.expect(r'\rbuild\.iso +100%  315 MB  [0-9.]+ [kMG]B/s.*?\r?\n')
    equal(terminal.wait(), 0)
    assert re.fullmatch(r'(\r|\x1b\[J)*', terminal.text), repr(terminal.text)     # and no id, no word more
    equal(os.path.getsize(os.path.join(inbox(juliet), 'build.iso')), BIG)
    small = Terminal(romeo, 'put', 'juliet', make(romeo, 'a.pdf', b'a' * 2104331), make(romeo, 'b.pdf', b'b' * 14000000))
    small.expect(r'\ra\.pdf +100%  2\.1 MB')
    small.expect(r'\rb\.pdf +100%  14 MB')
    equal(small.wait(), 0)


def test_plain(stage):
    """No animation: lines that stay, for screen readers and logs, at a terminal as well."""
    juliet, romeo = trusting(stage)
    terminal = Terminal(romeo, 'put', '--progress=plain', 'juliet', sparse(romeo, 'build.iso'))
    equal(terminal.wait(), 0)
    text = terminal.text.replace('\r\n', '\n')
    assert '\r' not in text and '\x1b' not in text, repr(text)
    steps = [int(step) for step in re.findall(r'^build\.iso: (\d+)%', text, re.M)]
    equal((steps == sorted(set(steps)), steps[-1], {step % 10 for step in steps}), (True, 100, {0}), text)
    dumb = Terminal(romeo, 'put', 'juliet', make(romeo, 'a.txt'), TERM='dumb')
    equal(dumb.wait(), 0)
    assert '\x1b' not in dumb.text, repr(dumb.text)


def test_pipe(stage):
    """Not a terminal: nothing, unless it was asked for."""
    juliet, romeo = trusting(stage)
    path = make(romeo, 'a.txt')
    equal(romeo.cli('put', 'juliet', path).stderr, '')
    assert 'a.txt: 100%, 1 B' in romeo.cli('put', '--progress=plain', 'juliet', path).stderr


def test_json(stage):
    juliet, romeo = trusting(stage)
    begin = time.monotonic()
    done = run(romeo, 'put', '--progress=json', '--json', 'juliet', sparse(romeo, 'build.iso'))
    took = time.monotonic() - begin
    equal(done.returncode, 0)
    events = lines(done.stderr.decode())
    id = json.loads(done.stdout)['transfers'][0]['id']
    equal({(event['v'], event['type'], event['id']) for event in events}, {(1, 'progress', id)})
    equal((events[-1]['state'], events[-1]['transferred']), ('complete', BIG))
    moved = [event['transferred'] for event in events]
    equal((moved == sorted(moved), len(events) <= 4 * took + 2), (True, True), '%d lines in %.1f s' % (len(events), took))
    equal(romeo.cli('put', '--progress=loud', 'juliet', 'x', check=2).stdout, '')


if __name__ == '__main__':
    hearbytest.main(test_terminal, test_plain, test_pipe, test_json)
