/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scene.h"

#include <string.h>

#include "core/transfers-private.h"

static void
on_added (Messenger *messenger, Transfer *transfer, Scene *scene)
{
  if (transfer->row->direction == DIRECTION_IN)
    scene->got = transfer->row->id;
}

void
scene_follow (Scene *scene)
{
  g_signal_connect (scene->romeo->messenger, "transfer-added", G_CALLBACK (on_added), scene);
}

void
scene_open (Scene *scene)
{
  Pair pair;

  pair_open (&pair, SIDE_SECURE, PROXY_WHOLE, NULL, NULL);
  *scene = (Scene){ .juliet = pair.juliet, .romeo = pair.romeo, .to_romeo = pair.to_romeo, .to_juliet = pair.to_juliet };
  scene->from = g_dir_make_tmp ("hearby-from-XXXXXX", NULL);
  scene->to = g_dir_make_tmp ("hearby-to-XXXXXX", NULL);
  scene_follow (scene);
}

void
scene_close (Scene *scene)
{
  Pair pair = { scene->juliet, scene->romeo, scene->to_romeo, scene->to_juliet };

  pair_close (&pair);
  tree_remove (scene->from);
  tree_remove (scene->to);
}

Transfer *
scene_sent (Scene *scene)
{
  return transfers_find (scene->juliet->messenger, scene->sent);
}

Transfer *
scene_got (Scene *scene)
{
  return transfers_find (scene->romeo->messenger, scene->got);
}

void
scene_write (const char *folder, const char *name, gsize size)
{
  g_autofree char *path = tree_path (folder, name);
  g_autofree char *bytes = g_malloc (size + 1);
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) size);
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i + 4 <= size; i += 4)
    {
      guint32 word = g_rand_int (rand);

      memcpy (bytes + i, &word, 4);
    }
  g_file_set_contents (path, bytes, (gssize) size, &error);
  g_assert_no_error (error);
}

void
scene_assert_same (Scene *scene, const char *name, const char *as)
{
  tree_assert_same (scene->from, name, scene->to, as);
}

void
scene_offer (Scene *scene, const char *name, int fd)
{
  g_autofree char *path = fd < 0 ? tree_path (scene->from, name) : NULL;
  TransferSource source = { name, path, fd };
  TransferOptions options = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) ids = transfers_offer (scene->juliet->messenger, &scene->juliet->peer, 1, &source, 1, &options, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (ids->len, ==, 1);
  scene->sent = g_array_index (ids, guint64, 0);
}

void
scene_offer_and_see (Scene *scene, const char *name)
{
  scene_offer (scene, name, -1);
  scene_wait (scene, TRANSFER_OFFERED, "", TRANSFER_OFFERED, "");
}

void
scene_accept (Scene *scene)
{
  TransferTarget target = { scene->to, -1, -1 };
  g_autoptr (GError) error = NULL;

  transfers_accept (scene->romeo->messenger, scene_got (scene), &target, &error);
  g_assert_no_error (error);
}

void
scene_wait_counted (Scene *scene)
{
  side_wait (scene_sent (scene)->run->scan == NULL);
}

void
scene_begin_large (Scene *scene)
{
  scene_open (scene);
  proxy_hold_above (scene->to_romeo, SCENE_HELD);
  proxy_hold_above (scene->to_juliet, SCENE_HELD);
  scene_write (scene->from, "large", SCENE_LARGE);
  scene_offer_and_see (scene, "large");
  scene_accept (scene);
  scene_wait (scene, TRANSFER_ACTIVE, "", TRANSFER_ACTIVE, "");
}

void
scene_go_on (Scene *scene)
{
  proxy_release (scene->to_romeo);
  proxy_release (scene->to_juliet);
}

void
scene_wait (Scene *scene, TransferState here, const char *why_here, TransferState there, const char *why_there)
{
  side_wait (tree_is (scene_sent (scene), here, why_here) && tree_is (scene_got (scene), there, why_there));
}

void
scene_wait_complete (Scene *scene)
{
  scene_wait (scene, TRANSFER_COMPLETE, "", TRANSFER_COMPLETE, "");
}
