/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/peers.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "store/search.h"

/* Peers -------------------------------------------------------------------------------------------------- */

PeerRow *
peer_row_new (void)
{
  return g_new0 (PeerRow, 1);
}

void
peer_row_free (PeerRow *row)
{
  if (row == NULL)
    return;
  g_free (row->instance);
  g_free (row->nick);
  g_free (row->address);
  g_free (row->files_to);
  g_clear_pointer (&row->key, g_bytes_unref);
  g_clear_pointer (&row->claim, g_bytes_unref);
  g_free (row);
}

static void
free_row (gpointer row)
{
  peer_row_free (row);
}

static GBytes *
read_key (sqlite3_stmt *stmt, int column)
{
  const void *key = sqlite3_column_blob (stmt, column);

  return key != NULL && sqlite3_column_bytes (stmt, column) == PEER_KEY ? g_bytes_new (key, PEER_KEY) : NULL;
}

/* A number that the table should not have is the first of its kind. */
static int
read_enum (sqlite3_stmt *stmt, int column, int last)
{
  int value = sqlite3_column_int (stmt, column);

  return value >= 0 && value <= last ? value : 0;
}

static gpointer
row_of (sqlite3_stmt *stmt)
{
  PeerRow *row = peer_row_new ();

  row->id = sqlite3_column_int64 (stmt, 0);
  row->instance = database_dup_text (stmt, 1);
  row->nick = database_dup_text (stmt, 2);
  row->blocked = sqlite3_column_int (stmt, 3) != 0;
  row->plaintext = read_enum (stmt, 4, PLAINTEXT_ALLOW);
  row->encryption = read_enum (stmt, 5, ENCRYPTION_NEVER);
  row->last_seen = sqlite3_column_int64 (stmt, 6);
  row->address = database_dup_text (stmt, 7);
  row->key = read_key (stmt, 8);
  row->keyed = sqlite3_column_int (stmt, 9) != 0;
  row->trust = read_enum (stmt, 10, TRUST_MISMATCH);
  row->verified = sqlite3_column_int64 (stmt, 11);
  row->claim = read_key (stmt, 12);
  row->files = read_enum (stmt, 13, FILES_NEVER);
  row->files_limit = MAX (0, sqlite3_column_int64 (stmt, 14));
  row->files_to = database_dup_text (stmt, 15);
  row->quota = MAX (0, sqlite3_column_int64 (stmt, 16));
  return row;
}

GPtrArray *
peers_load (Database *db, GError **error)
{
  sqlite3_stmt *stmt
    = database_prepare (db, "SELECT id, instance, nick, blocked, plaintext, encryption, last_seen, address,"
                            " key, keyed, trust, verified, claim, files, files_limit, files_to, quota FROM peer ORDER BY id");

  return database_read_all (db, stmt, row_of, free_row, error);
}

static gboolean
peer_exists (Database *db, gint64 id)
{
  sqlite3_stmt *stmt = database_prepare (db, "SELECT 1 FROM peer WHERE id = ?1");

  sqlite3_bind_int64 (stmt, 1, id);
  return database_read_one (db, stmt, 0) == 1;
}

static gboolean
fail_no_peer (gint64 id, GError **error)
{
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "there is no peer %" G_GINT64_FORMAT, id);
  return FALSE;
}

static void
bind_key (sqlite3_stmt *stmt, int at, GBytes *key)
{
  if (key != NULL)
    sqlite3_bind_blob (stmt, at, g_bytes_get_data (key, NULL), (int) g_bytes_get_size (key), SQLITE_TRANSIENT);
}

/* Who has no key is told from others by the name, all others by the key. */
static gboolean
is_somebody_else (Database *db, const PeerRow *row, const char *folded)
{
  sqlite3_stmt *stmt = row->key != NULL
                           ? database_prepare (db, "SELECT 1 FROM peer WHERE key = ?1 AND id <> ?2")
                           : database_prepare (db, "SELECT 1 FROM peer WHERE folded = ?1 AND id <> ?2 AND key IS NULL");

  if (row->key != NULL)
    bind_key (stmt, 1, row->key);
  else
    database_bind_text (stmt, 1, folded);
  sqlite3_bind_int64 (stmt, 2, row->id);
  return database_read_one (db, stmt, 0) != 0;
}

