/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a message costs without network and disk: written, through two streams joined by memory, read and
 * understood. */
#include <stdlib.h>
#include <string.h>

#include "xmpp/stanza.h"
#include "xmpp/stream.h"

#define MESSAGES 100000
#define EACH_WRITE 16 /* messages in one piece of output, as in a burst */

static void
move (Stream *from, Stream *to)
{
  g_autoptr (GBytes) bytes = stream_take_output (from);
  gsize len;
  const void *data = bytes != NULL ? g_bytes_get_data (bytes, &len) : NULL;

  if (data != NULL)
    stream_push (to, data, len);
}

/* Takes all events; answers how many messages with a body there were. */
static guint
drain (Stream *stream)
{
  StreamEvent event;
  guint messages = 0;

  while (stream_next (stream, &event))
    {
      if (event.type == STREAM_STANZA)
        {
          g_autoptr (Stanza) stanza = stanza_parse (event.node);

          messages += stanza->body != NULL && strlen (stanza->body) == 100;
        }
      node_free (event.node);
    }
  return messages;
}

static guint
send_all (Stream *romeo, Stream *juliet)
{
  static const char body[] = "0123456789 hundred bytes & some <that> need escapes, as texts of peopl"
                             "e now and then do, to the end.";
  g_autoptr (GString) xml = g_string_new (NULL);
  guint received = 0;

  for (guint i = 0; i < MESSAGES; i++)
    {
      char id[40];

      g_snprintf (id, sizeof id, "b1946ac92492d2347c6235b4%08x", i);
      g_string_truncate (xml, 0);
      stanza_append_message (xml, "romeo@forza", "juliet@pronto", id, body, 0, NULL,
                             STANZA_WITH_RECEIPT | STANZA_WITH_MARKER);
      stream_send_bytes (romeo, xml->str, xml->len);
      if (i % EACH_WRITE != EACH_WRITE - 1 && i != MESSAGES - 1)
        continue;
      move (romeo, juliet);
      received += drain (juliet);
    }
  return received;
}

int
main (void)
{
  g_autoptr (Stream) romeo = stream_new (STREAM_INITIATOR, "romeo@forza", "juliet@pronto");
  g_autoptr (Stream) juliet = stream_new (STREAM_RESPONDER, "juliet@pronto", NULL);
  gint64 start;
  guint received;
  double seconds;

  move (romeo, juliet);
  drain (juliet);
  stream_accept (juliet, "juliet@pronto", "romeo@forza");
  move (juliet, romeo);
  drain (romeo);
  start = g_get_monotonic_time ();
  received = send_all (romeo, juliet);
  seconds = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  g_print ("%u messages in %.3f s: %.0f messages/s\n", received, seconds, received / seconds);
  return received == MESSAGES ? EXIT_SUCCESS : EXIT_FAILURE;
}
