/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: wherever a transfer is cut, the next try brings what is missing and nothing else, and only where the source is the same. */
#include "proxy.h"

#include "transfer/frame.h"

#define BIG 150000
#define PARTIAL_SLACK (70 * 1024) /* of a file that small nothing is kept; and what a record holds is there whole or not */

static void
make_sources (Scene *scene)
{
  make_file (scene->from, "d/empty", "", 0);
  make_file (scene->from, "d/e/small", "abc", 3);
  make_big (scene->from, "d/e/big", BIG, 1);
  make_big (scene->from, "single", 70000, 2);
  make_symlink ("e/small", scene->from, "d/link");
  scene_add (scene, "d");
  scene_add (scene, "single");
  scene_scan (scene);
}

static void
assert_arrived (const Scene *scene)
{
  static const char *const names[] = { "d/empty", "d/e/small", "d/e/big", "single" };

  assert_tree (scene->to, "d d\nd d/e\nf d/e/big 150000\nf d/e/small 3\nf d/empty 0\nl d/link -> e/small\nf single 70000");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *from = scene_path (scene->from, names[i]), *to = scene_path (scene->to, names[i]);

      assert_same_file (from, to);
    }
}

/* Where frames end in what one side said; the middle of each, too. */
static GArray *
cuts_of (const GByteArray *said)
{
  GArray *cuts = g_array_new (FALSE, FALSE, sizeof (gsize));

  for (gsize at = 0; at < said->len;)
    {
      gsize len = FRAME_HEADER + ((gsize)said->data[at + 1] << 24 | (gsize)said->data[at + 2] << 16 | (gsize)said->data[at + 3] << 8
                                  | said->data[at + 4]);
      gsize middle = at + len / 2, behind = at + len;

      g_array_append_val (cuts, at);
      g_array_append_val (cuts, middle);
      g_array_append_val (cuts, behind);
      at += len;
    }
  return cuts;
}

/* The one that is cut, then one that is not. What was complete before must not travel again, nor more than what a frame holds. */
static void
try_cut (Scene *scene, guint side, gsize limit, gboolean first_resumes)
{
  Proxy proxy = { .limits = { G_MAXSIZE, G_MAXSIZE } };
  gsize sent;

  proxy.limits[side] = limit;
  scene->receive.resume = first_resumes;
  proxy_try (&proxy, scene, TRUE);
  sent = proxy.n[0];
  g_assert_true (scene->received.over && scene->sent.over);
  scene->receive.resume = TRUE;
  if (!scene->received.landed)
    {
      g_assert_cmpint (scene->received.end, ==, BYTE_END_CUT);
      g_assert_cmpint (scene->sent.end, ==, BYTE_END_CUT);
      proxy.limits[side] = G_MAXSIZE;
      proxy_try (&proxy, scene, TRUE);
      assert_done (scene);
      g_assert_false (scene->received.restarted);
      g_assert_cmpuint (scene->received.bytes, ==, scene->size);
      g_assert_cmpuint (scene->sent.bytes, ==, scene->size);
      g_assert_cmpuint (scene->sent.entries, ==, scene->entries);
      g_assert_cmpuint (scene->received.entries, ==, scene->entries);
      if (sent > PARTIAL_SLACK)
        g_assert_cmpuint (sent + proxy.n[0], <=, (gsize)scene->size + 4 * PARTIAL_SLACK);
    }
  assert_arrived (scene);
}

/* What each side says in a try that nobody cuts: first of all, or after one was cut half way. */
static void
record (Scene *scene, Proxy *proxy, gboolean half)
{
  Proxy cutting = { .limits = { BIG, G_MAXSIZE } };

  if (half)
    proxy_try (&cutting, scene, TRUE);
  for (guint i = 0; i < 2; i++)
    {
      proxy->carried[i] = g_byte_array_new ();
      proxy->limits[i] = G_MAXSIZE;
    }
  scene->receive.resume = half;
  proxy_try (proxy, scene, TRUE);
  assert_done (scene);
}

