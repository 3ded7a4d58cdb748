/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: of all values only the one that is made matches, whatever salt and name it is made of. The
 * input is a value, a NUL and a name. */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "secure/hint.h"

static const guint8 key[X25519_KEY] = { 9 };

/* The salt of @value where it has one. */
static void
take_salt (const char *value, guint8 salt[HINT_SALT])
{
  guint8 bytes[32] = { 0 };

  sodium_base642bin (bytes, sizeof bytes, value, strlen (value), NULL, NULL, NULL,
                     sodium_base64_VARIANT_ORIGINAL);
  memcpy (salt, bytes, HINT_SALT);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *value = g_strndup ((const char *)data, size);
  gsize behind = MIN (strlen (value) + 1, size);
  g_autofree char *instance = g_strndup ((const char *)data + behind, size - behind);
  guint8 salt[HINT_SALT];
  char hint[HINT_SIZE];

  if (sodium_init () < 0)
    return 0;
  take_salt (value, salt);
  hint_make (key, instance, salt, hint);
  g_assert_true (hint_matches (hint, instance, key));
  g_assert_true (hint_matches (value, instance, key) == g_str_equal (hint, value));
  return 0;
}
