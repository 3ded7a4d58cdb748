/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What goes wrong beside the wire: a full disk, receipts nobody waits for, and addresses where somebody else lives now. In clear,
 * where a name is all that is known of somebody; test-secure.c is about keys. */

#include "base/error.h"
#include "base/limits.h"
#include "core/messenger-private.h"
#include "proxy.h"
#include "side.h"
#include "xmpp/stanza.h"

typedef struct
{
  Side  *juliet, *romeo;
  Proxy *to_romeo;
} OneWay;

static void
open_one_way (OneWay *pair, ProxyJudge judge, gpointer user_data)
{
  pair->juliet = side_new ("juliet@pronto", SIDE_CLEAR);
  pair->romeo = side_new ("romeo@forza", SIDE_CLEAR);
  pair->to_romeo = proxy_new (messenger_port (pair->romeo->messenger), PROXY_WHOLE, judge, user_data);
  side_add (pair->romeo, 1);
  side_add (pair->juliet, proxy_port (pair->to_romeo));
  side_wait (peer_is_online (pair->juliet->peer));
}

static void
close_one_way (OneWay *pair)
{
  side_free (pair->juliet);
  side_free (pair->romeo);
  proxy_free (pair->to_romeo);
}

/* From now on nothing can be written to the database of @side, as on a full disk, or again. */
static void
set_full (Side *side, gboolean full)
{
  sqlite3_stmt *stmt = database_prepare_once (side->db, full ? "PRAGMA query_only = 1" : "PRAGMA query_only = 0");

  g_assert_cmpint (sqlite3_step (stmt), ==, SQLITE_DONE);
  sqlite3_finalize (stmt);
}

static guint failures; /* turns of which nothing was stored */

static GLogWriterOutput
count_failures (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE") && g_str_has_prefix (fields[i].value, "nothing of this turn"))
      {
        failures++;
        return G_LOG_WRITER_HANDLED;
      }
  return g_log_writer_default (level, fields, n_fields, user_data);
}

static void
see (Side *side, const char *instance, const char *address)
{
  g_autoptr (Sighting) sighting = g_new0 (Sighting, 1);

  sighting->instance = g_strdup (instance);
  sighting->interface = 1;
  sighting->family = G_SOCKET_FAMILY_IPV4;
  sighting->address = g_inet_socket_address_new_from_string (address, 5298);
  sighting->txt = g_ptr_array_new ();
  link_seen (sighting, side->messenger);
}

