/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: a key is read back from what was written, in clear and sealed; whatever else stands in the file is
 * refused, and no numbers in it make reading expensive. */
#include "secure/identity-text.h"

#include <sodium.h>
#include <string.h>

#include "base/error.h"

/* As cheap as Argon2 gets. */
static IdentityText
example (void)
{
  IdentityText identity = { .opslimit = 1, .memlimit = IDENTITY_TEXT_MEMLIMIT_MIN };

  memset (identity.secret, 0x5a, sizeof identity.secret);
  identity_text_clamp (identity.secret);
  memset (identity.salt, 1, sizeof identity.salt);
  memset (identity.nonce, 2, sizeof identity.nonce);
  x25519_public (identity.public, identity.secret);
  return identity;
}

static IdentityText
sealed_example (void)
{
  IdentityText identity = example ();

  g_assert_true (identity_text_seal (&identity, "wherefore"));
  return identity;
}

static gboolean
reads (const char *text)
{
  IdentityText identity;
  g_autoptr (GError) error = NULL;
  gboolean good = identity_text_parse (text, strlen (text), &identity, &error);

  g_assert_true (good || g_error_matches (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR));
  g_assert_true (good || sodium_is_zero ((const guint8 *)&identity, sizeof identity));
  return good;
}

static void
test_clear (void)
{
  IdentityText identity = example (), again;
  char text[LIMIT_IDENTITY_TEXT];
  gsize len = identity_text_write (&identity, text);

  g_assert_cmpuint (len, ==, strlen (text));
  g_assert_true (g_str_has_prefix (text, "hearby identity 0\npublic "));
  g_assert_true (g_str_has_suffix (text, "\nsecret WFpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=\n"));
  g_assert_true (identity_text_parse (text, len, &again, NULL));
  g_assert_false (again.sealed);
  g_assert_cmpmem (again.secret, X25519_KEY, identity.secret, X25519_KEY);
  g_assert_cmpmem (again.public, X25519_KEY, identity.public, X25519_KEY);
}

static void
test_sealed (void)
{
  IdentityText clear = example (), identity = sealed_example (), again;
  char text[LIMIT_IDENTITY_TEXT];
  guint8 secret[X25519_KEY];

  g_assert_true (identity.sealed);
  g_assert_true (sodium_is_zero (identity.secret, X25519_KEY));
  identity_text_write (&identity, text);
  g_assert_nonnull (strstr (text, "\nargon2id13 1 8192 AQEBAQEBAQEBAQEBAQEBAQ==\nsealed "));
  g_assert_null (strstr (text, "secret"));
  g_assert_true (identity_text_parse (text, strlen (text), &again, NULL));
  g_assert_cmpint (identity_text_open (&again, "wherefore", secret), ==, IDENTITY_TEXT_OPENED);
  g_assert_cmpmem (secret, X25519_KEY, clear.secret, X25519_KEY);
  g_assert_cmpint (identity_text_open (&again, "wherefor", secret), ==, IDENTITY_TEXT_WRONG);
  g_assert_true (sodium_is_zero (secret, X25519_KEY));
}

/* What stands above the sealed line is bound to it. */
static void
test_changed (void)
{
  IdentityText original = sealed_example (), changed;
  guint8 secret[X25519_KEY];
  struct
  {
    void *byte;
  } bytes[] = { { &changed.public[0] }, { &changed.opslimit }, { &changed.memlimit }, { &changed.salt[15] },
                { &changed.nonce[0] },  { &changed.box[0] },   { &changed.box[47] } };

  for (guint i = 0; i < G_N_ELEMENTS (bytes); i++)
    {
      changed = original;
      *(guint8 *)bytes[i].byte ^= 2;
      g_assert_cmpint (identity_text_open (&changed, "wherefore", secret), ==, IDENTITY_TEXT_WRONG);
    }
}

/* A secret that is not the public key's, although the seal is right. */
static void
test_other_secret (void)
{
  IdentityText identity = example ();
  guint8 secret[X25519_KEY];

  identity.secret[1] ^= 1;
  g_assert_true (identity_text_seal (&identity, "wherefore"));
  g_assert_cmpint (identity_text_open (&identity, "wherefore", secret), ==, IDENTITY_TEXT_WRONG);
}

/* Cut anywhere, or with any one byte changed, it is no key, but for the sealed bytes, which only the
 * passphrase can judge. */
static void
test_damaged (void)
{
  IdentityText both[] = { example (), sealed_example () };

  for (guint k = 0; k < G_N_ELEMENTS (both); k++)
    {
      char text[LIMIT_IDENTITY_TEXT];
      gsize len = identity_text_write (&both[k], text);
      gsize judged = k == 0 ? len : (gsize)(strstr (text, "public") - text);

      for (gsize i = 0; i < judged; i++)
        for (guint bit = 0; bit < 8; bit++)
          {
            text[i] ^= (char)(1 << bit);
            if (text[i] != '\0')
              g_assert_false (reads (text));
            text[i] ^= (char)(1 << bit);
          }
      for (gsize i = 0; i < len; i++)
        {
          g_autofree char *part = g_strndup (text, i);

          g_assert_false (reads (part));
        }
    }
}

