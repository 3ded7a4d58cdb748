/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "core/messenger-private.h"
#include "net/addresses.h"
#include "presence/name.h"

/* Whose a stream is. With a secure channel the key says it, and the name is a label on it (hearby-protocol(7), names and keys). In clear a
 * name is only a claim; the least that is checked is that it comes from where mDNS says the name is (RFC 6762 answers are on-link
 * only). */

static gboolean
is_name (const char *name)
{
  return name != NULL && *name != '\0' && strlen (name) <= LIMIT_INSTANCE && g_utf8_validate (name, -1, NULL);
}

static gboolean
is_for_us (Messenger *messenger, const char *to)
{
  g_autofree char *folded = NULL;

  if (to == NULL || *to == '\0' || g_hostname_is_ip_address (to))
    return TRUE; /* libpurple that does not know us yet; old Adium */
  folded = name_fold (to);
  return g_hash_table_contains (messenger->own_names, folded);
}

static gboolean
is_ourselves (Messenger *messenger, Session *session)
{
  g_autofree char *folded = session_from (session) != NULL ? name_fold (session_from (session)) : NULL;

  return folded != NULL && g_hash_table_contains (messenger->own_names, folded) && !peer_is_announced (session_peer (session));
}

void
identify_header (Messenger *messenger, Session *session)
{
  if (session_is_initiator (session) && is_ourselves (messenger, session))
    session_refuse (session, "conflict");
  else if (!session_is_initiator (session) && !is_for_us (messenger, session_to (session)))
    session_refuse (session, "host-unknown");
}

/* An address that the user added ---------------------------------------------------------------------------------------- */

/* The address that the user added to @peer is where @to lives. Who waits for an answer from there gets his. */
static void
move_address (Messenger *messenger, Peer *peer, Peer *to)
{
  g_free (to->row->address);
  to->row->address = g_steal_pointer (&peer->row->address);
  g_ptr_array_extend_and_steal (to->added, g_steal_pointer (&peer->added));
  peer->added = g_ptr_array_new_with_free_func (g_object_unref);
  if (to->probes == NULL)
    to->probes = g_steal_pointer (&peer->probes);
  else if (peer->probes != NULL)
    g_ptr_array_extend_and_steal (to->probes, g_steal_pointer (&peer->probes));
  roster_save (messenger->roster, peer, NULL);
  roster_save (messenger->roster, to, NULL);
  messenger_peer_changed (messenger, peer, PEER_CHANGED_NAME | PEER_CHANGED_ADDRESSES);
  messenger_peer_changed (messenger, to, PEER_CHANGED_NAME | PEER_CHANGED_ADDRESSES);
}

/* @session, opened to @peer, is @other's. One that was known by its address alone was @other all the time. */
static void
rebind (Messenger *messenger, Session *session, Peer *peer, Peer *other)
{
  gboolean nameless = peer->row->instance == NULL && peer->row->key == NULL;

  if (peer->row->address != NULL && !peer_is_announced (peer))
    move_address (messenger, peer, other);
  g_ptr_array_remove (peer->sessions, session);
  streams_bind (messenger, session, other);
  if (nameless)
    messenger_merge (messenger, peer, other, NULL);
  else
    {
      streams_choose (messenger, peer);
      probe_check (peer);
    }
}

/* In clear ------------------------------------------------------------------------------------------------------------------ */

/* Without a name: whoever is the only one at that address. */
static Peer *
find_by_address (Messenger *messenger, GInetSocketAddress *address)
{
  GPtrArray *peers = roster_peers (messenger->roster);
  Peer *found = NULL;

  for (guint i = 0; i < peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (peers, i);

      if (!peer_has_address (peer, address))
        continue;
      if (found != NULL)
        return NULL;
      found = peer;
    }
  return found;
}

/* The address-only peer that the user added and that turns out to live at @address. */
static Peer *
find_added (Messenger *messenger, GInetSocketAddress *address, const char *from)
{
  GPtrArray *peers = roster_peers (messenger->roster);
  Peer *unnamed = NULL;

  for (guint i = 0; i < peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (peers, i);

      if (peer->row->address == NULL || peer->is_self || !peer_has_address (peer, address))
        continue;
      if (peer->row->instance != NULL && name_equal (peer->row->instance, from))
        return peer;
      if (peer->row->instance == NULL)
        unnamed = peer;
    }
  return unnamed;
}

