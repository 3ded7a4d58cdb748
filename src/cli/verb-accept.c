/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/accept.h"
#include "cli/transfer-view.h"
#include "cli/transfer-wait.h"

typedef struct
{
  Cli          *cli;
  Client       *client;
  AcceptTarget  target;
  guint         n;      /* arguments that are ids */
  gboolean      waits;
  TransferWait *wait;
  GError      **errors; /* one for each id, or NULL */
} Accepting;

/* "accept 43 -" and "accept 43 --to DIR" */
static gboolean
parse (Accepting *accepting, GError **error)
{
  Cli *cli = accepting->cli;
  const char *to = cli_option (cli, "to"), *level = cli_option (cli, "wait");
  gboolean dash = cli->n_args > 1 && g_str_equal (cli->args[cli->n_args - 1], "-") && cli->n_before == cli->n_args;

  if (dash && to != NULL)
    return cli_usage (cli, error, "- and --to are two places") == 0;
  if (level != NULL && !g_str_equal (level, "none") && !g_str_equal (level, "done"))
    return cli_usage (cli, error, "--wait is none or done, not '%s'", level) == 0;
  accepting->n = cli->n_args - dash;
  if (!accept_parse (cli, dash ? "-" : to, &accepting->target, error))
    return FALSE;
  if (accepting->target.to_stdout && accepting->n > 1)
    return cli_usage (cli, error, "stdout has room for one transfer") == 0;
  if (accepting->target.to_stdout && g_strcmp0 (level, "none") == 0)
    return cli_usage (cli, error, "what goes to stdout is waited for") == 0;
  accepting->waits = accepting->target.to_stdout || g_strcmp0 (level, "done") == 0;
  return TRUE;
}

static void
accept_all (Accepting *accepting)
{
  for (guint i = 0; i < accepting->n; i++)
    {
      g_autoptr (GVariant) transfer = client_transfer (accepting->client, accepting->cli->args[i], &accepting->errors[i]);

      if (transfer != NULL && accept_call (accepting->client, transfer, &accepting->target, &accepting->errors[i]))
        transfer_wait_add (accepting->wait, (guint64) dict_number (transfer, "id"));
    }
}

static void
begin_json (Accepting *accepting)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (guint i = 0; i < accepting->n; i++)
    {
      GVariant *transfer = accepting->errors[i] == NULL ? client_transfer (accepting->client, accepting->cli->args[i], NULL) : NULL;

      if (transfer != NULL)
        g_ptr_array_add (list, transfer);
    }
  if (list->len == 0)
    return;
  accepting->cli->result = format_json_begin ();
  transfer_view_list (accepting->cli->result, list);
}

/* The errors of those that were accepted and then went wrong join those that could not be. */
static void
take_ends (Accepting *accepting)
{
  GPtrArray *list = transfer_wait_list (accepting->wait);

  for (guint i = 0, l = 0; i < accepting->n; i++)
    {
      if (accepting->errors[i] != NULL || l >= list->len)
        continue;
      if (!transfer_view_check (list->pdata[l], &accepting->errors[i]))
        transfer_view_tell_failures (list->pdata[l]);
      if (!accepting->cli->format.json && !accepting->target.to_stdout)
        transfer_view_print_paths (&accepting->cli->format, list->pdata[l]);
      l++;
    }
}

static int
run (Accepting *accepting, GError **error)
{
  gboolean ok = TRUE;

  accepting->client = client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, error);
  if (accepting->client == NULL)
    return -1;
  transfer_wait_begin (accepting->wait, accepting->client, accepting->waits ? TRANSFER_WAIT_OWNS : TRANSFER_WAIT_ONLY);
  accept_all (accepting);
  if (accepting->waits)
    ok = transfer_wait_run (accepting->wait, error);
  if (accepting->cli->format.json)
    begin_json (accepting);
  if (ok && accepting->waits)
    take_ends (accepting);
  if (transfer_wait_status (accepting->wait) != 0)
    return transfer_wait_status (accepting->wait);
  return ok && transfer_wait_judge (accepting->errors, accepting->n, error) ? 0 : -1;
}

int
verb_accept (Cli *cli, GError **error)
{
  Accepting accepting = { .cli = cli };
  int status = -1;

  accepting.errors = g_new0 (GError *, cli->n_args);
  accepting.wait = transfer_wait_new (cli, error);
  if (accepting.wait != NULL && parse (&accepting, error))
    status = run (&accepting, error);
  for (guint i = 0; i < cli->n_args; i++)
    g_clear_error (&accepting.errors[i]);
  g_free (accepting.errors);
  accept_clear (&accepting.target);
  transfer_wait_free (accepting.wait);
  client_close (accepting.client);
  return status;
}