static gboolean
on_over (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
run_for (guint ms)
{
  gboolean over = FALSE;

  g_timeout_add (ms, on_over, &over);
  while (!over)
    g_main_context_iteration (NULL, TRUE);
}

static Peer *
find (Side *side, const char *instance)
{
  return roster_by_instance (messenger_roster (side->messenger), instance);
}

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

/* A receipt for what expired, and receipts twice, do not count for what still waits. */
static void
test_late_receipts (void)
{
  guint spoilt = 0;
  guint64 expired, waiting;
  g_autoptr (MessageRow) row = NULL;
  OneWay pair;

  open_one_way (&pair, spoil_receipts, &spoilt);
  waiting = side_send (pair.juliet, "romeo 1");
  expired = side_send (pair.juliet, "romeo 2");
  side_expire (pair.juliet, expired);
  side_wait (side_state (pair.juliet, expired) == MESSAGE_EXPIRED);
  g_assert_cmpuint (pair.juliet->peer->queued, ==, 1);
  row = messages_get (pair.juliet->db, expired);
  for (guint i = 0; i < 3; i++)
    {
      Stanza stanza = { .receipt_for = row->id };

      conversation_receive (pair.juliet->messenger, pair.juliet->peer->session, &stanza);
    }
  g_assert_cmpuint (pair.juliet->peer->queued, ==, 1);
  g_assert_cmpint (side_state (pair.juliet, waiting), ==, MESSAGE_SENT);
  g_assert_cmpint (side_state (pair.juliet, expired), ==, MESSAGE_EXPIRED);
  close_one_way (&pair);
}

/* An expiry that cannot be stored is not tried without end, and happens once it can. */
static void
test_expiry_on_full_disk (void)
{
  guint spoilt = 0, before;
  guint64 seq;
  OneWay pair;

  open_one_way (&pair, spoil_receipts, &spoilt);
  side_send (pair.juliet, "romeo 1");
  side_wait (spoilt > 0);
  seq = side_send (pair.juliet, "romeo 2");
  side_wait (side_state (pair.juliet, seq) == MESSAGE_SENT && spoilt > 1);
  side_expire (pair.juliet, seq);
  set_full (pair.juliet, TRUE);
  before = failures;
  side_wait (failures > before);
  run_for (300);
  g_assert_cmpuint (failures, <, before + 3);
  g_assert_cmpuint (pair.juliet->peer->queued, ==, 2); /* it did not happen */
  set_full (pair.juliet, FALSE);
  side_wait (side_state (pair.juliet, seq) == MESSAGE_EXPIRED);
  side_wait (pair.juliet->peer->queued == 1);
  close_one_way (&pair);
}

/* A receipt that could not be stored: the message counts as waiting, and goes again. */
static void
test_receipt_on_full_disk (void)
{
  guint before = failures;
  guint64 seq;
  OneWay pair;

  open_one_way (&pair, NULL, NULL);
  seq = side_send (pair.juliet, "juliet 1");
  side_wait (side_state (pair.juliet, seq) >= MESSAGE_SENT);
  set_full (pair.juliet, TRUE);
  side_wait (failures > before);
  side_wait (pair.juliet->peer->queued == 1);
  g_assert_cmpuint (outbox_in_flight (pair.juliet->db, pair.juliet->peer->row->id), ==, 1);
  set_full (pair.juliet, FALSE);
  proxy_cut (pair.to_romeo);
  side_add (pair.juliet, proxy_port (pair.to_romeo));
  side_wait (side_all_delivered (pair.juliet));
  side_check_received (pair.romeo, "juliet", 1);
  close_one_way (&pair);
}

/* Who is seen while nothing can be stored does not share his number, and with it his messages, with who is seen later. */
static void
test_newcomers_on_full_disk (void)
{
  guint before = failures;
  Peer *mercutio, *benvolio;
  g_autoptr (GError) error = NULL;
  SendOptions options = { .plaintext = TRUE };
  g_autoptr (GArray) seqs = NULL;
  Side *juliet = side_new ("juliet@pronto", SIDE_CLEAR);

  turn_flush (messenger_turn (juliet->messenger));
  see (juliet, "mercutio@verona", "192.0.2.1");
  database_set (juliet->db, "x", "y", NULL);
  set_full (juliet, TRUE);
  database_set (juliet->db, "x", "z", NULL); /* spoils the turn */
  side_wait (failures > before);
  set_full (juliet, FALSE);
  see (juliet, "benvolio@verona", "192.0.2.2");
  mercutio = find (juliet, "mercutio@verona");
  benvolio = find (juliet, "benvolio@verona");
  g_assert_cmpint (mercutio->row->id, !=, benvolio->row->id);
  side_wait (!mercutio->unstored);
  seqs = messenger_send (juliet->messenger, &mercutio, 1, "for mercutio", &options, &error);
  g_assert_no_error (error);
  turn_flush (messenger_turn (juliet->messenger));
  g_assert_cmpuint (benvolio->queued, ==, 0);
  side_stop (juliet);
  side_start (juliet);
  g_assert_cmpuint (find (juliet, "mercutio@verona")->last_seq, >, 0);
  g_assert_cmpuint (find (juliet, "benvolio@verona")->last_seq, ==, 0);
  side_free (juliet);
}

/* A key that cannot be kept: nothing is sent. */
static void
test_bad_key (void)
{
  g_autofree char *key = g_strnfill (LIMIT_ID + 1, 'k');
  SendOptions options = { .key = key };
  g_autoptr (GError) error = NULL;
  OneWay pair;

  open_one_way (&pair, NULL, NULL);
  g_assert_null (messenger_send (pair.juliet->messenger, &pair.juliet->peer, 1, "juliet 0", &options, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
  side_send (pair.juliet, "juliet 1");
  side_wait (side_all_delivered (pair.juliet));
  side_check_received (pair.romeo, "juliet", 1);
  close_one_way (&pair);
}

/* What an effect of a turn writes is committed without anybody's help. */
static void
write_more (const GError *error, gpointer data)
{
  database_set (data, "x", "y", NULL);
}

static void
test_effect_that_writes (void)
{
  Side *juliet = side_new ("juliet@pronto", SIDE_CLEAR);

  turn_flush (messenger_turn (juliet->messenger));
  turn_after (messenger_turn (juliet->messenger), write_more, juliet->db);
  side_wait (database_is_dirty (juliet->db));
  side_wait (!database_is_dirty (juliet->db));
  side_free (juliet);
}

/* Ends @side and starts it under another name at the same port. */
static void
rename_side (Side *side, const char *instance)
{
  side_configure (side, "instance", instance);
  side_restart (side);
}

/* Somebody else answers where romeo was: he is somebody new, and gets nothing that was for romeo. */
static void
test_address_changes_hands (void)
{
  guint spoilt = 0;
  guint64 seq;
  Peer *romeo, *paris;
  OneWay pair;

  open_one_way (&pair, spoil_receipts, &spoilt);
  romeo = pair.juliet->peer;
  seq = side_send (pair.juliet, "for romeo");
  side_wait (spoilt > 0);
  g_ptr_array_set_size (pair.romeo->received, 0);
  rename_side (pair.romeo, "paris@verona");
  side_add (pair.juliet, proxy_port (pair.to_romeo));
  side_wait (find (pair.juliet, "paris@verona") != NULL);
  paris = find (pair.juliet, "paris@verona");
  side_wait (peer_is_online (paris));
  g_assert_true (find (pair.juliet, "romeo@forza") == romeo);
  g_assert_cmpint (paris->row->plaintext, ==, PLAINTEXT_ASK);
  g_assert_nonnull (paris->row->address);
  g_assert_null (romeo->row->address);
  g_assert_false (peer_is_online (romeo));
  g_assert_cmpint (side_state (pair.juliet, seq), ==, MESSAGE_QUEUED);
  g_assert_cmpuint (paris->queued, ==, 0);
  close_one_way (&pair);
}

typedef struct
{
  guint    answers;
  gboolean failed;
} Asked;

static void
on_probed (gint64 rtt, const char *address, const GError *error, gpointer user_data)
{
  Asked *asked = user_data;

  asked->answers++;
  asked->failed = error != NULL;
}

/* An added address turns out to be somebody who is known: who waits for the answer gets it. */
static void
test_added_is_known (void)
{
  Asked asked = { 0 };
  g_autofree char *address = NULL;
  g_autoptr (GError) error = NULL;
  const char *alias = "ops";
  Peer *added;
  Peer *known;
  OneWay pair;

  open_one_way (&pair, NULL, NULL);
  known = pair.juliet->peer;
  address = g_strdup_printf ("localhost:%u", proxy_port (pair.to_romeo));
  added = messenger_add_address (pair.juliet->messenger, address, &error);
  g_assert_no_error (error);
  g_assert_true (added != known);
  messenger_set_alias (pair.juliet->messenger, alias, (Peer *[]){ added, roster_self (messenger_roster (pair.juliet->messenger)) }, 2,
                       &error);
  g_assert_no_error (error);
  messenger_probe (pair.juliet->messenger, added, on_probed, &asked);
  side_wait (asked.answers > 0);
  g_assert_false (asked.failed);
  g_assert_cmpstr (known->row->address, ==, address);
  {
    g_autoptr (GPtrArray) group = roster_find (messenger_roster (pair.juliet->messenger), alias, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (group->len, ==, 2);
    g_assert_true (g_ptr_array_find (group, known, NULL));
  }
  close_one_way (&pair);
}

/* An address that answers with the name of somebody who is on the link elsewhere, or who is blocked. */
static void
test_added_pretends (void)
{
  Side *juliet = side_new ("juliet@pronto", SIDE_CLEAR), *romeo = side_new ("romeo@forza", SIDE_CLEAR);
  g_autofree char *address = g_strdup_printf ("127.0.0.1:%u", messenger_port (romeo->messenger));
  g_autoptr (GError) error = NULL;
  Asked asked = { 0 };
  Peer *added;

  side_add (romeo, 1);
  see (juliet, "romeo@forza", "192.0.2.1");
  added = messenger_add_address (juliet->messenger, address, &error);
  g_assert_no_error (error);
  messenger_probe (juliet->messenger, added, on_probed, &asked);
  side_wait (asked.answers > 0);
  g_assert_true (asked.failed);
  g_assert_null (find (juliet, "romeo@forza")->row->address);
  side_free (juliet);
  side_free (romeo);
}

static void
test_added_is_blocked (void)
{
  Side *juliet = side_new ("juliet@pronto", SIDE_CLEAR), *romeo = side_new ("romeo@forza", SIDE_CLEAR);
  g_autofree char *address = g_strdup_printf ("127.0.0.1:%u", messenger_port (romeo->messenger));
  g_autoptr (GError) error = NULL;
  Asked asked = { 0 };
  Peer *known;

  side_add (romeo, 1);
  known = messenger_add_peer (juliet->messenger, "romeo@forza", NULL, NULL, &error);
  g_assert_true (messenger_block (juliet->messenger, known, TRUE, &error));
  messenger_probe (juliet->messenger, messenger_add_address (juliet->messenger, address, &error), on_probed, &asked);
  side_wait (asked.answers > 0);
  g_assert_true (asked.failed);
  g_assert_null (known->session);
  side_free (juliet);
  side_free (romeo);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* a full disk is worth a warning, and here it is wanted */
  g_log_set_writer_func (count_failures, NULL, NULL);
  g_test_add_func ("/pair/late-receipts", test_late_receipts);
  g_test_add_func ("/pair/expiry-on-full-disk", test_expiry_on_full_disk);
  g_test_add_func ("/pair/receipt-on-full-disk", test_receipt_on_full_disk);
  g_test_add_func ("/pair/newcomers-on-full-disk", test_newcomers_on_full_disk);
  g_test_add_func ("/pair/bad-key", test_bad_key);
  g_test_add_func ("/pair/effect-that-writes", test_effect_that_writes);
  g_test_add_func ("/pair/address-changes-hands", test_address_changes_hands);
  g_test_add_func ("/pair/added-is-known", test_added_is_known);
  g_test_add_func ("/pair/added-pretends", test_added_pretends);
  g_test_add_func ("/pair/added-is-blocked", test_added_is_blocked);
  return g_test_run ();
}
