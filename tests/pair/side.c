/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "side.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/limits.h"
#include "core/messenger-private.h"
#include "net/deadline.h"

static gboolean
on_bound (gpointer user_data)
{
  return G_SOURCE_CONTINUE; /* wakes the loop so that the bound is looked at */
}

void
side_iterate (gint64 until, const char *what)
{
  guint bound = g_timeout_add_seconds (1, on_bound, NULL);

  g_main_context_iteration (NULL, TRUE);
  g_source_remove (bound);
  if (g_get_monotonic_time () > until)
    g_error ("never true: %s", what);
}

static void
on_message_added (Messenger *messenger, MessageRow *row, Side *side)
{
  if (row->direction == DIRECTION_IN)
    g_ptr_array_add (side->received, g_strdup (row->body));
}

static void
on_peer_changed (Messenger *messenger, Peer *peer, guint changed, Side *side)
{
  if (changed & PEER_CHANGED_TYPING)
    side->typing++;
}

static void
set_peer (Side *side, Peer *peer)
{
  side->peer = peer;
  side->peer_id = peer != NULL ? peer->row->id : 0;
}

/* The one peer that is not the user himself; of two the one that has shown who it is. */
static Peer *
find_peer (Side *side)
{
  GPtrArray *peers = roster_peers (messenger_roster (side->messenger));
  Peer *found = NULL;

  for (guint i = 0; i < peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (peers, i);

      if (!peer->is_self && (found == NULL || found->row->instance == NULL))
        found = peer;
    }
  return found;
}

static void
on_peer_removed (Messenger *messenger, gint64 *id, Side *side)
{
  if (*id == side->peer_id)
    set_peer (side, find_peer (side));
}

void
side_start (Side *side)
{
  g_autofree char *path = g_build_filename (side->folder, "hearby.db", NULL);
  g_autofree char *conf = g_build_filename (side->folder, "hearby.conf", NULL);
  g_autofree char *key = g_build_filename (side->folder, "identity.key", NULL);
  g_autoptr (GError) error = NULL;
  Settings *settings = settings_load (conf, NULL, &error);
  gboolean first;

  g_assert_no_error (error);
  if (side->kind == SIDE_SECURE)
    side->identity = identity_load_or_create (key, NULL, &error);
  g_assert_no_error (error);
  side->db = database_open (path, &error);
  g_assert_no_error (error);
  side->messenger = messenger_new (side->db, settings, side->identity, &error);
  g_assert_no_error (error);
  g_signal_connect (side->messenger, "message-added", G_CALLBACK (on_message_added), side);
  g_signal_connect (side->messenger, "peer-changed", G_CALLBACK (on_peer_changed), side);
  g_signal_connect (side->messenger, "peer-removed", G_CALLBACK (on_peer_removed), side);
  messenger_announce (side->messenger, &first);
  set_peer (side, find_peer (side));
}

void
side_keep_port (Side *side)
{
  g_autofree char *port = g_strdup_printf ("%u", messenger_port (side->messenger));

  side_configure (side, "port", port);
}

void
side_restart (Side *side)
{
  guint16 port = messenger_port (side->messenger);

  side_keep_port (side);
  side_stop (side);
  side_start (side);
  g_assert_cmpuint (messenger_port (side->messenger), ==, port);
}

void
side_see (Side *side, const char *instance, guint16 port, const char *first, ...)
{
  g_autoptr (Sighting) sighting = g_new0 (Sighting, 1);
  va_list args;

  sighting->instance = g_strdup (instance);
  sighting->interface = 1;
  sighting->family = G_SOCKET_FAMILY_IPV4;
  sighting->address = g_inet_socket_address_new_from_string ("127.0.0.1", port);
  sighting->txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  va_start (args, first);
  for (const char *string = first; string != NULL; string = va_arg (args, const char *))
    g_ptr_array_add (sighting->txt, g_bytes_new (string, strlen (string)));
  va_end (args);
  link_seen (sighting, side->messenger);
  set_peer (side, roster_by_instance (messenger_roster (side->messenger), instance));
}

void
side_miss (Side *side, const char *instance)
{
  link_gone (instance, 1, G_SOCKET_FAMILY_IPV4, side->messenger);
}

void
side_stop (Side *side)
{
  set_peer (side, NULL);
  messenger_stop (side->messenger);
  g_signal_handlers_disconnect_by_data (side->messenger, side);
  g_clear_object (&side->messenger);
  side->identity = NULL;
  g_clear_pointer (&side->db, database_close);
}

