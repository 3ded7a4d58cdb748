/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "base/error.h"
#include "cli/format.h"

/* The command line: a table of verbs, each a row here and a file verb-NAME.c; options, errors and exit codes are the
 * same for all. stdout is data, stderr is talk. */

typedef enum
{
  CLI_DAEMON_OFF_AIR,
  CLI_DAEMON_ON_AIR,
  CLI_DAEMON_PASSPHRASE, /* changes the key's, and ends */
} CliDaemonMode;

/* Runs the daemon in the foreground; returns the exit status. */
typedef int (*CliDaemon) (CliDaemonMode mode);

/* cli_main: what main() returns. */
int cli_main (int argc, char **argv, CliDaemon run_daemon);

typedef struct _Cli Cli;

/* What a verb does. Returns the exit status, or -1 with @error set, which becomes one line, one hint and the status that
 * belongs to its code. */
typedef int (*CliVerb) (Cli *cli, GError **error);

typedef struct
{
  const char *name;
  char        letter;   /* or 0 */
  const char *argument; /* what it is called in the help; NULL: the option takes none */
  const char *help;
} CliOption;

typedef enum
{
  CLI_GROUP_TALK,
  CLI_GROUP_FILES,
  CLI_GROUP_TRUST,
  CLI_GROUP_NAMES,
  CLI_GROUP_TROUBLE,
  CLI_GROUP_PLUMBING,
} CliGroup;

typedef enum
{
  CLI_PLAIN = 0,
  CLI_COLUMNS = 1 << 0, /* prints a table: --terse and --fields too */
  CLI_RAW = 1 << 1,     /* its arguments are not options (complete) */
  CLI_RARE = 1 << 2,    /* has no room on the first screen of the help */
} CliFlags;

typedef struct
{
  const char      *name;
  int              least, most; /* arguments; most -1: any number */
  const char      *synopsis;
  const char      *help;
  CliGroup         group;
  CliFlags         flags;
  const CliOption *options; /* ends in an empty one; NULL: only what all verbs have */
  CliVerb          run;
} CliRow;

struct _Cli
{
  const CliRow *row;
  char        **args;     /* what is no option */
  guint         n_args;
  guint         n_before; /* of these, how many came before "--" */
  GHashTable   *options;  /* name → GPtrArray of values */
  Format        format;
  gboolean      no_input;
  CliDaemon     run_daemon;
  JsonBuilder  *result; /* an object the verb has begun: an error is put into it instead of a second object */
};

/* cli_rows: all verbs, ends in an empty row. */
const CliRow *cli_rows (void);
const CliRow *cli_find_row (const char *name);

/* cli_option: the last value given for @name ("" for an option without argument), NULL where it was not given. */
const char *cli_option (Cli *cli, const char *name);
#define cli_has(cli, name) (cli_option ((cli), (name)) != NULL)

/* cli_option_all: all values in order, ends in NULL; the caller frees only the array. */
const char **cli_option_all (Cli *cli, const char *name);

/* cli_usage: a wrong use of @cli's verb: sets @error with the hint that leads to the verb's help. Returns -1. */
int cli_usage (Cli *cli, GError **error, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* cli_duration: the option @name as seconds into @seconds (which keeps its value where it was not given); -1 is "none". */
gboolean cli_duration (Cli *cli, const char *name, gint64 *seconds, GError **error);

/* cli_sending: what send and put have in common of the options of SendMessage and SendPaths: expire, id, now, plaintext. */
gboolean cli_sending (Cli *cli, GVariantDict *options, GError **error);

/* cli_number: the same for a whole number from @least to @most. */
gboolean cli_number (Cli *cli, const char *name, guint64 least, guint64 most, guint64 *number, GError **error);

/* cli_wait: runs the main loop until *@done or for @seconds (-1: without end). FALSE: the time is over. */
gboolean cli_wait (const gboolean *done, gint64 seconds);

/* cli_note: one line on stderr, "hearby: …". */
void cli_note (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* cli_print_error: "hearby: error: …" and "hearby: hint: …" on stderr. */
void cli_print_error (const GError *error);

/* cli_add_json_error: the member "error" of the open object. */
void cli_add_json_error (JsonBuilder *builder, const GError *error);

/* cli_print_help: one verb's screen. */
void cli_print_help (const CliRow *row);

int verb_accept (Cli *cli, GError **error);
int verb_add (Cli *cli, GError **error);
int verb_alias (Cli *cli, GError **error);
int verb_block (Cli *cli, GError **error);
int verb_cancel (Cli *cli, GError **error);
int verb_chat (Cli *cli, GError **error);
int verb_complete (Cli *cli, GError **error);
int verb_config (Cli *cli, GError **error);
int verb_daemon (Cli *cli, GError **error);
int verb_forget (Cli *cli, GError **error);
int verb_help (Cli *cli, GError **error);
int verb_history (Cli *cli, GError **error);
int verb_id (Cli *cli, GError **error);
int verb_listen (Cli *cli, GError **error);
int verb_pause (Cli *cli, GError **error);
int verb_peers (Cli *cli, GError **error);
int verb_policy (Cli *cli, GError **error);
int verb_put (Cli *cli, GError **error);
int verb_reject (Cli *cli, GError **error);
int verb_resume (Cli *cli, GError **error);
int verb_send (Cli *cli, GError **error);
int verb_status (Cli *cli, GError **error);
int verb_trace (Cli *cli, GError **error);
int verb_transfers (Cli *cli, GError **error);
int verb_trust (Cli *cli, GError **error);
int verb_verify (Cli *cli, GError **error);
int verb_version (Cli *cli, GError **error);
int verb_wait (Cli *cli, GError **error);

/* help_overview: the first screen; @all: the verbs too that few people need. */
void help_overview (gboolean all);
/* version_print: what --version says. */
void version_print (const Format *format);
