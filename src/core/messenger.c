/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "core/messenger-private.h"
#include "net/addresses.h"
#include "net/deadline.h"
#include "presence/name.h"

#define PURGE_EVERY_US (24 * 3600 * (gint64) G_USEC_PER_SEC)
#define NETWORK_REST_US (500 * 1000) /* addresses change in bursts */
#define DEFAULT_PORT 5298
#define NEWS_AT_MOST 512
#define LIBPURPLE_NODE "libpurple"

G_DEFINE_TYPE (Messenger, messenger, G_TYPE_OBJECT)

enum
{
  PEER_ADDED,
  PEER_CHANGED,
  PEER_REMOVED,
  MESSAGE_ADDED,
  MESSAGE_CHANGED,
  CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void publish (Messenger *messenger);

/* Telling, after the commit ------------------------------------------------------------------------------------- */

static void
tell_peers (Messenger *messenger)
{
  g_autoptr (GHashTable) peers = g_steal_pointer (&messenger->changed_peers);
  GHashTableIter iter;
  gpointer key;

  messenger->changed_peers = g_hash_table_new (NULL, NULL);
  g_hash_table_iter_init (&iter, peers);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      Peer *peer = key;
      guint changed = peer->changed;

      peer->changed = 0;
      g_signal_emit (messenger, signals[PEER_CHANGED], 0, peer, changed);
    }
}

static GHashTable *
message_set_new (void)
{
  return g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, (GDestroyNotify) message_row_free);
}

static void
tell_messages (Messenger *messenger)
{
  g_autoptr (GHashTable) messages = g_steal_pointer (&messenger->news);
  GHashTableIter iter;
  gpointer row;

  messenger->news = message_set_new ();
  deadline_drop (&messenger->news_source);
  g_hash_table_iter_init (&iter, messages);
  while (g_hash_table_iter_next (&iter, NULL, &row))
    g_signal_emit (messenger, signals[MESSAGE_CHANGED], 0, row);
}

static gboolean
on_idle (gpointer user_data)
{
  tell_messages (user_data);
  return G_SOURCE_REMOVE;
}

/* What the commit made true is told when the loop has nothing more urgent, or much has gathered: in a burst most messages are
 * delivered by then, and one signal tells what two would. */
static void
gather_news (Messenger *messenger)
{
  GHashTableIter iter;
  gpointer key, row;

  g_hash_table_iter_init (&iter, messenger->changed_messages);
  while (g_hash_table_iter_next (&iter, &key, &row))
    {
      g_hash_table_iter_steal (&iter);
      g_hash_table_replace (messenger->news, key, row);
    }
  if (g_hash_table_size (messenger->news) >= NEWS_AT_MOST)
    tell_messages (messenger);
  else if (g_hash_table_size (messenger->news) > 0 && messenger->news_source == NULL)
    {
      messenger->news_source = g_idle_source_new ();
      g_source_set_callback (messenger->news_source, on_idle, messenger, NULL);
      g_source_attach (messenger->news_source, g_main_context_get_thread_default ());
    }
}

static void
set_expiry (Messenger *messenger)
{
  gint64 next = outbox_next_expiry (messenger->db);
  gint64 wait = next - g_get_real_time ();

  deadline_set (messenger->expiry, next == 0 ? -1 : g_get_monotonic_time () + MAX (wait, 0));
}

/* Once a day, and only when something is going on anyway. */
static void
purge (Messenger *messenger)
{
  gint64 now = g_get_real_time ();
  g_autoptr (GError) error = NULL;
  int days = settings_history_days (messenger->settings);

  if (days != 0 && now - messenger->purged < PURGE_EVERY_US)
    return;
  messenger->purged = now;
  if (!messages_purge (messenger->db, days, now, &error))
    g_warning ("the history was not cleaned: %s", error->message);
}

static void
tell (const GError *error, gpointer data)
{
  g_autoptr (Messenger) messenger = data;
  guint changed = messenger->changed;

  messenger->telling = FALSE;
  messenger->changed = 0;
  if (error != NULL)
    g_hash_table_remove_all (messenger->changed_messages);
  tell_peers (messenger);
  gather_news (messenger);
  if (changed != 0)
    g_signal_emit (messenger, signals[CHANGED], 0, changed);
  if (messenger->stopped)
    return;
  set_expiry (messenger);
  purge (messenger);
}

