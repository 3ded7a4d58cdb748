/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/hook.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/client.h"
#include "cli/view.h"

typedef struct
{
  HookDone done;
  gpointer data;
} Hook;

static int
shell_status (GSubprocess *process)
{
  return g_subprocess_get_if_signaled (process) ? 128 + g_subprocess_get_term_sig (process)
                                                : g_subprocess_get_exit_status (process);
}

static void
on_hook_done (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree Hook *hook = data;

  g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL);
  hook->done (shell_status (G_SUBPROCESS (source)), hook->data);
}

/* A file in memory, not a pipe: a program that does not read its stdin must not stop us. */
static int
as_stdin (const char *text)
{
  int fd = memfd_create ("hearby-message", MFD_CLOEXEC);
  gsize len = strlen (text), done = 0;

  while (fd >= 0 && done < len)
    {
      ssize_t n = write (fd, text + done, len - done);

      if (n < 0 && errno != EINTR)
        {
          close (fd);
          return -1;
        }
      done += n > 0 ? (gsize) n : 0;
    }
  if (fd >= 0)
    lseek (fd, 0, SEEK_SET);
  return fd;
}

static void
set_environment (GSubprocessLauncher *launcher, GVariant *message)
{
  g_autofree char *seq = g_strdup_printf ("%" G_GINT64_FORMAT, dict_number (message, "seq"));
  const char *file = dict_string (message, "file");

  g_subprocess_launcher_setenv (launcher, "HEARBY_FROM", dict_string (message, "name"), TRUE);
  g_subprocess_launcher_setenv (launcher, "HEARBY_PEER_ID", client_path_id (dict_string (message, "peer")), TRUE);
  g_subprocess_launcher_setenv (launcher, "HEARBY_TRUST", dict_string (message, "trust"), TRUE);
  g_subprocess_launcher_setenv (launcher, "HEARBY_BODY", dict_string (message, "body"), TRUE);
  g_subprocess_launcher_setenv (launcher, "HEARBY_SEQ", seq, TRUE);
  if (*file != '\0')
    g_subprocess_launcher_setenv (launcher, "HEARBY_FILE", file, TRUE);
  else
    g_subprocess_launcher_unsetenv (launcher, "HEARBY_FILE");
}

static gboolean
fail_start (GError **error, const char *program, const char *why)
{
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "cannot run %s: %s", program, why);
  return FALSE;
}

gboolean
hook_run (const char *program, GVariant *message, HookDone done, gpointer data, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) problem = NULL;
  g_autofree char *json = view_message_object (message);
  const char *argv[] = { program, NULL };
  int in = as_stdin (json);
  Hook *hook;

  if (in < 0)
    return fail_start (error, program, g_strerror (errno));
  g_subprocess_launcher_take_stdin_fd (launcher, in);
  set_environment (launcher, message);
  process = g_subprocess_launcher_spawnv (launcher, argv, &problem);
  if (process == NULL)
    return fail_start (error, program, problem->message);
  hook = g_new0 (Hook, 1);
  hook->done = done;
  hook->data = data;
  g_subprocess_wait_async (process, NULL, on_hook_done, hook);
  return TRUE;
}

/* wrapping a command ------------------------------------------------------------------------------------------------ */

static int wrapped, waiting; /* atomic: whom signals go to, and one that came before that was known */

static void
deliver (void)
{
  int pid = __atomic_load_n (&wrapped, __ATOMIC_SEQ_CST);
  int number = pid > 0 ? __atomic_exchange_n (&waiting, 0, __ATOMIC_SEQ_CST) : 0;

  if (number != 0)
    kill (pid, number);
}

/* The terminal gives ^C to the command as well; a signal from kill(1) only we get. In any thread: the bus has one. */
static void
pass_on (int number, siginfo_t *info, void *context)
{
  if (info->si_code > 0)
    return;
  __atomic_store_n (&waiting, number, __ATOMIC_SEQ_CST);
  deliver ();
}

static const int passed[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

typedef struct
{
  struct sigaction actions[G_N_ELEMENTS (passed)];
  sigset_t         mask;
} Signals;

/* Diverted, and blocked so that the command gets those that come to it before it is one. */
static void
divert_signals (Signals *old)
{
  struct sigaction action = { .sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART };
  sigset_t block;

  sigemptyset (&block);
  for (guint i = 0; i < G_N_ELEMENTS (passed); i++)
    {
      sigaddset (&block, passed[i]);
      sigaction (passed[i], &action, &old->actions[i]);
    }
  sigprocmask (SIG_BLOCK, &block, &old->mask);
}

static void
restore_signals (const Signals *old)
{
  for (guint i = 0; i < G_N_ELEMENTS (passed); i++)
    sigaction (passed[i], &old->actions[i], NULL);
  sigprocmask (SIG_SETMASK, &old->mask, NULL);
}

static void
before_exec (gpointer data)
{
  restore_signals (data);
  signal (SIGPIPE, SIG_DFL);
}

gboolean
hook_wrap (char **argv, int *status, char **word, GError **error)
{
  Signals old;
  g_autoptr (GError) problem = NULL;
  GPid pid = 0;
  int how = 0;
  gboolean ok;

  divert_signals (&old);
  ok = g_spawn_async (NULL, argv, NULL,
                      G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CHILD_INHERITS_STDIN, before_exec, &old,
                      &pid, &problem);
  __atomic_store_n (&wrapped, ok ? pid : 0, __ATOMIC_SEQ_CST);
  deliver ();
  sigprocmask (SIG_SETMASK, &old.mask, NULL);
  while (ok && waitpid (pid, &how, 0) < 0 && errno == EINTR)
    ;
  __atomic_store_n (&wrapped, 0, __ATOMIC_SEQ_CST);
  restore_signals (&old);
  if (!ok)
    return fail_start (error, argv[0], problem->message);
  *status = WIFSIGNALED (how) ? 128 + WTERMSIG (how) : WEXITSTATUS (how);
  if (WIFSIGNALED (how))
    *word = g_strdup_printf ("killed by signal %d", WTERMSIG (how));
  else
    *word = *status == 0 ? g_strdup ("ok") : g_strdup_printf ("failed (%d)", *status);
  return TRUE;
}
