/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: the history answers what was asked, whatever was typed, and what is to be forgotten is gone. */
#include "base/limits.h"
#include "store.h"

#define DAY ((gint64) 24 * 3600 * G_USEC_PER_SEC)

static void
assert_list (Store *store, const MessageFilter *filter, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = messages_list (store->db, filter, &error);
  g_autoptr (GString) got = g_string_new (NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < rows->len; i++)
    g_string_append_printf (got, "%s%" G_GUINT64_FORMAT, i > 0 ? " " : "",
                            ((MessageRow *) rows->pdata[i])->seq);
  g_assert_cmpstr (got->str, ==, expected);
}

#define assert_found(store, expected, ...) assert_list (store, &(MessageFilter){ __VA_ARGS__ }, expected)

static void
fill (Store *store)
{
  for (guint i = 1; i <= 8; i++)
    {
      g_autoptr (MessageRow) row = store_row (i % 4 == 0 ? store->nurse : store->juliet,
                                              i % 2 == 0 ? DIRECTION_OUT : DIRECTION_IN, NULL, "b");

      row->time = i * 10;
      g_assert_true (messages_add (store->db, row, NULL));
    }
  messages_mark_read (store->db, store->juliet, 3, NULL, NULL);
}

static void
test_filters (Store *store, gconstpointer data)
{
  const gint64 both[] = { store->juliet, store->nurse, 4711 };

  fill (store);
  assert_found (store, "1 2 3 4 5 6 7 8", 0);
  assert_found (store, "5 6 7 8", .since_seq = 4);
  assert_found (store, "1 2 3", .before_seq = 4);
  assert_found (store, "3 4 5", .since_seq = 2, .before_seq = 6);
  assert_found (store, "", .since_seq = G_MAXUINT64);
  assert_found (store, "1 2 3 4 5 6 7 8", .before_seq = G_MAXUINT64);
  assert_found (store, "1 2 3 5 6 7", .peers = both, .n_peers = 1);
  assert_found (store, "1 2 3 4 5 6 7 8", .peers = both, .n_peers = 3);
  assert_found (store, "", .peers = both, .n_peers = 0);
  assert_found (store, "", .peers = both + 2, .n_peers = 1);
  assert_found (store, "3 4", .since = 30, .until = 50);
  assert_found (store, "1 3 5 7", .incoming = TRUE);
  assert_found (store, "5 7", .unread = TRUE);
  assert_found (store, "", .unread = TRUE, .peers = both + 1, .n_peers = 1);
  assert_found (store, "5 7", .unread = TRUE, .peers = both, .n_peers = 1);
  assert_found (store, "1 2", .limit = 2);
  assert_found (store, "7 8", .limit = 2, .newest = TRUE);
  assert_found (store, "2 3 5", .limit = 3, .newest = TRUE, .before_seq = 6, .peers = both, .n_peers = 1);
}

static void
test_limit_of_one_answer (Store *store, gconstpointer data)
{
  static const guint limits[] = { 0, LIMIT_LIST, LIMIT_LIST + 1, G_MAXUINT };

  for (guint i = 0; i <= LIMIT_LIST; i++)
    store_add (store, store->juliet, DIRECTION_IN, NULL, "b");
  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      MessageFilter filter = { .limit = limits[i], .newest = TRUE };
      g_autoptr (GPtrArray) rows = messages_list (store->db, &filter, NULL);

      g_assert_cmpuint (rows->len, ==, LIMIT_LIST);
      g_assert_cmpuint (((MessageRow *) rows->pdata[0])->seq, ==, 2);
    }
}

static void
test_many_peers (Store *store, gconstpointer data)
{
  g_autofree gint64 *peers = g_new (gint64, LIMIT_PEERS);

  for (gint64 i = 0; i < LIMIT_PEERS; i++)
    peers[i] = i;
  fill (store);
  assert_found (store, "1 2 3 4 5 6 7 8", .peers = peers, .n_peers = LIMIT_PEERS);
}

/* Search ------------------------------------------------------------------------------------------------- */

static void
test_words (Store *store, gconstpointer data)
{
  gint64 nurse = store->nurse;

  store_add (store, store->juliet, DIRECTION_IN, NULL, "The release is ready");
  store_add (store, store->nurse, DIRECTION_OUT, NULL, "ready? The RELEASES of M\xc3\xbcller");
  store_add (store, store->juliet, DIRECTION_IN, NULL, "nothing");
  assert_found (store, "1 2", .search = "release");
  assert_found (store, "1", .search = "release is");
  assert_found (store, "1 2", .search = "ready release"); /* in any order, the last may go on */
  assert_found (store, "2", .search = "releases ready");
  assert_found (store, "1", .search = "release ready"); /* only the last */
  assert_found (store, "2", .search = "  muller\t");
  assert_found (store, "2", .search = "M\xc3\x9cLLER");
  assert_found (store, "", .search = "release nothing");
  assert_found (store, "2", .search = "rel", .peers = &nurse, .n_peers = 1);
  assert_found (store, "2", .search = "rel", .newest = TRUE, .limit = 1);
  assert_found (store, "2", .search = "rel", .since_seq = 1);
  assert_found (store, "1", .search = "rel", .before_seq = 2);
  assert_found (store, "1", .search = "rel", .incoming = TRUE);
  assert_found (store, "1 2 3", .search = "");
  assert_found (store, "1 2 3", .search = " \t\n");
  /* later ones are found too, also after a restart */
  store_add (store, store->juliet, DIRECTION_IN, NULL, "released");
  assert_found (store, "1 2 4", .search = "release");
  store_reopen (store);
  store_add (store, store->juliet, DIRECTION_IN, NULL, "release!");
  assert_found (store, "1 2 4 5", .search = "release");
}

