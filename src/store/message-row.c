/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/message-row.h"

MessageRow *
message_row_new (void)
{
  return g_new0 (MessageRow, 1);
}

MessageRow *
message_row_copy (const MessageRow *row)
{
  MessageRow *copy = g_memdup2 (row, sizeof *row);

  copy->id = g_strdup (row->id);
  copy->body = g_strdup (row->body);
  copy->reason = g_strdup (row->reason);
  copy->trust = g_strdup (row->trust);
  return copy;
}

void
message_row_free (MessageRow *row)
{
  if (row == NULL)
    return;
  g_free (row->id);
  g_free (row->body);
  g_free (row->reason);
  g_free (row->trust);
  g_free (row);
}

static void
free_row (gpointer row)
{
  message_row_free (row);
}

MessageState
message_row_state (sqlite3_stmt *stmt, int column)
{
  gint64 state = sqlite3_column_int64 (stmt, column);

  return state >= 0 && state <= MESSAGE_HELD ? (MessageState) state : MESSAGE_FAILED;
}

static gpointer
row_of (sqlite3_stmt *stmt)
{
  MessageRow *row = message_row_new ();

  row->seq = sqlite3_column_int64 (stmt, 0);
  row->peer = sqlite3_column_int64 (stmt, 1);
  row->direction = sqlite3_column_int (stmt, 2) == DIRECTION_OUT ? DIRECTION_OUT : DIRECTION_IN;
  row->id = database_dup_text (stmt, 3);
  row->body = database_dup_text (stmt, 4);
  row->time = sqlite3_column_int64 (stmt, 5);
  row->received = sqlite3_column_int64 (stmt, 6);
  row->state = message_row_state (stmt, 7);
  row->reason = database_dup_text (stmt, 8);
  row->corrects = sqlite3_column_int64 (stmt, 9);
  row->confirms = sqlite3_column_int (stmt, 10) != 0;
  row->expires = sqlite3_column_int64 (stmt, 11);
  row->once = sqlite3_column_int (stmt, 12) != 0;
  row->encrypted = sqlite3_column_int (stmt, 13) != 0;
  row->trust = database_dup_text (stmt, 14);
  if (row->body == NULL) /* out of memory inside SQLite, or a damaged file */
    row->body = g_strdup ("");
  return row;
}

GPtrArray *
message_row_read_all (Database *db, sqlite3_stmt *stmt, GError **error)
{
  return database_read_all (db, stmt, row_of, free_row, error);
}

GArray *
message_row_move_all (Database *db, GArray *seqs, MessageState state, const char *reason, GError **error)
{
  g_autoptr (GArray) all = seqs;
  guint moved = 0;

  if (all == NULL)
    return NULL;
  for (guint i = 0; i < all->len; i++)
    {
      g_autoptr (GError) err = NULL;
      guint64            seq = g_array_index (all, guint64, i);

      if (messages_set_state (db, seq, state, reason, FALSE, &err))
        g_array_index (all, guint64, moved++) = seq;
      else if (err != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&err));
          return NULL;
        }
    }
  g_array_set_size (all, moved);
  return g_steal_pointer (&all);
}
