# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the Python tests share: hosts in network namespaces, people with daemons on them, scripted peers.

A test file is executable, begins with a docstring that says the behaviour, and ends in

    if __name__ == '__main__':
        hearbytest.main (test_this, test_that)

Each test is a function of one Stage, which owns everything that the test makes. main() runs the whole file again inside
namespaces of its own, so that nothing touches the real network, as root and as an ordinary user. Nothing here waits for
time: every wait is for a line, a byte or the end of a process, and the deadline is only the bound of a failure."""

import contextlib
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback

from hearbybus import AGENT, CONVERSATION, MANAGER, PEER, ROOT, TRANSFER, Bus, BusError  # noqa: F401
from hearbylink import (BUILD, COMPLAINTS, HEARBY, PATIENCE, SOURCE, Failed, Host, Lan, Lines, become_subreaper,  # noqa: F401
                        clean_environment, diag, dns_answer, dns_name, dns_record, end_orphans, enter_namespaces, find_program,
                        killer_packet, repeated, run_here, service_packet, start_bus, sysctl)

PURPLE_PEER = os.path.join(BUILD, 'tests', 'purple', 'purple-peer')


class Listener(Lines):
    """`hearby listen --json`: events as dictionaries. The daemon's own state comes first only where listen prints it."""

    def wait_for(self, predicate, timeout=None):
        """The next event that @predicate (a function, or a dictionary of keys and values) accepts."""
        if isinstance(predicate, dict):
            wanted = predicate
            predicate = lambda event: all(event.get(key) == value for key, value in wanted.items())

        def match(line):
            if not line.startswith('{'):
                return None
            event = json.loads(line)
            return event if predicate(event) else None
        return self.wait_line(match, timeout)

    def events(self):
        with self._changed:
            return [json.loads(line) for line in self.lines if line.startswith('{')]


