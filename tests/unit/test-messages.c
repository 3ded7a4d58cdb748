/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: a message is stored once, as it was, and only goes forward. */
#include "base/limits.h"
#include "store.h"

static void
test_names (void)
{
  static const char *const names[]
    = { "received", "queued", "sent", "delivered", "read", "failed", "expired", "held" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_cmpstr (message_state_name (i), ==, names[i]);
}

static void
assert_equal (const MessageRow *a, const MessageRow *b)
{
  g_assert_cmpuint (a->seq, ==, b->seq);
  g_assert_cmpint (a->peer, ==, b->peer);
  g_assert_cmpint (a->direction, ==, b->direction);
  g_assert_cmpstr (a->id, ==, b->id);
  g_assert_cmpstr (a->body, ==, b->body);
  g_assert_cmpint (a->time, ==, b->time);
  g_assert_cmpint (a->received, ==, b->received);
  g_assert_cmpint (a->state, ==, b->state);
  g_assert_cmpstr (a->reason, ==, b->reason);
  g_assert_cmpuint (a->corrects, ==, b->corrects);
  g_assert_cmpint (a->confirms, ==, b->confirms);
  g_assert_cmpint (a->expires, ==, b->expires);
  g_assert_cmpint (a->once, ==, b->once);
  g_assert_cmpint (a->encrypted, ==, b->encrypted);
  g_assert_cmpstr (a->trust, ==, b->trust);
}

static void
test_comes_back_as_it_was (Store *store, gconstpointer data)
{
  g_autoptr (MessageRow) row
    = store_row (store->juliet, DIRECTION_OUT, "id-1", "Wherefore\n\tart thou \xf0\x9f\x8c\xb9?");
  g_autoptr (MessageRow) copy = NULL;
  g_autoptr (MessageRow) by_seq = NULL;
  g_autoptr (MessageRow) by_id = NULL;

  row->time = 17;
  row->received = G_MAXINT64;
  row->state = MESSAGE_SENT;
  row->reason = g_strdup ("sleep");
  row->corrects = G_MAXINT64;
  row->confirms = TRUE;
  row->expires = 4711;
  row->once = TRUE;
  row->encrypted = TRUE;
  g_assert_true (messages_add (store->db, row, NULL));
  g_assert_cmpuint (row->seq, ==, 1);
  copy = message_row_copy (row);
  assert_equal (copy, row);
  store_reopen (store);
  by_seq = messages_get (store->db, 1);
  by_id = messages_find (store->db, store->juliet, DIRECTION_OUT, "id-1");
  assert_equal (by_seq, row);
  assert_equal (by_id, row);
}

static void
test_absent (Store *store, gconstpointer data)
{
  store_add (store, store->juliet, DIRECTION_IN, "id-1", "hi");
  g_assert_null (messages_get (store->db, 0));
  g_assert_null (messages_get (store->db, 2));
  g_assert_null (messages_get (store->db, G_MAXUINT64));
  g_assert_null (messages_find (store->db, store->juliet, DIRECTION_OUT, "id-1"));
  g_assert_null (messages_find (store->db, store->nurse, DIRECTION_IN, "id-1"));
  g_assert_null (messages_find (store->db, store->juliet, DIRECTION_IN, "ID-1"));
  g_assert_false (store_state (store, 2, MESSAGE_READ));
  g_assert_false (store_state (store, G_MAXUINT64, MESSAGE_READ));
  message_row_free (NULL);
}

/* Ids ---------------------------------------------------------------------------------------------------- */

static guint64
add_at (Store *store, const char *id, gint64 received)
{
  g_autoptr (MessageRow) row = store_row (store->juliet, DIRECTION_IN, id, "again");
  g_autoptr (GError) error = NULL;

  row->received = received;
  row->seq = 99;
  g_assert_true (messages_add (store->db, row, &error));
  g_assert_no_error (error);
  return row->seq;
}

static void
test_seen_for_thirty_days (Store *store, gconstpointer data)
{
  gint64 month = (gint64) LIMIT_SEEN_S * G_USEC_PER_SEC;
  gint64 now = 2 * month;
  g_autoptr (MessageRow) newest = NULL;

  g_assert_cmpuint (add_at (store, "a", now), ==, 1);
  g_assert_cmpuint (add_at (store, "a", now), ==, 0);
  g_assert_cmpuint (add_at (store, "a", now + month), ==, 0);
  g_assert_cmpuint (add_at (store, "a", now - month), ==, 0); /* the clock was set back */
  store_reopen (store);
  g_assert_cmpuint (add_at (store, "a", now), ==, 0);
  g_assert_cmpuint (add_at (store, "a", now + month + 1), ==, 2);
  newest = messages_find (store->db, store->juliet, DIRECTION_IN, "a");
  g_assert_cmpuint (newest->seq, ==, 2);
  g_assert_cmpuint (add_at (store, NULL, now), ==, 3); /* without an id each is new */
  g_assert_cmpuint (add_at (store, NULL, now), ==, 4);
  g_assert_cmpuint (store_add (store, store->nurse, DIRECTION_IN, "a", "another's"), ==, 5);
  g_assert_cmpuint (store_add (store, store->juliet, DIRECTION_OUT, "a", "mine"), ==, 6);
  g_assert_cmpuint (messages_unread (store->db, store->juliet), ==, 4);
}

static void
assert_refused (Store *store, MessageRow *row, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (messages_add (store->db, row, &error));
  g_assert_error (error, HEARBY_ERROR, code);
  g_assert_cmpuint (row->seq, ==, 0);
  message_row_free (row);
}

static void
test_own_ids_are_unique (Store *store, gconstpointer data)
{
  store_add (store, store->juliet, DIRECTION_OUT, "a", "first");
  assert_refused (store, store_row (store->juliet, DIRECTION_OUT, "a", "second"), HEARBY_ERROR_EXISTS);
  store_commit (store);
  g_assert_cmpuint (outbox_count (store->db, store->juliet), ==, 1);
}

static void
test_limits (Store *store, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (LIMIT_BODY, 'b');
  g_autofree char *longer = g_strnfill (LIMIT_BODY + 1, 'b');
  g_autofree char *id = g_strnfill (LIMIT_ID, 'i');
  g_autofree char *longer_id = g_strnfill (LIMIT_ID + 1, 'i');
  g_autoptr (MessageRow) back = NULL;
  guint64 seq = store_add (store, store->juliet, DIRECTION_IN, id, longest);

  back = messages_get (store->db, seq);
  g_assert_cmpstr (back->body, ==, longest);
  g_assert_cmpstr (back->id, ==, id);
  assert_refused (store, store_row (store->juliet, DIRECTION_IN, NULL, longer),
                  HEARBY_ERROR_INVALID_ARGUMENT);
  assert_refused (store, store_row (store->juliet, DIRECTION_IN, longer_id, "b"),
                  HEARBY_ERROR_INVALID_ARGUMENT);
  assert_refused (store, store_row (store->juliet, DIRECTION_IN, NULL, "\xed\xa0\x80"),
                  HEARBY_ERROR_INVALID_ARGUMENT);
  assert_refused (store, store_row (store->juliet, DIRECTION_IN, "\xff", "b"), HEARBY_ERROR_INVALID_ARGUMENT);
  assert_refused (store, store_row (store->juliet, DIRECTION_IN, NULL, NULL), HEARBY_ERROR_INVALID_ARGUMENT);
  store_commit (store);
}

static void
test_a_forgotten_peer_spoils_nothing (Store *store, gconstpointer data)
{
  store_add (store, store->nurse, DIRECTION_IN, NULL, "kept");
  assert_refused (store, store_row (4711, DIRECTION_IN, "id", "lost"), HEARBY_ERROR_NOT_FOUND);
  store_commit (store);
  g_assert_cmpuint (messages_last_seq (store->db, 0), ==, 1);
}

static void
test_exotic_text (Store *store, gconstpointer data)
{
  static const char *const bodies[] = {
    "", " ", "'; DROP TABLE message; --", "\x01\x7f\x1b[31m", "\xef\xbb\xbf\xef\xbf\xbe\xef\xbf\xbf",
    "\xe2\x80\xae\xd7\xa9", "\xf4\x8f\xbf\xbf", "e\xcc\x81", "%s%n%1$s", "\\0 \\u0000 ?1 :a @b $c",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++)
    {
      g_autoptr (MessageRow) back
        = messages_get (store->db, store_add (store, store->juliet, DIRECTION_IN, bodies[i], bodies[i]));
      g_autoptr (MessageRow) found = messages_find (store->db, store->juliet, DIRECTION_IN, bodies[i]);

      g_assert_cmpstr (back->body, ==, bodies[i]);
      g_assert_cmpuint (found->seq, ==, back->seq);
    }
}

/* States ------------------------------------------------------------------------------------------------- */

/* Row: from; column: to. */
static const char *const moves[] = {
  /*               RQSDrFEH */
  [MESSAGE_RECEIVED] = "....x...", [MESSAGE_QUEUED] = ".xxxxxxx", [MESSAGE_SENT] = ".xxxxxx.",
  [MESSAGE_DELIVERED] = "....x...", [MESSAGE_READ] = "........", [MESSAGE_FAILED] = "........",
  [MESSAGE_EXPIRED] = "........", [MESSAGE_HELD] = ".x.xxxxx",
};

static void
test_every_move (Store *store, gconstpointer data)
{
  for (guint from = 0; from <= MESSAGE_HELD; from++)
    for (guint to = 0; to <= MESSAGE_HELD; to++)
      {
        g_autoptr (MessageRow) row
          = store_row (store->juliet, from == MESSAGE_RECEIVED ? DIRECTION_IN : DIRECTION_OUT, NULL, "go");
        g_autoptr (MessageRow) after = NULL;
        gboolean moved;

        row->state = from;
        g_assert_true (messages_add (store->db, row, NULL));
        moved = messages_set_state (store->db, row->seq, to, "why", FALSE, NULL);
        g_test_message ("%s to %s", message_state_name (from), message_state_name (to));
        g_assert_true (moved == (moves[from][to] == 'x'));
        after = messages_get (store->db, row->seq);
        g_assert_cmpuint (after->state, ==, moved ? to : from);
        g_assert_cmpstr (after->reason, ==, moved ? "why" : NULL);
      }
}

static void
test_first_states (Store *store, gconstpointer data)
{
  for (guint direction = DIRECTION_IN; direction <= DIRECTION_OUT; direction++)
    for (guint state = 0; state <= MESSAGE_HELD + 1; state++)
      {
        g_autoptr (MessageRow) row = store_row (store->juliet, direction, NULL, "go");
        g_autoptr (GError) error = NULL;
        gboolean fine = state == MESSAGE_READ || (direction == DIRECTION_IN) == (state == MESSAGE_RECEIVED);

        row->state = state;
        if (state <= MESSAGE_HELD && fine)
          g_assert_true (messages_add (store->db, row, &error));
        else
          assert_refused (store, g_steal_pointer (&row), HEARBY_ERROR_INVALID_ARGUMENT);
      }
}

static void
assert_confirms (Store *store, guint64 seq, gboolean expected)
{
  g_autoptr (MessageRow) row = messages_get (store->db, seq);

  g_assert_true (row->confirms == expected);
}

static void
test_confirms_belongs_to_sent (Store *store, gconstpointer data)
{
  guint64 seq = store_add (store, store->juliet, DIRECTION_OUT, "a", "b");

  messages_set_state (store->db, seq, MESSAGE_SENT, NULL, TRUE, NULL);
  assert_confirms (store, seq, TRUE);
  messages_set_state (store->db, seq, MESSAGE_SENT, NULL, FALSE, NULL); /* learned since */
  assert_confirms (store, seq, FALSE);
  messages_set_state (store->db, seq, MESSAGE_SENT, NULL, TRUE, NULL);
  messages_set_state (store->db, seq, MESSAGE_QUEUED, NULL, TRUE, NULL);
  assert_confirms (store, seq, FALSE);
  messages_set_state (store->db, seq, MESSAGE_SENT, NULL, TRUE, NULL);
  messages_set_state (store->db, seq, MESSAGE_DELIVERED, NULL, FALSE, NULL);
  assert_confirms (store, seq, TRUE);
}

/* Read --------------------------------------------------------------------------------------------------- */

static void
test_mark_read (Store *store, gconstpointer data)
{
  g_autofree char *last = NULL;
  g_autofree char *none = NULL;
  g_autofree char *rest = NULL;

  store_add (store, store->juliet, DIRECTION_IN, "a", "1");
  store_add (store, store->juliet, DIRECTION_IN, "b", "2");
  store_add (store, store->nurse, DIRECTION_IN, "c", "3");
  store_add (store, store->juliet, DIRECTION_OUT, "d", "4");
  store_add (store, store->juliet, DIRECTION_IN, NULL, "5");
  store_add (store, store->juliet, DIRECTION_IN, "e", "6");
  g_assert_cmpuint (messages_unread (store->db, 0), ==, 5);
  g_assert_cmpint (messages_mark_read (store->db, store->juliet, 5, &last, NULL), ==, 3);
  g_assert_cmpstr (last, ==, "b"); /* the newest of these that has one */
  g_assert_cmpint (messages_mark_read (store->db, store->juliet, 5, &none, NULL), ==, 0);
  g_assert_null (none);
  g_assert_cmpuint (messages_unread (store->db, store->juliet), ==, 1);
  g_assert_cmpuint (messages_unread (store->db, 0), ==, 2);
  g_assert_cmpint (messages_mark_read (store->db, store->juliet, G_MAXUINT64, &rest, NULL), ==, 1);
  g_assert_cmpstr (rest, ==, "e");
  store_commit (store);
  g_assert_cmpint (messages_mark_read (store->db, store->juliet, G_MAXUINT64, NULL, NULL), ==, 0);
  g_assert_false (database_is_dirty (store->db)); /* nothing to write: nothing opened */
  store_reopen (store);
  g_assert_cmpuint (messages_unread (store->db, 0), ==, 1);
}

static void
assert_seqs (GArray *seqs, guint n, const guint64 *expected)
{
  g_assert_nonnull (seqs);
  g_assert_cmpmem (seqs->data, seqs->len * sizeof (guint64), expected, n * sizeof *expected);
  g_array_unref (seqs);
}

static void
test_mark_out_read (Store *store, gconstpointer data)
{
  static const MessageState first[] = { MESSAGE_SENT, MESSAGE_DELIVERED, MESSAGE_QUEUED, MESSAGE_FAILED,
                                        MESSAGE_HELD, MESSAGE_DELIVERED, MESSAGE_SENT };
  const guint64 expected[] = { 1, 2, 6 };
  const guint64 rest[] = { 7 };

  for (guint i = 0; i < G_N_ELEMENTS (first); i++)
    {
      g_autofree char *id = g_strdup_printf ("id-%u", i + 1);
      g_autoptr (MessageRow) row = store_row (store->juliet, DIRECTION_OUT, id, "b");

      row->state = first[i];
      g_assert_true (messages_add (store->db, row, NULL));
    }
  assert_seqs (messages_mark_out_read (store->db, store->juliet, "id-6", NULL), 3, expected);
  assert_seqs (messages_mark_out_read (store->db, store->juliet, "id-6", NULL), 0, expected);
  assert_seqs (messages_mark_out_read (store->db, store->juliet, "unknown", NULL), 0, expected);
  assert_seqs (messages_mark_out_read (store->db, store->nurse, "id-7", NULL), 0, expected);
  assert_seqs (messages_mark_out_read (store->db, store->juliet, "id-7", NULL), 1, rest);
}

static void
test_counts_are_right_after_all (Store *store, gconstpointer data)
{
  guint waiting[2], in_flight[2], unread[2], all;

  messages_unread (store->db, 0); /* counted early, kept since */
  for (guint i = 0; i < 2000; i++)
    {
      gint64 peer = g_test_rand_bit () ? store->juliet : store->nurse;
      g_autofree char *id = g_strdup_printf ("id-%u", i);
      g_autofree char *other = g_strdup_printf ("id-%d", g_test_rand_int_range (0, i + 1));

      if (i % 2 == 0)
        store_add (store, peer, g_test_rand_int_range (0, 2), id, "x");
      messages_confirm (store->db, peer, other, NULL);
      store_state (store, g_test_rand_int_range (1, 1001), g_test_rand_int_range (0, MESSAGE_HELD + 1));
      if (i % 100 == 0)
        messages_mark_read (store->db, peer, g_test_rand_int_range (1, 1001), NULL, NULL);
      outbox_count (store->db, peer);
    }
  all = messages_unread (store->db, 0);
  for (guint i = 0; i < 2; i++)
    {
      waiting[i] = outbox_count (store->db, i == 0 ? store->juliet : store->nurse);
      in_flight[i] = outbox_in_flight (store->db, i == 0 ? store->juliet : store->nurse);
      unread[i] = messages_unread (store->db, i == 0 ? store->juliet : store->nurse);
    }
  g_assert_cmpuint (all, ==, unread[0] + unread[1]);
  store_reopen (store);
  g_assert_cmpuint (messages_unread (store->db, 0), ==, all);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpuint (waiting[i], ==, outbox_count (store->db, i == 0 ? store->juliet : store->nurse));
      g_assert_cmpuint (in_flight[i], ==, outbox_in_flight (store->db, i == 0 ? store->juliet : store->nurse));
      g_assert_cmpuint (unread[i], ==, messages_unread (store->db, i == 0 ? store->juliet : store->nurse));
    }
}

