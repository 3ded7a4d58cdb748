/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/paths.h"

#define READY_WAIT_MS 10000
#define LOG_LIMIT (1024 * 1024)

/* What sd_notify(3) writes to: one datagram socket in the abstract namespace, so that nothing has to be removed. */
static int
bind_notify (char **name, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  gsize len;

  *name = g_strdup_printf ("@hearby-%d-%08x%08x", getpid (), g_random_int (), g_random_int ());
  len = strlen (*name);
  memcpy (address.sun_path, *name, len);
  address.sun_path[0] = '\0';
  if (fd >= 0
      && bind (fd, (struct sockaddr *) &address, (socklen_t) (offsetof (struct sockaddr_un, sun_path) + len)) == 0)
    return fd;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON, "cannot make a socket: %s", g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

/* The log of a daemon that nobody's journal listens to. One that grew big starts anew. */
static int
open_log (GError **error)
{
  g_autofree char *dir = paths_data_dir ();
  g_autofree char *path = paths_log ();
  struct stat info;
  int fd;

  if (!paths_make_dir (dir, error))
    return -1;
  fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "cannot write %s: %s", path, g_strerror (errno));
      return -1;
    }
  if (fstat (fd, &info) == 0 && info.st_size > LOG_LIMIT && ftruncate (fd, 0) != 0)
    g_debug ("cannot empty %s: %s", path, g_strerror (errno));
  return fd;
}

static int
spawn (int log, const char *notify, int *pid)
{
  char *argv[] = { (char *) "hearby", (char *) "daemon", (char *) "--off-air", NULL };
  g_auto (GStrv) env = g_environ_setenv (g_get_environ (), "NOTIFY_SOCKET", notify, TRUE);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, defaults;
  int result;

  sigemptyset (&none);
  sigfillset (&defaults);
  sigdelset (&defaults, SIGKILL);
  sigdelset (&defaults, SIGSTOP);
  posix_spawn_file_actions_init (&actions);
  posix_spawn_file_actions_adddup2 (&actions, log, STDERR_FILENO);
  posix_spawn_file_actions_addopen (&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen (&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np (&actions, STDERR_FILENO + 1);
  posix_spawn_file_actions_addchdir_np (&actions, "/");
  posix_spawnattr_init (&attributes);
  posix_spawnattr_setflags (&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask (&attributes, &none);
  posix_spawnattr_setsigdefault (&attributes, &defaults);
  result = posix_spawn (pid, "/proc/self/exe", &actions, &attributes, argv, env);
  posix_spawnattr_destroy (&attributes);
  posix_spawn_file_actions_destroy (&actions);
  return result;
}

static gboolean
says_ready (int notify)
{
  char text[512];
  ssize_t n = recv (notify, text, sizeof text - 1, MSG_DONTWAIT);
  g_auto (GStrv) lines = NULL;

  if (n <= 0)
    return FALSE;
  text[n] = '\0';
  lines = g_strsplit (text, "\n", -1);
  return g_strv_contains ((const char *const *) lines, "READY=1");
}

/* On a full disk the log says nothing. */
static gboolean
set_failed (GError **error, const char *what)
{
  g_autofree char *log = paths_log ();
  struct stat info;

  if (stat (log, &info) == 0 && info.st_size > 0)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON, "%s\n%s says why", what, log);
  else
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON, "%s\n'hearby daemon --off-air' says why", what);
  return FALSE;
}

/* How the daemon ended before it was ready: well, when another one is there already. */
static gboolean
has_ended (int pid, GError **error)
{
  int status = 0;

  if (waitpid (pid, &status, 0) == pid && WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return TRUE;
  if (WIFEXITED (status) && WEXITSTATUS (status) == error_exit_code (HEARBY_ERROR_NOT_VERIFIED))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON,
                   "the key has a passphrase, and the daemon did not find the right one\n"
                   "HEARBY_PASSPHRASE_FILE names the file that it is in, see hearby.conf(5)");
      return FALSE;
    }
  return set_failed (error, "the daemon ended as soon as it was started");
}

static gboolean
wait_ready (int notify, int pid, GError **error)
{
  int child = (int) syscall (SYS_pidfd_open, pid, 0);
  gint64 end = g_get_monotonic_time () + READY_WAIT_MS * 1000;
  struct pollfd fds[] = { { .fd = notify, .events = POLLIN }, { .fd = child, .events = POLLIN } };
  gboolean ready = FALSE, ended = FALSE;

  while (!ready && !ended && g_get_monotonic_time () < end)
    {
      /* Without pidfds (old kernels) the child is asked now and then. */
      int left = (int) ((end - g_get_monotonic_time ()) / 1000) + 1;
      siginfo_t info = { 0 };

      if (poll (fds, 2, child >= 0 ? left : MIN (left, 100)) < 0 && errno != EINTR)
        break;
      ready = (fds[0].revents & POLLIN) && says_ready (notify);
      ended = waitid (P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
    }
  if (child >= 0)
    close (child);
  if (ended)
    return has_ended (pid, error);
  return ready || set_failed (error, "the daemon was started and did not get ready within 10 seconds");
}

gboolean
launch_daemon (int *pid, GError **error)
{
  g_autofree char *name = NULL;
  int log = open_log (error);
  int notify = log >= 0 ? bind_notify (&name, error) : -1;
  gboolean ok = FALSE;

  *pid = 0;
  if (notify >= 0)
    {
      int failed = spawn (log, name, pid);

      if (failed != 0)
        g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON, "cannot start the daemon: %s", g_strerror (failed));
      ok = failed == 0 && wait_ready (notify, *pid, error);
      close (notify);
    }
  if (log >= 0)
    close (log);
  return ok;
}

gboolean
launch_crashed (int pid)
{
  int status = 0;

  if (pid <= 0 || waitpid (pid, &status, WNOHANG) != pid)
    return FALSE;
  return !WIFEXITED (status) || WEXITSTATUS (status) != 0;
}
