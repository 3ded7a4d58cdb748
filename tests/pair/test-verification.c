/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two users compare codes: both see the same ones and only after both agreed, each believes his own user, and whatever goes wrong on
 * the way ends the comparison. */

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "core/messenger-private.h"
#include "side.h"
#include "xmpp/ns.h"

/* What one user was told. */
typedef struct
{
  char   *run, *code;
  GError *error;
  guint   calls;
} Told;

static void
on_code (const char *run, const char *code, const GError *error, gpointer user_data)
{
  Told *told = user_data;

  told->calls++;
  g_free (told->run);
  told->run = g_strdup (run);
  g_free (told->code);
  told->code = g_strdup (code);
  g_clear_error (&told->error);
  told->error = error != NULL ? g_error_copy (error) : NULL;
}

static void
told_clear (Told *told)
{
  g_free (told->run);
  g_free (told->code);
  g_clear_error (&told->error);
  *told = (Told){ 0 };
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Told, told_clear)

static void
see (Side *side, Side *other)
{
  side_see (side, other->instance, messenger_port (other->messenger), "noise=0", NULL);
}

static void
deliver (Side *side, const char *text)
{
  guint64 seq = side_send (side, text);

  side_wait (side_state (side, seq) == MESSAGE_DELIVERED);
}

/* Both know each other and have a stream. */
static void
open_two (Side **juliet, Side **romeo)
{
  *juliet = side_new ("juliet@pronto", SIDE_SECURE);
  *romeo = side_new ("romeo@forza", SIDE_SECURE);
  see (*juliet, *romeo);
  see (*romeo, *juliet);
  deliver (*juliet, "juliet 1");
  deliver (*romeo, "romeo 1");
}

static void
close_two (Side *juliet, Side *romeo)
{
  side_free (juliet);
  side_free (romeo);
}

static void
ask (Side *side, Told *told)
{
  g_autoptr (GError) error = NULL;

  messenger_verify (side->messenger, side->peer, on_code, told, &error);
  g_assert_no_error (error);
}

static void
assert_no_more (Side *side)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (messenger_verify (side->messenger, side->peer, on_code, NULL, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED);
}

/* @first asks, @second agrees, both see the code. */
static void
compare (Side *first, Told *at_first, Side *second, Told *at_second)
{
  ask (first, at_first);
  side_wait (messenger_wants_verify (second->messenger, second->peer));
  g_assert_cmpuint (at_first->calls, ==, 0); /* nobody knows it yet */
  ask (second, at_second);
  side_wait (at_first->calls == 1 && at_second->calls == 1);
  g_assert_no_error (at_first->error);
  g_assert_no_error (at_second->error);
  g_assert_cmpstr (at_first->code, ==, at_second->code);
}

static gboolean
answer (Side *side, Told *told, const char *typed, gboolean match)
{
  g_autoptr (GError) error = NULL;
  gboolean same = FALSE;

  g_assert_true (messenger_answer (side->messenger, side->peer, told->run, typed, match, &same, &error));
  g_assert_no_error (error);
  return same;
}

static void
say_text (Side *side, const char *run, const char *step, const char *text)
{
  Node *message = node_new ("message", NS_CLIENT);
  Node *verify = node_add (message, "verify", NS_VERIFY);

  node_set (message, "from", side->instance);
  node_set (verify, "run", run);
  node_set (verify, "step", step);
  node_add_text (verify, text);
  g_assert_true (session_send_element (side->peer->session, message));
}

/* A step of the exchange as no hearby sends it, on @side's stream. */
static void
say (Side *side, const char *run, const char *step, guint8 fill)
{
  guint8 bytes[32];
  g_autofree char *text = NULL;

  memset (bytes, fill, sizeof bytes);
  text = g_base64_encode (bytes, sizeof bytes);
  say_text (side, run, step, text);
}

#define assert_trust(side, wanted) g_assert_cmpstr (peer_trust ((side)->peer), ==, wanted)

/* All is well ------------------------------------------------------------------------------------------------ */