/* A receipt is for what was sent and waits for one. */
static void
test_confirm (Store *store, gconstpointer data)
{
  g_autoptr (MessageRow) row = NULL;
  guint64 seq = store_add (store, store->juliet, DIRECTION_OUT, "a", "b");

  g_assert_cmpuint (messages_confirm (store->db, store->juliet, "a", NULL), ==, 0);
  g_assert_true (messages_set_state (store->db, seq, MESSAGE_SENT, NULL, FALSE, NULL));
  g_assert_cmpuint (messages_confirm (store->db, store->juliet, "a", NULL), ==, 0);
  g_assert_true (messages_set_state (store->db, seq, MESSAGE_SENT, NULL, TRUE, NULL));
  g_assert_cmpuint (messages_confirm (store->db, store->nurse, "a", NULL), ==, 0);
  g_assert_cmpuint (messages_confirm (store->db, store->juliet, "unknown", NULL), ==, 0);
  g_assert_cmpuint (messages_confirm (store->db, store->juliet, "a", NULL), ==, seq);
  g_assert_cmpuint (messages_confirm (store->db, store->juliet, "a", NULL), ==, 0);
  g_assert_cmpuint (outbox_in_flight (store->db, store->juliet), ==, 0);
  row = messages_get (store->db, seq);
  g_assert_cmpuint (row->state, ==, MESSAGE_DELIVERED);
}

