/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* harden_process: what a process does before it holds a key: starts libsodium, and sees to it that neither a
 * core file nor another process of the same user (ptrace, /proc/PID/mem) gets its memory. To be called once
 * by the daemon, before identity_load_or_create() and before there is a thread. An exec undoes it but for the
 * core files. Failed where one of them does not work. */
gboolean harden_process (GError **error);
