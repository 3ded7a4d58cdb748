/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "bytes/manifest-file.h"
#include "bytes/task-private.h"
#include "transfer/filename.h"
#include "transfer/reason.h"

/* A folder that is being walked, and those it is in: a link may lead back to one of them. */
typedef struct _Level
{
  const struct _Level *above;
  guint depth;
  dev_t dev;
  ino_t ino;
} Level;

struct _Scan
{
  ByteTask *task;
  ScanDone done;
  gpointer user_data;
  GArray *sources; /* ByteSource, own copies */
  ScanLinks links;
  char *manifest, *previous;

  /* the thread's, until it has told */
  ByteTask *self;
  GHashTable *names; /* of tops */
  ManifestWriter *writer;
  ManifestFile *old; /* NULL: there is none, or it is known to differ */
  ScanTop *top;      /* the one that is walked */
  ScanResult result;
};

static void
source_clear (gpointer data)
{
  ByteSource *source = data;

  g_free ((char *)source->name);
  g_free ((char *)source->path);
  if (source->fd >= 0)
    close (source->fd);
}

static void
top_free (gpointer data)
{
  ScanTop *top = data;

  g_free (top->name);
  g_free (top);
}

static gboolean
goes_on (Scan *scan)
{
  if (scan->result.reason == NULL && g_atomic_int_get (byte_task_stop_flag (scan->self)))
    scan->result.reason = REASON_CANCELED;
  return scan->result.reason == NULL;
}

/* FALSE, for all of it. */
static gboolean
give_up (Scan *scan, const char *reason, const char *text)
{
  if (scan->result.reason == NULL)
    {
      scan->result.reason = reason;
      scan->result.text = g_strdup (text);
    }
  return FALSE;
}

static void
leave_out (Scan *scan, const char *path, const char *reason)
{
  byte_failures_add (scan->result.failures, path, reason);
  scan->result.n_failures++;
}

static const char *
reason_of_errno (int code)
{
  return code == ENOENT || code == ENOTDIR || code == ESTALE ? REASON_SOURCE_GONE : REASON_SOURCE_UNREADABLE;
}

/* Entries ------------------------------------------------------------------------------------------------- */

static gint64
mtime_of (const struct stat *info)
{
  return (gint64)info->st_mtim.tv_sec * G_GINT64_CONSTANT (1000000000) + info->st_mtim.tv_nsec;
}

/* The first difference is enough to know: it is not compared further. */
static void
compare (Scan *scan, const Entry *entry)
{
  g_auto (Entry) old = { 0 };

  if (scan->old == NULL)
    return;
  if (manifest_file_next (scan->old, &old, NULL) && strcmp (old.path, entry->path) == 0 && old.size == entry->size
      && old.mtime_ns == entry->mtime_ns)
    return;
  scan->result.changed = TRUE;
  g_clear_pointer (&scan->old, manifest_file_free);
}

static void
count (Scan *scan, const Entry *entry)
{
  ScanResult *result = &scan->result;

  result->entries++;
  if (entry->type != ENTRY_FILE)
    return;
  result->files++;
  scan->top->files++;
  if (entry->size < 0)
    scan->top->size = result->size = -1;
  if (scan->top->size >= 0)
    scan->top->size += entry->size;
  if (result->size >= 0)
    result->size += entry->size;
}

/* FALSE: it is left out, or all is over. */
static gboolean
add (Scan *scan, const Entry *entry)
{
  g_autoptr (GError) error = NULL;

  if (scan->result.entries >= LIMIT_ENTRIES || (scan->result.size > 0 && entry->size > G_MAXINT64 - scan->result.size))
    return give_up (scan, REASON_TOO_LARGE, "that is more than one transfer can hold");
  if (!manifest_writer_add (scan->writer, entry, &error))
    {
      if (manifest_writer_failed (scan->writer))
        return give_up (scan, REASON_FILE_ERROR, error->message);
      leave_out (scan, entry->path, REASON_UNSAFE_NAME);
      return FALSE;
    }
  compare (scan, entry);
  count (scan, entry);
  return TRUE;
}

static Entry
entry_of (EntryType type, const char *path, const struct stat *info)
{
  return (Entry){
    .type = type,
    .mode = info->st_mode & 07777,
    .mtime_ns = mtime_of (info),
    .size = type == ENTRY_FILE ? info->st_size : 0,
    .path = (char *)path,
  };
}

static void
add_link (Scan *scan, int folder, const char *name, const char *path, const struct stat *info)
{
  Entry entry = entry_of (ENTRY_LINK, path, info);
  char target[LIMIT_PATH + 1];
  ssize_t n = readlinkat (folder, name, target, sizeof target);

  if (n < 0)
    {
      leave_out (scan, path, reason_of_errno (errno));
      return;
    }
  target[MIN ((gsize)n, sizeof target - 1)] = '\0';
  entry.target = target;
  if ((gsize)n == sizeof target || !filename_link_is_inside (path, target))
    leave_out (scan, path, REASON_UNSAFE_LINK);
  else
    add (scan, &entry);
}

