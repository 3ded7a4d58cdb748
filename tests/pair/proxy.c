/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proxy.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#define MOST 16384

typedef struct _Link Link;

typedef struct
{
  Link          *link;
  GInputStream  *in;
  GOutputStream *out;
  gboolean       over; /* nothing more comes this way */
  gboolean       held;
  gsize          carried;
  char           bytes[MOST];
} Way;

struct _Link
{
  Proxy         *proxy;
  GIOStream     *ends[2];
  Way            ways[2];
  GCancellable  *cancellable;
  guint          busy; /* operations that still answer */
  gboolean       broken;
};

struct _Proxy
{
  GSocketService *service;
  guint16         port, target;
  ProxyManner     manner;
  ProxyJudge      judge;
  gpointer        user_data;
  GPtrArray      *links;
  gsize           until_cut; /* 0: none */
  gsize           hold_above; /* 0: nothing is held */
  guint           cuts, connections;
};

static void pass_on (Way *way);

static void
link_free (Link *link)
{
  g_object_unref (link->cancellable);
  for (guint i = 0; i < 2; i++)
    g_clear_object (&link->ends[i]);
  g_free (link);
}

/* Both ends see the connection break; what is under way answers once more. */
static void
link_break (Link *link)
{
  if (link->broken)
    return;
  link->broken = TRUE;
  g_cancellable_cancel (link->cancellable);
  for (guint i = 0; i < 2; i++)
    if (link->ends[i] != NULL)
      g_io_stream_close (link->ends[i], NULL, NULL);
}

/* TRUE when the link is gone. */
static gboolean
link_answered (Link *link)
{
  link->busy--;
  if (!link->broken)
    return FALSE;
  if (link->busy == 0)
    g_ptr_array_remove_fast (link->proxy->links, link);
  return TRUE;
}

static void
link_end (Link *link)
{
  link->busy++;
  link_break (link);
  link_answered (link);
}

/* One side has said all: so much for the other one to know, who may still speak. */
static void
way_end (Way *way)
{
  Link *link = way->link;

  way->over = TRUE;
  if (link->ways[0].over && link->ways[1].over)
    link_end (link);
  else
    g_socket_shutdown (g_socket_connection_get_socket (G_SOCKET_CONNECTION (link->ends[way == &link->ways[0] ? 1 : 0])), FALSE,
                       TRUE, NULL);
}

static gboolean
is_time_to_cut (Proxy *proxy, gsize len)
{
  if (proxy->until_cut == 0)
    return FALSE;
  proxy->until_cut = proxy->until_cut > len ? proxy->until_cut - len : 0;
  return proxy->until_cut == 0;
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Way *way = user_data;
  gboolean done = g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, NULL);

  if (link_answered (way->link))
    return;
  if (done)
    pass_on (way);
  else
    link_end (way->link);
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Way *way = user_data;
  Link *link = way->link;
  Proxy *proxy = link->proxy;
  gssize len = g_input_stream_read_finish (G_INPUT_STREAM (source), result, NULL);
  gboolean cut;

  if (link_answered (link))
    return;
  if (len <= 0)
    {
      if (len == 0)
        way_end (way);
      else
        link_end (link);
      return;
    }
  way->carried += (gsize) len;
  cut = is_time_to_cut (proxy, (gsize) len);
  cut = (proxy->judge != NULL && proxy->judge (way->bytes, (gsize) len, proxy->user_data) == PROXY_CUT) || cut;
  if (cut)
    {
      proxy->cuts++;
      link_end (link);
      return;
    }
  link->busy++;
  g_output_stream_write_all_async (way->out, way->bytes, (gsize) len, G_PRIORITY_DEFAULT, link->cancellable, on_written, way);
}

static gsize
slice (Proxy *proxy)
{
  if (proxy->manner == PROXY_WHOLE || g_test_rand_int_range (0, 4) == 0)
    return MOST;
  return (gsize) g_test_rand_int_range (1, 65);
}

static void
pass_on (Way *way)
{
  Proxy *proxy = way->link->proxy;

  way->held = proxy->hold_above > 0 && way->carried > proxy->hold_above;
  if (way->held)
    return;
  way->link->busy++;
  g_input_stream_read_async (way->in, way->bytes, slice (way->link->proxy), G_PRIORITY_DEFAULT, way->link->cancellable,
                             on_read, way);
}

