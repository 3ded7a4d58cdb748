/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: peers and aliases are what was saved, and a forgotten peer leaves nothing behind. */
#include "base/limits.h"
#include "store.h"

static void
test_saved_and_loaded (Store *store, gconstpointer data)
{
  g_autoptr (PeerRow) row = peer_row_new ();
  g_autoptr (GPtrArray) rows = NULL;
  PeerRow *loaded;

  row->nick = g_strdup ("Lab \xf0\x9f\xa7\xaa");
  row->address = g_strdup ("192.168.7.20:5298");
  row->plaintext = PLAINTEXT_ALLOW;
  row->blocked = TRUE;
  row->last_seen = G_MAXINT64;
  row->files = FILES_AUTO;
  row->files_limit = 2000000000;
  row->files_to = g_strdup ("/home/r/In \xe4");
  row->quota = G_MAXINT64;
  g_assert_true (peers_save (store->db, row, NULL));
  g_assert_cmpint (row->id, >, store->nurse);
  store_reopen (store);
  rows = peers_load (store->db, NULL);
  g_assert_cmpuint (rows->len, ==, 3);
  loaded = g_ptr_array_index (rows, 2);
  g_assert_cmpint (loaded->id, ==, row->id);
  g_assert_null (loaded->instance);
  g_assert_cmpstr (loaded->nick, ==, row->nick);
  g_assert_cmpstr (loaded->address, ==, row->address);
  g_assert_cmpint (loaded->plaintext, ==, PLAINTEXT_ALLOW);
  g_assert_true (loaded->blocked);
  g_assert_cmpint (loaded->last_seen, ==, G_MAXINT64);
  g_assert_true (loaded->files == FILES_AUTO && loaded->files_limit == 2000000000 && loaded->quota == G_MAXINT64);
  g_assert_cmpstr (loaded->files_to, ==, "/home/r/In \xe4");

  g_free (row->nick);
  row->nick = NULL;
  row->blocked = FALSE;
  g_clear_pointer (&row->files_to, g_free);
  row->files = FILES_NEVER;
  row->instance = g_strdup ("lab@sword");
  g_assert_true (peers_save (store->db, row, NULL));
  g_ptr_array_unref (rows);
  rows = peers_load (store->db, NULL);
  loaded = g_ptr_array_index (rows, 2);
  g_assert_cmpint (loaded->id, ==, row->id);
  g_assert_cmpstr (loaded->instance, ==, "lab@sword");
  g_assert_null (loaded->nick);
  g_assert_false (loaded->blocked);
  g_assert_true (loaded->files == FILES_NEVER && loaded->files_to == NULL);
}

static void
test_one_row_for_one_name (Store *store, gconstpointer data)
{
  g_autoptr (PeerRow) row = peer_row_new ();
  g_autoptr (GError) insert = NULL;
  g_autoptr (GError) update = NULL;

  row->instance = g_strdup ("JULIET@Pronto");
  g_assert_false (peers_save (store->db, row, &insert));
  g_assert_error (insert, HEARBY_ERROR, HEARBY_ERROR_EXISTS);
  row->id = store->nurse;
  g_assert_false (peers_save (store->db, row, &update));
  g_assert_error (update, HEARBY_ERROR, HEARBY_ERROR_EXISTS);
  row->id = store->juliet; /* another spelling of itself */
  g_assert_true (peers_save (store->db, row, NULL));
  store_commit (store); /* nothing was spoilt */
}

