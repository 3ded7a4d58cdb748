/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"
#include "cli/client.h"

/* Saying yes to an offer: what accept and wait offer have in common. */

typedef struct
{
  char    *folder; /* absolute, or NULL: as the daemon has it */
  gboolean to_stdout;
} AcceptTarget;

/* accept_parse: @where is a folder, "-" for stdout, or NULL. stdout has to be free then, and no terminal, which must not get raw what a
 * stranger wrote. */
gboolean accept_parse (Cli *cli, const char *where, AcceptTarget *target, GError **error);
void     accept_clear (AcceptTarget *target);

/* accept_call: says it to the daemon. */
gboolean accept_call (Client *client, GVariant *transfer, const AcceptTarget *target, GError **error);
