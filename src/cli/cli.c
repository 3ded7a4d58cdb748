/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cli.h"

#include "base/limits.h"
#include "cli/progress.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

static const CliOption no_options[] = { { NULL } };

static const CliOption common_options[] = {
  { "json", 0, NULL, "print JSON" },
  { "color", 0, "WHEN", "auto, always or never" },
  { "no-input", 0, NULL, "never ask anything" },
  { "help", 'h', NULL, "show this" },
  { NULL },
};

static const CliOption column_options[] = {
  { "terse", 't', NULL, "tab-separated columns without a header" },
  { "fields", 'f', "COLS", "which columns, separated by commas" },
  { NULL },
};

static const CliOption peers_options[] = {
  { "online", 0, NULL, "only who is on the air" },
  { NULL },
};

static const CliOption send_options[] = {
  { "wait", 0, "STATE", "return when it is none, queued, sent, delivered or read" },
  { "timeout", 0, "TIME", "how long to wait (30, 5m, 1h, none)" },
  { "cancel-on-timeout", 0, NULL, "take it back when the time is over" },
  { "expire", 0, "TIME", "give up on it after this time" },
  { "id", 0, "KEY", "the same KEY within 7 days sends once" },
  { "now", 0, NULL, "fail instead of queueing when the peer is away" },
  { "plaintext", 0, NULL, "permit this one message to go unencrypted" },
  { "replace", 0, "SEQ", "correct the own message SEQ" },
  { "when-done", 0, NULL, "run the command after --, then send how it ended" },
  { NULL },
};

static const CliOption put_options[] = {
  { "to", 0, "PEER", "to this peer too; may be repeated" },
  { "name", 0, "NAME", "what it is called there; needed for what comes from stdin" },
  { "wait", 0, "STATE", "return when it is none, queued or done (default)" },
  { "timeout", 0, "TIME", "how long to wait (30, 5m, 1h, none)" },
  { "cancel-on-timeout", 0, NULL, "take it back when the time is over" },
  { "expire", 0, "TIME", "give up on it after this time" },
  { "id", 0, "KEY", "the same KEY within 7 days sends once" },
  { "now", 0, NULL, "fail instead of queueing when the peer is away" },
  { "plaintext", 0, NULL, "permit that this travels unencrypted" },
  { "links", 0, "HOW", "symbolic links in folders: keep (default), follow or skip" },
  { "checksum", 0, NULL, "hash all of it at both ends and compare" },
  PROGRESS_OPTION,
  { "retry", 0, "ID", "send again what failed of transfer ID" },
  { NULL },
};

static const CliOption transfers_options[] = {
  { "all", 0, NULL, "what ended more than a day ago too" },
  { NULL },
};

static const CliOption accept_options[] = {
  { "to", 0, "DIR", "into this folder" },
  { "wait", 0, "STATE", "return at once (none, the default) or when it is done" },
  { "timeout", 0, "TIME", "how long to wait (30, 5m, 1h, none)" },
  { "cancel-on-timeout", 0, NULL, "cancel it when the time is over" },
  PROGRESS_OPTION,
  { NULL },
};

static const CliOption listen_options[] = {
  { "type", 0, "TYPES", "message (default), presence, transfer, separated by commas" },
  { "from", 0, "PEER", "only from this peer; may be repeated" },
  { "consumer", 0, "NAME", "go on where NAME stopped; nothing is lost" },
  { "ack", 0, "HOW", "auto, or manual: write each seq to our stdin" },
  { "exec", 0, "PROGRAM", "run it for each message, without a shell" },
  { "trust", 0, "WORD", "only from any, plain, pinned or verified peers" },
  { NULL },
};

static const CliOption wait_options[] = {
  { "timeout", 0, "TIME", "how long (30, 5m, 1h, none)" },
  { "from", 0, "PEER", "only what comes from this peer; may be repeated" },
  { "match", 0, "REGEX", "only a message that matches" },
  { "print", 0, "N", "print group N of the match; 0 is all of it" },
  { "trust", 0, "WORD", "any, plain, pinned (default) or verified" },
  { "name", 0, "GLOB", "only an offer of which each name fits" },
  { "accept", 0, "DIR|-", "take the offer into a folder or to stdout, until it is done" },
  PROGRESS_OPTION,
  { NULL },
};

