#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""usage: bus-page.py INTERFACES.xml PAGE.in PAGE
Makes the manual page of the bus API: PAGE.in is the part written by hand, the comments of the XML are the rest.

A comment stands before what it is about and begins with its name: "Name: what it is. @argument: what that is".
That of an interface is "Name:", "@short_description: ..." and paragraphs; the first one says where the objects are,
those after it are about all interfaces.
In PAGE.in the line @rules@ becomes the latter, @interfaces@ a section for each interface."""

import re
import sys
import xml.etree.ElementTree as ElementTree

SIGNALLED = {
    'true': 'signalled',
    'invalidates': 'signalled without the value',
    'const': 'constant',
    'false': 'not signalled',
}
EMITS = 'org.freedesktop.DBus.Property.EmitsChangedSignal'


def text(words):
    """Prose for mdoc, a line for each sentence. A line of the comment that ended with a sentence or an item ends here too."""
    words = re.sub(r'(?<!\S)@(\w)', r'\1', words).replace('\\', r'\e')
    words = re.sub(r'(?<=[.;])\s*\n\s*(?=["A-Z])', '\n.br\n', words.strip())
    lines = [' '.join(part.split()) for part in words.split('\n.br\n')]
    lines = [re.sub(r'(?<=[^.]\.) (?=[A-Z])', '\n', line) for line in lines]
    lines = [re.sub(r"^(?=[.'])", r'\\&', line, flags=re.M) for line in lines]
    lines = [re.sub(r'(?<!\S)(?=\(?["A-Z]|\w+\.\w+\.)', r'\\%', line) for line in lines]  # names are not hyphenated
    return '\n.br\n'.join(lines)


def paragraphs(comment):
    return [part for part in re.split(r'\n\s*\n', comment) if part.strip()]


def documented(parent):
    """The children of @parent that have a name, each with what its comment says after that name."""
    comment = ''
    for element in parent:
        if element.tag is ElementTree.Comment:
            comment = element.text.strip()
        elif 'name' in element.attrib and element.tag != 'annotation':
            name = element.get('name')
            if comment and not comment.startswith(name + ':'):
                sys.exit("the comment before %s does not begin with its name: '%.60s'" % (name, comment))
            yield element, comment[len(name) + 1:]
            comment = ''


def arguments(member, direction):
    return ', '.join('%s %s' % (arg.get('type'), arg.get('name')) for arg in member.findall('arg')
                     if arg.get('direction', 'out') == direction)


def head(member):
    """The line that begins the entry of a property, a method or a signal."""
    name = member.get('name')
    if member.tag == 'property':
        emits = member.find("annotation[@name='%s']" % EMITS)
        signalled = SIGNALLED['true' if emits is None else emits.get('value')]
        return '.It Va %s Li %s , No %s' % (name, member.get('type'), signalled)
    if member.tag == 'signal':
        return '.It Ic %s Ns Li "(%s)"' % (name, arguments(member, 'out'))
    line = '.It Ic %s Ns Li "(%s)"' % (name, arguments(member, 'in'))
    out = arguments(member, 'out')
    return line + (r' No \(-> Li "%s"' % out if out else '')


def entry(member, comment):
    about, *pieces = re.split(r'(?:^|\s)@(\w+):\s', comment)
    out = [head(member)] + [text(about)] * bool(about.strip()) + ['.Bl -tag -width settings -compact'] * bool(pieces)
    names = [arg.get('name') for arg in member.findall('arg')]
    for name, meaning in zip(pieces[::2], pieces[1::2]):
        if name not in names:
            sys.exit('%s has no argument %s' % (member.get('name'), name))
        out += ['.It Ar ' + name, text(meaning)]
    return out + ['.El'] * bool(pieces)


def section(interface, comment):
    title, where = paragraphs(comment)[:2]
    title = re.sub(r'^\s*@short_description:\s*', '', title)
    out = ['.Sh ' + interface.get('name'), text(title[:1].upper() + title[1:] + '.'), text(where)]
    members = list(documented(interface))
    for tag, heading in ('property', 'Properties'), ('method', 'Methods'), ('signal', 'Signals'):
        entries = [line for member, about in members if member.tag == tag for line in entry(member, about)]
        if entries:
            out += ['.Ss ' + heading, '.Bl -tag -width Ds'] + entries + ['.El']
    return out


def main(xml, template, page):
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    interfaces = list(documented(ElementTree.parse(xml, parser).getroot()))
    rules = [text(part) for _, comment in interfaces for part in paragraphs(comment)[2:]]
    parts = {
        '@rules@\n': '\n.Pp\n'.join(rules) + '\n',
        '@interfaces@\n': '\n'.join(line for interface in interfaces for line in section(*interface)) + '\n',
    }
    with open(template, encoding='utf-8') as file:
        lines = [parts.get(line, line) for line in file]
    with open(page, 'w', encoding='utf-8') as file:
        file.writelines(lines)


if __name__ == '__main__':
    main(*sys.argv[1:])
