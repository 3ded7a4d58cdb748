#!/usr/bin/python3
"""A verb starts the daemon where none runs, exactly one and detached; only verbs that need the link put the user on the air."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import select
import signal
import stat
import subprocess
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal


def alone(stage):
    return stage.person(stage.lonely_host('pronto'), 'juliet', start=False)


def log_of(person):
    with open(os.path.join(person.home, '.local/share/hearby/daemon.log')) as file:
        return file.read()


def stop(person):
    pid = person.json('status')['pid']
    person.cli('daemon', '--stop')
    with open('/proc/%d/stat' % pid) as file: # ours to reap, as we are the reaper of orphans here
        equal(file.read().rsplit(')', 1)[1].split()[0], 'Z', 'state of the daemon')
    hearbytest.complain(log_of(person), 'the daemon')


def test_detached(stage):
    person = alone(stage)
    mine, other = os.pipe()
    subprocess.run(person.host.argv(hearbytest.HEARBY, 'history'), env=person.environment(), check=True,
                   pass_fds=[other], cwd=person.home, stdin=subprocess.DEVNULL)
    os.close(other)
    assert select.select([mine], [], [], hearbytest.PATIENCE)[0], 'the daemon keeps a descriptor of ours'
    pid = person.json('status')['pid']
    equal(os.readlink('/proc/%d/cwd' % pid), '/')
    equal(os.getsid(pid), pid)
    equal([os.readlink('/proc/%d/fd/%d' % (pid, fd)) for fd in (0, 1)], ['/dev/null'] * 2)
    path = os.path.join(person.home, '.local/share/hearby/daemon.log')
    equal(os.readlink('/proc/%d/fd/2' % pid), path)
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600)
    stop(person)


def test_bare_environment(stage):
    """cron: nothing but PATH and HOME."""
    person = alone(stage)
    for verb in (['history', '--json'], ['status'], ['daemon', '--stop']):
        subprocess.run(person.host.argv('env', '-i', 'PATH=/usr/bin:/bin', 'HOME=' + person.home, hearbytest.HEARBY, *verb),
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def test_one_for_all(stage):
    person = alone(stage)
    running = [subprocess.Popen(person.host.argv(hearbytest.HEARBY, 'status', '--json'), env=person.environment(),
                                stdout=subprocess.PIPE, text=True) for _ in range(8)]
    answers = [process.communicate(timeout=hearbytest.PATIENCE)[0] for process in running]
    equal([process.returncode for process in running], [0] * 8)
    equal(len({hearbytest.json.loads(answer)['pid'] for answer in answers}), 1, 'the number of daemons')
    stop(person)


def test_on_the_air(stage):
    person = alone(stage)
    for line in ('history', 'status', 'status away lunch', 'status available', 'alias', 'config', 'block self'):
        said = person.cli(*line.split(), check=False).stderr
        equal((line, person.json('status')['on_air'], 'sees you' in said), (line, False, False))
    told = [person.cli('peers').stderr for _ in range(2)]
    nobody = 'hearby: no network: no interface is up and has an address\n'
    equal(told, ["hearby: everybody on this link now sees you as 'juliet@pronto'\n" + nobody, nobody])
    assert person.json('status')['on_air']
    stop(person)
    equal(person.cli('peers').stderr, nobody)     # not even after a restart
    stop(person)
    silent = stage.person(stage.lonely_host('forza'), 'romeo', start=False, discovery='off')
    assert 'sees you' not in silent.cli('peers').stderr, 'who tells nobody is not seen'
    stop(silent)


def test_never(stage):
    person = alone(stage)
    for line in ('complete send j', 'complete', 'version', 'help', '--version', '-h', 'peers -h'):
        person.cli(*line.split())
    done = person.cli('daemon', '--stop')
    equal((done.stdout, done.stderr), ('', 'hearby: no daemon runs\n'))
    equal(person.json('daemon', '--stop'), {'v': 1, 'stopped': False})
    assert not os.path.exists(os.path.join(person.home, '.local')), 'a daemon was started'


def test_killed(stage):
    """A lock that a dead daemon left does not stop the next one."""
    person = alone(stage)
    os.kill(person.json('status')['pid'], signal.SIGKILL)
    person.cli('history')
    stop(person)


def test_activated(stage):
    """The session bus starts it where it can; a bus that cannot, or leads elsewhere, is no obstacle."""
    person = alone(stage)
    services, marker = os.path.join(person.folder, 'services'), os.path.join(person.folder, 'activated')
    wrapper, address = os.path.join(person.folder, 'wrapper'), os.path.join(person.folder, 'bus')
    os.mkdir(services)
    with open(os.path.join(services, 'org.hearby.Hearby.service'), 'w') as file:
        file.write('[D-BUS Service]\nName=org.hearby.Hearby\nExec=%s\n' % wrapper)
    with open(wrapper, 'w') as file:
        file.write('#!/bin/sh\ntouch %s\nexport HOME=%s XDG_RUNTIME_DIR=%s DBUS_SESSION_BUS_ADDRESS=unix:path=%s\n'
                   'exec %s daemon --off-air\n' % (marker, person.home, person.runtime, address, hearbytest.HEARBY))
    os.chmod(wrapper, 0o755)
    hearbytest.start_bus(stage, person.host, address, '<servicedir>%s</servicedir>' % services)
    bus = {'DBUS_SESSION_BUS_ADDRESS': 'unix:path=' + address}
    person.cli('history', env=bus)
    assert os.path.exists(marker), 'the bus did not start it'
    assert not os.path.exists(os.path.join(person.home, '.local/share/hearby/daemon.log')), 'we started it'
    person.cli('daemon', '--stop')
    os.unlink(marker)
    for other in ('unix:path=/nowhere', 'autolaunch:', 'nonsense'):
        person.cli('history', env={'DBUS_SESSION_BUS_ADDRESS': other})
        stop(person)
    with open(wrapper, 'w') as file:
        file.write('#!/bin/sh\nexit 1\n')
    person.cli('history', env=bus)
    stop(person)


def test_no_place(stage):
    """Where nothing can be written: status 7 or 8, and why."""
    person = alone(stage)
    with open(os.path.join(person.home, '.local'), 'w'):
        pass
    done = person.cli('history', check=7)
    assert '.local' in done.stderr, done.stderr


if __name__ == '__main__':
    hearbytest.main(test_detached, test_bare_environment, test_one_for_all, test_on_the_air, test_never, test_killed, test_activated,
                    test_no_place)