static void
test_last_seq (Store *store, gconstpointer data)
{
  g_assert_cmpuint (messages_last_seq (store->db, 0), ==, 0);
  g_assert_cmpuint (messages_last_seq (store->db, store->juliet), ==, 0);
  g_assert_false (messages_written_to (store->db, store->juliet));
  store_add (store, store->juliet, DIRECTION_IN, "a", "1");
  store_add (store, store->nurse, DIRECTION_OUT, "b", "2");
  g_assert_cmpuint (messages_last_seq (store->db, 0), ==, 2);
  g_assert_cmpuint (messages_last_seq (store->db, store->juliet), ==, 1);
  g_assert_false (messages_written_to (store->db, store->juliet));
  g_assert_true (messages_written_to (store->db, store->nurse));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/messages/names", test_names);
  store_test ("/messages/comes-back-as-it-was", test_comes_back_as_it_was);
  store_test ("/messages/absent", test_absent);
  store_test ("/messages/seen-for-thirty-days", test_seen_for_thirty_days);
  store_test ("/messages/own-ids-are-unique", test_own_ids_are_unique);
  store_test ("/messages/limits", test_limits);
  store_test ("/messages/a-forgotten-peer-spoils-nothing", test_a_forgotten_peer_spoils_nothing);
  store_test ("/messages/exotic-text", test_exotic_text);
  store_test ("/messages/every-move", test_every_move);
  store_test ("/messages/first-states", test_first_states);
  store_test ("/messages/confirms-belongs-to-sent", test_confirms_belongs_to_sent);
  store_test ("/messages/mark-read", test_mark_read);
  store_test ("/messages/mark-out-read", test_mark_out_read);
  store_test ("/messages/counts-are-right-after-all", test_counts_are_right_after_all);
  store_test ("/messages/confirm", test_confirm);
  store_test ("/messages/last-seq", test_last_seq);
  return g_test_run ();
}
