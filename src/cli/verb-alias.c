/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cli.h"
#include "cli/client.h"

static const char *const titles[] = { "name", "peers", NULL };

/* The names of the peers at @paths, in that order; what is unknown is left out. */
static char **
names_of (GVariant *objects, const char *const *paths)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  for (guint i = 0; paths[i] != NULL; i++)
    {
      g_autoptr (GVariant) interfaces = NULL, peer = NULL;

      if (g_variant_lookup (objects, paths[i], "@a{sa{sv}}", &interfaces))
        peer = g_variant_lookup_value (interfaces, CLIENT_PEER, G_VARIANT_TYPE_VARDICT);
      /* With an alias for one peer, that is its name too: the instance says more here. */
      if (peer != NULL)
        g_strv_builder_add (names, *dict_string (peer, "Instance") != '\0' ? dict_string (peer, "Instance")
                                                                           : dict_string (peer, "Name"));
    }
  return g_strv_builder_end (names);
}

static void
add_alias (Cli *cli, FormatTable *table, const char *name, char **peers)
{
  g_autofree char *joined = g_strjoinv (" ", peers);
  const char *values[] = { name, joined };

  format_table_add (table, values);
  if (cli->result == NULL)
    return;
  json_builder_begin_object (cli->result);
  format_json_string (cli->result, "name", name);
  format_json_strings (cli->result, "peers", (const char *const *) peers);
  json_builder_end_object (cli->result);
}

/* All aliases, or the one called @only. */
static int
list (Cli *cli, Client *client, FormatTable *table, const char *only, GError **error)
{
  g_autoptr (GVariant) objects = client_objects (client, error);
  g_autoptr (GVariant) manager
      = objects != NULL ? client_properties (client, CLIENT_ROOT, CLIENT_MANAGER, error) : NULL;
  g_autoptr (GVariantIter) iter = NULL;
  const char *name;
  char **paths;
  guint found = 0;

  if (manager == NULL)
    return -1;
  if (cli->format.json)
    {
      cli->result = format_json_begin ();
      json_builder_set_member_name (cli->result, "aliases");
      json_builder_begin_array (cli->result);
    }
  g_variant_lookup (manager, "Aliases", "a{sao}", &iter);
  while (iter != NULL && g_variant_iter_next (iter, "{&s^ao}", &name, &paths))
    {
      g_auto (GStrv) names = names_of (objects, (const char *const *) paths);

      if (only == NULL || g_ascii_strcasecmp (only, name) == 0)
        {
          add_alias (cli, table, name, names);
          found++;
        }
      g_strfreev (paths);
    }
  if (cli->result != NULL)
    json_builder_end_array (cli->result);
  else
    format_table_print (table);
  if (only == NULL || found > 0)
    return 0;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "there is no alias '%s'\n'hearby alias' lists them", only);
  return -1;
}

/* The paths of everybody in @specs, none twice. NULL with @error where one is nobody. */
static GPtrArray *
find_all (Client *client, char **specs, GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; specs[i] != NULL; i++)
    {
      g_auto (GStrv) paths = client_find (client, specs[i], error);

      if (paths == NULL)
        return NULL;
      for (guint p = 0; paths[p] != NULL; p++)
        if (!g_ptr_array_find_with_equal_func (all, paths[p], g_str_equal, NULL))
          g_ptr_array_add (all, g_strdup (paths[p]));
    }
  return g_steal_pointer (&all);
}

static int
set (Cli *cli, Client *client, const char *name, char **specs, GError **error)
{
  g_autoptr (GPtrArray) paths = find_all (client, specs, error);
  g_autoptr (GVariant) answer = NULL;

  if (paths == NULL)
    return -1;
  answer = client_manager (client, "SetAlias",
                           g_variant_new ("(s@ao@a{sv})", name,
                                          g_variant_new_objv ((const char *const *) paths->pdata, paths->len),
                                          client_options ()),
                           error);
  if (answer == NULL)
    return -1;
  if (cli->format.json)
    {
      cli->result = format_json_begin ();
      format_json_string (cli->result, "name", name);
    }
  return 0;
}

int
verb_alias (Cli *cli, GError **error)
{
  const char *name = cli->args[0];
  gboolean delete = cli_has (cli, "delete");
  g_autoptr (FormatTable) table = format_table_new (&cli->format, titles, 2, error);
  g_autoptr (Client) client = NULL;
  char *nobody[] = { NULL };

  if (table == NULL)
    return -1;
  if (delete && cli->n_args != 1)
    return cli_usage (cli, error, "--delete wants one name");
  if (name != NULL && !g_utf8_validate (name, -1, NULL))
    return cli_usage (cli, error, "the name is not valid UTF-8");
  client = client_open (CLIENT_MAY_START, error);
  if (client == NULL)
    return -1;
  if (delete)
    return set (cli, client, name, nobody, error);
  if (cli->n_args < 2)
    return list (cli, client, table, name, error);
  return set (cli, client, name, cli->args + 1, error);
}
