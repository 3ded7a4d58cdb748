/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: a fingerprint is the same text everywhere, and only the whole of it counts, however it was typed. */
#include "secure/fingerprint.h"

#include <sodium.h>
#include <string.h>

static const char written[] = "7oqf-k4zx-3xyy-vz6o-udkm-tz5a-wxp3-x27w";

static void
read_key (guint8 key[X25519_KEY])
{
  sodium_hex2bin (key, X25519_KEY, "b77d147b5fe4e5363029798b550ec14317277a352a79445f2bbd8f5934c1b9c6", 64,
                  NULL, NULL, NULL);
}

static void
test_make (void)
{
  char fingerprint[FINGERPRINT_SIZE];
  guint8 key[X25519_KEY];

  read_key (key);
  fingerprint_make (key, fingerprint);
  g_assert_cmpstr (fingerprint, ==, written);
  key[31] ^= 1;
  fingerprint_make (key, fingerprint);
  g_assert_cmpstr (fingerprint, !=, written);
  g_assert_true (g_regex_match_simple ("^([a-z2-7]{4}-){7}[a-z2-7]{4}$", fingerprint, 0, 0));
}

static void
test_typed (void)
{
  guint8 key[X25519_KEY];

  read_key (key);
  g_assert_true (fingerprint_is_of (written, key));
  g_assert_true (fingerprint_is_of (" 7OQFK4ZX3XYYVZ6O udkmtz5awxp3x27w", key));
  g_assert_false (fingerprint_is_of ("", key));
  g_assert_false (fingerprint_is_of ("7oqf-k4zx", key));
  g_assert_false (fingerprint_is_of ("7oqf-k4zx-3xyy-vz6o-udkm-tz5a-wxp3-x27", key));
  g_assert_false (fingerprint_is_of ("7oqf-k4zx-3xyy-vz6o-udkm-tz5a-wxp3-x27wa", key));
  g_assert_false (fingerprint_is_of ("7oqf-k4zx-3xyy-vz6o-udkm-tz5a-wxp3-x27x", key));
  key[0] ^= 1;
  g_assert_false (fingerprint_is_of (written, key));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  g_test_add_func ("/fingerprint/make", test_make);
  g_test_add_func ("/fingerprint/typed", test_typed);
  return g_test_run ();
}
