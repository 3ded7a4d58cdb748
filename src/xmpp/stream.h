/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "xmpp/node.h"
#include "xmpp/reader.h"

/* One XML stream of XEP-0174: headers, features, stanzas, close, stream errors. Bytes in, events and bytes out; no
 * I/O, no clock. Its owner (core/session) moves the bytes and keeps the time.
 *
 *   stream_push (s, bytes, len);             feed
 *   while (stream_next (s, &event)) …        drain; a broken stream ends with one STREAM_FAILED
 *   out = stream_take_output (s);            what the peer must receive
 *
 * Order: the initiator's header is in the output at once. The responder answers when stream_accept() was called on
 * STREAM_HEADER, and sends features after it if both sides said version='1.0' (XEP-0174 4.2). Features from an
 * initiator are ignored (Salut sends them). READY comes when stanzas may be sent: for the responder with accept, for
 * the initiator with the peer's header when that had no version, with features otherwise or at stream_skip_features().
 * Stanzas of the peer are delivered from its header on, whether READY or not (Gajim sends right behind its own). */

typedef struct _Stream Stream;

typedef enum
{
  STREAM_INITIATOR,
  STREAM_RESPONDER,
} StreamRole;

typedef enum
{
  STREAM_HEADER,   /* the peer's header came: from, to, version_1_0, id. The responder must accept or fail now or later */
  STREAM_FEATURES, /* initiator: @node is <stream:features/>; comes before READY */
  STREAM_READY,
  STREAM_STANZA,   /* @node: message, presence, iq or any other top-level element */
  STREAM_CLOSED,   /* the peer's </stream:stream>; ours is in the output by then */
  STREAM_FAILED,   /* @condition: ours was sent with a close, or the peer's <stream:error/> came (@by_peer) */
} StreamEventType;

typedef struct
{
  StreamEventType type;
  Node           *node;        /* FEATURES and STANZA: owned by whoever took the event */
  const char     *condition;   /* FAILED: RFC 6120 4.9.3; interned */
  gboolean        by_peer;     /* FAILED */
  gboolean        surplus;     /* STANZA: there are bytes behind its '>' already */
} StreamEvent;

/* stream_new:
 * @from: our own instance name; for a responder it may be NULL until stream_accept()
 * @to: the peer's, NULL where it is not known (left out of the header) */
Stream *stream_new (StreamRole role, const char *from, const char *to);
void    stream_free (Stream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Stream, stream_free)

/* stream_set_limits: before the first byte; the default is reader_default_limits. */
void stream_set_limits (Stream *stream, const ReaderLimits *limits);

/* stream_add_feature: takes a child for the <stream:features/> that a responder sends; before stream_accept(). */
void stream_add_feature (Stream *stream, Node *feature);

void stream_push (Stream *stream, const void *bytes, gsize len);
gboolean stream_next (Stream *stream, StreamEvent *event);

/* stream_take_output: all that was written since the last call, or NULL for nothing. */
GBytes *stream_take_output (Stream *stream);

gboolean stream_has_output (Stream *stream); /* there is something to take */
gboolean stream_is_ending (Stream *stream);  /* </stream:stream> of ours was written */

/* What the peer's header said; NULL or FALSE before it. "" is kept ("to" of libpurple). */
const char *stream_peer_from (Stream *stream);
const char *stream_peer_to (Stream *stream);
gboolean    stream_peer_is_1_0 (Stream *stream);

/* stream_accept: responder, once, after STREAM_HEADER: writes our header (from=@from, to=@to or none) and features. */
void stream_accept (Stream *stream, const char *from, const char *to);

/* stream_skip_features: initiator: the time for features is over. */
void stream_skip_features (Stream *stream);

/* stream_is_ready: stanzas may be sent. */
gboolean stream_is_ready (Stream *stream);

/* stream_send: queues an element. FALSE (nothing queued) where the stream is not ready, is closing or broken. */
gboolean stream_send (Stream *stream, const Node *node);

/* stream_send_bytes: queues stanzas that were already written by the writer in the scope NS_CLIENT. */
gboolean stream_send_bytes (Stream *stream, const char *xml, gsize len);

/* stream_close: queues </stream:stream>; stanzas of the peer still come until STREAM_CLOSED. No-op when closed. */
void stream_close (Stream *stream);

/* stream_fail: queues our header if it was not sent yet (RFC 6120 4.9.1.2), <stream:error/> with @condition (4.9.3)
 * and the close. The stream is dead after it and reports STREAM_FAILED. */
void stream_fail (Stream *stream, const char *condition, const char *text);

gboolean stream_is_closed (Stream *stream); /* both sides closed, or broken */
