/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both open at once and end up with one stream; receipts, markers, states and corrections get across: encrypted and in clear. */

#include "pair.h"

#define ROUNDS 100

static void
set_status (Side *side, Status status)
{
  g_autoptr (GError) error = NULL;

  messenger_set_status (side->messenger, status, "", &error);
  g_assert_no_error (error);
}

static gboolean
has_no_stream (Side *side)
{
  return side->peer->sessions->len == 0;
}

static gboolean
has_one_stream (Side *side)
{
  return side->peer->sessions->len == 1 && side->peer->session != NULL && !session_is_retired (side->peer->session);
}

static void
test_simultaneous_open (gconstpointer kind)
{
  Pair pair;

  pair_open (&pair, GPOINTER_TO_INT (kind), PROXY_SLICES, NULL, NULL);
  for (guint round = 1; round <= ROUNDS; round++)
    {
      g_autofree char *from_juliet = g_strdup_printf ("juliet %u", round);
      g_autofree char *from_romeo = g_strdup_printf ("romeo %u", round);

      set_status (pair.juliet, STATUS_OFFLINE);
      set_status (pair.romeo, STATUS_OFFLINE);
      side_wait (has_no_stream (pair.juliet) && has_no_stream (pair.romeo));
      set_status (pair.juliet, STATUS_AVAILABLE); /* each dials the other in the same turn */
      set_status (pair.romeo, STATUS_AVAILABLE);
      side_meet (pair.juliet, pair.romeo);
      side_send (pair.juliet, from_juliet);
      side_send (pair.romeo, from_romeo);
      side_wait (side_all_delivered (pair.juliet) && side_all_delivered (pair.romeo));
      side_wait (has_one_stream (pair.juliet) && has_one_stream (pair.romeo));
    }
  side_check_received (pair.romeo, "juliet", ROUNDS);
  side_check_received (pair.juliet, "romeo", ROUNDS);
  pair_close (&pair);
}

/* While two streams are being reduced to one, many messages are on the way. */
static void
test_many_while_opening (gconstpointer kind)
{
  Pair pair;
  guint n = 0;

  pair_open (&pair, GPOINTER_TO_INT (kind), PROXY_SLICES, NULL, NULL);
  for (guint round = 0; round < 10; round++)
    {
      set_status (pair.juliet, STATUS_OFFLINE);
      set_status (pair.romeo, STATUS_OFFLINE);
      side_wait (has_no_stream (pair.juliet) && has_no_stream (pair.romeo));
      set_status (pair.juliet, STATUS_AVAILABLE);
      set_status (pair.romeo, STATUS_AVAILABLE);
      side_wait (peer_is_online (pair.juliet->peer));
      for (guint i = 0; i < 30; i++)
        {
          g_autofree char *text = g_strdup_printf ("juliet %u", ++n);

          side_send (pair.juliet, text);
          g_main_context_iteration (NULL, FALSE);
        }
      side_wait (side_all_delivered (pair.juliet));
    }
  side_check_received (pair.romeo, "juliet", n);
  pair_close (&pair);
}

/* What is said before the other side knows what we can do is acknowledged all the same. Only one of the two can reach the
 * other, so that there is one stream. */
static void
test_first_words (gconstpointer kind)
{
  for (guint round = 0; round < 20; round++)
    {
      Side *juliet = side_new ("juliet@pronto", GPOINTER_TO_INT (kind)), *romeo = side_new ("romeo@forza", GPOINTER_TO_INT (kind));
      Proxy *proxy = proxy_new (messenger_port (romeo->messenger), PROXY_SLICES, NULL, NULL);

      side_add (romeo, 1);
      side_add (juliet, proxy_port (proxy));
      side_wait (peer_is_online (juliet->peer));
      side_send (juliet, "juliet 1");
      side_wait (side_all_delivered (juliet));
      side_check_received (romeo, "juliet", 1);
      side_free (juliet);
      side_free (romeo);
      proxy_free (proxy);
    }
}

static void
test_displayed (gconstpointer kind)
{
  g_autoptr (GError) error = NULL;
  guint64 first, second;
  Pair pair;

  pair_open (&pair, GPOINTER_TO_INT (kind), PROXY_SLICES, NULL, NULL);
  first = side_send (pair.juliet, "juliet 1");
  second = side_send (pair.juliet, "juliet 2");
  side_wait (side_all_delivered (pair.juliet));
  g_assert_cmpint (side_state (pair.juliet, second), ==, MESSAGE_DELIVERED);
  messenger_mark_read (pair.romeo->messenger, pair.romeo->peer, pair.romeo->peer->last_seq, &error);
  g_assert_no_error (error);
  side_wait (side_state (pair.juliet, second) == MESSAGE_READ);
  g_assert_cmpint (side_state (pair.juliet, first), ==, MESSAGE_READ); /* all up to the one that is named */
  g_assert_cmpuint (messenger_unread (pair.romeo->messenger), ==, 0);
  pair_close (&pair);
}

