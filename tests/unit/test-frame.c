/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: frames are read as they were written, however the stream is cut, without a copy of the bytes of files; what is no frame breaks
 * the reader at its header. */
#include "transfer/frame.h"

#include <string.h>

#include "base/error.h"
#include "transfer/reason.h"

/* A whole conversation, both directions one after the other. */
static GByteArray *
write_all (void)
{
  GByteArray *out = g_byte_array_new ();
  Entry       entry = { ENTRY_FILE, 0644, 1, 7, (char *) "d/a", NULL };
  FrameBody   body = { .resume = TRUE, .index = 0xfffffffe, .offset = G_MAXINT64, .has_hash = TRUE, .reason = "no-space",
                       .entries = 5, .bytes = 1 << 20, .mode = 07777, .mtime_ns = -5, .entry = entry };
  FrameRun    runs[] = { { 0, 1 }, { 7, 4294967288 } };
  guint8      header[FRAME_HEADER];
  g_autoptr (GByteArray) list = g_byte_array_new ();

  memset (body.hash, 0xab, sizeof body.hash);
  for (FrameKind kind = FRAME_BEGIN; kind <= FRAME_KEEP; kind++)
    if (kind == FRAME_HAVE)
      frame_append_have (out, runs, G_N_ELEMENTS (runs));
    else if (kind == FRAME_LIST || kind == FRAME_DATA)
      {
        g_byte_array_set_size (list, 0);
        manifest_append (list, &entry, NULL);
        manifest_append (list, &entry, NULL);
        frame_header (header, kind, list->len);
        g_byte_array_append (out, header, sizeof header);
        g_byte_array_append (out, list->data, list->len);
      }
    else
      g_assert_true (frame_append (out, kind, &body, NULL));
  return out;
}

static void
check_body (const Frame *frame)
{
  g_auto (FrameBody) body = { 0 };

  g_assert_true (frame_parse (frame, &body, NULL));
  if (frame->kind == FRAME_BEGIN)
    g_assert_true (body.resume);
  if (frame->kind == FRAME_PARTIAL || frame->kind == FRAME_ENTRY || frame->kind == FRAME_LEAVE || frame->kind == FRAME_FAILED)
    g_assert_cmpuint (body.index, ==, 0xfffffffe);
  if (frame->kind == FRAME_PARTIAL || frame->kind == FRAME_ENTRY)
    g_assert_cmpuint (body.offset, ==, G_MAXINT64);
  if (frame->kind == FRAME_PARTIAL || frame->kind == FRAME_END)
    g_assert_true (body.has_hash && body.hash[0] == 0xab && body.hash[FRAME_HASH - 1] == 0xab);
  if (frame->kind == FRAME_END || frame->kind == FRAME_FAILED || frame->kind == FRAME_STOP)
    g_assert_cmpstr (body.reason, ==, REASON_NO_SPACE);
  if (frame->kind == FRAME_LEAVE)
    g_assert_true (body.mode == 07777 && body.mtime_ns == -5);
  if (frame->kind == FRAME_FINISH)
    g_assert_true (body.entries == 5 && body.bytes == 1 << 20);
  if (frame->kind == FRAME_ENTRY)
    g_assert_cmpstr (body.entry.path, ==, "d/a");
}

static void
check_list (const Frame *frame)
{
  gsize at = 0;
  guint n = 0;
  g_autoptr (GError) error = NULL;
  g_auto (Entry) entry = { 0 };

  for (; frame_next_entry (frame, &at, &entry, &error); n++)
    entry_clear (&entry);
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 2);
}

static void
check_have (const Frame *frame)
{
  gsize    at = 0;
  FrameRun run;

  g_assert_true (frame_next_run (frame, &at, &run, NULL));
  g_assert_true (run.first == 0 && run.n == 1);
  g_assert_true (frame_next_run (frame, &at, &run, NULL));
  g_assert_true (run.first == 7 && run.n == 4294967288);
  g_assert_false (frame_next_run (frame, &at, &run, NULL));
}

/* Reads what there is; @expect is the kind that must come next, @data counts bytes of DATA. */
static void
drain (FrameReader *reader, guint *expect, gsize *data)
{
  g_autoptr (GError) error = NULL;
  Frame frame;

  while (frame_reader_next (reader, &frame, &error))
    {
      g_assert_cmpuint (frame.kind, ==, *expect);
      if (frame.kind == FRAME_DATA)
        *data += frame.len;
      else if (frame.kind == FRAME_LIST)
        check_list (&frame);
      else if (frame.kind == FRAME_HAVE)
        check_have (&frame);
      else
        check_body (&frame);
      if (frame.left == 0)
        ++*expect;
    }
  g_assert_no_error (error);
}

