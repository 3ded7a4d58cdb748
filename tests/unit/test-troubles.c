/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: full disks, vanished sources, users who stop and pipes that nobody reads end a transfer, or one entry, with the reason that fits. */
#include "proxy.h"

#include <sched.h>
#include <sys/mount.h>

#include "bytes/beneath.h"
#include "bytes/link-private.h"

/* Space ----------------------------------------------------------------------------------------------------- */

static void
test_no_space_to_begin_with (void)
{
  Scene scene;

  scene_init (&scene);
  make_big (scene.from, "a", 1000, 1);
  scene_add (&scene, "a");
  scene_scan (&scene);
  scene.receive.reserve = G_MAXUINT64 / 2;
  scene_run (&scene);
  assert_ends (&scene, BYTE_END_PEER_STOPPED, "peer-no-space", BYTE_END_NO_SPACE, "no-space");
  scene.receive.reserve = 0; /* there is room again */
  scene.receive.resume = TRUE;
  scene_run (&scene);
  assert_done (&scene);
  assert_tree (scene.to, "f a 1000");
  scene_clear (&scene);
}

static void
test_full_while_writing (void)
{
  Scene scene;

  scene_init (&scene);
  make_big (scene.from, "a", 3000000, 1);
  scene_add (&scene, "a");
  scene_scan (&scene);
  scene.receive.out_fd = open ("/dev/full", O_WRONLY | O_CLOEXEC);
  scene_run (&scene);
  assert_ends (&scene, BYTE_END_PEER_STOPPED, "peer-no-space", BYTE_END_NO_SPACE, "no-space");
  scene_clear (&scene);
}

/* A disk of a megabyte, that is full half way; what came before is kept, and is not sent again. */
static void
test_full_disk (void)
{
  g_autofree char *filler = NULL;
  Scene scene;

  scene_init (&scene);
  if (unshare (CLONE_NEWNS) != 0 || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
      || mount ("tmpfs", scene.to, "tmpfs", 0, "size=1m") != 0)
    {
      g_test_skip ("only the superuser may mount a disk");
      scene_clear (&scene);
      return;
    }
  for (guint i = 0; i < 9; i++)
    {
      const char name[] = { 'd', '/', (char)('a' + i), '\0' };

      make_big (scene.from, name, 100000, i);
    }
  make_big (scene.to, "filler", 200000, 1);
  filler = scene_path (scene.to, "filler");
  scene_add (&scene, "d");
  scene_scan (&scene);
  scene.size = -1; /* so that it does not know before */
  scene_run (&scene);
  assert_ends (&scene, BYTE_END_PEER_STOPPED, "peer-no-space", BYTE_END_NO_SPACE, "no-space");
  g_assert_cmpint (unlink (filler), ==, 0);
  scene.size = 900000;
  scene.receive.resume = TRUE;
  scene_run (&scene);
  assert_done (&scene);
  g_assert_cmpuint (scene.sent.wire, <, 250000);
  for (guint i = 0; i < 9; i++)
    {
      const char name[] = { 'd', '/', (char)('a' + i), '\0' };
      g_autofree char *from = scene_path (scene.from, name), *to = scene_path (scene.to, name);

      assert_same_file (from, to);
    }
  umount (scene.to);
  scene_clear (&scene);
}

static void
test_no_such_folder (void)
{
  Scene scene;

  scene_init (&scene);
  make_big (scene.from, "a", 1000, 1);
  scene_add (&scene, "a");
  scene_scan (&scene);
  scene.receive.folder = "/nonexistent";
  scene_run (&scene);
  assert_ends (&scene, BYTE_END_PEER_STOPPED, "file-error", BYTE_END_FAILED, "file-error");
  g_assert_cmpstr (scene.received.text, ==, g_strerror (ENOENT));
  scene_clear (&scene);
}

static void
test_read_only_folder (void)
{
  Scene scene;

  if (geteuid () == 0)
    {
      g_test_skip ("the superuser may write everywhere");
      return;
    }
  scene_init (&scene);
  make_big (scene.from, "a", 1000, 1);
  scene_add (&scene, "a");
  scene_scan (&scene);
  g_assert_cmpint (chmod (scene.to, 0500), ==, 0);
  scene_run (&scene);
  assert_ends (&scene, BYTE_END_PEER_STOPPED, "access-denied", BYTE_END_FAILED, "access-denied");
  scene_clear (&scene);
}