static void
test_match (void)
{
  g_auto (Told) at_juliet = { 0 }, at_romeo = { 0 };
  g_autofree char *typed = NULL;
  Side *juliet, *romeo;

  open_two (&juliet, &romeo);
  compare (juliet, &at_juliet, romeo, &at_romeo);
  g_assert_true (answer (juliet, &at_juliet, NULL, TRUE));
  assert_trust (juliet, "verified");
  assert_trust (romeo, "pinned"); /* her word says nothing to him */
  typed = g_strdelimit (g_strdup (at_juliet.code), " ", '-');
  g_assert_true (answer (romeo, &at_romeo, typed, FALSE));
  assert_trust (romeo, "verified");
  g_assert_cmpint (romeo->peer->row->verified, !=, 0);
  deliver (juliet, "juliet 2");
  deliver (romeo, "romeo 2");
  side_restart (juliet);
  assert_trust (juliet, "verified");
  close_two (juliet, romeo);
}

/* Who is called anew is the one who has a stream open already, and he without one gets one. */
static void
test_without_stream (void)
{
  g_auto (Told) at_juliet = { 0 }, at_romeo = { 0 };
  Side *juliet, *romeo;

  open_two (&juliet, &romeo);
  streams_close_peer (juliet->messenger, juliet->peer, NULL);
  side_wait (juliet->peer->sessions->len == 0 && romeo->peer->sessions->len == 0);
  compare (juliet, &at_juliet, romeo, &at_romeo);
  g_assert_true (answer (juliet, &at_juliet, at_romeo.code, FALSE));
  g_assert_true (answer (romeo, &at_romeo, NULL, TRUE));
  close_two (juliet, romeo);
}

/* Both ask at the same moment: each has agreed by that. */
static void
test_glare (gconstpointer data)
{
  gboolean with_stream = GPOINTER_TO_INT (data);

  for (guint round = 0; round < 6; round++)
    {
      g_auto (Told) at_juliet = { 0 }, at_romeo = { 0 };
      Side *juliet, *romeo;

      open_two (&juliet, &romeo);
      if (!with_stream)
        {
          streams_close_peer (juliet->messenger, juliet->peer, NULL);
          side_wait (juliet->peer->sessions->len == 0 && romeo->peer->sessions->len == 0);
        }
      ask (juliet, &at_juliet);
      ask (romeo, &at_romeo);
      side_wait (at_juliet.calls > 0 && at_romeo.calls > 0);
      if (with_stream || (at_juliet.error == NULL && at_romeo.error == NULL))
        {
          g_assert_no_error (at_juliet.error);
          g_assert_no_error (at_romeo.error);
          g_assert_cmpstr (at_juliet.code, ==, at_romeo.code);
          g_assert_true (answer (juliet, &at_juliet, NULL, TRUE));
          g_assert_true (answer (romeo, &at_romeo, NULL, TRUE));
          assert_trust (juliet, "verified");
          assert_trust (romeo, "verified");
        }
      else /* the stream that lost against the other one took it along */
        g_assert_true (at_juliet.error != NULL && at_romeo.error != NULL);
      close_two (juliet, romeo);
    }
}

/* With him who came under a known name: the user decides by the code whether it is the same person. */
static void
test_ends_a_conflict (void)
{
  g_auto (Told) at_juliet = { 0 }, at_paris = { 0 };
  Side *juliet, *romeo, *paris;
  gint64 id;

  open_two (&juliet, &romeo);
  id = juliet->peer->row->id;
  side_stop (romeo);
  side_wait (juliet->peer->sessions->len == 0);
  paris = side_new ("romeo@forza", SIDE_SECURE);
  see (paris, juliet);
  see (juliet, paris);
  side_send (juliet, "juliet 2");
  side_wait (peer_is_in_conflict (juliet->peer));
  ask (juliet, &at_juliet);
  side_wait (paris->peer != NULL && messenger_wants_verify (paris->messenger, paris->peer));
  ask (paris, &at_paris);
  side_wait (at_juliet.calls == 1 && at_paris.calls == 1);
  g_assert_cmpstr (at_juliet.code, ==, at_paris.code);
  g_assert_cmpuint (paris->received->len, ==, 0);
  g_assert_true (answer (juliet, &at_juliet, NULL, TRUE));
  assert_trust (juliet, "verified");
  g_assert_true (peer_has_key (juliet->peer, identity_public (paris->identity)));
  g_assert_cmpint (juliet->peer->row->id, ==, id);
  side_wait (side_all_delivered (juliet));
  g_assert_cmpuint (paris->received->len, ==, 1);
  side_free (paris);
  close_two (juliet, romeo);
}

