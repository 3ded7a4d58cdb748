/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/link.h"
#include "bytes/task.h"

/* The side that gets the files. All of it goes to the folder @part in the target first, 0700; when it is complete it is synced once and
 * each top-level entry is renamed into the target, never over something ("name (1).ext"). Nothing outside of the target can be reached:
 * openat2(RESOLVE_BENEATH), and a thread under Landlock where the kernel has them. */

typedef struct
{
  const char *folder;   /* the target: a path; NULL where @folder_fd counts */
  int folder_fd;        /* the target as a descriptor, taken; -1 for none */
  int out_fd;           /* for the content of a transfer of one file, in place of all that is on the disk: a pipe or a file, taken; -1 for none */
  const char *part;     /* name of the part folder, the same for each try: filename_part() */
  gint64 size;          /* as offered; more than that is refused. -1: unknown */
  guint64 entries;      /* as offered */
  const char *const *names; /* the top level as offered, by filename_clean(); nothing else is taken. NULL: not all were named */
  guint64 reserve;      /* bytes of the disk that must stay free */
  guint64 size_max;     /* what a transfer of unknown size may have, 0 for no limit: too-large */
  gboolean checksum;    /* the offer says that hashes come: with out_fd they are of what passes, else of what is on the disk */
  gboolean resume;      /* the part folder may have something already */
} ReceiveJob;

/* receiver_start: takes @link, and the descriptors. What fails by itself (also at the sender) is in the failures; where nothing is left
 * it ends FAILED with the reason of the first one, at the sender PEER_STOPPED with the same. */
ByteTask *receiver_start (ByteLink *link, const ReceiveJob *job, ByteTaskDone done, gpointer user_data);

/* discard_start: removes the part folder of a transfer that is not continued, with all that is in it; @folder, @folder_fd (taken) and
 * @part count. The end is DONE, also where there was none, or FAILED. */
ByteTask *discard_start (const ReceiveJob *job, ByteTaskDone done, gpointer user_data);