/* Another user could have put it there, for us to write into. */
static void
test_part_folder_of_others (void)
{
  g_autofree char *part = NULL;
  Scene scene;

  scene_init (&scene);
  make_big (scene.from, "a", 1000, 1);
  scene_add (&scene, "a");
  scene_scan (&scene);
  make_folder (scene.to, "x.0000.part");
  part = scene_path (scene.to, "x.0000.part");
  g_assert_cmpint (chmod (part, 0777), ==, 0);
  scene_run (&scene);
  assert_ends (&scene, BYTE_END_PEER_STOPPED, "access-denied", BYTE_END_FAILED, "access-denied");
  g_assert_cmpint (rmdir (part), ==, 0);
  make_symlink (scene.from, scene.to, "x.0000.part");
  scene_run (&scene);
  g_assert_cmpint (scene.received.end, ==, BYTE_END_FAILED);
  assert_tree (scene.from, "f a 1000");
  scene_clear (&scene);
}

/* Sources --------------------------------------------------------------------------------------------------- */

static void
gone (Scene *scene)
{
  g_autofree char *path = scene_path (scene->from, "d/b");

  g_assert_cmpint (unlink (path), ==, 0);
}

static void
longer (Scene *scene)
{
  make_big (scene->from, "d/b", 200001, 1);
}

static void
touched (Scene *scene)
{
  g_autofree char *path = scene_path (scene->from, "d/b");
  struct timespec times[2] = { { 5, 5 }, { 5, 5 } };

  g_assert_cmpint (utimensat (AT_FDCWD, path, times, 0), ==, 0);
}

static void
is_a_link (Scene *scene)
{
  gone (scene);
  make_symlink ("a", scene->from, "d/b");
}

static void
is_a_pipe (Scene *scene)
{
  g_autofree char *path = scene_path (scene->from, "d/b");

  gone (scene);
  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
}

static void
folder_is_a_link (Scene *scene)
{
  g_autofree char *d = scene_path (scene->from, "d"), *e = scene_path (scene->from, "e"), *c = scene_path (scene->from, "e/c");

  g_assert_cmpint (rename (d, e) + mkdir (d, 0700), ==, 0);
  make_file (scene->from, "d/a", "1", 1);
  make_symlink ("../e/c", scene->from, "d/c");
}

static const struct
{
  const char *name;
  void (*change) (Scene *scene);
  const char *failures;
} changes[] = {
  { "gone", gone, "d/b: source-gone\n" },
  { "longer", longer, "d/b: source-changed\n" },
  { "touched", touched, "d/b: source-changed\n" },
  { "a-link", is_a_link, "d/b: source-changed\n" },
  { "a-pipe", is_a_pipe, "d/b: source-changed\n" },
};

/* One that is not any more what was offered fails by itself. */
static void
test_changed_source (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  Scene scene;

  scene_init (&scene);
  make_file (scene.from, "d/a", "1", 1);
  make_big (scene.from, "d/b", 200000, 1);
  make_file (scene.from, "d/c/x", "1", 1);
  scene_add (&scene, "d");
  scene_scan (&scene);
  changes[i].change (&scene);
  scene_run (&scene);
  assert_done (&scene);
  g_assert_cmpstr (scene.sent.failures, ==, changes[i].failures);
  g_assert_cmpstr (scene.received.failures, ==, changes[i].failures);
  g_assert_cmpuint (scene.sent.n_failures, ==, 1);
  g_assert_cmpstr (scene.received.paths, ==, "d\n");
  assert_tree (scene.to, "d d\nf d/a 1\nd d/c\nf d/c/x 1");
  scene_clear (&scene);
}

/* A folder on the way is a link now: nothing behind it is sent. */
static void
test_folder_is_a_link (void)
{
  Scene scene;

  scene_init (&scene);
  make_file (scene.from, "d/c/x", "1", 1);
  scene_add (&scene, "d");
  scene_scan (&scene);
  folder_is_a_link (&scene);
  scene_run (&scene);
  assert_done (&scene);
  g_assert_cmpstr (scene.sent.failures, ==, "d/c/x: source-changed\n");
  assert_tree (scene.to, "d d\nd d/c");
  scene_clear (&scene);
}

