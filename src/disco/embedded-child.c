/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disco/backend.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <avahi-common/domain.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-core/core.h>
#include <avahi-core/log.h>
#include <avahi-core/lookup.h>
#include <avahi-core/publish.h>
#include <avahi-glib/glib-watch.h>

#include "base/text.h"
#include "disco/avahi-clash.h"
#include "disco/avahi-convert.h"
#include "disco/child-frame.h"
#include "disco/items.h"
#include "disco/publisher.h"
#include "disco/sightings.h"

/* The embedded responder: a process of its own that has libavahi-core, a socket to its parent and nothing
 * else. It ends when the parent's end of the socket closes, whatever the reason, and says goodbye on the link
 * before that. */

#define FD_MAX 64
#define CACHE_ENTRIES (16 * 1024) /* three records an instance and interface */
#define RENAME_MAX_MS 3000
#define FALLBACK_HOST "hearby"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_USED 4
#define MACHINE_MAX 50 /* bytes of the machine's name before "-N": one label in all */

typedef struct
{
  GMainLoop *loop;
  AvahiGLibPoll *poll;
  AvahiServer *server;
  AvahiSServiceBrowser *browser;
  AvahiSRecordBrowser *host_browsers[2]; /* our host's A and AAAA: they tell of interfaces that come and go */
  Items *items;
  guint host_collisions;
  guint rename_source;
  char *host_name; /* as told to the parent; NULL: not known, nothing can be published */
  int status;

  Publisher *publisher;
} Child;

static void
send_frame (Child *child, ChildFrame kind, GVariant *body)
{
  if (!child_frame_send (CHILD_FRAME_FD, kind, body))
    g_main_loop_quit (child->loop);
}

static void
send_text (Child *child, ChildFrame kind, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, (gssize) strnlen (text, 1024));

  send_frame (child, kind, g_variant_new ("(s)", valid));
}

static void
send_failed (Child *child, const char *what, int code)
{
  g_autofree char *why = g_strdup_printf ("%s: %s", what, avahi_strerror (code));

  send_text (child, CHILD_FRAME_FAILED, why);
  child->status = 1;
  g_main_loop_quit (child->loop);
}

static void
log_to_parent (AvahiLogLevel level, const char *text)
{
  g_autofree char *valid = NULL;

  if (level == AVAHI_LOG_DEBUG)
    return;
  valid = g_utf8_make_valid (text, (gssize) strnlen (text, 256));
  child_frame_send (CHILD_FRAME_FD, CHILD_FRAME_LOG, g_variant_new ("(s)", valid));
}

/* Publishing. */

static void
on_group (AvahiServer *server, AvahiSEntryGroup *handle, AvahiEntryGroupState state, gpointer user_data)
{
  publisher_group_changed (user_data, state, avahi_server_errno (server));
}

static gpointer
open_group (const PublisherRecord *record, PublisherGroup *group, int *code, gpointer user_data)
{
  Child *child = user_data;
  AvahiSEntryGroup *handle = avahi_s_entry_group_new (child->server, on_group, group);

  *code = handle == NULL
              ? AVAHI_ERR_NO_MEMORY
              : avahi_server_add_service_strlst (child->server, handle, record->interface, AVAHI_PROTO_UNSPEC,
                                                 0, record->instance, BACKEND_SERVICE_TYPE, NULL, NULL,
                                                 record->port, record->txt);
  if (*code == AVAHI_OK)
    *code = avahi_s_entry_group_commit (handle);
  if (*code != AVAHI_OK && handle != NULL)
    avahi_s_entry_group_free (g_steal_pointer (&handle));
  return handle;
}

static void
close_group (gpointer handle, gpointer user_data)
{
  avahi_s_entry_group_free (handle);
}

static void
update_group (gpointer handle, const PublisherRecord *record, gpointer user_data)
{
  Child *child = user_data;

  avahi_server_update_service_txt_strlst (child->server, handle, record->interface, AVAHI_PROTO_UNSPEC, 0,
                                          record->instance, BACKEND_SERVICE_TYPE, NULL, record->txt);
}

