/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cli.h"
#include "cli/client.h"

static gboolean
block (Client *client, const char *path, gboolean blocked, GError **error)
{
  g_auto (GVariantDict) changes = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) answer = NULL;

  g_variant_dict_insert (&changes, "blocked", "b", blocked);
  answer = client_call (client, path, CLIENT_PEER, "Configure",
                        g_variant_new ("(@a{sv}@a{sv})", g_variant_dict_end (&changes), client_options ()), error);
  return answer != NULL;
}

int
verb_block (Cli *cli, GError **error)
{
  g_autoptr (Client) client = client_open (CLIENT_MAY_START, error);
  g_auto (GStrv) paths = client != NULL ? client_find (client, cli->args[0], error) : NULL;
  gboolean blocked = !cli_has (cli, "off");

  if (paths == NULL)
    return -1;
  for (guint i = 0; paths[i] != NULL; i++)
    if (!block (client, paths[i], blocked, error))
      return -1;
  if (cli->format.json)
    {
      cli->result = format_json_begin ();
      format_json_boolean (cli->result, "blocked", blocked);
    }
  return 0;
}
