/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disco/backend.h"

#include <string.h>

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/domain.h>
#include <avahi-common/error.h>
#include <avahi-glib/glib-watch.h>

#include "disco/avahi-convert.h"
#include "disco/items.h"
#include "disco/sightings.h"

/* The avahi-daemon of the system. libavahi-client waits for each answer, and where avahi-daemon is yet to be started that may be
 * long; so a connection of our own has it started and watches its name, and the client is made when it is there. */

#define AVAHI_NAME "org.freedesktop.Avahi"
#define FIRST_DELAY_MS 1000
#define CALL_MS 5000
#define GOODBYE_MS 400
#define RECORD_TTL 4500
#define RESOLVERS_MAX 400 /* avahi-daemon gives a client 1024 objects; our groups and browsers are some more */

#define NO_PUBLISHING \
  "avahi-daemon does not let users publish, so nobody sees you\n" \
  "set disable-user-service-publishing=no in /etc/avahi/avahi-daemon.conf, or discovery=embedded here"

typedef struct
{
  Backend parent;

  GCancellable    *cancellable;
  GDBusConnection *bus;
  gulong           closed_handler;
  guint            watch;
  gboolean         told_absent;

  AvahiGLibPoll       *poll;
  AvahiClient         *client; /* NULL while there is no avahi-daemon */
  AvahiServiceBrowser *browser;
  AvahiRecordBrowser  *host_browsers[2]; /* our host's A and AAAA: they tell of interfaces that come and go */
  Items               *items;
  gboolean             all_for_now;
  gboolean             told_settled;
  char                *host_name; /* as told */

  char       *instance; /* what is published, NULL: nothing */
  gboolean    was_established;
  guint16     port;
  GPtrArray  *txt;
  GHashTable *groups; /* interface → Group */

  /* what goes wrong within a call is told from the main loop */
  guint    failed_source, collision_source, refused_source, established_source;
  char    *failure;
  char    *refusal;
  char    *collision;
  gboolean is_dead;
} AvahiDaemon;

/* Our records on one interface. */
typedef struct
{
  AvahiDaemon     *daemon;
  AvahiEntryGroup *group;
  AvahiIfIndex     interface;
  gboolean         is_established;
} Group;

static gboolean
on_failed_idle (gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  daemon->failed_source = 0;
  daemon->parent.events->failed (daemon->failure, daemon->parent.user_data);
  return G_SOURCE_REMOVE;
}

static void
fail (AvahiDaemon *daemon, const char *what, const char *why)
{
  if (daemon->is_dead)
    return;
  daemon->is_dead = TRUE;
  daemon->failure = g_strdup_printf ("%s: %s", what, why);
  daemon->failed_source = g_idle_add (on_failed_idle, daemon);
}

static gboolean
on_refused_idle (gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  daemon->refused_source = 0;
  if (!daemon->is_dead)
    daemon->parent.events->refused (daemon->refusal, daemon->parent.user_data);
  return G_SOURCE_REMOVE;
}

static void
refuse (AvahiDaemon *daemon, int code)
{
  g_free (daemon->refusal);
  daemon->refusal = code == AVAHI_ERR_NOT_PERMITTED || code == AVAHI_ERR_ACCESS_DENIED
                        ? g_strdup (NO_PUBLISHING)
                        : g_strdup_printf ("avahi-daemon does not publish our name: %s", avahi_strerror (code));
  if (daemon->refused_source == 0)
    daemon->refused_source = g_idle_add (on_refused_idle, daemon);
}

/* Publishing. */

static void
group_free (Group *group)
{
  if (group->group != NULL)
    avahi_entry_group_free (group->group);
  g_free (group);
}

static void
on_goodbye (AvahiEntryGroup *group, AvahiEntryGroupState state, gpointer user_data)
{
}

static void
drop_groups (AvahiDaemon *daemon)
{
  g_hash_table_remove_all (daemon->groups);
  daemon->was_established = FALSE;
  g_clear_pointer (&daemon->instance, g_free);
}

/* A name as a record's data: its labels, each after its length. */
static GByteArray *
make_service_name (const char *instance)
{
  const char *const labels[] = { instance, "_presence", "_tcp", "local", "" };
  GByteArray *name = g_byte_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (labels); i++)
    {
      guint8 len = (guint8) strlen (labels[i]);

      g_byte_array_append (name, &len, 1);
      g_byte_array_append (name, (const guint8 *) labels[i], len);
    }
  return name;
}