static void
test_any_slices (void)
{
  g_autoptr (GByteArray) bytes = write_all ();

  for (gsize slice = 1; slice <= bytes->len; slice++)
    {
      g_autoptr (FrameReader) reader = frame_reader_new ();
      guint expect = FRAME_BEGIN;
      gsize data = 0;

      for (gsize at = 0; at < bytes->len; at += slice)
        {
          gsize len = MIN (slice, bytes->len - at);
          g_autofree guint8 *copy = g_memdup2 (bytes->data + at, len);

          frame_reader_push (reader, copy, len);
          drain (reader, &expect, &data);
        }
      g_assert_cmpuint (expect, ==, FRAME_KEEP + 1);
      g_assert_cmpuint (data, ==, 2 * (1 + 4 + 8 + 8 + 2 + 3 + 2));
      g_assert_true (frame_reader_is_between (reader));
    }
}

/* Bytes of files lie where they were pushed. */
static void
test_data_is_not_copied (void)
{
  g_autoptr (FrameReader) reader = frame_reader_new ();
  g_autofree guint8 *bytes = g_malloc0 (FRAME_HEADER + LIMIT_FRAME_BODY);
  Frame              frame;

  frame_header (bytes, FRAME_DATA, LIMIT_FRAME_BODY);
  frame_reader_push (reader, bytes, 100);
  g_assert_true (frame_reader_next (reader, &frame, NULL));
  g_assert_true (frame.body == bytes + FRAME_HEADER);
  g_assert_cmpuint (frame.len, ==, 95);
  g_assert_cmpuint (frame.left, ==, LIMIT_FRAME_BODY - 95);
  g_assert_false (frame_reader_next (reader, &frame, NULL));
  g_assert_false (frame_reader_is_between (reader));
  frame_reader_push (reader, bytes + 100, FRAME_HEADER + LIMIT_FRAME_BODY - 100);
  g_assert_true (frame_reader_next (reader, &frame, NULL));
  g_assert_true (frame.body == bytes + 100);
  g_assert_cmpuint (frame.left, ==, 0);
  g_assert_false (frame_reader_next (reader, &frame, NULL));
  g_assert_true (frame_reader_is_between (reader));
}

static void
test_empty_data (void)
{
  g_autoptr (FrameReader) reader = frame_reader_new ();
  guint8 bytes[FRAME_HEADER];
  Frame  frame;

  frame_header (bytes, FRAME_DATA, 0);
  frame_reader_push (reader, bytes, sizeof bytes);
  g_assert_true (frame_reader_next (reader, &frame, NULL));
  g_assert_true (frame.kind == FRAME_DATA && frame.len == 0 && frame.left == 0);
  g_assert_false (frame_reader_next (reader, &frame, NULL));
  g_assert_true (frame_reader_is_between (reader));
}

/* What a header alone says wrong. The body never comes. */
static void
assert_broken (guint8 kind, guint32 len)
{
  g_autoptr (FrameReader) reader = frame_reader_new ();
  guint8  bytes[FRAME_HEADER] = { kind };
  guint32 big = GUINT32_TO_BE (len);
  Frame   frame;

  memcpy (bytes + 1, &big, sizeof big);
  frame_reader_push (reader, bytes, sizeof bytes);
  for (guint i = 0; i < 2; i++) /* and it stays so */
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (frame_reader_next (reader, &frame, &error));
      g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED);
      frame_reader_push (reader, bytes, sizeof bytes);
    }
}

static void
assert_awaited (guint8 kind, guint32 len)
{
  g_autoptr (FrameReader) reader = frame_reader_new ();
  g_autoptr (GError) error = NULL;
  guint8 bytes[FRAME_HEADER];
  Frame  frame;

  frame_header (bytes, kind, len);
  frame_reader_push (reader, bytes, sizeof bytes);
  g_assert_false (frame_reader_next (reader, &frame, &error));
  g_assert_no_error (error);
}

