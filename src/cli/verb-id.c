/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/qr.h"

/* The other side scans it from the screen, or gets the URI by whatever way he trusts. */
static int
print_qr (Cli *cli, const char *uri, GError **error)
{
  g_autofree char *code = qr_draw (uri, !cli->format.utf8 ? QR_ASCII : QR_ON_DARK, error);

  if (code == NULL)
    return -1;
  format_print (code);
  return 0;
}

static int
make_new (Client *client, GError **error)
{
  g_autoptr (GVariant) answer = client_manager (client, "NewIdentity", g_variant_new ("(@a{sv})", client_options ()), error);

  return answer != NULL ? 0 : -1;
}

static int
print (Cli *cli, GVariant *manager, GError **error)
{
  const char *uri = dict_string (manager, "Uri");
  g_autofree char *line = g_strdup_printf ("%s\n", dict_string (manager, cli_has (cli, "uri") ? "Uri" : "Fingerprint"));

  if (*uri == '\0' && (cli_has (cli, "uri") || cli_has (cli, "qr")))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED,
                   "you have no name on the link yet\n'hearby status available' gives you one, 'hearby config instance USER@HOST' another");
      return -1;
    }
  if (cli_has (cli, "qr"))
    return print_qr (cli, uri, error);
  format_print (line);
  return 0;
}

int
verb_id (Cli *cli, GError **error)
{
  g_autoptr (Client) client = client_open (CLIENT_MAY_START, error);
  g_autoptr (GVariant) manager = NULL;

  if (client == NULL || (cli_has (cli, "new") && make_new (client, error) != 0))
    return -1;
  manager = client_properties (client, CLIENT_ROOT, CLIENT_MANAGER, error);
  if (manager == NULL)
    return -1;
  if (!cli->format.json)
    return print (cli, manager, error);
  cli->result = format_json_begin ();
  format_json_string (cli->result, "fingerprint", dict_string (manager, "Fingerprint"));
  format_json_string (cli->result, "instance", *dict_string (manager, "Instance") != '\0' ? dict_string (manager, "Instance") : NULL);
  format_json_string (cli->result, "uri", *dict_string (manager, "Uri") != '\0' ? dict_string (manager, "Uri") : NULL);
  return 0;
}
