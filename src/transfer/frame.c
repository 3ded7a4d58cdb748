/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/frame.h"

#include <string.h>

#include "base/error.h"
#include "transfer/reason.h"

#define REASON_MAX 32 /* bytes of a word on the wire; the longest of ours has 17 */

/* What a body may be long, by kind. */
static const struct
{
  gsize least, most;
} lengths[] = {
  [FRAME_BEGIN] = { 1, 1 },
  [FRAME_LIST] = { 1, LIMIT_FRAME_BODY },
  [FRAME_LISTED] = { 0, 0 },
  [FRAME_HAVE] = { 8, LIMIT_FRAME_BODY },
  [FRAME_PARTIAL] = { 4 + 8 + FRAME_HASH, 4 + 8 + FRAME_HASH },
  [FRAME_GO] = { 0, 0 },
  [FRAME_ENTRY] = { 4 + 8 + 1, 4 + 8 + MANIFEST_ENTRY_MAX },
  [FRAME_DATA] = { 0, LIMIT_FRAME_BODY },
  [FRAME_END] = { 1, 1 + REASON_MAX + FRAME_HASH },
  [FRAME_LEAVE] = { 4 + 4 + 8, 4 + 4 + 8 },
  [FRAME_FINISH] = { 8 + 8, 8 + 8 },
  [FRAME_FAILED] = { 4 + 1, 4 + 1 + REASON_MAX },
  [FRAME_DONE] = { 0, 0 },
  [FRAME_STOP] = { 1, 1 + REASON_MAX },
  [FRAME_KEEP] = { 0, 0 },
};

static gboolean
fail (const char *what, GError **error)
{
  g_set_error_literal (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, what);
  return FALSE;
}

void
frame_body_clear (FrameBody *body)
{
  entry_clear (&body->entry);
  memset (body, 0, sizeof *body);
}

/* Writing ------------------------------------------------------------------------------------------------- */

static void
append_number (GByteArray *out, guint64 number, guint size)
{
  guint64 big = GUINT64_TO_BE (number);

  g_byte_array_append (out, (const guint8 *) &big + sizeof big - size, size);
}

static void
append_word (GByteArray *out, const char *reason)
{
  const char *word = reason != NULL ? reason : REASON_NONE;

  g_assert (strlen (word) <= REASON_MAX);
  append_number (out, strlen (word), 1);
  g_byte_array_append (out, (const guint8 *) word, (guint) strlen (word));
}

static gboolean
append_body (GByteArray *out, FrameKind kind, const FrameBody *body, GError **error)
{
  switch (kind)
    {
    case FRAME_BEGIN:
      append_number (out, body->resume ? 1 : 0, 1);
      return TRUE;
    case FRAME_PARTIAL:
      append_number (out, body->index, 4);
      append_number (out, body->offset, 8);
      g_byte_array_append (out, body->hash, FRAME_HASH);
      return TRUE;
    case FRAME_ENTRY:
      append_number (out, body->index, 4);
      append_number (out, body->offset, 8);
      return manifest_append (out, &body->entry, error);
    case FRAME_END:
      append_word (out, body->reason);
      if (body->has_hash)
        g_byte_array_append (out, body->hash, FRAME_HASH);
      return TRUE;
    case FRAME_LEAVE:
      append_number (out, body->index, 4);
      append_number (out, body->mode, 4);
      append_number (out, (guint64) body->mtime_ns, 8);
      return TRUE;
    case FRAME_FINISH:
      append_number (out, body->entries, 8);
      append_number (out, body->bytes, 8);
      return TRUE;
    case FRAME_FAILED:
      append_number (out, body->index, 4);
      append_word (out, body->reason);
      return TRUE;
    case FRAME_STOP:
      append_word (out, body->reason);
      return TRUE;
    case FRAME_LISTED:
    case FRAME_GO:
    case FRAME_DONE:
    case FRAME_KEEP:
      return TRUE;
    case FRAME_LIST:
    case FRAME_HAVE:
    case FRAME_DATA:
      break;
    }
  return fail ("this frame is not written so", error);
}

static gboolean
check_numbers (const FrameBody *body, GError **error)
{
  if (body->offset <= G_MAXINT64 && body->entries <= G_MAXINT64 && body->bytes <= G_MAXINT64 && body->mode <= 07777)
    return TRUE;
  return fail ("a number in a frame is impossible", error);
}

void
frame_header (guint8 header[FRAME_HEADER], FrameKind kind, gsize len)
{
  guint32 big = GUINT32_TO_BE ((guint32) len);

  g_assert (len <= LIMIT_FRAME_BODY);
  header[0] = (guint8) kind;
  memcpy (header + 1, &big, sizeof big);
}

gboolean
frame_append (GByteArray *out, FrameKind kind, const FrameBody *body, GError **error)
{
  static const guint8 empty[FRAME_HEADER];
  guint               start = out->len;

  if (!check_numbers (body, error))
    return FALSE;
  g_byte_array_append (out, empty, sizeof empty);
  if (!append_body (out, kind, body, error))
    {
      g_byte_array_set_size (out, start);
      return FALSE;
    }
  frame_header (out->data + start, kind, out->len - start - FRAME_HEADER);
  return TRUE;
}

