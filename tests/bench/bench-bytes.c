/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the engine costs: one big file and a tree of small ones, two processes over TCP on the loopback, against a pipe in which nothing
 * happens but sealing, opening and writing, and against tar. Interleaved, medians.
 *
 *   bench-bytes [FOLDER [MIB [ROUNDS]]]          FOLDER: on a tmpfs, by default /dev/shm */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bytes/receiver.h"
#include "bytes/sender.h"

#define ROUNDS_MAX 99
#define SMALL_FILES 10000
#define SMALL_SIZE 1024
#define TEXT 65536
#define TAG crypto_aead_chacha20poly1305_ietf_ABYTES

static char *folder;
static gsize mib = 1024;

static double
now (void)
{
  return (double)g_get_monotonic_time () / G_USEC_PER_SEC;
}

/* Of both processes, once the other has ended: what a machine that is busy with other things does not change as much. */
static double
cpu (void)
{
  double seconds = 0;

  for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++)
    {
      struct rusage usage;

      getrusage (who, &usage);
      seconds += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
      seconds += (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / G_USEC_PER_SEC;
    }
  return seconds;
}

typedef struct
{
  double wall, cpu;
} Cost;

static G_GNUC_PRINTF (1, 2) void
run (const char *format, ...)
{
  g_autofree char *command = NULL;
  va_list args;

  va_start (args, format);
  command = g_strdup_vprintf (format, args);
  va_end (args);
  if (system (command) != 0)
    g_error ("%s", command);
}

static int
connect_pair (int fds[2])
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t len = sizeof address;
  int listener = socket (AF_INET, SOCK_STREAM, 0);

  if (bind (listener, (struct sockaddr *)&address, len) != 0 || listen (listener, 1) != 0
      || getsockname (listener, (struct sockaddr *)&address, &len) != 0)
    g_error ("no listener");
  fds[0] = socket (AF_INET, SOCK_STREAM, 0);
  if (connect (fds[0], (struct sockaddr *)&address, len) != 0)
    g_error ("no connection");
  fds[1] = accept (listener, NULL, NULL);
  return close (listener);
}

/* Another process does @work with one of the descriptors; this one goes on with the other. */
static pid_t
start (void (*work) (int fd), const int fds[2])
{
  pid_t child;

  fflush (NULL);
  child = fork ();
  if (child == 0)
    {
      close (fds[1]);
      work (fds[0]);
      _exit (0);
    }
  close (fds[0]);
  return child;
}

static void
finish (pid_t child)
{
  int status;

  if (waitpid (child, &status, 0) != child || status != 0)
    g_error ("the other process failed");
}

/* The bare pipe ------------------------------------------------------------------------------------------- */

static const guint8 key[crypto_aead_chacha20poly1305_ietf_KEYBYTES] = { 1 };

static void
all (int fd, guint8 *bytes, gsize len, gboolean writes)
{
  while (len > 0)
    {
      ssize_t n = writes ? write (fd, bytes, len) : read (fd, bytes, len);

      if (n <= 0)
        g_error ("the pipe broke");
      bytes += n;
      len -= (gsize)n;
    }
}

static void
bare_seal (int fd)
{
  static guint8 text[TEXT], sealed[TEXT + TAG];
  guint8 nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = { 0 };

  for (guint64 i = 0; i < mib * 16; i++)
    {
      memcpy (nonce + 4, &i, sizeof i);
      crypto_aead_chacha20poly1305_ietf_encrypt (sealed, NULL, text, TEXT, NULL, 0, NULL, nonce, key);
      all (fd, sealed, sizeof sealed, TRUE);
    }
}

static void
bare_open (int fd, int file)
{
  static guint8 text[TEXT], sealed[TEXT + TAG];
  guint8 nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = { 0 };

  for (guint64 i = 0; i < mib * 16; i++)
    {
      memcpy (nonce + 4, &i, sizeof i);
      all (fd, sealed, sizeof sealed, FALSE);
      if (crypto_aead_chacha20poly1305_ietf_decrypt (text, NULL, NULL, sealed, sizeof sealed, NULL, 0, nonce, key) != 0)
        g_error ("not authentic");
      all (file, text, TEXT, TRUE);
    }
}

