/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A key is who somebody is, and a name is a label on it: first words, other names, other keys under a known name, those who cannot
 * encrypt, and what the user wants of it all. */

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "core/messenger-private.h"
#include "proxy.h"
#include "secure/symmetric.h"
#include "side.h"

/* Helpers ------------------------------------------------------------------------------------------------- */

static void
see (Side *side, Side *other)
{
  side_see (side, other->instance, messenger_port (other->messenger), other->kind == SIDE_SECURE ? "noise=0" : NULL, NULL);
}

static void
see_each_other (Side *a, Side *b)
{
  see (a, b);
  see (b, a);
}

static void
deliver (Side *side, const char *text)
{
  guint64 seq = side_send (side, text);

  side_wait (side_state (side, seq) == MESSAGE_DELIVERED);
}

/* Whom @side knows by the key of @other, or NULL. */
static Peer *
keyed (Side *side, Side *other)
{
  return roster_by_key (messenger_roster (side->messenger), identity_public (other->identity));
}

static guint
count_peers (Side *side)
{
  return roster_peers (messenger_roster (side->messenger))->len - 1; /* without the user himself */
}

static void
assert_refused (Side *side, gboolean plaintext, HearbyError code)
{
  SendOptions options = { .plaintext = plaintext };
  g_autoptr (GError) error = NULL;

  g_assert_null (messenger_send (side->messenger, &side->peer, 1, "no", &options, &error));
  g_assert_error (error, HEARBY_ERROR, (int) code);
}

#define assert_trust(peer, wanted) g_assert_cmpstr (peer_trust (peer), ==, wanted)

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

static void
open_two (Side **juliet, Side **romeo)
{
  *juliet = side_new ("juliet@pronto", SIDE_SECURE);
  *romeo = side_new ("romeo@forza", SIDE_SECURE);
  see_each_other (*juliet, *romeo);
}

static void
close_two (Side *juliet, Side *romeo)
{
  side_free (juliet);
  side_free (romeo);
}

static void
rename_side (Side *side, const char *instance)
{
  side_configure (side, "instance", instance);
  g_free (side->instance);
  side->instance = g_strdup (instance);
  side_restart (side);
}

/* First words ---------------------------------------------------------------------------------------------- */

/* Nobody is asked; whom the user writes to is pinned, and stays so. */
static void
test_pinned (void)
{
  g_autoptr (MessageRow) row = NULL;
  Side *juliet, *romeo;
  guint64 seq;

  open_two (&juliet, &romeo);
  assert_trust (juliet->peer, "new");
  g_assert_null (juliet->peer->row->key);
  seq = side_send (juliet, "juliet 1");
  row = messages_get (juliet->db, seq);
  g_assert_true (row->encrypted);
  g_assert_cmpint (row->expires - row->time, ==, (gint64) LIMIT_EXPIRE_S * G_USEC_PER_SEC);
  side_wait (side_all_delivered (juliet));
  g_assert_true (juliet->peer == keyed (juliet, romeo));
  assert_trust (juliet->peer, "pinned");
  g_assert_true (juliet->peer->confirmed);
  g_assert_true (romeo->peer == keyed (romeo, juliet));
  assert_trust (romeo->peer, "new"); /* being written to is no act of his user */
  deliver (romeo, "romeo 1");
  assert_trust (romeo->peer, "pinned");
  side_restart (romeo);
  side_restart (juliet);
  assert_trust (juliet->peer, "pinned");
  g_assert_false (juliet->peer->confirmed);
  see_each_other (juliet, romeo);
  side_wait (juliet->peer->confirmed); /* by a handshake of its own */
  deliver (juliet, "juliet 2");
  g_assert_cmpuint (count_peers (juliet), ==, 1);
  g_assert_cmpuint (count_peers (romeo), ==, 1);
  close_two (juliet, romeo);
}

static ProxyVerdict
find_word (char *bytes, gsize len, gpointer user_data)
{
  gboolean *found = user_data;

  *found |= memmem (bytes, len, "xyzzy", 5) != NULL || memmem (bytes, len, "<message", 8) != NULL;
  return PROXY_PASS;
}

