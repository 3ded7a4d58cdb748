/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: every key has a value at any time, a bad one is named and skipped, and a change keeps what the user
 * wrote by hand. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "store/settings.h"

typedef struct
{
  char *folder;
  char *path;
} Place;

static void
setup (Place *place, gconstpointer data)
{
  place->folder = g_dir_make_tmp ("hearby-settings-XXXXXX", NULL);
  place->path = g_build_filename (place->folder, "hearby.conf", NULL);
}

static void
teardown (Place *place, gconstpointer data)
{
  g_remove (place->path);
  g_rmdir (place->folder);
  g_free (place->path);
  g_free (place->folder);
}

static Settings *
load (Place *place, char **warnings)
{
  g_autoptr (GError) error = NULL;
  Settings *settings = settings_load (place->path, warnings, &error);

  g_assert_no_error (error);
  return settings;
}

static Settings *
load_text (Place *place, const char *text, char **warnings)
{
  g_assert_true (g_file_set_contents (place->path, text, -1, NULL));
  return load (place, warnings);
}

static void
test_defaults (Place *place, gconstpointer data)
{
  g_autofree char *warnings = NULL;
  g_autoptr (Settings) settings = load (place, &warnings);
  const SettingInfo *table;
  gsize              n;

  g_assert_null (warnings);
  table = settings_table (&n);
  g_assert_cmpuint (n, ==, 16);
  for (gsize i = 0; i < n; i++)
    {
      g_assert_cmpstr (settings_get (settings, table[i].name), ==, table[i].fallback);
      g_assert_true (settings_check (table[i].name, table[i].fallback, NULL));
      g_assert_cmpuint (strlen (table[i].help), >, 0);
    }
  g_assert_null (settings_get (settings, "colour"));
  g_assert_cmpstr (settings_get (settings, "port"), ==, "5298");
  g_assert_cmpint (settings_history_days (settings), ==, -1);
  g_assert_true (settings_get_boolean (settings, "displayed"));
  g_assert_false (g_file_test (place->path, G_FILE_TEST_EXISTS));
}

static void
test_values (Place *place, gconstpointer data)
{
  g_autofree char *warnings = NULL;
  g_autoptr (Settings) settings = load_text (place,
                                             "# mine\n[hearby]\nport=0\nhistory=30d\ndisplayed=no\n"
                                             "nick=J\xc3\xbcliet Capulet\ninterfaces= eth0 ,wlan*; ;\n"
                                             "instance=juliet@balcony\ndiscovery=embedded\n",
                                             &warnings);
  g_auto (GStrv) interfaces = settings_get_list (settings, "interfaces");
  g_auto (GStrv) ignore = settings_get_list (settings, "ignore");
  g_auto (GStrv) unknown = settings_get_list (settings, "colour");

  g_assert_cmpstr (warnings, ==, NULL);
  g_assert_cmpstr (settings_get (settings, "port"), ==, "0");
  g_assert_cmpint (settings_history_days (settings), ==, 30);
  g_assert_false (settings_get_boolean (settings, "displayed"));
  g_assert_cmpstr (settings_get (settings, "nick"), ==, "J\xc3\xbcliet Capulet");
  g_assert_cmpuint (g_strv_length (interfaces), ==, 2);
  g_assert_cmpstr (interfaces[0], ==, "eth0");
  g_assert_cmpstr (interfaces[1], ==, "wlan*");
  g_assert_cmpuint (g_strv_length (ignore), ==, 5);
  g_assert_cmpuint (g_strv_length (unknown), ==, 0);
}

static void
test_bad_values_are_skipped (Place *place, gconstpointer data)
{
  g_autofree char *warnings = NULL;
  g_autoptr (Settings) settings = load_text (place,
                                             "[hearby]\nport=70000\nhistory=soon\ncolour=red\nnick=\xff\xfe\n"
                                             "displayed=no\n[other]\na=b\n",
                                             &warnings);
  g_auto (GStrv) lines = g_strsplit (warnings, "\n", -1);

  g_assert_cmpuint (g_strv_length (lines), ==, 5);
  for (guint i = 0; lines[i] != NULL; i++)
    g_assert_true (g_str_has_prefix (lines[i], place->path));
  g_assert_nonnull (strstr (warnings, "'port' is ignored: it is a number from 0 to 65535"));
  g_assert_nonnull (strstr (warnings, "'history'"));
  g_assert_nonnull (strstr (warnings, "'colour' is ignored: there is no such setting"));
  g_assert_nonnull (strstr (warnings, "'nick'"));
  g_assert_nonnull (strstr (warnings, "'other'"));
  g_assert_cmpstr (settings_get (settings, "port"), ==, "5298");
  g_assert_cmpint (settings_history_days (settings), ==, -1);
  g_assert_cmpstr (settings_get (settings, "nick"), ==, "");
  g_assert_false (settings_get_boolean (settings, "displayed"));
}

