/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "bus/api.h"
#include "bus/service.h"
#include "bus/transfer-bus.h"

/* org.hearby.Manager1 */

static void
append_version (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", HEARBY_VERSION);
}

static void
append_features (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  static const char *const features[]
      = { "messages", "receipts", "chat-states", "markers", "correction", "consumers", "search", "addresses", "trace",
          "encryption", "verification", "transfers", "agents", NULL };

  sd_bus_message_append_strv (to, (char **) features);
}

static void
append_instance (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", messenger_instance (messenger));
}

static void
append_nick (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  g_autofree char *nick = messenger_dup_nick (messenger);

  sd_bus_message_append (to, "s", nick);
}

static void
append_status (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", status_name (messenger_status (messenger)));
}

static void
append_status_text (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", messenger_status_text (messenger));
}

static void
append_on_air (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "b", messenger_is_on_air (messenger));
}

static void
append_port (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "q", messenger_port (messenger));
}

static void
append_discovery (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", messenger_discovery (messenger));
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

static void
append_health (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  g_auto (GStrv) problems = messenger_problems (messenger);

  sd_bus_message_open_container (to, 'a', "{sv}");
  sd_bus_message_open_container (to, 'e', "sv");
  sd_bus_message_append (to, "s", "problems");
  sd_bus_message_open_container (to, 'v', "as");
  sd_bus_message_append_strv (to, problems);
  sd_bus_message_close_container (to);
  sd_bus_message_close_container (to);
  sd_bus_message_append (to, "{sv}", "pss", "t", pss_of_all ());
  sd_bus_message_append (to, "{sv}", "pid", "u", (guint32) getpid ());
  sd_bus_message_append (to, "{sv}", "uptime", "x", messenger_uptime (messenger));
  sd_bus_message_close_container (to);
}

static void
append_unread (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "u", messenger_unread (messenger));
}

static void
append_aliases (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  GPtrArray *aliases = roster_aliases (messenger_roster (messenger));

  sd_bus_message_open_container (to, 'a', "{sao}");
  for (guint i = 0; i < aliases->len; i++)
    {
      const Alias *alias = g_ptr_array_index (aliases, i);

      sd_bus_message_open_container (to, 'e', "sao");
      sd_bus_message_append (to, "s", alias->name);
      sd_bus_message_open_container (to, 'a', "o");
      for (guint k = 0; k < alias->peers->len; k++)
        {
          g_autofree char *path = call_peer_path (g_array_index (alias->peers, gint64, k));

          sd_bus_message_append (to, "o", path);
        }
      sd_bus_message_close_container (to);
      sd_bus_message_close_container (to);
    }
  sd_bus_message_close_container (to);
}

/* Methods ---------------------------------------------------------------------------------------------------------- */

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
  call_finish (call, error == NULL, error);
}

static void
handle_announce (const Call *call)
{
  gboolean first;
  const char *instance = messenger_announce (call->messenger, &first);
  sd_bus_message *answer = call_answer (call);

  sd_bus_message_append (answer, "bs", first, instance);
  call_reply_later (call, answer);
}

static void
on_settled (gpointer call)
{
  call_reply (call, NULL);
  call_free (call);
}

static void
handle_settle (const Call *call)
{
  messenger_settle (call->messenger, on_settled, call_keep (call));
}

static void
handle_settings (const Call *call)
{
  gsize n;
  const SettingInfo *table = settings_table (&n);
  sd_bus_message *answer = call_answer (call);

  sd_bus_message_open_container (answer, 'a', "{ss}");
  for (gsize i = 0; i < n; i++)
    sd_bus_message_append (answer, "{ss}", table[i].name,
                           settings_get (messenger_settings (call->messenger), table[i].name));
  sd_bus_message_close_container (answer);
  call_reply (call, answer);
}