static void walk (Scan *scan, int fd, const char *path, const struct stat *info, const Level *above);

static gboolean
is_among (const Level *level, const struct stat *info)
{
  for (; level != NULL; level = level->above)
    if (level->dev == info->st_dev && level->ino == info->st_ino)
      return TRUE;
  return FALSE;
}

static void
add_folder (Scan *scan, int folder, const char *name, const char *path, const Level *above)
{
  int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | (scan->links == SCAN_LINKS_FOLLOW ? 0 : O_NOFOLLOW);
  int fd = openat (folder, name, flags);
  struct stat info;

  if (fd < 0 || fstat (fd, &info) != 0)
    leave_out (scan, path, reason_of_errno (errno));
  else if (is_among (above, &info))
    leave_out (scan, path, REASON_NOT_SUPPORTED); /* a link to a folder it is in */
  else
    {
      walk (scan, g_steal_fd (&fd), path, &info, above);
      return;
    }
  if (fd >= 0)
    close (fd);
}

static void
add_inner (Scan *scan, int folder, const char *name, const char *path, const Level *above)
{
  struct stat info;
  Entry entry;

  if (fstatat (folder, name, &info, scan->links == SCAN_LINKS_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW) != 0)
    leave_out (scan, path, reason_of_errno (errno));
  else if (S_ISDIR (info.st_mode))
    add_folder (scan, folder, name, path, above);
  else if (S_ISLNK (info.st_mode) && scan->links == SCAN_LINKS_KEEP)
    add_link (scan, folder, name, path, &info);
  else if (S_ISREG (info.st_mode))
    {
      entry = entry_of (ENTRY_FILE, path, &info);
      add (scan, &entry);
    }
  else if (!S_ISLNK (info.st_mode))
    leave_out (scan, path, REASON_NOT_SUPPORTED);
}

/* Takes @fd. */
static void
walk (Scan *scan, int fd, const char *path, const struct stat *info, const Level *above)
{
  Level level = { above, above != NULL ? above->depth + 1 : 1, info->st_dev, info->st_ino };
  Entry entry = entry_of (ENTRY_FOLDER, path, info);
  DIR *folder = NULL;
  struct dirent *item;

  if (level.depth > LIMIT_PATH_DEPTH || !add (scan, &entry) || (folder = fdopendir (fd)) == NULL)
    {
      if (level.depth > LIMIT_PATH_DEPTH)
        leave_out (scan, path, REASON_UNSAFE_NAME);
      close (fd);
      return;
    }
  while (goes_on (scan) && (item = readdir (folder)) != NULL)
    {
      g_autofree char *inner = g_strconcat (path, "/", item->d_name, NULL);

      if (strcmp (item->d_name, ".") != 0 && strcmp (item->d_name, "..") != 0)
        add_inner (scan, fd, item->d_name, inner, &level);
    }
  closedir (folder);
}

/* Sources ------------------------------------------------------------------------------------------------- */

/* What the receiver makes of it, and no other source has. */
static char *
name_of (Scan *scan, const ByteSource *source)
{
  g_autofree char *whole = source->path != NULL ? g_canonicalize_filename (source->path, "/") : NULL;
  const char *last = whole != NULL ? strrchr (whole, '/') + 1 : "";
  g_autofree char *clean = filename_clean (source->name != NULL ? source->name : last, -1);
  char *name = g_strdup (clean);

  for (guint n = 1; !g_hash_table_add (scan->names, g_strdup (name)); n++)
    {
      g_free (name);
      name = filename_numbered (clean, n);
    }
  return name;
}

static int
open_source (const ByteSource *source, struct stat *info)
{
  int fd = source->fd >= 0 ? fcntl (source->fd, F_DUPFD_CLOEXEC, 3) : -1;

  if (source->fd < 0 && source->path == NULL)
    errno = ENOENT;
  else if (source->fd < 0)
    fd = open (source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd >= 0 && fstat (fd, info) != 0)
    {
      close (fd);
      return -1;
    }
  return fd;
}

