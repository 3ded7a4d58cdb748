# SPDX-License-Identifier: LGPL-2.1-or-later
"""The link of the tests: processes that are read by lines, hosts in network namespaces, real avahi-daemons on them."""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

SOURCE = os.environ.get('HEARBY_SOURCE') or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get('HEARBY_BUILD') or os.path.join(SOURCE, 'build-test')
HEARBY = os.environ.get('HEARBY') or os.path.join(BUILD, 'src', 'hearby')
PATIENCE = float(os.environ.get('HEARBY_TEST_PATIENCE', '60'))  # seconds; the bound of a failure, never a wait

# The words that a healthy program never logs.
COMPLAINTS = re.compile(r'AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:|-CRITICAL \*\*|CRITICAL \*\*:|'
                        r'stack smashing|ERROR:.*assertion failed')

SANITIZERS = {
    'ASAN_OPTIONS': 'detect_leaks=1:abort_on_error=0:exitcode=99:handle_abort=1',
    'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1',
    'LSAN_OPTIONS': 'print_suppressions=0',
}

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_CLONE_NEWNET = 0x40000000


class Failed(AssertionError):
    """What a test expected did not come."""


def diag(text):
    for line in str(text).splitlines():
        print('# ' + line, flush=True)


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Lines:
    """A process whose output is read line by line in the background; the lines are kept, and can be waited for."""

    def __init__(self, argv, *, env=None, stdin=subprocess.PIPE, merge=True, name=None):
        self.name = name or os.path.basename(argv[0])
        self.lines = []           # stdout, and stderr if merge
        self.errors = []          # stderr if not merge
        self.cursor = 0
        self._changed = threading.Condition()
        self._open = 1 if merge else 2
        self.process = subprocess.Popen(argv, env=env, stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT if merge else subprocess.PIPE,
                                        preexec_fn=_die_with_parent, start_new_session=True)
        self._follow(self.process.stdout, self.lines)
        if not merge:
            self._follow(self.process.stderr, self.errors)

    def _follow(self, pipe, into):
        def run():
            for raw in pipe:
                with self._changed:
                    into.append(raw.decode('utf-8', 'replace').rstrip('\n'))
                    self._changed.notify_all()
            with self._changed:
                self._open -= 1
                self._changed.notify_all()
        threading.Thread(target=run, daemon=True).start()

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def write(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def _find(self, match):
        while self.cursor < len(self.lines):
            line = self.lines[self.cursor]
            self.cursor += 1
            found = match(line)
            if found:
                return found
        return None

    def wait_line(self, match, timeout=None):
        """The first line, after the last one waited for, that @match (a regex or a function) accepts: what it returned."""
        if isinstance(match, str):
            match = re.compile(match).search
        deadline = time.monotonic() + (timeout or PATIENCE)
        with self._changed:
            while True:
                found = self._find(match)
                if found:
                    return found
                left = deadline - time.monotonic()
                if left <= 0 or not self._open:
                    raise Failed('%s: %s before the line that was waited for; it said:\n%s' % (
                        self.name, 'ended' if not self._open else 'too long', self.text()[-3000:]))
                self._changed.wait(left)

    def wait_change(self, seen, timeout):
        """Until there are more lines than @seen; their number. FALSE when it takes too long."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.lines) > seen or not self._open, timeout)
            return len(self.lines)

    def text(self):
        with self._changed:
            return '\n'.join(self.lines + self.errors)

    def wait_exit(self, timeout=None):
        """Its exit status; all that it said has been read then."""
        status = self.process.wait(timeout or PATIENCE)
        with self._changed:
            self._changed.wait_for(lambda: not self._open, timeout or PATIENCE)
        return status

    def kill(self, number=signal.SIGKILL):
        """Sends a signal; for SIGKILL waits until it is gone."""
        if self.alive():
            self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait(PATIENCE)

    def stop(self, timeout=None):
        self.kill(signal.SIGTERM)
        try:
            return self.wait_exit(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed('%s did not end on SIGTERM' % self.name)


class Lan:
    """A bridge in the test's namespace. Multicast reaches all that are on it (no snooping)."""

    def __init__(self, stage, number):
        self.number, self.bridge = number, 'lan%d' % number
        self.hosts = 0
        run_here(['ip', 'link', 'add', self.bridge, 'type', 'bridge', 'mcast_snooping', '0', 'stp_state', '0', 'forward_delay', '0'])
        sysctl('net/ipv6/conf/%s/disable_ipv6' % self.bridge, '1')
        run_here(['ip', 'link', 'set', self.bridge, 'up'])

    def take_address(self):
        self.hosts += 1
        return '10.77.%d.%d' % (self.number, self.hosts)

    @property
    def gateway(self):
        return '10.77.%d.254' % self.number


def run_here(argv, **options):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode:
        raise Failed('%s: exit %d: %s' % (' '.join(argv), done.returncode, done.stdout.decode('utf-8', 'replace')))
    return done.stdout.decode()


def sysctl(name, value):
    with open('/proc/sys/' + name, 'w') as file:
        file.write(value)


class Interface:
    def __init__(self, host, name, lan, number, address):
        self.host, self.name, self.lan, self.address = host, name, lan, address
        self.outside = 'v%d.%d' % (host.number, number)

    def cut(self):
        """Silence: nothing passes, and neither side is told."""
        run_here(['ip', 'link', 'set', self.outside, 'nomaster'])

    def heal(self):
        run_here(['ip', 'link', 'set', self.outside, 'master', self.lan.bridge])

    def down(self):
        self.host.run('ip', 'link', 'set', self.name, 'down')

    def up(self):
        self.host.run('ip', 'link', 'set', self.name, 'up')
        for command in self.host.routes:
            self.host.run(*command, check=False)


HOST_SETUP = '''
set -e
hostname "$1"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/dbus /run/avahi-daemon
if grep -q ^avahi: /etc/passwd; then
  sed 's/^avahi:x:[0-9]*:[0-9]*:/avahi:x:0:0:/' /etc/passwd > /run/passwd
  sed 's/^avahi:x:[0-9]*:/avahi:x:0:/' /etc/group > /run/group
  mount --bind /run/passwd /etc/passwd
  mount --bind /run/group /etc/group
fi
cat /proc/sys/kernel/random/uuid > /run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
for f in all default; do
  for key in accept_dad dad_transmits router_solicitations; do echo 0 > /proc/sys/net/ipv6/conf/$f/$key; done
done
ip link set lo up
echo ready
cat > /dev/null
'''

SYSTEM_BUS = '''<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=%(socket)s</listen>
  <auth>EXTERNAL</auth>
  %(services)s
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/>
    <allow receive_sender="*"/><allow eavesdrop="true"/>
  </policy>
</busconfig>
'''

AVAHI_CONF = '''[server]
host-name=%(host)s
use-ipv4=%(v4)s
use-ipv6=%(v6)s
enable-dbus=yes
%(server)s
[publish]
publish-hinfo=no
publish-workstation=no
%(publish)s
[wide-area]
enable-wide-area=no
'''


class Host:
    """A machine: its own network, host name and /run, on one or more Lans as eth0, eth1, ….

    ipv4, ipv6: which families it has (IPv6 is link-local only)."""

    def __init__(self, stage, name, lans, ipv4=True, ipv6=True):
        self.stage, self.name, self.ipv4, self.ipv6 = stage, name, ipv4, ipv6
        self.number = len(stage.hosts) + 1
        self.avahi = self.bus = None
        self.routes = []
        self.holder = Lines(['unshare', '-n', '-m', '-u', '--', 'sh', '-c', HOST_SETUP, 'host', name], name='host ' + name)
        self.holder.wait_line('^ready$')
        self.interfaces = [self._plug(lan, i) for i, lan in enumerate(lans)]
        stage.hosts.append(self)

    def _plug(self, lan, number):
        link = Interface(self, 'eth%d' % number, lan, number, lan.take_address() if self.ipv4 else None)
        run_here(['ip', 'link', 'add', link.outside, 'type', 'veth', 'peer', 'name', link.name, 'netns', str(self.holder.pid)])
        sysctl('net/ipv6/conf/%s/disable_ipv6' % link.outside, '1')
        run_here(['ip', 'link', 'set', link.outside, 'master', lan.bridge, 'up'])
        script = '' if self.ipv6 else 'echo 1 > /proc/sys/net/ipv6/conf/%s/disable_ipv6; ' % link.name
        if link.address:
            script += 'ip addr add %s/24 dev %s; ' % (link.address, link.name)
        self.run('sh', '-ec', script + 'ip link set %s up' % link.name)
        return link

    @property
    def link(self):
        return self.interfaces[0]

    @property
    def address(self):
        return self.interfaces[0].address

    def link_local(self, interface=0):
        shown = self.run('ip', '-6', '-o', 'addr', 'show', 'dev', 'eth%d' % interface, 'scope', 'link')
        return re.search(r'inet6 ([0-9a-f:]+)/', shown).group(1)

    def default_route(self, lan):
        command = ['ip', 'route', 'replace', 'default', 'via', lan.gateway]
        self.routes.append(command)
        self.run(*command)

    def argv(self, *argv):
        """@argv as it is run on this host."""
        return ['nsenter', '-t', str(self.holder.pid), '-n', '-m', '-u', '--', *argv]

    def run(self, *argv, check=True, **options):
        """Runs a command to its end; its output (both kinds)."""
        if check:
            return run_here(self.argv(*argv), **options)
        return subprocess.run(self.argv(*argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options).stdout.decode()

    def popen(self, *argv, env=None, **options):
        """Starts a command in the background: a Lines that the stage ends."""
        return self.stage.own(Lines(self.argv(*argv), env=env or clean_environment(), name=os.path.basename(argv[0]), **options))

    def inside(self, function):
        """Calls @function with this host's network, in a thread of its own: a socket it makes stays on this host."""
        result = []

        def run():
            try:
                with open('/proc/%d/ns/net' % self.holder.pid) as namespace:
                    if _libc.setns(namespace.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), 'setns')
                result.append((function(), None))
            except BaseException as error:  # handed to the caller
                result.append((None, error))
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if result[0][1]:
            raise result[0][1]
        return result[0][0]

    def multicast(self, data):
        """Sends one mDNS packet to the link, as a responder on this host would (IPv4)."""
        def make():
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                sender.setsockopt(socket.SOL_SOCKET, option, 1)
            sender.bind(('', 5353))
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self.address))
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            return sender
        with self.inside(make) as sender:
            sender.sendto(data, ('224.0.0.251', 5353))

    def start_bus(self, services=''):
        if self.bus and self.bus.alive():
            return
        self.bus = start_bus(self.stage, self, '/run/dbus/system_bus_socket', services)

    def start_avahi(self, server='', publish='', activatable=False):
        """A real avahi-daemon on a private system bus; returns when it is up. @server, @publish: more lines of its settings."""
        conf = os.path.join(self.stage.folder, 'avahi-%s.conf' % self.name)
        with open(conf, 'w') as file:
            file.write(AVAHI_CONF % dict(host=self.name, server=server, publish=publish,
                                         v4='yes' if self.ipv4 else 'no', v6='yes' if self.ipv6 else 'no'))
        argv = [find_program('avahi-daemon'), '--no-drop-root', '--no-chroot', '--no-rlimits', '-f', conf]
        services = ''
        if activatable:
            folder = os.path.join(self.stage.folder, 'services-' + self.name)
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, 'org.freedesktop.Avahi.service'), 'w') as file:
                file.write('[D-BUS Service]\nName=org.freedesktop.Avahi\nExec=%s\n' % ' '.join(argv))
            services = '<servicedir>%s</servicedir>' % folder
        self.start_bus(services)
        self.run('rm', '-f', '/run/avahi-daemon/pid')
        self.avahi = self.popen(*argv)
        self.avahi.wait_line('Server startup complete')

    def publish(self, instance, port, *txt):
        """Announces a stranger by avahi-publish (needs start_avahi()); ends with kill() or stop()."""
        publisher = self.popen('avahi-publish', '-s', instance, '_presence._tcp', str(port), *txt)
        publisher.wait_line('Established under name')
        return publisher