static void
say_goodbye (const PublisherRecord *record, gpointer user_data)
{
  Child *child = user_data;
  AvahiSEntryGroup *group = avahi_s_entry_group_new (child->server, NULL, NULL);
  AvahiRecord *pointer = avahi_record_new_full (BACKEND_SERVICE_TYPE ".local", AVAHI_DNS_CLASS_IN,
                                                AVAHI_DNS_TYPE_PTR, AVAHI_DEFAULT_TTL);
  char service[AVAHI_DOMAIN_NAME_MAX] = "";

  avahi_service_name_join (service, sizeof service, record->instance, BACKEND_SERVICE_TYPE, "local");
  pointer->data.ptr.name = avahi_strdup (service);
  if (avahi_server_add (child->server, group, record->interface, AVAHI_PROTO_UNSPEC, 0, pointer) == AVAHI_OK)
    avahi_s_entry_group_commit (group);
  avahi_s_entry_group_free (group);
  avahi_record_unref (pointer);
}

static void
on_established (const char *instance, gpointer user_data)
{
  send_text (user_data, CHILD_FRAME_ESTABLISHED, instance);
}

static void
on_collision (const char *instance, gpointer user_data)
{
  send_text (user_data, CHILD_FRAME_COLLISION, instance);
}

static void
on_refused (int code, gpointer user_data)
{
  g_autofree char *why = g_strdup_printf ("our name cannot be published: %s", avahi_strerror (code));

  send_text (user_data, CHILD_FRAME_REFUSED, why);
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
handle_publish (Child *child, GVariant *body)
{
  g_autoptr (GVariant) strings = NULL;
  g_autoptr (GVariant) indexes = NULL;
  g_autoptr (GPtrArray) txt = NULL;
  const guint32 *interfaces;
  const char *instance;
  guint16 port;
  gsize n;

  g_variant_get (body, "(&sq@aay@au)", &instance, &port, &strings, &indexes);
  interfaces = g_variant_get_fixed_array (indexes, &n, sizeof *interfaces);
  txt = child_frame_to_txt (strings);
  if (child->host_name != NULL) /* else READY is to come, and brings this again */
    publisher_publish (child->publisher, instance, port, txt, interfaces, n);
}

static void
handle_update (Child *child, GVariant *body)
{
  g_autoptr (GVariant) strings = g_variant_get_child_value (body, 0);
  g_autoptr (GPtrArray) txt = child_frame_to_txt (strings);

  publisher_update (child->publisher, txt);
}

static void
handle_withdraw (Child *child, GVariant *body)
{
  publisher_withdraw (child->publisher);
}

/* Browsing. */

static void
tell_seen (Child *child, const Sighting *sighting)
{
  GInetAddress *address = g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (sighting->address));
  guint16 port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (sighting->address));

  send_frame (
      child, CHILD_FRAME_SEEN,
      g_variant_new ("(sui@ayq@aay)", sighting->instance, sighting->interface, (int) sighting->family,
                     g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, g_inet_address_to_bytes (address),
                                                g_inet_address_get_native_size (address), 1),
                     port, child_frame_from_txt (sighting->txt)));
}

/* Whether it is somebody: our own record and what makes no sense are not. */
static gboolean
look_at (Child *child, Item *item, const AvahiAddress *address, guint16 port, AvahiStringList *list)
{
  g_autoptr (GPtrArray) txt = NULL;
  g_autoptr (Sighting) sighting = NULL;

  /* Not AVAHI_LOOKUP_RESULT_LOCAL: another responder on this machine has the same host records as we. */
  item->own = publisher_is_ours (child->publisher, item->name);
  if (item->own || address == NULL)
    return FALSE;
  txt = avahi_convert_core_txt (list);
  sighting = avahi_convert_sighting (item, address, port, txt);
  if (sighting == NULL)
    return FALSE;
  tell_seen (child, sighting);
  return TRUE;
}

typedef struct
{
  Child *child;
  Item *item;
  AvahiSServiceResolver *resolver;
} Resolver;

