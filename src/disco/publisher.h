/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include <avahi-common/address.h>
#include <avahi-common/defs.h>
#include <avahi-common/strlst.h>

/* Our record on each of several interfaces, for both responders: an entry group for each interface, so that a
 * new interface gets nothing by itself. Tells its events from the main loop, never from within a call or a
 * callback of Avahi's. */

typedef struct _Publisher Publisher;
typedef struct _PublisherGroup PublisherGroup; /* what an entry group's callback has as its data */

typedef struct
{
  AvahiIfIndex interface;
  const char *instance;
  guint16 port;
  AvahiStringList *txt;
} PublisherRecord;

typedef struct
{
  /* An entry group with that record, committed; NULL and an error of Avahi's where that fails. */
  gpointer (*open) (const PublisherRecord *record, PublisherGroup *group, int *code, gpointer user_data);
  void (*close) (gpointer handle, gpointer user_data);
  void (*update) (gpointer handle, const PublisherRecord *record, gpointer user_data);
  void (*goodbye) (const PublisherRecord *record, gpointer user_data); /* for the pointer alone */

  void (*established) (const char *instance, gpointer user_data); /* on all interfaces */
  void (*collision) (const char *instance, gpointer user_data);   /* nothing is published any more */
  void (*refused) (int code, gpointer user_data);
} PublisherClass;

Publisher *publisher_new (const PublisherClass *class, gpointer user_data);
void
publisher_free (Publisher *publisher); /* without a goodbye that would not come by itself; NULL is fine */

/* publisher_publish: where name and port are as before only the difference is touched. */
void publisher_publish (Publisher *publisher, const char *instance, guint16 port, GPtrArray *txt,
                        const guint32 *interfaces, gsize n_interfaces);
void publisher_update (Publisher *publisher, GPtrArray *txt);
void publisher_withdraw (Publisher *publisher);

/* publisher_is_ours: whether we publish under this name (compared folded), or try to. */
gboolean publisher_is_ours (Publisher *publisher, const char *instance);

/* publisher_group_changed: from the group's callback; @code is of interest in state FAILURE. */
void publisher_group_changed (PublisherGroup *group, AvahiEntryGroupState state, int code);
