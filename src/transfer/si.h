/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "xmpp/node.h"

/* Files to and from libpurple and its like: stream initiation (XEP-0095), its profile for files (0096) and the addresses of
 * SOCKS5 bytestreams (0065). One file each, in clear. The child of an iq ↔ what it means; whole iqs where a form of answer
 * needs it. Pure; the caller owns what is built and parsed. */

typedef struct
{
  char  *sid;  /* 1 to LIMIT_SID bytes of clean text; libpurple's is a small number, used again after its restart */
  char  *name; /* by filename_clean() */
  gint64 size; /* 0 to 2^63-1 */
} SiOffer;

/* si_offer_parse: NULL: it is none, or makes no sense (bad-request): another profile, no size, no stream method
 * that we know. */
SiOffer *si_offer_parse (const Node *node);
void     si_offer_free (SiOffer *offer); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SiOffer, si_offer_free)

Node *si_offer_build (const char *sid, const char *name, gint64 size);

/* The answer that accepts: the child of the result. It is TRUE for bytestreams only; libpurple never says another method. */
Node    *si_accept_build (void);
gboolean si_accept_parse (const Node *node);

/* si_decline: the whole iq that says no to the offer in @request, as libpurple says it: its user sees "declined". */
Node *si_decline (const Node *request);

/* si_is_decline: @answer, an iq of type error, is the other user's no (and not a client that does not know what it was asked). */
gboolean si_is_decline (const Node *answer);

/* Where the sender can be reached. */
typedef struct
{
  char   *jid;  /* any text, which goes back as it came: libpurple's is the sid */
  char   *host; /* a numeric address, without a scope: the receiver's interface is the one of the stream */
  guint16 port; /* not 0 */
} Streamhost;

typedef struct
{
  char      *sid;
  GPtrArray *hosts; /* Streamhost, owned; at most LIMIT_STREAMHOSTS */
} Streamhosts;

Streamhosts *streamhosts_new (const char *sid);
void         streamhosts_free (Streamhosts *hosts); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Streamhosts, streamhosts_free)
void         streamhosts_add (Streamhosts *hosts, const char *jid, const char *host, guint16 port);

/* streamhosts_parse: NULL: it is none, or it has no sid, or it wants UDP. Hosts that are no address, or without a port, and those
 * beyond the limit are left out; there may be none left. Whether an address is the peer's is for the caller to see to. */
Streamhosts *streamhosts_parse (const Node *node);
Node        *streamhosts_build (const Streamhosts *hosts);

/* streamhost_used_*: the child of the result: the jid of the host that was reached. NULL: it says none. */
Node *streamhost_used_build (const char *jid);
char *streamhost_used_parse (const Node *node);
