#!/usr/bin/python3
"""Whatever a peer or a stranger sends: its stream ends with the right reason, and nobody else notices."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbytest import equal
from scene import Friend, check_condition, check_growth, connect, ended, juliet_alone, memory

STANZA = 256 * 1024
BEFORE_OPEN = 10 * 1000
EVIL = 'mercutio@forza'
HEADER = ("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
          "from='%s' to='juliet@pronto' version='1.0'%s>")


def padded(start, end, size):
    """@start and @end with as many x between them as make @size bytes."""
    return start + 'x' * (size - len(start) - len(end)) + end


# What a stream begins with → the reason it ends with.
BEGINNINGS = {
    'not XML': ('GET / HTTP/1.1\r\nHost: pronto\r\n\r\n', 'not-well-formed'),
    'bytes of TLS': (b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'not-well-formed'),
    'a header without end': ("<stream:stream xmlns='jabber:client' a='" + 'x' * 2 * BEFORE_OPEN, 'policy-violation'),
    'white space without end': (' ' * 2 * BEFORE_OPEN, 'policy-violation'),
    'another stream namespace': ("<stream:stream xmlns='jabber:client' xmlns:stream='urn:else' from='%s'>" % EVIL, 'invalid-namespace'),
    'another default namespace': ("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='%s'>" % EVIL,
                                  'invalid-namespace'),
    'another root': ("<s:html xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>", 'bad-format'),
    'a DOCTYPE': ("<!DOCTYPE a><stream:stream>", 'restricted-xml'),
    'a billion laughs': ("<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'ha'>" + ''.join(
        "<!ENTITY %s '%s'>" % (chr(98 + i), '&%s;' % chr(97 + i) * 10) for i in range(9)) + ']>', 'restricted-xml'),
    'an external entity': ("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>", 'restricted-xml'),
    'a comment': ('<!-- hello -->' + HEADER % (EVIL, ''), 'restricted-xml'),
    'an instruction': ('<?php x?>' + HEADER % (EVIL, ''), 'restricted-xml'),
    'UTF-16': ((HEADER % (EVIL, '')).encode('utf-16'), ('unsupported-encoding', 'not-well-formed')),
    'Latin-1 by its name': ("<?xml version='1.0' encoding='iso-8859-1'?>" + HEADER[21:] % (EVIL, ''), 'unsupported-encoding'),
    'for somebody else': ((HEADER % (EVIL, '')).replace('juliet@pronto', 'nurse@pronto'), 'host-unknown'),
}

# What comes after a good header → the reason.
STANZAS = {
    'a stanza one past the limit': (padded("<message><body>", "</body></message>", STANZA + 1), 'policy-violation'),
    'a body above 64 KiB': ("<message><body>" + 'x' * 65537 + "</body></message>", 'policy-violation'),
    'an attribute without end': ("<message a='" + 'x' * STANZA, 'policy-violation'),
    'text without end': ("<message><body>" + 'x' * STANZA, 'policy-violation'),
    'a name without end': ('<' + 'x' * STANZA, 'policy-violation'),
    'a long name': ('<message><' + 'x' * 1025 + '/></message>', 'policy-violation'),
    'deep nesting': ('<a>' * 10000, 'policy-violation'),
    'many attributes': ('<message ' + ' '.join("a%d='x'" % i for i in range(10000)) + '/>', 'policy-violation'),
    'many namespaces': ('<message ' + ' '.join("xmlns:a%d='x'" % i for i in range(1000)) + '/>', 'policy-violation'),
    'many children': ('<message>' + '<a/>' * 10001 + '</message>', 'policy-violation'),
    'bad UTF-8': (b'<message><body>\xc3\x28</body></message>', 'not-well-formed'),
    'an overlong slash': (b'<message><body>\xc0\xaf</body></message>', 'not-well-formed'),
    'a surrogate': (b'<message><body>\xed\xa0\x80</body></message>', 'not-well-formed'),
    'a NUL': (b'<message><body>\0</body></message>', 'not-well-formed'),
    'a control character': ('<message><body>&#x1b;[31m</body></message>', 'not-well-formed'),
    'crossed tags': ('<message><body></message></body>', 'not-well-formed'),
    'an unknown entity': ('<message><body>&lol;</body></message>', 'restricted-xml'),
    'an unbound prefix': ('<a:message/>', ('not-well-formed', 'bad-namespace-prefix')),
    'a comment': ('<message><!-- x --><body>x</body></message>', 'restricted-xml'),
    'an instruction': ('<message><?x y?></message>', 'restricted-xml'),
    'text between stanzas': ('hello', 'invalid-xml'),
    'a DOCTYPE': ('<!DOCTYPE a>', ('restricted-xml', 'not-well-formed')),
}


def check(told, wanted, what):
    if isinstance(wanted, tuple):
        wanted = next((word for word in wanted if word.encode() in told), wanted[0])
    check_condition(told, wanted, what)


def end_of(raw, what):
    """What @raw is told until it is closed."""
    try:
        return raw.expect_end()
    except hearbytest.Failed as error:
        raise hearbytest.Failed('%s: %s' % (what, error)) from error


def push(raw, data):
    """Sends as much as the other side takes."""
    try:
        raw.send(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def scene(stage):
    juliet = juliet_alone(stage)
    return juliet, Friend(juliet, 'nurse@verona', '127.0.0.2'), Friend(juliet, EVIL, '127.0.0.1')


def test_beginnings(stage):
    juliet, nurse, evil = scene(stage)
    evil.raw.close()
    for source in ('127.0.0.1', '127.0.0.9'):                   # somebody who is known, and a stranger
        for what, (data, wanted) in BEGINNINGS.items():
            raw = connect(juliet, source)
            push(raw, data)
            check(end_of(raw, what), wanted, what)
            raw.close()
        nurse.chat()


def test_stanzas(stage):
    juliet, nurse, evil = scene(stage)
    nurse.chat()
    before = memory(juliet)
    for _ in range(3):
        for what, (data, wanted) in STANZAS.items():
            raw = connect(juliet)
            raw.send(HEADER % (EVIL, ''))
            raw.expect('</stream:features>')
            push(raw, data)
            check(end_of(raw, what), wanted, what)
            raw.close()
        nurse.chat()
    check_growth(juliet, before, 12e6)


def test_at_the_limit(stage):
    """What is allowed passes: a stanza of exactly the limit, a body of 64 KiB."""
    juliet, nurse, evil = scene(stage)
    evil.raw.send(padded("<message><body>at the limit</body><x>", "</x></message>", STANZA))
    nurse.bus.wait_message(body='at the limit')
    evil.raw.send("<message><body>" + 'y' * 65536 + "</body></message>")
    nurse.bus.wait_message(body='y' * 65536)
    evil.raw.send('<message>' + '<a>' * 30 + '</a>' * 30 + '<body>deep</body></message>')
    nurse.bus.wait_message(body='deep')
    evil.raw.send('<message ' + ' '.join("a%d='x'" % i for i in range(64)) + '><body>attributes</body></message>')
    nurse.bus.wait_message(body='attributes')


def test_ten_megabytes(stage):
    """An element that never ends is cut, however much of it comes, and costs nothing."""
    juliet, nurse, evil = scene(stage)
    nurse.chat()
    before = memory(juliet)
    for start in ("<message a='", "<message><body>", "<message><!-- ", "<message><body><![CDATA["):
        raw = connect(juliet)
        raw.send(HEADER % (EVIL, ''))
        raw.expect('</stream:features>')
        push(raw, start + 'x' * 10 * 1024 * 1024)
        raw.expect_end()
        raw.close()
        nurse.chat()
    check_growth(juliet, before, 8e6)


def test_text_is_cleaned(stage):
    """Line ends are those of this system; what would change a terminal or the order of reading never reaches one."""
    juliet, nurse, evil = scene(stage)
    evil.raw.send("<message><body>a\u202eb\u0085c\u2066d\u200fe\r\nf\tg</body></message>".encode('utf-8', 'surrogatepass'))
    body = nurse.bus.wait_message(direction='in', peer=evil.path)['body']
    equal(body[-4:], '\nf\tg')
    shown = juliet.cli('history', '-t').stdout
    assert not set('\u202e\u2066\u200f\u0085\x1b') & set(shown), ascii(shown)


def test_names_in_stanzas(stage):
    """A stanza counts as from who the stream is with, whatever it says."""
    juliet, nurse, evil = scene(stage)
    evil.raw.send("<message from='nurse@verona' to='juliet@pronto'><body>forged</body></message>")
    message = nurse.bus.wait_message(body='forged')
    equal(message['peer'], evil.bus.find(EVIL))
    evil.raw.send("<message to='tybalt@sword'><body>for another</body></message>")   # no server here: there is one receiver
    equal(nurse.bus.wait_message(body='for another')['peer'], evil.bus.find(EVIL))


def test_under_a_known_name(stage):
    """The name of a friend from another address, a name that nobody has, and ours: closed within seconds, and nothing is stored."""
    juliet, nurse, evil = scene(stage)
    strangers = []
    for name, source in (('nurse@verona', '127.0.0.1'), ('nobody@nowhere', '127.0.0.1'), ('nobody@nowhere', '127.0.0.8'),
                         ('juliet@pronto', '127.0.0.8'), ('x' * 3000, '127.0.0.8'), (EVIL + '/home', '127.0.0.1')):
        raw = connect(juliet, source)
        raw.send(HEADER % (name, ''))
        raw.message(name, 'juliet@pronto', 'trust me')
        strangers.append(raw)
    ended(strangers)
    nurse.chat()
    equal([body for body in juliet.received() if body == 'trust me'], [])


def test_receipts_before_disco(stage):
    """Who asks for a receipt before he answered what he can do gets it."""
    juliet, nurse, evil = scene(stage)
    evil.raw.close()
    evil.listener.close()
    tybalt = Friend(juliet, 'tybalt@sword', '127.0.0.5')
    tybalt.raw.send('</stream:stream>')
    tybalt.raw.expect_end()
    raw = connect(juliet, '127.0.0.1')
    raw.send(HEADER % (EVIL, ''))
    raw.expect('</stream:features>')
    for i in range(5):
        raw.send("<message id='m%d'><body>early</body><request xmlns='urn:xmpp:receipts'/></message>" % i)
        raw.expect("<received xmlns='urn:xmpp:receipts' id='m%d'/>" % i)


def test_behind_a_failure(stage):
    """Who was refused the handshake is nobody, and what he still says goes nowhere."""
    juliet, nurse, evil = scene(stage)
    raw = connect(juliet, '127.0.0.9')
    raw.send(HEADER % ('nobody@nowhere', ''))
    raw.expect('</stream:features>')
    raw.send("<start xmlns='urn:x-hearby:noise:0' protocol='Noise_NN_25519_ChaChaPoly_SHA256'/>")
    raw.expect('<failure ')
    raw.message('nobody@nowhere', 'juliet@pronto', 'trust me')
    raw.send('</stream:stream>')
    raw.expect_end()
    nurse.chat()
    equal([body for body in juliet.received() if body == 'trust me'], [])


if __name__ == '__main__':
    hearbytest.main(test_beginnings, test_stanzas, test_behind_a_failure, test_at_the_limit, test_ten_megabytes, test_text_is_cleaned,
                    test_names_in_stanzas, test_under_a_known_name, test_receipts_before_disco)