/* Somebody else answers where @peer was. He is somebody new, and has neither @peer's history nor the yes that the user gave for him. */
static Peer *
name_successor (Messenger *messenger, Peer *peer, Session *session, const char *from)
{
  Peer *successor = messenger_add_peer (messenger, from, NULL, NULL, NULL);

  if (successor == NULL)
    return NULL;
  rebind (messenger, session, peer, successor);
  return successor;
}

/* One known by address only gets the name that its header tells. */
static Peer *
name_added (Messenger *messenger, Peer *peer, Session *session, const char *from)
{
  Peer *known = roster_by_instance (messenger->roster, from);
  g_autoptr (GError) error = NULL;

  if (known == peer)
    return peer;
  if (known == NULL && peer->row->instance != NULL)
    return name_successor (messenger, peer, session, from);
  if (known != NULL) /* had it another name, it is not for a stranger's header to join two people */
    {
      if (peer->row->instance != NULL || (peer_is_announced (known) && !peer_has_address (known, session_remote (session))))
        return NULL;
      rebind (messenger, session, peer, known);
      return known;
    }
  if (roster_rename (messenger->roster, peer, from, &error))
    messenger_peer_changed (messenger, peer, PEER_CHANGED_NAME);
  return error == NULL ? peer : NULL;
}

/* Who called, or NULL as long as nobody knows. */
static Peer *
find_caller (Messenger *messenger, Session *session)
{
  GInetSocketAddress *remote = session_remote (session);
  const char *from = session_from (session);
  GPtrArray *same;
  Peer *peer;

  if (from == NULL || *from == '\0')
    return find_by_address (messenger, remote);
  same = roster_named (messenger->roster, from);
  for (guint i = 0; same != NULL && i < same->len; i++)
    if (peer_has_address (g_ptr_array_index (same, i), remote))
      return g_ptr_array_index (same, i);
  if (!is_name (from))
    return NULL;
  peer = find_added (messenger, remote, from);
  return peer != NULL && session_peer (session) == NULL ? name_added (messenger, peer, session, from) : peer;
}

/* Who answered where we called @peer, or NULL: not he. */
static Peer *
check_answer (Messenger *messenger, Session *session, Peer *peer)
{
  const char *from = session_from (session);

  if (from == NULL || *from == '\0' || (peer->row->instance != NULL && name_equal (from, peer->row->instance)))
    return peer;
  if (peer->row->address == NULL || peer_is_announced (peer) || !is_name (from))
    return NULL;
  return name_added (messenger, peer, session, from);
}

static gboolean
is_announced_with_key (Messenger *messenger, const char *instance)
{
  GPtrArray *same = roster_named (messenger->roster, instance);

  for (guint i = 0; same != NULL && i < same->len; i++)
    {
      const Peer *peer = g_ptr_array_index (same, i);

      if (peer->presence != NULL && peer->presence->noise != NULL)
        return TRUE;
    }
  return FALSE;
}

/* What has a key, or says that it has one, gets nothing in clear and says nothing in clear (channel 2.8). */
static gboolean
may_be_clear (Messenger *messenger, Peer *peer)
{
  Peer *owner = peer->row->instance != NULL ? roster_by_instance (messenger->roster, peer->row->instance) : peer;

  gboolean wants_key = trust_policy (messenger, peer) != ENCRYPTION_NEVER && peer->row->instance != NULL
                       && is_announced_with_key (messenger, peer->row->instance);

  if (peer_is_pinned (owner) || wants_key)
    {
      trust_downgraded (messenger, owner);
      return FALSE;
    }
  return trust_policy (messenger, peer) != ENCRYPTION_REQUIRE;
}

/* Who talks in clear is never whom a key was seen of. */
static Peer *
without_key (Messenger *messenger, Peer *peer)
{
  Peer *clear;

  if (peer->row->key == NULL)
    return peer;
  clear = roster_in_clear (messenger->roster, peer->row->instance);
  if (clear == NULL)
    clear = messenger_add_peer (messenger, peer->row->instance, NULL, NULL, NULL);
  if (clear != NULL)
    link_resettle (messenger, peer->row->instance);
  return clear;
}

