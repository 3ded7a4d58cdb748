/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/x25519.h"

#include <sodium.h>
#include <string.h>

G_STATIC_ASSERT (X25519_KEY == crypto_scalarmult_BYTES);
G_STATIC_ASSERT (X25519_KEY == crypto_scalarmult_SCALARBYTES);

/* The points of order 1, 2, 4 and 8 of the curve and its twist that have a canonical encoding. */
static const guint8 low_order[][X25519_KEY] = {
  { 0 },
  { 1 },
  { 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
    0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
  { 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
    0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 },
  { 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
};

/* Little-endian and below 2^255-19: so are all but 19 of the numbers without bit 255, and those begin at
 * 0x7fff…ffed. */
static gboolean
is_canonical (const guint8 key[X25519_KEY])
{
  if (key[31] != 0x7f)
    return key[31] < 0x7f;
  for (guint i = 30; i > 0; i--)
    if (key[i] != 0xff)
      return TRUE;
  return key[0] < 0xed;
}

void
x25519_public (guint8 public[X25519_KEY], const guint8 secret[X25519_KEY])
{
  crypto_scalarmult_base (public, secret);
}

gboolean
x25519_is_acceptable (const guint8 key[X25519_KEY])
{
  for (guint i = 0; i < G_N_ELEMENTS (low_order); i++)
    if (memcmp (key, low_order[i], X25519_KEY) == 0)
      return FALSE;
  return is_canonical (key);
}

gboolean
x25519_shared (guint8 shared[X25519_KEY], const guint8 secret[X25519_KEY], const guint8 public[X25519_KEY])
{
  if (crypto_scalarmult (shared, secret, public) == 0)
    return TRUE;
  sodium_memzero (shared, X25519_KEY);
  return FALSE;
}

int
x25519_compare (const guint8 a[X25519_KEY], const guint8 b[X25519_KEY])
{
  return memcmp (a, b, X25519_KEY);
}
