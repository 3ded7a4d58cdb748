/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/peer.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "net/addresses.h"
#include "presence/name.h"

Peer *
peer_new (PeerRow *row)
{
  Peer *peer = g_new0 (Peer, 1);

  peer->row = row;
  peer->sightings = g_ptr_array_new_with_free_func ((GDestroyNotify) sighting_free);
  peer->sessions = g_ptr_array_new ();
  peer->ready = g_ptr_array_new_with_free_func ((GDestroyNotify) message_row_free);
  peer->added = g_ptr_array_new_with_free_func (g_object_unref);
  peer->refused = g_ptr_array_new_with_free_func (g_object_unref);
  if (row->key != NULL)
    fingerprint_make (g_bytes_get_data (row->key, NULL), peer->fingerprint);
  if (row->claim != NULL)
    fingerprint_make (g_bytes_get_data (row->claim, NULL), peer->claim);
  if (row->instance != NULL)
    {
      g_autofree char *instance = g_strdup (row->instance);

      peer_rename (peer, instance);
    }
  return peer;
}

void
peer_free (Peer *peer)
{
  if (peer == NULL)
    return;
  if (peer->retry != NULL)
    g_source_destroy (peer->retry);
  g_clear_pointer (&peer->retry, g_source_unref);
  g_clear_pointer (&peer->probes, g_ptr_array_unref);
  g_clear_pointer (&peer->traces, g_ptr_array_unref);
  g_ptr_array_unref (peer->sightings);
  g_ptr_array_unref (peer->sessions);
  g_ptr_array_unref (peer->ready);
  g_ptr_array_unref (peer->added);
  g_ptr_array_unref (peer->refused);
  presence_free (peer->presence);
  peer_row_free (peer->row);
  g_free (peer->folded);
  g_free (peer->short_folded);
  g_free (peer->alias);
  g_free (peer->looks_like);
  g_free (peer);
}

void
peer_rename (Peer *peer, const char *instance)
{
  g_autofree char *user = name_dup_user (instance);

  g_free (peer->row->instance);
  g_free (peer->folded);
  g_free (peer->short_folded);
  peer->row->instance = g_strdup (instance);
  peer->folded = name_fold (instance);
  peer->short_folded = name_fold (user);
}

gboolean
peer_is_announced (const Peer *peer)
{
  return peer->sightings->len > 0;
}

gboolean
peer_is_online (const Peer *peer)
{
  return peer_is_announced (peer) || peer->is_self || (peer->row->address != NULL && peer->reachable);
}

gboolean
peer_has_key (const Peer *peer, const guint8 key[PEER_KEY])
{
  return peer->row->key != NULL && memcmp (g_bytes_get_data (peer->row->key, NULL), key, PEER_KEY) == 0;
}

gboolean
peer_is_pinned (const Peer *peer)
{
  return peer->row->key != NULL && peer->row->trust != TRUST_NEW;
}

gboolean
peer_encrypts (const Peer *peer)
{
  return peer->row->key != NULL || peer->row->keyed;
}

gboolean
peer_is_in_conflict (const Peer *peer)
{
  return peer->row->claim != NULL || (peer->row->key != NULL && peer->row->trust == TRUST_MISMATCH);
}

const char *
peer_trust (const Peer *peer)
{
  static const char *const words[] = { "new", "pinned", "verified", "conflict" };

  if (peer->row->blocked)
    return "blocked";
  if (peer->is_self)
    return "verified";
  if (peer_is_in_conflict (peer))
    return "conflict";
  if (peer->row->key != NULL)
    return words[peer->row->trust];
  return peer_encrypts (peer) ? "new" : "plain";
}

void
peer_set_key (Peer *peer, const guint8 *key)
{
  g_clear_pointer (&peer->row->key, g_bytes_unref);
  peer->row->key = key != NULL ? g_bytes_new (key, PEER_KEY) : NULL;
  peer->row->trust = TRUST_NEW;
  peer->row->verified = 0;
  *peer->fingerprint = '\0';
  if (key != NULL)
    fingerprint_make (key, peer->fingerprint);
}