class Person:
    """A user on a host with a home, settings and a daemon. @settings: more keys of hearby.conf.

    instance: user@machine of the settings; bus: with a private session bus; base: folder for the home (default: the stage's)."""

    def __init__(self, stage, host, name, discovery='embedded', settings=None, bus=False, base=None):
        self.stage, self.host, self.name = stage, host, name
        self.instance = '%s@%s' % (name, host.name)
        self.folder = os.path.join(base or stage.folder, '%s-%s' % (name, host.name))
        self.home = os.path.join(self.folder, 'home')
        self.runtime = os.path.join(self.folder, 'run')
        os.makedirs(os.path.join(self.home, '.config', 'hearby'))
        os.makedirs(self.runtime, mode=0o700)
        self.configure(**{'instance': self.instance, 'discovery': discovery, **(settings or {})})
        self.instance = self.settings['instance'] or self.instance
        self.bus = start_bus(stage, host, os.path.join(self.runtime, 'bus')) if bus else None
        self.daemon = None
        self.logs = []
        stage.people.append(self)

    def configure(self, **settings):
        """Writes hearby.conf; takes effect at the next start()."""
        self.settings = {**getattr(self, 'settings', {}), **settings}
        with open(os.path.join(self.home, '.config', 'hearby', 'hearby.conf'), 'w') as file:
            file.write('[hearby]\n' + ''.join('%s=%s\n' % item for item in self.settings.items()))

    def environment(self, **more):
        env = clean_environment(HOME=self.home, XDG_RUNTIME_DIR=self.runtime, USER=self.name, LOGNAME=self.name,
                                G_DEBUG='fatal-criticals')
        if self.bus:
            env['DBUS_SESSION_BUS_ADDRESS'] = 'unix:path=%s/bus' % self.runtime
        env.update(more)
        return env

    def start(self, *options, **environment):
        """Runs `hearby daemon`; returns when it said READY=1. The seconds that took."""
        path = os.path.join(self.runtime, 'notify')
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            begin = time.monotonic()
            self.daemon = self.host.popen(HEARBY, 'daemon', *options, stdin=subprocess.DEVNULL,
                                          env=self.environment(NOTIFY_SOCKET=path, **environment))
            self.logs.append(self.daemon)
            ended = os.pidfd_open(self.daemon.pid)
            try:
                self._wait_ready(notify, ended, begin + PATIENCE)
            finally:
                os.close(ended)
        return time.monotonic() - begin

    def _wait_ready(self, notify, ended, deadline):
        while True:
            ready = select.select([notify, ended], [], [], max(0, deadline - time.monotonic()))[0]
            if notify in ready:
                if b'READY=1' in notify.recv(4096):
                    return
            elif ended in ready:
                raise Failed("%s's daemon ended with %d before it was ready:\n%s" % (self.name, self.daemon.wait_exit(), self.log()))
            else:
                raise Failed("%s's daemon is not ready:\n%s" % (self.name, self.log()))

    def cli(self, *args, check=True, timeout=None, input=None, env=None):
        """Runs `hearby ARGS` to its end: a CompletedProcess of text. @check: TRUE: exit status 0; a number: that; FALSE: any."""
        done = subprocess.run(self.host.argv(HEARBY, *args), env=self.environment(**(env or {})), text=True, input=input,
                              stdin=None if input is not None else subprocess.DEVNULL, capture_output=True,
                              timeout=timeout or PATIENCE + 10)
        wanted = None if check is False else 0 if check is True else check
        if wanted is not None and done.returncode != wanted:
            raise Failed('%s: hearby %s: exit %d, not %d\n%s%s' % (
                self.name, ' '.join(args)[:300], done.returncode, wanted, done.stdout[-2000:], done.stderr[-2000:]))
        complain(done.stderr, '%s: hearby %s' % (self.name, args[0]))
        return done

    def json(self, *args, **options):
        return json.loads(self.cli(*args, '--json', **options).stdout)

    def peers(self):
        """Those who are known, by instance (by name for those without)."""
        return {peer['instance'] or peer['name']: peer for peer in self.json('peers')['peers']}

    def online(self):
        return sorted(name for name, peer in self.peers().items() if peer['online'])

    def wait_online(self, other, timeout=None):
        """Until @other (a Person or a name) is seen; the seconds that took."""
        return self._wait('online', other, timeout)

    def wait_offline(self, other, timeout=None):
        return self._wait('offline', other, timeout)

    def _wait(self, what, other, timeout):
        begin = time.monotonic()
        self.cli('wait', what, getattr(other, 'instance', other), '--timeout', '%d' % (timeout or PATIENCE))
        return time.monotonic() - begin

    def allow(self, *others):
        """The standing yes to send unencrypted."""
        for other in others:
            self.cli('policy', getattr(other, 'instance', other), 'plaintext=allow')

    def send(self, other, text, *options, **more):
        """Sends; the message's seq as text."""
        return self.cli('send', *options, getattr(other, 'instance', other), '-', input=text, **more).stdout.strip()

    def listen(self, *options, type='message,presence'):
        """`hearby listen --json` in the background."""
        return self.stage.own(Listener(self.host.argv(HEARBY, 'listen', '--json', '--type', type, *options),
                                       env=self.environment(), merge=False, name='%s: listen' % self.name))

    def consumer(self, name='test'):
        """Like listen() for messages, but complete: starts with the first message that was never acknowledged."""
        return self.listen('--consumer', name, type='message')

    def received(self, *options):
        """The bodies of incoming messages, oldest first."""
        messages = self.json('history', '-n', '1000', *options)['messages']
        return [m['body'] for m in messages if m['direction'] == 'in']

    def on_bus(self):
        """A new connection to the daemon's private socket: a Bus."""
        return Bus(self)

    def kill(self):
        """The daemon dies without a word (its responder child notices)."""
        self.daemon.kill()

    def stop(self):
        """The daemon ends as it does at logout."""
        status = self.daemon.stop()
        if status:
            raise Failed("%s's daemon ended with %d:\n%s" % (self.name, status, self.log()[-3000:]))

    def log(self):
        return '\n'.join(log.text() for log in self.logs)


def complain(log, whose):
    found = COMPLAINTS.search(log)
    if found:
        raise Failed('%s complained:\n%s' % (whose, log[max(0, found.start() - 1500):found.start() + 3000]))


