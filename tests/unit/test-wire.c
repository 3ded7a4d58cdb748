/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/wire.h"

#include <string.h>

#include "base/limits.h"
#include "net/deadline.h"
#include "net/dialer.h"
#include "net/listener.h"

/* Goal: bytes go in and come out, a turn's in one write, a peer that does not read is bounded, and the nearer address wins. */

typedef struct
{
  GMainLoop *loop;
  Listener  *listener;
  Dialer    *dialer;
  GSocketConnection *accepted; /* the far end, read by hand */
  Wire      *wire;
  GString   *received;
  guint      fills, drains, target;
  gboolean   closed;
  GError    *error;
} Scene;

static void
on_accepted (GSocketConnection *connection, gpointer user_data)
{
  Scene *scene = user_data;

  scene->accepted = g_object_ref (connection);
  if (scene->wire != NULL)
    g_main_loop_quit (scene->loop);
}

static void
on_received (Wire *wire, const guint8 *bytes, gsize len, gpointer user_data)
{
  Scene *scene = user_data;

  g_string_append_len (scene->received, (const char *) bytes, (gssize) len);
  g_main_loop_quit (scene->loop);
}

static void
on_fill (Wire *wire, gpointer user_data)
{
  Scene *scene = user_data;

  if (scene->fills++ == 0)
    {
      g_autoptr (GBytes) last = g_bytes_new_static ("!", 1);

      wire_send (wire, last);
    }
}

static void
on_drained (Wire *wire, gpointer user_data)
{
  ((Scene *) user_data)->drains++;
}

static void
on_closed (Wire *wire, const GError *error, gpointer user_data)
{
  Scene *scene = user_data;

  scene->closed = TRUE;
  scene->error = error != NULL ? g_error_copy (error) : NULL;
  g_main_loop_quit (scene->loop);
}

static const WireEvents wire_events = { on_received, on_fill, on_drained, on_closed };

static void
on_dialed (GSocketConnection *connection, guint target, const GError *error, gpointer user_data)
{
  Scene *scene = user_data;

  scene->target = target;
  scene->error = error != NULL ? g_error_copy (error) : NULL;
  if (connection != NULL)
    scene->wire = wire_new (connection, &wire_events, scene);
  if (connection == NULL || scene->accepted != NULL)
    g_main_loop_quit (scene->loop);
}

static GSocketAddress *
loopback (guint16 port)
{
  return g_inet_socket_address_new_from_string ("127.0.0.1", port);
}

static void
set_up (Scene *scene, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketAddress) address = NULL;
  DialerTarget target = { 0 };

  scene->loop = g_main_loop_new (NULL, FALSE);
  scene->received = g_string_new (NULL);
  scene->listener = listener_new (0, on_accepted, scene, &error);
  g_assert_no_error (error);
  address = loopback (listener_port (scene->listener));
  target.remote = address;
  scene->dialer = dialer_new (&target, 1, on_dialed, scene);
  g_main_loop_run (scene->loop);
  g_assert_nonnull (scene->wire);
}

static void
tear_down (Scene *scene, gconstpointer data)
{
  wire_free (scene->wire);
  dialer_free (scene->dialer);
  listener_free (scene->listener);
  g_clear_object (&scene->accepted);
  g_clear_error (&scene->error);
  g_string_free (scene->received, TRUE);
  g_main_loop_unref (scene->loop);
}

static GSocket *
far_end (Scene *scene)
{
  GSocket *socket = g_socket_connection_get_socket (scene->accepted);

  g_socket_set_blocking (socket, TRUE);
  return socket;
}

static void
test_one_write (Scene *scene, gconstpointer data)
{
  g_autoptr (GBytes) hello = g_bytes_new_static ("hel", 3);
  g_autoptr (GBytes) lo = g_bytes_new_static ("lo", 2);
  g_autoptr (GError) error = NULL;
  char bytes[16] = "";

  wire_send (scene->wire, hello);
  wire_send (scene->wire, lo);
  g_assert_cmpuint (wire_queued (scene->wire), ==, 5);
  while (wire_queued (scene->wire) > 0)
    g_main_context_iteration (NULL, TRUE);
  /* one segment: a second read would have to wait */
  g_assert_cmpint (g_socket_receive (far_end (scene), bytes, sizeof bytes, NULL, &error), ==, 6);
  g_assert_no_error (error);
  g_assert_cmpstr (bytes, ==, "hello!");
}

