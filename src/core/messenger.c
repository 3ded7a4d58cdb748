/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sodium.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "core/messenger-private.h"
#include "core/transfers-private.h"
#include "net/addresses.h"
#include "net/deadline.h"
#include "presence/name.h"

G_DEFINE_TYPE (Messenger, messenger, G_TYPE_OBJECT)

guint messenger_signals[MESSENGER_N_SIGNALS];

/* Peers ----------------------------------------------------------------------------------------------------------- */

Peer *
messenger_add_peer (Messenger *messenger, const char *instance, const char *address, const guint8 *key, GError **error)
{
  Peer *superfluous = roster_superfluous (messenger->roster);
  Peer *peer;

  if (superfluous != NULL)
    messenger_forget (messenger, superfluous, NULL);
  peer = roster_add (messenger->roster, instance, address, key, error);
  if (peer == NULL)
    return NULL;
  messenger_await_peer (messenger, peer);
  return peer;
}

Peer *
messenger_add_address (Messenger *messenger, const char *uri, GError **error)
{
  g_autofree char *address = addresses_normalize (uri, PEER_DEFAULT_PORT);
  GPtrArray *peers = roster_peers (messenger->roster);
  Peer *peer = NULL;

  if (address == NULL)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                   "'%s' is no address\nwrite HOST, HOST:PORT or [ADDRESS]:PORT", uri);
      return NULL;
    }
  if (messenger->listener != NULL && addresses_is_own (address, PEER_DEFAULT_PORT, listener_port (messenger->listener)))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "'%s' is yourself\n'self' is your name for that", uri);
      return NULL;
    }
  for (guint i = 0; i < peers->len && peer == NULL; i++)
    if (g_strcmp0 (((Peer *) g_ptr_array_index (peers, i))->row->address, address) == 0)
      peer = g_ptr_array_index (peers, i);
  if (peer == NULL)
    {
      peer = messenger_add_peer (messenger, NULL, address, NULL, error);
      if (peer == NULL)
        return NULL;
      link_resolve_added (messenger, peer);
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

  if (plaintext == PLAINTEXT_ALLOW && trust_encrypts (messenger, peer))
    return TRUE;
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
    {
      streams_close_peer (messenger, peer, "not-authorized");
      transfers_block_peer (messenger, peer);
    }
  else
    conversation_pump (messenger, peer);
  return TRUE;
}

/* Nothing points to @peer any more but the list; it is freed. */
static gboolean
remove_peer (Messenger *messenger, Peer *peer, Peer *into, GError **error)
{
  gint64 id = peer->row->id;
  gboolean removed;

  g_hash_table_remove (messenger->changed_peers, peer);
  removed = into != NULL ? roster_merge (messenger->roster, peer, into, error) : roster_remove (messenger->roster, peer, error);
  if (removed)
    g_signal_emit (messenger, messenger_signals[MESSENGER_SIGNAL_PEER_REMOVED], 0, &id);
  return removed;
}

gboolean
messenger_forget (Messenger *messenger, Peer *peer, GError **error)
{
  g_autoptr (GPtrArray) sightings = g_ptr_array_ref (peer->sightings);

  if (peer->is_self)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "you cannot forget yourself");
      return FALSE;
    }
  for (guint i = 0; i < peer->sessions->len; i++)
    {
      Session *session = g_ptr_array_index (peer->sessions, i);

      verification_ended (messenger, session, FALSE);
      g_ptr_array_remove_fast (messenger->sessions, session); /* frees it */
    }
  g_ptr_array_set_size (peer->sessions, 0);
  peer->session = NULL;
  transfers_forget_peer (messenger, peer);
  probe_failed (peer, NULL);
  if (!remove_peer (messenger, peer, NULL, error))
    return FALSE;
  messenger->unread = messages_unread (messenger->db, 0);
  messenger_changed (messenger, MESSENGER_CHANGED_UNREAD | MESSENGER_CHANGED_ALIASES);
  for (guint i = 0; i < sightings->len; i++) /* it is still there, and a stranger now */
    link_seen (g_ptr_array_index (sightings, i), messenger);
  return TRUE;
}

