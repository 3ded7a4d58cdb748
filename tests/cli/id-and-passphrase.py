#!/usr/bin/python3
"""id shows the own key for people, programs and cameras; a passphrase locks it; another one is a conflict for the others."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import ctypes
import os
import re
import stat
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from couple import couple
from hearbytest import equal

FINGERPRINT = r'([a-z2-7]{4}-){7}[a-z2-7]{4}'
PASSPHRASE = 'for never was a story of more woe'


def modules(text):
    """What a camera sees of a QR code in half blocks on a dark screen, as rows of TRUE for light."""
    halves = {' ': (False, False), '▀': (True, False), '▄': (False, True), '█': (True, True)}
    rows = [[halves[c][half] for c in line] for line in text.splitlines() for half in (0, 1)]
    assert len({len(row) for row in rows}) == 1, 'the lines are not of one length'
    return rows


def scan(rows, scale=4):
    """What libzbar reads in them."""
    zbar = ctypes.CDLL('libzbar.so.0')
    for name in 'zbar_image_scanner_create', 'zbar_image_create', 'zbar_image_first_symbol', 'zbar_symbol_get_data':
        getattr(zbar, name).restype = ctypes.c_void_p
    zbar.zbar_symbol_get_data.restype = ctypes.c_char_p
    wide = [bytes(255 * light for light in row for _ in range(scale)) for row in rows for _ in range(scale)]
    pixels = b''.join(wide)
    image = ctypes.c_void_p(zbar.zbar_image_create())
    scanner = ctypes.c_void_p(zbar.zbar_image_scanner_create())
    zbar.zbar_image_set_format(image, ctypes.c_ulong(int.from_bytes(b'Y800', 'little')))
    zbar.zbar_image_set_size(image, len(wide[0]), len(wide))
    zbar.zbar_image_set_data(image, pixels, ctypes.c_ulong(len(pixels)), None)
    equal(zbar.zbar_scan_image(scanner, image), 1, 'codes in the picture')
    read = zbar.zbar_symbol_get_data(ctypes.c_void_p(zbar.zbar_image_first_symbol(image)))
    zbar.zbar_image_destroy(image)
    zbar.zbar_image_scanner_destroy(scanner)
    return read.decode()


def test_id(stage):
    romeo = stage.person(stage.lonely_host('forza'), 'romeo', start=False)
    shown = romeo.json('id')
    equal([shown['instance'], shown['uri']], [None, None])
    for option in '--uri', '--qr':
        done = romeo.cli('id', option, check=1)
        equal(done.stdout, '')
        assert 'hearby status available' in done.stderr, done.stderr
    equal(romeo.json('status')['on_air'], False)
    fingerprint = romeo.cli('id').stdout.strip()
    assert re.fullmatch(FINGERPRINT, fingerprint), fingerprint
    equal(fingerprint, shown['fingerprint'])
    key = os.path.join(romeo.home, '.local', 'share', 'hearby', 'identity.key')
    equal(stat.S_IMODE(os.stat(key).st_mode), 0o600)
    romeo.cli('peers')
    uri = romeo.cli('id', '--uri').stdout.strip()
    assert re.fullmatch('xmpp:romeo@forza[?]trust-message;encryption=urn:x-hearby:noise:0;trust=[0-9a-f]{64}', uri), uri
    equal(romeo.json('id'), {'v': 1, 'fingerprint': fingerprint, 'instance': 'romeo@forza', 'uri': uri})
    equal(scan(modules(romeo.cli('id', '--qr', env={'LC_ALL': 'C.UTF-8'}).stdout)), uri)
    plain = romeo.cli('id', '--qr', env={'LC_ALL': 'C'}).stdout
    equal(scan([[c == ' ' for c in line[::2]] for line in plain.splitlines()]), uri)
    romeo.cli('daemon', '--stop')
    equal(romeo.cli('id').stdout.strip(), fingerprint)
    romeo.cli('daemon', '--stop')


def passphrase(person, *lines, check=True):
    return person.cli('daemon', '--passphrase', input=''.join(line + '\n' for line in lines), check=check).stderr


def test_passphrase(stage):
    romeo = stage.person(stage.lonely_host('forza'), 'romeo')
    fingerprint = romeo.cli('id').stdout
    file = os.path.join(romeo.folder, 'passphrase')
    assert 'hearby daemon --stop' in passphrase(romeo, PASSPHRASE, PASSPHRASE, check=1)
    romeo.stop()
    assert 'two different ones' in passphrase(romeo, PASSPHRASE, 'for never', check=2)
    assert 'nothing was changed' in passphrase(romeo, PASSPHRASE, check=9)
    passphrase(romeo, PASSPHRASE, PASSPHRASE)
    with open(os.path.join(romeo.home, '.local', 'share', 'hearby', 'identity.key'), 'rb') as key:
        assert PASSPHRASE.encode() not in key.read()

    done = romeo.cli('id', check=8)
    assert 'HEARBY_PASSPHRASE_FILE' in done.stderr, done.stderr
    done = romeo.cli('daemon', check=5)
    assert 'locked' in done.stderr and 'HEARBY_PASSPHRASE_FILE' in done.stderr, done.stderr
    for content, exit in (PASSPHRASE + ' and more', 5), (PASSPHRASE + '\nsecond line\n', 0):
        with open(file, 'w') as out:
            out.write(content)
        if exit:
            os.chmod(file, 0o640)
            assert 'chmod 600' in romeo.cli('daemon', check=7, env={'HEARBY_PASSPHRASE_FILE': file}).stderr
            os.chmod(file, 0o600)
            assert 'wrong' in romeo.cli('daemon', check=exit, env={'HEARBY_PASSPHRASE_FILE': file}).stderr
    romeo.start(HEARBY_PASSPHRASE_FILE=file)
    equal(romeo.cli('id').stdout, fingerprint)
    assert 'daemon --passphrase' in romeo.cli('id', '--new', check=5).stderr
    romeo.stop()

    assert 'wrong' in passphrase(romeo, 'banished', '', '', check=5)
    os.rename(file, os.path.join(romeo.folder, 'hearby.passphrase'))
    romeo.start(CREDENTIALS_DIRECTORY=romeo.folder)
    romeo.stop()
    passphrase(romeo, PASSPHRASE, '', '')
    romeo.start()
    equal(romeo.cli('id').stdout, fingerprint)


def test_new(stage):
    juliet, romeo = couple(stage, allow=False)
    romeo.cli('send', 'juliet', 'before', '--wait=delivered')
    follow = romeo.listen(type='presence')
    while not follow.events():                # until it listens
        for status in ('away', 'available'):
            juliet.cli('status', status)
        follow.wait_change(0, 1)
    old = juliet.cli('id').stdout.strip()
    juliet.cli('id', '--new')
    new = juliet.cli('id').stdout.strip()
    assert re.fullmatch(FINGERPRINT, new) and new != old, (old, new)
    romeo.cli('send', 'juliet', 'waits', check=False)
    peer = follow.wait_for(lambda event: event.get('trust') == 'conflict')
    equal([peer['fingerprint'], peer['claimed_fingerprint']], [old, new])
    error = romeo.json('send', 'juliet', 'more', check=5)['error']
    equal(error['name'], 'KeyChanged')
    verb = re.search("'hearby (trust [^']*)' accepts", error['hint']).group(1).split()
    equal(verb, ['trust', 'juliet', '--fingerprint', new])
    romeo.cli('trust', 'juliet', '--fingerprint', old[:4] + new[4:], check=6)
    romeo.cli(*verb)
    equal(romeo.peers()['juliet@pronto']['trust'], 'pinned')
    romeo.cli('send', 'juliet', 'after', '--wait=delivered')
    equal(juliet.received()[0], 'before')
    equal(juliet.received()[-1], 'after')


def test_own_new_key(stage):
    """What is written under a new key waits until the other side takes it."""
    juliet, romeo = couple(stage, allow=False)
    juliet.cli('send', 'romeo', 'one', '--wait=delivered')
    romeo.cli('send', 'juliet', 'two', '--wait=delivered')
    juliet.cli('id', '--new')
    assert 'has not accepted' in juliet.cli('send', 'romeo', 'three', '--wait=delivered', check=5).stderr
    equal(juliet.json('history', 'romeo')['messages'][-1]['state'], 'held')
    romeo.cli('trust', 'juliet', '--fingerprint', juliet.cli('id').stdout.strip())
    juliet.cli('send', 'romeo', 'four', '--wait=delivered')
    equal(romeo.received(), ['one', 'three', 'four'])


def test_switched_off(stage):
    """Who encrypts nothing is plain to others, and they to him, with the usual yes."""
    juliet, romeo = stage.person(stage.host('pronto'), 'juliet'), stage.person(stage.host('forza'), 'romeo',
                                                                              settings={'encryption': 'never'})
    juliet.wait_online(romeo)
    romeo.wait_online(juliet)
    for me, other in ((juliet, romeo), (romeo, juliet)):
        me.cli('send', other.instance, 'unasked', check=5)
        me.cli('send', other.instance, '--plaintext', '--wait=delivered', 'hello')
        equal(other.received(), ['hello'])
    equal([message['encrypted'] for message in juliet.json('history')['messages']], [False, False])


if __name__ == '__main__':
    hearbytest.main(test_id, test_passphrase, test_new, test_own_new_key, test_switched_off)
