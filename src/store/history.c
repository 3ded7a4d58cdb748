/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/limits.h"
#include "store/message-row.h"
#include "store/schema.h"
#include "store/search.h"

/* Reading ------------------------------------------------------------------------------------------------ */

static void
append_peers (GString *sql, const MessageFilter *filter)
{
  if (filter->peers == NULL)
    {
      /* Leads to the index by peer and state, instead of through the whole history. */
      if (filter->unread)
        g_string_append (sql, " AND m.peer IN (SELECT id FROM peer)");
      return;
    }
  g_string_append (sql, " AND m.peer IN (");
  for (gsize i = 0; i < filter->n_peers; i++)
    g_string_append_printf (sql, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "", filter->peers[i]);
  g_string_append_c (sql, ')');
}

/* Only numbers get into the text; ?1 is what is searched for. */
static char *
make_sql (const MessageFilter *filter, const char *expression)
{
  GString    *sql = g_string_new ("SELECT " MESSAGE_COLUMNS);
  const char *seq = expression != NULL ? "t.rowid" : "m.seq";
  guint       limit = filter->limit == 0 ? LIMIT_LIST : MIN (filter->limit, LIMIT_LIST);

  if (expression != NULL)
    g_string_append (
      sql, "FROM message_text t CROSS JOIN message m ON m.seq = t.rowid WHERE t.message_text MATCH ?1");
  else
    g_string_append (sql, "FROM message m WHERE 1");
  if (filter->since_seq != 0)
    g_string_append_printf (sql, " AND %s > %" G_GINT64_FORMAT, seq,
                            (gint64) MIN (filter->since_seq, G_MAXINT64));
  if (filter->before_seq != 0)
    g_string_append_printf (sql, " AND %s < %" G_GINT64_FORMAT, seq,
                            (gint64) MIN (filter->before_seq, G_MAXINT64));
  append_peers (sql, filter);
  if (filter->since != 0)
    g_string_append_printf (sql, " AND m.time >= %" G_GINT64_FORMAT, filter->since);
  if (filter->until != 0)
    g_string_append_printf (sql, " AND m.time < %" G_GINT64_FORMAT, filter->until);
  if (filter->incoming)
    g_string_append (sql, " AND m.direction = 0");
  if (filter->unread)
    g_string_append (sql, " AND m.state = 0");
  g_string_append_printf (sql, " ORDER BY %s %s LIMIT %u", seq, filter->newest ? "DESC" : "ASC", limit);
  return g_string_free (sql, FALSE);
}

static void
reverse (GPtrArray *rows)
{
  for (guint i = 0; i < rows->len / 2; i++)
    {
      gpointer row = rows->pdata[i];

      rows->pdata[i] = rows->pdata[rows->len - 1 - i];
      rows->pdata[rows->len - 1 - i] = row;
    }
}

GPtrArray *
messages_list (Database *db, const MessageFilter *filter, GError **error)
{
  g_autofree char *expression = NULL;
  g_autofree char *sql = NULL;
  sqlite3_stmt    *stmt;
  GPtrArray       *rows;

  if (filter->search != NULL && !search_expression (filter->search, &expression, error))
    return NULL;
  if (expression != NULL && !search_update (db, error))
    return NULL;
  sql = make_sql (filter, expression);
  stmt = database_prepare_once (db, sql);
  database_bind_text (stmt, 1, expression);
  rows = message_row_read_all (db, stmt, error);
  sqlite3_finalize (stmt);
  if (rows != NULL && filter->newest)
    reverse (rows);
  return rows;
}

/* Ending ------------------------------------------------------------------------------------------------- */

/* Nothing waits for it: neither the peer, nor the user, nor a consumer (who only gets what comes in). By peer
 * and state, where an index leads to few rows: with the history off this is asked at every turn, and the
 * queue may be long. */
#define IS_DONE                                                                                              \
  "peer IN (SELECT id FROM peer) AND state IN (2, 3, 4, 5, 6) AND confirms IN (0, 1) AND "                   \
  "NOT " SCHEMA_WAITING " AND received < ?1 AND (direction = 1 OR seq <= ?2)"

static gint64
days (gint64 n)
{
  return n * 24 * 3600 * G_USEC_PER_SEC;
}

static void
bind_done (Database *db, sqlite3_stmt *stmt, gint64 before)
{
  sqlite3_stmt *least = database_prepare (db, "SELECT min(acknowledged) FROM consumer");

  sqlite3_bind_int64 (stmt, 1, before);
  sqlite3_bind_int64 (stmt, 2, database_read_one (db, least, G_MAXINT64));
}

static gboolean
purge_messages (Database *db, gint64 before, GError **error)
{
  sqlite3_stmt *first = database_prepare (db, "SELECT min(seq) FROM message WHERE " IS_DONE);
  sqlite3_stmt *stmt;
  gint64        seq;

  bind_done (db, first, before);
  seq = database_read_one (db, first, 0);
  if (seq == 0)
    return TRUE;
  if (!search_forget (db, seq, error))
    return FALSE;
  stmt = database_prepare (db, "DELETE FROM message WHERE " IS_DONE);
  bind_done (db, stmt, before);
  if (!database_write (db, stmt, error))
    return FALSE;
  database_scrub (db);
  return TRUE;
}

static gboolean
purge_older (Database *db, sqlite3_stmt *any, sqlite3_stmt *stmt, gint64 before, GError **error)
{
  sqlite3_bind_int64 (any, 1, before);
  if (database_read_one (db, any, 0) == 0)
    return TRUE; /* no transaction, no fsync, for nothing */
  sqlite3_bind_int64 (stmt, 1, before);
  return database_write (db, stmt, error);
}

gboolean
messages_purge (Database *db, int keep_days, gint64 now, GError **error)
{
  if (keep_days >= 0 && !purge_messages (db, keep_days == 0 ? G_MAXINT64 : now - days (keep_days), error))
    return FALSE;
  return purge_older (db, database_prepare (db, "SELECT 1 FROM wire_id WHERE seq = 0 AND time < ?1 LIMIT 1"),
                      database_prepare (db, "DELETE FROM wire_id WHERE seq = 0 AND time < ?1"),
                      now - (gint64) LIMIT_SEEN_S * G_USEC_PER_SEC, error)
         && purge_older (db, database_prepare (db, "SELECT 1 FROM sent_key WHERE time < ?1 LIMIT 1"),
                         database_prepare (db, "DELETE FROM sent_key WHERE time < ?1"),
                         now - (gint64) LIMIT_IDEMPOTENT_S * G_USEC_PER_SEC, error);
}
