/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/task.h"

/* What the thread of a task does: @run, once; it tells the outcome. @job is freed with the task. */
typedef void (*ByteTaskRun) (ByteTask *task, gpointer job);

ByteTask *byte_task_new (const char *name, ByteTaskRun run, gpointer job, GDestroyNotify job_free, ByteTaskDone done, gpointer user_data);

/* For the thread: */
int         byte_task_wake (const ByteTask *task);       /* an eventfd: something was asked for */
const gint *byte_task_stop_flag (const ByteTask *task);  /* atomic */
const char *byte_task_stop_reason (ByteTask *task); /* NULL: to end without a word */
gboolean    byte_task_is_confirmed (const ByteTask *task);
void        byte_task_set_progress (ByteTask *task, const ByteProgress *progress);

/* byte_task_tell: copied. */
void byte_task_tell (ByteTask *task, const ByteOutcome *outcome);
