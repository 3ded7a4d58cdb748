/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/turn.h"

typedef struct
{
  TurnFunc func;
  gpointer data;
} Effect;

struct _Turn
{
  Database *db;
  GArray   *effects; /* Effect */
  GSource  *source;
  gboolean  wrote;
};

static void schedule (Turn *turn);

static void
run (Turn *turn)
{
  g_autoptr (GArray) effects = g_steal_pointer (&turn->effects);
  g_autoptr (GError) error = NULL;

  turn->effects = g_array_new (FALSE, FALSE, sizeof (Effect));
  if (turn->source != NULL)
    g_source_destroy (turn->source);
  g_clear_pointer (&turn->source, g_source_unref);

  turn->wrote = database_is_dirty (turn->db);
  if (turn->wrote && !database_commit (turn->db, &error))
    g_warning ("nothing of this turn was stored: %s", error->message);
  for (guint i = 0; i < effects->len; i++)
    {
      Effect *effect = &g_array_index (effects, Effect, i);

      effect->func (error, effect->data);
    }
  if (database_is_dirty (turn->db))
    schedule (turn); /* what an effect wrote does not wait for somebody else's turn */
}

static gboolean
on_turn (gpointer user_data)
{
  run (user_data);
  return G_SOURCE_REMOVE;
}

/* The priority of I/O: whatever else is ready in the next turn still goes into the same commit, nothing can starve it. */
static void
schedule (Turn *turn)
{
  if (turn->source != NULL)
    return;
  turn->source = g_idle_source_new ();
  g_source_set_priority (turn->source, G_PRIORITY_DEFAULT);
  g_source_set_callback (turn->source, on_turn, turn, NULL);
  g_source_attach (turn->source, g_main_context_get_thread_default ());
}

Turn *
turn_new (Database *db)
{
  Turn *turn = g_new0 (Turn, 1);

  turn->db = db;
  turn->effects = g_array_new (FALSE, FALSE, sizeof (Effect));
  return turn;
}

void
turn_free (Turn *turn)
{
  if (turn == NULL)
    return;
  turn_flush (turn);
  if (turn->source != NULL)
    g_source_destroy (turn->source);
  g_clear_pointer (&turn->source, g_source_unref);
  g_array_unref (turn->effects);
  g_free (turn);
}

void
turn_after (Turn *turn, TurnFunc func, gpointer data)
{
  Effect effect = { func, data };

  g_array_append_val (turn->effects, effect);
  schedule (turn);
}

gboolean
turn_wrote (Turn *turn)
{
  return turn->wrote;
}

void
turn_flush (Turn *turn)
{
  for (guint i = 0; i < 16 && (turn->effects->len > 0 || database_is_dirty (turn->db)); i++)
    run (turn);
}
