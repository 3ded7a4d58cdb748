/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/messages.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "store/message-row.h"

/* States ------------------------------------------------------------------------------------------------- */

#define TO(state) (1u << MESSAGE_##state)

/* A message never goes backwards: a late receipt changes nothing, and what was said to have failed for good
 * has failed. Only SENT goes back to QUEUED, when its stream broke. QUEUED and HELD may turn out to be
 * delivered: the receipt of a first copy. */
static const struct
{
  const char *name;
  Direction   direction; /* where a message may begin so; READ in both */
  guint       next;
} states[] = {
  [MESSAGE_RECEIVED] = { "received", DIRECTION_IN, TO (READ) },
  [MESSAGE_QUEUED]
  = { "queued", DIRECTION_OUT,
      TO (QUEUED) | TO (SENT) | TO (DELIVERED) | TO (READ) | TO (FAILED) | TO (EXPIRED) | TO (HELD) },
  [MESSAGE_SENT] = { "sent", DIRECTION_OUT,
                     TO (SENT) | TO (QUEUED) | TO (DELIVERED) | TO (READ) | TO (FAILED) | TO (EXPIRED) },
  [MESSAGE_DELIVERED] = { "delivered", DIRECTION_OUT, TO (READ) },
  [MESSAGE_READ] = { "read", DIRECTION_OUT, 0 },
  [MESSAGE_FAILED] = { "failed", DIRECTION_OUT, 0 },
  [MESSAGE_EXPIRED] = { "expired", DIRECTION_OUT, 0 },
  [MESSAGE_HELD] = { "held", DIRECTION_OUT,
                     TO (HELD) | TO (QUEUED) | TO (DELIVERED) | TO (READ) | TO (FAILED) | TO (EXPIRED) },
};

const char *
message_state_name (MessageState state)
{
  g_return_val_if_fail (state <= MESSAGE_HELD, "failed");
  return states[state].name;
}

static gboolean
is_in_flight (MessageState state, gboolean confirms)
{
  return state == MESSAGE_SENT && confirms;
}

/* As SCHEMA_WAITING */
static gboolean
is_waiting (MessageState state, gboolean confirms)
{
  return state == MESSAGE_QUEUED || state == MESSAGE_HELD || is_in_flight (state, confirms);
}

/* The promise is about what was sent. Being 0 for the others it lets outbox_next() read its index in order. */
static gboolean
confirms_in (MessageState state, gboolean now, gboolean before)
{
  if (state == MESSAGE_SENT)
    return now;
  return before && state != MESSAGE_QUEUED && state != MESSAGE_HELD && state != MESSAGE_RECEIVED;
}

/* Tallies ------------------------------------------------------------------------------------------------ */

#define COUNT_OF(whom)                                                                                       \
  "SELECT (SELECT count(*) FROM message WHERE peer " whom " AND state = 1)"                                  \
  " + (SELECT count(*) FROM message WHERE peer " whom " AND state = 7),"                                     \
  " (SELECT count(*) FROM message WHERE peer " whom " AND state = 2 AND confirms = 1),"                      \
  " (SELECT count(*) FROM message WHERE peer " whom " AND state = 0)"

static Tally
count (Database *db, gint64 peer)
{
  Tally        *tally = database_tally (db, peer);
  sqlite3_stmt *stmt;

  if (tally != NULL)
    return *tally;
  stmt = database_prepare (db, peer != 0 ? COUNT_OF ("= ?1") : COUNT_OF ("IN (SELECT id FROM peer)"));
  if (peer != 0)
    sqlite3_bind_int64 (stmt, 1, peer);
  if (!database_read (db, stmt, NULL))
    return (Tally){ 0 };
  tally = database_tally_add (db, peer);
  tally->in_flight = sqlite3_column_int (stmt, 1);
  tally->waiting = sqlite3_column_int (stmt, 0) + tally->in_flight;
  tally->unread = sqlite3_column_int (stmt, 2);
  sqlite3_reset (stmt);
  return *tally;
}

static void
adjust (Database *db, gint64 peer, int waiting, int in_flight, int unread)
{
  Tally *tallies[] = { database_tally (db, peer), database_tally (db, 0) };

  for (guint i = 0; i < G_N_ELEMENTS (tallies); i++)
    if (tallies[i] != NULL)
      {
        tallies[i]->waiting += waiting;
        tallies[i]->in_flight += in_flight;
        tallies[i]->unread += unread;
      }
}

