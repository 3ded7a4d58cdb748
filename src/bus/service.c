/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/paths.h"
#include "bus/api.h"
#include "net/deadline.h"

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define N_REGISTRATIONS 4
#define FLUSH_EVERY 256      /* signals */
#define FAREWELL_US (500 * 1000)

typedef struct
{
  Service         *service;
  GDBusConnection *connection;
  guint            ids[N_REGISTRATIONS];
  gulong           closed_handler;
  guint            unread;   /* signals since a flush came through */
  gboolean         flushing;
} Client;

struct _Service
{
  Messenger   *messenger;
  GDBusServer *server;
  char        *socket_path;
  GPtrArray   *clients; /* Client */
  void (*quit) (gpointer user_data);
  gpointer user_data;
};

/* Errors ----------------------------------------------------------------------------------------------------------- */

static void
register_errors (void)
{
  for (guint i = 0; i < HEARBY_ERROR_LAST; i++)
    {
      g_autofree char *name = g_strconcat (ERROR_DBUS_PREFIX, error_name (i), NULL);

      g_dbus_error_register_error (HEARBY_ERROR, (int) i, name);
    }
}

/* Calls and properties, by the tables -------------------------------------------------------------------------------- */

static const Interface *
find_interface (const char *name)
{
  const Interface *all[] = { manager_interface (), peer_interface (), conversation_interface () };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    if (g_str_equal (all[i]->info->name, name))
      return all[i];
  return NULL;
}

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *arguments, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Service *service = user_data;
  const char *node = strrchr (path, '/') + 1;
  Call call = { service, service->messenger, NULL, arguments, invocation };
  const MethodRow *row = find_interface (interface)->methods;
  g_autofree char *unknown = NULL;

  if (!g_str_equal (path, BUS_ROOT) && (call.peer = call_peer_of_node (service->messenger, node)) == NULL)
    {
      call_reply_error (&call, g_error_new (HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "there is no object %s", path));
      return;
    }
  while (!g_str_equal (row->name, method))
    row++; /* GDBus has checked that the interface has it; the unit of the two tables is tested */
  unknown = call_find_unknown_demand (arguments, row->options);
  if (unknown != NULL)
    call_reply_error (&call, g_error_new (HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                                         "%s does not understand the option '%s'", method, unknown));
  else
    row->handle (&call);
}

static GVariant *
on_get (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *property,
        GError **error, gpointer user_data)
{
  Service *service = user_data;
  Peer *peer = call_peer_of_node (service->messenger, strrchr (path, '/') + 1);
  const PropertyRow *row = find_interface (interface)->properties;

  if (peer == NULL && !g_str_equal (path, BUS_ROOT))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "there is no object %s", path);
      return NULL;
    }
  while (!g_str_equal (row->name, property))
    row++;
  return row->get (service->messenger, peer);
}

static const GDBusInterfaceVTable interface_vtable = { on_call, on_get, NULL, { 0 } };

static GVariant *
properties_of (Messenger *messenger, const Interface *interface, Peer *peer, guint changes)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (const PropertyRow *row = interface->properties; row->name != NULL; row++)
    if (changes == G_MAXUINT || (row->changes & changes) != 0)
      g_variant_builder_add (&builder, "{sv}", row->name, row->get (messenger, peer));
  return g_variant_builder_end (&builder);
}

/* Object manager ----------------------------------------------------------------------------------------------------- */

static void
add_object (GVariantBuilder *objects, Messenger *messenger, char *path, const Interface *interface, Peer *peer)
{
  GVariantBuilder interfaces;

  g_variant_builder_init (&interfaces, G_VARIANT_TYPE ("a{sa{sv}}"));
  g_variant_builder_add (&interfaces, "{s@a{sv}}", interface->info->name,
                         properties_of (messenger, interface, peer, G_MAXUINT));
  g_variant_builder_add (objects, "{oa{sa{sv}}}", path, &interfaces);
  g_free (path);
}

