/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/presence-watch.h"
#include "cli/view.h"
#include "cli/wait-transfer.h"

#define PAGE 100

typedef struct
{
  Cli           *cli;
  Client        *client;
  gint64         timeout; /* s, or -1 */
  gboolean       done;
  GError        *error;
  /* online, offline */
  const char    *spec;
  char         **paths; /* NULL: nobody is called that yet */
  gboolean       online;
  PresenceWatch *watch;
  /* message */
  GHashTable    *from;
  ViewTrust      trust;
  GRegex        *regex;  /* or NULL */
  guint64        group;
  gboolean       started;
  guint64        last;
  guint          drain;
  GVariant      *found;
} Wait;

static gboolean
fail (Wait *wait, GError *error)
{
  /* A daemon that has gone is waited for. */
  if (g_error_matches (error, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON) || wait->error != NULL)
    {
      g_error_free (error);
      return FALSE;
    }
  wait->error = error;
  wait->done = TRUE;
  return FALSE;
}

static int
run (Wait *wait, ClientSignal on_signal, ClientConnected on_connected, GError **error)
{
  client_follow (wait->client, on_signal, on_connected, wait);
  if (!cli_wait (&wait->done, wait->timeout))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_TIMEOUT, "it did not happen in time");
      return -1;
    }
  if (wait->error == NULL)
    return 0;
  g_propagate_error (error, g_steal_pointer (&wait->error));
  return -1;
}

/* online, offline ---------------------------------------------------------------------------------------------------- */

/* Somebody who was never here may be waited for: then the name is looked up again with each news. */
static void
look_up (Wait *wait)
{
  g_autoptr (GVariant) answer = NULL;
  GError *problem = NULL;

  if (wait->paths != NULL)
    return;
  answer = client_manager (wait->client, "FindPeer", g_variant_new ("(s@a{sv})", wait->spec, client_options ()),
                           &problem);
  if (answer != NULL)
    g_variant_get (answer, "(^ao)", &wait->paths);
  else if (wait->online && g_error_matches (problem, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND))
    g_error_free (problem);
  else
    fail (wait, problem);
}

/* Of a group, all. */
static void
check_presence (Wait *wait)
{
  look_up (wait);
  if (wait->paths == NULL || wait->done)
    return;
  for (guint i = 0; wait->paths[i] != NULL; i++)
    if (!presence_watch_is (wait->watch, wait->paths[i], wait->online))
      return;
  wait->done = TRUE;
}

static void
on_presence (const char *path, GVariant *peer, gpointer data)
{
}

static void
on_presence_signal (const char *path, const char *interface, const char *signal, GVariant *arguments, gpointer data)
{
  Wait *wait = data;

  presence_watch_signal (wait->watch, path, interface, signal, arguments);
  check_presence (wait);
}

static void
on_presence_connected (gpointer data)
{
  Wait *wait = data;

  presence_watch_refresh (wait->watch, wait->client);
  check_presence (wait);
}

static int
wait_presence (Wait *wait, GError **error)
{
  int status = -1;

  if (wait->cli->n_args != 2)
    return cli_usage (wait->cli, error, "'wait %s' wants one peer", wait->cli->args[0]);
  wait->spec = wait->cli->args[1];
  if (!g_utf8_validate (wait->spec, -1, NULL))
    return cli_usage (wait->cli, error, "the name is not valid UTF-8");
  wait->client = client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, error);
  if (wait->client == NULL || !client_settle (wait->client, error))
    return -1;
  wait->watch = presence_watch_new (on_presence, wait);
  status = run (wait, on_presence_signal, on_presence_connected, error);
  if (status == 0 && wait->cli->format.json)
    {
      wait->cli->result = format_json_begin ();
      format_json_string (wait->cli->result, "peer", wait->spec);
      format_json_boolean (wait->cli->result, "online", wait->online);
    }
  return status;
}

static int
wait_online (Wait *wait, GError **error)
{
  wait->online = TRUE;
  return wait_presence (wait, error);
}

/* message ------------------------------------------------------------------------------------------------------ */

static gboolean
matches (Wait *wait, GVariant *message)
{
  if (wait->from != NULL && !g_hash_table_contains (wait->from, dict_string (message, "peer")))
    return FALSE;
  if (!view_trust_suffices (dict_string (message, "trust"), wait->trust))
    return FALSE;
  return wait->regex == NULL || g_regex_match (wait->regex, dict_string (message, "body"), 0, NULL);
}

static GVariant *
fetch (Wait *wait, GError **error)
{
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&filter, "since_seq", "t", wait->last);
  g_variant_dict_insert (&filter, "incoming", "b", TRUE);
  g_variant_dict_insert (&filter, "limit", "u", PAGE);
  return client_messages (wait->client, g_variant_dict_end (&filter), error);
}

static void
drain (Wait *wait)
{
  gsize n = PAGE;

  while (n == PAGE && !wait->done)
    {
      GError *problem = NULL;
      g_autoptr (GVariant) page = fetch (wait, &problem);

      if (page == NULL)
        {
          fail (wait, problem);
          return;
        }
      n = g_variant_n_children (page);
      for (gsize i = 0; i < n && !wait->done; i++)
        {
          g_autoptr (GVariant) message = g_variant_get_child_value (page, i);

          wait->last = (guint64) dict_number (message, "seq");
          wait->done = matches (wait, message);
          if (wait->done)
            wait->found = g_variant_ref (message);
        }
    }
}

