/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: everything is where the XDG variables say, and folders are made for the user alone. */
#include <glib/gstdio.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/paths.h"

static char *folder;

static void
assert_below (char *path, const char *relative)
{
  g_autofree char *expected = g_build_filename (folder, relative, NULL);

  g_assert_cmpstr (path, ==, expected);
  g_free (path);
}

static void
test_places (void)
{
  assert_below (paths_data_dir (), "data/hearby");
  assert_below (paths_database (), "data/hearby/hearby.db");
  assert_below (paths_identity (), "data/hearby/identity.key");
  assert_below (paths_lock (), "data/hearby/lock");
  assert_below (paths_log (), "data/hearby/daemon.log");
  assert_below (paths_settings (), "config/hearby/hearby.conf");
}

static void
test_runtime_dir (void)
{
  g_autofree char *missing = g_build_filename (folder, "missing", NULL);

  g_setenv ("XDG_RUNTIME_DIR", folder, TRUE);
  assert_below (paths_runtime_dir (), "hearby");
  g_setenv ("XDG_RUNTIME_DIR", missing, TRUE);
  g_assert_null (paths_runtime_dir ());
  g_setenv ("XDG_RUNTIME_DIR", "relative", TRUE);
  g_assert_null (paths_runtime_dir ());
  g_unsetenv ("XDG_RUNTIME_DIR");
  g_assert_null (paths_runtime_dir ());
}

static void
test_make_dir (void)
{
  g_autofree char *deep = g_build_filename (folder, "a", "b", NULL);
  g_autofree char *parent = g_build_filename (folder, "a", NULL);
  g_autofree char *file = g_build_filename (folder, "file", NULL);
  g_autofree char *below = g_build_filename (file, "c", NULL);
  g_autoptr (GError) on_file = NULL;
  g_autoptr (GError) below_file = NULL;
  struct stat info;

  g_assert_true (paths_make_dir (deep, NULL));
  g_assert_true (paths_make_dir (deep, NULL)); /* there already */
  g_assert_cmpint (stat (deep, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 07777, ==, 0700);
  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  g_assert_false (paths_make_dir (file, &on_file));
  g_assert_error (on_file, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR);
  g_assert_false (paths_make_dir (below, &below_file));
  g_assert_error (below_file, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR);
  g_rmdir (deep);
  g_rmdir (parent);
  g_remove (file);
}

int
main (int argc, char **argv)
{
  g_autofree char *data = NULL;
  g_autofree char *config = NULL;
  int              result;

  folder = g_dir_make_tmp ("hearby-paths-XXXXXX", NULL);
  data = g_build_filename (folder, "data", NULL);
  config = g_build_filename (folder, "config", NULL);
  g_setenv ("XDG_DATA_HOME", data, TRUE); /* GLib reads them once */
  g_setenv ("XDG_CONFIG_HOME", config, TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/paths/places", test_places);
  g_test_add_func ("/paths/runtime-dir", test_runtime_dir);
  g_test_add_func ("/paths/make-dir", test_make_dir);
  result = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return result;
}
