#!/usr/bin/python3
"""Nothing that a stranger chose reaches a terminal, a column or the shell's completion raw."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import json
import subprocess
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from couple import couple
from files import inbox, make, offer, pinned, start, tree
from hearbytest import equal
from terminal import Terminal

BODY = 'a\x1b[31mb\tc\x9bd\u202ee\u2028f\x7f\\g\nh'


def raw(person, *args, **environment):
    """The bytes that come out at a terminal."""
    command = ' '.join(person.host.argv(hearbytest.HEARBY, *args))
    return subprocess.run(['script', '-qec', command, '/dev/null'], env=person.environment(TERM='dumb', **environment),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=hearbytest.PATIENCE).stdout


def harmful(data):
    text = data.decode('utf-8', 'surrogateescape')
    return [c for c in text if ord(c) < 32 and c not in '\r\n\t' or 0x7f <= ord(c) < 0xa0 or c in '\u202e\u2028']


def test_text(stage):
    juliet, romeo = couple(stage)
    juliet.cli('status', 'away', '\x1b]0;owned\x07 \u202eevil\x9b')
    juliet.cli('send', 'romeo', '-', input=BODY)
    events = romeo.consumer()
    body = events.wait_for({'type': 'message'})['body']
    assert '\u202e' in body and '\x9b' in body, body
    for args in (['history'], ['peers'], ['peers', '-t'], ['listen', '--consumer=y', '--ack=manual'], ['peers', '--json'],
                 ['history', '-t'], ['history', '--json']):
        equal(harmful(romeo.cli(*args, input='').stdout.encode()), [], ' '.join(args))
        if args[0] != 'listen':
            equal(harmful(raw(romeo, *args)), [], ' '.join(args) + ' at a terminal')
    rows = romeo.cli('history', '-t', '-f', 'body').stdout
    equal((rows.count('\n'), rows.count('\t')), (1, 0), rows)
    assert r'\t' in rows and r'\n' in rows and r'\\' in rows and r'\xc2\x9b' in rows, rows
    equal(romeo.json('history')['messages'][0]['body'], body)
    piped = romeo.host.popen(hearbytest.HEARBY, 'wait', 'message', '--trust=any', env=romeo.environment())
    while piped.alive():                      # a script gets what was written
        juliet.cli('send', 'romeo', '-', input='x\u202ey', check=True)
        piped.wait_change(0, 1)
    piped.wait_exit()
    equal(piped.text(), 'x\u202ey')


def test_locale(stage):
    """In LANG=C a terminal gets ASCII, a pipe the text."""
    juliet, romeo = couple(stage)
    juliet.cli('send', 'romeo', 'Grüße', '--wait=delivered')
    assert b'Gr\\xc3\\xbc' in raw(romeo, 'history', LANG='C'), raw(romeo, 'history', LANG='C')
    assert 'Grüße'.encode() in raw(romeo, 'history', LANG='C.UTF-8')
    equal(romeo.cli('history', env={'LANG': 'C'}).stdout.count('Grüße'), 1)


def test_names(stage):
    """A name may be anything that 63 bytes can be."""
    host = stage.host('pronto', avahi=True)
    romeo = stage.person(stage.host('forza'), 'romeo')
    names = ["$(id)@x", "a b;c@x", "e\x1b[1m@x", "Ünsal@x"]
    for i, name in enumerate(names):
        host.publish(name, 5000 + i, 'txtvers=1', 'status=avail')
    events = romeo.listen(type='presence')
    while len(romeo.online()) < len(names):
        events.wait_change(len(events.lines), 1)
    offered = romeo.cli('complete', 'send', '').stdout
    equal(offered.split(), ['Ünsal'])
    equal(harmful(romeo.cli('peers').stdout.encode()), [])
    romeo.cli('policy', names[0])
    for name, word in (("$(id)@x", "'$(id)'"), ("a b;c@x", "'a b;c'")):
        hint = romeo.json('send', name, 'x', check=5)['error']['hint']   # which somebody copies
        assert 'hearby policy %s plaintext' % word in hint, hint


def test_files(stage):
    """Names of files are chosen by whoever sends them."""
    juliet, romeo = pinned(stage)
    events = romeo.listen(type='transfer')
    name = 'a\x1b[31mb\u202etxt.\x9bexe\tc\n1\tin.pdf'
    make(juliet, name)
    putting = start(juliet, 'put', 'romeo', os.path.join(juliet.home, name), '--progress=plain')
    id = offer(romeo)
    events.wait_for({'state': 'offered'})
    listening = Terminal(romeo, 'listen', '--type=transfer')
    listening.expect('offer')
    for person, at in ((romeo, id), (juliet, putting.wait_line('^[0-9]+$').group())):
        for args in (['transfers'], ['transfers', at], ['transfers', '-t'], ['transfers', '--json'], ['transfers', '-t', '-f', 'what,name,path']):
            shown = person.cli(*args).stdout
            equal(harmful(shown.encode()), [], ' '.join(args))
            equal(harmful(raw(person, *args)), [], ' '.join(args) + ' at a terminal')
        rows = person.cli('transfers', '-t', '-f', 'id,name').stdout
        equal((rows.count('\n'), rows.count('\t')), (1, 1), rows)
    os.mkdir(inbox(romeo))
    accepting = Terminal(romeo, 'accept', id, '--wait=done', '--to', inbox(romeo))
    equal(accepting.wait(), 0)
    equal([c for c in harmful(accepting.text.encode()) if c != '\x1b'], [])
    assert '\x1b[31m' not in accepting.text, repr(accepting.text)
    listening.expect('complete')
    equal(harmful(listening.text.encode()), [])
    listening.process.kill()
    equal(putting.wait_exit(), 0)
    equal(harmful('\n'.join(putting.errors).encode()), [])
    got, = tree(inbox(romeo))
    equal(harmful(got.encode()), [], got)
    equal(romeo.cli('complete', 'accept', '').stdout, '')


def test_colour(stage):
    juliet, romeo = couple(stage)
    for options, environment, wanted in (([], {}, False), (['--color=always'], {'NO_COLOR': '1'}, True), ([], {'CLICOLOR_FORCE': '1'}, True),
                                         ([], {'CLICOLOR_FORCE': '1', 'NO_COLOR': '1'}, False),
                                         (['--color=never'], {'CLICOLOR_FORCE': '1'}, False)):
        equal('\x1b' in romeo.cli('peers', *options, env=environment).stdout, wanted, '%r %r' % (options, environment))


if __name__ == '__main__':
    hearbytest.main(test_text, test_locale, test_names, test_files, test_colour)