static const CliOption history_options[] = {
  { "number", 'n', "N", "the last N messages (default 50)" },
  { "search", 0, "WORDS", "only messages with all these words" },
  { "since", 0, "TIME", "not older: 1h (ago), 2026-11-01, 2026-11-01T10:00:00Z" },
  { "until", 0, "TIME", "not younger" },
  { NULL },
};

static const CliOption add_options[] = {
  { "alias", 0, "NAME", "give the peer this name" },
  { "wait", 0, NULL, "until it was reached, or not" },
  { NULL },
};

static const CliOption alias_options[] = {
  { "delete", 'd', NULL, "remove NAME" },
  { NULL },
};

static const CliOption block_options[] = {
  { "off", 0, NULL, "let the peer in again" },
  { NULL },
};

static const CliOption config_options[] = {
  { "unset", 0, NULL, "back to the default" },
  { NULL },
};

static const CliOption trace_options[] = {
  { "output", 0, "FILE", "write there, readable by you only" },
  { NULL },
};

static const CliOption id_options[] = {
  { "uri", 0, NULL, "name and key as a URI, for 'hearby trust' there" },
  { "qr", 0, NULL, "the same to be scanned" },
  { "new", 0, NULL, "another key; all others will see a conflict" },
  { NULL },
};

static const CliOption trust_options[] = {
  { "fingerprint", 0, "FP", "all of it, as 'hearby id' prints it there" },
  { NULL },
};

static const CliOption verify_options[] = {
  { "code", 0, "CODE", "answer with the code that was read out there" },
  { "fingerprint", 0, "FP", "instead of a code; as 'hearby id' prints it there" },
  { NULL },
};

static const CliOption daemon_options[] = {
  { "passphrase", 0, NULL, "set, change or remove the passphrase of the key" },
  { "stop", 0, NULL, "end the running daemon" },
  { "off-air", 0, NULL, "stay unseen until a verb needs the link" },
  { NULL },
};

