/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: whatever a peer sends in place of a transfer, it ends with the reason that fits, and nothing is left outside of the part folder. */
#include "bytes.h"

#include <poll.h>

#include "bytes/link-private.h"
#include "bytes/maker.h"
#include "transfer/frame.h"

#define ANNOUNCED 100 /* bytes */
#define ENTRIES 4

typedef struct
{
  GByteArray *said;
  guint32 index;
} Liar;

static void
say (Liar *liar, FrameKind kind, const FrameBody *body)
{
  g_autoptr (GError) error = NULL;

  frame_append (liar->said, kind, body, &error);
  g_assert_no_error (error);
}

static void
say_entry (Liar *liar, EntryType type, const char *path, gint64 size, const char *target)
{
  FrameBody body = { .index = liar->index++,
                     .entry = { .type = type, .mode = 0644, .size = size, .path = (char *)path, .target = (char *)target } };

  say (liar, FRAME_ENTRY, &body);
}

static void
say_data (Liar *liar, gsize len)
{
  guint8 header[FRAME_HEADER];
  g_autofree guint8 *bytes = g_malloc0 (len + 1);

  frame_header (header, FRAME_DATA, len);
  g_byte_array_append (liar->said, header, sizeof header);
  g_byte_array_append (liar->said, bytes, (guint)len);
}

static void
say_file (Liar *liar, const char *path, gint64 size)
{
  say_entry (liar, ENTRY_FILE, path, size, NULL);
  say_data (liar, (gsize)size);
  say (liar, FRAME_END, &(FrameBody){ .reason = "" });
}

static void
say_finish (Liar *liar, guint64 entries, guint64 bytes)
{
  say (liar, FRAME_FINISH, &(FrameBody){ .entries = entries, .bytes = bytes });
}

/* What no writer of ours writes: @honest, where @lie is to stand. */
static void
replace (Liar *liar, const char *honest, const char *lie)
{
  guint8 *at = memmem (liar->said->data, liar->said->len, honest, strlen (honest));

  g_assert_nonnull (at);
  g_assert_cmpuint (strlen (honest), ==, strlen (lie));
  memcpy (at, lie, strlen (lie));
}

static void
up (Liar *liar)
{
  say_file (liar, "aa/passwd", 1);
  replace (liar, "aa/passwd", "../passwd");
}

static void
up_inside (Liar *liar)
{
  say_entry (liar, ENTRY_FOLDER, "d", 0, NULL);
  say_file (liar, "d/aa/aa/x", 1);
  replace (liar, "d/aa/aa/x", "d/../../x");
}

static void
absolute (Liar *liar)
{
  say_file (liar, "aetc", 1);
  replace (liar, "aetc", "/etc");
}

static void
long_name (Liar *liar)
{
  g_autofree char *name = g_strnfill (4000, 'x');
  guint16 at;

  memset (name + 200, '/', 1);
  for (guint i = 200; i < 4000; i += 200)
    name[i] = '/';
  say_file (liar, name, 1);
  for (at = 0; at + 4000u <= liar->said->len && memcmp (liar->said->data + at, name, 4000) != 0; at++)
    ;
  for (guint i = 200; i < 4000; i += 200)
    liar->said->data[at + i] = 'x';
}

static void
empty_name (Liar *liar)
{
  say_file (liar, "aabb", 1);
  replace (liar, "aabb", "a//b");
}

static void
nul_name (Liar *liar)
{
  guint8 *at;

  say_file (liar, "aabb", 1);
  at = memmem (liar->said->data, liar->said->len, "aabb", 4);
  at[1] = 0;
}

static void
through_link (Liar *liar)
{
  say_entry (liar, ENTRY_FOLDER, "d", 0, NULL);
  say_entry (liar, ENTRY_LINK, "d/l", 0, "elsewhere");
  say_file (liar, "d/l/f", 1);
}

static void
through_link_deep (Liar *liar)
{
  say_entry (liar, ENTRY_FOLDER, "d", 0, NULL);
  say_entry (liar, ENTRY_FOLDER, "d/e", 0, NULL);
  say_entry (liar, ENTRY_LINK, "d/e/l", 0, "..");
  say_file (liar, "d/e/l/e/f", 1);
}

static void
longer_than_said (Liar *liar)
{
  say_entry (liar, ENTRY_FILE, "f", 10, NULL);
  say_data (liar, 11);
}

static void
more_than_announced (Liar *liar)
{
  say_file (liar, "f", 60);
  say_file (liar, "g", 41);
}

static void
size_of_no_file (Liar *liar)
{
  say_entry (liar, ENTRY_FILE, "f", G_MAXINT64, NULL);
}

