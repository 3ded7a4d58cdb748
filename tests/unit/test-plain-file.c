/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/plain-file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Goal: exactly the bytes of the file go over, into a file that was not there before; whoever closes too early, sends more, lies about the
 * size or changes the source leaves a word of why and no stray file. */

#define BIG (3 * 1024 * 1024 + 77)

typedef struct
{
  char *folder;
  GMainLoop *loop;
  ByteTask *sender, *receiver;
  GPtrArray *ends;   /* char *: "send done", in the order in which they came */
  GPtrArray *paths;  /* of the receiver */
  guint64 sent, received;
  guint waiting;
} Scene;

static Scene scene;

/* A connected pair of TCP sockets, nonblocking. */
static void
connect_pair (int *one, int *two)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t len = sizeof address;
  int listening = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (bind (listening, (struct sockaddr *)&address, len), ==, 0);
  g_assert_cmpint (listen (listening, 1), ==, 0);
  g_assert_cmpint (getsockname (listening, (struct sockaddr *)&address, &len), ==, 0);
  *one = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (connect (*one, (struct sockaddr *)&address, len), ==, 0);
  *two = accept4 (listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  g_assert_cmpint (fcntl (*one, F_SETFL, O_NONBLOCK), ==, 0);
  close (listening);
}

static void
set_up (void)
{
  scene = (Scene){ .folder = g_dir_make_tmp ("plain-XXXXXX", NULL), .loop = g_main_loop_new (NULL, FALSE) };
  scene.ends = g_ptr_array_new_with_free_func (g_free);
  scene.paths = g_ptr_array_new_with_free_func (g_free);
}

static void
remove_all (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR) && !g_file_test (path, G_FILE_TEST_IS_SYMLINK))
        remove_all (path);
      else
        g_unlink (path);
    }
  g_rmdir (folder);
}

static void
tear_down (void)
{
  byte_task_free (scene.sender);
  byte_task_free (scene.receiver);
  remove_all (scene.folder);
  g_free (scene.folder);
  g_main_loop_unref (scene.loop);
  g_ptr_array_unref (scene.ends);
  g_ptr_array_unref (scene.paths);
}

static void
on_done (ByteTask *task, const ByteOutcome *outcome, gpointer user_data)
{
  static const char *const names[] = { "landed", "done", "cut", "stopped", "peer-stopped", "no-space", "failed" };
  const char *who = user_data;

  g_ptr_array_add (scene.ends, g_strdup_printf ("%s %s%s%s", who, names[outcome->end], *outcome->reason != '\0' ? " " : "", outcome->reason));
  if (outcome->end == BYTE_END_LANDED)
    {
      for (guint i = 0; i < outcome->paths->len; i++)
        g_ptr_array_add (scene.paths, g_strdup (g_ptr_array_index (outcome->paths, i)));
      byte_task_confirm (task);
      return;
    }
  *(*who == 's' ? &scene.sent : &scene.received) = outcome->bytes;
  if (--scene.waiting == 0)
    g_main_loop_quit (scene.loop);
}

static char *
path_of (const char *name)
{
  return g_build_filename (scene.folder, name, NULL);
}

/* A file of @size bytes that are not alike. */
static GBytes *
make_file (const char *name, gsize size)
{
  g_autofree char *path = path_of (name);
  char *bytes = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    bytes[i] = (char)(i * 31 + (i >> 11));
  g_assert_true (g_file_set_contents (path, bytes, (gssize)size, NULL));
  return g_bytes_new_take (bytes, size);
}

static void
begin_sending (int fd, const char *name, gint64 size)
{
  g_autofree char *path = path_of (name);
  PlainFileJob job = { .fd = fd, .path = path, .file = -1, .size = size };

  scene.waiting++;
  scene.sender = plain_file_send (&job, on_done, (gpointer) "send");
}

static ReceiveJob
job_for (gint64 size)
{
  return (ReceiveJob){ .folder_fd = -1, .out_fd = -1, .part = "x.part", .size = size };
}

static void
begin_receiving (int fd, const char *name, GBytes *surplus, const ReceiveJob *job)
{
  ReceiveJob here = *job;

  if (here.folder == NULL)
    here.folder = scene.folder;
  scene.waiting++;
  scene.receiver = plain_file_receive (fd, surplus, name, &here, on_done, (gpointer) "receive");
}

static void
run (void)
{
  while (scene.waiting > 0)
    g_main_loop_run (scene.loop);
}

static gboolean
has_end (const char *text)
{
  for (guint i = 0; i < scene.ends->len; i++)
    if (g_str_equal (g_ptr_array_index (scene.ends, i), text))
      return TRUE;
  return FALSE;
}

