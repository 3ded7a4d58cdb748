/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what was committed is there for ever, what was not never happened, and no foreign file is touched. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "store.h"
#include "store/schema.h"
#include "store/transfer-rows.h"

static guint
mode_of (const char *path)
{
  struct stat info;

  g_assert_cmpint (stat (path, &info), ==, 0);
  return info.st_mode & 07777;
}

static void
test_modes_whatever_the_umask (void)
{
  static const mode_t masks[] = { 0, 022, 077 };

  for (guint i = 0; i < G_N_ELEMENTS (masks); i++)
    {
      mode_t           before = umask (masks[i]);
      Store            store;
      g_autofree char *folder = NULL;
      g_autofree char *wal = NULL;
      g_autofree char *shm = NULL;

      store_setup (&store, NULL);
      umask (before);
      folder = g_path_get_dirname (store.path);
      wal = g_strconcat (store.path, "-wal", NULL);
      shm = g_strconcat (store.path, "-shm", NULL);
      store_commit (&store);
      g_assert_cmpuint (mode_of (folder), ==, 0700);
      g_assert_cmpuint (mode_of (store.path), ==, 0600);
      g_assert_cmpuint (mode_of (wal), ==, 0600);
      g_assert_cmpuint (mode_of (shm), ==, 0600);
      chmod (store.path, 0644);
      store_reopen (&store);
      g_assert_cmpuint (mode_of (store.path), ==, 0600);
      store_teardown (&store, NULL);
    }
}

static void
test_values (Store *store, gconstpointer data)
{
  g_autofree char *one = NULL;
  g_autofree char *two = NULL;

  g_assert_null (database_get (store->db, "status"));
  g_assert_true (database_set (store->db, "status", "away", NULL));
  g_assert_true (database_set (store->db, "status", "dnd", NULL));
  one = database_get (store->db, "status");
  g_assert_cmpstr (one, ==, "dnd");
  store_reopen (store);
  two = database_get (store->db, "status");
  g_assert_cmpstr (two, ==, "dnd");
  g_assert_true (database_set (store->db, "status", NULL, NULL));
  g_assert_null (database_get (store->db, "status"));
}

static void
test_dirty_until_committed (Store *store, gconstpointer data)
{
  store_commit (store);
  g_assert_false (database_is_dirty (store->db));
  g_assert_true (database_commit (store->db, NULL));
  database_set (store->db, "a", "1", NULL);
  g_assert_true (database_is_dirty (store->db));
  store_commit (store);
  g_assert_false (database_is_dirty (store->db));
}

/* Refusal ------------------------------------------------------------------------------------------------ */

static void
assert_refused (Store *store, HearbyError code, const char *says)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  gsize            len_before, len_after;

  g_assert_true (g_file_get_contents (store->path, &before, &len_before, NULL));
  g_assert_null (database_open (store->path, &error));
  g_assert_error (error, HEARBY_ERROR, (int) code);
  g_assert_nonnull (strstr (error->message, says));
  g_assert_nonnull (strstr (error->message, store->path));
  g_assert_true (g_file_get_contents (store->path, &after, &len_after, NULL));
  g_assert_cmpmem (before, len_before, after, len_after);
}

static void
replace_file (Store *store, const char *bytes, gssize len)
{
  g_clear_pointer (&store->db, database_close);
  g_assert_true (g_file_set_contents (store->path, bytes, len, NULL));
}

static void
test_foreign_files (Store *store, gconstpointer data)
{
  g_autofree char *noise = g_malloc (8192);

  replace_file (store, "dear diary\n", -1);
  assert_refused (store, HEARBY_ERROR_FILE_ERROR, "not a database");
  for (guint i = 0; i < 8192; i++)
    noise[i] = (char) g_test_rand_int ();
  replace_file (store, noise, 8192);
  assert_refused (store, HEARBY_ERROR_FILE_ERROR, "not a database");
  replace_file (store, "SQLite format 3\0", 16); /* cut off */
  assert_refused (store, HEARBY_ERROR_FILE_ERROR, "not a database");
}