static void
test_nothing_typed_is_syntax (Store *store, gconstpointer data)
{
  static const char *const typed[] = {
    "\"",
    "\"\"",
    "*",
    "a*b",
    "^a",
    "a OR b",
    "a NOT b",
    "NEAR(a b)",
    "NEAR",
    "AND",
    "body:a",
    "{body}:a",
    "-a",
    "+",
    "(",
    ")",
    "a\"b",
    "'",
    ";",
    "\\",
    "a^",
    "\"a",
    "a\"",
    "%",
    "_",
    "\xf0\x9f\x8c\xb9",
    "\xe2\x80\xae",
    "?1",
    ":x",
  };

  store_add (store, store->juliet, DIRECTION_IN, NULL, "a fox or a bear, near the body; and not b");
  for (guint i = 0; i < G_N_ELEMENTS (typed); i++)
    {
      MessageFilter filter = { .search = typed[i] };
      g_autoptr (GError) error = NULL;
      g_autoptr (GPtrArray) rows = messages_list (store->db, &filter, &error);

      g_test_message ("%s", typed[i]);
      g_assert_no_error (error);
      g_assert_nonnull (rows);
    }
  assert_found (store, "1", .search = "a OR b");    /* three words that are all there */
  assert_found (store, "", .search = "fox NOT x");
  assert_found (store, "", .search = "fox OR x");
  assert_found (store, "1", .search = "NEAR");
  assert_found (store, "1", .search = "* fox \"");
  assert_found (store, "", .search = "body:fox");
  store_commit (store);
}

