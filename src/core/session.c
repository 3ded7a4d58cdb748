/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/session-private.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "net/addresses.h"
#include "net/deadline.h"
#include "xmpp/iq.h"
#include "xmpp/ns.h"
#include "xmpp/writer.h"

typedef struct
{
  Session    *session;
  SessionPong pong;
  gpointer    user_data;
} Ping;

/* Timers -------------------------------------------------------------------------------------------------- */

static void
arm (Session *session, GSource **deadline, gint64 at, GSourceFunc func)
{
  if (*deadline == NULL)
    *deadline = deadline_new (func, session);
  deadline_set (*deadline, at);
}

/* Without traffic it is closed; an old one is replaced, so that its keys are. */
static void
check_open (Session *session)
{
  gint64 now = g_get_monotonic_time ();
  gint64 age = session->opened + (gint64) LIMIT_AGE_S * G_USEC_PER_SEC;
  gint64 until = session->kept ? age : session->last_traffic + (gint64) LIMIT_IDLE_S * G_USEC_PER_SEC;

  if (!session->kept && until <= now)
    session_close (session);
  else if (age > now)
    deadline_set (session->timer, MIN (age, until));
  else if (session_is_secure (session))
    {
      deadline_set (session->timer, now + (gint64) LIMIT_IDLE_S * G_USEC_PER_SEC); /* should none be had */
      session->events.aged (session, session->user_data);
    }
}

static gboolean
on_deadline (gpointer user_data)
{
  Session *session = user_data;

  if (session->state == SESSION_OPEN)
    check_open (session);
  else if (session->state == SESSION_CONNECTING || session->state == SESSION_CLOSING)
    session_end (session, NULL);
  else
    opening_handle_deadline (session);
  return G_SOURCE_CONTINUE;
}

/* Whatever leads to a secure channel has one time limit together, from the connection on. */
static gint64
deadline_of (Session *session, SessionState state)
{
  static const gint64 deadline_ms[] = {
    [SESSION_CONNECTING] = LIMIT_CONNECT_MS + LIMIT_HEADER_WAIT_MS,
    [SESSION_CHOOSING] = LIMIT_FEATURES_WAIT_MS,
    [SESSION_FEATURES] = LIMIT_FEATURES_WAIT_MS,
    [SESSION_ASKING] = LIMIT_FEATURES_WAIT_MS,
    [SESSION_OPEN] = LIMIT_IDLE_S * 1000,
    [SESSION_CLOSING] = LIMIT_CLOSE_WAIT_MS,
    [SESSION_ENDED] = 0,
  };

  if (deadline_ms[state] == 0)
    return session->begun + LIMIT_HEADER_WAIT_MS * 1000;
  return session->last_traffic + deadline_ms[state] * 1000;
}

