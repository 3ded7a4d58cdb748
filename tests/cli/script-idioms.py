#!/usr/bin/python3
"""The scripts of the manual work as they are written there."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import re
import subprocess
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from couple import couple
from files import inbox, make, offer, pinned, read, tree, until
from hearbytest import equal


class Shell:
    """A shell of a person where hearby is on the PATH."""

    def __init__(self, person):
        self.person = person
        self.bin = os.path.join(person.folder, 'bin')
        os.makedirs(self.bin, exist_ok=True)
        os.symlink(hearbytest.HEARBY, os.path.join(self.bin, 'hearby'))

    def environment(self):
        env = self.person.environment()
        env['PATH'] = self.bin + ':' + env['PATH']
        return env

    def program(self, name, text):
        path = os.path.join(self.bin, name)
        with open(path, 'w') as file:
            file.write('#!/bin/sh\n' + text + '\n')
        os.chmod(path, 0o755)

    def run(self, script, check=0, environment=None):
        done = subprocess.run(self.person.host.argv('sh', '-c', script), env=environment or self.environment(), cwd=self.person.home,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=hearbytest.PATIENCE)
        equal(done.returncode, check, script + '\n' + done.stderr)
        return done

    def start(self, script):
        return self.person.host.popen('sh', '-c', script, env=self.environment())


def until_ended(process, again):
    while process.alive():
        again()
        process.wait_change(len(process.lines), 1)
    return process.wait_exit()


def test_cron(stage):
    """At most one alert for each disk and day, from a crontab line (of which cron takes the backslashes before %)."""
    juliet, romeo = couple(stage)
    shell = Shell(romeo)
    romeo.cli('alias', 'ops', 'juliet')
    shell.program('df', 'echo Filesystem; echo "/dev/x 1 1 1 95% /"')
    line = r'''0 * * * *  df -P / | awk 'NR==2 && $5+0>90{exit 1}' || hearby send ops --id "disk-$(hostname)-$(date +\%F)" "disk over 90\% on $(hostname)"'''
    command = line.split(None, 5)[5].replace(r'\%', '%')
    bare = {'PATH': shell.environment()['PATH'], 'HOME': romeo.home, 'SHELL': '/bin/sh'}
    first = shell.run(command, environment=bare).stdout
    equal(shell.run(command, environment=bare).stdout, first)
    romeo.cli('send', 'ops', 'end')
    juliet.consumer().wait_for({'body': 'end'})
    equal(juliet.received(), ['disk over 90% on forza', 'end'])
    shell.program('df', 'echo Filesystem; echo "/dev/x 1 1 1 5% /"')
    equal(shell.run(command, environment=bare).stdout, '')


def test_when_done(stage):
    juliet, romeo = couple(stage)
    shell = Shell(romeo)
    shell.program('make', 'echo building; exit 2')
    equal(shell.run('hearby send juliet --when-done -- make -j8 check; rc=$?; exit $rc', check=2).stdout, 'building\n')
    juliet.consumer().wait_for(lambda event: re.fullmatch(r'failed \(2\) after \d+s: make -j8 check', event['body']))
    romeo.cli('send', 'juliet', '--wait=delivered', 'that was all')
    juliet.stop()
    romeo.wait_offline(juliet)
    shell.program('make', 'exit 0')           # nobody is there: it stays queued, and the job does not fail
    shell.run('hearby send juliet --when-done -- make -j8 check; rc=$?; exit $rc')


def test_failed_build(stage):
    """The log goes to who is there and waits for who is not; the job's status is the build's."""
    juliet, romeo = pinned(stage)
    shell = Shell(romeo)
    romeo.cli('alias', 'alice', 'juliet')
    shell.program('make', 'echo building; exit 2')
    make(romeo, 'build.log', 'it broke')
    script = ('cd "$HOME"\n'
              'hearby send alice --when-done -- make -j8 check; rc=$?\n'
              '[ $rc = 0 ] || hearby put alice --expire=2d --wait=queued build.log || true\n'
              'exit $rc\n')
    shell.run(script, check=2)
    os.mkdir(inbox(juliet))
    juliet.cli('accept', offer(juliet, romeo), '--to', inbox(juliet), '--wait=done')
    equal(read(inbox(juliet), 'build.log'), b'it broke')
    juliet.stop()
    romeo.wait_offline(juliet)
    shell.run(script, check=2)
    waits = romeo.json('transfers')['transfers'][-1]
    equal((waits['name'], waits['state'] in ('queued', 'waiting-peer')), ('build.log', True), waits)
    romeo.cli('alias', '-d', 'alice')
    shell.run(script, check=2)                # nobody is called that any more: no reason to fail the job
    shell.program('make', 'exit 0')
    shell.run(script)


HERE = 'tar c src | hearby put lab --name src.tar -'
THERE = 'hearby wait offer --from me --name src.tar --accept=- | tar x'


def ends(stage):
    """The shells of both ends; "lab" and "me" are what they call each other."""
    lab, me = pinned(stage)
    me.cli('alias', 'lab', lab.instance)
    lab.cli('alias', 'me', me.instance)
    for name in ('src/main.c', 'src/sub dir/x'):
        make(me, name, os.urandom(200000))
    return lab, me, Shell(lab), Shell(me)


def both(script, at):
    return at.person.host.popen('bash', '-c', 'set -o pipefail; cd "$HOME"; ' + script, env=at.environment())


def test_tarball(stage):
    """Straight into tar."""
    lab, me, there, here = ends(stage)
    for _ in 'the offer comes later', 'the offer is there already':
        processes = [both(THERE, there), both(HERE, here)]
        if _ != 'the offer comes later':
            processes.reverse()
        equal([process.wait_exit() for process in processes], [0, 0], [process.text() for process in processes])
        equal(tree(os.path.join(lab.home, 'src')), tree(os.path.join(me.home, 'src')))
        equal(read(lab.home, 'src', 'main.c'), read(me.home, 'src', 'main.c'))


def test_tarball_fails(stage):
    """Both ends fail if either fails."""
    lab, me, there, here = ends(stage)
    make(me, 'src/large', os.urandom(30 << 20))
    there.program('tar', 'head -c 1000 >/dev/null; exit 2')          # who reads goes away
    processes = [both(THERE, there), both(HERE, here)]
    statuses = [process.wait_exit() for process in processes]
    assert all(statuses), (statuses, [process.text() for process in processes])
    os.unlink(os.path.join(there.bin, 'tar'))
    events = me.listen(type='transfer')
    taking = both(THERE, there)                                      # who sends is stopped
    sending = both('(tar c src; cat) | exec hearby put lab --name src.tar -', here)
    mine = sending.wait_line('^[0-9]+$').group()
    until(events, mine, 'active')
    me.cli('cancel', mine)
    sending.process.stdin.close()
    statuses = [taking.wait_exit(), sending.wait_exit()]
    assert all(statuses), (statuses, taking.text(), sending.text())


def test_word(stage):
    juliet, romeo = couple(stage)
    shell = Shell(romeo)
    shell.program('systemctl', 'echo "did $*"')
    process = shell.start("hearby wait message --from juliet --trust any --match '^restart web$' --timeout none && systemctl --user restart web")
    equal(until_ended(process, lambda: juliet.cli('send', 'romeo', 'restart web')), 0)
    assert 'did --user restart web' in process.text(), process.text()


def test_bot(stage):
    juliet, romeo = couple(stage)
    shell = Shell(romeo)
    with open(os.path.join(romeo.home, 'on-message'), 'w') as file:
        file.write('#!/bin/sh\nhearby send "$HEARBY_FROM" --id "re-$HEARBY_SEQ" "you said: $HEARBY_BODY"\n')
    os.chmod(os.path.join(romeo.home, 'on-message'), 0o755)
    process = shell.start('cd "$HOME" && exec hearby listen --consumer bot --type message --trust any --exec ./on-message')
    juliet.cli('send', 'romeo', 'ping')
    juliet.consumer().wait_for({'body': 'you said: ping'})
    process.kill()


def test_presence(stage):
    juliet, romeo = couple(stage)
    shell = Shell(romeo)
    shell.program('notify-send', 'echo "notice: $*"')
    process = shell.start("hearby listen --type presence --json | jq --unbuffered -r 'select(.online)|.name' |"
                          ' while read -r n; do notify-send "$n is here"; done')
    while 'notice: juliet is here' not in process.text():
        juliet.cli('status', 'offline')
        romeo.wait_offline(juliet)
        juliet.cli('status', 'available')
        romeo.wait_online(juliet)
        process.wait_change(len(process.lines), 1)
    equal(shell.run("hearby peers --json | jq -r '.peers[]|select(.online).name'").stdout, 'juliet\n')
    process.kill()


if __name__ == '__main__':
    hearbytest.main(test_cron, test_when_done, test_failed_build, test_tarball, test_tarball_fails, test_word, test_bot, test_presence)