static void
handle_configure (const Call *call)
{
  g_autoptr (GVariant) settings = g_variant_get_child_value (call->arguments, 0);
  g_autoptr (GPtrArray) keys = g_ptr_array_new ();
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_autoptr (GPtrArray) texts = g_ptr_array_new ();
  g_auto (GStrv) restart = NULL;
  sd_bus_message *answer;
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
  if (error != NULL)
    {
      call_reply_error (call, error);
      return;
    }
  answer = call_answer (call);
  sd_bus_message_append_strv (answer, restart);
  call_reply_later (call, answer);
}

static void
append_path (sd_bus_message *to, const Peer *peer)
{
  g_autofree char *path = call_peer_path (peer->row->id);

  sd_bus_message_append (to, "o", path);
}

static sd_bus_message *
answer_peer (const Call *call, const Peer *peer)
{
  sd_bus_message *answer = call_answer (call);

  append_path (answer, peer);
  return answer;
}

static void
handle_find_peer (const Call *call)
{
  const char *spec;
  GError *error = NULL;
  g_autoptr (GPtrArray) found = NULL;
  sd_bus_message *answer;

  g_variant_get_child (call->arguments, 0, "&s", &spec);
  found = roster_find (messenger_roster (call->messenger), spec, &error);
  if (found == NULL)
    {
      call_reply_error (call, error);
      return;
    }
  answer = call_answer (call);
  sd_bus_message_open_container (answer, 'a', "o");
  for (guint i = 0; i < found->len; i++)
    append_path (answer, g_ptr_array_index (found, i));
  sd_bus_message_close_container (answer);
  call_reply (call, answer);
}

typedef struct
{
  Call *call;
  char *address;
} Waiting;

static void
on_address_probed (gint64 rtt, const char *address, const GError *error, gpointer user_data)
{
  g_autofree Waiting *waiting = user_data;
  g_autofree char *wanted = waiting->address;
  Call *call = waiting->call;
  GPtrArray *peers = roster_peers (messenger_roster (call->messenger));
  guint i = 0;

  /* What it turned out to be: its header may have made it one that is known already. */
  while (i < peers->len && g_strcmp0 (((Peer *) g_ptr_array_index (peers, i))->row->address, wanted) != 0)
    i++;
  if (error != NULL)
    call_reply_error (call, g_error_new (HEARBY_ERROR, HEARBY_ERROR_PEER_OFFLINE,
                                        "'%s' does not answer: %s\nit is remembered and tried again; the other side has to add you too",
                                        wanted, error->message));
  else if (i == peers->len)
    call_reply_error (call, g_error_new (HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "'%s' was forgotten meanwhile", wanted));
  else
    call_reply (call, answer_peer (call, g_ptr_array_index (peers, i)));
  call_free (call);
}

static void
wait_for_address (const Call *call, Peer *peer)
{
  Waiting *waiting = g_new (Waiting, 1);

  waiting->call = call_keep (call);
  waiting->address = g_strdup (peer->row->address);
  messenger_probe (call->messenger, peer, on_address_probed, waiting);
}

static void
handle_add_address (const Call *call)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->arguments, 1);
  g_autofree char *alias = call_option_string (options, "alias");
  const char *uri;
  GError *error = NULL;
  Peer *peer;

  g_variant_get_child (call->arguments, 0, "&s", &uri);
  peer = messenger_add_address (call->messenger, uri, &error);
  if (peer != NULL && alias != NULL)
    messenger_set_alias (call->messenger, alias, &peer, 1, &error);
  if (error != NULL)
    call_reply_error (call, error);
  else if (call_option_boolean (options, "wait"))
    wait_for_address (call, peer);
  else
    call_reply_later (call, answer_peer (call, peer));
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
  call_finish (call, error == NULL, error);
}

static void
handle_cancel_message (const Call *call)
{
  GError *error = NULL;
  gboolean done;
  guint64 seq;

  g_variant_get_child (call->arguments, 0, "t", &seq);
  done = messenger_cancel (call->messenger, seq, &error);
  call_finish (call, done, error);
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
  call_finish (call, done, error);
}

