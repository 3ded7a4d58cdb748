/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "core/messenger-private.h"
#include "net/addresses.h"
#include "net/deadline.h"
#include "presence/name.h"

/* Which connection is whose, and which of several is used. A peer's name is only a claim (XEP-0174 has no proof); the least that is
 * checked is that it comes from where mDNS says the name is (protocol of the link: RFC 6762 answers are on-link only). */

#define SIMULTANEOUS_US (10 * G_USEC_PER_SEC)
#define RETRY_FIRST_S 1
#define RETRY_MOST_S 60

static const SessionEvents session_events;

/* Book-keeping ---------------------------------------------------------------------------------------------- */

static void
add_session (Messenger *messenger, Session *session)
{
  g_ptr_array_add (messenger->sessions, session);
  if (session_peer (session) != NULL)
    g_ptr_array_add (session_peer (session)->sessions, session);
}

static void
bind_peer (Messenger *messenger, Session *session, Peer *peer)
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
      SessionState state = session_state (g_ptr_array_index (peer->sessions, i));

      if (state > SESSION_CONNECTING && state < SESSION_OPEN)
        return TRUE;
    }
  return FALSE;
}

/* The stream to send on: of those that are open the newest one that did not lose against another. Of two that both sides opened at once
 * the loser may be closed before the other is ready: the peer is not gone for that moment. */
