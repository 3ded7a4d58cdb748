/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"
#include "core/messenger-private.h"

/* The XML of a peer's streams for whoever asked to see it: through pipes, never to the disk. */


typedef struct
{
  int fd;
} Trace;

static void
trace_free (gpointer data)
{
  Trace *trace = data;

  close (trace->fd);
  g_free (trace);
}

void
messenger_trace (Messenger *messenger, Peer *peer, int fd)
{
  Trace *trace = g_new (Trace, 1);
  int size = LIMIT_TRACE;

  trace->fd = fd;
  g_unix_set_fd_nonblocking (fd, TRUE, NULL);
  while (size > 4096 && fcntl (fd, F_SETPIPE_SZ, size) < 0) /* as far as the system lets us: pipe-max-size */
    size /= 2;
  if (peer->traces == NULL)
    peer->traces = g_ptr_array_new_with_free_func (trace_free);
  g_ptr_array_add (peer->traces, trace);
  streams_set_traced (messenger, peer);
}

void
trace_element (Messenger *messenger, Peer *peer, gboolean out, const char *xml, gsize len)
{
  g_autofree char *time = text_format_time (g_get_real_time ());
  g_autoptr (GString) line = g_string_new (NULL);

  if (peer->traces == NULL)
    return;
  g_string_append_printf (line, "%s %s ", time, out ? "out" : "in");
  for (gsize i = 0; i < len; i++) /* one element a line: a line break within is written as the reference it could be */
    if (xml[i] == '\n')
      g_string_append (line, "&#10;");
    else
      g_string_append_c (line, xml[i]);
  g_string_append_c (line, '\n');
  for (guint i = peer->traces->len; i > 0; i--)
    {
      const Trace *trace = g_ptr_array_index (peer->traces, i - 1);

      /* A pipe that was made as large as LIMIT_TRACE takes the line whole or its reader lags too far behind, or is gone. */
      if (write (trace->fd, line->str, line->len) != (gssize) line->len)
        g_ptr_array_remove_index (peer->traces, i - 1);
    }
  if (peer->traces->len == 0)
    {
      g_clear_pointer (&peer->traces, g_ptr_array_unref);
      streams_set_traced (messenger, peer);
    }
}