/* avahi-daemon 0.8 keeps a goodbye back where another interface has the same record (is_duplicate_entry), so that of several
 * groups only the last one freed says it. A pointer that is published and freed at once says it for each of the others. */
static void
say_goodbye (AvahiDaemon *daemon, AvahiIfIndex interface, GByteArray *service)
{
  AvahiEntryGroup *group = avahi_entry_group_new (daemon->client, on_goodbye, NULL);

  if (group == NULL)
    return;
  if (avahi_entry_group_add_record (group, interface, AVAHI_PROTO_UNSPEC, 0, BACKEND_SERVICE_TYPE ".local", 1, 12, RECORD_TTL,
                                    service->data, service->len)
      == AVAHI_OK)
    avahi_entry_group_commit (group);
  avahi_entry_group_free (group);
}

static void
withdraw (AvahiDaemon *daemon)
{
  gint64 deadline = g_get_monotonic_time () + GOODBYE_MS * G_TIME_SPAN_MILLISECOND;
  g_autofree gpointer *interfaces = NULL;
  g_autoptr (GByteArray) service = NULL;
  guint n;

  service = make_service_name (daemon->instance != NULL ? daemon->instance : "");
  interfaces = g_hash_table_get_keys_as_array (daemon->groups, &n);
  drop_groups (daemon);
  for (guint i = 0; i < n && n > 1 && service->data[0] > 0 && g_get_monotonic_time () < deadline; i++)
    say_goodbye (daemon, GPOINTER_TO_INT (interfaces[i]), service);
}

static gboolean
on_collision_idle (gpointer user_data)
{
  AvahiDaemon *daemon = user_data;
  g_autofree char *lost = g_steal_pointer (&daemon->collision);

  daemon->collision_source = 0;
  if (daemon->is_dead || g_strcmp0 (daemon->instance, lost) != 0)
    return G_SOURCE_REMOVE;
  /* What was out has to go from the caches of links that the winner is not on, ours among them; on his link he sees our goodbye
   * and says his own record again (RFC 6762 10.1). What was never out needs none. */
  if (daemon->was_established)
    withdraw (daemon);
  else
    drop_groups (daemon);
  daemon->parent.events->collision (lost, daemon->parent.user_data);
  return G_SOURCE_REMOVE;
}

/* Not at once: this comes from within a group's callback or a call of ours. */
static void
collide (AvahiDaemon *daemon)
{
  g_free (daemon->collision);
  daemon->collision = g_strdup (daemon->instance);
  if (daemon->collision_source == 0)
    daemon->collision_source = g_idle_add (on_collision_idle, daemon);
}

static void
tell_if_established (AvahiDaemon *daemon)
{
  GHashTableIter iter;
  Group         *group;

  g_hash_table_iter_init (&iter, daemon->groups);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &group))
    if (!group->is_established)
      return;
  if (daemon->instance == NULL || g_hash_table_size (daemon->groups) == 0)
    return;
  daemon->was_established = TRUE;
  daemon->parent.events->established (daemon->instance, daemon->parent.user_data);
}

static gboolean
on_established_idle (gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  daemon->established_source = 0;
  if (!daemon->is_dead)
    tell_if_established (daemon);
  return G_SOURCE_REMOVE;
}

static void
on_group (AvahiEntryGroup *handle, AvahiEntryGroupState state, gpointer user_data)
{
  Group       *group = user_data;
  AvahiDaemon *daemon = group->daemon;

  group->is_established = state == AVAHI_ENTRY_GROUP_ESTABLISHED;
  switch (state)
    {
    case AVAHI_ENTRY_GROUP_ESTABLISHED:
      tell_if_established (daemon);
      break;
    case AVAHI_ENTRY_GROUP_COLLISION:
      collide (daemon);
      break;
    case AVAHI_ENTRY_GROUP_FAILURE:
      refuse (daemon, avahi_client_errno (daemon->client));
      break;
    case AVAHI_ENTRY_GROUP_UNCOMMITED:
    case AVAHI_ENTRY_GROUP_REGISTERING:
      break;
    }
}

