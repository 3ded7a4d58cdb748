/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/transfers-private.h"

/* Files to and from those who cannot encrypt, Pidgin first of all: SI (XEP-0095, XEP-0096) and SOCKS5 bytestreams (XEP-0065), in clear. One
 * session of SI is one file; several files of one transfer go one after the other. Nothing of it can be paused or continued, and what was
 * under way when the daemon ended is lost. For transfers with TRANSFER_LEGACY; offers.c and carrier.c hand on what is for these. */

/* legacy_send_check: @peer can be sent this as it is: files. NOT_SUPPORTED. */
gboolean legacy_send_check (const Peer *peer, const TransferSource *sources, gsize n, GError **error);
void     legacy_send_offer (Transfer *transfer);     /* its first file, if there is a stream */
void     legacy_receive_accept (Transfer *transfer); /* say so, if there is a stream */
void     legacy_terminate (Transfer *transfer);      /* it is over, and they should know */
void     legacy_drop (Transfer *transfer);           /* nothing goes on but what has to be said */
void     legacy_free (Legacy *legacy);               /* NULL is fine */

/* legacy_request: a request in clear; FALSE: not about files. legacy_answer: an answer that nobody of that stream waits for: libpurple takes
 * whichever stream it has at the time. */
gboolean legacy_request (Messenger *messenger, Session *session, const Node *iq);
void     legacy_answer (Messenger *messenger, Session *session, const Node *iq);

gboolean legacy_needs_stream (const Transfer *transfer);          /* something waits to be said */
void     legacy_ended (Messenger *messenger, Session *session);   /* the stream did */
void     legacy_gone (Messenger *messenger, Peer *peer);          /* it is not there any more */
gboolean legacy_load (const Transfer *transfer); /* one that was open when the daemon ended; FALSE: it cannot go on */
