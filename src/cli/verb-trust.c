/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/view.h"

static int
report (Cli *cli, Client *client, const char *path, GError **error)
{
  g_autoptr (GVariant) peer = cli->format.json ? client_properties (client, path, CLIENT_PEER, error) : NULL;

  if (!cli->format.json)
    return 0;
  if (peer == NULL)
    return -1;
  cli->result = view_peer_result (peer);
  return 0;
}

static int
trust_uri (Cli *cli, const char *uri, GError **error)
{
  g_autoptr (Client) client = client_open (CLIENT_MAY_START, error);
  g_autoptr (GVariant) answer
      = client != NULL ? client_manager (client, "TrustUri", g_variant_new ("(s@a{sv})", uri, client_options ()), error) : NULL;
  const char *path;

  if (answer == NULL)
    return -1;
  g_variant_get (answer, "(&o)", &path);
  return report (cli, client, path, error);
}

static int
trust_fingerprint (Cli *cli, const char *fingerprint, GError **error)
{
  g_autoptr (Client) client = client_open (CLIENT_MAY_START, error);
  g_autofree char *path = client != NULL ? client_find_met (client, cli->args[0], error) : NULL;
  g_autoptr (GVariant) answer = NULL;

  if (path == NULL)
    return -1;
  answer = client_call (client, path, CLIENT_PEER, "Trust", g_variant_new ("(s@a{sv})", fingerprint, client_options ()), error);
  return answer != NULL ? report (cli, client, path, error) : -1;
}

int
verb_trust (Cli *cli, GError **error)
{
  const char *fingerprint = cli_option (cli, "fingerprint");
  gboolean uri = g_ascii_strncasecmp (cli->args[0], "xmpp:", 5) == 0;

  if (!g_utf8_validate (cli->args[0], -1, NULL) || (fingerprint != NULL && !g_utf8_validate (fingerprint, -1, NULL)))
    return cli_usage (cli, error, "that is not valid UTF-8");
  if (uri && fingerprint == NULL)
    return trust_uri (cli, cli->args[0], error);
  if (uri || fingerprint == NULL)
    return cli_usage (cli, error, "name a peer with --fingerprint, or give the URI that 'hearby id --uri' prints on the other machine");
  return trust_fingerprint (cli, fingerprint, error);
}