static const CliRow rows[] = {
  { "peers", 0, 0, "", "Show who is on the link and who was", CLI_GROUP_TALK, CLI_COLUMNS, peers_options, verb_peers },
  { "send", 1, -1, "PEER TEXT… | PEER - | PEER --when-done -- COMMAND…", "Send a message", CLI_GROUP_TALK, CLI_PLAIN,
    send_options, verb_send },
  { "listen", 0, 0, "", "Print messages as they come", CLI_GROUP_TALK, CLI_PLAIN, listen_options, verb_listen },
  { "wait", 1, -1, "online PEER | offline PEER | message | transfer ID | offer", "Wait until something happens", CLI_GROUP_TALK, CLI_PLAIN,
    wait_options, verb_wait },
  { "history", 0, 1, "[PEER]", "Show messages of before", CLI_GROUP_TALK, CLI_COLUMNS, history_options, verb_history },
  { "chat", 1, 1, "PEER", "Talk line by line; JSON Lines when stdin is no terminal", CLI_GROUP_TALK, CLI_PLAIN, NULL,
    verb_chat },
  { "status", 0, 2, "[available|away|dnd|offline [TEXT]]", "Show or change what others see of you", CLI_GROUP_TALK,
    CLI_PLAIN, NULL, verb_status },
  { "add", 1, 1, "HOST[:PORT]", "Add a peer that the link does not show", CLI_GROUP_TALK, CLI_RARE, add_options,
    verb_add },
  { "put", 0, -1, "PEER FILE… | PEER --name NAME - | --retry ID", "Send files, folders or what comes from stdin", CLI_GROUP_FILES,
    CLI_PLAIN, put_options, verb_put },
  { "transfers", 0, -1, "[ID…]", "Show what is offered, on its way or lately done", CLI_GROUP_FILES, CLI_COLUMNS,
    transfers_options, verb_transfers },
  { "accept", 1, -1, "ID… | ID -", "Take what is offered, into a folder or to stdout", CLI_GROUP_FILES, CLI_PLAIN,
    accept_options, verb_accept },
  { "reject", 1, -1, "ID…", "Say no to what is offered", CLI_GROUP_FILES, CLI_RARE, NULL, verb_reject },
  { "cancel", 1, -1, "ID…", "End transfers, at both sides", CLI_GROUP_FILES, CLI_RARE, NULL, verb_cancel },
  { "pause", 1, -1, "ID…", "Let transfers rest", CLI_GROUP_FILES, CLI_RARE, NULL, verb_pause },
  { "resume", 1, -1, "ID…", "Let them go on", CLI_GROUP_FILES, CLI_RARE, NULL, verb_resume },
  { "alias", 0, -1, "[NAME [PEER…]]", "Give one or several peers a name of your own", CLI_GROUP_NAMES, CLI_COLUMNS,
    alias_options, verb_alias },
  { "forget", 1, 1, "PEER", "Delete a peer with its history", CLI_GROUP_NAMES, CLI_PLAIN, NULL, verb_forget },
  { "block", 1, 1, "PEER", "Take nothing from a peer any more", CLI_GROUP_NAMES, CLI_PLAIN, block_options, verb_block },
  { "policy", 1, -1, "PEER [plaintext=allow|ask] [encryption=default|require|prefer|never] [files=ask|auto[:SIZE]|never] [to=DIR] [quota=SIZE]",
    "Show or change what may be in clear, and which files are taken", CLI_GROUP_NAMES, CLI_PLAIN, NULL,
    verb_policy },
  { "config", 0, 2, "[KEY [VALUE]]", "Show or change settings", CLI_GROUP_NAMES, CLI_COLUMNS, config_options,
    verb_config },
  { "verify", 1, 1, "PEER", "Make sure with the other user that nobody is in between", CLI_GROUP_TRUST, CLI_PLAIN,
    verify_options, verb_verify },
  { "trust", 1, 1, "PEER --fingerprint FP | URI", "Bind a peer to the key that its user told you", CLI_GROUP_TRUST, CLI_PLAIN, trust_options,
    verb_trust },
  { "id", 0, 0, "", "Show your own fingerprint", CLI_GROUP_TRUST, CLI_PLAIN, id_options, verb_id },
  { "trace", 1, 1, "PEER", "Show the XML of a peer's stream as it passes", CLI_GROUP_TROUBLE, CLI_PLAIN, trace_options,
    verb_trace },
  { "daemon", 0, 0, "", "Run what all other verbs talk to", CLI_GROUP_PLUMBING, CLI_PLAIN, daemon_options,
    verb_daemon },
  { "complete", 0, -1, "WORD…", "Complete the last word, for shells", CLI_GROUP_PLUMBING, CLI_RAW, NULL,
    verb_complete },
  { "version", 0, 0, "", "Show version, protocol and features", CLI_GROUP_PLUMBING, CLI_PLAIN, NULL, verb_version },
  { "help", 0, 1, "[VERB]", "Show the manual or all verbs", CLI_GROUP_PLUMBING, CLI_PLAIN, NULL, verb_help },
  { NULL },
};

const CliRow *
cli_rows (void)
{
  return rows;
}

const CliRow *
cli_find_row (const char *name)
{
  for (const CliRow *row = rows; row->name != NULL; row++)
    if (g_str_equal (row->name, name))
      return row;
  return NULL;
}

static const CliOption *
own_options (const CliRow *row)
{
  return row->options != NULL ? row->options : no_options;
}

static const CliOption *
columns_of (const CliRow *row)
{
  return row->flags & CLI_COLUMNS ? column_options : no_options;
}

/* talk -------------------------------------------------------------------------------------------------------- */

void
cli_note (const char *format, ...)
{
  g_autofree char *text = NULL, *shown = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  shown = text_escape (text, TEXT_ESCAPE_MULTILINE);
  fflush (stdout);
  fprintf (stderr, "hearby: %s\n", shown);
}

