#!/usr/bin/python3
"""One address family is enough: IPv4 alone, or IPv6 link-local alone without any router, and the addresses say which."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal


def talk(stage, first, second, wanted, **families):
    juliet = stage.person(stage.host('pronto', **families), 'juliet', discovery=first)
    romeo = stage.person(stage.host('forza', **families), 'romeo', discovery=second)
    for me, other in ((juliet, romeo), (romeo, juliet)):
        bus = me.on_bus()
        peer = bus.wait_peer(other, Online=True)
        bus.close()
        for interface, address, how, port in peer['Addresses']:
            equal((interface, how), ('eth0', 'mdns'))
            if not address.startswith(wanted) or (wanted == 'fe80:' and not address.endswith('%eth0')):
                raise hearbytest.Failed('address is %r' % address)
        events = other.consumer()
        me.cli('send', '--wait=delivered', other.instance, 'by %s' % wanted)
        equal(events.wait_for({'type': 'message'})['body'], 'by %s' % wanted)


def test(first, second, wanted, **families):
    return '%s %s and %s' % (wanted, first, second), lambda stage: talk(stage, first, second, wanted, **families)


if __name__ == '__main__':
    v4, v6 = {'ipv6': False}, {'ipv4': False}
    hearbytest.main(test('embedded', 'embedded', '10.', **v4), test('embedded', 'embedded', 'fe80:', **v6),
                    test('avahi', 'avahi', '10.', **v4), test('avahi', 'embedded', 'fe80:', **v6))