static void
on_resolved (AvahiSServiceResolver *handle, AvahiIfIndex interface, AvahiProtocol protocol,
             AvahiResolverEvent event, const char *name, const char *type, const char *domain,
             const char *host_name, const AvahiAddress *address, uint16_t port, AvahiStringList *txt,
             AvahiLookupResultFlags flags, gpointer user_data)
{
  Resolver *resolver = user_data;
  Child *child = resolver->child;
  gboolean found;

  if (items_moved (child->items, resolver->item, host_name))
    return;
  found = event == AVAHI_RESOLVER_FOUND && look_at (child, resolver->item, address, port, txt);
  items_answered (child->items, resolver->item, found);
}

static gpointer
open_resolver (Item *item, gpointer user_data)
{
  Child *child = user_data;
  Resolver *resolver = g_new0 (Resolver, 1);

  resolver->child = child;
  resolver->item = item;
  /* Not …_new(): that one aborts where a stranger's name does not please it. */
  resolver->resolver = avahi_s_service_resolver_prepare (
      child->server, item->interface, item->protocol, item->name, BACKEND_SERVICE_TYPE, "local",
      item->protocol, AVAHI_LOOKUP_USE_MULTICAST, on_resolved, resolver);
  if (resolver->resolver == NULL)
    {
      g_free (resolver);
      return NULL;
    }
  avahi_s_service_resolver_start (resolver->resolver);
  return resolver;
}

static void
close_resolver (gpointer handle, gpointer user_data)
{
  Resolver *resolver = handle;

  avahi_s_service_resolver_free (resolver->resolver);
  g_free (resolver);
}

static void
on_item_gone (Item *item, gpointer user_data)
{
  send_frame (user_data, CHILD_FRAME_GONE,
              g_variant_new ("(sui)", item->name, (guint) item->interface,
                             (int) avahi_convert_family (item->protocol)));
}

static void
on_items_settled (gpointer user_data)
{
  send_frame (user_data, CHILD_FRAME_SETTLED, NULL);
}

static const ItemsClass items_class = { open_resolver, close_resolver, on_item_gone, on_items_settled };

static void
on_browsed (AvahiSServiceBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol,
            AvahiBrowserEvent event, const char *name, const char *type, const char *domain,
            AvahiLookupResultFlags flags, gpointer user_data)
{
  Child *child = user_data;

  switch (event)
    {
    case AVAHI_BROWSER_NEW:
      /* A PTR record may point anywhere. */
      if (avahi_domain_equal (type, BACKEND_SERVICE_TYPE) && avahi_domain_equal (domain, "local"))
        items_add (child->items, name, interface, protocol, (flags & AVAHI_LOOKUP_RESULT_LOCAL) != 0);
      break;
    case AVAHI_BROWSER_REMOVE:
      items_remove (child->items, name, interface, protocol);
      break;
    case AVAHI_BROWSER_ALL_FOR_NOW:
      items_all_for_now (child->items);
      break;
    case AVAHI_BROWSER_FAILURE:
      send_failed (child, "the link cannot be browsed", avahi_server_errno (child->server));
      break;
    case AVAHI_BROWSER_CACHE_EXHAUSTED:
      break;
    }
}

static void
handle_refresh (Child *child, GVariant *body)
{
  const char *instance;

  g_variant_get (body, "(&s)", &instance);
  items_refresh (child->items, instance);
}

/* The server. */

static void
on_host_record (AvahiSRecordBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol,
                AvahiBrowserEvent event, AvahiRecord *record, AvahiLookupResultFlags flags,
                gpointer user_data)
{
  if (event == AVAHI_BROWSER_NEW || event == AVAHI_BROWSER_REMOVE)
    send_frame (user_data, CHILD_FRAME_LINKS, NULL);
}

static void
browse_host (Child *child)
{
  static const guint16 types[] = { AVAHI_DNS_TYPE_A, AVAHI_DNS_TYPE_AAAA };

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      AvahiKey *key
          = avahi_key_new (avahi_server_get_host_name_fqdn (child->server), AVAHI_DNS_CLASS_IN, types[i]);

      if (child->host_browsers[i] != NULL)
        avahi_s_record_browser_free (child->host_browsers[i]);
      child->host_browsers[i]
          = avahi_s_record_browser_prepare (child->server, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, key,
                                            AVAHI_LOOKUP_USE_MULTICAST, on_host_record, child);
      if (child->host_browsers[i] != NULL)
        avahi_s_record_browser_start_query (child->host_browsers[i]);
      avahi_key_unref (key);
    }
}