static void
test_nothing_is_left (void)
{
  g_autofree char *path = NULL;
  Scene scene;

  scene_init (&scene);
  make_file (scene.from, "a", "1", 1);
  scene_add (&scene, "a");
  scene_scan (&scene);
  path = scene_path (scene.from, "a");
  g_assert_cmpint (unlink (path), ==, 0);
  scene_run (&scene);
  assert_ends (&scene, BYTE_END_PEER_STOPPED, "source-gone", BYTE_END_FAILED, "source-gone");
  g_assert_cmpstr (scene.received.failures, ==, "a: source-gone\n");
  g_assert_cmpstr (scene.sent.failures, ==, "a: source-gone\n");
  g_assert_false (scene.received.landed);
  assert_tree (scene.to, "d x.0000.part");
  scene_clear (&scene);
}

/* The folder goes while files come: everything fails, and so does the whole. */
static void
test_folder_is_removed (void)
{
  g_autofree char *part = NULL;
  Proxy proxy = { .limits = { 3000, G_MAXSIZE } };
  int fds[2];
  Scene scene;
  ByteProgress progress = { 0 };

  scene_init (&scene);
  for (guint i = 0; i < 3; i++)
    {
      const char name[] = { 'd', '/', (char)('a' + i), '/', 'x', '\0' };

      make_big (scene.from, name, 100000, i);
    }
  scene_add (&scene, "d");
  scene_scan (&scene);
  proxy_try (&proxy, &scene, TRUE);
  g_assert_cmpint (scene.received.end, ==, BYTE_END_CUT);
  scene.receive.resume = TRUE;
  scene.receive.size = scene.size;
  make_pair (fds);
  scene_start_receiver (&scene, fds[1], TRUE); /* it has opened the folder when it says that it begins */
  g_assert_cmpint (recv (fds[0], &progress, 1, MSG_PEEK), ==, 1);
  part = scene_path (scene.to, "x.0000.part");
  remove_tree (part);
  scene_start_sender (&scene, fds[0], TRUE);
  scene_wait (&scene);
  assert_ends (&scene, BYTE_END_PEER_STOPPED, "file-error", BYTE_END_FAILED, "file-error");
  assert_tree (scene.to, "");
  scene_clear (&scene);
}

static void
test_manifest_is_gone (void)
{
  Scene scene;

  scene_init (&scene);
  make_file (scene.from, "a", "1", 1);
  scene_add (&scene, "a");
  scene_scan (&scene);
  g_assert_cmpint (unlink (scene.manifest), ==, 0);
  scene_run (&scene);
  assert_ends (&scene, BYTE_END_FAILED, "file-error", BYTE_END_PEER_STOPPED, "file-error");
  scene_clear (&scene);
}

/* What the receiver cannot write fails there; the sender learns it. */
static void
test_fails_at_the_receiver (void)
{
  g_autofree char *long_name = g_strnfill (255, 'n');
  g_autofree char *in_the_way = NULL;
  Proxy proxy = { .limits = { 3000, G_MAXSIZE } };
  Scene scene;

  scene_init (&scene);
  make_file (scene.from, "d/a", "1", 1);
  make_big (scene.from, "d/z", 100000, 1);
  scene_add (&scene, "d");
  scene_scan (&scene);
  proxy_try (&proxy, &scene, TRUE);
  in_the_way = scene_path (scene.to, "x.0000.part/d/a");
  unlink (in_the_way);
  make_folder (scene.to, "x.0000.part/d/a/b");
  scene.receive.resume = TRUE;
  scene_run (&scene);
  assert_done (&scene);
  g_assert_cmpstr (scene.received.failures, ==, "d/a: file-error\n");
  g_assert_cmpstr (scene.sent.failures, ==, "d/a: file-error\n");
  scene_clear (&scene);
}

/* Stopping -------------------------------------------------------------------------------------------------- */

typedef struct
{
  Scene scene;
  int in[2], out[2];
} Piped;

/* Neither end goes on by itself: the source says no more, or nobody reads the result. */
static void
piped_init (Piped *piped, gboolean source_waits)
{
  scene_init (&piped->scene);
  g_assert_cmpint (pipe2 (piped->in, O_CLOEXEC) + pipe2 (piped->out, O_CLOEXEC), ==, 0);
  if (source_waits)
    scene_add_fd (&piped->scene, "stream", piped->in[0]);
  else
    {
      make_big (piped->scene.from, "big", 10000000, 1);
      scene_add (&piped->scene, "big");
    }
  scene_scan (&piped->scene);
  piped->scene.receive.out_fd = dup (piped->out[1]);
  scene_start (&piped->scene, FALSE);
}

