/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/transfer-wait.h"

#include <glib-unix.h>
#include <signal.h>
#include <string.h>

#include "cli/progress.h"
#include "cli/transfer-view.h"
#include "cli/transfer-watch.h"

#define CANCEL_WAIT_S 5 /* for the other side to be told */

struct _TransferWait
{
  Cli               *cli;
  Client            *client; /* NULL before it began */
  gint64             timeout; /* s, or -1 */
  ProgressHow        how;
  TransferWatch     *watch;
  Progress          *progress;
  GArray            *ids;    /* guint64 */
  GPtrArray         *list;   /* GVariant */
  guint64            lost;   /* one that the daemon does not know, or 0 */
  gboolean           done;
  int                signal; /* that canceled them, or 0 */
  guint              sources[2];
};

TransferWait *
transfer_wait_new (Cli *cli, GError **error)
{
  g_autoptr (TransferWait) wait = g_new0 (TransferWait, 1);

  wait->cli = cli;
  wait->timeout = -1;
  wait->ids = g_array_new (FALSE, FALSE, sizeof (guint64));
  wait->list = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  if (!cli_duration (cli, "timeout", &wait->timeout, error) || !progress_parse (cli, &wait->how, error))
    return NULL;
  wait->progress = progress_new (wait->how, &cli->format);
  return g_steal_pointer (&wait);
}

static void
drop_signals (TransferWait *wait)
{
  for (guint i = 0; i < G_N_ELEMENTS (wait->sources); i++)
    {
      if (wait->sources[i] != 0)
        g_source_remove (wait->sources[i]);
      wait->sources[i] = 0;
    }
}

void
transfer_wait_free (TransferWait *wait)
{
  if (wait == NULL)
    return;
  drop_signals (wait);
  progress_free (wait->progress);
  transfer_watch_free (wait->watch);
  g_array_unref (wait->ids);
  g_ptr_array_unref (wait->list);
  g_free (wait);
}

/* news ------------------------------------------------------------------------------------------------------------ */

static void
check_done (TransferWait *wait)
{
  for (guint i = 0; i < wait->ids->len; i++)
    {
      GVariant *transfer = transfer_watch_peek (wait->watch, g_array_index (wait->ids, guint64, i));

      if (wait->lost == 0 && (transfer == NULL || !transfer_view_is_over (transfer)))
        return;
    }
  wait->done = wait->ids->len > 0;
}

static void
on_news (GVariant *transfer, TransferNews news, gpointer data)
{
  TransferWait *wait = data;

  if (news == TRANSFER_NEWS_LOST)
    wait->lost = (guint64) dict_number (transfer, "id");
  else
    progress_update (wait->progress, transfer, wait->ids->len > 1);
  check_done (wait);
}

static void
on_signal (const char *path, const char *interface, const char *signal, GVariant *arguments, gpointer data)
{
  TransferWait *wait = data;

  if (wait->ids->len > 0)
    transfer_watch_signal (wait->watch, path, interface, signal, arguments);
}

static void
on_connected (gpointer data)
{
  TransferWait *wait = data;

  if (wait->ids->len > 0)
    transfer_watch_refresh (wait->watch);
}

/* canceling ------------------------------------------------------------------------------------------------------- */

static void
cancel_all (TransferWait *wait)
{
  for (guint i = 0; i < wait->ids->len; i++)
    {
      GVariant *transfer = transfer_watch_peek (wait->watch, g_array_index (wait->ids, guint64, i));
      g_autoptr (GError) problem = NULL;

      if (transfer == NULL || transfer_view_is_over (transfer))
        continue;
      if (!client_transfer_call (wait->client, transfer, "Cancel", &problem))
        {
          progress_clear (wait->progress);
          cli_note ("transfer %" G_GINT64_FORMAT " is not canceled: %s", dict_number (transfer, "id"), problem->message);
        }
    }
}

/* From now on a second one ends the program as it always does. */
static gboolean
take_signal (TransferWait *wait, int number)
{
  wait->signal = number;
  wait->done = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (wait->sources); i++)
    if (wait->sources[i] != 0 && wait->sources[i] != g_source_get_id (g_main_current_source ()))
      g_source_remove (wait->sources[i]);
  wait->sources[0] = wait->sources[1] = 0;
  return G_SOURCE_REMOVE;
}

