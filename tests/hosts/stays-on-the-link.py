#!/usr/bin/python3
"""Not one packet goes anywhere but to the link's multicast groups and to the hosts on it, even where there is a way out."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import ipaddress
import os
import socket
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest

ALLOWED = [ipaddress.ip_network(net) for net in ('10.77.1.0/24', '224.0.0.251/32', '224.0.0.22/32', 'fe80::/10', 'ff02::/16')]


def destination(frame):
    """Where an Ethernet frame's IP packet goes; None for another protocol."""
    kind = int.from_bytes(frame[12:14], 'big')
    if kind == 0x0800:
        return ipaddress.ip_address(frame[30:34])
    if kind == 0x86dd:
        return ipaddress.ip_address(frame[38:54])
    return None


def test_destinations(stage):
    lan = stage.lan()
    pronto, forza = stage.host('pronto', lan), stage.host('forza', lan)
    stage.route(lan)                       # a default route: the temptation
    capture = pronto.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
    capture.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    juliet, romeo = stage.person(pronto, 'juliet'), stage.person(forza, 'romeo')
    juliet.wait_online(romeo)
    romeo.wait_online(juliet)
    for me, other in ((juliet, romeo), (romeo, juliet)):
        me.cli('send', '--wait=delivered', other.instance, 'see https://example.org/')
    juliet.cli('status', 'away', 'lunch')
    juliet.stop()

    capture.setblocking(False)
    seen = {}
    while True:
        try:
            frame, (_, _, kind, _, _) = capture.recvfrom(65536)
        except BlockingIOError:
            break
        if kind == socket.PACKET_OUTGOING and destination(frame):
            seen[destination(frame)] = seen.get(destination(frame), 0) + 1
    capture.close()
    hearbytest.diag('sent to: ' + ', '.join('%s (%d)' % item for item in sorted(seen.items(), key=str)))
    if not seen:
        raise hearbytest.Failed('nothing was captured: this test tests nothing')
    for address in seen:
        if not any(address.version == net.version and address in net for net in ALLOWED):
            raise hearbytest.Failed('a packet went to %s' % address)


if __name__ == '__main__':
    hearbytest.main(test_destinations)
