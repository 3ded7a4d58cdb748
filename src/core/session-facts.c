/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/session-private.h"

#include "base/limits.h"
#include "net/deadline.h"

/* What is known of it --------------------------------------------------------------------------------------- */

SessionState
session_state (Session *session)
{
  return session->state;
}

gboolean
session_is_initiator (Session *session)
{
  return session->role == STREAM_INITIATOR;
}

gboolean
session_is_open (Session *session)
{
  return session->state == SESSION_OPEN;
}

Peer *
session_peer (Session *session)
{
  return session->peer;
}

void
session_set_peer (Session *session, Peer *peer)
{
  session->peer = peer;
}

const char *
session_own (Session *session)
{
  return session->own;
}

const char *
session_from (Session *session)
{
  return session->name;
}

const char *
session_to (Session *session)
{
  return stream_peer_to (session->outer != NULL ? session->outer : session->stream);
}

const char *
session_peer_name (Session *session)
{
  if (session->name != NULL && *session->name != '\0')
    return session->name;
  if (session->to != NULL)
    return session->to;
  return session->peer != NULL ? session->peer->row->instance : NULL;
}

const guint8 *
session_key (Session *session)
{
  return channel_remote_static (session->channel);
}

const guint8 *
session_hash (Session *session)
{
  return channel_hash (session->channel);
}

const guint8 *
session_own_key (Session *session)
{
  return channel_local_static (session->channel);
}

gboolean
session_is_secure (Session *session)
{
  return channel_state (session->channel) == CHANNEL_OPEN;
}

gboolean
session_is_pinned (Session *session)
{
  return session->pinned;
}

gboolean
session_is_unidentified (Session *session)
{
  return session->peer == NULL && session->asked && session->state < SESSION_CLOSING;
}

void
session_set_restricted (Session *session, gboolean restricted)
{
  session->restricted = restricted;
}

gboolean
session_is_restricted (Session *session)
{
  return session->restricted;
}

gboolean
session_is_1_0 (Session *session)
{
  return stream_peer_is_1_0 (session->stream);
}

Capability
session_capabilities (Session *session, gboolean *known)
{
  *known = session->capabilities_known;
  return session->capabilities;
}

void
session_set_capabilities (Session *session, Capability capabilities)
{
  session->capabilities = capabilities;
  session->capabilities_known = TRUE;
}

gint64
session_opened (Session *session)
{
  return session->opened;
}

gboolean
session_was_closed_early (Session *session)
{
  return session->role == STREAM_INITIATOR && session->connected && session->opened == 0;
}

void
session_retire (Session *session)
{
  session->retired = TRUE;
}

gboolean
session_is_retired (Session *session)
{
  return session->retired;
}

GInetSocketAddress *
session_remote (Session *session)
{
  return session->remote;
}

GInetSocketAddress *
session_local (Session *session)
{
  return session->wire != NULL ? wire_local (session->wire) : NULL;
}

void
session_set_traced (Session *session, gboolean traced)
{
  session->traced = traced;
}

void
session_set_kept (Session *session, gboolean kept)
{
  gboolean released = session->kept && !kept;

  session->kept = kept;
  if (released && session->state == SESSION_OPEN)
    deadline_set (session->timer, g_get_monotonic_time () + (gint64) LIMIT_IDLE_S * G_USEC_PER_SEC); /* not only when it is old */
}

gboolean
session_unconfirmed (Session *session)
{
  return session->unconfirmed;
}

void
session_set_unconfirmed (Session *session, gboolean unconfirmed)
{
  session->unconfirmed = unconfirmed;
}