static void
piped_clear (Piped *piped)
{
  for (guint i = 0; i < 2; i++)
    {
      close (piped->in[i]);
      close (piped->out[i]);
    }
  scene_clear (&piped->scene);
}

static void
wait_for_bytes (Piped *piped)
{
  char byte;

  g_assert_cmpint (read (piped->out[0], &byte, 1), ==, 1);
}

typedef enum
{
  SENDER = 1,
  RECEIVER = 2,
  SOURCE_WAITS = 4,
} StopCase;

/* Where both stop at once the other's word may be the first. A receiver has no eyes for it while nobody reads what it got. */
static void
assert_stopped (const End *end, gboolean by_us, gboolean by_peer, gboolean listens)
{
  if (end->end == BYTE_END_STOPPED)
    g_assert_true (by_us && strcmp (end->reason, "canceled") == 0);
  else if (end->end == BYTE_END_PEER_STOPPED)
    g_assert_true (by_peer && strcmp (end->reason, "peer-canceled") == 0);
  else
    g_assert_true (end->end == BYTE_END_CUT && by_peer && !listens);
}

static void
test_stop (gconstpointer data)
{
  guint flags = GPOINTER_TO_UINT (data);
  gint64 begin;
  Piped piped;

  piped_init (&piped, flags & SOURCE_WAITS);
  if (flags & SOURCE_WAITS)
    g_assert_cmpint (write (piped.in[1], "x", 1), ==, 1);
  wait_for_bytes (&piped);
  begin = g_get_monotonic_time ();
  if (flags & SENDER)
    byte_task_stop (piped.scene.sender, "canceled");
  if (flags & RECEIVER)
    byte_task_stop (piped.scene.receiver, "canceled");
  scene_wait (&piped.scene);
  g_assert_cmpint (g_get_monotonic_time () - begin, <, 10 * G_USEC_PER_SEC);
  assert_stopped (&piped.scene.sent, flags & SENDER, flags & RECEIVER, TRUE);
  assert_stopped (&piped.scene.received, flags & RECEIVER, flags & SENDER, flags & SOURCE_WAITS);
  g_assert_cmpint (piped.scene.sent.consumed, ==, (flags & SOURCE_WAITS) != 0);
  piped_clear (&piped);
}

/* Wherever it is among many frames, the reason arrives whole. */
static void
test_stop_anywhere (void)
{
  Scene scene;

  scene_init (&scene);
  for (guint i = 0; i < 1500; i++)
    {
      g_autofree char *name = g_strdup_printf ("d/%0200u", i);

      make_file (scene.from, name, name, 100);
    }
  scene_add (&scene, "d");
  scene_scan (&scene);
  byte_link_set_patience (LIMIT_STALL_MS, LIMIT_KEEP_MS, LIMIT_STALL_MS); /* who has to read it may be kept from it */
  for (guint i = 0; i < 30; i++)
    {
      guint64 enough = (guint64)g_test_rand_int_range (0, 500000);
      ByteProgress progress = { 0 };

      scene_start (&scene, i % 2);
      while (progress.wire < enough && !scene.sent.over)
        {
          g_main_context_iteration (NULL, FALSE);
          g_thread_yield ();
          byte_task_progress (scene.receiver, &progress);
        }
      byte_task_stop (scene.sender, "canceled");
      scene_wait (&scene);
      if (scene.sent.end != BYTE_END_DONE)
        assert_ends (&scene, BYTE_END_STOPPED, "canceled", BYTE_END_PEER_STOPPED, "peer-canceled");
      empty_target (&scene);
    }
  byte_link_set_patience (LIMIT_STALL_MS, LIMIT_KEEP_MS, LIMIT_LAST_WORDS_MS);
  scene_clear (&scene);
}

