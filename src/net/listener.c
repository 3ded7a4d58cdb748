/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/listener.h"

#include <netinet/in.h>

#include "base/error.h"

#define PORTS_TRIED 16
#define BACKLOG 128
#define ACCEPTS_A_TURN 16

struct _Listener
{
  GSocket       *socket;
  GSource       *source;
  GSource       *pause; /* no descriptor was left: accepting rests for a second */
  ListenerAccept accepted;
  gpointer       user_data;
  guint16        port;
};

static GSocket *
open_socket (GSocketFamily family, guint16 port, GError **error)
{
  g_autoptr (GSocket) socket = g_socket_new (family, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
  g_autoptr (GInetAddress) any = g_inet_address_new_any (family);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (any, port);

  if (socket == NULL)
    return NULL;
  if (family == G_SOCKET_FAMILY_IPV6)
    g_socket_set_option (socket, IPPROTO_IPV6, IPV6_V6ONLY, 0, NULL);
  g_socket_set_blocking (socket, FALSE);
  g_socket_set_listen_backlog (socket, BACKLOG);
  if (!g_socket_bind (socket, address, TRUE, error) || !g_socket_listen (socket, error))
    return NULL;
  return g_steal_pointer (&socket);
}

static GSocket *
open_any_family (guint16 port, GError **error)
{
  GSocket *socket = open_socket (G_SOCKET_FAMILY_IPV6, port, NULL);

  return socket != NULL ? socket : open_socket (G_SOCKET_FAMILY_IPV4, port, error);
}

static GSocket *
open_near (guint16 port, GError **error)
{
  for (guint i = 0; port != 0 && i < PORTS_TRIED && port + i <= G_MAXUINT16; i++)
    {
      GSocket *socket = open_any_family ((guint16) (port + i), NULL);

      if (socket != NULL)
        return socket;
    }
  return open_any_family (0, error);
}

static gboolean on_connection (GSocket *socket, GIOCondition condition, gpointer user_data);

static void
watch (Listener *listener)
{
  listener->source = g_socket_create_source (listener->socket, G_IO_IN, NULL);
  g_source_set_callback (listener->source, G_SOURCE_FUNC (on_connection), listener, NULL);
  g_source_attach (listener->source, g_main_context_get_thread_default ());
}

static gboolean
on_pause_over (gpointer user_data)
{
  Listener *listener = user_data;

  g_clear_pointer (&listener->pause, g_source_unref);
  watch (listener);
  return G_SOURCE_REMOVE;
}

static gboolean
on_connection (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  Listener *listener = user_data;

  for (guint i = 0; i < ACCEPTS_A_TURN; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GSocket) accepted = g_socket_accept (socket, NULL, &error);
      g_autoptr (GSocketConnection) connection = NULL;

      if (accepted == NULL && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES))
        {
          /* The socket stays readable: without a rest this would spin. */
          g_clear_pointer (&listener->source, g_source_unref);
          listener->pause = g_timeout_source_new (1000);
          g_source_set_callback (listener->pause, on_pause_over, listener, NULL);
          g_source_attach (listener->pause, g_main_context_get_thread_default ());
          return G_SOURCE_REMOVE;
        }
      if (accepted == NULL)
        break;
      connection = g_socket_connection_factory_create_connection (accepted);
      listener->accepted (connection, listener->user_data);
    }
  return G_SOURCE_CONTINUE;
}

Listener *
listener_new (guint16 port, ListenerAccept accepted, gpointer user_data, GError **error)
{
  g_autoptr (GSocket) socket = open_near (port, error);
  g_autoptr (GSocketAddress) address = NULL;
  Listener *listener;

  if (socket == NULL || (address = g_socket_get_local_address (socket, error)) == NULL)
    return NULL;
  listener = g_new0 (Listener, 1);
  listener->socket = g_steal_pointer (&socket);
  listener->accepted = accepted;
  listener->user_data = user_data;
  listener->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
  watch (listener);
  return listener;
}

static void
drop_source (GSource *source)
{
  g_source_destroy (source);
  g_source_unref (source);
}

void
listener_free (Listener *listener)
{
  if (listener == NULL)
    return;
  g_clear_pointer (&listener->source, drop_source);
  g_clear_pointer (&listener->pause, drop_source);
  g_socket_close (listener->socket, NULL);
  g_object_unref (listener->socket);
  g_free (listener);
}

guint16
listener_port (Listener *listener)
{
  return listener->port;
}
