/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/transfer-rows.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "store/schema.h"

#define COLUMNS                                                                                                     \
  "id, peer, direction, state, reason, sid, name, key, batch, size, transferred, files, entries, folder, sources,"  \
  " offer, failures, paths, created, changed, expires, flags "

static const char *const names[] = {
  [TRANSFER_OFFERED] = "offered",   [TRANSFER_QUEUED] = "queued",     [TRANSFER_WAITING_PEER] = "waiting-peer",
  [TRANSFER_ACTIVE] = "active",     [TRANSFER_PAUSED] = "paused",     [TRANSFER_VERIFYING] = "verifying",
  [TRANSFER_COMPLETE] = "complete", [TRANSFER_REJECTED] = "rejected", [TRANSFER_CANCELED] = "canceled",
  [TRANSFER_FAILED] = "failed",
};

const char *
transfer_state_name (TransferState state)
{
  return names[state];
}

gboolean
transfer_state_is_final (TransferState state)
{
  return state >= TRANSFER_COMPLETE;
}

/* Rows ---------------------------------------------------------------------------------------------------- */

TransferRow *
transfer_row_new (void)
{
  TransferRow *row = g_new0 (TransferRow, 1);

  row->size = -1;
  return row;
}

void
transfer_row_free (TransferRow *row)
{
  if (row == NULL)
    return;
  g_free (row->reason);
  g_free (row->sid);
  g_free (row->name);
  g_free (row->key);
  g_free (row->batch);
  g_free (row->folder);
  g_clear_pointer (&row->sources, g_bytes_unref);
  g_clear_pointer (&row->offer, g_bytes_unref);
  g_clear_pointer (&row->failures, g_bytes_unref);
  g_clear_pointer (&row->paths, g_bytes_unref);
  g_free (row);
}

static void
free_row (gpointer row)
{
  transfer_row_free (row);
}

static GBytes *
read_bytes (sqlite3_stmt *stmt, int column)
{
  if (sqlite3_column_type (stmt, column) == SQLITE_NULL)
    return NULL;
  return g_bytes_new (sqlite3_column_blob (stmt, column), (gsize) sqlite3_column_bytes (stmt, column));
}

/* A state that the table should not have is an end. */
static TransferState
read_state (sqlite3_stmt *stmt, int column)
{
  gint64 state = sqlite3_column_int64 (stmt, column);

  return state >= 0 && state <= TRANSFER_FAILED ? (TransferState) state : TRANSFER_FAILED;
}

static gpointer
row_of (sqlite3_stmt *stmt)
{
  TransferRow *row = transfer_row_new ();

  row->id = (guint64) sqlite3_column_int64 (stmt, 0);
  row->peer = sqlite3_column_int64 (stmt, 1);
  row->direction = sqlite3_column_int (stmt, 2) == DIRECTION_OUT ? DIRECTION_OUT : DIRECTION_IN;
  row->state = read_state (stmt, 3);
  row->reason = database_dup_text (stmt, 4);
  row->sid = database_dup_text (stmt, 5);
  row->name = database_dup_text (stmt, 6);
  row->key = database_dup_text (stmt, 7);
  row->batch = database_dup_text (stmt, 8);
  row->size = MAX (-1, sqlite3_column_int64 (stmt, 9));
  row->transferred = MAX (0, sqlite3_column_int64 (stmt, 10));
  row->files = (guint64) MAX (0, sqlite3_column_int64 (stmt, 11));
  row->entries = (guint64) MAX (0, sqlite3_column_int64 (stmt, 12));
  row->folder = database_dup_text (stmt, 13);
  row->sources = read_bytes (stmt, 14);
  row->offer = read_bytes (stmt, 15);
  row->failures = read_bytes (stmt, 16);
  row->paths = read_bytes (stmt, 17);
  row->created = sqlite3_column_int64 (stmt, 18);
  row->changed = sqlite3_column_int64 (stmt, 19);
  row->expires = sqlite3_column_int64 (stmt, 20);
  row->flags = (guint) sqlite3_column_int64 (stmt, 21);
  return row;
}

/* Writing ------------------------------------------------------------------------------------------------- */

static gboolean
fail (HearbyError code, const char *what, GError **error)
{
  g_set_error_literal (error, HEARBY_ERROR, (int) code, what);
  return FALSE;
}

