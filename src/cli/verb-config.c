/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cli.h"
#include "cli/client.h"

static const char *const titles[] = { "key", "value", NULL };

static int
compare_keys (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *) a, *(const char *const *) b);
}

static GVariant *
settings_of (Client *client, GError **error)
{
  g_autoptr (GVariant) answer
      = client_manager (client, "Settings", g_variant_new ("(@a{sv})", client_options ()), error);

  return answer != NULL ? g_variant_get_child_value (answer, 0) : NULL;
}

static GPtrArray *
sorted_keys (GVariant *settings)
{
  GPtrArray *keys = g_ptr_array_new ();
  GVariantIter iter;
  const char *key;

  g_variant_iter_init (&iter, settings);
  while (g_variant_iter_next (&iter, "{&s&s}", &key, NULL))
    g_ptr_array_add (keys, (gpointer) key);
  g_ptr_array_sort (keys, compare_keys);
  return keys;
}

static const char *
value_of (GVariant *settings, const char *key)
{
  const char *value = NULL;

  g_variant_lookup (settings, key, "&s", &value);
  return value;
}

static int
list (Cli *cli, FormatTable *table, GVariant *settings)
{
  g_autoptr (GPtrArray) keys = sorted_keys (settings);

  if (cli->format.json)
    {
      cli->result = format_json_begin ();
      json_builder_set_member_name (cli->result, "settings");
      json_builder_begin_object (cli->result);
    }
  for (guint i = 0; i < keys->len; i++)
    {
      const char *values[] = { keys->pdata[i], value_of (settings, keys->pdata[i]) };

      format_table_add (table, values);
      if (cli->result != NULL)
        format_json_string (cli->result, values[0], values[1]);
    }
  if (cli->result != NULL)
    json_builder_end_object (cli->result);
  else
    format_table_print (table);
  return 0;
}

static int
show (Cli *cli, GVariant *settings, const char *key, GError **error)
{
  g_autoptr (GPtrArray) keys = sorted_keys (settings);
  const char *value = value_of (settings, key);
  g_autofree char *all = NULL, *shown = NULL, *line = NULL;

  if (value == NULL)
    {
      g_ptr_array_add (keys, NULL);
      all = g_strjoinv (" ", (char **) keys->pdata);
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "there is no setting '%s'\nthere are: %s", key, all);
      return -1;
    }
  if (cli->format.json)
    {
      cli->result = format_json_begin ();
      format_json_string (cli->result, "key", key);
      format_json_string (cli->result, "value", value);
      return 0;
    }
  shown = format_text (&cli->format, value, TEXT_ESCAPE_LINE);
  line = g_strconcat (shown, "\n", NULL);
  format_print (line);
  return 0;
}

static int
change (Cli *cli, Client *client, const char *key, const char *value, GError **error)
{
  g_auto (GVariantDict) settings = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) answer = NULL;
  g_autofree const char **restart = NULL;

  g_variant_dict_insert (&settings, key, "s", value);
  answer = client_manager (client, "Configure",
                           g_variant_new ("(@a{sv}@a{sv})", g_variant_dict_end (&settings), client_options ()), error);
  if (answer == NULL)
    return -1;
  g_variant_get (answer, "(^a&s)", &restart);
  if (restart[0] != NULL)
    cli_note ("this takes effect when the daemon starts next: 'hearby daemon --stop' ends it");
  if (cli->format.json)
    {
      cli->result = format_json_begin ();
      format_json_string (cli->result, "key", key);
      format_json_string (cli->result, "value", value);
      format_json_boolean (cli->result, "restart", restart[0] != NULL);
    }
  return 0;
}

int
verb_config (Cli *cli, GError **error)
{
  gboolean unset = cli_has (cli, "unset");
  g_autoptr (FormatTable) table = format_table_new (&cli->format, titles, 2, error);
  g_autoptr (Client) client = NULL;
  g_autoptr (GVariant) settings = NULL;

  if (table == NULL)
    return -1;
  if (unset && cli->n_args != 1)
    return cli_usage (cli, error, "--unset wants one key");
  for (guint i = 0; i < cli->n_args; i++)
    if (!g_utf8_validate (cli->args[i], -1, NULL))
      return cli_usage (cli, error, "that is not valid UTF-8");
  client = client_open (CLIENT_MAY_START, error);
  if (client == NULL)
    return -1;
  if (unset || cli->n_args == 2)
    return change (cli, client, cli->args[0], unset ? "" : cli->args[1], error);
  settings = settings_of (client, error);
  if (settings == NULL)
    return -1;
  return cli->n_args == 0 ? list (cli, table, settings) : show (cli, settings, cli->args[0], error);
}
