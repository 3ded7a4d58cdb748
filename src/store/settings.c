/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/paths.h"
#include "base/text.h"

#define GROUP "hearby"
#define FILE_SIZE (256 * 1024)
#define TEXT_SIZE 240 /* so that "email=" and it are one TXT string */
#define DAYS 36500

struct _Settings
{
  char       *path;
  GHashTable *values; /* key, of the table → text; what differs from the default */
};

/* What a value may be ------------------------------------------------------------------------------------ */

static gboolean
is_line (const char *value, gsize max)
{
  g_autofree char *clean = NULL;

  if (strlen (value) > max)
    return FALSE;
  clean = text_clean_line (value, -1, max);
  return g_str_equal (clean, value);
}

static gboolean
is_discovery (const char *value)
{
  static const char *const words[] = { "auto", "avahi", "embedded", "off", NULL };

  return g_strv_contains (words, value);
}

static gboolean
is_port (const char *value)
{
  return g_ascii_string_to_unsigned (value, 10, 0, 65535, NULL, NULL);
}

static gboolean
is_globs (const char *value)
{
  return is_line (value, 1024);
}

static gboolean
parse_days (const char *value, int *days)
{
  g_autofree char *number = g_str_has_suffix (value, "d") ? g_strndup (value, strlen (value) - 1) : NULL;
  guint64          n;

  if (g_str_equal (value, "forever"))
    *days = -1;
  else if (g_str_equal (value, "off"))
    *days = 0;
  else if (number != NULL && g_ascii_string_to_unsigned (number, 10, 1, DAYS, &n, NULL))
    *days = (int) n;
  else
    return FALSE;
  return TRUE;
}

static gboolean
is_history (const char *value)
{
  int days;

  return parse_days (value, &days);
}

static gboolean
is_instance (const char *value)
{
  const char *at = strrchr (value, '@');

  return *value == '\0' || (is_line (value, LIMIT_INSTANCE) && at != NULL && at != value && at[1] != '\0');
}

static gboolean
is_nick (const char *value)
{
  return is_line (value, LIMIT_NICK);
}

static gboolean
is_text (const char *value)
{
  return is_line (value, TEXT_SIZE);
}

static gboolean
is_yes_or_no (const char *value)
{
  return g_str_equal (value, "yes") || g_str_equal (value, "no");
}

static gboolean
is_encryption (const char *value)
{
  static const char *const words[] = { "prefer", "require", "never", NULL };

  return g_strv_contains (words, value);
}

static gboolean
is_folder (const char *value)
{
  return *value == '\0' || ((g_path_is_absolute (value) || g_str_has_prefix (value, "~/")) && is_line (value, LIMIT_PATH));
}

static gboolean
is_size (const char *value)
{
  gint64 size;

  return text_parse_size (value, &size);
}

static const SettingInfo infos[] = {
  { "discovery", "auto", "Who finds the others: avahi-daemon, ourselves, nobody", TRUE },
  { "port", "5298", "TCP port of our streams; 0 takes any", TRUE },
  { "interfaces", "", "Only these interfaces; empty for all", TRUE },
  { "ignore", "docker*;veth*;br-*;virbr*;lxc*", "Never these interfaces", TRUE },
  { "history", "forever", "How long messages are kept", FALSE },
  { "instance", "", "Our name on the link; empty for login@host", TRUE },
  { "nick", "", "What others see as our name", FALSE },
  { "first", "", "First name that others see", FALSE },
  { "last", "", "Last name that others see", FALSE },
  { "email", "", "Mail address that others see", FALSE },
  { "jid", "", "Jabber address that others see", FALSE },
  { "displayed", "yes", "Tell the others what we have read", FALSE },
  { "encryption", "prefer", "Encrypt: prefer, require or never", FALSE },
  { "hint", "yes", "Let those who know our key recognise us", FALSE },
  { "downloads", "", "Folder for received files; empty for the desktop's", FALSE },
  { "reserve", "250M", "Space on a disk that received files leave free", FALSE },
};

