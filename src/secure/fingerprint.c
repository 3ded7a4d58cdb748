/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/fingerprint.h"

#include <sodium.h>
#include <string.h>

#define BYTES 20
#define CHARACTERS 32
#define GROUP 4

static const char label[] = "hearby-noise-0 fingerprint"; /* with its NUL */

/* RFC 4648 6, in small letters; 20 bytes need no padding. */
static void
encode (const guint8 bytes[BYTES], char out[CHARACTERS])
{
  static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

  for (guint i = 0; i < CHARACTERS; i++)
    {
      guint bit = i * 5;
      guint pair = (guint)bytes[bit / 8] << 8 | (bit / 8 + 1 < BYTES ? bytes[bit / 8 + 1] : 0);

      out[i] = alphabet[pair >> (11 - bit % 8) & 31];
    }
}

static void
make (const guint8 key[X25519_KEY], char out[CHARACTERS])
{
  crypto_hash_sha256_state state;
  guint8 digest[crypto_hash_sha256_BYTES];

  crypto_hash_sha256_init (&state);
  crypto_hash_sha256_update (&state, (const guint8 *)label, sizeof label);
  crypto_hash_sha256_update (&state, key, X25519_KEY);
  crypto_hash_sha256_final (&state, digest);
  encode (digest, out);
}

void
fingerprint_make (const guint8 key[X25519_KEY], char fingerprint[FINGERPRINT_SIZE])
{
  char plain[CHARACTERS];

  make (key, plain);
  for (guint i = 0; i < CHARACTERS; i++)
    {
      fingerprint[i + i / GROUP] = plain[i];
      if (i % GROUP == GROUP - 1)
        fingerprint[i + i / GROUP + 1] = '-';
    }
  fingerprint[FINGERPRINT_SIZE - 1] = '\0';
}

gboolean
fingerprint_is_of (const char *typed, const guint8 key[X25519_KEY])
{
  char plain[CHARACTERS];
  gsize n = 0;

  make (key, plain);
  for (; *typed != '\0'; typed++)
    {
      if (*typed == ' ' || *typed == '-')
        continue;
      if (n == CHARACTERS || g_ascii_tolower (*typed) != plain[n])
        return FALSE;
      n++;
    }
  return n == CHARACTERS;
}
