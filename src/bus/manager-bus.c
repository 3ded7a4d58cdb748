/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "bus/api.h"
#include "bus/service.h"

/* org.hearby.Manager1 */

static GVariant *
get_version (Messenger *messenger, Peer *peer)
{
  return g_variant_new_string (HEARBY_VERSION);
}

static GVariant *
get_features (Messenger *messenger, Peer *peer)
{
  static const char *const features[]
      = { "messages", "receipts", "chat-states", "markers", "correction", "consumers", "search", "addresses", "trace", NULL };

  return g_variant_new_strv (features, -1);
}

static GVariant *
get_instance (Messenger *messenger, Peer *peer)
{
  return g_variant_new_string (messenger_instance (messenger));
}

static GVariant *
get_nick (Messenger *messenger, Peer *peer)
{
  return g_variant_new_take_string (messenger_dup_nick (messenger));
}

static GVariant *
get_status (Messenger *messenger, Peer *peer)
{
  return g_variant_new_string (status_name (messenger_status (messenger)));
}

static GVariant *
get_status_text (Messenger *messenger, Peer *peer)
{
  return g_variant_new_string (messenger_status_text (messenger));
}

static GVariant *
get_on_air (Messenger *messenger, Peer *peer)
{
  return g_variant_new_boolean (messenger_is_on_air (messenger));
}

static GVariant *
get_port (Messenger *messenger, Peer *peer)
{
  return g_variant_new_uint16 (messenger_port (messenger));
}

static GVariant *
get_discovery (Messenger *messenger, Peer *peer)
{
  return g_variant_new_string (messenger_discovery (messenger));
}

/* The value in bytes of a line of /proc/PID/smaps_rollup. */
static guint64
pss_of (const char *pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%s/smaps_rollup", pid);
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents (path, &text, NULL, NULL) || (line = strstr (text, "\nPss:")) == NULL)
    return 0;
  return g_ascii_strtoull (line + strlen ("\nPss:") + strspn (line + strlen ("\nPss:"), " "), NULL, 10) * 1024;
}

/* Ours and that of our children: the embedded responder is a part of us. */
static guint64
pss_of_all (void)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/task/%d/children", getpid ());
  g_autofree char *text = NULL;
  g_auto (GStrv) pids = NULL;
  guint64 pss = pss_of ("self");

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return pss;
  pids = g_strsplit (g_strstrip (text), " ", -1);
  for (guint i = 0; pids[i] != NULL; i++)
    pss += pss_of (pids[i]);
  return pss;
}

static GVariant *
get_health (Messenger *messenger, Peer *peer)
{
  g_auto (GStrv) problems = messenger_problems (messenger);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "problems", g_variant_new_strv ((const char *const *) problems, -1));
  g_variant_builder_add (&builder, "{sv}", "pss", g_variant_new_uint64 (pss_of_all ()));
  g_variant_builder_add (&builder, "{sv}", "pid", g_variant_new_uint32 ((guint32) getpid ()));
  g_variant_builder_add (&builder, "{sv}", "uptime", g_variant_new_int64 (messenger_uptime (messenger)));
  return g_variant_builder_end (&builder);
}

static GVariant *
get_unread (Messenger *messenger, Peer *peer)
{
  return g_variant_new_uint32 (messenger_unread (messenger));
}

static GVariant *
get_aliases (Messenger *messenger, Peer *peer)
{
  GPtrArray *aliases = roster_aliases (messenger_roster (messenger));
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sao}"));
  for (guint i = 0; i < aliases->len; i++)
    {
      const Alias *alias = g_ptr_array_index (aliases, i);

      g_variant_builder_open (&builder, G_VARIANT_TYPE ("{sao}"));
      g_variant_builder_add (&builder, "s", alias->name);
      g_variant_builder_open (&builder, G_VARIANT_TYPE ("ao"));
      for (guint k = 0; k < alias->peers->len; k++)
        {
          g_autofree char *path = call_peer_path (g_array_index (alias->peers, gint64, k));

          g_variant_builder_add (&builder, "o", path);
        }
      g_variant_builder_close (&builder);
      g_variant_builder_close (&builder);
    }
  return g_variant_builder_end (&builder);
}

/* Methods ---------------------------------------------------------------------------------------------------------- */

/* Answers with the turn's commit, or with @error. */
static void
finish (const Call *call, gboolean done, GVariant *value, GError *error)
{
  if (done)
    call_reply_later (call, value);
  else
    call_reply_error (call, error);
}

