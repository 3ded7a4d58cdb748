/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/paths.h"
#include "store/schema.h"

#define MAGIC "SQLite format 3" /* https://www.sqlite.org/fileformat.html 1.3, with its NUL */
#define HEADER_SIZE 100
#define HEADER_APPLICATION_ID 68

struct _Database
{
  sqlite3    *sqlite;
  char       *path;
  GHashTable *statements; /* SQL, by address → sqlite3_stmt */
  GHashTable *tallies;    /* gint64 → Tally */
  GError     *failure;    /* of a write since the last commit */
  gboolean    scrub;
};

/* Errors ------------------------------------------------------------------------------------------------- */

static HearbyError
code_of_errno (int number)
{
  if (number == ENOSPC || number == EDQUOT || number == EFBIG)
    return HEARBY_ERROR_NO_SPACE;
  if (number == EACCES || number == EPERM || number == EROFS)
    return HEARBY_ERROR_ACCESS_DENIED;
  return HEARBY_ERROR_FILE_ERROR;
}

static const struct
{
  int         result;
  HearbyError code;
  const char *what;
} results[] = {
  { SQLITE_FULL, HEARBY_ERROR_NO_SPACE, "there is no space left" },
  { SQLITE_READONLY, HEARBY_ERROR_ACCESS_DENIED, "it may not be written" },
  { SQLITE_PERM, HEARBY_ERROR_ACCESS_DENIED, "it may not be opened" },
  { SQLITE_AUTH, HEARBY_ERROR_ACCESS_DENIED, "it may not be opened" },
  { SQLITE_CANTOPEN, HEARBY_ERROR_FILE_ERROR, "it cannot be opened" },
  { SQLITE_IOERR, HEARBY_ERROR_FILE_ERROR, "reading or writing failed" },
  { SQLITE_CORRUPT, HEARBY_ERROR_FILE_ERROR, "it is damaged" },
  { SQLITE_NOTADB, HEARBY_ERROR_FILE_ERROR, "it is not a database" },
  { SQLITE_BUSY, HEARBY_ERROR_FILE_ERROR, "another program holds it" },
  { SQLITE_LOCKED, HEARBY_ERROR_FILE_ERROR, "another program holds it" },
  { SQLITE_CONSTRAINT, HEARBY_ERROR_NOT_FOUND, "there is no such peer (any more)" }, /* our foreign key */
};

static const char *
hint_of (HearbyError code, int result)
{
  if (code == HEARBY_ERROR_NO_SPACE)
    return "\nfree some space; what was already stored is safe";
  if (result == SQLITE_CORRUPT || result == SQLITE_NOTADB)
    return "\nmove it away to start with an empty one, or restore a copy";
  return "";
}

/* What SQLite says last, as our error. */
static GError *
error_of (sqlite3 *sqlite, const char *path)
{
  int         result = sqlite3_errcode (sqlite);
  int         number = errno; /* COMMIT, unlike other statements, does not tell SQLite's errno */
  HearbyError code = HEARBY_ERROR_FAILED;
  const char *what = sqlite3_errmsg (sqlite);

  if (code_of_errno (number) == HEARBY_ERROR_FILE_ERROR && sqlite3_system_errno (sqlite) != 0)
    number = sqlite3_system_errno (sqlite);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    if (results[i].result == (result & 0xff))
      {
        code = results[i].code;
        what = results[i].what;
      }
  if (((result & 0xff) == SQLITE_IOERR || (result & 0xff) == SQLITE_CANTOPEN) && number != 0)
    {
      code = code_of_errno (number);
      what = g_strerror (number);
    }
  return g_error_new (HEARBY_ERROR, code, "database %s: %s%s", path, what, hint_of (code, result & 0xff));
}

/* Forwards what SQLite says, and remembers it where a write failed. Answers FALSE. */
static gboolean
fail_write (Database *db, GError **error)
{
  if (db->failure == NULL)
    db->failure = error_of (db->sqlite, db->path);
  if (error != NULL)
    *error = g_error_copy (db->failure);
  return FALSE;
}

/* The file ----------------------------------------------------------------------------------------------- */

static gboolean
fail_errno (const char *path, int number, GError **error)
{
  g_set_error (error, HEARBY_ERROR, code_of_errno (number), "database %s: %s", path, g_strerror (number));
  return FALSE;
}

static gboolean
refuse (const char *path, HearbyError code, const char *what, GError **error)
{
  g_set_error (error, HEARBY_ERROR, code, "database %s: %s\nmove it away to start with an empty one", path,
               what);
  return FALSE;
}

static gboolean
make_folder (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);

  if (g_file_test (folder, G_FILE_TEST_IS_DIR)) /* perhaps not ours alone: /tmp, in a test */
    return TRUE;
  if (!paths_make_dir (folder, error))
    return FALSE;
  return chmod (folder, 0700) == 0 || fail_errno (folder, errno, error);
}