static void
tell_later (Messenger *messenger)
{
  if (messenger->telling)
    return;
  messenger->telling = TRUE;
  turn_after (messenger->turn, tell, g_object_ref (messenger));
}

void
messenger_peer_changed (Messenger *messenger, Peer *peer, PeerChange changed)
{
  if (changed == 0)
    return;
  peer->changed |= changed;
  g_hash_table_add (messenger->changed_peers, peer);
  tell_later (messenger);
}

void
messenger_message_changed (Messenger *messenger, guint64 seq, gint64 peer, MessageState state, const char *reason,
                           gboolean confirms)
{
  MessageRow *row = message_row_new ();

  row->seq = seq;
  row->peer = peer;
  row->state = state;
  row->reason = g_strdup (reason);
  row->confirms = confirms;
  g_hash_table_replace (messenger->changed_messages, &row->seq, row);
  tell_later (messenger);
}

void
messenger_changed (Messenger *messenger, MessengerChange changed)
{
  messenger->changed |= changed;
  tell_later (messenger);
}

typedef struct
{
  Messenger  *messenger;
  MessageRow *row;
} Added;

static void
added_after (const GError *error, gpointer data)
{
  Added *added = data;

  if (error == NULL)
    g_signal_emit (added->messenger, signals[MESSAGE_ADDED], 0, added->row);
  else if (roster_by_id (added->messenger->roster, added->row->peer) != NULL)
    conversation_refresh_counts (added->messenger, roster_by_id (added->messenger->roster, added->row->peer));
  message_row_free (added->row);
  g_object_unref (added->messenger);
  g_free (added);
}

void
messenger_message_added (Messenger *messenger, MessageRow *row)
{
  Added *added = g_new (Added, 1);

  added->messenger = g_object_ref (messenger);
  added->row = row;
  turn_after (messenger->turn, added_after, added);
}

typedef struct
{
  Messenger *messenger;
  gint64     id;
} NewPeer;

static void
peer_after (const GError *error, gpointer data)
{
  NewPeer *added = data;
  Peer *peer = roster_by_id (added->messenger->roster, added->id);

  if (peer != NULL)
    g_signal_emit (added->messenger, signals[PEER_ADDED], 0, peer);
  g_object_unref (added->messenger);
  g_free (added);
}

Peer *
messenger_add_peer (Messenger *messenger, const char *instance, const char *address, GError **error)
{
  Peer *peer = roster_add (messenger->roster, instance, address, error);
  NewPeer *added;

  if (peer == NULL)
    return NULL;
  added = g_new (NewPeer, 1);
  added->messenger = g_object_ref (messenger);
  added->id = peer->row->id;
  turn_after (messenger->turn, peer_after, added);
  return peer;
}

/* The link -------------------------------------------------------------------------------------------------------- */

gboolean
messenger_may_talk (Messenger *messenger)
{
  return messenger->on_air && messenger->status != STATUS_OFFLINE && !messenger->asleep && !messenger->stopped;
}

static gboolean
is_own_name (Messenger *messenger, const char *instance)
{
  g_autofree char *folded = name_fold (instance);

  return messenger->instance != NULL && name_equal (messenger->instance, instance)
         && g_hash_table_contains (messenger->own_names, folded);
}

/* What the record tells of the program: our own features by their hash, or that it is libpurple, which can nothing. */
static void
learn_from_record (Messenger *messenger, Peer *peer)
{
  const Presence *presence = peer->presence;

  if (peer->capabilities_known || presence == NULL)
    return;
  if (presence->hash != NULL && g_strcmp0 (presence->ver, capabilities_own_ver ()) == 0)
    {
      g_autoptr (Node) query = capabilities_own_query ();

      peer->capabilities = capabilities_parse (query);
    }
  else if (g_strcmp0 (presence->node, LIBPURPLE_NODE) != 0)
    return;
  peer->capabilities_known = TRUE;
  messenger_peer_changed (messenger, peer, PEER_CHANGED_CAPABILITIES);
}

static void
on_seen (const Sighting *sighting, gpointer user_data)
{
  Messenger *messenger = user_data;
  Peer *peer = roster_by_instance (messenger->roster, sighting->instance);
  g_autoptr (GError) error = NULL;
  gboolean was_online;

  if (is_own_name (messenger, sighting->instance))
    return;
  if (peer == NULL)
    peer = messenger_add_peer (messenger, sighting->instance, NULL, &error);
  if (peer == NULL)
    {
      g_debug ("%s is not listed: %s", sighting->instance, error->message);
      return;
    }
  was_online = peer_is_announced (peer);
  messenger_peer_changed (messenger, peer, peer_add_sighting (peer, sighting));
  if (!was_online)
    roster_save (messenger->roster, peer, NULL);
  learn_from_record (messenger, peer);
  streams_forget_pause (peer);
  streams_reconsider (messenger);
  conversation_pump (messenger, peer);
}

