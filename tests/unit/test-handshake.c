/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: a handshake ends in the same two keys in whatever slices it comes, and everything that is out of
 * turn, too long, changed or our own ends it for good. */
#include "secure/handshake.h"

#include "base/error.h"
#include "base/limits.h"
#include "pair.h"
#include "slices.h"

#define FRAMES 3

typedef struct
{
  GBytes *frames[FRAMES];
} Recording;

static gboolean
push (Handshake *handshake, const void *bytes, gsize len, Slices *slices, GError **error)
{
  const guint8 *from = bytes;

  while (len > 0)
    {
      gsize part = slices_next (slices, len);
      gsize used;

      if (!handshake_push (handshake, from, part, &used, error))
        return FALSE;
      g_assert_cmpuint (used, ==, part);
      from += part;
      len -= part;
    }
  return TRUE;
}

static gboolean
push_bytes (Handshake *handshake, GBytes *bytes)
{
  gsize used;

  return handshake_push (handshake, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &used, NULL);
}

static Handshake *
side (NoiseRole role)
{
  NoiseConfig config = pair_config (role);
  g_autoptr (GError) error = NULL;
  Handshake *handshake = handshake_new (&config, &error);

  g_assert_no_error (error);
  return handshake;
}

static void
assert_dead (Handshake *handshake)
{
  g_autoptr (GError) first = NULL;
  g_autoptr (GError) second = NULL;
  RecordSealer *sealer;
  RecordOpener *opener;
  gsize used;

  g_assert_false (handshake_push (handshake, "", 0, &used, &first));
  g_assert_false (handshake_push (handshake, "x", 1, &used, &second));
  g_assert_cmpuint (used, ==, 0);
  g_assert_error (second, first->domain, first->code);
  g_assert_cmpstr (first->message, ==, second->message);
  g_assert_null (handshake_take_output (handshake));
  g_assert_false (handshake_is_done (handshake));
  g_assert_null (handshake_hash (handshake));
  g_assert_true ((handshake_remote_static (handshake) != NULL)
                 == g_error_matches (first, HEARBY_ERROR, HEARBY_ERROR_KEY_CHANGED));
  g_assert_false (handshake_split (handshake, &sealer, &opener, NULL));
}

static void
record (Recording *recording)
{
  g_autoptr (Handshake) initiator = side (NOISE_INITIATOR);
  g_autoptr (Handshake) responder = side (NOISE_RESPONDER);

  recording->frames[0] = handshake_take_output (initiator);
  g_assert_true (push_bytes (responder, recording->frames[0]));
  recording->frames[1] = handshake_take_output (responder);
  g_assert_true (push_bytes (initiator, recording->frames[1]));
  recording->frames[2] = handshake_take_output (initiator);
}

