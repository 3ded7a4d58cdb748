/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/symmetric.h"

#include <sodium.h>
#include <string.h>

G_STATIC_ASSERT (SYMMETRIC_HASH == crypto_hash_sha256_BYTES);
G_STATIC_ASSERT (SYMMETRIC_HASH == crypto_auth_hmacsha256_BYTES);

#define OUTPUTS 3

static void
hmac (guint8 out[SYMMETRIC_HASH], const guint8 key[SYMMETRIC_HASH], const guint8 *bytes, gsize len)
{
  crypto_auth_hmacsha256_state state;

  crypto_auth_hmacsha256_init (&state, key, SYMMETRIC_HASH);
  if (len > 0)
    crypto_auth_hmacsha256_update (&state, bytes, len);
  crypto_auth_hmacsha256_final (&state, out);
  sodium_memzero (&state, sizeof state);
}

/* HKDF() of 4.3; libsodium 1.0.18 has none. */
static void
hkdf (const guint8 ck[SYMMETRIC_HASH], const guint8 *key, gsize len, guint8 out[OUTPUTS][SYMMETRIC_HASH])
{
  guint8 temp[SYMMETRIC_HASH];
  guint8 step[SYMMETRIC_HASH + 1];

  hmac (temp, ck, key, len);
  step[0] = 1;
  hmac (out[0], temp, step, 1);
  for (guint i = 1; i < OUTPUTS; i++)
    {
      memcpy (step, out[i - 1], SYMMETRIC_HASH);
      step[SYMMETRIC_HASH] = (guint8)(i + 1);
      hmac (out[i], temp, step, sizeof step);
    }
  sodium_memzero (temp, sizeof temp);
  sodium_memzero (step, sizeof step);
}

void
symmetric_init (Symmetric *symmetric, const char *protocol)
{
  gsize len = strlen (protocol);

  memset (symmetric, 0, sizeof *symmetric);
  if (len <= SYMMETRIC_HASH)
    memcpy (symmetric->h, protocol, len);
  else
    crypto_hash_sha256 (symmetric->h, (const guint8 *)protocol, len);
  memcpy (symmetric->ck, symmetric->h, SYMMETRIC_HASH);
}

void
symmetric_wipe (Symmetric *symmetric)
{
  sodium_memzero (symmetric, sizeof *symmetric);
}

void
symmetric_mix_key (Symmetric *symmetric, const guint8 *key, gsize len)
{
  guint8 out[OUTPUTS][SYMMETRIC_HASH];

  hkdf (symmetric->ck, key, len, out);
  memcpy (symmetric->ck, out[0], SYMMETRIC_HASH);
  cipher_init (&symmetric->cipher, out[1]);
  sodium_memzero (out, sizeof out);
}

void
symmetric_mix_hash (Symmetric *symmetric, const guint8 *bytes, gsize len)
{
  crypto_hash_sha256_state state;

  crypto_hash_sha256_init (&state);
  crypto_hash_sha256_update (&state, symmetric->h, SYMMETRIC_HASH);
  if (len > 0)
    crypto_hash_sha256_update (&state, bytes, len);
  crypto_hash_sha256_final (&state, symmetric->h);
}

void
symmetric_mix_key_and_hash (Symmetric *symmetric, const guint8 *key, gsize len)
{
  guint8 out[OUTPUTS][SYMMETRIC_HASH];

  hkdf (symmetric->ck, key, len, out);
  memcpy (symmetric->ck, out[0], SYMMETRIC_HASH);
  symmetric_mix_hash (symmetric, out[1], SYMMETRIC_HASH);
  cipher_init (&symmetric->cipher, out[2]);
  sodium_memzero (out, sizeof out);
}

gsize
symmetric_overhead (const Symmetric *symmetric)
{
  return symmetric->cipher.has_key ? CIPHER_TAG : 0;
}

gboolean
symmetric_seal (Symmetric *symmetric, const guint8 *text, gsize len, GByteArray *out)
{
  gsize start = out->len;
  gsize size = len + symmetric_overhead (symmetric);

  g_byte_array_set_size (out, (guint)(start + size));
  if (!symmetric->cipher.has_key)
    {
      if (len > 0)
        memcpy (out->data + start, text, len);
    }
  else if (!cipher_encrypt (&symmetric->cipher, symmetric->h, SYMMETRIC_HASH, text, len, out->data + start))
    return FALSE;
  symmetric_mix_hash (symmetric, size > 0 ? out->data + start : NULL, size);
  return TRUE;
}

gboolean
symmetric_open (Symmetric *symmetric, const guint8 *sealed, gsize len, guint8 *out)
{
  if (!symmetric->cipher.has_key)
    {
      if (len > 0)
        memcpy (out, sealed, len);
    }
  else if (!cipher_decrypt (&symmetric->cipher, symmetric->h, SYMMETRIC_HASH, sealed, len, out))
    return FALSE;
  symmetric_mix_hash (symmetric, sealed, len);
  return TRUE;
}

void
symmetric_split (Symmetric *symmetric, Cipher *initiator, Cipher *responder)
{
  guint8 out[OUTPUTS][SYMMETRIC_HASH];

  hkdf (symmetric->ck, NULL, 0, out);
  cipher_init (initiator, out[0]);
  cipher_init (responder, out[1]);
  sodium_memzero (out, sizeof out);
  sodium_memzero (symmetric->ck, sizeof symmetric->ck);
  cipher_wipe (&symmetric->cipher);
}
