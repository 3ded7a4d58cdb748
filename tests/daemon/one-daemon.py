#!/usr/bin/python3
"""One daemon serves one data folder: whoever comes first, cron or the desktop, and whatever a crash left behind."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import select
import signal
import subprocess
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbylink import SYSTEM_BUS, clean_environment, start_bus
from hearbytest import HEARBY, equal
from messagebus import NAME, MessageBus


def alone(stage, **options):
    return stage.person(stage.lonely_host('pronto'), 'juliet', discovery='off', start=False, **options)


def data(person, name):
    return os.path.join(person.home, '.local/share/hearby', name)


def pid_of(person):
    return person.json('status')['pid']


def bare(person, *args, **more):
    """A verb with nothing but PATH and HOME, as cron runs it."""
    env = clean_environment(HOME=person.home, **more)
    del env['LANG']
    return subprocess.run(person.host.argv(HEARBY, *args), env=env, check=True, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True).stdout


def daemons(person):
    """The processes that hold the lock or wait for it."""
    lock = os.stat(data(person, 'lock'))
    found = set()
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            for fd in os.listdir('/proc/%s/fd' % pid):
                file = os.stat('/proc/%s/fd/%s' % (pid, fd))
                if (file.st_dev, file.st_ino) == (lock.st_dev, lock.st_ino):
                    found.add(int(pid))
        except OSError:
            pass
    return found


def only(person, pid):
    """@pid is the one that stays; those that came too late go."""
    for other in daemons(person) - {pid}:
        try:
            ended = os.pidfd_open(other)
        except ProcessLookupError:
            continue
        equal(bool(select.select([ended], [], [], hearbytest.PATIENCE)[0]), True, 'the end of another daemon')
        os.close(ended)
    equal(daemons(person), {pid})


def test_cron_first_desktop_later(stage):
    """A verb without any bus starts it; `hearby daemon` in a session makes it serve that session's bus too, and leaves."""
    person = alone(stage)
    bare(person, 'history')
    first = hearbytest.json.loads(bare(person, 'status', '--json'))['pid']
    start_bus(stage, person.host, person.runtime + '/bus')
    session = MessageBus(person.runtime + '/bus')
    equal(session.owner(), None)
    address = 'unix:path=%s/bus' % person.runtime
    for _ in range(2):                                                   # the second time nothing is left to do
        done = subprocess.run(person.host.argv(HEARBY, 'daemon', '--off-air'), stdin=subprocess.DEVNULL,
                              env=person.environment(DBUS_SESSION_BUS_ADDRESS=address), capture_output=True, text=True)
        equal((done.returncode, done.stdout), (0, ''), done.stderr)
        equal(session.pid(), first, 'the owner of the name')
    only(person, first)
    equal(session.call(hearbytest.ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', hearbytest.MANAGER, 'OnAir'), [False])

    # without --off-air the user is on the air from now on
    done = subprocess.run(person.host.argv(HEARBY, 'daemon'), stdin=subprocess.DEVNULL,
                          env=person.environment(DBUS_SESSION_BUS_ADDRESS=address), capture_output=True, text=True)
    equal((done.returncode, session.pid()), (0, first))
    equal(session.call(hearbytest.ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', hearbytest.MANAGER, 'OnAir'), [True])

    # over the session bus only the private socket's own method is refused
    try:
        session.manager('JoinBus', 'sa{sv}', address, {})
    except hearbytest.BusError as error:
        equal(error.name, 'AccessDenied')
    else:
        raise hearbytest.Failed('anybody may send it to another bus')
    session.match("member='NameOwnerChanged'")
    bare(person, 'daemon', '--stop')
    session.wait_signal(lambda m: m.member == 'NameOwnerChanged' and m.args[0] == NAME and m.args[2] == '')


def test_a_session_ends_and_another_begins(stage):
    """The bus goes away: the daemon stays, and joins the next one."""
    person = alone(stage)
    bare(person, 'history')
    first = pid_of(person)
    for _ in range(2):
        bus = start_bus(stage, person.host, person.runtime + '/bus')
        done = subprocess.run(person.host.argv(HEARBY, 'daemon', '--off-air'), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=person.environment(DBUS_SESSION_BUS_ADDRESS='unix:path=%s/bus' % person.runtime))
        equal(done.returncode, 0, done.stderr)
        session = MessageBus(person.runtime + '/bus')
        equal(session.pid(), first)
        bus.kill()
        session.close()
        equal(pid_of(person), first)
    bare(person, 'daemon', '--stop')


def test_ten_verbs_at_once(stage):
    person = alone(stage, bus=True)
    running = [subprocess.Popen(person.host.argv(HEARBY, *verb), env=person.environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for verb in [('history',), ('status',), ('config',), ('alias',), ('peers',)] * 2]
    said = [process.communicate(timeout=hearbytest.PATIENCE)[0] for process in running]
    equal([process.returncode for process in running], [0] * 10, said)
    only(person, pid_of(person))
    person.cli('daemon', '--stop')


def test_what_a_crash_leaves(stage):
    """A lock file with a dead daemon's address, its socket, and a socket that never was one."""
    person = alone(stage)
    person.cli('history')
    for break_it in (lambda: None,
                     lambda: os.truncate(data(person, 'lock'), 0),
                     lambda: open(data(person, 'lock'), 'w').write('unix:path=/nowhere/at/all\n1\n') and None,
                     lambda: open(data(person, 'lock'), 'w').write('\0' * 100000) and None):
        os.kill(pid_of(person), signal.SIGKILL)
        break_it()
        person.cli('history')
        only(person, pid_of(person))
    os.kill(pid_of(person), signal.SIGKILL)
    stale = os.path.join(person.runtime, 'hearby', 'bus')
    if os.path.exists(stale):
        os.unlink(stale)
    with open(stale, 'w') as file:
        file.write('this is no socket')
    person.cli('history')
    person.cli('daemon', '--stop')


def test_one_goes_another_comes(stage):
    """A daemon that was told to end, by a logout perhaps, is no obstacle for the verb that comes right behind."""
    person = alone(stage)
    person.cli('history')
    for _ in range(10):
        os.kill(pid_of(person), signal.SIGTERM)
        with open(data(person, 'lock')) as file:
            while file.read().startswith('unix:'):                       # until it has begun to end
                file.seek(0)
        person.cli('history')
    person.cli('daemon', '--stop')


def test_two_data_folders_share_a_runtime_folder(stage):
    host = stage.lonely_host('pronto')
    juliet = stage.person(host, 'juliet', discovery='off', start=False)
    romeo = stage.person(host, 'romeo', discovery='off', start=False, settings={'port': 5299})
    romeo.runtime = juliet.runtime
    juliet.cli('history')
    romeo.cli('history')
    pids = {pid_of(juliet), pid_of(romeo)}
    equal(len(pids), 2, 'the number of daemons')
    for person in (juliet, romeo):
        equal(person.cli('config', 'instance').stdout.strip(), person.instance)
    os.kill(pid_of(juliet), signal.SIGKILL)              # romeo's is not taken for hers
    equal(pid_of(romeo) in pids, True)
    juliet.cli('history')
    equal(pid_of(juliet) in pids, False)
    for person in (juliet, romeo):
        person.cli('daemon', '--stop')


def test_without_a_runtime_folder(stage):
    """The socket is beside the lock, and nobody else may open it."""
    person = alone(stage)
    bare(person, 'history')
    with open(data(person, 'lock')) as file:
        path = file.readline().strip().removeprefix('unix:path=')
    equal(path, data(person, 'bus'))
    equal(os.stat(os.path.dirname(path)).st_mode & 0o77, 0)
    bare(person, 'daemon', '--stop')
    equal(os.path.exists(path), False)


def test_activation(stage):
    """The session bus starts it for whoever calls it, by the file that is installed; off the air."""
    person = alone(stage)
    folder = os.path.join(stage.folder, 'services')
    os.makedirs(folder)
    source = os.path.join(hearbytest.SOURCE, 'data', NAME + '.service.in')
    with open(source) as file:
        text = file.read().replace('@bindir@/hearby', HEARBY)
    text = ''.join(line for line in text.splitlines(True) if not line.startswith('SystemdService'))   # no systemd here
    with open(os.path.join(folder, NAME + '.service'), 'w') as file:
        file.write(text)
    config = os.path.join(stage.folder, 'activating.conf')
    with open(config, 'w') as file:
        file.write(SYSTEM_BUS % dict(socket=person.runtime + '/bus', services='<servicedir>%s</servicedir>' % folder))
    env = person.environment(DBUS_SESSION_BUS_ADDRESS='unix:path=%s/bus' % person.runtime)
    bus = person.host.popen('dbus-daemon', '--nofork', '--nopidfile', '--nosyslog', '--print-address', '--config-file', config, env=env)
    bus.wait_line('^unix:')
    clients = [MessageBus(person.runtime + '/bus') for _ in range(5)]
    for client in clients:                                           # all at once
        client.post(hearbytest.ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', hearbytest.MANAGER, 'OnAir')
    equal([client.call(hearbytest.ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', hearbytest.MANAGER, 'OnAir')
           for client in clients], [[False]] * 5)
    pid = clients[0].pid()
    only(person, pid)
    equal(pid_of(person), pid)                                       # and the verbs find the same
    person.cli('daemon', '--stop')


if __name__ == '__main__':
    hearbytest.main(test_cron_first_desktop_later, test_a_session_ends_and_another_begins, test_ten_verbs_at_once,
                    test_what_a_crash_leaves, test_one_goes_another_comes, test_two_data_folders_share_a_runtime_folder, test_without_a_runtime_folder,
                    test_activation)