static void
unknown_size (Liar *liar)
{
  say_entry (liar, ENTRY_FILE, "f", -1, NULL);
}

static void
shorter_than_said (Liar *liar)
{
  say_entry (liar, ENTRY_FILE, "f", 10, NULL);
  say_data (liar, 9);
  say (liar, FRAME_END, &(FrameBody){ .reason = "" });
}

static void
bytes_of_nothing (Liar *liar)
{
  say_data (liar, 1);
}

static void
end_of_nothing (Liar *liar)
{
  say (liar, FRAME_END, &(FrameBody){ .reason = "" });
}

static void
leave_nothing (Liar *liar)
{
  say (liar, FRAME_LEAVE, &(FrameBody){ .mode = 0700 });
}

static void
leave_another (Liar *liar)
{
  say_entry (liar, ENTRY_FOLDER, "d", 0, NULL);
  say (liar, FRAME_LEAVE, &(FrameBody){ .index = 1, .mode = 0700 });
}

static void
entry_in_a_file (Liar *liar)
{
  say_entry (liar, ENTRY_FILE, "f", 10, NULL);
  say_entry (liar, ENTRY_FILE, "g", 10, NULL);
}

static void
twice_the_same_index (Liar *liar)
{
  say_file (liar, "f", 1);
  liar->index = 0;
  say_file (liar, "g", 1);
}

static void
too_many_entries (Liar *liar)
{
  liar->index = ENTRIES;
  say_file (liar, "f", 1);
}

static void
goes_on_with_nothing (Liar *liar)
{
  FrameBody body = { .offset = 1, .entry = { .type = ENTRY_FILE, .size = 10, .path = (char *)"f" } };

  say (liar, FRAME_ENTRY, &body);
}

static void
finished_early (Liar *liar)
{
  say_file (liar, "f", 1);
  say_finish (liar, 1, 1);
}

static void
finished_wrongly (Liar *liar)
{
  for (guint i = 0; i < ENTRIES; i++)
    {
      const char name[] = { (char)('a' + i), '\0' };

      say_file (liar, name, 1);
    }
  say_finish (liar, ENTRIES, 3);
}

static void
finished_inside (Liar *liar)
{
  say_entry (liar, ENTRY_FOLDER, "d", 0, NULL);
  say_file (liar, "d/a", 1);
  say_file (liar, "d/b", 1);
  say_file (liar, "d/c", 1);
  say_finish (liar, ENTRIES, 3);
}

static void
list_unasked (Liar *liar)
{
  say (liar, FRAME_LISTED, &(FrameBody){ 0 });
}

static void
speaks_as_receiver (Liar *liar)
{
  say (liar, FRAME_BEGIN, &(FrameBody){ 0 });
}

static void
no_frame (Liar *liar)
{
  g_byte_array_append (liar->said, (const guint8 *)"GET / HTTP/1.1\r\n\r\n", 18);
}

static void
deeper_than_deep (Liar *liar)
{
  for (guint i = 0; i < ENTRIES; i++)
    {
      const char name[] = { (char)('a' + i), '\0' };

      say_entry (liar, ENTRY_FOLDER, name, 0, NULL); /* entered, never left: not even below each other */
    }
  say_finish (liar, ENTRIES, 0);
}

static const struct
{
  const char *name;
  void (*lie) (Liar *liar);
  const char *reason;
} senders[] = {
  { "up", up, "unsafe-name" },
  { "up-inside", up_inside, "unsafe-name" },
  { "absolute", absolute, "unsafe-name" },
  { "long-name", long_name, "unsafe-name" },
  { "empty-name", empty_name, "unsafe-name" },
  { "nul-name", nul_name, "unsafe-name" },
  { "through-link", through_link, "unsafe-link" },
  { "through-link-deep", through_link_deep, "unsafe-link" },
  { "longer-than-said", longer_than_said, "too-large" },
  { "more-than-announced", more_than_announced, "too-large" },
  { "size-of-no-file", size_of_no_file, "too-large" },
  { "unknown-size", unknown_size, "protocol" },
  { "shorter-than-said", shorter_than_said, "protocol" },
  { "bytes-of-nothing", bytes_of_nothing, "protocol" },
  { "end-of-nothing", end_of_nothing, "protocol" },
  { "leave-nothing", leave_nothing, "protocol" },
  { "leave-another", leave_another, "protocol" },
  { "entry-in-a-file", entry_in_a_file, "protocol" },
  { "twice-the-same-index", twice_the_same_index, "protocol" },
  { "too-many-entries", too_many_entries, "protocol" },
  { "goes-on-with-nothing", goes_on_with_nothing, "protocol" },
  { "finished-early", finished_early, "protocol" },
  { "finished-wrongly", finished_wrongly, "protocol" },
  { "finished-inside", finished_inside, "protocol" },
  { "list-unasked", list_unasked, "protocol" },
  { "speaks-as-receiver", speaks_as_receiver, "protocol" },
  { "no-frame", no_frame, "protocol" },
  { "deeper-than-deep", deeper_than_deep, "protocol" },
};

