/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "core/session-private.h"
#include "net/deadline.h"
#include "xmpp/capabilities.h"
#include "xmpp/iq.h"
#include "xmpp/ns.h"

/* A session before it is open: headers, then either the secure channel (hearby-protocol(7)) and the same once more inside, or in clear
 * whatever the owner allows; last the question what the peer can do.
 *
 *   initiator   OPENING → FEATURES → STARTING → SECURING → OPENING → FEATURES → ASKING → OPEN
 *   responder   OPENING → CHOOSING ─────────→ SECURING → OPENING ───────────→ ASKING → OPEN
 *
 * In clear STARTING or CHOOSING and what is between them and ASKING is left out. */

#define PURPOSE_BYTES "bytes"

static void
fill_random (void *bytes, gsize len, gpointer data)
{
  randombytes_buf (bytes, len);
}

static void
fail (Session *session, const char *why)
{
  session_end (session, g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_FAILED, why));
}

static gboolean
is_inner (Session *session)
{
  return session->outer != NULL;
}

/* The last step ------------------------------------------------------------------------------------------- */

static void
become_open (Session *session)
{
  session->opened = g_get_monotonic_time ();
  session_set_state (session, SESSION_OPEN);
  session->events.open (session, session->user_data);
}

static void
on_features_told (const Node *answer, gint64 rtt, gpointer user_data)
{
  Session *session = user_data;

  if (answer == NULL)
    return;
  session_learn_capabilities (session, node_child (answer, "query", NS_DISCO_INFO));
  if (session->state == SESSION_ASKING)
    become_open (session);
}

/* Headers are exchanged, and who it is is known: what can the peer do? A peer without version 1.0 can do nothing and answers nothing. */
static void
start (Session *session)
{
  if (!stream_peer_is_1_0 (session->stream))
    session_learn_capabilities (session, NULL);
  if (session->capabilities_known || session->restricted)
    {
      become_open (session);
      return;
    }
  session_set_state (session, SESSION_ASKING);
  session_ask (session, "query", NS_DISCO_INFO, on_features_told, session);
}

/* In clear -------------------------------------------------------------------------------------------------- */

gboolean
opening_is_waiting (Session *session)
{
  return session->asked && !session->accepted;
}

/* There will be no channel: may the peer talk in clear? */
static void
ask_about_clear (Session *session)
{
  session->asked = TRUE;
  session->events.clear (session, TRUE, session->user_data);
  if (opening_is_waiting (session) && session->state < SESSION_CLOSING)
    deadline_set (session->timer, g_get_monotonic_time () + LIMIT_DISCOVERY_WAIT_MS * 1000);
}

/* Our header, and features where the peer knows of them. */
static void
answer_header (Session *session)
{
  g_autofree char *max = g_strdup_printf ("%d", LIMIT_STANZA);
  g_autofree char *idle = g_strdup_printf ("%d", LIMIT_IDLE_S);
  Node *limits = node_new ("limits", NS_LIMITS); /* XEP-0478 */

  if (!is_inner (session) && session->setup.secret != NULL)
    {
      Node *noise = node_new ("noise", NS_NOISE);

      node_add_text_element (noise, "protocol", NS_NOISE, NOISE_PROTOCOL);
      if (session->setup.required)
        node_add (noise, "required", NS_NOISE);
      stream_add_feature (session->stream, noise);
    }
  stream_add_feature (session->stream, capabilities_own_query ());
  node_add_text_element (limits, "max-bytes", NS_LIMITS, max);
  node_add_text_element (limits, "idle-seconds", NS_LIMITS, idle);
  stream_add_feature (session->stream, limits);
  stream_accept (session->stream, session->own, stream_peer_from (session->stream));
}

void
session_accept (Session *session, Peer *peer, const char *own)
{
  gboolean answered = session->state == SESSION_CHOOSING;
  Node *held = g_steal_pointer (&session->held);

  if (session->accepted || session->state >= SESSION_CLOSING)
    {
      node_free (held);
      return;
    }
  session->accepted = TRUE;
  session->peer = peer;
  if (channel_state (session->channel) == CHANNEL_OPEN)
    return;
  if (session->role == STREAM_RESPONDER && !answered)
    {
      g_free (session->own);
      session->own = g_strdup (own);
      answer_header (session); /* READY follows */
    }
  else
    start (session);
  if (held != NULL && session->state < SESSION_CLOSING)
    session_handle_stanza (session, held);
  node_free (held);
  session_drain (session);
}

/* The handshake --------------------------------------------------------------------------------------------- */

static void
begin_handshake (Session *session)
{
  NoiseConfig config = { .static_secret = session->setup.secret,
                         .remote_static = session->pinned ? session->expected : NULL,
                         .fill_random = fill_random };
  GError *error = NULL;

  session_set_state (session, SESSION_SECURING);
  session_move_output (session); /* <start/> and <proceed/> are the last that is counted */
  if (!channel_secure (session->channel, &config, &error))
    session_end (session, error);
}

