#!/usr/bin/python3
"""alias, policy, block, forget, config, status and add do what they say, twice the same, and undo it."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from couple import couple
from hearbytest import equal


def test_alias(stage):
    juliet, romeo = couple(stage)
    for _ in range(2):
        equal(romeo.cli('alias', 'ops', 'juliet').stdout, '')
    equal(romeo.cli('alias', '-t').stdout, 'ops\tjuliet@pronto\n')
    equal(romeo.json('alias', 'ops')['aliases'], [{'name': 'ops', 'peers': ['juliet@pronto']}])
    equal(romeo.peers()['juliet@pronto']['alias'], 'ops')
    romeo.cli('send', 'ops', 'by another name', '--wait=delivered')
    romeo.cli('alias', 'ops', 'juliet', 'self')
    romeo.cli('chat', 'ops', input='')
    romeo.cli('trace', 'ops', check=6)
    romeo.cli('alias', '-d', 'ops')
    romeo.cli('alias', 'ops', check=6)
    romeo.cli('alias', 'x', 'nobody', check=6)


def test_policy_of_files(stage):
    """Only for who has a key that the user acted on; each rule by itself, and together all or none."""
    juliet, romeo = couple(stage)
    equal(romeo.json('policy', 'juliet', 'files=auto', check=5)['error']['name'], 'NotVerified')
    romeo.cli('send', 'juliet', '--wait=delivered', 'hello')
    os.mkdir(os.path.join(romeo.home, 'In'))
    for _ in range(2):
        romeo.cli('policy', 'juliet', 'files=auto:2G', 'to=~/In', 'quota=10G')
    wanted = {'files': 'auto', 'files_limit': 2 << 30, 'files_to': os.path.join(romeo.home, 'In'), 'quota': 10 << 30}
    equal({key: romeo.json('policy', 'juliet')['policy'][key] for key in wanted}, wanted)
    equal(romeo.cli('policy', 'juliet').stdout.splitlines()[2:], ['files=auto:2G', 'to=%s/In' % romeo.home, 'quota=10G'])
    romeo.cli('policy', 'juliet', 'files=never', 'plaintext=maybe', check=2)
    romeo.cli('policy', 'juliet', 'files=sometimes', check=2)
    romeo.cli('policy', 'juliet', 'to=/no/such/folder', check=7)
    equal(romeo.cli('policy', 'juliet').stdout.splitlines()[2], 'files=auto:2G')
    romeo.stop()
    romeo.start()
    equal({key: romeo.json('policy', 'juliet')['policy'][key] for key in wanted}, wanted)
    romeo.cli('policy', 'juliet', 'files=auto')
    romeo.cli('policy', 'juliet', 'to=', 'quota=none')
    equal(romeo.cli('policy', 'juliet').stdout.splitlines()[2:], ['files=auto', 'to=', 'quota=none'])
    romeo.cli('add', '10.255.255.1', '--alias', 'lab')
    romeo.cli('alias', 'ops', 'lab', 'juliet')
    said = romeo.cli('policy', 'ops', 'files=auto', 'quota=1G', check=10).stderr.splitlines()     # who may not have it keeps nobody from it
    equal(said, ["hearby: 'lab' is neither pinned nor verified: its files are not taken without a question", 'hearby: error: 1 of 2 failed'])
    equal(romeo.cli('policy', 'juliet').stdout.splitlines()[4], 'quota=1G')


def test_policy_and_block(stage):
    juliet, romeo = couple(stage, clear=True, allow=False)
    equal(romeo.cli('policy', 'juliet').stdout, 'plaintext=ask\nencryption=default\nfiles=ask\nto=\nquota=none\n')
    for word in ('allow', 'allow', 'ask'):
        romeo.cli('policy', 'juliet', 'plaintext=' + word)
        equal(romeo.json('policy', 'juliet')['policy'], {'plaintext': word, 'encryption': 'default', 'files': 'ask', 'files_limit': None,
                                                         'files_to': None, 'quota': None})
    romeo.cli('policy', 'juliet', 'plaintext=maybe', check=2)
    juliet.allow(romeo)
    for _ in range(2):
        romeo.cli('block', 'juliet')
    equal(romeo.peers()['juliet@pronto']['trust'], 'blocked')
    romeo.cli('send', 'juliet', '--plaintext', 'no', check=4)
    juliet.cli('send', 'romeo', '--wait=delivered', '--timeout=1', 'unheard', check=False)
    equal(romeo.received(), [])
    romeo.cli('block', '--off', 'juliet')
    equal(romeo.peers()['juliet@pronto']['trust'], 'plain')


def test_forget(stage):
    juliet, romeo = couple(stage)
    romeo.cli('send', 'juliet', 'soon forgotten', '--wait=delivered')
    romeo.cli('alias', 'ops', 'juliet')
    romeo.cli('forget', 'juliet')
    equal(romeo.json('history')['messages'], [])
    equal(romeo.json('alias')['aliases'], [])
    equal(romeo.peers()['juliet@pronto']['trust'], 'new')


def test_history(stage):
    juliet, romeo = couple(stage)
    for i in range(60):
        last = romeo.cli('send', 'juliet', 'number %d of a release' % i if i % 2 else 'number %d' % i, *(['--wait=delivered'] if i == 59 else []))
    equal(len(juliet.cli('history').stdout.splitlines()), 50)
    equal(juliet.cli('history', 'romeo', '-n', '2', '-t', '-f', 'body,direction').stdout,
          'number 58\tin\nnumber 59 of a release\tin\n')
    equal(len(juliet.json('history', '-n', '1000', '--search', 'release')['messages']), 30)
    equal(juliet.json('history', '--since', '2037-01-01')['messages'], [])
    equal(juliet.json('history', '--until', '2026-01-01T00:00:00Z')['messages'], [])
    equal(len(juliet.json('history', '-n', '60', '--since', '2020-01-01')['messages']), 60)
    equal(juliet.cli('history', '-n', '0').stdout, '')
    equal(juliet.json('status')['unread'], 60)
    juliet.cli('history', 'tybalt', check=6)


def test_config(stage):
    person = stage.person(stage.lonely_host('pronto'), 'juliet')
    person.cli('config', 'nick', 'Juliet C')
    equal(person.cli('config', 'nick').stdout, 'Juliet C\n')
    equal(person.json('status')['nick'], 'Juliet C')
    assert 'nick\tJuliet C\n' in person.cli('config', '-t').stdout
    equal(person.json('config')['settings']['nick'], 'Juliet C')
    person.cli('config', '--unset', 'nick')
    equal(person.cli('config', 'nick').stdout, '\n')
    equal(person.json('config', 'port', '5299')['restart'], True)
    person.cli('config', 'port', 'x', check=2)
    error = person.json('config', 'colour', check=6)['error']
    assert 'discovery' in error['hint'], error
    person.cli('config', 'colour', 'red', check=6)


def test_problem(stage):
    """Nobody sees anybody then, and peers says why."""
    person = stage.person(stage.lonely_host('pronto'), 'juliet')
    person.cli('config', 'discovery', 'avahi')   # that does not run there
    person.stop()
    person.start()
    said = person.cli('peers').stderr
    health = person.json('status')['health']
    equal(len(health), 2)                        # nor is there a network
    assert all(line in said for line in health), said


def test_status(stage):
    juliet, romeo = couple(stage)
    romeo.cli('status', 'dnd', 'learning by heart')
    events = juliet.listen(type='presence')
    while juliet.peers()['romeo@forza']['status'] != 'dnd':
        events.wait_change(len(events.lines), 1)
    equal(romeo.json('status')['status_text'], 'learning by heart')
    assert 'dnd: learning by heart' in romeo.cli('status').stdout
    assert '1 online' in romeo.cli('status').stdout
    assert 'on the air by the built-in responder, port' in romeo.cli('status').stdout
    romeo.cli('status', 'away', 'x' * 251, check=2)
    romeo.cli('status', 'offline')
    juliet.wait_offline(romeo)
    romeo.cli('peers')                        # offline stays so, also for verbs that announce
    equal(romeo.json('status')['on_air'], False)
    romeo.cli('status', 'available')
    juliet.wait_online(romeo)


def test_add(stage):
    juliet, romeo = couple(stage)
    equal(romeo.cli('add', '10.255.255.1:4321', '--alias', 'lab').stdout, 'lab\n')
    equal(romeo.cli('add', '10.255.255.1:4321').stdout, 'lab\n')
    equal([p['name'] for p in romeo.json('peers')['peers']].count('lab'), 1)
    romeo.cli('add', 'not an address', check=2)
    romeo.cli('forget', 'lab')


def test_trace(stage):
    juliet, romeo = couple(stage)
    file = os.path.join(romeo.home, 'trace.xml')
    shown = romeo.host.popen(hearbytest.HEARBY, 'trace', 'juliet', env=romeo.environment())
    written = romeo.host.popen(hearbytest.HEARBY, 'trace', 'juliet', '--output', file, env=romeo.environment())
    watch = romeo.host.popen('tail', '-F', '-n', '+1', file, merge=False)  # and not that there is no such file yet
    while not shown.lines or not watch.lines: # nobody sees when a trace has begun
        romeo.cli('send', 'juliet', 'look', '--wait=delivered')
        watch.wait_change(len(watch.lines), 1)
    romeo.cli('send', 'juliet', 'look', '--wait=delivered')  # what came first may have been the receipt alone
    found = shown.wait_line(r'^(\S+Z) out (<message.*look.*</message>)$')
    assert found.group(1).startswith('20'), found
    watch.wait_line('out <message')
    equal(os.stat(file).st_mode & 0o777, 0o600)
    romeo.cli('trace', 'juliet', '--output', file, check=7)
    romeo.cli('trace', 'nobody', check=6)
    romeo.stop()
    equal((shown.wait_exit(), written.wait_exit()), (8, 8))
    romeo.start()


def test_complete(stage):
    juliet, romeo = couple(stage)
    romeo.cli('alias', 'justice', 'juliet', 'self')
    romeo.cli('alias', 'julep', 'juliet')     # and is called so now: one word, not two
    equal(romeo.cli('complete', 'send', 'jule').stdout.split(), ['julep'])
    romeo.cli('alias', '-d', 'julep')
    for words, wanted in ((['send', 'ju'], ['juliet', 'justice']), (['wait', 'online', 'jul'], ['juliet']), (['hist'], ['history']),
                          (['listen', '--from=jul'], ['--from=juliet']), (['listen', '--fr'], ['--from=']),
                          (['policy', 'juliet', 'pl'], ['plaintext=allow', 'plaintext=ask']), (['config', 'ni'], ['nick']),
                          (['status', 'a'], ['available', 'away']), (['nonsense', ''], [])):
        equal(sorted(set(romeo.cli('complete', *words).stdout.split())), wanted, ' '.join(words))


if __name__ == '__main__':
    hearbytest.main(test_alias, test_policy_of_files, test_policy_and_block, test_forget, test_history, test_config, test_problem, test_status, test_add, test_trace, test_complete)
