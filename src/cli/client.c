/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/client.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/paths.h"
#include "cli/cli.h"
#include "cli/launch.h"

#define CONNECT_WAIT_MS 5000
#define SETTLE_WAIT_MS 10000
#define ADD_WAIT_MS 30000
#define RECONNECT_MS 100
#define LOCK_FILE_MAX 4096

struct _Client
{
  GDBusConnection *connection;
  ClientFlags      flags;
  int              started; /* pid of the daemon that we started, or 0 */
  gboolean         lost;
  ClientSignal     on_signal;
  ClientConnected  on_connected;
  gpointer         data;
  guint            subscription;
  gulong           closed;
  guint            retry;
};

/* errors ------------------------------------------------------------------------------------------------------- */

void
client_take_error (GError **error, GError *src)
{
  g_autofree char *remote = g_dbus_error_get_remote_error (src);

  if (remote != NULL)
    g_dbus_error_strip_remote_error (src);
  if (remote != NULL && g_str_has_prefix (remote, ERROR_DBUS_PREFIX))
    g_set_error_literal (error, HEARBY_ERROR, error_from_name (remote), src->message);
  else if (g_error_matches (src, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)
           || g_error_matches (src, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY))
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_TIMEOUT, "the daemon does not answer");
  else if (remote == NULL && src->domain == G_IO_ERROR)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON, "the daemon went away: %s", src->message);
  else
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "the daemon refused: %s", src->message);
  g_error_free (src);
}

/* connecting --------------------------------------------------------------------------------------------------- */

typedef struct
{
  GDBusConnection *connection;
  GError          *error;
  gboolean         done;
} Connecting;

static void
on_connect (GObject *source, GAsyncResult *result, gpointer data)
{
  Connecting *connecting = data;

  connecting->connection = g_dbus_connection_new_for_address_finish (result, &connecting->error);
  connecting->done = TRUE;
}

static gboolean
on_connect_late (gpointer data)
{
  g_cancellable_cancel (data);
  return G_SOURCE_REMOVE;
}

/* A connection that cannot hang: a stopped daemon takes connections and never answers. In the default main context, as
 * that is where the connection will tell of its end. */
static GDBusConnection *
connect_to (const char *address, GDBusConnectionFlags flags, GError **error)
{
  g_autoptr (GCancellable) cancel = g_cancellable_new ();
  g_autoptr (GSource) timer = g_timeout_source_new (CONNECT_WAIT_MS);
  Connecting connecting = { NULL };

  g_source_set_callback (timer, on_connect_late, cancel, NULL);
  g_source_attach (timer, NULL);
  g_dbus_connection_new_for_address (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | flags, NULL, cancel,
                                     on_connect, &connecting);
  while (!connecting.done)
    g_main_context_iteration (NULL, TRUE);
  g_source_destroy (timer);
  if (connecting.connection == NULL)
    g_propagate_error (error, connecting.error);
  else
    g_dbus_connection_set_exit_on_close (connecting.connection, FALSE);
  return connecting.connection;
}

/* The address that the lock's holder wrote there, or NULL. */
static char *
read_address (void)
{
  g_autofree char *path = paths_lock ();
  char text[LOCK_FILE_MAX + 1];
  FILE *file = fopen (path, "re");
  gsize n = file != NULL ? fread (text, 1, LOCK_FILE_MAX, file) : 0;

  if (file != NULL)
    fclose (file);
  text[n] = '\0';
  text[strcspn (text, "\r\n")] = '\0';
  if (!g_str_has_prefix (text, "unix:") || !g_dbus_is_supported_address (text, NULL))
    return NULL;
  return g_strdup (text);
}

static GDBusConnection *
connect_private (void)
{
  g_autofree char *address = read_address ();

  return address != NULL ? connect_to (address, G_DBUS_CONNECTION_FLAGS_NONE, NULL) : NULL;
}

/* Never autolaunch: that needs X11 and makes buses nobody else is on. */
static char *
session_bus_address (void)
{
  const char *address = g_getenv ("DBUS_SESSION_BUS_ADDRESS");
  const char *runtime = g_getenv ("XDG_RUNTIME_DIR");
  g_autofree char *socket = NULL, *escaped = NULL;

  if (address != NULL && *address != '\0')
    return g_str_has_prefix (address, "unix:") ? g_strdup (address) : NULL;
  if (runtime == NULL || !g_path_is_absolute (runtime))
    return NULL;
  socket = g_build_filename (runtime, "bus", NULL);
  if (!g_file_test (socket, G_FILE_TEST_EXISTS))
    return NULL;
  escaped = g_dbus_address_escape_value (socket);
  return g_strconcat ("unix:path=", escaped, NULL);
}

