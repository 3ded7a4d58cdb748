/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xmpp/node.h"

/* Stream initiation of one file (XEP-0095, XEP-0096) over SOCKS5 bytestreams (XEP-0065), as libpurple's Bonjour does it: the sender offers,
 * the receiver accepts, the sender says where it listens, the receiver connects there and says where it got through. Elements ↔ meaning;
 * pure. What comes from the peer is bounded and is text, but no filename yet: filename_clean(). */

typedef struct
{
  char    *sid;         /* ≤ LIMIT_ID; libpurple's is a number from 0 on, anew at each start */
  char    *name;        /* as on the wire, never empty */
  gint64   size;        /* -1: unknown */
  gboolean bytestreams; /* among the methods that it knows */
} SiOffer;

/* si_parse_offer: of an iq of type set. NULL: no <si/>, or one without a sid, another profile, without a name, or with a size that is none. */
SiOffer *si_parse_offer (const Node *iq);
void     si_offer_free (SiOffer *offer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SiOffer, si_offer_free)

/* si_build_offer: the <si/>; a size of -1 is left out. The caller owns it, and all that is built here. */
Node *si_build_offer (const SiOffer *offer);

Node    *si_build_accept (void); /* for a result */
gboolean si_is_accept (const Node *iq); /* a result that chose bytestreams */

/* si_build_decline, _refuse: the whole answer to @request, an iq. libpurple shows the words of the first one; the second says that no method
 * of the offer is known here (XEP-0095 3.2). */
Node *si_build_decline (const Node *request);
Node *si_build_refuse (const Node *request);

typedef struct
{
  char   *jid;  /* says nothing, and is said back: libpurple's is the sid */
  char   *host; /* an address as text, without a scope; names are left out when parsing */
  guint16 port;
} SiHost;

typedef struct
{
  char      *sid;
  GPtrArray *hosts; /* SiHost, LIMIT_STREAMHOSTS at most, those that can be used */
} SiHosts;

/* si_parse_hosts: of an iq of type set. NULL: no <query/> of bytestreams, no sid, or a mode that is not TCP. */
SiHosts *si_parse_hosts (const Node *iq);
SiHosts *si_hosts_new (const char *sid);
void     si_hosts_add (SiHosts *hosts, const char *jid, const char *host, guint16 port);
void     si_hosts_free (SiHosts *hosts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SiHosts, si_hosts_free)
Node    *si_build_hosts (const SiHosts *hosts);

Node *si_build_used (const char *sid, const char *jid);    /* for a result */
Node *si_build_unreachable (const Node *request);          /* none of the hosts answered: the whole answer */
const char *si_used (const Node *iq);                      /* the jid in a result, owned by @iq, or NULL */

/* si_digest: what the receiver asks the sender's SOCKS5 server for: 40 hex digits, a SHA-1 of the sid and both names as the request with the
 * hosts tells them (XEP-0065 5.3.2). The caller owns it. */
char *si_digest (const char *sid, const char *sender, const char *receiver);