/* All that comes until the other side closes; the last of it has to be STOP with @reason. */
static void
assert_stopped (int fd, const char *reason)
{
  g_autoptr (GByteArray) heard = g_byte_array_new ();
  g_autoptr (FrameReader) reader = frame_reader_new ();
  g_auto (FrameBody) body = { 0 };
  Frame frame, last = { 0 };
  guint8 piece[4096];
  ssize_t n;

  while ((n = read (fd, piece, sizeof piece)) > 0)
    g_byte_array_append (heard, piece, (guint)n);
  frame_reader_push (reader, heard->data, heard->len);
  while (frame_reader_next (reader, &frame, NULL))
    last = frame;
  g_assert_cmpint (last.kind, ==, FRAME_STOP);
  g_assert_true (frame_parse (&last, &body, NULL));
  g_assert_cmpstr (body.reason, ==, reason);
}

static void
lie_to_receiver (Scene *scene, const Liar *liar, const char *reason)
{
  int fds[2];

  make_pair (fds);
  scene->size = ANNOUNCED;
  scene->entries = ENTRIES;
  scene_start_receiver (scene, fds[1], TRUE);
  g_assert_cmpint (write (fds[0], liar->said->data, liar->said->len), ==, liar->said->len);
  shutdown (fds[0], SHUT_WR);
  scene_wait (scene);
  assert_stopped (fds[0], reason);
  close (fds[0]);
  g_assert_cmpstr (scene->received.reason, ==, reason);
  g_assert_cmpint (scene->received.end, ==, BYTE_END_FAILED);
  g_assert_nonnull (scene->received.text);
  g_assert_false (scene->received.landed);
}

static void
discard (Scene *scene)
{
  End end = { 0 };
  ByteTask *task = discard_start (&scene->receive, on_end, &end);

  while (!end.over)
    g_main_context_iteration (NULL, TRUE);
  byte_task_free (task);
  g_assert_cmpint (end.end, ==, BYTE_END_DONE);
  end_clear (&end);
}

static void
test_sender (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  Liar liar = { g_byte_array_new (), 0 };
  Scene scene;

  scene_init (&scene);
  senders[i].lie (&liar);
  lie_to_receiver (&scene, &liar, senders[i].reason);
  discard (&scene);
  assert_tree (scene.to, "");
  assert_tree (scene.from, "");
  g_byte_array_unref (liar.said);
  scene_clear (&scene);
}

/* The user said yes to "d" and "e". */
static void
test_other_names (void)
{
  static const char *const offered[] = { "d", "e", NULL };
  Liar liar = { g_byte_array_new (), 0 };
  Scene scene;

  scene_init (&scene);
  scene.receive.names = offered;
  say_file (&liar, "e", 1);
  say_entry (&liar, ENTRY_FOLDER, "d", 0, NULL);
  say_file (&liar, "d/x", 1);
  say (&liar, FRAME_LEAVE, &(FrameBody){ .index = 1, .mode = 0700 });
  say_file (&liar, "evil", 1);
  lie_to_receiver (&scene, &liar, "protocol");
  g_assert_cmpstr (scene.received.text, ==, "the peer sent what it had not offered");
  g_byte_array_unref (liar.said);
  scene_clear (&scene);
}

/* Links that lead out are not made, wherever they lead; the rest arrives. */
static void
test_links_out (void)
{
  static const char *const targets[] = { "/etc/passwd", "../x", "a/../../x" };
  Liar liar = { g_byte_array_new (), 0 };
  int fds[2];
  Scene scene;

  scene_init (&scene);
  say_entry (&liar, ENTRY_FOLDER, "d", 0, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (targets); i++)
    {
      const char name[] = { 'd', '/', (char)('a' + i), '\0' };

      say_entry (&liar, ENTRY_LINK, name, 0, targets[i]);
    }
  say (&liar, FRAME_LEAVE, &(FrameBody){ .mode = 0755 });
  say_finish (&liar, ENTRIES, 0);
  make_pair (fds);
  scene.size = ANNOUNCED;
  scene.entries = ENTRIES;
  scene_start_receiver (&scene, fds[1], TRUE);
  g_assert_cmpint (write (fds[0], liar.said->data, liar.said->len), ==, liar.said->len);
  shutdown (fds[0], SHUT_WR);
  scene_wait (&scene);
  g_assert_cmpstr (scene.received.failures, ==, "d/a: unsafe-link\nd/b: unsafe-link\nd/c: unsafe-link\n");
  g_assert_true (scene.received.landed);
  assert_tree (scene.to, "d d");
  close (fds[0]);
  g_byte_array_unref (liar.said);
  scene_clear (&scene);
}