static void
test_many_warnings_are_bounded (Place *place, gconstpointer data)
{
  g_autofree char *warnings = NULL;
  g_autoptr (GString) text = g_string_new ("[hearby]\n");
  g_autoptr (Settings) settings = NULL;

  for (guint i = 0; i < 5000; i++)
    g_string_append_printf (text, "key%u=1\n", i);
  settings = load_text (place, text->str, &warnings);
  g_assert_cmpuint (strlen (warnings), <, 8192);
}

static void
assert_no_settings (const char *path, const char *says)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *warnings = NULL;

  g_assert_null (settings_load (path, &warnings, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_nonnull (strstr (error->message, says));
}

static void
test_no_key_file (Place *place, gconstpointer data)
{
  g_autofree char *large = g_strnfill (256 * 1024 + 1, '\n');

  g_assert_true (g_file_set_contents (place->path, "dear diary\n", -1, NULL));
  assert_no_settings (place->path, "");
  g_assert_true (g_file_set_contents (place->path, "[hearby]\nport=1\0\n", 17, NULL));
  assert_no_settings (place->path, "not a text file");
  g_assert_true (g_file_set_contents (place->path, large, 256 * 1024 + 1, NULL));
  assert_no_settings (place->path, "too large");
  large[256 * 1024] = '\0';
  {
    g_autoptr (Settings) settings = load_text (place, large, NULL);

    g_assert_nonnull (settings);
  }
  {
    g_autoptr (Settings) settings = load_text (place, "", NULL);

    g_assert_nonnull (settings);
  }
  assert_no_settings (place->folder, "not a file");
}

/* Checks ------------------------------------------------------------------------------------------------- */

static const struct
{
  const char *key;
  const char *value;
  gboolean    fine;
} values[] = {
  { "discovery", "auto", TRUE },     { "discovery", "avahi", TRUE },  { "discovery", "off", TRUE },
  { "discovery", "on", FALSE },      { "discovery", "", FALSE },      { "discovery", "Auto", FALSE },
  { "port", "0", TRUE },             { "port", "65535", TRUE },       { "port", "65536", FALSE },
  { "port", "-1", FALSE },           { "port", "+1", FALSE },         { "port", "5298 ", FALSE },
  { "port", "0x10", FALSE },         { "port", "", FALSE },           { "history", "forever", TRUE },
  { "history", "off", TRUE },        { "history", "1d", TRUE },       { "history", "36500d", TRUE },
  { "history", "36501d", FALSE },    { "history", "0d", FALSE },      { "history", "d", FALSE },
  { "history", "30", FALSE },        { "history", "-3d", FALSE },     { "history", "", FALSE },
  { "instance", "", TRUE },          { "instance", "a@b", TRUE },     { "instance", "@b", FALSE },
  { "instance", "a@", FALSE },       { "instance", "ab", FALSE },     { "instance", "a\n@b", FALSE },
  { "instance", "a\xe2\x80\xae@b", FALSE }, { "displayed", "yes", TRUE }, { "displayed", "true", FALSE },
  { "nick", "two\nlines", FALSE },   { "nick", "\x1b[31m", FALSE },   { "nick", " blank", FALSE },
  { "nick", "\xff", FALSE },         { "interfaces", "eth*;wl?n0", TRUE }, { "interfaces", "a\tb", FALSE },
};

static void
assert_length (const char *key, gsize limit, const char *end)
{
  g_autofree char *filler = g_strnfill (limit + 1 - strlen (end), 'x');
  g_autofree char *longer = g_strconcat (filler, end, NULL);

  g_assert_false (settings_check (key, longer, NULL));
  g_assert_true (settings_check (key, longer + 1, NULL));
}

static void
test_checks (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autofree char *shown = g_strescape (values[i].value, NULL);
      g_autoptr (GError) error = NULL;

      g_test_message ("%s=%s", values[i].key, shown);
      g_assert_true (settings_check (values[i].key, values[i].value, &error) == values[i].fine);
      if (!values[i].fine)
        g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
    }
  assert_length ("instance", LIMIT_INSTANCE, "@host");
  assert_length ("nick", LIMIT_NICK, "");
  assert_length ("email", 240, "@verona.example");
  assert_length ("ignore", 1024, "");
}

/* Changing ----------------------------------------------------------------------------------------------- */

