/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files, folders and pipes go over: whoever says no, pauses, cancels, restarts or loses the connection, both sides know what became of it. */

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/messenger-private.h"
#include "core/transfers-private.h"
#include "scene.h"
#include "transfer/reason.h"

/* What happens ------------------------------------------------------------------------------------------------------ */

static void
test_one_file (void)
{
  Scene scene;

  scene_open (&scene);
  scene_write (scene.from, "report.pdf", 100 * 1000);
  scene_offer_and_see (&scene, "report.pdf");
  g_assert_cmpstr (scene_got (&scene)->row->name, ==, "report.pdf");
  g_assert_cmpint (scene_got (&scene)->row->size, ==, 100 * 1000);
  scene_accept (&scene);
  scene_wait_complete (&scene);
  scene_assert_same (&scene, "report.pdf", "report.pdf");
  g_assert_cmpuint (tree_count (scene.to), ==, 1);
  g_assert_cmpint (scene_sent (&scene)->row->transferred, ==, 100 * 1000);
  g_assert_true (g_str_has_suffix (scene_got (&scene)->paths[0], "/report.pdf"));
  scene_close (&scene);
}

static void
test_never_over (void)
{
  Scene scene;

  scene_open (&scene);
  scene_write (scene.from, "a.txt", 10);
  scene_write (scene.to, "a.txt", 20);
  scene_offer_and_see (&scene, "a.txt");
  scene_accept (&scene);
  scene_wait_complete (&scene);
  scene_assert_same (&scene, "a.txt", "a (1).txt");
  scene_close (&scene);
}

static void
test_folder (void)
{
  g_autofree char *inner = NULL, *empty = NULL;
  Scene scene;

  scene_open (&scene);
  inner = tree_path (scene.from, "photos/.hidden/deep");
  empty = tree_path (scene.from, "photos/empty");
  g_assert_cmpint (g_mkdir_with_parents (inner, 0755), ==, 0);
  g_assert_cmpint (g_mkdir_with_parents (empty, 0755), ==, 0);
  scene_write (scene.from, "photos/a", 1);
  scene_write (scene.from, "photos/nothing", 0);
  scene_write (inner, "b", 70000);
  scene_offer_and_see (&scene, "photos");
  scene_accept (&scene);
  scene_wait_complete (&scene);
  scene_assert_same (&scene, "photos/a", "photos/a");
  scene_assert_same (&scene, "photos/nothing", "photos/nothing");
  scene_assert_same (&scene, "photos/.hidden/deep/b", "photos/.hidden/deep/b");
  g_clear_pointer (&empty, g_free);
  empty = tree_path (scene.to, "photos/empty");
  g_assert_true (g_file_test (empty, G_FILE_TEST_IS_DIR));
  scene_close (&scene);
}

static void
test_no (void)
{
  g_autoptr (GError) error = NULL;
  Scene scene;

  scene_open (&scene);
  scene_write (scene.from, "a", 10);
  scene_offer_and_see (&scene, "a");
  transfers_reject (scene.romeo->messenger, scene_got (&scene), &error);
  g_assert_no_error (error);
  scene_wait (&scene, TRANSFER_REJECTED, REASON_DECLINED, TRANSFER_REJECTED, REASON_DECLINED);
  scene_close (&scene);
}

static void
test_cancel (gconstpointer who)
{
  gboolean ours = GPOINTER_TO_INT (who);
  g_autoptr (GError) error = NULL;
  Scene scene;

  scene_begin_large (&scene);
  transfers_cancel (ours ? scene.juliet->messenger : scene.romeo->messenger, ours ? scene_sent (&scene) : scene_got (&scene), &error);
  g_assert_no_error (error);
  scene_wait (&scene, TRANSFER_CANCELED, ours ? REASON_CANCELED : REASON_PEER_CANCELED, TRANSFER_CANCELED,
            ours ? REASON_PEER_CANCELED : REASON_CANCELED);
  side_wait (tree_count (scene.to) == 0);
  scene_close (&scene);
}

static void
test_both_cancel (void)
{
  g_autoptr (GError) error = NULL;
  Scene scene;

  scene_begin_large (&scene);
  transfers_cancel (scene.juliet->messenger, scene_sent (&scene), &error);
  g_assert_no_error (error);
  transfers_cancel (scene.romeo->messenger, scene_got (&scene), &error);
  g_assert_no_error (error);
  scene_wait (&scene, TRANSFER_CANCELED, REASON_CANCELED, TRANSFER_CANCELED, REASON_CANCELED);
  side_wait (tree_count (scene.to) == 0);
  scene_close (&scene);
}

