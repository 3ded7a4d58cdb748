/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

char *
tree_path (const char *folder, const char *name)
{
  return g_build_filename (folder, name, NULL);
}

guint
tree_count (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

void
tree_remove (char *folder)
{
  const char *argv[] = { "rm", "-rf", folder, NULL };

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  g_free (folder);
}

void
tree_assert_same (const char *folder, const char *name, const char *other, const char *as)
{
  g_autofree char *here = tree_path (folder, name), *there = tree_path (other, as);
  g_autofree char *a = NULL, *b = NULL;
  gsize a_len = 0, b_len = 0;

  g_assert_true (g_file_get_contents (here, &a, &a_len, NULL));
  g_assert_true (g_file_get_contents (there, &b, &b_len, NULL));
  g_assert_cmpmem (a, a_len, b, b_len);
}

gboolean
tree_is (const Transfer *transfer, TransferState state, const char *reason)
{
  return transfer != NULL && transfer->row->state == state
         && g_strcmp0 (transfer->row->reason != NULL ? transfer->row->reason : "", reason) == 0;
}