static void
test_lengths (void)
{
  assert_broken (0, 0);
  assert_broken (FRAME_KEEP + 1, 0);
  assert_broken (255, 1);
  assert_broken (FRAME_DATA, G_MAXUINT32);
  assert_awaited (FRAME_DATA, LIMIT_FRAME_BODY);
  assert_broken (FRAME_DATA, LIMIT_FRAME_BODY + 1);
  assert_awaited (FRAME_LIST, LIMIT_FRAME_BODY);
  assert_broken (FRAME_LIST, LIMIT_FRAME_BODY + 1);
  assert_broken (FRAME_LIST, 0);
  assert_awaited (FRAME_HAVE, LIMIT_FRAME_BODY);
  assert_broken (FRAME_HAVE, LIMIT_FRAME_BODY + 1);
  assert_broken (FRAME_BEGIN, 0);
  assert_broken (FRAME_BEGIN, 2);
  assert_broken (FRAME_GO, 1);
  assert_broken (FRAME_DONE, 1);
  assert_awaited (FRAME_ENTRY, 12 + MANIFEST_ENTRY_MAX);
  assert_broken (FRAME_ENTRY, 12 + MANIFEST_ENTRY_MAX + 1);
  assert_awaited (FRAME_STOP, 1 + 32);
  assert_broken (FRAME_STOP, 1 + 32 + 1);
  assert_broken (FRAME_PARTIAL, 43);
  assert_broken (FRAME_PARTIAL, 45);
}

/* Bodies that are as long as they may, and wrong. */
static void
assert_bad_body (FrameKind kind, const char *hex, HearbyError code)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_auto (FrameBody) body = { 0 };
  g_autoptr (GError) error = NULL;
  Frame frame;

  for (; hex[0] != '\0'; hex += 2)
    {
      guint8 byte = (guint8) (g_ascii_xdigit_value (hex[0]) << 4 | g_ascii_xdigit_value (hex[1]));

      g_byte_array_append (bytes, &byte, 1);
    }
  frame = (Frame){ kind, bytes->data, bytes->len, 0 };
  g_assert_false (frame_parse (&frame, &body, &error));
  g_assert_error (error, HEARBY_ERROR, (int) code);
}

static void
test_bad_bodies (void)
{
  assert_bad_body (FRAME_STOP, "03616263ff", HEARBY_ERROR_FAILED); /* more than the word */
  assert_bad_body (FRAME_STOP, "05616263", HEARBY_ERROR_FAILED);   /* less */
  assert_bad_body (FRAME_STOP, "ff616263", HEARBY_ERROR_FAILED);
  assert_bad_body (FRAME_END, "00abcd", HEARBY_ERROR_FAILED); /* a hash of two bytes */
  assert_bad_body (FRAME_LEAVE, "00000000000010000000000000000000", HEARBY_ERROR_FAILED); /* mode 010000 */
  assert_bad_body (FRAME_FINISH, "80000000000000000000000000000000", HEARBY_ERROR_FAILED);
  assert_bad_body (FRAME_ENTRY, "00000000" "8000000000000000" "01000001a4" "0000000000000000" "0000000000000001" "000161" "0000",
                   HEARBY_ERROR_FAILED); /* an offset above 2^63-1 */
  assert_bad_body (FRAME_ENTRY, "00000000" "0000000000000000" "01000001a4" "0000000000000000" "0000000000000001" "00022e2e" "0000",
                   HEARBY_ERROR_REJECTED);
  assert_bad_body (FRAME_ENTRY, "00000000" "0000000000000000" "01000001a4" "0000000000000000", HEARBY_ERROR_FAILED); /* cut off */
  assert_bad_body (FRAME_DATA, "00", HEARBY_ERROR_FAILED);
}

static void
test_unknown_words (void)
{
  static const guint8 word[] = "\x0c" "moon-is-full";
  static const guint8 failed[] = "\0\0\0\1" "\x0c" "moon-is-full";
  Frame     stop = { FRAME_STOP, word, sizeof word - 1, 0 };
  Frame     one = { FRAME_FAILED, failed, sizeof failed - 1, 0 };
  FrameBody body = { 0 };

  g_assert_true (frame_parse (&stop, &body, NULL));
  g_assert_cmpstr (body.reason, ==, REASON_PROTOCOL);
  g_assert_true (frame_parse (&one, &body, NULL));
  g_assert_cmpstr (body.reason, ==, REASON_FILE_ERROR);
}