static void
check_end (const char *text)
{
  if (has_end (text))
    return;
  g_ptr_array_add (scene.ends, NULL);
  g_error ("not '%s', but '%s'", text, g_strjoinv ("', '", (char **)scene.ends->pdata));
}

static void
check_file (const char *name, GBytes *wanted)
{
  g_autofree char *path = path_of (name);
  g_autofree char *content = NULL;
  gsize len;

  g_assert_true (g_file_get_contents (path, &content, &len, NULL));
  g_assert_cmpmem (content, len, g_bytes_get_data (wanted, NULL), g_bytes_get_size (wanted));
}

/* Nothing but these @n names is in the folder. */
static void
check_count (guint n)
{
  g_autoptr (GDir) dir = g_dir_open (scene.folder, 0, NULL);
  guint found = 0;

  while (g_dir_read_name (dir) != NULL)
    found++;
  g_assert_cmpuint (found, ==, n);
}

static void
check_both (gsize size)
{
  g_autoptr (GBytes) bytes = NULL;
  ReceiveJob job = job_for ((gint64)size);
  int one, two;

  set_up ();
  bytes = make_file ("source", size);
  connect_pair (&one, &two);
  begin_sending (one, "source", (gint64)size);
  begin_receiving (two, "got & <ü>.bin", NULL, &job);
  run ();
  check_end ("send done");
  check_end ("receive landed");
  check_end ("receive done");
  g_assert_cmpuint (scene.sent, ==, size);
  g_assert_cmpuint (scene.received, ==, size);
  check_file ("got & <ü>.bin", bytes);
  check_count (2);
  tear_down ();
}

static void
test_both (void)
{
  check_both (BIG);
  check_both (1);
}

static void
test_empty (void)
{
  check_both (0);
}

static void
test_never_over_another (void)
{
  g_autoptr (GBytes) first = NULL;
  g_autoptr (GBytes) second = NULL;
  ReceiveJob job = job_for (70000);
  int one, two;

  set_up ();
  first = make_file ("a.txt", 3);
  second = make_file ("source", 70000);
  connect_pair (&one, &two);
  begin_sending (one, "source", 70000);
  begin_receiving (two, "a.txt", NULL, &job);
  run ();
  g_assert_cmpstr (g_ptr_array_index (scene.paths, 0), ==, "a (1).txt");
  check_file ("a.txt", first);
  check_file ("a (1).txt", second);
  tear_down ();
}

static void
test_no_execute_bit (void)
{
  ReceiveJob job = job_for (4);
  g_autoptr (GBytes) bytes G_GNUC_UNUSED = NULL;
  g_autofree char *path = NULL;
  struct stat found;
  int one, two;

  set_up ();
  connect_pair (&one, &two);
  g_assert_cmpint (write (one, "file", 4), ==, 4);
  begin_receiving (two, "run", NULL, &job);
  run ();
  path = path_of ("run");
  g_assert_cmpint (stat (path, &found), ==, 0);
  g_assert_cmpuint (found.st_mode & 0111, ==, 0);
  close (one);
  tear_down ();
}

/* What came behind the talk before is the file's first part; what is too much of it is not taken. */
static void
test_surplus (void)
{
  ReceiveJob job = job_for (8);
  g_autoptr (GBytes) early = g_bytes_new ("ear", 3);
  g_autoptr (GBytes) all = g_bytes_new_static ("early on", 8);
  int one, two;

  set_up ();
  connect_pair (&one, &two);
  g_assert_cmpint (write (one, "ly onand more", 13), ==, 13);
  begin_receiving (two, "f", early, &job);
  run ();
  check_end ("receive done");
  check_file ("f", all);
  close (one);
  tear_down ();
}

static void
test_all_in_surplus (void)
{
  ReceiveJob job = job_for (3);
  g_autoptr (GBytes) early = g_bytes_new ("all of it", 9);
  g_autoptr (GBytes) all = g_bytes_new_static ("all", 3);
  int one, two;

  set_up ();
  connect_pair (&one, &two);
  begin_receiving (two, "f", early, &job);
  run ();
  check_file ("f", all);
  close (one);
  tear_down ();
}

static void
test_unknown_size (void)
{
  ReceiveJob job = job_for (-1);
  g_autoptr (GBytes) all = g_bytes_new_static ("who knows", 9);
  int one, two;

  set_up ();
  job.size_max = 9;
  connect_pair (&one, &two);
  g_assert_cmpint (write (one, "who knows", 9), ==, 9);
  close (one);
  begin_receiving (two, "f", NULL, &job);
  run ();
  check_end ("receive done");
  check_file ("f", all);
  tear_down ();
}

