/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what is sent arrives as it was, under its name or the next free one, with its folders, links, modes and times. */
#include "bytes.h"

#include "base/mask.h"
#include "bytes/beneath.h"

static void
test_one_file (gconstpointer plain)
{
  g_autofree char *from = NULL, *to = NULL;
  Scene scene;

  scene_init (&scene);
  make_big (scene.from, "a b.bin", 3000001, 1);
  scene_add (&scene, "a b.bin");
  scene_scan (&scene);
  g_assert_cmpint (scene.size, ==, 3000001);
  scene_start (&scene, GPOINTER_TO_INT (plain));
  scene_wait (&scene);
  assert_done (&scene);
  g_assert_cmpstr (scene.received.paths, ==, "a b.bin\n");
  g_assert_cmpuint (scene.received.bytes, ==, 3000001);
  g_assert_cmpuint (scene.sent.bytes, ==, 3000001);
  g_assert_cmpuint (scene.sent.wire, >=, 3000001);
  g_assert_cmpuint (scene.sent.wire, <, 3100000);
  assert_tree (scene.to, "f a b.bin 3000001");
  from = scene_path (scene.from, "a b.bin");
  to = scene_path (scene.to, "a b.bin");
  assert_same_file (from, to);
  scene_clear (&scene);
}

/* Around the size of a record and of a frame. */
static void
test_sizes (void)
{
  static const gsize sizes[] = { 0, 1, 4090, 4091, 4092, 65400, 65506, 65511, 65512, 65516, 65517, 131022, 262144, 262145 };
  Scene scene;

  scene_init (&scene);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *name = g_strdup_printf ("tree/%u", i);

      make_big (scene.from, name, sizes[i], i);
    }
  scene_add (&scene, "tree");
  scene_scan (&scene);
  scene_run (&scene);
  assert_done (&scene);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *name = g_strdup_printf ("tree/%u", i);
      g_autofree char *from = scene_path (scene.from, name), *to = scene_path (scene.to, name);

      assert_same_file (from, to);
    }
  scene_clear (&scene);
}

static void
set_mode (const char *folder, const char *name, guint mode, gint64 seconds)
{
  g_autofree char *path = scene_path (folder, name);
  struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { seconds, 123456700 } };

  g_assert_cmpint (chmod (path, mode), ==, 0);
  g_assert_cmpint (utimensat (AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), ==, 0);
}

static void
assert_mtime (const char *folder, const char *name, gint64 seconds)
{
  g_autofree char *path = scene_path (folder, name);
  struct stat info;

  g_assert_cmpint (lstat (path, &info), ==, 0);
  g_assert_cmpint (info.st_mtim.tv_sec, ==, seconds);
  g_assert_cmpint (info.st_mtim.tv_nsec, ==, 123456700);
}

static void
make_tree (Scene *scene)
{
  make_file (scene->from, "tree/run", "x", 1);
  make_file (scene->from, "tree/.hidden", "", 0);
  make_file (scene->from, "tree/closed/file", "abc", 3);
  make_file (scene->from, "tree/\xff\xfe", "y", 1);
  make_folder (scene->from, "tree/empty");
  make_symlink ("../run", scene->from, "tree/closed/link");
  set_mode (scene->from, "tree/run", 04755, 1000000000);
  set_mode (scene->from, "tree/closed/file", 0444, -5);
  set_mode (scene->from, "tree/closed", 0555, 1100000000);
  set_mode (scene->from, "tree/empty", 01777, 1200000000);
  set_mode (scene->from, "tree", 0750, 1300000000);
}