static void
handle_register_agent (const Call *call)
{
  GError *error = NULL;
  const char *path;
  gboolean done;

  g_variant_get_child (call->arguments, 0, "&o", &path);
  done = agents_register (service_agents (call->service), call, path, &error);
  call_finish (call, done, error);
}

static void
handle_unregister_agent (const Call *call)
{
  GError *error = NULL;
  const char *path;
  gboolean done;

  g_variant_get_child (call->arguments, 0, "&o", &path);
  done = agents_unregister (service_agents (call->service), call, path, &error);
  call_finish (call, done, error);
}

static void
on_joined (const GError *error, gpointer call)
{
  if (error != NULL)
    call_reply_error (call, g_error_new (HEARBY_ERROR, HEARBY_ERROR_FAILED, "that bus cannot be joined: %s", error->message));
  else
    call_reply (call, NULL);
  call_free (call);
}

static void
handle_join_bus (const Call *call)
{
  const char *address;

  g_variant_get_child (call->arguments, 0, "&s", &address);
  if (sd_bus_is_bus_client (sd_bus_message_get_bus (call->message)) > 0)
    call_reply_error (call, g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_ACCESS_DENIED,
                                                "only the private socket may ask for that"));
  else
    service_join (call->service, address, on_joined, call_keep (call));
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
    { "TrustUri", trust_handle_trust_uri, NULL },
    { "NewIdentity", trust_handle_new_identity, NULL },
    { "AddAddress", handle_add_address, "alias wait" },
    { "SetAlias", handle_set_alias, NULL },
    { "SendMessage", handle_send_message, NULL, TRUE },
    { "CancelMessage", handle_cancel_message, NULL },
    { "ListMessages", handle_list_messages, "since_seq before_seq peers since until search incoming unread newest limit consumer" },
    { "Acknowledge", handle_acknowledge, NULL },
    { "SendFiles", transfer_handle_send_files, "id expire plaintext now checksum links batch" },
    { "SendPaths", transfer_handle_send_paths, "id expire plaintext now checksum links batch path_bytes name" },
    { "ListTransfers", transfer_handle_list, "ids key peers open changed before limit" },
    { "RetryTransfer", transfer_handle_retry, NULL },
    { "RegisterAgent", handle_register_agent, NULL },
    { "UnregisterAgent", handle_unregister_agent, NULL },
    { "JoinBus", handle_join_bus, NULL },
    { "Quit", handle_quit, NULL },
    { NULL, NULL, NULL },
  };
  static const PropertyRow properties[] = {
    { "Version", append_version, 0 },
    { "Features", append_features, 0 },
    { "Fingerprint", trust_append_own_fingerprint, MESSENGER_CHANGED_STATUS },
    { "Uri", trust_append_own_uri, MESSENGER_CHANGED_STATUS },
    { "Instance", append_instance, MESSENGER_CHANGED_STATUS },
    { "Nick", append_nick, MESSENGER_CHANGED_STATUS },
    { "Status", append_status, MESSENGER_CHANGED_STATUS },
    { "StatusText", append_status_text, MESSENGER_CHANGED_STATUS },
    { "OnAir", append_on_air, MESSENGER_CHANGED_STATUS },
    { "Port", append_port, MESSENGER_CHANGED_STATUS },
    { "Discovery", append_discovery, MESSENGER_CHANGED_STATUS },
    { "Health", append_health, 0 },
    { "UnreadCount", append_unread, MESSENGER_CHANGED_UNREAD },
    { "Aliases", append_aliases, MESSENGER_CHANGED_ALIASES },
    { NULL, NULL, 0 },
  };
  static Interface interface = { NULL, methods, properties };

  interface.info = (GDBusInterfaceInfo *) &org_hearby_manager1_interface;
  return &interface;
}
