/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/hook.h"

typedef enum
{
  LEVEL_NONE,
  LEVEL_QUEUED,
  LEVEL_SENT,
  LEVEL_DELIVERED,
  LEVEL_READ,
} Level;

static const char *const levels[] = { "none", "queued", "sent", "delivered", "read" };

/* One message of this call, for one receiver. */
typedef struct
{
  guint64  seq;
  char    *name;
  char    *state;
  char    *reason;
  gboolean confirms;
  gboolean missing; /* not in the history any more */
  gboolean gone;    /* and no signal said before how it ended */
} Sent;

typedef struct
{
  Cli       *cli;
  Client    *client;
  Level      level;
  gint64     timeout; /* s, or -1 */
  GPtrArray *sent;    /* Sent */
  guint      late;    /* source, or 0 */
  gboolean   done;    /* each one has come as far as it is going to */
} Sending;

static void
sent_free (gpointer data)
{
  Sent *sent = data;

  g_free (sent->name);
  g_free (sent->state);
  g_free (sent->reason);
  g_free (sent);
}

/* the text -------------------------------------------------------------------------------------------------------- */

static gboolean
check_text (char *text, gsize len, GError **error)
{
  if (len == 0)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "there is nothing to send");
  else if (len > LIMIT_BODY)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "a message is at most %d KiB\nsend it in parts",
                 LIMIT_BODY / 1024);
  else if (!g_utf8_validate (text, (gssize) len, NULL))
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                 "the text is not valid UTF-8\n'iconv -t UTF-8' converts it");
  else
    return TRUE;
  return FALSE;
}

/* All of stdin without its last newline. */
static char *
read_text (GError **error)
{
  g_autofree char *text = g_malloc (LIMIT_BODY + 3);
  gsize len = fread (text, 1, LIMIT_BODY + 2, stdin);

  if (ferror (stdin))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "cannot read stdin: %s", g_strerror (errno));
      return NULL;
    }
  if (len > 0 && text[len - 1] == '\n')
    len--;
  text[len] = '\0';
  return check_text (text, len, error) ? g_steal_pointer (&text) : NULL;
}

static char *
get_text (Cli *cli, GError **error)
{
  g_autofree char *text = NULL;

  if (cli->n_args == 2 && g_str_equal (cli->args[1], "-") && cli->n_before == 2)
    return read_text (error);
  text = g_strjoinv (" ", cli->args + 1);
  return check_text (text, strlen (text), error) ? g_steal_pointer (&text) : NULL;
}

/* options ------------------------------------------------------------------------------------------------------ */

static gboolean
parse_level (Cli *cli, Level *level, GError **error)
{
  const char *word = cli_option (cli, "wait");

  *level = cli_has (cli, "now") ? LEVEL_SENT : LEVEL_QUEUED; /* what is not queued is sent, or was not */
  if (word == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (levels); i++)
    if (g_str_equal (word, levels[i]))
      {
        *level = (Level) i;
        return TRUE;
      }
  return cli_usage (cli, error, "--wait is none, queued, sent, delivered or read, not '%s'", word) == 0;
}

/* The options of SendMessage. */
static GVariant *
build_options (Cli *cli, Level level, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  guint64 replace = 0;

  if (!cli_sending (cli, &options, error) || !cli_number (cli, "replace", 1, G_MAXINT64, &replace, error))
    return NULL;
  if (replace > 0)
    g_variant_dict_insert (&options, "replaces", "t", replace);
  if (level >= LEVEL_DELIVERED)
    g_variant_dict_insert (&options, "confirm", "b", TRUE);
  return g_variant_ref_sink (g_variant_dict_end (&options));
}

/* waiting -------------------------------------------------------------------------------------------------------- */

static Level
level_of (const Sent *sent)
{
  for (guint i = LEVEL_SENT; i < G_N_ELEMENTS (levels); i++)
    if (g_str_equal (sent->state, levels[i]))
      return (Level) i;
  return LEVEL_QUEUED;
}

