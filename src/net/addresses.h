/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Addresses of this host and how they compare. */

/* addresses_unmap: takes @address; ::ffff:a.b.c.d becomes a.b.c.d. NULL stays NULL. */
GInetSocketAddress *addresses_unmap (GSocketAddress *address);

/* addresses_same_host: equal but for the port; of fe80:: the interface has to be equal too. */
gboolean addresses_same_host (GInetSocketAddress *a, GInetSocketAddress *b);

/* addresses_to_string: "192.168.1.5", "fe80::1%eth0". The caller owns it. */
char *addresses_to_string (GInetSocketAddress *address);

/* addresses_normalize: one spelling for HOST, HOST:PORT, [ADDRESS]:PORT: without the port where that is @default_port. NULL where @text is none
 * of them. The caller owns it. */
char *addresses_normalize (const char *text, guint16 default_port);

/* addresses_alternatives: other addresses of this host from which to reach @remote: those of @interface in the same family, without
 * loopback and temporary (RFC 8981) ones. libpurple takes a connection only from the address that it resolved. GInetAddress. */
GPtrArray *addresses_alternatives (GInetSocketAddress *remote, guint interface);

/* addresses_beside: where else this host can be reached over the interface that has @local: all its addresses but temporary ones, @local first,
 * of fe80:: with the interface. GInetSocketAddress, port 0. */
GPtrArray *addresses_beside (GInetSocketAddress *local);

/* addresses_is_up: @local is still an address of an interface that is up and has a carrier. */
gboolean addresses_is_up (GInetSocketAddress *local);

/* addresses_any_up: some interface besides loopback is up and has an address. */
gboolean addresses_any_up (void);

/* addresses_is_own: @text, as addresses_normalize() answers it, is @port at an address of this host. A name is nobody's here. */
gboolean addresses_is_own (const char *text, guint16 default_port, guint16 port);

/* addresses_network: a word that tells this network from another: all routable addresses with their prefixes, sorted; "" where there are
 * none. @ignore: globs of interfaces that do not count. The caller owns it. */
char *addresses_network (char **ignore);
