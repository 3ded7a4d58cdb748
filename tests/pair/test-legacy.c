/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files go over in clear, as Pidgin does it, between two who cannot encrypt: whoever says no, cancels or is sent what cannot go that way,
 * both sides know what became of it, and no part of a file stays. */

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "core/transfers.h"
#include "side.h"
#include "transfer/reason.h"
#include "tree.h"

#define LARGE (64 * 1024 * 1024) /* more than both kernels keep */

typedef struct
{
  Side      *juliet, *romeo; /* she sends */
  char      *from, *to;      /* folders */
  guint64    sent;
  GArray    *got;            /* guint64: in the order in which they came */
  gboolean   obliging;       /* he accepts what comes, */
  const char *but;           /* but what is called so */
} Scene;

static void
write_file (Scene *scene, const char *name, gsize size)
{
  g_autofree char *path = tree_path (scene->from, name);
  g_autofree char *bytes = g_malloc (size + 1);

  for (gsize i = 0; i < size; i++)
    bytes[i] = (char) (i * 31 + (i >> 11));
  g_assert_true (g_file_set_contents (path, bytes, (gssize) size, NULL));
}

static void
assert_same (Scene *scene, const char *name, const char *as)
{
  tree_assert_same (scene->from, name, scene->to, as);
}

static Transfer *
sent (Scene *scene)
{
  return transfers_find (scene->juliet->messenger, scene->sent);
}

static Transfer *
got (Scene *scene, guint i)
{
  return i < scene->got->len ? transfers_find (scene->romeo->messenger, g_array_index (scene->got, guint64, i)) : NULL;
}

static void
accept (Scene *scene, Transfer *transfer)
{
  TransferTarget target = { scene->to, -1, -1 };
  g_autoptr (GError) error = NULL;

  transfers_accept (scene->romeo->messenger, transfer, &target, &error);
  g_assert_no_error (error);
}

static void
on_added (Messenger *messenger, Transfer *transfer, Scene *scene)
{
  if (transfer->row->direction != DIRECTION_IN)
    return;
  g_assert_true (transfer_has_flag (transfer, TRANSFER_LEGACY));
  g_array_append_val (scene->got, transfer->row->id);
  if (scene->obliging && g_strcmp0 (transfer->row->name, scene->but) != 0)
    accept (scene, transfer);
  else if (scene->obliging)
    transfers_reject (messenger, transfer, NULL);
}

static void
scene_open (Scene *scene)
{
  *scene = (Scene){ .juliet = side_new ("juliet@pronto", SIDE_CLEAR), .romeo = side_new ("romeo@forza", SIDE_CLEAR) };
  scene->got = g_array_new (FALSE, FALSE, sizeof (guint64));
  side_add (scene->romeo, messenger_port (scene->juliet->messenger));
  side_add (scene->juliet, messenger_port (scene->romeo->messenger));
  side_meet (scene->juliet, scene->romeo);
  scene->from = g_dir_make_tmp ("hearby-from-XXXXXX", NULL);
  scene->to = g_dir_make_tmp ("hearby-to-XXXXXX", NULL);
  g_signal_connect (scene->romeo->messenger, "transfer-added", G_CALLBACK (on_added), scene);
}

static void
scene_close (Scene *scene)
{
  side_free (scene->juliet);
  side_free (scene->romeo);
  g_array_unref (scene->got);
  tree_remove (scene->from);
  tree_remove (scene->to);
}

static GArray *
try_offer (Scene *scene, const char *const *names, gsize n, GError **error)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) sources = g_array_new (FALSE, FALSE, sizeof (TransferSource));
  TransferOptions options = { 0 };

  for (gsize i = 0; i < n; i++)
    {
      TransferSource source = { NULL, tree_path (scene->from, names[i]), -1 };

      g_ptr_array_add (paths, (char *) source.path);
      g_array_append_val (sources, source);
    }
  return transfers_offer (scene->juliet->messenger, &scene->juliet->peer, 1, (const TransferSource *) (gpointer) sources->data, n, &options, error);
}

static void
offer (Scene *scene, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) ids = try_offer (scene, &name, 1, &error);

  g_assert_no_error (error);
  scene->sent = g_array_index (ids, guint64, 0);
}

static void
offer_and_see (Scene *scene, const char *name)
{
  guint n = scene->got->len;

  offer (scene, name);
  side_wait (tree_is (sent (scene), TRANSFER_OFFERED, "") && tree_is (got (scene, n), TRANSFER_OFFERED, ""));
}

