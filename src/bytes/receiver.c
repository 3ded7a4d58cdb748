/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mask.h"
#include "bytes/beneath.h"
#include "bytes/comparing.h"
#include "bytes/incoming.h"
#include "bytes/syncing.h"
#include "transfer/reason.h"

#define CLOSE_WAIT_MS 2000            /* for the peer to read that we are done */

/* To the disk and to its place ---------------------------------------------------------------------------- */

static gboolean
sync_it (Receiver *r)
{
  gboolean one = r->files == 1 && r->have_entries == 0;
  int fd = landing_sync_fd (r->landing, one ? r->only : NULL);
  int code = fd < 0 ? errno : 0;

  if (fd >= 0)
    code = syncing_wait (r->link, fd, one);
  if (byte_link_end (r->link) != LINK_UP)
    return FALSE;
  return code == 0 || receiving_give_up_errno (r, code);
}

static gboolean
land (Receiver *r)
{
  r->progress.phase = BYTE_PHASE_VERIFYING;
  receiving_show (r);
  talk_listen (&r->talk);
  if (r->landing == NULL)
    {
      close (r->out_fd); /* who reads it may end now */
      r->out_fd = -1;
      return TRUE;
    }
  if (r->files + r->have_entries > 0 && !landing_has_landed (r->landing) && !sync_it (r))
    return FALSE;
  return landing_land (r->landing, r->tops, r->outcome.paths) || receiving_give_up_errno (r, errno);
}

/* Not even a part of it: that is no success. */
static gboolean
has_something (Receiver *r)
{
  const ByteFailure *first = r->outcome.failures->len > 0 ? g_ptr_array_index (r->outcome.failures, 0) : NULL;

  if (first == NULL || r->outcome.paths->len > 0 || (r->landing == NULL && r->files > 0))
    return TRUE;
  return receiving_give_up (r, BYTE_END_FAILED, g_intern_string (first->reason), first->path);
}

/* Whatever becomes of the link meanwhile: it is written down above that we are complete. FALSE: it will not be. */
static gboolean
wait_for_confirm (Receiver *r)
{
  const gint *stop = byte_task_stop_flag (r->task);

  while (!byte_task_is_confirmed (r->task) && !g_atomic_int_get (stop))
    if (byte_link_end (r->link) != LINK_UP || !byte_link_wait (r->link, -1, 0))
      {
        struct pollfd wake = { byte_task_wake (r->task), POLLIN, 0 };
        guint64 n;

        if (byte_task_is_confirmed (r->task) || g_atomic_int_get (stop))
          break;
        if (poll (&wake, 1, -1) > 0 && read (wake.fd, &n, sizeof n) < 0)
          continue;
      }
  return byte_task_is_confirmed (r->task);
}

static void
fill_outcome (Receiver *r)
{
  r->outcome.phase = r->progress.phase;
  r->outcome.bytes = r->progress.bytes;
  r->outcome.entries = r->progress.entries;
  r->outcome.wire = byte_link_wire (r->link);
}

static int
compare_failed (const void *a, const void *b)
{
  guint32 x = ((const Failed *)a)->index, y = ((const Failed *)b)->index;

  return (x > y) - (x < y);
}

/* In the order of the entries: a folder fails when it is left, behind what is in it. */
static gboolean
send_done (Receiver *r)
{
  g_array_sort (r->failed, compare_failed);
  for (guint i = 0; i < r->failed->len; i++)
    {
      const Failed *failed = &g_array_index (r->failed, Failed, i);
      FrameBody body = { .index = failed->index, .reason = failed->reason };

      if (!talk_send (&r->talk, FRAME_FAILED, &body))
        return FALSE;
    }
  return talk_send (&r->talk, FRAME_DONE, NULL) && byte_link_flush (r->link);
}

/* All is in its place: it is said above, then below. */
static gboolean
conclude (Receiver *r)
{
  fill_outcome (r);
  r->outcome.end = BYTE_END_LANDED;
  r->outcome.reason = REASON_NONE;
  byte_task_tell (r->task, &r->outcome);
  if (!wait_for_confirm (r))
    return FALSE;
  if (r->landing != NULL)
    landing_remove (r->landing);
  if (!send_done (r))
    return FALSE;
  byte_link_close (r->link, CLOSE_WAIT_MS);
  return receiving_give_up (r, BYTE_END_DONE, REASON_NONE, NULL);
}

/* Start --------------------------------------------------------------------------------------------------- */