/* The caller's socket waits for its reader in every write(): the thread does not, nor does who joins it. */
static void
test_stop_before_socket (void)
{
  Piped piped = { .in = { -1, -1 } };
  Scene *scene = &piped.scene;
  ByteProgress progress = { 0 };
  char full[4096] = "";

  scene_init (scene);
  make_pair (piped.out);
  make_big (scene->from, "big", 10000000, 1);
  scene_add (scene, "big");
  scene_scan (scene);
  scene->receive.out_fd = dup (piped.out[1]);
  while (send (piped.out[1], full, sizeof full, MSG_DONTWAIT) > 0)
    ;
  scene_start (scene, FALSE);
  while (progress.bytes == 0)
    byte_task_progress (scene->receiver, &progress);
  byte_task_stop (scene->receiver, "canceled");
  scene_wait (scene);
  assert_stopped (&scene->received, TRUE, FALSE, FALSE);
  piped_clear (&piped);
}

static void
test_reader_is_gone (void)
{
  Piped piped;

  piped_init (&piped, FALSE);
  wait_for_bytes (&piped);
  close (piped.out[0]);
  piped.out[0] = -1;
  scene_wait (&piped.scene);
  assert_ends (&piped.scene, BYTE_END_PEER_STOPPED, "file-error", BYTE_END_FAILED, "file-error");
  piped_clear (&piped);
}

static void
test_free_at_once (void)
{
  Piped piped;

  piped_init (&piped, TRUE);
  g_clear_pointer (&piped.scene.sender, byte_task_free);
  g_clear_pointer (&piped.scene.receiver, byte_task_free);
  g_assert_false (piped.scene.sent.over || piped.scene.received.over);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_false (piped.scene.sent.over || piped.scene.received.over);
  piped_clear (&piped);
}

/* Who waits for a pipe says that it lives: for longer than a stall takes, until somebody cuts it. */
static void
test_patience (gconstpointer source_waits)
{
  guint says = source_waits ? 0 : 1;
  Proxy proxy = { .limits = { G_MAXSIZE, G_MAXSIZE } };
  Piped piped = { 0 };
  Scene *scene = &piped.scene;
  int fds[2];

  byte_link_set_patience (2000, 20, LIMIT_LAST_WORDS_MS); /* and a busy machine is no stall */
  scene_init (scene);
  g_assert_cmpint (pipe2 (piped.in, O_CLOEXEC) + pipe2 (piped.out, O_CLOEXEC), ==, 0);
  make_big (scene->from, "big", 10000000, 1);
  if (source_waits)
    scene_add_fd (scene, "stream", piped.in[0]);
  else
    scene_add (scene, "big");
  scene_scan (scene);
  scene->receive.out_fd = dup (piped.out[1]);
  proxy.limits[says] = 120 * 274; /* 2.4 s of saying it */
  proxy_start (&proxy, fds);
  scene_start_sender (scene, fds[0], FALSE);
  scene_start_receiver (scene, fds[1], FALSE);
  scene_wait (scene);
  proxy_end (&proxy);
  assert_ends (scene, BYTE_END_CUT, "connection-lost", BYTE_END_CUT, "connection-lost");
  byte_link_set_patience (LIMIT_STALL_MS, LIMIT_KEEP_MS, LIMIT_LAST_WORDS_MS);
  piped_clear (&piped);
}

/* Landing --------------------------------------------------------------------------------------------------- */

static ByteTask *to_stop;

static void
stop_it (ByteTask *task)
{
  byte_task_stop (to_stop, "canceled");
}

/* The sender stops when all has landed and it is not written down yet: the receiver has it all the same. */
static void
test_stop_after_landing (void)
{
  Scene scene;

  scene_init (&scene);
  make_file (scene.from, "a", "1", 1);
  scene_add (&scene, "a");
  scene_scan (&scene);
  scene.received.on_landed = stop_it;
  scene_start (&scene, FALSE);
  to_stop = scene.sender;
  scene_wait (&scene);
  g_assert_true (scene.received.landed);
  assert_tree (scene.to, "f a 1");
  scene_clear (&scene);
}

static gpointer
try_to_leave (gpointer data)
{
  const char *folder = data;
  g_autofree char *inside = scene_path (folder, "inside");
  int root = open (folder, O_RDONLY | O_DIRECTORY), fd;
  gboolean confined = beneath_confine (root);

  close (root);
  if (!confined)
    return GINT_TO_POINTER (1);
  g_assert_cmpint (open ("/etc/passwd", O_RDONLY), ==, -1);
  g_assert_cmpint (errno, ==, EACCES);
  g_assert_cmpint (open ("/tmp/outside", O_WRONLY | O_CREAT, 0600), ==, -1);
  fd = open (inside, O_WRONLY | O_CREAT, 0600);
  g_assert_cmpint (fd, >=, 0);
  close (fd);
  return NULL;
}

