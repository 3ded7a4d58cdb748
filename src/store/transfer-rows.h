/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/messages.h"

/* Transfers of files of both directions, those that go on and those that ended. Times are µs since 1970. */

typedef enum
{
  TRANSFER_OFFERED,      /* in: waits for the user's word; out: for the peer's */
  TRANSFER_QUEUED,       /* accepted, and has not begun */
  TRANSFER_WAITING_PEER, /* the peer is not there */
  TRANSFER_ACTIVE,
  TRANSFER_PAUSED,
  TRANSFER_VERIFYING,
  TRANSFER_COMPLETE, /* this and what follows: for good */
  TRANSFER_REJECTED,
  TRANSFER_CANCELED,
  TRANSFER_FAILED,
} TransferState;

const char *transfer_state_name (TransferState state); /* "offered" "queued" "waiting-peer" … Static */
gboolean    transfer_state_is_final (TransferState state);

typedef enum
{
  TRANSFER_FLAG_ACCEPTED = 1 << 0, /* in: it counts for the quota. All other bits are the caller's */
} TransferFlags;

typedef struct
{
  guint64       id;          /* 0: no row yet. Grows, never reused, ≤ 2^63-1 */
  gint64        peer;        /* PeerRow.id */
  Direction     direction;
  TransferState state;
  char         *reason;      /* transfer/reason.h, or NULL for none */
  char         *sid;         /* of the session, or NULL: not offered yet. A peer may use one again after its transfer ended */
  char         *name;        /* what a list shows */
  char         *key;         /* out: of put --id, or NULL; the same in all transfers of that call */
  char         *batch;       /* out: what several calls have in common, or NULL */
  gint64        size;        /* -1: not known */
  gint64        transferred; /* bytes of content, as of the last save */
  guint64       files;
  guint64       entries;
  char         *folder;      /* in: the target, a path; or NULL */
  GBytes       *sources;     /* out: pairs of name and path, each ended by NUL; or NULL */
  GBytes       *offer;       /* these three as the caller writes them, or NULL: the top-level entries, */
  GBytes       *failures;    /* what failed and why, */
  GBytes       *paths;       /* and where things are now */
  gint64        created;
  gint64        changed;     /* the last change of state */
  gint64        expires;     /* when to give up, or 0 */
  guint         flags;
} TransferRow;

TransferRow *transfer_row_new (void); /* size is -1 */
void         transfer_row_free (TransferRow *row); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TransferRow, transfer_row_free)

/* transfers_load_open: all that have not ended, ordered by id. TransferRow, the array owns them (as below). */
GPtrArray *transfers_load_open (Database *db, GError **error);

/* transfers_save: writes the row; one with id 0 is inserted and gets its id, one with an id is written whether it is there or
 * not (it may have been rolled back). Refused before anything is written: NOT_FOUND (no such peer), INVALID_ARGUMENT (a name,
 * sid, key or batch that is no UTF-8; a key, batch or sid above LIMIT_ID). */
gboolean transfers_save (Database *db, TransferRow *row, GError **error);

TransferRow *transfers_get (Database *db, guint64 id); /* NULL: there is none */

/* transfers_by_sid: the newest of them, ended or not; NULL: there is none. */
TransferRow *transfers_by_sid (Database *db, gint64 peer, Direction direction, const char *sid);

/* transfers_by_key: those of LIMIT_IDEMPOTENT_S before @now, ordered by id; none is an empty array. */
GPtrArray *transfers_by_key (Database *db, const char *key, gint64 now, GError **error);

typedef struct
{
  const gint64 *peers;       /* NULL: everybody */
  gsize         n_peers;
  gboolean      open;        /* only those that have not ended */
  guint64       before;      /* only id < this; 0: no bound */
  gint64        changed;     /* only those that are open, or changed at or after this; 0: no bound */
  guint         limit;       /* 0: LIMIT_LIST; never more */
} TransferFilter;

/* transfers_list: the newest @limit of them, in order of id. */
GPtrArray *transfers_list (Database *db, const TransferFilter *filter, GError **error);

/* transfers_last_id: the highest that was ever given and stored. */
guint64 transfers_last_id (Database *db);

/* transfers_taken: what a policy accepted of @peer's since that time: of those that go on what they will be, of those
 * that ended what came. */
gint64 transfers_taken (Database *db, gint64 peer, gint64 since);

/* transfers_next_expiry: the earliest of those that have not ended, or 0. */
gint64 transfers_next_expiry (Database *db);

/* transfers_purge: what ended LIMIT_TRANSFERS_KEPT_S before @now goes, and cannot be found in the file after the next
 * database_commit(). Cheap where nothing may go. */
gboolean transfers_purge (Database *db, gint64 now, GError **error);