/* FALSE where the name is taken or refused; that is going to be told then. */
static gboolean
add_group (AvahiDaemon *daemon, AvahiIfIndex interface)
{
  AvahiStringList *txt = avahi_convert_from_txt (daemon->txt);
  Group *group = g_new0 (Group, 1);
  int    code;

  group->daemon = daemon;
  group->interface = interface;
  group->group = avahi_entry_group_new (daemon->client, on_group, group);
  g_hash_table_insert (daemon->groups, GINT_TO_POINTER (interface), group);
  code = group->group == NULL
             ? avahi_client_errno (daemon->client)
             : avahi_entry_group_add_service_strlst (group->group, interface, AVAHI_PROTO_UNSPEC, 0, daemon->instance,
                                                     BACKEND_SERVICE_TYPE, NULL, NULL, daemon->port, txt);
  avahi_string_list_free (txt);
  if (code == AVAHI_OK)
    code = avahi_entry_group_commit (group->group);
  if (code == AVAHI_OK)
    return TRUE;
  if (code == AVAHI_ERR_COLLISION)
    collide (daemon);
  else if (code != AVAHI_ERR_DISCONNECTED && code != AVAHI_ERR_BAD_STATE) /* the end is told by on_client() */
    refuse (daemon, code);
  return FALSE;
}

static void
update_txt (AvahiDaemon *daemon)
{
  AvahiStringList *txt = avahi_convert_from_txt (daemon->txt);
  GHashTableIter   iter;
  Group           *group;

  g_hash_table_iter_init (&iter, daemon->groups);
  while (daemon->instance != NULL && g_hash_table_iter_next (&iter, NULL, (gpointer *) &group))
    if (group->group != NULL)
      avahi_entry_group_update_service_txt_strlst (group->group, group->interface, AVAHI_PROTO_UNSPEC, 0,
                                                   daemon->instance, BACKEND_SERVICE_TYPE, NULL, txt);
  avahi_string_list_free (txt);
}

static gboolean
is_other_interface (gpointer key, gpointer value, gpointer wanted)
{
  return !g_hash_table_contains (wanted, key);
}

static void
take_txt (AvahiDaemon *daemon, GPtrArray *txt)
{
  g_clear_pointer (&daemon->txt, g_ptr_array_unref);
  daemon->txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  for (guint i = 0; i < txt->len; i++)
    g_ptr_array_add (daemon->txt, g_bytes_ref (txt->pdata[i]));
}

static void
avahi_daemon_publish (Backend *backend, const char *instance, guint16 port, GPtrArray *txt, const guint *interfaces,
                      gsize n_interfaces)
{
  AvahiDaemon *daemon = (AvahiDaemon *) backend;
  g_autoptr (GHashTable) wanted = g_hash_table_new (NULL, NULL);

  if (daemon->client == NULL || daemon->is_dead)
    return;
  if (g_strcmp0 (daemon->instance, instance) != 0 || daemon->port != port)
    withdraw (daemon);
  g_free (daemon->instance);
  daemon->instance = g_strdup (instance);
  daemon->port = port;
  take_txt (daemon, txt);
  for (gsize i = 0; i < n_interfaces; i++)
    g_hash_table_add (wanted, GUINT_TO_POINTER (interfaces[i]));
  g_hash_table_foreach_remove (daemon->groups, is_other_interface, wanted);
  update_txt (daemon);
  /* From the last one down: when we die without a word, avahi-daemon says goodbye on the interface that was first, and that
   * better be another than lo, which is 1. */
  for (gsize i = n_interfaces; i > 0; i--)
    if (!g_hash_table_contains (daemon->groups, GUINT_TO_POINTER (interfaces[i - 1]))
        && !add_group (daemon, (AvahiIfIndex) interfaces[i - 1]))
      return;
  if (daemon->established_source == 0) /* the rest may have been established before */
    daemon->established_source = g_idle_add (on_established_idle, daemon);
}

static void
avahi_daemon_update (Backend *backend, GPtrArray *txt)
{
  AvahiDaemon *daemon = (AvahiDaemon *) backend;

  take_txt (daemon, txt);
  if (daemon->client != NULL && !daemon->is_dead)
    update_txt (daemon);
}

static void
avahi_daemon_withdraw (Backend *backend)
{
  withdraw ((AvahiDaemon *) backend);
}

