/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disco/discovery.h"
#include "secure/fingerprint.h"
#include "presence/txt.h"
#include "store/messages.h"
#include "store/peers.h"
#include "xmpp/capabilities.h"
#include "xmpp/stanza.h"

/* Somebody on the link or known from before. One for each key, and for each name without one, over any number of interfaces and
 * addresses (XEP-0174 2: one entry); reachable while any sighting lives or, for one whose address the user added, while a stream is open. */

typedef struct _Session Session;

#define PEER_DEFAULT_PORT 5298 /* of an address that the user typed without one; iChat's */

/* What changed, gathered over a turn. */
typedef enum
{
  PEER_CHANGED_NAME = 1 << 0,     /* name, nick, alias, instance */
  PEER_CHANGED_PRESENCE = 1 << 1, /* online, status, text, last seen */
  PEER_CHANGED_ADDRESSES = 1 << 2,
  PEER_CHANGED_POLICY = 1 << 3,   /* trust, key, confirmed, blocked, policy */
  PEER_CHANGED_COUNTS = 1 << 4,   /* unread, queued, last seq */
  PEER_CHANGED_CAPABILITIES = 1 << 5,
  PEER_CHANGED_TYPING = 1 << 6,
} PeerChange;

typedef struct
{
  PeerRow   *row;       /* always with an id */
  char      *folded;    /* of row->instance, or NULL */
  char      *short_folded; /* its part before the '@' */
  char      *alias;     /* the user's name for it alone, or NULL */
  GPtrArray *sightings; /* Sighting */
  Presence  *presence;  /* of the latest sighting, or NULL */
  gboolean   is_self;
  char       fingerprint[FINGERPRINT_SIZE]; /* of row->key; "" without one */
  char       claim[FINGERPRINT_SIZE];       /* of row->claim */
  char      *looks_like; /* whom the user knows and could take it for, or NULL */
  gboolean   confirmed;  /* it proved its key since it was sighted */
  gboolean   recognised; /* its record points to a key that we know */
  gboolean   confirming; /* waits for its turn to be asked for that */
  gboolean   verifying;  /* a comparison of codes waits for a stream, with whoever is there */
  gboolean   downgraded; /* it should encrypt, and last offered nothing */

  GPtrArray *sessions;  /* Session, borrowed: every stream with it, open or opening */
  Session   *session;   /* the one to send on, or NULL */
  gboolean   reachable; /* there is a stream, or the next one is being opened already */
  guint      early_closes; /* connections in a row that ended before they were open: another address of ours next time */
  GPtrArray *refused;      /* GInetSocketAddress: its own addresses where that happened since a stream was open */
  guint      retry_s;   /* the next pause after a failure, 0: none yet */
  GSource   *retry;     /* the pause after a failed stream, or NULL */
  GPtrArray *added;     /* GInetSocketAddress: what the address that the user added resolved to */

  Capability capabilities;
  gboolean   capabilities_known;
  ChatState  typing;
  guint      unread, queued;
  guint      moving;    /* transfers that need a stream now */
  GPtrArray *ready;     /* MessageRow: of this turn, stored as SENT already; they go onto the stream after its commit */
  guint64    last_seq;
  gboolean   unstored;   /* its row was rolled back */
  gboolean   written_to; /* the user wrote to it at some time: it is no stranger */

  GPtrArray *probes;    /* who waits for a stream and an answer, or NULL */
  GPtrArray *traces;    /* of the bus, or NULL */
  guint      changed;   /* PeerChange, not told yet */
  gboolean   pumping;   /* its outbox is looked at after this turn */
} Peer;

Peer *peer_new (PeerRow *row); /* takes it */
void  peer_free (Peer *peer);

/* peer_rename: a new instance name (the row is changed, not saved) */
void peer_rename (Peer *peer, const char *instance);

gboolean    peer_is_announced (const Peer *peer); /* mDNS shows it */
gboolean    peer_is_online (const Peer *peer);
gboolean    peer_has_key (const Peer *peer, const guint8 key[PEER_KEY]);
gboolean    peer_is_pinned (const Peer *peer);    /* the user bound it to its key: nothing goes in clear */
gboolean    peer_encrypts (const Peer *peer);     /* it has a key, or its record says or said last that it will show one */
gboolean    peer_is_in_conflict (const Peer *peer);
const char *peer_trust (const Peer *peer);        /* "plain" "new" "pinned" "verified" "conflict" "blocked" */

/* peer_set_key, peer_set_claim: PEER_KEY bytes, or NULL; the row is changed, not saved. */
void peer_set_key (Peer *peer, const guint8 *key);
void peer_set_claim (Peer *peer, const guint8 *key);
Status      peer_status (const Peer *peer);

/* peer_add_sighting, peer_remove_sighting: what changed. The sighting is copied. */
PeerChange peer_add_sighting (Peer *peer, const Sighting *sighting);
PeerChange peer_remove_sighting (Peer *peer, guint interface, GSocketFamily family);

PeerChange peer_remove_all_sightings (Peer *peer);

/* peer_has_address: one of its sightings, or of what the user added, is at this address. */
gboolean peer_has_address (const Peer *peer, GInetSocketAddress *address);