static void
on_object_manager_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                        const char *method, GVariant *arguments, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Service *service = user_data;
  GPtrArray *peers = roster_peers (messenger_roster (service->messenger));
  GVariantBuilder objects;

  g_variant_builder_init (&objects, G_VARIANT_TYPE ("a{oa{sa{sv}}}"));
  for (guint i = 0; i < peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (peers, i);

      add_object (&objects, service->messenger, call_peer_path (peer->row->id), peer_interface (), peer);
      add_object (&objects, service->messenger, call_conversation_path (peer->row->id), conversation_interface (), peer);
    }
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(a{oa{sa{sv}}})", &objects));
}

static const GDBusInterfaceVTable object_manager_vtable = { on_object_manager_call, NULL, NULL, { 0 } };

static GDBusInterfaceInfo *
object_manager_info (void)
{
  static GDBusNodeInfo *node;

  if (node == NULL)
    node = g_dbus_node_info_new_for_xml (
        "<node><interface name='" OBJECT_MANAGER "'><method name='GetManagedObjects'>"
        "<arg name='objects' type='a{oa{sa{sv}}}' direction='out'/></method>"
        "<signal name='InterfacesAdded'><arg name='object' type='o'/><arg name='interfaces' type='a{sa{sv}}'/></signal>"
        "<signal name='InterfacesRemoved'><arg name='object' type='o'/><arg name='interfaces' type='as'/></signal>"
        "</interface></node>",
        NULL);
  return node->interfaces[0];
}

/* Subtrees: one level of objects, made up while somebody looks --------------------------------------------------------- */

static const Interface *
interface_below (const char *path)
{
  return g_str_has_prefix (path, BUS_PEERS) ? peer_interface () : conversation_interface ();
}

static char **
on_enumerate (GDBusConnection *connection, const char *sender, const char *path, gpointer user_data)
{
  Service *service = user_data;
  GPtrArray *peers = roster_peers (messenger_roster (service->messenger));
  char **nodes = g_new0 (char *, peers->len + 1);

  for (guint i = 0; i < peers->len; i++)
    nodes[i] = g_strdup_printf ("p%" G_GINT64_FORMAT, ((Peer *) g_ptr_array_index (peers, i))->row->id);
  return nodes;
}

static GDBusInterfaceInfo **
on_introspect (GDBusConnection *connection, const char *sender, const char *path, const char *node, gpointer user_data)
{
  GDBusInterfaceInfo **infos;

  if (node == NULL)
    return NULL;
  infos = g_new0 (GDBusInterfaceInfo *, 2);
  infos[0] = g_dbus_interface_info_ref (interface_below (path)->info);
  return infos;
}

static const GDBusInterfaceVTable *
on_dispatch (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *node,
             gpointer *out_user_data, gpointer user_data)
{
  *out_user_data = user_data;
  return node != NULL ? &interface_vtable : NULL;
}

static const GDBusSubtreeVTable subtree_vtable = { on_enumerate, on_introspect, on_dispatch, { 0 } };

/* Signals to everybody ------------------------------------------------------------------------------------------------ */

/* GDBus queues without a bound for somebody who does not read, and does not say how much. A flush now and then tells who keeps up. */
static void
on_flushed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Service *service = user_data;

  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (source), result, NULL);
  for (guint i = 0; i < service->clients->len; i++)
    {
      Client *client = g_ptr_array_index (service->clients, i);

      if (client->connection != G_DBUS_CONNECTION (source))
        continue;
      client->flushing = FALSE;
      client->unread = 0;
    }
}

static void
watch_lag (Client *client)
{
  client->unread++;
  if (client->unread > LIMIT_CLIENT_LAG)
    {
      g_message ("a client of the bus does not read: its connection is closed");
      client->unread = 0;
      g_dbus_connection_close (client->connection, NULL, NULL, NULL);
    }
  else if (client->unread > FLUSH_EVERY && !client->flushing)
    {
      client->flushing = TRUE;
      g_dbus_connection_flush (client->connection, NULL, on_flushed, client->service);
    }
}

