/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/wait-transfer.h"

#include "cli/accept.h"
#include "cli/presence-watch.h"
#include "cli/transfer-view.h"
#include "cli/transfer-wait.h"
#include "cli/transfer-watch.h"

/* The end of the transfers in @wait; what came is told on stdout unless that was the file's. */
static int
finish (Cli *cli, TransferWait *wait, gboolean quiet, GError **error)
{
  gboolean ok = transfer_wait_run (wait, error);
  GPtrArray *list = transfer_wait_list (wait);

  if (cli->format.json && list->len > 0)
    {
      cli->result = format_json_begin ();
      transfer_view_list (cli->result, list);
    }
  else if (!quiet && ok && list->len > 0)
    transfer_view_print_paths (&cli->format, list->pdata[0]);
  if (transfer_wait_status (wait) != 0)
    return transfer_wait_status (wait);
  return ok && transfer_wait_check (wait, error) ? 0 : -1;
}

int
wait_transfer (Cli *cli, GError **error)
{
  g_autoptr (Client) client = NULL;
  g_autoptr (TransferWait) wait = NULL;
  g_autoptr (GVariant) transfer = NULL;

  if (cli->n_args != 2)
    return cli_usage (cli, error, "'wait transfer' wants one ID; 'hearby transfers' lists them");
  wait = transfer_wait_new (cli, error);
  client = wait != NULL ? client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, error) : NULL;
  transfer = client != NULL ? client_transfer (client, cli->args[1], error) : NULL;
  if (transfer == NULL)
    return -1;
  transfer_wait_begin (wait, client, TRANSFER_WAIT_ONLY);
  transfer_wait_add (wait, (guint64) dict_number (transfer, "id"));
  return finish (cli, wait, FALSE, error);
}

/* offer ----------------------------------------------------------------------------------------------------------- */

typedef struct
{
  Cli           *cli;
  Client        *client;
  TransferWatch *watch;
  gint64         timeout; /* s, or -1 */
  GHashTable    *from;
  ViewTrust      trust;
  const char    *glob;    /* or NULL */
  gboolean       accepts;
  AcceptTarget   target;
  GVariant      *found;
  gboolean       done;
} Offer;

static gboolean
is_trusted (Offer *offer, const char *peer)
{
  g_autoptr (GVariant) properties = client_properties (offer->client, peer, CLIENT_PEER, NULL);

  return properties != NULL && view_trust_suffices (dict_string (properties, "Trust"), offer->trust);
}

static gboolean
matches (Offer *offer, GVariant *transfer)
{
  const char *peer = dict_string (transfer, "peer");

  return transfer_view_is_offer (transfer) && (offer->from == NULL || g_hash_table_contains (offer->from, peer))
         && (offer->glob == NULL || transfer_view_matches (transfer, offer->glob)) && is_trusted (offer, peer);
}

/* One that was answered elsewhere meanwhile is none any more, and another may come. */
static void
on_news (GVariant *transfer, TransferNews news, gpointer data)
{
  Offer *offer = data;
  g_autoptr (GError) problem = NULL;

  if (offer->done || news != TRANSFER_NEWS_STATE || !matches (offer, transfer))
    return;
  if (offer->target.to_stdout && (dict_number (transfer, "named_count") != 1 || transfer_view_is_folder (transfer)))
    {
      cli_note ("offer %" G_GINT64_FORMAT " is no single file for stdout", dict_number (transfer, "id"));
      return;
    }
  if (offer->accepts && !accept_call (offer->client, transfer, &offer->target, &problem))
    {
      cli_note ("offer %" G_GINT64_FORMAT " is not accepted: %s", dict_number (transfer, "id"), problem->message);
      return;
    }
  offer->found = g_variant_ref (transfer);
  offer->done = TRUE;
}

static void
on_signal (const char *path, const char *interface, const char *signal, GVariant *arguments, gpointer data)
{
  Offer *offer = data;

  transfer_watch_signal (offer->watch, path, interface, signal, arguments);
}

static void
on_connected (gpointer data)
{
  Offer *offer = data;

  transfer_watch_refresh (offer->watch);
}

static gboolean
parse (Offer *offer, GError **error)
{
  Cli *cli = offer->cli;
  const char *trust = cli_option (cli, "trust"), *where = cli_option (cli, "accept");

  offer->trust = VIEW_TRUST_PINNED;
  offer->glob = cli_option (cli, "name");
  offer->accepts = where != NULL;
  if (cli->n_args != 1)
    return cli_usage (cli, error, "'wait offer' takes only options; the peer goes with --from") == 0;
  return cli_duration (cli, "timeout", &offer->timeout, error) && (trust == NULL || view_parse_trust (trust, &offer->trust, error))
         && accept_parse (cli, where, &offer->target, error);
}

static gboolean
open_client (Offer *offer, GError **error)
{
  g_autofree const char **from = cli_option_all (offer->cli, "from");

  offer->client = client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, error);
  return offer->client != NULL && presence_watch_find (offer->client, from, &offer->from, error)
         && (offer->trust < VIEW_TRUST_PINNED
             || presence_watch_check_trust (offer->client, offer->from, offer->trust, from, error));
}

static int
print_found (Offer *offer)
{
  g_autofree char *id = transfer_view_id (offer->found), *line = g_strconcat (id, "\n", NULL);
  g_autoptr (GPtrArray) list = g_ptr_array_new ();

  if (offer->cli->format.json)
    {
      g_ptr_array_add (list, offer->found);
      offer->cli->result = format_json_begin ();
      transfer_view_list (offer->cli->result, list);
    }
  else
    format_print (line);
  return 0;
}

static int
wait_for_offer (Offer *offer, TransferWait *wait, GError **error)
{
  if (!parse (offer, error) || !open_client (offer, error))
    return -1;
  offer->watch = transfer_watch_new (offer->client, on_news, offer);
  client_follow (offer->client, on_signal, on_connected, offer);
  if (!cli_wait (&offer->done, offer->timeout))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_TIMEOUT, "it was not offered in time");
      return -1;
    }
  if (!offer->accepts)
    return print_found (offer);
  transfer_wait_forget_timeout (wait);
  transfer_wait_begin (wait, offer->client, TRANSFER_WAIT_OWNS);
  transfer_wait_add (wait, (guint64) dict_number (offer->found, "id"));
  return finish (offer->cli, wait, offer->target.to_stdout, error);
}

int
wait_offer (Cli *cli, GError **error)
{
  Offer offer = { .cli = cli, .timeout = -1 };
  g_autoptr (TransferWait) wait = transfer_wait_new (cli, error);
  int status = wait != NULL ? wait_for_offer (&offer, wait, error) : -1;

  transfer_watch_free (offer.watch);
  g_clear_pointer (&offer.from, g_hash_table_unref);
  g_clear_pointer (&offer.found, g_variant_unref);
  accept_clear (&offer.target);
  g_clear_pointer (&wait, transfer_wait_free);
  client_close (offer.client);
  return status;
}