static void
recording_clear (Recording *recording)
{
  for (guint i = 0; i < FRAMES; i++)
    g_bytes_unref (recording->frames[i]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Recording, recording_clear)

static void
move (Handshake *from, Handshake *to, Slices *slices, gsize size)
{
  g_autoptr (GBytes) out = handshake_take_output (from);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (out);
  g_assert_cmpuint (g_bytes_get_size (out), ==, 2 + size);
  push (to, g_bytes_get_data (out, NULL), g_bytes_get_size (out), slices, &error);
  g_assert_no_error (error);
  g_assert_null (handshake_take_output (from));
}

static void
say (RecordSealer *sealer, RecordOpener *opener)
{
  g_autoptr (GByteArray) wire = g_byte_array_new ();
  RecordEvent event;

  g_assert_true (record_seal (sealer, RECORD_DATA, "hello", 5, wire, NULL));
  record_opener_push (opener, wire->data, wire->len);
  g_assert_true (record_opener_next (opener, &event, NULL));
  g_assert_cmpmem (event.content, event.len, "hello", 5);
}

static void
check_split (Handshake *both[2])
{
  RecordSealer *sealers[2];
  RecordOpener *openers[2];
  RecordSealer *sealer;
  RecordOpener *opener;

  for (guint i = 0; i < 2; i++)
    g_assert_true (handshake_split (both[i], &sealers[i], &openers[i], NULL));
  for (guint i = 0; i < 2; i++)
    {
      say (sealers[i], openers[!i]);
      g_assert_false (handshake_split (both[i], &sealer, &opener, NULL)); /* once */
      record_sealer_free (sealers[i]);
    }
  for (guint i = 0; i < 2; i++)
    record_opener_free (openers[i]);
}

static void
test_slices (void)
{
  for (guint slicing = 0; slicing < SLICINGS; slicing++)
    {
      g_autoptr (Handshake) initiator = side (NOISE_INITIATOR);
      g_autoptr (Handshake) responder = side (NOISE_RESPONDER);
      Handshake *both[] = { initiator, responder };
      Slices slices = slices_new (slicing);

      move (initiator, responder, &slices, 32);
      move (responder, initiator, &slices, 96);
      g_assert_false (handshake_is_done (initiator)); /* not before its last frame was taken */
      g_assert_null (handshake_hash (initiator));
      move (initiator, responder, &slices, 64);
      g_assert_cmpmem (handshake_hash (initiator), SYMMETRIC_HASH, handshake_hash (responder),
                       SYMMETRIC_HASH);
      for (guint role = 0; role < 2; role++)
        {
          guint8 public[X25519_KEY];

          pair_public (role, public);
          g_assert_cmpmem (handshake_local_static (both[role]), X25519_KEY, public, X25519_KEY);
          g_assert_cmpmem (handshake_remote_static (both[!role]), X25519_KEY, public, X25519_KEY);
        }
      check_split (both);
      slices_clear (&slices);
    }
}

/* Records may come right behind the initiator's last frame. */
static void
test_rest (void)
{
  g_auto (Recording) recording = { 0 };
  g_autoptr (Handshake) responder = side (NOISE_RESPONDER);
  g_autoptr (GByteArray) last = g_byte_array_new ();
  gsize used;

  record (&recording);
  g_assert_true (push_bytes (responder, recording.frames[0]));
  g_bytes_unref (handshake_take_output (responder));
  g_byte_array_append (last, g_bytes_get_data (recording.frames[2], NULL), 66);
  g_byte_array_append (last, (const guint8 *)"behind", 6);
  g_assert_true (handshake_push (responder, last->data, last->len, &used, NULL));
  g_assert_cmpuint (used, ==, 66);
  g_assert_true (handshake_is_done (responder));
  g_assert_true (handshake_push (responder, "behind", 6, &used, NULL));
  g_assert_cmpuint (used, ==, 0);
}

static void
drop_output (Handshake *handshake)
{
  g_autoptr (GBytes) out = handshake_take_output (handshake);

  g_assert_nonnull (out);
}

/* A byte that comes before our answer left; @fed frames come before. */
static void
check_out_of_turn (NoiseRole role, guint fed)
{
  g_auto (Recording) recording = { 0 };
  g_autoptr (Handshake) handshake = side (role);
  gsize used;

  record (&recording);
  if (fed > 0)
    {
      if (role == NOISE_INITIATOR)
        drop_output (handshake);
      g_assert_true (push_bytes (handshake, recording.frames[role == NOISE_INITIATOR ? 1 : 0]));
    }
  g_assert_false (handshake_push (handshake, "x", 1, &used, NULL));
  assert_dead (handshake);
}

static void
test_out_of_turn (void)
{
  check_out_of_turn (NOISE_INITIATOR, 0);
  check_out_of_turn (NOISE_INITIATOR, 1);
  check_out_of_turn (NOISE_RESPONDER, 1);
}

/* Brings @handshake where it reads frame @at. */
static void
lead_to (Handshake *handshake, NoiseRole role, const Recording *recording, guint at)
{
  for (guint i = 0; i < at; i++)
    if (i % 2 == role)
      drop_output (handshake);
    else
      g_assert_true (push_bytes (handshake, recording->frames[i]));
}

/* Every frame at every state, both roles: only the right one is taken. Any 32 bytes and more may be a first
 * message, so there it is the answer that nobody can read. */
static void
test_states (void)
{
  g_auto (Recording) recording = { 0 };

  record (&recording);
  for (guint at = 0; at < FRAMES; at++)
    for (guint frame = 0; frame < FRAMES; frame++)
      {
        NoiseRole role = at % 2 == 0 ? NOISE_RESPONDER : NOISE_INITIATOR;
        g_autoptr (Handshake) handshake = side (role);
        gboolean good;

        lead_to (handshake, role, &recording, at);
        good = push_bytes (handshake, recording.frames[frame]);
        g_assert_true (good == (frame == at) || at == 0);
        if (!good)
          assert_dead (handshake);
        if (good && frame != at)
          {
            g_autoptr (Handshake) initiator = side (NOISE_INITIATOR);
            g_autoptr (GBytes) answer = handshake_take_output (handshake);

            g_bytes_unref (handshake_take_output (initiator));
            g_assert_false (answer != NULL && push_bytes (initiator, answer));
          }
      }
}

static void
test_limit (void)
{
  guint8 frame[2 + LIMIT_HANDSHAKE_FRAME] = { LIMIT_HANDSHAKE_FRAME >> 8, LIMIT_HANDSHAKE_FRAME & 0xff, 9 };
  guint8 longer[] = { (LIMIT_HANDSHAKE_FRAME + 1) >> 8, (LIMIT_HANDSHAKE_FRAME + 1) & 0xff };
  g_autoptr (Handshake) good = side (NOISE_RESPONDER);
  g_autoptr (Handshake) bad = side (NOISE_RESPONDER);
  g_autoptr (Handshake) empty = side (NOISE_RESPONDER);
  gsize used;

  g_assert_true (handshake_push (good, frame, sizeof frame, &used, NULL));
  g_assert_false (
      handshake_push (bad, longer, sizeof longer, &used, NULL)); /* at once, not when it is all there */
  assert_dead (bad);
  g_assert_false (handshake_push (empty, (const guint8[]){ 0, 0 }, 2, &used, NULL));
  assert_dead (empty);
}

/* Somebody who has our own key, which can only be ourselves. */
static void
test_own_key (void)
{
  NoiseConfig config = pair_config (NOISE_RESPONDER);
  g_autoptr (Handshake) initiator = side (NOISE_INITIATOR);
  g_autoptr (Handshake) responder = NULL;
  g_autoptr (GBytes) first = handshake_take_output (initiator);
  g_autoptr (GBytes) second = NULL;

  config.static_secret = pair_secrets[NOISE_INITIATOR];
  responder = handshake_new (&config, NULL);
  g_assert_true (push_bytes (responder, first));
  second = handshake_take_output (responder);
  g_assert_false (push_bytes (initiator, second));
  assert_dead (initiator);
}

static void
check_expected (NoiseRole shown, gboolean good)
{
  NoiseConfig config = pair_config (NOISE_INITIATOR);
  g_auto (Recording) recording = { 0 };
  g_autoptr (Handshake) handshake = NULL;
  g_autoptr (GError) error = NULL;
  guint8 public[X25519_KEY];
  gsize used;

  pair_public (shown, public);
  config.remote_static = public;
  record (&recording);
  handshake = handshake_new (&config, NULL);
  lead_to (handshake, NOISE_INITIATOR, &recording, 1);
  handshake_push (handshake, g_bytes_get_data (recording.frames[1], NULL),
                  g_bytes_get_size (recording.frames[1]), &used, &error);
  if (good)
    g_assert_no_error (error);
  else
    g_assert_error (error, HEARBY_ERROR,
                    HEARBY_ERROR_KEY_CHANGED); /* and message 3, our identity, was not made */
  if (!good)
    assert_dead (handshake);
}

static void
test_expected_key (void)
{
  check_expected (NOISE_RESPONDER, TRUE);
  check_expected (NOISE_INITIATOR, FALSE);
}

static void
test_config (void)
{
  static const struct
  {
    const char *protocol;
    int code;
  } cases[] = {
    { "Noise_XX_25519_ChaChaPoly_SHA256", -1 },
    { "Noise_NN_25519_ChaChaPoly_SHA256", -1 },
    { "Noise_XX_25519_AESGCM_SHA256", HEARBY_ERROR_NOT_SUPPORTED },
    { "Noise_XX_448_ChaChaPoly_SHA256", HEARBY_ERROR_NOT_SUPPORTED },
    { "Noise_XX_25519_ChaChaPoly_SHA256x", HEARBY_ERROR_NOT_SUPPORTED },
    { "Noise_XXX_25519_ChaChaPoly_SHA256", HEARBY_ERROR_NOT_SUPPORTED },
    { "Noise_XXpsk4_25519_ChaChaPoly_SHA256", HEARBY_ERROR_NOT_SUPPORTED },
    { "Noise_XXpsk0psk1_25519_ChaChaPoly_SHA256", HEARBY_ERROR_NOT_SUPPORTED },
    { "Noise_XXpsk1+psk1_25519_ChaChaPoly_SHA256", HEARBY_ERROR_NOT_SUPPORTED },
    { "Noise_XXpsk1+_25519_ChaChaPoly_SHA256", HEARBY_ERROR_NOT_SUPPORTED },
    { "Noise_NNpsk3_25519_ChaChaPoly_SHA256", HEARBY_ERROR_NOT_SUPPORTED },
    { "Noise_XX", HEARBY_ERROR_NOT_SUPPORTED },
    { "", HEARBY_ERROR_NOT_SUPPORTED },
    { "Noise_XXpsk3_25519_ChaChaPoly_SHA256", HEARBY_ERROR_INVALID_ARGUMENT }, /* there is no psk */
    { "Noise_IK_25519_ChaChaPoly_SHA256", HEARBY_ERROR_INVALID_ARGUMENT },     /* no remote key */
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      NoiseConfig config = pair_config (NOISE_INITIATOR);
      g_autoptr (GError) error = NULL;
      g_autoptr (Noise) noise = NULL;

      config.protocol = cases[i].protocol;
      noise = noise_new (&config, &error);
      if (cases[i].code < 0)
        g_assert_no_error (error);
      else
        g_assert_error (error, HEARBY_ERROR, cases[i].code);
      g_assert_true ((noise != NULL) == (cases[i].code < 0));
    }
}

static void
test_no_static (void)
{
  NoiseConfig config = pair_config (NOISE_INITIATOR);
  g_autoptr (GError) error = NULL;

  config.static_secret = NULL;
  g_assert_null (handshake_new (&config, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
}

/* The bare machine: out of turn in every state. */
static void
test_noise_turns (void)
{
  NoiseConfig configs[] = { pair_config (NOISE_INITIATOR), pair_config (NOISE_RESPONDER) };
  g_autoptr (Noise) initiator = noise_new (&configs[0], NULL);
  g_autoptr (Noise) responder = noise_new (&configs[1], NULL);
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  Cipher cipher;

  g_assert_cmpint (noise_state (initiator), ==, NOISE_WRITES);
  g_assert_cmpint (noise_state (responder), ==, NOISE_READS);
  g_assert_false (noise_read (initiator, "", 0, NULL, NULL));
  g_assert_cmpint (noise_state (initiator), ==, NOISE_DEAD);
  g_assert_false (noise_write (initiator, NULL, 0, out, NULL)); /* it stays dead */
  g_assert_false (noise_write (responder, NULL, 0, out, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED);
  g_assert_cmpuint (out->len, ==, 0);
  g_assert_false (noise_split (responder, &cipher, &cipher, NULL));
}

static void
test_payload_limit (void)
{
  NoiseConfig configs[] = { pair_config (NOISE_INITIATOR), pair_config (NOISE_INITIATOR) };
  g_autofree guint8 *payload = g_malloc0 (NOISE_MESSAGE);
  g_autoptr (Noise) good = noise_new (&configs[0], NULL);
  g_autoptr (Noise) bad = noise_new (&configs[1], NULL);
  g_autoptr (GByteArray) out = g_byte_array_new ();

  g_assert_true (noise_write (good, payload, NOISE_MESSAGE - X25519_KEY, out, NULL));
  g_assert_cmpuint (out->len, ==, NOISE_MESSAGE);
  g_byte_array_set_size (out, 0);
  g_assert_false (noise_write (bad, payload, NOISE_MESSAGE - X25519_KEY + 1, out, NULL));
  g_assert_cmpuint (out->len, ==, 0);
}

/* What libsodium refuses to multiply, and each number from 2^255-19 on; their neighbours are good. */
static void
test_keys (void)
{
  static const char *low[] = { "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                               "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                               "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                               "0000000000000000000000000000000000000000000000000000000000000000",
                               "0100000000000000000000000000000000000000000000000000000000000000" };
  guint8 key[X25519_KEY], shared[X25519_KEY];

  for (guint i = 0; i < G_N_ELEMENTS (low); i++)
    {
      sodium_hex2bin (key, sizeof key, low[i], 64, NULL, NULL, NULL);
      g_assert_false (x25519_is_acceptable (key));
      g_assert_false (x25519_shared (shared, pair_secrets[0], key));
      key[0] ^= 2;
      g_assert_true (i == 2 || x25519_is_acceptable (key));
      key[31] |= 0x80;
      g_assert_false (x25519_is_acceptable (key));
    }
  memset (key, 0xff, sizeof key);
  key[31] = 0x7f;
  for (guint last = 0; last <= 0xff; last++)
    {
      key[0] = (guint8)last;
      g_assert_true (x25519_is_acceptable (key) == (last < 0xec));
    }
  key[0] = 0xff;
  key[15] = 0xfe;
  g_assert_true (x25519_is_acceptable (key));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  g_test_add_func ("/handshake/slices", test_slices);
  g_test_add_func ("/handshake/rest", test_rest);
  g_test_add_func ("/handshake/out-of-turn", test_out_of_turn);
  g_test_add_func ("/handshake/states", test_states);
  g_test_add_func ("/handshake/limit", test_limit);
  g_test_add_func ("/handshake/own-key", test_own_key);
  g_test_add_func ("/handshake/expected-key", test_expected_key);
  g_test_add_func ("/handshake/config", test_config);
  g_test_add_func ("/handshake/no-static", test_no_static);
  g_test_add_func ("/handshake/noise-turns", test_noise_turns);
  g_test_add_func ("/handshake/payload-limit", test_payload_limit);
  g_test_add_func ("/handshake/keys", test_keys);
  return g_test_run ();
}
