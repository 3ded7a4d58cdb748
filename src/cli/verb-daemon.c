/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"

#define END_WAIT_MS 10000

/* Until the process has gone, so that the next daemon finds the lock free. */
static gboolean
wait_end (int process)
{
  struct pollfd fd = { .fd = process, .events = POLLIN };

  return process < 0 || poll (&fd, 1, END_WAIT_MS) == 1;
}

static int
report_stopped (Cli *cli, gboolean stopped)
{
  if (!cli->format.json)
    return 0;
  cli->result = format_json_begin ();
  format_json_boolean (cli->result, "stopped", stopped);
  return 0;
}

static int
stop (Cli *cli, GError **error)
{
  g_autoptr (Client) client = client_open (CLIENT_ONLY_RUNNING, NULL);
  g_autoptr (GVariant) answer = NULL;
  g_autoptr (GError) problem = NULL;
  int pid, process;
  gboolean ended;

  if (client == NULL)
    {
      cli_note ("no daemon runs");
      return report_stopped (cli, FALSE);
    }
  pid = client_daemon_pid (client);
  process = pid > 0 ? (int) syscall (SYS_pidfd_open, pid, 0) : -1;
  answer = client_manager (client, "Quit", g_variant_new ("(@a{sv})", client_options ()), &problem);
  /* One that ends before it answers has done what it was told. */
  ended = (answer != NULL || g_error_matches (problem, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON)) && wait_end (process);
  if (process >= 0)
    close (process);
  if (ended)
    return report_stopped (cli, TRUE);
  if (problem != NULL)
    g_propagate_error (error, g_steal_pointer (&problem));
  else
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_TIMEOUT, "the daemon (process %d) does not end", pid);
  return -1;
}

int
verb_daemon (Cli *cli, GError **error)
{
  if (cli_has (cli, "stop"))
    return stop (cli, error);
  if (cli_has (cli, "passphrase"))
    return cli->run_daemon (CLI_DAEMON_PASSPHRASE);
  return cli->run_daemon (cli_has (cli, "off-air") ? CLI_DAEMON_OFF_AIR : CLI_DAEMON_ON_AIR);
}