/* Browsing. */

static void
tell_if_settled (AvahiDaemon *daemon)
{
  if (daemon->told_settled || !daemon->all_for_now || !items_is_settled (daemon->items))
    return;
  daemon->told_settled = TRUE;
  daemon->parent.events->settled (daemon->parent.user_data);
}

/* Whether it is somebody: our own record and what makes no sense are not. */
static gboolean
look_at (AvahiDaemon *daemon, Item *item, const AvahiAddress *address, guint16 port, AvahiStringList *list,
         AvahiLookupResultFlags flags)
{
  g_autoptr (GPtrArray) txt = NULL;
  g_autoptr (Sighting) sighting = NULL;
  const guint8 *bytes;
  gsize         len;

  item->own = (flags & AVAHI_LOOKUP_RESULT_OUR_OWN) != 0;
  if (item->own || address == NULL)
    return FALSE;
  txt = avahi_convert_client_txt (list);
  bytes = avahi_convert_bytes (address, &len);
  sighting = sighting_new (item->name, (guint) item->interface, avahi_convert_family (item->protocol), bytes, len, port, txt);
  if (sighting == NULL)
    return FALSE;
  daemon->parent.events->seen (sighting, daemon->parent.user_data);
  return TRUE;
}

typedef struct
{
  AvahiDaemon          *daemon;
  Item                 *item;
  AvahiServiceResolver *resolver;
} Resolver;

static void
on_resolved (AvahiServiceResolver *handle, AvahiIfIndex interface, AvahiProtocol protocol, AvahiResolverEvent event,
             const char *name, const char *type, const char *domain, const char *host_name, const AvahiAddress *address,
             uint16_t port, AvahiStringList *txt, AvahiLookupResultFlags flags, gpointer user_data)
{
  Resolver    *resolver = user_data;
  AvahiDaemon *daemon = resolver->daemon;
  gboolean     found;

  if (daemon->is_dead)
    return;
  found = event == AVAHI_RESOLVER_FOUND && look_at (daemon, resolver->item, address, port, txt, flags);
  items_answered (daemon->items, resolver->item, found);
  tell_if_settled (daemon);
}

static gpointer
open_resolver (Item *item, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;
  Resolver    *resolver = g_new0 (Resolver, 1);

  resolver->daemon = daemon;
  resolver->item = item;
  resolver->resolver = avahi_service_resolver_new (daemon->client, item->interface, item->protocol, item->name,
                                                   BACKEND_SERVICE_TYPE, "local", item->protocol, 0, on_resolved, resolver);
  if (resolver->resolver == NULL)
    g_clear_pointer (&resolver, g_free);
  return resolver;
}

static void
close_resolver (gpointer handle, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;
  Resolver    *resolver = handle;

  if (daemon->client != NULL) /* else it went with the client */
    avahi_service_resolver_free (resolver->resolver);
  g_free (resolver);
}

static void
on_item_gone (Item *item, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  daemon->parent.events->gone (item->name, (guint) item->interface, avahi_convert_family (item->protocol),
                               daemon->parent.user_data);
}

static const ItemsClass items_class = { open_resolver, close_resolver, on_item_gone };

static void
on_browsed (AvahiServiceBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol, AvahiBrowserEvent event,
            const char *name, const char *type, const char *domain, AvahiLookupResultFlags flags, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  if (daemon->is_dead)
    return;
  switch (event)
    {
    case AVAHI_BROWSER_NEW:
      /* A PTR record may point anywhere. */
      if (avahi_domain_equal (type, BACKEND_SERVICE_TYPE) && avahi_domain_equal (domain, "local"))
        items_add (daemon->items, name, interface, protocol, (flags & AVAHI_LOOKUP_RESULT_OUR_OWN) != 0);
      break;
    case AVAHI_BROWSER_REMOVE:
      items_remove (daemon->items, name, interface, protocol);
      break;
    case AVAHI_BROWSER_ALL_FOR_NOW:
      daemon->all_for_now = TRUE;
      break;
    case AVAHI_BROWSER_FAILURE:
      fail (daemon, "avahi-daemon cannot browse the link", avahi_strerror (avahi_client_errno (daemon->client)));
      break;
    case AVAHI_BROWSER_CACHE_EXHAUSTED:
      break;
    }
  tell_if_settled (daemon);
}

