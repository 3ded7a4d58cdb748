#!/usr/bin/python3
"""wait returns when somebody comes or goes or the right message arrives, and says in time that it did not."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from couple import couple
from files import wait_connected
from hearbytest import equal


def waiting(person, *args):
    return person.host.popen(hearbytest.HEARBY, 'wait', *args, env=person.environment())


def send_until(juliet, process, body, to='romeo'):
    """Nobody sees when a waiter is ready: so send again, until it has ended."""
    while process.alive():
        juliet.cli('send', to, body, '--wait=delivered')
        try:
            process.wait_exit(1)
        except hearbytest.subprocess.TimeoutExpired:
            pass
    return process.wait_exit()


def test_presence(stage):
    romeo = stage.person(stage.host('forza'), 'romeo')
    process = waiting(romeo, 'online', 'juliet')
    equal(romeo.cli('wait', 'online', 'juliet', '--timeout=1', check=3).stdout, '')
    romeo.cli('wait', 'offline', 'juliet', '--timeout=1', check=6)
    juliet = stage.person(stage.host('pronto'), 'juliet')
    equal(process.wait_exit(), 0)
    romeo.cli('wait', 'online', 'juliet@pronto')
    process = waiting(romeo, 'offline', 'juliet')
    romeo.cli('wait', 'offline', 'juliet', '--timeout=1', check=3)
    juliet.stop()
    equal(process.wait_exit(), 0)
    equal(romeo.json('wait', 'offline', 'juliet')['online'], False)


def test_message(stage):
    juliet, romeo = couple(stage)
    process = waiting(romeo, 'message', '--from', 'juliet', '--trust', 'any', '--match', '^deploy (.*)', '--print', '1')
    romeo.cli('wait', 'message', '--trust=any', '--timeout=0', check=3)
    juliet.cli('send', 'romeo', 'please deploy nothing', '--wait=delivered')
    equal(send_until(juliet, process, 'deploy v1.2'), 0)
    equal(process.text(), 'v1.2')


def test_whose_message(stage):
    """Of whom one knows, unless it is said otherwise."""
    juliet, romeo = couple(stage)
    known, verified, own = (waiting(romeo, 'message', *options) for options in ([], ['--trust=verified'], ['--trust=any', '--from=self']))
    wait_connected(romeo, 3)
    equal(send_until(juliet, waiting(romeo, 'message', '--trust=any'), 'I am nobody to you'), 0)
    romeo.cli('send', 'juliet', 'you are somebody', '--wait=delivered')
    equal(send_until(juliet, known, 'two\nlines'), 0)
    equal(known.text(), 'two\nlines')
    romeo.cli('trust', juliet.cli('id', '--uri').stdout.strip())
    equal(send_until(juliet, verified, 'we have compared codes'), 0)
    equal(verified.text(), 'we have compared codes')
    equal(send_until(romeo, own, 'note to myself', to='self'), 0)
    equal(own.text(), 'note to myself')


def test_trust(stage):
    """What is not trusted enough can never come, where nobody encrypts: that is said at once and not waited for."""
    juliet, romeo = couple(stage, clear=True)
    process = waiting(romeo, 'message', '--trust=plain')
    equal(send_until(juliet, process, 'in clear'), 0)
    equal(process.text(), 'in clear')
    for options in (['--from', 'juliet'], ['--from', 'juliet', '--trust', 'verified']):
        done = romeo.cli('wait', 'message', *options, check=5)
        assert '--trust any' in done.stderr, done.stderr
    romeo.cli('wait', 'message', '--from', 'tybalt', check=6)


def test_daemon_restarts(stage):
    juliet, romeo = couple(stage)
    process = waiting(romeo, 'message', '--trust=any', '--match=^now$')
    presence = waiting(romeo, 'offline', 'juliet')
    wait_connected(romeo, 2)
    equal(send_until(juliet, waiting(romeo, 'message', '--trust=any'), 'ready'), 0)
    romeo.stop()
    juliet.cli('send', 'romeo', 'now')
    romeo.start()
    equal(send_until(juliet, process, 'now'), 0)
    juliet.stop()
    equal(presence.wait_exit(), 0)


if __name__ == '__main__':
    hearbytest.main(test_presence, test_message, test_whose_message, test_trust, test_daemon_restarts)
