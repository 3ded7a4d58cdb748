/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/session.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "core/requests.h"
#include "net/addresses.h"
#include "net/deadline.h"
#include "xmpp/iq.h"
#include "xmpp/ns.h"
#include "xmpp/stanza.h"
#include "xmpp/stream.h"
#include "xmpp/writer.h"

typedef struct
{
  Session    *session;
  SessionPong pong;
  gpointer    user_data;
} Ping;

struct _Session
{
  SessionState  state;
  StreamRole    role;
  SessionEvents events;
  gpointer      user_data;

  Peer   *peer;
  char   *own, *to;
  Dialer *dialer;
  Wire   *wire;
  GInetSocketAddress *remote; /* of the wire, also when that is gone */
  Stream *stream;

  GSource *timer; /* of the state */
  Requests *requests;
  GSource *burial;   /* reports the end from the loop */
  GError  *error;

  Capability capabilities;
  gboolean   capabilities_known, traced, kept, connected, heard, header_seen, retired, unconfirmed, accepted;
  gint64     opened, last_traffic;
  gsize      pending; /* bytes sent since the last fill */
  gsize      waiting; /* bytes received before it was known whose they are */
  gint64     iq_second;
  guint      iq_count;
};

static void set_state (Session *session, SessionState state);
static void end (Session *session, GError *error);

/* Timers -------------------------------------------------------------------------------------------------- */

static void
arm (Session *session, GSource **deadline, gint64 at, GSourceFunc func)
{
  if (*deadline == NULL)
    *deadline = deadline_new (func, session);
  deadline_set (*deadline, at);
}

static void
become_open (Session *session)
{
  session->opened = g_get_monotonic_time ();
  set_state (session, SESSION_OPEN);
  session->events.open (session, session->user_data);
}

static void
check_idle (Session *session)
{
  gint64 until = session->last_traffic + LIMIT_IDLE_S * G_USEC_PER_SEC;

  if (session->kept)
    return;
  if (until <= g_get_monotonic_time ())
    session_close (session);
  else
    deadline_set (session->timer, until);
}

static gboolean
on_deadline (gpointer user_data)
{
  Session *session = user_data;

  switch (session->state)
    {
    case SESSION_FEATURES:
      stream_skip_features (session->stream);
      become_open (session);
      break;
    case SESSION_ASKING:
      become_open (session);
      break;
    case SESSION_OPEN:
      check_idle (session);
      break;
    case SESSION_OPENING:
      if (session->role == STREAM_RESPONDER && session->heard)
        session_refuse (session, "connection-timeout");
      else
        end (session, g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_TIMEOUT, "no stream header in time"));
      break;
    case SESSION_CONNECTING:
    case SESSION_CLOSING:
    case SESSION_ENDED:
      end (session, NULL);
      break;
    }
  return G_SOURCE_CONTINUE;
}

static void
set_state (Session *session, SessionState state)
{
  static const gint64 deadline_ms[] = {
    [SESSION_CONNECTING] = LIMIT_CONNECT_MS + LIMIT_HEADER_WAIT_MS,
    [SESSION_OPENING] = LIMIT_HEADER_WAIT_MS,
    [SESSION_FEATURES] = LIMIT_FEATURES_WAIT_MS,
    [SESSION_ASKING] = LIMIT_FEATURES_WAIT_MS,
    [SESSION_OPEN] = LIMIT_IDLE_S * 1000,
    [SESSION_CLOSING] = LIMIT_CLOSE_WAIT_MS,
  };

  session->state = state;
  session->last_traffic = g_get_monotonic_time ();
  if (state == SESSION_ENDED)
    deadline_drop (&session->timer);
  else
    arm (session, &session->timer, session->last_traffic + deadline_ms[state] * 1000, on_deadline);
}

/* The end ------------------------------------------------------------------------------------------------- */

static gboolean
on_burial (gpointer user_data)
{
  Session *session = user_data;
  g_autoptr (GError) error = g_steal_pointer (&session->error);

  g_clear_pointer (&session->burial, g_source_unref);
  session->events.ended (session, error, session->user_data);
  return G_SOURCE_REMOVE;
}

/* Takes @error. The owner hears of it from the loop, so that it may free the session there. */
static void
end (Session *session, GError *error)
{
  if (session->state == SESSION_ENDED)
    {
      g_clear_error (&error);
      return;
    }
  set_state (session, SESSION_ENDED);
  session->error = error;
  g_clear_pointer (&session->requests, requests_free);
  g_clear_pointer (&session->dialer, dialer_free);
  g_clear_pointer (&session->wire, wire_free);
  session->burial = g_idle_source_new ();
  g_source_set_priority (session->burial, G_PRIORITY_DEFAULT);
  g_source_set_callback (session->burial, on_burial, session, NULL);
  g_source_attach (session->burial, g_main_context_get_thread_default ());
}

