/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: transfers are what was saved, are found by what they are asked for, and go with their time or with their peer. */
#include "store/transfer-rows.h"

#include "base/limits.h"
#include "store.h"

#define NOW ((gint64) 1795000000 * G_USEC_PER_SEC)
#define DAY ((gint64) 24 * 3600 * G_USEC_PER_SEC)

static TransferRow *
make_row (gint64 peer, Direction direction, TransferState state)
{
  TransferRow *row = transfer_row_new ();

  row->peer = peer;
  row->direction = direction;
  row->state = state;
  row->name = g_strdup ("2 files");
  row->created = row->changed = NOW;
  return row;
}

static guint64
save (Store *store, TransferRow *row)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (transfers_save (store->db, row, &error));
  g_assert_no_error (error);
  return row->id;
}

static guint64
add (Store *store, gint64 peer, Direction direction, TransferState state)
{
  g_autoptr (TransferRow) row = make_row (peer, direction, state);

  return save (store, row);
}

static void
assert_bytes (GBytes *a, GBytes *b)
{
  g_assert_true (a == b || (a != NULL && b != NULL && g_bytes_equal (a, b)));
}

static void
assert_same (const TransferRow *a, const TransferRow *b)
{
  g_assert_cmpuint (a->id, ==, b->id);
  g_assert_cmpint (a->peer, ==, b->peer);
  g_assert_cmpint (a->direction, ==, b->direction);
  g_assert_cmpint (a->state, ==, b->state);
  g_assert_cmpstr (a->reason, ==, b->reason);
  g_assert_cmpstr (a->sid, ==, b->sid);
  g_assert_cmpstr (a->name, ==, b->name);
  g_assert_cmpstr (a->key, ==, b->key);
  g_assert_cmpstr (a->batch, ==, b->batch);
  g_assert_cmpint (a->size, ==, b->size);
  g_assert_cmpint (a->transferred, ==, b->transferred);
  g_assert_cmpuint (a->files, ==, b->files);
  g_assert_cmpuint (a->entries, ==, b->entries);
  g_assert_cmpstr (a->folder, ==, b->folder);
  assert_bytes (a->sources, b->sources);
  assert_bytes (a->offer, b->offer);
  assert_bytes (a->failures, b->failures);
  assert_bytes (a->paths, b->paths);
  g_assert_cmpint (a->created, ==, b->created);
  g_assert_cmpint (a->changed, ==, b->changed);
  g_assert_cmpint (a->expires, ==, b->expires);
  g_assert_cmpuint (a->flags, ==, b->flags);
}

static void
test_saved_and_loaded (Store *store, gconstpointer data)
{
  g_autoptr (TransferRow) full = make_row (store->juliet, DIRECTION_IN, TRANSFER_PAUSED);
  g_autoptr (TransferRow) bare = make_row (store->nurse, DIRECTION_OUT, TRANSFER_OFFERED);
  g_autoptr (GPtrArray) rows = NULL;

  full->reason = g_strdup ("no-space");
  full->sid = g_strdup ("4f1c");
  full->key = g_strdup ("nightly");
  full->batch = g_strdup ("b");
  full->size = G_MAXINT64;
  full->transferred = 17;
  full->files = 9990;
  full->entries = 10000;
  full->folder = g_strdup ("/home/j\xe4/In"); /* a path is bytes */
  full->sources = g_bytes_new_static ("a\0/a\0", 5);
  full->offer = g_bytes_new_static ("", 0);
  full->failures = g_bytes_new_static ("\0\xff", 2);
  full->paths = g_bytes_new_static ("p", 1);
  full->expires = NOW + DAY;
  full->flags = G_MAXUINT;
  save (store, full);
  save (store, bare);
  store_reopen (store);
  rows = transfers_load_open (store->db, NULL);
  g_assert_cmpuint (rows->len, ==, 2);
  assert_same (g_ptr_array_index (rows, 0), full);
  assert_same (g_ptr_array_index (rows, 1), bare);
}

static void
test_changed (Store *store, gconstpointer data)
{
  g_autoptr (TransferRow) row = make_row (store->juliet, DIRECTION_OUT, TRANSFER_ACTIVE);
  g_autoptr (TransferRow) read = NULL;
  g_autoptr (GPtrArray) open = NULL;
  guint64 id = save (store, row);

  row->state = TRANSFER_COMPLETE;
  row->transferred = row->size = 5;
  row->reason = g_strdup ("partial");
  g_assert_cmpuint (save (store, row), ==, id);
  read = transfers_get (store->db, id);
  assert_same (read, row);
  open = transfers_load_open (store->db, NULL);
  g_assert_cmpuint (open->len, ==, 0);
  g_assert_null (transfers_get (store->db, id + 1));
  g_assert_cmpuint (transfers_last_id (store->db), ==, id);
}