static GVariant *
call_bus (GDBusConnection *bus, const char *method, GVariant *arguments)
{
  return g_dbus_connection_call_sync (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                      method, arguments, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
}

/* Whatever goes wrong here only means that we start the daemon ourselves. */
static void
activate_on_bus (void)
{
  g_autofree char *address = session_bus_address ();
  g_autoptr (GDBusConnection) bus
      = address != NULL ? connect_to (address, G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL) : NULL;
  g_autoptr (GVariant) names = bus != NULL ? call_bus (bus, "ListActivatableNames", NULL) : NULL;
  g_autofree const char **list = NULL;

  if (names == NULL || !g_variant_is_of_type (names, G_VARIANT_TYPE ("(as)")))
    return;
  g_variant_get (names, "(^a&s)", &list);
  if (g_strv_contains (list, "org.hearby.Hearby"))
    {
      GVariant *answer = call_bus (bus, "StartServiceByName", g_variant_new ("(su)", "org.hearby.Hearby", 0));
      g_clear_pointer (&answer, g_variant_unref);
    }
}

static gboolean
connect_client (Client *client, GError **error)
{
  client->connection = connect_private ();
  if (client->connection != NULL)
    return TRUE;
  if (client->flags & CLIENT_MAY_START)
    {
      activate_on_bus ();
      client->connection = connect_private ();
      if (client->connection == NULL && !launch_daemon (&client->started, error))
        return FALSE;
      if (client->connection == NULL)
        client->connection = connect_private ();
    }
  if (client->connection != NULL)
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON, "%s",
               client->flags & CLIENT_MAY_START ? "the daemon runs and cannot be reached" : "no daemon runs");
  return FALSE;
}

static gboolean
announce (Client *client, GError **error)
{
  g_autoptr (GVariant) answer = NULL;
  const char *instance;
  gboolean first;

  if (!(client->flags & CLIENT_ANNOUNCE))
    return TRUE;
  answer = client_manager (client, "Announce", g_variant_new ("(@a{sv})", client_options ()), error);
  if (answer == NULL)
    return FALSE;
  g_variant_get (answer, "(b&s)", &first, &instance);
  if (first)
    cli_note ("everybody on this link now sees you as '%s'", instance);
  return TRUE;
}

Client *
client_open (ClientFlags flags, GError **error)
{
  g_autoptr (Client) client = g_new0 (Client, 1);

  client->flags = flags;
  if (!connect_client (client, error) || !announce (client, error))
    return NULL;
  return g_steal_pointer (&client);
}

static void
drop_connection (Client *client)
{
  if (client->connection == NULL)
    return;
  if (client->subscription != 0)
    g_dbus_connection_signal_unsubscribe (client->connection, client->subscription);
  if (client->closed != 0)
    g_signal_handler_disconnect (client->connection, client->closed);
  client->subscription = 0;
  client->closed = 0;
  g_clear_object (&client->connection);
}

void
client_close (Client *client)
{
  if (client == NULL)
    return;
  if (client->retry != 0)
    g_source_remove (client->retry);
  drop_connection (client);
  g_free (client);
}

GDBusConnection *
client_peek_connection (Client *client)
{
  return client->connection;
}

int
client_daemon_pid (Client *client)
{
  GIOStream *stream = g_dbus_connection_get_stream (client->connection);
  g_autoptr (GCredentials) credentials = NULL;

  if (G_IS_SOCKET_CONNECTION (stream))
    credentials = g_socket_get_credentials (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)), NULL);
  return credentials != NULL ? MAX (0, g_credentials_get_unix_pid (credentials, NULL)) : 0;
}

/* calling -------------------------------------------------------------------------------------------------------- */

GVariant *
client_options (void)
{
  return g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0);
}

/* Methods that wait for the link by their nature. */
static int
wait_of (const char *method)
{
  if (g_str_equal (method, "Settle"))
    return SETTLE_WAIT_MS;
  return g_str_equal (method, "AddAddress") ? ADD_WAIT_MS : -1;
}

/* GDBus builds trees of values, and a look into a dictionary makes one block of memory of it: text that was borrowed from it
 * before would be gone. So do that first. */
static void
flatten (GVariant *value)
{
  g_variant_get_data (value);
}

GVariant *
client_call_with_fds (Client *client, const char *path, const char *interface, const char *method, GVariant *arguments,
                      GUnixFDList *fds, GError **error)
{
  GError *problem = NULL;
  GVariant *answer;

  if (client->connection == NULL)
    {
      if (arguments != NULL)
        g_variant_unref (g_variant_ref_sink (arguments));
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON, "the daemon went away");
      return NULL;
    }
  answer = g_dbus_connection_call_with_unix_fd_list_sync (client->connection, NULL, path, interface, method, arguments,
                                                          NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, wait_of (method), fds,
                                                          NULL, NULL, &problem);
  if (answer == NULL)
    client_take_error (error, problem);
  else
    flatten (answer);
  return answer;
}