static void
execute (const char *path, const char *sql)
{
  sqlite3 *sqlite = NULL;

  g_assert_cmpint (sqlite3_open (path, &sqlite), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (sqlite, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_close (sqlite), ==, SQLITE_OK);
}

static void
test_another_programs_database (Store *store, gconstpointer data)
{
  g_clear_pointer (&store->db, database_close);
  g_remove (store->path);
  execute (store->path, "CREATE TABLE cookie (name TEXT)");
  assert_refused (store, HEARBY_ERROR_FILE_ERROR, "another program");
}

/* A database as the hearby before transfers left it, with a peer and a message: both stay, and the new tables are there. */
static void
test_schema_of_before (Store *store, gconstpointer data)
{
  g_autofree char *id = g_strdup_printf ("PRAGMA application_id = %d; PRAGMA user_version = 1", SCHEMA_APPLICATION_ID);
  g_autoptr (GPtrArray) rows = NULL;
  g_autoptr (GPtrArray) messages = NULL;
  g_autoptr (TransferRow) transfer = transfer_row_new ();
  PeerRow *row;

  g_clear_pointer (&store->db, database_close);
  store_remove_tree (store->path);
  execute (store->path, schema_steps[0]);
  execute (store->path, id);
  execute (store->path, "INSERT INTO peer VALUES (7, 'juliet@pronto', 'juliet@pronto', 'Juliet', 1, 1, 1, 99, NULL, x'"
                        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 1, 2, 98, NULL);"
                        "INSERT INTO message VALUES (3, 7, 0, 'id', 0, 0, 1, 1, 0, 0, 0, 1, 'verified', NULL, 'are you there?')");
  store_open (store);
  rows = peers_load (store->db, NULL);
  g_assert_cmpuint (rows->len, ==, 1);
  row = g_ptr_array_index (rows, 0);
  g_assert_cmpint (row->id, ==, 7);
  g_assert_cmpstr (row->nick, ==, "Juliet");
  g_assert_true (row->blocked && row->trust == TRUST_VERIFIED && row->verified == 98 && row->key != NULL);
  g_assert_true (row->files == FILES_ASK && row->files_limit == 0 && row->files_to == NULL && row->quota == 0);
  messages = messages_list (store->db, &(MessageFilter){ 0 }, NULL);
  g_assert_cmpuint (messages->len, ==, 1);
  transfer->peer = 7;
  g_assert_true (transfers_save (store->db, transfer, NULL));
  store_commit (store);
  store_reopen (store); /* once is enough */
}

static void
test_newer_schema (Store *store, gconstpointer data)
{
  g_clear_pointer (&store->db, database_close);
  execute (store->path, "PRAGMA user_version = 999");
  assert_refused (store, HEARBY_ERROR_NOT_SUPPORTED, "newer hearby");
}

static void
test_damaged_schema (Store *store, gconstpointer data)
{
  g_autofree char *bytes = NULL;
  gsize            len;

  g_clear_pointer (&store->db, database_close);
  g_assert_true (g_file_get_contents (store->path, &bytes, &len, NULL));
  memset (bytes + 100, 0xa5, 3996); /* the root of the schema; the header says it is ours */
  replace_file (store, bytes, len);
  assert_refused (store, HEARBY_ERROR_FILE_ERROR, "damaged");
}

static void
test_damaged_pages (Store *store, gconstpointer data)
{
  g_autofree char *bytes = NULL;
  gsize            len;

  for (guint i = 0; i < 200; i++)
    store_add (store, store->juliet, DIRECTION_IN, NULL, "are you there?");
  g_clear_pointer (&store->db, database_close);
  g_assert_true (g_file_get_contents (store->path, &bytes, &len, NULL));
  for (guint round = 0; round < 50; round++)
    {
      g_autofree char *broken = g_memdup2 (bytes, len);
      g_autoptr (Database) db = NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (GPtrArray) rows = NULL;
      MessageFilter filter = { .search = "there" };

      for (guint i = 0; i < 64; i++)
        broken[g_test_rand_int_range (4096, len)] = (char) g_test_rand_int ();
      replace_file (store, broken, len);
      db = database_open (store->path, &error);
      if (db == NULL)
        {
          g_assert_nonnull (error);
          continue;
        }
      rows = messages_list (db, &filter, NULL); /* whatever it says, it says it politely */
      messages_unread (db, 0);
      messages_purge (db, 0, 2000, NULL);
      database_commit (db, NULL);
    }
}

static void
test_not_a_file (Store *store, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) below = NULL;
  g_autofree char *path = g_build_filename (store->path, "hearby.db", NULL);

  g_assert_null (database_open (store->folder, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR);
  g_assert_null (database_open (path, &below)); /* below a file */
  g_assert_error (below, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR);
}

static void
test_own_link (Store *store, gconstpointer data)
{
  g_autofree char *link = g_build_filename (store->folder, "link.db", NULL);
  g_autofree char *value = NULL;

  database_set (store->db, "a", "1", NULL);
  g_clear_pointer (&store->db, database_close);
  g_assert_cmpint (symlink (store->path, link), ==, 0);
  store->db = database_open (link, NULL);
  g_assert_nonnull (store->db);
  value = database_get (store->db, "a");
  g_assert_cmpstr (value, ==, "1");
}