void
peer_set_claim (Peer *peer, const guint8 *key)
{
  g_clear_pointer (&peer->row->claim, g_bytes_unref);
  peer->row->claim = key != NULL ? g_bytes_new (key, PEER_KEY) : NULL;
  *peer->claim = '\0';
  if (key != NULL)
    fingerprint_make (key, peer->claim);
}

Status
peer_status (const Peer *peer)
{
  if (!peer_is_online (peer))
    return STATUS_OFFLINE;
  return peer->presence != NULL ? peer->presence->status : STATUS_AVAILABLE;
}

static int
find_sighting (const Peer *peer, guint interface, GSocketFamily family)
{
  for (guint i = 0; i < peer->sightings->len; i++)
    {
      const Sighting *sighting = g_ptr_array_index (peer->sightings, i);

      if (sighting->interface == interface && sighting->family == family)
        return (int) i;
    }
  return -1;
}

static PeerChange
set_presence (Peer *peer, GPtrArray *txt)
{
  g_autoptr (Presence) presence = txt_parse (txt);
  g_autofree char *nick = txt_display_name (presence);
  PeerChange changed = 0;

  if (peer->presence == NULL || !presence_equal (peer->presence, presence))
    {
      g_clear_pointer (&peer->presence, presence_free);
      peer->presence = g_steal_pointer (&presence);
      peer->row->keyed = peer->presence->noise != NULL;
      changed |= PEER_CHANGED_PRESENCE | PEER_CHANGED_POLICY;
    }
  if (nick != NULL && g_strcmp0 (nick, peer->row->nick) != 0)
    {
      g_free (peer->row->nick);
      peer->row->nick = g_steal_pointer (&nick);
      changed |= PEER_CHANGED_NAME;
    }
  return changed;
}

PeerChange
peer_add_sighting (Peer *peer, const Sighting *sighting)
{
  int at = find_sighting (peer, sighting->interface, sighting->family);
  PeerChange changed = PEER_CHANGED_ADDRESSES;

  if (at < 0 && peer->sightings->len >= LIMIT_SIGHTINGS_PER_PEER)
    return 0;
  if (peer->sightings->len == 0)
    {
      changed |= PEER_CHANGED_PRESENCE;
      peer->row->last_seen = g_get_real_time ();
    }
  if (at >= 0)
    g_ptr_array_remove_index (peer->sightings, (guint) at);
  g_ptr_array_add (peer->sightings, sighting_copy (sighting));
  return changed | set_presence (peer, sighting->txt);
}

PeerChange
peer_remove_sighting (Peer *peer, guint interface, GSocketFamily family)
{
  int at = find_sighting (peer, interface, family);

  if (at < 0)
    return 0;
  g_ptr_array_remove_index (peer->sightings, (guint) at);
  if (peer->sightings->len > 0)
    return PEER_CHANGED_ADDRESSES;
  g_clear_pointer (&peer->presence, presence_free);
  peer->row->last_seen = g_get_real_time ();
  return PEER_CHANGED_ADDRESSES | PEER_CHANGED_PRESENCE | PEER_CHANGED_POLICY;
}

PeerChange
peer_remove_all_sightings (Peer *peer)
{
  PeerChange changed = 0;

  while (peer->sightings->len > 0)
    {
      const Sighting *sighting = g_ptr_array_index (peer->sightings, 0);

      changed |= peer_remove_sighting (peer, sighting->interface, sighting->family);
    }
  return changed;
}

gboolean
peer_has_address (const Peer *peer, GInetSocketAddress *address)
{
  for (guint i = 0; i < peer->sightings->len; i++)
    {
      const Sighting *sighting = g_ptr_array_index (peer->sightings, i);

      if (addresses_same_host (G_INET_SOCKET_ADDRESS (sighting->address), address))
        return TRUE;
    }
  for (guint i = 0; i < peer->added->len; i++)
    if (addresses_same_host (g_ptr_array_index (peer->added, i), address))
      return TRUE;
  return FALSE;
}