static void
accept_clear (Messenger *messenger, Session *session, Peer *found)
{
  Peer *peer = found->row->blocked || !may_be_clear (messenger, found) ? found : without_key (messenger, found);

  if (found->row->blocked)
    session_refuse (session, "not-authorized");
  else if (peer == NULL || peer->row->key != NULL || !may_be_clear (messenger, peer))
    session_refuse (session, "policy-violation");
  else if (!session_is_initiator (session) && streams_count (peer, FALSE) >= LIMIT_STREAMS_PER_PEER)
    session_refuse (session, "resource-constraint");
  else
    {
      if (session_peer (session) != NULL && session_peer (session) != peer)
        rebind (messenger, session, session_peer (session), peer);
      else if (session_peer (session) == NULL)
        streams_bind (messenger, session, peer);
      if (peer->capabilities_known)
        session_set_capabilities (session, peer->capabilities);
      session_accept (session, peer, messenger->instance != NULL ? messenger->instance : messenger->wish);
    }
}

gboolean
identify_clear (Messenger *messenger, Session *session, gboolean spoke)
{
  Peer *peer = session_is_initiator (session) ? check_answer (messenger, session, session_peer (session))
                                              : find_caller (messenger, session);

  if (peer == NULL && session_is_initiator (session))
    session_refuse (session, "invalid-from");
  else if (peer != NULL && (spoke || (!peer_encrypts (peer) && !peer->row->blocked)))
    accept_clear (messenger, session, peer);
  return peer != NULL;
}

/* With a key ------------------------------------------------------------------------------------------------------------------- */

/* The name that a known key calls itself by now. */
static void
take_name (Messenger *messenger, Peer *peer, const char *name)
{
  Peer *clear = roster_in_clear (messenger->roster, name);

  g_message ("'%s' is called '%s' now", peer->row->instance != NULL ? peer->row->instance : peer->row->address, name);
  messenger_peer_changed (messenger, peer, peer_remove_all_sightings (peer) | PEER_CHANGED_NAME);
  roster_rename (messenger->roster, peer, name, NULL);
  link_resettle (messenger, name);
  if (clear != NULL && !trust_is_known_in_clear (messenger, clear))
    messenger_merge (messenger, clear, peer, NULL); /* what was written to the name before it showed its key */
}

static Peer *
greet_known (Messenger *messenger, Peer *peer, const guint8 *key, const char *name, gboolean *restricted)
{
  Peer *owner = roster_by_instance (messenger->roster, name);
  gboolean own_name = peer->row->instance != NULL && strcmp (peer->row->instance, name) == 0;

  *restricted = peer->row->trust == TRUST_MISMATCH; /* until the users compare codes again */
  if (own_name || peer->row->blocked)
    return peer;
  if (owner != NULL && owner != peer && peer_is_pinned (owner))
    trust_claimed (messenger, owner, key); /* he keeps his own name, and gets nothing that is for the owner of this one */
  else
    take_name (messenger, peer, name);
  return peer;
}

/* Who is known in clear is not joined to a key that is shown under his name; but what was written since his record speaks of a key was
 * never meant for clear text. */
static Peer *
part_from (Messenger *messenger, Peer *clear, const guint8 *key, const char *name)
{
  Peer *peer = messenger_add_peer (messenger, name, NULL, key, NULL);

  if (peer == NULL || clear == NULL || clear->queued == 0)
    return peer;
  outbox_move_encrypted (messenger->db, clear->row->id, peer->row->id, NULL);
  conversation_refresh_counts (messenger, clear);
  conversation_refresh_counts (messenger, peer);
  return peer;
}

/* @peer has another key than before, which nobody acted on: what was opened with that is over. */
static void
close_other_keys (Peer *peer)
{
  for (guint i = peer->sessions->len; i > 0; i--)
    {
      Session *session = g_ptr_array_index (peer->sessions, i - 1);

      if (session_is_secure (session) && !session_is_restricted (session) && !peer_has_key (peer, session_key (session)))
        session_close (session);
    }
}

