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

typedef struct
{
  gint64        id;        /* 0: no row yet. Never reused */
  char         *instance;  /* DNS-SD name, the spelling first seen; NULL for one that is known by address only */
  char         *nick;      /* what it last called itself, or NULL */
  gboolean      blocked;
  PeerPlaintext plaintext;
  gint64        last_seen; /* µs since 1970; 0: never */
  char         *address;   /* "host" or "host:port" that the user added, or NULL */
} PeerRow;

PeerRow *peer_row_new (void);
void     peer_row_free (PeerRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PeerRow, peer_row_free)

/* peers_load: all rows, ordered by id. PeerRow, the array owns them. */
GPtrArray *peers_load (Database *db, GError **error);

/* peers_save: writes the row; one with id 0 is inserted and gets its id. Two rows never have the same folded instance: EXISTS. */
gboolean peers_save (Database *db, PeerRow *row, GError **error);

/* peers_restore: the same for a row with an id of the caller's, whether it is there or not: it may have been rolled back. */
gboolean peers_restore (Database *db, PeerRow *row, GError **error);

/* peers_last_id: the highest that was ever given and stored. */
gint64 peers_last_id (Database *db);

/* peers_forget: the row, its aliases, messages, seen ids: everything about it. */
gboolean peers_forget (Database *db, gint64 id, GError **error);

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