static void
on_gone (const char *instance, guint interface, GSocketFamily family, gpointer user_data)
{
  Messenger *messenger = user_data;
  Peer *peer = roster_by_instance (messenger->roster, instance);

  if (peer == NULL)
    return;
  messenger_peer_changed (messenger, peer, peer_remove_sighting (peer, interface, family));
  if (peer_is_announced (peer))
    return;
  /* Anybody on the link can say goodbye for others: an open stream is not dropped for it, the next silence will tell. */
  peer->capabilities_known = FALSE;
  roster_save (messenger->roster, peer, NULL);
  conversation_unreachable (messenger, peer);
}

static void
use_name (Messenger *messenger, const char *instance)
{
  if (g_strcmp0 (messenger->instance, instance) == 0)
    return;
  g_free (messenger->instance);
  messenger->instance = g_strdup (instance);
  g_hash_table_add (messenger->own_names, name_fold (instance));
  messenger_changed (messenger, MESSENGER_CHANGED_STATUS);
}

static char *
wished_name (Messenger *messenger)
{
  const char *setting = settings_get (messenger->settings, "instance");
  const char *machine = messenger->machine != NULL ? messenger->machine : g_get_host_name ();

  return *setting != '\0' ? g_strdup (setting) : name_make (g_get_user_name (), machine);
}

static void
on_ready (const char *host_name, gpointer user_data)
{
  Messenger *messenger = user_data;

  g_free (messenger->machine);
  messenger->machine = g_strdup (host_name);
  publish (messenger);
}

static void
on_published (const char *instance, gpointer user_data)
{
  use_name (user_data, instance);
}

typedef struct
{
  MessengerFunc func;
  gpointer      user_data;
} Settler;

static void
settle (Messenger *messenger)
{
  g_autoptr (GPtrArray) settlers = g_steal_pointer (&messenger->settlers);

  messenger->settlers = g_ptr_array_new_with_free_func (g_free);
  deadline_drop (&messenger->settle_timer);
  messenger->settled = TRUE;
  for (guint i = 0; i < settlers->len; i++)
    {
      Settler *settler = g_ptr_array_index (settlers, i);

      settler->func (settler->user_data);
    }
}

static void
on_settled (gpointer user_data)
{
  settle (user_data);
}

static gboolean
on_settle_timeout (gpointer user_data)
{
  settle (user_data);
  return G_SOURCE_REMOVE;
}

static void
on_discovery_changed (gpointer user_data)
{
  messenger_changed (user_data, MESSENGER_CHANGED_STATUS);
}

static void
start_discovery (Messenger *messenger)
{
  static const DiscoveryEvents events
      = { on_ready, on_published, on_seen, on_gone, on_settled, on_discovery_changed };
  g_auto (GStrv) interfaces = settings_get_list (messenger->settings, "interfaces");
  g_auto (GStrv) ignore = settings_get_list (messenger->settings, "ignore");
  DiscoveryConfig config = { .interfaces = (const char *const *) interfaces };

  discovery_mode_from_name (settings_get (messenger->settings, "discovery"), &config.mode);
  if (ignore != NULL && ignore[0] != NULL)
    config.ignore = (const char *const *) ignore;
  messenger->discovery = discovery_new (&config, &events, messenger);
  messenger->settle_timer = deadline_new (on_settle_timeout, messenger);
  deadline_set (messenger->settle_timer, g_get_monotonic_time () + LIMIT_SETTLE_MS * 1000);
}

static void
start_listener (Messenger *messenger)
{
  g_autoptr (GError) error = NULL;
  guint16 port = (guint16) g_ascii_strtoull (settings_get (messenger->settings, "port"), NULL, 10);

  messenger->listener = listener_new (port, streams_accept, messenger, &error);
  if (messenger->listener == NULL)
    g_warning ("nobody can connect to us: %s", error->message);
}

/* A value for the record: NULL where the user set none. */
static char *
personal (Messenger *messenger, const char *key)
{
  const char *value = settings_get (messenger->settings, key);

  return *value != '\0' ? g_strdup (value) : NULL;
}

