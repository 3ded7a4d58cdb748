/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* daemon_main: `hearby daemon` in the foreground: takes the lock, serves the private socket and the session bus if there is one, until
 * SIGTERM, SIGINT or Quit. Where another daemon has the lock, that one is asked to join our session bus, and this one ends well.
 * @announce: on the air at once. Answers the exit status. */
int daemon_main (gboolean announce);

/* daemon_change_passphrase: of our key, where no daemon runs. The exit status. */
int daemon_change_passphrase (void);