static void
wait_for (Scene *scene, TransferState here, const char *why_here, TransferState there, const char *why_there)
{
  side_wait (tree_is (sent (scene), here, why_here) && tree_is (got (scene, scene->got->len - 1), there, why_there));
}

static void
check_one (const char *name, gsize size)
{
  Scene scene;

  scene_open (&scene);
  write_file (&scene, name, size);
  offer_and_see (&scene, name);
  g_assert_cmpstr (got (&scene, 0)->row->name, ==, name);
  g_assert_cmpint (got (&scene, 0)->row->size, ==, (gint64) size);
  accept (&scene, got (&scene, 0));
  wait_for (&scene, TRANSFER_COMPLETE, "", TRANSFER_COMPLETE, "");
  g_assert_cmpint (sent (&scene)->row->transferred, ==, (gint64) size);
  g_assert_cmpint (got (&scene, 0)->row->transferred, ==, (gint64) size);
  assert_same (&scene, name, name);
  side_wait (tree_count (scene.to) == 1); /* what gathered the parts goes after the commit */
  scene_close (&scene);
}

static void
test_one_file (void)
{
  check_one ("report.pdf", 1000 * 1000);
}

static void
test_large_file (void)
{
  check_one ("film.mkv", LARGE);
}

static void
test_empty_file (void)
{
  check_one ("empty", 0);
}

static void
test_odd_names (void)
{
  check_one ("a & b; \"c\" 'd' <e> ü 👍.tar.gz", 77);
  check_one ("100% $HOME", 77);
}

static void
test_declined (void)
{
  Scene scene;

  scene_open (&scene);
  write_file (&scene, "f", 10);
  offer_and_see (&scene, "f");
  g_assert_true (transfers_reject (scene.romeo->messenger, got (&scene, 0), NULL));
  wait_for (&scene, TRANSFER_REJECTED, REASON_DECLINED, TRANSFER_REJECTED, REASON_DECLINED);
  g_assert_false (transfer_has_flag (got (&scene, 0), TRANSFER_UNTOLD));
  scene_close (&scene);
}

static void
test_never (void)
{
  Scene scene;
  g_autoptr (GError) error = NULL;

  scene_open (&scene);
  g_assert_true (transfers_set_policy (scene.romeo->messenger, scene.romeo->peer, FILES_NEVER, 0, NULL, 0, &error));
  write_file (&scene, "f", 10);
  offer (&scene, "f");
  side_wait (scene.got->len == 1);
  wait_for (&scene, TRANSFER_REJECTED, REASON_DECLINED, TRANSFER_REJECTED, REASON_DECLINED);
  scene_close (&scene);
}

/* Who is not known by a key is asked for, whatever the row says. */
static void
test_never_automatic (void)
{
  Scene scene;

  scene_open (&scene);
  scene.romeo->peer->row->files = FILES_AUTO;
  write_file (&scene, "f", 10);
  offer_and_see (&scene, "f");
  accept (&scene, got (&scene, 0));
  wait_for (&scene, TRANSFER_COMPLETE, "", TRANSFER_COMPLETE, "");
  scene_close (&scene);
}

static void
begin_large (Scene *scene)
{
  scene_open (scene);
  write_file (scene, "large", LARGE);
  offer_and_see (scene, "large");
  accept (scene, got (scene, 0));
  side_wait (sent (scene)->row->state == TRANSFER_ACTIVE && got (scene, 0)->row->state == TRANSFER_ACTIVE);
}

static void
test_sender_cancels (void)
{
  Scene scene;

  begin_large (&scene);
  g_assert_true (transfers_cancel (scene.juliet->messenger, sent (&scene), NULL));
  wait_for (&scene, TRANSFER_CANCELED, REASON_CANCELED, TRANSFER_CANCELED, REASON_PEER_CANCELED);
  g_assert_cmpuint (tree_count (scene.to), ==, 0);
  scene_close (&scene);
}

static void
test_receiver_cancels (void)
{
  Scene scene;

  begin_large (&scene);
  g_assert_true (transfers_cancel (scene.romeo->messenger, got (&scene, 0), NULL));
  wait_for (&scene, TRANSFER_CANCELED, REASON_PEER_CANCELED, TRANSFER_CANCELED, REASON_CANCELED);
  side_wait (tree_count (scene.to) == 0);
  scene_close (&scene);
}