/* On the wire there is nothing to read. */
static void
test_nothing_to_read (void)
{
  gboolean found = FALSE;
  Side *juliet = side_new ("juliet@pronto", SIDE_SECURE), *romeo = side_new ("romeo@forza", SIDE_SECURE);
  Proxy *proxy = proxy_new (messenger_port (romeo->messenger), PROXY_WHOLE, find_word, &found);

  side_see (juliet, romeo->instance, proxy_port (proxy), "noise=0", NULL);
  deliver (juliet, "the word is xyzzy");
  romeo->peer = keyed (romeo, juliet);
  deliver (romeo, "xyzzy it is");
  g_assert_cmpuint (proxy_connections (proxy), ==, 1);
  g_assert_false (found);
  close_two (juliet, romeo);
  proxy_free (proxy);
}

static ProxyVerdict
strip_offer (char *bytes, gsize len, gpointer user_data)
{
  guint *stripped = user_data;
  char *offer = memmem (bytes, len, "urn:x-hearby:noise:0", 20);

  if (offer != NULL)
    {
      offer[0] = 'U';
      (*stripped)++;
    }
  return PROXY_PASS;
}

/* Who takes the offer away gets silence, and the user is told. */
static void
test_stripped (void)
{
  guint stripped = 0;
  guint64 seq;
  Side *juliet = side_new ("juliet@pronto", SIDE_SECURE), *romeo = side_new ("romeo@forza", SIDE_SECURE);
  Proxy *proxy = proxy_new (messenger_port (romeo->messenger), PROXY_WHOLE, strip_offer, &stripped);

  side_see (juliet, romeo->instance, proxy_port (proxy), "noise=0", NULL);
  seq = side_send (juliet, "juliet 1");
  side_wait (juliet->peer->downgraded);
  g_assert_cmpuint (stripped, >, 0);
  g_assert_cmpint (side_state (juliet, seq), ==, MESSAGE_QUEUED);
  g_assert_cmpuint (romeo->received->len, ==, 0);
  {
    g_auto (GStrv) problems = messenger_problems (juliet->messenger);
    g_autofree char *all = g_strjoinv ("\n", problems);

    g_assert_nonnull (strstr (all, "should encrypt"));
  }
  see (juliet, romeo);
  side_wait (side_all_delivered (juliet));
  g_assert_false (juliet->peer->downgraded);
  close_two (juliet, romeo);
  proxy_free (proxy);
}

/* Time for new keys: a second stream is opened, then the first one closed, and nothing is lost between them. */
static void
test_aged (void)
{
  Side *juliet, *romeo;
  Session *old;
  guint8 before[SYMMETRIC_HASH];

  open_two (&juliet, &romeo);
  deliver (juliet, "juliet 1");
  old = juliet->peer->session;
  memcpy (before, session_hash (old), sizeof before);
  streams_session_events.aged (old, juliet->messenger);
  side_send (juliet, "juliet 2");
  side_wait (juliet->peer->sessions->len == 1 && juliet->peer->session != NULL
             && memcmp (session_hash (juliet->peer->session), before, sizeof before) != 0);
  deliver (juliet, "juliet 3");
  side_check_received (romeo, "juliet", 3);
  close_two (juliet, romeo);
}

/* Other names ------------------------------------------------------------------------------------------------ */

/* A new name in mDNS, and a hint at the key in it: what waits for him finds him. */
static void
test_renamed_and_seen (void)
{
  static const guint8 salt[HINT_SALT] = "saltsalt";
  char hint[HINT_SIZE];
  g_autofree char *string = NULL;
  Side *juliet, *romeo;
  gint64 id;

  open_two (&juliet, &romeo);
  deliver (juliet, "juliet 1");
  id = juliet->peer->row->id;
  side_miss (juliet, "romeo@forza");
  rename_side (romeo, "romeo@verona");
  side_send (juliet, "juliet 2");
  hint_make (identity_public (romeo->identity), "romeo@verona", salt, hint);
  string = g_strconcat ("k=", hint, NULL);
  side_see (juliet, "romeo@verona", messenger_port (romeo->messenger), "noise=0", string, NULL);
  side_wait (keyed (juliet, romeo)->queued == 0);
  g_assert_cmpint (keyed (juliet, romeo)->row->id, ==, id);
  g_assert_cmpstr (keyed (juliet, romeo)->row->instance, ==, "romeo@verona");
  g_assert_cmpuint (count_peers (juliet), ==, 1);
  g_assert_true (peer_is_announced (keyed (juliet, romeo)));
  side_check_received (romeo, "juliet", 2);
  close_two (juliet, romeo);
}