static void
emit (Service *service, const char *path, const char *interface, const char *signal, GVariant *arguments)
{
  g_autoptr (GVariant) kept = g_variant_ref_sink (arguments);

  for (guint i = 0; i < service->clients->len; i++)
    {
      Client *client = g_ptr_array_index (service->clients, i);

      g_dbus_connection_emit_signal (client->connection, NULL, path, interface, signal, kept, NULL);
      watch_lag (client);
    }
}

static void
emit_properties (Service *service, const char *path, const Interface *interface, Peer *peer, guint changes)
{
  g_autoptr (GVariant) changed = g_variant_ref_sink (properties_of (service->messenger, interface, peer, changes));

  if (g_variant_n_children (changed) > 0)
    emit (service, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
          g_variant_new ("(s@a{sv}as)", interface->info->name, changed, NULL));
}

static void
emit_added (Service *service, char *path, const Interface *interface, Peer *peer)
{
  GVariantBuilder interfaces;

  g_variant_builder_init (&interfaces, G_VARIANT_TYPE ("a{sa{sv}}"));
  g_variant_builder_add (&interfaces, "{s@a{sv}}", interface->info->name,
                         properties_of (service->messenger, interface, peer, G_MAXUINT));
  emit (service, BUS_ROOT, OBJECT_MANAGER, "InterfacesAdded", g_variant_new ("(oa{sa{sv}})", path, &interfaces));
  g_free (path);
}

static void
emit_removed (Service *service, char *path, const Interface *interface)
{
  const char *names[] = { interface->info->name, NULL };

  emit (service, BUS_ROOT, OBJECT_MANAGER, "InterfacesRemoved", g_variant_new ("(o^as)", path, names));
  g_free (path);
}

static void
on_peer_added (Messenger *messenger, Peer *peer, Service *service)
{
  emit_added (service, call_peer_path (peer->row->id), peer_interface (), peer);
  emit_added (service, call_conversation_path (peer->row->id), conversation_interface (), peer);
}

static void
on_peer_changed (Messenger *messenger, Peer *peer, guint changes, Service *service)
{
  g_autofree char *path = call_peer_path (peer->row->id);
  g_autofree char *conversation = call_conversation_path (peer->row->id);

  emit_properties (service, path, peer_interface (), peer, changes);
  emit_properties (service, conversation, conversation_interface (), peer, changes);
}

static void
on_peer_removed (Messenger *messenger, gint64 *id, Service *service)
{
  emit_removed (service, call_peer_path (*id), peer_interface ());
  emit_removed (service, call_conversation_path (*id), conversation_interface ());
}

static void
on_message_added (Messenger *messenger, MessageRow *row, Service *service)
{
  if (service->clients->len > 0)
    emit (service, BUS_ROOT, manager_interface ()->info->name, "MessageAdded",
          g_variant_new ("(t@a{sv})", row->seq, message_to_variant (messenger, row)));
}

static void
on_message_changed (Messenger *messenger, MessageRow *row, Service *service)
{
  GVariantBuilder changed;

  if (service->clients->len == 0)
    return;
  g_variant_builder_init (&changed, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&changed, "{sv}", "state", g_variant_new_string (message_state_name (row->state)));
  if (row->reason != NULL)
    g_variant_builder_add (&changed, "{sv}", "reason", g_variant_new_string (row->reason));
  if (row->confirms)
    g_variant_builder_add (&changed, "{sv}", "confirms", g_variant_new_boolean (TRUE));
  emit (service, BUS_ROOT, manager_interface ()->info->name, "MessageChanged",
        g_variant_new ("(ta{sv})", row->seq, &changed));
}

static void
on_changed (Messenger *messenger, guint changes, Service *service)
{
  emit_properties (service, BUS_ROOT, manager_interface (), NULL, changes);
}

/* Connections --------------------------------------------------------------------------------------------------------- */

static void
client_free (gpointer data)
{
  Client *client = data;

  g_clear_signal_handler (&client->closed_handler, client->connection);
  g_dbus_connection_unregister_object (client->connection, client->ids[0]);
  g_dbus_connection_unregister_object (client->connection, client->ids[1]);
  g_dbus_connection_unregister_subtree (client->connection, client->ids[2]);
  g_dbus_connection_unregister_subtree (client->connection, client->ids[3]);
  g_object_unref (client->connection);
  g_free (client);
}