void
session_free (Session *session)
{
  if (session == NULL)
    return;
  session->state = SESSION_ENDED;
  deadline_drop (&session->timer);
  deadline_drop (&session->burial);
  g_clear_pointer (&session->requests, requests_free);
  g_clear_pointer (&session->dialer, dialer_free);
  g_clear_pointer (&session->wire, wire_free);
  g_clear_pointer (&session->stream, stream_free);
  g_clear_error (&session->error);
  g_clear_object (&session->remote);
  g_free (session->own);
  g_free (session->to);
  g_free (session);
}

static void
begin_closing (Session *session)
{
  if (session->state == SESSION_CLOSING || session->state == SESSION_ENDED)
    return;
  set_state (session, SESSION_CLOSING);
  session->events.closing (session, session->user_data);
}

/* Tracing and sending ------------------------------------------------------------------------------------- */

static void
trace_node (Session *session, gboolean out, const Node *node)
{
  g_autoptr (GString) xml = NULL;

  if (!session->traced)
    return;
  xml = g_string_new (NULL);
  writer_append (xml, node, NS_CLIENT);
  session->events.traced (session, out, xml->str, xml->len, session->user_data);
}

static void
wake (Session *session)
{
  if (session->wire != NULL)
    wire_wake (session->wire);
}

static void
send_node (Session *session, Node *node)
{
  if (stream_send (session->stream, node))
    trace_node (session, TRUE, node);
  node_free (node);
  wake (session);
}

gboolean
session_send (Session *session, const char *xml, gsize len)
{
  if ((session->state != SESSION_OPEN && session->state != SESSION_ASKING) || !stream_send_bytes (session->stream, xml, len))
    return FALSE;
  if (session->traced)
    session->events.traced (session, TRUE, xml, len, session->user_data);
  session->pending += len;
  session->last_traffic = g_get_monotonic_time ();
  wake (session);
  return TRUE;
}

void
session_flush (Session *session)
{
  if (session->wire != NULL)
    wire_flush (session->wire);
}

gboolean
session_has_room (Session *session)
{
  return session->wire != NULL && session->pending + wire_queued (session->wire) <= LIMIT_WIRE_FULL;
}

void
session_close (Session *session)
{
  if (session->state == SESSION_CLOSING || session->state == SESSION_ENDED)
    return;
  if (session->stream == NULL || session->wire == NULL
      || (session->role == STREAM_RESPONDER && !session->accepted))
    {
      end (session, NULL);
      return;
    }
  stream_close (session->stream);
  wake (session);
  begin_closing (session);
}

void
session_refuse (Session *session, const char *condition)
{
  if (session->state == SESSION_ENDED || session->wire == NULL)
    return;
  stream_fail (session->stream, condition, NULL);
  if (session->error == NULL)
    g_set_error (&session->error, HEARBY_ERROR, HEARBY_ERROR_REJECTED, "%s", condition);
  wake (session);
  wire_finish (session->wire);
  begin_closing (session);
}

void
session_check_path (Session *session)
{
  if (session->wire != NULL && wire_local (session->wire) != NULL && !addresses_is_up (wire_local (session->wire)))
    end (session, g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_FAILED, "the interface of the stream is gone"));
}

/* IQs ----------------------------------------------------------------------------------------------------- */

static void
learn_capabilities (Session *session, const Node *query)
{
  session->capabilities = query != NULL ? capabilities_parse (query) : 0;
  session->capabilities_known = TRUE;
}

static gboolean
ask (Session *session, const char *name, const char *ns, RequestDone done, gpointer user_data)
{
  const char *id = requests_add (session->requests, done, user_data);
  Node *iq;

  if (id == NULL)
    return FALSE;
  iq = stanza_iq_request (session->own, session_peer_name (session), "get", id);
  node_add (iq, name, ns);
  send_node (session, iq);
  return TRUE;
}

static void
on_pong (const Node *answer, gint64 rtt, gpointer user_data)
{
  g_autofree Ping *ping = user_data;

  ping->pong (ping->session, answer != NULL ? rtt : -1, ping->user_data);
}

void
session_ping (Session *session, SessionPong pong, gpointer user_data)
{
  Ping *ping = g_new (Ping, 1);

  *ping = (Ping){ session, pong, user_data };
  if (!session_is_open (session) || !ask (session, "ping", NS_PING, on_pong, ping))
    on_pong (NULL, 0, ping);
}

