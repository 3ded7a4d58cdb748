/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/bytestream.h"
#include "core/legacy.h"
#include "transfer/reason.h"
#include "transfer/si.h"
#include "xmpp/stanza.h"

/* What legacy.c, legacy-send.c and legacy-receive.c share. Nobody else includes it. */

typedef enum
{
  LEGACY_WAITING,    /* out: for a stream */
  LEGACY_OFFERED,    /* the receiver has not said yes */
  LEGACY_CONNECTING, /* it has: out: we listen; in: we wait for hosts, or connect */
  LEGACY_MOVING,
} LegacyStep;

struct _Legacy
{
  LegacyStep   step;
  char        *sid;        /* of XEP-0095: this file's; out: the id of our requests too, as libpurple takes the one for the other */
  Session     *stream;     /* on which it was offered; NULL: it is gone */
  Bytestream  *bytestream;
  Node        *request;    /* in: theirs, which has to be answered */
  SiHosts     *hosts;      /* in: where they listen, and */
  GArray      *tried;      /* guint: which of them we connect to */
  GSource     *deadline;   /* in: until they say it */
  guint        file;       /* out: which one is under way, */
  gint64       size;       /* its size as offered, */
  guint        arrived;    /* how many have arrived, */
  ByteProgress moved;      /* with these bytes, */
  const char  *reason;     /* and why the last one did not that did not; static */
};

/* legacy.c */
Transfer *legacy_find (Messenger *messenger, const Peer *peer, Direction direction, const char *sid); /* that is not over */
char     *legacy_random_id (void);
/* legacy_clear_session: the stream to say it on, or NULL: what was meant for who encrypts nothing is not said to who does. */
Session *legacy_clear_session (const Transfer *transfer);
gboolean legacy_say (Transfer *transfer, Session *session, Node *payload); /* a request with @payload, which it takes */
gboolean legacy_say_answer (Transfer *transfer, Node *iq); /* which it takes; on whatever stream there is now */
Node    *legacy_result (const Node *request, Node *payload); /* takes @payload */
/* legacy_hold_stream: libpurple gives up what nobody has accepted yet when the stream closes: it is not closed for being idle. */
void legacy_hold_stream (Transfer *transfer, Session *session);
void legacy_begin_moving (Transfer *transfer, ByteTask *task);
gboolean legacy_was_over (Transfer *transfer); /* when its thread ended; then nothing is left to do */
void legacy_set_text (Transfer *transfer, const char *text);
TransferState legacy_state_after (const char *reason);

/* legacy-send.c, legacy-receive.c */
void  legacy_send_answer (Transfer *transfer, Session *session, const Node *iq);
Node *legacy_receive_offer (Messenger *messenger, Session *session, const Node *iq); /* what has to be said to it at once, or NULL */
Node *legacy_receive_hosts (Messenger *messenger, Session *session, const Node *iq); /* the same */
