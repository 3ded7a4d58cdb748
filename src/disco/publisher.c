/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disco/publisher.h"

#include <avahi-common/error.h>

#include "disco/avahi-convert.h"
#include "disco/backend.h"
#include "presence/name.h"

#define GOODBYE_MS 400 /* for all of it */

struct _PublisherGroup
{
  Publisher *publisher;
  gpointer handle;
  AvahiIfIndex interface;
  AvahiEntryGroupState state;
};

struct _Publisher
{
  const PublisherClass *class;
  gpointer user_data;
  char *instance; /* NULL: nothing is published */
  guint16 port;
  GPtrArray *txt;
  GHashTable *groups; /* interface → PublisherGroup */
  gboolean was_established;
  int refusal; /* an error to tell */
  guint source;
};

static void
group_free (PublisherGroup *group)
{
  if (group->handle != NULL)
    group->publisher->class->close (group->handle, group->publisher->user_data);
  g_free (group);
}

Publisher *
publisher_new (const PublisherClass *class, gpointer user_data)
{
  Publisher *publisher = g_new0 (Publisher, 1);

  publisher->class = class;
  publisher->user_data = user_data;
  publisher->txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  publisher->groups = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) group_free);
  return publisher;
}

static void
drop_groups (Publisher *publisher)
{
  g_hash_table_remove_all (publisher->groups);
  g_clear_pointer (&publisher->instance, g_free);
  g_clear_handle_id (&publisher->source, g_source_remove);
  publisher->was_established = FALSE;
  publisher->refusal = AVAHI_OK;
}

void
publisher_free (Publisher *publisher)
{
  if (publisher == NULL)
    return;
  drop_groups (publisher);
  g_hash_table_unref (publisher->groups);
  g_ptr_array_unref (publisher->txt);
  g_free (publisher);
}

/* Avahi 0.8 keeps a goodbye back where another interface has the same record (is_duplicate_entry), so that of
 * several groups only the last one freed says it. A pointer that is published and freed at once says it for
 * each of the others. */
void
publisher_withdraw (Publisher *publisher)
{
  gint64 deadline = g_get_monotonic_time () + GOODBYE_MS * G_TIME_SPAN_MILLISECOND;
  g_autofree char *instance = g_strdup (publisher->instance);
  g_autofree gpointer *interfaces = NULL;
  guint n;

  interfaces = g_hash_table_get_keys_as_array (publisher->groups, &n);
  drop_groups (publisher);
  for (guint i = 0; i < n && n > 1 && instance != NULL && g_get_monotonic_time () < deadline; i++)
    publisher->class->goodbye (
        &(PublisherRecord){ .interface = GPOINTER_TO_INT (interfaces[i]), .instance = instance },
        publisher->user_data);
}

static gboolean
has_state (Publisher *publisher, AvahiEntryGroupState state, gboolean all)
{
  GHashTableIter iter;
  PublisherGroup *group;

  g_hash_table_iter_init (&iter, publisher->groups);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &group))
    if ((group->state == state) != all)
      return !all;
  return all;
}

static void
tell_collision (Publisher *publisher)
{
  g_autofree char *instance = g_strdup (publisher->instance);

  /* What was out has to go from the caches of links that the winner is not on, ours among them; on his link
   * he sees our goodbye and says his own record again (RFC 6762 10.1). What was never out needs none. */
  if (publisher->was_established)
    publisher_withdraw (publisher);
  else
    drop_groups (publisher);
  publisher->class->collision (instance, publisher->user_data);
}

static gboolean
on_changed (gpointer user_data)
{
  Publisher *publisher = user_data;
  int refusal = publisher->refusal;

  publisher->source = 0;
  publisher->refusal = AVAHI_OK;
  if (publisher->instance == NULL)
    return G_SOURCE_REMOVE;
  if (has_state (publisher, AVAHI_ENTRY_GROUP_COLLISION, FALSE))
    tell_collision (publisher);
  else if (refusal != AVAHI_OK)
    publisher->class->refused (refusal, publisher->user_data);
  else if (g_hash_table_size (publisher->groups) > 0
           && has_state (publisher, AVAHI_ENTRY_GROUP_ESTABLISHED, TRUE))
    {
      publisher->was_established = TRUE;
      publisher->class->established (publisher->instance, publisher->user_data);
    }
  return G_SOURCE_REMOVE;
}