/* Two paths that are one when they are clean: who came first stays as it came. */
static void
test_same_name (void)
{
  const gsize size = MAKER_SMALL + 1;
  Liar liar = { g_byte_array_new (), 0 };
  int fds[2];
  Scene scene;

  scene_init (&scene);
  say_entry (&liar, ENTRY_FOLDER, "d", 0, NULL);
  say_file (&liar, "d/x_", (gint64)size);
  say_file (&liar, "d/x\x01", (gint64)size + 1);
  say_file (&liar, "d/x\x02", 1);
  say (&liar, FRAME_LEAVE, &(FrameBody){ .mode = 0755 });
  say_finish (&liar, ENTRIES, 2 * size + 2);
  make_pair (fds);
  scene.size = 3 * (gint64)size;
  scene.entries = ENTRIES;
  scene_start_receiver (&scene, fds[1], TRUE);
  g_assert_cmpint (write (fds[0], liar.said->data, liar.said->len), ==, liar.said->len);
  while (!scene.received.landed && !scene.received.over)
    g_main_context_iteration (NULL, TRUE);
  shutdown (fds[0], SHUT_WR);
  scene_wait (&scene);
  g_assert_cmpstr (scene.received.failures, ==, "d/x_: file-error\nd/x_: file-error\n");
  g_assert_true (scene.received.landed);
  assert_tree (scene.to, "d d\nf d/x_ 16385");
  close (fds[0]);
  g_byte_array_unref (liar.said);
  scene_clear (&scene);
}

/* Receivers ------------------------------------------------------------------------------------------------ */

static void
begin (Liar *liar, gboolean resume)
{
  say (liar, FRAME_BEGIN, &(FrameBody){ .resume = resume });
}

static void
nothing_but_done (Liar *liar)
{
  say (liar, FRAME_DONE, &(FrameBody){ 0 });
}

static void
has_more_than_there_is (Liar *liar)
{
  FrameRun run = { 1, 2 };

  begin (liar, TRUE);
  frame_append_have (liar->said, &run, 1);
}

static void
two_parts (Liar *liar)
{
  begin (liar, TRUE);
  for (guint i = 0; i < 2; i++)
    say (liar, FRAME_PARTIAL, &(FrameBody){ .offset = 1, .has_hash = TRUE });
}

static void
speaks_while_comparing (Liar *liar)
{
  begin (liar, TRUE);
  say (liar, FRAME_DONE, &(FrameBody){ 0 });
}

static void
begins_twice (Liar *liar)
{
  begin (liar, FALSE);
  begin (liar, FALSE);
}

static void
fails_with_what_is_not (Liar *liar)
{
  begin (liar, FALSE);
  say (liar, FRAME_FAILED, &(FrameBody){ .index = 7, .reason = "file-error" });
}

static void
fails_backwards (Liar *liar)
{
  begin (liar, FALSE);
  say (liar, FRAME_FAILED, &(FrameBody){ .index = 1, .reason = "file-error" });
  say (liar, FRAME_FAILED, &(FrameBody){ .index = 0, .reason = "file-error" });
}

static const struct
{
  const char *name;
  void (*lie) (Liar *liar);
} receivers[] = {
  { "nothing-but-done", nothing_but_done },
  { "has-more-than-there-is", has_more_than_there_is },
  { "two-parts", two_parts },
  { "speaks-while-comparing", speaks_while_comparing },
  { "begins-twice", begins_twice },
  { "fails-with-what-is-not", fails_with_what_is_not },
  { "fails-backwards", fails_backwards },
};

static void
start_sender (Scene *scene, int fds[2])
{
  make_file (scene->from, "a", "abc", 3);
  make_file (scene->from, "b", "", 0);
  scene_add (scene, "a");
  scene_add (scene, "b");
  scene_scan (scene);
  make_pair (fds);
  scene_start_sender (scene, fds[0], TRUE);
}