static void
handle_set_status (const Call *call)
{
  const char *name, *text;
  Status status;
  GError *error = NULL;

  g_variant_get_child (call->arguments, 0, "&s", &name);
  g_variant_get_child (call->arguments, 1, "&s", &text);
  if (!status_from_name (name, &status))
    g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                 "'%s' is no status\nthere are available, away, dnd and offline", name);
  else if (strlen (text) > LIMIT_STATUS_TEXT)
    g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "the text has %" G_GSIZE_FORMAT " bytes, %d are the most",
                 strlen (text), LIMIT_STATUS_TEXT);
  else
    messenger_set_status (call->messenger, status, text, &error);
  finish (call, error == NULL, NULL, error);
}

static void
handle_announce (const Call *call)
{
  gboolean first;
  const char *instance = messenger_announce (call->messenger, &first);

  call_reply_later (call, g_variant_new ("(bs)", first, instance));
}

static void
on_settled (gpointer invocation)
{
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
handle_settle (const Call *call)
{
  messenger_settle (call->messenger, on_settled, call->invocation);
}

static void
handle_settings (const Call *call)
{
  gsize n;
  const SettingInfo *table = settings_table (&n);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  for (gsize i = 0; i < n; i++)
    g_variant_builder_add (&builder, "{ss}", table[i].name,
                           settings_get (messenger_settings (call->messenger), table[i].name));
  call_reply (call, g_variant_new ("(a{ss})", &builder));
}

static void
handle_configure (const Call *call)
{
  g_autoptr (GVariant) settings = g_variant_get_child_value (call->arguments, 0);
  g_autoptr (GPtrArray) keys = g_ptr_array_new ();
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_autoptr (GPtrArray) texts = g_ptr_array_new ();
  g_auto (GStrv) restart = NULL;
  GVariantIter iter;
  const char *key;
  GVariant *value;
  GError *error = NULL;

  g_variant_iter_init (&iter, settings);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_ptr_array_add (keys, (gpointer) key);
      g_ptr_array_add (values, value);
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
        g_ptr_array_add (texts, (gpointer) g_variant_get_string (value, NULL));
      else if (error == NULL)
        g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "the value of '%s' is no text", key);
    }
  if (error == NULL)
    messenger_configure (call->messenger, (const char *const *) keys->pdata, (const char *const *) texts->pdata, keys->len,
                         &restart, &error);
  finish (call, error == NULL, error == NULL ? g_variant_new ("(^as)", restart) : NULL, error);
}

static void
handle_find_peer (const Call *call)
{
  const char *spec;
  GError *error = NULL;
  g_autoptr (GPtrArray) found = NULL;
  GVariantBuilder paths;

  g_variant_get_child (call->arguments, 0, "&s", &spec);
  found = roster_find (messenger_roster (call->messenger), spec, &error);
  if (found == NULL)
    {
      call_reply_error (call, error);
      return;
    }
  g_variant_builder_init (&paths, G_VARIANT_TYPE_OBJECT_PATH_ARRAY);
  for (guint i = 0; i < found->len; i++)
    {
      g_autofree char *path = call_peer_path (((Peer *) g_ptr_array_index (found, i))->row->id);

      g_variant_builder_add (&paths, "o", path);
    }
  call_reply (call, g_variant_new ("(ao)", &paths));
}

static void
on_address_probed (gint64 rtt, const char *address, const GError *error, gpointer user_data)
{
  Call *call = user_data;

  /* What it turned out to be: its header may have made it one that is known already. */
  GPtrArray *peers = roster_peers (messenger_roster (call->messenger));
  const char *wanted = g_object_get_data (G_OBJECT (call->invocation), "address");

  if (error != NULL)
    call_reply_error (call, g_error_new (HEARBY_ERROR, HEARBY_ERROR_PEER_OFFLINE,
                                        "'%s' does not answer: %s\nit is remembered and tried again; the other side has to add you too",
                                        wanted, error->message));
  for (guint i = 0; error == NULL && i < peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (peers, i);
      g_autofree char *path = call_peer_path (peer->row->id);

      if (g_strcmp0 (peer->row->address, wanted) != 0)
        continue;
      call_reply (call, g_variant_new ("(o)", path));
      break;
    }
  g_free (call);
}

static void
wait_for_address (const Call *call, Peer *peer)
{
  g_object_set_data_full (G_OBJECT (call->invocation), "address", g_strdup (peer->row->address), g_free);
  messenger_probe (call->messenger, peer, on_address_probed, g_memdup2 (call, sizeof *call));
}