static void
no_delay (GIOStream *stream)
{
  g_socket_set_option (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)), IPPROTO_TCP, TCP_NODELAY, 1, NULL);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Link *link = user_data;
  GSocketConnection *connection = g_socket_client_connect_finish (G_SOCKET_CLIENT (source), result, NULL);

  link->ends[1] = connection != NULL ? G_IO_STREAM (connection) : NULL;
  if (link_answered (link))
    return;
  if (connection == NULL)
    {
      link_end (link);
      return;
    }
  for (guint i = 0; i < 2; i++)
    {
      no_delay (link->ends[i]);
      link->ways[i].link = link;
      link->ways[i].in = g_io_stream_get_input_stream (link->ends[i]);
      link->ways[i].out = g_io_stream_get_output_stream (link->ends[1 - i]);
      pass_on (&link->ways[i]);
    }
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer user_data)
{
  Proxy *proxy = user_data;
  Link *link = g_new0 (Link, 1);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) where = g_inet_socket_address_new_from_string ("127.0.0.1", proxy->target);

  link->proxy = proxy;
  link->cancellable = g_cancellable_new ();
  link->ends[0] = g_object_ref (G_IO_STREAM (connection));
  link->busy = 1;
  g_ptr_array_add (proxy->links, link);
  proxy->connections++;
  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_connect_async (client, G_SOCKET_CONNECTABLE (where), link->cancellable, on_connected, link);
  return TRUE;
}

Proxy *
proxy_new (guint16 target, ProxyManner manner, ProxyJudge judge, gpointer user_data)
{
  Proxy *proxy = g_new0 (Proxy, 1);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) bound = NULL;
  g_autoptr (GError) error = NULL;

  proxy->target = target;
  proxy->manner = manner;
  proxy->judge = judge;
  proxy->user_data = user_data;
  proxy->links = g_ptr_array_new_with_free_func ((GDestroyNotify) link_free);
  proxy->service = g_socket_service_new ();
  g_socket_listener_add_address (G_SOCKET_LISTENER (proxy->service), any, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL,
                                 &bound, &error);
  g_assert_no_error (error);
  proxy->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  g_signal_connect (proxy->service, "incoming", G_CALLBACK (on_incoming), proxy);
  g_socket_service_start (proxy->service);
  return proxy;
}

void
proxy_cut (Proxy *proxy)
{
  for (guint i = proxy->links->len; i > 0; i--)
    {
      proxy->cuts++;
      link_end (g_ptr_array_index (proxy->links, i - 1));
    }
}

void
proxy_hold_above (Proxy *proxy, gsize bytes)
{
  proxy->hold_above = bytes;
}

void
proxy_release (Proxy *proxy)
{
  proxy->hold_above = 0;
  for (guint i = 0; i < proxy->links->len; i++)
    for (guint k = 0; k < 2; k++)
      {
        Way *way = &((Link *) g_ptr_array_index (proxy->links, i))->ways[k];

        if (way->held)
          pass_on (way);
      }
}

void
proxy_shut (Proxy *proxy)
{
  g_socket_service_stop (proxy->service);
  g_socket_listener_close (G_SOCKET_LISTENER (proxy->service));
}

void
proxy_cut_after (Proxy *proxy, gsize bytes)
{
  proxy->until_cut = bytes;
}

guint
proxy_cuts (Proxy *proxy)
{
  return proxy->cuts;
}

guint
proxy_connections (Proxy *proxy)
{
  return proxy->connections;
}

guint16
proxy_port (Proxy *proxy)
{
  return proxy->port;
}

void
proxy_free (Proxy *proxy)
{
  g_socket_service_stop (proxy->service);
  g_socket_listener_close (G_SOCKET_LISTENER (proxy->service));
  proxy_cut (proxy);
  while (proxy->links->len > 0)
    g_main_context_iteration (NULL, TRUE);
  g_object_unref (proxy->service);
  g_ptr_array_unref (proxy->links);
  g_free (proxy);
}
