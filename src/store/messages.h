/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/database.h"

/* Messages of both directions, the outbox among them, ids seen, consumers. Times are µs since 1970. */

typedef enum
{
  DIRECTION_IN,
  DIRECTION_OUT,
} Direction;

typedef enum
{
  MESSAGE_RECEIVED,  /* in: every message that came */
  MESSAGE_QUEUED,    /* out: safe in the outbox */
  MESSAGE_SENT,      /* out: handed to a stream */
  MESSAGE_DELIVERED, /* out: the peer has it on its disk (XEP-0184) */
  MESSAGE_READ,      /* out: the peer's user saw it (XEP-0333); in: our user did */
  MESSAGE_FAILED,    /* out, for good; see reason */
  MESSAGE_EXPIRED,   /* out, for good */
  MESSAGE_HELD,      /* out: waits for the user's yes */
} MessageState;

const char *message_state_name (MessageState state); /* "received" "queued" … Static */

typedef struct
{
  guint64      seq;       /* grows, never reused, ≤ 2^63-1 */
  gint64       peer;      /* PeerRow.id */
  Direction    direction;
  char        *id;        /* on the wire, unique for (peer, direction); NULL: the peer gave none */
  char        *body;
  gint64       time;      /* when it was written (out, or the peer's delay stamp) */
  gint64       received;  /* when we got it from the peer or the user */
  MessageState state;
  char        *reason;    /* why failed or held, a machine name ("Canceled", "sleep"), or NULL */
  guint64      corrects;  /* seq of the message that this one replaces, or 0 (XEP-0308: always the first one's) */
  gboolean     confirms;  /* out, sent: the peer promised receipts, so SENT without one goes again on the next stream */
  gint64       expires;   /* out: when to give up, or 0 */
  gboolean     once;      /* out: the yes was for this message only (--plaintext): never queued beyond the present stream */
  gboolean     encrypted;
  char        *trust;     /* the word at that time: "plain" */
} MessageRow;

MessageRow *message_row_new (void);
MessageRow *message_row_copy (const MessageRow *row);
void        message_row_free (MessageRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MessageRow, message_row_free)

/* messages_add: stores it and sets row->seq. An incoming one whose (peer, id) was seen in the last 30 days (row->received counts) is
 * not stored again: TRUE with seq 0. Refused before anything is written: INVALID_ARGUMENT (a body above LIMIT_BODY, an id above
 * LIMIT_ID, no UTF-8, a state the direction has not), EXISTS (outgoing, id used before), NO_SPACE (LIMIT_QUEUE_MESSAGES wait),
 * NOT_FOUND (no such peer). */
gboolean messages_add (Database *db, MessageRow *row, GError **error);

MessageRow *messages_get (Database *db, guint64 seq);
/* messages_find: by id on the wire; NULL where there is none. */
MessageRow *messages_find (Database *db, gint64 peer, Direction direction, const char *id);

/* messages_set_state: FALSE without an error: nothing changed, because there is no such row or it would have gone backwards (delivered
 * after read, anything after failed or expired; only sent may be queued again). @confirms counts for SENT, which may be repeated
 * to change it. */
gboolean messages_set_state (Database *db, guint64 seq, MessageState state, const char *reason, gboolean confirms, GError **error);

/* messages_confirm: of ours with this id, SENT and unconfirmed, becomes DELIVERED. 0: there is none. */
guint64 messages_confirm (Database *db, gint64 peer, const char *id, GError **error);

/* The outbox ------------------------------------------------------------------------------------------------ */

/* outbox_next: up to @limit QUEUED messages for @peer with seq > @after, in order. MessageRow, the array owns them. */
GPtrArray *outbox_next (Database *db, gint64 peer, guint64 after, guint limit, GError **error);

guint outbox_count (Database *db, gint64 peer); /* QUEUED, HELD, and SENT that may go again */

guint outbox_in_flight (Database *db, gint64 peer); /* SENT that may go again */

/* outbox_requeue: SENT with confirms goes back to QUEUED: after a stream broke (@peer) or a restart (0: all). Answers the seqs. */
GArray *outbox_requeue (Database *db, gint64 peer, GError **error);

/* outbox_change: all of @peer (0: of everybody) in state @from get state @to with @reason (HELD at sleep, QUEUED at the next yes). Answers the seqs. */
GArray *outbox_change (Database *db, gint64 peer, MessageState from, MessageState to, const char *reason, GError **error);