static void
on_client_closed (GDBusConnection *connection, gboolean remote_vanished, GError *error, gpointer user_data)
{
  Service *service = user_data;

  for (guint i = 0; i < service->clients->len; i++)
    if (((Client *) g_ptr_array_index (service->clients, i))->connection == connection)
      {
        g_ptr_array_remove_index_fast (service->clients, i);
        return;
      }
}

static void
add_client (Service *service, GDBusConnection *connection)
{
  Client *client = g_new0 (Client, 1);
  const GDBusSubtreeFlags flags = G_DBUS_SUBTREE_FLAGS_NONE;

  client->service = service;
  client->connection = g_object_ref (connection);
  client->ids[0] = g_dbus_connection_register_object (connection, BUS_ROOT, manager_interface ()->info, &interface_vtable,
                                                      service, NULL, NULL);
  client->ids[1] = g_dbus_connection_register_object (connection, BUS_ROOT, object_manager_info (),
                                                      &object_manager_vtable, service, NULL, NULL);
  client->ids[2] = g_dbus_connection_register_subtree (connection, BUS_PEERS, &subtree_vtable, flags, service, NULL, NULL);
  client->ids[3]
      = g_dbus_connection_register_subtree (connection, BUS_CONVERSATIONS, &subtree_vtable, flags, service, NULL, NULL);
  client->closed_handler = g_signal_connect (connection, "closed", G_CALLBACK (on_client_closed), service);
  g_ptr_array_add (service->clients, client);
}

static gboolean
on_new_connection (GDBusServer *server, GDBusConnection *connection, gpointer user_data)
{
  add_client (user_data, connection);
  return TRUE;
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

static gboolean
listen_at (Service *service, const char *path, GError **error)
{
  g_autofree char *escaped = g_dbus_address_escape_value (path);
  g_autofree char *address = g_strconcat ("unix:path=", escaped, NULL);
  g_autofree char *guid = g_dbus_generate_guid ();

  if (strlen (path) >= sizeof ((struct sockaddr_un *) 0)->sun_path)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "the path %s is too long for a socket", path);
      return FALSE;
    }
  if (!is_taken (path))
    unlink (path);
  service->server
      = g_dbus_server_new_sync (address, G_DBUS_SERVER_FLAGS_AUTHENTICATION_REQUIRE_SAME_USER, guid, NULL, NULL, error);
  if (service->server == NULL)
    return FALSE;
  service->socket_path = g_strdup (path);
  g_signal_connect (service->server, "new-connection", G_CALLBACK (on_new_connection), service);
  g_dbus_server_start (service->server);
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
    return g_dbus_server_get_client_address (service->server);
  if (!listen_at (service, beside, error))
    return NULL;
  return g_dbus_server_get_client_address (service->server);
}

/* The session bus ------------------------------------------------------------------------------------------------------- */

typedef struct
{
  Service         *service;
  GDBusConnection *connection;
  ServiceJoined    done;
  gpointer         user_data;
} Joining;

/* @keep: the connection serves from now on. */
static void
joined (Joining *joining, gboolean keep, GError *error)
{
  if (!keep && joining->connection != NULL)
    on_client_closed (joining->connection, FALSE, NULL, joining->service);
  if (joining->done != NULL)
    joining->done (error, joining->user_data);
  g_clear_error (&error);
  g_clear_object (&joining->connection);
  g_free (joining);
}

static gboolean
is_ours (Service *service, const char *unique_name)
{
  for (guint i = 0; i < service->clients->len; i++)
    if (g_strcmp0 (unique_name,
                   g_dbus_connection_get_unique_name (((Client *) g_ptr_array_index (service->clients, i))->connection))
        == 0)
      return TRUE;
  return FALSE;
}

