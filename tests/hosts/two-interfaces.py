#!/usr/bin/python3
"""Somebody on two networks is listed once, and stays online and reachable while either network carries him."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal


def two_networks(discovery):
    def run(stage):
        first, second = stage.lan(), stage.lan()
        pronto, forza = stage.host('pronto', first, second), stage.host('forza', first, second)
        juliet = stage.person(pronto, 'juliet', discovery=discovery)
        romeo = stage.person(forza, 'romeo', discovery=discovery)
        bus = romeo.on_bus()

        def interfaces():
            return {address[0] for address in bus.peers()[bus.find(juliet)]['Addresses'] if address[2] == 'mdns'}

        def wait_interfaces(wanted):
            while interfaces() != wanted:
                bus.wait_signal(lambda m: m.member == 'PropertiesChanged')

        bus.wait_peer(juliet, Online=True)
        wait_interfaces({'eth0', 'eth1'})
        equal([name for name in romeo.peers()], [juliet.instance], 'the list')

        romeo.cli('send', '--wait=delivered', juliet.instance, 'on both')
        forza.interfaces[0].down()
        wait_interfaces({'eth1'})
        equal(bus.peers()[bus.find(juliet)]['Online'], True)
        romeo.cli('send', '--wait=delivered', juliet.instance, 'on the second')
        forza.interfaces[0].up()
        wait_interfaces({'eth0', 'eth1'})
        forza.interfaces[1].down()
        wait_interfaces({'eth0'})
        romeo.cli('send', '--wait=delivered', juliet.instance, 'on the first')
        equal([name for name in romeo.peers()], [juliet.instance], 'the list')
        equal(juliet.received(), ['on both', 'on the second', 'on the first'])
    return discovery, run


def test_an_ignored_interface(stage):
    """docker0 and the like get no record of ours, and nobody there is seen."""
    first, second = stage.lan(), stage.lan()
    juliet = stage.person(stage.host('pronto', first, second), 'juliet', settings={'ignore': 'eth1'})
    romeo = stage.person(stage.host('forza', second), 'romeo')
    nurse = stage.person(stage.host('casa', first, second), 'nurse')
    juliet_bus, nurse_bus = juliet.on_bus(), nurse.on_bus()
    nurse_bus.wait_peer(romeo, Online=True)
    nurse_bus.wait_peer(juliet, Online=True)
    juliet_bus.wait_peer(nurse, Online=True)
    romeo.on_bus().wait_peer(nurse, Online=True)
    equal(juliet.online(), [nurse.instance])
    equal(romeo.online(), [nurse.instance])


if __name__ == '__main__':
    hearbytest.main(two_networks('embedded'), two_networks('avahi'), test_an_ignored_interface)