static void
choose_session (Messenger *messenger, Peer *peer)
{
  gboolean was_online = peer_is_online (peer);
  Session *best = NULL;

  for (guint i = 0; i < peer->sessions->len; i++)
    {
      Session *session = g_ptr_array_index (peer->sessions, i);

      if (session_is_open (session) && (best == NULL || is_better (session, best)))
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

/* Which of two open streams stays. Opened from both ends at once: between 1.0 peers that of the side with the smaller name, which both
 * find alike; with others ours, as libpurple lets what comes in replace what it opened itself. Else the newer, as the older may be
 * half-open. */
static gboolean
first_stays (Messenger *messenger, Session *older, Session *newer)
{
  g_autofree char *ours = name_fold (session_own (newer));
  g_autofree char *theirs = name_fold (session_peer_name (newer));
  gboolean keep_ours = !session_is_1_0 (newer) || strcmp (ours, theirs) < 0;

  if (session_is_initiator (older) == session_is_initiator (newer)
      || session_opened (newer) - session_opened (older) > SIMULTANEOUS_US)
    return FALSE;
  return session_is_initiator (older) == keep_ours;
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

      if (other == opened || !session_is_open (other))
        continue;
      loser = first_stays (messenger, other, opened) ? opened : other;
      session_retire (loser);
      /* Who opened the loser closes it, after what is on it; the other side only stops using it. */
      if (session_is_initiator (loser) || session_is_initiator (other) == session_is_initiator (opened))
        session_close (loser);
      if (loser == opened)
        break;
    }
}

/* Who is it? ---------------------------------------------------------------------------------------------------- */

static gboolean
is_for_us (Messenger *messenger, const char *to)
{
  g_autofree char *folded = NULL;

  if (to == NULL || *to == '\0' || g_hostname_is_ip_address (to))
    return TRUE; /* libpurple that does not know us yet; old Adium */
  folded = name_fold (to);
  return g_hash_table_contains (messenger->own_names, folded);
}

/* Without a name: whoever is the only one at that address. */
static Peer *
identify_by_address (Messenger *messenger, GInetSocketAddress *address)
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

/* Somebody else answers where @peer was. He is somebody new, and has neither @peer's history nor the yes that the user gave for him. */
static Peer *
name_successor (Messenger *messenger, Peer *peer, Session *session, const char *from)
{
  Peer *successor = messenger_add_peer (messenger, from, NULL, NULL);

  if (successor == NULL)
    return NULL;
  move_address (messenger, peer, successor);
  g_ptr_array_remove (peer->sessions, session);
  bind_peer (messenger, session, successor);
  choose_session (messenger, peer);
  return successor;
}

/* @known is who answers at the address, which becomes his: unless mDNS says that he lives elsewhere. */
static Peer *
join_known (Messenger *messenger, Peer *peer, Session *session, Peer *known)
{
  if (peer_is_announced (known) && !peer_has_address (known, session_remote (session)))
    return NULL;
  move_address (messenger, peer, known);
  roster_move_aliases (messenger->roster, peer, known, NULL);
  for (guint i = 0; i < peer->sessions->len; i++)
    bind_peer (messenger, g_ptr_array_index (peer->sessions, i), known);
  g_ptr_array_set_size (peer->sessions, 0);
  messenger_forget (messenger, peer, NULL);
  return known;
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
    return peer->row->instance == NULL ? join_known (messenger, peer, session, known) : NULL;
  if (roster_rename (messenger->roster, peer, from, &error))
    messenger_peer_changed (messenger, peer, PEER_CHANGED_NAME);
  return error == NULL ? peer : NULL;
}

static Peer *
identify (Messenger *messenger, Session *session)
{
  GInetSocketAddress *remote = session_remote (session);
  const char *from = session_from (session);
  Peer *peer;

  if (from == NULL || *from == '\0')
    return identify_by_address (messenger, remote);
  peer = roster_by_instance (messenger->roster, from);
  if (peer != NULL && peer_has_address (peer, remote))
    return peer;
  if (strlen (from) > LIMIT_INSTANCE || !g_utf8_validate (from, -1, NULL))
    return NULL;
  peer = find_added (messenger, remote, from);
  return peer != NULL ? name_added (messenger, peer, session, from) : NULL;
}

static guint
open_streams (Peer *peer)
{
  guint n = 0;

  for (guint i = 0; i < peer->sessions->len; i++)
    n += session_state (g_ptr_array_index (peer->sessions, i)) < SESSION_CLOSING;
  return n;
}

/* TRUE when the stranger's fate is settled. */
static gboolean
try_identify (Messenger *messenger, Session *session)
{
  Peer *peer = identify (messenger, session);

  if (peer == NULL)
    return FALSE;
  if (peer->row->blocked)
    session_refuse (session, "not-authorized");
  else if (open_streams (peer) >= LIMIT_STREAMS_PER_PEER)
    session_refuse (session, "resource-constraint");
  else
    {
      bind_peer (messenger, session, peer);
      if (peer->capabilities_known)
        session_set_capabilities (session, peer->capabilities);
      session_accept (session, peer, messenger->instance != NULL ? messenger->instance : messenger->wish);
    }
  return TRUE;
}

/* The sessions' events -------------------------------------------------------------------------------------------- */

static void
check_answer (Messenger *messenger, Session *session)
{
  const char *from = session_from (session);
  Peer *peer = session_peer (session);
  g_autofree char *folded = from != NULL ? name_fold (from) : NULL;
  Peer *named;

  if (folded != NULL && g_hash_table_contains (messenger->own_names, folded) && !peer_is_announced (peer))
    {
      session_refuse (session, "conflict"); /* that is ourselves */
      return;
    }
  if (from == NULL || *from == '\0' || (peer->row->instance != NULL && name_equal (from, peer->row->instance)))
    return;
  named = peer->row->address != NULL && !peer_is_announced (peer) && strlen (from) <= LIMIT_INSTANCE
                  && g_utf8_validate (from, -1, NULL)
              ? name_added (messenger, peer, session, from)
              : NULL;
  if (named == NULL)
    session_refuse (session, "invalid-from");
  else if (named->row->blocked)
    session_refuse (session, "not-authorized");
}

static void
on_header (Session *session, gpointer user_data)
{
  Messenger *messenger = user_data;

  if (session_is_initiator (session))
    check_answer (messenger, session);
  else if (!is_for_us (messenger, session_to (session)))
    session_refuse (session, "host-unknown");
  else if (!try_identify (messenger, session) && session_from (session) != NULL && messenger->discovery != NULL)
    discovery_refresh (messenger->discovery, session_from (session));
}

static gboolean
is_only_one (Session *opened)
{
  GPtrArray *all = session_peer (opened)->sessions;

  for (guint i = 0; i < all->len; i++)
    if (g_ptr_array_index (all, i) != opened && session_is_open (g_ptr_array_index (all, i)))
      return FALSE;
  return TRUE;
}

static void
on_open (Session *session, gpointer user_data)
{
  Messenger *messenger = user_data;
  Peer *peer = session_peer (session);
  gboolean known;
  Capability capabilities = session_capabilities (session, &known);

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
  choose_session (messenger, peer);
  conversation_pump (messenger, peer);
  probe_opened (peer);
}

static void
on_message (Session *session, const Stanza *stanza, gpointer user_data)
{
  conversation_receive (user_data, session, stanza);
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
  choose_session (messenger, peer);
  if (peer->typing != CHAT_STATE_NONE && peer->session == NULL)
    {
      peer->typing = CHAT_STATE_NONE;
      messenger_peer_changed (messenger, peer, PEER_CHANGED_TYPING);
    }
}

static gboolean
on_retry (gpointer user_data)
{
  Messenger *messenger = ((gpointer *) user_data)[0];
  Peer *peer = ((gpointer *) user_data)[1];

  g_clear_pointer (&peer->retry, g_source_unref);
  streams_want (messenger, peer);
  return G_SOURCE_REMOVE;
}

/* Another try after 1, 2, 4 … 60 s, as long as there is a reason for one. */
static void
retry_later (Messenger *messenger, Peer *peer)
{
  gpointer *closure;

  if (peer->retry != NULL || messenger->stopped)
    return;
  peer->retry_s = peer->retry_s == 0 ? RETRY_FIRST_S : MIN (peer->retry_s * 2, RETRY_MOST_S);
  closure = g_new (gpointer, 2);
  closure[0] = messenger;
  closure[1] = peer;
  peer->retry = g_timeout_source_new_seconds (peer->retry_s);
  g_source_set_callback (peer->retry, on_retry, closure, g_free);
  g_source_attach (peer->retry, g_main_context_get_thread_default ());
}

void
streams_forget_pause (Peer *peer)
{
  peer->retry_s = 0;
  deadline_drop (&peer->retry);
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
  gboolean unanswered = unconfirmed && peer != NULL && peer->in_flight > 0; /* it took our words and gave no receipt: not at once again */

  g_debug ("stream with %s ended: %s", peer != NULL && peer->row->instance != NULL ? peer->row->instance : "a stranger",
           error != NULL ? error->message : "closed");
  remember_refusal (session);
  if (peer != NULL)
    g_ptr_array_remove (peer->sessions, session);
  g_ptr_array_remove_fast (messenger->sessions, session); /* frees it */
  if (peer == NULL || messenger->stopped)
    return;
  choose_session (messenger, peer);
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
    retry_later (messenger, peer);
  conversation_pump (messenger, peer);
}

static const SessionEvents session_events
    = { on_header, on_open, on_message, on_drained, on_traced, on_closing, on_ended };

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

/* Strangers from many addresses can fill what there is for strangers. Who comes from where a peer is known to live is let in
 * all the same, so that they do not lock out friends. */
static gboolean
too_many_strangers (Messenger *messenger, GInetSocketAddress *from)
{
  guint all = 0, same = 0;

  for (guint i = 0; i < messenger->sessions->len; i++)
    {
      Session *session = g_ptr_array_index (messenger->sessions, i);

      if (session_peer (session) != NULL || session_remote (session) == NULL)
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

  if (from == NULL || !messenger_may_talk (messenger) || too_many_strangers (messenger, from))
    return; /* the last reference closes it */
  add_session (messenger, session_answer (connection, &session_events, messenger));
}

void
streams_reconsider (Messenger *messenger)
{
  g_autoptr (GPtrArray) all = snapshot (messenger->sessions);

  for (guint i = 0; i < all->len; i++)
    {
      Session *session = g_ptr_array_index (all, i);

      if (session_peer (session) == NULL && session_state (session) == SESSION_OPENING
          && (session_from (session) != NULL || session_to (session) != NULL))
        try_identify (messenger, session);
    }
}

/* Going out ------------------------------------------------------------------------------------------------------- */

static void
add_target (GArray *targets, GSocketAddress *remote, GInetAddress *source)
{
  DialerTarget target = { remote, source };

  g_array_append_val (targets, target);
}

static gboolean
was_refused (const Peer *peer, const Sighting *sighting)
{
  for (guint i = 0; i < peer->refused->len; i++)
    if (addresses_same_host (g_ptr_array_index (peer->refused, i), G_INET_SOCKET_ADDRESS (sighting->address)))
      return TRUE;
  return FALSE;
}

/* The newest first. */
static void
add_sightings (GArray *targets, const Peer *peer, gboolean refused)
{
  for (guint i = peer->sightings->len; i > 0 && targets->len < LIMIT_ADDRESSES_TRIED; i--)
    {
      const Sighting *sighting = g_ptr_array_index (peer->sightings, i - 1);

      if (was_refused (peer, sighting) == refused)
        add_target (targets, sighting->address, NULL);
    }
}

/* Every address of the peer, those that refused us last, and from the second try on from every address of ours too: libpurple takes a
 * connection only from the one that it resolved, and closes others without a word. *@first: where to begin. */
static GArray *
list_targets (Peer *peer, GPtrArray *sources, guint *first)
{
  GArray *targets = g_array_new (FALSE, FALSE, sizeof (DialerTarget));
  gboolean fresh;

  add_sightings (targets, peer, FALSE);
  fresh = targets->len > 0;
  add_sightings (targets, peer, TRUE);
  for (guint i = 0; peer->early_closes > 0 && i < peer->sightings->len; i++)
    {
      const Sighting *sighting = g_ptr_array_index (peer->sightings, i);
      g_autoptr (GPtrArray) others
          = addresses_alternatives (G_INET_SOCKET_ADDRESS (sighting->address), sighting->interface);

      for (guint k = 0; k < others->len && targets->len < 2 * LIMIT_ADDRESSES_TRIED; k++)
        {
          add_target (targets, sighting->address, g_ptr_array_index (others, k));
          g_ptr_array_add (sources, g_object_ref (g_ptr_array_index (others, k)));
        }
    }
  *first = fresh ? 0 : peer->early_closes % targets->len; /* not the one again that was closed at once */
  return targets;
}

static void
dial (Messenger *messenger, Peer *peer)
{
  const char *own = messenger->instance != NULL ? messenger->instance : messenger->wish;
  Session *session;

  if (peer_is_announced (peer))
    {
      g_autoptr (GPtrArray) sources = g_ptr_array_new_with_free_func (g_object_unref);
      guint first;
      g_autoptr (GArray) targets = list_targets (peer, sources, &first);

      session = session_dial (own, peer->row->instance, peer, &g_array_index (targets, DialerTarget, first),
                              targets->len - first, &session_events, messenger);
    }
  else /* whoever is there now: one who has another name than before would refuse to be called by that */
    session = session_dial_host (own, NULL, peer, peer->row->address, PEER_DEFAULT_PORT, &session_events, messenger);
  if (peer->capabilities_known)
    session_set_capabilities (session, peer->capabilities);
  session_set_traced (session, peer->traces != NULL);
  add_session (messenger, session);
}

static gboolean
has_reason (const Peer *peer)
{
  return peer->queued > 0 || peer->probes != NULL || (peer->row->address != NULL && !peer_is_announced (peer));
}

void
streams_want (Messenger *messenger, Peer *peer)
{
  if (!messenger_may_talk (messenger) || peer->row->blocked || peer->is_self || !has_reason (peer))
    return;
  if (open_streams (peer) > 0 || peer->retry != NULL)
    return; /* also one that is just coming in: opening a second would make libpurple lose what it has to say */
  if (peer_is_announced (peer) || peer->row->address != NULL)
    dial (messenger, peer);
}

void
streams_keep_added (Messenger *messenger)
{
  GPtrArray *peers = roster_peers (messenger->roster);

  for (guint i = 0; i < peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (peers, i);

      if (peer->row->address != NULL && !peer->is_self)
        {
          streams_forget_pause (peer);
          streams_want (messenger, peer);
        }
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

  for (guint i = 0; i < all->len; i++)
    session_close (g_ptr_array_index (all, i));
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
      retry_later (messenger, peer);
      streams_close_peer (messenger, peer, NULL);
    }
}

void
streams_check_paths (Messenger *messenger)
{
  for (guint i = 0; i < messenger->sessions->len; i++)
    session_check_path (g_ptr_array_index (messenger->sessions, i)); /* an end is reported later, from the loop */
}