static void
tell_soon (Publisher *publisher)
{
  if (publisher->source == 0)
    publisher->source = g_idle_add_full (G_PRIORITY_DEFAULT, on_changed, publisher, NULL);
}

void
publisher_group_changed (PublisherGroup *group, AvahiEntryGroupState state, int code)
{
  group->state = state;
  if (state == AVAHI_ENTRY_GROUP_FAILURE)
    group->publisher->refusal = code;
  tell_soon (group->publisher);
}

/* FALSE where the name is taken or refused; that is going to be told then. */
static gboolean
add_group (Publisher *publisher, AvahiIfIndex interface)
{
  AvahiStringList *txt = avahi_convert_from_txt (publisher->txt);
  PublisherRecord record = { interface, publisher->instance, publisher->port, txt };
  PublisherGroup *group = g_new0 (PublisherGroup, 1);
  int code = AVAHI_OK;

  group->publisher = publisher;
  group->interface = interface;
  group->state = AVAHI_ENTRY_GROUP_UNCOMMITED;
  g_hash_table_insert (publisher->groups, GINT_TO_POINTER (interface), group);
  group->handle = publisher->class->open (&record, group, &code, publisher->user_data);
  avahi_string_list_free (txt);
  if (group->handle != NULL)
    return TRUE;
  if (code == AVAHI_ERR_COLLISION) /* with another program on this machine */
    group->state = AVAHI_ENTRY_GROUP_COLLISION;
  else
    publisher->refusal = code;
  tell_soon (publisher);
  return FALSE;
}

static void
update_groups (Publisher *publisher)
{
  AvahiStringList *txt = avahi_convert_from_txt (publisher->txt);
  GHashTableIter iter;
  PublisherGroup *group;

  g_hash_table_iter_init (&iter, publisher->groups);
  while (publisher->instance != NULL && g_hash_table_iter_next (&iter, NULL, (gpointer *) &group))
    if (group->handle != NULL)
      publisher->class->update (
          group->handle, &(PublisherRecord){ group->interface, publisher->instance, publisher->port, txt },
          publisher->user_data);
  avahi_string_list_free (txt);
}

static gboolean
is_other_interface (gpointer key, gpointer value, gpointer wanted)
{
  return !g_hash_table_contains (wanted, key);
}

static void
set_interfaces (Publisher *publisher, const guint32 *interfaces, gsize n)
{
  g_autoptr (GHashTable) wanted = g_hash_table_new (NULL, NULL);

  for (gsize i = 0; i < n; i++)
    g_hash_table_add (wanted, GUINT_TO_POINTER (interfaces[i]));
  g_hash_table_foreach_remove (publisher->groups, is_other_interface, wanted);
  update_groups (publisher);
  /* From the last one down: when we die without a word, avahi-daemon says goodbye on the interface that was
   * first, and that better be another than lo, which is 1. */
  for (gsize i = n; i > 0; i--)
    if (interfaces[i - 1] > 0 && interfaces[i - 1] <= G_MAXINT
        && !g_hash_table_contains (publisher->groups, GUINT_TO_POINTER (interfaces[i - 1]))
        && !add_group (publisher, (AvahiIfIndex) interfaces[i - 1]))
      return;
  tell_soon (publisher); /* all may have been established before */
}

static void
take_txt (Publisher *publisher, GPtrArray *txt)
{
  g_ptr_array_set_size (publisher->txt, 0);
  for (guint i = 0; i < txt->len; i++)
    g_ptr_array_add (publisher->txt, g_bytes_ref (txt->pdata[i]));
}

void
publisher_publish (Publisher *publisher, const char *instance, guint16 port, GPtrArray *txt,
                   const guint32 *interfaces, gsize n_interfaces)
{
  if (g_strcmp0 (publisher->instance, instance) != 0 || publisher->port != port)
    publisher_withdraw (publisher);
  g_free (publisher->instance);
  publisher->instance = g_strdup (instance);
  publisher->port = port;
  take_txt (publisher, txt);
  set_interfaces (publisher, interfaces, MIN (n_interfaces, BACKEND_INTERFACES_MAX));
}

void
publisher_update (Publisher *publisher, GPtrArray *txt)
{
  take_txt (publisher, txt);
  update_groups (publisher);
}

gboolean
publisher_is_ours (Publisher *publisher, const char *instance)
{
  return publisher->instance != NULL && name_equal (publisher->instance, instance);
}
