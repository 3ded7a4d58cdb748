/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sqlite3.h>

/* hearby.db: SQLite, WAL, synchronous=FULL, one writer: the daemon. The file and its folder are made 0600 and 0700.
 *
 * Writes gather in one transaction that the first of them opens; whoever owns the main loop calls database_commit()
 * once for each turn, before it lets anybody know (store first, signal second). Nothing here touches the loop.
 * Errors: HEARBY_ERROR NO_SPACE, ACCESS_DENIED, FILE_ERROR or FAILED. After a failed write the whole transaction is rolled back at
 * the next database_commit(), which then fails too: what was not committed never happened. */

typedef struct _Database Database;

/* database_open: makes or opens @path and brings its schema up to date (PRAGMA user_version; each step in one transaction). A
 * newer schema than ours is refused. A file that is no database is refused, not touched. */
Database *database_open (const char *path, GError **error);

/* database_close: commits what is open, checkpoints the WAL. NULL is fine. */
void database_close (Database *db);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Database, database_close)

/* database_is_dirty: there is something to commit. */
gboolean database_is_dirty (Database *db);
gboolean database_commit (Database *db, GError **error);

/* Small values: "announced", "status", "status-text", … */
char    *database_get (Database *db, const char *key); /* NULL: not there. Caller owns */
gboolean database_set (Database *db, const char *key, const char *value, GError **error); /* NULL removes */

/* For the other files of store/ only. */
sqlite3_stmt *database_prepare (Database *db, const char *sql);            /* cached by @sql (a literal); reset and unbound */
gboolean      database_write (Database *db, sqlite3_stmt *stmt, GError **error); /* opens the transaction, steps once to DONE, resets */
gint64        database_last_id (Database *db);
int           database_changes (Database *db);