void
cli_print_error (const GError *error)
{
  g_auto (GStrv) lines = g_strsplit (error->message, "\n", 3);

  cli_note ("error: %s", lines[0]);
  if (lines[0] != NULL && lines[1] != NULL)
    cli_note ("hint: %s", lines[1]);
}

void
cli_add_json_error (JsonBuilder *builder, const GError *error)
{
  g_auto (GStrv) lines = g_strsplit (error->message, "\n", 3);

  json_builder_set_member_name (builder, "error");
  json_builder_begin_object (builder);
  format_json_string (builder, "name", error_name (error_code (error)));
  format_json_string (builder, "message", lines[0]);
  format_json_string (builder, "hint", lines[0] != NULL ? lines[1] : NULL);
  json_builder_end_object (builder);
}

int
cli_usage (Cli *cli, GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "%s\n'hearby %s -h' shows how to use it", text,
               cli->row->name);
  return -1;
}

static void
print_options (const CliOption *options)
{
  for (; options->name != NULL; options++)
    {
      const char letter[] = { '-', options->letter, ',', ' ', '\0' };
      g_autofree char *left = g_strconcat (options->letter != 0 ? letter : "    ", "--", options->name,
                                           options->argument != NULL ? "=" : NULL, options->argument, NULL);

      printf ("  %-26s %s\n", left, options->help);
    }
}

void
cli_print_help (const CliRow *row)
{
  printf ("hearby %s%s%s%s\n%s\n\n", row->name, own_options (row)->name != NULL ? " [OPTION…]" : "",
          *row->synopsis != '\0' ? " " : "", row->synopsis,
          row->help);
  print_options (own_options (row));
  print_options (columns_of (row));
  print_options (common_options);
}

/* options ------------------------------------------------------------------------------------------------------ */

const char *
cli_option (Cli *cli, const char *name)
{
  GPtrArray *values = g_hash_table_lookup (cli->options, name);

  return values != NULL ? g_ptr_array_index (values, values->len - 1) : NULL;
}

const char **
cli_option_all (Cli *cli, const char *name)
{
  GPtrArray *values = g_hash_table_lookup (cli->options, name);
  guint n = values != NULL ? values->len : 0;
  const char **all = g_new0 (const char *, n + 1);

  for (guint i = 0; i < n; i++)
    all[i] = g_ptr_array_index (values, i);
  return all;
}

gboolean
cli_duration (Cli *cli, const char *name, gint64 *seconds, GError **error)
{
  const char *value = cli_option (cli, name);

  if (value == NULL || text_parse_duration (value, seconds))
    return TRUE;
  cli_usage (cli, error, "'%s' is no time such as 30, 5m, 1h, 2d or none", value);
  return FALSE;
}

gboolean
cli_sending (Cli *cli, GVariantDict *options, GError **error)
{
  static const char *const flags[] = { "now", "plaintext" };
  const char *id = cli_option (cli, "id");
  gint64 expire = -1;

  if (!cli_duration (cli, "expire", &expire, error))
    return FALSE;
  if (expire == 0 || expire > LIMIT_EXPIRE_S)
    return cli_usage (cli, error, "--expire is at least a second and at most %d days", LIMIT_EXPIRE_S / (24 * 3600)) == 0;
  if (id != NULL && (*id == '\0' || !g_utf8_validate (id, -1, NULL) || strlen (id) > LIMIT_ID))
    return cli_usage (cli, error, "--id wants a word of at most %d bytes", LIMIT_ID) == 0;
  if (expire > 0)
    g_variant_dict_insert (options, "expire", "x", expire);
  if (id != NULL)
    g_variant_dict_insert (options, "id", "s", id);
  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    if (cli_has (cli, flags[i]))
      g_variant_dict_insert (options, flags[i], "b", TRUE);
  return TRUE;
}