class RawPeer:
    """A scripted XMPP peer: sends and expects bytes. Made by connect() or by listen() and accept()."""

    def __init__(self, connection):
        self.socket = connection
        self.buffer = b''

    @classmethod
    def connect(cls, host, address, port, timeout=None):
        family = socket.AF_INET6 if ':' in address else socket.AF_INET

        def make():
            where = socket.getaddrinfo(address, port, family, socket.SOCK_STREAM)[0][4]
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.settimeout(timeout or PATIENCE)
            connection.connect(where)
            return connection
        return cls(host.inside(make))

    @staticmethod
    def listen(host, port=0, family=socket.AF_INET):
        """A listening socket on @host; its port is .getsockname()[1]."""
        def make():
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(('::' if family == socket.AF_INET6 else '0.0.0.0', port))
            listener.listen(16)
            listener.settimeout(PATIENCE)
            return listener
        return host.inside(make)

    @classmethod
    def accept(cls, listener, timeout=None):
        listener.settimeout(timeout or PATIENCE)
        return cls(listener.accept()[0])

    def send(self, data):
        self.socket.settimeout(PATIENCE)
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def open(self, me, other, version="1.0"):
        """Sends a stream header."""
        self.send("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
                  "from='%s' to='%s'%s>" % (me, other, " version='%s'" % version if version else ''))

    def expect(self, pattern, timeout=None):
        """Reads until @pattern (a regex of bytes or text) matches what came since the last match; the match."""
        pattern = re.compile(pattern if isinstance(pattern, bytes) else pattern.encode(), re.S)
        deadline = time.monotonic() + (timeout or PATIENCE)
        while True:
            found = pattern.search(self.buffer)
            if found:
                self.buffer = self.buffer[found.end():]
                return found
            data = self._read(deadline)
            if not data:
                raise Failed('%s, not %r: %r' % ('end of stream' if data == b'' else 'too long', pattern.pattern, self.buffer[-2000:]))
            self.buffer += data

    def expect_end(self, timeout=None):
        """Reads to the end of the connection (a reset counts); everything that came since the last match."""
        deadline = time.monotonic() + (timeout or PATIENCE)
        while True:
            data = self._read(deadline)
            if data is None:
                raise Failed('the connection stays open: %r' % self.buffer[-2000:])
            if not data:
                rest, self.buffer = self.buffer, b''
                return rest
            self.buffer += data

    def _read(self, deadline):
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            return self.socket.recv(65536)
        except (socket.timeout, TimeoutError):
            return None
        except ConnectionResetError:
            return b''

    def message(self, me, other, body, id=None):
        from xml.sax.saxutils import escape
        self.send("<message from='%s' to='%s' type='chat'%s><body>%s</body></message>" % (
            me, other, " id='%s'" % id if id else '', escape(body)))

    def close(self):
        self.socket.close()


class PurplePeer:
    """Pidgin's library without a face, on a host with avahi. Messages to it are checked as the UI would get them."""

    def __init__(self, stage, host, name, base=None):
        self.stage, self.host, self.name = stage, host, name
        self.instance = '%s@%s' % (name, host.name)
        self.folder = os.path.join(base or stage.folder, 'purple-%s-%s' % (name, host.name))
        self.process = None

    def start(self):
        env = clean_environment(HOME=self.folder, ASAN_OPTIONS='detect_leaks=0')
        self.process = self.stage.own(Listener(self.host.argv(PURPLE_PEER, self.folder), env=env, merge=False, name='purple ' + self.name))
        self.command('login', user=self.instance)
        self.wait('signed-on')
        return self

    def command(self, command, **arguments):
        self.process.write(json.dumps({'command': command, **arguments}) + '\n')

    def wait(self, event, timeout=None, **wanted):
        return self.process.wait_for({'event': event, **wanted}, timeout)

    def send(self, other, text):
        """@text is plain; libpurple's own idea of HTML is made of it there."""
        self.command('send', to=getattr(other, 'instance', other), text=text)

    def quit(self):
        self.command('quit')
        return self.process.wait_exit()

    def kill(self):
        self.process.kill()


