/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* launch_daemon: starts this very program as a daemon that is not on the air, with its own session and none of our
 * descriptors, and waits until it says that it is ready or has ended (another one was faster; that one serves). Its process id
 * is in *@pid. NO_DAEMON. */
gboolean launch_daemon (int *pid, GError **error);

/* launch_crashed: whether the daemon @pid that we started has ended other than by its own will; it is reaped. */
gboolean launch_crashed (int pid);
