/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/socks5.h"

#include <string.h>

#include "base/error.h"
#include "slices.h"

/* Goal: our client and our server get on with each other and with libpurple's, whatever the slices; not one byte of the file is taken for
 * the talk before it; and only who knows the digest gets through, without an answer that tells it. */

#define DIGEST "b3f473f04cff88326455af21a528d7f9666f381f"
#define OTHER "04c1a20680d0adb22afc213f04d49057fe4e038f"
#define REQUEST "\5\1\0\3\x28" DIGEST "\0\0"
#define ANSWER "\5\0\0\3\x28" DIGEST "\0\0"

/* Bytes of a string literal, its end left out. */
#define BYTES(text) (const guint8 *)(text), sizeof (text) - 1

/* Pushes all of it in slices; how much was used until it was open or broken. */
static gsize
push (Socks5 *socks5, const guint8 *bytes, gsize len, guint slicing, GError **error)
{
  Slices slices = slices_new (slicing);
  gsize at = 0, used = 0;

  while (at < len && !socks5_is_open (socks5))
    {
      gsize n = slices_next (&slices, len - at);

      if (!socks5_push (socks5, bytes + at, n, &used, error))
        break;
      at += used;
      g_assert_true (used == n || socks5_is_open (socks5));
    }
  slices_clear (&slices);
  return at;
}

static void
check_output (Socks5 *socks5, const guint8 *bytes, gsize len)
{
  g_autoptr (GBytes) out = socks5_take_output (socks5);
  gsize n = 0;
  const void *data = out != NULL ? g_bytes_get_data (out, &n) : NULL;

  g_assert_cmpmem (data, n, bytes, len);
}

static void
test_server (void)
{
  for (guint slicing = 0; slicing < SLICINGS; slicing++)
    {
      g_autoptr (Socks5) server = socks5_new_server (DIGEST);

      check_output (server, NULL, 0);
      g_assert_cmpuint (push (server, BYTES ("\5\1\0"), slicing, NULL), ==, 3);
      check_output (server, BYTES ("\5\0"));
      g_assert_false (socks5_is_open (server));
      g_assert_cmpuint (push (server, BYTES (REQUEST "surplus"), slicing, NULL), ==, sizeof REQUEST - 1);
      g_assert_true (socks5_is_open (server));
      check_output (server, BYTES (ANSWER));
    }
}

static void
check_client (const guint8 *answer, gsize len)
{
  for (guint slicing = 0; slicing < SLICINGS; slicing++)
    {
      g_autoptr (Socks5) client = socks5_new_client (DIGEST);
      g_autofree guint8 *all = g_malloc (len + 4);

      memcpy (all, answer, len);
      memcpy (all + len, "file", 4);
      check_output (client, BYTES ("\5\1\0"));
      g_assert_cmpuint (push (client, BYTES ("\5\0"), slicing, NULL), ==, 2);
      check_output (client, BYTES (REQUEST));
      g_assert_cmpuint (push (client, all, len + 4, slicing, NULL), ==, len);
      g_assert_true (socks5_is_open (client));
      check_output (client, NULL, 0);
    }
}

static void
test_client (void)
{
  check_client (BYTES (ANSWER));
  check_client (BYTES ("\5\0\0\3\x0b" "10.77.0.200" "\0\0")); /* as libpurple does */
  check_client (BYTES ("\5\0\0\3\0" "\0\0"));
  check_client (BYTES ("\5\0\0\1" "abcd" "\0\0"));
  check_client (BYTES ("\5\0\0\4" "abcdefghijklmnop" "\0\0"));
}

static void
test_longest_answer (void)
{
  guint8 answer[5 + 255 + 2] = { 5, 0, 0, 3, 255 };

  check_client (answer, sizeof answer);
}

static void
test_many_methods (void)
{
  g_autoptr (Socks5) server = socks5_new_server (DIGEST);
  guint8 greeting[2 + 255] = { 5, 255 };

  memset (greeting + 2, 2, 254);
  g_assert_cmpuint (push (server, greeting, sizeof greeting, 1, NULL), ==, sizeof greeting);
  check_output (server, BYTES ("\5\0"));
}

static void
check_refused (Socks5 *socks5, const guint8 *bytes, gsize len, HearbyError code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) again = NULL;
  gsize used;

  push (socks5, bytes, len, 0, &error);
  g_assert_error (error, HEARBY_ERROR, (int)code);
  g_assert_false (socks5_push (socks5, BYTES (REQUEST), &used, &again));
  g_assert_cmpuint (used, ==, 0);
  g_assert_cmpstr (again->message, ==, error->message);
  g_assert_false (socks5_is_open (socks5));
}

