#!/usr/bin/python3
"""send returns when the message is as far as was asked, with the status and the id that scripts count on."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import signal
import subprocess
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from couple import couple
from hearbytest import equal


def last(person, **wanted):
    found = [m for m in person.json('history', '-n', '1000')['messages'] if all(m[k] == v for k, v in wanted.items())]
    return found[-1] if found else None


def test_unencrypted(stage):
    juliet, romeo = couple(stage, clear=True, allow=False)
    done = romeo.cli('send', 'juliet', 'no', check=5)
    assert 'policy juliet plaintext=allow' in done.stderr, done.stderr
    equal(romeo.json('send', 'juliet', 'no', check=5)['error']['name'], 'Unencrypted')
    events = juliet.consumer()
    romeo.cli('send', '--plaintext', 'juliet', 'this', 'once')
    events.wait_for({'body': 'this once'})
    romeo.cli('send', 'juliet', 'no', check=5)
    equal(juliet.received(), ['this once'])


def test_encrypted(stage):
    """Nobody is asked anything; whom one wrote to is pinned to his key, whoever only wrote to one is not."""
    juliet, romeo = couple(stage)
    equal(romeo.peers()[juliet.instance]['trust'], 'new')
    romeo.cli('send', 'juliet', '--wait=delivered', 'first')
    equal(romeo.peers()[juliet.instance]['trust'], 'pinned')
    equal(juliet.peers()[romeo.instance]['trust'], 'new')
    equal([last(person, body='first')['encrypted'] for person in (juliet, romeo)], [True, True])
    juliet.cli('send', 'romeo', '--plaintext', '--wait=delivered', 'a permission is no request')
    equal(juliet.peers()[romeo.instance]['trust'], 'pinned')
    equal(last(romeo, direction='in')['encrypted'], True)


def test_levels(stage):
    juliet, romeo = couple(stage)
    seq = romeo.cli('send', 'juliet', 'first').stdout
    equal(seq, '%d\n' % int(seq))
    for level in ('sent', 'delivered'):
        romeo.cli('send', 'juliet', '--wait', level, level)
    equal(romeo.cli('send', 'juliet', '--wait=none', 'nothing').stdout, '')
    juliet.consumer().wait_for({'body': 'nothing'})
    late = romeo.cli('send', 'juliet', '--wait=read', '--timeout=1', 'read me', check=3)
    equal(late.stdout, '%s\n' % last(romeo, direction='out')['seq'])
    waiting = romeo.host.popen(hearbytest.HEARBY, 'send', 'juliet', '--wait=read', 'and me', env=romeo.environment())
    juliet.consumer('second').wait_for({'body': 'and me'})
    subprocess.run(['script', '-qec', ' '.join(juliet.host.argv(hearbytest.HEARBY, 'history')), '/dev/null'],
                   env=juliet.environment(), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    equal(waiting.wait_exit(), 0)
    sent = romeo.json('send', 'juliet', '--wait=delivered', 'as JSON')['messages']
    equal([(m['peer'], m['state'], m['reason']) for m in sent], [('juliet', 'delivered', None)])


def test_away(stage):
    juliet, romeo = couple(stage)
    romeo.cli('send', 'juliet', '--wait=delivered', 'hello')
    juliet.stop()
    romeo.wait_offline(juliet)
    equal(romeo.json('send', 'juliet', '--now', 'now', check=11)['error']['name'], 'PeerOffline')
    romeo.cli('send', 'juliet', '--wait=delivered', '--timeout=1', 'kept', check=3)
    romeo.cli('send', 'juliet', '--wait=delivered', '--timeout=1', '--cancel-on-timeout', 'taken back', check=3)
    equal(last(romeo, body='taken back')['reason'], 'Canceled')
    romeo.cli('send', 'juliet', '--wait=delivered', '--expire=1', 'too late', check=1)
    waiting = romeo.host.popen(hearbytest.HEARBY, 'send', 'juliet', '--wait=delivered', 'patient', env=romeo.environment())
    waiting.wait_line('^[0-9]+$')
    romeo.stop()                              # the daemon may go and come meanwhile
    romeo.start()
    juliet.start()
    equal(waiting.wait_exit(), 0)
    equal(juliet.received(), ['hello', 'kept', 'patient'])


def test_cancel(stage):
    juliet, romeo = couple(stage)
    romeo.cli('send', 'juliet', '--wait=delivered', 'hello')
    juliet.stop()
    romeo.wait_offline(juliet)
    waiting = romeo.host.popen(hearbytest.HEARBY, 'send', 'juliet', '--wait=delivered', 'not any more', env=romeo.environment())
    seq = int(waiting.wait_line('^[0-9]+$').group())
    romeo.on_bus().manager('CancelMessage', 'ta{sv}', seq, {})
    equal(waiting.wait_exit(), 9)


def test_once(stage):
    juliet, romeo = couple(stage)
    first = romeo.cli('send', 'juliet', '--id', 'disk full', 'once').stdout
    equal(romeo.cli('send', 'juliet', '--id', 'disk full', 'once').stdout, first)
    romeo.cli('send', 'juliet', 'end')
    juliet.consumer().wait_for({'body': 'end'})
    equal(juliet.received(), ['once', 'end'])


def test_stdin_and_correction(stage):
    juliet, romeo = couple(stage)
    body = 'Grüße\n\n<&>\n' + 'x' * 1000
    seq = romeo.cli('send', 'juliet', '-', input=body + '\n').stdout.strip()
    juliet.consumer().wait_for({'body': body})
    romeo.cli('send', 'juliet', '--replace', seq, 'corrected', '--wait=delivered')
    shown = juliet.cli('history', 'romeo').stdout
    equal((shown.count('corrected (edited)'), 'Grüße' in shown, len(shown.splitlines())), (1, False, 1), shown)
    equal(last(juliet, body='corrected')['corrects'], last(juliet, body=body)['seq'])
    romeo.cli('send', 'juliet', 'x' * (64 * 1024), '--wait=delivered')
    equal(len(last(juliet)['body']), 64 * 1024)


def test_nobody(stage):
    juliet, romeo = couple(stage)
    done = romeo.cli('send', 'tybalt', 'where are you?', check=6)
    equal(done.stderr.splitlines()[0], "hearby: error: no peer is called 'tybalt'")
    romeo.cli('alias', 'all', 'juliet', 'self')
    equal(len(romeo.cli('send', 'all', 'to both').stdout.split()), 2)
    juliet.consumer().wait_for({'body': 'to both'})
    romeo.consumer().wait_for({'body': 'to both'})


def test_when_done(stage):
    juliet, romeo = couple(stage)
    done = romeo.cli('send', 'juliet', '--when-done', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3', check=3)
    equal((done.stdout, done.stderr), ('out\n', 'err\n'))
    romeo.cli('send', 'juliet', '--when-done', '--', 'cat', input='in')
    romeo.cli('send', 'juliet', '--when-done', '--', 'sh', '-c', 'kill -9 $$', check=137)
    romeo.cli('send', 'juliet', '--when-done', '--', 'no such program', check=7)
    events = juliet.consumer()
    for wanted in (r'^failed \(3\) after \d+s: sh -c', r'^ok after \d+s: cat$', r'^killed by signal 9 after \d+s: '):
        event = events.wait_for(lambda event: True)
        assert hearbytest.re.search(wanted, event['body']), event
    failed = romeo.cli('send', 'tybalt', '--when-done', '--', 'sh', '-c', 'exit 4', check=4)
    assert "no peer is called 'tybalt'" in failed.stderr, failed.stderr


def test_when_done_signal(stage):
    juliet, romeo = couple(stage)
    running = romeo.host.popen(hearbytest.HEARBY, 'send', 'juliet', '--when-done', '--', 'sh', '-c', 'echo on; exec cat',
                               env=romeo.environment())
    running.wait_line('^on$')
    os.kill(running.pid, signal.SIGTERM)
    equal(running.wait_exit(), 143)
    juliet.consumer().wait_for(lambda event: event['body'].startswith('killed by signal 15 after '))


if __name__ == '__main__':
    hearbytest.main(test_unencrypted, test_encrypted, test_levels, test_away, test_cancel, test_once, test_stdin_and_correction, test_nobody,
                    test_when_done, test_when_done_signal)
