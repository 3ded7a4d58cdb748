/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/peer.h"

/* All peers, and which of them a name means. */

typedef struct _Roster Roster;

/* roster_new: everybody in the database, nobody online. */
Roster *roster_new (Database *db, GError **error);
void    roster_free (Roster *roster);

Peer *roster_by_id (Roster *roster, gint64 id);
Peer *roster_by_key (Roster *roster, const guint8 key[PEER_KEY]);

/* Several may be called the same: who showed different keys, and one who showed none. NULL where nobody is.
 * roster_named: all; roster_by_instance: whom the user means: who is pinned before who is known in clear before a stranger;
 * roster_for_record: whose a record of mDNS is, which may say that he encrypts; roster_in_clear: the one without a key. */
GPtrArray *roster_named (Roster *roster, const char *instance);
Peer *roster_by_instance (Roster *roster, const char *instance);
Peer *roster_for_record (Roster *roster, const char *instance, gboolean encrypts);
Peer *roster_in_clear (Roster *roster, const char *instance);
Peer *roster_self (Roster *roster);

/* roster_foreach order is that of ids. Peer, borrowed; valid until the next change. */
GPtrArray *roster_peers (Roster *roster);

/* roster_superfluous: who may be forgotten for somebody new, where LIMIT_PEERS or LIMIT_NEW_KEYS are known: the one that was only seen, longest ago; NULL where
 * there is room, or nobody to spare. */
Peer *roster_superfluous (Roster *roster);

/* roster_add: somebody new, by instance or by address (one of the two NULL), with PEER_KEY bytes of @key or NULL. NO_SPACE above
 * LIMIT_PEERS by instance. */
Peer *roster_add (Roster *roster, const char *instance, const char *address, const guint8 *key, GError **error);

/* roster_rename: @peer, known by address only so far, or under another name, is called @instance. EXISTS for one without a key, where
 * another one has that name. */
gboolean roster_rename (Roster *roster, Peer *peer, const char *instance, GError **error);

/* roster_save: the row of @peer */
gboolean roster_save (Roster *roster, Peer *peer, GError **error);

/* roster_restore: the same for one whose row was rolled back */
gboolean roster_restore (Roster *roster, Peer *peer, GError **error);

/* roster_remove: out of the list and the database, with everything about it. */
gboolean roster_remove (Roster *roster, Peer *peer, GError **error);

/* roster_merge: @peer was @into all the time: its messages and aliases are @into's. */
gboolean roster_merge (Roster *roster, Peer *peer, Peer *into, GError **error);

/* roster_find: whom a user means, in this order: an alias; "self"; the beginning of a fingerprint; user@host; the short name of a pinned or allowed peer, on the air or not; a short name
 * unique on the air; one unique in the database; an address that was added. Nicks never select. NOT_FOUND, AMBIGUOUS.
 * Peer, borrowed; the caller owns the array. */
GPtrArray *roster_find (Roster *roster, const char *spec, GError **error);

/* roster_dup_name: what every verb takes for @peer: the shortest that finds only it. */
char *roster_dup_name (Roster *roster, const Peer *peer);

/* Aliases. */
GPtrArray *roster_aliases (Roster *roster); /* Alias, borrowed */
gboolean   roster_set_alias (Roster *roster, const char *name, Peer **peers, gsize n_peers, GError **error);
/* roster_move_aliases: where @from was meant, @to is meant from now on. */
gboolean   roster_move_aliases (Roster *roster, const Peer *from, const Peer *to, GError **error);