void
frame_append_empty (GByteArray *out, FrameKind kind)
{
  guint8 header[FRAME_HEADER];

  frame_header (header, kind, 0);
  g_byte_array_append (out, header, sizeof header);
}

void
frame_append_reason (GByteArray *out, FrameKind kind, const char *reason)
{
  FrameBody body = { .reason = reason };

  frame_append (out, kind, &body, NULL);
}

void
frame_append_have (GByteArray *out, const FrameRun *runs, gsize n)
{
  guint8 header[FRAME_HEADER];

  while (n > 0)
    {
      gsize now = MIN (n, FRAME_RUNS_MAX);

      frame_header (header, FRAME_HAVE, now * 8);
      g_byte_array_append (out, header, sizeof header);
      for (gsize i = 0; i < now; i++)
        {
          append_number (out, runs[i].first, 4);
          append_number (out, runs[i].n, 4);
        }
      runs += now;
      n -= now;
    }
}

/* The stream ---------------------------------------------------------------------------------------------- */

struct _FrameReader
{
  const guint8 *bytes; /* pushed and not read */
  gsize         len;
  guint8        header[FRAME_HEADER];
  gsize         header_len;
  FrameKind     kind;
  gsize         body_len; /* of the frame that is being read */
  gsize         done;     /* of it */
  GByteArray   *gathered; /* its body, where it did not come in one piece */
  GError       *error;
};

FrameReader *
frame_reader_new (void)
{
  FrameReader *reader = g_new0 (FrameReader, 1);

  reader->gathered = g_byte_array_new ();
  return reader;
}

void
frame_reader_free (FrameReader *reader)
{
  if (reader == NULL)
    return;
  g_byte_array_unref (reader->gathered);
  g_clear_error (&reader->error);
  g_free (reader);
}

void
frame_reader_push (FrameReader *reader, const guint8 *bytes, gsize len)
{
  g_assert (reader->len == 0 || reader->error != NULL);
  reader->bytes = bytes;
  reader->len = len;
}

static const guint8 *
take (FrameReader *reader, gsize n)
{
  const guint8 *bytes = reader->bytes;

  reader->bytes += n;
  reader->len -= n;
  return bytes;
}

static gboolean
start_frame (FrameReader *reader)
{
  guint8  kind = reader->header[0];
  guint32 len;

  memcpy (&len, reader->header + 1, sizeof len);
  len = GUINT32_FROM_BE (len);
  if (kind < FRAME_BEGIN || kind >= G_N_ELEMENTS (lengths))
    return fail ("a frame is of an unknown kind", &reader->error);
  if (len < lengths[kind].least || len > lengths[kind].most)
    return fail ("a frame is too long or too short", &reader->error);
  reader->kind = (FrameKind) kind;
  reader->body_len = len;
  reader->done = 0;
  g_byte_array_set_size (reader->gathered, 0);
  return TRUE;
}

/* FALSE: it is not whole yet, or wrong. */
static gboolean
read_header (FrameReader *reader)
{
  gsize n = MIN (FRAME_HEADER - reader->header_len, reader->len);

  if (n > 0)
    memcpy (reader->header + reader->header_len, take (reader, n), n);
  reader->header_len += n;
  return reader->header_len == FRAME_HEADER && start_frame (reader);
}

static void
end_frame (FrameReader *reader)
{
  reader->header_len = 0;
}

/* What there is of DATA. */
static gboolean
read_data (FrameReader *reader, Frame *out)
{
  gsize n = MIN (reader->body_len - reader->done, reader->len);

  if (n == 0 && reader->body_len > 0)
    return FALSE;
  reader->done += n;
  *out = (Frame){ FRAME_DATA, take (reader, n), n, reader->body_len - reader->done };
  if (out->left == 0)
    end_frame (reader);
  return TRUE;
}

/* A whole body: where it was pushed, if it was in one piece. */
static gboolean
read_whole (FrameReader *reader, Frame *out)
{
  gsize         n = MIN (reader->body_len - reader->done, reader->len);
  const guint8 *body = take (reader, n);

  if (n < reader->body_len)
    {
      if (n > 0)
        g_byte_array_append (reader->gathered, body, (guint) n);
      body = reader->gathered->data;
    }
  reader->done += n;
  if (reader->done < reader->body_len)
    return FALSE;
  *out = (Frame){ reader->kind, body, reader->body_len, 0 };
  end_frame (reader);
  return TRUE;
}

gboolean
frame_reader_next (FrameReader *reader, Frame *out, GError **error)
{
  if (reader->error == NULL && (reader->header_len == FRAME_HEADER || read_header (reader)))
    return reader->kind == FRAME_DATA ? read_data (reader, out) : read_whole (reader, out);
  if (reader->error != NULL && error != NULL)
    *error = g_error_copy (reader->error);
  return FALSE;
}

gboolean
frame_reader_is_between (const FrameReader *reader)
{
  return reader->header_len == 0 && reader->len == 0;
}

