/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "core/messenger-private.h"
#include "core/legacy.h"
#include "net/addresses.h"
#include "net/deadline.h"
#include "presence/name.h"

/* Which connection is whose, and which of several is used. A peer's name is only a claim (XEP-0174 has no proof); the least that is
 * checked is that it comes from where mDNS says the name is (protocol of the link: RFC 6762 answers are on-link only). */

#define SIMULTANEOUS_US (10 * G_USEC_PER_SEC)

/* Book-keeping ---------------------------------------------------------------------------------------------- */

void
streams_add (Messenger *messenger, Session *session)
{
  g_ptr_array_add (messenger->sessions, session);
  if (session_peer (session) != NULL)
    g_ptr_array_add (session_peer (session)->sessions, session);
}

void
streams_bind (Messenger *messenger, Session *session, Peer *peer)
{
  g_ptr_array_add (peer->sessions, session);
  session_set_peer (session, peer);
  session_set_traced (session, peer->traces != NULL);
}

/* To walk while sessions change; g_ptr_array_copy() would free the elements too. */
static GPtrArray *
snapshot (GPtrArray *sessions)
{
  GPtrArray *copy = g_ptr_array_sized_new (sessions->len);

  for (guint i = 0; i < sessions->len; i++)
    g_ptr_array_add (copy, g_ptr_array_index (sessions, i));
  return copy;
}

static gboolean
is_better (Session *a, Session *b)
{
  if (session_is_retired (a) != session_is_retired (b))
    return session_is_retired (b);
  return session_opened (a) > session_opened (b);
}

/* Somebody answered at the other end, and the headers are under way. */
static gboolean
is_opening (const Peer *peer)
{
  for (guint i = 0; i < peer->sessions->len; i++)
    {
      Session *session = g_ptr_array_index (peer->sessions, i);

      if (session_state (session) > SESSION_CONNECTING && session_state (session) < SESSION_OPEN && !session_is_restricted (session))
        return TRUE;
    }
  return FALSE;
}

/* The stream to send on: of those that are open the newest one that did not lose against another. Of two that both sides opened at once
 * the loser may be closed before the other is ready: the peer is not gone for that moment. */
void
streams_choose (Messenger *messenger, Peer *peer)
{
  gboolean was_online = peer_is_online (peer);
  Session *best = NULL;

  for (guint i = 0; i < peer->sessions->len; i++)
    {
      Session *session = g_ptr_array_index (peer->sessions, i);

      if (session_is_open (session) && !session_is_restricted (session) && (best == NULL || is_better (session, best)))
        best = session;
    }
  peer->session = best;
  peer->reachable = best != NULL || (peer->reachable && is_opening (peer));
  if (was_online != peer_is_online (peer))
    {
      peer->row->last_seen = g_get_real_time ();
      messenger_peer_changed (messenger, peer, PEER_CHANGED_PRESENCE);
    }
}

/* Two streams with one peer ----------------------------------------------------------------------------------- */

/* Of two streams opened from both ends at once that one stays whose initiator comes first, which both sides find alike: by key, which
 * nobody can choose; in clear by name, but with a peer without version 1.0 ours, as libpurple lets what comes in replace what it
 * opened itself. */
static gboolean
ours_comes_first (Session *session)
{
  g_autofree char *ours = name_fold (session_own (session));
  g_autofree char *theirs = name_fold (session_peer_name (session));

  if (session_is_secure (session))
    return x25519_compare (session_own_key (session), session_key (session)) < 0;
  return !session_is_1_0 (session) || strcmp (ours, theirs) < 0;
}

/* Else the newer, as the older may be half-open. */
static gboolean
first_stays (Session *older, Session *newer)
{
  if (session_is_initiator (older) == session_is_initiator (newer)
      || session_opened (newer) - session_opened (older) > SIMULTANEOUS_US)
    return FALSE;
  return session_is_initiator (older) == ours_comes_first (newer);
}