/* The XML begins anew; nothing that was told in clear counts any more but the names, which have to be told again. */
static void
begin_inner (Session *session)
{
  const char *to = session->to != NULL ? session->to : stream_peer_from (session->stream);

  session->outer = g_steal_pointer (&session->stream);
  session->stream = stream_new (session->role, session->own, session->role == STREAM_INITIATOR ? to : NULL);
  session->capabilities_known = FALSE;
  session_set_state (session, SESSION_OPENING);
}

/* A connection for bytes: behind the handshake comes the id of what they are, then they follow, and are no business of the main loop. */

static gboolean
on_handover (gpointer user_data)
{
  Session *session = user_data;

  if (wire_queued (session->wire) > 0)
    return G_SOURCE_CONTINUE; /* a socket that does not take even our id; the deadline ends it */
  deadline_drop (&session->handover);
  if (session->events.bytes != NULL)
    session->events.bytes (session, session->bytes_id, session->user_data);
  session_end (session, NULL);
  return G_SOURCE_REMOVE;
}

/* Once what was written has left. */
static void
hand_over_soon (Session *session)
{
  if (session->handover != NULL)
    return;
  session->handover = g_idle_source_new ();
  g_source_set_callback (session->handover, on_handover, session, NULL);
  g_source_attach (session->handover, g_main_context_get_thread_default ());
}

void
opening_handle_bytes (Session *session, GByteArray *content)
{
  GError *error = NULL;

  if (session->surplus == NULL)
    session->surplus = g_byte_array_new ();
  g_byte_array_append (session->surplus, content->data, content->len);
  if (session->role == STREAM_INITIATOR)
    {
      if (session->handover == NULL && !channel_send (session->channel, session->bytes_id, SESSION_BYTES_ID, &error))
        session_end (session, error);
      else
        hand_over_soon (session);
    }
  else if (session->surplus->len >= SESSION_BYTES_ID && session->handover == NULL)
    {
      memcpy (session->bytes_id, session->surplus->data, SESSION_BYTES_ID);
      g_byte_array_remove_range (session->surplus, 0, SESSION_BYTES_ID);
      hand_over_soon (session);
    }
}

void
session_take_bytes (Session *session, int *fd, RecordSealer **sealer, RecordOpener **opener, GBytes **surplus)
{
  *fd = wire_dup_fd (session->wire);
  channel_release (session->channel, sealer, opener);
  *surplus = g_byte_array_free_to_bytes (g_steal_pointer (&session->surplus));
}

void
opening_handle_channel (Session *session)
{
  if (session->state != SESSION_SECURING || channel_state (session->channel) != CHANNEL_OPEN || session->bytes)
    return;
  session->accepted = FALSE;
  session->events.secured (session, session->user_data);
  if (session->state == SESSION_SECURING && !session->accepted)
    session_end (session, NULL); /* without a word, as after any handshake that fails */
  else if (session->state == SESSION_SECURING)
    begin_inner (session);
}

static gboolean
is_ours (const Node *node)
{
  const char *purpose = node_get (node, "purpose");

  return g_strcmp0 (node_get (node, "protocol"), NOISE_PROTOCOL) == 0 && (purpose == NULL || strcmp (purpose, PURPOSE_BYTES) == 0);
}

static void
handle_start (Session *session, const Node *node, gboolean surplus)
{
  const char *from = stream_peer_from (session->stream);

  if (surplus)
    fail (session, "the peer sent something behind <start/>");
  else if (from == NULL || *from == '\0' || !is_ours (node))
    {
      session_send_node (session, node_new ("failure", NS_NOISE));
      session_close (session);
    }
  else
    {
      session->bytes = node_get (node, "purpose") != NULL;
      session_send_node (session, node_new ("proceed", NS_NOISE));
      begin_handshake (session);
    }
}

static void
handle_answer (Session *session, const Node *node, gboolean surplus)
{
  if (!node_is (node, "proceed", NS_NOISE))
    fail (session, node_is (node, "failure", NS_NOISE) ? "the peer refuses the handshake" : "the peer spoke out of turn");
  else if (surplus || stream_has_output (session->stream))
    fail (session, "the peer sent something behind <proceed/>, or too early");
  else
    begin_handshake (session);
}

/* Header and features -------------------------------------------------------------------------------------------- */

static gboolean
is_name_again (const char *before, const char *now)
{
  return before != NULL && now != NULL && strcmp (before, now) == 0;
}

static gboolean
is_same_names (Session *session)
{
  const char *to = stream_peer_to (session->outer);

  if (to == NULL || *to == '\0') /* it knew no more than our address */
    to = session->own;
  return is_name_again (stream_peer_from (session->outer), stream_peer_from (session->stream))
         && is_name_again (to, stream_peer_to (session->stream));
}

static void
handle_inner_header (Session *session)
{
  if (!stream_peer_is_1_0 (session->stream) || !is_same_names (session))
    fail (session, "the names within the channel are not those before it");
  else if (session->role == STREAM_INITIATOR)
    session_set_state (session, SESSION_FEATURES);
  else
    answer_header (session);
}