/* Bodies -------------------------------------------------------------------------------------------------- */

/* What of a body was not read yet. */
typedef struct
{
  const guint8 *bytes;
  gsize         left;
  gboolean      short_of; /* something was read that is not there */
} Rest;

static const guint8 *
rest_take (Rest *rest, gsize n)
{
  static const guint8 zeros[FRAME_HASH];
  const guint8       *bytes = rest->bytes;

  if (n > rest->left)
    {
      rest->short_of = TRUE;
      return zeros;
    }
  rest->bytes += n;
  rest->left -= n;
  return bytes;
}

static guint64
rest_number (Rest *rest, guint size)
{
  const guint8 *bytes = rest_take (rest, size);
  guint64       number = 0;

  for (guint i = 0; i < size; i++)
    number = number << 8 | bytes[i];
  return number;
}

static const char *
rest_reason (Rest *rest, const char *fallback)
{
  gsize       len = rest_number (rest, 1);
  const char *bytes;
  const char *reason;

  if (len > rest->left || len > REASON_MAX)
    {
      rest->short_of = TRUE;
      return fallback;
    }
  bytes = (const char *) rest_take (rest, len);
  reason = reason_known (bytes, (gssize) len);
  return reason != NULL ? reason : fallback;
}

static void
rest_hash (Rest *rest, FrameBody *out)
{
  memcpy (out->hash, rest_take (rest, FRAME_HASH), FRAME_HASH);
  out->has_hash = !rest->short_of;
}

static gboolean
rest_entry (Rest *rest, Entry *out, GError **error)
{
  GError *err = NULL;
  gsize   used;

  if (!manifest_parse (rest->bytes, rest->left, &used, out, &err))
    {
      if (err != NULL)
        g_propagate_error (error, err);
      return err == NULL && fail ("an entry is cut off", error);
    }
  rest_take (rest, used);
  return TRUE;
}

static gboolean
parse_body (FrameKind kind, Rest *rest, FrameBody *out, GError **error)
{
  switch (kind)
    {
    case FRAME_BEGIN:
      out->resume = rest_number (rest, 1) != 0;
      return TRUE;
    case FRAME_PARTIAL:
      out->index = (guint32) rest_number (rest, 4);
      out->offset = rest_number (rest, 8);
      rest_hash (rest, out);
      return TRUE;
    case FRAME_ENTRY:
      out->index = (guint32) rest_number (rest, 4);
      out->offset = rest_number (rest, 8);
      return rest_entry (rest, &out->entry, error);
    case FRAME_END:
      out->reason = rest_reason (rest, REASON_FILE_ERROR);
      if (rest->left > 0)
        rest_hash (rest, out);
      return TRUE;
    case FRAME_LEAVE:
      out->index = (guint32) rest_number (rest, 4);
      out->mode = (guint32) rest_number (rest, 4);
      out->mtime_ns = (gint64) rest_number (rest, 8);
      return TRUE;
    case FRAME_FINISH:
      out->entries = rest_number (rest, 8);
      out->bytes = rest_number (rest, 8);
      return TRUE;
    case FRAME_FAILED:
      out->index = (guint32) rest_number (rest, 4);
      out->reason = rest_reason (rest, REASON_FILE_ERROR);
      return TRUE;
    case FRAME_STOP:
      out->reason = rest_reason (rest, REASON_PROTOCOL);
      return TRUE;
    case FRAME_LISTED:
    case FRAME_GO:
    case FRAME_DONE:
    case FRAME_KEEP:
      return TRUE;
    case FRAME_LIST:
    case FRAME_HAVE:
    case FRAME_DATA:
      break;
    }
  return fail ("this frame is not read so", error);
}

gboolean
frame_parse (const Frame *frame, FrameBody *out, GError **error)
{
  g_auto (FrameBody) body = { 0 };
  Rest rest = { frame->body, frame->len, FALSE };

  if (!parse_body (frame->kind, &rest, &body, error))
    return FALSE;
  if (rest.short_of || rest.left > 0)
    return fail ("a frame is too long or too short", error);
  if (!check_numbers (&body, error))
    return FALSE;
  *out = body;
  memset (&body, 0, sizeof body);
  return TRUE;
}

gboolean
frame_next_entry (const Frame *frame, gsize *at, Entry *out, GError **error)
{
  Rest rest = { frame->body + *at, frame->len - *at, FALSE };

  if (rest.left == 0 || !rest_entry (&rest, out, error))
    return FALSE;
  *at = frame->len - rest.left;
  return TRUE;
}

gboolean
frame_next_run (const Frame *frame, gsize *at, FrameRun *out, GError **error)
{
  Rest rest = { frame->body + *at, frame->len - *at, FALSE };

  if (rest.left == 0)
    return FALSE;
  out->first = (guint32) rest_number (&rest, 4);
  out->n = (guint32) rest_number (&rest, 4);
  if (rest.short_of || out->n == 0 || out->n > G_MAXUINT32 - out->first)
    return fail ("a run of entries is impossible", error);
  *at = frame->len - rest.left;
  return TRUE;
}
