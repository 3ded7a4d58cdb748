#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two who want the same name: one of them becomes "-1" before the @, and both see each other and never themselves."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

import hearbytest  # noqa: E402
from hearbytest import equal  # noqa: E402
from probe_discovery import BACKENDS, Probe, fence  # noqa: E402

NAME, OTHER = 'juliet@pronto', 'juliet-1@pronto'


def name_of(probe):
    published = probe.all('published')
    return published[-1][1] if published else ''


def expect_both(stage, first, second):
    """One is called NAME and one OTHER in the end (which one is a matter of milliseconds), and each sees the other one only."""
    third = Probe(stage, stage.host('third'))
    third.wait_names(NAME, OTHER)
    first.wait_until(lambda: sorted(name_of(probe) for probe in (first, second)) == [OTHER, NAME], 'two names')
    winner, loser = (first, second) if name_of(first) == NAME else (second, first)
    winner.wait_names(OTHER)
    loser.wait_names(NAME)
    equal([name_of(loser), name_of(winner)], [OTHER, NAME], 'names')
    loser.quit()
    winner.wait_names()


def one_after_the_other(stage, kinds):
    first, second = Probe(stage, stage.host('one'), kinds[0]), Probe(stage, stage.host('two'), kinds[1])
    equal(first.publish(NAME), NAME, 'name')
    second.once('seen', NAME)
    second.do('publish', NAME, 5299)
    expect_both(stage, first, second)


def at_the_same_time(stage, kinds):
    probes = [Probe(stage, stage.host(name), kind) for name, kind in zip(('one', 'two'), kinds)]
    for probe in probes:
        probe.once('ready')
    for number, probe in enumerate(probes):
        probe.do('publish', NAME, 5298 + number, 'txtvers=1')
    expect_both(stage, *probes)


def on_one_machine(stage, kinds):
    host = stage.host('pronto')
    if 'avahi' in kinds:
        host.start_avahi()
    first, second = (Probe(stage, host, kind) for kind in kinds)
    equal(first.publish(NAME), NAME, 'name')
    second.once('ready')
    second.do('publish', NAME, 5299)  # with the same port it would be the same record
    expect_both(stage, first, second)


def links_that_join(stage, kinds):
    """The name was free on each of two links, until they became one."""
    one, two = stage.host('one'), stage.host('two')
    two.link.cut()
    first, second = Probe(stage, one, kinds[0]), Probe(stage, two, kinds[1])
    equal([first.publish(NAME), second.publish(NAME, port=5299)], [NAME, NAME], 'names')
    two.link.heal()
    # The conflict shows as soon as one of the two says his record again. Only one: when both probe at once, one may win by its SRV
    # and the other by its TXT, and libavahi 0.8 has both lose then.
    first.do('update', 'txtvers=1', 'status=dnd')
    expect_both(stage, first, second)


def same_host_name(stage, kinds):
    """Two machines of one name: one is renamed, and both addresses are found all the same."""
    one, two = stage.host('pronto'), stage.host('pronto')
    first, second = Probe(stage, one, kinds[0]), Probe(stage, two, kinds[1])
    first.publish('romeo@pronto')
    second.publish(NAME)
    third = fence(stage, stage.host('wall'), first, second)
    third.once('seen', NAME, None, 'ipv4', two.address)
    third.once('seen', 'romeo@pronto', None, 'ipv4', one.address)
    first.once('seen', NAME, None, 'ipv4', two.address)
    second.once('seen', 'romeo@pronto', None, 'ipv4', one.address)
    hosts = {probe.all('ready')[-1][1] for probe in (first, second)}
    equal(len(hosts), 2, 'number of host names in %r' % hosts)


def tests():
    mixed = [(a, b) for a in BACKENDS for b in BACKENDS]
    for what in (one_after_the_other, on_one_machine):
        for kinds in mixed:
            yield '%s, %s and %s' % (what.__name__.replace('_', ' '), *kinds), lambda stage, w=what, k=kinds: w(stage, k)
    for what in (at_the_same_time, links_that_join, same_host_name):
        for kind in BACKENDS:
            yield '%s, %s' % (what.__name__.replace('_', ' '), kind), lambda stage, w=what, k=kind: w(stage, (k, k))


if __name__ == '__main__':
    hearbytest.main(*tests())