void
opening_handle_header (Session *session)
{
  if (is_inner (session))
    {
      handle_inner_header (session);
      return;
    }
  session->name = g_strdup (stream_peer_from (session->stream));
  if (session->role == STREAM_INITIATOR && stream_peer_is_1_0 (session->stream))
    session_set_state (session, SESSION_FEATURES);
  session->events.header (session, session->user_data);
  if (session->state != SESSION_OPENING || session->role == STREAM_INITIATOR)
    return;
  if (session->setup.secret == NULL || !stream_peer_is_1_0 (session->stream))
    {
      ask_about_clear (session);
      return;
    }
  session_set_state (session, SESSION_CHOOSING);
  answer_header (session);
}

static gboolean
offers_channel (const Node *features)
{
  const Node *noise = node_child (features, "noise", NS_NOISE);

  for (guint i = 0; noise != NULL && noise->children != NULL && i < noise->children->len; i++)
    {
      const Node *child = g_ptr_array_index (noise->children, i);

      if (node_is (child, "protocol", NS_NOISE))
        {
          g_autofree char *name = node_dup_text (child);

          if (g_strcmp0 (name, NOISE_PROTOCOL) == 0)
            return TRUE;
        }
    }
  return FALSE;
}

void
opening_handle_features (Session *session, const Node *features)
{
  const Node *query = node_child (features, "query", NS_DISCO_INFO);
  Node *node;

  session_trace_node (session, FALSE, features);
  if (query != NULL)
    session_learn_capabilities (session, query);
  if (session->state != SESSION_FEATURES || is_inner (session) || session->setup.secret == NULL || !offers_channel (features))
    return;
  node = node_new ("start", NS_NOISE);
  node_set (node, "protocol", NOISE_PROTOCOL);
  if (session->bytes)
    node_set (node, "purpose", PURPOSE_BYTES);
  session_set_state (session, SESSION_STARTING);
  session_send_node (session, node);
}

void
opening_handle_ready (Session *session)
{
  if (session->state != SESSION_OPENING && session->state != SESSION_FEATURES)
    return;
  if (is_inner (session) || session->role == STREAM_RESPONDER)
    start (session);
  else
    ask_about_clear (session);
}

/* The peer talks in clear: may it? */
static void
hold (Session *session, Node *node)
{
  session->held = node;
  stream_skip_features (session->stream);
  ask_about_clear (session);
}

/* The peer chooses: the channel, or to talk in clear. */
static void
handle_choice (Session *session, Node *node, gboolean surplus)
{
  if (node_is (node, "features", NS_STREAM))
    {
      node_free (node); /* Salut's initiators send some */
      return;
    }
  if (!node_is (node, "start", NS_NOISE))
    {
      hold (session, node);
      return;
    }
  session_trace_node (session, FALSE, node);
  handle_start (session, node, surplus);
  node_free (node);
}

void
opening_handle_stanza (Session *session, Node *taken, gboolean surplus)
{
  g_autoptr (Node) node = taken;

  if (session->state == SESSION_CHOOSING)
    handle_choice (session, g_steal_pointer (&node), surplus);
  else if (session->state == SESSION_FEATURES && !is_inner (session))
    hold (session, g_steal_pointer (&node)); /* before it said whether there is a channel */
  else if (session->state == SESSION_STARTING)
    {
      session_trace_node (session, FALSE, node);
      handle_answer (session, node, surplus);
    }
  else if (g_strcmp0 (node->ns, NS_NOISE) == 0 && session->state < SESSION_CLOSING)
    session_refuse (session, "policy-violation"); /* it is too late for that, or too early */
  else
    session_handle_stanza (session, node);
}

/* Before it is known whose they are, only so many bytes may come: Gajim speaks right behind its header. */
void
opening_handle_budget (Session *session, gsize len)
{
  if (!opening_is_waiting (session) && session->state != SESSION_CHOOSING)
    return;
  session->waiting += len;
  if (session->waiting <= LIMIT_BEFORE_OPEN)
    return;
  if (session->state == SESSION_CHOOSING && !session->asked)
    ask_about_clear (session); /* a long stanza, not all here yet */
  if (opening_is_waiting (session))
    session_refuse (session, "policy-violation");
}

static void
choosing_takes_long (Session *session)
{
  gint64 last = session->begun + LIMIT_HEADER_WAIT_MS * 1000;

  if (session->asked || g_get_monotonic_time () >= last)
    session_refuse (session, "connection-timeout");
  else
    {
      deadline_set (session->timer, last);
      session->events.clear (session, FALSE, session->user_data);
    }
}

void
opening_handle_deadline (Session *session)
{
  gboolean outer = session->state == SESSION_OPENING && !is_inner (session);

  if (session->state == SESSION_FEATURES)
    {
      stream_skip_features (session->stream);
      session_drain (session);
    }
  else if (session->state == SESSION_ASKING)
    become_open (session);
  else if (session->state == SESSION_CHOOSING)
    choosing_takes_long (session);
  else if (outer && session->role == STREAM_RESPONDER && session->heard)
    session_refuse (session, "connection-timeout");
  else
    session_end (session, g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_TIMEOUT,
                                               outer ? "no stream header in time" : "no secure channel in time"));
}