static void
avahi_daemon_refresh (Backend *backend, const char *instance)
{
  AvahiDaemon *daemon = (AvahiDaemon *) backend;

  if (daemon->items != NULL && !daemon->is_dead)
    items_refresh (daemon->items, instance);
}

/* The client. */

static void
on_host_record (AvahiRecordBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol, AvahiBrowserEvent event,
                const char *name, uint16_t class, uint16_t type, const void *data, size_t size, AvahiLookupResultFlags flags,
                gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  if (!daemon->is_dead && (event == AVAHI_BROWSER_NEW || event == AVAHI_BROWSER_REMOVE))
    daemon->parent.events->links (daemon->parent.user_data);
}

static void
browse_host (AvahiDaemon *daemon)
{
  static const guint16 types[] = { 1, 28 }; /* A, AAAA */
  const char *fqdn = avahi_client_get_host_name_fqdn (daemon->client);

  for (guint i = 0; fqdn != NULL && i < G_N_ELEMENTS (types); i++)
    {
      if (daemon->host_browsers[i] != NULL)
        avahi_record_browser_free (daemon->host_browsers[i]);
      daemon->host_browsers[i] = avahi_record_browser_new (daemon->client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, fqdn, 1,
                                                           types[i], 0, on_host_record, daemon);
    }
}

static gboolean
start_browsing (AvahiDaemon *daemon)
{
  if (daemon->browser == NULL)
    daemon->browser = avahi_service_browser_new (daemon->client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, BACKEND_SERVICE_TYPE,
                                                 "local", 0, on_browsed, daemon);
  if (daemon->browser == NULL)
    fail (daemon, "avahi-daemon cannot browse the link", avahi_strerror (avahi_client_errno (daemon->client)));
  return daemon->browser != NULL;
}

/* Running: the first time, or the host's name has been probed again and may be another. */
static void
on_running (AvahiDaemon *daemon)
{
  const char *name = avahi_client_get_host_name (daemon->client);

  if (name == NULL || !start_browsing (daemon) || g_strcmp0 (name, daemon->host_name) == 0)
    return;
  g_free (daemon->host_name);
  daemon->host_name = g_strdup (name);
  browse_host (daemon);
  daemon->parent.events->ready (daemon->host_name, daemon->parent.user_data);
}

static void
on_client (AvahiClient *client, AvahiClientState state, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  if (daemon->client == NULL || daemon->is_dead) /* NULL: still within avahi_client_new() */
    return;
  switch (state)
    {
    case AVAHI_CLIENT_S_RUNNING:
      on_running (daemon);
      break;
    case AVAHI_CLIENT_FAILURE:
      fail (daemon, "avahi-daemon is lost", avahi_strerror (avahi_client_errno (client)));
      break;
    case AVAHI_CLIENT_S_REGISTERING:
    case AVAHI_CLIENT_S_COLLISION:
    case AVAHI_CLIENT_CONNECTING:
      break;
    }
}

static void
make_client (AvahiDaemon *daemon)
{
  int code = 0;

  if (daemon->poll == NULL)
    daemon->poll = avahi_glib_poll_new (NULL, G_PRIORITY_DEFAULT);
  daemon->items = items_new (&items_class, daemon, RESOLVERS_MAX);
  daemon->client = avahi_client_new (avahi_glib_poll_get (daemon->poll), 0, on_client, daemon, &code);
  if (daemon->client == NULL)
    fail (daemon, "avahi-daemon does not answer", avahi_strerror (code));
  else if (avahi_client_get_state (daemon->client) == AVAHI_CLIENT_S_RUNNING)
    on_running (daemon);
  else if (avahi_client_get_state (daemon->client) == AVAHI_CLIENT_FAILURE)
    fail (daemon, "avahi-daemon is lost", avahi_strerror (avahi_client_errno (daemon->client)));
}

/* The bus. */

static void
on_name_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  if (daemon->client == NULL && !daemon->is_dead)
    make_client (daemon);
}

static void
on_name_vanished (GDBusConnection *bus, const char *name, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  if (daemon->client != NULL)
    fail (daemon, "avahi-daemon is lost", "it left the bus");
}

