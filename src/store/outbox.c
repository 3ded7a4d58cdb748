/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/messages.h"

#include "store/message-row.h"
#include "store/schema.h"

GPtrArray *
outbox_next (Database *db, gint64 peer, guint64 after, guint limit, GError **error)
{
  sqlite3_stmt *stmt
    = database_prepare (db, "SELECT " MESSAGE_COLUMNS "FROM message m WHERE m.peer = ?1 AND m.state = 1"
                            " AND m.confirms = 0 AND m.seq > ?2 ORDER BY m.seq LIMIT ?3");

  sqlite3_bind_int64 (stmt, 1, peer);
  sqlite3_bind_int64 (stmt, 2, MIN (after, G_MAXINT64));
  sqlite3_bind_int64 (stmt, 3, limit);
  return message_row_read_all (db, stmt, error);
}

#define SEQS_OF(whom, confirms)                                                                              \
  "SELECT seq FROM message WHERE peer " whom " AND state = ?2 AND confirms " confirms " ORDER BY seq"

/* @peer 0: of all peers */
static GArray *
seqs_in (Database *db, gint64 peer, MessageState state, gboolean confirming, GError **error)
{
  sqlite3_stmt *stmt;

  if (peer == 0 && confirming)
    stmt = database_prepare (db, SEQS_OF ("IN (SELECT id FROM peer)", "= 1"));
  else if (peer == 0)
    stmt = database_prepare (db, SEQS_OF ("IN (SELECT id FROM peer)", "IN (0, 1)"));
  else if (confirming)
    stmt = database_prepare (db, SEQS_OF ("= ?1", "= 1"));
  else
    stmt = database_prepare (db, SEQS_OF ("= ?1", "IN (0, 1)"));
  if (peer != 0)
    sqlite3_bind_int64 (stmt, 1, peer);
  sqlite3_bind_int (stmt, 2, state);
  return database_read_seqs (db, stmt, error);
}

GArray *
outbox_requeue (Database *db, gint64 peer, GError **error)
{
  return message_row_move_all (db, seqs_in (db, peer, MESSAGE_SENT, TRUE, error), MESSAGE_QUEUED, NULL,
                               error);
}

GArray *
outbox_change (Database *db, gint64 peer, MessageState from, MessageState to, const char *reason,
               GError **error)
{
  return message_row_move_all (db, seqs_in (db, peer, from, FALSE, error), to, reason, error);
}

GArray *
outbox_expire (Database *db, gint64 now, GError **error)
{
  sqlite3_stmt *stmt = database_prepare (db, "SELECT seq FROM message WHERE expires > 0 AND " SCHEMA_WAITING
                                             " AND expires <= ?1 ORDER BY seq");

  sqlite3_bind_int64 (stmt, 1, now);
  return message_row_move_all (db, database_read_seqs (db, stmt, error), MESSAGE_EXPIRED, NULL, error);
}

gint64
outbox_next_expiry (Database *db)
{
  return database_read_one (
    db, database_prepare (db, "SELECT min(expires) FROM message WHERE expires > 0 AND " SCHEMA_WAITING), 0);
}

gboolean
outbox_move_encrypted (Database *db, gint64 from, gint64 to, GError **error)
{
  static const char *const steps[] = {
    "UPDATE OR IGNORE wire_id SET peer = ?2 WHERE peer = ?1 AND direction = 1"
    " AND seq IN (SELECT seq FROM message WHERE peer = ?1 AND state = 1 AND encrypted = 1)",
    "UPDATE message SET peer = ?2 WHERE peer = ?1 AND direction = 1 AND state = 1 AND encrypted = 1",
  };

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      sqlite3_stmt *stmt = database_prepare (db, steps[i]);

      sqlite3_bind_int64 (stmt, 1, from);
      sqlite3_bind_int64 (stmt, 2, to);
      if (!database_write (db, stmt, error))
        return FALSE;
    }
  database_tally_clear (db);
  return TRUE;
}

GArray *
outbox_peers (Database *db, GError **error)
{
  return database_read_seqs (
    db,
    database_prepare (db,
                      "SELECT id FROM peer WHERE EXISTS (SELECT 1 FROM message WHERE message.peer = peer.id"
                      " AND message.state = 1 AND message.confirms = 0) ORDER BY id"),
    error);
}