/* The user may keep to himself what he has read. */
static void
test_not_displayed (gconstpointer kind)
{
  const char *key = "displayed", *value = "no";
  g_auto (GStrv) restart = NULL;
  g_autoptr (GError) error = NULL;
  guint64 first;
  Pair pair;

  pair_open (&pair, GPOINTER_TO_INT (kind), PROXY_SLICES, NULL, NULL);
  messenger_configure (pair.romeo->messenger, &key, &value, 1, &restart, &error);
  g_assert_no_error (error);
  first = side_send (pair.juliet, "juliet 1");
  side_wait (side_all_delivered (pair.juliet));
  messenger_mark_read (pair.romeo->messenger, pair.romeo->peer, pair.romeo->peer->last_seq, &error);
  side_send (pair.juliet, "juliet 2"); /* a marker would be back before this one's receipt */
  side_wait (side_all_delivered (pair.juliet));
  g_assert_cmpint (side_state (pair.juliet, first), ==, MESSAGE_DELIVERED);
  pair_close (&pair);
}

static void
test_typing (gconstpointer kind)
{
  static const ChatState states[]
      = { CHAT_STATE_COMPOSING, CHAT_STATE_PAUSED, CHAT_STATE_COMPOSING, CHAT_STATE_INACTIVE, CHAT_STATE_GONE };
  Pair pair;

  pair_open (&pair, GPOINTER_TO_INT (kind), PROXY_SLICES, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    {
      guint before = pair.juliet->typing;

      messenger_set_typing (pair.romeo->messenger, pair.romeo->peer, states[i]);
      side_wait (pair.juliet->peer->typing == states[i]);
      side_wait (pair.juliet->typing > before);
    }
  side_send (pair.romeo, "romeo 1");
  side_wait (side_all_delivered (pair.romeo));
  g_assert_cmpint (pair.juliet->peer->typing, ==, CHAT_STATE_ACTIVE);
  set_status (pair.romeo, STATUS_OFFLINE); /* without a stream nothing is known */
  side_wait (pair.juliet->peer->typing == CHAT_STATE_NONE);
  pair_close (&pair);
}

static void
test_correction (gconstpointer kind)
{
  SendOptions options = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) second = NULL;
  g_autoptr (GArray) third = NULL;
  g_autoptr (MessageRow) row = NULL;
  guint64 first_there;
  Pair pair;

  pair_open (&pair, GPOINTER_TO_INT (kind), PROXY_SLICES, NULL, NULL);
  options.replaces = side_send (pair.juliet, "juliet 1");
  side_wait (pair.romeo->received->len == 1);
  first_there = pair.romeo->peer->last_seq;
  second = messenger_send (pair.juliet->messenger, &pair.juliet->peer, 1, "juliet 2", &options, &error);
  g_assert_no_error (error);
  options.replaces = g_array_index (second, guint64, 0);
  third = messenger_send (pair.juliet->messenger, &pair.juliet->peer, 1, "juliet 3", &options, &error);
  g_assert_no_error (error);
  side_wait (pair.romeo->received->len == 3);
  row = messages_get (pair.romeo->db, pair.romeo->peer->last_seq);
  g_assert_cmpuint (row->corrects, ==, first_there); /* always the first one (XEP-0308) */
  options.replaces = 12345;
  g_assert_null (messenger_send (pair.juliet->messenger, &pair.juliet->peer, 1, "juliet 4", &options, &error));
  g_assert_nonnull (error);
  side_wait (side_all_delivered (pair.juliet));
  side_check_received (pair.romeo, "juliet", 3);
  pair_close (&pair);
}

static void
add (const char *name, GTestDataFunc test)
{
  g_autofree char *secure = g_strconcat ("/pair/secure/", name, NULL);
  g_autofree char *clear = g_strconcat ("/pair/clear/", name, NULL);

  g_test_add_data_func (secure, GINT_TO_POINTER (SIDE_SECURE), test);
  g_test_add_data_func (clear, GINT_TO_POINTER (SIDE_CLEAR), test);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("simultaneous-open", test_simultaneous_open);
  add ("many-while-opening", test_many_while_opening);
  add ("first-words", test_first_words);
  add ("displayed", test_displayed);
  add ("not-displayed", test_not_displayed);
  add ("typing", test_typing);
  add ("correction", test_correction);
  return g_test_run ();
}
