/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever the wire does, each message arrives exactly once, in order, and its sender knows: encrypted, and in clear, where a proxy can
 * choose what gets lost. */

#include "core/session.h"
#include "pair.h"

#define MESSAGES 400
#define CUTS 12

/* There is news of the peer, so that its pause after a failure is over. */
static void
hurry (Side *side, Proxy *proxy)
{
  side_add (side, proxy_port (proxy));
}

static void
send_numbered (Side *side, const char *prefix, guint n)
{
  for (guint i = 1; i <= n; i++)
    {
      g_autofree char *text = g_strdup_printf ("%s %u", prefix, i);

      side_send (side, text);
    }
}

static guint
all_cuts (Pair *pair)
{
  return proxy_cuts (pair->to_romeo) + proxy_cuts (pair->to_juliet);
}

static guint
all_connections (Pair *pair)
{
  return proxy_connections (pair->to_romeo) + proxy_connections (pair->to_juliet);
}

/* Breaks the wire again and again at any byte, until @cuts times. */
static void
cut_at_random (Pair *pair, guint cuts)
{
  while (all_cuts (pair) < cuts)
    {
      guint before = all_cuts (pair);
      gsize after = (gsize) g_test_rand_int_range (1, 40000);

      proxy_cut_after (pair->to_romeo, after);
      proxy_cut_after (pair->to_juliet, after);
      side_wait (all_cuts (pair) > before || (side_all_delivered (pair->juliet) && side_all_delivered (pair->romeo)));
      if (all_cuts (pair) == before)
        break;
      hurry (pair->juliet, pair->to_romeo);
      hurry (pair->romeo, pair->to_juliet);
    }
  proxy_cut_after (pair->to_romeo, 0);
  proxy_cut_after (pair->to_juliet, 0);
}

static void
test_random_cuts (gconstpointer kind)
{
  Pair pair;

  pair_open (&pair, GPOINTER_TO_INT (kind), PROXY_SLICES, NULL, NULL);
  send_numbered (pair.juliet, "juliet", MESSAGES);
  send_numbered (pair.romeo, "romeo", MESSAGES);
  cut_at_random (&pair, CUTS);
  side_wait (side_all_delivered (pair.juliet) && side_all_delivered (pair.romeo));
  g_assert_cmpuint (all_cuts (&pair), >, 2);
  side_check_received (pair.romeo, "juliet", MESSAGES);
  side_check_received (pair.juliet, "romeo", MESSAGES);
  pair_close (&pair);
}

/* What is to go onto the stream when it is stored goes onto the next one where that closes first. */
static void
test_closed_before_the_commit (gconstpointer kind)
{
  Pair pair;

  pair_open (&pair, GPOINTER_TO_INT (kind), PROXY_WHOLE, NULL, NULL);
  side_send (pair.juliet, "juliet 1");
  side_wait (side_all_delivered (pair.juliet));
  side_send (pair.juliet, "juliet 2");
  side_send (pair.juliet, "juliet 3");
  session_close (pair.juliet->peer->session);
  hurry (pair.juliet, pair.to_romeo);
  side_wait (side_all_delivered (pair.juliet));
  side_check_received (pair.romeo, "juliet", 3);
  pair_close (&pair);
}

/* Receipts that get lost: the first @left of them take the wire with them. */
static ProxyVerdict
cut_receipts (char *bytes, gsize len, gpointer user_data)
{
  guint *left = user_data;

  if (*left == 0 || g_strstr_len (bytes, (gssize) len, "<received ") == NULL)
    return PROXY_PASS;
  (*left)--;
  return PROXY_CUT;
}

static void
test_lost_receipts (void)
{
  guint left = 6;
  Pair pair;

  pair_open (&pair, SIDE_CLEAR, PROXY_WHOLE, cut_receipts, &left);
  send_numbered (pair.juliet, "juliet", 3);
  while (left > 0)
    {
      guint before = left;

      side_wait (left < before);
      hurry (pair.juliet, pair.to_romeo);
    }
  side_wait (side_all_delivered (pair.juliet));
  side_check_received (pair.romeo, "juliet", 3);
  pair_close (&pair);
}

/* No receipt ever comes: "<received" arrives as something that nobody knows. */
static ProxyVerdict
spoil_receipts (char *bytes, gsize len, gpointer user_data)
{
  guint *spoilt = user_data;

  for (char *at = bytes; (at = g_strstr_len (at, (gssize) len - (at - bytes), "<received ")) != NULL; at++)
    {
      at[1] = 'R';
      (*spoilt)++;
    }
  return PROXY_PASS;
}