void
session_set_state (Session *session, SessionState state)
{
  session->state = state;
  session->last_traffic = g_get_monotonic_time ();
  if (state == SESSION_ENDED)
    deadline_drop (&session->timer);
  else
    arm (session, &session->timer, deadline_of (session, state), on_deadline);
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

/* The owner hears of it from the loop, so that it may free the session there. */
void
session_end (Session *session, GError *error)
{
  if (session->state == SESSION_ENDED)
    {
      g_clear_error (&error);
      return;
    }
  session_set_state (session, SESSION_ENDED);
  session->error = error;
  deadline_drop (&session->handover);
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
  deadline_drop (&session->handover);
  g_clear_pointer (&session->surplus, g_byte_array_unref);
  g_clear_pointer (&session->requests, requests_free);
  g_clear_pointer (&session->dialer, dialer_free);
  g_clear_pointer (&session->wire, wire_free);
  g_clear_pointer (&session->stream, stream_free);
  g_clear_pointer (&session->outer, stream_free);
  g_clear_pointer (&session->channel, channel_free);
  g_clear_pointer (&session->held, node_free);
  g_clear_error (&session->error);
  g_clear_object (&session->remote);
  g_free (session->own);
  g_free (session->to);
  g_free (session->name);
  g_free (session);
}

static void
begin_closing (Session *session)
{
  if (session->state == SESSION_CLOSING || session->state == SESSION_ENDED)
    return;
  session_set_state (session, SESSION_CLOSING);
  session->events.closing (session, session->user_data);
}

/* Tracing and sending ------------------------------------------------------------------------------------- */

/* What belongs to a comparison of codes is shown without its content. */
static void
redact (Node *node)
{
  Node *verify = node_child (node, "verify", NS_VERIFY);

  if (verify != NULL && verify->children != NULL)
    g_ptr_array_set_size (verify->children, 0);
}

void
session_trace_node (Session *session, gboolean out, const Node *node)
{
  g_autoptr (GString) xml = NULL;
  g_autoptr (Node) shown = NULL;

  if (!session->traced)
    return;
  xml = g_string_new (NULL);
  shown = node_copy (node);
  redact (shown);
  writer_append (xml, shown, NS_CLIENT);
  session->events.traced (session, out, xml->str, xml->len, session->user_data);
}

static void
wake (Session *session)
{
  if (session->wire != NULL)
    wire_wake (session->wire);
}

void
session_send_node (Session *session, Node *node)
{
  if (stream_send (session->stream, node))
    session_trace_node (session, TRUE, node);
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
  if (session->stream == NULL || session->wire == NULL || session->state == SESSION_SECURING
      || (session->role == STREAM_RESPONDER && !session->accepted && session->state == SESSION_OPENING))
    {
      session_end (session, NULL);
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
  if (session->state == SESSION_SECURING) /* nobody there who would understand */
    {
      session_end (session, g_error_new (HEARBY_ERROR, HEARBY_ERROR_REJECTED, "%s", condition));
      return;
    }
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
    session_end (session, g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_FAILED, "the interface of the stream is gone"));
}

/* IQs ----------------------------------------------------------------------------------------------------- */

void
session_learn_capabilities (Session *session, const Node *query)
{
  session->capabilities = query != NULL ? capabilities_parse (query) : 0;
  session->capabilities_known = TRUE;
}

void
session_request (Session *session, const char *type, Node *payload, RequestDone done, gpointer user_data)
{
  gboolean can_ask = session->state == SESSION_OPEN || session->state == SESSION_ASKING;
  const char *id = can_ask ? requests_add (session->requests, done, user_data) : NULL;
  Node *iq;

  if (id == NULL)
    {
      node_free (payload);
      done (NULL, 0, user_data);
      return;
    }
  iq = stanza_iq_request (session->own, session_peer_name (session), type, id);
  node_take_child (iq, payload);
  session_send_node (session, iq);
}

void
session_ask (Session *session, const char *name, const char *ns, RequestDone done, gpointer user_data)
{
  session_request (session, "get", node_new (name, ns), done, user_data);
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
  session_ask (session, "ping", NS_PING, on_pong, ping);
}

/* Blocks of a bytestream that somebody waits for are as fast as we answer them; all else is counted. */
static gboolean
is_counted (const Node *node, gboolean handled)
{
  const Node *first = node_first_element (node); /* what it was handled as: a block behind it excuses nothing */

  return !handled || first == NULL || !node_is (first, "data", NS_IBB);
}

static void
handle_request (Session *session, const Node *node)
{
  gboolean handled = session->events.request != NULL && session->events.request (session, node, session->user_data);
  gint64 second = g_get_monotonic_time () / G_USEC_PER_SEC;

  if (second != session->iq_second)
    session->iq_count = 0;
  session->iq_second = second;
  if (is_counted (node, handled) && ++session->iq_count > LIMIT_IQ_RATE)
    session_refuse (session, "policy-violation");
  else if (!handled)
    session_send_node (session, iq_answer (node));
}

gboolean
session_send_element (Session *session, Node *node)
{
  gboolean can_send = session->state == SESSION_OPEN || session->state == SESSION_ASKING;
  gboolean sent = can_send && stream_is_ready (session->stream);

  if (sent)
    session_send_node (session, node);
  else
    node_free (node);
  return sent;
}

/* The stream's events ------------------------------------------------------------------------------------- */

/* Of one whose key is in question nothing is taken but what may clear that up. */
static void
refuse_stanza (Session *session, const Node *node, StanzaKind kind)
{
  if (kind == STANZA_MESSAGE || kind == STANZA_IQ_GET || kind == STANZA_IQ_SET)
    session_send_node (session, stanza_error (node, "auth", "not-authorized"));
}

void
session_handle_stanza (Session *session, const Node *node)
{
  g_autoptr (Stanza) stanza = NULL;
  const Node *verify = channel_state (session->channel) == CHANNEL_OPEN ? node_child (node, "verify", NS_VERIFY) : NULL;

  session_trace_node (session, FALSE, node);
  if (!session->accepted)
    return; /* closed before anybody said whose it is */
  stanza = stanza_parse (node);
  if (stanza->kind == STANZA_MESSAGE && verify != NULL && !stanza->is_error)
    {
      session->events.verify (session, verify, session->user_data);
      return;
    }
  if (session->restricted && stanza->kind != STANZA_IQ_RESULT && stanza->kind != STANZA_IQ_ERROR)
    {
      refuse_stanza (session, node, stanza->is_error ? STANZA_OTHER : stanza->kind);
      return;
    }
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
      if (!requests_answer (session->requests, node) && session->events.answer != NULL)
        session->events.answer (session, node, session->user_data);
      break;
    case STANZA_OTHER:
      break; /* many peers send odd nonzas */
    }
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
      opening_handle_header (session);
      break;
    case STREAM_FEATURES:
      opening_handle_features (session, node);
      break;
    case STREAM_READY:
      opening_handle_ready (session);
      break;
    case STREAM_STANZA:
      opening_handle_stanza (session, g_steal_pointer (&node), event->surplus);
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

void
session_drain (Session *session)
{
  StreamEvent event = { 0 };

  while (session->wire != NULL && !opening_is_waiting (session) && session->state != SESSION_SECURING
         && stream_next (session->stream, &event))
    handle_event (session, &event);
  wake (session);
}

/* The wire's events --------------------------------------------------------------------------------------- */

static void
on_received (Wire *wire, const guint8 *bytes, gsize len, gpointer user_data)
{
  Session *session = user_data;
  g_autoptr (GByteArray) content = g_byte_array_new ();
  GError *error = NULL;

  session->heard = TRUE;
  session->last_traffic = g_get_monotonic_time ();
  if (!channel_push (session->channel, bytes, len, content, &error))
    {
      session_end (session, error);
      return;
    }
  opening_handle_channel (session);
  if (session->state == SESSION_ENDED)
    return;
  if (session->bytes && channel_state (session->channel) == CHANNEL_OPEN)
    {
      opening_handle_bytes (session, content);
      wake (session);
      return;
    }
  stream_push (session->stream, content->data, content->len);
  session_drain (session);
  opening_handle_budget (session, len);
}

void
session_move_output (Session *session)
{
  g_autoptr (GBytes) out = stream_take_output (session->stream);
  g_autoptr (GError) error = NULL;
  gsize len;
  const void *bytes;

  if (out == NULL)
    return;
  bytes = g_bytes_get_data (out, &len);
  if (!channel_send (session->channel, bytes, len, &error))
    g_warning ("a stream came to its end: %s", error->message);
  if (stream_is_ending (session->stream))
    channel_close (session->channel);
}

static void
on_fill (Wire *wire, gpointer user_data)
{
  Session *session = user_data;
  g_autoptr (GBytes) out = NULL;

  session->pending = 0;
  if (session->state != SESSION_SECURING)
    session_move_output (session);
  out = channel_take_output (session->channel);
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
  if (why == NULL && channel_was_cut (session->channel))
    why = g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_FAILED, "the secure channel was cut");
  if (why == NULL && !stream_is_closed (session->stream))
    why = g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_FAILED,
                               "the peer closed the connection without closing the stream");
  session_end (session, why);
}

