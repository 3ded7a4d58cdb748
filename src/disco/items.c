/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disco/items.h"

#include "base/limits.h"
#include "disco/backend.h"
#include "presence/name.h"

#define TURN_S 10    /* how long a resolver is open where all take turns */
#define TURN_SHARE 4 /* the part of the open ones that makes room each turn */
#define LOST_S 30    /* until somebody lost is asked for again; each time twice as long */
#define LOST_MAX_S 480

/* Each item but our own is in one queue. */
struct _Items
{
  const ItemsClass *class;
  gpointer user_data;
  guint max_open;
  GHashTable *table; /* key → Item */
  GQueue fresh;      /* never asked */
  GQueue open;       /* with a resolver, the oldest first */
  GQueue resting;    /* answered once, the longest at rest first */
  guint unanswered;
  gboolean all_for_now, settled;
  guint turn_source;
  guint n_lost;
  guint lost_delay;
  guint lost_source;
};

static char *
make_key (const char *name, int interface, int protocol)
{
  g_autofree char *folded = name_fold (name);

  return g_strdup_printf ("%d %d %s", interface, protocol, folded);
}

static void
move_to (Item *item, GQueue *queue)
{
  if (item->queue != NULL)
    g_queue_unlink (item->queue, &item->link);
  item->queue = queue;
  if (queue != NULL)
    g_queue_push_tail_link (queue, &item->link);
}

static gboolean on_lost (gpointer user_data);

/* A lost one is not found any more although his pointer is still there: a host that crashed, slept or was cut
 * off. Avahi asks for him ever more rarely; when he comes back without a word he is to be found all the same.
 */
static void
set_lost (Items *items, Item *item, gboolean lost)
{
  if (item->lost == lost)
    return;
  item->lost = lost;
  items->n_lost += lost ? 1 : -1;
  if (!lost)
    return;
  g_clear_handle_id (&items->lost_source, g_source_remove);
  items->lost_delay = LOST_S;
  items->lost_source = g_timeout_add_seconds (LOST_S, on_lost, items);
}

static void
close_item (Items *items, Item *item, GQueue *queue)
{
  gpointer resolver = g_steal_pointer (&item->resolver);

  if (resolver != NULL)
    items->class->close (resolver, items->user_data);
  g_clear_pointer (&item->host, g_free);
  move_to (item, queue);
}

static void
set_answered (Items *items, Item *item, gboolean answered)
{
  if (item->answered == answered)
    return;
  item->answered = answered;
  if (answered)
    items->unanswered--;
  else
    items->unanswered++;
}

static void
open_item (Items *items, Item *item)
{
  move_to (item, &items->open);
  item->resolver = items->class->open (item, items->user_data);
  if (item->resolver != NULL)
    return;
  set_answered (items, item, TRUE);
  /* Where resolvers are scarce it gets another turn; else nothing will ever resolve it. */
  move_to (item, items->max_open < BACKEND_ITEMS_MAX ? &items->resting : NULL);
}

static gboolean on_turn (gpointer user_data);

/* Whether one more may be opened: for what nobody has looked at, one that has answered makes room. */
static gboolean
make_room (Items *items)
{
  GList *link = items->open.head;

  if (items->open.length < items->max_open)
    return TRUE;
  while (link != NULL && !((Item *) link->data)->answered)
    link = link->next;
  if (link == NULL)
    return FALSE;
  close_item (items, link->data, &items->resting);
  return TRUE;
}

/* Opens what has not been looked at yet, and starts to take turns where not all can stay open. */
static void
pump (Items *items)
{
  while (items->fresh.length > 0 && make_room (items))
    open_item (items, items->fresh.head->data);
  if (items->resting.length > 0 && items->turn_source == 0)
    items->turn_source = g_timeout_add_seconds (TURN_S, on_turn, items);
}

static gboolean
on_turn (gpointer user_data)
{
  Items *items = user_data;
  guint n = MIN (MAX (items->max_open / TURN_SHARE, 1), items->resting.length);
  guint room = items->max_open - MIN (items->open.length, items->max_open);

  for (guint i = room; i < n && items->open.length > 0; i++)
    close_item (items, items->open.head->data, &items->resting);
  for (guint i = 0; i < n && items->resting.length > 0 && items->open.length < items->max_open; i++)
    open_item (items, items->resting.head->data);
  if (items->resting.length > 0)
    return G_SOURCE_CONTINUE;
  items->turn_source = 0;
  return G_SOURCE_REMOVE;
}

