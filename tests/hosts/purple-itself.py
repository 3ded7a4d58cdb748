#!/usr/bin/python3
"""The test client on libpurple does what the other tests count on: two of them see each other, talk, change and leave, and move files."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import hearbytest


def test_two_purple_peers(stage):
    alice = stage.purple(stage.host('lan1'), 'alice')
    bob = stage.purple(stage.host('lan2'), 'bob')
    alice.wait('buddy-on', who=bob.instance)
    bob.wait('buddy-on', who=alice.instance)
    text = "Grüße <b>&'\"\nline 2 👍"
    alice.send(bob, text)
    hearbytest.equal(bob.wait('im')['text'], text)
    bob.command('status', status='away', text='lunch & <tea>')
    hearbytest.equal(alice.wait('buddy-status', status='away')['text'], 'lunch & <tea>')
    bob.command('count', count=200)
    bob.wait('counting')
    alice.command('flood', to=bob.instance, count=200)
    bob.wait('counted', count='200', order='kept')
    alice.quit()
    bob.wait('buddy-off', who=alice.instance)


def make_file(stage, name, size):
    path = os.path.join(stage.folder, name)
    with open(path, 'wb') as file:
        file.write(os.urandom(size))
    return path


def content(path):
    with open(path, 'rb') as file:
        return file.read()


def test_files(stage):
    alice = stage.purple(stage.host('lan1'), 'alice')
    bob = stage.purple(stage.host('lan2'), 'bob')
    alice.wait('buddy-on', who=bob.instance)
    bob.wait('buddy-on', who=alice.instance)
    one, two = make_file(stage, 'one & <ü>.bin', 3000000), make_file(stage, 'two', 70000)
    for path in (one, two):                                          # two at once
        alice.command('send-file', to=bob.instance, path=path)
    offers = [bob.wait('file-offer', who=alice.instance) for i in range(2)]
    hearbytest.equal(sorted((o['name'], o['size']) for o in offers), [('one & <ü>.bin', '3000000'), ('two', '70000')])
    for offer in offers:
        bob.command('accept-file', file=offer['file'], path=os.path.join(stage.folder, 'got-' + offer['name']))
    for path in (one, two):
        bob.wait('file-complete')
    for offer in offers:
        hearbytest.equal(content(os.path.join(stage.folder, 'got-' + offer['name'])), content(os.path.join(stage.folder, offer['name'])))
    sent = [alice.wait('file-complete')['file'] for path in (one, two)]
    hearbytest.equal(sorted(sent), ['1', '2'])

    alice.command('send-file', to=bob.instance, path=two)
    bob.command('decline-file', file=bob.wait('file-offer')['file'])
    alice.wait('file-cancelled', by='peer', bytes='0')
    big = make_file(stage, 'big', 40000000)
    alice.command('send-file', to=bob.instance, path=big, **{'cancel-at': 20000000})
    bob.command('accept-file', file=bob.wait('file-offer', name='big')['file'], path=os.path.join(stage.folder, 'part'))
    alice.wait('file-cancelled', by='us')
    cut = bob.wait('file-cancelled', by='peer')
    if not 0 < int(cut['bytes']) < 40000000:
        raise hearbytest.Failed(cut)


if __name__ == '__main__':
    hearbytest.main(test_two_purple_peers, test_files)