GVariant *
client_call (Client *client, const char *path, const char *interface, const char *method, GVariant *arguments,
             GError **error)
{
  return client_call_with_fds (client, path, interface, method, arguments, NULL, error);
}

GVariant *
client_manager (Client *client, const char *method, GVariant *arguments, GError **error)
{
  return client_call (client, CLIENT_ROOT, CLIENT_MANAGER, method, arguments, error);
}

GVariant *
client_objects (Client *client, GError **error)
{
  g_autoptr (GVariant) answer = client_call (client, CLIENT_ROOT, "org.freedesktop.DBus.ObjectManager",
                                             "GetManagedObjects", NULL, error);

  return answer != NULL ? g_variant_get_child_value (answer, 0) : NULL;
}

GVariant *
client_properties (Client *client, const char *path, const char *interface, GError **error)
{
  g_autoptr (GVariant) answer = client_call (client, path, "org.freedesktop.DBus.Properties", "GetAll",
                                             g_variant_new ("(s)", interface), error);

  return answer != NULL ? g_variant_get_child_value (answer, 0) : NULL;
}

gboolean
client_settle (Client *client, GError **error)
{
  g_autoptr (GVariant) answer
      = client_manager (client, "Settle", g_variant_new ("(@a{sv})", client_options ()), error);

  return answer != NULL;
}

static char **
find_now (Client *client, const char *spec, GError **error)
{
  g_autoptr (GVariant) answer = NULL;
  char **paths = NULL;

  /* Bytes of the command line need not be text, and the bus takes only text. */
  if (!g_utf8_validate (spec, -1, NULL))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "'%s' is not valid UTF-8", spec);
      return NULL;
    }
  answer = client_manager (client, "FindPeer", g_variant_new ("(s@a{sv})", spec, client_options ()), error);
  if (answer == NULL)
    return NULL;
  g_variant_get (answer, "(^ao)", &paths);
  if (paths[0] != NULL)
    return paths;
  g_strfreev (paths);
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "no peer is called '%s'", spec);
  return NULL;
}

char **
client_find (Client *client, const char *spec, GError **error)
{
  g_autoptr (GError) problem = NULL;
  char **paths;

  /* Before the first look is over, a short name may still seem unique. */
  if (client->flags & CLIENT_ANNOUNCE && !client_settle (client, error))
    return NULL;
  paths = find_now (client, spec, &problem);
  if (paths == NULL && g_error_matches (problem, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND)
      && !(client->flags & CLIENT_ANNOUNCE) && client_settle (client, NULL))
    {
      g_clear_error (&problem);
      paths = find_now (client, spec, &problem);
    }
  if (problem != NULL)
    g_propagate_error (error, g_steal_pointer (&problem));
  return paths;
}

char *
client_find_one (Client *client, const char *spec, GError **error)
{
  g_auto (GStrv) paths = client_find (client, spec, error);

  if (paths == NULL)
    return NULL;
  if (paths[1] == NULL)
    return g_strdup (paths[0]);
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_AMBIGUOUS, "'%s' is a group\nname one peer; 'hearby alias' lists them",
               spec);
  return NULL;
}

char *
client_find_met (Client *client, const char *spec, GError **error)
{
  g_autofree char *path = client_find_one (client, spec, error);
  g_autoptr (GVariant) peer = path != NULL ? client_properties (client, path, CLIENT_PEER, error) : NULL;
  g_autoptr (GVariant) answer = NULL;

  if (peer == NULL)
    return NULL;
  if (*dict_string (peer, "Fingerprint") != '\0' || !dict_boolean (peer, "Online") || dict_boolean (peer, "Self"))
    return g_steal_pointer (&path);
  answer = client_call (client, path, CLIENT_PEER, "Probe", g_variant_new ("(@a{sv})", client_options ()), NULL);
  return client_find_one (client, spec, error); /* the key may be one that is known by another name */
}

GVariant *
client_messages (Client *client, GVariant *filter, GError **error)
{
  g_autoptr (GVariant) answer = client_manager (client, "ListMessages", g_variant_new ("(@a{sv})", filter), error);

  return answer != NULL ? g_variant_get_child_value (answer, 0) : NULL;
}

gboolean
client_newest (Client *client, guint64 *seq, GError **error)
{
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) messages = NULL;

  g_variant_dict_insert (&filter, "newest", "b", TRUE);
  g_variant_dict_insert (&filter, "limit", "u", 1);
  messages = client_messages (client, g_variant_dict_end (&filter), error);
  if (messages == NULL)
    return FALSE;
  *seq = 0;
  if (g_variant_n_children (messages) > 0)
    {
      g_autoptr (GVariant) last = g_variant_get_child_value (messages, 0);
      *seq = (guint64) dict_number (last, "seq");
    }
  return TRUE;
}