static void
test_every_frame (gconstpointer data)
{
  gboolean half = GPOINTER_TO_INT (data);
  Proxy proxy = { 0 };
  Scene scene;

  scene_init (&scene);
  make_sources (&scene);
  record (&scene, &proxy, half);
  for (guint side = 0; side < 2; side++)
    {
      g_autoptr (GArray) cuts = cuts_of (proxy.carried[side]);

      for (guint i = 0; i < cuts->len; i++)
        {
          Proxy cutting = { .limits = { BIG, G_MAXSIZE } };

          empty_target (&scene);
          scene.receive.resume = FALSE;
          if (half)
            proxy_try (&cutting, &scene, TRUE);
          try_cut (&scene, side, g_array_index (cuts, gsize, i), half);
        }
    }
  g_byte_array_unref (proxy.carried[0]);
  g_byte_array_unref (proxy.carried[1]);
  scene_clear (&scene);
}

/* Sealed, and cut anywhere: ten times, then to the end. */
static void
test_ten_cuts (void)
{
  const gsize size = 20 * 1000 * 1000;
  gsize wire = 0;
  Scene scene;

  scene_init (&scene);
  make_big (scene.from, "big", size, 1);
  scene_add (&scene, "big");
  scene_scan (&scene);
  for (guint i = 0; i <= 10; i++)
    {
      Proxy proxy = { .limits = { i < 10 ? (gsize)g_test_rand_int_range (1, (gint32)size / 11) : G_MAXSIZE, G_MAXSIZE } };

      scene.receive.resume = i > 0;
      proxy_try (&proxy, &scene, FALSE);
      wire += proxy.n[0];
    }
  assert_done (&scene);
  g_assert_cmpuint (wire, <=, size + size / 20 + 11 * PARTIAL_SLACK);
  g_assert_false (scene.received.restarted);
  {
    g_autofree char *from = scene_path (scene.from, "big"), *to = scene_path (scene.to, "big");

    assert_same_file (from, to);
  }
  scene_clear (&scene);
}

/* Cut when @n bytes had gone; then @change; then again. */
static void
cut_and_change (Scene *scene, gsize n, void (*change) (Scene *scene))
{
  Proxy proxy = { .limits = { n, G_MAXSIZE } };
  g_autofree char *previous = g_strconcat (scene->manifest, ".old", NULL);

  proxy_try (&proxy, scene, TRUE);
  g_assert_cmpint (scene->received.end, ==, BYTE_END_CUT);
  change (scene);
  g_assert_cmpint (rename (scene->manifest, previous), ==, 0);
  scene_scan_again (scene, previous);
  scene->receive.resume = TRUE;
  proxy.limits[0] = G_MAXSIZE;
  proxy_try (&proxy, scene, TRUE);
  assert_done (scene);
}

static void
write_other (Scene *scene)
{
  make_big (scene->from, "single", 200000, 99);
}

static void
append_some (Scene *scene)
{
  make_big (scene->from, "single", 250000, 7); /* the same begin: the generator goes on */
}

static void
change_nothing (Scene *scene)
{
}

static void
test_changed (gconstpointer data)
{
  void (*change) (Scene *scene) = data;
  g_autofree char *from = NULL, *to = NULL;
  Scene scene;

  scene_init (&scene);
  make_big (scene.from, "single", 200000, 7);
  scene_add (&scene, "single");
  scene_scan (&scene);
  cut_and_change (&scene, 150000, change);
  g_assert_cmpint (scene.changed, ==, change != change_nothing);
  g_assert_cmpint (scene.sent.restarted, ==, change != change_nothing);
  g_assert_cmpint (scene.received.restarted, ==, change != change_nothing);
  from = scene_path (scene.from, "single");
  to = scene_path (scene.to, "single");
  assert_same_file (from, to);
  scene_clear (&scene);
}