/* Somebody is between --------------------------------------------------------------------------------------------- */

/* Codes that differ hold everything, over restarts and new streams, until they agree. */
static void
mismatch_once (void)
{
  SendOptions options = { 0 };
  g_autoptr (GError) error = NULL;
  Side *juliet, *romeo;
  guint64 his;

  open_two (&juliet, &romeo);
  {
    g_auto (Told) at_juliet = { 0 }, at_romeo = { 0 };
    gboolean same;

    compare (juliet, &at_juliet, romeo, &at_romeo);
    g_assert_false (answer (juliet, &at_juliet, "1000 1000 1000", TRUE));
    assert_trust (juliet, "conflict");
    side_wait (romeo->peer->sessions->len == 0 && juliet->peer->sessions->len == 0);
    assert_trust (romeo, "pinned"); /* her word says nothing to him */
    g_assert_false (messenger_answer (romeo->messenger, romeo->peer, at_romeo.run, NULL, TRUE, &same, &error));
    g_clear_error (&error);
    assert_trust (romeo, "pinned");
  }
  g_assert_null (messenger_send (juliet->messenger, &juliet->peer, 1, "no", &options, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_VERIFIED);
  side_restart (juliet);
  assert_trust (juliet, "conflict");
  see (juliet, romeo);
  see (romeo, juliet);
  his = side_send (romeo, "romeo 2");
  side_wait (side_state (romeo, his) == MESSAGE_HELD);
  assert_trust (juliet, "conflict");
  g_assert_cmpuint (juliet->received->len, ==, 1);
  {
    g_auto (Told) at_juliet = { 0 }, at_romeo = { 0 };

    compare (juliet, &at_juliet, romeo, &at_romeo);
    g_assert_true (answer (juliet, &at_juliet, NULL, TRUE));
  }
  assert_trust (juliet, "verified");
  deliver (juliet, "juliet 2");
  deliver (romeo, "romeo 3");
  close_two (juliet, romeo);
}

static void
test_mismatch (void)
{
  for (guint round = 0; round < 4; round++) /* whose key is the smaller one decides which stream stays */
    mismatch_once ();
}

/* What waits when the codes differ stays. */
static void
test_mismatch_holds_the_queue (void)
{
  g_auto (Told) at_juliet = { 0 }, at_romeo = { 0 };
  Side *juliet, *romeo;
  guint64 seq, his;

  open_two (&juliet, &romeo);
  compare (juliet, &at_juliet, romeo, &at_romeo);
  seq = side_send (juliet, "juliet 2"); /* written, and not gone yet */
  g_assert_false (answer (juliet, &at_juliet, NULL, FALSE));
  side_wait (juliet->peer->sessions->len == 0);
  see (romeo, juliet);
  his = side_send (romeo, "romeo 2");
  side_wait (juliet->peer->sessions->len > 0);
  side_wait (side_state (romeo, his) == MESSAGE_HELD);
  g_assert_cmpint (side_state (juliet, seq), ==, MESSAGE_QUEUED);
  g_assert_cmpuint (romeo->received->len, ==, 1);
  close_two (juliet, romeo);
}

/* A nonce that does not fit what was promised. */
static void
test_wrong_reveal (void)
{
  g_auto (Told) at_juliet = { 0 };
  Side *juliet, *romeo;

  open_two (&juliet, &romeo);
  say (romeo, "his-run", "start", 1);
  side_wait (messenger_wants_verify (juliet->messenger, juliet->peer));
  ask (juliet, &at_juliet);
  say (romeo, "his-run", "reveal", 2);
  side_wait (at_juliet.calls == 1);
  g_assert_error (at_juliet.error, HEARBY_ERROR, HEARBY_ERROR_CANCELED);
  g_assert_null (at_juliet.code);
  assert_trust (juliet, "pinned");
  close_two (juliet, romeo);
}

/* Steps that come too early, twice, or for nothing that goes on. */
static void
test_out_of_order (void)
{
  g_auto (Told) at_juliet = { 0 };
  Side *juliet, *romeo;

  open_two (&juliet, &romeo);
  say (romeo, "nobody's", "reveal", 1);
  say (romeo, "nobody's", "nonce", 1);
  say (romeo, "nobody's", "match", 1);
  say (romeo, "nobody's", "nonsense", 1);
  say (romeo, "a name of forty characters is one too much", "start", 1);
  deliver (romeo, "romeo 2");
  g_assert_false (messenger_wants_verify (juliet->messenger, juliet->peer));
  say (romeo, "early", "start", 1);
  say (romeo, "early", "reveal", 1); /* before she agreed */
  deliver (romeo, "romeo 3");
  g_assert_false (messenger_wants_verify (juliet->messenger, juliet->peer));
  ask (juliet, &at_juliet);
  say (romeo, at_juliet.run != NULL ? at_juliet.run : "x", "match", 1);
  deliver (romeo, "romeo 4");
  g_assert_cmpuint (at_juliet.calls, ==, 0);
  close_two (juliet, romeo);
}

/* 32 bytes are written in one way. */
static void
test_malformed (void)
{
  static const char *const texts[] = {
    "", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",   /* without its padding */
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",               /* another way to say the same */
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=A",              /* too long */
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",               /* 33 bytes */
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA===",               /* 31 */
    "AAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA=",
    "AAAAAAAAAAAAAAAAAAAA_AAAAAAAAAAAAAAAAAAAAAA=",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
  };
  Side *juliet, *romeo;

  open_two (&juliet, &romeo);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      say_text (romeo, "his-run", "start", texts[i]);
      deliver (romeo, "go on");
      g_assert_false (messenger_wants_verify (juliet->messenger, juliet->peer));
    }
  say_text (romeo, "his-run", "start", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  side_wait (messenger_wants_verify (juliet->messenger, juliet->peer));
  close_two (juliet, romeo);
}

/* Whoever asks for ever costs nothing, and does not keep the user from comparing codes. */
static void
test_flood (void)
{
  g_auto (Told) at_juliet = { 0 }, at_romeo = { 0 };
  Side *juliet, *romeo;

  open_two (&juliet, &romeo);
  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *run = g_strdup_printf ("run %u", i);

      say (romeo, run, "start", (guint8) i);
      say (romeo, i % 3 == 0 ? run : "run 0", i % 2 == 0 ? "nonce" : "cancel", 1);
    }
  deliver (romeo, "romeo 2");
  g_assert_cmpuint (juliet->messenger->runs->len, <=, 2);
  messenger_cancel_verify (juliet->messenger, juliet->peer);
  compare (juliet, &at_juliet, romeo, &at_romeo);
  close_two (juliet, romeo);
}

