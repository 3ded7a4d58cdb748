/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/sas.h"

#include <sodium.h>
#include <string.h>

#define BITS 13 /* of each number; Matrix' decimal method */
#define DIGITS 12

static const char commit_label[] = "hearby-noise-0 sas commit"; /* with their NUL */
static const char string_label[] = "hearby-noise-0 sas string";

static void
add (crypto_hash_sha256_state *state, const void *bytes, gsize len)
{
  crypto_hash_sha256_update (state, bytes, len);
}

void
sas_commit (const SasStream *stream, SasRole beginner, const guint8 nonce[SAS_NONCE],
            guint8 commit[SAS_COMMIT])
{
  crypto_hash_sha256_state state;

  crypto_hash_sha256_init (&state);
  add (&state, commit_label, sizeof commit_label);
  add (&state, stream->hash, SYMMETRIC_HASH);
  add (&state, beginner == SAS_INITIATOR ? "I" : "R", 1);
  add (&state, stream->initiator, X25519_KEY);
  add (&state, stream->responder, X25519_KEY);
  add (&state, nonce, SAS_NONCE);
  crypto_hash_sha256_final (&state, commit);
  sodium_memzero (&state, sizeof state);
}

gboolean
sas_is_opening (const SasStream *stream, SasRole beginner, const guint8 nonce[SAS_NONCE],
                const guint8 commit[SAS_COMMIT])
{
  guint8 expected[SAS_COMMIT];

  sas_commit (stream, beginner, nonce, expected);
  return sodium_memcmp (expected, commit, SAS_COMMIT) == 0;
}

void
sas_code (const SasStream *stream, const guint8 initiator_nonce[SAS_NONCE],
          const guint8 responder_nonce[SAS_NONCE], char code[SAS_CODE])
{
  crypto_hash_sha256_state state;
  guint8 digest[crypto_hash_sha256_BYTES];
  guint64 bits = 0;

  crypto_hash_sha256_init (&state);
  add (&state, string_label, sizeof string_label);
  add (&state, stream->hash, SYMMETRIC_HASH);
  add (&state, stream->initiator, X25519_KEY);
  add (&state, stream->responder, X25519_KEY);
  add (&state, initiator_nonce, SAS_NONCE);
  add (&state, responder_nonce, SAS_NONCE);
  crypto_hash_sha256_final (&state, digest);
  for (guint i = 0; i < 5; i++)
    bits = bits << 8 | digest[i];
  bits >>= 40 - 3 * BITS;
  g_snprintf (code, SAS_CODE, "%04u %04u %04u", 1000 + (guint)(bits >> 2 * BITS),
              1000 + (guint)(bits >> BITS & ((1 << BITS) - 1)), 1000 + (guint)(bits & ((1 << BITS) - 1)));
  sodium_memzero (&state, sizeof state);
  sodium_memzero (digest, sizeof digest);
}

/* The digits of @text; FALSE where there is anything else but blanks and hyphens, or they are not DIGITS. */
static gboolean
take_digits (const char *text, char digits[DIGITS])
{
  gsize n = 0;

  for (; *text != '\0'; text++)
    {
      if (*text == ' ' || *text == '-')
        continue;
      if (!g_ascii_isdigit (*text) || n == DIGITS)
        return FALSE;
      digits[n++] = *text;
    }
  return n == DIGITS;
}

gboolean
sas_is_any_code (const char *typed)
{
  char digits[DIGITS];

  return take_digits (typed, digits);
}

gboolean
sas_is_code (const char code[SAS_CODE], const char *typed)
{
  char ours[DIGITS], theirs[DIGITS];

  return take_digits (code, ours) && take_digits (typed, theirs) && sodium_memcmp (ours, theirs, DIGITS) == 0;
}