static Cost
measure_bare (gboolean tcp)
{
  g_autofree char *path = g_build_filename (folder, "to", "bare", NULL);
  int ends[2], fds[2], file;
  double begin, begin_cpu = cpu ();
  Cost cost;
  pid_t child;

  if (tcp)
    connect_pair (fds);
  else
    {
      if (pipe (ends) != 0)
        g_error ("no pipe");
      fcntl (ends[1], F_SETPIPE_SZ, 1 << 20);
      fds[0] = ends[1];
      fds[1] = ends[0];
    }
  file = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  begin = now ();
  child = start (bare_seal, fds);
  bare_open (fds[1], file);
  cost.wall = now () - begin;
  finish (child);
  cost.cpu = cpu () - begin_cpu;
  close (file);
  close (fds[1]);
  unlink (path);
  return cost;
}

/* The engine ---------------------------------------------------------------------------------------------- */

typedef struct
{
  gboolean over;
  const char *manifest;
  gint64 size;
  guint64 entries;
} Side;

static const char *source_name; /* in FOLDER/from */

static void
on_scanned (const ScanResult *result, gpointer data)
{
  Side *side = data;

  side->size = result->size;
  side->entries = result->entries;
  side->over = TRUE;
}

static void
on_end (ByteTask *task, const ByteOutcome *outcome, gpointer data)
{
  Side *side = data;

  if (outcome->end == BYTE_END_LANDED)
    byte_task_confirm (task);
  else if (outcome->end != BYTE_END_DONE || outcome->n_failures > 0)
    g_error ("ended with %d %s %s", outcome->end, outcome->reason, outcome->text);
  else
    side->over = TRUE;
}

static void
wait_for (Side *side)
{
  while (!side->over)
    g_main_context_iteration (g_main_context_get_thread_default (), TRUE);
}

static ByteLink *
link_of (int fd, guint side)
{
  Cipher ciphers[2] = { { { 1 }, 0, TRUE }, { { 2 }, 0, TRUE } };

  return byte_link_new (fd, record_sealer_new (&ciphers[side]), record_opener_new (&ciphers[!side]), NULL);
}

static Side
scan (void)
{
  g_autofree char *path = g_build_filename (folder, "from", source_name, NULL);
  g_autofree char *manifest = g_build_filename (folder, "manifest", NULL);
  ByteSource source = { NULL, path, -1 };
  ScanJob job = { &source, 1, SCAN_LINKS_KEEP, manifest, NULL };
  Side side = { 0 };
  g_autoptr (Scan) running = scan_start (&job, on_scanned, &side);

  wait_for (&side);
  return side;
}

static void
engine_send (int fd)
{
  g_autofree char *path = g_build_filename (folder, "from", source_name, NULL);
  g_autofree char *manifest = g_build_filename (folder, "manifest", NULL);
  ByteSource source = { source_name, path, -1 };
  SendJob job = { .manifest = manifest, .sources = &source, .n_sources = 1 };
  Side side = { 0 };
  g_autoptr (GMainContextPusher) own = g_main_context_pusher_new (g_main_context_new ()); /* the other's is shared by fork() */
  g_autoptr (ByteTask) task = sender_start (link_of (fd, 0), &job, on_end, &side);

  wait_for (&side);
}

static Cost
measure_engine (const char *name)
{
  g_autofree char *to = g_build_filename (folder, "to", NULL);
  double begin = now (), begin_cpu = cpu ();
  Cost cost;
  int fds[2];
  pid_t child;
  Side side, receiver = { 0 };
  ByteTask *task;
  ReceiveJob job = { .folder = to, .folder_fd = -1, .out_fd = -1, .part = "bench.part" };

  source_name = name;
  side = scan ();
  job.size = side.size;
  job.entries = side.entries;
  connect_pair (fds);
  child = start (engine_send, fds);
  task = receiver_start (link_of (fds[1], 1), &job, on_end, &receiver);
  wait_for (&receiver);
  byte_task_free (task);
  cost.wall = now () - begin;
  finish (child);
  cost.cpu = cpu () - begin_cpu;
  run ("diff -rq '%s/from/%s' '%s/%s'", folder, name, to, name);
  run ("rm -rf '%s/%s'", to, name);
  return cost;
}

