/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disco/sightings.h"

#include <string.h>

#include "base/limits.h"
#include "presence/name.h"

/* A sighting in the table. */
typedef struct
{
  Sighting *sighting;
  gboolean in_doubt;
} Entry;

struct _Sightings
{
  GHashTable *entries; /* key of a sighting → Entry */
  GHashTable *names;   /* folded instance → how many entries */
};

void
sighting_free (Sighting *sighting)
{
  if (sighting == NULL)
    return;
  g_free (sighting->instance);
  g_clear_object (&sighting->address);
  g_clear_pointer (&sighting->txt, g_ptr_array_unref);
  g_free (sighting);
}

static GPtrArray *
copy_txt (GPtrArray *txt)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  gsize total = 0;

  for (guint i = 0; txt != NULL && i < txt->len; i++)
    {
      gsize size = g_bytes_get_size (txt->pdata[i]);

      total += 1 + size;
      if (size > LIMIT_TXT_STRING || total > LIMIT_TXT)
        break;
      g_ptr_array_add (copy, g_bytes_ref (txt->pdata[i]));
    }
  return copy;
}

static GSocketAddress *
make_address (GSocketFamily family, const guint8 *bytes, gsize len, guint16 port, guint interface)
{
  g_autoptr (GInetAddress) address = NULL;

  if ((family != G_SOCKET_FAMILY_IPV4 || len != 4) && (family != G_SOCKET_FAMILY_IPV6 || len != 16))
    return NULL;
  address = g_inet_address_new_from_bytes (bytes, family);
  if (g_inet_address_get_is_any (address) || g_inet_address_get_is_multicast (address))
    return NULL;
  return g_object_new (
      G_TYPE_INET_SOCKET_ADDRESS, "address", address, "port", (guint) port, "scope-id",
      family == G_SOCKET_FAMILY_IPV6 && g_inet_address_get_is_link_local (address) ? interface : 0, NULL);
}

Sighting *
sighting_new (const char *instance, guint interface, GSocketFamily family, const guint8 *address,
              gsize address_len, guint16 port, GPtrArray *txt)
{
  g_autoptr (GSocketAddress) where = NULL;
  Sighting *sighting;
  gsize len = strlen (instance);

  if (len == 0 || len > LIMIT_INSTANCE || !g_utf8_validate (instance, (gssize) len, NULL) || port == 0
      || interface == 0)
    return NULL;
  where = make_address (family, address, address_len, port, interface);
  if (where == NULL)
    return NULL;
  sighting = g_new0 (Sighting, 1);
  sighting->instance = g_strdup (instance);
  sighting->interface = interface;
  sighting->family = family;
  sighting->address = g_steal_pointer (&where);
  sighting->txt = copy_txt (txt);
  return sighting;
}

Sighting *
sighting_copy (const Sighting *sighting)
{
  Sighting *copy = g_new0 (Sighting, 1);

  copy->instance = g_strdup (sighting->instance);
  copy->interface = sighting->interface;
  copy->family = sighting->family;
  copy->address = g_object_ref (sighting->address);
  copy->txt = copy_txt (sighting->txt);
  return copy;
}

static gboolean
txt_equal (GPtrArray *a, GPtrArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    if (!g_bytes_equal (a->pdata[i], b->pdata[i]))
      return FALSE;
  return TRUE;
}

gboolean
sighting_equal (const Sighting *a, const Sighting *b)
{
  GInetSocketAddress *x = G_INET_SOCKET_ADDRESS (a->address);
  GInetSocketAddress *y = G_INET_SOCKET_ADDRESS (b->address);

  /* The scope id follows from address and interface. */
  return g_str_equal (a->instance, b->instance) && a->interface == b->interface && a->family == b->family
         && g_inet_address_equal (g_inet_socket_address_get_address (x),
                                  g_inet_socket_address_get_address (y))
         && g_inet_socket_address_get_port (x) == g_inet_socket_address_get_port (y)
         && txt_equal (a->txt, b->txt);
}