static void
test_pause (gconstpointer who)
{
  gboolean ours = GPOINTER_TO_INT (who);
  g_autoptr (GError) error = NULL;
  Messenger *messenger;
  Scene scene;

  scene_begin_large (&scene);
  messenger = ours ? scene.juliet->messenger : scene.romeo->messenger;
  transfers_pause (messenger, ours ? scene_sent (&scene) : scene_got (&scene), &error);
  g_assert_no_error (error);
  scene_wait (&scene, TRANSFER_PAUSED, ours ? REASON_PAUSED : REASON_PEER_PAUSED, TRANSFER_PAUSED, ours ? REASON_PEER_PAUSED : REASON_PAUSED);
  scene_go_on (&scene);
  g_assert_false (transfers_resume (ours ? scene.romeo->messenger : scene.juliet->messenger, ours ? scene_got (&scene) : scene_sent (&scene), NULL));
  transfers_resume (messenger, ours ? scene_sent (&scene) : scene_got (&scene), &error);
  g_assert_no_error (error);
  scene_wait_complete (&scene);
  scene_assert_same (&scene, "large", "large");
  scene_close (&scene);
}

/* What a task still does while it ends is no progress: the last values stay. */
static void
test_no_tick_after_the_end (void)
{
  g_autoptr (GError) error = NULL;
  gint64 transferred;
  Scene scene;

  scene_begin_large (&scene);
  side_wait (scene_got (&scene)->row->transferred > 0);
  transfers_cancel (scene.romeo->messenger, scene_got (&scene), &error);
  g_assert_no_error (error);
  g_assert_nonnull (scene_got (&scene)->run->task);
  transferred = scene_got (&scene)->row->transferred;
  scene_got (&scene)->run->tick_bytes = 0; /* as if all had come since the last look */
  transfer_tick (scene_got (&scene));
  g_assert_cmpint (scene_got (&scene)->rate, ==, 0);
  g_assert_cmpint (scene_got (&scene)->ends, ==, 0);
  g_assert_cmpint (scene_got (&scene)->row->transferred, ==, transferred);
  scene_close (&scene);
}

/* Its time is over while it moves: it goes on, and is looked at again. */
static void
test_late (void)
{
  Scene scene;

  scene_begin_large (&scene);
  scene_sent (&scene)->row->expires = 1;
  transfers_set_expiry (scene.juliet->messenger);
  g_assert_true (tree_is (scene_sent (&scene), TRANSFER_ACTIVE, ""));
  g_assert_cmpint (g_source_get_ready_time (scene.juliet->messenger->transfer_expiry), >, 0);
  side_stop (scene.romeo);
  side_wait (scene_sent (&scene)->run->task == NULL);
  transfers_set_expiry (scene.juliet->messenger);
  g_assert_true (tree_is (scene_sent (&scene), TRANSFER_FAILED, REASON_EXPIRED));
  scene_close (&scene);
}

static void
test_restart (gconstpointer who)
{
  gboolean ours = GPOINTER_TO_INT (who);
  Scene scene;

  scene_begin_large (&scene);
  side_restart (ours ? scene.juliet : scene.romeo);
  if (!ours)
    scene_follow (&scene);
  scene_go_on (&scene);
  side_wait (tree_is (scene_sent (&scene), TRANSFER_COMPLETE, "") && tree_is (scene_got (&scene), TRANSFER_COMPLETE, ""));
  scene_assert_same (&scene, "large", "large");
  g_assert_cmpuint (tree_count (scene.to), ==, 1);
  scene_close (&scene);
}

/* He died when all had landed and she had not heard of it: she offers it again, and what it left goes. */
static void
test_left_behind (void)
{
  g_autofree char *part = NULL, *path = NULL;
  Transfer *sent;
  Scene scene;

  scene_open (&scene);
  scene_write (scene.from, "report.pdf", 1000);
  scene_offer_and_see (&scene, "report.pdf");
  scene_accept (&scene);
  scene_wait_complete (&scene);
  part = transfer_dup_part (scene_got (&scene)->row);
  path = tree_path (scene.to, part);
  side_restart (scene.romeo);
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  sent = scene_sent (&scene);
  sent->row->state = TRANSFER_WAITING_PEER;
  sent->run->stale = TRUE;
  transfers_count_moving (scene.juliet->messenger, sent->peer);
  side_wait (tree_is (scene_sent (&scene), TRANSFER_COMPLETE, ""));
  side_wait (tree_count (scene.to) == 1);
  scene_assert_same (&scene, "report.pdf", "report.pdf");
  scene_close (&scene);
}

