"""Two people who see each other and send files, from juliet to romeo."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import json
import os
import subprocess
import sys
from types import SimpleNamespace
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from hearbybus import Bus
from hearbytest import PATIENCE, ROOT, TRANSFER, BusError, Failed
from messagebus import MessageBus

OBJECTS = 'org.freedesktop.DBus.ObjectManager'
PROPERTIES = 'org.freedesktop.DBus.Properties'


def properties(bus, path, interface=TRANSFER):
    return bus.call(path, PROPERTIES, 'GetAll', 's', interface)[0]


def offers_of(bus):
    """The paths of all transfers there are."""
    return sorted(path for path, faces in bus.call(ROOT, OBJECTS, 'GetManagedObjects')[0].items() if TRANSFER in faces)


def content_of(folder, prefix=''):
    """Every file below @folder: its path with @prefix, and what is in it."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with open(path, 'rb') as file:
                found[prefix + os.path.relpath(path, folder)] = file.read()
    return found


class Pair:
    """juliet and romeo with a connection to each one's daemon, and a folder for files."""

    def __init__(self, stage, bus=False, start=True):
        """@bus: both have a session bus as well."""
        self.stage = stage
        self.juliet = stage.person(stage.host('pronto'), 'juliet', bus=bus, start=False)
        self.romeo = stage.person(stage.host('forza'), 'romeo', bus=bus, start=False)
        self.folder = os.path.join(stage.folder, 'files')
        os.mkdir(self.folder)
        self.targets = 0
        self.offered = None
        if start:
            self.start()

    def start(self):
        self.juliet.start()
        self.romeo.start()
        self.meet()

    def meet(self):
        """New connections to both daemons, who then see each other."""
        self.juliet_bus, self.romeo_bus = self.juliet.on_bus(), self.romeo.on_bus()
        self.juliet_bus.manager('Announce', 'a{sv}', {})
        self.romeo_bus.manager('Announce', 'a{sv}', {})
        self.juliet_bus.wait_peer(self.romeo, Online=True)
        self.romeo_bus.wait_peer(self.juliet, Online=True)
        self.romeo_path, self.juliet_path = self.juliet_bus.find(self.romeo), self.romeo_bus.find(self.juliet)

    def make(self, name, content):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(content)
        return path

    def make_folder(self, name, files):
        for inner, content in files.items():
            self.make(os.path.join(name, inner), content)
        return os.path.join(self.folder, name)

    def target(self):
        """A new folder to receive into."""
        self.targets += 1
        path = os.path.join(self.stage.folder, 'target %d' % self.targets)
        os.mkdir(path)
        return path

    def send_paths(self, paths, **options):
        return self.juliet_bus.manager('SendPaths', 'aoasa{sv}', [self.romeo_path], paths, options)[0][0]

    def send_files(self, files, **options):
        return self.juliet_bus.manager('SendFiles', 'aoa(hsa{sv})a{sv}', [self.romeo_path], files, options)[0][0]

    def offer(self):
        """Waits for the next offer at romeo's; its properties. self.offered is its path."""
        def match(message):
            if message.member != 'InterfacesAdded' or TRANSFER not in message.args[1]:
                return None
            self.offered = message.args[0]
            return message.args[1][TRANSFER]
        return self.romeo_bus.wait_signal(match)

    def accept(self, **options):
        self.romeo_bus.call(self.offered, TRANSFER, 'Accept', 'a{sv}', options)

    def wait_finished(self, path, bus=None, wanted=None):
        """State and reason of Finished."""
        bus = bus or self.juliet_bus
        state = bus.wait_signal(lambda m: m.member == 'Finished' and m.path == path and m.args)
        if wanted and state[:2] != wanted:
            raise Failed('%s ended as %r, not %r' % (path, state, wanted))
        return state[:2]

    def in_sandbox(self, path, place):
        """What a program in a Flatpak is told: (error, its text, 'sent' where a descriptor is taken). @place: which bus."""
        root = os.path.join(self.stage.folder, 'root of %s' % place)
        os.mkdir(root)
        told = subprocess.check_output(
            self.juliet.host.argv('unshare', '-m', 'sh', '-c', SANDBOX, 'sh', root, sys.executable, os.path.abspath(__file__), place,
                                  self.juliet.home, self.juliet.runtime + '/bus', self.romeo_path, path), text=True, timeout=PATIENCE)
        return json.loads(told)


# A root of its own with everything in it, and Flatpak's mark.
SANDBOX = '''set -e
root=$1; shift
for place in /*; do
  [ -d "$place" ] && [ ! -L "$place" ] || { cp -P "$place" "$root$place"; continue; }
  mkdir "$root$place"; mount --rbind "$place" "$root$place"
done
: > "$root/.flatpak-info"
exec chroot "$root" "$@"'''


def sandboxed(place, home, session, to, path):
    """What in_sandbox() runs there."""
    bus = MessageBus(session) if place == 'session' else Bus(SimpleNamespace(home=home))
    told = []
    try:
        bus.manager('SendPaths', 'aoasa{sv}', [to], [path], {})
    except BusError as error:
        told = [error.name, error.message]
    with open(path, 'rb') as file:
        bus.manager('SendFiles', 'aoa(hsa{sv})a{sv}', [to], [(file, 'from the sandbox', {})], {})
    return told + ['sent']


if __name__ == '__main__':
    print(json.dumps(sandboxed(*sys.argv[1:])))
