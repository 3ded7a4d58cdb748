/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what waits goes out in order, again after a broken stream, and not after its time. */
#include "base/limits.h"
#include "store.h"

static guint64
add_in (Store *store, gint64 peer, MessageState state, gboolean confirms, gint64 expires)
{
  g_autoptr (MessageRow) row = store_row (peer, DIRECTION_OUT, NULL, "b");

  row->state = state;
  row->confirms = confirms;
  row->expires = expires;
  g_assert_true (messages_add (store->db, row, NULL));
  return row->seq;
}

static void
assert_seqs (GArray *seqs, guint n, const guint64 *expected)
{
  g_assert_nonnull (seqs);
  g_assert_cmpmem (seqs->data, seqs->len * sizeof (guint64), expected, n * sizeof *expected);
  g_array_unref (seqs);
}

static void
assert_next (Store *store, guint64 after, guint limit, guint n, const guint64 *expected)
{
  g_autoptr (GPtrArray) rows = outbox_next (store->db, store->juliet, after, limit, NULL);

  g_assert_cmpuint (rows->len, ==, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (((MessageRow *) rows->pdata[i])->seq, ==, expected[i]);
}

static void
test_in_order (Store *store, gconstpointer data)
{
  const guint64 expected[] = { 1, 2, 5, 8 };

  add_in (store, store->juliet, MESSAGE_QUEUED, FALSE, 0);
  add_in (store, store->juliet, MESSAGE_QUEUED, TRUE, 0); /* a promise means nothing yet */
  add_in (store, store->juliet, MESSAGE_SENT, TRUE, 0);
  add_in (store, store->nurse, MESSAGE_QUEUED, FALSE, 0);
  add_in (store, store->juliet, MESSAGE_QUEUED, FALSE, 0);
  add_in (store, store->juliet, MESSAGE_HELD, FALSE, 0);
  add_in (store, store->juliet, MESSAGE_FAILED, FALSE, 0);
  add_in (store, store->juliet, MESSAGE_QUEUED, FALSE, 0);
  assert_next (store, 0, 10, 4, expected);
  assert_next (store, 0, 2, 2, expected);
  assert_next (store, 2, 10, 2, expected + 2);
  assert_next (store, 8, 10, 0, NULL);
  assert_next (store, G_MAXUINT64, 10, 0, NULL);
  assert_next (store, 0, 0, 0, NULL);
  g_assert_cmpuint (outbox_count (store->db, store->juliet), ==, 6);
}

static void
test_again_after_a_break (Store *store, gconstpointer data)
{
  const guint64 juliets[] = { 1, 3 };
  const guint64 nurses[] = { 4 };

  add_in (store, store->juliet, MESSAGE_SENT, TRUE, 0);
  add_in (store, store->juliet, MESSAGE_SENT, FALSE, 0); /* may have come: never twice */
  add_in (store, store->juliet, MESSAGE_SENT, TRUE, 0);
  add_in (store, store->nurse, MESSAGE_SENT, TRUE, 0);
  add_in (store, store->juliet, MESSAGE_DELIVERED, TRUE, 0);
  assert_seqs (outbox_requeue (store->db, store->juliet, NULL), 2, juliets);
  assert_next (store, 0, 10, 2, juliets);
  assert_seqs (outbox_requeue (store->db, 0, NULL), 1, nurses);
  assert_seqs (outbox_requeue (store->db, 0, NULL), 0, NULL);
  g_assert_cmpuint (outbox_count (store->db, store->juliet), ==, 2);
}

static void
test_held_and_freed (Store *store, gconstpointer data)
{
  const guint64 seqs[] = { 1, 3 };
  g_autoptr (MessageRow) row = NULL;

  add_in (store, store->juliet, MESSAGE_QUEUED, FALSE, 0);
  add_in (store, store->nurse, MESSAGE_QUEUED, FALSE, 0);
  add_in (store, store->juliet, MESSAGE_QUEUED, FALSE, 0);
  add_in (store, store->juliet, MESSAGE_SENT, TRUE, 0);
  assert_seqs (outbox_change (store->db, store->juliet, MESSAGE_QUEUED, MESSAGE_HELD, "sleep", NULL), 2,
               seqs);
  row = messages_get (store->db, 1);
  g_assert_cmpuint (row->state, ==, MESSAGE_HELD);
  g_assert_cmpstr (row->reason, ==, "sleep");
  assert_next (store, 0, 10, 0, NULL);
  g_assert_cmpuint (outbox_count (store->db, store->juliet), ==, 3);
  assert_seqs (outbox_change (store->db, store->juliet, MESSAGE_HELD, MESSAGE_QUEUED, NULL, NULL), 2, seqs);
  assert_next (store, 0, 10, 2, seqs);
  /* backwards it does not go */
  assert_seqs (outbox_change (store->db, store->juliet, MESSAGE_SENT, MESSAGE_HELD, NULL, NULL), 0, NULL);
}

static void
test_expire (Store *store, gconstpointer data)
{
  const guint64 early[] = { 1 };
  const guint64 late[] = { 3, 4, 7 };

  g_assert_cmpint (outbox_next_expiry (store->db), ==, 0);
  add_in (store, store->juliet, MESSAGE_QUEUED, FALSE, 100);
  add_in (store, store->juliet, MESSAGE_QUEUED, FALSE, 0); /* never */
  add_in (store, store->juliet, MESSAGE_HELD, FALSE, 200);
  add_in (store, store->nurse, MESSAGE_SENT, TRUE, 200);
  add_in (store, store->juliet, MESSAGE_SENT, FALSE, 50); /* nothing more can be known */
  add_in (store, store->juliet, MESSAGE_DELIVERED, TRUE, 50);
  add_in (store, store->juliet, MESSAGE_QUEUED, FALSE, 150);
  g_assert_cmpint (outbox_next_expiry (store->db), ==, 100);
  assert_seqs (outbox_expire (store->db, 99, NULL), 0, NULL);
  assert_seqs (outbox_expire (store->db, 100, NULL), 1, early);
  g_assert_cmpint (outbox_next_expiry (store->db), ==, 150);
  assert_seqs (outbox_expire (store->db, 1000, NULL), 3, late);
  g_assert_cmpint (outbox_next_expiry (store->db), ==, 0);
  g_assert_cmpuint (outbox_count (store->db, store->juliet), ==, 1);
}

static void
test_peers_with_something (Store *store, gconstpointer data)
{
  const guint64 both[] = { store->juliet, store->nurse };

  assert_seqs (outbox_peers (store->db, NULL), 0, NULL);
  add_in (store, store->nurse, MESSAGE_QUEUED, FALSE, 0);
  add_in (store, store->nurse, MESSAGE_QUEUED, FALSE, 0);
  add_in (store, store->juliet, MESSAGE_SENT, TRUE, 0);
  add_in (store, store->juliet, MESSAGE_HELD, FALSE, 0);
  assert_seqs (outbox_peers (store->db, NULL), 1, both + 1);
  add_in (store, store->juliet, MESSAGE_QUEUED, FALSE, 0);
  assert_seqs (outbox_peers (store->db, NULL), 2, both);
}

static void
test_full_queue (Store *store, gconstpointer data)
{
  g_autoptr (MessageRow) row = store_row (store->juliet, DIRECTION_OUT, NULL, "b");
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) again = NULL;

  for (guint i = 0; i < LIMIT_QUEUE_MESSAGES; i++)
    g_assert_true (messages_add (store->db, row, NULL));
  g_assert_false (messages_add (store->db, row, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE);
  add_in (store, store->nurse, MESSAGE_QUEUED, FALSE, 0); /* another's queue */
  store_add (store, store->juliet, DIRECTION_IN, NULL, "in is no queue");
  g_assert_true (store_state (store, 1, MESSAGE_DELIVERED));
  add_in (store, store->juliet, MESSAGE_QUEUED, FALSE, 0); /* one place is free */
  g_assert_false (messages_add (store->db, row, &again));
  g_assert_error (again, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE);
  store_commit (store);
  g_assert_cmpuint (outbox_count (store->db, store->juliet), ==, LIMIT_QUEUE_MESSAGES);
}

/* Each turn of the loop asks these; with a long history they must not walk through it. */
static void
test_questions_use_an_index (Store *store, gconstpointer data)
{
  static const char *const questions[] = {
    "SELECT seq FROM message m WHERE m.peer = 1 AND m.state = 1 AND m.confirms = 0 AND m.seq > 2 ORDER BY "
    "m.seq LIMIT 3",
    "SELECT min(expires) FROM message WHERE expires > 0 AND (state IN (1, 7) OR (state = 2 AND confirms))",
    "SELECT seq FROM message WHERE expires > 0 AND (state IN (1, 7) OR (state = 2 AND confirms)) AND expires "
    "<= 1",
    "SELECT count(*) FROM message WHERE peer IN (SELECT id FROM peer) AND state = 0",
    "SELECT max(seq) FROM message WHERE peer = 1",
    "DELETE FROM wire_id WHERE seq = 0 AND time < 1",
  };

  for (guint i = 0; i < G_N_ELEMENTS (questions); i++)
    {
      g_autofree char *sql = g_strconcat ("EXPLAIN QUERY PLAN ", questions[i], NULL);
      sqlite3_stmt    *stmt = database_prepare_once (store->db, sql);
      gboolean         index = FALSE;

      while (database_read (store->db, stmt, NULL))
        {
          const char *plan = (const char *) sqlite3_column_text (stmt, 3);

          g_test_message ("%s", plan);
          g_assert_null (strstr (plan, "SCAN message"));
          g_assert_null (strstr (plan, "SCAN wire_id"));
          g_assert_true (i != 0 || strstr (plan, "TEMP B-TREE") == NULL);
          index = index || strstr (plan, "INDEX message_") != NULL || strstr (plan, "INDEX wire_id_") != NULL;
        }
      sqlite3_finalize (stmt);
      g_assert_true (index);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  store_test ("/outbox/in-order", test_in_order);
  store_test ("/outbox/again-after-a-break", test_again_after_a_break);
  store_test ("/outbox/held-and-freed", test_held_and_freed);
  store_test ("/outbox/expire", test_expire);
  store_test ("/outbox/peers-with-something", test_peers_with_something);
  store_test ("/outbox/full-queue", test_full_queue);
  store_test ("/outbox/questions-use-an-index", test_questions_use_an_index);
  return g_test_run ();
}
