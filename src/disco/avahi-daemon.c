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
#include "disco/publisher.h"
#include "disco/sightings.h"

/* The avahi-daemon of the system. libavahi-client waits for each answer, and where avahi-daemon is yet to be
 * started that may be long; so a connection of our own has it started and watches its name, and the client is
 * made when it is there. */

#define AVAHI_NAME "org.freedesktop.Avahi"
#define FIRST_DELAY_MS 1000
#define CALL_MS 5000
#define RECORD_CLASS_IN 1
#define RECORD_TYPE_A 1
#define RECORD_TYPE_PTR 12
#define RECORD_TYPE_AAAA 28
#define RECORD_TTL 4500
#define RESOLVERS_MAX                                                                                        \
  400 /* avahi-daemon gives a client 1024 objects; our groups and browsers are some more */

#define NO_PUBLISHING                                                                                        \
  "avahi-daemon does not let users publish, so nobody sees you\n"                                            \
  "set disable-user-service-publishing=no in /etc/avahi/avahi-daemon.conf, or discovery=embedded here"

typedef struct
{
  Backend parent;

  GCancellable *cancellable;
  GDBusConnection *bus;
  gulong closed_handler;
  guint watch;
  gboolean told_absent;

  AvahiGLibPoll *poll;
  AvahiClient *client; /* NULL while there is no avahi-daemon */
  AvahiServiceBrowser *browser;
  AvahiRecordBrowser *host_browsers[2]; /* our host's A and AAAA: they tell of interfaces that come and go */
  Items *items;
  char *host_name; /* as told */

  Publisher *publisher;

  guint failed_source;
  char *failure;
  gboolean is_dead;
} AvahiDaemon;

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

/* Publishing. */

static void
on_group (AvahiEntryGroup *handle, AvahiEntryGroupState state, gpointer user_data)
{
  if (user_data != NULL)
    publisher_group_changed (user_data, state, avahi_client_errno (avahi_entry_group_get_client (handle)));
}

static gpointer
open_group (const PublisherRecord *record, PublisherGroup *group, int *code, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;
  AvahiEntryGroup *handle = avahi_entry_group_new (daemon->client, on_group, group);

  *code = handle == NULL
              ? avahi_client_errno (daemon->client)
              : avahi_entry_group_add_service_strlst (handle, record->interface, AVAHI_PROTO_UNSPEC, 0,
                                                      record->instance, BACKEND_SERVICE_TYPE, NULL, NULL,
                                                      record->port, record->txt);
  if (*code == AVAHI_OK)
    *code = avahi_entry_group_commit (handle);
  if (*code != AVAHI_OK && handle != NULL)
    avahi_entry_group_free (g_steal_pointer (&handle));
  return handle;
}

static void
close_group (gpointer handle, gpointer user_data)
{
  avahi_entry_group_free (handle);
}

static void
update_group (gpointer handle, const PublisherRecord *record, gpointer user_data)
{
  avahi_entry_group_update_service_txt_strlst (handle, record->interface, AVAHI_PROTO_UNSPEC, 0,
                                               record->instance, BACKEND_SERVICE_TYPE, NULL, record->txt);
}

/* A service's name as a record's data: its labels, each after its length. */
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

static void
say_goodbye (const PublisherRecord *record, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;
  AvahiEntryGroup *group = avahi_entry_group_new (daemon->client, on_group, NULL);
  g_autoptr (GByteArray) service = make_service_name (record->instance);

  if (group == NULL)
    return;
  if (avahi_entry_group_add_record (group, record->interface, AVAHI_PROTO_UNSPEC, 0,
                                    BACKEND_SERVICE_TYPE ".local", RECORD_CLASS_IN, RECORD_TYPE_PTR,
                                    RECORD_TTL, service->data, service->len)
      == AVAHI_OK)
    avahi_entry_group_commit (group);
  avahi_entry_group_free (group);
}

static void
on_established (const char *instance, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  if (!daemon->is_dead)
    daemon->parent.events->established (instance, daemon->parent.user_data);
}

