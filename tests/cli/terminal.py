"""A terminal, for what asks people."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import os
import pty
import re
import select
import subprocess
import termios
import time

import hearbytest


END = '\x1c'                                     # that nobody says


class Terminal:
    """A verb at a terminal of 60 columns."""

    def __init__(self, person, *args, **environment):
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 60))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.text = ''
        self.process = subprocess.Popen(person.host.argv('setsid', '--ctty', '--wait', hearbytest.HEARBY, *args),
                                        env=person.environment(**{'TERM': 'xterm', 'NO_COLOR': '1', **environment}), stdin=slave, stdout=slave, stderr=slave)

    def type(self, text):
        os.write(self.master, text.encode())

    def expect(self, pattern):
        deadline = time.monotonic() + hearbytest.PATIENCE
        while True:
            found = re.search(pattern, self.text, re.S)
            if found:
                self.text = self.text[found.end():]
                return found
            if not select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
                raise hearbytest.Failed('%r did not come:\n%r' % (pattern, self.text))
            self.text += os.read(self.master, 65536).decode('utf-8', 'replace')

    def wait(self):
        """Its exit status; all that it said has been read then. It is read meanwhile, too: a terminal that is full would keep it from
        ending."""
        deadline = time.monotonic() + hearbytest.PATIENCE
        ended = os.pidfd_open(self.process.pid)
        ready = []
        while ended not in ready and time.monotonic() < deadline:
            ready = select.select([self.master, ended], [], [], max(0, deadline - time.monotonic()))[0]
            if self.master in ready:
                self.text += os.read(self.master, 65536).decode('utf-8', 'replace')
        os.close(ended)
        status = self.process.wait(0)
        os.write(self.slave, END.encode())        # a terminal hands on what it was given when it gets to it, but in order
        while not self.text.endswith(END):
            if not select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
                raise hearbytest.Failed('the terminal keeps what it was given:\n%r' % self.text)
            self.text += os.read(self.master, 65536).decode('utf-8', 'replace')
        self.text = self.text.removesuffix(END)
        return status
