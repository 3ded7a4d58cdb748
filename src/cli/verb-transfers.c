/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/transfer-view.h"
#include "cli/view.h"

#define PAGE 1000
#define LATELY_US (24 * 3600 * (gint64) G_USEC_PER_SEC)

static const char *const titles[] = { "id",    "dir",         "peer", "what",   "size", "state",   "note",      "name",
                                      "files", "transferred", "rate", "reason", "path", "created", "encrypted", NULL };
#define TITLES_SHOWN 7

/* Page by page, as the daemon bounds its answers, from the newest on. */
static GVariant *
get_page (Cli *cli, Client *client, guint64 before, GError **error)
{
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&filter, "before", "t", before);
  g_variant_dict_insert (&filter, "limit", "u", PAGE);
  if (!cli_has (cli, "all"))
    g_variant_dict_insert (&filter, "changed", "x", g_get_real_time () - LATELY_US);
  return client_transfers (client, g_variant_dict_end (&filter), error);
}

static gboolean
list_all (Cli *cli, Client *client, GPtrArray *to, GError **error)
{
  guint64 before = G_MAXINT64;
  gsize n = PAGE;

  while (n == PAGE)
    {
      g_autoptr (GVariant) page = get_page (cli, client, before, error);

      if (page == NULL)
        return FALSE;
      n = g_variant_n_children (page);
      for (gsize i = 0; i < n; i++)
        g_ptr_array_insert (to, (int) i, g_variant_get_child_value (page, i));
      if (n > 0)
        before = (guint64) dict_number (to->pdata[0], "id");
    }
  return TRUE;
}

static gboolean
list_some (Cli *cli, Client *client, GPtrArray *to, GError **error)
{
  for (guint i = 0; i < cli->n_args; i++)
    {
      GVariant *transfer = client_transfer (client, cli->args[i], error);

      if (transfer == NULL)
        return FALSE;
      g_ptr_array_add (to, transfer);
    }
  return TRUE;
}

/* What there is to do or to know; a command comes last, to be copied. */
static char *
note_of (GVariant *transfer)
{
  const char *state = dict_string (transfer, "state"), *reason = transfer_view_reason (dict_string (transfer, "reason"));
  g_autofree char *percent = g_strdup_printf ("%d%%", transfer_view_percent (transfer));
  g_autofree char *rate = format_size (dict_number (transfer, "rate")), *speed = g_strconcat (rate, "/s", NULL);
  g_autofree char *accept = g_strdup_printf ("hearby accept %" G_GINT64_FORMAT, dict_number (transfer, "id"));
  g_autofree char *other = transfer_view_other_name (transfer), *as = other != NULL ? g_strconcat ("as ", other, NULL) : NULL;
  GString *note = g_string_new (NULL);

  if (!dict_boolean (transfer, "encrypted"))
    view_append_note (note, "[plain]");
  if (!transfer_view_is_over (transfer) && transfer_view_percent (transfer) > 0)
    view_append_note (note, percent);
  if (dict_number (transfer, "rate") > 0 && g_str_equal (state, "active"))
    view_append_note (note, speed);
  if (as != NULL)
    view_append_note (note, as);
  if (*reason != '\0')
    view_append_note (note, reason);
  if (transfer_view_is_offer (transfer))
    view_append_note (note, accept);
  return g_string_free (note, FALSE);
}

static char *
number (gint64 value)
{
  return value >= 0 ? g_strdup_printf ("%" G_GINT64_FORMAT, value) : g_strdup ("");
}

static void
add_row (Cli *cli, FormatTable *table, GVariant *transfer)
{
  gint64 bytes = transfer_view_size (transfer);
  g_autofree char *id = transfer_view_id (transfer), *what = transfer_view_what (transfer), *note = note_of (transfer);
  g_autofree char *size = cli->format.terse || bytes < 0 ? number (bytes) : format_size (bytes);
  g_autofree char *files = number (dict_number (transfer, "file_count")), *rate = number (dict_number (transfer, "rate"));
  g_autofree char *moved = number (dict_number (transfer, "transferred"));
  g_autofree char *created = cli->format.terse ? text_format_time (dict_number (transfer, "created"))
                                               : format_time (dict_number (transfer, "created"));
  g_auto (GStrv) paths = transfer_view_paths (transfer);
  const char *values[] = { id, dict_string (transfer, "direction"), dict_string (transfer, "peer_name"), what, size,
                           dict_string (transfer, "state"), note, dict_string (transfer, "name"), files, moved, rate,
                           dict_string (transfer, "reason"), paths[0] != NULL ? paths[0] : "", created,
                           dict_boolean (transfer, "encrypted") ? "yes" : "no" };

  format_table_add (table, values);
}

/* What a table has no room for, of those that were asked for by their id. */
static void
print_details (Cli *cli, GVariant *transfer)
{
  g_autoptr (GVariantIter) failures = NULL;
  g_auto (GStrv) paths = transfer_view_paths (transfer);
  const char *path, *reason;

  for (guint i = 0; paths[i] != NULL; i++)
    {
      g_autofree char *shown = format_text (&cli->format, paths[i], TEXT_ESCAPE_LINE);
      g_autofree char *line = g_strdup_printf ("    %s\n", shown);

      format_print (line);
    }
  g_variant_lookup (transfer, "failures", "a(ss)", &failures);
  while (failures != NULL && g_variant_iter_next (failures, "(&s&s)", &path, &reason))
    {
      g_autofree char *shown = format_text (&cli->format, path, TEXT_ESCAPE_LINE);
      g_autofree char *line = g_strdup_printf ("    failed: %s: %s\n", shown, transfer_view_reason (reason));

      format_print (line);
    }
}

int
verb_transfers (Cli *cli, GError **error)
{
  g_autoptr (FormatTable) table = format_table_new (&cli->format, titles, TITLES_SHOWN, error);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_autoptr (Client) client = table != NULL ? client_open (CLIENT_MAY_START, error) : NULL;

  if (client == NULL || !(cli->n_args > 0 ? list_some (cli, client, list, error) : list_all (cli, client, list, error)))
    return -1;
  if (cli->format.json)
    {
      cli->result = format_json_begin ();
      transfer_view_list (cli->result, list);
      return 0;
    }
  for (guint i = 0; i < list->len; i++)
    add_row (cli, table, list->pdata[i]);
  format_table_print (table);
  for (guint i = 0; i < list->len && cli->n_args > 0 && !cli->format.terse; i++)
    print_details (cli, list->pdata[i]);
  return 0;
}