static void
test_receiver (gconstpointer data)
{
  Liar liar = { g_byte_array_new (), 0 };
  int fds[2];
  Scene scene;

  scene_init (&scene);
  start_sender (&scene, fds);
  receivers[GPOINTER_TO_UINT (data)].lie (&liar);
  g_assert_cmpint (write (fds[1], liar.said->data, liar.said->len), ==, liar.said->len);
  shutdown (fds[1], SHUT_WR);
  scene_wait (&scene);
  assert_stopped (fds[1], "protocol");
  close (fds[1]);
  g_assert_cmpstr (scene.sent.reason, ==, "protocol");
  g_assert_cmpint (scene.sent.end, ==, BYTE_END_FAILED);
  g_byte_array_unref (liar.said);
  scene_clear (&scene);
}

/* What a peer says about why it stops, as it means to us. */
static void
test_stops (void)
{
  static const char *const words[][2] = { { "no-space", "peer-no-space" }, { "canceled", "peer-canceled" }, { "paused", "peer-paused" } };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      Liar liar = { g_byte_array_new (), 0 };
      int fds[2];
      Scene scene;

      scene_init (&scene);
      start_sender (&scene, fds);
      begin (&liar, FALSE);
      say (&liar, FRAME_STOP, &(FrameBody){ .reason = words[i][0] });
      g_assert_cmpint (write (fds[1], liar.said->data, liar.said->len), ==, liar.said->len);
      scene_wait (&scene);
      g_assert_cmpstr (scene.sent.reason, ==, words[i][1]);
      g_assert_cmpint (scene.sent.end, ==, BYTE_END_PEER_STOPPED);
      close (fds[1]);
      g_byte_array_unref (liar.said);
      scene_clear (&scene);
    }
}

/* Silence ------------------------------------------------------------------------------------------------- */

static void
test_silent_peer (gconstpointer plain)
{
  int fds[2], others[2];
  Scene scene;

  scene_init (&scene);
  byte_link_set_patience (50, 10, LIMIT_LAST_WORDS_MS);
  start_sender (&scene, fds);
  make_pair (others);
  scene_start_receiver (&scene, others[1], GPOINTER_TO_INT (plain));
  scene_wait (&scene);
  assert_ends (&scene, BYTE_END_CUT, "stalled", BYTE_END_CUT, "stalled");
  byte_link_set_patience (LIMIT_STALL_MS, LIMIT_KEEP_MS, LIMIT_LAST_WORDS_MS);
  close (fds[1]);
  close (others[0]);
  scene_clear (&scene);
}

/* It reads nothing of what a sender has to say. */
static void
test_peer_that_does_not_read (void)
{
  Liar liar = { g_byte_array_new (), 0 };
  int fds[2];
  Scene scene;

  scene_init (&scene);
  byte_link_set_patience (100, 20, LIMIT_LAST_WORDS_MS);
  make_big (scene.from, "big", 3000000, 1);
  scene_add (&scene, "big");
  start_sender (&scene, fds);
  begin (&liar, FALSE);
  g_assert_cmpint (write (fds[1], liar.said->data, liar.said->len), ==, liar.said->len);
  scene_wait (&scene);
  g_assert_cmpstr (scene.sent.reason, ==, "stalled");
  byte_link_set_patience (LIMIT_STALL_MS, LIMIT_KEEP_MS, LIMIT_LAST_WORDS_MS);
  close (fds[1]);
  g_byte_array_unref (liar.said);
  scene_clear (&scene);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  for (guint i = 0; i < G_N_ELEMENTS (senders); i++)
    {
      g_autofree char *name = g_strconcat ("/liars/sender/", senders[i].name, NULL);

      g_test_add_data_func (name, GUINT_TO_POINTER (i), test_sender);
    }
  for (guint i = 0; i < G_N_ELEMENTS (receivers); i++)
    {
      g_autofree char *name = g_strconcat ("/liars/receiver/", receivers[i].name, NULL);

      g_test_add_data_func (name, GUINT_TO_POINTER (i), test_receiver);
    }
  g_test_add_func ("/liars/links-out", test_links_out);
  g_test_add_func ("/liars/other-names", test_other_names);
  g_test_add_func ("/liars/same-name", test_same_name);
  g_test_add_func ("/liars/stops", test_stops);
  g_test_add_data_func ("/liars/silent", GINT_TO_POINTER (FALSE), test_silent_peer);
  g_test_add_data_func ("/liars/silent/plain", GINT_TO_POINTER (TRUE), test_silent_peer);
  g_test_add_func ("/liars/does-not-read", test_peer_that_does_not_read);
  return g_test_run ();
}
