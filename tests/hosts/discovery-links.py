#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Links of every kind: IPv6 alone, several at once, only lo, those that containers make, and those that come later."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

import hearbytest  # noqa: E402
from hearbytest import equal, run_here, sysctl  # noqa: E402
from probe_discovery import BACKENDS, Probe, fence, interface_index  # noqa: E402


def only_ipv6(stage, kind):
    one, other = stage.host('one', ipv4=False), stage.host('other', ipv4=False)
    alice, bob = Probe(stage, one, kind), Probe(stage, other, kind)
    alice.publish('alice@one')
    bob.publish('bob@other')
    index = interface_index(one, 'eth0')
    equal(alice.once('seen', 'bob@other')[2:6], [index, 'ipv6', other.link_local(), index], 'sighting')
    bob.once('seen', 'alice@one')


def two_links(stage, kind):
    """One sighting for each link and family, and each goes by itself."""
    first, second = stage.lan(), stage.lan()
    alice = Probe(stage, stage.host('one', first, second), kind)
    both = stage.host('both', first, second)
    bob = Probe(stage, both, kind)
    alice.once('ready')
    bob.publish('bob@both')
    indexes = [interface_index(alice.host, name) for name in ('eth0', 'eth1')]
    for index, link in zip(indexes, both.interfaces):
        equal(alice.once('seen', 'bob@both', index, 'ipv4')[4], link.address, 'address')
        alice.once('seen', 'bob@both', index, 'ipv6')
    bob.quit()
    for index in indexes:
        for family in ('ipv4', 'ipv6'):
            alice.once('gone', 'bob@both', index, family)
    equal(alice.names(), [], 'who is there')


def link_down(stage, kind):
    """A link that goes down takes its sightings with it, one that comes up brings them."""
    lans = stage.lan(), stage.lan()
    alice = Probe(stage, stage.host('one', *lans), kind)
    bob = Probe(stage, stage.host('both', *lans), kind)
    alice.once('ready')
    bob.publish('bob@both')
    index = interface_index(alice.host, 'eth1')
    alice.once('seen', 'bob@both', index, 'ipv6')
    alice.host.interfaces[1].down()
    alice.wait('gone', 'bob@both', index)
    equal(alice.names(), ['bob@both'], 'who is there')
    alice.host.interfaces[1].up()
    alice.wait('seen', 'bob@both', index)


def only_lo(stage, kind):
    """Two people on one machine without any network."""
    host = stage.lonely_host('lonely')
    alice, bob = Probe(stage, host, kind), Probe(stage, host, kind)
    alice.publish('alice@lonely')
    bob.publish('bob@lonely')
    equal(alice.once('seen', 'bob@lonely', '1', 'ipv4')[4], '127.0.0.1', 'address')
    bob.once('seen', 'alice@lonely', '1', 'ipv4')
    bob.quit()
    alice.wait('gone', 'bob@lonely')
    alice.expect_nothing_of('alice@lonely')


def restricted_to_lo(stage, kind):
    one, other = stage.host('one'), stage.host('other')
    outsider = Probe(stage, other, kind)
    alice, bob = (Probe(stage, one, kind, interfaces='lo') for _ in range(2))
    outsider.publish('outsider@other')
    alice.publish('alice@one')
    bob.publish('bob@one')
    bob.once('seen', 'alice@one', '1')
    alice.once('seen', 'bob@one', '1')
    fence(stage, stage.host('wall'), outsider)
    outsider.expect_nothing_of('alice@one', 'bob@one')
    alice.expect_nothing_of('outsider@other', 'fence@wall')


def plug(stage, host, lan, name):
    """One more interface of @host, on @lan."""
    outside = 'late%d' % host.number
    run_here(['ip', 'link', 'add', outside, 'type', 'veth', 'peer', 'name', name, 'netns', str(host.holder.pid)])
    sysctl('net/ipv6/conf/%s/disable_ipv6' % outside, '1')
    run_here(['ip', 'link', 'set', outside, 'master', lan.bridge, 'up'])
    host.run('sh', '-ec', 'ip addr add %s/24 dev %s; ip link set %s up' % (lan.take_address(), name, name))


def docker_link(stage, kind, late):
    """Nobody on docker0 learns of us, nor we of him, whether it was there before us or came later."""
    outside, inside = stage.lan(), stage.lan()
    host, container, other = stage.host('one', outside), stage.host('container', inside), stage.host('other', outside)
    stranger, friend = Probe(stage, container), Probe(stage, other)
    stranger.publish('stranger@container')
    if not late:
        plug(stage, host, inside, 'docker0')
    alice = Probe(stage, host, kind)
    alice.publish('alice@one')
    if late:
        plug(stage, host, inside, 'docker0')
        friend.wait_seen('alice@one')
        alice.do('update', 'txtvers=1', 'status=away')
        friend.wait_seen('alice@one', txt='txtvers=1 status=away')
    fence(stage, stage.host('wall', outside, inside), stranger, friend, alice)
    stranger.expect_nothing_of('alice@one')
    alice.expect_nothing_of('stranger@container')
    alice.quit()
    friend.wait('gone', 'alice@one')


def late_link(stage, kind):
    """Our record is published on a link that was plugged in later."""
    first, second = stage.lan(), stage.lan()
    host = stage.host('one', first)
    alice = Probe(stage, host, kind)
    alice.publish('alice@one')
    bob = Probe(stage, stage.host('other', second))
    bob.publish('bob@other')
    plug(stage, host, second, 'eth1')
    bob.wait_seen('alice@one')
    alice.once('seen', 'bob@other', interface_index(host, 'eth1'))
    equal(alice.all('published'), [['published', 'alice@one']], 'names')


def tests():
    for what in (only_ipv6, two_links, link_down, only_lo, restricted_to_lo, late_link):
        for kind in BACKENDS:
            yield '%s, %s' % (what.__name__.replace('_', ' '), kind), lambda stage, w=what, k=kind: w(stage, k)
    for late in (False, True):
        for kind in BACKENDS:
            yield 'docker link %s, %s' % ('later' if late else 'before', kind), lambda stage, k=kind, late=late: docker_link(stage, k, late)


if __name__ == '__main__':
    hearbytest.main(*tests())