static int
open_target (Receiver *r)
{
  if (r->folder != NULL)
    return open (r->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return openat (r->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* whatever it was opened for */
}

/* Opening it makes another one. */
static gboolean
is_new_terminal (const struct stat *info)
{
  return info->st_rdev == makedev (5, 2); /* /dev/ptmx */
}

/* A pipe or terminal of the caller's, in a mode of our own: its other users do not get EAGAIN. */
static void
reopen_out (Receiver *r)
{
  g_autofree char *name = g_strdup_printf ("/proc/self/fd/%d", r->out_fd);
  struct stat info;
  int fd;

  if (fstat (r->out_fd, &info) != 0)
    return;
  r->out_is_socket = S_ISSOCK (info.st_mode);
  if (!S_ISFIFO (info.st_mode) && (!S_ISCHR (info.st_mode) || is_new_terminal (&info)))
    return;
  fd = open (name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0)
    return;
  close (r->out_fd);
  r->out_fd = fd;
}

/* Of this thread only. */
static gboolean
takes_umask (guint mask)
{
  if (unshare (CLONE_FS) != 0)
    return FALSE;
  umask (mask);
  return TRUE;
}

static gboolean
can_allocate (int folder)
{
  struct statfs info;

  return fstatfs (folder, &info) != 0 || info.f_type != TMPFS_MAGIC; /* where it takes memory at once, and time */
}

static gboolean
prepare (Receiver *r)
{
  int target;

  if (r->out_fd >= 0)
    {
      reopen_out (r);
      beneath_confine (-1);
      return TRUE;
    }
  target = open_target (r);
  if (target < 0)
    return receiving_give_up_errno (r, errno);
  beneath_confine (target);
  r->allocates = can_allocate (target);
  r->landing = landing_open (target, r->part, r->mask, r->resume);
  if (r->landing == NULL)
    return receiving_give_up_errno (r, errno);
  if (takes_umask (r->mask))
    landing_trust_umask (r->landing);
  r->maker = maker_new (r->landing, incoming_made, r);
  return TRUE;
}

static gboolean
run_to_end (Receiver *r)
{
  FrameBody begin = { .resume = r->resume && r->landing != NULL };
  guint64 missing;

  if (!talk_send (&r->talk, FRAME_BEGIN, &begin) || !byte_link_flush (r->link))
    return FALSE;
  if (begin.resume && !comparing_run (r))
    return FALSE;
  missing = r->size > 0 ? (guint64)r->size - MIN ((guint64)r->size, r->progress.bytes + (guint64)r->partial_size) : 0;
  if (!receiving_has_space (r, missing))
    return FALSE;
  return incoming_move (r) && land (r) && has_something (r) && conclude (r);
}

static void
receiver_run (ByteTask *task, gpointer data)
{
  Receiver *r = data;
  TalkEnd end;

  r->task = task;
  talk_init (&r->talk, TALK_RECEIVER, r->link, byte_task_wake (task), byte_task_stop_flag (task));
  if (prepare (r))
    run_to_end (r);
  end = talk_end (&r->talk, byte_task_stop_reason (task));
  receiving_give_up (r, end.end, end.reason, end.text);
  incoming_close (r);
  if (r->maker != NULL && r->outcome.end == BYTE_END_CUT)
    maker_finish (r->maker); /* it need not come again */
  g_clear_pointer (&r->maker, maker_free);
  if (r->outcome.end != BYTE_END_DONE && r->outcome.end != BYTE_END_PEER_STOPPED && r->outcome.end != BYTE_END_CUT
      && (r->outcome.end != BYTE_END_STOPPED || r->outcome.reason[0] != '\0'))
    talk_stop (&r->talk, r->outcome.reason);
  fill_outcome (r);
  g_clear_pointer (&r->landing, landing_free);
  talk_clear (&r->talk);
  g_clear_pointer (&r->link, byte_link_free);
  byte_task_tell (task, &r->outcome);
}

static void
receiver_free (gpointer data)
{
  Receiver *r = data;

  byte_link_free (r->link);
  if (r->folder_fd >= 0)
    close (r->folder_fd);
  if (r->out_fd >= 0)
    close (r->out_fd);
  bitmap_clear (&r->have);
  incoming_clear (r);
  g_array_unref (r->failed);
  g_hash_table_unref (r->top_names);
  g_ptr_array_unref (r->tops);
  g_ptr_array_unref (r->outcome.failures);
  g_ptr_array_unref (r->outcome.paths);
  g_free (r->folder);
  g_free (r->part);
  g_free (r->partial_path);
  g_strfreev (r->names);
  g_free (r->only);
  g_free ((char *)r->outcome.text);
  g_free (r);
}

static Receiver *
receiver_new (const ReceiveJob *job)
{
  Receiver *r = g_new0 (Receiver, 1);

  r->folder = g_strdup (job->folder);
  r->folder_fd = job->folder_fd;
  r->out_fd = job->out_fd;
  r->part = g_strdup (job->part);
  r->size = job->size;
  r->entries = MIN (job->entries, LIMIT_ENTRIES);
  r->reserve = job->reserve;
  r->size_max = job->size_max;
  r->names = g_strdupv ((char **)job->names);
  r->checksum = job->checksum;
  r->resume = job->resume;
  r->mask = mask_of_user ();
  r->have = bitmap_new (r->resume ? r->entries : 0);
  r->partial_index = G_MAXUINT64;
  r->last = -1;
  r->file.fd = -1;
  incoming_init (r);
  r->failed = g_array_new (FALSE, FALSE, sizeof (Failed));
  r->tops = g_ptr_array_new_with_free_func (g_free);
  r->top_names = g_hash_table_new (g_str_hash, g_str_equal);
  r->outcome.failures = byte_failures_new ();
  r->outcome.paths = g_ptr_array_new_with_free_func (g_free);
  return r;
}

ByteTask *
receiver_start (ByteLink *link, const ReceiveJob *job, ByteTaskDone done, gpointer user_data)
{
  Receiver *r = receiver_new (job);

  r->link = link;
  return byte_task_new ("receiver", receiver_run, r, receiver_free, done, user_data);
}

/* Discarding ---------------------------------------------------------------------------------------------- */

static void
discard_run (ByteTask *task, gpointer data)
{
  Receiver *r = data;
  int target = open_target (r);

  r->outcome.end = BYTE_END_DONE;
  r->outcome.reason = REASON_NONE;
  if (target < 0 || !landing_remove_part (target, r->part))
    {
      r->outcome.end = BYTE_END_FAILED;
      r->outcome.reason = receiving_reason (errno);
      r->outcome.text = g_strdup (g_strerror (errno));
    }
  if (target >= 0)
    close (target);
  byte_task_tell (task, &r->outcome);
}

ByteTask *
discard_start (const ReceiveJob *job, ByteTaskDone done, gpointer user_data)
{
  return byte_task_new ("discard", discard_run, receiver_new (job), receiver_free, done, user_data);
}
