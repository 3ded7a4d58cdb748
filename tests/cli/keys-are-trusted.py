#!/usr/bin/python3
"""trust binds a name to a key by URI, before the first contact too, or by fingerprint; policy says what has to be encrypted."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from couple import couple
from hearbytest import equal

URI = 'xmpp:juliet@pronto?trust-message;encryption=urn:x-hearby:noise:0;trust=%s'


def trust(person, name='juliet@pronto'):
    return person.peers()[name]['trust']


def apart(stage):
    """Two who were never on the air at the same time, and her URI."""
    juliet = stage.person(stage.host('pronto'), 'juliet')
    juliet.cli('peers')
    uri = juliet.cli('id', '--uri').stdout.strip()
    juliet.stop()
    return juliet, stage.person(stage.host('forza'), 'romeo'), uri


def test_before_first_contact(stage):
    juliet, romeo, uri = apart(stage)
    equal(romeo.cli('trust', uri).stdout, '')
    romeo.cli('trust', uri)
    equal([trust(romeo), romeo.peers()['juliet@pronto']['online']], ['verified', False])
    romeo.cli('send', 'juliet', 'your ears only')
    juliet.start()
    romeo.cli('send', 'juliet', 'now', '--wait=delivered')
    equal(juliet.received(), ['your ears only', 'now'])
    peer = romeo.peers()['juliet@pronto']
    equal([peer['trust'], peer['confirmed'], peer['fingerprint']], ['verified', True, juliet.cli('id').stdout.strip()])


def test_somebody_else(stage):
    """Whoever has the name and not the key gets nothing, from the first handshake on."""
    juliet, romeo, uri = apart(stage)
    romeo.cli('trust', uri)
    romeo.cli('send', 'juliet', 'your ears only')
    follow = romeo.listen(type='presence')
    juliet.start('--off-air')
    juliet.cli('id', '--new')
    juliet.cli('peers')
    peer = follow.wait_for(lambda event: event.get('trust') == 'conflict')
    equal(peer['confirmed'], False)
    equal(romeo.json('send', 'juliet', 'more', check=5)['error']['name'], 'KeyChanged')
    equal(juliet.received(), [])
    listed = romeo.cli('peers').stdout
    assert 'shows another key' in listed and 'unconfirmed' in listed, listed
    romeo.cli('trust', juliet.cli('id', '--uri').stdout.strip())
    romeo.cli('send', 'juliet', 'more', '--wait=delivered')
    equal(juliet.received(), ['your ears only', 'more'])
    equal(trust(romeo), 'verified')


def test_bad_uris(stage):
    romeo = stage.person(stage.lonely_host('forza'), 'romeo')
    romeo.cli('peers')
    own = romeo.cli('id', '--uri').stdout.strip()
    key = own[-64:]
    assert 'your own key' in romeo.cli('trust', own, check=2).stderr
    good = URI % key
    for bad in ('xmpp:', 'xmpp:juliet@pronto', 'xmpp:juliet@pronto?message;body=hi', good[:-64], good[:-1], URI % ('0' * 64), URI % ('f' * 64),
                good + ';trust=' + key, good.replace('noise:0', 'noise:1'), good.replace('pronto', 'pronto/x'), good.replace('juliet@pronto', ''),
                good.replace('juliet', '%0Ajuliet'), good.replace('juliet', '%FF'), 'xmpp:' + 'x' * 70000):
        done = romeo.cli('trust', bad, check=2)
        assert 'error: ' in done.stderr and len(done.stderr) < 1000, (bad, done.stderr)
    romeo.cli('trust', b'xmpp:\xff'.decode('utf-8', 'surrogateescape'), check=2)
    romeo.cli('trust', 'juliet', check=2)
    romeo.cli('trust', own, '--fingerprint', 'x', check=2)
    equal([name for name in romeo.peers() if name != 'romeo@forza'], [])


def test_fingerprint_before_a_word(stage):
    juliet, romeo = couple(stage, allow=False)
    fingerprint = juliet.cli('id').stdout.strip()
    error = romeo.json('trust', 'juliet', '--fingerprint', romeo.cli('id').stdout.strip(), check=6)['error']
    equal(error['name'], 'NotFound')
    equal(trust(romeo), 'new')
    romeo.cli('trust', 'juliet', '--fingerprint', fingerprint.replace('-', '').upper())
    equal(trust(romeo), 'pinned')
    romeo.cli('send', fingerprint[:9], 'by key', '--wait=delivered')
    romeo.cli('send', fingerprint.replace('-', ''), 'by key', '--wait=delivered')
    romeo.cli('send', fingerprint[:8], 'too short', check=6)
    equal(juliet.received(), ['by key', 'by key'])
    romeo.cli('forget', fingerprint)
    equal(trust(romeo), 'new')


def test_require(stage):
    """Who must encrypt does; who cannot is told so, and neither gets nor gives."""
    juliet, romeo = couple(stage, allow=False)
    for _ in range(2):
        romeo.cli('policy', 'juliet', 'encryption=require')
    equal(romeo.cli('policy', 'juliet').stdout.splitlines()[:2], ['plaintext=ask', 'encryption=require'])
    romeo.cli('send', 'juliet', 'sealed', '--wait=delivered')
    juliet.cli('send', 'romeo', 'sealed too', '--wait=delivered')
    equal([m['encrypted'] for m in romeo.json('history')['messages']], [True, True])
    romeo.cli('policy', 'juliet', 'encryption=sometimes', check=2)
    romeo.cli('policy', 'juliet', 'plaintext=allow', 'encryption=default')
    policy = romeo.json('policy', 'juliet')['policy']
    equal((policy['plaintext'], policy['encryption']), ('ask', 'default'))

    tybalt = stage.person(stage.host('sword'), 'tybalt', settings={'encryption': 'never'})
    romeo.wait_online(tybalt)
    tybalt.wait_online(romeo)
    romeo.cli('policy', 'tybalt', 'encryption=require')
    for option in '--plaintext', '--now':
        error = romeo.json('send', 'tybalt', option, 'x', check=5)['error']
        equal(error['name'], 'Unencrypted')
    equal(error['hint'].split("'")[1], 'hearby policy tybalt encryption=prefer')
    romeo.cli('policy', 'tybalt', 'encryption=prefer')
    equal(romeo.json('send', 'tybalt', 'x', check=5)['error']['hint'].split("'")[3], 'hearby policy tybalt plaintext=allow')
    romeo.cli('config', 'encryption', 'never')  # tybalt would take it for an attack that romeo encrypts and says this in clear
    tybalt.on_bus().wait_peer(romeo, Trust='plain')
    romeo.cli('send', 'tybalt', '--plaintext', 'in clear', '--wait=delivered')
    equal(tybalt.received(), ['in clear'])
    for person, line in (romeo, 'me to tybalt [plain]: in clear'), (tybalt, 'romeo [plain]: in clear'):
        assert person.cli('history').stdout.endswith(' %s\n' % line), person.cli('history').stdout
    romeo.cli('send', 'self', 'note')
    assert romeo.cli('history').stdout.endswith(' self: note\n'), romeo.cli('history').stdout


def test_never(stage):
    """Without encryption nobody who encrypts is talked to, in neither direction, until it is back."""
    juliet, romeo = couple(stage, allow=False)
    romeo.cli('send', 'juliet', 'sealed', '--wait=delivered')
    for verb in (['policy', 'juliet', 'encryption=never'], ['config', 'encryption', 'never']):
        romeo.cli(*verb)
        error = romeo.json('send', 'juliet', 'x', '--plaintext', check=5)['error']
        equal(error['name'], 'Unencrypted')
        romeo.cli(*error['hint'].split("'")[1].split()[1:])
        romeo.cli('send', 'juliet', 'sealed again', '--wait=delivered')
    romeo.cli('config', 'encryption', 'never')
    assert 'switched off' in romeo.cli('status').stdout, romeo.cli('status').stdout
    romeo.cli('config', 'encryption', 'no', check=2)
    romeo.cli('config', 'hint', 'no')
    equal(juliet.received(), ['sealed'] + ['sealed again'] * 2)


def test_joined(stage):
    """Who was plain and has a key now is two until the user joins them; the name is never ambiguous."""
    juliet, romeo = couple(stage, clear=True)
    romeo.send(juliet, 'in clear', '--wait=delivered')
    juliet.send(romeo, 'in clear too', '--wait=delivered')
    for person in juliet, romeo:
        person.cli('config', 'encryption', 'prefer')
    juliet.on_bus().wait_peer(romeo, Trust='new')
    romeo.on_bus().wait_peer(juliet, Trust='new')
    romeo.cli('trust', 'juliet', '--fingerprint', juliet.cli('id').stdout.strip())
    listed = romeo.json('peers')['peers']
    equal([(peer['name'], peer['trust'], peer['unread']) for peer in listed], [('juliet', 'pinned', 1)])
    romeo.cli('send', 'juliet', 'sealed', '--wait=delivered')
    equal([message['encrypted'] for message in romeo.json('history', 'juliet')['messages']], [False, False, True])

    error = juliet.json('send', 'romeo', 'to whom?', check=5)['error']
    equal(error['name'], 'KeyChanged')
    words = error['hint'].split("'")[1].split()
    equal(words, ['hearby', 'trust', 'romeo', '--fingerprint', romeo.cli('id').stdout.strip()])
    juliet.cli(*words[1:])
    equal([peer['trust'] for peer in juliet.json('peers')['peers']], ['pinned'])
    juliet.cli('send', 'romeo', 'sealed', '--wait=delivered')


def test_completion(stage):
    juliet, romeo = couple(stage, allow=False)

    def complete(*words):
        return sorted(romeo.cli('complete', *words).stdout.split())
    equal(complete('ver'), ['verify', 'version'])
    for verb in 'verify', 'trust':
        equal(complete(verb, 'ju'), ['juliet'])
    equal(complete('put', 'juliet', '--to=j'), ['--to=juliet'])
    equal(complete('put', 'juliet', '--to', 'j'), ['juliet'])
    equal(complete('policy', 'juliet', 'files='), ['files=ask', 'files=auto', 'files=never'])
    equal(complete('wait', 'o'), ['offer', 'offline', 'online'])
    equal(complete('trust', 'juliet', '--f'), ['--fingerprint='])
    equal(complete('verify', 'juliet', '--'), ['--code=', '--fingerprint=', '--help', '--json'])
    equal(complete('id', '--'), ['--help', '--json', '--new', '--qr', '--uri'])
    equal(complete('policy', 'juliet', 'enc'), ['encryption=' + word for word in ('default', 'never', 'prefer', 'require')])
    equal(complete('policy', 'juliet', 'plaintext=allow', 'encryption=r'), ['encryption=require'])
    equal(complete('config', 'enc'), ['encryption'])
    equal(complete('config', 'encryption', ''), ['never', 'prefer', 'require'])
    equal(complete('daemon', '--p'), ['--passphrase'])


if __name__ == '__main__':
    hearbytest.main(test_before_first_contact, test_somebody_else, test_bad_uris, test_fingerprint_before_a_word, test_require, test_never, test_joined,
                    test_completion)