/* Why @sent will not come as far as was wanted, or FALSE. */
static gboolean
has_failed (const Sending *sending, const Sent *sent, GError **error)
{
  g_autofree char *word = text_shell_word (sent->name);
  const char *reason = *sent->reason != '\0' ? sent->reason : "no reason given";

  if (g_str_equal (sent->state, "failed"))
    g_set_error (error, HEARBY_ERROR, error_from_name (reason), "the message to '%s' failed: %s", sent->name, reason);
  else if (g_str_equal (sent->state, "expired"))
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "the message to '%s' expired", sent->name);
  else if (g_str_equal (sent->state, "held") && sending->level > LEVEL_QUEUED && g_str_equal (reason, "KeyChanged"))
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_KEY_CHANGED,
                 "'%s' has not accepted your key yet, the message waits for that\n"
                 "'hearby verify %s' compares codes, 'hearby id' prints what 'hearby trust' needs there",
                 sent->name, word);
  else if (g_str_equal (sent->state, "held") && sending->level > LEVEL_QUEUED)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_UNENCRYPTED,
                 "the message to '%s' is held, it would go unencrypted\n'hearby policy %s plaintext=allow' frees it",
                 sent->name, word);
  else if (level_of (sent) == LEVEL_SENT && sending->level > LEVEL_SENT && !sent->confirms)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED,
                 "'%s' has been sent the message and cannot confirm that it arrived\nwait for 'sent' instead", sent->name);
  else if (sent->gone && level_of (sent) < sending->level)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND,
                 "what became of message %" G_GUINT64_FORMAT " is not known any more\nit is no longer in the history", sent->seq);
  else
    return FALSE;
  return TRUE;
}

static void
check_done (Sending *sending)
{
  if (sending->sent->len == 0)
    return; /* not sent yet */
  for (guint i = 0; i < sending->sent->len; i++)
    {
      Sent *sent = sending->sent->pdata[i];

      if (level_of (sent) < sending->level && !has_failed (sending, sent, NULL))
        return;
    }
  sending->done = TRUE;
}

/* @change is a message or what MessageChanged says of one. */
static void
update (Sent *sent, GVariant *change)
{
  g_autoptr (GVariant) confirms = g_variant_lookup_value (change, "confirms", G_VARIANT_TYPE_BOOLEAN);

  if (*dict_string (change, "state") != '\0')
    {
      g_free (sent->state);
      g_free (sent->reason);
      sent->state = g_strdup (dict_string (change, "state"));
      sent->reason = g_strdup (dict_string (change, "reason"));
    }
  if (*dict_string (change, "name") != '\0')
    {
      g_free (sent->name);
      sent->name = g_strdup (dict_string (change, "name"));
    }
  if (confirms != NULL)
    sent->confirms = g_variant_get_boolean (confirms);
}

static void
on_signal (const char *path, const char *interface, const char *signal, GVariant *arguments, gpointer data)
{
  Sending *sending = data;
  g_autoptr (GVariant) changed = NULL;
  guint64 seq;

  if (!g_str_equal (interface, CLIENT_MANAGER) || !g_str_equal (signal, "MessageChanged")
      || !g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(ta{sv})")))
    return;
  g_variant_get (arguments, "(t@a{sv})", &seq, &changed);
  for (guint i = 0; i < sending->sent->len; i++)
    if (((Sent *) sending->sent->pdata[i])->seq == seq)
      update (sending->sent->pdata[i], changed);
  check_done (sending);
}

static void
fetch_state (Client *client, Sent *sent)
{
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) messages = NULL, message = NULL;

  g_variant_dict_insert (&filter, "since_seq", "t", sent->seq - 1);
  g_variant_dict_insert (&filter, "before_seq", "t", sent->seq + 1);
  g_variant_dict_insert (&filter, "limit", "u", 1);
  messages = client_messages (client, g_variant_dict_end (&filter), NULL);
  sent->missing = messages != NULL && g_variant_n_children (messages) == 0;
  if (messages == NULL || sent->missing)
    return;
  message = g_variant_get_child_value (messages, 0);
  if ((guint64) dict_number (message, "seq") == sent->seq)
    update (sent, message);
}

static gboolean
on_late (gpointer data)
{
  Sending *sending = data;

  sending->late = 0;
  for (guint i = 0; i < sending->sent->len; i++)
    ((Sent *) sending->sent->pdata[i])->gone = ((Sent *) sending->sent->pdata[i])->missing;
  check_done (sending);
  return G_SOURCE_REMOVE;
}

/* At first, and when the daemon came back. Of one that is gone the signals that came before say more: they are heard first. */
static void
on_connected (gpointer data)
{
  Sending *sending = data;

  for (guint i = 0; i < sending->sent->len; i++)
    fetch_state (sending->client, sending->sent->pdata[i]);
  check_done (sending);
  if (sending->late == 0)
    sending->late = g_idle_add_full (G_PRIORITY_LOW, on_late, sending, NULL);
}