static void
test_confined (void)
{
  Scene scene;

  scene_init (&scene);
  if (g_thread_join (g_thread_new ("confined", try_to_leave, scene.to)) != NULL)
    g_test_skip ("this kernel has no Landlock");
  else
    assert_tree (scene.to, "f inside 0");
  scene_clear (&scene);
}

static void
test_beneath (gconstpointer old)
{
  Scene scene;
  int root;

  scene_init (&scene);
  make_folder (scene.to, "a/b");
  make_symlink ("a", scene.to, "l");
  make_symlink ("/", scene.to, "root");
  make_file (scene.to, "f", "", 0);
  root = open (scene.to, O_RDONLY | O_DIRECTORY);
  beneath_pretend_old (GPOINTER_TO_INT (old));
  for (guint i = 0; i < 2; i++)
    {
      int fd = beneath_open (root, i == 0 ? "a/b" : "");

      g_assert_cmpint (fd, >=, 0);
      close (fd);
    }
  g_assert_cmpint (beneath_open (root, "l/b"), ==, -1);
  g_assert_cmpint (beneath_open (root, "l"), ==, -1);
  g_assert_cmpint (beneath_open (root, "root"), ==, -1);
  g_assert_cmpint (beneath_open (root, "root/etc"), ==, -1);
  g_assert_cmpint (beneath_open (root, ".."), ==, -1);
  g_assert_cmpint (beneath_open (root, "a/../.."), ==, -1);
  g_assert_cmpint (beneath_open (root, "/etc"), ==, -1);
  g_assert_cmpint (beneath_open (root, "f"), ==, -1);
  g_assert_cmpint (beneath_open (root, "none"), ==, -1);
  g_assert_cmpint (errno, ==, ENOENT);
  beneath_pretend_old (FALSE);
  close (root);
  scene_clear (&scene);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  g_test_add_func ("/troubles/no-space-to-begin-with", test_no_space_to_begin_with);
  g_test_add_func ("/troubles/full-while-writing", test_full_while_writing);
  g_test_add_func ("/troubles/no-such-folder", test_no_such_folder);
  g_test_add_func ("/troubles/read-only-folder", test_read_only_folder);
  g_test_add_func ("/troubles/part-folder-of-others", test_part_folder_of_others);
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autofree char *name = g_strconcat ("/troubles/changed/", changes[i].name, NULL);

      g_test_add_data_func (name, GUINT_TO_POINTER (i), test_changed_source);
    }
  g_test_add_func ("/troubles/folder-is-a-link", test_folder_is_a_link);
  g_test_add_func ("/troubles/nothing-is-left", test_nothing_is_left);
  g_test_add_func ("/troubles/folder-is-removed", test_folder_is_removed);
  g_test_add_func ("/troubles/manifest-is-gone", test_manifest_is_gone);
  g_test_add_func ("/troubles/fails-at-the-receiver", test_fails_at_the_receiver);
  for (guint flags = SENDER; flags <= (SENDER | RECEIVER | SOURCE_WAITS); flags++)
    if (flags & (SENDER | RECEIVER))
      {
        g_autofree char *name = g_strdup_printf ("/troubles/stop/%u", flags);

        g_test_add_data_func (name, GUINT_TO_POINTER (flags), test_stop);
      }
  g_test_add_func ("/troubles/stop-anywhere", test_stop_anywhere);
  g_test_add_func ("/troubles/stop/socket", test_stop_before_socket);
  g_test_add_func ("/troubles/reader-is-gone", test_reader_is_gone);
  g_test_add_func ("/troubles/free-at-once", test_free_at_once);
  g_test_add_data_func ("/troubles/patience/source", GINT_TO_POINTER (TRUE), test_patience);
  g_test_add_data_func ("/troubles/patience/reader", GINT_TO_POINTER (FALSE), test_patience);
  g_test_add_func ("/troubles/stop-after-landing", test_stop_after_landing);
  g_test_add_func ("/troubles/confined", test_confined);
  g_test_add_data_func ("/troubles/beneath", GINT_TO_POINTER (FALSE), test_beneath);
  g_test_add_data_func ("/troubles/beneath/old-kernel", GINT_TO_POINTER (TRUE), test_beneath);
  g_test_add_func ("/troubles/full-disk", test_full_disk);
  return g_test_run ();
}
