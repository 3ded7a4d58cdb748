/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "bytes/receiver.h"
#include "bytes/sender.h"

/* Two ends of a transfer in a folder of their own: FOLDER/from → FOLDER/to. */

typedef struct
{
  gboolean over;     /* the last word was said */
  gboolean landed;   /* LANDED came before */
  gboolean confirms; /* answers LANDED itself */
  ByteEnd end;
  char *reason, *text, *failures, *paths; /* "path: reason\n"…, "path\n"… */
  guint64 n_failures, bytes, entries, wire;
  gboolean restarted, consumed;
  void (*on_landed) (ByteTask *task);
} End;

typedef struct
{
  char *folder, *from, *to, *manifest;
  GPtrArray *names, *paths; /* of what was scanned */
  GArray *sources;          /* ByteSource */
  gint64 size;
  guint64 entries;
  char *scan_reason, *scan_failures;
  gboolean scanned, changed;
  ScanLinks links;
  ReceiveJob receive;
  SendJob send;
  ByteTask *sender, *receiver;
  End sent, received;
} Scene;

static inline int
scene_remove_one (const char *path, const struct stat *info, int type, struct FTW *where)
{
  if (type == FTW_D)
    chmod (path, 0700);
  return 0;
}

static inline int
scene_remove_two (const char *path, const struct stat *info, int type, struct FTW *where)
{
  return remove (path);
}

static inline void
remove_tree (const char *path)
{
  nftw (path, scene_remove_one, 16, FTW_PHYS);
  nftw (path, scene_remove_two, 16, FTW_PHYS | FTW_DEPTH);
}