static void
tell_ready (Child *child)
{
  const char *name = avahi_server_get_host_name (child->server);

  if (g_strcmp0 (child->host_name, name) == 0)
    return;
  g_free (child->host_name);
  child->host_name = g_strdup (name);
  browse_host (child);
  send_text (child, CHILD_FRAME_READY, name);
}

static char *
machine_name (void)
{
  char name[256] = "";

  gethostname (name, sizeof name - 1);
  name[strcspn (name, ".")] = '\0';
  return g_strdup (*name != '\0' && avahi_is_valid_host_name (name) ? name : FALLBACK_HOST);
}

/* The name after @n collisions. Two hosts that start together may each lose to the other by one of several
 * addresses, and so go from number to number in step; this boot's id parts them. All responders of one machine
 * have to come to one name, since its addresses lead back to one only: so no name is random, and the numbers
 * go on. */
static char *
host_name_after (guint n)
{
  g_autofree char *machine = machine_name ();
  g_autofree char *boot = NULL;

  if (n == 0)
    return g_steal_pointer (&machine);
  machine[text_cut (machine, MACHINE_MAX)] = '\0';
  if (n == 2 && g_file_get_contents (BOOT_ID, &boot, NULL, NULL))
    return g_strdup_printf ("%s-%.*s", machine, BOOT_ID_USED, boot);
  return g_strdup_printf ("%s-%u", machine, n == 1 ? 2 : n);
}

static gboolean
take_other_host_name (gpointer user_data)
{
  Child *child = user_data;
  g_autofree char *name = host_name_after (child->host_collisions);
  int code = avahi_server_set_host_name (child->server, name);

  child->rename_source = 0;
  if (code < 0)
    send_failed (child, "the host has no name on the link", code);
  return G_SOURCE_REMOVE;
}

/* The name that our record gives is somebody else's: it has to go before anybody looks for us there. */
static void
on_host_collision (Child *child)
{
  guint delay = child->host_collisions++ < 2 ? 0 : (guint) g_random_int_range (0, RENAME_MAX_MS);

  g_clear_pointer (&child->host_name, g_free);
  publisher_withdraw (child->publisher);
  if (child->rename_source == 0)
    child->rename_source = g_timeout_add (delay, take_other_host_name, child);
}

static void
on_server (AvahiServer *server, AvahiServerState state, gpointer user_data)
{
  Child *child = user_data;

  switch (state)
    {
    case AVAHI_SERVER_RUNNING:
      if (child->server != NULL) /* else still within avahi_server_new() */
        tell_ready (child);
      break;
    case AVAHI_SERVER_REGISTERING:
      break;
    case AVAHI_SERVER_COLLISION:
      on_host_collision (child);
      break;
    case AVAHI_SERVER_FAILURE:
      send_failed (child, "the mDNS responder failed", avahi_server_errno (server));
      break;
    case AVAHI_SERVER_INVALID:
      break;
    }
}

static AvahiStringList *
to_string_list (char **names)
{
  AvahiStringList *list = NULL;

  for (; *names != NULL; names++)
    list = avahi_string_list_add (list, *names);
  return list;
}

static AvahiServer *
make_server (Child *child, char **allow, char **deny, int *code)
{
  g_autofree char *name = host_name_after (0);
  AvahiServerConfig config;
  AvahiServer *server;

  avahi_server_config_init (&config);
  avahi_free (config.host_name);
  config.host_name = avahi_strdup (name);
  config.allow_interfaces = to_string_list (allow);
  config.deny_interfaces = to_string_list (deny);
  config.use_ipv4 = config.use_ipv6 = 1;
  config.publish_hinfo = config.publish_workstation = config.publish_domain = 0;
  config.enable_reflector = config.enable_wide_area = 0;
  config.n_cache_entries_max = CACHE_ENTRIES;
  server = avahi_server_new (avahi_glib_poll_get (child->poll), &config, on_server, child, code);
  avahi_server_config_free (&config);
  return server;
}