Side *
side_new (const char *instance, SideKind kind)
{
  Side *side = g_new0 (Side, 1);
  g_autofree char *conf = NULL;
  g_autofree char *text = g_strdup_printf ("[hearby]\ninstance=%s\ndiscovery=off\nport=0\n", instance);
  g_autoptr (GError) error = NULL;

  side->folder = g_dir_make_tmp ("hearby-pair-XXXXXX", &error);
  g_assert_no_error (error);
  side->kind = kind;
  side->instance = g_strdup (instance);
  side->received = g_ptr_array_new_with_free_func (g_free);
  conf = g_build_filename (side->folder, "hearby.conf", NULL);
  g_file_set_contents (conf, text, -1, &error);
  g_assert_no_error (error);
  side_start (side);
  return side;
}

void
side_configure (Side *side, const char *key, const char *value)
{
  g_auto (GStrv) restart = NULL;
  g_autoptr (GError) error = NULL;

  messenger_configure (side->messenger, &key, &value, 1, &restart, &error);
  g_assert_no_error (error);
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);

  for (const char *name; (name = g_dir_read_name (dir)) != NULL;)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (folder);
}

void
side_free (Side *side)
{
  if (side->messenger != NULL)
    side_stop (side);
  remove_folder (side->folder);
  g_ptr_array_unref (side->received);
  g_free (side->folder);
  g_free (side->instance);
  g_free (side);
}

void
side_add (Side *side, guint16 port)
{
  g_autofree char *address = g_strdup_printf ("127.0.0.1:%u", port);
  g_autoptr (GError) error = NULL;

  set_peer (side, messenger_add_address (side->messenger, address, &error));
  g_assert_no_error (error);
  if (side->kind == SIDE_CLEAR)
    messenger_allow_plaintext (side->messenger, side->peer, PLAINTEXT_ALLOW, &error);
  g_assert_no_error (error);
}

void
side_meet (Side *a, Side *b)
{
  side_wait (peer_is_online (a->peer) && peer_is_online (b->peer));
}

guint64
side_send (Side *side, const char *text)
{
  SendOptions options = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) seqs = messenger_send (side->messenger, &side->peer, 1, text, &options, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (seqs->len, ==, 1);
  return g_array_index (seqs, guint64, 0);
}

MessageState
side_state (Side *side, guint64 seq)
{
  g_autoptr (MessageRow) row = messages_get (side->db, seq);

  g_assert_nonnull (row);
  return row->state;
}

void
side_expire (Side *side, guint64 seq)
{
  g_autofree char *sql = g_strdup_printf ("UPDATE message SET expires = 1 WHERE seq = %" G_GUINT64_FORMAT, seq);
  sqlite3_stmt *stmt = database_prepare_once (side->db, sql);

  g_assert_cmpint (sqlite3_step (stmt), ==, SQLITE_DONE);
  sqlite3_finalize (stmt);
  turn_flush (messenger_turn (side->messenger));
  deadline_set (side->messenger->expiry, g_get_monotonic_time ());
}

/* All messages of one direction, over as many answers as it takes. */
static GPtrArray *
list (Side *side, Direction direction)
{
  GPtrArray *found = g_ptr_array_new_with_free_func ((GDestroyNotify) message_row_free);
  MessageFilter filter = { 0 };

  for (;;)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GPtrArray) rows = messages_list (side->db, &filter, &error);

      g_assert_no_error (error);
      if (rows->len == 0)
        return found;
      for (guint i = 0; i < rows->len; i++)
        {
          const MessageRow *row = g_ptr_array_index (rows, i);

          filter.since_seq = row->seq;
          if (row->direction == direction)
            g_ptr_array_add (found, message_row_copy (row));
        }
    }
}

gboolean
side_all_delivered (Side *side)
{
  g_autoptr (GPtrArray) rows = NULL;

  if (side->peer->queued > 0)
    return FALSE;
  rows = list (side, DIRECTION_OUT);
  for (guint i = 0; i < rows->len; i++)
    if (((MessageRow *) g_ptr_array_index (rows, i))->state < MESSAGE_DELIVERED)
      return FALSE;
  return TRUE;
}

void
side_check_received (Side *side, const char *prefix, guint n)
{
  g_autoptr (GPtrArray) rows = list (side, DIRECTION_IN);

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *wanted = g_strdup_printf ("%s %u", prefix, i + 1);

      g_assert_cmpuint (i, <, side->received->len);
      g_assert_cmpstr (g_ptr_array_index (side->received, i), ==, wanted);
      g_assert_cmpuint (i, <, rows->len);
      g_assert_cmpstr (((MessageRow *) g_ptr_array_index (rows, i))->body, ==, wanted);
    }
  g_assert_cmpuint (side->received->len, ==, n);
  g_assert_cmpuint (rows->len, ==, n);
}