/* An own place in the folder: the caller's descriptor and its copies share one. */
static int
open_again (int fd)
{
  return openat (fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
add_source (Scan *scan, gsize i)
{
  const ByteSource *source = &g_array_index (scan->sources, ByteSource, i);
  struct stat info;
  int fd = open_source (source, &info), again = -1;
  int code = errno;
  ScanTop *top = g_new0 (ScanTop, 1);
  Entry entry;

  top->name = name_of (scan, source);
  top->source = i;
  g_ptr_array_add (scan->result.tops, top);
  scan->top = top;
  if (fd >= 0 && S_ISDIR (info.st_mode))
    {
      top->folder = TRUE;
      top->mtime_ns = mtime_of (&info);
      if ((again = open_again (fd)) >= 0)
        walk (scan, again, top->name, &info, NULL);
      else
        leave_out (scan, top->name, REASON_SOURCE_UNREADABLE);
    }
  else if (fd >= 0 && (S_ISREG (info.st_mode) || source->fd >= 0))
    {
      entry = entry_of (ENTRY_FILE, top->name, &info);
      entry.size = S_ISREG (info.st_mode) ? info.st_size : -1;
      top->mtime_ns = entry.mtime_ns;
      add (scan, &entry);
    }
  else
    leave_out (scan, top->name, fd >= 0 ? REASON_NOT_SUPPORTED : reason_of_errno (code));
  if (fd >= 0)
    close (fd);
}

/* A source of which nothing goes along is none of the offer. */
static void
drop_empty_top (Scan *scan, guint64 entries_before)
{
  if (scan->result.entries == entries_before)
    g_ptr_array_remove_index (scan->result.tops, scan->result.tops->len - 1);
}

static void
check_result (Scan *scan)
{
  g_autoptr (GError) error = NULL;

  if (scan->old != NULL && !manifest_file_at_end (scan->old))
    scan->result.changed = TRUE;
  if (scan->result.reason == NULL && scan->result.entries == 0)
    {
      const ByteFailure *first = scan->result.failures->len > 0 ? g_ptr_array_index (scan->result.failures, 0) : NULL;

      give_up (scan, first != NULL ? g_intern_string (first->reason) : REASON_SOURCE_GONE, first != NULL ? first->path : NULL);
    }
  if (scan->result.reason == NULL && !manifest_writer_finish (scan->writer, &error))
    give_up (scan, REASON_FILE_ERROR, error->message);
}

static void
scan_run (ByteTask *task, gpointer data)
{
  Scan *scan = data;
  g_autoptr (GError) error = NULL;

  scan->self = task;
  scan->old = scan->previous != NULL ? manifest_file_open (scan->previous, NULL) : NULL;
  scan->result.changed = scan->previous != NULL && scan->old == NULL;
  scan->writer = manifest_writer_new (scan->manifest, &error);
  if (scan->writer == NULL)
    give_up (scan, REASON_FILE_ERROR, error->message);
  for (gsize i = 0; i < scan->sources->len && goes_on (scan); i++)
    {
      guint64 before = scan->result.entries;

      add_source (scan, i);
      drop_empty_top (scan, before);
    }
  if (scan->writer != NULL)
    check_result (scan);
  g_clear_pointer (&scan->old, manifest_file_free);
  g_clear_pointer (&scan->writer, manifest_writer_free);
  byte_task_tell (task, &(ByteOutcome){ .end = BYTE_END_DONE, .reason = "" });
}

static void
on_done (ByteTask *task, const ByteOutcome *outcome, gpointer data)
{
  Scan *scan = data;

  scan->done (&scan->result, scan->user_data); /* may free it */
}

static void
scan_clear (gpointer data)
{
  Scan *scan = data;

  g_array_unref (scan->sources);
  g_free (scan->manifest);
  g_free (scan->previous);
  g_hash_table_unref (scan->names);
  g_ptr_array_unref (scan->result.tops);
  g_ptr_array_unref (scan->result.failures);
  g_free ((char *)scan->result.text);
  g_free (scan);
}

Scan *
scan_start (const ScanJob *job, ScanDone done, gpointer user_data)
{
  Scan *scan = g_new0 (Scan, 1);

  scan->done = done;
  scan->user_data = user_data;
  scan->sources = g_array_new (FALSE, FALSE, sizeof (ByteSource));
  g_array_set_clear_func (scan->sources, source_clear);
  for (gsize i = 0; i < job->n_sources; i++)
    {
      const ByteSource *from = &job->sources[i];
      ByteSource source = { g_strdup (from->name), g_strdup (from->path), from->fd };

      if (from->fd >= 0)
        source.fd = fcntl (from->fd, F_DUPFD_CLOEXEC, 3);
      g_array_append_val (scan->sources, source);
    }
  scan->links = job->links;
  scan->manifest = g_strdup (job->manifest);
  scan->previous = g_strdup (job->previous);
  scan->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  scan->result.tops = g_ptr_array_new_with_free_func (top_free);
  scan->result.failures = byte_failures_new ();
  scan->task = byte_task_new ("scan", scan_run, scan, scan_clear, on_done, scan);
  return scan;
}

void
scan_free (Scan *scan)
{
  if (scan != NULL)
    byte_task_free (scan->task);
}
