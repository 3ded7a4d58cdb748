/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/requests.h"
#include "core/session.h"
#include "net/dialer.h"
#include "net/wire.h"
#include "secure/channel.h"
#include "xmpp/stream.h"

/* What session.c, opening.c and session-facts.c share. Nobody else includes it. */

struct _Session
{
  SessionState  state;
  StreamRole    role;
  SessionSetup  setup;
  SessionEvents events;
  gpointer      user_data;

  Peer   *peer;
  char   *own, *to;
  char   *name;              /* what the peer calls itself, when its header told that */
  Dialer *dialer;
  Wire   *wire;
  GInetSocketAddress *remote; /* of the wire, also when that is gone */
  Channel *channel;
  Stream  *stream, *outer;   /* outer: the one in clear, when it is over; its names are compared */
  Node    *held;             /* a stanza that came before it was known whose it is */

  GSource  *timer;           /* of the state */
  Requests *requests;
  GSource  *burial;          /* reports the end from the loop */
  GError   *error;
  guint8    expected[X25519_KEY];

  Capability capabilities;
  gboolean   capabilities_known, traced, kept, connected, heard, retired, unconfirmed, accepted, restricted;
  gboolean   pinned;         /* expected counts */
  gboolean   bytes;          /* it carries no XML, but what bytes_id says */
  guint8     bytes_id[SESSION_BYTES_ID];
  GByteArray *surplus;       /* what the channel gave of that so far */
  GSource   *handover;
  gboolean   asked;          /* the owner was asked who speaks in clear and has not said yet */
  gint64     begun, opened, last_traffic;
  gsize      pending;        /* bytes sent since the last fill */
  gsize      waiting;        /* bytes received before it was known whose they are */
  gint64     iq_second;
  guint      iq_count;
};

/* session.c */
void session_set_state (Session *session, SessionState state);
void session_end (Session *session, GError *error); /* takes @error */
void session_send_node (Session *session, Node *node); /* takes @node */
void session_drain (Session *session);
void session_trace_node (Session *session, gboolean out, const Node *node);
void session_learn_capabilities (Session *session, const Node *query); /* NULL: it has none */
void session_ask (Session *session, const char *name, const char *ns, RequestDone done, gpointer user_data);
void session_move_output (Session *session); /* what the stream wrote into the channel */
void session_handle_stanza (Session *session, const Node *node);

/* opening.c */
void opening_handle_header (Session *session);
void opening_handle_features (Session *session, const Node *features);
void opening_handle_ready (Session *session);
void opening_handle_stanza (Session *session, Node *node, gboolean surplus); /* takes @node */
void opening_handle_budget (Session *session, gsize len); /* @len more bytes came */
void opening_handle_channel (Session *session); /* the handshake got on */
void opening_handle_bytes (Session *session, GByteArray *content); /* the channel gave something that is no XML */
void opening_handle_deadline (Session *session);
gboolean opening_is_waiting (Session *session); /* nothing that came may be looked at yet */
