/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/service.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/paths.h"
#include "bus/agent.h"
#include "bus/caller.h"
#include "bus/connection.h"
#include "bus/transfer-bus.h"
#include "net/deadline.h"

#define FAREWELL_US (500 * 1000)
#define DRIVER_NAME "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"

struct _Service
{
  Messenger *messenger;
  int        listening; /* the private socket, or -1 */
  GSource   *incoming;
  char      *socket_path, *address;
  GPtrArray *clients; /* Connection */
  GPtrArray *joining; /* Joining */
  GPtrArray *questions;
  Agents    *agents;
  void (*quit) (gpointer user_data);
  gpointer user_data;
};

/* Signals to everybody ------------------------------------------------------------------------------------------------ */

/* NULL: nobody listens. */
static sd_bus_message *
signal_new (Service *service, const char *path, const char *interface, const char *name)
{
  sd_bus_message *signal = NULL;

  for (guint i = 0; i < service->clients->len && signal == NULL; i++)
    if (connection_is_ready (g_ptr_array_index (service->clients, i)))
      sd_bus_message_new_signal (connection_bus (g_ptr_array_index (service->clients, i)), &signal, path, interface, name);
  return signal;
}

/* Takes it. It is written once, whoever gets it. @text: bytes of the long text in it. */
static void
emit_text (Service *service, sd_bus_message *taken, gsize text)
{
  g_autoptr (sd_bus_message) signal = taken;

  for (guint i = 0; i < service->clients->len; i++)
    if (connection_is_ready (g_ptr_array_index (service->clients, i)))
      connection_send (g_ptr_array_index (service->clients, i), signal, text);
}

static void
emit (Service *service, sd_bus_message *taken)
{
  emit_text (service, taken, 0);
}

static gboolean
any_property (const Interface *interface, guint changes)
{
  for (const PropertyRow *row = interface->properties; row->name != NULL; row++)
    if ((row->changes & changes) != 0)
      return TRUE;
  return FALSE;
}

static void
emit_properties (Service *service, const char *path, const Interface *interface, Subject subject, guint changes)
{
  sd_bus_message *signal = any_property (interface, changes)
                               ? signal_new (service, path, "org.freedesktop.DBus.Properties", "PropertiesChanged")
                               : NULL;

  if (signal == NULL)
    return;
  sd_bus_message_append (signal, "s", interface->info->name);
  objects_append_properties (signal, service->messenger, interface, subject, changes);
  sd_bus_message_append (signal, "as", 0);
  emit (service, signal);
}

