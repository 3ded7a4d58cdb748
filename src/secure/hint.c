/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/hint.h"

#include <sodium.h>
#include <string.h>

#define TAG 8
#define BYTES (HINT_SALT + TAG)
#define BASE64 sodium_base64_VARIANT_ORIGINAL

G_STATIC_ASSERT (HINT_SIZE == sodium_base64_ENCODED_LEN (BYTES, BASE64));

static const char label[] = "hearby-noise-0 hint"; /* with its NUL */

void
hint_make (const guint8 key[X25519_KEY], const char *instance, const guint8 salt[HINT_SALT],
           char hint[HINT_SIZE])
{
  crypto_auth_hmacsha256_state state;
  guint8 digest[crypto_auth_hmacsha256_BYTES];
  guint8 bytes[BYTES];

  crypto_auth_hmacsha256_init (&state, key, X25519_KEY);
  crypto_auth_hmacsha256_update (&state, (const guint8 *)label, sizeof label);
  crypto_auth_hmacsha256_update (&state, salt, HINT_SALT);
  crypto_auth_hmacsha256_update (&state, (const guint8 *)instance, strlen (instance));
  crypto_auth_hmacsha256_final (&state, digest);
  memcpy (bytes, salt, HINT_SALT);
  memcpy (bytes + HINT_SALT, digest, TAG);
  sodium_bin2base64 (hint, HINT_SIZE, bytes, sizeof bytes, BASE64);
}

/* Made again and compared as text, since libsodium's decoder takes some bytes above 0x7f, too. */
gboolean
hint_matches (const char *value, const char *instance, const guint8 key[X25519_KEY])
{
  guint8 bytes[BYTES];
  char expected[HINT_SIZE];
  gsize len = strlen (value), decoded;

  if (len != HINT_SIZE - 1
      || sodium_base642bin (bytes, sizeof bytes, value, len, NULL, &decoded, NULL, BASE64) != 0
      || decoded != sizeof bytes)
    return FALSE;
  hint_make (key, instance, bytes, expected);
  return memcmp (expected, value, HINT_SIZE) == 0;
}