guint
messages_unread (Database *db, gint64 peer)
{
  return count (db, peer).unread;
}

guint
outbox_count (Database *db, gint64 peer)
{
  return count (db, peer).waiting;
}

guint
outbox_in_flight (Database *db, gint64 peer)
{
  return count (db, peer).in_flight;
}

/* Adding ------------------------------------------------------------------------------------------------- */

static gboolean
is_text (const char *text, gsize max)
{
  gsize len = text != NULL ? strlen (text) : 0;

  return len <= max && g_utf8_validate_len (text != NULL ? text : "", len, NULL);
}

static gboolean
check_row (const MessageRow *row, GError **error)
{
  const char *what = NULL;

  if (row->body == NULL || !is_text (row->body, LIMIT_BODY))
    what = "a message is at most 64 KiB of UTF-8\nfiles are sent with 'hearby put'";
  else if (!is_text (row->id, LIMIT_ID) || !is_text (row->trust, LIMIT_ID)
           || !is_text (row->reason, LIMIT_ID))
    what = "the id of a message is at most 256 bytes of UTF-8";
  else if (row->state > MESSAGE_HELD
           || (row->direction != states[row->state].direction && row->state != MESSAGE_READ))
    what = "a message cannot begin in that state";
  if (what == NULL)
    return TRUE;
  g_set_error_literal (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, what);
  return FALSE;
}

/* When (peer, direction, id) was seen last, or -1. */
static gint64
seen_at (Database *db, const MessageRow *row)
{
  sqlite3_stmt *stmt;

  if (row->id == NULL)
    return -1;
  stmt = database_prepare (db, "SELECT time FROM wire_id WHERE peer = ?1 AND direction = ?2 AND id = ?3");
  sqlite3_bind_int64 (stmt, 1, row->peer);
  sqlite3_bind_int (stmt, 2, row->direction);
  database_bind_text (stmt, 3, row->id);
  return database_read_one (db, stmt, -1);
}

static gboolean
write_id (Database *db, const MessageRow *row, gint64 seq, GError **error)
{
  sqlite3_stmt *stmt;

  if (row->id == NULL)
    return TRUE;
  stmt = database_prepare (db, "INSERT INTO wire_id VALUES (?1, ?2, ?3, ?4, ?5)"
                               " ON CONFLICT DO UPDATE SET seq = excluded.seq, time = excluded.time");
  sqlite3_bind_int64 (stmt, 1, row->peer);
  sqlite3_bind_int (stmt, 2, row->direction);
  database_bind_text (stmt, 3, row->id);
  sqlite3_bind_int64 (stmt, 4, seq);
  sqlite3_bind_int64 (stmt, 5, row->received);
  return database_write (db, stmt, error);
}

static gboolean
write_row (Database *db, const MessageRow *row, GError **error)
{
  sqlite3_stmt *stmt = database_prepare (
    db, "INSERT INTO message (peer, direction, id, state, confirms, time, received, corrects, expires, once, "
        "encrypted, trust, reason, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)");

  sqlite3_bind_int64 (stmt, 1, row->peer);
  sqlite3_bind_int (stmt, 2, row->direction);
  database_bind_text (stmt, 3, row->id);
  sqlite3_bind_int (stmt, 4, row->state);
  sqlite3_bind_int (stmt, 5, confirms_in (row->state, row->confirms, row->confirms));
  sqlite3_bind_int64 (stmt, 6, row->time);
  sqlite3_bind_int64 (stmt, 7, row->received);
  sqlite3_bind_int64 (stmt, 8, row->corrects);
  sqlite3_bind_int64 (stmt, 9, row->expires);
  sqlite3_bind_int (stmt, 10, row->once);
  sqlite3_bind_int (stmt, 11, row->encrypted);
  database_bind_text (stmt, 12, row->trust);
  database_bind_text (stmt, 13, row->reason);
  database_bind_text (stmt, 14, row->body);
  return database_write (db, stmt, error);
}

static gboolean
check_queue (Database *db, const MessageRow *row, GError **error)
{
  if (row->direction != DIRECTION_OUT || !is_waiting (row->state, row->confirms)
      || outbox_count (db, row->peer) < LIMIT_QUEUE_MESSAGES)
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE, "%d messages wait for this peer already",
               LIMIT_QUEUE_MESSAGES);
  return FALSE;
}

