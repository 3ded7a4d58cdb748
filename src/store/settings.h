/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* hearby.conf: a GKeyFile with one group, [hearby]. One table knows every key, its default and what it may be; hearby.conf(5)
 * describes the same keys. */

typedef struct _Settings Settings;

/* settings_load: a missing file is all defaults. A key that is unknown or has a bad value is skipped with a line in *@warnings
 * (may be NULL; caller owns), never fatal; a file that is no key file is an error. */
Settings *settings_load (const char *path, char **warnings, GError **error);
void      settings_free (Settings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Settings, settings_free)

/* Keys: discovery (auto|avahi|embedded|off) port (0-65535, default 5298) interfaces (globs by ';' or ',') ignore (globs) history (forever|off|N days: "30d")
 * instance (user@host, empty: login and host name) nick first last email jid (text, default empty) displayed (yes|no: tell peers
 * what was read, default yes)
 * encryption hint downloads (folder) reserve (bytes that stay free on its disk, default 250M). */
const char *settings_get (Settings *settings, const char *key); /* always a value for a known key; NULL: no such key */
char      **settings_get_list (Settings *settings, const char *key);
int         settings_history_days (Settings *settings); /* -1: for ever, 0: off */
gboolean    settings_get_boolean (Settings *settings, const char *key);
gint64      settings_get_size (Settings *settings, const char *key); /* bytes */

/* settings_check: what settings_set() would say to it, without doing it; for changes that are all or none. */
gboolean settings_check (const char *key, const char *value, GError **error);

/* settings_set: checks, then writes the file atomically (comments and unknown keys stay). NULL: back to the default.
 * INVALID_ARGUMENT names what is allowed; NOT_FOUND: no such key, the hint lists all. */
gboolean settings_set (Settings *settings, const char *key, const char *value, GError **error);

typedef struct
{
  const char *name;
  const char *fallback;
  const char *help;      /* one line */
  gboolean    restart;   /* takes effect when the daemon starts next */
} SettingInfo;

const SettingInfo *settings_table (gsize *n);