/* The same when he calls. */
static void
test_renamed_and_calls (void)
{
  Side *juliet, *romeo;
  gint64 id;

  open_two (&juliet, &romeo);
  deliver (juliet, "juliet 1");
  id = juliet->peer->row->id;
  side_miss (juliet, "romeo@forza");
  rename_side (romeo, "romeo@verona");
  side_send (juliet, "juliet 2");
  see (romeo, juliet);
  deliver (romeo, "romeo 1");
  side_wait (keyed (juliet, romeo)->queued == 0);
  g_assert_cmpint (keyed (juliet, romeo)->row->id, ==, id);
  g_assert_cmpstr (keyed (juliet, romeo)->row->instance, ==, "romeo@verona");
  g_assert_cmpuint (count_peers (juliet), ==, 1);
  close_two (juliet, romeo);
}

/* He who is known takes the name of somebody else who is: both keep what is theirs. */
static void
test_takes_a_known_name (void)
{
  Side *juliet, *romeo, *paris = side_new ("paris@verona", SIDE_SECURE);
  guint64 seq;

  open_two (&juliet, &romeo);
  deliver (juliet, "for romeo");
  see (juliet, paris);
  deliver (juliet, "for paris");
  side_miss (juliet, "romeo@forza");
  side_stop (romeo);
  juliet->peer = keyed (juliet, paris); /* for side_send() */
  rename_side (paris, "romeo@forza");
  see (paris, juliet);
  side_send (paris, "I am romeo");
  side_wait (juliet->received->len == 1);
  side_start (romeo);
  g_assert_cmpstr (keyed (juliet, paris)->row->instance, ==, "paris@verona");
  juliet->peer = keyed (juliet, romeo);
  assert_trust (juliet->peer, "conflict"); /* somebody uses his name */
  assert_trust (keyed (juliet, paris), "pinned");
  see (juliet, romeo);
  seq = 0;
  side_wait (!peer_is_in_conflict (juliet->peer));
  seq = side_send (juliet, "for romeo again");
  side_wait (side_state (juliet, seq) == MESSAGE_DELIVERED);
  g_assert_cmpuint (paris->received->len, ==, 1);
  g_assert_cmpuint (romeo->received->len, ==, 2);
  side_free (paris);
  close_two (juliet, romeo);
}

/* Who looks like somebody known is said to. */
static void
test_looks_like (void)
{
  Side *juliet, *romeo, *paris = side_new ("Ｒomeo@verona", SIDE_SECURE);

  open_two (&juliet, &romeo);
  deliver (juliet, "juliet 1");
  see (juliet, paris);
  g_assert_cmpstr (juliet->peer->looks_like, ==, "romeo");
  deliver (juliet, "you are somebody");
  g_assert_null (juliet->peer->looks_like);
  side_free (paris);
  close_two (juliet, romeo);
}

/* Another key under a known name ------------------------------------------------------------------------------- */

typedef struct
{
  Side *juliet, *romeo, *paris; /* who is called as romeo was */
} Three;

/* Romeo is known and away, and paris is seen under his name. */
static void
open_three (Three *all)
{
  open_two (&all->juliet, &all->romeo);
  deliver (all->juliet, "juliet 1");
  side_miss (all->juliet, "romeo@forza");
  side_stop (all->romeo);
  side_wait (all->juliet->peer->sessions->len == 0);
  all->paris = side_new ("romeo@forza", SIDE_SECURE);
}

static void
close_three (Three *all)
{
  side_free (all->juliet);
  side_free (all->romeo);
  side_free (all->paris);
}