static void
settle_duplicates (Messenger *messenger, Session *opened)
{
  Peer *peer = session_peer (opened);
  g_autoptr (GPtrArray) all = snapshot (peer->sessions);

  for (guint i = 0; i < all->len; i++)
    {
      Session *other = g_ptr_array_index (all, i);
      Session *loser;

      if (other == opened || !session_is_open (other) || session_is_restricted (other))
        continue;
      loser = first_stays (other, opened) ? opened : other;
      session_retire (loser);
      /* Who opened the loser closes it, after what is on it; the other side only stops using it. */
      if ((session_is_initiator (loser) || session_is_initiator (other) == session_is_initiator (opened))
          && !verification_runs_on (messenger, loser))
        session_close (loser);
      if (loser == opened)
        break;
    }
}

guint
streams_count (Peer *peer, gboolean restricted)
{
  guint n = 0;

  for (guint i = 0; i < peer->sessions->len; i++)
    {
      Session *session = g_ptr_array_index (peer->sessions, i);

      n += session_state (session) < SESSION_CLOSING && session_is_restricted (session) == restricted;
    }
  return n;
}

SessionSetup
streams_setup (Messenger *messenger, const Peer *peer)
{
  PeerEncryption policy = trust_policy (messenger, peer);

  return (SessionSetup){ .own = messenger->instance != NULL ? messenger->instance : messenger->wish,
                         .secret = policy != ENCRYPTION_NEVER ? identity_secret (messenger->identity) : NULL,
                         .required = policy == ENCRYPTION_REQUIRE };
}

/* The sessions' events -------------------------------------------------------------------------------------------- */

static void
on_header (Session *session, gpointer user_data)
{
  identify_header (user_data, session);
}

static void
on_clear (Session *session, gboolean spoke, gpointer user_data)
{
  Messenger *messenger = user_data;

  if (!identify_clear (messenger, session, spoke) && session_from (session) != NULL && messenger->discovery != NULL)
    discovery_refresh (messenger->discovery, session_from (session));
}

static void
on_secured (Session *session, gpointer user_data)
{
  identify_key (user_data, session);
}

static void
on_verify (Session *session, const Node *verify, gpointer user_data)
{
  verification_receive (user_data, session, verify);
}

/* One with new keys takes its place. */
static void
on_aged (Session *session, gpointer user_data)
{
  if (session_is_initiator (session))
    dial_again (user_data, session_peer (session));
}

static gboolean
is_only_one (Session *opened)
{
  GPtrArray *all = session_peer (opened)->sessions;

  for (guint i = 0; i < all->len; i++)
    {
      Session *other = g_ptr_array_index (all, i);

      if (other != opened && session_is_open (other) && !session_is_restricted (other))
        return FALSE;
    }
  return TRUE;
}

static void
on_open (Session *session, gpointer user_data)
{
  Messenger *messenger = user_data;
  Peer *peer = session_peer (session);
  gboolean known;
  Capability capabilities = session_capabilities (session, &known);

  if (session_is_restricted (session))
    {
      verification_opened (messenger, session);
      probe_check (peer);
      return;
    }
  peer->early_closes = 0;
  g_ptr_array_set_size (peer->refused, 0);
  if (peer->row->address != NULL && !peer_has_address (peer, session_remote (session)))
    g_ptr_array_add (peer->added, g_object_ref (session_remote (session)));
  if (!session_is_1_0 (session) || known)
    {
      if (!peer->capabilities_known || peer->capabilities != capabilities)
        messenger_peer_changed (messenger, peer, PEER_CHANGED_CAPABILITIES);
      peer->capabilities = capabilities;
      peer->capabilities_known = TRUE;
    }
  session_set_kept (session, peer->row->address != NULL && !peer_is_announced (peer));
  if (is_only_one (session))
    conversation_broken (messenger, peer); /* whatever is unconfirmed now has nowhere to be confirmed */
  settle_duplicates (messenger, session);
  streams_choose (messenger, peer);
  if (session_is_secure (session))
    conversation_release (messenger, peer);
  conversation_pump (messenger, peer);
  probe_opened (peer);
  verification_opened (messenger, session);
  offers_pump (messenger, peer);
}

static void
on_message (Session *session, const Stanza *stanza, gpointer user_data)
{
  conversation_receive (user_data, session, stanza);
}

static gboolean
on_request (Session *session, const Node *iq, gpointer user_data)
{
  return answers_receive (user_data, session, iq);
}