static void
test_set_keeps_the_rest (Place *place, gconstpointer data)
{
  g_autoptr (Settings) settings
    = load_text (place, "# by hand\n\n[hearby]\n# my port\nport=7000\nfuture=yes\n\n[other]\nkey=1\n", NULL);
  g_autoptr (Settings) again = NULL;
  g_autofree char *text = NULL;
  struct stat info;

  g_assert_cmpint (chmod (place->path, 0640), ==, 0);
  g_assert_true (settings_set (settings, "nick", "a \"b\" \\ c;d # e", NULL));
  g_assert_true (settings_set (settings, "port", "7001", NULL));
  g_assert_cmpstr (settings_get (settings, "port"), ==, "7001");
  g_assert_true (g_file_get_contents (place->path, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "# by hand"));
  g_assert_nonnull (strstr (text, "# my port\nport=7001"));
  g_assert_nonnull (strstr (text, "future=yes"));
  g_assert_nonnull (strstr (text, "[other]\nkey=1"));
  g_assert_cmpint (stat (place->path, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 07777, ==, 0640);
  again = load (place, NULL);
  g_assert_cmpstr (settings_get (again, "nick"), ==, "a \"b\" \\ c;d # e");
  g_assert_cmpstr (settings_get (again, "port"), ==, "7001");
}

static void
test_back_to_the_default (Place *place, gconstpointer data)
{
  g_autoptr (Settings) settings = load_text (place, "[hearby]\nport=7000\n", NULL);
  g_autoptr (Settings) again = NULL;

  g_assert_true (settings_set (settings, "port", NULL, NULL));
  g_assert_true (settings_set (settings, "nick", NULL, NULL)); /* was not there */
  g_assert_cmpstr (settings_get (settings, "port"), ==, "5298");
  again = load (place, NULL);
  g_assert_cmpstr (settings_get (again, "port"), ==, "5298");
}

static void
test_set_makes_the_file (Place *place, gconstpointer data)
{
  g_autofree char *folder = g_build_filename (place->folder, "config", NULL);
  g_autofree char *path = g_build_filename (folder, "hearby.conf", NULL);
  g_autoptr (Settings) settings = settings_load (path, NULL, NULL);
  struct stat info;

  g_assert_true (settings_set (settings, "email", "juliet@verona.example", NULL));
  g_assert_cmpint (stat (path, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 07777, ==, 0600);
  g_remove (path);
  g_rmdir (folder);
}

static void
test_refused_changes_change_nothing (Place *place, gconstpointer data)
{
  g_autoptr (Settings) settings = load (place, NULL);
  g_autoptr (GError) unknown = NULL;
  g_autoptr (GError) bad = NULL;
  g_autoptr (GError) broken = NULL;
  g_autofree char *text = NULL;

  g_assert_false (settings_set (settings, "colour", "red", &unknown));
  g_assert_error (unknown, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (unknown->message, "\nthere are: discovery port "));
  g_assert_false (settings_set (settings, "history", "soon", &bad));
  g_assert_error (bad, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (bad->message, "forever, off or"));
  g_assert_false (g_file_test (place->path, G_FILE_TEST_EXISTS));

  g_assert_true (g_file_set_contents (place->path, "half a li", -1, NULL)); /* being edited */
  g_assert_false (settings_set (settings, "port", "1", &broken));
  g_assert_error (broken, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR);
  g_assert_true (g_file_get_contents (place->path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "half a li");
  g_assert_cmpstr (settings_get (settings, "port"), ==, "5298");
}

static void
test_a_link_stays_a_link (Place *place, gconstpointer data)
{
  g_autofree char *target = g_build_filename (place->folder, "dotfile", NULL);
  g_autofree char *text = NULL;
  g_autoptr (Settings) settings = NULL;

  g_assert_true (g_file_set_contents (target, "[hearby]\n", -1, NULL));
  g_assert_cmpint (symlink ("dotfile", place->path), ==, 0);
  settings = load (place, NULL);
  g_assert_true (settings_set (settings, "port", "1", NULL));
  g_assert_true (g_file_test (place->path, G_FILE_TEST_IS_SYMLINK));
  g_assert_true (g_file_get_contents (target, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "port=1"));
  g_remove (target);
}

#define settings_test(path, function) g_test_add (path, Place, NULL, setup, function, teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  settings_test ("/settings/defaults", test_defaults);
  settings_test ("/settings/values", test_values);
  settings_test ("/settings/bad-values-are-skipped", test_bad_values_are_skipped);
  settings_test ("/settings/many-warnings-are-bounded", test_many_warnings_are_bounded);
  settings_test ("/settings/no-key-file", test_no_key_file);
  g_test_add_func ("/settings/checks", test_checks);
  settings_test ("/settings/set-keeps-the-rest", test_set_keeps_the_rest);
  settings_test ("/settings/back-to-the-default", test_back_to_the_default);
  settings_test ("/settings/set-makes-the-file", test_set_makes_the_file);
  settings_test ("/settings/refused-changes-change-nothing", test_refused_changes_change_nothing);
  settings_test ("/settings/a-link-stays-a-link", test_a_link_stays_a_link);
  return g_test_run ();
}
