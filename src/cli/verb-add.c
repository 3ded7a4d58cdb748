/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/view.h"

static void
print_peer (Cli *cli, GVariant *peer)
{
  g_autofree char *name = format_text (&cli->format, dict_string (peer, "Name"), TEXT_ESCAPE_LINE);
  g_autofree char *line = g_strconcat (name, "\n", NULL);

  if (!cli->format.json)
    {
      format_print (line);
      return;
    }
  cli->result = view_peer_result (peer);
}

/* Whose address it is may be found out while we ask: then it is somebody who was known, and has another path. Adding is idempotent. */
static GVariant *
add (Client *client, const char *uri, GVariant *floating, GError **error)
{
  g_autoptr (GVariant) options = g_variant_ref_sink (floating);

  for (gboolean last = FALSE;; last = TRUE)
    {
      g_autoptr (GVariant) answer = client_manager (client, "AddAddress", g_variant_new ("(s@a{sv})", uri, options), error);
      const char *path;
      GVariant *peer;

      if (answer == NULL)
        return NULL;
      g_variant_get (answer, "(&o)", &path);
      peer = client_properties (client, path, CLIENT_PEER, last ? error : NULL);
      if (peer != NULL || last)
        return peer;
    }
}

int
verb_add (Cli *cli, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (Client) client = NULL;
  g_autoptr (GVariant) peer = NULL;
  const char *alias = cli_option (cli, "alias");

  if (!g_utf8_validate (cli->args[0], -1, NULL) || (alias != NULL && !g_utf8_validate (alias, -1, NULL)))
    return cli_usage (cli, error, "that is not valid UTF-8");
  client = client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, error);
  if (client == NULL)
    return -1;
  if (alias != NULL)
    g_variant_dict_insert (&options, "alias", "s", alias);
  if (cli_has (cli, "wait"))
    g_variant_dict_insert (&options, "wait", "b", TRUE);
  peer = add (client, cli->args[0], g_variant_dict_end (&options), error);
  if (peer == NULL)
    return -1;
  print_peer (cli, peer);
  return 0;
}