def start_bus(stage, host, path, services=''):
    conf = os.path.join(stage.folder, 'bus-%s-%d.conf' % (host.name, len(stage.owned)))
    with open(conf, 'w') as file:
        file.write(SYSTEM_BUS % dict(socket=path, services=services))
    host.run('rm', '-f', path)
    bus = host.popen('dbus-daemon', '--nofork', '--nopidfile', '--nosyslog', '--print-address', '--config-file', conf)
    bus.wait_line('^unix:')
    return bus


def dns_name(*labels):
    return b''.join(bytes([len(label.encode())]) + label.encode() for label in labels) + b'\0'


def dns_record(owner, kind, ttl, data):
    return dns_name(*owner) + struct.pack('>HHIH', kind, 1, ttl, len(data)) + data


def dns_answer(*records):
    return struct.pack('>HHHHHH', 0, 0x8400, 0, len(records), 0, 0) + b''.join(records)


def killer_packet():
    """One answer that aborts libavahi-core 0.8 wherever _presence._tcp is browsed (browse.c, lookup_multicast_callback): an alias
    for the service type, and a record at its target that expires a second later."""
    service, target = ('_presence', '_tcp', 'local'), ('x', 'local')
    return dns_answer(dns_record(service, 5, 120, dns_name(*target)), dns_record(target, 12, 1, dns_name('z', *service)))


