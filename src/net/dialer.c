/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/dialer.h"

#include <netinet/in.h>

#include "base/limits.h"

#define PREFER_SRC_PUBLIC 0x0002 /* IPV6_PREFER_SRC_PUBLIC of RFC 5014, in linux/in6.h only, which does not go with netinet/in.h */

typedef struct
{
  Dialer         *dialer; /* NULL once it was freed */
  GSocketAddress *remote;
  GInetAddress   *source;
  guint           index;
} Attempt;

struct _Dialer
{
  Attempt     **attempts; /* those started are owned by their call */
  guint         n_attempts, started, failed;
  GCancellable *cancellable;
  GSource      *timer;
  DialerDone    done;
  gpointer      user_data;
};

static void start_next (Dialer *dialer);

static void
attempt_free (Attempt *attempt)
{
  g_clear_object (&attempt->remote);
  g_clear_object (&attempt->source);
  g_free (attempt);
}

static void
stop_timer (Dialer *dialer)
{
  if (dialer->timer != NULL)
    g_source_destroy (dialer->timer);
  g_clear_pointer (&dialer->timer, g_source_unref);
}

void
dialer_free (Dialer *dialer)
{
  if (dialer == NULL)
    return;
  stop_timer (dialer);
  for (guint i = 0; i < dialer->n_attempts; i++)
    {
      if (i >= dialer->started)
        attempt_free (dialer->attempts[i]);
      else if (dialer->attempts[i] != NULL)
        dialer->attempts[i]->dialer = NULL;
    }
  g_cancellable_cancel (dialer->cancellable);
  g_object_unref (dialer->cancellable);
  g_free (dialer->attempts);
  g_free (dialer);
}

static void
attempt_finish (Attempt *attempt, GSocketConnection *connection, const GError *error)
{
  Dialer *dialer = attempt->dialer;
  guint index = attempt->index;

  attempt_free (attempt);
  if (dialer == NULL)
    return;
  dialer->attempts[index] = NULL;
  if (connection != NULL)
    {
      stop_timer (dialer);
      dialer->done (connection, index, NULL, dialer->user_data);
    }
  else if (++dialer->failed == dialer->n_attempts)
    dialer->done (NULL, index, error, dialer->user_data);
  else if (dialer->failed == dialer->started)
    start_next (dialer);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection
      = g_socket_client_connect_finish (G_SOCKET_CLIENT (source), result, &error);

  attempt_finish (user_data, connection, error);
}

static void
on_host_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection
      = g_socket_client_connect_to_host_finish (G_SOCKET_CLIENT (source), result, &error);

  attempt_finish (user_data, connection, error);
}

static gboolean
on_head_start_over (gpointer user_data)
{
  start_next (user_data);
  return G_SOURCE_REMOVE;
}

/* Peers know us by the addresses that mDNS announces, and those are the stable ones. */
static void
on_client_event (GSocketClient *client, GSocketClientEvent event, GSocketConnectable *connectable,
                 GIOStream *connection, gpointer user_data)
{
  GSocket *socket;

  if (event != G_SOCKET_CLIENT_CONNECTING)
    return;
  socket = g_socket_connection_get_socket (G_SOCKET_CONNECTION (connection));
  if (g_socket_get_family (socket) == G_SOCKET_FAMILY_IPV6)
    g_socket_set_option (socket, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, PREFER_SRC_PUBLIC, NULL);
}

/* One of the link alone is of the link of @remote. */
static GSocketAddress *
local_address (GInetAddress *source, GSocketAddress *remote)
{
  gboolean scoped = g_socket_address_get_family (remote) == G_SOCKET_FAMILY_IPV6 && g_inet_address_get_is_link_local (source);

  return g_object_new (G_TYPE_INET_SOCKET_ADDRESS, "address", source, "scope-id",
                       scoped ? g_inet_socket_address_get_scope_id (G_INET_SOCKET_ADDRESS (remote)) : 0, NULL);
}

static GSocketClient *
client_new (GInetAddress *source, GSocketAddress *remote)
{
  GSocketClient *client = g_socket_client_new ();

  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_set_timeout (client, LIMIT_CONNECT_MS / 1000);
  g_signal_connect (client, "event", G_CALLBACK (on_client_event), NULL);
  if (source != NULL)
    {
      g_autoptr (GSocketAddress) local = local_address (source, remote);

      g_socket_client_set_local_address (client, local);
    }
  return client;
}

static void
start_next (Dialer *dialer)
{
  Attempt *attempt;
  g_autoptr (GSocketClient) client = NULL;

  stop_timer (dialer);
  if (dialer->started == dialer->n_attempts)
    return;
  attempt = dialer->attempts[dialer->started++];
  client = client_new (attempt->source, attempt->remote);
  if (dialer->started < dialer->n_attempts)
    {
      dialer->timer = g_timeout_source_new (LIMIT_RACE_MS);
      g_source_set_callback (dialer->timer, on_head_start_over, dialer, NULL);
      g_source_attach (dialer->timer, g_main_context_get_thread_default ());
    }
  g_socket_client_connect_async (client, G_SOCKET_CONNECTABLE (attempt->remote), dialer->cancellable, on_connected,
                                 attempt);
}

static Dialer *
dialer_alloc (guint n_attempts, DialerDone done, gpointer user_data)
{
  Dialer *dialer = g_new0 (Dialer, 1);

  dialer->attempts = g_new0 (Attempt *, n_attempts);
  dialer->n_attempts = n_attempts;
  dialer->cancellable = g_cancellable_new ();
  dialer->done = done;
  dialer->user_data = user_data;
  for (guint i = 0; i < n_attempts; i++)
    {
      dialer->attempts[i] = g_new0 (Attempt, 1);
      dialer->attempts[i]->dialer = dialer;
      dialer->attempts[i]->index = i;
    }
  return dialer;
}

Dialer *
dialer_new (const DialerTarget *targets, gsize n_targets, DialerDone done, gpointer user_data)
{
  Dialer *dialer = dialer_alloc ((guint) n_targets, done, user_data);

  for (guint i = 0; i < n_targets; i++)
    {
      dialer->attempts[i]->remote = g_object_ref (targets[i].remote);
      dialer->attempts[i]->source = targets[i].source != NULL ? g_object_ref (targets[i].source) : NULL;
    }
  start_next (dialer);
  return dialer;
}

Dialer *
dialer_new_for_host (const char *host, guint16 default_port, DialerDone done, gpointer user_data)
{
  Dialer *dialer = dialer_alloc (1, done, user_data);
  g_autoptr (GSocketClient) client = client_new (NULL, NULL);

  dialer->started = 1;
  g_socket_client_connect_to_host_async (client, host, default_port, dialer->cancellable, on_host_connected,
                                         dialer->attempts[0]);
  return dialer;
}