static void
on_answer (Session *session, const Node *iq, gpointer user_data)
{
  legacy_answer (user_data, session, iq);
}

static void
on_bytes (Session *session, const guint8 *id, gpointer user_data)
{
  carrier_take (user_data, session, id);
}

static void
on_drained (Session *session, gpointer user_data)
{
  conversation_pump (user_data, session_peer (session));
}

static void
on_traced (Session *session, gboolean out, const char *xml, gsize len, gpointer user_data)
{
  if (session_peer (session) != NULL)
    trace_element (user_data, session_peer (session), out, xml, len);
}

static void
on_closing (Session *session, gpointer user_data)
{
  Messenger *messenger = user_data;
  Peer *peer = session_peer (session);

  if (peer == NULL)
    return;
  streams_choose (messenger, peer);
  if (peer->typing != CHAT_STATE_NONE && peer->session == NULL)
    {
      peer->typing = CHAT_STATE_NONE;
      messenger_peer_changed (messenger, peer, PEER_CHANGED_TYPING);
    }
}

/* It let us connect and did not want us: mDNS tells one address of a host, and we may have come from another one. */
static void
remember_refusal (Session *session)
{
  Peer *peer = session_peer (session);
  GInetSocketAddress *remote = session_remote (session);

  if (peer == NULL || remote == NULL || !session_was_closed_early (session))
    return;
  peer->early_closes++;
  if (peer->refused->len >= LIMIT_SIGHTINGS_PER_PEER)
    g_ptr_array_set_size (peer->refused, 0);
  g_ptr_array_add (peer->refused, g_object_ref (remote));
}

static void
on_ended (Session *session, const GError *error, gpointer user_data)
{
  Messenger *messenger = user_data;
  Peer *peer = session_peer (session);
  gboolean was_open = session_opened (session) != 0;
  gboolean unconfirmed = session_unconfirmed (session);
  gboolean unanswered = unconfirmed && peer != NULL && outbox_in_flight (messenger->db, peer->row->id) > 0; /* it took words, gave no receipt: not at once again */

  g_debug ("stream with %s ended: %s", peer != NULL && peer->row->instance != NULL ? peer->row->instance : "a stranger",
           error != NULL ? error->message : "closed");
  remember_refusal (session);
  if (g_error_matches (error, HEARBY_ERROR, HEARBY_ERROR_KEY_CHANGED) && peer_is_pinned (peer))
    trust_claimed (messenger, peer, session_key (session));
  verification_ended (messenger, session, TRUE);
  offers_ended (messenger, session);
  if (peer != NULL)
    g_ptr_array_remove (peer->sessions, session);
  g_ptr_array_remove_fast (messenger->sessions, session); /* frees it */
  if (peer == NULL || messenger->stopped)
    return;
  streams_choose (messenger, peer);
  if (was_open && unconfirmed)
    conversation_broken (messenger, peer);
  if (!was_open)
    {
      if (messenger->discovery != NULL && peer->row->instance != NULL)
        discovery_refresh (messenger->discovery, peer->row->instance);
      if (peer->session == NULL)
        {
          conversation_unreachable (messenger, peer);
          probe_failed (peer, error);
        }
    }
  if (!was_open || error != NULL || unanswered)
    dial_later (messenger, peer);
  conversation_pump (messenger, peer);
  probe_check (peer);
}

const SessionEvents streams_session_events
    = { .header = on_header, .clear = on_clear, .secured = on_secured, .open = on_open, .message = on_message, .request = on_request,
        .answer = on_answer, .bytes = on_bytes, .verify = on_verify, .drained = on_drained, .traced = on_traced, .aged = on_aged, .closing = on_closing,
        .ended = on_ended };

/* Coming in ------------------------------------------------------------------------------------------------------- */

static gboolean
is_known_address (Messenger *messenger, GInetSocketAddress *address)
{
  GPtrArray *peers = roster_peers (messenger->roster);

  for (guint i = 0; i < peers->len; i++)
    if (peer_has_address (g_ptr_array_index (peers, i), address))
      return TRUE;
  return FALSE;
}