static void
test_another_users_files (Store *store, gconstpointer data)
{
  g_autoptr (GError) of_file = NULL;
  g_autoptr (GError) of_link = NULL;
  g_autofree char *link = g_build_filename (store->folder, "link.db", NULL);

  if (geteuid () != 0)
    {
      g_test_skip ("only root can give files away");
      return;
    }
  g_clear_pointer (&store->db, database_close);
  g_assert_cmpint (symlink (store->path, link), ==, 0);
  g_assert_cmpint (lchown (link, 65534, 65534), ==, 0);
  g_assert_null (database_open (link, &of_link));
  g_assert_error (of_link, HEARBY_ERROR, HEARBY_ERROR_ACCESS_DENIED);
  g_assert_cmpint (chown (store->path, 65534, 65534), ==, 0);
  g_assert_null (database_open (store->path, &of_file));
  g_assert_error (of_file, HEARBY_ERROR, HEARBY_ERROR_ACCESS_DENIED);
}

/* Failure ------------------------------------------------------------------------------------------------ */

/* A child, since the bound on a file's size stays with the process. Exits 0 where all went as it should. */
static void
fill_the_disk (Store *store)
{
  g_autofree char *body = g_strnfill (LIMIT_BODY, 'x');
  g_autoptr (MessageRow) row = store_row (store->juliet, DIRECTION_OUT, NULL, body);
  g_autoptr (GError) write = NULL;
  g_autoptr (GError) commit = NULL;
  struct rlimit limit, before;
  guint64       last;

  store_commit (store);
  last = store_add (store, store->juliet, DIRECTION_OUT, "first", "safe");
  store_commit (store);
  getrlimit (RLIMIT_FSIZE, &before);
  limit = before;
  limit.rlim_cur = 2 * 1024 * 1024;
  signal (SIGXFSZ, SIG_IGN);
  setrlimit (RLIMIT_FSIZE, &limit);

  while (commit == NULL)
    {
      gboolean ok = write == NULL && messages_add (store->db, row, &write);

      if (!ok)
        {
          g_autoptr (GError) again = NULL;

          /* what comes after is not written either */
          g_assert_false (messages_add (store->db, row, &again));
          g_assert_error (again, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE);
        }
      g_assert_true (ok == (write == NULL));
      if (database_commit (store->db, &commit))
        last = row->seq;
    }
  g_assert_error (commit, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE);
  g_assert_false (database_is_dirty (store->db));
  g_assert_cmpuint (messages_last_seq (store->db, 0), ==, last);
  g_assert_cmpuint (outbox_count (store->db, store->juliet), ==, last);

  setrlimit (RLIMIT_FSIZE, &before); /* space again */
  g_assert_cmpuint (store_add (store, store->juliet, DIRECTION_OUT, "next", "safe too"), ==, last + 1);
  store_commit (store);
  g_assert_cmpuint (outbox_count (store->db, store->juliet), ==, last + 1);
}

