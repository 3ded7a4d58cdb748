/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sqlite3.h>

/* hearby.db: SQLite, WAL, synchronous=FULL, one writer: the daemon. The file is 0600, whatever the umask; a
 * folder that is made for it is 0700. What is deleted is overwritten (secure_delete).
 *
 * Writes gather in one transaction that the first of them opens; whoever owns the main loop calls
 * database_commit() once for each turn, before it lets anybody know (store first, signal second). Nothing
 * here touches the loop. Errors: HEARBY_ERROR NO_SPACE, ACCESS_DENIED, FILE_ERROR or FAILED. After a failed
 * write nothing more is written: later writes fail alike, and the whole transaction is rolled back at the
 * next database_commit(), which then fails too: what was not committed never happened. INVALID_ARGUMENT,
 * NOT_FOUND, EXISTS and limits (NO_SPACE of a full queue) are found before anything is written and spoil
 * nothing. */

typedef struct _Database Database;

/* database_open: makes or opens @path and brings its schema up to date (PRAGMA user_version; each step in one
 * transaction). A newer schema than ours is refused. A file that is no database, is another program's or is
 * damaged is refused, not touched. */
Database *database_open (const char *path, GError **error);

/* database_close: commits what is open, checkpoints the WAL. NULL is fine. */
void database_close (Database *db);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Database, database_close)

/* database_is_dirty: there is something to commit, or a failure to learn of. */
gboolean database_is_dirty (Database *db);
gboolean database_commit (Database *db, GError **error);

/* Small values: "announced", "status", "status-text", … */
char    *database_get (Database *db, const char *key); /* NULL: not there. Caller owns */
gboolean database_set (Database *db, const char *key, const char *value, GError **error); /* NULL removes */

/* For the other files of store/ only. -------------------------------------------------------------------- */

/* database_prepare: cached by the address of @sql, a literal; reset and unbound. NULL where the file is
 * damaged: binding to that is harmless, and the functions below then fail. */
sqlite3_stmt *database_prepare (Database *db, const char *sql);

/* database_prepare_once: not cached; the caller finalizes it. */
sqlite3_stmt *database_prepare_once (Database *db, const char *sql);

/* database_write: opens the transaction, steps once to DONE, resets. */
gboolean database_write (Database *db, sqlite3_stmt *stmt, GError **error);
gint64   database_last_id (Database *db);
int      database_changes (Database *db);

/* database_read: TRUE: there is a row, read it and call again, or sqlite3_reset() it (a statement that is
 * left open keeps the WAL from shrinking). FALSE: that was all, or @error is set; it is reset then. */
gboolean database_read (Database *db, sqlite3_stmt *stmt, GError **error);

/* database_read_all: what @make makes of each row, in an array that frees it by @free. NULL with an error.
 * Resets. */
GPtrArray *database_read_all (Database *db, sqlite3_stmt *stmt, gpointer (*make) (sqlite3_stmt *stmt),
                              GDestroyNotify free, GError **error);

/* database_read_one: the integer in the first column of the first row; @fallback where there is none or NULL.
 * Resets. */
gint64 database_read_one (Database *db, sqlite3_stmt *stmt, gint64 fallback);

/* database_read_seqs: the first column of all rows. guint64 (or gint64); NULL with an error. Resets. */
GArray *database_read_seqs (Database *db, sqlite3_stmt *stmt, GError **error);

/* database_scrub: after the next commit the WAL, which holds what was deleted, is emptied. */
void database_scrub (Database *db);

/* Counts of one peer's messages (0: of all peers), kept while they are right, so that a long queue is not
 * counted for each new message in it. */
typedef struct
{
  guint waiting;
  guint in_flight; /* of them: SENT */
  guint unread;
} Tally;

/* database_tally: NULL where it was not counted yet. */
Tally *database_tally (Database *db, gint64 peer);
Tally *database_tally_add (Database *db, gint64 peer);
void   database_tally_clear (Database *db);

/* database_bind_text: NULL is SQL's NULL. Not copied: @text has to live until the statement is reset. */
void database_bind_text (sqlite3_stmt *stmt, int column, const char *text);
/* database_dup_text: a column of the present row, NULL for NULL. Caller owns. */
char *database_dup_text (sqlite3_stmt *stmt, int column);