/* What is written after it was rolled back is there again. */
static void
test_written_again (Store *store, gconstpointer data)
{
  g_autoptr (TransferRow) row = make_row (store->juliet, DIRECTION_OUT, TRANSFER_ACTIVE);
  g_autoptr (TransferRow) read = NULL;

  row->id = 4711;
  save (store, row);
  read = transfers_get (store->db, 4711);
  assert_same (read, row);
}

static void
assert_refused (Store *store, TransferRow *row, HearbyError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (transfers_save (store->db, row, &error));
  g_assert_error (error, HEARBY_ERROR, (int) code);
  store_commit (store); /* nothing was spoilt */
}

static void
test_refused (Store *store, gconstpointer data)
{
  g_autoptr (TransferRow) stranger = make_row (4711, DIRECTION_IN, TRANSFER_OFFERED);
  g_autoptr (TransferRow) bytes = make_row (store->juliet, DIRECTION_IN, TRANSFER_OFFERED);
  g_autoptr (TransferRow) key = make_row (store->juliet, DIRECTION_OUT, TRANSFER_OFFERED);

  assert_refused (store, stranger, HEARBY_ERROR_NOT_FOUND);
  g_free (bytes->name);
  bytes->name = g_strdup ("\xff");
  assert_refused (store, bytes, HEARBY_ERROR_INVALID_ARGUMENT);
  key->key = g_strnfill (LIMIT_ID, 'k');
  save (store, key);
  g_free (key->key);
  key->key = g_strnfill (LIMIT_ID + 1, 'k');
  assert_refused (store, key, HEARBY_ERROR_INVALID_ARGUMENT);
}

static guint64
add_with_sid (Store *store, gint64 peer, Direction direction, const char *sid)
{
  g_autoptr (TransferRow) row = make_row (peer, direction, TRANSFER_COMPLETE);

  row->sid = g_strdup (sid);
  return save (store, row);
}

static guint64
find (Store *store, gint64 peer, Direction direction, const char *sid)
{
  g_autoptr (TransferRow) row = transfers_by_sid (store->db, peer, direction, sid);

  return row != NULL ? row->id : 0;
}

/* libpurple counts its sids from 0 each time it starts. */
static void
test_by_sid (Store *store, gconstpointer data)
{
  guint64 older = add_with_sid (store, store->juliet, DIRECTION_IN, "0");
  guint64 newer = add_with_sid (store, store->juliet, DIRECTION_IN, "0");
  guint64 ours = add_with_sid (store, store->juliet, DIRECTION_OUT, "0");

  g_assert_cmpuint (older, <, newer);
  g_assert_cmpuint (find (store, store->juliet, DIRECTION_IN, "0"), ==, newer);
  g_assert_cmpuint (find (store, store->juliet, DIRECTION_OUT, "0"), ==, ours);
  g_assert_cmpuint (find (store, store->nurse, DIRECTION_IN, "0"), ==, 0);
  g_assert_cmpuint (find (store, store->juliet, DIRECTION_IN, "1"), ==, 0);
}

static guint
count_by_key (Store *store, const char *key, gint64 now)
{
  g_autoptr (GPtrArray) rows = transfers_by_key (store->db, key, now, NULL);

  return rows->len;
}

static void
test_by_key (Store *store, gconstpointer data)
{
  gint64 week = (gint64) LIMIT_IDEMPOTENT_S * G_USEC_PER_SEC;

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (TransferRow) row = make_row (store->juliet, DIRECTION_OUT, TRANSFER_FAILED);

      row->key = g_strdup ("k");
      save (store, row);
    }
  g_assert_cmpuint (count_by_key (store, "k", NOW), ==, 2);
  g_assert_cmpuint (count_by_key (store, "k", NOW + week), ==, 2);
  g_assert_cmpuint (count_by_key (store, "k", NOW + week + 1), ==, 0);
  g_assert_cmpuint (count_by_key (store, "K", NOW), ==, 0);
}

