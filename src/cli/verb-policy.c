/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/file-name.h"
#include "cli/transfer-wait.h"

/* What may be said before the "="; the daemon checks what comes after it. */
static const char *const keys[] = { "plaintext", "encryption" };

/* "auto:2G"; the limit belongs to the word, so that another word ends it. */
static gboolean
parse_files (Cli *cli, const char *value, GVariantDict *changes, GError **error)
{
  const char *colon = strchr (value, ':');
  g_autofree char *word = colon != NULL ? g_strndup (value, (gsize) (colon - value)) : g_strdup (value);
  gint64 limit = 0;

  if (colon != NULL && (!g_str_equal (word, "auto") || !text_parse_size (colon + 1, &limit) || limit == 0))
    return cli_usage (cli, error, "'files=%s' is not ask, never, auto or auto:SIZE such as auto:2G", value) == 0;
  g_variant_dict_insert (changes, "files", "s", word);
  g_variant_dict_insert (changes, "files_limit", "x", limit);
  return TRUE;
}

static gboolean
parse_to (Cli *cli, const char *value, GVariantDict *changes, GError **error)
{
  g_autofree char *folder = *value != '\0' ? file_name_folder (value, error) : g_strdup ("");

  if (folder == NULL)
    return FALSE;
  file_name_dict_insert (changes, "files_to", folder);
  return TRUE;
}

static gboolean
parse_quota (Cli *cli, const char *value, GVariantDict *changes, GError **error)
{
  gint64 quota = 0;

  if (!g_str_equal (value, "none") && (!text_parse_size (value, &quota) || quota == 0))
    return cli_usage (cli, error, "'quota=%s' is neither none nor a size such as 10G", value) == 0;
  g_variant_dict_insert (changes, "quota", "x", quota);
  return TRUE;
}

static const struct
{
  const char *key;
  gboolean (*parse) (Cli *cli, const char *value, GVariantDict *changes, GError **error);
} file_keys[] = { { "files", parse_files }, { "to", parse_to }, { "quota", parse_quota } };

static gboolean
parse_change (Cli *cli, const char *text, GVariantDict *changes, GError **error)
{
  const char *equals = strchr (text, '=');
  g_autofree char *key = equals != NULL ? g_strndup (text, (gsize) (equals - text)) : g_strdup (text);

  for (guint i = 0; equals != NULL && i < G_N_ELEMENTS (file_keys); i++)
    if (g_str_equal (file_keys[i].key, key))
      return file_keys[i].parse (cli, equals + 1, changes, error);
  if (!g_utf8_validate (text, -1, NULL))
    return cli_usage (cli, error, "that is not valid UTF-8") == 0;
  for (guint i = 0; equals != NULL && i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i], key))
      {
        g_variant_dict_insert (changes, keys[i], "s", equals + 1);
        return TRUE;
      }
  return cli_usage (cli, error, "'%s' is no policy such as plaintext=allow", text) == 0;
}

/* Each of a group: who cannot have it does not keep the others from it. */
static gboolean
configure (Client *client, char **paths, GVariant *changes, GError **error)
{
  guint n = g_strv_length (paths);
  g_autofree GError **errors = g_new0 (GError *, n + 1);

  for (guint i = 0; i < n; i++)
    {
      G_GNUC_UNUSED g_autoptr (GVariant) answer
          = client_call (client, paths[i], CLIENT_PEER, "Configure",
                         g_variant_new ("(@a{sv}@a{sv})", changes, client_options ()), &errors[i]);
    }
  return transfer_wait_judge (errors, n, error);
}

static void
print_line (const char *key, const char *value)
{
  g_autofree char *shown = text_escape (value, TEXT_ESCAPE_LINE);
  g_autofree char *line = g_strdup_printf ("%s=%s\n", key, shown);

  format_print (line);
}

/* As they may be typed. */
static void
print_text (GVariant *policy)
{
  gint64 limit = dict_number (policy, "files_limit"), quota = dict_number (policy, "quota");
  g_autofree char *size = text_format_size (limit), *bytes = text_format_size (quota);
  g_autofree char *files = g_strconcat (dict_string (policy, "files"), limit > 0 ? ":" : NULL, size, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    print_line (keys[i], dict_string (policy, keys[i]));
  print_line ("files", files);
  print_line ("to", dict_string (policy, "files_to"));
  print_line ("quota", quota > 0 ? bytes : "none");
}

static const FormatField fields[] = {
  { "plaintext", "plaintext", FIELD_STRING },
  { "encryption", "encryption", FIELD_STRING },
  { "files", "files", FIELD_STRING },
  { "files_limit", "files_limit", FIELD_REFERENCE },
  { "files_to", "files_to", FIELD_TEXT },
  { "quota", "quota", FIELD_REFERENCE },
};

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
  format_json_fields (cli->result, policy, fields, G_N_ELEMENTS (fields));
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