gboolean
messages_add (Database *db, MessageRow *row, GError **error)
{
  gint64 seen;
  gint64 seq;

  row->seq = 0;
  if (!check_row (row, error))
    return FALSE;
  seen = seen_at (db, row);
  if (seen >= 0 && row->direction == DIRECTION_OUT)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_EXISTS, "a message to this peer has the id '%s' already",
                   row->id);
      return FALSE;
    }
  if (seen >= 0 && row->received - seen <= (gint64) LIMIT_SEEN_S * G_USEC_PER_SEC)
    return TRUE;
  if (!check_queue (db, row, error) || !write_row (db, row, error))
    return FALSE;
  seq = database_last_id (db);
  if (!write_id (db, row, seq, error))
    return FALSE;
  row->seq = seq;
  adjust (db, row->peer, is_waiting (row->state, row->confirms), is_in_flight (row->state, row->confirms),
          row->state == MESSAGE_RECEIVED);
  return TRUE;
}

/* One message -------------------------------------------------------------------------------------------- */

static MessageRow *
read_one (Database *db, sqlite3_stmt *stmt)
{
  g_autoptr (GPtrArray) rows = message_row_read_all (db, stmt, NULL);

  return rows != NULL && rows->len > 0 ? g_ptr_array_steal_index (rows, 0) : NULL;
}

MessageRow *
messages_get (Database *db, guint64 seq)
{
  sqlite3_stmt *stmt = database_prepare (db, "SELECT " MESSAGE_COLUMNS "FROM message m WHERE m.seq = ?1");

  if (seq > G_MAXINT64)
    return NULL;
  sqlite3_bind_int64 (stmt, 1, seq);
  return read_one (db, stmt);
}

static gint64
find_seq (Database *db, gint64 peer, Direction direction, const char *id)
{
  sqlite3_stmt *stmt
    = database_prepare (db, "SELECT seq FROM wire_id WHERE peer = ?1 AND direction = ?2 AND id = ?3");

  sqlite3_bind_int64 (stmt, 1, peer);
  sqlite3_bind_int (stmt, 2, direction);
  database_bind_text (stmt, 3, id);
  return database_read_one (db, stmt, 0);
}

MessageRow *
messages_find (Database *db, gint64 peer, Direction direction, const char *id)
{
  gint64 seq = find_seq (db, peer, direction, id);

  return seq != 0 ? messages_get (db, seq) : NULL;
}

typedef struct
{
  gint64       peer;
  MessageState state;
  gboolean     confirms;
} Present;

static gboolean
read_present (Database *db, guint64 seq, Present *present, GError **error)
{
  sqlite3_stmt *stmt = database_prepare (db, "SELECT peer, state, confirms FROM message WHERE seq = ?1");

  sqlite3_bind_int64 (stmt, 1, MIN (seq, G_MAXINT64));
  if (!database_read (db, stmt, error))
    return FALSE;
  present->peer = sqlite3_column_int64 (stmt, 0);
  present->state = message_row_state (stmt, 1);
  present->confirms = sqlite3_column_int (stmt, 2) != 0;
  sqlite3_reset (stmt);
  return TRUE;
}

gboolean
messages_set_state (Database *db, guint64 seq, MessageState state, const char *reason, gboolean confirms,
                    GError **error)
{
  sqlite3_stmt *stmt;
  Present       was;

  if (!read_present (db, seq, &was, error) || (states[was.state].next & (1u << state)) == 0)
    return FALSE;
  confirms = confirms_in (state, confirms, was.confirms);
  stmt = database_prepare (db, "UPDATE message SET state = ?2, confirms = ?3, reason = ?4 WHERE seq = ?1");
  sqlite3_bind_int64 (stmt, 1, seq);
  sqlite3_bind_int (stmt, 2, state);
  sqlite3_bind_int (stmt, 3, confirms);
  database_bind_text (stmt, 4, reason);
  if (!database_write (db, stmt, error))
    return FALSE;
  adjust (db, was.peer, is_waiting (state, confirms) - is_waiting (was.state, was.confirms),
          is_in_flight (state, confirms) - is_in_flight (was.state, was.confirms), -(was.state == MESSAGE_RECEIVED));
  return TRUE;
}

