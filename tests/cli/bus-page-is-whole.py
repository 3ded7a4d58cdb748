#!/usr/bin/python3
"""The manual page of the bus API has all that is in the XML: properties, methods, signals, their types and what is said of them."""
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: bus-page-is-whole.py INTERFACES.xml PAGE

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

HEADINGS = {'property': 'Properties', 'method': 'Methods', 'signal': 'Signals'}


def read(page):
    """The page as a reader sees it, as {(section, heading): entries}, and its words. Sections, headings and entries are known
    by how far they are indented."""
    shown = subprocess.check_output(['mandoc', '-Tascii', '-Owidth=1000', page], text=True)
    shown = re.sub('.\b', '', shown)
    section = heading = ''
    entries = {}
    for line in shown.splitlines():
        depth = len(line) - len(line.lstrip())
        if depth == 0 and line:
            section, heading = line, ''
        elif depth == 3:
            heading = line.strip()
        elif depth == 5:
            entries.setdefault((section, heading), []).append(line.strip())
    return entries, ' '.join(shown.split())


def wanted(interface):
    """(heading, the beginning of the entry) of everything in @interface."""
    for member in interface:
        name = member.get('name')
        args = {'in': [], 'out': []}
        for arg in member.findall('arg'):
            args[arg.get('direction', 'in')].append('%s %s' % (arg.get('type'), arg.get('name')))
        if member.tag == 'property':
            yield 'Properties', '%s %s,' % (name, member.get('type'))
        elif member.tag in HEADINGS:
            answer = ' -> ' + ', '.join(args['out']) if args['out'] else ''
            yield HEADINGS[member.tag], '%s(%s)%s' % (name, ', '.join(args['in']), answer)


def comments(xml):
    """The words of all comments within <node>, without what is only for the reader of the XML."""
    for comment in re.findall(r'<!--(.*?)-->', xml[xml.index('<node>'):], re.S):
        for part in re.split(r'\n\s*\n|(?:^|\s)@\w+:\s', re.sub(r'^\s*[\w.]+:', '', comment)):
            yield re.sub(r'(?<!\S)@(\w)', r'\1', ' '.join(part.split()))


def main(xml, page):
    entries, words = read(page)
    with open(xml, encoding='utf-8') as file:
        source = file.read()
    missing = []
    for interface in ElementTree.fromstring(source):
        for heading, entry in wanted(interface):
            if not any(there.startswith(entry) for there in entries.get((interface.get('name'), heading), [])):
                missing.append('%s, %s: %s' % (interface.get('name'), heading, entry))
    missing += [text for text in comments(source) if text.lower() not in words.lower()]
    sys.exit('the page lacks:\n' + '\n'.join(missing) if missing else 0)


if __name__ == '__main__':
    main(*sys.argv[1:])