static gboolean
check_row (Database *db, const PeerRow *row, const char *folded, GError **error)
{
  const char *texts[] = { row->instance, row->nick, row->address };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (texts[i] != NULL && !g_utf8_validate (texts[i], -1, NULL))
      {
        g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "a peer's name is not UTF-8");
        return FALSE;
      }
  if ((folded == NULL && row->key == NULL) || !is_somebody_else (db, row, folded))
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_EXISTS, "a peer '%s' is known already",
               row->instance != NULL ? row->instance : "");
  return FALSE;
}

static gboolean
write_row (Database *db, PeerRow *row, GError **error)
{
  g_autofree char *folded = row->instance != NULL ? g_ascii_strdown (row->instance, -1) : NULL;
  sqlite3_stmt    *stmt;

  if (!check_row (db, row, folded, error))
    return FALSE;
  stmt = database_prepare (db, "INSERT INTO peer VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
                               " ?15, ?16, ?17, ?18)"
                               " ON CONFLICT (id) DO UPDATE SET instance = ?2, folded = ?3, nick = ?4, blocked = ?5,"
                               " plaintext = ?6, encryption = ?7, last_seen = ?8, address = ?9, key = ?10, keyed = ?11,"
                               " trust = ?12, verified = ?13, claim = ?14, files = ?15, files_limit = ?16, files_to = ?17,"
                               " quota = ?18");
  if (row->id != 0)
    sqlite3_bind_int64 (stmt, 1, row->id);
  database_bind_text (stmt, 2, row->instance);
  database_bind_text (stmt, 3, folded);
  database_bind_text (stmt, 4, row->nick);
  sqlite3_bind_int (stmt, 5, row->blocked);
  sqlite3_bind_int (stmt, 6, row->plaintext);
  sqlite3_bind_int (stmt, 7, row->encryption);
  sqlite3_bind_int64 (stmt, 8, row->last_seen);
  database_bind_text (stmt, 9, row->address);
  bind_key (stmt, 10, row->key);
  sqlite3_bind_int (stmt, 11, row->keyed);
  sqlite3_bind_int (stmt, 12, row->trust);
  sqlite3_bind_int64 (stmt, 13, row->verified);
  bind_key (stmt, 14, row->claim);
  sqlite3_bind_int (stmt, 15, row->files);
  sqlite3_bind_int64 (stmt, 16, row->files_limit);
  database_bind_text (stmt, 17, row->files_to);
  sqlite3_bind_int64 (stmt, 18, row->quota);
  if (!database_write (db, stmt, error))
    return FALSE;
  if (row->id == 0)
    row->id = database_last_id (db);
  return TRUE;
}

gboolean
peers_save (Database *db, PeerRow *row, GError **error)
{
  if (row->id != 0 && !peer_exists (db, row->id))
    return fail_no_peer (row->id, error);
  return write_row (db, row, error);
}

gboolean
peers_restore (Database *db, PeerRow *row, GError **error)
{
  return write_row (db, row, error);
}

gboolean
peers_merge (Database *db, gint64 from, gint64 to, GError **error)
{
  static const char *const steps[] = {
    "UPDATE OR IGNORE alias SET peer = ?2 WHERE peer = ?1",
    "UPDATE OR IGNORE wire_id SET peer = ?2 WHERE peer = ?1",
    "UPDATE message SET peer = ?2 WHERE peer = ?1",
    "UPDATE transfer SET peer = ?2 WHERE peer = ?1",
  };

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      sqlite3_stmt *stmt = database_prepare (db, steps[i]);

      sqlite3_bind_int64 (stmt, 1, from);
      sqlite3_bind_int64 (stmt, 2, to);
      if (!database_write (db, stmt, error))
        return FALSE;
    }
  return peers_forget (db, from, error);
}

gint64
peers_last_id (Database *db)
{
  return database_read_one (db, database_prepare (db, "SELECT seq FROM sqlite_sequence WHERE name = 'peer'"), 0);
}

