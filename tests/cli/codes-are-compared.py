#!/usr/bin/python3
"""verify shows both people a code, and what each of them says about it is what counts on his side."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import json
import os
import re
import shlex
import signal
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from couple import couple
from hearbytest import equal
from terminal import Terminal

CODE = r'\b(\d{4})  (\d{4})  (\d{4})\b'


def trust(person, name):
    return person.peers()[name]['trust']


def both(stage):
    """Each at a terminal, with the code before them: (juliet, romeo, his terminal, hers)"""
    juliet, romeo = couple(stage, allow=False)
    his = Terminal(romeo, 'verify', 'juliet')
    his.expect('waiting for juliet to run .hearby verify. too')
    hers = Terminal(juliet, 'verify', 'romeo')
    codes = [terminal.expect(CODE + r'.*Type yes or no: ').groups() for terminal in (his, hers)]
    equal(codes[0], codes[1])
    return juliet, romeo, his, hers


def overheard(juliet, romeo):
    """What romeo's daemon tells juliet's from now on."""
    trace = juliet.host.popen(hearbytest.HEARBY, 'trace', 'romeo', env=juliet.environment())
    bus = romeo.on_bus()
    while not trace.lines:                    # nobody sees when a trace has begun
        bus.call(bus.find(juliet), hearbytest.PEER, 'Probe', 'a{sv}', {})
        trace.wait_change(0, 1)
    return trace


def script(person, name, *others):
    """verify where nobody can be asked, on both sides: the code, and what the hint says."""
    theirs = [other.host.popen(hearbytest.HEARBY, 'verify', person.instance, env=other.environment()) for other in others]
    done = person.cli('verify', name, check=5)
    for process in theirs:
        equal(process.wait_exit(), 5)
        assert done.stdout.rstrip('\n') in process.lines, (done.stdout, process.lines)
    return ' '.join(re.search(CODE, done.stdout).groups()), re.search("hint: '(.*)' within", done.stderr).group(1)


def test_people_agree(stage):
    juliet, romeo, his, hers = both(stage)
    for word in 'y', '', 'yes no', 'YES' * 30, 'no yes', 'certainly':
        his.type(word + '\n')
        his.expect('Type yes or no: ')
    his.type('yes\n')
    his.expect('juliet is verified')
    equal(his.wait(), 0)
    equal([trust(romeo, 'juliet@pronto'), trust(juliet, 'romeo@forza')], ['verified', 'new'])
    hers.type('Yes\n')
    hers.expect('romeo is verified')
    equal(hers.wait(), 0)
    equal(trust(juliet, 'romeo@forza'), 'verified')
    romeo.cli('send', 'juliet', 'safe', '--wait=delivered')


def test_asked_first(stage):
    """Whoever is asked sees it, and answers with the same verb."""
    juliet, romeo = couple(stage, allow=False)
    his = Terminal(romeo, 'verify', 'juliet')
    his.expect('for two minutes')
    juliet.on_bus().wait_peer(romeo, VerifyWanted=True)
    assert 'wants to compare codes: hearby verify romeo' in juliet.cli('peers').stdout, juliet.cli('peers').stdout
    hers = Terminal(juliet, 'verify', 'romeo')
    hers.expect('Type yes or no: ')
    his.expect('Type yes or no: ')
    trace = overheard(juliet, romeo)
    his.type('\x03')
    equal(his.wait(), 130)
    trace.wait_line("in .*step='cancel'")
    hers.type('yes\n')
    hers.expect('over: the other side ended it')
    equal([hers.wait(), trust(juliet, 'romeo@forza'), trust(romeo, 'juliet@pronto')], [9, 'new', 'new'])


def test_no_means_conflict(stage):
    juliet, romeo, his, hers = both(stage)
    trace = overheard(juliet, romeo)
    his.type('no\n')
    his.expect('somebody is between you and .juliet.')
    equal(his.wait(), 5)
    trace.wait_line("in .*step='mismatch'")
    equal(trust(romeo, 'juliet@pronto'), 'conflict')
    romeo.cli('send', 'juliet', 'x', check=5)
    hers.type('yes\n')
    hers.expect('the other side says that the codes differ')
    equal([hers.wait(), trust(juliet, 'romeo@forza')], [9, 'new'])


def test_nothing_said(stage):
    juliet, romeo, his, hers = both(stage)
    his.type('\x04')
    his.expect('nothing was answered')
    equal(his.wait(), 9)
    hers.type('\x03')
    equal(hers.wait(), 130)
    waiting = Terminal(romeo, 'verify', 'juliet')
    waiting.expect('for two minutes')
    bus = juliet.on_bus()
    bus.wait_peer(romeo, VerifyWanted=True)
    waiting.type('\x03')
    equal(waiting.wait(), 130)
    bus.wait_peer(romeo, VerifyWanted=False)
    equal([trust(romeo, 'juliet@pronto'), trust(juliet, 'romeo@forza')], ['new', 'new'])
    romeo.cli('send', 'juliet', 'as before', '--wait=delivered')


def test_interrupted_between(stage):
    """Ctrl-C that comes with the code, before there is a question, ends it at both ends."""
    juliet, romeo = couple(stage, allow=False)
    his = Terminal(romeo, 'verify', 'juliet')
    juliet.on_bus().wait_peer(romeo, VerifyWanted=True)
    os.kill(his.process.pid, signal.SIGSTOP)
    hers = Terminal(juliet, 'verify', 'romeo')
    hers.expect('Type yes or no: ')
    trace = overheard(juliet, romeo)
    for number in signal.SIGINT, signal.SIGCONT:
        os.kill(his.process.pid, number)
    equal(his.wait(), 130)
    trace.wait_line("in .*step='cancel'")


def test_scripts(stage):
    juliet, romeo = couple(stage, allow=False)
    romeo.cli('verify', 'juliet', '--code', '1000 1000 1000', check=6)
    code, hint = script(romeo, 'juliet', juliet)
    equal(romeo.json('verify', 'juliet', '--code', code[:9], check=2)['error']['name'], 'InvalidArgument')
    equal(trust(romeo, 'juliet@pronto'), 'new')
    verb = shlex.split(hint.replace('DDDD DDDD DDDD', code))
    equal(verb, ['hearby', 'verify', 'juliet', '--code', code])
    romeo.cli(*verb[1:])
    equal(trust(romeo, 'juliet@pronto'), 'verified')
    equal(json.loads(juliet.cli('verify', 'romeo', '--json', '--code', code.replace(' ', '-')).stdout), {'v': 1, 'verified': True})
    romeo.cli('verify', 'juliet', '--code', code, check=6)
    equal(trust(romeo, 'juliet@pronto'), 'verified')


def test_wrong_code(stage):
    juliet, romeo = couple(stage, allow=False)
    romeo.cli('send', 'juliet', 'before', '--wait=delivered')
    code, _ = script(romeo, 'juliet', juliet)
    done = romeo.cli('verify', 'juliet', '--code', '1000 1000 1000', check=5)
    assert 'somebody is between you' in done.stderr, done.stderr
    assert 'the codes that you compared differed' in romeo.cli('peers').stdout, romeo.cli('peers').stdout
    for _ in range(2):
        equal(trust(romeo, 'juliet@pronto'), 'conflict')
        refused = romeo.json('send', 'juliet', 'now', check=5)['error']
        equal(refused['name'], 'NotVerified')
        assert 'hearby forget juliet' in refused['hint'], refused
        romeo.stop()
        romeo.start()
    romeo.cli('forget', 'juliet')
    romeo.wait_online(juliet)
    romeo.cli('send', 'juliet', 'anew', '--wait=delivered')
    equal(trust(romeo, 'juliet@pronto'), 'pinned')
    equal(juliet.received()[-1], 'anew')


def test_fingerprint(stage):
    juliet, romeo = couple(stage, allow=False)
    his, hers = romeo.cli('id').stdout.strip(), juliet.cli('id').stdout.strip()
    refused = romeo.cli('verify', 'juliet', '--fingerprint', his, check=5)
    assert hers in refused.stderr, refused.stderr
    romeo.cli('verify', 'juliet', '--fingerprint', hers.upper().replace('-', ' '))
    equal(trust(romeo, 'juliet@pronto'), 'verified')


def test_nobody_to_compare_with(stage):
    juliet, romeo = couple(stage, allow=False)
    romeo.cli('verify', 'nobody', check=6)
    romeo.cli('verify', 'self', check=1)
    juliet.stop()
    romeo.wait_offline(juliet)
    romeo.cli('verify', 'juliet', check=11)
    romeo.cli('send', 'juliet', 'when you are back')  # who said that she encrypts is not plain because she left
    juliet.start()
    romeo.cli('send', 'juliet', 'now', '--wait=delivered')
    equal(juliet.received(), ['when you are back', 'now'])


if __name__ == '__main__':
    hearbytest.main(test_people_agree, test_asked_first, test_no_means_conflict, test_nothing_said, test_interrupted_between, test_scripts, test_wrong_code,
                    test_fingerprint, test_nobody_to_compare_with)