static GPtrArray *
own_record (Messenger *messenger)
{
  g_autoptr (Presence) presence = presence_new ();

  presence->status = messenger->status;
  presence->text = messenger->status_text != NULL ? g_strdup (messenger->status_text) : NULL;
  presence->nick = messenger_dup_nick (messenger);
  presence->first = personal (messenger, "first");
  presence->last = personal (messenger, "last");
  presence->email = personal (messenger, "email");
  presence->jid = personal (messenger, "jid");
  presence->node = g_strdup (CAPABILITIES_NODE);
  presence->hash = g_strdup ("sha-1");
  presence->ver = g_strdup (capabilities_own_ver ());
  return txt_build (presence, messenger_port (messenger));
}

static void
publish (Messenger *messenger)
{
  g_autoptr (GPtrArray) txt = NULL;
  g_autofree char *wish = NULL;

  if (messenger->discovery == NULL)
    return;
  if (!messenger_may_talk (messenger) || messenger->listener == NULL)
    {
      discovery_withdraw (messenger->discovery);
      return;
    }
  wish = wished_name (messenger);
  g_hash_table_add (messenger->own_names, name_fold (wish));
  g_free (messenger->wish);
  messenger->wish = g_steal_pointer (&wish);
  txt = own_record (messenger);
  discovery_publish (messenger->discovery, messenger->wish, messenger_port (messenger), txt);
}

static void
update_record (Messenger *messenger)
{
  g_autoptr (GPtrArray) txt = NULL;

  if (messenger->discovery == NULL || !messenger_may_talk (messenger))
    return;
  txt = own_record (messenger);
  discovery_update (messenger->discovery, txt);
}

/* The addresses that the user added, as far as they are numbers, or once they are resolved. */
static void
on_resolved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Messenger) messenger = ((gpointer *) user_data)[0];
  gint64 *id = ((gpointer *) user_data)[1];
  Peer *peer = roster_by_id (messenger->roster, *id);
  GList *addresses = g_resolver_lookup_by_name_finish (G_RESOLVER (source), result, NULL);

  for (GList *l = addresses; peer != NULL && l != NULL; l = l->next)
    g_ptr_array_add (peer->added, g_inet_socket_address_new (l->data, DEFAULT_PORT));
  g_resolver_free_addresses (addresses);
  g_free (id);
  g_free (user_data);
}

static void
resolve_added (Messenger *messenger, Peer *peer)
{
  g_autoptr (GSocketConnectable) where = g_network_address_parse (peer->row->address, DEFAULT_PORT, NULL);
  const char *host = where != NULL ? g_network_address_get_hostname (G_NETWORK_ADDRESS (where)) : NULL;
  GSocketAddress *number = host != NULL ? g_inet_socket_address_new_from_string (host, DEFAULT_PORT) : NULL;
  g_autoptr (GResolver) resolver = NULL;
  gpointer *closure;

  if (number != NULL)
    g_ptr_array_add (peer->added, number);
  if (host == NULL || number != NULL)
    return;
  resolver = g_resolver_get_default ();
  closure = g_new (gpointer, 2);
  closure[0] = g_object_ref (messenger);
  closure[1] = g_memdup2 (&peer->row->id, sizeof peer->row->id);
  g_resolver_lookup_by_name_async (resolver, host, NULL, on_resolved, closure);
}

/* Another network: who has a name there is not who had it here. */
static gboolean
on_network_rest_over (gpointer user_data)
{
  Messenger *messenger = user_data;
  g_auto (GStrv) ignore = settings_get_list (messenger->settings, "ignore");
  g_autofree char *network = addresses_network (ignore != NULL && ignore[0] != NULL
                                                    ? ignore
                                                    : (char **) (gpointer) discovery_default_ignore);

  if (*network == '\0' || g_str_equal (network, messenger->network))
    return G_SOURCE_CONTINUE;
  if (*messenger->network != '\0')
    {
      g_message ("the network has changed");
      streams_close_all (messenger);
      conversation_hold (messenger, "network");
    }
  g_free (messenger->network);
  messenger->network = g_steal_pointer (&network);
  database_set (messenger->db, "network", messenger->network, NULL);
  tell_later (messenger);
  streams_keep_added (messenger);
  return G_SOURCE_CONTINUE;
}

static void
on_network_changed (GNetworkMonitor *monitor, gboolean available, gpointer user_data)
{
  Messenger *messenger = user_data;

  deadline_set (messenger->network_timer, g_get_monotonic_time () + NETWORK_REST_US);
}

