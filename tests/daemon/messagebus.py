"""A client of a dbus-daemon, and services on it: what the private socket's Bus cannot: names."""
# SPDX-License-Identifier: LGPL-2.1-or-later

from hearbybus import Bus
from hearbytest import Failed

DRIVER = ('/org/freedesktop/DBus', 'org.freedesktop.DBus')
NAME = 'org.hearby.Hearby'


class MessageBus(Bus):
    """A connection to the dbus-daemon at @path; methods are those of Bus, and go to @destination (the messenger)."""

    def __init__(self, path):
        self.destination = NAME
        self.open(path)
        self.name = self.driver('Hello')[0]

    def post(self, path, interface, member, signature='', *args):
        return self.send(1, {1: ('o', path), 2: ('s', interface), 3: ('s', member), 6: ('s', self.destination)}, signature, args)

    def driver(self, member, signature='', *args):
        """Calls the dbus-daemon itself."""
        before, self.destination = self.destination, DRIVER[1]
        try:
            return self.call(DRIVER[0], DRIVER[1], member, signature, *args)
        finally:
            self.destination = before

    def match(self, rule):
        self.driver('AddMatch', 's', rule)

    def owner(self, name=NAME):
        """Who has @name, or None."""
        if not self.driver('NameHasOwner', 's', name)[0]:
            return None
        return self.driver('GetNameOwner', 's', name)[0]

    def pid(self, name=NAME):
        return self.driver('GetConnectionUnixProcessID', 's', name)[0]

    # A service -------------------------------------------------------------------------------------------------

    def own(self, name):
        if self.driver('RequestName', 'su', name, 4)[0] != 1:
            raise Failed('%s is taken' % name)

    def signal(self, path, interface, member, signature='', *args):
        self.send(4, {1: ('o', path), 2: ('s', interface), 3: ('s', member)}, signature, args)
