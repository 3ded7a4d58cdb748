/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what storing costs, in memory and on disk: adds and state changes, 64 to a commit, and the first
 * search. */
#include <glib/gstdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "store/messages.h"
#include "store/peers.h"

#define COUNT 100000
#define PER_COMMIT 64

static const char *const words[]
  = { "are", "you", "there", "the", "backup", "of", "verona", "finished", "lunch", "at" };

typedef gboolean (*Step) (Database *db, gint64 peer, guint i, GError **error);

static gboolean
add (Database *db, gint64 peer, guint i, Direction direction, GError **error)
{
  g_autofree char *body = g_strdup_printf ("%s %s %s %s %s %u", words[i % 10], words[i / 10 % 10],
                                           words[i / 100 % 10], words[i / 7 % 10], words[i / 3 % 10], i);
  g_autofree char *id = g_strdup_printf ("%08x-%04x-%08x", g_random_int (), i & 0xffff, g_random_int ());
  MessageRow row = { .peer = peer,
                     .direction = direction,
                     .id = id,
                     .body = body,
                     .time = i + 1,
                     .received = i + 1,
                     .state = direction == DIRECTION_OUT ? MESSAGE_QUEUED : MESSAGE_RECEIVED,
                     .expires = direction == DIRECTION_OUT ? (gint64) i + 1000000 : 0,
                     .trust = (char *) "plain" };

  return messages_add (db, &row, error);
}

static gboolean
add_out (Database *db, gint64 peer, guint i, GError **error)
{
  return add (db, peer, i, DIRECTION_OUT, error);
}

static gboolean
add_in (Database *db, gint64 peer, guint i, GError **error)
{
  return add (db, peer, i, DIRECTION_IN, error);
}

static gboolean
set_sent (Database *db, gint64 peer, guint i, GError **error)
{
  return messages_set_state (db, i + 1, MESSAGE_SENT, NULL, TRUE, error);
}

static gboolean
set_delivered (Database *db, gint64 peer, guint i, GError **error)
{
  return messages_set_state (db, i + 1, MESSAGE_DELIVERED, NULL, FALSE, error);
}

static const struct
{
  const char *name;
  Step        step;
} phases[] = { { "add, out", add_out },
               { "queued to sent", set_sent },
               { "sent to delivered", set_delivered },
               { "add, in", add_in } };

static void
must (gboolean ok, GError *error)
{
  if (!ok)
    g_error ("%s", error != NULL ? error->message : "no such message");
}

static void
run_phase (Database *db, gint64 peer, const char *name, Step step)
{
  GError *error = NULL;
  gint64  start = g_get_monotonic_time ();
  gint64  commits = 0;

  for (guint i = 0; i < COUNT; i++)
    {
      must (step (db, peer, i, &error), error);
      if (i % PER_COMMIT == PER_COMMIT - 1)
        {
          gint64 before = g_get_monotonic_time ();

          must (database_commit (db, &error), error);
          commits += g_get_monotonic_time () - before;
        }
    }
  start = g_get_monotonic_time () - start;
  g_print ("  %-18s %8.0f/s %6.2f us in the transaction, %7.1f us a commit\n", name, COUNT * 1e6 / start,
           (start - commits) / (double) COUNT, commits / (double) (COUNT / PER_COMMIT));
}

static void
run_search (Database *db, const char *name)
{
  g_autoptr (GError) error = NULL;
  MessageFilter filter = { .search = "backup verona 99", .newest = TRUE, .limit = 20 };
  gint64        start = g_get_monotonic_time ();
  g_autoptr (GPtrArray) rows = messages_list (db, &filter, &error);

  must (rows != NULL && database_commit (db, &error), error);
  g_print ("  %-18s %8.1f ms (%u found)\n", name, (g_get_monotonic_time () - start) / 1e3, rows->len);
}

static void
run (const char *parent)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_build_filename (parent, "bench-store-XXXXXX", NULL);
  g_autofree char *path = NULL;
  g_autofree char *clean = NULL;
  g_autoptr (Database) db = NULL;
  PeerRow peer = { .instance = (char *) "juliet@pronto" };

  must (g_mkdtemp (folder) != NULL, NULL);
  path = g_build_filename (folder, "hearby.db", NULL);
  db = database_open (path, &error);
  must (db != NULL && peers_save (db, &peer, &error), error);
  g_print ("%s, %d messages, %d to a commit\n", parent, COUNT, PER_COMMIT);
  for (guint i = 0; i < G_N_ELEMENTS (phases); i++)
    run_phase (db, peer.id, phases[i].name, phases[i].step);
  run_search (db, "first search");
  run_search (db, "next search");
  g_clear_pointer (&db, database_close);
  clean = g_strdup_printf ("rm -r '%s'", folder);
  must (system (clean) == 0, NULL);
}

int
main (int argc, char **argv)
{
  g_random_set_seed (1);
  run ("/dev/shm");
  run (argc > 1 ? argv[1] : g_get_tmp_dir ());
  return 0;
}