static Cost
measure_tar (void)
{
  double begin = now (), begin_cpu = cpu ();
  Cost cost;

  run ("tar xf '%s/tree.tar' -C '%s/to'", folder, folder);
  cost.wall = now () - begin;
  cost.cpu = cpu () - begin_cpu;
  run ("rm -rf '%s/to/tree'", folder);
  return cost;
}

/* Runs ---------------------------------------------------------------------------------------------------- */

static void
make_sources (void)
{
  g_autofree guint8 *bytes = g_malloc (1 << 20);
  g_autofree char *big = g_build_filename (folder, "from", "big", NULL);
  FILE *file;

  run ("rm -rf '%s' && mkdir -p '%s/from/tree' '%s/to'", folder, folder, folder);
  file = fopen (big, "w");
  randombytes_buf (bytes, 1 << 20);
  for (gsize i = 0; i < mib; i++)
    fwrite (bytes, 1 << 20, 1, file);
  fclose (file);
  for (guint i = 0; i < SMALL_FILES; i++)
    {
      g_autofree char *path = g_strdup_printf ("%s/from/tree/%u/%u", folder, i / 100, i);
      g_autofree char *parent = g_path_get_dirname (path);

      g_mkdir (parent, 0700);
      g_file_set_contents (path, (const char *)bytes + i, SMALL_SIZE, NULL);
    }
  run ("tar cf '%s/tree.tar' -C '%s/from' tree", folder, folder);
}

static int
compare (const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

static double
median (double *values, guint n)
{
  qsort (values, n, sizeof *values, compare);
  return values[n / 2];
}

enum
{
  PIPE,
  ENGINE,
  TCP,
  TAR,
  SMALL,
  ALL
};

static Cost
measure (guint what)
{
  if (what == PIPE || what == TCP)
    return measure_bare (what == TCP);
  if (what == TAR)
    return measure_tar ();
  return measure_engine (what == ENGINE ? "big" : "tree");
}

int
main (int argc, char **argv)
{
  static const char *const names[] = { "bare pipe", "engine", "bare TCP", "tar x", "engine, small files" };
  guint rounds = argc > 3 ? (guint)atoi (argv[3]) : 5;
  static double walls[ALL][ROUNDS_MAX], cpus[ALL][ROUNDS_MAX];
  double wall[ALL], used[ALL];

  folder = g_build_filename (argc > 1 ? argv[1] : "/dev/shm", "bench-bytes", NULL);
  mib = argc > 2 ? (gsize)atoi (argv[2]) : mib;
  if (sodium_init () < 0 || rounds > ROUNDS_MAX)
    return 1;
  make_sources ();
  for (guint i = 0; i <= rounds; i++) /* the first does not count */
    for (guint k = 0; k < ALL; k++)
      {
        Cost cost = measure (k);

        walls[k][i > 0 ? i - 1 : 0] = cost.wall;
        cpus[k][i > 0 ? i - 1 : 0] = cost.cpu;
      }
  for (guint k = 0; k < ALL; k++)
    {
      wall[k] = median (walls[k], rounds);
      used[k] = median (cpus[k], rounds);
      g_print ("%-20s %6.0f ms, %6.0f ms of CPU", names[k], wall[k] * 1000, used[k] * 1000);
      g_print (k < TAR ? ", %.0f MB/s\n" : "\n", (double)mib * 1.048576 / wall[k]);
    }
  g_print ("rate: %.2f of the pipe's (CPU %.2f), %.2f of TCP's\n", wall[PIPE] / wall[ENGINE], used[PIPE] / used[ENGINE],
           wall[TCP] / wall[ENGINE]);
  g_print ("small files, with the scan: %.2f times tar (CPU %.2f)\n", wall[SMALL] / wall[TAR], used[SMALL] / used[TAR]);
  run ("rm -rf '%s'", folder);
  return 0;
}
