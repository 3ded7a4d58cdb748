/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"

/* What may be said before the "="; the daemon checks what comes after it. */
static const char *const keys[] = { "plaintext", "encryption" };

static gboolean
parse_change (Cli *cli, const char *text, GVariantDict *changes, GError **error)
{
  const char *equals = strchr (text, '=');

  if (!g_utf8_validate (text, -1, NULL))
    return cli_usage (cli, error, "that is not valid UTF-8") == 0;
  for (guint i = 0; equals != NULL && i < G_N_ELEMENTS (keys); i++)
    if (strlen (keys[i]) == (gsize) (equals - text) && g_str_has_prefix (text, keys[i]))
      {
        g_variant_dict_insert (changes, keys[i], "s", equals + 1);
        return TRUE;
      }
  return cli_usage (cli, error, "'%s' is no policy such as plaintext=allow", text) == 0;
}

static gboolean
configure (Client *client, char **paths, GVariant *changes, GError **error)
{
  for (guint i = 0; paths[i] != NULL; i++)
    {
      g_autoptr (GVariant) answer
          = client_call (client, paths[i], CLIENT_PEER, "Configure",
                         g_variant_new ("(@a{sv}@a{sv})", changes, client_options ()), error);
      if (answer == NULL)
        return FALSE;
    }
  return TRUE;
}

static void
print_text (GVariant *policy)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autofree char *value = text_escape (dict_string (policy, keys[i]), TEXT_ESCAPE_LINE);
      g_autofree char *line = g_strdup_printf ("%s=%s\n", keys[i], value);

      format_print (line);
    }
}

/* One peer's. */
static int
show (Cli *cli, Client *client, const char *path, GError **error)
{
  g_autoptr (GVariant) peer = client_properties (client, path, CLIENT_PEER, error);
  g_autoptr (GVariant) policy = NULL;

  if (peer == NULL)
    return -1;
  policy = g_variant_lookup_value (peer, "Policy", G_VARIANT_TYPE_VARDICT);
  if (policy == NULL)
    policy = g_variant_ref_sink (client_options ());
  if (!cli->format.json)
    {
      print_text (policy);
      return 0;
    }
  cli->result = format_json_begin ();
  format_json_string (cli->result, "name", dict_string (peer, "Name"));
  json_builder_set_member_name (cli->result, "policy");
  json_builder_begin_object (cli->result);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    format_json_string (cli->result, keys[i], dict_string (policy, keys[i]));
  json_builder_end_object (cli->result);
  return 0;
}

int
verb_policy (Cli *cli, GError **error)
{
  g_auto (GVariantDict) changes = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) wanted = NULL;
  g_autoptr (Client) client = NULL;
  g_auto (GStrv) paths = NULL;

  for (guint i = 1; i < cli->n_args; i++)
    if (!parse_change (cli, cli->args[i], &changes, error))
      return -1;
  wanted = g_variant_ref_sink (g_variant_dict_end (&changes));
  client = client_open (CLIENT_MAY_START, error);
  paths = client != NULL ? client_find (client, cli->args[0], error) : NULL;
  if (paths == NULL)
    return -1;
  if (cli->n_args == 1 && paths[1] != NULL)
    return cli_usage (cli, error, "'%s' is a group; name one peer", cli->args[0]);
  if (cli->n_args > 1 && !configure (client, paths, wanted, error))
    return -1;
  return cli->n_args == 1 || cli->format.json ? show (cli, client, paths[0], error) : 0;
}
