/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: the same events in whatever slices, and broken by all or none; what is accepted writes back to
 * the same meaning. */
#include "fuzz.h"

#include <string.h>

#include "xmpp/ns.h"
#include "xmpp/reader.h"
#include "xmpp/writer.h"

static void
check_round_trip (const Node *node)
{
  g_autoptr (Reader) reader = reader_new (&(ReaderLimits){ 1 << 20, 1 << 24, 1000 });
  g_autoptr (GString) xml = g_string_new (FUZZ_HEADER);
  ReaderEvent event;

  writer_append (xml, node, NS_CLIENT);
  if (!reader_push (reader, xml->str, xml->len, NULL))
    g_error ("written ill-formed: %s", xml->str);
  g_assert_true (reader_next (reader, &event));
  node_free (event.node);
  g_assert_true (reader_next (reader, &event));
  g_assert_cmpint (event.type, ==, READER_ELEMENT);
  if (!node_equal (node, event.node))
    g_error ("written as something else: %s", xml->str);
  node_free (event.node);
}

static void
append_event (GString *log, const ReaderEvent *event)
{
  g_string_append_printf (log, "%d@%" G_GSIZE_FORMAT " ", event->type, event->bytes_consumed);
  if (event->node != NULL)
    writer_append (log, event->node, NS_CLIENT);
}

/* Small limits, so that they are reached. */
static GString *
read_log (const guint8 *data, gsize size, guint32 seed, gboolean round_trip)
{
  g_autoptr (Reader) reader = reader_new (&(ReaderLimits){ 300, 500, 8 });
  g_autoptr (GError) error = NULL;
  GString *log = g_string_new (NULL);
  ReaderEvent event;

  reader_push (reader, FUZZ_HEADER, strlen (FUZZ_HEADER) * (size > 0 && data[0] != '<'), NULL);
  while (size > 0)
    {
      gsize part = seed == 0 ? size : 1 + seed % 7;

      part = MIN (part, size);
      seed = seed == 0 ? 0 : seed * 1103515245 + 12345;
      reader_push (reader, data, part, NULL);
      data += part;
      size -= part;
    }
  while (reader_next (reader, &event))
    {
      append_event (log, &event);
      if (round_trip && event.type == READER_ELEMENT)
        check_round_trip (event.node);
      node_free (event.node);
    }
  if (!reader_push (reader, NULL, 0, &error))
    g_string_append (log, error->code == READER_ERROR_INVALID_XML
                              ? "not-well-formed" /* either; see reader.h */
                              : reader_error_condition (error->code));
  return log;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GString) whole = read_log (data, size, 0, TRUE);
  g_autoptr (GString) sliced = read_log (data, size, 1 + size, FALSE);

  g_assert_cmpstr (whole->str, ==, sliced->str);
  return 0;
}