static void
handle_config (Child *child, GVariant *body)
{
  g_auto (GStrv) allow = NULL;
  g_auto (GStrv) deny = NULL;
  int code = 0;

  g_variant_get (body, "(^as^as)", &allow, &deny);
  child->server = make_server (child, allow, deny, &code);
  if (child->server == NULL)
    {
      send_failed (child, "the mDNS responder cannot start", code);
      return;
    }
  /* The first name counts before it is probed: our records are probed at the same time as the host's own. */
  tell_ready (child);
  child->browser = avahi_s_service_browser_prepare (child->server, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC,
                                                    BACKEND_SERVICE_TYPE, "local", AVAHI_LOOKUP_USE_MULTICAST,
                                                    on_browsed, child);
  if (child->browser == NULL)
    send_failed (child, "the link cannot be browsed", avahi_server_errno (child->server));
  else
    avahi_s_service_browser_start (child->browser);
}

static void (*const handlers[CHILD_FRAME_LAST]) (Child *child, GVariant *body) = {
  [CHILD_FRAME_CONFIG] = handle_config,   [CHILD_FRAME_PUBLISH] = handle_publish,
  [CHILD_FRAME_UPDATE] = handle_update,   [CHILD_FRAME_WITHDRAW] = handle_withdraw,
  [CHILD_FRAME_REFRESH] = handle_refresh,
};

static gboolean
on_parent (int fd, GIOCondition condition, gpointer user_data)
{
  Child *child = user_data;
  g_autoptr (GVariant) body = NULL;
  ChildFrame kind;
  ChildFrameResult result = child_frame_receive (fd, &kind, &body);

  if (result == CHILD_FRAME_LATER)
    return G_SOURCE_CONTINUE;
  /* CONFIG comes first and once. */
  if (result == CHILD_FRAME_END || handlers[kind] == NULL
      || (child->server == NULL) != (kind == CHILD_FRAME_CONFIG))
    {
      g_main_loop_quit (child->loop);
      return G_SOURCE_REMOVE;
    }
  handlers[kind](child, body);
  return G_SOURCE_CONTINUE;
}

static void
harden (void)
{
  /* Who stops the daemon may signal the whole group; the goodbye is still to be said then. */
  static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
  const struct rlimit no_core = { 0, 0 }, few_files = { FD_MAX, FD_MAX };

  for (guint i = 0; i < G_N_ELEMENTS (ignored); i++)
    signal (ignored[i], SIG_IGN);
  setrlimit (RLIMIT_CORE, &no_core);
  setrlimit (RLIMIT_NOFILE, &few_files);
  prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl (PR_SET_NAME, "hearby-mdns", 0, 0, 0);
}

static void
child_clear (Child *child)
{
  g_clear_handle_id (&child->rename_source, g_source_remove);
  items_free (child->items);
  publisher_withdraw (child->publisher);
  publisher_free (child->publisher);
  if (child->server != NULL)
    avahi_server_free (child->server); /* says goodbye */
  close (CHILD_FRAME_FD);              /* the parent waits for this */
  avahi_glib_poll_free (child->poll);
  g_main_loop_unref (child->loop);
  g_free (child->host_name);
}

int
discovery_child_main (void)
{
  Child child = { 0 };
  int type = 0;
  socklen_t len = sizeof type;

  if (getsockopt (CHILD_FRAME_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET)
    return 2; /* nobody's child */
  fcntl (CHILD_FRAME_FD, F_SETFD, FD_CLOEXEC);
  harden ();
  avahi_clash_use_core ();
  avahi_set_log_function (log_to_parent);
  child.loop = g_main_loop_new (NULL, FALSE);
  child.poll = avahi_glib_poll_new (NULL, G_PRIORITY_DEFAULT);
  child.items = items_new (&items_class, &child, G_MAXUINT);
  child.publisher = publisher_new (&publisher_class, &child);
  g_unix_fd_add (CHILD_FRAME_FD, G_IO_IN | G_IO_HUP, on_parent, &child);
  g_main_loop_run (child.loop);
  child_clear (&child);
  return child.status;
}