/* A second beginning ends the first: nobody looks at two codes. */
static void
test_begins_twice (void)
{
  g_auto (Told) at_juliet = { 0 };
  Side *juliet, *romeo;

  open_two (&juliet, &romeo);
  say (romeo, "first", "start", 1);
  side_wait (messenger_wants_verify (juliet->messenger, juliet->peer));
  ask (juliet, &at_juliet);
  say (romeo, "second", "start", 2);
  side_wait (at_juliet.calls == 1);
  g_assert_error (at_juliet.error, HEARBY_ERROR, HEARBY_ERROR_CANCELED);
  close_two (juliet, romeo);
}

/* Ends -------------------------------------------------------------------------------------------------------------- */

static void
test_cancelled (void)
{
  g_auto (Told) at_juliet = { 0 };
  Side *juliet, *romeo;

  open_two (&juliet, &romeo);
  ask (juliet, &at_juliet);
  side_wait (messenger_wants_verify (romeo->messenger, romeo->peer));
  messenger_cancel_verify (juliet->messenger, juliet->peer);
  side_wait (!messenger_wants_verify (romeo->messenger, romeo->peer));
  g_assert_cmpuint (at_juliet.calls, ==, 1);
  g_assert_error (at_juliet.error, HEARBY_ERROR, HEARBY_ERROR_CANCELED);
  messenger_cancel_verify (juliet->messenger, juliet->peer); /* nothing goes on */
  assert_trust (juliet, "pinned");
  close_two (juliet, romeo);
}