static gboolean
on_interrupt (gpointer data)
{
  return take_signal (data, SIGINT);
}

static gboolean
on_terminate (gpointer data)
{
  return take_signal (data, SIGTERM);
}

void
transfer_wait_begin (TransferWait *wait, Client *client, TransferWaitFlags flags)
{
  wait->client = client;
  wait->watch = transfer_watch_new (client, on_news, wait);
  if (flags & TRANSFER_WAIT_OWNS)
    {
      wait->sources[0] = g_unix_signal_add (SIGINT, on_interrupt, wait);
      wait->sources[1] = g_unix_signal_add (SIGTERM, on_terminate, wait);
    }
  client_follow (client, on_signal, on_connected, wait);
}

void
transfer_wait_forget_timeout (TransferWait *wait)
{
  wait->timeout = -1;
}

void
transfer_wait_add (TransferWait *wait, guint64 id)
{
  for (guint i = 0; i < wait->ids->len; i++)
    if (g_array_index (wait->ids, guint64, i) == id)
      return;
  g_array_append_val (wait->ids, id);
  transfer_watch_add (wait->watch, id);
}

/* results --------------------------------------------------------------------------------------------------------- */

static void
fill_list (TransferWait *wait)
{
  g_ptr_array_set_size (wait->list, 0);
  for (guint i = 0; i < wait->ids->len; i++)
    {
      GVariant *transfer = transfer_watch_peek (wait->watch, g_array_index (wait->ids, guint64, i));

      if (transfer != NULL)
        g_ptr_array_add (wait->list, g_variant_ref (transfer));
    }
}

static void
set_timeout (TransferWait *wait, GError **error)
{
  gboolean cancel = cli_has (wait->cli, "cancel-on-timeout");

  if (cancel)
    {
      cancel_all (wait);
      check_done (wait);
      cli_wait (&wait->done, CANCEL_WAIT_S);
    }
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_TIMEOUT, "it was not done in time%s",
               cancel ? "" : "\nit goes on; 'hearby transfers' tells how far it is");
}

gboolean
transfer_wait_run (TransferWait *wait, GError **error)
{
  gboolean in_time;

  on_connected (wait);
  in_time = wait->ids->len == 0 || cli_wait (&wait->done, wait->timeout);
  if (wait->signal != 0)
    {
      wait->done = FALSE;
      cancel_all (wait);
      check_done (wait);
      cli_wait (&wait->done, CANCEL_WAIT_S);
    }
  else if (!in_time)
    set_timeout (wait, error);
  else if (wait->lost != 0)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND,
                 "what became of transfer %" G_GUINT64_FORMAT " is not known any more", wait->lost);
  fill_list (wait);
  g_clear_pointer (&wait->progress, progress_free);
  wait->progress = progress_new (PROGRESS_NONE, &wait->cli->format);
  drop_signals (wait);
  return wait->signal != 0 || (in_time && wait->lost == 0);
}

int
transfer_wait_status (TransferWait *wait)
{
  return wait->signal != 0 ? 128 + wait->signal : 0;
}

GPtrArray *
transfer_wait_list (TransferWait *wait)
{
  return wait->list;
}

gboolean
transfer_wait_judge (GError **errors, guint n, GError **error)
{
  GError *first = NULL;
  guint failed = 0;

  for (guint i = 0; i < n; i++)
    failed += errors[i] != NULL;
  for (guint i = 0; i < n; i++)
    {
      if (errors[i] == NULL)
        continue;
      if (first == NULL && failed == n)
        first = g_steal_pointer (&errors[i]);
      else
        cli_note ("%.*s", (int) strcspn (errors[i]->message, "\n"), errors[i]->message);
      g_clear_error (&errors[i]);
    }
  if (first != NULL)
    g_propagate_error (error, first);
  else if (failed > 0)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_PARTIAL, "%u of %u failed", failed, n);
  return failed == 0;
}

gboolean
transfer_wait_check (TransferWait *wait, GError **error)
{
  g_autofree GError **errors = g_new0 (GError *, wait->list->len + 1);

  for (guint i = 0; i < wait->list->len; i++)
    if (!transfer_view_check (wait->list->pdata[i], &errors[i]))
      transfer_view_tell_failures (wait->list->pdata[i]);
  return transfer_wait_judge (errors, wait->list->len, error);
}
