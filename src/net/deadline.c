/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/deadline.h"

static gboolean
dispatch (GSource *source, GSourceFunc func, gpointer user_data)
{
  g_source_set_ready_time (source, -1);
  return func (user_data);
}

/* A GTimeoutSource would set its own interval again after each dispatch. */
static GSourceFuncs deadline_funcs = { .dispatch = dispatch };

GSource *
deadline_new (GSourceFunc func, gpointer user_data)
{
  GSource *source = g_source_new (&deadline_funcs, sizeof (GSource));

  g_source_set_callback (source, func, user_data, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());
  return source;
}

void
deadline_set (GSource *deadline, gint64 at)
{
  g_source_set_ready_time (deadline, at);
}

void
deadline_drop (GSource **deadline)
{
  if (*deadline != NULL)
    g_source_destroy (*deadline);
  g_clear_pointer (deadline, g_source_unref);
}
