/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <string.h>

#include "bus/daemon.h"
#include "cli/cli.h"
#include "disco/discovery.h"

/* One binary: the daemon, its embedded mDNS responder, and the verbs, which are clients of the daemon. */
static int
run_daemon (CliDaemonMode mode)
{
  return mode == CLI_DAEMON_PASSPHRASE ? daemon_change_passphrase () : daemon_main (mode == CLI_DAEMON_ON_AIR);
}

int
main (int argc, char **argv)
{
  if (argc == 2 && strcmp (argv[1], DISCOVERY_CHILD_VERB) == 0)
    return discovery_child_main ();
  setlocale (LC_ALL, "");
  return cli_main (argc, argv, run_daemon);
}