static void
watch_network (Messenger *messenger)
{
  messenger->network = database_get (messenger->db, "network");
  if (messenger->network == NULL)
    messenger->network = g_strdup ("");
  messenger->network_timer = deadline_new (on_network_rest_over, messenger);
  messenger->network_handler = g_signal_connect (g_network_monitor_get_default (), "network-changed",
                                                 G_CALLBACK (on_network_changed), messenger);
  on_network_rest_over (messenger);
}

static void
go_on_air (Messenger *messenger)
{
  GPtrArray *peers = roster_peers (messenger->roster);

  messenger->on_air = TRUE;
  g_free (messenger->wish);
  messenger->wish = wished_name (messenger);
  g_hash_table_add (messenger->own_names, name_fold (messenger->wish));
  watch_network (messenger);
  start_listener (messenger);
  start_discovery (messenger);
  publish (messenger);
  for (guint i = 0; i < peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (peers, i);

      if (peer->row->address != NULL && !peer->is_self)
        resolve_added (messenger, peer);
    }
  streams_keep_added (messenger);
}

const char *
messenger_announce (Messenger *messenger, gboolean *first)
{
  g_autofree char *before = database_get (messenger->db, "announced");

  *first = before == NULL && messenger->status != STATUS_OFFLINE;
  if (*first)
    database_set (messenger->db, "announced", "yes", NULL);
  if (!messenger->on_air)
    go_on_air (messenger);
  messenger_changed (messenger, MESSENGER_CHANGED_STATUS);
  return messenger_instance (messenger);
}

void
messenger_settle (Messenger *messenger, MessengerFunc done, gpointer user_data)
{
  Settler *settler;

  if (messenger->settled || !messenger->on_air)
    {
      done (user_data);
      return;
    }
  settler = g_new (Settler, 1);
  settler->func = done;
  settler->user_data = user_data;
  g_ptr_array_add (messenger->settlers, settler);
}

void
messenger_sleep (Messenger *messenger)
{
  messenger->asleep = TRUE;
  if (messenger->discovery != NULL)
    discovery_withdraw (messenger->discovery);
  streams_close_all (messenger);
  conversation_hold (messenger, "sleep");
}

void
messenger_wake (Messenger *messenger)
{
  messenger->asleep = FALSE;
  publish (messenger);
  streams_keep_added (messenger);
}

/* Status and settings --------------------------------------------------------------------------------------------- */

gboolean
messenger_set_status (Messenger *messenger, Status status, const char *text, GError **error)
{
  g_autofree char *clean = text_clean_line (text, -1, LIMIT_STATUS_TEXT);
  gboolean was_offline = messenger->status == STATUS_OFFLINE;

  if (!database_set (messenger->db, "status", status_name (status), error)
      || !database_set (messenger->db, "status-text", clean, error))
    return FALSE;
  messenger->status = status;
  g_free (messenger->status_text);
  messenger->status_text = *clean != '\0' ? g_steal_pointer (&clean) : NULL;
  if (was_offline || status == STATUS_OFFLINE)
    publish (messenger);
  else
    update_record (messenger);
  if (status == STATUS_OFFLINE)
    streams_close_all (messenger);
  else if (was_offline)
    streams_keep_added (messenger);
  messenger_changed (messenger, MESSENGER_CHANGED_STATUS);
  return TRUE;
}

static gboolean
takes_effect_later (const char *key)
{
  gsize n;
  const SettingInfo *table = settings_table (&n);

  for (gsize i = 0; i < n; i++)
    if (g_str_equal (table[i].name, key))
      return table[i].restart;
  return FALSE;
}

gboolean
messenger_configure (Messenger *messenger, const char *const *keys, const char *const *values, gsize n, char ***restart,
                     GError **error)
{
  g_autoptr (GStrvBuilder) later = g_strv_builder_new ();
  g_autoptr (GPtrArray) before = g_ptr_array_new_with_free_func (g_free);

  for (gsize i = 0; i < n; i++)
    {
      const char *value = *values[i] != '\0' ? values[i] : NULL;

      g_ptr_array_add (before, g_strdup (settings_get (messenger->settings, keys[i])));
      if (!settings_set (messenger->settings, keys[i], value, error))
        {
          for (gsize k = 0; k < i; k++) /* all or none */
            settings_set (messenger->settings, keys[k], g_ptr_array_index (before, k), NULL);
          return FALSE;
        }
      if (takes_effect_later (keys[i]))
        g_strv_builder_add (later, keys[i]);
    }
  update_record (messenger);
  messenger_changed (messenger, MESSENGER_CHANGED_STATUS);
  *restart = g_strv_builder_end (later);
  return TRUE;
}

