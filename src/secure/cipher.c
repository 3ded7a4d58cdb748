/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/cipher.h"

#include <sodium.h>
#include <string.h>

G_STATIC_ASSERT (CIPHER_KEY == crypto_aead_chacha20poly1305_ietf_KEYBYTES);
G_STATIC_ASSERT (CIPHER_TAG == crypto_aead_chacha20poly1305_ietf_ABYTES);

#define NONCE crypto_aead_chacha20poly1305_ietf_NPUBBYTES

/* 12.3: 32 bits of zeros, then 64 bits little-endian. */
static void
make_nonce (guint8 nonce[NONCE], guint64 n)
{
  n = GUINT64_TO_LE (n);
  memset (nonce, 0, 4);
  memcpy (nonce + 4, &n, sizeof n);
}

/* libsodium declares its inputs nonnull even where their length is 0. */
static const guint8 *
some (const guint8 *bytes)
{
  static const guint8 nothing[1];

  return bytes != NULL ? bytes : nothing;
}

void
cipher_init (Cipher *cipher, const guint8 key[CIPHER_KEY])
{
  memcpy (cipher->key, key, CIPHER_KEY);
  cipher->n = 0;
  cipher->has_key = TRUE;
}

void
cipher_wipe (Cipher *cipher)
{
  sodium_memzero (cipher, sizeof *cipher);
}

gboolean
cipher_encrypt (Cipher *cipher, const guint8 *ad, gsize ad_len, const guint8 *text, gsize len, guint8 *out)
{
  guint8 nonce[NONCE];

  g_return_val_if_fail (cipher->has_key, FALSE);
  if (cipher->n == G_MAXUINT64)
    return FALSE;
  make_nonce (nonce, cipher->n++);
  return crypto_aead_chacha20poly1305_ietf_encrypt (out, NULL, some (text), len, some (ad), ad_len, NULL,
                                                    nonce, cipher->key)
         == 0;
}

gboolean
cipher_decrypt (Cipher *cipher, const guint8 *ad, gsize ad_len, const guint8 *sealed, gsize len, guint8 *out)
{
  guint8 nonce[NONCE];

  g_return_val_if_fail (cipher->has_key, FALSE);
  if (cipher->n == G_MAXUINT64 || len < CIPHER_TAG)
    return FALSE;
  make_nonce (nonce, cipher->n);
  if (crypto_aead_chacha20poly1305_ietf_decrypt (out, NULL, NULL, sealed, len, some (ad), ad_len, nonce,
                                                 cipher->key)
      != 0)
    return FALSE;
  cipher->n++;
  return TRUE;
}

void
cipher_rekey (Cipher *cipher)
{
  static const guint8 zeros[CIPHER_KEY];
  guint8 sealed[CIPHER_KEY + CIPHER_TAG];
  guint8 nonce[NONCE];

  g_return_if_fail (cipher->has_key);
  make_nonce (nonce, G_MAXUINT64);
  crypto_aead_chacha20poly1305_ietf_encrypt (sealed, NULL, zeros, sizeof zeros, some (NULL), 0, NULL, nonce,
                                             cipher->key);
  memcpy (cipher->key, sealed, CIPHER_KEY);
  sodium_memzero (sealed, sizeof sealed);
}
