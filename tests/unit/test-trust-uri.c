/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what is written names the same peer and key when it is read; from anybody's paper nothing else is
 * taken. */
#include "secure/trust-uri.h"

#include <sodium.h>
#include <string.h>

#include "base/error.h"

#define HEX "b77d147b5fe4e5363029798b550ec14317277a352a79445f2bbd8f5934c1b946"
#define HEX_UPPER "B77D147B5FE4E5363029798B550EC14317277A352A79445F2BBD8F5934C1B946"
#define QUERY "?trust-message;encryption=urn:x-hearby:noise:0;trust="
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void
read_key (guint8 key[X25519_KEY])
{
  sodium_hex2bin (key, X25519_KEY, HEX, 64, NULL, NULL, NULL);
}

static void
assert_reads (const char *text, const char *instance)
{
  g_autoptr (GError) error = NULL;
  guint8 key[X25519_KEY];
  TrustUri uri;

  read_key (key);
  trust_uri_parse (text, &uri, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (uri.instance, ==, instance);
  g_assert_cmpmem (uri.key, X25519_KEY, key, X25519_KEY);
}

static gboolean
is_refused (const char *text)
{
  g_autoptr (GError) error = NULL;
  TrustUri uri;

  memset (&uri, 1, sizeof uri);
  return !trust_uri_parse (text, &uri, &error)
         && g_error_matches (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT)
         && sodium_is_zero ((const guint8 *)&uri, sizeof uri);
}

static void
test_make (void)
{
  static const struct
  {
    const char *instance, *uri;
  } cases[] = {
    { "juliet@pronto", "xmpp:juliet@pronto" QUERY HEX },
    { "pronto", "xmpp:pronto" QUERY HEX },
    { "a@b@c", "xmpp:a%40b@c" QUERY HEX },
    { "zoë capulet@café", "xmpp:zo%C3%AB%20capulet@caf%C3%A9" QUERY HEX },
    { "a/b?c#d%e;f=g:h&'@i", "xmpp:a%2Fb%3Fc%23d%25e%3Bf%3Dg%3Ah%26%27@i" QUERY HEX },
    { "-._~09azAZ@x", "xmpp:-._~09azAZ@x" QUERY HEX },
    { "@", "xmpp:@" QUERY HEX },
    { "\xf0\x9f\x8e\xad@verona", "xmpp:%F0%9F%8E%AD@verona" QUERY HEX },
  };
  guint8 key[X25519_KEY];

  read_key (key);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *uri = trust_uri_make (cases[i].instance, key);

      g_assert_cmpstr (uri, ==, cases[i].uri);
      assert_reads (uri, cases[i].instance);
    }
}

static void
test_make_limits (void)
{
  g_autofree char *longest = g_strnfill (LIMIT_INSTANCE, '/');
  g_autofree char *too_long = g_strnfill (LIMIT_INSTANCE + 1, '/');
  g_autofree char *uri = NULL;
  guint8 key[X25519_KEY];

  read_key (key);
  uri = trust_uri_make (longest, key);
  g_assert_cmpuint (strlen (uri), ==, 311);
  assert_reads (uri, longest);
  g_assert_null (trust_uri_make (too_long, key));
  g_assert_null (trust_uri_make ("", key));
  g_assert_null (trust_uri_make ("a\nb@c", key));
  g_assert_null (trust_uri_make ("a\xff@c", key));
  g_assert_null (trust_uri_make ("\xe2\x80\xae"
                                 "a@c",
                                 key));
}

static void
test_read (void)
{
  assert_reads ("XMPP:juliet@pronto" QUERY HEX, "juliet@pronto");
  assert_reads ("xmpp:juliet@pronto" QUERY HEX_UPPER, "juliet@pronto");
  assert_reads ("xmpp:%6a%75%6C%69%65%74%40pronto" QUERY HEX, "juliet@pronto");
  assert_reads ("xmpp:zoë@café" QUERY HEX, "zoë@café"); /* as an IRI (RFC 3987) */
  assert_reads ("xmpp:a;b,c=d@e" QUERY HEX, "a;b,c=d@e");
  assert_reads ("xmpp:juliet+1@pronto" QUERY HEX, "juliet+1@pronto");
  assert_reads ("xmpp:juliet@pronto?trust-message;encryption=urn%3Ax-hearby%3Anoise%3A0;trust=" HEX,
                "juliet@pronto");
}