static void
test_sender_cancels_before (void)
{
  Scene scene;

  scene_open (&scene);
  write_file (&scene, "f", 10);
  offer_and_see (&scene, "f");
  g_assert_true (transfers_cancel (scene.juliet->messenger, sent (&scene), NULL));
  wait_for (&scene, TRANSFER_CANCELED, REASON_CANCELED, TRANSFER_CANCELED, REASON_PEER_CANCELED);
  scene_close (&scene);
}

static void
test_two_at_once (void)
{
  Scene scene;
  guint64 first;

  scene_open (&scene);
  write_file (&scene, "one", 5 * 1000 * 1000);
  write_file (&scene, "two", 7 * 1000 * 1000);
  offer_and_see (&scene, "one");
  first = scene.sent;
  offer_and_see (&scene, "two");
  accept (&scene, got (&scene, 1));
  accept (&scene, got (&scene, 0));
  wait_for (&scene, TRANSFER_COMPLETE, "", TRANSFER_COMPLETE, "");
  side_wait (tree_is (transfers_find (scene.juliet->messenger, first), TRANSFER_COMPLETE, "") && tree_is (got (&scene, 0), TRANSFER_COMPLETE, ""));
  assert_same (&scene, "one", "one");
  assert_same (&scene, "two", "two");
  scene_close (&scene);
}

static void
offer_three (Scene *scene)
{
  static const char *const names[] = { "one", "two", "three" };
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) ids = NULL;

  scene_open (scene);
  scene->obliging = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    write_file (scene, names[i], 1000 + i);
  ids = try_offer (scene, names, G_N_ELEMENTS (names), &error);
  g_assert_no_error (error);
  scene->sent = g_array_index (ids, guint64, 0);
}

/* Each is an offer of its own over there. */
static void
test_several (void)
{
  Scene scene;

  offer_three (&scene);
  side_wait (tree_is (sent (&scene), TRANSFER_COMPLETE, "") && tree_is (got (&scene, 2), TRANSFER_COMPLETE, ""));
  g_assert_cmpint (sent (&scene)->row->transferred, ==, 3003);
  assert_same (&scene, "one", "one");
  assert_same (&scene, "two", "two");
  assert_same (&scene, "three", "three");
  scene_close (&scene);
}

static void
test_one_of_several_declined (void)
{
  Scene scene;
  const TransferFailure *failure;

  offer_three (&scene);
  scene.but = "two";
  side_wait (tree_is (sent (&scene), TRANSFER_COMPLETE, REASON_PARTIAL) && tree_is (got (&scene, 2), TRANSFER_COMPLETE, ""));
  g_assert_cmpuint (sent (&scene)->failures->len, ==, 1);
  failure = g_ptr_array_index (sent (&scene)->failures, 0);
  g_assert_cmpstr (failure->path, ==, "two");
  g_assert_cmpstr (failure->reason, ==, REASON_DECLINED);
  scene_close (&scene);
}

/* Which may be the only one that is left to say it about. */
static void
test_last_of_several_declined (void)
{
  Scene scene;

  offer_three (&scene);
  scene.but = "three";
  side_wait (tree_is (sent (&scene), TRANSFER_COMPLETE, REASON_PARTIAL));
  g_assert_cmpuint (sent (&scene)->failures->len, ==, 1);
  scene_close (&scene);
}

static void
test_source_goes (void)
{
  Scene scene;
  g_autofree char *path = NULL;

  scene_open (&scene);
  write_file (&scene, "f", 10);
  offer_and_see (&scene, "f");
  path = tree_path (scene.from, "f");
  g_unlink (path);
  accept (&scene, got (&scene, 0));
  side_wait (tree_is (sent (&scene), TRANSFER_FAILED, REASON_SOURCE_GONE) && tree_is (got (&scene, 0), TRANSFER_CANCELED, REASON_PEER_CANCELED));
  scene_close (&scene);
}

/* It need not be shown any more. */
static void
assert_lost (Side *side, guint64 id)
{
  g_autoptr (TransferRow) row = transfers_get (side->db, id);

  g_assert_cmpint (row->state, ==, TRANSFER_FAILED);
  g_assert_cmpstr (row->reason, ==, REASON_CONNECTION_LOST);
}

