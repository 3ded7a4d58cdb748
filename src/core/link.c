/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "core/messenger-private.h"
#include "net/addresses.h"
#include "net/deadline.h"
#include "presence/name.h"

/* The messenger on the link: what it announces, whom it sees, and what happens when the network changes or the machine sleeps. */

#define NETWORK_REST_US (500 * 1000) /* addresses change in bursts */
#define LIBPURPLE_NODE "libpurple"

static void settle (Messenger *messenger);

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

/* One record of one name on one interface is one peer's. */
static void
take_from_others (Messenger *messenger, Peer *peer, const Sighting *sighting)
{
  GPtrArray *same = roster_named (messenger->roster, sighting->instance);

  for (guint i = 0; same != NULL && i < same->len; i++)
    {
      Peer *other = g_ptr_array_index (same, i);

      if (other == peer)
        continue;
      other->row->keyed = FALSE; /* that was said of @peer */
      messenger_peer_changed (messenger, other, peer_remove_sighting (other, sighting->interface, sighting->family));
    }
}

static void
notice_clone (Messenger *messenger, const Peer *peer)
{
  if (messenger->cloned != NULL)
    return;
  messenger->cloned = g_strdup_printf ("'%s' shows your key: it is used on two machines; 'hearby id --new' makes another one",
                                       peer->row->instance);
  g_warning ("%s", messenger->cloned);
  messenger_changed (messenger, MESSENGER_CHANGED_STATUS);
}

/* It is on the link under its name, and neither a record that somebody else put there nor one that stayed behind. */
static gboolean
is_settled (const Peer *peer)
{
  return peer_is_announced (peer) && peer->confirmed && peer->presence != NULL && peer->presence->hint != NULL
         && hint_matches (peer->presence->hint, peer->row->instance, g_bytes_get_data (peer->row->key, NULL));
}

/* Before a name was on the link, or was known to be, anybody could call from elsewhere under it and show a key. Whose record does not fit
 * that is asked for his own, and whoever called is not spoken to. */
static void
doubt_key (Messenger *messenger, Peer *peer)
{
  const char *hint = peer->presence != NULL ? peer->presence->hint : NULL;
  gboolean doubted = hint != NULL;

  if (peer->row->key == NULL || peer_is_pinned (peer)
      || (hint != NULL && hint_matches (hint, peer->row->instance, g_bytes_get_data (peer->row->key, NULL))))
    return;
  for (guint i = peer->sessions->len; i > 0; i--)
    {
      Session *session = g_ptr_array_index (peer->sessions, i - 1);

      if (!session_is_secure (session) || peer_has_address (peer, session_remote (session)))
        continue;
      session_close (session);
      doubted = TRUE;
    }
  if (!doubted)
    return;
  peer->recognised = TRUE;
  peer->confirmed = FALSE;
}

/* By the hint in its record, which proves nothing: whoever it points to is asked for a proof. */
static void
recognise (Messenger *messenger, Peer *peer)
{
  const char *hint = peer->presence != NULL ? peer->presence->hint : NULL;
  GPtrArray *peers = roster_peers (messenger->roster);

  if (!peer_is_pinned (peer) && !peer_encrypts (peer))
    peer->downgraded = FALSE;
  trust_want_proof (messenger, peer);
  if (hint == NULL || messenger->identity == NULL || peer->row->key != NULL)
    return;
  if (hint_matches (hint, peer->row->instance, identity_public (messenger->identity)))
    {
      notice_clone (messenger, peer);
      return;
    }
  for (guint i = 0; i < peers->len; i++)
    {
      const Peer *other = g_ptr_array_index (peers, i);

      if (!peer_is_pinned (other) || is_settled (other)
          || !hint_matches (hint, peer->row->instance, g_bytes_get_data (other->row->key, NULL)))
        continue;
      peer->recognised = TRUE; /* a stream to it tells whether it is */
      trust_want_proof (messenger, peer);
      return;
    }
}

/* Whose @sighting is gets it; NULL: nobody. */
static Peer *
take_sighting (Messenger *messenger, const Sighting *sighting)
{
  g_autoptr (Presence) presence = txt_parse (sighting->txt);
  Peer *peer = roster_for_record (messenger->roster, sighting->instance, presence->noise != NULL);
  g_autoptr (GError) error = NULL;
  gboolean was_online;

  if (peer == NULL)
    peer = messenger_add_peer (messenger, sighting->instance, NULL, NULL, &error);
  if (peer == NULL)
    {
      g_debug ("%s is not listed: %s", sighting->instance, error->message);
      return NULL;
    }
  take_from_others (messenger, peer, sighting);
  was_online = peer_is_announced (peer);
  messenger_peer_changed (messenger, peer, peer_add_sighting (peer, sighting));
  if (!was_online)
    roster_save (messenger->roster, peer, NULL);
  learn_from_record (messenger, peer);
  doubt_key (messenger, peer);
  recognise (messenger, peer);
  trust_compare_looks (messenger, peer);
  streams_forget_pause (peer);
  conversation_pump (messenger, peer);
  return peer;
}

