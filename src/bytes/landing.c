/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/landing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/limits.h"
#include "bytes/beneath.h"
#include "transfer/filename.h"

#define JOURNAL ".landed" /* no name of a peer begins with a dot at the top */
#define READ_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define NUMBERS 10000 /* names tried for one */

struct _Landing
{
  int target;
  char *part;
  int folder; /* target/part */
  guint mask;
  gboolean resume, trusts_umask;
  char *parent_path; /* the folder that was used last; NULL: none */
  LandingParent *parent;
  GHashTable *journal; /* top-level name → final name; NULL: it has not landed */
  int journal_fd;
};

/* Opening ------------------------------------------------------------------------------------------------- */

static gboolean remove_inside (int folder);

static void
parent_unref (LandingParent *parent)
{
  if (parent == NULL || !g_atomic_int_dec_and_test (&parent->refs))
    return;
  close (parent->fd);
  g_free (parent);
}

static gboolean
is_ours_alone (int folder)
{
  struct stat info;

  if (fstat (folder, &info) != 0)
    return FALSE;
  errno = EPERM;
  return info.st_uid == geteuid () && (info.st_mode & 022) == 0;
}

static void
take_journal (Landing *landing, const char *text, gsize len)
{
  const char *end = text + len;

  landing->journal = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  while (text < end)
    {
      const char *final = text + strlen (text) + 1;
      const char *next = final < end ? final + strlen (final) + 1 : NULL;

      if (next == NULL || next > end)
        break; /* cut off: what it was to say has not happened */
      g_hash_table_insert (landing->journal, g_strdup (text), g_strdup (final));
      text = next;
    }
}