static void
on_features_told (const Node *answer, gint64 rtt, gpointer user_data)
{
  Session *session = user_data;

  if (answer == NULL)
    return;
  learn_capabilities (session, node_child (answer, "query", NS_DISCO_INFO));
  if (session->state == SESSION_ASKING)
    become_open (session);
}

static void
handle_request (Session *session, const Node *node)
{
  gint64 second = g_get_monotonic_time () / G_USEC_PER_SEC;

  if (second != session->iq_second)
    session->iq_count = 0;
  session->iq_second = second;
  if (++session->iq_count > LIMIT_IQ_RATE)
    session_refuse (session, "policy-violation");
  else
    send_node (session, iq_answer (node));
}

/* The stream's events ------------------------------------------------------------------------------------- */

static void
handle_stanza (Session *session, const Node *node)
{
  g_autoptr (Stanza) stanza = NULL;

  trace_node (session, FALSE, node);
  stanza = stanza_parse (node);
  switch (stanza->kind)
    {
    case STANZA_MESSAGE:
      session->events.message (session, stanza, session->user_data);
      break;
    case STANZA_IQ_GET:
    case STANZA_IQ_SET:
      handle_request (session, node);
      break;
    case STANZA_IQ_RESULT:
    case STANZA_IQ_ERROR:
      requests_answer (session->requests, node);
      break;
    case STANZA_OTHER:
      break; /* many peers send odd nonzas */
    }
}

/* Headers are exchanged: what can the peer do? A peer without version 1.0 can do nothing and answers nothing. */
static void
start (Session *session)
{
  if (!stream_peer_is_1_0 (session->stream))
    learn_capabilities (session, NULL);
  if (session->capabilities_known)
    {
      become_open (session);
      return;
    }
  set_state (session, SESSION_ASKING);
  ask (session, "query", NS_DISCO_INFO, on_features_told, session);
}

/* The peer's header is there, but mDNS has not said yet who that is. */
static gboolean
is_waiting (Session *session)
{
  return session->role == STREAM_RESPONDER && !session->accepted && session->state == SESSION_OPENING
         && session->header_seen;
}

static void
handle_header (Session *session)
{
  session->header_seen = TRUE;
  if (session->role == STREAM_INITIATOR && stream_peer_is_1_0 (session->stream))
    set_state (session, SESSION_FEATURES);
  session->events.header (session, session->user_data);
  if (is_waiting (session))
    deadline_set (session->timer, g_get_monotonic_time () + LIMIT_DISCOVERY_WAIT_MS * 1000);
}

static void
handle_features (Session *session, const Node *features)
{
  const Node *query = node_child (features, "query", NS_DISCO_INFO);

  trace_node (session, FALSE, features);
  if (query != NULL)
    learn_capabilities (session, query);
}

static void
handle_failed (Session *session, const StreamEvent *event)
{
  if (session->error == NULL)
    g_set_error (&session->error, HEARBY_ERROR, event->by_peer ? HEARBY_ERROR_REJECTED : HEARBY_ERROR_FAILED,
                 event->by_peer ? "the peer ended the stream: %s" : "stream error: %s", event->condition);
  wire_finish (session->wire);
  begin_closing (session);
}

static void
handle_event (Session *session, StreamEvent *event)
{
  g_autoptr (Node) node = g_steal_pointer (&event->node);

  switch (event->type)
    {
    case STREAM_HEADER:
      handle_header (session);
      break;
    case STREAM_FEATURES:
      handle_features (session, node);
      break;
    case STREAM_READY:
      if (session->state == SESSION_OPENING || session->state == SESSION_FEATURES)
        start (session);
      break;
    case STREAM_STANZA:
      handle_stanza (session, node);
      break;
    case STREAM_CLOSED:
      wire_finish (session->wire);
      begin_closing (session);
      break;
    case STREAM_FAILED:
      handle_failed (session, event);
      break;
    }
}

static void
drain (Session *session)
{
  StreamEvent event = { 0 };

  while (session->wire != NULL && !is_waiting (session) && stream_next (session->stream, &event))
    handle_event (session, &event);
  wake (session);
}

/* The wire's events --------------------------------------------------------------------------------------- */

static void
on_received (Wire *wire, const guint8 *bytes, gsize len, gpointer user_data)
{
  Session *session = user_data;

  session->heard = TRUE;
  session->last_traffic = g_get_monotonic_time ();
  stream_push (session->stream, bytes, len);
  drain (session);
  if (!is_waiting (session))
    return;
  session->waiting += len; /* Gajim speaks right behind its header; that much may wait */
  if (session->waiting > LIMIT_BEFORE_OPEN)
    session_refuse (session, "policy-violation");
}