static void
assert_list (Store *store, const TransferFilter *filter, const guint64 *ids, guint n)
{
  g_autoptr (GPtrArray) rows = transfers_list (store->db, filter, NULL);

  g_assert_cmpuint (rows->len, ==, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (((TransferRow *) g_ptr_array_index (rows, i))->id, ==, ids[i]);
}

static void
test_list (Store *store, gconstpointer data)
{
  g_autoptr (TransferRow) old = make_row (store->juliet, DIRECTION_OUT, TRANSFER_FAILED);
  guint64 a = add (store, store->juliet, DIRECTION_IN, TRANSFER_OFFERED);
  guint64 b = add (store, store->nurse, DIRECTION_OUT, TRANSFER_COMPLETE);
  guint64 c = (old->changed = NOW - 1, save (store, old));
  guint64 all[] = { a, b, c };
  guint64 a_c[] = { a, c };

  assert_list (store, &(TransferFilter){ 0 }, all, 3);
  assert_list (store, &(TransferFilter){ .limit = 2 }, all + 1, 2);
  assert_list (store, &(TransferFilter){ .before = c }, all, 2);
  assert_list (store, &(TransferFilter){ .before = G_MAXUINT64 }, all, 3);
  assert_list (store, &(TransferFilter){ .open = TRUE }, all, 1);
  assert_list (store, &(TransferFilter){ .changed = NOW }, all, 2);
  assert_list (store, &(TransferFilter){ .peers = &store->juliet, .n_peers = 1 }, a_c, 2);
  assert_list (store, &(TransferFilter){ .peers = &store->juliet, .n_peers = 0 }, NULL, 0);
}

static void
test_list_limit (Store *store, gconstpointer data)
{
  g_autoptr (GPtrArray) rows = NULL;

  for (guint i = 0; i <= LIMIT_LIST; i++)
    add (store, store->juliet, DIRECTION_IN, TRANSFER_OFFERED);
  rows = transfers_list (store->db, &(TransferFilter){ .limit = LIMIT_LIST + 1 }, NULL);
  g_assert_cmpuint (rows->len, ==, LIMIT_LIST);
}

static void
add_auto (Store *store, TransferState state, gint64 size, gint64 transferred, gint64 changed)
{
  g_autoptr (TransferRow) row = make_row (store->juliet, DIRECTION_IN, state);

  row->size = size;
  row->transferred = transferred;
  row->changed = changed;
  row->flags = TRANSFER_FLAG_ACCEPTED;
  save (store, row);
}

static void
test_quota (Store *store, gconstpointer data)
{
  g_autoptr (TransferRow) asked = make_row (store->juliet, DIRECTION_IN, TRANSFER_COMPLETE);

  asked->transferred = 1000000;
  save (store, asked); /* the user said yes to that one */
  g_assert_cmpint (transfers_taken (store->db, store->juliet, NOW), ==, 0);
  add_auto (store, TRANSFER_COMPLETE, 100, 100, NOW);
  add_auto (store, TRANSFER_COMPLETE, 200, 200, NOW - 1);      /* before */
  add_auto (store, TRANSFER_FAILED, 4000, 3000, NOW);          /* so much came */
  add_auto (store, TRANSFER_ACTIVE, 50000, 10, NOW - 10 * DAY); /* so much will have */
  add_auto (store, TRANSFER_ACTIVE, -1, 600000, NOW);          /* a pipe */
  g_assert_cmpint (transfers_taken (store->db, store->juliet, NOW), ==, 653100);
  g_assert_cmpint (transfers_taken (store->db, store->nurse, NOW), ==, 0);
  for (guint i = 0; i < 2; i++)
    add_auto (store, TRANSFER_OFFERED, G_MAXINT64, 0, NOW); /* the sum has no place in 64 bits */
  g_assert_cmpint (transfers_taken (store->db, store->juliet, NOW), >, G_MAXINT64 / 2);
}

static void
test_expiry (Store *store, gconstpointer data)
{
  g_autoptr (TransferRow) row = make_row (store->juliet, DIRECTION_OUT, TRANSFER_WAITING_PEER);

  g_assert_cmpint (transfers_next_expiry (store->db), ==, 0);
  save (store, row);
  g_assert_cmpint (transfers_next_expiry (store->db), ==, 0);
  row->expires = NOW + DAY;
  save (store, row);
  g_assert_cmpint (transfers_next_expiry (store->db), ==, NOW + DAY);
  row->state = TRANSFER_FAILED;
  save (store, row);
  g_assert_cmpint (transfers_next_expiry (store->db), ==, 0);
}

static void
test_purge (Store *store, gconstpointer data)
{
  gint64 kept = (gint64) LIMIT_TRANSFERS_KEPT_S * G_USEC_PER_SEC;
  g_autoptr (TransferRow) ended = make_row (store->juliet, DIRECTION_OUT, TRANSFER_REJECTED);
  guint64 open = add (store, store->juliet, DIRECTION_OUT, TRANSFER_WAITING_PEER);
  g_autoptr (TransferRow) still = NULL;

  g_free (ended->name);
  ended->name = g_strdup ("a letter to the prince");
  save (store, ended);
  store_commit (store);
  g_assert_true (store_holds (store, "a letter to the prince"));
  g_assert_true (transfers_purge (store->db, NOW + kept, NULL));
  g_assert_false (database_is_dirty (store->db));
  g_assert_true (transfers_purge (store->db, NOW + kept + 1, NULL));
  store_commit (store);
  g_assert_false (store_holds (store, "a letter to the prince"));
  g_assert_null (transfers_get (store->db, ended->id));
  still = transfers_get (store->db, open);
  g_assert_nonnull (still);
}

static void
test_ids_are_not_used_again (Store *store, gconstpointer data)
{
  guint64 id = add (store, store->juliet, DIRECTION_OUT, TRANSFER_FAILED);

  g_assert_true (transfers_purge (store->db, NOW + 100 * DAY, NULL));
  store_reopen (store);
  g_assert_cmpuint (add (store, store->juliet, DIRECTION_OUT, TRANSFER_FAILED), >, id);
}

static void
test_forgotten_with_its_peer (Store *store, gconstpointer data)
{
  guint64 id = add (store, store->juliet, DIRECTION_IN, TRANSFER_ACTIVE);

  g_assert_true (peers_forget (store->db, store->juliet, NULL));
  g_assert_null (transfers_get (store->db, id));
}

static void
test_follows_its_peer (Store *store, gconstpointer data)
{
  guint64 id = add (store, store->juliet, DIRECTION_IN, TRANSFER_ACTIVE);
  g_autoptr (TransferRow) row = NULL;

  g_assert_true (peers_merge (store->db, store->juliet, store->nurse, NULL));
  row = transfers_get (store->db, id);
  g_assert_nonnull (row);
  g_assert_cmpint (row->peer, ==, store->nurse);
}

static void
test_names_of_states (void)
{
  g_assert_cmpstr (transfer_state_name (TRANSFER_OFFERED), ==, "offered");
  g_assert_cmpstr (transfer_state_name (TRANSFER_WAITING_PEER), ==, "waiting-peer");
  g_assert_cmpstr (transfer_state_name (TRANSFER_FAILED), ==, "failed");
  g_assert_false (transfer_state_is_final (TRANSFER_VERIFYING));
  g_assert_true (transfer_state_is_final (TRANSFER_COMPLETE));
}

/* An impossible state in the file is an end, not a crash. */
static void
test_impossible_state (Store *store, gconstpointer data)
{
  guint64 id = add (store, store->juliet, DIRECTION_IN, TRANSFER_ACTIVE);
  g_autoptr (TransferRow) row = NULL;

  g_assert_true (database_write (store->db, database_prepare (store->db, "UPDATE transfer SET state = 99, size = -7"), NULL));
  row = transfers_get (store->db, id);
  g_assert_cmpint (row->state, ==, TRANSFER_FAILED);
  g_assert_cmpint (row->size, ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  store_test ("/transfers/saved and loaded", test_saved_and_loaded);
  store_test ("/transfers/changed", test_changed);
  store_test ("/transfers/written again", test_written_again);
  store_test ("/transfers/refused", test_refused);
  store_test ("/transfers/by sid", test_by_sid);
  store_test ("/transfers/by key", test_by_key);
  store_test ("/transfers/list", test_list);
  store_test ("/transfers/list limit", test_list_limit);
  store_test ("/transfers/quota", test_quota);
  store_test ("/transfers/expiry", test_expiry);
  store_test ("/transfers/purge", test_purge);
  store_test ("/transfers/ids are not used again", test_ids_are_not_used_again);
  store_test ("/transfers/forgotten with its peer", test_forgotten_with_its_peer);
  store_test ("/transfers/follows its peer", test_follows_its_peer);
  g_test_add_func ("/transfers/names of states", test_names_of_states);
  store_test ("/transfers/impossible state", test_impossible_state);
  return g_test_run ();
}
