/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: both ends of a bytestream find together however the bytes are cut, also with libpurple's bytes, and nobody else gets in. */
#include "transfer/socks5.h"

#include <string.h>

#include "base/error.h"

#define ADDRESS "0123456789abcdef0123456789abcdef01234567"

static void
test_address (void)
{
  g_autofree char *address = socks5_address ("0", "romeo@forza", "juliet@pronto");

  g_assert_cmpstr (address, ==, "e165cd05c34774994b280f74adf79c9b7ba2f2cd");
}

/* Takes what @from has to say to @to, in pieces of @slice. */
static gboolean
carry (Socks5 *from, Socks5 *to, gsize slice)
{
  g_autoptr (GBytes) out = socks5_take_output (from);
  gsize         len = 0;
  const guint8 *bytes = out != NULL ? g_bytes_get_data (out, &len) : NULL;

  for (gsize at = 0; at < len; at += slice)
    {
      gsize used;
      gsize n = MIN (slice, len - at);
      g_autoptr (GError) error = NULL;

      g_assert_true (socks5_push (to, bytes + at, n, &used, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (used, ==, n);
    }
  return len > 0;
}

static void
test_both_ends (void)
{
  for (gsize slice = 1; slice < 60; slice++)
    {
      g_autoptr (Socks5) client = socks5_new_client (ADDRESS);
      g_autoptr (Socks5) server = socks5_new_server (ADDRESS);

      g_assert_false (socks5_is_done (client));
      while (carry (client, server, slice) | carry (server, client, slice))
        ;
      g_assert_true (socks5_is_done (client));
      g_assert_true (socks5_is_done (server));
    }
}

static void
expect_output (Socks5 *socks5, const char *bytes, gsize len)
{
  g_autoptr (GBytes) out = socks5_take_output (socks5);

  g_assert_nonnull (out);
  g_assert_cmpmem (g_bytes_get_data (out, NULL), g_bytes_get_size (out), bytes, len);
  g_assert_null (socks5_take_output (socks5));
}

static gsize
push (Socks5 *socks5, const char *bytes, gsize len)
{
  g_autoptr (GError) error = NULL;
  gsize used;

  g_assert_true (socks5_push (socks5, (const guint8 *) bytes, len, &used, &error));
  g_assert_no_error (error);
  return used;
}

#define PUSH(socks5, bytes) push (socks5, bytes, sizeof bytes - 1)
#define EXPECT(socks5, bytes) expect_output (socks5, bytes, sizeof bytes - 1)

/* Its reply names our address, and the file begins right behind it. */
static void
test_server_of_libpurple (void)
{
  g_autoptr (Socks5) client = socks5_new_client (ADDRESS);

  EXPECT (client, "\5\1\0");
  g_assert_cmpuint (PUSH (client, "\5\0"), ==, 2);
  EXPECT (client, "\5\1\0\3\x28" ADDRESS "\0\0");
  g_assert_cmpuint (PUSH (client, "\5\0\0\3\x09" "10.77.0.2" "\0\0" "PK\3\4"), ==, 16);
  g_assert_true (socks5_is_done (client));
  g_assert_cmpuint (PUSH (client, "PK"), ==, 0);
}

static void
test_replies_of_other_kinds (void)
{
  static const struct
  {
    const char *reply;
    gsize       len;
  } replies[] = { { "\5\0\0\1\12\0\0\1\0\0", 10 }, { "\5\0\0\4aaaabbbbccccdddd\0\0", 22 }, { "\5\0\0\3\0\0\0", 7 } };

  for (guint i = 0; i < G_N_ELEMENTS (replies); i++)
    {
      g_autoptr (Socks5) client = socks5_new_client (ADDRESS);

      PUSH (client, "\5\0");
      g_assert_cmpuint (push (client, replies[i].reply, replies[i].len), ==, replies[i].len);
      g_assert_true (socks5_is_done (client));
    }
}

static void
test_client_of_libpurple (void)
{
  g_autoptr (Socks5) server = socks5_new_server (ADDRESS);

  g_assert_cmpuint (PUSH (server, "\5\1\0"), ==, 3);
  EXPECT (server, "\5\0");
  g_assert_cmpuint (PUSH (server, "\5\1\0\3\x28" ADDRESS "\0\0"), ==, 47);
  EXPECT (server, "\5\0\0\3\x28" ADDRESS "\0\0");
  g_assert_true (socks5_is_done (server));
}

static void
assert_broken (Socks5 *socks5, const char *bytes, gsize len, HearbyError code)
{
  for (guint i = 0; i < 2; i++) /* and it stays so */
    {
      g_autoptr (GError) error = NULL;
      gsize used;

      g_assert_false (socks5_push (socks5, (const guint8 *) bytes, len, &used, &error));
      g_assert_error (error, HEARBY_ERROR, (int) code);
      g_assert_false (socks5_is_done (socks5));
    }
}

#define BROKEN(socks5, bytes, code) assert_broken (socks5, bytes, sizeof bytes - 1, HEARBY_ERROR_##code)

static void
test_wrong_clients (void)
{
  g_autoptr (Socks5) http = socks5_new_server (ADDRESS);
  g_autoptr (Socks5) password = socks5_new_server (ADDRESS);
  g_autoptr (Socks5) none = socks5_new_server (ADDRESS);
  g_autoptr (Socks5) second = socks5_new_server (ADDRESS);

  BROKEN (http, "GET / HTTP/1.1", FAILED);
  g_assert_null (socks5_take_output (http));
  BROKEN (password, "\5\1\2", FAILED);
  EXPECT (password, "\5\xff");
  BROKEN (none, "\5\0", FAILED);
  PUSH (second, "\5\3\1\2\0"); /* among others */
  EXPECT (second, "\5\0");
}

static void
assert_request_refused (const char *request, gsize len, HearbyError code, char reply)
{
  g_autoptr (Socks5) server = socks5_new_server (ADDRESS);
  g_autoptr (GBytes) greeting = NULL;
  g_autoptr (GBytes) out = NULL;

  PUSH (server, "\5\1\0");
  greeting = socks5_take_output (server);
  assert_broken (server, request, len, code);
  out = socks5_take_output (server);
  if (reply == 0)
    g_assert_null (out);
  else
    g_assert_cmpint (((const char *) g_bytes_get_data (out, NULL))[1], ==, reply);
}

#define REFUSED(request, code, reply) assert_request_refused (request, sizeof request - 1, HEARBY_ERROR_##code, reply)

static void
test_wrong_requests (void)
{
  REFUSED ("\5\1\0\3\x28" "0123456789abcdef0123456789abcdef01234568" "\0\0", REJECTED, 2);
  REFUSED ("\5\1\0\3\x28" "0000000000000000000000000000000000000000" "\0\0", REJECTED, 2);
  REFUSED ("\5\1\0\3\x27" "0123456789abcdef0123456789abcdef0123456" "\0\0", REJECTED, 2);
  REFUSED ("\5\1\0\3\x29" ADDRESS "7" "\0\0", REJECTED, 2);
  REFUSED ("\5\1\0\3\0" "\0\0", REJECTED, 2);
  REFUSED ("\5\1\0\1\12\0\0\1\0\0", REJECTED, 2);
  REFUSED ("\5\2\0\3\x28" ADDRESS "\0\0", FAILED, 7);
  REFUSED ("\5\3\0\1\12\0\0\1\0\0", FAILED, 7);
  REFUSED ("\5\1\0\7xxxxxxxxx", FAILED, 0);
  REFUSED ("\4\1\0\1", FAILED, 0);
}

static void
test_wrong_servers (void)
{
  g_autoptr (Socks5) old = socks5_new_client (ADDRESS);
  g_autoptr (Socks5) password = socks5_new_client (ADDRESS);
  g_autoptr (Socks5) no = socks5_new_client (ADDRESS);

  BROKEN (old, "\4\0", FAILED);
  BROKEN (password, "\5\xff", REJECTED);
  PUSH (no, "\5\0");
  BROKEN (no, "\5\5\0\1\0\0\0\0\0\0", REJECTED);
}

/* The longest name there can be. */
static void
test_longest_reply (void)
{
  g_autoptr (Socks5) client = socks5_new_client (ADDRESS);
  char reply[4 + 1 + 255 + 2] = "\5\0\0\3\xff";

  PUSH (client, "\5\0");
  g_assert_cmpuint (push (client, reply, sizeof reply), ==, sizeof reply);
  g_assert_true (socks5_is_done (client));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/socks5/address", test_address);
  g_test_add_func ("/socks5/both ends", test_both_ends);
  g_test_add_func ("/socks5/server of libpurple", test_server_of_libpurple);
  g_test_add_func ("/socks5/replies of other kinds", test_replies_of_other_kinds);
  g_test_add_func ("/socks5/client of libpurple", test_client_of_libpurple);
  g_test_add_func ("/socks5/wrong clients", test_wrong_clients);
  g_test_add_func ("/socks5/wrong requests", test_wrong_requests);
  g_test_add_func ("/socks5/wrong servers", test_wrong_servers);
  g_test_add_func ("/socks5/longest reply", test_longest_reply);
  return g_test_run ();
}