static void
test_unknown_size_has_a_limit (void)
{
  ReceiveJob job = job_for (-1);
  int one, two;

  set_up ();
  job.size_max = 8;
  connect_pair (&one, &two);
  g_assert_cmpint (write (one, "who knows", 9), ==, 9);
  close (one);
  begin_receiving (two, "f", NULL, &job);
  run ();
  check_end ("receive failed too-large");
  check_count (0);
  tear_down ();
}

static void
test_sender_cancels (void)
{
  ReceiveJob job = job_for (10);
  int one, two;

  set_up ();
  connect_pair (&one, &two);
  g_assert_cmpint (write (one, "half", 4), ==, 4);
  close (one);
  begin_receiving (two, "f", NULL, &job);
  run ();
  check_end ("receive peer-stopped canceled");
  check_count (0);
  tear_down ();
}

static void
test_receiver_cancels (void)
{
  g_autoptr (GBytes) bytes = NULL;
  char some[1000];
  int one, two;

  set_up ();
  bytes = make_file ("source", 64 * 1024 * 1024); /* more than the kernel keeps */
  connect_pair (&one, &two);
  begin_sending (one, "source", 64 * 1024 * 1024);
  while (read (two, some, sizeof some) < 0)
    g_assert_cmpint (errno, ==, EAGAIN);
  close (two);
  run ();
  check_end ("send peer-stopped canceled");
  g_assert_cmpuint (scene.sent, <, 64 * 1024 * 1024);
  tear_down ();
}

/* All of it is on its way, and the receiver closes without having read it. */
static void
test_receiver_cancels_at_the_end (void)
{
  g_autoptr (GBytes) bytes = NULL;
  char some[1000];
  int one, two;

  set_up ();
  bytes = make_file ("source", 20000);
  connect_pair (&one, &two);
  begin_sending (one, "source", 20000);
  while (read (two, some, sizeof some) < 0)
    g_assert_cmpint (errno, ==, EAGAIN);
  close (two);
  run ();
  check_end ("send peer-stopped canceled");
  tear_down ();
}

/* It has everything and keeps the connection open: that is enough after a while. */
static void
test_receiver_never_closes (void)
{
  g_autoptr (GBytes) bytes = NULL;
  int one, two;

  set_up ();
  bytes = make_file ("source", 20000);
  connect_pair (&one, &two);
  begin_sending (one, "source", 20000);
  run ();
  check_end ("send done");
  close (two);
  tear_down ();
}

static void
test_stop (void)
{
  ReceiveJob job = job_for (10);
  g_autoptr (GBytes) bytes = NULL;
  int one, two, three, four;

  set_up ();
  bytes = make_file ("source", BIG * 8);
  connect_pair (&one, &two);
  connect_pair (&three, &four);
  begin_sending (one, "source", BIG * 8);
  begin_receiving (three, "f", NULL, &job);
  byte_task_stop (scene.sender, "canceled");
  byte_task_stop (scene.receiver, "canceled");
  run ();
  check_end ("send stopped canceled");
  check_end ("receive stopped canceled");
  check_count (1);
  close (two);
  close (four);
  tear_down ();
}

static void
check_source (gint64 size, const char *wanted)
{
  int one, two;

  connect_pair (&one, &two);
  begin_sending (one, "source", size);
  run ();
  check_end (wanted);
  close (two);
}

static void
test_source_is_another (void)
{
  g_autoptr (GBytes) bytes = NULL;

  set_up ();
  bytes = make_file ("source", 100);
  check_source (101, "send failed source-changed");
  tear_down ();
}

static void
test_source_is_gone (void)
{
  set_up ();
  check_source (100, "send failed source-gone");
  tear_down ();
}

static void
test_source_is_a_folder (void)
{
  g_autofree char *path = NULL;

  set_up ();
  path = path_of ("source");
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  check_source (100, "send failed source-unreadable");
  tear_down ();
}

static void
test_source_changes (void)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) shorter G_GNUC_UNUSED = NULL;
  char some[1000];
  int one, two;

  set_up ();
  bytes = make_file ("source", 64 * 1024 * 1024);
  connect_pair (&one, &two);
  begin_sending (one, "source", 64 * 1024 * 1024);
  while (read (two, some, sizeof some) < 0)
    g_assert_cmpint (errno, ==, EAGAIN);
  {
    g_autofree char *path = path_of ("source");

    g_assert_cmpint (truncate (path, 1000), ==, 0);
  }
  while (!has_end ("send failed source-changed"))
    {
      ssize_t n = read (two, some, sizeof some);

      g_assert_true (n > 0 || (n < 0 && errno == EAGAIN) || has_end ("send failed source-changed") || n == 0);
      g_main_context_iteration (NULL, FALSE);
    }
  scene.waiting = 0;
  close (two);
  tear_down ();
}