static void
test_search_limits (Store *store, gconstpointer data)
{
  g_autoptr (GString) words = g_string_new (NULL);
  g_autofree char *longest = g_strnfill (LIMIT_BODY, 'w');
  g_autoptr (GError) many = NULL;
  g_autoptr (GError) bytes = NULL;
  MessageFilter filter = { 0 };

  store_add (store, store->juliet, DIRECTION_IN, NULL, longest);
  assert_found (store, "1", .search = longest);
  for (guint i = 0; i < 64; i++)
    g_string_append (words, "w ");
  assert_found (store, "", .search = words->str);
  g_string_append (words, "w ");
  filter.search = words->str;
  g_assert_null (messages_list (store->db, &filter, &many));
  g_assert_error (many, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
  filter.search = "\xff";
  g_assert_null (messages_list (store->db, &filter, &bytes));
  g_assert_error (bytes, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
  store_commit (store);
}

/* Ending ------------------------------------------------------------------------------------------------- */

static void
purge (Store *store, int days, gint64 now)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (messages_purge (store->db, days, now, &error));
  g_assert_no_error (error);
  store_commit (store);
}

static guint64
add_in (Store *store, MessageState state, gboolean confirms)
{
  g_autoptr (MessageRow) row
    = store_row (store->juliet, state == MESSAGE_RECEIVED ? DIRECTION_IN : DIRECTION_OUT, NULL, "b");

  row->state = state;
  row->confirms = confirms;
  g_assert_true (messages_add (store->db, row, NULL));
  return row->seq;
}

static void
test_only_what_is_done_goes (Store *store, gconstpointer data)
{
  for (guint state = 0; state <= MESSAGE_HELD; state++)
    add_in (store, state, FALSE);
  add_in (store, MESSAGE_SENT, TRUE);
  assert_found (store, "1 2 3 4 5 6 7 8 9", 0);
  purge (store, -1, G_MAXINT64);
  assert_found (store, "1 2 3 4 5 6 7 8 9", 0);
  purge (store, 0, 1);
  assert_found (store, "1 2 8 9", 0); /* received, queued, held, sent and to be confirmed */
  messages_mark_read (store->db, store->juliet, 1, NULL, NULL);
  purge (store, 0, 1);
  assert_found (store, "2 8 9", 0);
  g_assert_cmpuint (outbox_count (store->db, store->juliet), ==, 3);
}

static void
test_consumers_keep (Store *store, gconstpointer data)
{
  guint64 seq;

  for (guint i = 0; i < 3; i++)
    store_add (store, store->juliet, DIRECTION_IN, NULL, "in");
  add_in (store, MESSAGE_DELIVERED, FALSE);
  consumers_get (store->db, "one", &seq, NULL);
  consumers_get (store->db, "two", &seq, NULL);
  messages_mark_read (store->db, store->juliet, 3, NULL, NULL);
  purge (store, 0, 1);
  assert_found (store, "1 2 3", 0); /* what goes out is no consumer's */
  consumers_acknowledge (store->db, "one", 3, NULL);
  purge (store, 0, 1);
  assert_found (store, "1 2 3", 0);
  consumers_acknowledge (store->db, "two", 2, NULL);
  purge (store, 0, 1);
  assert_found (store, "3", 0);
  consumers_forget (store->db, "two", NULL);
  purge (store, 0, 1);
  assert_found (store, "", 0);
}

static void
test_days (Store *store, gconstpointer data)
{
  for (guint i = 1; i <= 3; i++)
    {
      g_autoptr (MessageRow) row = store_row (store->juliet, DIRECTION_IN, NULL, "b");

      row->received = i * DAY;
      row->state = MESSAGE_READ;
      g_assert_true (messages_add (store->db, row, NULL));
    }
  purge (store, 30, 31 * DAY);
  assert_found (store, "1 2 3", 0);
  purge (store, 30, 31 * DAY + 1);
  assert_found (store, "2 3", 0);
  purge (store, 1, 5 * DAY);
  assert_found (store, "", 0);
}

static void
test_gone_from_the_disk (Store *store, gconstpointer data)
{
  static const char *const secrets[]
    = { "parting is such sweet sorrow", "sorrowful", "a rose by any other name" };
  g_autofree char *longest = g_strnfill (LIMIT_BODY, 'z');
  g_autofree char *long_end = g_strnfill (200, 'z');

  for (guint i = 0; i < G_N_ELEMENTS (secrets); i++)
    store_add (store, store->juliet, DIRECTION_IN, NULL, secrets[i]);
  store_add (store, store->juliet, DIRECTION_IN, NULL, longest);
  assert_found (store, "1 2", .search = "sorrow"); /* the index knows the words now */
  store_commit (store);
  for (guint i = 0; i < G_N_ELEMENTS (secrets); i++)
    g_assert_true (store_holds (store, secrets[i]));
  messages_mark_read (store->db, store->juliet, 4, NULL, NULL);
  purge (store, 0, 1);
  for (guint i = 0; i < G_N_ELEMENTS (secrets); i++)
    g_assert_false (store_holds (store, secrets[i]));
  g_assert_false (store_holds (store, "sorrow"));
  g_assert_false (store_holds (store, "sweet"));
  g_assert_false (store_holds (store, long_end));
  assert_found (store, "", .search = "sorrow");
  store_add (store, store->juliet, DIRECTION_IN, NULL, "more sorrow");
  assert_found (store, "5", .search = "sorrow");
}

static void
test_numbers_and_ids_stay (Store *store, gconstpointer data)
{
  gint64  month = (gint64) LIMIT_SEEN_S * G_USEC_PER_SEC;
  guint64 last = store_add (store, store->juliet, DIRECTION_IN, "a", "b"); /* received at 1000 */

  messages_mark_read (store->db, store->juliet, last, NULL, NULL);
  purge (store, 0, 1000);
  g_assert_cmpuint (messages_last_seq (store->db, 0), ==, 0);
  g_assert_cmpuint (store_add (store, store->juliet, DIRECTION_IN, "a", "b"), ==, 0);
  store_reopen (store);
  purge (store, 0, 1000 + month);
  g_assert_cmpuint (store_add (store, store->juliet, DIRECTION_IN, "a", "b"), ==, 0);
  purge (store, -1, 1001 + month); /* thirty days */
  g_assert_cmpuint (store_add (store, store->juliet, DIRECTION_IN, "a", "b"), ==, last + 1);
  g_assert_cmpuint (store_add (store, store->juliet, DIRECTION_IN, "c", "b"), ==, last + 2);
  /* kept with its message, however old */
  purge (store, -1, 1001 + 9 * month);
  g_assert_cmpuint (store_add (store, store->juliet, DIRECTION_IN, "a", "b"), ==, 0);
}

static void
test_nothing_to_do_writes_nothing (Store *store, gconstpointer data)
{
  store_add (store, store->juliet, DIRECTION_IN, "a", "b");
  store_commit (store);
  g_assert_true (messages_purge (store->db, 0, 1000, NULL));
  g_assert_false (database_is_dirty (store->db));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  store_test ("/history/filters", test_filters);
  store_test ("/history/limit-of-one-answer", test_limit_of_one_answer);
  store_test ("/history/many-peers", test_many_peers);
  store_test ("/history/words", test_words);
  store_test ("/history/nothing-typed-is-syntax", test_nothing_typed_is_syntax);
  store_test ("/history/search-limits", test_search_limits);
  store_test ("/history/only-what-is-done-goes", test_only_what_is_done_goes);
  store_test ("/history/consumers-keep", test_consumers_keep);
  store_test ("/history/days", test_days);
  store_test ("/history/gone-from-the-disk", test_gone_from_the_disk);
  store_test ("/history/numbers-and-ids-stay", test_numbers_and_ids_stay);
  store_test ("/history/nothing-to-do-writes-nothing", test_nothing_to_do_writes_nothing);
  return g_test_run ();
}