/* He gets nothing, not even who we are; the real one's return ends it. */
static void
test_conflict_when_we_call (void)
{
  Three all;
  guint64 seq;

  open_three (&all);
  seq = side_send (all.juliet, "juliet 2");
  see (all.juliet, all.paris);
  side_wait (peer_is_in_conflict (all.juliet->peer));
  assert_trust (all.juliet->peer, "conflict");
  g_assert_cmpstr (all.juliet->peer->claim, ==, messenger_fingerprint (all.paris->messenger));
  assert_refused (all.juliet, TRUE, HEARBY_ERROR_KEY_CHANGED);
  run_for (1500); /* another try */
  g_assert_cmpint (side_state (all.juliet, seq), ==, MESSAGE_QUEUED);
  g_assert_cmpuint (count_peers (all.paris), ==, 0);
  side_start (all.romeo);
  see (all.juliet, all.romeo);
  side_wait (side_all_delivered (all.juliet));
  assert_trust (all.juliet->peer, "pinned");
  side_check_received (all.romeo, "juliet", 2);
  g_assert_cmpuint (all.paris->received->len, ==, 0);
  g_assert_cmpuint (count_peers (all.juliet), ==, 1);
  close_three (&all);
}

/* Who was turned away at every address of a peer tries all of them again: not for ever one that leads nowhere any more. */
static void
test_turned_away_everywhere (void)
{
  g_autoptr (Sighting) nobody = g_new0 (Sighting, 1);
  Side *juliet = side_new ("juliet@pronto", SIDE_SECURE), *romeo = side_new ("romeo@forza", SIDE_SECURE);

  nobody->instance = g_strdup (romeo->instance);
  nobody->interface = 1;
  nobody->family = G_SOCKET_FAMILY_IPV6;
  nobody->address = g_inet_socket_address_new_from_string ("::1", 1);
  nobody->txt = g_ptr_array_new ();
  link_seen (nobody, juliet->messenger);
  see_each_other (juliet, romeo);
  g_assert_cmpuint (juliet->peer->sightings->len, ==, 2);
  for (guint i = 0; i < juliet->peer->sightings->len; i++)
    {
      const Sighting *sighting = g_ptr_array_index (juliet->peer->sightings, i);

      g_ptr_array_add (juliet->peer->refused, g_object_ref (sighting->address));
    }
  juliet->peer->early_closes = 1;
  deliver (juliet, "juliet 1");
  close_two (juliet, romeo);
}

/* Nothing is taken from him either. */
static void
test_conflict_when_he_calls (void)
{
  Three all;
  guint64 his, ours;

  open_three (&all);
  ours = side_send (all.juliet, "juliet 2");
  see (all.paris, all.juliet);
  his = side_send (all.paris, "it is me");
  side_wait (side_state (all.paris, his) == MESSAGE_HELD);
  assert_trust (all.juliet->peer, "conflict");
  g_assert_cmpuint (all.juliet->received->len, ==, 0);
  g_assert_cmpint (side_state (all.juliet, ours), ==, MESSAGE_QUEUED);
  g_assert_null (keyed (all.juliet, all.paris));
  g_assert_false (peer_is_online (all.juliet->peer)); /* his stream is nobody's presence */
  side_start (all.romeo);
  see (all.juliet, all.romeo);
  side_wait (side_all_delivered (all.juliet));
  assert_trust (all.juliet->peer, "pinned");
  side_check_received (all.romeo, "juliet", 2);
  g_assert_cmpuint (all.paris->received->len, ==, 0);
  close_three (&all);
}

/* The real one is there: nobody else can cut him off. */
static void
test_conflict_beside_the_real_one (void)
{
  Side *juliet, *romeo, *paris = side_new ("romeo@forza", SIDE_SECURE);
  guint64 his;

  open_two (&juliet, &romeo);
  deliver (juliet, "juliet 1");
  see (paris, juliet);
  his = side_send (paris, "it is me");
  side_wait (side_state (paris, his) == MESSAGE_HELD);
  g_assert_true (peer_is_in_conflict (juliet->peer));
  deliver (juliet, "juliet 2");
  deliver (romeo, "romeo 1");
  side_check_received (romeo, "juliet", 2);
  side_check_received (juliet, "romeo", 1);
  g_assert_cmpuint (paris->received->len, ==, 0);
  side_free (paris);
  close_two (juliet, romeo);
}

