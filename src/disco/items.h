/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What browsing has found and the resolvers that look closer, for both responders. A resolver is kept open,
 * because presence is the TXT record and a host that crashed shows by its records running out; where there
 * are more items than resolvers may be open, those that have answered make room and all take turns. */

typedef struct _Items Items;
typedef struct _Item Item;

struct _Item
{
  char *name;
  int interface;
  int protocol;
  gboolean own;   /* our own record: nobody looks closer */
  gboolean found; /* told as seen */
  /* of items.c only: */
  gpointer resolver;
  char *host; /* that the resolver named */
  gboolean answered;
  gboolean lost;
  GList link;
  GQueue *queue;
};

typedef struct
{
  gpointer (*open) (Item *item, gpointer user_data); /* a resolver; NULL where that fails */
  void (*close) (gpointer resolver, gpointer user_data);
  void (*gone) (Item *item, gpointer user_data); /* a found one is no more */
  void (*settled) (gpointer user_data);          /* all for now, and each has a first answer; once */
} ItemsClass;

Items *items_new (const ItemsClass *class, gpointer user_data, guint max_open);
void items_free (Items *items); /* closes, without events; NULL is fine */

void items_add (Items *items, const char *name, int interface, int protocol, gboolean own);
void items_remove (Items *items, const char *name, int interface, int protocol);
void items_all_for_now (Items *items);

/* items_moved: whether the item's resolver names another @host (NULL: none) than before. Libavahi 0.8 stays
 * with the former host's address then, for ever; so the item is asked afresh, its resolver is closed, and
 * this answer is none. */
gboolean items_moved (Items *items, Item *item, const char *host);

/* items_answered: the item's resolver said something. Resolvers may be closed by that, @item's too. */
void items_answered (Items *items, Item *item, gboolean found);

/* items_refresh: looks again at all that are called so, our own ones too. */
void items_refresh (Items *items, const char *name);