/* transfers ------------------------------------------------------------------------------------------------------ */

GVariant *
client_transfers (Client *client, GVariant *filter, GError **error)
{
  g_autoptr (GVariant) answer = client_manager (client, "ListTransfers", g_variant_new ("(@a{sv})", filter), error);

  return answer != NULL ? g_variant_get_child_value (answer, 0) : NULL;
}

GVariant *
client_transfer (Client *client, const char *id, GError **error)
{
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) found = NULL;
  guint64 number = 0;

  if (g_ascii_string_to_unsigned (id, 10, 1, G_MAXINT64, &number, NULL))
    {
      g_variant_dict_insert_value (&filter, "ids", g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, &number, 1, sizeof number));
      found = client_transfers (client, g_variant_dict_end (&filter), error);
      if (found == NULL)
        return NULL;
      if (g_variant_n_children (found) > 0)
        return g_variant_get_child_value (found, 0);
    }
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "there is no transfer '%s'\n'hearby transfers' lists them", id);
  return NULL;
}

void
client_fail_over (GVariant *transfer, GError **error)
{
  gint64 id = dict_number (transfer, "id");

  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED,
               "transfer %" G_GINT64_FORMAT " is over: %s\n'hearby transfers %" G_GINT64_FORMAT "' tells more", id,
               dict_string (transfer, "state"), id);
}

gboolean
client_transfer_call (Client *client, GVariant *transfer, const char *method, GError **error)
{
  const char *path = dict_string (transfer, "transfer");
  g_autoptr (GVariant) answer = NULL;

  if (*path != '\0')
    answer = client_call (client, path, CLIENT_TRANSFER, method, g_variant_new ("(@a{sv})", client_options ()), error);
  else
    client_fail_over (transfer, error);
  return answer != NULL;
}

const char *
client_path_id (const char *path)
{
  const char *name = strrchr (path, '/');

  name = name != NULL ? name + 1 : path;
  return *name == 'p' ? name + 1 : name;
}

static void
tell_conversation (Client *client, const char *peer, const char *method, GVariant *arguments)
{
  g_autofree char *path = g_strconcat (CLIENT_ROOT "/conversations/p", client_path_id (peer), NULL);

  g_variant_ref_sink (arguments);
  if (client->connection != NULL && g_variant_is_object_path (path))
    {
      g_dbus_connection_call (client->connection, NULL, path, CLIENT_CONVERSATION, method, arguments, NULL,
                              G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
      /* The program may end right after this. */
      g_dbus_connection_flush_sync (client->connection, NULL, NULL);
    }
  g_variant_unref (arguments);
}

void
client_mark_read (Client *client, const char *peer, guint64 seq)
{
  tell_conversation (client, peer, "MarkRead", g_variant_new ("(t@a{sv})", seq, client_options ()));
}

void
client_set_typing (Client *client, const char *peer, const char *state)
{
  tell_conversation (client, peer, "SetTyping", g_variant_new ("(s@a{sv})", state, client_options ()));
}

/* following ------------------------------------------------------------------------------------------------------ */

static void watch (Client *client);

static void
on_dbus_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                const char *signal, GVariant *arguments, gpointer data)
{
  Client *client = data;

  flatten (arguments);
  client->on_signal (path, interface, signal, arguments, client->data);
}

static gboolean
on_retry (gpointer data)
{
  Client *client = data;
  GDBusConnection *connection = connect_private ();

  /* A daemon that somebody ended stays ended; one that we started and that crashed is ours to start again. */
  if (connection == NULL && launch_crashed (client->started) && launch_daemon (&client->started, NULL))
    connection = connect_private ();
  client->connection = connection;
  if (connection == NULL)
    return G_SOURCE_CONTINUE;
  if (!announce (client, NULL))
    {
      drop_connection (client);
      return G_SOURCE_CONTINUE;
    }
  client->retry = 0;
  client->lost = FALSE;
  watch (client);
  client->on_connected (client->data);
  return G_SOURCE_REMOVE;
}

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer data)
{
  Client *client = data;

  drop_connection (client);
  client->lost = TRUE;
  client->retry = g_timeout_add (RECONNECT_MS, on_retry, client);
}

static void
watch (Client *client)
{
  client->subscription
      = g_dbus_connection_signal_subscribe (client->connection, NULL, NULL, NULL, NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                            on_dbus_signal, client, NULL);
  client->closed = g_signal_connect (client->connection, "closed", G_CALLBACK (on_closed), client);
}

void
client_follow (Client *client, ClientSignal on_signal, ClientConnected on_connected, gpointer data)
{
  client->on_signal = on_signal;
  client->on_connected = on_connected;
  client->data = data;
  if (client->subscription == 0 && !client->lost)
    watch (client);
  on_connected (data);
}

gboolean
client_is_lost (Client *client)
{
  return client->lost;
}