static inline void
scene_init (Scene *scene)
{
  *scene = (Scene){ .links = SCAN_LINKS_KEEP };
  scene->folder = g_dir_make_tmp ("hearby-bytes-XXXXXX", NULL);
  scene->from = g_build_filename (scene->folder, "from", NULL);
  scene->to = g_build_filename (scene->folder, "to", NULL);
  scene->manifest = g_build_filename (scene->folder, "manifest", NULL);
  g_assert_cmpint (g_mkdir (scene->from, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (scene->to, 0700), ==, 0);
  scene->names = g_ptr_array_new_with_free_func (g_free);
  scene->paths = g_ptr_array_new_with_free_func (g_free);
  scene->sources = g_array_new (FALSE, FALSE, sizeof (ByteSource));
  scene->receive = (ReceiveJob){ .folder = scene->to, .folder_fd = -1, .out_fd = -1, .part = "x.0000.part" };
  scene->received.confirms = TRUE;
}

static inline void
end_clear (End *end)
{
  g_clear_pointer (&end->reason, g_free);
  g_clear_pointer (&end->text, g_free);
  g_clear_pointer (&end->failures, g_free);
  g_clear_pointer (&end->paths, g_free);
  end->over = end->landed = FALSE;
}

static inline void
scene_clear (Scene *scene)
{
  remove_tree (scene->folder);
  end_clear (&scene->sent);
  end_clear (&scene->received);
  g_free (scene->folder);
  g_free (scene->from);
  g_free (scene->to);
  g_free (scene->manifest);
  g_free (scene->scan_reason);
  g_free (scene->scan_failures);
  g_ptr_array_unref (scene->names);
  g_ptr_array_unref (scene->paths);
  g_array_unref (scene->sources);
}

static inline void
empty_target (Scene *scene)
{
  remove_tree (scene->to);
  g_assert_cmpint (g_mkdir (scene->to, 0700), ==, 0);
}

/* Files ---------------------------------------------------------------------------------------------------- */

static inline char *
scene_path (const char *folder, const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static inline void
make_file (const char *folder, const char *name, const void *bytes, gsize len)
{
  g_autofree char *path = scene_path (folder, name);
  g_autofree char *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_assert_true (g_file_set_contents_full (path, bytes, (gssize)len, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
}

static inline void
make_folder (const char *folder, const char *name)
{
  g_autofree char *path = scene_path (folder, name);

  g_assert_cmpint (g_mkdir_with_parents (path, 0700), ==, 0);
}

static inline void
make_symlink (const char *target, const char *folder, const char *name)
{
  g_autofree char *path = scene_path (folder, name);

  g_assert_cmpint (symlink (target, path), ==, 0);
}

/* Bytes that are nowhere the same. */
static inline guint8 *
pattern (gsize len, guint32 seed)
{
  guint8 *bytes = g_malloc (len + 1);
  guint8 key[randombytes_SEEDBYTES] = { (guint8)seed, (guint8)(seed >> 8), 7 };

  randombytes_buf_deterministic (bytes, len, key);
  return bytes;
}

static inline void
make_big (const char *folder, const char *name, gsize len, guint32 seed)
{
  g_autofree guint8 *bytes = pattern (len, seed);

  make_file (folder, name, bytes, len);
}

static inline void
assert_same_file (const char *a, const char *b)
{
  g_autofree char *bytes_a = NULL, *bytes_b = NULL;
  gsize len_a = 0, len_b = 0;

  g_assert_true (g_file_get_contents (a, &bytes_a, &len_a, NULL));
  if (!g_file_get_contents (b, &bytes_b, &len_b, NULL))
    g_error ("%s is not there", b);
  g_assert_cmpmem (bytes_a, len_a, bytes_b, len_b);
}

/* All names below, sorted, with what they are: "d a/\nf a/b 3\nl a/c -> b\n"; modes where asked for. */
typedef struct
{
  GPtrArray *lines;
  gsize skip;
  gboolean modes;
} Listing;

static inline void
list_below (Listing *listing, const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *inner = scene_path (path, name);
      g_autofree char *target = g_file_read_link (inner, NULL);
      g_autofree char *mode = NULL;
      struct stat info;

      g_assert_cmpint (lstat (inner, &info), ==, 0);
      mode = listing->modes ? g_strdup_printf (" %o", info.st_mode & 07777) : g_strdup ("");
      if (S_ISLNK (info.st_mode))
        g_ptr_array_add (listing->lines, g_strdup_printf ("l %s -> %s", inner + listing->skip, target));
      else if (S_ISDIR (info.st_mode))
        {
          g_ptr_array_add (listing->lines, g_strdup_printf ("d %s%s", inner + listing->skip, mode));
          list_below (listing, inner);
        }
      else
        g_ptr_array_add (listing->lines, g_strdup_printf ("f %s %" G_GINT64_FORMAT "%s", inner + listing->skip, (gint64)info.st_size, mode));
    }
}

static inline int
compare_lines (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *)a + 2, *(char *const *)b + 2);
}

static inline char *
list_tree (const char *path, gboolean modes)
{
  Listing listing = { g_ptr_array_new_with_free_func (g_free), strlen (path) + 1, modes };
  char *all;

  list_below (&listing, path);
  g_ptr_array_sort (listing.lines, compare_lines);
  g_ptr_array_add (listing.lines, NULL);
  all = g_strjoinv ("\n", (char **)listing.lines->pdata);
  g_ptr_array_unref (listing.lines);
  return all;
}

static inline void
assert_tree (const char *path, const char *expected)
{
  g_autofree char *there = list_tree (path, FALSE);

  g_assert_cmpstr (there, ==, expected);
}

/* Scanning -------------------------------------------------------------------------------------------------- */

static inline char *
write_failures (GPtrArray *failures)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < failures->len; i++)
    {
      const ByteFailure *failure = g_ptr_array_index (failures, i);

      g_string_append_printf (text, "%s: %s\n", failure->path, failure->reason);
    }
  return g_string_free (text, FALSE);
}

static inline void
on_scanned (const ScanResult *result, gpointer data)
{
  Scene *scene = data;
  g_autoptr (GArray) sources = g_steal_pointer (&scene->sources);

  scene->sources = g_array_new (FALSE, FALSE, sizeof (ByteSource));
  scene->scan_reason = g_strdup (result->reason);
  scene->scan_failures = write_failures (result->failures);
  scene->size = result->size;
  scene->entries = result->entries;
  scene->changed = result->changed;
  for (guint i = 0; i < result->tops->len; i++)
    {
      const ScanTop *top = g_ptr_array_index (result->tops, i);
      ByteSource source = g_array_index (sources, ByteSource, top->source);
      char *name = g_strdup (top->name);

      g_ptr_array_add (scene->names, name);
      source.name = name;
      g_array_append_val (scene->sources, source);
    }
  scene->scanned = TRUE;
}

static inline void
scene_add_fd (Scene *scene, const char *name, int fd)
{
  ByteSource source = { name, NULL, fd };

  g_array_append_val (scene->sources, source);
}

static inline void
scene_add (Scene *scene, const char *name)
{
  ByteSource source = { NULL, scene_path (scene->from, name), -1 };

  g_ptr_array_add (scene->paths, (char *)source.path);
  g_array_append_val (scene->sources, source);
}