static void
ask_again (Items *items, Item *item)
{
  item->own = FALSE;
  close_item (items, item, &items->fresh);
  set_answered (items, item, FALSE);
}

static gboolean
on_lost (gpointer user_data)
{
  Items *items = user_data;
  GHashTableIter iter;
  Item *item;

  items->lost_source = 0;
  g_hash_table_iter_init (&iter, items->table);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &item))
    if (item->lost)
      ask_again (items, item);
  pump (items);
  if (items->n_lost > 0)
    {
      items->lost_delay = MIN (2 * items->lost_delay, LOST_MAX_S);
      items->lost_source = g_timeout_add_seconds (items->lost_delay, on_lost, items);
    }
  return G_SOURCE_REMOVE;
}

static void
tell_if_settled (Items *items)
{
  if (items->settled || !items->all_for_now || items->unanswered > 0)
    return;
  items->settled = TRUE;
  items->class->settled (items->user_data);
}

Items *
items_new (const ItemsClass *class, gpointer user_data, guint max_open)
{
  Items *items = g_new0 (Items, 1);

  items->class = class;
  items->user_data = user_data;
  items->max_open = max_open;
  items->table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return items;
}

static void
free_item (Items *items, Item *item)
{
  close_item (items, item, NULL);
  set_answered (items, item, TRUE);
  set_lost (items, item, FALSE);
  g_free (item->name);
  g_free (item);
}

void
items_free (Items *items)
{
  GHashTableIter iter;
  Item *item;

  if (items == NULL)
    return;
  g_clear_handle_id (&items->turn_source, g_source_remove);
  g_clear_handle_id (&items->lost_source, g_source_remove);
  g_hash_table_iter_init (&iter, items->table);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &item))
    free_item (items, item);
  g_hash_table_unref (items->table);
  g_free (items);
}

void
items_add (Items *items, const char *name, int interface, int protocol, gboolean own)
{
  g_autofree char *key = make_key (name, interface, protocol);
  Item *item;

  if (g_hash_table_contains (items->table, key) || g_hash_table_size (items->table) >= BACKEND_ITEMS_MAX)
    return;
  item = g_new0 (Item, 1);
  item->name = g_strdup (name);
  item->interface = interface;
  item->protocol = protocol;
  item->own = own;
  item->link.data = item;
  item->answered = TRUE;
  g_hash_table_insert (items->table, g_steal_pointer (&key), item);
  if (own)
    return;
  set_answered (items, item, FALSE);
  move_to (item, &items->fresh);
  pump (items);
  tell_if_settled (items);
}

void
items_remove (Items *items, const char *name, int interface, int protocol)
{
  g_autofree char *key = make_key (name, interface, protocol);
  Item *item = g_hash_table_lookup (items->table, key);

  if (item == NULL)
    return;
  g_hash_table_remove (items->table, key);
  if (item->found)
    items->class->gone (item, items->user_data);
  free_item (items, item);
  pump (items);
  tell_if_settled (items);
}

void
items_all_for_now (Items *items)
{
  items->all_for_now = TRUE;
  tell_if_settled (items);
}

gboolean
items_moved (Items *items, Item *item, const char *host)
{
  gboolean moved = host != NULL && item->host != NULL && !name_equal (host, item->host);

  if (item->host == NULL)
    item->host = g_strdup (host);
  if (!moved)
    return FALSE;
  ask_again (items, item);
  pump (items);
  return TRUE;
}

void
items_answered (Items *items, Item *item, gboolean found)
{
  set_answered (items, item, TRUE);
  if (item->found && !found)
    items->class->gone (item, items->user_data);
  if (found != item->found)
    set_lost (items, item, !found);
  item->found = found;
  pump (items);
  tell_if_settled (items);
}

void
items_refresh (Items *items, const char *name)
{
  GHashTableIter iter;
  Item *item;

  g_hash_table_iter_init (&iter, items->table);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &item))
    if (name_equal (item->name, name))
      ask_again (items, item);
  pump (items);
}
