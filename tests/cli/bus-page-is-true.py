#!/usr/bin/python3
"""The examples in the manual page of the bus API do what it says, and it explains every feature that the daemon names."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import re
import subprocess
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import MANAGER, ROOT, equal

with open(os.path.join(hearbytest.BUILD, 'man', 'org.hearby.Hearby.5')) as file:
    PAGE = file.read().replace(r'\e', '\\').replace(r'\&', '')
ENDLESS = 'gdbus monitor'


def person_with_bus(stage):
    return stage.person(stage.lonely_host('pronto'), 'juliet', bus=True)


def examples():
    """(command, what it prints) of the page, in its order."""
    for block in re.findall(r'^\.Bd -literal.*?\n(.*?)^\.Ed', PAGE[PAGE.index('.Sh EXAMPLES'):], re.S | re.M):
        for part in re.split(r'^\$ ', block, flags=re.M)[1:]:
            command, printed = re.fullmatch(r'((?:[^\n]*\\\n)*[^\n]*\n)(.*)', part, re.S).groups()
            yield command, ' '.join(printed.split())


def test_examples(stage):
    person = person_with_bus(stage)
    script = ''
    tried = 0
    for command, printed in examples():
        if command.startswith(ENDLESS):
            continue
        if command.startswith('address='):
            script = command
            continue
        done = subprocess.run(person.host.argv('sh', '-c', script + command), env=person.environment(LC_ALL='C'),
                              text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        equal(done.returncode, 1 if printed.startswith('Error') else 0, command + done.stdout)
        if printed:
            equal(' '.join(done.stdout.split()), printed, command)
        else:
            assert done.stdout.strip(), command
        tried += 1
    equal(tried, 9, 'examples')


def test_features(stage):
    bus = person_with_bus(stage).on_bus()
    features, = bus.call(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', MANAGER, 'Features')
    section = PAGE[PAGE.index('.Ss Features'):PAGE.index('.Sh ' + MANAGER)]
    explained = re.findall(r'^\.It Li (\S+)$', section, re.M)
    equal(sorted(features), sorted(explained))


if __name__ == '__main__':
    hearbytest.main(test_examples, test_features)
