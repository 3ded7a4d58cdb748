/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: a hint is recognised with its key and its name only, and nothing that a stranger publishes is taken
 * for one. */
#include "secure/hint.h"

#include <sodium.h>
#include <string.h>

static void
read_key (guint8 key[X25519_KEY])
{
  sodium_hex2bin (key, X25519_KEY, "b77d147b5fe4e5363029798b550ec14317277a352a79445f2bbd8f5934c1b9c6", 64,
                  NULL, NULL, NULL);
}

/* Made by Python's hmac. */
static void
test_vectors (void)
{
  static const struct
  {
    guint8 salt[HINT_SALT];
    const char *instance, *hint;
  } cases[] = {
    { { 0, 1, 2, 3, 4, 5, 6, 7 }, "juliet@pronto", "AAECAwQFBgfrL5PNGdqmiQ==" },
    { { 0, 1, 2, 3, 4, 5, 6, 7 }, "Juliet@pronto", "AAECAwQFBgeQCC2zudra6Q==" },
    { { 255, 255, 255, 255, 255, 255, 255, 255 }, "zoë@café", "//////////+WKiThogyXXw==" },
    { { 0 }, "", "AAAAAAAAAAC4r/ni5NCwNw==" },
  };
  guint8 key[X25519_KEY];
  char hint[HINT_SIZE];

  read_key (key);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      hint_make (key, cases[i].instance, cases[i].salt, hint);
      g_assert_cmpstr (hint, ==, cases[i].hint);
      g_assert_true (hint_matches (hint, cases[i].instance, key));
    }
}

static void
test_others (void)
{
  static const guint8 salt[HINT_SALT] = { 1 };
  static const char *const names[]
      = { "juliet@pront", "juliet@pronto ", "juliet-1@pronto", "JULIET@pronto", "" };
  guint8 key[X25519_KEY];
  char hint[HINT_SIZE];

  read_key (key);
  hint_make (key, "juliet@pronto", salt, hint);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_false (hint_matches (hint, names[i], key));
  for (guint bit = 0; bit < 8 * X25519_KEY; bit++)
    {
      key[bit / 8] ^= (guint8)(1 << bit % 8);
      g_assert_false (hint_matches (hint, "juliet@pronto", key));
      key[bit / 8] ^= (guint8)(1 << bit % 8);
    }
  for (guint i = 0; i < HINT_SIZE - 1; i++)
    for (guint bit = 0; bit < 8; bit++)
      {
        hint[i] ^= (char)(1 << bit);
        g_assert_false (hint_matches (hint, "juliet@pronto", key));
        hint[i] ^= (char)(1 << bit);
      }
  g_assert_true (hint_matches (hint, "juliet@pronto", key));
}

static void
test_hostile (void)
{
  static const char *const values[] = {
    "",
    "AAECAwQFBgfrL5PNGdqmiQ", /* no padding */
    "AAECAwQFBgfrL5PNGdqmiQ=",
    "AAECAwQFBgfrL5PNGdqmiQ===",
    "AAECAwQFBgfrL5PNGdqmiR==", /* bits that say nothing */
    "AAECAwQFBgfrL5PNGdqmiQ==\n",
    " AAECAwQFBgfrL5PNGdqmiQ==",
    "AAECAwQF BgfrL5PNGdqmiQ=",
    "AAECAwQFBgfrL5PNGdqmiQAA", /* 18 bytes */
    "AAECAwQFBgfrL5PNGdqmiQAAAAA=",
    "________________________",
    "========================",
    "k=AAECAwQFBgfrL5PNGdqmiQ==",
  };
  guint8 key[X25519_KEY];
  g_autofree char *long_one = g_strnfill (100000, 'A');

  read_key (key);
  g_assert_true (hint_matches ("AAECAwQFBgfrL5PNGdqmiQ==", "juliet@pronto", key));
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    g_assert_false (hint_matches (values[i], "juliet@pronto", key));
  g_assert_false (hint_matches (long_one, "juliet@pronto", key));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  g_test_add_func ("/hint/vectors", test_vectors);
  g_test_add_func ("/hint/others", test_others);
  g_test_add_func ("/hint/hostile", test_hostile);
  return g_test_run ();
}
