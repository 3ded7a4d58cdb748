/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clock.h"

#include <time.h>

#include "net/deadline.h"

typedef struct
{
  GSource source;
  gint64  at; /* -1: never */
} Deadline;

static gint64 now;
static GSList *deadlines;

/* Begins with the true time, since some of GLib may see the one clock and some the other. */
gint64
g_get_monotonic_time (void)
{
  struct timespec begin;

  if (now == 0 && clock_gettime (CLOCK_MONOTONIC, &begin) == 0)
    now = begin.tv_sec * G_USEC_PER_SEC + begin.tv_nsec / 1000;
  return now;
}

static void
look (Deadline *deadline)
{
  g_source_set_ready_time (&deadline->source, deadline->at >= 0 && deadline->at <= g_get_monotonic_time () ? 0 : -1);
}

static gboolean
dispatch (GSource *source, GSourceFunc func, gpointer user_data)
{
  deadline_set (source, -1);
  return func (user_data);
}

static void
finalize (GSource *source)
{
  deadlines = g_slist_remove (deadlines, source);
}

static GSourceFuncs funcs = { .dispatch = dispatch, .finalize = finalize };

GSource *
deadline_new (GSourceFunc func, gpointer user_data)
{
  GSource *source = g_source_new (&funcs, sizeof (Deadline));

  deadlines = g_slist_prepend (deadlines, source);
  deadline_set (source, -1);
  g_source_set_callback (source, func, user_data, NULL);
  g_source_attach (source, NULL);
  return source;
}

void
deadline_set (GSource *deadline, gint64 at)
{
  ((Deadline *) deadline)->at = at;
  look ((Deadline *) deadline);
}

void
deadline_drop (GSource **deadline)
{
  if (*deadline != NULL)
    g_source_destroy (*deadline);
  g_clear_pointer (deadline, g_source_unref);
}

void
clock_move (gint64 us)
{
  now += us;
  for (GSList *l = deadlines; l != NULL; l = l->next)
    look (l->data);
}