gboolean
cli_number (Cli *cli, const char *name, guint64 least, guint64 most, guint64 *number, GError **error)
{
  const char *value = cli_option (cli, name);

  if (value == NULL || g_ascii_string_to_unsigned (value, 10, least, most, number, NULL))
    return TRUE;
  cli_usage (cli, error, "'%s' is not a number for --%s", value, name);
  return FALSE;
}

static void
keep_option (Cli *cli, const char *name, const char *value)
{
  GPtrArray *values = g_hash_table_lookup (cli->options, name);

  if (values == NULL)
    g_hash_table_insert (cli->options, (gpointer) name, values = g_ptr_array_new_with_free_func (g_free));
  g_ptr_array_add (values, g_strdup (value != NULL ? value : ""));
}

/* Appends @from to what getopt_long() wants to know. */
static void
append_options (const CliOption *from, GArray *wanted, GString *letters)
{
  for (; from->name != NULL; from++)
    {
      struct option option
          = { from->name, from->argument != NULL ? required_argument : no_argument, NULL, from->letter };

      g_array_append_val (wanted, option);
      if (from->letter != 0)
        g_string_append_printf (letters, "%c%s", from->letter, from->argument != NULL ? ":" : "");
    }
}

static const char *
name_of_letter (GArray *wanted, int letter)
{
  for (guint i = 0; i < wanted->len; i++)
    if (g_array_index (wanted, struct option, i).val == letter)
      return g_array_index (wanted, struct option, i).name;
  return NULL;
}

/* getopt_long() over @argv, whose first word is the verb and which ends before "--". */
static gboolean
parse_options (Cli *cli, int argc, char **argv, GError **error)
{
  g_autoptr (GArray) wanted = g_array_new (TRUE, TRUE, sizeof (struct option));
  g_autoptr (GString) letters = g_string_new (":");
  int c, index = 0;

  append_options (own_options (cli->row), wanted, letters);
  append_options (columns_of (cli->row), wanted, letters);
  append_options (common_options, wanted, letters);
  opterr = 0;
  optind = 0;
  while ((c = getopt_long (argc, argv, letters->str, (struct option *) (gpointer) wanted->data, &index)) != -1)
    {
      const char *name = c == 0 ? g_array_index (wanted, struct option, index).name : name_of_letter (wanted, c);

      if (c == '?')
        cli_usage (cli, error, "'%s' does not know the option '%s'", cli->row->name, argv[optind - 1]);
      else if (c == ':')
        cli_usage (cli, error, "the option '%s' wants a value", argv[optind - 1]);
      else
        {
          keep_option (cli, name, optarg);
          continue;
        }
      return FALSE;
    }
  return TRUE;
}

static gboolean
parse_colour (Cli *cli, FormatColour *colour, GError **error)
{
  static const char *const names[] = { "auto", "always", "never" };
  const char *value = cli_option (cli, "color");

  *colour = FORMAT_COLOUR_AUTO;
  if (value == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (value, names[i]))
      {
        *colour = (FormatColour) i;
        return TRUE;
      }
  cli_usage (cli, error, "--color is auto, always or never, not '%s'", value);
  return FALSE;
}

static gboolean
check_count (Cli *cli, GError **error)
{
  int n = (int) cli->n_args;

  if (cli_has (cli, "help"))
    return TRUE;
  if (n < cli->row->least)
    return cli_usage (cli, error, "'%s' wants %s", cli->row->name, cli->row->synopsis) == 0;
  if (cli->row->most >= 0 && n > cli->row->most)
    return cli_usage (cli, error, "'%s' is one argument too many", cli->args[cli->row->most]) == 0;
  return TRUE;
}

