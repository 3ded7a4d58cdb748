/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: events come in order and end with at most one FAILED or CLOSED; whatever the peer says, what we
 * write is one well-formed stream. The first byte chooses the role and when we accept, answer and close. */
#include "fuzz.h"

#include <string.h>

#include "xmpp/stream.h"

typedef struct
{
  Stream *stream;
  Reader *peer; /* reads what we write */
  gboolean header, over;
  guint8 choice;
} Run;

static void
on_event (Run *run, const StreamEvent *event)
{
  g_assert_false (run->over);
  switch (event->type)
    {
    case STREAM_HEADER:
      g_assert_false (run->header);
      run->header = TRUE;
      if (run->choice & 1 && !(run->choice & 2))
        stream_accept (run->stream, "juliet@pronto", stream_peer_from (run->stream));
      break;
    case STREAM_FEATURES:
    case STREAM_READY:
      g_assert_true (run->header);
      break;
    case STREAM_STANZA:
      g_assert_true (run->header);
      if (run->choice & 4)
        stream_send (run->stream, event->node);
      if (run->choice & 8)
        stream_close (run->stream);
      if (run->choice & 16)
        stream_fail (run->stream, "policy-violation", "enough");
      break;
    case STREAM_CLOSED:
    case STREAM_FAILED:
      run->over = TRUE;
      g_assert_true (stream_is_closed (run->stream));
      break;
    }
}

static void
read_output (Run *run)
{
  g_autoptr (GBytes) output = stream_take_output (run->stream);
  g_autoptr (GError) error = NULL;

  if (output == NULL)
    return;
  if (!reader_push (run->peer, g_bytes_get_data (output, NULL), g_bytes_get_size (output), &error))
    g_error ("%s: %s", error->message, (const char *) g_bytes_get_data (output, NULL));
}

static void
push (Run *run, const guint8 *data, gsize size)
{
  StreamEvent event;

  stream_push (run->stream, data, size);
  while (stream_next (run->stream, &event))
    {
      on_event (run, &event);
      node_free (event.node);
    }
  read_output (run);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const ReaderLimits wide = { 1 << 20, 1 << 24, 1000 };
  guint8 choice = size > 0 ? data[0] : 0;
  Run run = { .choice = choice };
  gsize at = MIN (size, 1);

  run.stream = stream_new (choice & 1 ? STREAM_RESPONDER : STREAM_INITIATOR, "juliet@pronto", NULL);
  run.peer = reader_new (&wide);
  if (choice & 32)
    push (&run, (const guint8 *) FUZZ_HEADER, strlen (FUZZ_HEADER));
  for (; at < size; at += MIN (size - at, (gsize) 1 + choice))
    push (&run, data + at, MIN (size - at, (gsize) 1 + choice));
  if (choice & 2 && choice & 1)
    stream_accept (run.stream, "juliet@pronto", NULL);
  stream_close (run.stream);
  read_output (&run);
  stream_free (run.stream);
  reader_free (run.peer);
  return 0;
}