/* A key that nobody has shown before. */
static Peer *
greet_new (Messenger *messenger, Peer *dialled, const guint8 *key, const char *name, gboolean *restricted)
{
  Peer *owner = roster_by_instance (messenger->roster, name);
  Peer *peer = roster_in_clear (messenger->roster, name), *doubted = NULL;

  *restricted = (owner != NULL && peer_is_pinned (owner)) || (dialled != NULL && peer_is_pinned (dialled));
  if (*restricted)
    {
      owner = dialled != NULL && peer_is_pinned (dialled) ? dialled : owner;
      trust_claimed (messenger, owner, key);
      return owner;
    }
  if (peer == NULL && dialled != NULL && dialled->row->instance == NULL && dialled->row->key == NULL
      && roster_rename (messenger->roster, dialled, name, NULL))
    {
      dialled->row->plaintext = PLAINTEXT_ASK; /* a yes to whoever was there; nothing was said yet */
      peer = dialled;
    }
  if (peer == NULL && dialled != NULL && dialled->row->key != NULL && dialled->recognised && dialled->row->instance != NULL
      && name_equal (dialled->row->instance, name))
    doubted = dialled; /* somebody showed another key under this name from elsewhere */
  if (doubted != NULL && doubted->last_seq == 0)
    peer = doubted;
  if (peer != NULL && !trust_is_known_in_clear (messenger, peer))
    {
      peer_set_key (peer, key);
      close_other_keys (peer);
    }
  else
    peer = part_from (messenger, peer != NULL ? peer : doubted, key, name);
  if (peer == NULL)
    return NULL;
  peer->confirmed = TRUE;
  trust_greeted (messenger, peer);
  link_resettle (messenger, name);
  return peer;
}

/* mDNS shows @name, but at none of its addresses is @session's other end. */
static gboolean
is_elsewhere (Messenger *messenger, Session *session, const char *name)
{
  GPtrArray *same = roster_named (messenger->roster, name);
  gboolean announced = FALSE;

  for (guint i = 0; same != NULL && i < same->len; i++)
    {
      const Peer *peer = g_ptr_array_index (same, i);

      if (peer_has_address (peer, session_remote (session)))
        return FALSE;
      announced |= peer_is_announced (peer);
    }
  return announced;
}

/* A name on the link that the user has not bound to a key is not for whoever calls himself so first: who is there is asked. So somebody
 * who called from an address that he does not announce has his stream all the same. */
static void
ask_who_is_there (Messenger *messenger, const char *name)
{
  GPtrArray *same = roster_named (messenger->roster, name);

  for (guint i = 0; same != NULL && i < same->len; i++)
    {
      Peer *peer = g_ptr_array_index (same, i);

      if (peer->session != NULL && session_is_secure (peer->session))
        continue; /* who is there has just shown it */
      peer->recognised = TRUE;
      peer->confirmed = FALSE;
      trust_want_proof (messenger, peer);
    }
}

static gboolean
is_bound (Messenger *messenger, const Peer *known, const char *name)
{
  const Peer *owner = roster_by_instance (messenger->roster, name);

  return (owner != NULL && peer_is_pinned (owner))
         || (known != NULL && peer_is_pinned (known) && known->row->instance != NULL && name_equal (known->row->instance, name));
}

void
identify_key (Messenger *messenger, Session *session)
{
  const guint8 *key = session_key (session);
  const char *name = session_from (session);
  Peer *dialled = session_peer (session);
  Peer *known = roster_by_key (messenger->roster, key);
  gboolean restricted = FALSE;
  Peer *peer;

  if (!is_name (name))
    return;
  if (!is_bound (messenger, known, name) && is_elsewhere (messenger, session, name))
    {
      ask_who_is_there (messenger, name);
      return;
    }
  peer = known != NULL ? greet_known (messenger, known, key, name, &restricted) : greet_new (messenger, dialled, key, name, &restricted);
  if (peer == NULL || peer->row->blocked)
    return;
  dialled = session_peer (session); /* who was just joined with @peer is gone */
  if (dialled == NULL && streams_count (peer, restricted) >= LIMIT_STREAMS_PER_PEER)
    return;
  if (dialled == NULL)
    streams_bind (messenger, session, peer);
  else if (dialled != peer)
    rebind (messenger, session, dialled, peer);
  session_set_restricted (session, restricted);
  if (!restricted)
    trust_proven (messenger, peer);
  session_accept (session, peer, NULL);
}
