/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/turn.h"

#include "store.h"

/* Goal: what waits for the commit runs after it, once and in order; where the commit fails it hears that. */

typedef struct
{
  Store    store;
  Turn    *turn;
  GString *said;
} Scene;

static void
set_up (Scene *scene, gconstpointer data)
{
  store_setup (&scene->store, NULL);
  store_commit (&scene->store);
  scene->turn = turn_new (scene->store.db);
  scene->said = g_string_new (NULL);
}

static void
tear_down (Scene *scene, gconstpointer data)
{
  turn_free (scene->turn);
  store_teardown (&scene->store, NULL);
  g_string_free (scene->said, TRUE);
}

static Scene *now; /* of the functions below, whose data is the word they say */

static void
say (const GError *error, gpointer word)
{
  g_assert_false (database_is_dirty (now->store.db)); /* it is on the disk by now */
  g_string_append (now->said, error == NULL ? word : "!");
}

static void
say_and_write (const GError *error, gpointer word)
{
  say (error, word);
  g_assert_true (database_set (now->store.db, "k", word, NULL));
  turn_after (now->turn, say, (gpointer) "c");
}

static void
test_order (Scene *scene, gconstpointer data)
{
  now = scene;
  g_assert_true (database_set (scene->store.db, "k", "v", NULL));
  turn_after (scene->turn, say, (gpointer) "a");
  turn_after (scene->turn, say_and_write, (gpointer) "b");
  g_assert_cmpstr (scene->said->str, ==, ""); /* not within the call */
  while (scene->said->len < 3)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (scene->said->str, ==, "abc");
  g_assert_false (g_main_context_pending (NULL));
}

static void
test_flush (Scene *scene, gconstpointer data)
{
  now = scene;
  turn_after (scene->turn, say, (gpointer) "a");
  turn_after (scene->turn, say_and_write, (gpointer) "b");
  turn_flush (scene->turn);
  g_assert_cmpstr (scene->said->str, ==, "abc");
}

static void
test_failure (Scene *scene, gconstpointer data)
{
  now = scene;
  /* a page limit is a full disk that comes on cue */
  sqlite3_stmt *limit = database_prepare (scene->store.db, "PRAGMA max_page_count = 1");
  g_autofree char *large = g_strnfill (1 << 20, 'x');
  gboolean written;

  sqlite3_step (limit);
  sqlite3_reset (limit);
  written = database_set (scene->store.db, "large", large, NULL);
  turn_after (scene->turn, say, (gpointer) "a");
  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*nothing of this turn was stored*");
  turn_flush (scene->turn);
  g_test_assert_expected_messages ();
  g_assert_cmpstr (scene->said->str, ==, "!");
  g_assert_false (written && database_get (scene->store.db, "large") != NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/turn/order", Scene, NULL, set_up, test_order, tear_down);
  g_test_add ("/turn/flush", Scene, NULL, set_up, test_flush, tear_down);
  g_test_add ("/turn/failure", Scene, NULL, set_up, test_failure, tear_down);
  return g_test_run ();
}