static void
test_disk_full (Store *store, gconstpointer data)
{
  if (g_test_subprocess ())
    {
      fill_the_disk (store);
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();
}

/* In the middle of a transaction: SQLite runs out of pages, and what came before in the turn goes too. */
static void
test_full_within_a_turn (Store *store, gconstpointer data)
{
  g_autofree char *body = g_strnfill (LIMIT_BODY, 'x');
  g_autoptr (MessageRow) row = store_row (store->juliet, DIRECTION_OUT, NULL, body);
  g_autoptr (GError) write = NULL;
  g_autoptr (GError) other = NULL;
  g_autoptr (GError) commit = NULL;
  sqlite3_stmt *bound;

  store_commit (store);
  bound = database_prepare_once (store->db, "PRAGMA max_page_count = 200");
  g_assert_cmpint (sqlite3_step (bound), ==, SQLITE_ROW);
  sqlite3_finalize (bound);
  g_assert_cmpuint (outbox_count (store->db, store->juliet), ==, 0);
  while (messages_add (store->db, row, &write))
    ;
  g_assert_error (write, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE);
  g_assert_false (database_set (store->db, "a", "1", &other));
  g_assert_error (other, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE);
  g_assert_true (database_is_dirty (store->db));
  g_assert_false (database_commit (store->db, &commit));
  g_assert_error (commit, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE);
  g_assert_cmpuint (messages_last_seq (store->db, 0), ==, 0);
  g_assert_cmpuint (outbox_count (store->db, store->juliet), ==, 0);
  g_assert_cmpuint (store_add (store, store->juliet, DIRECTION_OUT, NULL, "short"), ==, 1);
  store_commit (store);
}

static void
test_read_only_folder (Store *store, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  if (geteuid () == 0)
    {
      g_test_skip ("root may write everywhere");
      return;
    }
  g_clear_pointer (&store->db, database_close);
  g_assert_cmpint (chmod (store->folder, 0500), ==, 0);
  g_free (store->path);
  store->path = g_build_filename (store->folder, "new", "hearby.db", NULL);
  g_assert_null (database_open (store->path, &error));
  g_assert_nonnull (error);
  g_assert_cmpint (chmod (store->folder, 0700), ==, 0);
}

static void
test_another_writer (Store *store, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) commit = NULL;
  sqlite3 *other = NULL;

  store_commit (store);
  g_assert_cmpint (sqlite3_open (store->path, &other), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (other, "BEGIN IMMEDIATE", NULL, NULL, NULL), ==, SQLITE_OK);
  g_assert_false (database_set (store->db, "a", "1", &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR);
  g_assert_false (database_commit (store->db, &commit));
  g_assert_error (commit, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR);
  g_assert_cmpint (sqlite3_close (other), ==, SQLITE_OK);
  g_assert_true (database_set (store->db, "a", "1", NULL));
  store_commit (store);
}

/* kill -9 ------------------------------------------------------------------------------------------------ */

/* Stores and commits for ever; tells each seq when it is safe. */
static void
write_for_ever (const char *path, gint64 peer, int fd)
{
  g_autoptr (Database) db = database_open (path, NULL);

  while (db != NULL)
    {
      g_autoptr (MessageRow) row = store_row (peer, DIRECTION_IN, NULL, "are you there?");

      if (!messages_add (db, row, NULL) || !database_commit (db, NULL)
          || write (fd, &row->seq, sizeof row->seq) != sizeof row->seq)
        break;
    }
}

static guint64
kill_a_writer (Store *store, guint64 after, guint told)
{
  guint64 last = after;
  guint64 seq;
  int     fds[2];
  pid_t   child;
  int     status;

  g_assert_cmpint (pipe (fds), ==, 0);
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      close (fds[0]);
      write_for_ever (store->path, store->juliet, fds[1]);
      _exit (1);
    }
  close (fds[1]);
  for (guint i = 0; read (fds[0], &seq, sizeof seq) == sizeof seq; i++)
    {
      g_assert_cmpuint (seq, >, last);
      last = seq;
      if (i == told)
        kill (child, SIGKILL); /* what is still in the pipe was told too */
    }
  close (fds[0]);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
  return last;
}

static void
test_kill_9 (Store *store, gconstpointer data)
{
  guint64 last = 0;
  guint64 deleted = 0;

  g_clear_pointer (&store->db, database_close);
  for (guint round = 0; round < 20; round++)
    {
      sqlite3_stmt *count;

      last = kill_a_writer (store, last, g_test_rand_int_range (0, 100));
      store_open (store);
      g_assert_cmpuint (messages_last_seq (store->db, store->juliet), >=, last);
      last = messages_last_seq (store->db, store->juliet);
      count = database_prepare (store->db, "SELECT count(*) FROM message");
      g_assert_cmpint (database_read_one (store->db, count, -1), ==, last - deleted);
      if (round % 5 == 4) /* the newest goes, its number does not come again */
        {
          sqlite3_stmt *delete = database_prepare (store->db, "DELETE FROM message WHERE seq = ?1");

          sqlite3_bind_int64 (delete, 1, last);
          g_assert_true (database_write (store->db, delete, NULL));
          deleted++;
        }
      g_clear_pointer (&store->db, database_close);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/database/modes-whatever-the-umask", test_modes_whatever_the_umask);
  store_test ("/database/values", test_values);
  store_test ("/database/dirty-until-committed", test_dirty_until_committed);
  store_test ("/database/foreign-files", test_foreign_files);
  store_test ("/database/another-programs-database", test_another_programs_database);
  store_test ("/database/schema-of-before", test_schema_of_before);
  store_test ("/database/newer-schema", test_newer_schema);
  store_test ("/database/damaged-schema", test_damaged_schema);
  store_test ("/database/damaged-pages", test_damaged_pages);
  store_test ("/database/not-a-file", test_not_a_file);
  store_test ("/database/own-link", test_own_link);
  store_test ("/database/another-users-files", test_another_users_files);
  store_test ("/database/disk-full", test_disk_full);
  store_test ("/database/full-within-a-turn", test_full_within_a_turn);
  store_test ("/database/read-only-folder", test_read_only_folder);
  store_test ("/database/another-writer", test_another_writer);
  store_test ("/database/kill-9", test_kill_9);
  return g_test_run ();
}
