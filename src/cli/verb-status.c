/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/limits.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"

static const FormatField fields[] = {
  { "instance", "Instance", FIELD_STRING }, { "nick", "Nick", FIELD_STRING },
  { "status", "Status", FIELD_STRING },     { "status_text", "StatusText", FIELD_STRING },
  { "fingerprint", "Fingerprint", FIELD_TEXT }, { "port", "Port", FIELD_NUMBER },
  { "discovery", "Discovery", FIELD_STRING }, { "on_air", "OnAir", FIELD_BOOLEAN },
  { "unread", "UnreadCount", FIELD_NUMBER }, { "version", "Version", FIELD_STRING },
};

static guint
count_online (GVariant *objects)
{
  GVariantIter iter;
  GVariant *interfaces;
  guint n = 0;

  g_variant_iter_init (&iter, objects);
  while (g_variant_iter_next (&iter, "{o@a{sa{sv}}}", NULL, &interfaces))
    {
      g_autoptr (GVariant) peer = g_variant_lookup_value (interfaces, CLIENT_PEER, G_VARIANT_TYPE_VARDICT);

      if (peer != NULL && dict_boolean (peer, "Online") && !dict_boolean (peer, "Self"))
        n++;
      g_variant_unref (interfaces);
    }
  return n;
}

static void
begin_json (Cli *cli, GVariant *manager, GVariant *health, const char *const *problems, guint online)
{
  g_autofree const char **features = NULL;

  g_variant_lookup (manager, "Features", "^a&s", &features);
  cli->result = format_json_begin ();
  format_json_fields (cli->result, manager, fields, G_N_ELEMENTS (fields));
  format_json_number (cli->result, "peers_online", online);
  format_json_strings (cli->result, "health", problems);
  format_json_strings (cli->result, "features", features);
  format_json_number (cli->result, "pss", dict_number (health, "pss"));
  format_json_number (cli->result, "pid", dict_number (health, "pid"));
  format_json_number (cli->result, "uptime", dict_number (health, "uptime") / G_USEC_PER_SEC);
}

static const char *
describe_discovery (const char *discovery)
{
  static const char *const words[][2] = {
    { "avahi", "on the air by avahi-daemon" },
    { "embedded", "on the air by the built-in responder" },
    { "off", "not announced (discovery=off), added peers reach us" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (discovery, words[i][0]))
      return words[i][1];
  return "not announced yet, there is no responder";
}

static void
print_text (Cli *cli, GVariant *manager, const char *const *problems, guint online)
{
  const char *instance = dict_string (manager, "Instance"), *said = dict_string (manager, "StatusText");
  g_autofree char *name = format_text (&cli->format, *instance != '\0' ? instance : "(no name yet)", TEXT_ESCAPE_LINE);
  g_autofree char *text = format_text (&cli->format, said, TEXT_ESCAPE_LINE);
  g_autofree char *air = NULL;
  g_autoptr (GString) out = g_string_new (NULL);

  if (dict_boolean (manager, "OnAir"))
    air = g_strdup_printf ("%s, port %d", describe_discovery (dict_string (manager, "Discovery")),
                           (int) dict_number (manager, "Port"));
  g_string_append_printf (out, "%s  %s%s%s\n", name, dict_string (manager, "Status"), *text != '\0' ? ": " : "", text);
  g_string_append_printf (out, "%s\n", air != NULL ? air : "not on the air");
  g_string_append_printf (out, "%u online, %d unread\n", online, (int) dict_number (manager, "UnreadCount"));
  for (guint i = 0; problems[i] != NULL; i++)
    {
      g_autofree char *problem = format_text (&cli->format, problems[i], TEXT_ESCAPE_LINE);
      g_string_append_printf (out, "problem: %s\n", problem);
    }
  format_print (out->str);
}

static int
show (Cli *cli, Client *client, GError **error)
{
  g_autoptr (GVariant) manager = client_properties (client, CLIENT_ROOT, CLIENT_MANAGER, error);
  g_autoptr (GVariant) objects = manager != NULL ? client_objects (client, error) : NULL;
  g_autoptr (GVariant) health = NULL;
  g_autofree const char **problems = NULL;
  guint online;

  if (objects == NULL)
    return -1;
  health = g_variant_lookup_value (manager, "Health", G_VARIANT_TYPE_VARDICT);
  if (health == NULL)
    health = g_variant_ref_sink (client_options ());
  if (!g_variant_lookup (health, "problems", "^a&s", &problems))
    problems = g_new0 (const char *, 1);
  online = count_online (objects);
  if (cli->format.json)
    begin_json (cli, manager, health, problems, online);
  else
    print_text (cli, manager, problems, online);
  return 0;
}

int
verb_status (Cli *cli, GError **error)
{
  static const char *const words[] = { "available", "away", "dnd", "offline", NULL };
  const char *text = cli->n_args > 1 ? cli->args[1] : "";
  g_autoptr (Client) client = NULL;
  g_autoptr (GVariant) answer = NULL;

  if (cli->n_args > 0 && !g_strv_contains (words, cli->args[0]))
    return cli_usage (cli, error, "'%s' is none of available, away, dnd and offline", cli->args[0]);
  if (!g_utf8_validate (text, -1, NULL) || strlen (text) > LIMIT_STATUS_TEXT)
    return cli_usage (cli, error, "the text is at most %d bytes of valid UTF-8", LIMIT_STATUS_TEXT);
  client = client_open (CLIENT_MAY_START, error);
  if (client == NULL)
    return -1;
  if (cli->n_args == 0)
    return show (cli, client, error);
  answer = client_manager (client, "SetStatus",
                           g_variant_new ("(ss@a{sv})", cli->args[0], text, client_options ()), error);
  if (answer == NULL)
    return -1;
  return cli->format.json ? show (cli, client, error) : 0;
}