static const struct
{
  gboolean (*check) (const char *value);
  const char *allowed;
} rules[] = {
  { is_discovery, "auto, avahi, embedded or off" },
  { is_port, "a number from 0 to 65535" },
  { is_globs, "names of interfaces, separated by ';' or ',', with * and ?" },
  { is_globs, "names of interfaces, separated by ';' or ',', with * and ?" },
  { is_history, "forever, off or a number of days like 30d" },
  { is_instance, "user@host, at most 63 bytes" },
  { is_nick, "one line of at most 128 bytes" },
  { is_text, "one line of at most 240 bytes" },
  { is_text, "one line of at most 240 bytes" },
  { is_text, "one line of at most 240 bytes" },
  { is_text, "one line of at most 240 bytes" },
  { is_yes_or_no, "yes or no" },
  { is_encryption, "prefer, require or never" },
  { is_yes_or_no, "yes or no" },
  { is_folder, "empty, or a path that begins with / or ~/" },
  { is_size, "bytes, or with K, M, G or T" },
};

G_STATIC_ASSERT (G_N_ELEMENTS (infos) == G_N_ELEMENTS (rules));

const SettingInfo *
settings_table (gsize *n)
{
  *n = G_N_ELEMENTS (infos);
  return infos;
}

/* The row of @key, or -1 */
static int
find_key (const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (infos); i++)
    if (g_str_equal (infos[i].name, key))
      return (int) i;
  return -1;
}

/* The file ----------------------------------------------------------------------------------------------- */

static gboolean
fail_file (const char *path, const char *what, GError **error)
{
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "settings %s: %s", path, what);
  return FALSE;
}

static gboolean
parse_file (GKeyFile *file, const char *path, GError **error)
{
  g_autoptr (GError) err = NULL;
  g_autofree char *text = NULL;
  gsize            len;

  if (!g_file_get_contents (path, &text, &len, &err))
    return fail_file (path, err->message, error);
  if (memchr (text, '\0', len) != NULL)
    return fail_file (path, "it is not a text file", error);
  if (len > 0 && !g_key_file_load_from_data (file, text, len, G_KEY_FILE_KEEP_COMMENTS, &err))
    return fail_file (path, err->message, error);
  return TRUE;
}

/* An empty one where there is no file. */
static GKeyFile *
read_file (const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  struct stat info;

  if (stat (path, &info) != 0)
    {
      if (errno == ENOENT)
        return g_steal_pointer (&file);
      fail_file (path, g_strerror (errno), error);
      return NULL;
    }
  if (!S_ISREG (info.st_mode) || info.st_size > FILE_SIZE)
    {
      fail_file (path, S_ISREG (info.st_mode) ? "it is too large" : "it is not a file", error);
      return NULL;
    }
  return parse_file (file, path, error) ? g_steal_pointer (&file) : NULL;
}

static gboolean
write_file (GKeyFile *file, const char *path, GError **error)
{
  g_autoptr (GError) err = NULL;
  g_autofree char *text = NULL;
  g_autofree char *folder = g_path_get_dirname (path);
  char            *target; /* malloc's; a link into somebody's dotfiles stays a link */
  struct stat      info;
  gsize            len;
  gboolean         ok;

  if (!paths_make_dir (folder, error))
    return FALSE;
  target = realpath (path, NULL);
  text = g_key_file_to_data (file, &len, NULL);
  ok = g_file_set_contents_full (target != NULL ? target : path, text, len, G_FILE_SET_CONTENTS_CONSISTENT,
                                 stat (path, &info) == 0 ? (int) (info.st_mode & 0777) : 0600, &err);
  free (target);
  return ok || fail_file (path, err->message, error);
}

/* Loading ------------------------------------------------------------------------------------------------ */

/* Takes the value of @key over, or answers why not. Caller owns. */
static char *
take_value (Settings *settings, GKeyFile *file, const char *key)
{
  int              row = find_key (key);
  g_autofree char *value = NULL;

  if (row < 0)
    return g_strdup ("there is no such setting");
  value = g_key_file_get_string (file, GROUP, key, NULL);
  if (value == NULL || !rules[row].check (value))
    return g_strconcat ("it is ", rules[row].allowed, NULL);
  g_hash_table_insert (settings->values, (gpointer) infos[row].name, g_steal_pointer (&value));
  return NULL;
}

static void
warn (GString *warnings, const char *path, const char *what, const char *why)
{
  g_autofree char *clean = text_clean_line (what, -1, 64);

  if (warnings->len > 4096)
    return; /* a file of something else */
  g_string_append_printf (warnings, "%s%s: '%s' is ignored: %s", warnings->len > 0 ? "\n" : "", path, clean,
                          why);
}

