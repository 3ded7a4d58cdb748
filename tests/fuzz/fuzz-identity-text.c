/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: what is read is written back byte for byte, and its numbers are ones that a machine can bear;
 * what is not read leaves nothing behind. */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "secure/identity-text.h"

static void
check_bearable (const IdentityText *identity)
{
  g_assert_cmpuint (identity->opslimit, >=, 1);
  g_assert_cmpuint (identity->opslimit, <=, IDENTITY_TEXT_OPSLIMIT_MAX);
  g_assert_cmpuint (identity->memlimit, >=, IDENTITY_TEXT_MEMLIMIT_MIN);
  g_assert_cmpuint (identity->memlimit, <=, IDENTITY_TEXT_MEMLIMIT);
  g_assert_true (sodium_is_zero (identity->secret, X25519_KEY));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  IdentityText identity;
  char text[LIMIT_IDENTITY_TEXT];

  if (sodium_init () < 0)
    return 0;
  if (!identity_text_parse ((const char *)data, size, &identity, NULL))
    {
      g_assert_true (sodium_is_zero ((const guint8 *)&identity, sizeof identity));
      return 0;
    }
  g_assert_cmpuint (identity_text_write (&identity, text), ==, size);
  g_assert_cmpmem (text, size, data, size);
  g_assert_true (x25519_is_acceptable (identity.public));
  if (identity.sealed)
    check_bearable (&identity);
  return 0;
}