/* The first bytes tell whose file it is before SQLite, which would recover or convert it, gets to see it. */
static gboolean
check_header (int fd, const char *path, GError **error)
{
  guint8  header[HEADER_SIZE];
  guint32 id;
  ssize_t n = pread (fd, header, sizeof header, 0);

  if (n < 0)
    return fail_errno (path, errno, error);
  if (n == 0)
    return TRUE; /* new */
  if (n < HEADER_SIZE || memcmp (header, MAGIC, sizeof MAGIC) != 0)
    return refuse (path, HEARBY_ERROR_FILE_ERROR, "it is not a database", error);
  memcpy (&id, header + HEADER_APPLICATION_ID, sizeof id);
  if (GUINT32_FROM_BE (id) != SCHEMA_APPLICATION_ID)
    return refuse (path, HEARBY_ERROR_FILE_ERROR, "it is the database of another program", error);
  return TRUE;
}

static gboolean
check_descriptor (int fd, const char *path, GError **error)
{
  struct stat info;

  if (fstat (fd, &info) != 0)
    return fail_errno (path, errno, error);
  if (!S_ISREG (info.st_mode))
    return refuse (path, HEARBY_ERROR_FILE_ERROR, "it is not a file", error);
  if (info.st_uid != geteuid ())
    return refuse (path, HEARBY_ERROR_ACCESS_DENIED, "it belongs to another user", error);
  if (!check_header (fd, path, error))
    return FALSE;
  /* SQLite gives the WAL and its index the same mode. */
  if ((info.st_mode & 07777) != 0600 && fchmod (fd, 0600) != 0)
    return fail_errno (path, errno, error);
  return TRUE;
}

/* Makes the file where it is missing, so that no moment and no umask leaves it open to others. */
static gboolean
make_file (const char *path, GError **error)
{
  struct stat info;
  gboolean    ok;
  int         fd;

  if (lstat (path, &info) == 0 && S_ISLNK (info.st_mode) && info.st_uid != geteuid ())
    return refuse (path, HEARBY_ERROR_ACCESS_DENIED, "it is another user's link", error);
  fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
  if (fd < 0)
    return fail_errno (path, errno, error);
  ok = check_descriptor (fd, path, error);
  close (fd);
  return ok;
}

/* The connection ----------------------------------------------------------------------------------------- */

static int
step (sqlite3_stmt *stmt)
{
  errno = 0; /* for error_of() */
  return sqlite3_step (stmt);
}