gboolean
messenger_merge (Messenger *messenger, Peer *peer, Peer *into, GError **error)
{
  g_autoptr (GPtrArray) sightings = g_ptr_array_ref (peer->sightings);

  while (peer->sessions->len > 0)
    {
      Session *session = g_ptr_array_index (peer->sessions, 0);

      g_ptr_array_remove_index (peer->sessions, 0);
      streams_bind (messenger, session, into);
    }
  peer->session = NULL;
  probe_failed (peer, NULL);
  into->written_to |= peer->written_to;
  transfers_merge_peer (messenger, peer, into);
  conversation_take_back (messenger, peer);
  if (!remove_peer (messenger, peer, into, error))
    return FALSE;
  for (guint i = 0; i < sightings->len; i++)
    link_seen (g_ptr_array_index (sightings, i), messenger);
  conversation_refresh_counts (messenger, into);
  streams_choose (messenger, into);
  messenger_changed (messenger, MESSENGER_CHANGED_ALIASES);
  messenger_peer_changed (messenger, into, PEER_CHANGED_NAME | PEER_CHANGED_COUNTS);
  conversation_pump (messenger, into);
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

static void
add_key_problems (Messenger *messenger, GStrvBuilder *problems)
{
  GPtrArray *peers = roster_peers (messenger->roster);

  if (trust_policy (messenger, NULL) == ENCRYPTION_NEVER)
    g_strv_builder_add (problems, "encryption is switched off: everything is said in clear");
  if (messenger->cloned != NULL)
    g_strv_builder_add (problems, messenger->cloned);
  for (guint i = 0; i < peers->len; i++)
    {
      const Peer *peer = g_ptr_array_index (peers, i);

      if (peer->downgraded)
        {
          g_autofree char *name = roster_dup_name (messenger->roster, peer);
          g_autofree char *text = g_strdup_printf ("'%s' should encrypt, and offers nothing: nothing is sent to it", name);

          g_strv_builder_add (problems, text);
        }
    }
}

char **
messenger_problems (Messenger *messenger)
{
  g_autoptr (GStrvBuilder) problems = g_strv_builder_new ();

  if (messenger->discovery != NULL && discovery_problem (messenger->discovery) != NULL)
    g_strv_builder_add (problems, discovery_problem (messenger->discovery));
  if (messenger->trouble != NULL)
    g_strv_builder_add (problems, messenger->trouble);
  if (messenger->on_air && *settings_get (messenger->settings, "interfaces") == '\0' && !addresses_any_up ())
    g_strv_builder_add (problems, "no network: no interface is up and has an address");
  if (messenger->on_air && messenger->listener == NULL)
    g_strv_builder_add (problems, "no TCP port could be opened: nobody can connect to us");
  add_key_problems (messenger, problems);
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
  Messenger *messenger = user_data;

  conversation_expire (messenger);
  if (messenger->trouble != NULL)
    database_set (messenger->db, "tried", "yes", NULL); /* is there room again? */
  messenger_tell (messenger);
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
messenger_new (Database *db, Settings *settings, Identity *identity, GError **error)
{
  g_autoptr (Messenger) messenger = g_object_new (MESSENGER_TYPE, NULL);

  messenger->db = db;
  messenger->settings = settings;
  messenger->turn = turn_new (db);
  messenger->identity = identity;
  if (identity != NULL)
    fingerprint_make (identity_public (identity), messenger->fingerprint);
  load_status (messenger);
  if (!recover_outbox (messenger, error))
    return NULL;
  messenger->roster = roster_new (db, error);
  if (messenger->roster == NULL)
    return NULL;
  messenger->unread = messages_unread (db, 0);
  if (!transfers_load (messenger, error))
    return NULL;
  messenger->expiry = deadline_new (on_expiry, messenger);
  messenger_tell (messenger);
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
  transfers_stop (messenger);
  g_clear_signal_handler (&messenger->network_handler, g_network_monitor_get_default ());
  g_clear_pointer (&messenger->listener, listener_free);
  g_clear_pointer (&messenger->discovery, discovery_free);
  streams_close_all (messenger);
  deadline_set (timer, g_get_monotonic_time () + 500 * 1000);
  while (!late && messenger->sessions->len > 0)
    g_main_context_iteration (NULL, TRUE);
  deadline_drop (&timer);
  turn_flush (messenger->turn);
  telling_end (messenger);
}

static void
messenger_finalize (GObject *object)
{
  Messenger *messenger = HEARBY_MESSENGER (object);

  deadline_drop (&messenger->settle_timer);
  deadline_drop (&messenger->network_timer);
  deadline_drop (&messenger->expiry);
  deadline_drop (&messenger->proof_timer);
  g_queue_clear (&messenger->proofs);
  verification_free_all (messenger);
  transfers_free_all (messenger);
  identity_free (messenger->identity);
  g_ptr_array_unref (messenger->sessions);
  g_ptr_array_unref (messenger->settlers);
  telling_clear (messenger);
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
  g_free (messenger->trouble);
  g_free (messenger->cloned);
  G_OBJECT_CLASS (messenger_parent_class)->finalize (object);
}

static void
messenger_init (Messenger *messenger)
{
  messenger->sessions = g_ptr_array_new_with_free_func ((GDestroyNotify) session_free);
  messenger->transfers = g_ptr_array_new_with_free_func ((GDestroyNotify) transfer_free);
  messenger->sweeps = g_ptr_array_new_with_free_func ((GDestroyNotify) byte_task_free);
  messenger->settlers = g_ptr_array_new_with_free_func (g_free);
  messenger->own_names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  telling_init (messenger);
  messenger->scratch = g_string_sized_new (1024);
  randombytes_buf (messenger->salt, sizeof messenger->salt);
  g_queue_init (&messenger->proofs);
  messenger->started = g_get_monotonic_time ();
}

static void
add_signal (guint which, const char *name, guint n_parameters, GType first, GType second)
{
  GType types[] = { first, second };

  messenger_signals[which] = g_signal_newv (name, MESSENGER_TYPE, G_SIGNAL_RUN_LAST, NULL, NULL, NULL, NULL, G_TYPE_NONE,
                                  n_parameters, types);
}

static void
messenger_class_init (MessengerClass *class)
{
  G_OBJECT_CLASS (class)->finalize = messenger_finalize;
  add_signal (MESSENGER_SIGNAL_PEER_ADDED, "peer-added", 1, G_TYPE_POINTER, G_TYPE_NONE);
  add_signal (MESSENGER_SIGNAL_PEER_CHANGED, "peer-changed", 2, G_TYPE_POINTER, G_TYPE_UINT);
  add_signal (MESSENGER_SIGNAL_PEER_REMOVED, "peer-removed", 1, G_TYPE_POINTER, G_TYPE_NONE);
  add_signal (MESSENGER_SIGNAL_MESSAGE_ADDED, "message-added", 1, G_TYPE_POINTER, G_TYPE_NONE);
  add_signal (MESSENGER_SIGNAL_MESSAGE_CHANGED, "message-changed", 1, G_TYPE_POINTER, G_TYPE_NONE);
  add_signal (MESSENGER_SIGNAL_CHANGED, "changed", 1, G_TYPE_UINT, G_TYPE_NONE);
  add_signal (MESSENGER_SIGNAL_TRANSFER_ADDED, "transfer-added", 1, G_TYPE_POINTER, G_TYPE_NONE);
  add_signal (MESSENGER_SIGNAL_TRANSFER_CHANGED, "transfer-changed", 2, G_TYPE_POINTER, G_TYPE_UINT);
  add_signal (MESSENGER_SIGNAL_TRANSFER_FINISHED, "transfer-finished", 1, G_TYPE_POINTER, G_TYPE_NONE);
  add_signal (MESSENGER_SIGNAL_TRANSFER_REMOVED, "transfer-removed", 1, G_TYPE_POINTER, G_TYPE_NONE);
}