static inline void
scene_scan_again (Scene *scene, const char *previous)
{
  ScanJob job = { (const ByteSource *)scene->sources->data, scene->sources->len, scene->links, scene->manifest, previous };
  g_autoptr (Scan) scan G_GNUC_UNUSED = scan_start (&job, on_scanned, scene);

  scene->scanned = FALSE;
  g_clear_pointer (&scene->scan_reason, g_free);
  g_clear_pointer (&scene->scan_failures, g_free);
  while (!scene->scanned)
    g_main_context_iteration (NULL, TRUE);
}

static inline void
scene_scan (Scene *scene)
{
  scene_scan_again (scene, NULL);
}

/* Moving ---------------------------------------------------------------------------------------------------- */

static inline void
on_end (ByteTask *task, const ByteOutcome *outcome, gpointer data)
{
  End *end = data;
  GString *paths = g_string_new (NULL);

  g_assert_false (end->over);
  if (outcome->end == BYTE_END_LANDED)
    {
      g_string_free (paths, TRUE);
      g_assert_false (end->landed);
      end->landed = TRUE;
      if (end->on_landed != NULL)
        end->on_landed (task);
      if (end->confirms)
        byte_task_confirm (task);
      return;
    }
  for (guint i = 0; i < outcome->paths->len; i++)
    g_string_append_printf (paths, "%s\n", (char *)g_ptr_array_index (outcome->paths, i));
  end->end = outcome->end;
  end->reason = g_strdup (outcome->reason);
  end->text = g_strdup (outcome->text);
  end->failures = write_failures (outcome->failures);
  end->paths = g_string_free (paths, FALSE);
  end->n_failures = outcome->n_failures;
  end->bytes = outcome->bytes;
  end->entries = outcome->entries;
  end->wire = outcome->wire;
  end->restarted = outcome->restarted;
  end->consumed = outcome->consumed;
  end->over = TRUE;
}

static inline ByteLink *
make_link (int fd, guint side, gboolean plain)
{
  Cipher ciphers[2] = { { { 1 }, 0, TRUE }, { { 2 }, 0, TRUE } };

  if (plain)
    return byte_link_new (fd, NULL, NULL, NULL);
  return byte_link_new (fd, record_sealer_new (&ciphers[side]), record_opener_new (&ciphers[!side]), NULL);
}

static inline void
make_pair (int fds[2])
{
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
}

static inline void
scene_start_receiver (Scene *scene, int fd, gboolean plain)
{
  end_clear (&scene->received);
  scene->receive.size = scene->size;
  scene->receive.entries = scene->entries;
  scene->receiver = receiver_start (make_link (fd, 1, plain), &scene->receive, on_end, &scene->received);
}

static inline void
scene_start_sender (Scene *scene, int fd, gboolean plain)
{
  end_clear (&scene->sent);
  scene->send.manifest = scene->manifest;
  scene->send.sources = (const ByteSource *)scene->sources->data;
  scene->send.n_sources = scene->sources->len;
  scene->send.links = scene->links;
  scene->send.changed = scene->changed;
  scene->sender = sender_start (make_link (fd, 0, plain), &scene->send, on_end, &scene->sent);
}

static inline void
scene_wait (Scene *scene)
{
  while ((scene->sender != NULL && !scene->sent.over) || (scene->receiver != NULL && !scene->received.over))
    g_main_context_iteration (NULL, TRUE);
  g_clear_pointer (&scene->sender, byte_task_free);
  g_clear_pointer (&scene->receiver, byte_task_free);
}

static inline void
scene_start (Scene *scene, gboolean plain)
{
  int fds[2];

  make_pair (fds);
  scene_start_sender (scene, fds[0], plain);
  scene_start_receiver (scene, fds[1], plain);
}

static inline void
scene_run (Scene *scene)
{
  scene_start (scene, FALSE);
  scene_wait (scene);
}

static inline void
assert_ends (const Scene *scene, ByteEnd sent, const char *sent_reason, ByteEnd received, const char *received_reason)
{
  g_assert_cmpstr (scene->sent.reason, ==, sent_reason);
  g_assert_cmpint (scene->sent.end, ==, sent);
  g_assert_cmpstr (scene->received.reason, ==, received_reason);
  g_assert_cmpint (scene->received.end, ==, received);
}

static inline void
assert_done (const Scene *scene)
{
  assert_ends (scene, BYTE_END_DONE, "", BYTE_END_DONE, "");
  g_assert_true (scene->received.landed);
}