static void
test_receive_and_end (Scene *scene, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_socket_send (far_end (scene), "abc", 3, NULL, &error);
  g_assert_no_error (error);
  g_main_loop_run (scene->loop);
  g_assert_cmpstr (scene->received->str, ==, "abc");
  g_socket_shutdown (far_end (scene), FALSE, TRUE, NULL);
  g_main_loop_run (scene->loop);
  g_assert_true (scene->closed);
  g_assert_no_error (scene->error);
}

static void
test_finish_after_fill (Scene *scene, gconstpointer data)
{
  char bytes[16] = "";

  wire_finish (scene->wire); /* what fill adds still goes out before the FIN */
  while (scene->fills == 0 || wire_queued (scene->wire) > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (g_socket_receive (far_end (scene), bytes, sizeof bytes, NULL, NULL), ==, 1);
  g_assert_cmpint (g_socket_receive (far_end (scene), bytes, sizeof bytes, NULL, NULL), ==, 0);
}

static void
test_stuck (Scene *scene, gconstpointer data)
{
  g_autofree guint8 *zeros = g_malloc0 (LIMIT_WIRE_FULL);
  g_autoptr (GBytes) block = g_bytes_new_static (zeros, LIMIT_WIRE_FULL);

  /* The kernel takes some, then the queue grows: at the limit all is well, one block past it the peer is stuck. */
  while (!scene->closed)
    {
      wire_send (scene->wire, block);
      g_assert_cmpuint (wire_queued (scene->wire), <=, LIMIT_WIRE_QUEUE + LIMIT_WIRE_FULL);
      g_main_context_iteration (NULL, FALSE);
    }
  g_assert_nonnull (scene->error);
}

static void
test_drained (Scene *scene, gconstpointer data)
{
  g_autofree guint8 *zeros = g_malloc0 (LIMIT_WIRE_FULL);
  g_autoptr (GBytes) block = g_bytes_new_static (zeros, LIMIT_WIRE_FULL);
  g_autofree char *bytes = g_malloc (LIMIT_WIRE_FULL);

  while (wire_queued (scene->wire) <= LIMIT_WIRE_FULL)
    {
      wire_send (scene->wire, block);
      g_main_context_iteration (NULL, FALSE);
    }
  scene->drains = 0; /* the kernel took the first blocks at once */
  while (scene->drains == 0)
    {
      g_socket_receive_with_blocking (far_end (scene), bytes, LIMIT_WIRE_FULL, FALSE, NULL, NULL);
      g_main_context_iteration (NULL, FALSE);
    }
  g_assert_cmpuint (wire_queued (scene->wire), <, LIMIT_WIRE_FULL);
}

/* Milliseconds until one of @targets answered, or none. */
static gint64
dial (Scene *scene, const DialerTarget *targets, gsize n_targets)
{
  gint64 begin = g_get_monotonic_time ();

  g_clear_object (&scene->accepted);
  g_clear_pointer (&scene->wire, wire_free);
  g_clear_pointer (&scene->dialer, dialer_free);
  scene->dialer = dialer_new (targets, n_targets, on_dialed, scene);
  g_main_loop_run (scene->loop);
  return (g_get_monotonic_time () - begin) / 1000;
}

/* A port where nobody listens refuses at once: the next address is tried without waiting for the head start. */
static void
test_next_address (Scene *scene, gconstpointer data)
{
  g_autoptr (GSocketAddress) refused = NULL;
  g_autoptr (GSocketAddress) good = loopback (listener_port (scene->listener));
  Listener *taken = listener_new (0, on_accepted, scene, NULL);
  DialerTarget targets[2] = { 0 };

  refused = loopback (listener_port (taken));
  listener_free (taken);
  targets[0].remote = refused;
  targets[1].remote = good;
  dial (scene, targets, 2);
  g_assert_cmpuint (scene->target, ==, 1);
  g_assert_nonnull (scene->wire);
}

static void
test_nobody (Scene *scene, gconstpointer data)
{
  Listener *taken = listener_new (0, on_accepted, scene, NULL);
  g_autoptr (GSocketAddress) refused = loopback (listener_port (taken));
  DialerTarget target = { 0 };

  listener_free (taken);
  target.remote = refused;
  dial (scene, &target, 1);
  g_assert_null (scene->wire);
  g_assert_error (scene->error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

/* A listener that takes nobody any more: the system drops who comes, and he goes on trying. */
static GSocketAddress *
make_silent (GPtrArray *sockets)
{
  g_autoptr (GSocketAddress) any = loopback (0);
  g_autoptr (GError) error = NULL;
  GSocketAddress *address = NULL;

  for (guint i = 0; i < 3; i++) /* the listener, the one that its queue takes, one more to be sure */
    {
      GSocket *socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);

      g_assert_no_error (error);
      g_ptr_array_add (sockets, socket);
      g_socket_set_blocking (socket, i < 2);
      if (i > 0)
        g_socket_connect (socket, address, NULL, NULL);
      else
        {
          g_socket_set_listen_backlog (socket, 0);
          g_assert_true (g_socket_bind (socket, any, FALSE, NULL) && g_socket_listen (socket, NULL));
          address = g_socket_get_local_address (socket, NULL);
        }
    }
  return address;
}

static void
test_head_start (Scene *scene, gconstpointer data)
{
  g_autoptr (GPtrArray) sockets = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GSocketAddress) silent = make_silent (sockets);
  g_autoptr (GSocketAddress) good = loopback (listener_port (scene->listener));
  DialerTarget targets[] = { { silent, NULL }, { good, NULL } };
  gint64 ms = dial (scene, targets, G_N_ELEMENTS (targets));

  g_assert_nonnull (scene->wire);
  g_assert_cmpuint (scene->target, ==, 1);
  g_assert_cmpint (ms, >=, LIMIT_RACE_MS);
  g_assert_cmpint (ms, <, LIMIT_CONNECT_MS);
}

static void
test_too_long (Scene *scene, gconstpointer data)
{
  g_autoptr (GPtrArray) sockets = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GSocketAddress) silent = make_silent (sockets);
  DialerTarget target = { silent, NULL };
  gint64 ms = dial (scene, &target, 1);

  g_assert_error (scene->error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (ms, >=, LIMIT_CONNECT_MS);
  g_assert_cmpint (ms, <, LIMIT_CONNECT_MS + LIMIT_HEADER_WAIT_MS);
}

static void
test_next_port (void)
{
  g_autoptr (GError) error = NULL;
  Listener *first = listener_new (0, on_accepted, NULL, &error);
  Listener *second = listener_new (listener_port (first), on_accepted, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpint (listener_port (second), !=, listener_port (first));
  listener_free (first);
  listener_free (second);
}

static gboolean
count (gpointer user_data)
{
  ++*(guint *) user_data;
  return G_SOURCE_CONTINUE;
}

static void
test_deadline (void)
{
  guint times = 0;
  GSource *deadline = deadline_new (count, &times);

  deadline_set (deadline, g_get_monotonic_time ());
  while (times == 0)
    g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (times, ==, 1); /* not again by itself */
  deadline_set (deadline, 0);
  while (times == 1)
    g_main_context_iteration (NULL, TRUE);
  deadline_drop (&deadline);
  g_assert_null (deadline);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*test) (Scene *scene, gconstpointer data);
  } table[] = {
    { "/wire/one-write", test_one_write },   { "/wire/receive-and-end", test_receive_and_end },
    { "/wire/finish", test_finish_after_fill }, { "/wire/stuck", test_stuck },
    { "/wire/drained", test_drained },       { "/dialer/next-address", test_next_address },
    { "/dialer/nobody", test_nobody },       { "/dialer/head-start", test_head_start },
    { "/dialer/too-long", test_too_long },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    g_test_add (table[i].name, Scene, NULL, set_up, table[i].test, tear_down);
  g_test_add_func ("/listener/next-port", test_next_port);
  g_test_add_func ("/deadline/once", test_deadline);
  return g_test_run ();
}