static void
take_values (Settings *settings, GKeyFile *file, GString *warnings)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);
  g_auto (GStrv) keys = g_key_file_get_keys (file, GROUP, NULL, NULL);

  for (guint i = 0; groups[i] != NULL; i++)
    if (!g_str_equal (groups[i], GROUP))
      warn (warnings, settings->path, groups[i], "only the group [" GROUP "] is read");
  for (guint i = 0; keys != NULL && keys[i] != NULL; i++)
    {
      g_autofree char *why = take_value (settings, file, keys[i]);

      if (why != NULL)
        warn (warnings, settings->path, keys[i], why);
    }
}

Settings *
settings_load (const char *path, char **warnings, GError **error)
{
  g_autoptr (GKeyFile) file = read_file (path, error);
  g_autoptr (GString) text = g_string_new (NULL);
  Settings *settings;

  if (warnings != NULL)
    *warnings = NULL;
  if (file == NULL)
    return NULL;
  settings = g_new0 (Settings, 1);
  settings->path = g_strdup (path);
  settings->values = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  take_values (settings, file, text);
  if (warnings != NULL && text->len > 0)
    *warnings = g_strdup (text->str);
  return settings;
}

void
settings_free (Settings *settings)
{
  if (settings == NULL)
    return;
  g_hash_table_unref (settings->values);
  g_free (settings->path);
  g_free (settings);
}

/* Reading ------------------------------------------------------------------------------------------------ */

const char *
settings_get (Settings *settings, const char *key)
{
  int         row = find_key (key);
  const char *value = row >= 0 ? g_hash_table_lookup (settings->values, key) : NULL;

  if (row < 0)
    return NULL;
  return value != NULL ? value : infos[row].fallback;
}

char **
settings_get_list (Settings *settings, const char *key)
{
  const char    *value = settings_get (settings, key);
  g_auto (GStrv) parts = g_strsplit_set (value != NULL ? value : "", ";,", -1);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; parts[i] != NULL; i++)
    if (*g_strstrip (parts[i]) != '\0')
      g_ptr_array_add (list, g_strdup (parts[i]));
  g_ptr_array_add (list, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&list), FALSE);
}

int
settings_history_days (Settings *settings)
{
  int days = -1;

  parse_days (settings_get (settings, "history"), &days);
  return days;
}

gint64
settings_get_size (Settings *settings, const char *key)
{
  gint64 size = 0;

  text_parse_size (settings_get (settings, key), &size);
  return size;
}

gboolean
settings_get_boolean (Settings *settings, const char *key)
{
  return g_strcmp0 (settings_get (settings, key), "yes") == 0;
}

/* Changing ----------------------------------------------------------------------------------------------- */

static gboolean
fail_unknown (const char *key, GError **error)
{
  g_autofree char *clean = text_clean_line (key, -1, 64);
  g_autoptr (GString) all = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (infos); i++)
    g_string_append_printf (all, "%s%s", i > 0 ? " " : "", infos[i].name);
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "there is no setting '%s'\nthere are: %s", clean,
               all->str);
  return FALSE;
}

gboolean
settings_check (const char *key, const char *value, GError **error)
{
  int row = find_key (key);

  if (row < 0)
    return fail_unknown (key, error);
  if (value == NULL || rules[row].check (value))
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "'%s' is %s", key, rules[row].allowed);
  return FALSE;
}

gboolean
settings_set (Settings *settings, const char *key, const char *value, GError **error)
{
  g_autoptr (GKeyFile) file = NULL;

  if (!settings_check (key, value, error))
    return FALSE;
  file = read_file (settings->path, error); /* again: somebody may have edited it */
  if (file == NULL)
    return FALSE;
  if (value != NULL)
    g_key_file_set_string (file, GROUP, key, value);
  else
    g_key_file_remove_key (file, GROUP, key, NULL);
  if (!write_file (file, settings->path, error))
    return FALSE;
  if (value != NULL)
    g_hash_table_insert (settings->values, (gpointer) infos[find_key (key)].name, g_strdup (value));
  else
    g_hash_table_remove (settings->values, key);
  return TRUE;
}
