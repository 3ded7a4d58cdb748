#!/usr/bin/python3
"""What is said is nowhere on the wire: behind <proceed/> there are records of a few sizes, and not one readable word."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import re
import sys
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import hearbytest
from hearbyattack import Capture
from hearbytest import CONVERSATION, Failed, equal

MARKER = 'wherefore art thou'
NS = rb"xmlns='urn:x-hearby:noise:0'"
CLEAR = re.compile(rb'<start [^>]*' + NS + rb"[^>]*/>|<proceed " + NS + rb'/>')
HANDSHAKE = {'start': [32, 64], 'proceed': [96]}    # Noise XX: messages 1 and 3; message 2
READABLE = re.compile(rb'[ -~\t\r\n]{24,}')         # by chance once in 10^11 bytes


def padded(size):
    """The sizes that a record's plaintext may have."""
    return size in (256, 512, 1024, 2048, 65519) or (size % 4096 == 0 and size <= 61440)


def frames(data):
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at:at + 2], 'big')
        found.append(data[at + 2:at + 2 + size])
        at += 2 + size
    return found


def check_stream(data):
    """One direction of a connection: the sizes of its records' plaintexts."""
    switch = CLEAR.search(data)
    if not switch:
        raise Failed('there is no switch to encryption in %r' % data[:3000])
    which = switch.group(0)[1:].split()[0].decode()
    rest = frames(data[switch.end():])
    handshake = HANDSHAKE[which]
    equal([len(frame) for frame in rest[:len(handshake)]], handshake, 'what is behind <%s/>' % which)
    sizes = [len(frame) - 16 for frame in rest[len(handshake):]]
    odd = [size for size in sizes if not padded(size)]
    equal(odd, [], 'sizes that tell something')
    readable = READABLE.search(data[switch.end():])
    if readable:
        raise Failed('readable behind <%s/>: %r' % (which, readable.group(0)))
    return sizes


def talk(juliet, romeo):
    romeo.send(juliet, MARKER + ', first', '--wait=delivered')
    juliet.send(romeo, MARKER + '? ' + 'x' * 60000, '--wait=delivered')
    bus = romeo.on_bus()
    bus.call(bus.find(juliet).replace('/peers/', '/conversations/'), CONVERSATION, 'SetTyping', 'sa{sv}', 'composing', {})
    romeo.send(juliet, 'ok', '--wait=delivered')
    bus.close()


def test_two_of_us(stage):
    pronto, forza = stage.host('pronto'), stage.host('forza')
    capture = Capture(pronto)
    juliet, romeo = stage.person(pronto, 'juliet'), stage.person(forza, 'romeo')
    romeo.wait_online(juliet)
    juliet.wait_online(romeo)
    talk(juliet, romeo)
    juliet.cli('status', 'away', 'out for lunch')      # public by XEP-0174: so the capture does see what is readable
    romeo.on_bus().wait_peer(juliet, Status='away')
    juliet.stop()
    romeo.stop()

    everything = capture.take()
    if b'out for lunch' not in everything:
        raise Failed('the capture has not even what everybody may read: this test tests nothing')
    for secret in (MARKER.encode(), b'composing', b'xxxxxxxx'):
        if secret in everything:
            raise Failed('%r was on the wire' % secret)
    streams = capture.streams(5298)
    if len(streams) < 2:
        raise Failed('%d streams were captured' % len(streams))
    sizes = [size for data in streams.values() for size in check_stream(data)]
    hearbytest.diag('%d directions, %d records: %s' % (len(streams), len(sizes), sorted(set(sizes))))


if __name__ == '__main__':
    hearbytest.main(test_two_of_us)
