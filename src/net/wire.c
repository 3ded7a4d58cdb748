/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/wire.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/limits.h"
#include "net/addresses.h"

#define READ_SIZE (32 * 1024)
#define MAX_VECTORS 64

struct _Wire
{
  GSocketConnection  *connection;
  GSocket            *socket; /* of connection */
  GInetSocketAddress *remote, *local;
  WireEvents          events;
  gpointer            user_data;

  GSource *read_source;
  GSource *write_source; /* an idle source for the first try of a turn, then one that waits for the socket */
  GQueue   queue;        /* GBytes */
  gsize    queued;       /* bytes in it */
  gsize    written;      /* of its head */
  gboolean was_full, filling, finishing, finished, closed;
};

static void schedule_write (Wire *wire, gboolean now);

static void
drop_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
wire_finalize (Wire *wire)
{
  g_queue_clear_full (&wire->queue, (GDestroyNotify) g_bytes_unref);
  g_clear_object (&wire->remote);
  g_clear_object (&wire->local);
  g_clear_object (&wire->connection);
}

void
wire_free (Wire *wire)
{
  if (wire == NULL)
    return;
  wire->closed = TRUE;
  drop_source (&wire->read_source);
  drop_source (&wire->write_source);
  g_socket_close (wire->socket, NULL);
  g_rc_box_release_full (wire, (GDestroyNotify) wire_finalize);
}

static void
wire_close (Wire *wire, const GError *error)
{
  if (wire->closed)
    return;
  wire->closed = TRUE;
  drop_source (&wire->read_source);
  drop_source (&wire->write_source);
  wire->events.closed (wire, error, wire->user_data);
}

static gboolean
on_readable (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  Wire *wire = g_rc_box_acquire (user_data);
  g_autoptr (GError) error = NULL;
  guint8 bytes[READ_SIZE];
  gssize len = g_socket_receive_with_blocking (socket, (char *) bytes, sizeof bytes, FALSE, NULL, &error);

  if (len > 0)
    wire->events.received (wire, bytes, (gsize) len, wire->user_data);
  else if (len == 0 || !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    wire_close (wire, error);
  g_rc_box_release_full (wire, (GDestroyNotify) wire_finalize);
  return G_SOURCE_CONTINUE; /* a closed wire has destroyed the source */
}

/* Takes what was written off the queue. */
static void
consume (Wire *wire, gsize len)
{
  wire->queued -= len;
  wire->written += len;
  while (!g_queue_is_empty (&wire->queue))
    {
      gsize head = g_bytes_get_size (g_queue_peek_head (&wire->queue));

      if (wire->written < head)
        return;
      wire->written -= head;
      g_bytes_unref (g_queue_pop_head (&wire->queue));
    }
}

/* One gathered write; -1 with @error. */
static gssize
write_some (Wire *wire, GError **error)
{
  GOutputVector vectors[MAX_VECTORS];
  int n_vectors = 0;
  GPollableReturn result;
  gsize written = 0;

  for (GList *l = wire->queue.head; l != NULL && n_vectors < MAX_VECTORS; l = l->next)
    {
      gsize size, skip = l == wire->queue.head ? wire->written : 0;
      const guint8 *data = g_bytes_get_data (l->data, &size);

      vectors[n_vectors++] = (GOutputVector){ data + skip, size - skip };
    }
  result = g_socket_send_message_with_timeout (wire->socket, NULL, vectors, n_vectors, NULL, 0,
                                               MSG_NOSIGNAL, 0, &written, NULL, error);
  if (result == G_POLLABLE_RETURN_WOULD_BLOCK)
    return 0;
  return result == G_POLLABLE_RETURN_OK ? (gssize) written : -1;
}

static void
flush (Wire *wire)
{
  g_autoptr (GError) error = NULL;

  while (wire->queued > 0)
    {
      gssize len = write_some (wire, &error);

      if (len < 0)
        {
          wire_close (wire, error);
          return;
        }
      if (len == 0)
        {
          schedule_write (wire, FALSE);
          return;
        }
      consume (wire, (gsize) len);
    }
  if (wire->finishing && !wire->finished)
    {
      wire->finished = TRUE;
      g_socket_shutdown (wire->socket, FALSE, TRUE, NULL);
    }
}

static void
on_write_turn (Wire *wire)
{
  g_rc_box_acquire (wire);
  drop_source (&wire->write_source);
  wire->filling = TRUE;
  wire->events.fill (wire, wire->user_data);
  wire->filling = FALSE;
  if (wire->closed)
    ;
  else if (wire->queued > LIMIT_WIRE_QUEUE)
    {
      g_autoptr (GError) error = g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_FAILED, "the peer does not read");

      wire_close (wire, error);
    }
  else
    flush (wire);
  if (!wire->closed && wire->was_full && wire->queued < LIMIT_WIRE_FULL / 2)
    {
      wire->was_full = FALSE;
      wire->events.drained (wire, wire->user_data);
    }
  g_rc_box_release_full (wire, (GDestroyNotify) wire_finalize);
}

