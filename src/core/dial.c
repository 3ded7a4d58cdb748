/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/limits.h"
#include "core/messenger-private.h"
#include "net/addresses.h"
#include "net/deadline.h"

/* Streams that we open: when, to which address, again after a failure. */

#define RETRY_FIRST_S 1
#define RETRY_MOST_S 60

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
void
dial_later (Messenger *messenger, Peer *peer)
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

/* The first @n go to the end: what cannot be reached at all must not be all that is left. */
static void
rotate (GArray *targets, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      DialerTarget target = g_array_index (targets, DialerTarget, 0);

      g_array_remove_index (targets, 0);
      g_array_append_val (targets, target);
    }
}

/* Every address of the peer, those that refused us last, and from the second try on from every address of ours too: libpurple takes a
 * connection only from the one that it resolved, and closes others without a word. */
static GArray *
list_targets (Peer *peer, GPtrArray *sources)
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
  if (!fresh)
    rotate (targets, peer->early_closes % targets->len); /* not the one again that was closed at once */
  return targets;
}

/* A connection to @peer, for XML or, with setup.bytes, for bytes. */
static Session *
dial_as (Messenger *messenger, Peer *peer, const SessionSetup *setup, const SessionEvents *events, gpointer user_data)
{
  if (peer_is_announced (peer))
    {
      g_autoptr (GPtrArray) sources = g_ptr_array_new_with_free_func (g_object_unref);
      g_autoptr (GArray) targets = list_targets (peer, sources);

      return session_dial (setup, peer->row->instance, peer, &g_array_index (targets, DialerTarget, 0), targets->len, events, user_data);
    }
  /* whoever is there now: one who has another name than before would refuse to be called by that */
  return session_dial_host (setup, NULL, peer, peer->row->address, PEER_DEFAULT_PORT, events, user_data);
}

Session *
dial_bytes (Messenger *messenger, Peer *peer, const guint8 *id, const SessionEvents *events, gpointer user_data)
{
  SessionSetup setup = streams_setup (messenger, peer);
  Session *session;

  if (setup.secret == NULL || peer->row->key == NULL || (!peer_is_announced (peer) && peer->row->address == NULL))
    return NULL;
  setup.bytes = id;
  session = dial_as (messenger, peer, &setup, events, user_data);
  session_expect (session, g_bytes_get_data (peer->row->key, NULL));
  return session;
}

static void
dial (Messenger *messenger, Peer *peer)
{
  SessionSetup setup = streams_setup (messenger, peer);
  Session *session = dial_as (messenger, peer, &setup, &streams_session_events, messenger);

  if (peer_is_pinned (peer) && !peer->verifying) /* who compares codes wants to know who is there */
    session_expect (session, g_bytes_get_data (peer->row->key, NULL));
  if (peer->capabilities_known)
    session_set_capabilities (session, peer->capabilities);
  session_set_traced (session, peer->traces != NULL);
  streams_add (messenger, session);
}

static gboolean
has_reason (const Peer *peer)
{
  return peer->queued > 0 || peer->moving > 0 || peer->probes != NULL || peer->verifying || trust_needs_proof (peer)
         || (peer->row->address != NULL && !peer_is_announced (peer));
}

void
streams_want (Messenger *messenger, Peer *peer)
{
  if (!messenger_may_talk (messenger) || peer->row->blocked || peer->is_self || !has_reason (peer))
    return;
  if (peer_is_pinned (peer) && trust_policy (messenger, peer) == ENCRYPTION_NEVER)
    return; /* nothing goes in clear to it, whatever the setting says */
  if (peer->row->trust == TRUST_MISMATCH && !peer->verifying)
    return;
  if (streams_count (peer, FALSE) > 0 || peer->retry != NULL)
    return; /* also one that is just coming in: opening a second would make libpurple lose what it has to say */
  if (peer_is_announced (peer) || peer->row->address != NULL)
    dial (messenger, peer);
}

void
dial_again (Messenger *messenger, Peer *peer)
{
  if (messenger_may_talk (messenger) && streams_count (peer, FALSE) < LIMIT_STREAMS_PER_PEER && peer_is_announced (peer))
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
