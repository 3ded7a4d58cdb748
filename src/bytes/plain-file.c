/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/plain-file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mask.h"
#include "bytes/beneath.h"
#include "bytes/landing.h"
#include "bytes/task-private.h"
#include "transfer/reason.h"

#define CHUNK (256 * 1024) /* of one system call, and the buffer */
#define PIPE_CHUNK 4096    /* what a pipe that can be written to takes without blocking: PIPE_BUF */
#define LOOK_MS 200        /* how often a connection that drains is looked at */

/* What the thread works with: the job, and how far it is. */
typedef struct
{
  ByteTask *task;
  int fd;   /* the connection */
  int file; /* the file's bytes come from it, or go there; -1: not open */
  char *path, *name, *part, *folder;
  int folder_fd, out_fd;
  GBytes *surplus;
  gint64 size;
  guint64 reserve, size_max;
  guint64 before;
  ByteProgress progress;
  Landing *landing;
  GPtrArray *paths;
  GPtrArray *failures;
} Plain;

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
plain_free (gpointer data)
{
  Plain *plain = data;

  close_fd (&plain->fd);
  close_fd (&plain->file);
  close_fd (&plain->folder_fd);
  close_fd (&plain->out_fd);
  g_clear_pointer (&plain->surplus, g_bytes_unref);
  landing_free (plain->landing);
  g_ptr_array_unref (plain->paths);
  g_ptr_array_unref (plain->failures);
  g_free (plain->path);
  g_free (plain->name);
  g_free (plain->part);
  g_free (plain->folder);
  g_free (plain);
}

static Plain *
plain_new (int fd, gint64 size)
{
  Plain *plain = g_new0 (Plain, 1);

  plain->fd = fd;
  plain->file = plain->folder_fd = plain->out_fd = -1;
  plain->size = size;
  plain->paths = g_ptr_array_new_with_free_func (g_free);
  plain->failures = byte_failures_new ();
  plain->progress.phase = BYTE_PHASE_MOVING;
  return plain;
}

/* Waiting and telling --------------------------------------------------------------------------------------- */

typedef enum
{
  WAIT_READY,
  WAIT_STOPPED,
  WAIT_OVER, /* the time is */
} Wait;

static gboolean
is_stopped (const Plain *plain)
{
  return g_atomic_int_get (byte_task_stop_flag (plain->task));
}

static Wait
wait_for (Plain *plain, int fd, short events, int ms)
{
  struct pollfd polled[] = { { byte_task_wake (plain->task), POLLIN, 0 }, { fd, events, 0 } };

  if (is_stopped (plain))
    return WAIT_STOPPED;
  if (poll (polled, G_N_ELEMENTS (polled), ms) == 0)
    return WAIT_OVER;
  return is_stopped (plain) ? WAIT_STOPPED : WAIT_READY;
}

static void
add_progress (Plain *plain, gsize n)
{
  plain->progress.bytes += n;
  plain->progress.wire += n;
  byte_task_set_progress (plain->task, &plain->progress);
}

static gint64
moved (const Plain *plain)
{
  return (gint64)(plain->progress.bytes - plain->before);
}

static void
tell (Plain *plain, ByteEnd end, const char *reason)
{
  ByteOutcome outcome = { .end = end,
                          .reason = reason,
                          .failures = plain->failures,
                          .paths = plain->paths,
                          .phase = plain->progress.phase,
                          .bytes = plain->progress.bytes,
                          .entries = plain->progress.entries,
                          .wire = plain->progress.wire };

  byte_task_tell (plain->task, &outcome);
}

/* The end that leaves nothing behind; FALSE. */
static gboolean
end (Plain *plain, ByteEnd why, const char *reason)
{
  close_fd (&plain->fd);
  if (plain->landing != NULL)
    landing_remove (plain->landing);
  tell (plain, why, reason);
  return FALSE;
}

static gboolean
end_stopped (Plain *plain)
{
  const char *reason = byte_task_stop_reason (plain->task);

  return end (plain, BYTE_END_STOPPED, reason != NULL ? reason : REASON_NONE);
}