static void
on_collision (const char *instance, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  if (!daemon->is_dead)
    daemon->parent.events->collision (instance, daemon->parent.user_data);
}

static void
on_refused (int code, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;
  g_autofree char *why = NULL;

  if (daemon->is_dead || code == AVAHI_ERR_DISCONNECTED || code == AVAHI_ERR_BAD_STATE)
    return; /* the end is told by on_client() */
  if (code == AVAHI_ERR_NOT_PERMITTED || code == AVAHI_ERR_ACCESS_DENIED)
    why = g_strdup (NO_PUBLISHING);
  else
    why = g_strdup_printf ("avahi-daemon does not publish our name: %s", avahi_strerror (code));
  daemon->parent.events->refused (why, daemon->parent.user_data);
}

static const PublisherClass publisher_class = {
  .open = open_group,
  .close = close_group,
  .update = update_group,
  .goodbye = say_goodbye,
  .established = on_established,
  .collision = on_collision,
  .refused = on_refused,
};

static void
avahi_daemon_publish (Backend *backend, const char *instance, guint16 port, GPtrArray *txt,
                      const guint *interfaces, gsize n_interfaces)
{
  AvahiDaemon *daemon = (AvahiDaemon *) backend;

  if (daemon->client != NULL && !daemon->is_dead)
    publisher_publish (daemon->publisher, instance, port, txt, interfaces, n_interfaces);
}

static void
avahi_daemon_update (Backend *backend, GPtrArray *txt)
{
  AvahiDaemon *daemon = (AvahiDaemon *) backend;

  if (daemon->client != NULL && !daemon->is_dead)
    publisher_update (daemon->publisher, txt);
}

static void
avahi_daemon_withdraw (Backend *backend)
{
  AvahiDaemon *daemon = (AvahiDaemon *) backend;

  if (daemon->client != NULL && !daemon->is_dead)
    publisher_withdraw (daemon->publisher);
}

/* Browsing. */

/* Whether it is somebody: our own record and what makes no sense are not. */
static gboolean
look_at (AvahiDaemon *daemon, Item *item, const AvahiAddress *address, guint16 port, AvahiStringList *list,
         AvahiLookupResultFlags flags)
{
  g_autoptr (GPtrArray) txt = NULL;
  g_autoptr (Sighting) sighting = NULL;

  item->own = (flags & AVAHI_LOOKUP_RESULT_OUR_OWN) != 0;
  if (item->own || address == NULL)
    return FALSE;
  txt = avahi_convert_client_txt (list);
  sighting = avahi_convert_sighting (item, address, port, txt);
  if (sighting == NULL)
    return FALSE;
  daemon->parent.events->seen (sighting, daemon->parent.user_data);
  return TRUE;
}

typedef struct
{
  AvahiDaemon *daemon;
  Item *item;
  AvahiServiceResolver *resolver;
} Resolver;

static void
on_resolved (AvahiServiceResolver *handle, AvahiIfIndex interface, AvahiProtocol protocol,
             AvahiResolverEvent event, const char *name, const char *type, const char *domain,
             const char *host_name, const AvahiAddress *address, uint16_t port, AvahiStringList *txt,
             AvahiLookupResultFlags flags, gpointer user_data)
{
  Resolver *resolver = user_data;
  AvahiDaemon *daemon = resolver->daemon;
  gboolean found;

  if (daemon->is_dead || items_moved (daemon->items, resolver->item, host_name))
    return;
  found = event == AVAHI_RESOLVER_FOUND && look_at (daemon, resolver->item, address, port, txt, flags);
  items_answered (daemon->items, resolver->item, found);
}

static gpointer
open_resolver (Item *item, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;
  Resolver *resolver = g_new0 (Resolver, 1);

  resolver->daemon = daemon;
  resolver->item = item;
  resolver->resolver
      = avahi_service_resolver_new (daemon->client, item->interface, item->protocol, item->name,
                                    BACKEND_SERVICE_TYPE, "local", item->protocol, 0, on_resolved, resolver);
  if (resolver->resolver == NULL)
    g_clear_pointer (&resolver, g_free);
  return resolver;
}

