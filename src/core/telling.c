/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is told, after the turn's commit: a peer or a message once, however often it changed until then. */

#include <malloc.h>

#include "core/legacy.h"
#include "core/messenger-private.h"
#include "net/deadline.h"

#define PURGE_EVERY_US (24 * 3600 * (gint64) G_USEC_PER_SEC)
#define NEWS_MESSAGES 512 /* gathered before they are told although the loop is busy */
#define NEWS_TURNS 64
#define BUSY_MESSAGES 1000
#define REST_US (2 * G_USEC_PER_SEC)

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
      g_signal_emit (messenger, messenger_signals[MESSENGER_SIGNAL_PEER_CHANGED], 0, peer, changed);
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

  messenger->busy += g_hash_table_size (messages);
  if (messenger->busy >= BUSY_MESSAGES)
    deadline_set (messenger->rest, g_get_monotonic_time () + REST_US);
  messenger->news = message_set_new ();
  g_hash_table_iter_init (&iter, messages);
  while (g_hash_table_iter_next (&iter, NULL, &row))
    g_signal_emit (messenger, messenger_signals[MESSENGER_SIGNAL_MESSAGE_CHANGED], 0, row);
}

/* Once a day, and only when something is going on anyway; with the history off always, but never before it was told how a message ended. */
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
  if (database_is_dirty (messenger->db))
    messenger_tell (messenger);
}

static void
tell_news (Messenger *messenger)
{
  guint changed = messenger->changed;

  deadline_drop (&messenger->news_source);
  messenger->news_turns = 0;
  messenger->changed = 0;
  tell_peers (messenger);
  tell_messages (messenger);
  if (changed != 0)
    g_signal_emit (messenger, messenger_signals[MESSENGER_SIGNAL_CHANGED], 0, changed);
  if (!messenger->stopped && messenger->trouble == NULL)
    purge (messenger);
}

static gboolean
on_idle (gpointer user_data)
{
  tell_news (user_data);
  return G_SOURCE_REMOVE;
}

/* A burst leaves the heap in pieces: 15 MB before this and 8 MB after it were measured for 30,000 messages. */
static gboolean
on_rest (gpointer user_data)
{
  Messenger *messenger = user_data;

  messenger->busy = 0;
#ifdef __GLIBC__
  malloc_trim (0);
#endif
  return G_SOURCE_CONTINUE;
}

static void
gather_messages (Messenger *messenger)
{
  GHashTableIter iter;
  gpointer key, row;

  g_hash_table_iter_init (&iter, messenger->changed_messages);
  while (g_hash_table_iter_next (&iter, &key, &row))
    {
      g_hash_table_iter_steal (&iter);
      g_hash_table_replace (messenger->news, key, row);
    }
}

/* What the commit made true is told when the loop has nothing more urgent, or much has gathered: in a burst most messages are
 * delivered by then, and one signal tells what several would. */
static void
tell_soon (Messenger *messenger)
{
  gather_messages (messenger);
  if (++messenger->news_turns >= NEWS_TURNS || g_hash_table_size (messenger->news) >= NEWS_MESSAGES)
    tell_news (messenger);
  else if (messenger->news_source == NULL)
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

static void
tell (const GError *error, gpointer data)
{
  g_autoptr (Messenger) messenger = data;

  messenger->telling = FALSE;
  if (error != NULL)
    fault_happened (messenger, error);
  else if (messenger->trouble != NULL && turn_wrote (messenger->turn))
    fault_over (messenger);
  tell_soon (messenger);
  if (messenger->stopped || messenger->trouble != NULL)
    return;
  set_expiry (messenger);
}

void
messenger_tell (Messenger *messenger)
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
  if ((changed & PEER_CHANGED_PRESENCE) != 0 && !peer_is_online (peer))
    legacy_gone (messenger, peer);
  peer->changed |= changed;
  g_hash_table_add (messenger->changed_peers, peer);
  messenger_tell (messenger);
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
  messenger_tell (messenger);
}

void
messenger_changed (Messenger *messenger, MessengerChange changed)
{
  messenger->changed |= changed;
  messenger_tell (messenger);
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
    g_signal_emit (added->messenger, messenger_signals[MESSENGER_SIGNAL_MESSAGE_ADDED], 0, added->row);
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
    peer->unstored = error != NULL;
  if (peer != NULL && error == NULL)
    g_signal_emit (added->messenger, messenger_signals[MESSENGER_SIGNAL_PEER_ADDED], 0, peer);
  g_object_unref (added->messenger);
  g_free (added);
}

void
messenger_await_peer (Messenger *messenger, const Peer *peer)
{
  NewPeer *added = g_new (NewPeer, 1);

  added->messenger = g_object_ref (messenger);
  added->id = peer->row->id;
  turn_after (messenger->turn, peer_after, added);
}

void
telling_init (Messenger *messenger)
{
  messenger->changed_peers = g_hash_table_new (NULL, NULL);
  messenger->changed_messages = message_set_new ();
  messenger->news = message_set_new ();
  messenger->rest = deadline_new (on_rest, messenger);
}

void
telling_end (Messenger *messenger)
{
  tell_news (messenger);
}

void
telling_clear (Messenger *messenger)
{
  deadline_drop (&messenger->rest);
  g_hash_table_unref (messenger->changed_peers);
  g_hash_table_unref (messenger->changed_messages);
  g_hash_table_unref (messenger->news);
}