static char *
with (const char *text, const char *what, const char *instead)
{
  g_auto (GStrv) parts = g_strsplit (text, what, 2);

  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  return g_strjoinv (instead, parts);
}

static void
test_refused (void)
{
  static const struct
  {
    const char *what, *instead;
  } cases[] = {
    { "1 8192 ", "9 8192 " }, /* takes too long */
    { "1 8192 ", "4294967297 8192 " },
    { "1 8192 ", "99999999999999999999999 8192 " },
    { "1 8192 ", "0 8192 " },
    { "1 8192 ", "1 268435457 " }, /* takes too much */
    { "1 8192 ", "1 68719476736 " },
    { "1 8192 ", "1 4294975488 " }, /* 2^32 + 8192 */
    { "1 8192 ", "1 18446744073709551615 " },
    { "1 8192 ", "1 8191 " },
    { "1 8192 ", "1 -8192 " },
    { "1 8192 ", "+1 8192 " },
    { "1 8192 ", "01 8192 " },
    { "1 8192 ", "1  8192 " },
    { "1 8192 ", "1\t8192 " },
    { "1 8192 ", "1 8192" },
    { "1 8192 ", "" },
    { "argon2id13", "argon2i13" },
    { "argon2id13", "ARGON2ID13" },
    { "AQEB", "AQE" },
    { "AQEB", "AQEBAQEB" },
    { "AQEB", "AQE\n" },
    { "==\n", "\n" },
    { "==\n", "=\n" },
    { "AQ==\n", "AR==\n" }, /* bits that nothing is made of */
    { "\nsealed ", "\n\nsealed " },
    { "\nsealed ", "\r\nsealed " },
    { "\nsealed ", "\nsecret " },
    { "identity 0", "identity 1" },
    { "identity 0", "identity 00" },
    { "hearby", "\xef\xbb\xbfhearby" },
    { "hearby", "\nhearby" },
  };
  IdentityText identity = sealed_example ();
  char text[LIMIT_IDENTITY_TEXT];

  identity_text_write (&identity, text);
  g_assert_true (reads (text));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *changed = with (text, cases[i].what, cases[i].instead);

      if (reads (changed))
        g_error ("read with '%s'", cases[i].instead);
    }
}

static void
test_more (void)
{
  IdentityText identity = example ();
  char text[LIMIT_IDENTITY_TEXT * 2];
  gsize len = identity_text_write (&identity, text);

  g_assert_true (identity_text_parse (text, len, &identity, NULL));
  g_assert_false (identity_text_parse (text, len + 1, &identity, NULL)); /* its NUL */
  text[len] = '\n';
  g_assert_false (identity_text_parse (text, len + 1, &identity, NULL));
  memset (text + len, 'x', sizeof text - len);
  g_assert_false (identity_text_parse (text, LIMIT_IDENTITY_TEXT - 1, &identity, NULL));
  g_assert_false (identity_text_parse (text, LIMIT_IDENTITY_TEXT, &identity, NULL));
  g_assert_false (identity_text_parse (text, sizeof text, &identity, NULL));
  g_assert_false (reads (""));
}

/* Of the numbers that are taken, the largest. */
static void
test_limits (void)
{
  IdentityText identity = sealed_example ();
  char text[LIMIT_IDENTITY_TEXT];

  identity.opslimit = IDENTITY_TEXT_OPSLIMIT_MAX;
  identity.memlimit = IDENTITY_TEXT_MEMLIMIT;
  identity_text_write (&identity, text);
  g_assert_true (reads (text));
}

/* No key that a peer would refuse. */
static void
test_weak (void)
{
  IdentityText identity = sealed_example ();
  char text[LIMIT_IDENTITY_TEXT];

  memset (identity.public, 0, sizeof identity.public);
  identity_text_write (&identity, text);
  g_assert_false (reads (text));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  g_test_add_func ("/identity-text/clear", test_clear);
  g_test_add_func ("/identity-text/sealed", test_sealed);
  g_test_add_func ("/identity-text/changed", test_changed);
  g_test_add_func ("/identity-text/other-secret", test_other_secret);
  g_test_add_func ("/identity-text/damaged", test_damaged);
  g_test_add_func ("/identity-text/refused", test_refused);
  g_test_add_func ("/identity-text/more", test_more);
  g_test_add_func ("/identity-text/limits", test_limits);
  g_test_add_func ("/identity-text/weak", test_weak);
  return g_test_run ();
}