static void
close_resolver (gpointer handle, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;
  Resolver *resolver = handle;

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

static void
on_items_settled (gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  daemon->parent.events->settled (daemon->parent.user_data);
}

static const ItemsClass items_class = { open_resolver, close_resolver, on_item_gone, on_items_settled };

static void
on_browsed (AvahiServiceBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol,
            AvahiBrowserEvent event, const char *name, const char *type, const char *domain,
            AvahiLookupResultFlags flags, gpointer user_data)
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
      items_all_for_now (daemon->items);
      break;
    case AVAHI_BROWSER_FAILURE:
      fail (daemon, "avahi-daemon cannot browse the link",
            avahi_strerror (avahi_client_errno (daemon->client)));
      break;
    case AVAHI_BROWSER_CACHE_EXHAUSTED:
      break;
    }
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
on_host_record (AvahiRecordBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol,
                AvahiBrowserEvent event, const char *name, uint16_t class, uint16_t type, const void *data,
                size_t size, AvahiLookupResultFlags flags, gpointer user_data)
{
  AvahiDaemon *daemon = user_data;

  if (!daemon->is_dead && (event == AVAHI_BROWSER_NEW || event == AVAHI_BROWSER_REMOVE))
    daemon->parent.events->links (daemon->parent.user_data);
}

static void
browse_host (AvahiDaemon *daemon)
{
  static const guint16 types[] = { RECORD_TYPE_A, RECORD_TYPE_AAAA };
  const char *fqdn = avahi_client_get_host_name_fqdn (daemon->client);

  for (guint i = 0; fqdn != NULL && i < G_N_ELEMENTS (types); i++)
    {
      if (daemon->host_browsers[i] != NULL)
        avahi_record_browser_free (daemon->host_browsers[i]);
      daemon->host_browsers[i]
          = avahi_record_browser_new (daemon->client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, fqdn,
                                      RECORD_CLASS_IN, types[i], 0, on_host_record, daemon);
    }
}

static gboolean
start_browsing (AvahiDaemon *daemon)
{
  if (daemon->browser == NULL)
    daemon->browser = avahi_service_browser_new (daemon->client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC,
                                                 BACKEND_SERVICE_TYPE, "local", 0, on_browsed, daemon);
  if (daemon->browser == NULL)
    fail (daemon, "avahi-daemon cannot browse the link",
          avahi_strerror (avahi_client_errno (daemon->client)));
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
  AvahiDaemon *daemon = user_data;

  if (bus == NULL)
    {
      if (!g_error_matches (err, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        fail (daemon, "there is no system bus", err->message);
      return;
    }
  daemon->bus = bus;
  daemon->closed_handler = g_signal_connect (bus, "closed", G_CALLBACK (on_closed), daemon);
  daemon->watch = g_bus_watch_name_on_connection (bus, AVAHI_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                  on_name_appeared, on_name_vanished, daemon, NULL);
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
  daemon->publisher = publisher_new (&publisher_class, daemon);
  if (address != NULL)
    g_dbus_connection_new_for_address (address,
                                       G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                           | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                       NULL, daemon->cancellable, on_connected, daemon);
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
  gboolean was_dead = daemon->is_dead;

  daemon->is_dead = TRUE;
  if (daemon->client != NULL)
    {
      if (!was_dead)
        publisher_withdraw (daemon->publisher);
      publisher_free (g_steal_pointer (&daemon->publisher));
      /* Closes the connection first: freeing the resolvers one by one would wait for avahi-daemon each time.
       */
      avahi_client_free (g_steal_pointer (&daemon->client));
    }
  items_free (daemon->items);
  publisher_free (daemon->publisher);
  if (daemon->poll != NULL)
    avahi_glib_poll_free (daemon->poll);
  free_bus (daemon);
  g_clear_handle_id (&daemon->failed_source, g_source_remove);
  g_free (daemon->host_name);
  g_free (daemon->failure);
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