static void
on_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) err = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &err);
  g_autofree char *why = NULL;
  AvahiDaemon *daemon = user_data;

  if (reply != NULL || g_error_matches (err, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (daemon->client != NULL || daemon->is_dead)
    return; /* somebody else started it */
  g_dbus_error_strip_remote_error (err);
  why = g_strdup_printf ("there is no avahi-daemon: %s", err->message);
  daemon->parent.events->absent (why, daemon->parent.user_data);
}

static void
on_closed (GDBusConnection *bus, gboolean vanished, GError *error, gpointer user_data)
{
  fail (user_data, "the system bus is lost", error != NULL ? error->message : "it closed");
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) err = NULL;
  GDBusConnection *bus = g_dbus_connection_new_for_address_finish (result, &err);
  AvahiDaemon     *daemon = user_data;

  if (bus == NULL)
    {
      if (!g_error_matches (err, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        fail (daemon, "there is no system bus", err->message);
      return;
    }
  daemon->bus = bus;
  daemon->closed_handler = g_signal_connect (bus, "closed", G_CALLBACK (on_closed), daemon);
  daemon->watch = g_bus_watch_name_on_connection (bus, AVAHI_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_name_appeared,
                                                  on_name_vanished, daemon, NULL);
  g_dbus_connection_call (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                          "StartServiceByName", g_variant_new ("(su)", AVAHI_NAME, 0), G_VARIANT_TYPE ("(u)"),
                          G_DBUS_CALL_FLAGS_NONE, CALL_MS, daemon->cancellable, on_started, daemon);
}

static Backend *
avahi_daemon_start (const BackendLinks *links, const BackendEvents *events, gpointer user_data)
{
  g_autoptr (GError) err = NULL;
  AvahiDaemon *daemon = g_new0 (AvahiDaemon, 1);
  g_autofree char *address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, &err);

  daemon->parent = (Backend){ &avahi_daemon_backend, events, user_data };
  daemon->cancellable = g_cancellable_new ();
  daemon->groups = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) group_free);
  if (address != NULL)
    g_dbus_connection_new_for_address (
        address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
        daemon->cancellable, on_connected, daemon);
  else
    fail (daemon, "there is no system bus", err->message);
  return &daemon->parent;
}

static void
free_bus (AvahiDaemon *daemon)
{
  g_cancellable_cancel (daemon->cancellable);
  g_object_unref (daemon->cancellable);
  if (daemon->watch != 0)
    g_bus_unwatch_name (daemon->watch);
  if (daemon->bus == NULL)
    return;
  g_signal_handler_disconnect (daemon->bus, daemon->closed_handler);
  g_dbus_connection_close (daemon->bus, NULL, NULL, NULL);
  g_object_unref (daemon->bus);
}

static void
avahi_daemon_free (Backend *backend)
{
  AvahiDaemon *daemon = (AvahiDaemon *) backend;

  daemon->is_dead = TRUE;
  if (daemon->client != NULL)
    {
      withdraw (daemon);
      /* Closes the connection first: freeing the resolvers one by one would wait for avahi-daemon each time. */
      avahi_client_free (g_steal_pointer (&daemon->client));
    }
  items_free (daemon->items);
  g_hash_table_unref (daemon->groups);
  if (daemon->poll != NULL)
    avahi_glib_poll_free (daemon->poll);
  free_bus (daemon);
  g_clear_handle_id (&daemon->failed_source, g_source_remove);
  g_clear_handle_id (&daemon->collision_source, g_source_remove);
  g_clear_handle_id (&daemon->refused_source, g_source_remove);
  g_clear_handle_id (&daemon->established_source, g_source_remove);
  g_clear_pointer (&daemon->txt, g_ptr_array_unref);
  g_free (daemon->instance);
  g_free (daemon->host_name);
  g_free (daemon->failure);
  g_free (daemon->refusal);
  g_free (daemon->collision);
  g_free (daemon);
}

const BackendClass avahi_daemon_backend = {
  .name = "avahi",
  .first_delay_ms = FIRST_DELAY_MS,
  .start = avahi_daemon_start,
  .publish = avahi_daemon_publish,
  .update = avahi_daemon_update,
  .withdraw = avahi_daemon_withdraw,
  .refresh = avahi_daemon_refresh,
  .free = avahi_daemon_free,
};