static void
test_stream_lost (void)
{
  g_auto (Told) at_juliet = { 0 };
  Side *juliet, *romeo;

  open_two (&juliet, &romeo);
  ask (juliet, &at_juliet);
  side_wait (messenger_wants_verify (romeo->messenger, romeo->peer));
  streams_close_peer (romeo->messenger, romeo->peer, NULL);
  side_wait (at_juliet.calls == 1);
  g_assert_error (at_juliet.error, HEARBY_ERROR, HEARBY_ERROR_CANCELED);
  side_wait (!messenger_wants_verify (romeo->messenger, romeo->peer));
  close_two (juliet, romeo);
}

/* So that nobody can look at codes until one suits him. */
static void
test_limit (void)
{
  g_auto (Told) at_juliet = { 0 }, at_romeo = { 0 };
  Side *juliet, *romeo;

  open_two (&juliet, &romeo);
  for (guint i = 0; i < LIMIT_VERIFY_PEER; i++)
    {
      told_clear (&at_juliet);
      told_clear (&at_romeo);
      compare (juliet, &at_juliet, romeo, &at_romeo);
      messenger_cancel_verify (i % 2 == 0 ? juliet->messenger : romeo->messenger, i % 2 == 0 ? juliet->peer : romeo->peer);
      deliver (juliet, "go on");
      deliver (romeo, "go on");
    }
  assert_no_more (juliet);
  assert_no_more (romeo);
  side_restart (juliet);
  side_restart (romeo);
  close_two (juliet, romeo);
}

/* One at a time. */
static void
test_busy (void)
{
  g_auto (Told) at_juliet = { 0 };
  Side *juliet, *romeo, *nurse = side_new ("nurse@verona", SIDE_SECURE);
  Peer *first;

  open_two (&juliet, &romeo);
  ask (juliet, &at_juliet);
  assert_no_more (juliet); /* with the same one */
  first = juliet->peer;
  see (juliet, nurse);
  assert_no_more (juliet);
  messenger_cancel_verify (juliet->messenger, first);
  g_assert_cmpuint (at_juliet.calls, ==, 1);
  side_free (nurse);
  close_two (juliet, romeo);
}

/* There has to be a key, and somebody. */
static void
test_nothing_to_verify (void)
{
  g_autoptr (GError) error = NULL;
  Side *juliet = side_new ("juliet@pronto", SIDE_SECURE);

  side_see (juliet, "tybalt@sword", 9, NULL, NULL);
  g_assert_null (messenger_verify (juliet->messenger, juliet->peer, on_code, NULL, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED);
  g_clear_error (&error);
  side_see (juliet, "romeo@forza", 9, "noise=0", NULL);
  side_miss (juliet, "romeo@forza");
  g_assert_null (messenger_verify (juliet->messenger, juliet->peer, on_code, NULL, &error));
  g_assert_nonnull (error);
  side_free (juliet);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* codes that differ are worth a warning */
  g_test_add_func ("/verification/match", test_match);
  g_test_add_func ("/verification/without-stream", test_without_stream);
  g_test_add_data_func ("/verification/glare", GINT_TO_POINTER (TRUE), test_glare);
  g_test_add_data_func ("/verification/glare-without-stream", GINT_TO_POINTER (FALSE), test_glare);
  g_test_add_func ("/verification/ends-a-conflict", test_ends_a_conflict);
  g_test_add_func ("/verification/mismatch", test_mismatch);
  g_test_add_func ("/verification/mismatch-holds-the-queue", test_mismatch_holds_the_queue);
  g_test_add_func ("/verification/wrong-reveal", test_wrong_reveal);
  g_test_add_func ("/verification/out-of-order", test_out_of_order);
  g_test_add_func ("/verification/malformed", test_malformed);
  g_test_add_func ("/verification/flood", test_flood);
  g_test_add_func ("/verification/begins-twice", test_begins_twice);
  g_test_add_func ("/verification/cancelled", test_cancelled);
  g_test_add_func ("/verification/stream-lost", test_stream_lost);
  g_test_add_func ("/verification/limit", test_limit);
  g_test_add_func ("/verification/busy", test_busy);
  g_test_add_func ("/verification/nothing-to-verify", test_nothing_to_verify);
  return g_test_run ();
}