static gboolean
on_drain (gpointer data)
{
  Wait *wait = data;

  wait->drain = 0;
  if (!client_is_lost (wait->client))
    drain (wait);
  return G_SOURCE_REMOVE;
}

static void
on_message_signal (const char *path, const char *interface, const char *signal, GVariant *arguments, gpointer data)
{
  Wait *wait = data;

  if (wait->started && wait->drain == 0 && g_str_equal (interface, CLIENT_MANAGER)
      && g_str_equal (signal, "MessageAdded"))
    wait->drain = g_idle_add (on_drain, wait);
}

static void
on_message_connected (gpointer data)
{
  Wait *wait = data;
  GError *problem = NULL;

  if (wait->started)
    drain (wait);
  else if (client_newest (wait->client, &wait->last, &problem))
    wait->started = TRUE;
  else
    fail (wait, problem);
}

/* The groups of the match, "" for those that took no part; of no regex the body alone. */
static char **
groups_of (const Wait *wait)
{
  const char *body = dict_string (wait->found, "body");
  g_autoptr (GMatchInfo) match = NULL;
  char *whole[] = { (char *) body, NULL };

  if (wait->regex == NULL || !g_regex_match (wait->regex, body, 0, &match))
    return g_strdupv (whole);
  return g_match_info_fetch_all (match);
}

static void
print_found (const Wait *wait)
{
  g_auto (GStrv) groups = groups_of (wait);
  Cli *cli = wait->cli;
  const char *text = dict_string (wait->found, "body");
  g_autofree char *shown = NULL, *line = NULL;

  if (cli->format.json)
    {
      cli->result = format_json_begin ();
      format_json_string (cli->result, "type", "message");
      view_message (cli->result, wait->found);
      format_json_strings (cli->result, "match", (const char *const *) groups);
      return;
    }
  if (cli_has (cli, "print"))
    text = wait->group < g_strv_length (groups) ? groups[wait->group] : "";
  shown = cli->format.tty ? format_text (&cli->format, text, TEXT_ESCAPE_MULTILINE) : g_strdup (text);
  line = g_strconcat (shown, "\n", NULL);
  format_print (line);
}

static gboolean
parse_message (Wait *wait, GError **error)
{
  Cli *cli = wait->cli;
  const char *match = cli_option (cli, "match"), *trust = cli_option (cli, "trust");
  g_autoptr (GError) problem = NULL;

  wait->trust = VIEW_TRUST_PINNED;
  if (cli->n_args != 1)
    return cli_usage (cli, error, "'wait message' takes only options; the peer goes with --from") == 0;
  if (!cli_number (cli, "print", 0, 99, &wait->group, error)
      || (trust != NULL && !view_parse_trust (trust, &wait->trust, error)))
    return FALSE;
  if (match == NULL)
    return TRUE;
  wait->regex = g_utf8_validate (match, -1, NULL) ? g_regex_new (match, 0, 0, &problem) : NULL;
  if (wait->regex == NULL)
    return cli_usage (cli, error, "--match is no regular expression: %s",
                      problem != NULL ? problem->message : "not valid UTF-8") == 0;
  if (wait->group > (guint64) g_regex_get_capture_count (wait->regex))
    return cli_usage (cli, error, "the regular expression has only %d groups",
                      g_regex_get_capture_count (wait->regex)) == 0;
  return TRUE;
}

static int
wait_message (Wait *wait, GError **error)
{
  g_autofree const char **from = cli_option_all (wait->cli, "from");

  if (!parse_message (wait, error))
    return -1;
  wait->client = client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, error);
  if (wait->client == NULL || !presence_watch_find (wait->client, from, &wait->from, error))
    return -1;
  if (wait->trust >= VIEW_TRUST_PINNED
      && !presence_watch_check_trust (wait->client, wait->from, wait->trust, from, error))
    return -1;
  if (run (wait, on_message_signal, on_message_connected, error) != 0)
    return -1;
  print_found (wait);
  return 0;
}

/* files -------------------------------------------------------------------------------------------------------- */

static int
wait_transfer_end (Wait *wait, GError **error)
{
  return wait_transfer (wait->cli, error);
}

static int
wait_for_offer (Wait *wait, GError **error)
{
  return wait_offer (wait->cli, error);
}

/* -------------------------------------------------------------------------------------------------------------- */

static const struct
{
  const char *word;
  int (*run) (Wait *wait, GError **error);
} kinds[] = {
  { "online", wait_online },         { "offline", wait_presence },  { "message", wait_message },
  { "transfer", wait_transfer_end }, { "offer", wait_for_offer },
};

int
verb_wait (Cli *cli, GError **error)
{
  Wait wait = { .cli = cli, .timeout = -1 };
  int status = -1;
  guint i = 0;

  if (!cli_duration (cli, "timeout", &wait.timeout, error))
    return -1;
  while (i < G_N_ELEMENTS (kinds) && !g_str_equal (kinds[i].word, cli->args[0]))
    i++;
  if (i == G_N_ELEMENTS (kinds))
    return cli_usage (cli, error, "'wait' knows online, offline, message, transfer and offer, not '%s'", cli->args[0]);
  status = kinds[i].run (&wait, error);
  if (wait.drain != 0)
    g_source_remove (wait.drain);
  g_strfreev (wait.paths);
  presence_watch_free (wait.watch);
  g_clear_pointer (&wait.from, g_hash_table_unref);
  g_clear_pointer (&wait.regex, g_regex_unref);
  g_clear_pointer (&wait.found, g_variant_unref);
  client_close (wait.client);
  return status;
}
