/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"

static const char *const headings[] = {
  [CLI_GROUP_TALK] = "Talk",
  [CLI_GROUP_FILES] = "Files",
  [CLI_GROUP_NAMES] = "Names and rules",
  [CLI_GROUP_TRUST] = "Who is who",
  [CLI_GROUP_TROUBLE] = "When something is wrong",
  [CLI_GROUP_PLUMBING] = "Plumbing",
};

/* Whether it has a line on the first screen. */
static gboolean
is_common (const CliRow *row)
{
  return row->group < CLI_GROUP_NAMES && !(row->flags & CLI_RARE);
}

static void
print_group (CliGroup group, gboolean all)
{
  printf ("\n%s:\n", headings[group]);
  for (const CliRow *row = cli_rows (); row->name != NULL; row++)
    if (row->group == group && (all || is_common (row)))
      printf ("  %-10s %s\n", row->name, row->help);
}

/* What does not fit on one screen. */
static void
print_others (void)
{
  const char *before = "\nAlso: ";

  for (const CliRow *row = cli_rows (); row->name != NULL; row++)
    if (!is_common (row) && row->group != CLI_GROUP_PLUMBING)
      {
        printf ("%s%s", before, row->name);
        before = ", ";
      }
  puts ("");
}

void
help_overview (gboolean all)
{
  CliGroup last = all ? CLI_GROUP_PLUMBING : CLI_GROUP_TRUST;

  puts ("hearby VERB [OPTION…] [ARGUMENT…]\nTalk to people on your own link and give them files, without a server.");
  for (CliGroup group = CLI_GROUP_TALK; group <= last; group++)
    print_group (group, all);
  if (!all)
    print_others ();
  printf ("%s'hearby VERB -h' explains one verb, %s\n", all ? "\n" : "",
          all ? "hearby(1) everything." : "'hearby help' is the manual or all verbs.");
}

/* Becomes man(1) where a person looks and the page is there; returns otherwise. */
static void
try_manual (void)
{
  g_autoptr (GSubprocess) where = NULL;

  if (!isatty (STDIN_FILENO) || !isatty (STDOUT_FILENO))
    return;
  where = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL, "man", "-w",
                            "hearby", NULL);
  if (where != NULL && g_subprocess_wait_check (where, NULL, NULL))
    execlp ("man", "man", "hearby", (char *) NULL);
}

static void
begin_json (Cli *cli, const CliRow *only)
{
  cli->result = format_json_begin ();
  json_builder_set_member_name (cli->result, "verbs");
  json_builder_begin_array (cli->result);
  for (const CliRow *row = cli_rows (); row->name != NULL; row++)
    if (only == NULL || only == row)
      {
        json_builder_begin_object (cli->result);
        format_json_string (cli->result, "name", row->name);
        format_json_string (cli->result, "synopsis", row->synopsis);
        format_json_string (cli->result, "help", row->help);
        json_builder_end_object (cli->result);
      }
  json_builder_end_array (cli->result);
}

int
verb_help (Cli *cli, GError **error)
{
  const CliRow *row = cli->n_args > 0 ? cli_find_row (cli->args[0]) : NULL;

  if (cli->n_args > 0 && row == NULL)
    return cli_usage (cli, error, "there is no verb '%s'", cli->args[0]);
  if (cli->format.json)
    {
      begin_json (cli, row);
      return 0;
    }
  try_manual ();
  if (row != NULL)
    cli_print_help (row);
  else
    help_overview (TRUE);
  return 0;
}
