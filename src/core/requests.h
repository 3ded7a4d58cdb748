/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xmpp/node.h"

/* Our own IQs on one stream: each has an id that nobody can guess, so only who read it can answer, and each ends: with an answer, after
 * LIMIT_IQ_WAIT_MS (libpurple never answers), or with the stream. */

typedef struct _Requests Requests;

/* @answer: the iq of type result or error; NULL: none came. @rtt: µs since the request. Called once. */
typedef void (*RequestDone) (const Node *answer, gint64 rtt, gpointer user_data);

Requests *requests_new (void);
void      requests_free (Requests *requests); /* all that is open ends without an answer; NULL is fine */

/* requests_add: the id of a new one, owned by @requests; NULL where LIMIT_IQS_OPEN are open already. */
const char *requests_add (Requests *requests, RequestDone done, gpointer user_data);

/* requests_answer: gives @answer to whose id it has; FALSE: there is none. */
gboolean requests_answer (Requests *requests, const Node *answer);
