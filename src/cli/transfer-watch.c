/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/transfer-watch.h"

#include <string.h>

#include "cli/format.h"
#include "cli/transfer-view.h"

struct _TransferWatch
{
  Client      *client;
  TransferFunc func;
  gpointer     data;
  gboolean     all;
  GHashTable  *known; /* id (char *) → GVariant a{sv}, or NULL of one that was only added */
};

/* Properties of Transfer1 that move, and what ListTransfers calls them. */
static const char *const names[][2] = {
  { "State", "state" },          { "Reason", "reason" },          { "Size", "size" },
  { "Transferred", "transferred" }, { "Rate", "rate" },           { "ExpectedEndTime", "expected_end_time" },
  { "FileCount", "file_count" }, { "NamedCount", "named_count" }, { "EntryCount", "entry_count" }, { "Files", "files" },
  { "Encrypted", "encrypted" },  { "Expires", "expires" },        { "Destination", "destination" },
};

static void
unref_known (gpointer transfer)
{
  g_clear_pointer (&transfer, g_variant_unref);
}

TransferWatch *
transfer_watch_new (Client *client, TransferFunc func, gpointer data)
{
  TransferWatch *watch = g_new0 (TransferWatch, 1);

  watch->client = client;
  watch->func = func;
  watch->data = data;
  watch->all = TRUE;
  watch->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, unref_known);
  return watch;
}

void
transfer_watch_free (TransferWatch *watch)
{
  if (watch == NULL)
    return;
  g_hash_table_unref (watch->known);
  g_free (watch);
}

void
transfer_watch_add (TransferWatch *watch, guint64 id)
{
  g_autofree char *key = g_strdup_printf ("%" G_GUINT64_FORMAT, id);

  watch->all = FALSE;
  if (!g_hash_table_contains (watch->known, key))
    g_hash_table_insert (watch->known, g_steal_pointer (&key), NULL);
}

GVariant *
transfer_watch_peek (TransferWatch *watch, guint64 id)
{
  g_autofree char *key = g_strdup_printf ("%" G_GUINT64_FORMAT, id);

  return g_hash_table_lookup (watch->known, key);
}

/* one transfer ---------------------------------------------------------------------------------------------------- */

static gboolean
same_text (GVariant *one, GVariant *other, const char *key)
{
  return g_str_equal (dict_string (one, key), dict_string (other, key));
}

/* Takes @now. Signals that were on the way while we asked tell older states: of one that is over they are not heard. */
static void
set_transfer (TransferWatch *watch, const char *id, GVariant *now)
{
  g_autoptr (GVariant) kept = now;
  GVariant *before = g_hash_table_lookup (watch->known, id);
  gboolean told = before != NULL && transfer_view_is_over (before);
  gboolean same = before != NULL && same_text (before, now, "state") && same_text (before, now, "reason");

  if (told)
    return;
  g_hash_table_insert (watch->known, g_strdup (id), g_variant_ref (kept));
  watch->func (kept, same ? TRANSFER_NEWS_PROGRESS : TRANSFER_NEWS_STATE, watch->data);
}

/* Properties of Transfer1 over what ListTransfers said; a new one, not floating. */
static GVariant *
merge (GVariant *transfer, GVariant *properties)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (transfer);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (properties, names[i][0], NULL);

      if (value != NULL)
        g_variant_dict_insert_value (&dict, names[i][1], value);
    }
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static void
take_row (TransferWatch *watch, GVariant *row)
{
  g_autofree char *id = transfer_view_id (row);

  set_transfer (watch, id, g_variant_ref (row));
}

static void
take_rows (TransferWatch *watch, GVariant *rows)
{
  for (gsize i = 0; i < g_variant_n_children (rows); i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (rows, i);

      take_row (watch, row);
    }
}

/* FALSE where the daemon could not be asked. */
static gboolean
fetch (TransferWatch *watch, GVariant *filter)
{
  g_autoptr (GVariant) rows = client_transfers (watch->client, filter, NULL);

  if (rows != NULL)
    take_rows (watch, rows);
  return rows != NULL;
}

static GVariant *
filter_of_id (guint64 id)
{
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert_value (&filter, "ids", g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, &id, 1, sizeof id));
  return g_variant_dict_end (&filter);
}

/* @last: or NULL */
static void
tell_lost (TransferWatch *watch, const char *id, GVariant *last)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (last);
  g_autoptr (GVariant) transfer = NULL;

  g_variant_dict_insert (&dict, "id", "t", g_ascii_strtoull (id, NULL, 10));
  transfer = g_variant_ref_sink (g_variant_dict_end (&dict));
  watch->func (transfer, TRANSFER_NEWS_LOST, watch->data);
}

static void
fetch_one (TransferWatch *watch, const char *id)
{
  GVariant *before = g_hash_table_lookup (watch->known, id);
  g_autoptr (GVariant) last = before != NULL ? g_variant_ref (before) : NULL;
  g_autoptr (GVariant) rows = NULL;

  if (last != NULL && transfer_view_is_over (last))
    return;
  rows = client_transfers (watch->client, filter_of_id (g_ascii_strtoull (id, NULL, 10)), NULL);
  if (rows == NULL)
    return;
  if (g_variant_n_children (rows) > 0)
    take_rows (watch, rows);
  else if (!watch->all)
    tell_lost (watch, id, last);
  else
    g_hash_table_remove (watch->known, id);
}

/* all of them ----------------------------------------------------------------------------------------------------- */

/* What goes on now; what was known and is over meanwhile is asked for one by one. */
static void
fetch_open (TransferWatch *watch)
{
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&filter, "open", "b", TRUE);
  fetch (watch, g_variant_dict_end (&filter));
}

void
transfer_watch_refresh (TransferWatch *watch)
{
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer id;

  g_hash_table_iter_init (&iter, watch->known);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    g_ptr_array_add (ids, g_strdup (id));
  for (guint i = 0; i < ids->len; i++)
    fetch_one (watch, ids->pdata[i]);
  if (watch->all)
    fetch_open (watch);
}

static gboolean
is_wanted (TransferWatch *watch, const char *path)
{
  return g_str_has_prefix (path, CLIENT_TRANSFERS)
         && (watch->all || g_hash_table_contains (watch->known, client_path_id (path)));
}

static void
take_change (TransferWatch *watch, const char *id, GVariant *properties)
{
  GVariant *before = g_hash_table_lookup (watch->known, id);
  g_autoptr (GVariant) now = before != NULL ? merge (before, properties) : NULL;

  if (now == NULL || transfer_view_is_over (now)) /* the last values, failures and paths belong together */
    fetch_one (watch, id);
  else
    set_transfer (watch, id, g_steal_pointer (&now));
}

void
transfer_watch_signal (TransferWatch *watch, const char *path, const char *interface, const char *signal,
                       GVariant *arguments)
{
  g_autoptr (GVariant) properties = NULL;
  const char *object;

  if (g_str_equal (signal, "InterfacesAdded") && g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(oa{sa{sv}})")))
    {
      g_variant_get (arguments, "(&o@a{sa{sv}})", &object, NULL);
      if (is_wanted (watch, object))
        fetch_one (watch, client_path_id (object));
    }
  else if (!is_wanted (watch, path))
    return;
  else if (g_str_equal (signal, "PropertiesChanged") && g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(sa{sv}as)")))
    {
      g_variant_get (arguments, "(&s@a{sv}as)", &object, &properties, NULL);
      if (g_str_equal (object, CLIENT_TRANSFER))
        take_change (watch, client_path_id (path), properties);
    }
  else if (g_str_equal (signal, "Finished"))
    fetch_one (watch, client_path_id (path));
}
