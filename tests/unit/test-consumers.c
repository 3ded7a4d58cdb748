/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: a consumer gets each message once, however often it dies; a key sends once within seven days. */
#include "base/limits.h"
#include "store.h"

static guint64
acknowledged (Store *store, const char *name)
{
  g_autoptr (GError) error = NULL;
  guint64 seq = G_MAXUINT64;

  g_assert_true (consumers_get (store->db, name, &seq, &error));
  g_assert_no_error (error);
  return seq;
}

static void
test_starts_before_what_is_unread (Store *store, gconstpointer data)
{
  guint64 first, last;

  g_assert_cmpuint (acknowledged (store, "empty"), ==, 0);
  first = store_add (store, store->juliet, DIRECTION_IN, NULL, "old");
  messages_mark_read (store->db, store->juliet, first, NULL, NULL);
  store_add (store, store->juliet, DIRECTION_OUT, NULL, "mine");
  store_add (store, store->nurse, DIRECTION_IN, NULL, "new");
  last = store_add (store, store->juliet, DIRECTION_IN, NULL, "newer");
  g_assert_cmpuint (acknowledged (store, "bot"), ==, first + 1);
  messages_mark_read (store->db, store->juliet, last, NULL, NULL);
  messages_mark_read (store->db, store->nurse, last, NULL, NULL);
  g_assert_cmpuint (acknowledged (store, "late"), ==, last);
  store_reopen (store);
  g_assert_cmpuint (acknowledged (store, "bot"), ==, first + 1); /* written down */
  g_assert_cmpuint (acknowledged (store, "empty"), ==, 0);
}

static void
test_only_forward (Store *store, gconstpointer data)
{
  guint64 last = 0;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) far = NULL;

  for (guint i = 0; i < 3; i++)
    last = store_add (store, store->juliet, DIRECTION_IN, NULL, "hi");
  g_assert_true (consumers_acknowledge (store->db, "bot", 2, NULL));
  g_assert_true (consumers_acknowledge (store->db, "bot", 1, NULL));
  g_assert_cmpuint (acknowledged (store, "bot"), ==, 2);
  g_assert_true (consumers_acknowledge (store->db, "bot", last, NULL));
  g_assert_false (consumers_acknowledge (store->db, "bot", last + 1, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
  g_assert_false (consumers_acknowledge (store->db, "bot", G_MAXUINT64, &far));
  g_assert_error (far, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
  g_assert_cmpuint (acknowledged (store, "bot"), ==, last);
  g_assert_cmpuint (acknowledged (store, "other"), ==, 0); /* none eats another's mail */
  store_commit (store);
}

static void
test_names (Store *store, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (LIMIT_ID, 'n');
  g_autofree char *longer = g_strnfill (LIMIT_ID + 1, 'n');
  const char      *bad[] = { "", "\xff", longer };
  guint64          seq;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (consumers_get (store->db, bad[i], &seq, &error));
      g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
    }
  acknowledged (store, longest);
  acknowledged (store, "b\xc3\xb6t; DROP TABLE message");
}

static void
test_limit (Store *store, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint64 seq;

  for (guint i = 0; i < LIMIT_CONSUMERS; i++)
    {
      g_autofree char *name = g_strdup_printf ("bot %u", i);

      acknowledged (store, name);
    }
  g_assert_false (consumers_get (store->db, "one more", &seq, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE);
  acknowledged (store, "bot 0");
  g_assert_true (consumers_forget (store->db, "bot 0", NULL));
  g_assert_true (consumers_forget (store->db, "nobody", NULL));
  acknowledged (store, "one more");
  store_commit (store);
}

/* Keys --------------------------------------------------------------------------------------------------- */

#define WEEK ((gint64) LIMIT_IDEMPOTENT_S * G_USEC_PER_SEC)

static void
test_keys_within_seven_days (Store *store, gconstpointer data)
{
  const guint64 seqs[] = { 7, G_MAXINT64, 9 };
  const guint64 other[] = { 10 };
  gint64        now = 5 * WEEK;
  GArray       *found;

  g_assert_null (sent_keys_get (store->db, "disk", now));
  g_assert_true (sent_keys_set (store->db, "disk", seqs, 3, now, NULL));
  store_reopen (store);
  found = sent_keys_get (store->db, "disk", now + WEEK);
  g_assert_cmpmem (found->data, found->len * sizeof (guint64), seqs, sizeof seqs);
  g_array_unref (found);
  g_assert_null (sent_keys_get (store->db, "disk", now + WEEK + 1));
  g_assert_null (sent_keys_get (store->db, "DISK", now));
  g_assert_true (sent_keys_set (store->db, "disk", other, 1, now + WEEK + 1, NULL)); /* a new week */
  found = sent_keys_get (store->db, "disk", now + WEEK + 1);
  g_assert_cmpmem (found->data, found->len * sizeof (guint64), other, sizeof other);
  g_array_unref (found);
  g_assert_true (sent_keys_set (store->db, "nobody", NULL, 0, now, NULL));
  found = sent_keys_get (store->db, "nobody", now);
  g_assert_cmpuint (found->len, ==, 0);
  g_array_unref (found);
}

static void
test_old_keys_are_purged (Store *store, gconstpointer data)
{
  const guint64 seq = 1;
  gint64        now = 5 * WEEK;

  g_assert_true (sent_keys_set (store->db, "old", &seq, 1, now, NULL));
  g_assert_true (sent_keys_set (store->db, "new", &seq, 1, now + 1, NULL));
  g_assert_true (messages_purge (store->db, -1, now + 1 + WEEK, NULL));
  g_assert_cmpint (
    database_read_one (store->db, database_prepare (store->db, "SELECT count(*) FROM sent_key"), 0), ==, 1);
  store_commit (store);
}

static void
test_key_limits (Store *store, gconstpointer data)
{
  g_autofree char *longer = g_strnfill (LIMIT_ID + 1, 'k');
  g_autofree guint64 *seqs = g_new0 (guint64, LIMIT_PEERS + 1);
  g_autoptr (GError) key = NULL;
  g_autoptr (GError) many = NULL;

  g_assert_false (sent_keys_set (store->db, longer, seqs, 1, 1, &key));
  g_assert_error (key, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
  g_assert_true (sent_keys_set (store->db, longer + 1, seqs, LIMIT_PEERS, 1, NULL));
  g_assert_false (sent_keys_set (store->db, "k", seqs, LIMIT_PEERS + 1, 1, &many));
  g_assert_error (many, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
  store_commit (store);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  store_test ("/consumers/starts-before-what-is-unread", test_starts_before_what_is_unread);
  store_test ("/consumers/only-forward", test_only_forward);
  store_test ("/consumers/names", test_names);
  store_test ("/consumers/limit", test_limit);
  store_test ("/consumers/keys-within-seven-days", test_keys_within_seven_days);
  store_test ("/consumers/old-keys-are-purged", test_old_keys_are_purged);
  store_test ("/consumers/key-limits", test_key_limits);
  return g_test_run ();
}