class Stage:
    """Owns what one test makes, and ends it."""

    def __init__(self, name):
        self.name = name
        self.folder = tempfile.mkdtemp(prefix='ht-', dir=os.environ.get('HEARBY_TEST_DIR'))
        self.lans, self.hosts, self.people, self.owned = [], [], [], []

    def lan(self):
        lan = Lan(self, len(self.lans) + 1)
        self.lans.append(lan)
        return lan

    def host(self, name, *lans, avahi=False, **options):
        """A host on @lans (default: the first one of the stage)."""
        if not lans:
            lans = (self.lans[0] if self.lans else self.lan(),)
        host = Host(self, name, lans, **options)
        if avahi:
            host.start_avahi()
        return host

    def lonely_host(self, name):
        """A host with nothing but lo."""
        return Host(self, name, ())

    def route(self, *lans):
        """Connects @lans by a router, which does not pass multicast; for the hosts there are so far."""
        sysctl('net/ipv4/ip_forward', '1')
        for lan in lans:
            run_here(['ip', 'addr', 'add', lan.gateway + '/24', 'dev', lan.bridge])
        for host in self.hosts:
            host.default_route(host.interfaces[0].lan)

    def person(self, host, name, discovery='embedded', settings=None, start=True, **options):
        if discovery == 'avahi' and not host.avahi:
            host.start_avahi()
        person = Person(self, host, name, discovery, settings, **options)
        if start:
            person.start()
        return person

    def purple(self, host, name, **options):
        if not host.avahi:
            host.start_avahi()
        return PurplePeer(self, host, name, **options).start()

    def own(self, process):
        self.owned.append(process)
        return process

    def check(self):
        """Nobody complained in his log."""
        for person in self.people:
            complain(person.log(), "%s's daemon" % person.name)

    def finish(self):
        """The daemons end as at logout, so that leaks show; then the check."""
        for person in self.people:
            if person.daemon and person.daemon.alive():
                person.stop()
        self.check()

    def close(self):
        for process in reversed(self.owned):
            with contextlib.suppress(Exception):
                process.kill()
        for host in self.hosts:
            with contextlib.suppress(Exception):
                host.holder.kill()
        end_orphans()
        for name in [link.outside for host in self.hosts for link in host.interfaces] + [lan.bridge for lan in self.lans]:
            subprocess.run(['ip', 'link', 'del', name], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def show_logs(self):
        for person in self.people:
            ends = ', '.join('runs' if log.alive() else 'ended with %d' % log.process.returncode for log in person.logs)
            diag("---- log of %s's daemon (%s)" % (person.name, ends))
            diag(person.log()[-6000:])


def equal(got, wanted, what=''):
    if got != wanted:
        raise Failed('%s is\n  %.1500r\nnot\n  %.1500r' % (what or 'it', got, wanted))


def quick_enough(limit, act, again=None, tries=10):
    """Calls @act, which returns the seconds that something took, until that was no more than @limit; @again, if any, before each
    further try. A busy machine makes anything slow now and then, and a program that waits is slow each time."""
    took = [act()]
    while took[-1] > limit:
        if len(took) == tries:
            raise Failed('that takes %s seconds, and may take %.1f' % (', '.join('%.2f' % each for each in took), limit))
        if again:
            again()
        took.append(act())
    return took[-1]


def run_one(number, name, function):
    stage = Stage(name)
    begin = time.monotonic()
    try:
        function(stage)
        stage.finish()
        print('ok %d - %s # %.1f s' % (number, name, time.monotonic() - begin), flush=True)
        return True
    except Exception:
        print('not ok %d - %s # %.1f s' % (number, name, time.monotonic() - begin), flush=True)
        diag(traceback.format_exc())
        stage.show_logs()
        return False
    finally:
        stage.close()


def main(*tests):
    """@tests: functions of a Stage, or (name, function). Arguments of the program choose some by a part of their name."""
    enter_namespaces()
    become_subreaper()
    run_here(['ip', 'link', 'set', 'lo', 'up'])
    named = [test if isinstance(test, tuple) else (test.__name__.removeprefix('test_').replace('_', ' '), test) for test in tests]
    chosen = [test for test in named if not sys.argv[1:] or any(word in test[0] for word in sys.argv[1:])]
    print('1..%d' % len(chosen), flush=True)
    results = [run_one(i + 1, name, function) for i, (name, function) in enumerate(chosen)]
    sys.exit(0 if results and all(results) else 1)
