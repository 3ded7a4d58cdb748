/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/bytestream.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"

/* Goal: of all who connect the one with the digest gets through, from an address that is admitted, with every byte of the file that came
 * behind the talk; and who connects goes on to the next address until somebody knows the file. */

#define DIGEST "b3f473f04cff88326455af21a528d7f9666f381f"
#define OTHER "04c1a20680d0adb22afc213f04d49057fe4e038f"
#define REQUEST(digest) "\5\1\0\5\1\0\3\x28" digest "\0\0"

typedef struct
{
  gboolean ended;
  int      fd;
  guint    target;
  char    *surplus;
  GError  *error;
} End;

static void
on_done (int fd, GBytes *surplus, guint target, const GError *error, gpointer user_data)
{
  End *end = user_data;

  g_assert_false (end->ended);
  end->ended = TRUE;
  end->fd = fd;
  end->target = target;
  end->surplus = surplus != NULL ? g_strndup (g_bytes_get_data (surplus, NULL), g_bytes_get_size (surplus)) : g_strdup ("");
  end->error = error != NULL ? g_error_copy (error) : NULL;
}

static void
end_clear (End *end)
{
  if (end->ended && end->fd >= 0)
    close (end->fd);
  g_free (end->surplus);
  g_clear_error (&end->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (End, end_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Bytestream, bytestream_free)

static gboolean
admit (GInetSocketAddress *remote, gpointer user_data)
{
  return g_inet_address_get_is_loopback (g_inet_socket_address_get_address (remote));
}

static gboolean
refuse (GInetSocketAddress *remote, gpointer user_data)
{
  return FALSE;
}

static void
wait_for (const gboolean *what)
{
  while (!*what)
    g_main_context_iteration (NULL, TRUE);
}

/* 127.0.0.1 up to .@n, at any port. */
static GPtrArray *
loopbacks (guint n, guint16 port)
{
  GPtrArray *all = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 1; i <= n; i++)
    {
      g_autofree char *text = g_strdup_printf ("127.0.0.%u", i);

      g_ptr_array_add (all, g_inet_socket_address_new_from_string (text, port));
    }
  return all;
}

static Bytestream *
listen_for (const char *digest, BytestreamAdmit who, End *end)
{
  g_autoptr (GPtrArray) own = loopbacks (1, 0);
  g_autoptr (GError) error = NULL;
  Bytestream *server = bytestream_listen (digest, own, who, on_done, end, &error);

  g_assert_no_error (error);
  return server;
}

static void
test_both (void)
{
  g_auto (End) served = { 0 };
  g_auto (End) connected = { 0 };
  g_autoptr (Bytestream) server = listen_for (DIGEST, admit, &served);
  g_autoptr (Bytestream) client = bytestream_connect (DIGEST, bytestream_addresses (server), on_done, &connected);
  char got[5] = "";

  wait_for (&served.ended);
  wait_for (&connected.ended);
  g_assert_no_error (served.error);
  g_assert_no_error (connected.error);
  g_assert_cmpint (write (served.fd, "file", 4), ==, 4);
  g_clear_pointer (&server, bytestream_free); /* the descriptor lives on */
  while (read (connected.fd, got, 4) < 0)
    g_assert_cmpint (errno, ==, EAGAIN);
  g_assert_cmpstr (got, ==, "file");
}

static void
test_next_address (void)
{
  g_auto (End) wrong = { 0 };
  g_auto (End) right = { 0 };
  g_auto (End) connected = { 0 };
  g_autoptr (Bytestream) other = listen_for (OTHER, admit, &wrong);
  g_autoptr (Bytestream) server = listen_for (DIGEST, admit, &right);
  g_autoptr (GPtrArray) hosts = loopbacks (1, 1); /* nobody listens there */
  g_autoptr (Bytestream) client = NULL;

  g_ptr_array_add (hosts, g_object_ref (g_ptr_array_index (bytestream_addresses (other), 0)));
  g_ptr_array_add (hosts, g_object_ref (g_ptr_array_index (bytestream_addresses (server), 0)));
  client = bytestream_connect (DIGEST, hosts, on_done, &connected);
  wait_for (&connected.ended);
  wait_for (&right.ended);
  g_assert_no_error (connected.error);
  g_assert_cmpuint (connected.target, ==, 2);
  g_assert_false (wrong.ended);
}

static void
test_nobody_knows (void)
{
  g_auto (End) wrong = { 0 };
  g_auto (End) connected = { 0 };
  g_autoptr (Bytestream) other = listen_for (OTHER, admit, &wrong);
  g_autoptr (Bytestream) client = bytestream_connect (DIGEST, bytestream_addresses (other), on_done, &connected);

  wait_for (&connected.ended);
  g_assert_error (connected.error, HEARBY_ERROR, HEARBY_ERROR_REJECTED);
  g_assert_cmpint (connected.fd, ==, -1);
}

static void
test_not_admitted (void)
{
  g_auto (End) served = { 0 };
  g_auto (End) connected = { 0 };
  g_autoptr (Bytestream) server = listen_for (DIGEST, refuse, &served);
  g_autoptr (Bytestream) client = bytestream_connect (DIGEST, bytestream_addresses (server), on_done, &connected);

  wait_for (&connected.ended);
  g_assert_nonnull (connected.error);
  g_assert_false (served.ended);
}

static GSocketConnection *
connect_raw (Bytestream *server)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GError) error = NULL;
  GSocketConnection *connection
      = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (g_ptr_array_index (bytestream_addresses (server), 0)), NULL, &error);

  g_assert_no_error (error);
  return connection;
}