/* outbox_expire: QUEUED, HELD and unconfirmed SENT whose time is over become EXPIRED (SENT without confirms is left). Answers the seqs. */
GArray *outbox_expire (Database *db, gint64 now, GError **error);
gint64  outbox_next_expiry (Database *db); /* the earliest, or 0 */

/* outbox_move_encrypted: what is QUEUED for @from, and was written for who holds a key, is for @to. */
gboolean outbox_move_encrypted (Database *db, gint64 from, gint64 to, GError **error);

/* outbox_peers: ids of the peers that have something QUEUED. gint64. */
GArray *outbox_peers (Database *db, GError **error);

/* Reading --------------------------------------------------------------------------------------------------- */

typedef struct
{
  guint64     since_seq;   /* only seq > this */
  guint64     before_seq;  /* only seq < this; 0: no bound */
  const gint64 *peers;     /* NULL: everybody */
  gsize       n_peers;
  gint64      since, until;/* by time, since ≤ time < until; 0: no bound */
  const char *search;      /* words, each must be there (FTS5, every word quoted: no query syntax reaches it, the last may be a prefix);
                            * NULL or blanks: no search. The first one after new messages writes (the index): commit */
  gboolean    incoming;    /* only DIRECTION_IN */
  gboolean    unread;      /* only incoming that was not read */
  gboolean    newest;      /* the last @limit instead of the first; still in order of seq */
  guint       limit;       /* 0: LIMIT_LIST; never more */
} MessageFilter;

GPtrArray *messages_list (Database *db, const MessageFilter *filter, GError **error); /* MessageRow; the array owns them */

/* messages_mark_read: incoming of @peer up to @up_to. Answers how many became read, -1 with an error; the id of the newest of these
 * that has one in *@last_id, else NULL. */
int   messages_mark_read (Database *db, gint64 peer, guint64 up_to, char **last_id, GError **error);
/* messages_mark_out_read: our messages to @peer up to the one with @id: SENT or DELIVERED becomes READ. Answers the seqs. */
GArray *messages_mark_out_read (Database *db, gint64 peer, const char *id, GError **error);
guint messages_unread (Database *db, gint64 peer); /* 0: all peers together */
guint64 messages_last_seq (Database *db, gint64 peer); /* 0: of all; 0 where there is none */
/* messages_in_clear: there is one of @peer that crossed the link, or should, without encryption. */
gboolean messages_in_clear (Database *db, gint64 peer);
/* messages_written_to: the user ever wrote to @peer (with the history off: in the last 30 days). */
gboolean messages_written_to (Database *db, gint64 peer);

/* Idempotence: send --id KEY within 7 days. ------------------------------------------------------------------ */
/* sent_keys_check: whether sent_keys_set() would take that. */
gboolean sent_keys_check (const char *key, gsize n, GError **error);
GArray  *sent_keys_get (Database *db, const char *key, gint64 now); /* guint64 seqs, or NULL */
gboolean sent_keys_set (Database *db, const char *key, const guint64 *seqs, gsize n, gint64 now, GError **error);

/* Consumers: each named reader's place. ---------------------------------------------------------------------- */

/* consumers_get: the last seq that @name acknowledged. A new name starts before the oldest message that is not read
 * (nothing the user has not seen is missed, nothing old is replayed), and is written down at once. LIMIT_CONSUMERS: NO_SPACE. */
gboolean consumers_get (Database *db, const char *name, guint64 *acknowledged, GError **error);
/* consumers_acknowledge: only moves forward; a seq that does not exist yet is INVALID_ARGUMENT. */
gboolean consumers_acknowledge (Database *db, const char *name, guint64 seq, GError **error);
/* consumers_forget: it keeps nothing from being purged any more. Fine where there is none. */
gboolean consumers_forget (Database *db, const char *name, GError **error);

/* messages_purge: what may go: beyond @keep_days (-1: keep for ever, 0: history off), never what is queued, unread, or incoming and
 * not acknowledged by every consumer; ids seen and send keys beyond their time. What goes cannot be found in the file after the next
 * database_commit(). Cheap where nothing may go. */
gboolean messages_purge (Database *db, int keep_days, gint64 now, GError **error);
