/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/database.h"

/* Table of the peers that somebody wrote to, heard from or configured, and of the user's aliases. A peer that was only seen
 * gets a row when it is first needed. */

typedef enum
{
  PLAINTEXT_ASK,   /* sending in clear needs an explicit yes each time */
  PLAINTEXT_ALLOW, /* the user allowed it: policy PEER plaintext=allow */
} PeerPlaintext;

typedef enum
{
  ENCRYPTION_DEFAULT, /* as the setting says */
  ENCRYPTION_REQUIRE,
  ENCRYPTION_PREFER,
  ENCRYPTION_NEVER,
} PeerEncryption;

/* What is known of a peer's key. */
typedef enum
{
  TRUST_NEW,      /* it showed it, and that is all */
  TRUST_PINNED,   /* the user wrote to it: nobody else gets what is for this peer, and nothing in clear does */
  TRUST_VERIFIED, /* the users compared codes, or it came in a URI */
  TRUST_MISMATCH, /* they compared, and the codes differed */
} PeerTrust;

/* What happens to the files that a peer offers. */
typedef enum
{
  FILES_ASK,   /* the user, or an agent */
  FILES_AUTO,  /* they are accepted, within files_limit and quota: policy PEER files=auto */
  FILES_NEVER, /* they are rejected */
} PeerFiles;

#define PEER_KEY 32 /* bytes: an X25519 public key */

typedef struct
{
  gint64         id;        /* 0: no row yet. Never reused */
  char          *instance;  /* DNS-SD name, the spelling first seen; NULL for one that is known by address only */
  char          *nick;      /* what it last called itself, or NULL */
  gboolean       blocked;
  PeerPlaintext  plaintext;
  PeerEncryption encryption;
  gint64         last_seen; /* µs since 1970; 0: never */
  char          *address;   /* "host" or "host:port" that the user added, or NULL */
  GBytes        *key;       /* PEER_KEY bytes: who it is, or NULL: its name is all that is known */
  gboolean       keyed;     /* its last record said that it encrypts, although it may not have shown its key yet */
  PeerTrust      trust;     /* of the key */
  gint64         verified;  /* when, µs since 1970, or 0 */
  GBytes        *claim;     /* PEER_KEY bytes: another key that was shown under this name and is in question, or NULL */
  PeerFiles      files;
  gint64         files_limit; /* bytes that one transfer may have to be accepted so, 0: no limit */
  char          *files_to;  /* the folder for files of this peer, a path, or NULL: as the setting says */
  gint64         quota;     /* bytes accepted so in 24 hours, 0: no limit */
} PeerRow;

PeerRow *peer_row_new (void);
void     peer_row_free (PeerRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PeerRow, peer_row_free)

/* peers_load: all rows, ordered by id. PeerRow, the array owns them. */
GPtrArray *peers_load (Database *db, GError **error);

/* peers_save: writes the row; one with id 0 is inserted and gets its id. Two rows without a key never have
 * the same folded instance, and no two the same key: EXISTS. */
gboolean peers_save (Database *db, PeerRow *row, GError **error);

/* peers_restore: the same for a row with an id of the caller's, whether it is there or not: it may have been rolled back. */
gboolean peers_restore (Database *db, PeerRow *row, GError **error);

/* peers_last_id: the highest that was ever given and stored. */
gint64 peers_last_id (Database *db);

/* peers_forget: the row, its aliases, messages, seen ids: everything about it. */
gboolean peers_forget (Database *db, gint64 id, GError **error);

/* peers_merge: @from turns out to be @to: its messages, ids and aliases are @to's from now on, its row goes. */
gboolean peers_merge (Database *db, gint64 from, gint64 to, GError **error);

/* Aliases: one name for one or several peers (a group). Names compare ASCII case folded. */
typedef struct
{
  char   *name;
  GArray *peers; /* gint64 */
} Alias;

GPtrArray *aliases_load (Database *db, GError **error); /* Alias, the array owns them, ordered by name */
gboolean   aliases_set (Database *db, const char *name, const gint64 *peers, gsize n_peers, GError **error); /* 0 peers: remove */
/* aliases_move: where @from is in one, @to is from now on. */
gboolean   aliases_move (Database *db, gint64 from, gint64 to, GError **error);