static void
emit_added (Service *service, const char *path, const Interface *interface, Subject subject)
{
  sd_bus_message *signal = signal_new (service, BUS_ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded");

  if (signal == NULL)
    return;
  sd_bus_message_append (signal, "o", path);
  objects_append_interfaces (signal, service->messenger, interface, subject);
  emit (service, signal);
}

static void
emit_removed (Service *service, const char *path, const Interface *interface)
{
  sd_bus_message *signal = signal_new (service, BUS_ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved");

  if (signal == NULL)
    return;
  sd_bus_message_append (signal, "oas", path, 1, interface->info->name);
  emit (service, signal);
}

static void
on_peer_added (Messenger *messenger, Peer *peer, Service *service)
{
  g_autofree char *path = call_peer_path (peer->row->id);
  g_autofree char *conversation = call_conversation_path (peer->row->id);

  emit_added (service, path, peer_interface (), (Subject) { .peer = peer });
  emit_added (service, conversation, conversation_interface (), (Subject) { .peer = peer });
}

static void
on_peer_changed (Messenger *messenger, Peer *peer, guint changes, Service *service)
{
  g_autofree char *path = call_peer_path (peer->row->id);
  g_autofree char *conversation = call_conversation_path (peer->row->id);

  emit_properties (service, path, peer_interface (), (Subject) { .peer = peer }, changes);
  emit_properties (service, conversation, conversation_interface (), (Subject) { .peer = peer }, changes);
}

static void
on_peer_removed (Messenger *messenger, gint64 *id, Service *service)
{
  g_autofree char *path = call_peer_path (*id);
  g_autofree char *conversation = call_conversation_path (*id);

  emit_removed (service, path, peer_interface ());
  emit_removed (service, conversation, conversation_interface ());
}

static void
on_message_added (Messenger *messenger, MessageRow *row, Service *service)
{
  sd_bus_message *signal = signal_new (service, BUS_ROOT, BUS_MANAGER, "MessageAdded");

  if (signal == NULL)
    return;
  sd_bus_message_append_basic (signal, 't', &row->seq);
  message_append (signal, messenger, row);
  emit_text (service, signal, row->body != NULL ? strlen (row->body) : 0);
}

static void
on_message_changed (Messenger *messenger, MessageRow *row, Service *service)
{
  sd_bus_message *signal = signal_new (service, BUS_ROOT, BUS_MANAGER, "MessageChanged");

  if (signal == NULL)
    return;
  sd_bus_message_append_basic (signal, 't', &row->seq);
  sd_bus_message_open_container (signal, 'a', "{sv}");
  call_append_entry (signal, "state", 's', message_state_name (row->state));
  if (row->reason != NULL)
    call_append_entry (signal, "reason", 's', row->reason);
  if (row->confirms)
    call_append_entry (signal, "confirms", 'b', &row->confirms);
  sd_bus_message_close_container (signal);
  emit (service, signal);
}

static void
on_transfer_added (Messenger *messenger, Transfer *transfer, Service *service)
{
  g_autofree char *path = call_transfer_path (transfer->row->id);

  emit_added (service, path, transfer_interface (), (Subject) { .transfer = transfer });
}

static void
on_transfer_changed (Messenger *messenger, Transfer *transfer, guint changes, Service *service)
{
  g_autofree char *path = call_transfer_path (transfer->row->id);

  if (transfer->row->state != TRANSFER_OFFERED)
    agents_settled (service->agents, transfer->row->id);
  emit_properties (service, path, transfer_interface (), (Subject) { .transfer = transfer }, changes);
}

static void
on_transfer_finished (Messenger *messenger, Transfer *transfer, Service *service)
{
  g_autofree char *path = call_transfer_path (transfer->row->id);
  sd_bus_message *signal = signal_new (service, path, BUS_TRANSFER, "Finished");
  g_autofree char *text = NULL;

  if (signal == NULL)
    return;
  transfer_dup_error (transfer, &text);
  sd_bus_message_append (signal, "sss", transfer_state_name (transfer->row->state), transfer->row->reason, text);
  emit (service, signal);
}

static void
on_transfer_removed (Messenger *messenger, guint64 *id, Service *service)
{
  g_autofree char *path = call_transfer_path (*id);

  agents_settled (service->agents, *id);
  emit_removed (service, path, transfer_interface ());
}

static void
on_changed (Messenger *messenger, guint changes, Service *service)
{
  emit_properties (service, BUS_ROOT, manager_interface (), (Subject) { NULL }, changes);
}

/* The private socket ---------------------------------------------------------------------------------------------------- */

static void
on_closed (Connection *connection, gpointer user_data)
{
  Service *service = user_data;

  caller_forget (service->questions, connection_bus (connection));
  agents_forget (service->agents, connection_bus (connection));
  g_ptr_array_remove_fast (service->clients, connection); /* frees it */
}

/* EXTERNAL makes him prove that he is who he says; that he is us is seen here. */
static gboolean
is_our_user (int fd)
{
  struct ucred who;
  socklen_t len = sizeof who;

  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == geteuid ();
}

static gboolean
on_incoming (int listening, GIOCondition condition, gpointer user_data)
{
  Service *service = user_data;
  int fd = accept4 (listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  g_autoptr (GError) error = NULL;
  Connection *client;

  if (fd < 0)
    return G_SOURCE_CONTINUE;
  if (!is_our_user (fd) || service->clients->len >= LIMIT_CLIENTS)
    {
      close (fd);
      return G_SOURCE_CONTINUE;
    }
  client = connection_new_private (fd, objects_handle, on_closed, service, &error);
  if (client != NULL)
    g_ptr_array_add (service->clients, client);
  else
    g_message ("a client of the bus cannot be served: %s", error->message);
  return G_SOURCE_CONTINUE;
}

/* A socket at @path that nobody answers on is left over from a crash. */
static gboolean
is_taken (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean taken;

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  taken = fd >= 0 && connect (fd, (struct sockaddr *) &address, sizeof address) == 0;
  if (fd >= 0)
    close (fd);
  return taken;
}

static int
fail (int fd, const char *path, GError **error)
{
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "cannot listen at %s: %s", path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static int
open_socket (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;

  if (strlen (path) >= sizeof address.sun_path)
    {
      errno = ENAMETOOLONG;
      return fail (-1, path, error);
    }
  if (!is_taken (path))
    unlink (path);
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || bind (fd, (struct sockaddr *) &address, sizeof address) != 0 || listen (fd, SOMAXCONN) != 0)
    return fail (fd, path, error);
  return fd;
}

static gboolean
listen_at (Service *service, const char *path, GError **error)
{
  g_autofree char *escaped = g_dbus_address_escape_value (path);
  int fd = open_socket (path, error);

  if (fd < 0)
    return FALSE;
  service->socket_path = g_strdup (path);
  service->address = g_strconcat ("unix:path=", escaped, NULL);
  service->incoming = g_unix_fd_source_new (fd, G_IO_IN);
  g_source_set_callback (service->incoming, G_SOURCE_FUNC (on_incoming), service, NULL);
  g_source_attach (service->incoming, g_main_context_get_thread_default ());
  service->listening = fd;
  return TRUE;
}

const char *
service_listen (Service *service, const char *runtime_dir, const char *data_dir, GError **error)
{
  g_autofree char *in_runtime = runtime_dir != NULL ? g_build_filename (runtime_dir, "bus", NULL) : NULL;
  g_autofree char *beside = g_build_filename (data_dir, "bus", NULL);

  /* Two data folders of one user may share a runtime folder: the second one's socket is beside its lock. */
  if (in_runtime != NULL && paths_make_dir (runtime_dir, NULL) && !is_taken (in_runtime)
      && listen_at (service, in_runtime, NULL))
    return service->address;
  return listen_at (service, beside, error) ? service->address : NULL;
}

/* The session bus ------------------------------------------------------------------------------------------------------- */

typedef struct
{
  Service      *service;
  Connection   *connection; /* of the service */
  ServiceJoined done;
  gpointer      user_data;
} Joining;

/* Tells how it ended, NULL: well. Of a connection that does not serve the loop finds out that it is closed. */
static void
joined (Joining *joining, GError *taken)
{
  g_autoptr (GError) error = taken;

  if (joining->done != NULL)
    joining->done (error, joining->user_data);
  joining->done = NULL;
  g_ptr_array_remove_fast (joining->service->joining, joining);
}

/* The end of the service came first. */
static void
joining_free (gpointer data)
{
  Joining *joining = data;
  g_autoptr (GError) error = g_error_new (HEARBY_ERROR, HEARBY_ERROR_CANCELED, "the daemon ends");

  if (joining->done != NULL)
    joining->done (error, joining->user_data);
  g_free (joining);
}

static gboolean
is_ours (Service *service, const char *unique_name)
{
  const char *name;

  for (guint i = 0; i < service->clients->len; i++)
    if (sd_bus_get_unique_name (connection_bus (g_ptr_array_index (service->clients, i)), &name) >= 0
        && g_str_equal (name, unique_name))
      return TRUE;
  return FALSE;
}

/* The name is taken: perhaps by ourselves, who serve that bus already. */
static int
on_owner (sd_bus_message *reply, void *user_data, sd_bus_error *unused)
{
  Joining *joining = user_data;
  const char *owner;
  gboolean ours = sd_bus_message_is_method_error (reply, NULL) == 0 && sd_bus_message_read (reply, "s", &owner) > 0
                  && is_ours (joining->service, owner);

  sd_bus_close (connection_bus (joining->connection));
  joined (joining, ours ? NULL : g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_EXISTS, "the name " BUS_NAME " is taken on that bus"));
  return 1;
}

static int
on_name (sd_bus_message *reply, void *user_data, sd_bus_error *unused)
{
  Joining *joining = user_data;
  sd_bus *bus = connection_bus (joining->connection);
  const sd_bus_error *error = sd_bus_message_get_error (reply);
  guint32 code = 0;

  if (error == NULL)
    sd_bus_message_read (reply, "u", &code);
  if (code == 1 || code == 4) /* primary owner, already owner */
    joined (joining, NULL);
  else if (error == NULL
           && sd_bus_call_method_async (bus, NULL, DRIVER_NAME, DRIVER_PATH, DRIVER_NAME, "GetNameOwner", on_owner, joining, "s", BUS_NAME) >= 0)
    return 1;
  else
    {
      joined (joining, g_error_new (HEARBY_ERROR, HEARBY_ERROR_FAILED, "%s", error != NULL ? error->message : "it went away"));
      sd_bus_close (bus);
    }
  return 1;
}

void
service_join (Service *service, const char *address, ServiceJoined done, gpointer user_data)
{
  Joining *joining = g_new0 (Joining, 1);
  GError *error = NULL;

  *joining = (Joining) { service, NULL, done, user_data };
  g_ptr_array_add (service->joining, joining);
  joining->connection = connection_new_bus (address, objects_handle, on_closed, service, &error);
  if (joining->connection == NULL)
    {
      joined (joining, error);
      return;
    }
  g_ptr_array_add (service->clients, joining->connection);
  /* Everything is there before the name is. */
  if (sd_bus_call_method_async (connection_bus (joining->connection), NULL, DRIVER_NAME, DRIVER_PATH, DRIVER_NAME, "RequestName", on_name,
                                joining, "su", BUS_NAME, 4u /* DO_NOT_QUEUE */) < 0)
    joined (joining, g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_FAILED, "it went away"));
}

/* Life -------------------------------------------------------------------------------------------------------------------- */

void
service_quit (Service *service)
{
  service->quit (service->user_data);
}

Messenger *
service_messenger (Service *service)
{
  return service->messenger;
}

Agents *
service_agents (Service *service)
{
  return service->agents;
}

GPtrArray *
service_questions (Service *service)
{
  return service->questions;
}

Service *
service_new (Messenger *messenger, void (*quit) (gpointer user_data), gpointer user_data)
{
  static const struct
  {
    const char *signal;
    GCallback   callback;
  } signals[] = {
    { "peer-added", G_CALLBACK (on_peer_added) },       { "peer-changed", G_CALLBACK (on_peer_changed) },
    { "peer-removed", G_CALLBACK (on_peer_removed) },   { "message-added", G_CALLBACK (on_message_added) },
    { "message-changed", G_CALLBACK (on_message_changed) }, { "changed", G_CALLBACK (on_changed) },
    { "transfer-added", G_CALLBACK (on_transfer_added) }, { "transfer-changed", G_CALLBACK (on_transfer_changed) },
    { "transfer-removed", G_CALLBACK (on_transfer_removed) }, { "transfer-finished", G_CALLBACK (on_transfer_finished) },
  };
  Service *service = g_new0 (Service, 1);

  service->messenger = g_object_ref (messenger);
  service->clients = g_ptr_array_new_with_free_func ((GDestroyNotify) connection_free);
  service->joining = g_ptr_array_new_with_free_func (joining_free);
  service->questions = caller_questions_new ();
  service->agents = agents_new (messenger);
  service->listening = -1;
  service->quit = quit;
  service->user_data = user_data;
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    g_signal_connect (messenger, signals[i].signal, signals[i].callback, service);
  return service;
}

static gboolean
on_farewell_over (gpointer late)
{
  *(gboolean *) late = TRUE;
  return G_SOURCE_REMOVE;
}

static gboolean
all_written (Service *service)
{
  for (guint i = 0; i < service->clients->len; i++)
    if (!connection_is_written (g_ptr_array_index (service->clients, i)))
      return FALSE;
  return TRUE;
}

/* What was said last still has to reach the other end, if that one reads. */
static void
flush_clients (Service *service)
{
  gboolean late = FALSE;
  GSource *timer = deadline_new (on_farewell_over, &late);

  deadline_set (timer, g_get_monotonic_time () + FAREWELL_US);
  while (!late && !all_written (service))
    g_main_context_iteration (NULL, TRUE);
  deadline_drop (&timer);
}

void
service_free (Service *service)
{
  if (service == NULL)
    return;
  g_signal_handlers_disconnect_by_data (service->messenger, service);
  if (service->incoming != NULL)
    {
      g_source_destroy (service->incoming);
      g_source_unref (service->incoming);
      close (service->listening);
      unlink (service->socket_path);
    }
  agents_release (service->agents);
  flush_clients (service);
  g_ptr_array_unref (service->questions);
  g_ptr_array_unref (service->clients);
  g_ptr_array_unref (service->joining);
  agents_free (service->agents);
  g_object_unref (service->messenger);
  g_free (service->socket_path);
  g_free (service->address);
  g_free (service);
}