void
link_resettle (Messenger *messenger, const char *instance)
{
  GPtrArray *same = roster_named (messenger->roster, instance);
  g_autoptr (GPtrArray) sightings = g_ptr_array_new_with_free_func ((GDestroyNotify) sighting_free);

  for (guint i = 0; same != NULL && i < same->len; i++)
    {
      Peer *peer = g_ptr_array_index (same, i);

      for (guint k = 0; k < peer->sightings->len; k++)
        g_ptr_array_add (sightings, sighting_copy (g_ptr_array_index (peer->sightings, k)));
    }
  for (guint i = 0; i < sightings->len; i++)
    take_sighting (messenger, g_ptr_array_index (sightings, i)); /* no stream is looked at again: one may be why we are here */
}

void
link_seen (const Sighting *sighting, gpointer user_data)
{
  Messenger *messenger = user_data;

  if (is_own_name (messenger, sighting->instance) || take_sighting (messenger, sighting) == NULL)
    return;
  streams_reconsider (messenger);
  if (messenger->looked && !messenger->settled)
    settle (messenger);
}

static void
lose_sighting (Messenger *messenger, Peer *peer, guint interface, GSocketFamily family)
{
  PeerChange changed = peer_remove_sighting (peer, interface, family);

  messenger_peer_changed (messenger, peer, changed);
  if (changed == 0 || peer_is_announced (peer))
    return;
  /* Anybody on the link can say goodbye for others: an open stream is not dropped for it, the next silence will tell. */
  peer->capabilities_known = FALSE;
  peer->confirmed = FALSE;
  peer->recognised = FALSE;
  roster_save (messenger->roster, peer, NULL);
  conversation_unreachable (messenger, peer);
}

void
link_gone (const char *instance, guint interface, GSocketFamily family, gpointer user_data)
{
  Messenger *messenger = user_data;
  GPtrArray *same = roster_named (messenger->roster, instance);

  for (guint i = 0; same != NULL && i < same->len; i++)
    lose_sighting (messenger, g_ptr_array_index (same, i), interface, family);
}

static void
use_name (Messenger *messenger, const char *instance)
{
  if (g_strcmp0 (messenger->instance, instance) == 0)
    return;
  g_free (messenger->instance);
  messenger->instance = g_strdup (instance);
  g_hash_table_add (messenger->own_names, name_fold (instance));
  link_update_record (messenger); /* the hint is one at the name */
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
  link_publish (messenger);
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

static gboolean
sees_anybody (Messenger *messenger)
{
  GPtrArray *peers = roster_peers (messenger->roster);

  for (guint i = 0; i < peers->len; i++)
    if (peer_is_announced (g_ptr_array_index (peers, i)))
      return TRUE;
  return FALSE;
}

/* Where nobody is seen the look goes on to LIMIT_SETTLE_MS: a responder may have answered somebody else just now and then rests for a
 * second (RFC 6762 6). */
static void
on_settled (gpointer user_data)
{
  Messenger *messenger = user_data;

  messenger->looked = TRUE;
  if (sees_anybody (messenger) || g_str_equal (messenger_discovery (messenger), "off"))
    settle (messenger);
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
      = { on_ready, on_published, link_seen, link_gone, on_settled, on_discovery_changed };
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

/* That we encrypt, and by what those who know our key recognise us under whatever name. */
static void
add_key (Messenger *messenger, Presence *presence)
{
  const char *name = messenger->instance != NULL ? messenger->instance : messenger->wish;
  char hint[HINT_SIZE];

  if (trust_policy (messenger, NULL) == ENCRYPTION_NEVER)
    return;
  presence->noise = g_strdup ("0");
  if (!settings_get_boolean (messenger->settings, "hint"))
    return;
  hint_make (identity_public (messenger->identity), name, messenger->salt, hint);
  presence->hint = g_strdup (hint);
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
  add_key (messenger, presence);
  return txt_build (presence, messenger_port (messenger));
}

void
link_publish (Messenger *messenger)
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

void
link_update_record (Messenger *messenger)
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
    g_ptr_array_add (peer->added, g_inet_socket_address_new (l->data, PEER_DEFAULT_PORT));
  g_resolver_free_addresses (addresses);
  g_free (id);
  g_free (user_data);
}

void
link_resolve_added (Messenger *messenger, Peer *peer)
{
  g_autoptr (GSocketConnectable) where = g_network_address_parse (peer->row->address, PEER_DEFAULT_PORT, NULL);
  const char *host = where != NULL ? g_network_address_get_hostname (G_NETWORK_ADDRESS (where)) : NULL;
  GSocketAddress *number = host != NULL ? g_inet_socket_address_new_from_string (host, PEER_DEFAULT_PORT) : NULL;
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

  streams_check_paths (messenger);
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
  messenger_tell (messenger);
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
  link_publish (messenger);
  for (guint i = 0; i < peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (peers, i);

      if (peer->row->address != NULL && !peer->is_self)
        link_resolve_added (messenger, peer);
    }
  streams_keep_added (messenger);
}

const char *
messenger_announce (Messenger *messenger, gboolean *first)
{
  g_autofree char *before = database_get (messenger->db, "announced");

  *first = before == NULL && messenger->status != STATUS_OFFLINE && !g_str_equal (settings_get (messenger->settings, "discovery"), "off");
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
  link_publish (messenger);
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
    link_publish (messenger);
  else
    link_update_record (messenger);
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
      if (g_str_equal (keys[i], "encryption"))
        streams_close_all (messenger); /* the next ones are as it says */
      if (takes_effect_later (keys[i]))
        g_strv_builder_add (later, keys[i]);
    }
  link_update_record (messenger);
  messenger_changed (messenger, MESSENGER_CHANGED_STATUS);
  *restart = g_strv_builder_end (later);
  return TRUE;
}