static void
test_no_space (void)
{
  ReceiveJob job = job_for (10);
  int one, two;

  set_up ();
  job.reserve = G_MAXUINT64 / 2; /* no disk has that much */
  connect_pair (&one, &two);
  begin_receiving (two, "f", NULL, &job);
  run ();
  check_end ("receive no-space no-space");
  check_count (0);
  close (one);
  tear_down ();
}

static void
test_no_folder (void)
{
  ReceiveJob job = job_for (10);
  g_autofree char *nowhere = NULL;
  int one, two;

  set_up ();
  nowhere = path_of ("nowhere");
  job.folder = nowhere;
  connect_pair (&one, &two);
  begin_receiving (two, "f", NULL, &job);
  run ();
  check_end ("receive failed file-error");
  close (one);
  tear_down ();
}

static gpointer
read_all (gpointer data)
{
  GByteArray *all = g_byte_array_new ();
  guint8 some[5000];
  ssize_t n;

  while ((n = read (GPOINTER_TO_INT (data), some, sizeof some)) > 0)
    g_byte_array_append (all, some, (guint)n);
  return all;
}

/* Into a pipe: nothing on the disk. */
static void
test_output (void)
{
  ReceiveJob job = job_for (BIG);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GByteArray) got = NULL;
  GThread *reader;
  int one, two, ends[2];

  set_up ();
  bytes = make_file ("source", BIG);
  g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  job.out_fd = ends[1];
  connect_pair (&one, &two);
  reader = g_thread_new ("reader", read_all, GINT_TO_POINTER (ends[0]));
  begin_sending (one, "source", BIG);
  begin_receiving (two, "f", NULL, &job);
  run ();
  got = g_thread_join (reader);
  close (ends[0]);
  check_end ("receive done");
  g_assert_cmpmem (got->data, got->len, g_bytes_get_data (bytes, NULL), BIG);
  check_count (1);
  tear_down ();
}

static void
test_progress_goes_on (void)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *path = NULL;
  PlainFileJob job = { .file = -1, .size = 100, .before = { .bytes = 1000, .entries = 2, .wire = 5000 } };
  ByteProgress progress;
  int one, two;

  set_up ();
  bytes = make_file ("source", 100);
  path = path_of ("source");
  connect_pair (&one, &two);
  job.fd = one;
  job.path = path;
  scene.waiting++;
  scene.sender = plain_file_send (&job, on_done, (gpointer) "send");
  shutdown (two, SHUT_WR);
  run ();
  byte_task_progress (scene.sender, &progress);
  g_assert_cmpuint (progress.bytes, ==, 1100);
  g_assert_cmpuint (progress.wire, ==, 5100);
  g_assert_cmpuint (scene.sent, ==, 1100);
  close (two);
  tear_down ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_IGN);
  g_test_add_func ("/plain-file/both", test_both);
  g_test_add_func ("/plain-file/empty", test_empty);
  g_test_add_func ("/plain-file/never-over-another", test_never_over_another);
  g_test_add_func ("/plain-file/no-execute-bit", test_no_execute_bit);
  g_test_add_func ("/plain-file/surplus", test_surplus);
  g_test_add_func ("/plain-file/all-in-surplus", test_all_in_surplus);
  g_test_add_func ("/plain-file/unknown-size", test_unknown_size);
  g_test_add_func ("/plain-file/unknown-size-has-a-limit", test_unknown_size_has_a_limit);
  g_test_add_func ("/plain-file/sender-cancels", test_sender_cancels);
  g_test_add_func ("/plain-file/receiver-cancels", test_receiver_cancels);
  g_test_add_func ("/plain-file/receiver-cancels-at-the-end", test_receiver_cancels_at_the_end);
  g_test_add_func ("/plain-file/receiver-never-closes", test_receiver_never_closes);
  g_test_add_func ("/plain-file/stop", test_stop);
  g_test_add_func ("/plain-file/source-is-another", test_source_is_another);
  g_test_add_func ("/plain-file/source-is-gone", test_source_is_gone);
  g_test_add_func ("/plain-file/source-is-a-folder", test_source_is_a_folder);
  g_test_add_func ("/plain-file/source-changes", test_source_changes);
  g_test_add_func ("/plain-file/no-space", test_no_space);
  g_test_add_func ("/plain-file/no-folder", test_no_folder);
  g_test_add_func ("/plain-file/output", test_output);
  g_test_add_func ("/plain-file/progress-goes-on", test_progress_goes_on);
  return g_test_run ();
}