static gboolean
end_waiting (Plain *plain, Wait wait)
{
  return wait == WAIT_STOPPED ? end_stopped (plain) : end (plain, BYTE_END_CUT, REASON_STALLED);
}

/* Nothing is said when somebody cancels: the connection closes. */
static gboolean
end_closed (Plain *plain)
{
  return end (plain, BYTE_END_PEER_STOPPED, REASON_CANCELED);
}

static gboolean
end_disk (Plain *plain, int error)
{
  if (error == ENOSPC || error == EDQUOT)
    return end (plain, BYTE_END_NO_SPACE, REASON_NO_SPACE);
  return end (plain, BYTE_END_FAILED, error == EACCES || error == EPERM || error == EROFS ? REASON_ACCESS_DENIED : REASON_FILE_ERROR);
}

/* Sending --------------------------------------------------------------------------------------------------- */

static gboolean
open_source (Plain *plain, struct stat *found)
{
  if (plain->file < 0)
    plain->file = open (plain->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (plain->file < 0)
    return end (plain, BYTE_END_FAILED, errno == ENOENT || errno == ENOTDIR ? REASON_SOURCE_GONE : REASON_SOURCE_UNREADABLE);
  if (fstat (plain->file, found) != 0 || !S_ISREG (found->st_mode))
    return end (plain, BYTE_END_FAILED, REASON_SOURCE_UNREADABLE);
  if (found->st_size != plain->size)
    return end (plain, BYTE_END_FAILED, REASON_SOURCE_CHANGED);
  posix_fadvise (plain->file, 0, 0, POSIX_FADV_SEQUENTIAL);
  return TRUE;
}

static gboolean
send_bytes (Plain *plain)
{
  off_t at = 0;

  while (at < plain->size)
    {
      ssize_t n = sendfile (plain->fd, plain->file, &at, (size_t)MIN (CHUNK, plain->size - at));
      Wait wait;

      if (n > 0)
        {
          add_progress (plain, (gsize)n);
          if (is_stopped (plain))
            return end_stopped (plain);
          continue;
        }
      if (n == 0)
        return end (plain, BYTE_END_FAILED, REASON_SOURCE_CHANGED);
      if (errno == EPIPE || errno == ECONNRESET)
        return end_closed (plain);
      if (errno != EAGAIN && errno != EINTR)
        return end (plain, BYTE_END_FAILED, REASON_SOURCE_UNREADABLE);
      wait = wait_for (plain, plain->fd, POLLOUT, LIMIT_STALL_MS);
      if (wait != WAIT_READY)
        return end_waiting (plain, wait);
    }
  return TRUE;
}

/* What has not arrived of what we wrote. */
static int
unacknowledged (const Plain *plain)
{
  int n = 0;

  return ioctl (plain->fd, SIOCOUTQ, &n) == 0 ? n : 0;
}

/* The receiver closes when it has everything, and says nothing else about that. */
static gboolean
await_close (Plain *plain)
{
  gint64 since = g_get_monotonic_time ();
  int before = unacknowledged (plain);

  plain->progress.phase = BYTE_PHASE_VERIFYING;
  byte_task_set_progress (plain->task, &plain->progress);
  shutdown (plain->fd, SHUT_WR);
  for (;;)
    {
      char byte;
      Wait wait = wait_for (plain, plain->fd, POLLIN, LOOK_MS);
      int left = unacknowledged (plain);
      ssize_t n = wait == WAIT_READY ? recv (plain->fd, &byte, 1, MSG_DONTWAIT) : 1;

      if (wait == WAIT_STOPPED)
        return end_stopped (plain);
      if (n == 0)
        return left == 0 ? TRUE : end_closed (plain);
      if (n < 0 && errno != EAGAIN && errno != EINTR)
        return end_closed (plain); /* it closed without reading all of it */
      if (left != before)
        since = g_get_monotonic_time ();
      before = left;
      if (left == 0 && g_get_monotonic_time () - since >= LIMIT_PLAIN_CLOSE_MS * 1000)
        return TRUE;
      if (g_get_monotonic_time () - since >= LIMIT_STALL_MS * G_GINT64_CONSTANT (1000))
        return end (plain, BYTE_END_CUT, REASON_STALLED);
    }
}

static gboolean
is_unchanged (const Plain *plain, const struct stat *before)
{
  struct stat now;

  return fstat (plain->file, &now) == 0 && now.st_size == before->st_size && now.st_mtim.tv_sec == before->st_mtim.tv_sec
         && now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

static void
run_send (ByteTask *task, gpointer data)
{
  Plain *plain = data;
  struct stat before;

  plain->task = task;
  byte_task_set_progress (task, &plain->progress);
  if (!open_source (plain, &before) || !send_bytes (plain) || !await_close (plain))
    return;
  if (!is_unchanged (plain, &before))
    {
      end (plain, BYTE_END_FAILED, REASON_SOURCE_CHANGED); /* what arrived is neither the old nor the new one */
      return;
    }
  plain->progress.entries++;
  end (plain, BYTE_END_DONE, REASON_NONE);
}

ByteTask *
plain_file_send (const PlainFileJob *job, ByteTaskDone done, gpointer user_data)
{
  Plain *plain = plain_new (job->fd, job->size);

  plain->path = g_strdup (job->path);
  plain->file = job->file >= 0 ? fcntl (job->file, F_DUPFD_CLOEXEC, 3) : -1;
  plain->progress.bytes = plain->before = job->before.bytes;
  plain->progress.entries = job->before.entries;
  plain->progress.wire = job->before.wire;
  return byte_task_new ("plain-send", run_send, plain, plain_free, done, user_data);
}

/* Receiving ------------------------------------------------------------------------------------------------- */

static gboolean
open_landing (Plain *plain)
{
  guint mask = mask_of_user ();
  int target = plain->folder_fd >= 0 ? openat (plain->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) /* whatever it was opened for */
                                     : open (plain->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (target < 0)
    return end_disk (plain, errno);
  beneath_confine (target);
  plain->landing = landing_open (target, plain->part, mask, FALSE);
  if (plain->landing == NULL)
    return end_disk (plain, errno);
  if (plain->size > 0 && landing_free_space (plain->landing) < (guint64)plain->size + plain->reserve)
    return end_disk (plain, ENOSPC);
  plain->file = landing_make_file (plain->landing, plain->name, &(Entry){ .mode = 0644 });
  if (plain->file < 0)
    return end_disk (plain, errno);
  if (plain->size > 0)
    (void)fallocate (plain->file, FALLOC_FL_KEEP_SIZE, 0, plain->size); /* if it can */
  return TRUE;
}

static gboolean
open_output (Plain *plain)
{
  if (plain->out_fd < 0)
    return open_landing (plain);
  beneath_confine (-1);
  plain->file = plain->out_fd;
  plain->out_fd = -1;
  return TRUE;
}

/* Of a pipe as much as it surely takes; a reader who is slow may be so, and can be stopped for. */
static gboolean
write_piece (Plain *plain, const guint8 *bytes, gsize len, gsize *written)
{
  gsize most = plain->landing == NULL ? PIPE_CHUNK : len;
  Wait wait = plain->landing == NULL ? wait_for (plain, plain->file, POLLOUT, -1) : WAIT_READY;
  ssize_t n;

  *written = 0;
  if (wait != WAIT_READY)
    return end_waiting (plain, wait);
  n = write (plain->file, bytes, MIN (len, most));
  if (n < 0 && errno != EINTR && errno != EAGAIN)
    return end_disk (plain, errno);
  *written = n > 0 ? (gsize)n : 0;
  return TRUE;
}

static gboolean
write_bytes (Plain *plain, const guint8 *bytes, gsize len)
{
  gsize at = 0;

  while (at < len)
    {
      gsize n;

      if (!write_piece (plain, bytes + at, len - at, &n))
        return FALSE;
      at += n;
    }
  add_progress (plain, len);
  return TRUE;
}

/* A size that nobody told is bounded all the same. */
static gboolean
check_unknown_size (Plain *plain)
{
  if (plain->size >= 0)
    return TRUE;
  if (plain->size_max > 0 && (guint64)moved (plain) > plain->size_max)
    return end (plain, BYTE_END_FAILED, REASON_TOO_LARGE);
  if (plain->landing != NULL && landing_free_space (plain->landing) < plain->reserve)
    return end_disk (plain, ENOSPC);
  return TRUE;
}

/* One piece from the socket; *@over at its end. */
static gboolean
receive_piece (Plain *plain, guint8 *buffer, gboolean *over)
{
  gsize most = plain->size >= 0 ? (gsize)MIN (CHUNK, plain->size - moved (plain)) : CHUNK;
  ssize_t n = recv (plain->fd, buffer, most, MSG_DONTWAIT);
  Wait wait;

  if (n > 0)
    return write_bytes (plain, buffer, (gsize)n) && check_unknown_size (plain);
  if (n == 0)
    {
      *over = TRUE;
      return TRUE;
    }
  if (errno == ECONNRESET)
    return end_closed (plain);
  if (errno != EAGAIN && errno != EINTR)
    return end (plain, BYTE_END_CUT, REASON_CONNECTION_LOST);
  wait = wait_for (plain, plain->fd, POLLIN, LIMIT_STALL_MS);
  return wait == WAIT_READY ? TRUE : end_waiting (plain, wait);
}

static gboolean
receive_bytes (Plain *plain)
{
  g_autofree guint8 *buffer = g_malloc (CHUNK);
  gsize early = 0;
  const guint8 *surplus = plain->surplus != NULL ? g_bytes_get_data (plain->surplus, &early) : NULL;
  gboolean over = FALSE;

  if (plain->size >= 0)
    early = (gsize)MIN ((gint64)early, plain->size);
  if (early > 0 && !write_bytes (plain, surplus, early))
    return FALSE;
  while (!over && (plain->size < 0 || moved (plain) < plain->size))
    {
      if (is_stopped (plain))
        return end_stopped (plain);
      if (!receive_piece (plain, buffer, &over))
        return FALSE;
    }
  return plain->size < 0 || moved (plain) == plain->size ? TRUE : end_closed (plain);
}

static gboolean
land (Plain *plain)
{
  Entry entry = { .type = ENTRY_FILE, .mode = 0644, .mtime_ns = g_get_real_time () * 1000, .size = moved (plain), .path = plain->name };
  g_autoptr (GPtrArray) tops = g_ptr_array_new ();

  plain->progress.phase = BYTE_PHASE_VERIFYING;
  plain->progress.entries = 1;
  byte_task_set_progress (plain->task, &plain->progress);
  if (plain->landing == NULL)
    return TRUE;
  g_ptr_array_add (tops, plain->name);
  if (!landing_complete_file (plain->landing, plain->file, plain->name, &entry, FALSE) || fsync (plain->file) != 0
      || !landing_land (plain->landing, tops, plain->paths))
    return end_disk (plain, errno);
  return TRUE;
}

/* Where the other side hears no more, only ours has to write it down. */
static void
await_confirmation (Plain *plain)
{
  tell (plain, BYTE_END_LANDED, REASON_NONE);
  while (!byte_task_is_confirmed (plain->task) && !is_stopped (plain))
    wait_for (plain, -1, 0, -1);
}

static void
run_receive (ByteTask *task, gpointer data)
{
  Plain *plain = data;

  plain->task = task;
  byte_task_set_progress (task, &plain->progress);
  if (!open_output (plain) || !receive_bytes (plain) || !land (plain))
    return;
  close_fd (&plain->file);
  close_fd (&plain->fd);
  await_confirmation (plain);
  end (plain, BYTE_END_DONE, REASON_NONE);
}

ByteTask *
plain_file_receive (int fd, GBytes *surplus, const char *name, const ReceiveJob *job, ByteTaskDone done, gpointer user_data)
{
  Plain *plain = plain_new (fd, job->size);

  plain->surplus = surplus != NULL ? g_bytes_ref (surplus) : NULL;
  plain->name = g_strdup (name);
  plain->part = g_strdup (job->part);
  plain->folder = g_strdup (job->folder);
  plain->folder_fd = job->folder_fd;
  plain->out_fd = job->out_fd;
  plain->reserve = job->reserve;
  plain->size_max = job->size_max;
  return byte_task_new ("plain-receive", run_receive, plain, plain_free, done, user_data);
}
