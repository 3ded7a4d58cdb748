/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: the frames of a stream are the same however it is cut, and each that is understood is written again so that it means the
 * same. The first byte of the input says how it is cut. */
#include "fuzz.h"

#include <string.h>

#include "transfer/frame.h"

static void
check_list (const Frame *frame)
{
  gsize at = 0;

  for (;;)
    {
      g_auto (Entry) entry = { 0 };
      gsize before = at;

      if (!frame_next_entry (frame, &at, &entry, NULL))
        return;
      g_assert_cmpuint (at, >, before);
      g_assert_cmpuint (at, <=, frame->len);
    }
}

static void
check_have (const Frame *frame)
{
  gsize    at = 0;
  FrameRun run;

  while (frame_next_run (frame, &at, &run, NULL))
    {
      g_assert_cmpuint (at, <=, frame->len);
      g_assert_cmpuint ((guint64) run.first + run.n, <=, G_MAXUINT32);
      g_assert_cmpuint (run.n, >, 0);
    }
}

static void
assert_same (const FrameBody *a, const FrameBody *b)
{
  g_assert_true (a->resume == b->resume && a->index == b->index && a->offset == b->offset && a->has_hash == b->has_hash);
  g_assert_true (a->entries == b->entries && a->bytes == b->bytes && a->mode == b->mode && a->mtime_ns == b->mtime_ns);
  g_assert_cmpmem (a->hash, FRAME_HASH, b->hash, FRAME_HASH);
  g_assert_cmpstr (a->reason, ==, b->reason);
  g_assert_true (a->entry.type == b->entry.type && a->entry.size == b->entry.size);
  g_assert_cmpstr (a->entry.path, ==, b->entry.path);
}

static void
check_body (const Frame *frame)
{
  g_auto (FrameBody) body = { 0 };
  g_auto (FrameBody) again = { 0 };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (FrameReader) reader = frame_reader_new ();
  Frame read;

  if (!frame_parse (frame, &body, NULL))
    return;
  g_assert_true (frame_append (bytes, frame->kind, &body, NULL));
  frame_reader_push (reader, bytes->data, bytes->len);
  g_assert_true (frame_reader_next (reader, &read, NULL));
  g_assert_cmpint (read.kind, ==, frame->kind);
  g_assert_true (frame_parse (&read, &again, NULL));
  assert_same (&body, &again);
}

static void
check_frame (const Frame *frame)
{
  switch (frame->kind)
    {
    case FRAME_DATA:
      return;
    case FRAME_LIST:
      check_list (frame);
      return;
    case FRAME_HAVE:
      check_have (frame);
      return;
    case FRAME_BEGIN:
    case FRAME_LISTED:
    case FRAME_PARTIAL:
    case FRAME_GO:
    case FRAME_ENTRY:
    case FRAME_END:
    case FRAME_LEAVE:
    case FRAME_FINISH:
    case FRAME_FAILED:
    case FRAME_DONE:
    case FRAME_KEEP:
    case FRAME_STOP:
      check_body (frame);
      return;
    }
  g_assert_not_reached ();
}

/* All that was read, as text that is the same for any cuts. */
static char *
read_all (const guint8 *data, gsize size, gsize slice)
{
  g_autoptr (FrameReader) reader = frame_reader_new ();
  g_autoptr (GChecksum) content = g_checksum_new (G_CHECKSUM_MD5);
  GString *story = g_string_new (NULL);
  GError  *error = NULL;
  Frame    frame;

  for (gsize at = 0; at < size && error == NULL; at += slice)
    {
      g_autofree guint8 *copy = g_memdup2 (data + at, MIN (slice, size - at));

      frame_reader_push (reader, copy, MIN (slice, size - at));
      while (frame_reader_next (reader, &frame, &error))
        {
          check_frame (&frame);
          if (frame.len > 0)
            g_checksum_update (content, frame.body, (gssize) frame.len);
          if (frame.left == 0)
            g_string_append_printf (story, "%d ", frame.kind);
        }
    }
  g_string_append_printf (story, "%s %s %d", g_checksum_get_string (content), error != NULL ? error->message : "",
                          error == NULL && frame_reader_is_between (reader));
  g_clear_error (&error);
  return g_string_free (story, FALSE);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *whole = NULL;
  g_autofree char *sliced = NULL;

  if (size < 2)
    return 0;
  whole = read_all (data + 1, size - 1, size - 1);
  sliced = read_all (data + 1, size - 1, (gsize) data[0] + 1);
  g_assert_cmpstr (whole, ==, sliced);
  return 0;
}
