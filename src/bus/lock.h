/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One daemon for each data folder: who holds flock on the lock file is it, and the file says where it listens. */

/* lock_take: the descriptor that holds the lock as long as it is open, or -1: with *@holder set (the D-Bus address of the private socket of
 * the daemon that has it; waits up to 5 s for one that is just starting) or with @error (FILE_ERROR, TIMEOUT). */
int lock_take (const char *path, char **holder, GError **error);

/* lock_write: where we listen. */
gboolean lock_write (int fd, const char *address, GError **error);

/* lock_clear: nowhere any more, while the lock is still held: the next daemon waits for that. */
void lock_clear (int fd);
