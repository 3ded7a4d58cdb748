/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/addresses.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define IFA_F_TEMPORARY 0x01 /* linux/if_addr.h, which does not go with net/if.h */

GInetSocketAddress *
addresses_unmap (GSocketAddress *address)
{
  GInetAddress *inet;
  const guint8 *bytes;
  GSocketAddress *unmapped;
  g_autoptr (GInetAddress) v4 = NULL;

  if (address == NULL || !G_IS_INET_SOCKET_ADDRESS (address))
    {
      g_clear_object (&address);
      return NULL;
    }
  inet = g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address));
  bytes = g_inet_address_to_bytes (inet);
  if (g_inet_address_get_family (inet) != G_SOCKET_FAMILY_IPV6
      || !IN6_IS_ADDR_V4MAPPED ((const struct in6_addr *) bytes))
    return G_INET_SOCKET_ADDRESS (address);

  v4 = g_inet_address_new_from_bytes (bytes + 12, G_SOCKET_FAMILY_IPV4);
  unmapped = g_inet_socket_address_new (v4, g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)));
  g_object_unref (address);
  return G_INET_SOCKET_ADDRESS (unmapped);
}

static guint32
scope_of (GInetSocketAddress *address)
{
  if (g_socket_address_get_family (G_SOCKET_ADDRESS (address)) != G_SOCKET_FAMILY_IPV6)
    return 0;
  return g_inet_socket_address_get_scope_id (address);
}

gboolean
addresses_same_host (GInetSocketAddress *a, GInetSocketAddress *b)
{
  GInetAddress *x = g_inet_socket_address_get_address (a);

  if (!g_inet_address_equal (x, g_inet_socket_address_get_address (b)))
    return FALSE;
  return !g_inet_address_get_is_link_local (x) || scope_of (a) == scope_of (b);
}

char *
addresses_to_string (GInetSocketAddress *address)
{
  g_autofree char *text = g_inet_address_to_string (g_inet_socket_address_get_address (address));
  guint32 scope = scope_of (address);
  char name[IF_NAMESIZE];

  if (scope == 0 || if_indextoname (scope, name) == NULL)
    return g_steal_pointer (&text);
  return g_strdup_printf ("%s%%%s", text, name);
}

char *
addresses_normalize (const char *text, guint16 default_port)
{
  gboolean bare = g_hostname_is_ip_address (text) && strchr (text, ':') != NULL;
  g_autofree char *bracketed = bare ? g_strdup_printf ("[%s]", text) : NULL;
  g_autoptr (GSocketConnectable) where = g_network_address_parse (bare ? bracketed : text, default_port, NULL);
  const char *host = where != NULL ? g_network_address_get_hostname (G_NETWORK_ADDRESS (where)) : NULL;
  guint16 port = where != NULL ? g_network_address_get_port (G_NETWORK_ADDRESS (where)) : 0;

  if (host == NULL || *host == '\0' || port == 0 || strlen (host) > 255 || strpbrk (host, " \t\n/@") != NULL
      || !g_str_is_ascii (host))
    return NULL;
  if (port == default_port)
    return g_strdup (host);
  return g_strdup_printf (strchr (host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
}

/* Only /proc tells the flags of an address without netlink. */
static gboolean
is_temporary (const struct in6_addr *address)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  char hex[33];

  if (!g_file_get_contents ("/proc/net/if_inet6", &text, NULL, NULL))
    return FALSE;
  for (guint i = 0; i < 16; i++)
    g_snprintf (hex + 2 * i, 3, "%02x", address->s6_addr[i]);
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      unsigned int flags;

      if (g_str_has_prefix (lines[i], hex) && sscanf (lines[i] + 32, " %*x %*x %*x %x", &flags) == 1)
        return (flags & IFA_F_TEMPORARY) != 0;
    }
  return FALSE;
}

static GInetAddress *
to_inet (const struct sockaddr *sa)
{
  if (sa->sa_family == AF_INET)
    return g_inet_address_new_from_bytes ((const guint8 *) &((const struct sockaddr_in *) sa)->sin_addr,
                                          G_SOCKET_FAMILY_IPV4);
  return g_inet_address_new_from_bytes ((const guint8 *) &((const struct sockaddr_in6 *) sa)->sin6_addr,
                                        G_SOCKET_FAMILY_IPV6);
}

static gboolean
is_inet (const struct ifaddrs *i)
{
  return i->ifa_addr != NULL && i->ifa_netmask != NULL
         && (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6);
}

static GInetSocketAddress *
with_scope (GInetAddress *address, guint32 scope)
{
  return g_object_new (G_TYPE_INET_SOCKET_ADDRESS, "address", address, "scope-id",
                       g_inet_address_get_is_link_local (address) ? scope : 0, NULL);
}

/* The interface that has it, 0: none. */
static guint
interface_of (const struct ifaddrs *all, GInetSocketAddress *local)
{
  for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
    {
      guint interface = is_inet (i) ? if_nametoindex (i->ifa_name) : 0;
      g_autoptr (GInetAddress) address = interface != 0 ? to_inet (i->ifa_addr) : NULL;
      g_autoptr (GInetSocketAddress) there = address != NULL ? with_scope (address, interface) : NULL;

      if (there != NULL && addresses_same_host (there, local))
        return interface;
    }
  return 0;
}

