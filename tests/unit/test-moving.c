/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what is sent arrives as it was, under its name or the next free one, with its folders, links, modes and times. */
#include "bytes.h"

static void
test_one_file (gconstpointer plain)
{
  Scene scene;

  scene_init (&scene);
  make_big (scene.from, "a b.bin", 3000001, 1);
  scene_add (&scene, "a b.bin");
  scene_scan (&scene);
  g_assert_cmpint (scene.size, ==, 3000001);
  scene_start (&scene, GPOINTER_TO_INT (plain));
  scene_wait (&scene);
  assert_done (&scene);
  g_assert_cmpstr (scene.received.paths, ==, "a b.bin\n");
  g_assert_cmpuint (scene.received.bytes, ==, 3000001);
  g_assert_cmpuint (scene.sent.bytes, ==, 3000001);
  assert_tree (scene.to, "f a b.bin 3000001");
  {
    g_autofree char *from = scene_path (scene.from, "a b.bin"), *to = scene_path (scene.to, "a b.bin");

    assert_same_file (from, to);
  }
  scene_clear (&scene);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  g_test_add_data_func ("/moving/one-file", GINT_TO_POINTER (FALSE), test_one_file);
  g_test_add_data_func ("/moving/one-file/plain", GINT_TO_POINTER (TRUE), test_one_file);
  return g_test_run ();
}