/* Nothing of it can go on, and nothing of it stays. */
static void
test_restart (void)
{
  Scene scene;

  begin_large (&scene);
  side_restart (scene.romeo);
  assert_lost (scene.romeo, g_array_index (scene.got, guint64, 0));
  side_wait (tree_is (sent (&scene), TRANSFER_CANCELED, REASON_PEER_CANCELED)); /* all that a closed connection says */
  side_wait (tree_count (scene.to) == 0);
  scene_close (&scene);

  scene_open (&scene);
  write_file (&scene, "f", 10);
  offer_and_see (&scene, "f");
  side_restart (scene.juliet);
  assert_lost (scene.juliet, scene.sent);
  scene_close (&scene);
}

static void
test_blocked (void)
{
  Scene scene;

  begin_large (&scene);
  g_assert_true (messenger_block (scene.romeo->messenger, scene.romeo->peer, TRUE, NULL));
  wait_for (&scene, TRANSFER_CANCELED, REASON_PEER_CANCELED, TRANSFER_CANCELED, REASON_BLOCKED);
  side_wait (tree_count (scene.to) == 0);
  scene_close (&scene);
}

static void
test_into_a_pipe (void)
{
  Scene scene;
  int ends[2];
  TransferTarget target = { NULL, -1, -1 };
  char text[100] = "";

  scene_open (&scene);
  write_file (&scene, "f", 10);
  offer_and_see (&scene, "f");
  g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  target.out_fd = ends[1];
  g_assert_true (transfers_accept (scene.romeo->messenger, got (&scene, 0), &target, NULL));
  wait_for (&scene, TRANSFER_COMPLETE, "", TRANSFER_COMPLETE, "");
  g_assert_cmpint (read (ends[0], text, sizeof text), ==, 10);
  close (ends[0]);
  g_assert_cmpuint (tree_count (scene.to), ==, 0);
  scene_close (&scene);
}

static void
test_no_folders (void)
{
  Scene scene;
  const char *name = "album";
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;

  scene_open (&scene);
  path = tree_path (scene.from, name);
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  g_assert_null (try_offer (&scene, &name, 1, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED);
  g_assert_cmpuint (transfers_all (scene.juliet->messenger)->len, ==, 0);
  scene_close (&scene);
}

static void
test_not_without_a_yes (void)
{
  Scene scene;
  const char *name = "f";
  g_autoptr (GError) error = NULL;

  scene_open (&scene);
  write_file (&scene, name, 10);
  g_assert_true (messenger_allow_plaintext (scene.juliet->messenger, scene.juliet->peer, PLAINTEXT_ASK, NULL));
  g_assert_null (try_offer (&scene, &name, 1, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_UNENCRYPTED);
  scene_close (&scene);
}

static void
test_no_pause (void)
{
  Scene scene;
  g_autoptr (GError) error = NULL;

  begin_large (&scene);
  g_assert_false (transfers_pause (scene.juliet->messenger, sent (&scene), &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED);
  wait_for (&scene, TRANSFER_COMPLETE, "", TRANSFER_COMPLETE, "");
  scene_close (&scene);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/legacy/one-file", test_one_file);
  g_test_add_func ("/legacy/large-file", test_large_file);
  g_test_add_func ("/legacy/empty-file", test_empty_file);
  g_test_add_func ("/legacy/odd-names", test_odd_names);
  g_test_add_func ("/legacy/declined", test_declined);
  g_test_add_func ("/legacy/never", test_never);
  g_test_add_func ("/legacy/never-automatic", test_never_automatic);
  g_test_add_func ("/legacy/sender-cancels", test_sender_cancels);
  g_test_add_func ("/legacy/receiver-cancels", test_receiver_cancels);
  g_test_add_func ("/legacy/sender-cancels-before", test_sender_cancels_before);
  g_test_add_func ("/legacy/two-at-once", test_two_at_once);
  g_test_add_func ("/legacy/several", test_several);
  g_test_add_func ("/legacy/one-of-several-declined", test_one_of_several_declined);
  g_test_add_func ("/legacy/last-of-several-declined", test_last_of_several_declined);
  g_test_add_func ("/legacy/source-goes", test_source_goes);
  g_test_add_func ("/legacy/restart", test_restart);
  g_test_add_func ("/legacy/blocked", test_blocked);
  g_test_add_func ("/legacy/into-a-pipe", test_into_a_pipe);
  g_test_add_func ("/legacy/no-folders", test_no_folders);
  g_test_add_func ("/legacy/not-without-a-yes", test_not_without_a_yes);
  g_test_add_func ("/legacy/no-pause", test_no_pause);
  return g_test_run ();
}