/* The name is taken: perhaps by ourselves, who serve that bus already. */
static void
on_owner (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Joining *joining = user_data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  const char *owner = NULL;

  if (reply != NULL)
    g_variant_get (reply, "(&s)", &owner);
  if (owner != NULL && is_ours (joining->service, owner))
    joined (joining, FALSE, NULL);
  else
    joined (joining, FALSE,
            g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_EXISTS, "the name " BUS_NAME " is taken on that bus"));
}

static void
call_bus (Joining *joining, const char *method, GVariant *arguments, const char *answer, GAsyncReadyCallback done)
{
  g_dbus_connection_call (joining->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                          method, arguments, G_VARIANT_TYPE (answer), G_DBUS_CALL_FLAGS_NONE, -1, NULL, done, joining);
}

static void
on_name (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  guint32 code = 0;

  if (reply != NULL)
    g_variant_get (reply, "(u)", &code);
  if (reply == NULL)
    joined (user_data, FALSE, error);
  else if (code == 1 || code == 4) /* primary owner, already owner */
    joined (user_data, TRUE, NULL);
  else
    call_bus (user_data, "GetNameOwner", g_variant_new ("(s)", BUS_NAME), "(s)", on_owner);
}

static void
on_bus (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Joining *joining = user_data;
  GError *error = NULL;

  joining->connection = g_dbus_connection_new_for_address_finish (result, &error);
  if (joining->connection == NULL)
    {
      joined (joining, FALSE, error);
      return;
    }
  g_dbus_connection_set_exit_on_close (joining->connection, FALSE);
  add_client (joining->service, joining->connection); /* everything is there before the name is */
  call_bus (joining, "RequestName", g_variant_new ("(su)", BUS_NAME, 4u /* DO_NOT_QUEUE */), "(u)", on_name);
}

void
service_join (Service *service, const char *address, ServiceJoined done, gpointer user_data)
{
  Joining *joining = g_new0 (Joining, 1);

  joining->service = service;
  joining->done = done;
  joining->user_data = user_data;
  g_dbus_connection_new_for_address (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
      on_bus, joining);
}

/* Life -------------------------------------------------------------------------------------------------------------------- */

void
service_quit (Service *service)
{
  service->quit (service->user_data);
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
  };
  Service *service = g_new0 (Service, 1);

  register_errors ();
  service->messenger = g_object_ref (messenger);
  service->clients = g_ptr_array_new_with_free_func (client_free);
  service->quit = quit;
  service->user_data = user_data;
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    g_signal_connect (messenger, signals[i].signal, signals[i].callback, service);
  return service;
}

typedef struct
{
  guint    left;
  gboolean late;
} Farewell;

static void
on_farewell (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (source), result, NULL);
  ((Farewell *) user_data)->left--;
}

static gboolean
on_farewell_over (gpointer user_data)
{
  ((Farewell *) user_data)->late = TRUE;
  return G_SOURCE_REMOVE;
}

/* What was said last still has to reach the other end, if that one reads: a flush cannot be cancelled, so one that does not come through
 * is left behind, with this struct, to the end of the process. */
static void
flush_clients (Service *service)
{
  Farewell *farewell = g_new0 (Farewell, 1);
  GSource *timer = deadline_new (on_farewell_over, farewell);

  deadline_set (timer, g_get_monotonic_time () + FAREWELL_US);
  for (guint i = 0; i < service->clients->len; i++, farewell->left++)
    g_dbus_connection_flush (((Client *) g_ptr_array_index (service->clients, i))->connection, NULL, on_farewell, farewell);
  while (farewell->left > 0 && !farewell->late)
    g_main_context_iteration (NULL, TRUE);
  deadline_drop (&timer);
  if (farewell->left == 0)
    g_free (farewell);
}

void
service_free (Service *service)
{
  if (service == NULL)
    return;
  g_signal_handlers_disconnect_by_data (service->messenger, service);
  if (service->server != NULL)
    {
      g_dbus_server_stop (service->server);
      unlink (service->socket_path);
    }
  flush_clients (service);
  g_ptr_array_unref (service->clients);
  g_clear_object (&service->server);
  g_object_unref (service->messenger);
  g_free (service->socket_path);
  g_free (service);
}