/* The user knows better: he has a new machine. */
static void
test_conflict_accepted (void)
{
  Three all;
  g_autoptr (GError) error = NULL;
  gint64 id;

  open_three (&all);
  id = all.juliet->peer->row->id;
  side_send (all.juliet, "juliet 2");
  see (all.juliet, all.paris);
  side_wait (peer_is_in_conflict (all.juliet->peer));
  g_assert_false (messenger_trust_key (all.juliet->messenger, all.juliet->peer, messenger_fingerprint (all.juliet->messenger), FALSE, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND);
  g_clear_error (&error);
  messenger_trust_key (all.juliet->messenger, all.juliet->peer, messenger_fingerprint (all.paris->messenger), FALSE, &error);
  g_assert_no_error (error);
  side_wait (side_all_delivered (all.juliet));
  assert_trust (all.juliet->peer, "pinned");
  g_assert_cmpint (keyed (all.juliet, all.paris)->row->id, ==, id);
  g_assert_cmpuint (all.paris->received->len, ==, 1);
  close_three (&all);
}

/* With the key from elsewhere even the first handshake is no leap of faith. */
static void
test_trust_uri (void)
{
  Side *juliet = side_new ("juliet@pronto", SIDE_SECURE), *romeo = side_new ("romeo@forza", SIDE_SECURE);
  Side *paris = side_new ("romeo@forza", SIDE_SECURE);
  g_autofree char *uri = messenger_dup_uri (romeo->messenger);
  g_autofree char *own = messenger_dup_uri (juliet->messenger);
  g_autoptr (GError) error = NULL;

  g_assert_null (messenger_trust_uri (juliet->messenger, own, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  juliet->peer = messenger_trust_uri (juliet->messenger, uri, &error);
  g_assert_no_error (error);
  assert_trust (juliet->peer, "verified");
  side_send (juliet, "juliet 1");
  see (juliet, paris);
  side_wait (peer_is_in_conflict (juliet->peer));
  g_assert_cmpuint (paris->received->len, ==, 0);
  see (juliet, romeo);
  side_wait (side_all_delivered (juliet));
  assert_trust (juliet->peer, "verified");
  side_check_received (romeo, "juliet", 1);
  side_free (paris);
  close_two (juliet, romeo);
}

/* Blocked is the key, whatever its name; he is not told. */
static void
test_blocked (void)
{
  g_autoptr (GError) error = NULL;
  Side *juliet, *romeo;
  guint64 seq;

  open_two (&juliet, &romeo);
  deliver (romeo, "romeo 1");
  side_wait (keyed (juliet, romeo) != NULL);
  g_assert_true (messenger_block (juliet->messenger, juliet->peer, TRUE, &error));
  side_wait (romeo->peer->sessions->len == 0 && juliet->peer->sessions->len == 0);
  rename_side (romeo, "romeo@verona");
  see (romeo, juliet);
  seq = side_send (romeo, "romeo 2");
  run_for (1500);
  g_assert_cmpint (side_state (romeo, seq), ==, MESSAGE_QUEUED);
  g_assert_cmpuint (juliet->received->len, ==, 1);
  g_assert_cmpuint (count_peers (juliet), ==, 1);
  assert_trust (juliet->peer, "blocked");
  assert_refused (juliet, TRUE, HEARBY_ERROR_BLOCKED);
  g_assert_true (messenger_block (juliet->messenger, juliet->peer, FALSE, &error));
  see (romeo, juliet);
  side_wait (side_state (romeo, seq) == MESSAGE_DELIVERED);
  side_check_received (juliet, "romeo", 2);
  close_two (juliet, romeo);
}

/* Keys are free: who shows one after the other gets no more streams than who shows none. */
static void
test_many_keys (void)
{
  Side *juliet = side_new ("juliet@pronto", SIDE_SECURE);
  Side *strangers[LIMIT_STRANGERS_PER_ADDRESS + 1];
  guint last = LIMIT_STRANGERS_PER_ADDRESS;

  for (guint i = 0; i <= last; i++)
    {
      g_autofree char *name = g_strdup_printf ("stranger%u@forza", i);

      strangers[i] = side_new (name, SIDE_SECURE);
      see (strangers[i], juliet);
      side_send (strangers[i], "buy");
      if (i < last)
        side_wait (side_all_delivered (strangers[i]));
    }
  run_for (1500);
  g_assert_cmpuint (juliet->received->len, ==, last);
  side_free (strangers[0]); /* his stream is free again */
  see (strangers[last], juliet);
  side_wait (side_all_delivered (strangers[last]));
  for (guint i = 1; i <= last; i++)
    side_free (strangers[i]);
  side_free (juliet);
}

/* Those who cannot encrypt -------------------------------------------------------------------------------------- */

/* @side, in clear, is an old program to which a record says nothing of keys. */
static void
see_as_before (Side *side, Side *other)
{
  side_see (side, other->instance, messenger_port (other->messenger), NULL, NULL);
}

static void
become (Side *side, SideKind kind)
{
  side->kind = kind;
  side_restart (side);
}

/* Who was known in clear shows a key: somebody else until the user says otherwise. What is written to him from then on is for the key,
 * what waited in clear is not. */
static void
test_plain_shows_a_key (gconstpointer data)
{
  gboolean history = GPOINTER_TO_INT (data);
  Side *juliet = side_new ("juliet@pronto", SIDE_SECURE), *romeo = side_new ("romeo@forza", SIDE_CLEAR);
  g_autoptr (GError) error = NULL;
  Peer *plain;
  guint64 held, seq;

  see (juliet, romeo);
  see_as_before (romeo, juliet);
  plain = juliet->peer;
  assert_trust (plain, "plain");
  assert_refused (juliet, FALSE, HEARBY_ERROR_UNENCRYPTED);
  g_assert_true (messenger_allow_plaintext (juliet->messenger, plain, PLAINTEXT_ALLOW, &error));
  if (history)
    deliver (juliet, "juliet 1");
  side_miss (juliet, "romeo@forza");
  become (romeo, SIDE_SECURE);
  side_wait (plain->sessions->len == 0);
  held = side_send (juliet, "in clear");
  see (juliet, romeo);
  seq = side_send (juliet, "with a key");
  side_wait (side_state (juliet, seq) == MESSAGE_DELIVERED);
  g_assert_cmpint (side_state (juliet, held), ==, MESSAGE_QUEUED);
  g_assert_true (keyed (juliet, romeo) != plain);
  assert_trust (keyed (juliet, romeo), "pinned");
  g_assert_cmpint (keyed (juliet, romeo)->row->plaintext, ==, PLAINTEXT_ASK);
  g_assert_null (plain->row->key);
  g_assert_cmpuint (plain->queued, ==, 1);
  assert_trust (plain, "plain");
  g_assert_cmpuint (keyed (juliet, romeo)->queued, ==, 0);
  g_assert_cmpuint (count_peers (juliet), ==, 2);
  g_assert_cmpstr (g_ptr_array_index (romeo->received, romeo->received->len - 1), ==, "with a key");
  messenger_trust_key (juliet->messenger, plain, messenger_fingerprint (romeo->messenger), FALSE, &error); /* he is the same */
  g_assert_no_error (error);
  g_assert_true (keyed (juliet, romeo) == plain);
  side_wait (side_state (juliet, held) == MESSAGE_DELIVERED);
  g_assert_cmpuint (count_peers (juliet), ==, 1);
  close_two (juliet, romeo);
}

/* A yes to clear text changes nothing for who says that he has a key. */
static void
test_permission_is_no_request (void)
{
  g_autoptr (GError) error = NULL;
  Side *juliet, *romeo;

  open_two (&juliet, &romeo);
  g_assert_true (messenger_allow_plaintext (juliet->messenger, juliet->peer, PLAINTEXT_ALLOW, &error));
  deliver (juliet, "juliet 1");
  g_assert_cmpuint (count_peers (juliet), ==, 1);
  assert_trust (juliet->peer, "pinned");
  g_assert_cmpint (juliet->peer->row->plaintext, ==, PLAINTEXT_ASK);
  close_two (juliet, romeo);
}

/* Who is pinned speaks in clear all at once, or somebody does in his place: nothing goes out, nothing comes in. */
static void
test_downgrade (void)
{
  g_autoptr (GError) error = NULL;
  SendOptions yes = { .plaintext = TRUE };
  g_autoptr (GArray) refused = NULL;
  Side *juliet, *romeo;
  guint64 seq;

  open_two (&juliet, &romeo);
  deliver (juliet, "juliet 1");
  become (romeo, SIDE_CLEAR);
  see_as_before (romeo, juliet);
  see (juliet, romeo);
  juliet->peer = roster_by_instance (messenger_roster (juliet->messenger), "romeo@forza");
  assert_trust (juliet->peer, "pinned");
  seq = side_send (juliet, "juliet 2");
  side_wait (juliet->peer->downgraded);
  g_assert_cmpint (side_state (juliet, seq), ==, MESSAGE_QUEUED);
  refused = messenger_send (romeo->messenger, &romeo->peer, 1, "romeo 1", &yes, &error);
  run_for (1500);
  g_assert_cmpuint (juliet->received->len, ==, 0);
  g_assert_cmpuint (romeo->received->len, ==, 1);
  become (romeo, SIDE_SECURE);
  see (juliet, romeo);
  side_wait (side_state (juliet, seq) == MESSAGE_DELIVERED);
  g_assert_false (juliet->peer->downgraded);
  close_two (juliet, romeo);
}

/* What the user wants ---------------------------------------------------------------------------------------------- */

typedef struct
{
  const char *setting;
  SideKind    other;
  gboolean    allowed;   /* the standing yes */
  HearbyError refused;   /* 0: it is sent */
  gboolean    received;  /* what the other says */
} Wish;

static const Wish wishes[] = {
  { "prefer", SIDE_SECURE, FALSE, 0, TRUE },
  { "prefer", SIDE_CLEAR, FALSE, HEARBY_ERROR_UNENCRYPTED, TRUE },
  { "prefer", SIDE_CLEAR, TRUE, 0, TRUE },
  { "require", SIDE_SECURE, FALSE, 0, TRUE },
  { "require", SIDE_CLEAR, FALSE, HEARBY_ERROR_UNENCRYPTED, FALSE },
  { "require", SIDE_CLEAR, TRUE, HEARBY_ERROR_UNENCRYPTED, FALSE },
  { "never", SIDE_SECURE, FALSE, HEARBY_ERROR_UNENCRYPTED, TRUE },
  { "never", SIDE_SECURE, TRUE, 0, TRUE },
  { "never", SIDE_CLEAR, FALSE, HEARBY_ERROR_UNENCRYPTED, TRUE },
  { "never", SIDE_CLEAR, TRUE, 0, TRUE },
};

static void
say_something (Side *side)
{
  SendOptions yes = { .plaintext = TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) seqs = messenger_send (side->messenger, &side->peer, 1, "romeo 1", &yes, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (seqs->len, ==, 1);
}

static void
test_encryption (gconstpointer data)
{
  const Wish *wish = data;
  Side *juliet = side_new ("juliet@pronto", SIDE_SECURE), *romeo = side_new ("romeo@forza", wish->other);
  g_autoptr (GError) error = NULL;

  side_configure (juliet, "encryption", wish->setting);
  see (juliet, romeo);
  if (g_str_equal (wish->setting, "never") || wish->other == SIDE_CLEAR)
    see_as_before (romeo, juliet);
  else
    see (romeo, juliet);
  if (wish->allowed)
    g_assert_true (messenger_allow_plaintext (juliet->messenger, juliet->peer, PLAINTEXT_ALLOW, &error));
  if (wish->refused != 0)
    assert_refused (juliet, wish->allowed, wish->refused);
  else
    {
      g_autoptr (MessageRow) row = NULL;
      guint64 seq = side_send (juliet, "juliet 1");

      side_wait (side_state (juliet, seq) == MESSAGE_DELIVERED);
      row = messages_get (romeo->db, romeo->peer->last_seq);
      g_assert_cmpint (row->encrypted, ==, wish->other == SIDE_SECURE && !g_str_equal (wish->setting, "never"));
      side_check_received (romeo, "juliet", 1);
    }
  say_something (romeo);
  if (wish->received)
    side_wait (juliet->received->len == 1);
  else
    run_for (2500);
  g_assert_cmpuint (juliet->received->len, ==, wish->received);
  g_assert_false (juliet->peer->downgraded);
  close_two (juliet, romeo);
}

/* For one peer alone. */
static void
test_encryption_of_one (void)
{
  Side *juliet = side_new ("juliet@pronto", SIDE_SECURE), *romeo = side_new ("romeo@forza", SIDE_CLEAR);
  g_autoptr (GError) error = NULL;

  see (juliet, romeo);
  see_as_before (romeo, juliet);
  g_assert_true (messenger_allow_plaintext (juliet->messenger, juliet->peer, PLAINTEXT_ALLOW, &error));
  deliver (juliet, "juliet 1");
  g_assert_true (messenger_set_encryption (juliet->messenger, juliet->peer, ENCRYPTION_REQUIRE, &error));
  side_wait (juliet->peer->sessions->len == 0);
  assert_refused (juliet, TRUE, HEARBY_ERROR_UNENCRYPTED);
  g_assert_true (messenger_set_encryption (juliet->messenger, juliet->peer, ENCRYPTION_DEFAULT, &error));
  deliver (juliet, "juliet 2");
  side_check_received (romeo, "juliet", 2);
  close_two (juliet, romeo);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* another key is worth a warning, and here it is wanted */
  g_test_add_func ("/pair/pinned", test_pinned);
  g_test_add_func ("/pair/nothing-to-read", test_nothing_to_read);
  g_test_add_func ("/pair/stripped", test_stripped);
  g_test_add_func ("/pair/aged", test_aged);
  g_test_add_func ("/pair/renamed-and-seen", test_renamed_and_seen);
  g_test_add_func ("/pair/renamed-and-calls", test_renamed_and_calls);
  g_test_add_func ("/pair/takes-a-known-name", test_takes_a_known_name);
  g_test_add_func ("/pair/looks-like", test_looks_like);
  g_test_add_func ("/pair/conflict/we-call", test_conflict_when_we_call);
  g_test_add_func ("/pair/turned-away-everywhere", test_turned_away_everywhere);
  g_test_add_func ("/pair/conflict/he-calls", test_conflict_when_he_calls);
  g_test_add_func ("/pair/conflict/beside-the-real-one", test_conflict_beside_the_real_one);
  g_test_add_func ("/pair/conflict/accepted", test_conflict_accepted);
  g_test_add_func ("/pair/trust-uri", test_trust_uri);
  g_test_add_func ("/pair/blocked", test_blocked);
  g_test_add_func ("/pair/many-keys", test_many_keys);
  g_test_add_data_func ("/pair/plain/shows-a-key", GINT_TO_POINTER (TRUE), test_plain_shows_a_key);
  g_test_add_data_func ("/pair/plain/allowed-shows-a-key", GINT_TO_POINTER (FALSE), test_plain_shows_a_key);
  g_test_add_func ("/pair/plain/permission-is-no-request", test_permission_is_no_request);
  g_test_add_func ("/pair/plain/downgrade", test_downgrade);
  for (guint i = 0; i < G_N_ELEMENTS (wishes); i++)
    {
      const Wish *wish = &wishes[i];
      g_autofree char *name = g_strdup_printf ("/pair/encryption/%s/%s%s", wish->setting,
                                               wish->other == SIDE_SECURE ? "secure" : "clear", wish->allowed ? "-allowed" : "");

      g_test_add_data_func (name, wish, test_encryption);
    }
  g_test_add_func ("/pair/encryption/of-one", test_encryption_of_one);
  return g_test_run ();
}