static void
test_never_acknowledged (void)
{
  guint spoilt = 0;
  guint64 seq;
  Pair pair;

  pair_open (&pair, SIDE_CLEAR, PROXY_WHOLE, spoil_receipts, &spoilt);
  seq = side_send (pair.juliet, "juliet 1");
  for (guint streams = 1; streams <= 3; streams++)
    {
      side_wait (spoilt >= streams);
      g_assert_cmpint (side_state (pair.juliet, seq), <=, MESSAGE_SENT);
      proxy_cut (pair.to_romeo);
      proxy_cut (pair.to_juliet);
      hurry (pair.juliet, pair.to_romeo);
    }
  side_expire (pair.juliet, seq);
  side_wait (side_state (pair.juliet, seq) == MESSAGE_EXPIRED);
  g_assert_cmpuint (spoilt, <=, all_connections (&pair)); /* one try for each stream */
  g_assert_cmpuint (pair.juliet->peer->queued, ==, 0);
  side_check_received (pair.romeo, "juliet", 1);
  pair_close (&pair);
}

/* A receiver that restarts and a sender that restarts: what was on the way goes again. */
static void
test_restarts (gconstpointer kind)
{
  guint n = 0;
  Pair pair;

  pair_open (&pair, GPOINTER_TO_INT (kind), PROXY_SLICES, NULL, NULL);
  for (guint round = 0; round < 4; round++)
    {
      guint before = pair.romeo->received->len;

      for (guint i = 0; i < 150; i++)
        {
          g_autofree char *text = g_strdup_printf ("juliet %u", ++n);

          side_send (pair.juliet, text);
        }
      side_wait (pair.romeo->received->len > before + 20);
      side_restart (round % 2 == 0 ? pair.romeo : pair.juliet);
      hurry (pair.juliet, pair.to_romeo);
      side_meet (pair.juliet, pair.romeo);
    }
  side_wait (side_all_delivered (pair.juliet));
  side_check_received (pair.romeo, "juliet", n);
  pair_close (&pair);
}

/* The receiver's disk is full: no receipt, nothing lost, and it goes on when there is room. */
static void
set_pages (Side *side, gint64 most)
{
  g_autofree char *sql = g_strdup_printf ("PRAGMA max_page_count = %" G_GINT64_FORMAT, most);
  sqlite3_stmt *stmt = database_prepare_once (side->db, sql);

  g_assert_cmpint (sqlite3_step (stmt), ==, SQLITE_ROW);
  sqlite3_finalize (stmt);
}

static void
test_disk_full (gconstpointer kind)
{
  g_autofree char *large = g_strnfill (60000, 'x');
  guint64 first, second;
  guint connections;
  Pair pair;

  pair_open (&pair, GPOINTER_TO_INT (kind), PROXY_SLICES, NULL, NULL);
  set_pages (pair.romeo, 1); /* SQLite makes that: not one page more */
  first = side_send (pair.juliet, large);
  second = side_send (pair.juliet, "and then this");
  connections = all_connections (&pair);
  side_wait (all_connections (&pair) > connections);
  g_assert_cmpint (side_state (pair.juliet, first), <, MESSAGE_DELIVERED);
  g_assert_cmpint (side_state (pair.juliet, second), <, MESSAGE_DELIVERED);
  g_assert_cmpuint (pair.romeo->received->len, ==, 0);

  set_pages (pair.romeo, 1000000);
  side_wait (side_all_delivered (pair.juliet));
  g_assert_cmpuint (pair.romeo->received->len, ==, 2);
  g_assert_cmpstr (g_ptr_array_index (pair.romeo->received, 0), ==, large);
  g_assert_cmpstr (g_ptr_array_index (pair.romeo->received, 1), ==, "and then this");
  pair_close (&pair);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* a full disk is worth a warning, and here it is wanted */
  g_test_add_data_func ("/pair/secure/random-cuts", GINT_TO_POINTER (SIDE_SECURE), test_random_cuts);
  g_test_add_data_func ("/pair/clear/random-cuts", GINT_TO_POINTER (SIDE_CLEAR), test_random_cuts);
  g_test_add_data_func ("/pair/secure/closed-before-the-commit", GINT_TO_POINTER (SIDE_SECURE), test_closed_before_the_commit);
  g_test_add_data_func ("/pair/clear/closed-before-the-commit", GINT_TO_POINTER (SIDE_CLEAR), test_closed_before_the_commit);
  g_test_add_func ("/pair/lost-receipts", test_lost_receipts);
  g_test_add_func ("/pair/never-acknowledged", test_never_acknowledged);
  g_test_add_data_func ("/pair/secure/restarts", GINT_TO_POINTER (SIDE_SECURE), test_restarts);
  g_test_add_data_func ("/pair/clear/restarts", GINT_TO_POINTER (SIDE_CLEAR), test_restarts);
  g_test_add_data_func ("/pair/secure/disk-full", GINT_TO_POINTER (SIDE_SECURE), test_disk_full);
  g_test_add_data_func ("/pair/clear/disk-full", GINT_TO_POINTER (SIDE_CLEAR), test_disk_full);
  return g_test_run ();
}
