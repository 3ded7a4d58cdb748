#!/usr/bin/python3
"""chat is a line editor at a terminal, with what comes above the line that is typed, and JSON Lines both ways elsewhere."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import json
import re
import signal
import termios
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from couple import couple
from hearbytest import equal
from terminal import Terminal


def test_terminal(stage):
    juliet, romeo = couple(stage)
    juliet.cli('send', 'romeo', 'from before', '--wait=delivered')
    chat = Terminal(romeo, 'chat', 'juliet')
    chat.expect(r'juliet \[new\]: from before')
    chat.expect('juliet> ')
    events = juliet.consumer()
    chat.type('Grüße aus Verona\r')
    events.wait_for({'body': 'Grüße aus Verona'})
    chat.type('half a li')
    juliet.cli('send', 'romeo', 'interrupting\x9b2J', '--wait=delivered')
    chat.expect(r'juliet: interrupting\\xc2\\x9b2J\r\n.*half a li')
    chat.type('ne\r')
    events.wait_for({'body': 'half a line'})
    chat.type('/edit a whole line\r')
    equal(events.wait_for(lambda event: event['corrects'])['body'], 'a whole line')
    chat.type('/me waves\r')
    events.wait_for({'body': '/me waves'})
    chat.type('//me not\r')
    events.wait_for({'body': '/me not'})
    chat.type('\x1b[A\x1b[A\r')               # arrow up twice
    events.wait_for({'body': '/me waves'})
    chat.type('/status\r')
    chat.expect('juliet is online')
    chat.type('/nonsense\r')
    chat.expect('no such command')
    chat.type('/help\r')
    chat.expect('/quit')
    romeo_unread = romeo.json('status')['unread']
    equal(romeo_unread, 0, 'unread')
    chat.type('/quit\r')
    equal(chat.wait(), 0)
    equal(termios.tcgetattr(chat.slave), chat.before, 'the terminal afterwards')


def test_no_locale(stage):
    juliet, romeo = couple(stage)
    chat = Terminal(romeo, 'chat', 'juliet', LC_ALL='C')
    chat.expect('juliet> ')
    events = juliet.consumer()
    chat.type('Grüße\r')
    events.wait_for({'body': 'Grüße'})        # not "Gre"
    chat.type('/quit\r')
    equal(chat.wait(), 0)


def test_typing(stage):
    juliet, romeo = couple(stage)
    juliet.cli('send', 'romeo', 'hello', '--wait=delivered')
    chat = Terminal(romeo, 'chat', 'juliet')
    chat.expect('juliet> ')
    program = juliet.stage.own(hearbytest.Listener(juliet.host.argv(hearbytest.HEARBY, 'chat', 'romeo'), env=juliet.environment(),
                                                   merge=False, name='chat'))
    program.write('"are you there?"\n')
    program.wait_for({'type': 'message', 'direction': 'out'})
    chat.expect('are you there')
    chat.type('a')
    program.wait_for({'type': 'typing', 'state': 'composing'})
    chat.type('\x7f')
    program.wait_for({'type': 'typing', 'state': 'active'})
    program.write('{"typing":"composing"}\n')
    chat.expect('juliet is typing> ')
    chat.type('yes\r')
    chat.expect('yes\r\n.*> ')
    program.wait_for({'type': 'message', 'direction': 'in', 'body': 'yes'})
    program.process.stdin.close()
    equal(program.wait_exit(), 0)
    os.kill(chat.process.pid, 0)
    chat.type('\x04')
    equal(chat.wait(), 0)


def test_signals(stage):
    juliet, romeo = couple(stage)
    chat = Terminal(romeo, 'chat', 'juliet')
    chat.expect('juliet> ')
    chat.type('\x03')
    assert chat.wait() in (130, -signal.SIGINT), chat.process.returncode
    equal(termios.tcgetattr(chat.slave), chat.before, 'the terminal afterwards')
    romeo.cli('chat', 'nobody', check=6)


def test_program(stage):
    juliet, romeo = couple(stage)
    done = romeo.cli('chat', 'juliet', input='"one"\n{"body":"two\\nlines"}\nnot JSON\n{}\n{"body":"three"}')
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    equal([row['body'] for row in rows if row.get('type') == 'message'], ['one', 'two\nlines', 'three'])
    equal([row['error']['name'] for row in rows if 'error' in row], ['InvalidArgument'] * 2)
    juliet.consumer().wait_for({'body': 'three'})


def test_restart(stage):
    juliet, romeo = couple(stage)
    program = romeo.stage.own(hearbytest.Listener(romeo.host.argv(hearbytest.HEARBY, 'chat', 'juliet'), env=romeo.environment(),
                                                  merge=False, name='chat'))
    program.write('"one"\n')
    program.wait_for({'body': 'one'})
    romeo.stop()
    juliet.cli('send', 'romeo', 'meanwhile')
    romeo.start()
    program.wait_for({'body': 'meanwhile'})
    program.write('"two"\n')
    program.wait_for({'body': 'two'})
    equal([event['body'] for event in program.events() if event['type'] == 'message'], ['one', 'meanwhile', 'two'])


if __name__ == '__main__':
    hearbytest.main(test_terminal, test_no_locale, test_typing, test_signals, test_program, test_restart)