static void
test_tree (void)
{
  g_autofree char *there = NULL;
  Scene scene;

  scene_init (&scene);
  umask (022);
  make_tree (&scene);
  mask_keep (umask (077)); /* what the daemon makes for itself is nobody's business */
  scene_add (&scene, "tree");
  scene_scan (&scene);
  g_assert_cmpuint (scene.entries, ==, 8);
  g_assert_cmpint (scene.size, ==, 5);
  scene_run (&scene);
  assert_done (&scene);
  there = list_tree (scene.to, TRUE);
  g_assert_cmpstr (there, ==,
                   "d tree 750\nf tree/.hidden 0 644\nd tree/closed 555\nf tree/closed/file 3 444\n"
                   "l tree/closed/link -> ../run\nd tree/empty 755\nf tree/run 1 755\nf tree/\xff\xfe 1 644");
  assert_mtime (scene.to, "tree/run", 1000000000);
  assert_mtime (scene.to, "tree/closed/file", -5);
  assert_mtime (scene.to, "tree/closed", 1100000000);
  assert_mtime (scene.to, "tree/empty", 1200000000);
  assert_mtime (scene.to, "tree", 1300000000);
  g_assert_cmpuint (umask (022), ==, 077);
  scene_clear (&scene);
}

static void
test_several (void)
{
  Scene scene;

  scene_init (&scene);
  make_file (scene.from, "one.txt", "1", 1);
  make_file (scene.from, "d/one.txt", "22", 2);
  make_file (scene.from, "d/e/one.txt", "333", 3);
  make_file (scene.from, ".profile", "4444", 4);
  scene_add (&scene, "one.txt");
  scene_add (&scene, "d/one.txt");
  scene_add (&scene, "d");
  scene_add (&scene, ".profile");
  scene_scan (&scene);
  scene_run (&scene);
  assert_done (&scene);
  g_assert_cmpstr (scene.received.paths, ==, "one.txt\none (1).txt\nd\nprofile\n");
  assert_tree (scene.to, "d d\nd d/e\nf d/e/one.txt 3\nf d/one.txt 2\nf one (1).txt 2\nf one.txt 1\nf profile 4");
  scene_clear (&scene);
}

static void
test_never_over_something (void)
{
  g_autofree char *there = NULL;
  Scene scene;

  scene_init (&scene);
  umask (022);
  make_file (scene.from, "a.tar.gz", "new", 3);
  set_mode (scene.from, "a.tar.gz", 0755, 1000000000); /* not to be run by a click */
  make_file (scene.from, "d/x", "new", 3);
  make_file (scene.to, "a.tar.gz", "old", 3);
  make_symlink ("nowhere", scene.to, "a (1).tar.gz");
  make_folder (scene.to, "d");
  scene_add (&scene, "a.tar.gz");
  scene_add (&scene, "d");
  scene_scan (&scene);
  scene_run (&scene);
  assert_done (&scene);
  g_assert_cmpstr (scene.received.paths, ==, "a (2).tar.gz\nd (1)\n");
  there = list_tree (scene.to, TRUE);
  g_assert_cmpstr (there, ==,
                   "l a (1).tar.gz -> nowhere\nf a (2).tar.gz 3 644\nf a.tar.gz 3 644\nd d (1) 700\nf d (1)/x 3 644\nd d 700");
  scene_clear (&scene);
}

/* Links that leave the folder are not sent. */
static void
test_links (gconstpointer data)
{
  static const char *const there[] = {
    [SCAN_LINKS_KEEP] = "d d\nl d/a -> b/f\nd d/b\nf d/b/f 1\nl d/gone -> nothing",
    [SCAN_LINKS_SKIP] = "d d\nd d/b\nf d/b/f 1",
    [SCAN_LINKS_FOLLOW] = "d d\nf d/a 1\nd d/b\nf d/b/f 1\nf d/out 2",
  };
  static const char *const failures[] = {
    [SCAN_LINKS_KEEP] = "d/out: unsafe-link\n",
    [SCAN_LINKS_SKIP] = "",
    [SCAN_LINKS_FOLLOW] = "d/gone: source-gone\n",
  };
  guint links = GPOINTER_TO_UINT (data);
  Scene scene;

  scene_init (&scene);
  make_file (scene.from, "d/b/f", "x", 1);
  make_file (scene.from, "outside", "yy", 2);
  make_symlink ("b/f", scene.from, "d/a");
  make_symlink ("nothing", scene.from, "d/gone");
  make_symlink ("../outside", scene.from, "d/out");
  scene.links = links;
  scene_add (&scene, "d");
  scene_scan (&scene);
  g_assert_cmpstr (scene.scan_failures, ==, failures[links]);
  scene_run (&scene);
  assert_done (&scene);
  assert_tree (scene.to, there[links]);
  scene_clear (&scene);
}

