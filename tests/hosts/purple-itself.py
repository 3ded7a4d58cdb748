#!/usr/bin/python3
"""The test client on libpurple does what the other tests count on: two of them see each other, talk, change and leave."""
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


if __name__ == '__main__':
    hearbytest.main(test_two_purple_peers)