/* Peers ----------------------------------------------------------------------------------------------------------- */

/* One spelling for one address: "host" or "host:port". */
static char *
parse_address (const char *uri, GError **error)
{
  g_autoptr (GSocketConnectable) where = NULL;
  g_autofree char *bracketed = NULL;
  const char *host;
  guint16 port;

  if (g_hostname_is_ip_address (uri) && strchr (uri, ':') != NULL)
    uri = bracketed = g_strdup_printf ("[%s]", uri);
  where = g_network_address_parse (uri, DEFAULT_PORT, NULL);
  host = where != NULL ? g_network_address_get_hostname (G_NETWORK_ADDRESS (where)) : NULL;
  port = where != NULL ? g_network_address_get_port (G_NETWORK_ADDRESS (where)) : 0;
  if (host == NULL || *host == '\0' || port == 0 || strlen (host) > 255 || strpbrk (host, " \t\n/@") != NULL
      || !g_str_is_ascii (host))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                   "'%s' is no address\nwrite HOST, HOST:PORT or [ADDRESS]:PORT", uri);
      return NULL;
    }
  if (port == DEFAULT_PORT)
    return g_strdup (host);
  return g_strdup_printf (strchr (host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
}

Peer *
messenger_add_address (Messenger *messenger, const char *uri, GError **error)
{
  g_autofree char *address = parse_address (uri, error);
  GPtrArray *peers = roster_peers (messenger->roster);
  Peer *peer = NULL;

  if (address == NULL)
    return NULL;
  for (guint i = 0; i < peers->len && peer == NULL; i++)
    if (g_strcmp0 (((Peer *) g_ptr_array_index (peers, i))->row->address, address) == 0)
      peer = g_ptr_array_index (peers, i);
  if (peer == NULL)
    {
      peer = messenger_add_peer (messenger, NULL, address, error);
      if (peer == NULL)
        return NULL;
      resolve_added (messenger, peer);
    }
  streams_forget_pause (peer);
  streams_want (messenger, peer);
  return peer;
}

gboolean
messenger_set_alias (Messenger *messenger, const char *name, Peer **peers, gsize n, GError **error)
{
  GPtrArray *all = roster_peers (messenger->roster);

  if (!roster_set_alias (messenger->roster, name, peers, n, error))
    return FALSE;
  for (guint i = 0; i < all->len; i++)
    messenger_peer_changed (messenger, g_ptr_array_index (all, i), PEER_CHANGED_NAME);
  messenger_changed (messenger, MESSENGER_CHANGED_ALIASES);
  return TRUE;
}

gboolean
messenger_allow_plaintext (Messenger *messenger, Peer *peer, PeerPlaintext plaintext, GError **error)
{
  g_autoptr (GArray) freed = NULL;

  peer->row->plaintext = plaintext;
  if (!roster_save (messenger->roster, peer, error))
    return FALSE;
  messenger_peer_changed (messenger, peer, PEER_CHANGED_POLICY | PEER_CHANGED_NAME);
  if (plaintext != PLAINTEXT_ALLOW)
    return TRUE;
  peer->written_to = TRUE;
  freed = outbox_change (messenger->db, peer->row->id, MESSAGE_HELD, MESSAGE_QUEUED, NULL, error);
  if (freed == NULL)
    return FALSE;
  for (guint i = 0; i < freed->len; i++)
    messenger_message_changed (messenger, g_array_index (freed, guint64, i), peer->row->id, MESSAGE_QUEUED, NULL, FALSE);
  conversation_pump (messenger, peer);
  return TRUE;
}

gboolean
messenger_block (Messenger *messenger, Peer *peer, gboolean blocked, GError **error)
{
  peer->row->blocked = blocked;
  if (!roster_save (messenger->roster, peer, error))
    return FALSE;
  messenger_peer_changed (messenger, peer, PEER_CHANGED_POLICY);
  if (blocked)
    streams_close_peer (messenger, peer, "not-authorized");
  else
    conversation_pump (messenger, peer);
  return TRUE;
}

gboolean
messenger_forget (Messenger *messenger, Peer *peer, GError **error)
{
  gint64 id = peer->row->id;
  g_autoptr (GPtrArray) sightings = g_ptr_array_ref (peer->sightings);

  if (peer->is_self)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "you cannot forget yourself");
      return FALSE;
    }
  for (guint i = 0; i < peer->sessions->len; i++)
    {
      Session *session = g_ptr_array_index (peer->sessions, i);

      g_ptr_array_remove_fast (messenger->sessions, session); /* frees it */
    }
  g_ptr_array_set_size (peer->sessions, 0);
  peer->session = NULL;
  probe_failed (peer, NULL);
  g_hash_table_remove (messenger->changed_peers, peer);
  if (!roster_remove (messenger->roster, peer, error))
    return FALSE;
  g_signal_emit (messenger, signals[PEER_REMOVED], 0, &id);
  messenger->unread = messages_unread (messenger->db, 0);
  messenger_changed (messenger, MESSENGER_CHANGED_UNREAD | MESSENGER_CHANGED_ALIASES);
  for (guint i = 0; i < sightings->len; i++) /* it is still there, and a stranger now */
    on_seen (g_ptr_array_index (sightings, i), messenger);
  return TRUE;
}