static gboolean
on_writable (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  on_write_turn (user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
on_write_idle (gpointer user_data)
{
  on_write_turn (user_data);
  return G_SOURCE_REMOVE;
}

static void
schedule_write (Wire *wire, gboolean now)
{
  if (wire->write_source != NULL || wire->closed)
    return;
  wire->write_source = now ? g_idle_source_new () : g_socket_create_source (wire->socket, G_IO_OUT, NULL);
  g_source_set_priority (wire->write_source, G_PRIORITY_DEFAULT);
  if (now)
    g_source_set_callback (wire->write_source, on_write_idle, wire, NULL);
  else
    g_source_set_callback (wire->write_source, G_SOURCE_FUNC (on_writable), wire, NULL);
  g_source_attach (wire->write_source, g_main_context_get_thread_default ());
}

static void
set_options (GSocket *socket)
{
  static const struct
  {
    int level, option, value;
  } options[] = {
    { IPPROTO_TCP, TCP_NODELAY, 1 },      { SOL_SOCKET, SO_KEEPALIVE, 1 },  { IPPROTO_TCP, TCP_KEEPIDLE, 30 },
    { IPPROTO_TCP, TCP_KEEPINTVL, 10 },   { IPPROTO_TCP, TCP_KEEPCNT, 3 },  { IPPROTO_TCP, TCP_USER_TIMEOUT, 20000 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    g_socket_set_option (socket, options[i].level, options[i].option, options[i].value, NULL);
  g_socket_set_blocking (socket, FALSE);
  g_socket_set_timeout (socket, 0);
}

Wire *
wire_new (GSocketConnection *connection, const WireEvents *events, gpointer user_data)
{
  Wire *wire = g_rc_box_new0 (Wire);

  wire->connection = g_object_ref (connection);
  wire->socket = g_socket_connection_get_socket (connection);
  wire->remote = addresses_unmap (g_socket_connection_get_remote_address (connection, NULL));
  wire->local = addresses_unmap (g_socket_connection_get_local_address (connection, NULL));
  wire->events = *events;
  wire->user_data = user_data;
  g_queue_init (&wire->queue);
  set_options (wire->socket);

  wire->read_source = g_socket_create_source (wire->socket, G_IO_IN, NULL);
  g_source_set_callback (wire->read_source, G_SOURCE_FUNC (on_readable), wire, NULL);
  g_source_attach (wire->read_source, g_main_context_get_thread_default ());
  return wire;
}

void
wire_send (Wire *wire, GBytes *bytes)
{
  if (wire->closed || wire->finished || g_bytes_get_size (bytes) == 0)
    return;
  g_queue_push_tail (&wire->queue, g_bytes_ref (bytes));
  wire->queued += g_bytes_get_size (bytes);
  wire->was_full |= wire->queued > LIMIT_WIRE_FULL;
  if (wire->queued > LIMIT_WIRE_QUEUE)
    drop_source (&wire->write_source); /* tell it from the loop, although the socket takes nothing */
  wire_wake (wire);
}

void
wire_wake (Wire *wire)
{
  if (!wire->filling)
    schedule_write (wire, TRUE);
}

gsize
wire_queued (Wire *wire)
{
  return wire->queued;
}

void
wire_finish (Wire *wire)
{
  wire->finishing = TRUE;
  schedule_write (wire, TRUE);
}

void
wire_flush (Wire *wire)
{
  if (!wire->closed && !wire->filling)
    on_write_turn (wire);
}

int
wire_dup_fd (Wire *wire)
{
  return fcntl (g_socket_get_fd (wire->socket), F_DUPFD_CLOEXEC, 3);
}

GInetSocketAddress *
wire_remote (Wire *wire)
{
  return wire->remote;
}

GInetSocketAddress *
wire_local (Wire *wire)
{
  return wire->local;
}