static void
test_follow_a_circle (void)
{
  Scene scene;

  scene_init (&scene);
  make_file (scene.from, "d/b/f", "x", 1);
  make_symlink ("..", scene.from, "d/b/up");
  scene.links = SCAN_LINKS_FOLLOW;
  scene_add (&scene, "d");
  scene_scan (&scene);
  g_assert_cmpstr (scene.scan_failures, ==, "d/b/up: not-supported\n");
  scene_run (&scene);
  assert_done (&scene);
  assert_tree (scene.to, "d d\nd d/b\nf d/b/f 1");
  scene_clear (&scene);
}

static void
test_nothing_there (void)
{
  Scene scene;

  scene_init (&scene);
  scene_add (&scene, "gone");
  scene_scan (&scene);
  g_assert_cmpstr (scene.scan_reason, ==, "source-gone");
  g_assert_cmpstr (scene.scan_failures, ==, "gone: source-gone\n");
  g_assert_false (g_file_test (scene.manifest, G_FILE_TEST_EXISTS));
  scene_clear (&scene);
}

static void
test_checksum (void)
{
  Scene scene;

  scene_init (&scene);
  make_big (scene.from, "d/a", 700000, 5);
  make_big (scene.from, "d/b", 0, 5);
  scene_add (&scene, "d");
  scene_scan (&scene);
  scene.send.checksum = scene.receive.checksum = TRUE;
  scene_run (&scene);
  assert_done (&scene);
  g_assert_cmpstr (scene.received.failures, ==, "");
  assert_tree (scene.to, "d d\nf d/a 700000\nf d/b 0");
  scene_clear (&scene);
}

static void
test_old_kernel (void)
{
  beneath_pretend_old (TRUE);
  test_tree ();
  test_several ();
  beneath_pretend_old (FALSE);
}

/* Folders and files that come and go as descriptors. */
static void
test_descriptors (void)
{
  g_autofree char *d = NULL, *f = NULL;
  Scene scene;
  int folder, file;

  scene_init (&scene);
  make_file (scene.from, "d/x", "new", 3);
  make_file (scene.from, "f", "abcdef", 6);
  d = scene_path (scene.from, "d");
  f = scene_path (scene.from, "f");
  folder = open (d, O_RDONLY | O_DIRECTORY);
  file = open (f, O_RDONLY);
  g_assert_cmpint (lseek (file, 3, SEEK_SET), ==, 3);
  scene_add_fd (&scene, "folder", folder);
  scene_add_fd (&scene, "file", file);
  scene_scan (&scene);
  scene.receive.folder = NULL;
  scene.receive.folder_fd = open (scene.to, O_PATH | O_DIRECTORY);
  scene_run (&scene);
  assert_done (&scene);
  assert_tree (scene.to, "f file 6\nd folder\nf folder/x 3");
  close (folder);
  close (file);
  scene_clear (&scene);
}

static gpointer
write_slowly (gpointer data)
{
  int fd = GPOINTER_TO_INT (data);
  g_autofree guint8 *bytes = pattern (200000, 9);

  for (gsize at = 0; at < 200000; at += 20000)
    {
      g_assert_cmpint (write (fd, bytes + at, 20000), ==, 20000);
      g_thread_yield ();
    }
  close (fd);
  return NULL;
}

typedef struct
{
  int fd;
  GByteArray *bytes;
} Reader;

static gpointer
read_all (gpointer data)
{
  Reader *reader = data;
  guint8 piece[7000];
  ssize_t n;

  while ((n = read (reader->fd, piece, sizeof piece)) > 0)
    g_byte_array_append (reader->bytes, piece, (guint)n);
  close (reader->fd);
  return NULL;
}

