/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "far.h"

#include <sodium.h>
#include <string.h>
#include <sys/socket.h>

#include "net/dialer.h"

/* The dialer: whatever is dialled is the last connection that far_new() made --------------------------------------------- */

struct _Dialer
{
  DialerDone done;
  gpointer   user_data;
  GSource   *source;
};

static GSocketConnection *dialled;

static gboolean
on_idle (gpointer user_data)
{
  Dialer *dialer = user_data;
  g_autoptr (GSocketConnection) connection = g_steal_pointer (&dialled);

  dialer->done (connection, 0, NULL, dialer->user_data);
  return G_SOURCE_REMOVE;
}

Dialer *
dialer_new (const DialerTarget *targets, gsize n_targets, DialerDone done, gpointer user_data)
{
  Dialer *dialer = g_new0 (Dialer, 1);

  *dialer = (Dialer){ done, user_data, g_idle_source_new () };
  g_source_set_callback (dialer->source, on_idle, dialer, NULL);
  g_source_attach (dialer->source, g_main_context_get_thread_default ());
  return dialer;
}

Dialer *
dialer_new_for_host (const char *host, guint16 default_port, DialerDone done, gpointer user_data)
{
  return dialer_new (NULL, 0, done, user_data);
}

void
dialer_free (Dialer *dialer)
{
  if (dialer == NULL)
    return;
  g_source_destroy (dialer->source);
  g_source_unref (dialer->source);
  g_free (dialer);
}

/* The far end ------------------------------------------------------------------------------------------------------------- */

static GSocket *
take_socket (int fd)
{
  g_autoptr (GError) error = NULL;
  GSocket *socket = g_socket_new_from_fd (fd, &error);

  g_assert_no_error (error);
  g_socket_set_blocking (socket, FALSE);
  return socket;
}

Far *
far_new (NoiseRole role, GSocketConnection **connection)
{
  Far *far = g_new0 (Far, 1);
  g_autoptr (GSocket) near = NULL;
  int ends[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  near = take_socket (ends[0]);
  far->socket = take_socket (ends[1]);
  far->channel = channel_new (role);
  far->unsaid = g_byte_array_new ();
  far->heard = g_byte_array_new ();
  far->content = g_byte_array_new ();
  *connection = g_socket_connection_factory_create_connection (near);
  g_set_object (&dialled, *connection);
  return far;
}

void
far_free (Far *far)
{
  if (far == NULL)
    return;
  g_clear_object (&dialled);
  g_object_unref (far->socket);
  channel_free (far->channel);
  g_byte_array_unref (far->unsaid);
  g_byte_array_unref (far->heard);
  g_byte_array_unref (far->content);
  g_free (far);
}

/* What the channel has to say goes behind what is unsaid. */
static void
take_output (Far *far)
{
  g_autoptr (GBytes) out = channel_take_output (far->channel);

  if (out != NULL)
    g_byte_array_append (far->unsaid, g_bytes_get_data (out, NULL), (guint) g_bytes_get_size (out));
}

gboolean
far_say (Far *far, const void *content, gsize len)
{
  if (channel_state (far->channel) == CHANNEL_HANDSHAKE || !channel_send (far->channel, content, len, NULL))
    return FALSE;
  take_output (far);
  return TRUE;
}

void
far_say_raw (Far *far, const void *bytes, gsize len)
{
  g_byte_array_append (far->unsaid, bytes, (guint) len);
}

static void
fill_random (void *bytes, gsize len, gpointer data)
{
  randombytes_buf (bytes, len);
}

gboolean
far_secure (Far *far, const guint8 secret[X25519_KEY])
{
  NoiseConfig config = { .static_secret = secret, .fill_random = fill_random };

  if (channel_state (far->channel) != CHANNEL_CLEAR || !channel_secure (far->channel, &config, NULL))
    return FALSE;
  take_output (far);
  return TRUE;
}

void
far_close (Far *far)
{
  channel_close (far->channel);
  take_output (far);
}

void
far_finish (Far *far)
{
  far_settle (far);
  shutdown (g_socket_get_fd (far->socket), SHUT_WR);
}

static gboolean
write_some (Far *far)
{
  gsize len = far->unsaid->len;
  gssize n;

  if (len == 0)
    return FALSE;
  len = far->slices != NULL ? slices_next (far->slices, len) : len;
  n = send (g_socket_get_fd (far->socket), far->unsaid->data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n > 0)
    g_byte_array_remove_range (far->unsaid, 0, (guint) n);
  return n > 0;
}

static gboolean
read_some (Far *far)
{
  guint8 bytes[16 * 1024];
  gssize n = recv (g_socket_get_fd (far->socket), bytes, sizeof bytes, MSG_DONTWAIT);

  far->over = far->over || n == 0;
  if (n <= 0)
    return FALSE;
  g_byte_array_append (far->heard, bytes, (guint) n);
  far->broken = !channel_push (far->channel, bytes, (gsize) n, far->content, NULL) || far->broken;
  take_output (far);
  return TRUE;
}

void
far_settle (Far *far)
{
  gboolean busy = TRUE;

  while (busy)
    {
      busy = write_some (far);
      while (g_main_context_iteration (g_main_context_get_thread_default (), FALSE))
        busy = TRUE;
      busy = read_some (far) || busy;
    }
}
