/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "secure/handshake.h"

#include <sodium.h>
#include <string.h>

/* Two sides of a handshake with keys that are always the same. */

static const guint8 pair_secrets[2][X25519_KEY] = { { 1, 2, 3 }, { 4, 5, 6 } };

static inline void
pair_fill (void *bytes, gsize len, gpointer data)
{
  memset (bytes, GPOINTER_TO_INT (data), len);
}

static inline NoiseConfig
pair_config (NoiseRole role)
{
  return (NoiseConfig){ .role = role,
                        .prologue = (const guint8 *)"prologue",
                        .prologue_len = 8,
                        .static_secret = pair_secrets[role],
                        .fill_random = pair_fill,
                        .random_data = GINT_TO_POINTER (0x40 + (int)role) };
}

static inline void
pair_public (NoiseRole role, guint8 public[X25519_KEY])
{
  x25519_public (public, pair_secrets[role]);
}