def service_packet(instance, host, address, former=None):
    """One answer: @instance is at port 5298 of @host, which has @address (IPv4), and no longer at @former, another host."""
    service = ('_presence', '_tcp', 'local')
    name = (instance, *service)

    def at(machine, ttl):
        return dns_record(name, 33, ttl, struct.pack('>HHH', 0, 0, 5298) + dns_name(machine, 'local'))
    return dns_answer(dns_record(service, 12, 120, dns_name(*name)), at(host, 120), *([at(former, 0)] if former else []),
                      dns_record(name, 16, 120, b'\x09txtvers=1'), dns_record((host, 'local'), 1, 120, socket.inet_aton(address)))


@contextlib.contextmanager
def repeated(act, every=0.1):
    """Nobody sees when somebody else hears, and a packet may be lost: it is said from before on, and again."""
    over = threading.Event()

    def run():
        act()
        while not over.wait(every):
            act()
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def find_program(name):
    found = shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
    if not found:
        raise Failed('%s is not installed' % name)
    return found


def clean_environment(**more):
    env = {'PATH': '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', 'LANG': 'C.UTF-8', **SANITIZERS}
    for name in ('ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS'):
        if name in os.environ:
            env[name] += ':' + os.environ[name]
    env.update(more)
    return env


def end_orphans():
    """Processes that detached from us became our children again (subreaper): end them all."""
    while True:
        children = []
        for task in os.listdir('/proc/self/task'):
            with contextlib.suppress(OSError), open('/proc/self/task/%s/children' % task) as file:
                children += [int(pid) for pid in file.read().split()]
        if not children:
            return
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def enter_namespaces():
    """Runs this program again in a user (unless root), mount and network namespace of its own."""
    if os.environ.get('HEARBY_TEST_INSIDE') == str(os.getpid()):
        return
    kinds = '-nm' if os.geteuid() == 0 else '-Urnm'
    # unshare becomes us, in the same process: the number tells that nobody else inherited the mark
    os.environ['HEARBY_TEST_INSIDE'] = str(os.getpid())
    os.execvp('unshare', ['unshare', kinds, '--propagation', 'private', '--', sys.executable, *sys.argv])


def become_subreaper():
    """What detaches itself from a process of ours becomes our child again, for end_orphans()."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