gboolean
peers_forget (Database *db, gint64 id, GError **error)
{
  sqlite3_stmt *least = database_prepare (db, "SELECT min(seq) FROM message WHERE peer = ?1");
  sqlite3_stmt *stmt;

  sqlite3_bind_int64 (least, 1, id);
  if (!search_forget (db, database_read_one (db, least, G_MAXINT64), error))
    return FALSE;
  stmt = database_prepare (db, "DELETE FROM peer WHERE id = ?1"); /* all else by ON DELETE CASCADE */
  sqlite3_bind_int64 (stmt, 1, id);
  if (!database_write (db, stmt, error))
    return FALSE;
  database_tally_clear (db);
  database_scrub (db);
  return TRUE;
}

/* Aliases ------------------------------------------------------------------------------------------------ */

static Alias *
alias_new (char *name)
{
  Alias *alias = g_new0 (Alias, 1);

  alias->name = name;
  alias->peers = g_array_new (FALSE, FALSE, sizeof (gint64));
  return alias;
}

static void
free_alias (gpointer data)
{
  Alias *alias = data;

  g_free (alias->name);
  g_array_unref (alias->peers);
  g_free (alias);
}

GPtrArray *
aliases_load (Database *db, GError **error)
{
  sqlite3_stmt *stmt = database_prepare (db, "SELECT name, peer FROM alias ORDER BY folded, rowid");
  g_autoptr (GPtrArray) aliases = g_ptr_array_new_with_free_func (free_alias);
  g_autoptr (GError) err = NULL;
  Alias *last = NULL;

  while (database_read (db, stmt, &err))
    {
      g_autofree char *name = database_dup_text (stmt, 0);
      gint64           peer = sqlite3_column_int64 (stmt, 1);

      if (last == NULL || g_strcmp0 (last->name, name) != 0)
        {
          last = alias_new (g_steal_pointer (&name));
          g_ptr_array_add (aliases, last);
        }
      g_array_append_val (last->peers, peer);
    }
  if (err == NULL)
    return g_steal_pointer (&aliases);
  g_propagate_error (error, g_steal_pointer (&err));
  return NULL;
}

static gboolean
check_alias (Database *db, const char *name, const gint64 *peers, gsize n_peers, GError **error)
{
  if (*name == '\0' || strlen (name) > LIMIT_NICK || !g_utf8_validate (name, -1, NULL))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                   "an alias is 1 to %d bytes of UTF-8", LIMIT_NICK);
      return FALSE;
    }
  if (n_peers > LIMIT_PEERS)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "an alias has at most %d peers",
                   LIMIT_PEERS);
      return FALSE;
    }
  for (gsize i = 0; i < n_peers; i++)
    if (!peer_exists (db, peers[i]))
      return fail_no_peer (peers[i], error);
  return TRUE;
}

gboolean
aliases_set (Database *db, const char *name, const gint64 *peers, gsize n_peers, GError **error)
{
  g_autofree char *folded = g_ascii_strdown (name, -1);
  sqlite3_stmt    *stmt;

  if (!check_alias (db, name, peers, n_peers, error))
    return FALSE;
  stmt = database_prepare (db, "DELETE FROM alias WHERE folded = ?1");
  database_bind_text (stmt, 1, folded);
  if (!database_write (db, stmt, error))
    return FALSE;
  for (gsize i = 0; i < n_peers; i++)
    {
      stmt = database_prepare (db, "INSERT INTO alias VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING");
      database_bind_text (stmt, 1, folded);
      database_bind_text (stmt, 2, name);
      sqlite3_bind_int64 (stmt, 3, peers[i]);
      if (!database_write (db, stmt, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
aliases_move (Database *db, gint64 from, gint64 to, GError **error)
{
  sqlite3_stmt *stmt = database_prepare (db, "UPDATE OR IGNORE alias SET peer = ?2 WHERE peer = ?1");

  sqlite3_bind_int64 (stmt, 1, from);
  sqlite3_bind_int64 (stmt, 2, to);
  return database_write (db, stmt, error);
}