static void
test_server_refuses (void)
{
  static const struct
  {
    const guint8 *bytes;
    gsize         len;
    guint8        reply;
  } table[] = {
    { BYTES ("\5\1\0\5\1\0\3\x28" OTHER "\0\0"), 2 },
    { BYTES ("\5\1\0\5\1\0\3\x27" "b3f473f04cff88326455af21a528d7f9666f381" "\0\0"), 2 },
    { BYTES ("\5\1\0\5\1\0\3\0\0\0"), 2 },
    { BYTES ("\5\1\0\5\2\0\3\x28" DIGEST "\0\0"), 7 },
    { BYTES ("\5\1\0\5\1\0\1" "abcd" "\0\0"), 8 },
    { BYTES ("\5\1\0\5\1\0\4" "abcdefghijklmnop" "\0\0"), 8 },
    { BYTES ("\5\1\0\5\1\0\7" "abcdefghijklmnop" "\0\0"), 8 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (Socks5) server = socks5_new_server (DIGEST);
      const guint8 answer[] = { 5, 0, 5, table[i].reply, 0, 1, 0, 0, 0, 0, 0, 0 };

      check_refused (server, table[i].bytes, table[i].len, HEARBY_ERROR_REJECTED);
      check_output (server, answer, sizeof answer);
    }
}

static void
test_no_socks (void)
{
  static const struct
  {
    const guint8 *bytes;
    gsize         len;
  } table[] = { { BYTES ("\4\1\0") }, { BYTES ("GET / HTTP/1.1\r\n") }, { BYTES ("\5\1\0\4\1\0\3\x28" DIGEST "\0\0") } };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (Socks5) server = socks5_new_server (DIGEST);

      check_refused (server, table[i].bytes, table[i].len, HEARBY_ERROR_FAILED);
    }
}

static void
test_no_method (void)
{
  static const struct
  {
    const guint8 *bytes;
    gsize         len;
  } table[] = { { BYTES ("\5\1\2") }, { BYTES ("\5\0") } };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (Socks5) server = socks5_new_server (DIGEST);

      check_refused (server, table[i].bytes, table[i].len, HEARBY_ERROR_FAILED);
      check_output (server, BYTES ("\5\xff"));
    }
}

static void
test_client_is_refused (void)
{
  static const struct
  {
    const guint8 *bytes;
    gsize         len;
    HearbyError   code;
  } table[] = {
    { BYTES ("\5\xff"), HEARBY_ERROR_REJECTED },
    { BYTES ("\5\2"), HEARBY_ERROR_REJECTED },
    { BYTES ("\5\0\5\2\0\1" "abcd" "\0\0"), HEARBY_ERROR_REJECTED },
    { BYTES ("\5\0\5\0\0\7" "abcd" "\0\0"), HEARBY_ERROR_FAILED },
    { BYTES ("\4\0"), HEARBY_ERROR_FAILED },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (Socks5) client = socks5_new_client (DIGEST);

      check_refused (client, table[i].bytes, table[i].len, table[i].code);
    }
}

static void
test_case_of_digits (void)
{
  g_autoptr (Socks5) server = socks5_new_server (DIGEST);
  g_autofree char *upper = g_ascii_strup (DIGEST, -1);

  push (server, BYTES ("\5\1\0\5\1\0\3\x28"), 0, NULL);
  push (server, (const guint8 *)upper, SOCKS5_DIGEST, 0, NULL);
  g_assert_false (socks5_is_open (server));
  push (server, BYTES ("\0\0"), 0, NULL);
  g_assert_true (socks5_is_open (server));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/socks5/server", test_server);
  g_test_add_func ("/socks5/client", test_client);
  g_test_add_func ("/socks5/longest-answer", test_longest_answer);
  g_test_add_func ("/socks5/many-methods", test_many_methods);
  g_test_add_func ("/socks5/server-refuses", test_server_refuses);
  g_test_add_func ("/socks5/no-socks", test_no_socks);
  g_test_add_func ("/socks5/no-method", test_no_method);
  g_test_add_func ("/socks5/client-is-refused", test_client_is_refused);
  g_test_add_func ("/socks5/case-of-digits", test_case_of_digits);
  return g_test_run ();
}