/* The disk has something else than what was sent: it is not built upon. */
static void
test_damaged_part (void)
{
  g_autofree char *part = NULL, *from = NULL, *to = NULL;
  Proxy proxy = { .limits = { 150000, G_MAXSIZE } };
  Scene scene;
  int fd;

  scene_init (&scene);
  make_big (scene.from, "single", 200000, 7);
  scene_add (&scene, "single");
  scene_scan (&scene);
  proxy_try (&proxy, &scene, TRUE);
  part = scene_path (scene.to, "x.0000.part/single");
  fd = open (part, O_WRONLY);
  g_assert_cmpint (pwrite (fd, "damaged", 7, 1000), ==, 7);
  close (fd);
  scene.receive.resume = TRUE;
  proxy.limits[0] = G_MAXSIZE;
  proxy_try (&proxy, &scene, TRUE);
  assert_done (&scene);
  g_assert_true (scene.received.restarted && scene.sent.restarted);
  from = scene_path (scene.from, "single");
  to = scene_path (scene.to, "single");
  assert_same_file (from, to);
  scene_clear (&scene);
}

/* Killed between the rename and what is written down above: the next try finds what it landed. */
static void
test_killed_after_landing (void)
{
  Scene scene;

  scene_init (&scene);
  make_sources (&scene);
  make_file (scene.to, "single", "mine", 4);
  scene.received.confirms = FALSE;
  scene.received.on_landed = NULL;
  scene_start (&scene, FALSE);
  while (!scene.received.landed)
    g_main_context_iteration (NULL, TRUE);
  g_clear_pointer (&scene.receiver, byte_task_free);
  scene_wait (&scene);
  g_assert_cmpint (scene.sent.end, ==, BYTE_END_CUT);
  scene.received.confirms = TRUE;
  scene.receive.resume = TRUE;
  scene_run (&scene);
  assert_done (&scene);
  g_assert_cmpstr (scene.received.paths, ==, "d\nsingle (1)\n");
  g_assert_cmpuint (scene.received.wire, <, 10000);
  assert_tree (scene.to, "d d\nd d/e\nf d/e/big 150000\nf d/e/small 3\nf d/empty 0\nl d/link -> e/small\nf single (1) 70000\nf single 4");
  scene_clear (&scene);
}

static void
test_fresh_after_old (void)
{
  Scene scene;

  scene_init (&scene);
  make_sources (&scene);
  make_file (scene.to, "x.0000.part/old", "old", 3);
  scene_run (&scene);
  assert_done (&scene);
  assert_arrived (&scene);
  scene_clear (&scene);
}

static void
test_discard (void)
{
  Proxy proxy = { .limits = { BIG, G_MAXSIZE } };
  ByteTask *task;
  End end = { 0 };
  Scene scene;

  scene_init (&scene);
  make_sources (&scene);
  proxy_try (&proxy, &scene, TRUE);
  for (guint i = 0; i < 2; i++) /* the second time there is none */
    {
      task = discard_start (&scene.receive, on_end, &end);
      while (!end.over)
        g_main_context_iteration (NULL, TRUE);
      byte_task_free (task);
      g_assert_cmpint (end.end, ==, BYTE_END_DONE);
      end_clear (&end);
    }
  assert_tree (scene.to, "");
  scene_clear (&scene);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  g_test_add_data_func ("/resuming/every-frame", GINT_TO_POINTER (FALSE), test_every_frame);
  g_test_add_data_func ("/resuming/every-frame/of-the-second-try", GINT_TO_POINTER (TRUE), test_every_frame);
  g_test_add_func ("/resuming/ten-cuts", test_ten_cuts);
  g_test_add_data_func ("/resuming/same", change_nothing, test_changed);
  g_test_add_data_func ("/resuming/other-content", write_other, test_changed);
  g_test_add_data_func ("/resuming/longer", append_some, test_changed);
  g_test_add_func ("/resuming/damaged-part", test_damaged_part);
  g_test_add_func ("/resuming/killed-after-landing", test_killed_after_landing);
  g_test_add_func ("/resuming/fresh-after-old", test_fresh_after_old);
  g_test_add_func ("/resuming/discard", test_discard);
  return g_test_run ();
}
