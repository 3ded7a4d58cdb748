/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/prologue.h"

#include <string.h>

static const char label[] = "hearby-noise-0"; /* with its NUL */

G_STATIC_ASSERT (PROLOGUE_SIZE == sizeof label + 2 * crypto_hash_sha256_BYTES);

void
prologue_init (Prologue *prologue)
{
  for (guint i = 0; i < G_N_ELEMENTS (prologue->sides); i++)
    crypto_hash_sha256_init (&prologue->sides[i]);
}

void
prologue_add (Prologue *prologue, PrologueSide sender, const void *bytes, gsize len)
{
  if (len > 0)
    crypto_hash_sha256_update (&prologue->sides[sender], bytes, len);
}

void
prologue_finish (Prologue *prologue, guint8 out[PROLOGUE_SIZE])
{
  memcpy (out, label, sizeof label);
  out += sizeof label;
  crypto_hash_sha256_final (&prologue->sides[PROLOGUE_INITIATOR], out);
  crypto_hash_sha256_final (&prologue->sides[PROLOGUE_RESPONDER], out + crypto_hash_sha256_BYTES);
}