/* Nobody knows who called, or he showed a key that nobody knows: keys are free, and as many as one likes. */
static gboolean
is_strangers (Session *session)
{
  const Peer *peer = session_peer (session);

  if (session_is_initiator (session) || session_remote (session) == NULL)
    return FALSE;
  return peer == NULL || (peer->row->key != NULL && !peer_is_pinned (peer) && !peer_has_address (peer, session_remote (session)));
}

/* Strangers from many addresses can fill what there is for strangers. Who comes from where a peer is known to live is let in
 * all the same, so that they do not lock out friends. */
static gboolean
too_many_strangers (Messenger *messenger, GInetSocketAddress *from)
{
  guint all = 0, same = 0;

  for (guint i = 0; i < messenger->sessions->len; i++)
    {
      Session *session = g_ptr_array_index (messenger->sessions, i);

      if (!is_strangers (session))
        continue;
      all++;
      same += addresses_same_host (session_remote (session), from);
    }
  return same >= LIMIT_STRANGERS_PER_ADDRESS || (all >= LIMIT_STRANGERS && !is_known_address (messenger, from));
}

void
streams_accept (GSocketConnection *connection, gpointer user_data)
{
  Messenger *messenger = user_data;
  g_autoptr (GInetSocketAddress) from = addresses_unmap (g_socket_connection_get_remote_address (connection, NULL));
  SessionSetup setup;

  if (from == NULL || !messenger_may_talk (messenger) || too_many_strangers (messenger, from))
    return; /* the last reference closes it */
  setup = streams_setup (messenger, NULL);
  streams_add (messenger, session_answer (connection, &setup, &streams_session_events, messenger));
}

void
streams_reconsider (Messenger *messenger)
{
  g_autoptr (GPtrArray) all = snapshot (messenger->sessions);

  for (guint i = 0; i < all->len; i++)
    {
      Session *session = g_ptr_array_index (all, i);

      if (session_is_unidentified (session))
        identify_clear (messenger, session, TRUE);
    }
}

/* Closing ------------------------------------------------------------------------------------------------------------ */

void
streams_close_peer (Messenger *messenger, Peer *peer, const char *condition)
{
  g_autoptr (GPtrArray) all = snapshot (peer->sessions);

  for (guint i = 0; i < all->len; i++)
    if (condition != NULL)
      session_refuse (g_ptr_array_index (all, i), condition);
    else
      session_close (g_ptr_array_index (all, i));
}

void
streams_close_all (Messenger *messenger)
{
  g_autoptr (GPtrArray) all = snapshot (messenger->sessions);

  transfers_rest (messenger);
  for (guint i = 0; i < all->len; i++)
    session_close (g_ptr_array_index (all, i));
}

void
streams_drop_all (Messenger *messenger)
{
  GPtrArray *peers = roster_peers (messenger->roster);

  for (guint i = 0; i < messenger->sessions->len; i++)
    {
      verification_ended (messenger, g_ptr_array_index (messenger->sessions, i), FALSE);
      offers_ended (messenger, g_ptr_array_index (messenger->sessions, i));
    }
  for (guint i = 0; i < peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (peers, i);
      gboolean had = peer->sessions->len > 0;

      g_ptr_array_set_size (peer->sessions, 0);
      streams_choose (messenger, peer);
      if (had)
        conversation_broken (messenger, peer);
      probe_check (peer);
    }
  g_ptr_array_set_size (messenger->sessions, 0);
}

void
streams_set_traced (Messenger *messenger, Peer *peer)
{
  for (guint i = 0; i < peer->sessions->len; i++)
    session_set_traced (g_ptr_array_index (peer->sessions, i), peer->traces != NULL);
}

void
streams_rest (Messenger *messenger)
{
  GPtrArray *peers = roster_peers (messenger->roster);

  for (guint i = 0; i < peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (peers, i);

      if (peer->sessions->len == 0)
        continue;
      dial_later (messenger, peer);
      streams_close_peer (messenger, peer, NULL);
    }
}

void
streams_check_paths (Messenger *messenger)
{
  for (guint i = 0; i < messenger->sessions->len; i++)
    session_check_path (g_ptr_array_index (messenger->sessions, i)); /* an end is reported later, from the loop */
}
