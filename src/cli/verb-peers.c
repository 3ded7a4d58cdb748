/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/transfer-view.h"
#include "cli/view.h"

static const char *const titles[] = { "name",  "status",  "where",    "trust",  "note",   "instance",    "id",        "nick",
                                      "alias", "online",  "text",     "unread", "queued", "last_seen", "fingerprint", NULL };
#define SHOWN 5

/* Online first, then by name. */
static int
compare_peers (gconstpointer a, gconstpointer b)
{
  GVariant *one = *(GVariant *const *) a, *other = *(GVariant *const *) b;
  int order = dict_boolean (other, "Online") - dict_boolean (one, "Online");

  return order != 0 ? order : g_utf8_collate (dict_string (one, "Name"), dict_string (other, "Name"));
}

/* Peers that are to be shown, each a{sv}. */
static GPtrArray *
collect (GVariant *objects, gboolean only_online)
{
  GPtrArray *peers = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  GVariantIter iter;
  GVariant *interfaces;

  g_variant_iter_init (&iter, objects);
  while (g_variant_iter_next (&iter, "{o@a{sa{sv}}}", NULL, &interfaces))
    {
      GVariant *peer = g_variant_lookup_value (interfaces, CLIENT_PEER, G_VARIANT_TYPE_VARDICT);

      if (peer != NULL && !dict_boolean (peer, "Self") && (!only_online || dict_boolean (peer, "Online")))
        g_ptr_array_add (peers, g_variant_ref (peer));
      g_clear_pointer (&peer, g_variant_unref);
      g_variant_unref (interfaces);
    }
  g_ptr_array_sort (peers, compare_peers);
  return peers;
}

/* What it offers and nobody has answered. */
static void
append_offers (GString *note, GVariant *peer, GVariant *transfers)
{
  g_autoptr (GString) names = g_string_new (NULL), command = g_string_new ("hearby accept");
  g_autofree char *text = NULL;

  for (gsize i = 0; transfers != NULL && i < g_variant_n_children (transfers); i++)
    {
      g_autoptr (GVariant) transfer = g_variant_get_child_value (transfers, i);
      g_autofree char *what = transfer_view_what (transfer);

      if (!transfer_view_is_offer (transfer) || !g_str_equal (client_path_id (dict_string (transfer, "peer")), dict_string (peer, "Id")))
        continue;
      view_append_note (names, what);
      g_string_append_printf (command, " %" G_GINT64_FORMAT, dict_number (transfer, "id"));
    }
  if (names->len == 0)
    return;
  text = g_strdup_printf ("offers %s: %s", names->str, command->str);
  view_append_note (note, text);
}

static char *
note_of (GVariant *peer, GVariant *transfers)
{
  GString *note = g_string_new (NULL);
  g_autofree char *unread = g_strdup_printf ("%" G_GINT64_FORMAT " unread", dict_number (peer, "Unread"));
  g_autofree char *queued = g_strdup_printf ("%" G_GINT64_FORMAT " queued", dict_number (peer, "Queued"));
  const char *looks_like = dict_string (peer, "LooksLike");
  g_autofree char *alike = g_strdup_printf ("looks like %s", looks_like);

  if (dict_number (peer, "Unread") > 0)
    view_append_note (note, unread);
  if (dict_number (peer, "Queued") > 0)
    view_append_note (note, queued);
  if (*dict_string (peer, "StatusText") != '\0')
    view_append_note (note, dict_string (peer, "StatusText"));
  if (*looks_like != '\0')
    view_append_note (note, alike);
  if (g_str_equal (dict_string (peer, "Trust"), "plain"))
    view_append_note (note, "not encrypted (XEP-0174)");
  view_append_alarms (note, peer);
  append_offers (note, peer, transfers); /* at the end, as its command is there to be copied */
  return g_string_free (note, FALSE);
}

static void
add_row (FormatTable *table, GVariant *peer, GVariant *transfers)
{
  g_autofree char *place = view_peer_place (peer);
  g_autofree char *note = note_of (peer, transfers);
  g_autofree char *unread = g_strdup_printf ("%" G_GINT64_FORMAT, dict_number (peer, "Unread"));
  g_autofree char *queued = g_strdup_printf ("%" G_GINT64_FORMAT, dict_number (peer, "Queued"));
  gint64 last = dict_number (peer, "LastSeen");
  g_autofree char *seen = last > 0 ? text_format_time (last) : g_strdup ("");
  const char *values[] = { dict_string (peer, "Name"),
                           view_peer_word (peer),
                           place,
                           dict_string (peer, "Trust"),
                           note,
                           dict_string (peer, "Instance"),
                           dict_string (peer, "Id"),
                           dict_string (peer, "Nick"),
                           dict_string (peer, "Alias"),
                           dict_boolean (peer, "Online") ? "yes" : "no",
                           dict_string (peer, "StatusText"),
                           unread,
                           queued,
                           seen,
                           dict_string (peer, "Fingerprint") };

  format_table_add (table, values);
}

static void
begin_json (Cli *cli, GPtrArray *peers)
{
  cli->result = format_json_begin ();
  json_builder_set_member_name (cli->result, "peers");
  json_builder_begin_array (cli->result);
  for (guint i = 0; i < peers->len; i++)
    {
      json_builder_begin_object (cli->result);
      view_peer (cli->result, peers->pdata[i]);
      json_builder_end_object (cli->result);
    }
  json_builder_end_array (cli->result);
}

/* NULL where that cannot be asked: the peers are what was wanted. */
static GVariant *
list_open (Client *client)
{
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&filter, "open", "b", TRUE);
  return client_transfers (client, g_variant_dict_end (&filter), NULL);
}

/* Why the list may be shorter than it should. */
static void
note_problems (Client *client)
{
  g_autoptr (GVariant) manager = client_properties (client, CLIENT_ROOT, CLIENT_MANAGER, NULL);
  g_autoptr (GVariant) health = manager != NULL ? g_variant_lookup_value (manager, "Health", G_VARIANT_TYPE_VARDICT) : NULL;
  g_autofree const char **problems = NULL;

  if (health == NULL || !g_variant_lookup (health, "problems", "^a&s", &problems))
    return;
  for (guint i = 0; problems[i] != NULL; i++)
    cli_note ("%s", problems[i]);
}

int
verb_peers (Cli *cli, GError **error)
{
  g_autoptr (FormatTable) table = format_table_new (&cli->format, titles, SHOWN, error);
  g_autoptr (Client) client = table != NULL ? client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, error) : NULL;
  g_autoptr (GVariant) objects = NULL, transfers = NULL;
  g_autoptr (GPtrArray) peers = NULL;

  if (client == NULL || !client_settle (client, error))
    return -1;
  objects = client_objects (client, error);
  if (objects == NULL)
    return -1;
  peers = collect (objects, cli_has (cli, "online"));
  if (!cli->format.json)
    transfers = list_open (client);
  if (cli->format.json)
    begin_json (cli, peers);
  for (guint i = 0; i < peers->len; i++)
    add_row (table, peers->pdata[i], transfers);
  if (!cli->format.json)
    format_table_print (table);
  if (peers->len == 0 && cli->format.tty && !cli->format.json)
    cli_note ("nobody else is here");
  note_problems (client);
  return 0;
}
