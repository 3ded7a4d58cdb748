/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/search.h"

#include "base/error.h"

#define WORDS 64 /* of one search; FTS5 bounds the depth of its expressions */

static const char *
skip (const char *p, gboolean blanks)
{
  while (*p != '\0' && (g_unichar_isspace (g_utf8_get_char (p)) != 0) == blanks)
    p = g_utf8_next_char (p);
  return p;
}

static void
append_quoted (GString *out, const char *word, const char *end)
{
  g_string_append (out, out->len == 0 ? "\"" : " \"");
  for (; word < end; word++)
    {
      if (*word == '"')
        g_string_append_c (out, '"');
      g_string_append_c (out, *word);
    }
  g_string_append_c (out, '"');
}

static gboolean
append_words (GString *out, const char *text, GError **error)
{
  guint n = 0;

  for (const char *p = skip (text, TRUE); *p != '\0';)
    {
      const char *end = skip (p, FALSE);

      if (++n > WORDS)
        {
          g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "a search has at most %d words",
                       WORDS);
          return FALSE;
        }
      append_quoted (out, p, end);
      p = skip (end, TRUE);
    }
  return TRUE;
}

gboolean
search_expression (const char *text, char **expression, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);

  *expression = NULL;
  if (!g_utf8_validate (text, -1, NULL))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "a search has to be UTF-8");
      return FALSE;
    }
  if (!append_words (out, text, error))
    return FALSE;
  if (out->len == 0)
    return TRUE;
  g_string_append_c (out, '*');
  *expression = g_strdup (out->str);
  return TRUE;
}

static gint64
indexed_up_to (Database *db)
{
  g_autofree char *value = database_get (db, "searchable");

  return value != NULL ? g_ascii_strtoll (value, NULL, 10) : 0;
}

static gboolean
set_indexed_up_to (Database *db, gint64 seq, GError **error)
{
  g_autofree char *value = g_strdup_printf ("%" G_GINT64_FORMAT, seq);

  return database_set (db, "searchable", value, error);
}

gboolean
search_update (Database *db, GError **error)
{
  gint64        last = database_read_one (db, database_prepare (db, "SELECT max(seq) FROM message"), 0);
  gint64        done = indexed_up_to (db);
  sqlite3_stmt *stmt;

  if (last <= done)
    return TRUE;
  stmt = database_prepare (db, "INSERT INTO message_text (rowid, body)"
                               " SELECT seq, body FROM message WHERE seq > ?1 ORDER BY seq");
  sqlite3_bind_int64 (stmt, 1, done);
  return database_write (db, stmt, error) && set_indexed_up_to (db, last, error);
}

gboolean
search_forget (Database *db, gint64 seq, GError **error)
{
  if (seq > indexed_up_to (db))
    return TRUE;
  return database_write (
           db, database_prepare (db, "INSERT INTO message_text (message_text) VALUES ('delete-all')"), error)
         && set_indexed_up_to (db, 0, error);
}