GPtrArray *
addresses_beside (GInetSocketAddress *local)
{
  GPtrArray *found = g_ptr_array_new_with_free_func (g_object_unref);
  struct ifaddrs *all = NULL;
  guint interface;

  g_ptr_array_add (found, with_scope (g_inet_socket_address_get_address (local), scope_of (local)));
  if (getifaddrs (&all) != 0)
    return found;
  interface = interface_of (all, local);
  for (const struct ifaddrs *i = all; i != NULL && interface != 0; i = i->ifa_next)
    {
      g_autoptr (GInetAddress) address = NULL;
      g_autoptr (GInetSocketAddress) there = NULL;

      if (!is_inet (i) || if_nametoindex (i->ifa_name) != interface
          || (i->ifa_addr->sa_family == AF_INET6 && is_temporary (&((const struct sockaddr_in6 *) i->ifa_addr)->sin6_addr)))
        continue;
      address = to_inet (i->ifa_addr);
      there = with_scope (address, interface);
      if (!addresses_same_host (there, local))
        g_ptr_array_add (found, g_steal_pointer (&there));
    }
  freeifaddrs (all);
  return found;
}

GPtrArray *
addresses_alternatives (GInetSocketAddress *remote, guint interface)
{
  GPtrArray *found = g_ptr_array_new_with_free_func (g_object_unref);
  GSocketFamily family = g_socket_address_get_family (G_SOCKET_ADDRESS (remote));
  struct ifaddrs *all = NULL;

  if (getifaddrs (&all) != 0)
    return found;
  for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
    {
      g_autoptr (GInetAddress) address = NULL;

      if (!is_inet (i) || i->ifa_addr->sa_family != (int) family || if_nametoindex (i->ifa_name) != interface)
        continue;
      if (i->ifa_addr->sa_family == AF_INET6
          && is_temporary (&((const struct sockaddr_in6 *) i->ifa_addr)->sin6_addr))
        continue;
      address = to_inet (i->ifa_addr);
      if (!g_inet_address_get_is_loopback (address)
          && g_inet_address_get_is_link_local (address)
                 == g_inet_address_get_is_link_local (g_inet_socket_address_get_address (remote)))
        g_ptr_array_add (found, g_steal_pointer (&address));
    }
  freeifaddrs (all);
  return found;
}

gboolean
addresses_is_up (GInetSocketAddress *local)
{
  GInetAddress *wanted = g_inet_socket_address_get_address (local);
  struct ifaddrs *all = NULL;
  gboolean up = FALSE;

  if (getifaddrs (&all) != 0)
    return TRUE; /* nothing is known against it */
  for (struct ifaddrs *i = all; i != NULL && !up; i = i->ifa_next)
    {
      g_autoptr (GInetAddress) address = is_inet (i) ? to_inet (i->ifa_addr) : NULL;

      up = address != NULL && g_inet_address_equal (address, wanted)
           && (i->ifa_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
    }
  freeifaddrs (all);
  return up;
}

gboolean
addresses_any_up (void)
{
  struct ifaddrs *all = NULL;
  gboolean up = FALSE;

  if (getifaddrs (&all) != 0)
    return TRUE;
  for (struct ifaddrs *i = all; i != NULL && !up; i = i->ifa_next)
    up = is_inet (i) && (i->ifa_flags & IFF_LOOPBACK) == 0
         && (i->ifa_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
  freeifaddrs (all);
  return up;
}

gboolean
addresses_is_own (const char *text, guint16 default_port, guint16 port)
{
  g_autoptr (GSocketConnectable) where = g_network_address_parse (text, default_port, NULL);
  GNetworkAddress *parsed = where != NULL ? G_NETWORK_ADDRESS (where) : NULL;
  g_autoptr (GSocketAddress) address
      = parsed != NULL && g_network_address_get_port (parsed) == port
            ? g_inet_socket_address_new_from_string (g_network_address_get_hostname (parsed), port)
            : NULL;

  return address != NULL && addresses_is_up (G_INET_SOCKET_ADDRESS (address));
}

static gboolean
matches_any (const char *name, char **globs)
{
  for (guint i = 0; globs != NULL && globs[i] != NULL; i++)
    if (fnmatch (globs[i], name, 0) == 0)
      return TRUE;
  return FALSE;
}

static guint
prefix_length (const struct sockaddr *mask)
{
  gsize size = mask->sa_family == AF_INET ? 4 : 16;
  const guint8 *bytes = mask->sa_family == AF_INET ? (const guint8 *) &((const struct sockaddr_in *) mask)->sin_addr
                                                   : ((const struct sockaddr_in6 *) mask)->sin6_addr.s6_addr;
  guint bits = 0;

  for (gsize i = 0; i < size; i++)
    bits += (guint) __builtin_popcount (bytes[i]);
  return bits;
}

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

char *
addresses_network (char **ignore)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  struct ifaddrs *all = NULL;

  if (getifaddrs (&all) != 0)
    return g_strdup ("");
  for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
    {
      g_autoptr (GInetAddress) address = NULL;
      g_autofree char *text = NULL;

      if (!is_inet (i) || matches_any (i->ifa_name, ignore))
        continue;
      if (i->ifa_addr->sa_family == AF_INET6
          && is_temporary (&((const struct sockaddr_in6 *) i->ifa_addr)->sin6_addr))
        continue; /* changes by itself */
      address = to_inet (i->ifa_addr);
      if (g_inet_address_get_is_loopback (address) || g_inet_address_get_is_link_local (address))
        continue;
      text = g_inet_address_to_string (address);
      g_ptr_array_add (words, g_strdup_printf ("%s:%s/%u", i->ifa_name, text, prefix_length (i->ifa_netmask)));
    }
  freeifaddrs (all);
  g_ptr_array_sort (words, compare_strings);
  g_ptr_array_add (words, NULL);
  return g_strjoinv (" ", (char **) words->pdata);
}
