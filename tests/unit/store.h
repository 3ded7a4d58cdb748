/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "store/messages.h"
#include "store/peers.h"

/* A database in a folder of its own, with two peers. */

typedef struct
{
  char     *folder;
  char     *path;
  Database *db;
  gint64    juliet;
  gint64    nurse;
} Store;

static inline gint64
store_peer (Store *store, const char *instance)
{
  g_autoptr (PeerRow) row = peer_row_new ();
  g_autoptr (GError) error = NULL;

  row->instance = g_strdup (instance);
  peers_save (store->db, row, &error);
  g_assert_no_error (error);
  return row->id;
}

static inline void
store_open (Store *store)
{
  g_autoptr (GError) error = NULL;

  store->db = database_open (store->path, &error);
  g_assert_no_error (error);
  g_assert_nonnull (store->db);
}

static inline void
store_commit (Store *store)
{
  g_autoptr (GError) error = NULL;

  database_commit (store->db, &error);
  g_assert_no_error (error);
}

static inline void
store_reopen (Store *store)
{
  g_clear_pointer (&store->db, database_close);
  store_open (store);
}

static inline void
store_setup (Store *store, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  store->folder = g_dir_make_tmp ("hearby-store-XXXXXX", &error);
  g_assert_no_error (error);
  store->path = g_build_filename (store->folder, "data", "hearby.db", NULL);
  store_open (store);
  store->juliet = store_peer (store, "juliet@pronto");
  store->nurse = store_peer (store, "nurse@pronto");
}

static inline void
store_remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);

  for (const char *name; dir != NULL && (name = g_dir_read_name (dir)) != NULL;)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      store_remove_tree (child);
    }
  g_remove (path);
}

static inline void
store_teardown (Store *store, gconstpointer data)
{
  g_clear_pointer (&store->db, database_close);
  store_remove_tree (store->folder);
  g_free (store->folder);
  g_free (store->path);
}

static inline MessageRow *
store_row (gint64 peer, Direction direction, const char *id, const char *body)
{
  MessageRow *row = message_row_new ();

  row->peer = peer;
  row->direction = direction;
  row->id = g_strdup (id);
  row->body = g_strdup (body);
  row->time = row->received = 1000;
  row->state = direction == DIRECTION_OUT ? MESSAGE_QUEUED : MESSAGE_RECEIVED;
  row->trust = g_strdup ("plain");
  return row;
}

static inline guint64
store_add (Store *store, gint64 peer, Direction direction, const char *id, const char *body)
{
  g_autoptr (MessageRow) row = store_row (peer, direction, id, body);
  g_autoptr (GError) error = NULL;

  g_assert_true (messages_add (store->db, row, &error));
  g_assert_no_error (error);
  return row->seq;
}

static inline gboolean
store_state (Store *store, guint64 seq, MessageState state)
{
  g_autoptr (GError) error = NULL;
  gboolean changed = messages_set_state (store->db, seq, state, NULL, TRUE, &error);

  g_assert_no_error (error);
  return changed;
}

#define store_test(path, function) g_test_add (path, Store, NULL, store_setup, function, store_teardown)

/* One of the files in the database's folder holds @text. */
static inline gboolean
store_holds (Store *store, const char *text)
{
  g_autofree char *folder = g_path_get_dirname (store->path);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  gboolean found = FALSE;

  for (const char *name; (name = g_dir_read_name (dir)) != NULL;)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autofree char *bytes = NULL;
      gsize            len;

      g_assert_true (g_file_get_contents (path, &bytes, &len, NULL));
      found = found || memmem (bytes, len, text, strlen (text)) != NULL;
    }
  return found;
}
