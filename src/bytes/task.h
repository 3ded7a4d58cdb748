/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One try to move the bytes of one transfer, in a thread of its own: sender_start(), receiver_start(). What is told comes in the
 * GMainContext that was the thread's default at the start. Reasons are those of the closed list of transfers: "no-space", "stalled" … */

typedef struct _ByteTask ByteTask;

typedef enum
{
  BYTE_PHASE_COMPARING, /* what is there already: lists, and the hash of what was received of a file; bytes does not count all of it yet */
  BYTE_PHASE_MOVING,
  BYTE_PHASE_VERIFYING, /* all moved: syncing, renaming, or waiting for the other side to do it */
} BytePhase;

typedef struct
{
  BytePhase phase;
  guint64 bytes;   /* of content, with what was there already */
  guint64 entries; /* complete, with what was there already */
  guint64 wire;    /* bytes over this link so far, both ways */
} ByteProgress;

typedef enum
{
  BYTE_END_LANDED,       /* receiver only, and not the end: all is in its final place, see byte_task_confirm(). Whatever comes after
                            it, here the transfer is complete */
  BYTE_END_DONE,         /* both sides know: complete, but for what is in failures */
  BYTE_END_CUT,          /* no connection any more; reason connection-lost or stalled */
  BYTE_END_STOPPED,      /* by byte_task_stop(); reason as given there */
  BYTE_END_PEER_STOPPED, /* reason: the peer's, as it means it to us ("paused" is "peer-paused"); "protocol" where we know none such */
  BYTE_END_NO_SPACE,     /* receiver: reason no-space, what came is kept; the sender sees PEER_STOPPED no-space */
  BYTE_END_FAILED,       /* cannot be continued: reason unsafe-name, unsafe-link, protocol, file-error, access-denied, too-large … */
} ByteEnd;

typedef struct
{
  char *path; /* in the transfer: "photos/a.jpg" */
  char *reason;
} ByteFailure;

/* One failed entry each, the first LIMIT_FAILURES of them. Element: ByteFailure. */
GPtrArray *byte_failures_new (void);
void       byte_failures_add (GPtrArray *failures, const char *path, const char *reason);

typedef struct
{
  ByteEnd end;
  const char *reason;  /* "" for none */
  const char *text;    /* for people: what was it with; NULL for none. Not from the peer */
  GPtrArray *failures; /* ByteFailure */
  guint64 n_failures;  /* all of them */
  GPtrArray *paths;    /* receiver, from LANDED on: char *, the final names in the folder, one for each top-level entry that is there */
  BytePhase phase;     /* as in ByteProgress, at the end */
  guint64 bytes;
  guint64 entries;
  guint64 wire;
  gboolean restarted;  /* part of a file was there, but was not the same: it came again from its begin */
  gboolean consumed;   /* sender: bytes of a pipe were read, so that there can be no other try */
} ByteOutcome;

/* Called once at the end; a receiver's is called with LANDED before, if it gets that far. @outcome lives during the call. The task may be
 * freed in it unless it said LANDED. */
typedef void (*ByteTaskDone) (ByteTask *task, const ByteOutcome *outcome, gpointer user_data);

/* byte_task_progress: at any time, from any thread, cheap. */
void byte_task_progress (ByteTask *task, ByteProgress *out);

/* byte_task_stop: tells the peer @reason if it can; the end (STOPPED, unless it comes to another one first) follows within a second,
 * but for a system call on the disk that does not return. The first reason counts. */
void byte_task_stop (ByteTask *task, const char *reason);

/* byte_task_confirm: after LANDED, when it is written down that the transfer is complete: the peer learns it, the folder for its parts
 * goes. Until then a receiver that begins again with the same part folder finds out what it has landed already. */
void byte_task_confirm (ByteTask *task);

/* byte_task_free: stops it without telling the peer more, waits for the thread; done is not called any more. NULL is fine. */
void byte_task_free (ByteTask *task);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ByteTask, byte_task_free)
