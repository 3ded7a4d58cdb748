/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/paths.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

char *
paths_data_dir (void)
{
  return g_build_filename (g_get_user_data_dir (), "hearby", NULL);
}

static char *
in_data_dir (const char *name)
{
  return g_build_filename (g_get_user_data_dir (), "hearby", name, NULL);
}

char *
paths_database (void)
{
  return in_data_dir ("hearby.db");
}

char *
paths_identity (void)
{
  return in_data_dir ("identity.key");
}

char *
paths_lock (void)
{
  return in_data_dir ("lock");
}

char *
paths_outgoing (void)
{
  return in_data_dir ("outgoing");
}

char *
paths_log (void)
{
  return in_data_dir ("daemon.log");
}

char *
paths_settings (void)
{
  return g_build_filename (g_get_user_config_dir (), "hearby", "hearby.conf", NULL);
}

char *
paths_runtime_dir (void)
{
  const char *dir = g_getenv ("XDG_RUNTIME_DIR");

  /* g_get_user_runtime_dir() would fall back to the cache, which other hosts may share. */
  if (dir == NULL || !g_path_is_absolute (dir) || access (dir, W_OK | X_OK) != 0)
    return NULL;
  return g_build_filename (dir, "hearby", NULL);
}

gboolean
paths_make_dir (const char *path, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (path);

  if (g_mkdir_with_parents (parent, 0755) == 0 && (mkdir (path, 0700) == 0 || errno == EEXIST)
      && g_file_test (path, G_FILE_TEST_IS_DIR))
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "cannot make the folder %s: %s", path,
               g_strerror (errno));
  return FALSE;
}
