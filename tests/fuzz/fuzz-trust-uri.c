/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: what is read can be written and read again to the same name and key, which are good ones. And
 * any name that can be written is read back, with the same key. */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "secure/trust-uri.h"

static const guint8 some_key[X25519_KEY] = { 9 };

static void
check_again (const char *instance, const guint8 key[X25519_KEY])
{
  g_autofree char *text = trust_uri_make (instance, key);
  TrustUri again;

  g_assert_nonnull (text);
  g_assert_cmpuint (strlen (text), <=, LIMIT_TRUST_URI);
  g_assert_true (g_str_is_ascii (text));
  g_assert_true (trust_uri_parse (text, &again, NULL));
  g_assert_cmpstr (again.instance, ==, instance);
  g_assert_cmpmem (again.key, X25519_KEY, key, X25519_KEY);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *)data, size);
  g_autofree char *named = trust_uri_make (text, some_key);
  TrustUri uri;

  if (named != NULL)
    check_again (text, some_key);
  if (!trust_uri_parse (text, &uri, NULL))
    {
      g_assert_true (sodium_is_zero ((const guint8 *)&uri, sizeof uri));
      return 0;
    }
  g_assert_true (g_utf8_validate (uri.instance, -1, NULL));
  g_assert_true (x25519_is_acceptable (uri.key));
  check_again (uri.instance, uri.key);
  return 0;
}