static void
write_raw (GSocketConnection *connection, const char *bytes, gsize len)
{
  g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), bytes, len, NULL, NULL, NULL));
}

static void
test_surplus (void)
{
  g_auto (End) served = { 0 };
  g_autoptr (Bytestream) server = listen_for (DIGEST, admit, &served);
  g_autoptr (GSocketConnection) client = connect_raw (server);

  write_raw (client, REQUEST (DIGEST) "early", sizeof REQUEST (DIGEST) - 1 + 5);
  wait_for (&served.ended);
  g_assert_no_error (served.error);
  g_assert_cmpstr (served.surplus, ==, "early");
}

/* Who guesses, who says nothing and who goes away do not keep the right one out. */
static void
test_others_before (void)
{
  g_auto (End) served = { 0 };
  g_autoptr (Bytestream) server = listen_for (DIGEST, admit, &served);
  g_autoptr (GSocketConnection) silent = connect_raw (server);
  g_autoptr (GSocketConnection) guesser = connect_raw (server);
  g_autoptr (GSocketConnection) gone = connect_raw (server);
  g_autoptr (GSocketConnection) right = connect_raw (server);

  write_raw (guesser, REQUEST (OTHER), sizeof REQUEST (OTHER) - 1);
  write_raw (gone, "\5", 1);
  g_io_stream_close (G_IO_STREAM (gone), NULL, NULL);
  write_raw (right, REQUEST (DIGEST), sizeof REQUEST (DIGEST) - 1);
  wait_for (&served.ended);
  g_assert_no_error (served.error);
}

static void
on_read (GObject *stream, GAsyncResult *result, gpointer user_data)
{
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (stream), result, NULL);

  g_assert_cmpint (n, <=, 0);
  *(gboolean *) user_data = TRUE;
}

/* LIMIT_BYTESTREAM_TALKS of them may try at once; one more is closed. */
static void
test_limit_of_talks (void)
{
  g_auto (End) served = { 0 };
  g_autoptr (Bytestream) server = listen_for (DIGEST, admit, &served);
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_object_unref);
  gboolean closed = FALSE;
  char byte;
  GSocketConnection *last;

  for (guint i = 0; i < LIMIT_BYTESTREAM_TALKS + 1; i++)
    g_ptr_array_add (all, connect_raw (server));
  last = g_ptr_array_index (all, LIMIT_BYTESTREAM_TALKS);
  g_input_stream_read_async (g_io_stream_get_input_stream (G_IO_STREAM (last)), &byte, 1, 0, NULL, on_read, &closed);
  wait_for (&closed);
  write_raw (g_ptr_array_index (all, LIMIT_BYTESTREAM_TALKS - 1), REQUEST (DIGEST), sizeof REQUEST (DIGEST) - 1);
  wait_for (&served.ended);
  g_assert_no_error (served.error);
}

static void
test_no_address (void)
{
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  g_assert_null (bytestream_listen (DIGEST, none, admit, on_done, NULL, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bytestream/both", test_both);
  g_test_add_func ("/bytestream/next-address", test_next_address);
  g_test_add_func ("/bytestream/nobody-knows", test_nobody_knows);
  g_test_add_func ("/bytestream/not-admitted", test_not_admitted);
  g_test_add_func ("/bytestream/surplus", test_surplus);
  g_test_add_func ("/bytestream/others-before", test_others_before);
  g_test_add_func ("/bytestream/limit-of-talks", test_limit_of_talks);
  g_test_add_func ("/bytestream/no-address", test_no_address);
  return g_test_run ();
}