static void
assert_bad_run (const char *bytes, gsize len)
{
  Frame    frame = { FRAME_HAVE, (const guint8 *) bytes, len, 0 };
  FrameRun run;
  gsize    at = 0;
  g_autoptr (GError) error = NULL;

  g_assert_false (frame_next_run (&frame, &at, &run, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED);
}

static void
test_bad_runs (void)
{
  assert_bad_run ("\0\0\0\0\0\0\0\0", 8);                         /* of none */
  assert_bad_run ("\0\0\0\0\0\0\0\1" + 1, 7);                     /* cut off */
  assert_bad_run ("\xff\xff\xff\xff" "\0\0\0\1", 8);              /* beyond 2^32 */
}

/* More runs than one frame holds. */
static void
test_many_runs (void)
{
  guint      n = FRAME_RUNS_MAX + 1;
  FrameRun  *runs = g_new (FrameRun, n);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (FrameReader) reader = frame_reader_new ();
  guint frames = 0, seen = 0;
  Frame frame;

  for (guint i = 0; i < n; i++)
    runs[i] = (FrameRun){ 2 * i, 1 };
  frame_append_have (bytes, runs, n);
  frame_reader_push (reader, bytes->data, bytes->len);
  for (; frame_reader_next (reader, &frame, NULL); frames++)
    {
      FrameRun run;

      for (gsize at = 0; frame_next_run (&frame, &at, &run, NULL); seen++)
        g_assert_cmpuint (run.first, ==, 2 * seen);
    }
  g_assert_cmpuint (frames, ==, 2);
  g_assert_cmpuint (seen, ==, n);
  g_free (runs);
}

/* What must not go out leaves nothing behind. */
static void
test_not_written (void)
{
  Entry     unsafe = { ENTRY_FILE, 0644, 0, 0, (char *) "../a", NULL };
  FrameBody bodies[] = { { .offset = 1ULL << 63 }, { .bytes = 1ULL << 63 }, { .entries = 1ULL << 63 }, { .mode = 010000 }, { .entry = unsafe } };
  g_autoptr (GByteArray) out = g_byte_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++)
    g_assert_false (frame_append (out, FRAME_ENTRY, &bodies[i], NULL));
  g_assert_false (frame_append (out, FRAME_DATA, &(FrameBody){ 0 }, NULL));
  g_assert_false (frame_append (out, FRAME_LIST, &(FrameBody){ 0 }, NULL));
  g_assert_cmpuint (out->len, ==, 0);
}

static void
test_short_forms (void)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();

  frame_append_empty (out, FRAME_DONE);
  frame_append_reason (out, FRAME_STOP, REASON_QUOTA);
  frame_append_reason (out, FRAME_END, NULL);
  g_assert_cmpmem (out->data, out->len, "\x0d\0\0\0\0" "\x0e\0\0\0\6\5quota" "\x09\0\0\0\1\0", 5 + 11 + 6);
}

static void
test_cut_off_list (void)
{
  g_autoptr (GByteArray) list = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_auto (Entry) read = { 0 };
  Entry entry = { ENTRY_FOLDER, 0755, 0, 0, (char *) "d", NULL };
  Frame frame;
  gsize at = 0;

  manifest_append (list, &entry, NULL);
  frame = (Frame){ FRAME_LIST, list->data, list->len - 1, 0 };
  g_assert_false (frame_next_entry (&frame, &at, &read, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED);
}

static void
test_reasons (void)
{
  g_assert_true (reason_known ("no-space", -1) == reason_known ("no-space and more", 8));
  g_assert_null (reason_known ("no-spac", -1));
  g_assert_null (reason_known ("no-space\0", 9));
  g_assert_cmpstr (reason_known ("", -1), ==, "");
  g_assert_cmpstr (reason_from_peer ("canceled", "protocol"), ==, "peer-canceled");
  g_assert_cmpstr (reason_from_peer ("no-space", "protocol"), ==, "peer-no-space");
  g_assert_cmpstr (reason_from_peer ("unsafe-name", "protocol"), ==, "unsafe-name");
  g_assert_cmpstr (reason_from_peer ("moon", "protocol"), ==, "protocol");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/frame/any slices", test_any_slices);
  g_test_add_func ("/frame/data is not copied", test_data_is_not_copied);
  g_test_add_func ("/frame/empty data", test_empty_data);
  g_test_add_func ("/frame/lengths", test_lengths);
  g_test_add_func ("/frame/bad bodies", test_bad_bodies);
  g_test_add_func ("/frame/unknown words", test_unknown_words);
  g_test_add_func ("/frame/bad runs", test_bad_runs);
  g_test_add_func ("/frame/many runs", test_many_runs);
  g_test_add_func ("/frame/not written", test_not_written);
  g_test_add_func ("/frame/short forms", test_short_forms);
  g_test_add_func ("/frame/cut off list", test_cut_off_list);
  g_test_add_func ("/frame/reasons", test_reasons);
  return g_test_run ();
}
