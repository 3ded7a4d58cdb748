/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/messages.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"

static gboolean
check_name (const char *name, const char *what, GError **error)
{
  if (*name != '\0' && strlen (name) <= LIMIT_ID && g_utf8_validate (name, -1, NULL))
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "the %s is 1 to %d bytes of UTF-8", what,
               LIMIT_ID);
  return FALSE;
}

/* Sent keys ---------------------------------------------------------------------------------------------- */

GArray *
sent_keys_get (Database *db, const char *key, gint64 now)
{
  sqlite3_stmt *stmt = database_prepare (db, "SELECT seqs FROM sent_key WHERE key = ?1 AND time >= ?2");
  GArray       *seqs = NULL;

  database_bind_text (stmt, 1, key);
  sqlite3_bind_int64 (stmt, 2, now - (gint64) LIMIT_IDEMPOTENT_S * G_USEC_PER_SEC);
  if (database_read (db, stmt, NULL))
    {
      const void *bytes = sqlite3_column_blob (stmt, 0);
      guint       n = sqlite3_column_bytes (stmt, 0) / sizeof (guint64);

      seqs = g_array_sized_new (FALSE, FALSE, sizeof (guint64), n);
      if (n > 0)
        g_array_append_vals (seqs, bytes, n);
    }
  sqlite3_reset (stmt);
  return seqs;
}

gboolean
sent_keys_check (const char *key, gsize n, GError **error)
{
  if (!check_name (key, "key of a message", error))
    return FALSE;
  if (n <= LIMIT_PEERS)
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "a message has at most %d receivers", LIMIT_PEERS);
  return FALSE;
}

gboolean
sent_keys_set (Database *db, const char *key, const guint64 *seqs, gsize n, gint64 now, GError **error)
{
  sqlite3_stmt *stmt;

  if (!sent_keys_check (key, n, error))
    return FALSE;
  stmt = database_prepare (db, "INSERT INTO sent_key VALUES (?1, ?2, ?3)"
                               " ON CONFLICT DO UPDATE SET seqs = excluded.seqs, time = excluded.time");
  database_bind_text (stmt, 1, key);
  sqlite3_bind_blob (stmt, 2, n > 0 ? (const void *) seqs : "", n * sizeof *seqs, SQLITE_STATIC);
  sqlite3_bind_int64 (stmt, 3, now);
  return database_write (db, stmt, error);
}

/* Consumers ---------------------------------------------------------------------------------------------- */

static gint64
find_consumer (Database *db, const char *name)
{
  sqlite3_stmt *stmt = database_prepare (db, "SELECT acknowledged FROM consumer WHERE name = ?1");

  database_bind_text (stmt, 1, name);
  return database_read_one (db, stmt, -1);
}

/* The last seq that was ever given, though its message may be gone. */
static gint64
last_given (Database *db)
{
  return database_read_one (
    db, database_prepare (db, "SELECT seq FROM sqlite_sequence WHERE name = 'message'"), 0);
}

static gint64
oldest_unread (Database *db)
{
  return database_read_one (
    db,
    database_prepare (db, "SELECT min(seq) FROM message WHERE peer IN (SELECT id FROM peer) AND state = 0"),
    0);
}

static gboolean
write_consumer (Database *db, const char *name, gint64 seq, GError **error)
{
  sqlite3_stmt *stmt
    = database_prepare (db, "INSERT INTO consumer VALUES (?1, ?2)"
                            " ON CONFLICT DO UPDATE SET acknowledged = excluded.acknowledged");

  database_bind_text (stmt, 1, name);
  sqlite3_bind_int64 (stmt, 2, seq);
  return database_write (db, stmt, error);
}

static gboolean
add_consumer (Database *db, const char *name, gint64 *acknowledged, GError **error)
{
  gint64 oldest = oldest_unread (db);

  if (database_read_one (db, database_prepare (db, "SELECT count(*) FROM consumer"), 0) >= LIMIT_CONSUMERS)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE, "there are %d consumers already",
                   LIMIT_CONSUMERS);
      return FALSE;
    }
  *acknowledged = oldest > 0 ? oldest - 1 : last_given (db);
  return write_consumer (db, name, *acknowledged, error);
}

gboolean
consumers_get (Database *db, const char *name, guint64 *acknowledged, GError **error)
{
  gint64 seq;

  if (!check_name (name, "name of a consumer", error))
    return FALSE;
  seq = find_consumer (db, name);
  if (seq < 0 && !add_consumer (db, name, &seq, error))
    return FALSE;
  *acknowledged = seq;
  return TRUE;
}

gboolean
consumers_acknowledge (Database *db, const char *name, guint64 seq, GError **error)
{
  guint64 before;

  if (seq > (guint64) last_given (db))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                   "there is no message %" G_GUINT64_FORMAT " yet", seq);
      return FALSE;
    }
  if (!consumers_get (db, name, &before, error))
    return FALSE;
  return seq <= before || write_consumer (db, name, seq, error);
}

gboolean
consumers_forget (Database *db, const char *name, GError **error)
{
  sqlite3_stmt *stmt = database_prepare (db, "DELETE FROM consumer WHERE name = ?1");

  database_bind_text (stmt, 1, name);
  return database_write (db, stmt, error);
}
