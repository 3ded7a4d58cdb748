/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/peer.h"
#include "core/requests.h"
#include "net/dialer.h"
#include "net/wire.h"
#include "secure/record.h"
#include "secure/x25519.h"

/* One stream with one peer, from the connection to its end: the only place that knows the order of wire, channel, stream and stanza,
 * and their deadlines (opening.c: until it is open). IQs are answered here (disco#info, ping; all others with service-unavailable); own requests have a
 * timeout. What a message means is the conversation's business. */

typedef enum
{
  SESSION_CONNECTING,
  SESSION_OPENING,  /* headers; LIMIT_HEADER_WAIT_MS from the connection until the channel is secure */
  SESSION_CHOOSING, /* responder: the channel was offered; the peer takes it or talks in clear */
  SESSION_FEATURES, /* initiator: a 1.0 header came, features have not; LIMIT_FEATURES_WAIT_MS */
  SESSION_STARTING, /* initiator: waits for <proceed/> */
  SESSION_SECURING, /* the handshake */
  SESSION_ASKING,   /* open, but what the peer can do is being asked; LIMIT_FEATURES_WAIT_MS */
  SESSION_OPEN,     /* LIMIT_IDLE_S without traffic closes it */
  SESSION_CLOSING,  /* we sent </stream:stream> and still read; LIMIT_CLOSE_WAIT_MS */
  SESSION_ENDED,
} SessionState;

#define SESSION_BYTES_ID 16

/* As whom we speak. */
typedef struct
{
  const char   *own;      /* our name; copied */
  const guint8 *secret;   /* our static secret, X25519_KEY bytes, outlives the session; NULL: nothing is encrypted */
  gboolean      required; /* the offer says that nothing goes in clear */
  const guint8 *bytes;    /* when dialling: the id, SESSION_BYTES_ID bytes, of what this connection is to carry instead of XML; NULL: XML */
} SessionSetup;

typedef struct
{
  /* The peer's header in clear came; session_refuse() where it is not for us, or from somebody else than who was dialled. */
  void (*header) (Session *session, gpointer user_data);
  /* There will be no channel. Answer with session_accept() or session_refuse(), at once or, a responder's, within
   * LIMIT_DISCOVERY_WAIT_MS. @spoke FALSE: the peer says nothing at all; it may still choose the channel if there is no answer. */
  void (*clear) (Session *session, gboolean spoke, gpointer user_data);
  /* The handshake is done: session_key() is the peer's. session_accept() at once; else it is closed without a word. */
  void (*secured) (Session *session, gpointer user_data);
  void (*open) (Session *session, gpointer user_data);
  void (*message) (Session *session, const Stanza *stanza, gpointer user_data);
  /* A request that nobody here answers; FALSE: the owner does not either. Else it is answered by session_send_element(). */
  gboolean (*request) (Session *session, const Node *iq, gpointer user_data);
  /* An answer that no session_request() waits for. */
  void (*answer) (Session *session, const Node *iq, gpointer user_data);
  /* The channel is there, and not for XML but for the bytes of @id (SESSION_BYTES_ID bytes), which the peer named or we did: session_take_bytes() at once, or
   * it is closed without a word. secured() does not come, nothing is accepted; session_key() is whose it is. */
  void (*bytes) (Session *session, const guint8 *id, gpointer user_data);
  void (*verify) (Session *session, const Node *verify, gpointer user_data); /* only in a secure channel */
  void (*drained) (Session *session, gpointer user_data);
  /* One element in the scope jabber:client, only where session_set_traced() was called. */
  void (*traced) (Session *session, gboolean out, const char *xml, gsize len, gpointer user_data);
  /* It is LIMIT_AGE_S old: time for one with new keys. Told again as long as it lives. */
  void (*aged) (Session *session, gpointer user_data);
  /* Nothing can be sent any more, but the peer may still have something to say. */
  void (*closing) (Session *session, gpointer user_data);
  /* The last of all; the owner frees the session, in it or later. @error: why, or NULL for an orderly end. KEY_CHANGED: session_key()
   * is the one that the peer holds instead of what was expected. */
  void (*ended) (Session *session, const GError *error, gpointer user_data);
} SessionEvents;

/* session_dial: connects to one of @targets; @peer is who we expect, known to us as @to. */
Session *session_dial (const SessionSetup *setup, const char *to, Peer *peer, const DialerTarget *targets, gsize n_targets,
                       const SessionEvents *events, gpointer user_data);