static void
test_refused (void)
{
  static const char *const texts[] = {
    "",
    "xmpp",
    "xmpp:",
    "xmpp:juliet@pronto",
    "xmpp:juliet@pronto?",
    "xmpp:juliet@pronto?trust-message",
    "xmpp:juliet@pronto?trust-message;",
    "xmpp:juliet@pronto?trust-message;encryption=urn:x-hearby:noise:0",
    "xmpp:juliet@pronto?trust-message;encryption=urn:x-hearby:noise:0;",
    "xmpp:juliet@pronto" QUERY,
    "http:juliet@pronto" QUERY HEX,
    " xmpp:juliet@pronto" QUERY HEX,
    "xmpp:juliet@pronto" QUERY HEX " ",
    "xmpp:juliet@pronto" QUERY HEX "\n",
    /* names */
    "xmpp:" QUERY HEX,
    "xmpp:juliet@pronto/balcony" QUERY HEX,
    "xmpp://juliet@pronto" QUERY HEX,
    "xmpp:juliet@pronto#fragment" QUERY HEX,
    "xmpp:ju liet@pronto" QUERY HEX,
    "xmpp:juliet%" QUERY HEX,
    "xmpp:juliet%4" QUERY HEX,
    "xmpp:juliet%4g" QUERY HEX,
    "xmpp:juliet%00@pronto" QUERY HEX,
    "xmpp:juliet%0a@pronto" QUERY HEX,
    "xmpp:juliet%1b[2J@pronto" QUERY HEX,
    "xmpp:juliet%7f@pronto" QUERY HEX,
    "xmpp:%20juliet@pronto" QUERY HEX,
    "xmpp:juliet%e2%80%ae@pronto" QUERY HEX, /* turns the line round */
    "xmpp:juliet%ff@pronto" QUERY HEX,
    "xmpp:juliet%c0%80@pronto" QUERY HEX,
    "xmpp:juliet%ed%a0%80@pronto" QUERY HEX, /* a surrogate */
    "xmpp:juliet\xff@pronto" QUERY HEX,
    /* action and encryption */
    "xmpp:juliet@pronto?message;encryption=urn:x-hearby:noise:0;trust=" HEX,
    "xmpp:juliet@pronto?Trust-Message;encryption=urn:x-hearby:noise:0;trust=" HEX,
    "xmpp:juliet@pronto?trust-messages;encryption=urn:x-hearby:noise:0;trust=" HEX,
    "xmpp:juliet@pronto?trust-message;encryption=urn:x-hearby:noise:1;trust=" HEX,
    "xmpp:juliet@pronto?trust-message;encryption=urn:x-hearby:noise:00;trust=" HEX,
    "xmpp:juliet@pronto?trust-message;encryption=URN:x-hearby:noise:0;trust=" HEX,
    "xmpp:juliet@pronto?trust-message;encryption=urn:xmpp:omemo:2;trust=" HEX,
    "xmpp:juliet@pronto?trust-message;encryption=;trust=" HEX,
    "xmpp:juliet@pronto?trust-message;encryption;trust=" HEX,
    "xmpp:juliet@pronto?trust-message;trust=" HEX ";encryption=urn:x-hearby:noise:0",
    "xmpp:juliet@pronto?trust-message;trust=" HEX,
    "xmpp:juliet@pronto?trust-message&encryption=urn:x-hearby:noise:0&trust=" HEX,
    "xmpp:juliet@pronto?trust-message;;encryption=urn:x-hearby:noise:0;trust=" HEX,
    /* more and other pairs */
    "xmpp:juliet@pronto" QUERY HEX ";",
    "xmpp:juliet@pronto" QUERY HEX ";trust=" HEX,
    "xmpp:juliet@pronto" QUERY HEX ";distrust=" HEX,
    "xmpp:juliet@pronto" QUERY HEX ";usage=x",
    "xmpp:juliet@pronto" QUERY HEX "?trust=" HEX,
    "xmpp:juliet@pronto" QUERY HEX "#fragment",
    "xmpp:juliet@pronto?trust-message;encryption=urn:x-hearby:noise:0;distrust=" HEX,
    "xmpp:juliet@pronto?trust-message;encryption=urn:x-hearby:noise:0;TRUST=" HEX,
    "xmpp:juliet@pronto?trust-message;encryption=urn:x-hearby:noise:0;%74rust=" HEX,
    /* keys */
    "xmpp:juliet@pronto" QUERY "0" HEX,
    "xmpp:juliet@pronto" QUERY HEX "00",
    "xmpp:juliet@pronto" QUERY "x" HEX,
    "xmpp:juliet@pronto" QUERY "77d147b5fe4e5363029798b550ec14317277a352a79445f2bbd8f5934c1b946",
    "xmpp:juliet@pronto" QUERY "g77d147b5fe4e5363029798b550ec14317277a352a79445f2bbd8f5934c1b946",
    "xmpp:juliet@pronto" QUERY "b7:d147b5fe4e5363029798b550ec14317277a352a79445f2bbd8f5934c1b946",
    "xmpp:juliet@pronto" QUERY ZEROS, /* of low order */
    "xmpp:juliet@pronto" QUERY
    "b77d147b5fe4e5363029798b550ec14317277a352a79445f2bbd8f5934c1b9c6", /* bit 255 */
    "xmpp:juliet@pronto" QUERY "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "xmpp:juliet@pronto" QUERY "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (!is_refused (texts[i]))
      g_error ("taken: %s", texts[i]);
}

static void
test_limits (void)
{
  g_autofree char *name = g_strnfill (LIMIT_INSTANCE, 'x');
  g_autofree char *longest = g_strconcat ("xmpp:", name, QUERY HEX, NULL);
  g_autofree char *long_name = g_strconcat ("xmpp:x", name, QUERY HEX, NULL);
  g_autofree char *padding = g_strnfill (LIMIT_TRUST_URI, '0');
  g_autofree char *whole = g_strconcat ("xmpp:a" QUERY HEX, padding, NULL);
  g_autofree char *huge = g_strnfill (10 * 1000 * 1000, '%');

  assert_reads (longest, name);
  g_assert_true (is_refused (long_name));
  for (gsize i = LIMIT_TRUST_URI - 2; i <= LIMIT_TRUST_URI + 2; i++)
    {
      g_autofree char *cut = g_strndup (whole, i);

      g_assert_true (is_refused (cut));
    }
  g_assert_true (is_refused (huge));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  g_test_add_func ("/trust-uri/make", test_make);
  g_test_add_func ("/trust-uri/make-limits", test_make_limits);
  g_test_add_func ("/trust-uri/read", test_read);
  g_test_add_func ("/trust-uri/refused", test_refused);
  g_test_add_func ("/trust-uri/limits", test_limits);
  return g_test_run ();
}
