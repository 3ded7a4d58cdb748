/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "secure/cipher.h"

/* Noise's SymmetricState (revision 34, 5.2) with SHA-256: the chaining key, the hash of all that was said,
 * and the cipher of the handshake. Pure. */

#define SYMMETRIC_HASH 32

typedef struct
{
  guint8 ck[SYMMETRIC_HASH];
  guint8 h[SYMMETRIC_HASH];
  Cipher cipher;
} Symmetric;

void symmetric_init (Symmetric *symmetric, const char *protocol);
void symmetric_wipe (Symmetric *symmetric);
void symmetric_mix_key (Symmetric *symmetric, const guint8 *key, gsize len);
void symmetric_mix_hash (Symmetric *symmetric, const guint8 *bytes, gsize len);
void symmetric_mix_key_and_hash (Symmetric *symmetric, const guint8 *key, gsize len);

/* symmetric_overhead: by how much text grows when it is sealed now: 0 before there is a key. */
gsize symmetric_overhead (const Symmetric *symmetric);

/* symmetric_seal: EncryptAndHash(): appends to @out. */
gboolean symmetric_seal (Symmetric *symmetric, const guint8 *text, gsize len, GByteArray *out);

/* symmetric_open: DecryptAndHash(): @out has room for @len - symmetric_overhead() bytes. */
gboolean symmetric_open (Symmetric *symmetric, const guint8 *sealed, gsize len, guint8 *out);

/* symmetric_split: the ciphers of the initiator's and the responder's direction; wipes all but h. */
void symmetric_split (Symmetric *symmetric, Cipher *initiator, Cipher *responder);