/* What is known -------------------------------------------------------------------------------------------------- */

Turn *
messenger_turn (Messenger *messenger)
{
  return messenger->turn;
}

Roster *
messenger_roster (Messenger *messenger)
{
  return messenger->roster;
}

Settings *
messenger_settings (Messenger *messenger)
{
  return messenger->settings;
}

Database *
messenger_database (Messenger *messenger)
{
  return messenger->db;
}

Status
messenger_status (Messenger *messenger)
{
  return messenger->status;
}

const char *
messenger_status_text (Messenger *messenger)
{
  return messenger->status_text != NULL ? messenger->status_text : "";
}

const char *
messenger_instance (Messenger *messenger)
{
  if (messenger->instance != NULL)
    return messenger->instance;
  return messenger->wish != NULL ? messenger->wish : "";
}

char *
messenger_dup_nick (Messenger *messenger)
{
  const char *nick = settings_get (messenger->settings, "nick");
  const char *real = g_get_real_name ();

  if (*nick != '\0')
    return g_strdup (nick);
  if (*real != '\0' && !g_str_equal (real, "Unknown") && !g_str_equal (real, "root"))
    return text_clean_line (real, -1, LIMIT_NICK);
  return messenger->wish != NULL ? name_dup_user (messenger->wish) : g_strdup (g_get_user_name ());
}

gboolean
messenger_is_on_air (Messenger *messenger)
{
  return messenger_may_talk (messenger);
}

guint16
messenger_port (Messenger *messenger)
{
  return messenger->listener != NULL ? listener_port (messenger->listener) : 0;
}

gint64
messenger_uptime (Messenger *messenger)
{
  return g_get_monotonic_time () - messenger->started;
}

const char *
messenger_discovery (Messenger *messenger)
{
  return messenger->discovery != NULL ? discovery_backend (messenger->discovery) : "none";
}

char **
messenger_problems (Messenger *messenger)
{
  g_autoptr (GStrvBuilder) problems = g_strv_builder_new ();

  if (messenger->discovery != NULL && discovery_problem (messenger->discovery) != NULL)
    g_strv_builder_add (problems, discovery_problem (messenger->discovery));
  if (messenger->on_air && messenger->listener == NULL)
    g_strv_builder_add (problems, "no TCP port could be opened: nobody can connect to us");
  return g_strv_builder_end (problems);
}

guint
messenger_unread (Messenger *messenger)
{
  return messenger->unread;
}

/* Life ------------------------------------------------------------------------------------------------------------ */

static gboolean
on_expiry (gpointer user_data)
{
  conversation_expire (user_data);
  return G_SOURCE_CONTINUE;
}

static void
load_status (Messenger *messenger)
{
  g_autofree char *status = database_get (messenger->db, "status");

  if (status != NULL)
    status_from_name (status, &messenger->status);
  messenger->status_text = database_get (messenger->db, "status-text");
  if (messenger->status_text != NULL && *messenger->status_text == '\0')
    g_clear_pointer (&messenger->status_text, g_free);
}

/* What was on a stream when we ended goes again; the receiver knows it by its id. */
static gboolean
recover_outbox (Messenger *messenger, GError **error)
{
  g_autoptr (GArray) again = outbox_requeue (messenger->db, 0, error);
  g_autoptr (GArray) expired = again != NULL ? outbox_expire (messenger->db, g_get_real_time (), error) : NULL;

  return expired != NULL;
}