static gboolean
check_row (Database *db, const TransferRow *row, GError **error)
{
  const char   *texts[] = { row->name, row->sid, row->key, row->batch };
  sqlite3_stmt *stmt = database_prepare (db, "SELECT 1 FROM peer WHERE id = ?1");

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (texts[i] != NULL && (!g_utf8_validate (texts[i], -1, NULL) || (i > 0 && strlen (texts[i]) > LIMIT_ID)))
      return fail (HEARBY_ERROR_INVALID_ARGUMENT, "a name of the transfer is too long or not UTF-8", error);
  sqlite3_bind_int64 (stmt, 1, row->peer);
  return database_read_one (db, stmt, 0) == 1 || fail (HEARBY_ERROR_NOT_FOUND, "the peer of the transfer is not known", error);
}

static void
bind_bytes (sqlite3_stmt *stmt, int at, GBytes *bytes)
{
  gsize         len = 0;
  gconstpointer data = bytes != NULL ? g_bytes_get_data (bytes, &len) : NULL;

  if (bytes != NULL)
    sqlite3_bind_blob64 (stmt, at, data != NULL ? data : "", len, SQLITE_STATIC);
}

static void
bind_row (sqlite3_stmt *stmt, const TransferRow *row)
{
  if (row->id != 0)
    sqlite3_bind_int64 (stmt, 1, (gint64) row->id);
  sqlite3_bind_int64 (stmt, 2, row->peer);
  sqlite3_bind_int (stmt, 3, row->direction);
  sqlite3_bind_int (stmt, 4, row->state);
  database_bind_text (stmt, 5, row->reason);
  database_bind_text (stmt, 6, row->sid);
  database_bind_text (stmt, 7, row->name != NULL ? row->name : "");
  database_bind_text (stmt, 8, row->key);
  database_bind_text (stmt, 9, row->batch);
  sqlite3_bind_int64 (stmt, 10, row->size);
  sqlite3_bind_int64 (stmt, 11, row->transferred);
  sqlite3_bind_int64 (stmt, 12, (gint64) row->files);
  sqlite3_bind_int64 (stmt, 13, (gint64) row->entries);
  database_bind_text (stmt, 14, row->folder);
  bind_bytes (stmt, 15, row->sources);
  bind_bytes (stmt, 16, row->offer);
  bind_bytes (stmt, 17, row->failures);
  bind_bytes (stmt, 18, row->paths);
  sqlite3_bind_int64 (stmt, 19, row->created);
  sqlite3_bind_int64 (stmt, 20, row->changed);
  sqlite3_bind_int64 (stmt, 21, row->expires);
  sqlite3_bind_int64 (stmt, 22, row->flags);
}

gboolean
transfers_save (Database *db, TransferRow *row, GError **error)
{
  sqlite3_stmt *stmt;

  if (!check_row (db, row, error))
    return FALSE;
  stmt = database_prepare (
    db, "INSERT INTO transfer (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
        " ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)"
        " ON CONFLICT (id) DO UPDATE SET peer = ?2, direction = ?3, state = ?4, reason = ?5, sid = ?6, name = ?7, key = ?8,"
        " batch = ?9, size = ?10, transferred = ?11, files = ?12, entries = ?13, folder = ?14, sources = ?15, offer = ?16,"
        " failures = ?17, paths = ?18, created = ?19, changed = ?20, expires = ?21, flags = ?22");
  bind_row (stmt, row);
  if (!database_write (db, stmt, error))
    return FALSE;
  if (row->id == 0)
    row->id = (guint64) database_last_id (db);
  return TRUE;
}

/* Reading ------------------------------------------------------------------------------------------------- */

static TransferRow *
read_first (Database *db, sqlite3_stmt *stmt)
{
  g_autoptr (GPtrArray) rows = database_read_all (db, stmt, row_of, NULL, NULL);

  return rows != NULL && rows->len > 0 ? g_ptr_array_index (rows, 0) : NULL;
}

GPtrArray *
transfers_load_open (Database *db, GError **error)
{
  return database_read_all (
    db, database_prepare (db, "SELECT " COLUMNS "FROM transfer WHERE " SCHEMA_TRANSFER_OPEN " ORDER BY id"), row_of,
    free_row, error);
}

TransferRow *
transfers_get (Database *db, guint64 id)
{
  sqlite3_stmt *stmt = database_prepare (db, "SELECT " COLUMNS "FROM transfer WHERE id = ?1");

  sqlite3_bind_int64 (stmt, 1, (gint64) MIN (id, G_MAXINT64));
  return read_first (db, stmt);
}

