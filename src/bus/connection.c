/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/connection.h"

#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"

/* Messages taken from one connection in one turn of the loop: all of them go into one commit, and the others are not starved. */
#define AT_ONCE 256

typedef struct
{
  GSource     source;
  GPollFD     poll;
  Connection *connection;
} BusSource;

struct _Connection
{
  sd_bus          *bus;
  GSource         *source;
  gsize            lag; /* bytes of texts sent since everything was written */
  ConnectionClosed closed;
  gpointer         user_data;
};

static guint64
unwritten (Connection *connection)
{
  guint64 n = 0;

  sd_bus_get_n_queued_write (connection->bus, &n);
  return n;
}

/* Somebody who reads, however slowly, has read everything now and then. */
static gboolean
lags (Connection *connection)
{
  guint64 n = unwritten (connection);

  return n > LIMIT_CLIENT_LAG || (n > 0 && connection->lag > LIMIT_CLIENT_LAG_BYTES);
}

/* Its questions wait while so many answers wait for it. */
static gboolean
is_behind (Connection *connection)
{
  return unwritten (connection) > LIMIT_CLIENT_ANSWERS;
}

/* In the loop ---------------------------------------------------------------------------------------------------------- */

/* Several addresses are tried in turn, and GLib sorts by descriptor. */
static void
watch (BusSource *self, int fd)
{
  if (self->poll.fd == fd)
    return;
  g_source_remove_poll (&self->source, &self->poll);
  self->poll.fd = fd;
  g_source_add_poll (&self->source, &self->poll);
}

static gboolean
prepare (GSource *source, int *timeout)
{
  BusSource *self = (BusSource *) source;
  sd_bus *bus = self->connection->bus;
  guint64 until;
  gint64 now;
  int events;

  if (lags (self->connection))
    {
      g_message ("a client of the bus does not read: its connection is closed");
      sd_bus_close (bus);
    }
  events = sd_bus_get_events (bus);
  if (events < 0 || sd_bus_get_timeout (bus, &until) < 0)
    return TRUE; /* closed; dispatch() tells */
  watch (self, sd_bus_get_fd (bus));
  self->poll.events = (gushort) (is_behind (self->connection) ? events & ~G_IO_IN : events);
  *timeout = -1;
  if (until == G_MAXUINT64)
    return FALSE;
  now = g_get_monotonic_time ();
  *timeout = until > (guint64) now ? (int) MIN ((until - (guint64) now + 999) / 1000, G_MAXINT) : 0;
  return *timeout == 0;
}

static gboolean
check (GSource *source)
{
  guint64 until;

  return ((BusSource *) source)->poll.revents != 0
         || (sd_bus_get_timeout (((BusSource *) source)->connection->bus, &until) >= 0
             && until <= (guint64) g_get_monotonic_time ());
}

static gboolean
dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  Connection *connection = ((BusSource *) source)->connection;
  int result;

  for (guint i = 0; (result = sd_bus_process (connection->bus, NULL)) > 0 && i < AT_ONCE && !is_behind (connection); i++)
    ;
  if (result < 0 || sd_bus_is_open (connection->bus) <= 0)
    connection->closed (connection, connection->user_data);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs bus_source = { prepare, check, dispatch, NULL, NULL, NULL };

/* Life --------------------------------------------------------------------------------------------------------------------- */

static Connection *
start (sd_bus *bus, int result, sd_bus_message_handler_t handle, ConnectionClosed closed, gpointer user_data, GError **error)
{
  Connection *connection;

  if (result >= 0)
    result = sd_bus_negotiate_fds (bus, 1);
  if (result >= 0)
    result = sd_bus_add_fallback (bus, NULL, "/", handle, user_data);
  if (result >= 0)
    result = sd_bus_start (bus);
  if (result < 0)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "%s", g_strerror (-result));
      sd_bus_close (bus);
      sd_bus_unref (bus);
      return NULL;
    }
  connection = g_new0 (Connection, 1);
  connection->bus = bus;
  connection->closed = closed;
  connection->user_data = user_data;
  connection->source = g_source_new (&bus_source, sizeof (BusSource));
  ((BusSource *) connection->source)->connection = connection;
  ((BusSource *) connection->source)->poll.fd = sd_bus_get_fd (bus);
  g_source_add_poll (connection->source, &((BusSource *) connection->source)->poll);
  g_source_set_static_name (connection->source, "bus");
  g_source_attach (connection->source, g_main_context_get_thread_default ());
  return connection;
}

Connection *
connection_new_private (int fd, sd_bus_message_handler_t handle, ConnectionClosed closed, gpointer user_data, GError **error)
{
  sd_bus *bus = NULL;
  sd_id128_t id;
  int result;

  g_warn_if_fail (getentropy (&id, sizeof id) == 0);
  sd_bus_new (&bus);
  result = sd_bus_set_server (bus, 1, id);
  if (result >= 0)
    result = sd_bus_set_fd (bus, fd, fd);
  return start (bus, result, handle, closed, user_data, error);
}

Connection *
connection_new_bus (const char *address, sd_bus_message_handler_t handle, ConnectionClosed closed, gpointer user_data, GError **error)
{
  sd_bus *bus = NULL;
  int result;

  sd_bus_new (&bus);
  result = sd_bus_set_address (bus, address);
  if (result >= 0)
    result = sd_bus_set_bus_client (bus, 1);
  return start (bus, result, handle, closed, user_data, error);
}

void
connection_free (Connection *connection)
{
  if (connection == NULL)
    return;
  g_source_destroy (connection->source);
  g_source_unref (connection->source);
  sd_bus_close (connection->bus);
  sd_bus_unref (connection->bus);
  g_free (connection);
}

sd_bus *
connection_bus (Connection *connection)
{
  return connection->bus;
}

void
connection_send (Connection *connection, sd_bus_message *message, gsize text)
{
  connection->lag = unwritten (connection) == 0 ? text : connection->lag + text;
  sd_bus_send (connection->bus, message, NULL); /* one that is closed meanwhile is found out by the loop */
}

gboolean
connection_is_ready (Connection *connection)
{
  return sd_bus_is_ready (connection->bus) > 0;
}

gboolean
connection_is_written (Connection *connection)
{
  return sd_bus_is_open (connection->bus) <= 0 || unwritten (connection) == 0;
}