static void
read_journal (Landing *landing)
{
  g_autoptr (GByteArray) text = g_byte_array_new ();
  guint8 piece[4096];
  int fd = openat (landing->folder, JOURNAL, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  ssize_t n;

  if (fd < 0)
    return;
  while ((n = read (fd, piece, sizeof piece)) > 0)
    g_byte_array_append (text, piece, (guint)n);
  g_byte_array_append (text, (const guint8 *)"", 1); /* so that strlen() ends */
  close (fd);
  take_journal (landing, (const char *)text->data, text->len - 1);
}

static gboolean
prepare (Landing *landing)
{
  if (mkdirat (landing->target, landing->part, 0700) != 0 && errno != EEXIST)
    return FALSE;
  landing->folder = openat (landing->target, landing->part, READ_FOLDER);
  if (landing->folder < 0 || !is_ours_alone (landing->folder))
    return FALSE;
  if (!landing->resume)
    return remove_inside (landing->folder);
  read_journal (landing);
  return TRUE;
}

Landing *
landing_open (int target, const char *part, guint mask, gboolean resume)
{
  Landing *landing = g_new0 (Landing, 1);
  int code;

  landing->target = target;
  landing->part = g_strdup (part);
  landing->mask = mask;
  landing->resume = resume;
  landing->folder = landing->journal_fd = -1;
  if (prepare (landing))
    return landing;
  code = errno;
  landing_free (landing);
  errno = code;
  return NULL;
}

void
landing_free (Landing *landing)
{
  if (landing == NULL)
    return;
  close (landing->target);
  if (landing->folder >= 0)
    close (landing->folder);
  parent_unref (landing->parent);
  if (landing->journal_fd >= 0)
    close (landing->journal_fd);
  g_clear_pointer (&landing->journal, g_hash_table_unref);
  g_free (landing->part);
  g_free (landing->parent_path);
  g_free (landing);
}

void
landing_trust_umask (Landing *landing)
{
  landing->trusts_umask = TRUE;
}

gboolean
landing_has_landed (const Landing *landing)
{
  return landing->journal != NULL;
}

guint64
landing_free_space (const Landing *landing)
{
  struct statvfs info;

  if (fstatvfs (landing->folder, &info) != 0)
    return G_MAXUINT64;
  return (guint64)info.f_bavail * info.f_frsize;
}

/* Entries ------------------------------------------------------------------------------------------------- */

/* The folder that @path is in, which is that of the one before most of the time. NULL with errno. */
static LandingParent *
find_parent (Landing *landing, const char *path, const char **name)
{
  int fd;
  const char *slash = strrchr (path, '/');
  gsize len = slash != NULL ? (gsize)(slash - path) : 0;

  *name = slash != NULL ? slash + 1 : path;
  if (landing->parent_path != NULL && strncmp (landing->parent_path, path, len) == 0 && landing->parent_path[len] == '\0')
    return landing->parent;
  g_clear_pointer (&landing->parent, parent_unref);
  g_free (landing->parent_path);
  landing->parent_path = g_strndup (path, len);
  fd = beneath_open (landing->folder, landing->parent_path);
  if (fd < 0)
    {
      g_clear_pointer (&landing->parent_path, g_free);
      return NULL;
    }
  landing->parent = g_new (LandingParent, 1);
  *landing->parent = (LandingParent){ 1, fd };
  return landing->parent;
}

static int
parent_of (Landing *landing, const char *path, const char **name)
{
  LandingParent *parent = find_parent (landing, path, name);

  return parent != NULL ? parent->fd : -1;
}

gboolean
landing_place (Landing *landing, const char *path, LandingPlace *place)
{
  place->parent = find_parent (landing, path, &place->name);
  if (place->parent == NULL)
    return FALSE;
  g_atomic_int_inc (&place->parent->refs);
  return TRUE;
}

void
landing_place_clear (LandingPlace *place)
{
  g_clear_pointer (&place->parent, parent_unref);
}

static struct timespec
time_of (gint64 ns)
{
  const gint64 second = G_GINT64_CONSTANT (1000000000);
  struct timespec time = { ns / second, ns % second };

  if (time.tv_nsec < 0)
    {
      time.tv_nsec += second;
      time.tv_sec--;
    }
  return time;
}

/* Disks that keep whole seconds, or two of them, round. */
static gboolean
has_mtime (const struct stat *info, gint64 mtime_ns)
{
  struct timespec wanted = time_of (mtime_ns);

  if (info->st_mtim.tv_nsec == 0)
    return ABS (info->st_mtim.tv_sec - wanted.tv_sec) <= 1;
  return info->st_mtim.tv_sec == wanted.tv_sec && info->st_mtim.tv_nsec / 100 == wanted.tv_nsec / 100; /* NTFS */
}

static gboolean
leads_to (int parent, const char *name, const char *target)
{
  char there[LIMIT_PATH + 1];
  ssize_t n = readlinkat (parent, name, there, sizeof there);

  return n >= 0 && (gsize)n == strlen (target) && memcmp (there, target, (gsize)n) == 0;
}

LandingState
landing_look (Landing *landing, const char *path, const Entry *entry, gint64 *size)
{
  const char *name;
  int parent = parent_of (landing, path, &name);
  struct stat info;

  if (parent < 0 || fstatat (parent, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
    return LANDING_ABSENT;
  if (entry->type == ENTRY_LINK)
    return S_ISLNK (info.st_mode) && leads_to (parent, name, entry->target) ? LANDING_COMPLETE : LANDING_ABSENT;
  if (entry->type != ENTRY_FILE || !S_ISREG (info.st_mode))
    return LANDING_ABSENT;
  *size = info.st_size;
  if (info.st_size == entry->size && has_mtime (&info, entry->mtime_ns))
    return LANDING_COMPLETE;
  return info.st_size <= entry->size ? LANDING_PART : LANDING_ABSENT;
}

int
landing_open_to_read (Landing *landing, const char *path)
{
  const char *name;
  int parent = parent_of (landing, path, &name);

  return parent < 0 ? -1 : openat (parent, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

/* What a file may be in the end; a single one is not to be run by a click. */
static mode_t
mode_of (const Landing *landing, const char *path, const Entry *entry)
{
  return entry->mode & (strchr (path, '/') != NULL ? 0777 : 0666) & ~landing->mask;
}

/* With its mode from the begin on, but so that another try can write to it: most files need no chmod() then. The folder is 0700. */
static int
make_file (const Landing *landing, int parent, const char *name, mode_t mode)
{
  const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  int fd = openat (parent, name, flags, mode | 0600);

  if (fd < 0 && errno == EEXIST && landing->resume && unlinkat (parent, name, 0) == 0)
    fd = openat (parent, name, flags, mode | 0600);
  return fd;
}

int
landing_make_file (Landing *landing, const char *path, const Entry *entry)
{
  const char *name;
  int parent = parent_of (landing, path, &name);

  return parent < 0 ? -1 : make_file (landing, parent, name, mode_of (landing, path, entry));
}

int
landing_make_file_at (const Landing *landing, const LandingPlace *place, const char *path, const Entry *entry)
{
  return make_file (landing, place->parent->fd, place->name, mode_of (landing, path, entry));
}

int
landing_continue_file (Landing *landing, const char *path, gint64 size)
{
  const char *name;
  int parent = parent_of (landing, path, &name);
  int fd = parent < 0 ? -1 : openat (parent, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  struct stat info;

  if (fd >= 0 && fstat (fd, &info) == 0 && S_ISREG (info.st_mode) && info.st_nlink == 1 && info.st_size == size
      && lseek (fd, size, SEEK_SET) == size)
    return fd;
  if (fd >= 0)
    {
      close (fd);
      errno = ESTALE;
    }
  return -1;
}

gboolean
landing_complete_file (const Landing *landing, int fd, const char *path, const Entry *entry, gboolean continued)
{
  struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, time_of (entry->mtime_ns) };
  mode_t mode = mode_of (landing, path, entry);

  if ((continued || !landing->trusts_umask || (mode & 0600) != 0600) && fchmod (fd, mode) != 0)
    return FALSE;
  return futimens (fd, times) == 0;
}

gboolean
landing_remove_file (Landing *landing, const char *path)
{
  const char *name;
  int parent = parent_of (landing, path, &name);

  return parent >= 0 && unlinkat (parent, name, 0) == 0;
}

/* One of an earlier try may be closed for ourselves already. */
static gboolean
reopen_folder (int parent, const char *name)
{
  int fd = openat (parent, name, READ_FOLDER | O_NONBLOCK);
  gboolean done;

  if (fd < 0 && errno == EACCES)
    return fchmodat (parent, name, 0700, 0) == 0; /* not a link: those have 0777 and do not answer EACCES to O_NOFOLLOW */
  if (fd < 0)
    return FALSE;
  done = fchmod (fd, 0700) == 0;
  close (fd);
  return done;
}

gboolean
landing_make_folder (Landing *landing, const char *path)
{
  const char *name;
  int parent = parent_of (landing, path, &name);

  if (parent < 0)
    return FALSE;
  return mkdirat (parent, name, 0700) == 0 || (errno == EEXIST && reopen_folder (parent, name));
}

gboolean
landing_leave_folder (Landing *landing, const char *path, guint32 mode, gint64 mtime_ns)
{
  struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, time_of (mtime_ns) };
  const char *name;
  int parent = parent_of (landing, path, &name);
  int fd = parent < 0 ? -1 : openat (parent, name, READ_FOLDER);
  gboolean done;

  if (fd < 0)
    return FALSE;
  done = futimens (fd, times) == 0 && fchmod (fd, mode & 0777 & ~landing->mask) == 0;
  close (fd);
  return done;
}

gboolean
landing_make_link (Landing *landing, const char *path, const Entry *entry, const char *target)
{
  struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, time_of (entry->mtime_ns) };
  const char *name;
  int parent = parent_of (landing, path, &name);

  if (parent < 0)
    return FALSE;
  if (symlinkat (target, parent, name) != 0
      && (errno != EEXIST || !landing->resume || unlinkat (parent, name, 0) != 0 || symlinkat (target, parent, name) != 0))
    return FALSE;
  utimensat (parent, name, times, AT_SYMLINK_NOFOLLOW); /* a link's own time is not worth a failure */
  return TRUE;
}

/* The end ------------------------------------------------------------------------------------------------- */

int
landing_sync_fd (Landing *landing, const char *only)
{
  return only != NULL ? landing_open_to_read (landing, only) : fcntl (landing->folder, F_DUPFD_CLOEXEC, 3);
}

/* Before it happens: what is written and has not happened is seen by the name that is still there. */
static gboolean
write_journal (Landing *landing, const char *name, const char *final)
{
  g_autoptr (GByteArray) line = g_byte_array_new ();

  if (landing->journal_fd < 0)
    landing->journal_fd = openat (landing->folder, JOURNAL, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (landing->journal_fd < 0)
    return FALSE;
  g_byte_array_append (line, (const guint8 *)name, (guint)strlen (name) + 1);
  g_byte_array_append (line, (const guint8 *)final, (guint)strlen (final) + 1);
  return write (landing->journal_fd, line->data, line->len) == (gssize)line->len;
}

/* For disks whose driver does not know RENAME_NOREPLACE. A folder cannot be linked: between the look and the rename is a moment. */
static int
rename_old (const Landing *landing, const char *name, const char *final)
{
  struct stat info;

  if (linkat (landing->folder, name, landing->target, final, 0) == 0)
    return unlinkat (landing->folder, name, 0);
  if (errno == EEXIST)
    return -1;
  if (fstatat (landing->target, final, &info, AT_SYMLINK_NOFOLLOW) == 0)
    {
      errno = EEXIST;
      return -1;
    }
  return renameat (landing->folder, name, landing->target, final);
}

static int
rename_new (const Landing *landing, const char *name, const char *final)
{
  int done = renameat2 (landing->folder, name, landing->target, final, RENAME_NOREPLACE);

  return done != 0 && (errno == EINVAL || errno == ENOSYS) ? rename_old (landing, name, final) : done;
}

/* A folder that its owner may not write to cannot be moved. */
static int
rename_closed (const Landing *landing, const char *name, const char *final)
{
  int done = rename_new (landing, name, final);
  int code = errno;
  int fd = done != 0 && code == EACCES ? openat (landing->folder, name, READ_FOLDER) : -1;
  struct stat info;

  if (fd < 0)
    {
      errno = code;
      return done;
    }
  if (fstat (fd, &info) == 0 && fchmod (fd, info.st_mode | 0700) == 0)
    {
      done = rename_new (landing, name, final);
      code = errno;
      if (fchmod (fd, info.st_mode) != 0)
        done = -1;
    }
  close (fd);
  errno = code;
  return done;
}

static gboolean
land_one (Landing *landing, const char *name, GPtrArray *paths)
{
  for (guint n = 0; n < NUMBERS; n++)
    {
      g_autofree char *final = n == 0 ? g_strdup (name) : filename_numbered (name, n);

      if (!write_journal (landing, name, final))
        return FALSE;
      if (rename_closed (landing, name, final) == 0)
        {
          g_ptr_array_add (paths, g_steal_pointer (&final));
          return TRUE;
        }
      if (errno != EEXIST && errno != ENOTEMPTY)
        return FALSE;
    }
  return FALSE;
}

gboolean
landing_land (Landing *landing, GPtrArray *tops, GPtrArray *paths)
{
  struct stat info;

  for (guint i = 0; i < tops->len; i++)
    {
      const char *name = g_ptr_array_index (tops, i);
      const char *final = landing->journal != NULL ? g_hash_table_lookup (landing->journal, name) : NULL;

      if (fstatat (landing->folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0)
        {
          if (!land_one (landing, name, paths))
            return FALSE;
        }
      else if (final != NULL)
        g_ptr_array_add (paths, g_strdup (final));
    }
  fsync (landing->target); /* a disk that cannot do it for a folder has done it */
  return TRUE;
}

static gboolean
remove_one (int folder, const char *name)
{
  int inner;
  gboolean done;

  if (unlinkat (folder, name, 0) == 0)
    return TRUE;
  if (errno != EISDIR && errno != EPERM)
    return FALSE;
  if (!reopen_folder (folder, name))
    return FALSE;
  inner = openat (folder, name, READ_FOLDER);
  done = inner >= 0 && remove_inside (inner);
  if (inner >= 0)
    close (inner);
  return unlinkat (folder, name, AT_REMOVEDIR) == 0 && done;
}

/* @folder stays open. Goes on where something cannot be removed. */
static gboolean
remove_inside (int folder)
{
  int again = openat (folder, ".", READ_FOLDER);
  DIR *list = again >= 0 ? fdopendir (again) : NULL;
  struct dirent *item;
  gboolean done = TRUE;

  if (list == NULL)
    return FALSE;
  while ((item = readdir (list)) != NULL)
    if (strcmp (item->d_name, ".") != 0 && strcmp (item->d_name, "..") != 0 && !remove_one (folder, item->d_name))
      done = FALSE;
  closedir (list);
  return done;
}

gboolean
landing_remove_part (int target, const char *part)
{
  int folder = openat (target, part, READ_FOLDER);
  gboolean done;

  if (folder < 0)
    return errno == ENOENT;
  done = is_ours_alone (folder) && remove_inside (folder);
  close (folder);
  return done && unlinkat (target, part, AT_REMOVEDIR) == 0;
}

gboolean
landing_remove (Landing *landing)
{
  return landing_remove_part (landing->target, landing->part);
}