static void
handle_add_address (const Call *call)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->arguments, 1);
  g_autofree char *alias = call_option_string (options, "alias");
  g_autofree char *path = NULL;
  const char *uri;
  GError *error = NULL;
  Peer *peer;

  g_variant_get_child (call->arguments, 0, "&s", &uri);
  peer = messenger_add_address (call->messenger, uri, &error);
  if (peer != NULL && alias != NULL)
    messenger_set_alias (call->messenger, alias, &peer, 1, &error);
  if (error != NULL)
    {
      call_reply_error (call, error);
      return;
    }
  path = call_peer_path (peer->row->id);
  if (call_option_boolean (options, "wait"))
    wait_for_address (call, peer);
  else
    call_reply_later (call, g_variant_new ("(o)", path));
}

static void
handle_set_alias (const Call *call)
{
  g_autoptr (GVariant) paths = g_variant_get_child_value (call->arguments, 1);
  GError *error = NULL;
  g_autoptr (GPtrArray) peers = call_peers (call->messenger, paths, &error);
  const char *name;

  g_variant_get_child (call->arguments, 0, "&s", &name);
  if (peers != NULL)
    messenger_set_alias (call->messenger, name, (Peer **) peers->pdata, peers->len, &error);
  finish (call, error == NULL, NULL, error);
}

static void
handle_cancel_message (const Call *call)
{
  GError *error = NULL;
  gboolean done;
  guint64 seq;

  g_variant_get_child (call->arguments, 0, "t", &seq);
  done = messenger_cancel (call->messenger, seq, &error);
  finish (call, done, NULL, error);
}

static void
handle_acknowledge (const Call *call)
{
  GError *error = NULL;
  const char *consumer;
  gboolean done;
  guint64 seq;

  g_variant_get_child (call->arguments, 0, "&s", &consumer);
  g_variant_get_child (call->arguments, 1, "t", &seq);
  done = consumers_acknowledge (messenger_database (call->messenger), consumer, seq, &error);
  finish (call, done, NULL, error);
}

static void
on_joined (const GError *error, gpointer invocation)
{
  if (error != NULL)
    g_dbus_method_invocation_return_error (invocation, HEARBY_ERROR, HEARBY_ERROR_FAILED, "that bus cannot be joined: %s",
                                           error->message);
  else
    g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
handle_join_bus (const Call *call)
{
  GDBusConnection *connection = g_dbus_method_invocation_get_connection (call->invocation);
  const char *address;

  g_variant_get_child (call->arguments, 0, "&s", &address);
  if (g_dbus_connection_get_unique_name (connection) != NULL)
    call_reply_error (call, g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_ACCESS_DENIED,
                                                "only the private socket may ask for that"));
  else
    service_join (call->service, address, on_joined, call->invocation);
}

static void
handle_quit (const Call *call)
{
  call_reply (call, NULL);
  service_quit (call->service);
}

const Interface *
manager_interface (void)
{
  static const MethodRow methods[] = {
    { "SetStatus", handle_set_status, NULL },
    { "Announce", handle_announce, NULL },
    { "Settle", handle_settle, NULL },
    { "Settings", handle_settings, NULL },
    { "Configure", handle_configure, NULL },
    { "FindPeer", handle_find_peer, NULL },
    { "AddAddress", handle_add_address, "alias wait" },
    { "SetAlias", handle_set_alias, NULL },
    { "SendMessage", handle_send_message, "id expire plaintext replaces now confirm" },
    { "CancelMessage", handle_cancel_message, NULL },
    { "ListMessages", handle_list_messages, "since_seq before_seq peers since until search incoming unread newest limit consumer" },
    { "Acknowledge", handle_acknowledge, NULL },
    { "JoinBus", handle_join_bus, NULL },
    { "Quit", handle_quit, NULL },
    { NULL, NULL, NULL },
  };
  static const PropertyRow properties[] = {
    { "Version", get_version, 0 },
    { "Features", get_features, 0 },
    { "Instance", get_instance, MESSENGER_CHANGED_STATUS },
    { "Nick", get_nick, MESSENGER_CHANGED_STATUS },
    { "Status", get_status, MESSENGER_CHANGED_STATUS },
    { "StatusText", get_status_text, MESSENGER_CHANGED_STATUS },
    { "OnAir", get_on_air, MESSENGER_CHANGED_STATUS },
    { "Port", get_port, MESSENGER_CHANGED_STATUS },
    { "Discovery", get_discovery, MESSENGER_CHANGED_STATUS },
    { "Health", get_health, 0 },
    { "UnreadCount", get_unread, MESSENGER_CHANGED_UNREAD },
    { "Aliases", get_aliases, MESSENGER_CHANGED_ALIASES },
    { NULL, NULL, 0 },
  };
  static Interface interface = { NULL, methods, properties };

  interface.info = (GDBusInterfaceInfo *) &org_hearby_manager1_interface;
  return &interface;
}
