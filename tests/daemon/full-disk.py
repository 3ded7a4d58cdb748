#!/usr/bin/python3
"""On a full disk a message is refused or kept, never both lost and promised, and what stopped goes on when there is room again."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import subprocess
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbybus import BusError
from hearbytest import equal

SIZE = 3 << 20


def small_disk(stage, name):
    folder = os.path.join(stage.folder, name)
    os.mkdir(folder)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%d' % SIZE, 'tmpfs', folder], check=True)
    return folder


def fill(folder):
    """Every last byte; the name of what did it."""
    path = os.path.join(folder, 'filler')
    with open(path, 'wb', buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path


def couple(stage, full):
    """@full: whose disk is small. The small one's folder too."""
    disk = small_disk(stage, full)
    juliet = stage.person(stage.host('pronto'), 'juliet', base=disk if full == 'juliet' else None)
    romeo = stage.person(stage.host('forza'), 'romeo', base=disk if full == 'romeo' else None)
    bus = juliet.on_bus()
    bus.wait_peer(romeo, Online=True)
    romeo.wait_online(juliet)
    juliet.cli('send', romeo.instance, '--wait=delivered', 'first')
    return juliet, romeo, bus, disk


def send_until_refused(bus, romeo, texts):
    """What was taken."""
    taken = []
    for text in texts:
        try:
            bus.manager('SendMessage', 'aosa{sv}', [bus.find(romeo)], text, {})
        except BusError as error:
            equal(error.name, 'NoSpace')
            return taken
        taken.append(text)
    raise hearbytest.Failed('the disk is never full')


def wait_delivered(juliet, romeo, count):
    """Queued falls to nothing by signals alone."""
    bus = juliet.on_bus()
    bus.wait_peer(romeo, Queued=0, timeout=2 * hearbytest.PATIENCE)
    bus.close()
    equal(len(romeo.received()), count)


def test_sender(stage):
    juliet, romeo, bus, disk = couple(stage, 'juliet')
    filler = fill(disk)
    taken = send_until_refused(bus, romeo, ['%d %s' % (i, 'x' * 20000) for i in range(400)])
    os.unlink(filler)
    wait_delivered(juliet, romeo, 1 + len(taken))
    equal(romeo.received(), ['first'] + taken)
    juliet.cli('send', romeo.instance, '--wait=delivered', 'last')


def test_receiver(stage):
    juliet, romeo, bus, disk = couple(stage, 'romeo')
    filler = fill(disk)
    texts = ['%d %s' % (i, 'x' * 20000) for i in range(40)]
    for text in texts:
        bus.manager('SendMessage', 'aosa{sv}', [bus.find(romeo)], text, {})
    bus.wait_signal(lambda message: message.member == 'MessageChanged' and message.args[1]['state'] == 'queued' or None)
    romeo.daemon.wait_line('nothing of this turn was stored')
    assert romeo.json('status')['health'], 'status does not say why'
    os.unlink(filler)
    wait_delivered(juliet, romeo, 41)
    equal(romeo.received(), ['first'] + texts)


if __name__ == '__main__':
    hearbytest.main(test_sender, test_receiver)
