/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/messenger-private.h"
#include "net/deadline.h"

/* The database cannot be written: the disk is full, or gone. */

#define TRY_AGAIN_US (5 * G_USEC_PER_SEC)

/* Whose messages the turn was about. */
static GHashTable *
list_touched (Messenger *messenger)
{
  GHashTable *peers = g_hash_table_new (NULL, NULL);
  GHashTableIter iter;
  gpointer peer, row;

  g_hash_table_iter_init (&iter, messenger->changed_peers);
  while (g_hash_table_iter_next (&iter, &peer, NULL))
    if (((Peer *) peer)->changed & PEER_CHANGED_COUNTS)
      g_hash_table_add (peers, peer);
  g_hash_table_iter_init (&iter, messenger->changed_messages);
  while (g_hash_table_iter_next (&iter, NULL, &row))
    if ((peer = roster_by_id (messenger->roster, ((MessageRow *) row)->peer)) != NULL)
      g_hash_table_add (peers, peer);
  return peers;
}

void
fault_happened (Messenger *messenger, const GError *error)
{
  g_autoptr (GHashTable) peers = list_touched (messenger);
  GHashTableIter iter;
  gpointer peer;

  if (messenger->trouble == NULL)
    messenger_changed (messenger, MESSENGER_CHANGED_STATUS);
  g_free (messenger->trouble);
  messenger->trouble = g_strdup (error->message);
  g_hash_table_remove_all (messenger->changed_messages);
  g_hash_table_iter_init (&iter, peers);
  while (g_hash_table_iter_next (&iter, &peer, NULL))
    conversation_refresh_counts (messenger, peer);
  if (messenger->stopped)
    return;
  deadline_set (messenger->expiry, g_get_monotonic_time () + TRY_AGAIN_US);
  streams_rest (messenger); /* a receipt may be lost with the turn: new streams say again what matters */
}

static void
restore (Messenger *messenger, Peer *peer)
{
  g_autoptr (GError) error = NULL;

  if (roster_restore (messenger->roster, peer, &error))
    messenger_await_peer (messenger, peer);
  else
    g_warning ("%s is not stored: %s", peer->row->instance != NULL ? peer->row->instance : "a peer", error->message);
}

void
fault_over (Messenger *messenger)
{
  GPtrArray *peers = roster_peers (messenger->roster);

  g_clear_pointer (&messenger->trouble, g_free);
  messenger_changed (messenger, MESSENGER_CHANGED_STATUS);
  for (guint i = 0; i < peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (peers, i);

      if (peer->unstored)
        restore (messenger, peer);
      if (peer->queued > 0)
        conversation_pump (messenger, peer);
    }
}
