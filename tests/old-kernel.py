#!/usr/bin/python3
"""old-kernel.py COMMAND …: runs it on a kernel that knows neither openat2() nor Landlock nor renameat2(): a seccomp filter says so."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import ctypes
import errno
import os
import platform
import struct
import sys

CALLS = {'x86_64': (316, 437, 444), 'aarch64': (276, 437, 444)}      # renameat2, openat2, landlock_create_ruleset
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06                       # <linux/bpf_common.h>: of 32 bits, absolute; of a constant
ALLOW, ERRNO = 0x7fff0000, 0x00050000                                # <linux/seccomp.h>
SET_NO_NEW_PRIVS, SET_SECCOMP, MODE_FILTER = 38, 22, 2               # <linux/prctl.h>

libc = ctypes.CDLL(None, use_errno=True)


class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_char_p)]


def main(command):
    calls = CALLS[platform.machine()]
    steps = [(LOAD, 0, 0, 0)]                                        # the number of the call
    steps += [(JUMP_IF_EQUAL, len(calls) - i, 0, number) for i, number in enumerate(calls)]
    steps += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    program = Program(len(steps), b''.join(struct.pack('=HBBI', *step) for step in steps))
    if libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(SET_SECCOMP, MODE_FILTER, ctypes.byref(program)):
        sys.exit('prctl: ' + os.strerror(ctypes.get_errno()))
    for number in calls:
        if libc.syscall(number, 0, 0, 0, 0) != -1 or ctypes.get_errno() != errno.ENOSYS:
            sys.exit('system call %d is still there' % number)
    os.execvp(command[0], command)


main(sys.argv[1:])