static void
entry_free (Entry *entry)
{
  sighting_free (entry->sighting);
  g_free (entry);
}

static char *
make_key (const char *instance, guint interface, GSocketFamily family)
{
  g_autofree char *folded = name_fold (instance);

  return g_strdup_printf ("%u %d %s", interface, (int) family, folded);
}

Sightings *
sightings_new (void)
{
  Sightings *table = g_new0 (Sightings, 1);

  table->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) entry_free);
  table->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return table;
}

void
sightings_free (Sightings *table)
{
  if (table == NULL)
    return;
  g_hash_table_unref (table->entries);
  g_hash_table_unref (table->names);
  g_free (table);
}

/* FALSE where one more of this name would be too many. */
static gboolean
count_up (Sightings *table, const char *instance)
{
  g_autofree char *folded = name_fold (instance);
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (table->names, folded));

  if (n >= LIMIT_SIGHTINGS_PER_PEER || (n == 0 && g_hash_table_size (table->names) >= LIMIT_PEERS))
    return FALSE;
  g_hash_table_replace (table->names, g_steal_pointer (&folded), GUINT_TO_POINTER (n + 1));
  return TRUE;
}

static void
count_down (Sightings *table, const char *instance)
{
  g_autofree char *folded = name_fold (instance);
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (table->names, folded));

  if (n > 1)
    g_hash_table_replace (table->names, g_steal_pointer (&folded), GUINT_TO_POINTER (n - 1));
  else
    g_hash_table_remove (table->names, folded);
}

gboolean
sightings_put (Sightings *table, const Sighting *sighting)
{
  g_autofree char *key = make_key (sighting->instance, sighting->interface, sighting->family);
  Entry *entry = g_hash_table_lookup (table->entries, key);

  if (entry != NULL)
    {
      gboolean same = sighting_equal (entry->sighting, sighting);

      entry->in_doubt = FALSE;
      if (!same)
        {
          sighting_free (entry->sighting);
          entry->sighting = sighting_copy (sighting);
        }
      return !same;
    }
  if (!count_up (table, sighting->instance))
    return FALSE;
  entry = g_new0 (Entry, 1);
  entry->sighting = sighting_copy (sighting);
  g_hash_table_insert (table->entries, g_steal_pointer (&key), entry);
  return TRUE;
}

Sighting *
sightings_take (Sightings *table, const char *instance, guint interface, GSocketFamily family)
{
  g_autofree char *key = make_key (instance, interface, family);
  Entry *entry = g_hash_table_lookup (table->entries, key);
  Sighting *sighting;

  if (entry == NULL)
    return NULL;
  sighting = g_steal_pointer (&entry->sighting);
  g_hash_table_remove (table->entries, key);
  count_down (table, sighting->instance);
  return sighting;
}

GPtrArray *
sightings_list (Sightings *table, const char *instance)
{
  GPtrArray *list = g_ptr_array_new ();
  GHashTableIter iter;
  Entry *entry;

  g_hash_table_iter_init (&iter, table->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    if (name_equal (entry->sighting->instance, instance))
      g_ptr_array_add (list, entry->sighting);
  return list;
}

void
sightings_doubt (Sightings *table)
{
  GHashTableIter iter;
  Entry *entry;

  g_hash_table_iter_init (&iter, table->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    entry->in_doubt = TRUE;
}

GPtrArray *
sightings_take_doubted (Sightings *table)
{
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify) sighting_free);
  GHashTableIter iter;
  Entry *entry;

  g_hash_table_iter_init (&iter, table->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    if (entry->in_doubt)
      {
        count_down (table, entry->sighting->instance);
        g_ptr_array_add (list, g_steal_pointer (&entry->sighting));
        g_hash_table_iter_remove (&iter);
      }
  return list;
}
