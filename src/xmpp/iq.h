/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xmpp/node.h"

/* Requests of a peer (RFC 6120 8.2.3: each get and set is answered). Pure. */

/* iq_answer: to @request, an iq of type get or set: our features (XEP-0030), no items, a pong (XEP-0199), and service-unavailable for
 * everything else. The caller owns it. */
Node *iq_answer (const Node *request);