static gboolean
execute (Database *db, const char *sql, GError **error)
{
  if (sqlite3_exec (db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK)
    return TRUE;
  g_propagate_error (error, error_of (db->sqlite, db->path));
  return FALSE;
}

static gboolean
connect_to (Database *db, GError **error)
{
  sqlite3_config (SQLITE_CONFIG_MEMSTATUS, 0); /* nobody asks, and it locks at each allocation; refused where SQLite runs already */
  /* The connection is used from one thread. */
  if (sqlite3_open_v2 (db->path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
    {
      if (db->sqlite == NULL)
        g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "database %s: out of memory", db->path);
      else
        g_propagate_error (error, error_of (db->sqlite, db->path));
      return FALSE;
    }
  sqlite3_extended_result_codes (db->sqlite, 1);
  sqlite3_busy_timeout (db->sqlite, 1000); /* somebody looks into it with sqlite3(1) */
  sqlite3_db_config (db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config (db->sqlite, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
  /* One that is refused stays as it is. */
  sqlite3_db_config (db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  return execute (db,
                  "PRAGMA trusted_schema = OFF;"
                  "PRAGMA cell_size_check = ON;"
                  "PRAGMA synchronous = FULL;"
                  "PRAGMA foreign_keys = ON;"
                  "PRAGMA secure_delete = ON;"
                  "PRAGMA temp_store = MEMORY;" /* sorted text is not for /var/tmp */
                  "PRAGMA mmap_size = 0;"
                  "PRAGMA cache_size = -1024;"
                  "PRAGMA wal_autocheckpoint = 512;"
                  "PRAGMA journal_size_limit = 4194304;",
                  error);
}

static gboolean
read_version (Database *db, gint64 *version, GError **error)
{
  sqlite3_stmt      *stmt = NULL;
  g_autoptr (GError) err = NULL;

  if (sqlite3_prepare_v2 (db->sqlite, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK
      && database_read (db, stmt, &err))
    *version = sqlite3_column_int64 (stmt, 0);
  else if (err == NULL)
    err = error_of (db->sqlite, db->path);
  sqlite3_finalize (stmt);
  if (err == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&err));
  return FALSE;
}

static gboolean
migrate_step (Database *db, guint version, GError **error)
{
  g_autofree char *sql = g_strdup_printf ("BEGIN IMMEDIATE; %s; PRAGMA user_version = %u; COMMIT;",
                                          schema_steps[version], version + 1);

  if (execute (db, sql, error))
    return TRUE;
  sqlite3_exec (db->sqlite, "ROLLBACK", NULL, NULL, NULL);
  return FALSE;
}

static gboolean
migrate (Database *db, GError **error)
{
  g_autofree char *id = g_strdup_printf ("PRAGMA application_id = %d", SCHEMA_APPLICATION_ID);
  gint64           version = 0;

  /* user_version alone reads no schema; this one fails where that is damaged. */
  if (!execute (db, "SELECT count(*) FROM sqlite_schema", error) || !read_version (db, &version, error))
    return FALSE;
  if (version < 0 || version > (gint64) schema_n_steps)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED,
                   "database %s: a newer hearby wrote it (%" G_GINT64_FORMAT ", known is %u)\n"
                   "use that version, or move the file away to start with an empty one",
                   db->path, version, schema_n_steps);
      return FALSE;
    }
  /* The id goes in before WAL, where it would stay out of the file itself until a checkpoint. */
  if (version == 0 && !execute (db, id, error))
    return FALSE;
  if (!execute (db, "PRAGMA journal_mode = WAL", error))
    return FALSE;
  for (; version < (gint64) schema_n_steps; version++)
    if (!migrate_step (db, version, error))
      return FALSE;
  return TRUE;
}

static void
database_free (Database *db)
{
  g_hash_table_unref (db->statements);
  g_hash_table_unref (db->tallies);
  g_clear_error (&db->failure);
  sqlite3_close (db->sqlite);
  g_free (db->path);
  g_free (db);
}

static void
finalize (gpointer stmt)
{
  sqlite3_finalize (stmt);
}

Database *
database_open (const char *path, GError **error)
{
  Database *db;

  if (!make_folder (path, error) || !make_file (path, error))
    return NULL;
  db = g_new0 (Database, 1);
  db->path = g_strdup (path);
  db->statements = g_hash_table_new_full (NULL, NULL, NULL, finalize);
  db->tallies = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  if (!connect_to (db, error) || !migrate (db, error))
    {
      database_free (db);
      return NULL;
    }
  sqlite3_db_config (db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
  return db;
}

void
database_close (Database *db)
{
  if (db == NULL)
    return;
  database_commit (db, NULL);
  database_free (db);
}

/* Transactions ------------------------------------------------------------------------------------------- */

gboolean
database_is_dirty (Database *db)
{
  return db->failure != NULL || !sqlite3_get_autocommit (db->sqlite);
}

static void
roll_back (Database *db)
{
  if (!sqlite3_get_autocommit (db->sqlite)) /* SQLite itself does it for some errors */
    sqlite3_exec (db->sqlite, "ROLLBACK", NULL, NULL, NULL);
  database_tally_clear (db);
  db->scrub = FALSE;
}

static void
scrub_now (Database *db)
{
  /* Where a reader is in the way it happens after the next commit. */
  if (sqlite3_wal_checkpoint_v2 (db->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK)
    db->scrub = FALSE;
}

gboolean
database_commit (Database *db, GError **error)
{
  sqlite3_stmt *commit;

  if (!database_is_dirty (db))
    return TRUE;
  commit = database_prepare (db, "COMMIT");
  if (db->failure == NULL && step (commit) != SQLITE_DONE)
    fail_write (db, NULL);
  sqlite3_reset (commit);
  if (db->failure != NULL)
    {
      roll_back (db);
      g_propagate_error (error, g_steal_pointer (&db->failure));
      return FALSE;
    }
  if (db->scrub)
    scrub_now (db);
  return TRUE;
}

void
database_scrub (Database *db)
{
  db->scrub = TRUE;
}

/* Statements --------------------------------------------------------------------------------------------- */

sqlite3_stmt *
database_prepare (Database *db, const char *sql)
{
  sqlite3_stmt *stmt = g_hash_table_lookup (db->statements, sql);

  if (stmt != NULL)
    {
      sqlite3_reset (stmt);
      sqlite3_clear_bindings (stmt);
      return stmt;
    }
  if (sqlite3_prepare_v3 (db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) == SQLITE_OK)
    g_hash_table_insert (db->statements, (gpointer) sql, stmt);
  return stmt;
}

sqlite3_stmt *
database_prepare_once (Database *db, const char *sql)
{
  sqlite3_stmt *stmt = NULL;

  sqlite3_prepare_v2 (db->sqlite, sql, -1, &stmt, NULL);
  return stmt;
}

gboolean
database_write (Database *db, sqlite3_stmt *stmt, GError **error)
{
  int result;

  if (db->failure != NULL || stmt == NULL)
    return fail_write (db, error);
  if (sqlite3_get_autocommit (db->sqlite))
    {
      sqlite3_stmt *begin = database_prepare (db, "BEGIN IMMEDIATE");

      if (step (begin) != SQLITE_DONE)
        {
          fail_write (db, error);
          sqlite3_reset (begin);
          return FALSE;
        }
      sqlite3_reset (begin);
    }
  result = step (stmt);
  if ((result & 0xff) == SQLITE_CONSTRAINT) /* a peer that was forgotten: only this statement is undone */
    g_propagate_error (error, error_of (db->sqlite, db->path));
  else if (result != SQLITE_DONE)
    fail_write (db, error); /* before the reset, which clears SQLite's errno */
  sqlite3_reset (stmt);
  return result == SQLITE_DONE;
}

gint64
database_last_id (Database *db)
{
  return sqlite3_last_insert_rowid (db->sqlite);
}

int
database_changes (Database *db)
{
  return sqlite3_changes (db->sqlite);
}

gboolean
database_read (Database *db, sqlite3_stmt *stmt, GError **error)
{
  int result = stmt != NULL ? step (stmt) : SQLITE_MISUSE;

  if (result == SQLITE_ROW)
    return TRUE;
  if (result != SQLITE_DONE)
    g_propagate_error (error, error_of (db->sqlite, db->path));
  sqlite3_reset (stmt);
  return FALSE;
}

gint64
database_read_one (Database *db, sqlite3_stmt *stmt, gint64 fallback)
{
  gint64 value = fallback;

  if (database_read (db, stmt, NULL) && sqlite3_column_type (stmt, 0) != SQLITE_NULL)
    value = sqlite3_column_int64 (stmt, 0);
  sqlite3_reset (stmt);
  return value;
}

GPtrArray *
database_read_all (Database *db, sqlite3_stmt *stmt, gpointer (*make) (sqlite3_stmt *stmt),
                   GDestroyNotify free, GError **error)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (free);
  g_autoptr (GError) err = NULL;

  while (database_read (db, stmt, &err))
    g_ptr_array_add (rows, make (stmt));
  if (err == NULL)
    return g_steal_pointer (&rows);
  g_propagate_error (error, g_steal_pointer (&err));
  return NULL;
}

GArray *
database_read_seqs (Database *db, sqlite3_stmt *stmt, GError **error)
{
  g_autoptr (GArray) seqs = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_autoptr (GError) err = NULL;

  while (database_read (db, stmt, &err))
    {
      guint64 seq = sqlite3_column_int64 (stmt, 0);

      g_array_append_val (seqs, seq);
    }
  if (err == NULL)
    return g_steal_pointer (&seqs);
  g_propagate_error (error, g_steal_pointer (&err));
  return NULL;
}

void
database_bind_text (sqlite3_stmt *stmt, int column, const char *text)
{
  if (text != NULL)
    sqlite3_bind_text (stmt, column, text, -1, SQLITE_STATIC);
}

char *
database_dup_text (sqlite3_stmt *stmt, int column)
{
  return g_strdup ((const char *) sqlite3_column_text (stmt, column));
}

/* Tallies ------------------------------------------------------------------------------------------------ */

Tally *
database_tally (Database *db, gint64 peer)
{
  return g_hash_table_lookup (db->tallies, &peer);
}

Tally *
database_tally_add (Database *db, gint64 peer)
{
  gint64 *key = g_memdup2 (&peer, sizeof peer);
  Tally  *tally = g_new0 (Tally, 1);

  g_hash_table_insert (db->tallies, key, tally);
  return tally;
}

void
database_tally_clear (Database *db)
{
  g_hash_table_remove_all (db->tallies);
}

/* Small values ------------------------------------------------------------------------------------------- */

char *
database_get (Database *db, const char *key)
{
  sqlite3_stmt *stmt = database_prepare (db, "SELECT value FROM value WHERE key = ?1");
  char         *value = NULL;

  database_bind_text (stmt, 1, key);
  if (database_read (db, stmt, NULL))
    value = database_dup_text (stmt, 0);
  sqlite3_reset (stmt);
  return value;
}

gboolean
database_set (Database *db, const char *key, const char *value, GError **error)
{
  sqlite3_stmt *stmt;

  if (value == NULL)
    stmt = database_prepare (db, "DELETE FROM value WHERE key = ?1");
  else
    stmt = database_prepare (db, "INSERT INTO value VALUES (?1, ?2)"
                                 " ON CONFLICT (key) DO UPDATE SET value = excluded.value");
  database_bind_text (stmt, 1, key);
  if (value != NULL)
    database_bind_text (stmt, 2, value);
  return database_write (db, stmt, error);
}