static void
on_fill (Wire *wire, gpointer user_data)
{
  Session *session = user_data;
  g_autoptr (GBytes) out = stream_take_output (session->stream);

  session->pending = 0;
  if (out != NULL)
    wire_send (wire, out);
}

static void
on_drained (Wire *wire, gpointer user_data)
{
  Session *session = user_data;

  if (session->state == SESSION_OPEN)
    session->events.drained (session, session->user_data);
}

static void
on_wire_closed (Wire *wire, const GError *error, gpointer user_data)
{
  Session *session = user_data;
  GError *why = g_steal_pointer (&session->error);

  if (why == NULL && error != NULL)
    why = g_error_copy (error);
  if (why == NULL && !stream_is_closed (session->stream))
    why = g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_FAILED,
                               "the peer closed the connection without closing the stream");
  end (session, why);
}

static void
attach (Session *session, GSocketConnection *connection)
{
  static const WireEvents events = { on_received, on_fill, on_drained, on_wire_closed };

  session->connected = TRUE;
  session->wire = wire_new (connection, &events, session);
  g_set_object (&session->remote, wire_remote (session->wire));
  set_state (session, SESSION_OPENING);
  wake (session);
}

static void
on_connected (GSocketConnection *connection, guint target, const GError *error, gpointer user_data)
{
  Session *session = user_data;

  g_clear_pointer (&session->dialer, dialer_free);
  if (connection == NULL)
    end (session, g_error_copy (error));
  else
    attach (session, connection);
}

/* Making -------------------------------------------------------------------------------------------------- */

static Session *
session_new (StreamRole role, const char *own, const char *to, Peer *peer, const SessionEvents *events,
             gpointer user_data)
{
  Session *session = g_new0 (Session, 1);

  session->role = role;
  session->own = g_strdup (own);
  session->to = g_strdup (to);
  session->peer = peer;
  session->events = *events;
  session->user_data = user_data;
  session->stream = stream_new (role, own, to);
  session->requests = requests_new ();
  return session;
}

Session *
session_dial (const char *own, const char *to, Peer *peer, const DialerTarget *targets, gsize n_targets,
              const SessionEvents *events, gpointer user_data)
{
  Session *session = session_new (STREAM_INITIATOR, own, to, peer, events, user_data);

  set_state (session, SESSION_CONNECTING);
  session->dialer = dialer_new (targets, n_targets, on_connected, session);
  return session;
}

Session *
session_dial_host (const char *own, const char *to, Peer *peer, const char *host, guint16 port,
                   const SessionEvents *events, gpointer user_data)
{
  Session *session = session_new (STREAM_INITIATOR, own, to, peer, events, user_data);

  set_state (session, SESSION_CONNECTING);
  session->dialer = dialer_new_for_host (host, port, on_connected, session);
  return session;
}

Session *
session_answer (GSocketConnection *connection, const SessionEvents *events, gpointer user_data)
{
  Session *session = session_new (STREAM_RESPONDER, NULL, NULL, NULL, events, user_data);

  attach (session, connection);
  return session;
}

void
session_accept (Session *session, Peer *peer, const char *own)
{
  Node *limits;
  g_autofree char *max = g_strdup_printf ("%d", LIMIT_STANZA);
  g_autofree char *idle = g_strdup_printf ("%d", LIMIT_IDLE_S);

  if (session->accepted || session->state != SESSION_OPENING)
    return;
  session->accepted = TRUE;
  session->peer = peer;
  g_free (session->own);
  session->own = g_strdup (own);
  stream_add_feature (session->stream, capabilities_own_query ());
  limits = node_new ("limits", NS_LIMITS); /* XEP-0478 */
  node_add_text_element (limits, "max-bytes", NS_LIMITS, max);
  node_add_text_element (limits, "idle-seconds", NS_LIMITS, idle);
  stream_add_feature (session->stream, limits);
  stream_accept (session->stream, own, stream_peer_from (session->stream));
  drain (session);
}

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
  return stream_peer_from (session->stream);
}

const char *
session_to (Session *session)
{
  return stream_peer_to (session->stream);
}

const char *
session_peer_name (Session *session)
{
  const char *from = stream_peer_from (session->stream);

  if (from != NULL && *from != '\0')
    return from;
  if (session->to != NULL)
    return session->to;
  return session->peer != NULL ? session->peer->row->instance : NULL;
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

void
session_set_traced (Session *session, gboolean traced)
{
  session->traced = traced;
}

void
session_set_kept (Session *session, gboolean kept)
{
  session->kept = kept;
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