/* results ------------------------------------------------------------------------------------------------------ */

static void
print_seqs (const Sending *sending)
{
  for (guint i = 0; i < sending->sent->len; i++)
    {
      g_autofree char *line
          = g_strdup_printf ("%" G_GUINT64_FORMAT "\n", ((Sent *) sending->sent->pdata[i])->seq);
      format_print (line);
    }
}

static void
begin_json (const Sending *sending)
{
  JsonBuilder *builder = sending->cli->result = format_json_begin ();

  json_builder_set_member_name (builder, "messages");
  json_builder_begin_array (builder);
  for (guint i = 0; i < sending->sent->len; i++)
    {
      Sent *sent = sending->sent->pdata[i];

      json_builder_begin_object (builder);
      format_json_number (builder, "seq", (gint64) sent->seq);
      format_json_string (builder, "peer", *sent->name != '\0' ? sent->name : NULL);
      format_json_string (builder, "state", sent->state);
      format_json_string (builder, "reason", *sent->reason != '\0' ? sent->reason : NULL);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
cancel_pending (Sending *sending)
{
  for (guint i = 0; i < sending->sent->len; i++)
    {
      Sent *sent = sending->sent->pdata[i];
      g_autoptr (GError) problem = NULL;
      g_autoptr (GVariant) answer = NULL;

      if (level_of (sent) >= sending->level)
        continue;
      answer = client_manager (sending->client, "CancelMessage",
                               g_variant_new ("(t@a{sv})", sent->seq, client_options ()), &problem);
      if (answer == NULL)
        cli_note ("'%s' is not taken back: %s", sent->name, problem->message);
      else
        fetch_state (sending->client, sent);
    }
}

static void
set_timeout (Sending *sending, GError **error)
{
  gboolean cancel = cli_has (sending->cli, "cancel-on-timeout");
  gboolean waits = FALSE;

  if (cancel)
    cancel_pending (sending);
  for (guint i = 0; i < sending->sent->len; i++)
    waits |= g_str_equal (((Sent *) sending->sent->pdata[i])->state, "queued");
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_TIMEOUT, "it was not %s in time%s", levels[sending->level],
               !waits ? "" : cli_has (sending->cli, "plaintext") || cli_has (sending->cli, "now")
                              ? "\nit is given up soon; 'hearby history' tells what became of it"
                              : "\nit stays queued and goes on");
}

/* FALSE where not all came as far as was wanted. */
static gboolean
judge (Sending *sending, GError **error)
{
  g_autoptr (GError) first = NULL;
  guint failed = 0;

  for (guint i = 0; i < sending->sent->len; i++)
    failed += has_failed (sending, sending->sent->pdata[i], first == NULL ? &first : NULL);
  if (!sending->done)
    set_timeout (sending, error);
  else if (failed > 0 && failed < sending->sent->len)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_PARTIAL, "%u of %u messages failed; the first: %s", failed,
                 sending->sent->len, first->message);
  else if (failed > 0)
    g_propagate_error (error, g_steal_pointer (&first));
  else
    return TRUE;
  return FALSE;
}

/* "read" to a peer that is known not to tell. The daemon checks "delivered". */
static gboolean
check_markers (Sending *sending, char **paths, GError **error)
{
  for (guint i = 0; sending->level == LEVEL_READ && paths[i] != NULL; i++)
    {
      g_autoptr (GVariant) peer = client_properties (sending->client, paths[i], CLIENT_PEER, error);
      g_autofree const char **words = NULL;

      if (peer == NULL)
        return FALSE;
      if (!g_variant_lookup (peer, "Capabilities", "^a&s", &words) || !g_strv_contains (words, "known")
          || g_strv_contains (words, "markers") || dict_boolean (peer, "Self"))
        continue;
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED,
                   "'%s' never tells what was read\nwait for 'delivered' or 'sent' instead", dict_string (peer, "Name"));
      return FALSE;
    }
  return TRUE;
}

static gboolean
store (Sending *sending, char **paths, const char *text, GVariant *options, GError **error)
{
  g_autoptr (GVariant) answer = client_manager (
      sending->client, "SendMessage",
      g_variant_new ("(@aos@a{sv})", g_variant_new_objv ((const char *const *) paths, -1), text, options), error);
  g_autoptr (GVariantIter) iter = NULL;
  guint64 seq;

  if (answer == NULL)
    return FALSE;
  g_variant_get (answer, "(at)", &iter);
  while (g_variant_iter_next (iter, "t", &seq))
    {
      Sent *sent = g_new0 (Sent, 1);

      sent->seq = seq;
      sent->name = g_strdup ("");
      sent->state = g_strdup ("queued");
      sent->reason = g_strdup ("");
      g_ptr_array_add (sending->sent, sent);
    }
  return TRUE;
}