static void
attach (Session *session, GSocketConnection *connection)
{
  static const WireEvents events = { on_received, on_fill, on_drained, on_wire_closed };

  session->connected = TRUE;
  session->begun = g_get_monotonic_time ();
  session->wire = wire_new (connection, &events, session);
  g_set_object (&session->remote, wire_remote (session->wire));
  session_set_state (session, SESSION_OPENING);
  wake (session);
}

static void
on_connected (GSocketConnection *connection, guint target, const GError *error, gpointer user_data)
{
  Session *session = user_data;

  g_clear_pointer (&session->dialer, dialer_free);
  if (connection == NULL)
    session_end (session, g_error_copy (error));
  else
    attach (session, connection);
}

/* Making -------------------------------------------------------------------------------------------------- */

static Session *
session_new (StreamRole role, const SessionSetup *setup, const char *to, Peer *peer, const SessionEvents *events,
             gpointer user_data)
{
  Session *session = g_new0 (Session, 1);

  session->role = role;
  session->setup = *setup;
  session->own = g_strdup (setup->own);
  session->to = g_strdup (to);
  session->peer = peer;
  session->bytes = setup->bytes != NULL;
  if (session->bytes)
    memcpy (session->bytes_id, setup->bytes, SESSION_BYTES_ID);
  session->setup.bytes = NULL;
  session->events = *events;
  session->user_data = user_data;
  session->channel = channel_new (role == STREAM_INITIATOR ? NOISE_INITIATOR : NOISE_RESPONDER);
  session->stream = stream_new (role, session->own, to);
  session->requests = requests_new ();
  return session;
}

Session *
session_dial (const SessionSetup *setup, const char *to, Peer *peer, const DialerTarget *targets, gsize n_targets,
              const SessionEvents *events, gpointer user_data)
{
  Session *session = session_new (STREAM_INITIATOR, setup, to, peer, events, user_data);

  session_set_state (session, SESSION_CONNECTING);
  session->dialer = dialer_new (targets, n_targets, on_connected, session);
  return session;
}

Session *
session_dial_host (const SessionSetup *setup, const char *to, Peer *peer, const char *host, guint16 port,
                   const SessionEvents *events, gpointer user_data)
{
  Session *session = session_new (STREAM_INITIATOR, setup, to, peer, events, user_data);

  session_set_state (session, SESSION_CONNECTING);
  session->dialer = dialer_new_for_host (host, port, on_connected, session);
  return session;
}

void
session_expect (Session *session, const guint8 key[X25519_KEY])
{
  memcpy (session->expected, key, X25519_KEY);
  session->pinned = TRUE;
}

Session *
session_answer (GSocketConnection *connection, const SessionSetup *setup, const SessionEvents *events, gpointer user_data)
{
  Session *session = session_new (STREAM_RESPONDER, setup, NULL, NULL, events, user_data);

  attach (session, connection);
  return session;
}