static void
test_pipe_to_pipe (void)
{
  g_autofree guint8 *bytes = pattern (200000, 9);
  Reader reader = { 0, g_byte_array_new () };
  GThread *threads[2];
  int in[2], out[2];
  Scene scene;

  scene_init (&scene);
  g_assert_cmpint (pipe2 (in, O_CLOEXEC) + pipe2 (out, O_CLOEXEC), ==, 0);
  scene_add_fd (&scene, "stream", in[0]);
  scene_scan (&scene);
  g_assert_cmpint (scene.size, ==, -1);
  scene.receive.out_fd = out[1];
  scene.receive.checksum = scene.send.checksum = TRUE;
  reader.fd = out[0];
  threads[0] = g_thread_new ("writer", write_slowly, GINT_TO_POINTER (in[1]));
  threads[1] = g_thread_new ("reader", read_all, &reader);
  scene_run (&scene);
  g_thread_join (threads[0]);
  g_thread_join (threads[1]);
  assert_done (&scene);
  g_assert_true (scene.sent.consumed);
  g_assert_cmpmem (reader.bytes->data, reader.bytes->len, bytes, 200000);
  assert_tree (scene.to, "");
  g_byte_array_unref (reader.bytes);
  close (in[0]);
  scene_clear (&scene);
}

static void
test_pipe_to_file (void)
{
  GThread *thread;
  int in[2];
  Scene scene;

  scene_init (&scene);
  g_assert_cmpint (pipe2 (in, O_CLOEXEC), ==, 0);
  scene_add_fd (&scene, "stream", in[0]);
  scene_scan (&scene);
  thread = g_thread_new ("writer", write_slowly, GINT_TO_POINTER (in[1]));
  scene_run (&scene);
  g_thread_join (thread);
  assert_done (&scene);
  assert_tree (scene.to, "f stream 200000");
  close (in[0]);
  scene_clear (&scene);
}

static void
test_many_empty (void)
{
  const guint n = g_test_slow () ? 100000 : 5000;
  Scene scene;
  GDir *dir;
  guint count = 0;
  g_autofree char *to = NULL, *from = NULL;

  scene_init (&scene);
  make_folder (scene.from, "many");
  from = scene_path (scene.from, "many");
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *name = g_strdup_printf ("%s/%u", from, i);

      close (open (name, O_CREAT | O_WRONLY, 0644));
    }
  scene_add (&scene, "many");
  scene_scan (&scene);
  g_assert_cmpuint (scene.entries, ==, n + 1);
  scene_run (&scene);
  assert_done (&scene);
  to = scene_path (scene.to, "many");
  dir = g_dir_open (to, 0, NULL);
  while (g_dir_read_name (dir) != NULL)
    count++;
  g_dir_close (dir);
  g_assert_cmpuint (count, ==, n);
  scene_clear (&scene);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  g_test_add_data_func ("/moving/one-file", GINT_TO_POINTER (FALSE), test_one_file);
  g_test_add_data_func ("/moving/one-file/plain", GINT_TO_POINTER (TRUE), test_one_file);
  g_test_add_func ("/moving/sizes", test_sizes);
  g_test_add_func ("/moving/tree", test_tree);
  g_test_add_func ("/moving/several", test_several);
  g_test_add_func ("/moving/never-over-something", test_never_over_something);
  g_test_add_data_func ("/moving/links/keep", GUINT_TO_POINTER (SCAN_LINKS_KEEP), test_links);
  g_test_add_data_func ("/moving/links/skip", GUINT_TO_POINTER (SCAN_LINKS_SKIP), test_links);
  g_test_add_data_func ("/moving/links/follow", GUINT_TO_POINTER (SCAN_LINKS_FOLLOW), test_links);
  g_test_add_func ("/moving/links/circle", test_follow_a_circle);
  g_test_add_func ("/moving/nothing-there", test_nothing_there);
  g_test_add_func ("/moving/checksum", test_checksum);
  g_test_add_func ("/moving/old-kernel", test_old_kernel);
  g_test_add_func ("/moving/descriptors", test_descriptors);
  g_test_add_func ("/moving/pipe-to-pipe", test_pipe_to_pipe);
  g_test_add_func ("/moving/pipe-to-file", test_pipe_to_file);
  g_test_add_func ("/moving/many-empty", test_many_empty);
  return g_test_run ();
}