Messenger *
messenger_new (Database *db, Settings *settings, GError **error)
{
  g_autoptr (Messenger) messenger = g_object_new (MESSENGER_TYPE, NULL);

  messenger->db = db;
  messenger->settings = settings;
  messenger->turn = turn_new (db);
  load_status (messenger);
  if (!recover_outbox (messenger, error))
    return NULL;
  messenger->roster = roster_new (db, error);
  if (messenger->roster == NULL)
    return NULL;
  messenger->unread = messages_unread (db, 0);
  messenger->expiry = deadline_new (on_expiry, messenger);
  tell_later (messenger);
  return g_steal_pointer (&messenger);
}

static gboolean
on_stop_timeout (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

void
messenger_stop (Messenger *messenger)
{
  gboolean late = FALSE;
  GSource *timer = deadline_new (on_stop_timeout, &late);

  turn_flush (messenger->turn);
  messenger->stopped = TRUE;
  g_clear_signal_handler (&messenger->network_handler, g_network_monitor_get_default ());
  g_clear_pointer (&messenger->listener, listener_free);
  g_clear_pointer (&messenger->discovery, discovery_free);
  streams_close_all (messenger);
  deadline_set (timer, g_get_monotonic_time () + 500 * 1000);
  while (!late && messenger->sessions->len > 0)
    g_main_context_iteration (NULL, TRUE);
  deadline_drop (&timer);
  turn_flush (messenger->turn);
  tell_messages (messenger);
}

static void
messenger_finalize (GObject *object)
{
  Messenger *messenger = HEARBY_MESSENGER (object);

  deadline_drop (&messenger->settle_timer);
  deadline_drop (&messenger->network_timer);
  deadline_drop (&messenger->expiry);
  g_ptr_array_unref (messenger->sessions);
  g_ptr_array_unref (messenger->settlers);
  g_hash_table_unref (messenger->changed_peers);
  g_hash_table_unref (messenger->changed_messages);
  g_hash_table_unref (messenger->news);
  g_hash_table_unref (messenger->own_names);
  g_clear_pointer (&messenger->turn, turn_free);
  g_clear_pointer (&messenger->roster, roster_free);
  g_clear_pointer (&messenger->settings, settings_free);
  g_string_free (messenger->scratch, TRUE);
  g_free (messenger->machine);
  g_free (messenger->wish);
  g_free (messenger->instance);
  g_free (messenger->status_text);
  g_free (messenger->network);
  G_OBJECT_CLASS (messenger_parent_class)->finalize (object);
}

static void
messenger_init (Messenger *messenger)
{
  messenger->sessions = g_ptr_array_new_with_free_func ((GDestroyNotify) session_free);
  messenger->settlers = g_ptr_array_new_with_free_func (g_free);
  messenger->own_names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  messenger->changed_peers = g_hash_table_new (NULL, NULL);
  messenger->changed_messages = message_set_new ();
  messenger->news = message_set_new ();
  messenger->scratch = g_string_sized_new (1024);
  messenger->started = g_get_monotonic_time ();
}

static void
add_signal (guint which, const char *name, guint n_parameters, GType first, GType second)
{
  GType types[] = { first, second };

  signals[which] = g_signal_newv (name, MESSENGER_TYPE, G_SIGNAL_RUN_LAST, NULL, NULL, NULL, NULL, G_TYPE_NONE,
                                  n_parameters, types);
}

static void
messenger_class_init (MessengerClass *class)
{
  G_OBJECT_CLASS (class)->finalize = messenger_finalize;
  add_signal (PEER_ADDED, "peer-added", 1, G_TYPE_POINTER, G_TYPE_NONE);
  add_signal (PEER_CHANGED, "peer-changed", 2, G_TYPE_POINTER, G_TYPE_UINT);
  add_signal (PEER_REMOVED, "peer-removed", 1, G_TYPE_POINTER, G_TYPE_NONE);
  add_signal (MESSAGE_ADDED, "message-added", 1, G_TYPE_POINTER, G_TYPE_NONE);
  add_signal (MESSAGE_CHANGED, "message-changed", 1, G_TYPE_POINTER, G_TYPE_NONE);
  add_signal (CHANGED, "changed", 1, G_TYPE_UINT, G_TYPE_NONE);
}
