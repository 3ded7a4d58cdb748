/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Where things are (XDG base directories). Each answer is the caller's. */

char *paths_data_dir (void);     /* $XDG_DATA_HOME/hearby */
char *paths_database (void);     /* …/hearby.db */
char *paths_identity (void);     /* …/identity.key */
char *paths_lock (void);         /* …/lock : held by the daemon; names its private socket */
char *paths_outgoing (void); /* …/outgoing : lists of what is being sent */
char *paths_log (void);          /* …/daemon.log : of a daemon that a verb started */
char *paths_settings (void);     /* $XDG_CONFIG_HOME/hearby/hearby.conf */
char *paths_runtime_dir (void);  /* $XDG_RUNTIME_DIR/hearby, or NULL where there is none (cron) */

/* paths_make_dir: makes @path and its parents, the last one 0700. FileError. */
gboolean paths_make_dir (const char *path, GError **error);