/* @argv starts with the verb. Even where it fails cli->format is usable, so that a script gets its JSON. */
static gboolean
parse (Cli *cli, int argc, char **argv, GError **error)
{
  g_autofree char **mine = g_memdup2 (argv, (gsize) (argc + 1) * sizeof *argv);
  g_autoptr (GPtrArray) args = g_ptr_array_new ();
  FormatColour colour;
  gboolean ok;
  int end = 0;

  while (end < argc && (cli->row->flags & CLI_RAW || !g_str_equal (argv[end], "--")))
    end++;
  mine[end] = NULL;
  optind = 1;
  ok = cli->row->flags & CLI_RAW || parse_options (cli, end, mine, error);
  cli->format.json = cli_has (cli, "json") || (!ok && g_strv_contains ((const char *const *) mine, "--json"));
  if (!ok || !parse_colour (cli, &colour, error))
    return FALSE;
  format_init (&cli->format, colour);
  cli->format.terse = cli_has (cli, "terse");
  cli->format.columns = cli_option (cli, "fields");
  cli->no_input = cli_has (cli, "no-input") || g_getenv ("HEARBY_NO_INPUT") != NULL;
  for (int i = optind; i < end; i++)
    g_ptr_array_add (args, mine[i]);
  cli->n_before = args->len;
  for (int i = end + 1; i < argc; i++)
    g_ptr_array_add (args, argv[i]);
  cli->n_args = args->len;
  g_ptr_array_add (args, NULL);
  cli->args = (char **) g_ptr_array_free (g_steal_pointer (&args), FALSE);
  return check_count (cli, error);
}

/* running -------------------------------------------------------------------------------------------------------- */

static gboolean
on_time_over (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_CONTINUE;
}

gboolean
cli_wait (const gboolean *done, gint64 seconds)
{
  gboolean late = FALSE;
  guint timer = seconds >= 0 ? g_timeout_add_seconds ((guint) MIN (seconds, G_MAXINT / 1000), on_time_over, &late) : 0;

  while (!*done && !late)
    g_main_context_iteration (NULL, TRUE);
  if (timer != 0)
    g_source_remove (timer);
  return *done;
}

/* What the verb said about itself becomes what the caller sees. */
static int
finish (Cli *cli, int status, GError *error)
{
  if (status >= 0)
    error = NULL;
  if (error != NULL)
    {
      cli_print_error (error);
      if (cli->format.json && cli->result == NULL)
        cli->result = format_json_begin ();
      if (cli->result != NULL)
        cli_add_json_error (cli->result, error);
      status = error_exit_code (error_code (error));
    }
  if (cli->result != NULL)
    format_json_end (g_steal_pointer (&cli->result));
  if (fflush (stdout) != 0 || ferror (stdout))
    {
      cli_note ("error: cannot write the output: %s", g_strerror (errno));
      return status != 0 ? status : error_exit_code (HEARBY_ERROR_FILE_ERROR);
    }
  return status;
}

static int
run (const CliRow *row, int argc, char **argv, CliDaemon run_daemon)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) options
      = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_ptr_array_unref);
  Cli cli = { .row = row, .options = options, .run_daemon = run_daemon };
  int status = -1;

  if (parse (&cli, argc, argv, &error))
    {
      if (cli_has (&cli, "help"))
        {
          cli_print_help (row);
          status = 0;
        }
      else
        status = row->run (&cli, &error);
    }
  status = finish (&cli, status, error);
  g_free (cli.args);
  return status;
}

static int
run_without_verb (const char *word)
{
  g_autoptr (GError) error = NULL;

  if (word == NULL)
    g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "what shall be done?\n'hearby -h' lists the verbs");
  else if (*word == '-')
    g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                 "'%s' stands before the verb\noptions go after it: hearby VERB %s", word, word);
  else
    g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "there is no verb '%s'\n'hearby -h' lists them",
                 word);
  cli_print_error (error);
  return error_exit_code (error_code (error));
}

int
cli_main (int argc, char **argv, CliDaemon run_daemon)
{
  const char *word = argc > 1 ? argv[1] : NULL;
  const CliRow *row = word != NULL ? cli_find_row (word) : NULL;
  Format plain = { 0 };

  setlocale (LC_ALL, "");
  if (row != NULL)
    return run (row, argc - 1, argv + 1, run_daemon);
  if (g_strcmp0 (word, "--version") == 0)
    version_print (&plain);
  else if (g_strcmp0 (word, "-h") == 0 || g_strcmp0 (word, "--help") == 0)
    help_overview (FALSE);
  else
    return run_without_verb (word);
  return 0;
}
