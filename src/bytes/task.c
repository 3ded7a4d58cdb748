/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/task-private.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/limits.h"

struct _ByteTask
{
  GThread *thread;
  GMainContext *context;
  ByteTaskDone done;
  gpointer user_data;
  ByteTaskRun run;
  gpointer job;
  GDestroyNotify job_free;
  int wake;
  gint stop;               /* atomic */
  const char *stop_reason; /* atomic, interned; the first counts */
  gint confirmed;          /* atomic */
  struct
  {
    guint phase;
    guint64 bytes, entries, wire;
  } progress;      /* atomic, each by itself */
  GMutex mutex;    /* of sources */
  GSList *sources; /* that tell something */
};

static void
failure_free (gpointer data)
{
  ByteFailure *failure = data;

  g_free (failure->path);
  g_free (failure->reason);
  g_free (failure);
}

GPtrArray *
byte_failures_new (void)
{
  return g_ptr_array_new_with_free_func (failure_free);
}

void
byte_failures_add (GPtrArray *failures, const char *path, const char *reason)
{
  ByteFailure *failure;

  if (failures->len >= LIMIT_TRANSFER_FAILURES)
    return;
  failure = g_new (ByteFailure, 1);
  failure->path = g_strdup (path);
  failure->reason = g_strdup (reason);
  g_ptr_array_add (failures, failure);
}

/* Telling ------------------------------------------------------------------------------------------------- */

typedef struct
{
  gint complete; /* atomic: all of it was written before; GLib's own order is hidden from a sanitizer of threads */
  ByteTask *task;
  ByteOutcome outcome;
} Telling;

static void
telling_free (gpointer data)
{
  Telling *telling = data;

  g_assert (g_atomic_int_get (&telling->complete));
  g_free ((char *)telling->outcome.text);
  g_ptr_array_unref (telling->outcome.failures);
  g_ptr_array_unref (telling->outcome.paths);
  g_free (telling);
}

static gboolean
on_tell (gpointer data)
{
  Telling *telling = data;

  g_assert (g_atomic_int_get (&telling->complete));
  telling->task->done (telling->task, &telling->outcome, telling->task->user_data); /* may free the task */
  return G_SOURCE_REMOVE;
}

/* The arrays are read in the other thread: what the task adds later is not for this telling. */
static GPtrArray *
copy_failures (GPtrArray *failures)
{
  GPtrArray *copy = byte_failures_new ();

  for (guint i = 0; failures != NULL && i < failures->len; i++)
    {
      const ByteFailure *failure = g_ptr_array_index (failures, i);

      byte_failures_add (copy, failure->path, failure->reason);
    }
  return copy;
}

static GPtrArray *
copy_paths (GPtrArray *paths)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; paths != NULL && i < paths->len; i++)
    g_ptr_array_add (copy, g_strdup (g_ptr_array_index (paths, i)));
  return copy;
}

void
byte_task_tell (ByteTask *task, const ByteOutcome *outcome)
{
  Telling *telling = g_new0 (Telling, 1);
  GSource *source = g_idle_source_new ();

  telling->task = task;
  telling->outcome = *outcome;
  telling->outcome.text = g_strdup (outcome->text);
  telling->outcome.failures = copy_failures (outcome->failures);
  telling->outcome.paths = copy_paths (outcome->paths);
  g_atomic_int_set (&telling->complete, TRUE);
  g_source_set_callback (source, on_tell, telling, telling_free);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_mutex_lock (&task->mutex);
  task->sources = g_slist_prepend (task->sources, source);
  g_mutex_unlock (&task->mutex);
  g_source_attach (source, task->context);
}

/* The thread ---------------------------------------------------------------------------------------------- */

/* Signals are the main thread's; a pipe that nobody reads and a file that is too big for its disk are errors to write(), not the end. */
static void
block_signals (void)
{
  sigset_t all;

  sigfillset (&all);
  pthread_sigmask (SIG_BLOCK, &all, NULL);
}

static gpointer
run (gpointer data)
{
  ByteTask *task = data;

  block_signals ();
  task->run (task, task->job);
  return NULL;
}

ByteTask *
byte_task_new (const char *name, ByteTaskRun func, gpointer job, GDestroyNotify job_free, ByteTaskDone done, gpointer user_data)
{
  ByteTask *task = g_new0 (ByteTask, 1);

  task->context = g_main_context_ref_thread_default ();
  task->done = done;
  task->user_data = user_data;
  task->run = func;
  task->job = job;
  task->job_free = job_free;
  task->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  g_mutex_init (&task->mutex);
  task->thread = g_thread_new (name, run, task);
  return task;
}

int
byte_task_wake (const ByteTask *task)
{
  return task->wake;
}

const gint *
byte_task_stop_flag (const ByteTask *task)
{
  return &task->stop;
}

const char *
byte_task_stop_reason (ByteTask *task)
{
  return g_atomic_pointer_get (&task->stop_reason);
}

gboolean
byte_task_is_confirmed (const ByteTask *task)
{
  return g_atomic_int_get (&task->confirmed);
}

void
byte_task_set_progress (ByteTask *task, const ByteProgress *progress)
{
  __atomic_store_n (&task->progress.bytes, progress->bytes, __ATOMIC_RELAXED);
  __atomic_store_n (&task->progress.entries, progress->entries, __ATOMIC_RELAXED);
  __atomic_store_n (&task->progress.wire, progress->wire, __ATOMIC_RELAXED);
  __atomic_store_n (&task->progress.phase, (guint)progress->phase, __ATOMIC_RELEASE); /* with a phase come the bytes of its begin */
}

void
byte_task_progress (ByteTask *task, ByteProgress *out)
{
  out->phase = (BytePhase)__atomic_load_n (&task->progress.phase, __ATOMIC_ACQUIRE);
  out->bytes = __atomic_load_n (&task->progress.bytes, __ATOMIC_RELAXED);
  out->entries = __atomic_load_n (&task->progress.entries, __ATOMIC_RELAXED);
  out->wire = __atomic_load_n (&task->progress.wire, __ATOMIC_RELAXED);
}

static void
wake_up (ByteTask *task)
{
  guint64 one = 1;

  if (task->wake >= 0 && write (task->wake, &one, sizeof one) < 0)
    return; /* it is awake already */
}

void
byte_task_stop (ByteTask *task, const char *reason)
{
  g_atomic_pointer_compare_and_exchange (&task->stop_reason, NULL, g_intern_string (reason));
  g_atomic_int_set (&task->stop, TRUE);
  wake_up (task);
}

void
byte_task_confirm (ByteTask *task)
{
  g_atomic_int_set (&task->confirmed, TRUE);
  wake_up (task);
}

void
byte_task_free (ByteTask *task)
{
  if (task == NULL)
    return;
  g_atomic_int_set (&task->stop, TRUE);
  wake_up (task);
  g_thread_join (task->thread);
  for (GSList *at = task->sources; at != NULL; at = at->next)
    {
      g_source_destroy (at->data);
      g_source_unref (at->data);
    }
  g_slist_free (task->sources);
  g_main_context_unref (task->context);
  task->job_free (task->job);
  if (task->wake >= 0)
    close (task->wake);
  g_mutex_clear (&task->mutex);
  g_free (task);
}
