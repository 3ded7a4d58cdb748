#!/usr/bin/python3
"""A wrong command line is one line of what is wrong, one hint and status 2, and nothing was done."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import json
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal

WRONG = """
frobnicate
send
send juliet
send juliet --bogus text
send juliet --id
send juliet --id= text
send juliet --wait=soon text
send juliet --timeout=x text
send juliet --expire=1w text
send juliet --replace=0 text
send juliet --when-done
send juliet text --when-done -- true
send juliet --
listen here
listen --type=rumours
listen --ack=manual
listen --consumer=
listen --consumer=x --ack=perhaps
listen --consumer=x --ack=manual --exec=true
listen --exec=true --type=presence
listen --trust=much
wait
wait rain
wait online
wait online a b
wait message juliet
wait message --match=(
wait message --match=x --print=1
wait message --trust=much
wait online juliet --timeout=soon
history -n x
history --since=yesterday
history -f nothing
alias -f nothing
config -f nothing
chat
status gone
status away a b
add
alias -d
alias -d a b
forget
block
policy
policy juliet colour=red
config --unset
config a b c
trace
daemon now
peers --color=green
peers -f name,nothing
help frobnicate
--json peers
-t peers
send juliet --expire 0 hi
send juliet --expire 604801 hi
history --since yesterday
put
put juliet
put juliet --wait=sent x
put juliet --links=some x
put juliet --id= x
put juliet --expire=0 x
put juliet --expire=8d x
put juliet --name=a/b x
put juliet --name=. x
put juliet --name=n x y
put juliet --progress=loud x
put juliet -
put --retry=1 juliet
transfers -f nothing
accept
accept 1 --wait=sent
accept 1 - --to=/
accept 1 2 -
accept 1 - --wait=none
reject
cancel
pause
resume
wait transfer
wait transfer 1 2
wait offer juliet
wait offer --trust=much
policy juliet files=sometimes:1
policy juliet files=auto:
policy juliet files=auto:much
policy juliet files=ask:2G
policy juliet quota=lots
policy juliet quota=0
listen --exec=true --type=message,transfer
"""


def test_usage(stage):
    person = stage.person(stage.lonely_host('pronto'), 'juliet', start=False)
    for line in WRONG.strip().splitlines():
        done = person.cli(*line.split(), check=2)
        said = done.stderr.splitlines()
        equal((done.stdout, len(said)), ('', 2), '%s: %r' % (line, said))
        assert said[0].startswith('hearby: error: ') and said[1].startswith('hearby: hint: '), said
    equal(person.cli('', check=2).stdout, '')
    assert not os.path.exists(os.path.join(person.home, '.local')), 'a daemon was started'


def test_json(stage):
    person = stage.person(stage.lonely_host('pronto'), 'juliet', start=False)
    for line in ('send --json', 'send juliet --json --bogus text', 'peers x --json', 'wait rain --json'):
        error = json.loads(person.cli(*line.split(), check=2).stdout)
        equal((error['v'], error['error']['name'], sorted(error['error'])), (1, 'InvalidArgument', ['hint', 'message', 'name']))


def test_text(stage):
    """What is no message is refused before anybody is asked."""
    person = stage.person(stage.lonely_host('pronto'), 'juliet', start=False)
    person.cli('send', 'romeo', '-', input='', check=2)
    person.cli('send', 'romeo', '-', input='x' * (64 * 1024) + 'y', check=2)
    person.cli('send', 'romeo', '-', input='x' * (64 * 1024) + '\n\n', check=2)
    person.cli('send', 'romeo', '-', input='a\0b', check=2)
    person.cli('send', 'romeo', b'\xff', check=2)
    assert not os.path.exists(os.path.join(person.home, '.local')), 'a daemon was started'


def test_help(stage):
    person = stage.person(stage.lonely_host('pronto'), 'juliet', start=False)
    first = person.cli('-h').stdout
    assert len(first.splitlines()) <= 24, first
    for verb in [entry['name'] for entry in person.json('help')['verbs']]:
        assert verb in person.cli('help').stdout
        if verb != 'complete':                # whose words may be anything
            assert person.cli(verb, '-h').stdout.startswith('hearby ' + verb), verb
    version = person.cli('--version').stdout
    equal(version, person.cli('version').stdout)
    assert 'XEP-0174' in version, version
    assert not os.path.exists(os.path.join(person.home, '.local')), 'a daemon was started'


if __name__ == '__main__':
    hearbytest.main(test_usage, test_json, test_text, test_help)
