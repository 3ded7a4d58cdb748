/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/transfer-view.h"
#include "cli/transfer-wait.h"

/* reject, cancel, pause, resume: a method without arguments on each transfer that is named. */
static int
steer (Cli *cli, const char *method, GError **error)
{
  g_autoptr (Client) client = client_open (CLIENT_MAY_START, error);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_autofree GError **errors = g_new0 (GError *, cli->n_args);

  for (guint i = 0; client != NULL && i < cli->n_args; i++)
    {
      g_autoptr (GVariant) transfer = client_transfer (client, cli->args[i], &errors[i]);
      GVariant *after;

      if (transfer == NULL || !client_transfer_call (client, transfer, method, &errors[i]) || !cli->format.json)
        continue;
      after = client_transfer (client, cli->args[i], NULL);
      if (after != NULL)
        g_ptr_array_add (list, after);
    }
  if (client == NULL)
    return -1;
  if (cli->format.json && list->len > 0)
    {
      cli->result = format_json_begin ();
      transfer_view_list (cli->result, list);
    }
  return transfer_wait_judge (errors, cli->n_args, error) ? 0 : -1;
}

int
verb_reject (Cli *cli, GError **error)
{
  return steer (cli, "Reject", error);
}

int
verb_cancel (Cli *cli, GError **error)
{
  return steer (cli, "Cancel", error);
}

int
verb_pause (Cli *cli, GError **error)
{
  return steer (cli, "Pause", error);
}

int
verb_resume (Cli *cli, GError **error)
{
  return steer (cli, "Resume", error);
}