TransferRow *
transfers_by_sid (Database *db, gint64 peer, Direction direction, const char *sid)
{
  sqlite3_stmt *stmt
    = database_prepare (db, "SELECT " COLUMNS "FROM transfer WHERE peer = ?1 AND direction = ?2 AND sid = ?3"
                            " ORDER BY id DESC LIMIT 1");

  sqlite3_bind_int64 (stmt, 1, peer);
  sqlite3_bind_int (stmt, 2, direction);
  database_bind_text (stmt, 3, sid);
  return read_first (db, stmt);
}

GPtrArray *
transfers_by_key (Database *db, const char *key, gint64 now, GError **error)
{
  sqlite3_stmt *stmt
    = database_prepare (db, "SELECT " COLUMNS "FROM transfer WHERE key = ?1 AND created >= ?2 ORDER BY id");

  database_bind_text (stmt, 1, key);
  sqlite3_bind_int64 (stmt, 2, now - (gint64) LIMIT_IDEMPOTENT_S * G_USEC_PER_SEC);
  return database_read_all (db, stmt, row_of, free_row, error);
}

static void
append_peers (GString *sql, const TransferFilter *filter)
{
  if (filter->peers == NULL)
    return;
  g_string_append (sql, " AND peer IN (");
  for (gsize i = 0; i < filter->n_peers; i++)
    g_string_append_printf (sql, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "", filter->peers[i]);
  g_string_append_c (sql, ')');
}

/* Only numbers get into the text. */
static char *
make_sql (const TransferFilter *filter)
{
  GString *sql = g_string_new ("SELECT * FROM (SELECT " COLUMNS "FROM transfer WHERE 1");

  append_peers (sql, filter);
  if (filter->open)
    g_string_append (sql, " AND " SCHEMA_TRANSFER_OPEN);
  if (filter->before != 0)
    g_string_append_printf (sql, " AND id < %" G_GINT64_FORMAT, (gint64) MIN (filter->before, G_MAXINT64));
  if (filter->changed != 0)
    g_string_append_printf (sql, " AND (" SCHEMA_TRANSFER_OPEN " OR changed >= %" G_GINT64_FORMAT ")", filter->changed);
  g_string_append_printf (sql, " ORDER BY id DESC LIMIT %u) ORDER BY id",
                          filter->limit == 0 ? LIMIT_LIST : MIN (filter->limit, LIMIT_LIST));
  return g_string_free (sql, FALSE);
}

GPtrArray *
transfers_list (Database *db, const TransferFilter *filter, GError **error)
{
  g_autofree char *sql = make_sql (filter);
  sqlite3_stmt    *stmt = database_prepare_once (db, sql);
  GPtrArray       *rows = database_read_all (db, stmt, row_of, free_row, error);

  sqlite3_finalize (stmt);
  return rows;
}

guint64
transfers_last_id (Database *db)
{
  return (guint64) database_read_one (
    db, database_prepare (db, "SELECT seq FROM sqlite_sequence WHERE name = 'transfer'"), 0);
}

gint64
transfers_taken (Database *db, gint64 peer, gint64 since)
{
  sqlite3_stmt *stmt = database_prepare (
    db, "SELECT CAST (min (total (CASE WHEN " SCHEMA_TRANSFER_OPEN " THEN max (size, transferred) ELSE transferred END),"
        " 9.2e18) AS INTEGER) FROM transfer WHERE peer = ?1 AND direction = 0 AND flags & 1 = 1"
        " AND (" SCHEMA_TRANSFER_OPEN " OR changed >= ?2)");

  sqlite3_bind_int64 (stmt, 1, peer);
  sqlite3_bind_int64 (stmt, 2, since);
  return database_read_one (db, stmt, 0);
}

gint64
transfers_next_expiry (Database *db)
{
  return database_read_one (
    db, database_prepare (db, "SELECT min(expires) FROM transfer WHERE expires > 0 AND " SCHEMA_TRANSFER_OPEN), 0);
}

gboolean
transfers_purge (Database *db, gint64 now, GError **error)
{
  gint64        before = now - (gint64) LIMIT_TRANSFERS_KEPT_S * G_USEC_PER_SEC;
  sqlite3_stmt *any = database_prepare (db, "SELECT 1 FROM transfer WHERE state >= 6 AND changed < ?1 LIMIT 1");
  sqlite3_stmt *stmt;

  sqlite3_bind_int64 (any, 1, before);
  if (database_read_one (db, any, 0) == 0)
    return TRUE;
  stmt = database_prepare (db, "DELETE FROM transfer WHERE state >= 6 AND changed < ?1");
  sqlite3_bind_int64 (stmt, 1, before);
  if (!database_write (db, stmt, error))
    return FALSE;
  database_scrub (db);
  return TRUE;
}