static void
test_cut (void)
{
  Scene scene;

  scene_begin_large (&scene);
  scene_go_on (&scene);
  proxy_cut_after (scene.to_romeo, SCENE_HELD);
  proxy_cut_after (scene.to_juliet, SCENE_HELD);
  scene_wait_complete (&scene);
  g_assert_cmpuint (proxy_cuts (scene.to_romeo) + proxy_cuts (scene.to_juliet), >, 0);
  scene_assert_same (&scene, "large", "large");
  g_assert_cmpuint (tree_count (scene.to), ==, 1);
  scene_close (&scene);
}

/* Only he can connect to her, or neither to the other any more. */
static void
test_one_way (gconstpointer both)
{
  Scene scene;

  scene_open (&scene);
  scene_write (scene.from, "report.pdf", 300 * 1000);
  scene_offer_and_see (&scene, "report.pdf");
  proxy_shut (scene.to_romeo);
  if (GPOINTER_TO_INT (both))
    proxy_shut (scene.to_juliet);
  scene_accept (&scene);
  scene_wait_complete (&scene);
  scene_assert_same (&scene, "report.pdf", "report.pdf");
  g_assert_cmpuint (tree_count (scene.to), ==, 1);
  scene_close (&scene);
}

/* What has gone over of it is of no use. */
static void
test_source_changed (void)
{
  Scene scene;

  scene_begin_large (&scene);
  side_keep_port (scene.juliet);
  side_stop (scene.juliet);
  scene_write (scene.from, "large", SCENE_LARGE - 4096);
  side_start (scene.juliet);
  scene_go_on (&scene);
  side_wait (tree_is (scene_sent (&scene), TRANSFER_COMPLETE, REASON_RESTARTED) && transfer_is_over (scene_got (&scene)));
  scene_assert_same (&scene, "large", "large");
  scene_close (&scene);
}

/* Larger than what he said yes to: he is asked again. */
static void
test_source_grew (void)
{
  Scene scene;

  scene_begin_large (&scene);
  side_keep_port (scene.juliet);
  side_stop (scene.juliet);
  scene_write (scene.from, "large", SCENE_LARGE + 4096);
  side_start (scene.juliet);
  scene_go_on (&scene);
  side_wait (tree_is (scene_got (&scene), TRANSFER_OFFERED, REASON_SOURCE_CHANGED));
  scene_accept (&scene);
  side_wait (tree_is (scene_sent (&scene), TRANSFER_COMPLETE, REASON_RESTARTED) && transfer_is_over (scene_got (&scene)));
  scene_assert_same (&scene, "large", "large");
  scene_close (&scene);
}

static void
test_away (void)
{
  Scene scene;

  scene_open (&scene);
  side_keep_port (scene.juliet);
  side_keep_port (scene.romeo);
  scene_write (scene.from, "a", 1000);
  side_stop (scene.romeo);
  scene_offer (&scene, "a", -1);
  scene_wait_counted (&scene);
  side_start (scene.romeo);
  scene_follow (&scene);
  side_wait (tree_is (scene_sent (&scene), TRANSFER_OFFERED, "") && tree_is (scene_got (&scene), TRANSFER_OFFERED, ""));
  side_stop (scene.juliet);
  scene_accept (&scene); /* while she is away */
  side_start (scene.juliet);
  side_wait (tree_is (scene_sent (&scene), TRANSFER_COMPLETE, "") && tree_is (scene_got (&scene), TRANSFER_COMPLETE, ""));
  scene_assert_same (&scene, "a", "a");
  scene_close (&scene);
}

static void
test_pipe (void)
{
  g_autoptr (GError) error = NULL;
  char read_back[32] = "";
  int in[2], out[2];
  Scene scene;
  TransferTarget target = { NULL, -1, -1 };

  scene_open (&scene);
  g_assert_cmpint (pipe2 (in, O_CLOEXEC), ==, 0);
  g_assert_cmpint (pipe2 (out, O_CLOEXEC), ==, 0);
  scene_offer (&scene, "words", in[0]);
  side_wait (tree_is (scene_got (&scene), TRANSFER_OFFERED, ""));
  g_assert_cmpint (scene_got (&scene)->row->size, ==, -1);
  target.out_fd = out[1];
  transfers_accept (scene.romeo->messenger, scene_got (&scene), &target, &error);
  g_assert_no_error (error);
  g_assert_cmpint (write (in[1], "through the air", 15), ==, 15);
  close (in[1]);
  scene_wait_complete (&scene);
  g_assert_cmpint (read (out[0], read_back, sizeof read_back - 1), ==, 15);
  g_assert_cmpstr (read_back, ==, "through the air");
  g_assert_cmpint (read (out[0], read_back, 1), ==, 0);
  close (out[0]);
  scene_close (&scene);
}