/* session_dial_host: the same to a host that the user typed; whom it belongs to is told by its header. */
Session *session_dial_host (const SessionSetup *setup, const char *to, Peer *peer, const char *host, guint16 port,
                            const SessionEvents *events, gpointer user_data);
/* session_expect: after dialling: it has to hold @key, or ends in KEY_CHANGED before it learns who we are. */
void session_expect (Session *session, const guint8 key[X25519_KEY]);
/* session_answer: a connection that came in. */
Session *session_answer (GSocketConnection *connection, const SessionSetup *setup, const SessionEvents *events, gpointer user_data);

/* session_take_bytes: the connection and its keys for whoever moves the bytes; the session ends. *@fd and the two are the caller's, *@surplus is
 * what came behind the id and was opened already. Only within bytes(). */
void session_take_bytes (Session *session, int *fd, RecordSealer **sealer, RecordOpener **opener, GBytes **surplus);

/* session_free: at once, without a word to the peer. Of all callbacks only ended() may call it. NULL is fine. */
void session_free (Session *session);

/* session_accept: this is @peer; in clear we are @own (a responder that has not said so yet). */
void session_accept (Session *session, Peer *peer, const char *own);
/* session_refuse: a stream error of RFC 6120 4.9.3 and the end. */
void session_refuse (Session *session, const char *condition);
/* session_close: orderly; what is queued is sent first. */
void session_close (Session *session);

/* session_check_path: ends it where our end of it is no address of ours any more; TCP would wait 20 s. */
void session_check_path (Session *session);

/* session_send: one stanza's bytes in the scope jabber:client; they leave with the next turn. FALSE: too late. */
gboolean session_send (Session *session, const char *xml, gsize len);
/* session_send_element: the same for an element tree, which it takes. */
gboolean session_send_element (Session *session, Node *node);
/* session_request: an iq of @type "get" or "set" with @payload, which it takes; @done is called once (requests.h), also where it could not be sent. */
void session_request (Session *session, const char *type, Node *payload, RequestDone done, gpointer user_data);
/* session_flush: what was sent leaves now; not from within an event of the session. */
void session_flush (Session *session);
/* session_has_room: less than LIMIT_WIRE_FULL waits; after FALSE the drained event comes. */
gboolean session_has_room (Session *session);

typedef void (*SessionPong) (Session *session, gint64 rtt_us, gpointer user_data); /* -1: no answer in LIMIT_IQ_WAIT_MS, or the end */
void session_ping (Session *session, SessionPong pong, gpointer user_data);

SessionState session_state (Session *session);
gboolean     session_is_initiator (Session *session);
gboolean     session_is_open (Session *session);
Peer        *session_peer (Session *session);   /* NULL until accepted */
void         session_set_peer (Session *session, Peer *peer);
const char  *session_own (Session *session);    /* our name on this stream */
const char  *session_from (Session *session);   /* the peer's by its header, or NULL */
const char  *session_to (Session *session);     /* whom the peer's header addresses, or NULL */
const char  *session_peer_name (Session *session); /* what stanzas to it say: its header's from, else the name we dialled */
/* session_key: the peer's static key, X25519_KEY bytes, once it is proven; NULL in clear. The others: ours, and the handshake's hash. */
const guint8 *session_key (Session *session);
const guint8 *session_own_key (Session *session);
const guint8 *session_hash (Session *session);
gboolean     session_is_secure (Session *session);
gboolean     session_is_pinned (Session *session);       /* session_expect() was called */
gboolean     session_is_unidentified (Session *session); /* it talks in clear, and nobody has said yet whose it is */
void         session_set_restricted (Session *session, gboolean restricted); /* nothing but verify() is taken; when accepting */
gboolean     session_is_restricted (Session *session);
gboolean     session_is_1_0 (Session *session);
Capability   session_capabilities (Session *session, gboolean *known);
void         session_set_capabilities (Session *session, Capability capabilities); /* before it is open: known from mDNS */
gint64       session_opened (Session *session); /* monotonic µs, 0: not yet */
gboolean     session_was_closed_early (Session *session); /* we connected, and it ended before it was open */
GInetSocketAddress *session_remote (Session *session); /* NULL while connecting */
GInetSocketAddress *session_local (Session *session);  /* the same, and NULL once it ended */
void         session_set_traced (Session *session, gboolean traced);
void         session_set_kept (Session *session, gboolean kept); /* never idle: presence rests on it */
void         session_retire (Session *session); /* another stream with this peer is preferred */
gboolean     session_is_retired (Session *session);
gboolean     session_unconfirmed (Session *session); /* messages were handed to it */
void         session_set_unconfirmed (Session *session, gboolean unconfirmed);