static void
test_bad_rows (Store *store, gconstpointer data)
{
  g_autoptr (PeerRow) row = peer_row_new ();
  g_autoptr (GError) missing = NULL;
  g_autoptr (GError) bytes = NULL;

  row->id = 4711;
  g_assert_false (peers_save (store->db, row, &missing));
  g_assert_error (missing, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND);
  row->id = 0;
  row->nick = g_strdup ("\xff");
  g_assert_false (peers_save (store->db, row, &bytes));
  g_assert_error (bytes, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
  store_commit (store);
}

static void
test_ids_are_never_reused (Store *store, gconstpointer data)
{
  gint64 last = store_peer (store, "tybalt@sword");

  g_assert_true (peers_forget (store->db, last, NULL));
  store_reopen (store);
  g_assert_cmpint (store_peer (store, "tybalt@sword"), >, last);
}

static guint
count (Store *store, const char *sql)
{
  return database_read_one (store->db, database_prepare (store->db, sql), -1);
}

static void
test_forgotten_without_a_trace (Store *store, gconstpointer data)
{
  g_autoptr (GPtrArray) found = NULL;
  MessageFilter filter = { .search = "wherefore" };
  gint64        both[] = { store->juliet, store->nurse };
  guint64       kept;

  store_add (store, store->juliet, DIRECTION_IN, "a", "wherefore art thou");
  store_add (store, store->juliet, DIRECTION_OUT, "b", "here wherefore");
  kept = store_add (store, store->nurse, DIRECTION_IN, "c", "wherefore not");
  g_assert_true (aliases_set (store->db, "ops", both, 2, NULL));
  g_assert_true (aliases_set (store->db, "love", both, 1, NULL));
  found = messages_list (store->db, &filter, NULL); /* the index knows the words now */
  g_assert_cmpuint (found->len, ==, 3);
  g_assert_cmpuint (messages_unread (store->db, 0), ==, 2);
  store_commit (store);
  g_assert_true (store_holds (store, "wherefore art thou"));

  g_assert_true (peers_forget (store->db, store->juliet, NULL));
  store_commit (store);
  g_assert_cmpuint (count (store, "SELECT count(*) FROM message"), ==, 1);
  g_assert_cmpuint (count (store, "SELECT count(*) FROM wire_id"), ==, 1);
  g_assert_cmpuint (count (store, "SELECT count(*) FROM alias"), ==, 1);
  g_assert_cmpuint (messages_unread (store->db, 0), ==, 1);
  g_assert_cmpuint (messages_unread (store->db, store->juliet), ==, 0);
  g_assert_cmpuint (outbox_count (store->db, store->juliet), ==, 0);
  g_ptr_array_unref (found);
  found = messages_list (store->db, &filter, NULL);
  g_assert_cmpuint (found->len, ==, 1);
  g_assert_cmpuint (((MessageRow *) found->pdata[0])->seq, ==, kept);
  store_commit (store);
  g_assert_false (store_holds (store, "wherefore art thou"));
  g_assert_false (store_holds (store, "juliet"));
  g_assert_true (peers_forget (store->db, store->juliet, NULL)); /* nobody: fine */
}

/* Aliases ------------------------------------------------------------------------------------------------ */

static void
test_aliases (Store *store, gconstpointer data)
{
  gint64 both[] = { store->nurse, store->juliet, store->nurse };
  g_autoptr (GPtrArray) aliases = NULL;
  Alias *ops;

  g_assert_true (aliases_set (store->db, "Ops", both, 3, NULL));
  g_assert_true (aliases_set (store->db, "lab", both, 1, NULL));
  g_assert_true (aliases_set (store->db, "gone", both, 1, NULL));
  g_assert_true (aliases_set (store->db, "GONE", NULL, 0, NULL));
  g_assert_true (aliases_set (store->db, "never was", NULL, 0, NULL));
  store_reopen (store);
  aliases = aliases_load (store->db, NULL);
  g_assert_cmpuint (aliases->len, ==, 2);
  g_assert_cmpstr (((Alias *) aliases->pdata[0])->name, ==, "lab");
  ops = aliases->pdata[1];
  g_assert_cmpstr (ops->name, ==, "Ops");
  g_assert_cmpuint (ops->peers->len, ==, 2); /* once each, in the order given */
  g_assert_cmpint (g_array_index (ops->peers, gint64, 0), ==, store->nurse);
  g_assert_cmpint (g_array_index (ops->peers, gint64, 1), ==, store->juliet);

  g_assert_true (aliases_set (store->db, "oPS", both + 1, 1, NULL));
  g_ptr_array_unref (aliases);
  aliases = aliases_load (store->db, NULL);
  ops = aliases->pdata[1];
  g_assert_cmpuint (aliases->len, ==, 2);
  g_assert_cmpstr (ops->name, ==, "oPS");
  g_assert_cmpuint (ops->peers->len, ==, 1);
}

static void
assert_alias (Store *store, const char *name, gint64 peer, int code)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = aliases_set (store->db, name, &peer, 1, &error);

  if (code == 0)
    g_assert_no_error (error);
  else
    g_assert_error (error, HEARBY_ERROR, code);
  g_assert_true (ok == (code == 0));
}

static void
test_alias_limits (Store *store, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (LIMIT_NICK, 'a');
  g_autofree char *longer = g_strnfill (LIMIT_NICK + 1, 'a');
  g_autofree gint64 *many = g_new (gint64, LIMIT_PEERS + 1);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i <= LIMIT_PEERS; i++)
    many[i] = store->juliet;
  assert_alias (store, longest, store->juliet, 0);
  assert_alias (store, longer, store->juliet, HEARBY_ERROR_INVALID_ARGUMENT);
  assert_alias (store, "", store->juliet, HEARBY_ERROR_INVALID_ARGUMENT);
  assert_alias (store, "\xc3", store->juliet, HEARBY_ERROR_INVALID_ARGUMENT);
  assert_alias (store, "who", 4711, HEARBY_ERROR_NOT_FOUND);
  g_assert_true (aliases_set (store->db, "all", many, LIMIT_PEERS, NULL));
  g_assert_false (aliases_set (store->db, "all", many, LIMIT_PEERS + 1, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
  store_commit (store);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  store_test ("/peers/saved-and-loaded", test_saved_and_loaded);
  store_test ("/peers/one-row-for-one-name", test_one_row_for_one_name);
  store_test ("/peers/bad-rows", test_bad_rows);
  store_test ("/peers/ids-are-never-reused", test_ids_are_never_reused);
  store_test ("/peers/forgotten-without-a-trace", test_forgotten_without_a_trace);
  store_test ("/peers/aliases", test_aliases);
  store_test ("/peers/alias-limits", test_alias_limits);
  return g_test_run ();
}