static void
test_policy (void)
{
  g_autoptr (GError) error = NULL;
  Scene scene;

  scene_open (&scene);
  scene_write (scene.from, "small", 1000);
  scene_write (scene.from, "big", 3000);
  transfers_set_policy (scene.romeo->messenger, scene.romeo->peer, FILES_AUTO, 2000, scene.to, 3500, &error);
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_VERIFIED); /* nobody ever wrote to her */
  g_clear_error (&error);
  side_send (scene.romeo, "hello");
  transfers_set_policy (scene.romeo->messenger, scene.romeo->peer, FILES_AUTO, 2000, scene.to, 3500, &error);
  g_assert_no_error (error);
  scene_offer (&scene, "small", -1);
  side_wait (tree_is (scene_sent (&scene), TRANSFER_COMPLETE, ""));
  scene_assert_same (&scene, "small", "small");
  scene_offer (&scene, "big", -1); /* above the limit: somebody is asked; with what came above the quota: no */
  side_wait (tree_is (scene_sent (&scene), TRANSFER_REJECTED, REASON_QUOTA));
  transfers_set_policy (scene.romeo->messenger, scene.romeo->peer, FILES_AUTO, 2000, scene.to, 0, &error);
  scene_offer_and_see (&scene, "big");
  scene_close (&scene);
}

/* Their stream was idle and is closed; the offer, and the yes that a policy says at once, come on a new one, of which there may be two. */
static void
test_idle (void)
{
  g_autoptr (GError) error = NULL;
  Scene scene;

  scene_open (&scene);
  scene_write (scene.from, "small", 1000);
  side_send (scene.romeo, "hello");
  transfers_set_policy (scene.romeo->messenger, scene.romeo->peer, FILES_AUTO, 0, scene.to, 0, &error);
  g_assert_no_error (error);
  for (guint round = 0; round < 20; round++)
    {
      side_wait (scene.juliet->peer->session != NULL);
      session_close (scene.juliet->peer->session);
      streams_forget_pause (scene.juliet->peer);
      if (round % 2 == 0)
        {
          streams_forget_pause (scene.romeo->peer);
          side_send (scene.romeo, "at the same time");
        }
      scene_offer (&scene, "small", -1);
      side_wait (tree_is (scene_sent (&scene), TRANSFER_COMPLETE, ""));
    }
  scene_close (&scene);
}

int
main (int argc, char **argv)
{
  g_autofree char *home = g_dir_make_tmp ("hearby-home-XXXXXX", NULL);
  int result;

  g_setenv ("XDG_DATA_HOME", home, TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/transfers/one-file", test_one_file);
  g_test_add_func ("/transfers/never-over", test_never_over);
  g_test_add_func ("/transfers/folder", test_folder);
  g_test_add_func ("/transfers/no", test_no);
  g_test_add_data_func ("/transfers/cancel/sender", GINT_TO_POINTER (TRUE), test_cancel);
  g_test_add_data_func ("/transfers/cancel/receiver", GINT_TO_POINTER (FALSE), test_cancel);
  g_test_add_func ("/transfers/cancel/both", test_both_cancel);
  g_test_add_data_func ("/transfers/pause/sender", GINT_TO_POINTER (TRUE), test_pause);
  g_test_add_data_func ("/transfers/pause/receiver", GINT_TO_POINTER (FALSE), test_pause);
  g_test_add_func ("/transfers/no-tick-after-the-end", test_no_tick_after_the_end);
  g_test_add_data_func ("/transfers/restart/sender", GINT_TO_POINTER (TRUE), test_restart);
  g_test_add_data_func ("/transfers/restart/receiver", GINT_TO_POINTER (FALSE), test_restart);
  g_test_add_func ("/transfers/late", test_late);
  g_test_add_func ("/transfers/away", test_away);
  g_test_add_func ("/transfers/pipe", test_pipe);
  g_test_add_func ("/transfers/left-behind", test_left_behind);
  g_test_add_func ("/transfers/cut", test_cut);
  g_test_add_func ("/transfers/idle", test_idle);
  g_test_add_data_func ("/transfers/one-way/connects-back", GINT_TO_POINTER (FALSE), test_one_way);
  g_test_add_data_func ("/transfers/one-way/in-band", GINT_TO_POINTER (TRUE), test_one_way);
  g_test_add_func ("/transfers/source/changed", test_source_changed);
  g_test_add_func ("/transfers/source/grew", test_source_grew);
  g_test_add_func ("/transfers/policy", test_policy);
  result = g_test_run ();
  tree_remove (g_steal_pointer (&home));
  return result;
}