guint64
messages_confirm (Database *db, gint64 peer, const char *id, GError **error)
{
  gint64        seq = find_seq (db, peer, DIRECTION_OUT, id);
  sqlite3_stmt *stmt
    = database_prepare (db, "UPDATE message SET state = 3, reason = NULL WHERE seq = ?1 AND state = 2 AND confirms = 1");

  sqlite3_bind_int64 (stmt, 1, seq);
  if (seq == 0 || !database_write (db, stmt, error) || database_changes (db) == 0)
    return 0;
  adjust (db, peer, -1, -1, 0);
  return seq;
}

/* What was read ------------------------------------------------------------------------------------------ */

static gboolean
read_last_id (Database *db, gint64 peer, gint64 up_to, char **last_id, GError **error)
{
  sqlite3_stmt *stmt
    = database_prepare (db, "SELECT id FROM message WHERE peer = ?1 AND state = 0 AND confirms = 0"
                            " AND seq <= ?2 AND id IS NOT NULL ORDER BY seq DESC LIMIT 1");
  g_autoptr (GError) err = NULL;

  sqlite3_bind_int64 (stmt, 1, peer);
  sqlite3_bind_int64 (stmt, 2, up_to);
  if (database_read (db, stmt, &err))
    *last_id = database_dup_text (stmt, 0);
  sqlite3_reset (stmt);
  if (err == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&err));
  return FALSE;
}

int
messages_mark_read (Database *db, gint64 peer, guint64 up_to, char **last_id, GError **error)
{
  g_autofree char *id = NULL;
  gint64           last = MIN (up_to, G_MAXINT64);
  sqlite3_stmt    *stmt;
  int              n;

  if (last_id != NULL)
    *last_id = NULL;
  if (count (db, peer).unread == 0)
    return 0; /* nothing is written for a look at what is known */
  if (!read_last_id (db, peer, last, &id, error))
    return -1;
  stmt = database_prepare (
    db, "UPDATE message SET state = 4 WHERE peer = ?1 AND state = 0 AND confirms = 0 AND seq <= ?2");
  sqlite3_bind_int64 (stmt, 1, peer);
  sqlite3_bind_int64 (stmt, 2, last);
  if (!database_write (db, stmt, error))
    return -1;
  n = database_changes (db);
  adjust (db, peer, 0, 0, -n);
  if (last_id != NULL)
    *last_id = g_steal_pointer (&id);
  return n;
}

GArray *
messages_mark_out_read (Database *db, gint64 peer, const char *id, GError **error)
{
  sqlite3_stmt *stmt = database_prepare (db, "SELECT seq FROM message WHERE peer = ?1 AND state IN (2, 3)"
                                             " AND confirms IN (0, 1) AND seq <= ?2 ORDER BY seq");

  sqlite3_bind_int64 (stmt, 1, peer);
  sqlite3_bind_int64 (stmt, 2, find_seq (db, peer, DIRECTION_OUT, id));
  return message_row_move_all (db, database_read_seqs (db, stmt, error), MESSAGE_READ, NULL, error);
}

guint64
messages_last_seq (Database *db, gint64 peer)
{
  sqlite3_stmt *stmt;

  if (peer == 0)
    return database_read_one (db, database_prepare (db, "SELECT max(seq) FROM message"), 0);
  stmt = database_prepare (db, "SELECT max(seq) FROM message WHERE peer = ?1");
  sqlite3_bind_int64 (stmt, 1, peer);
  return database_read_one (db, stmt, 0);
}

gboolean
messages_in_clear (Database *db, gint64 peer)
{
  sqlite3_stmt *stmt
    = database_prepare (db, "SELECT 1 FROM message WHERE peer = ?1 AND encrypted = 0 LIMIT 1");

  sqlite3_bind_int64 (stmt, 1, peer);
  return database_read_one (db, stmt, 0) == 1;
}

gboolean
messages_written_to (Database *db, gint64 peer)
{
  sqlite3_stmt *stmt
    = database_prepare (db, "SELECT 1 FROM wire_id WHERE peer = ?1 AND direction = 1 LIMIT 1");

  sqlite3_bind_int64 (stmt, 1, peer);
  return database_read_one (db, stmt, 0) == 1;
}
