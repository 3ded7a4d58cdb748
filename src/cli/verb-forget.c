/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cli.h"
#include "cli/client.h"

int
verb_forget (Cli *cli, GError **error)
{
  g_autoptr (Client) client = client_open (CLIENT_MAY_START, error);
  g_autofree char *path = client != NULL ? client_find_one (client, cli->args[0], error) : NULL;
  g_autoptr (GVariant) answer = NULL;

  if (path == NULL)
    return -1;
  answer = client_call (client, path, CLIENT_PEER, "Forget", g_variant_new ("(@a{sv})", client_options ()), error);
  if (answer == NULL)
    return -1;
  if (cli->format.json)
    {
      cli->result = format_json_begin ();
      format_json_string (cli->result, "forgotten", client_path_id (path));
    }
  return 0;
}
