/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Noise's CipherState (revision 34, 5.1) with ChaCha20-Poly1305: a key and a counter of its own. Pure. */

#define CIPHER_KEY 32
#define CIPHER_TAG 16

typedef struct
{
  guint8 key[CIPHER_KEY];
  guint64 n;
  gboolean has_key;
} Cipher;

/* cipher_init: takes @key, nonce 0. */
void cipher_init (Cipher *cipher, const guint8 key[CIPHER_KEY]);
void cipher_wipe (Cipher *cipher);

/* cipher_encrypt: writes @len + CIPHER_TAG bytes to @out, which may be @text. FALSE where all nonces are used
 * up (2^64-1 is reserved for cipher_rekey()); nothing is written then. Needs a key. */
gboolean cipher_encrypt (Cipher *cipher, const guint8 *ad, gsize ad_len, const guint8 *text, gsize len,
                         guint8 *out);

/* cipher_decrypt: @len is with the tag; writes @len - CIPHER_TAG bytes to @out, which may be @sealed. FALSE
 * where the tag is wrong, there is none, or all nonces are used up; the nonce stays. */
gboolean cipher_decrypt (Cipher *cipher, const guint8 *ad, gsize ad_len, const guint8 *sealed, gsize len,
                         guint8 *out);

/* cipher_rekey: REKEY() of 4.2: what was sealed before cannot be opened with what is known after. n runs on.
 */
void cipher_rekey (Cipher *cipher);