/* @quiet: nothing on stdout, which is a command's. */
static gboolean
send_text (Cli *cli, const char *text, gboolean quiet, Sending *sending, GVariant *options, GError **error)
{
  g_auto (GStrv) paths = client_find (sending->client, cli->args[0], error);
  gboolean ok;

  if (paths == NULL || !check_markers (sending, paths, error))
    return FALSE;
  if (sending->level > LEVEL_QUEUED) /* before it is sent: with the history off nothing is left to look at later */
    client_follow (sending->client, on_signal, on_connected, sending);
  if (!store (sending, paths, text, options, error))
    return FALSE;
  if (!quiet && !cli->format.json && sending->level != LEVEL_NONE)
    print_seqs (sending);
  if (sending->level > LEVEL_QUEUED)
    {
      on_connected (sending);
      cli_wait (&sending->done, sending->timeout);
    }
  else
    {
      for (guint i = 0; cli->format.json && i < sending->sent->len; i++)
        fetch_state (sending->client, sending->sent->pdata[i]);
      sending->done = TRUE;
    }
  ok = judge (sending, error);
  if (!quiet && cli->format.json)
    begin_json (sending);
  return ok;
}

static gboolean
open_and_send (Cli *cli, const char *text, gboolean quiet, GVariant *options, Level level, GError **error)
{
  g_autoptr (GPtrArray) sent = g_ptr_array_new_with_free_func (sent_free);
  g_autoptr (Client) client = NULL;
  Sending sending = { .cli = cli, .level = level, .timeout = -1, .sent = sent };
  gboolean ok;

  if (!cli_duration (cli, "timeout", &sending.timeout, error))
    return FALSE;
  client = client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, error);
  sending.client = client;
  ok = client != NULL && send_text (cli, text, quiet, &sending, options, error);
  if (sending.late != 0)
    g_source_remove (sending.late);
  return ok;
}

/* --when-done ---------------------------------------------------------------------------------------------------- */

/* Hours may pass until the command is done: a name that is wrong is told now, and still the command runs. */
static void
warn_early (Cli *cli)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (Client) client = client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, &problem);
  g_auto (GStrv) paths = client != NULL ? client_find (client, cli->args[0], &problem) : NULL;

  if (paths != NULL)
    return;
  cli_print_error (problem);
  cli_note ("the command runs all the same");
}

static int
run_and_send (Cli *cli, GVariant *options, Level level, GError **error)
{
  g_autofree char *word = NULL, *line = NULL, *took = NULL, *clean = NULL, *text = NULL;
  g_autoptr (GError) problem = NULL;
  gint64 start;
  int status = 0;

  if (cli->n_before != 1 || cli->n_args < 2)
    return cli_usage (cli, error, "--when-done wants: send PEER --when-done -- COMMAND…");
  warn_early (cli);
  start = g_get_monotonic_time ();
  if (!hook_wrap (cli->args + 1, &status, &word, error))
    return -1;
  took = format_duration (g_get_monotonic_time () - start);
  line = g_strjoinv (" ", cli->args + 1);
  clean = text_clean (line, -1, LIMIT_BODY / 2);
  text = g_strdup_printf ("%s after %s: %s", word, took, clean);
  if (!open_and_send (cli, text, TRUE, options, level, &problem))
    cli_print_error (problem);
  return status;
}

int
verb_send (Cli *cli, GError **error)
{
  g_autoptr (GVariant) options = NULL;
  g_autofree char *text = NULL;
  gint64 timeout = -1;
  Level level;

  if (!parse_level (cli, &level, error) || !cli_duration (cli, "timeout", &timeout, error))
    return -1;
  options = build_options (cli, level, error);
  if (options == NULL)
    return -1;
  if (cli_has (cli, "when-done"))
    return run_and_send (cli, options, level, error);
  if (cli->n_args < 2)
    return cli_usage (cli, error, "'send' wants PEER TEXT…, or PEER - to read stdin");
  text = get_text (cli, error);
  return text != NULL && open_and_send (cli, text, FALSE, options, level, error) ? 0 : -1;
}
