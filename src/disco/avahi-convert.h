/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include <avahi-common/address.h>
#include <avahi-common/strlst.h>

#include "disco/discovery.h"
#include "disco/items.h"

/* Between Avahi's types and ours. */

/* avahi_convert_from_txt: so that libavahi writes @txt in its order; avahi_string_list_free() it. */
AvahiStringList *avahi_convert_from_txt (GPtrArray *txt);

/* GBytes in the order of the wire, from the list that a resolver hands over: libavahi-core's is in reverse,
 * libavahi-client reverses that again. Caller owns. */
GPtrArray *avahi_convert_core_txt (AvahiStringList *list);
GPtrArray *avahi_convert_client_txt (AvahiStringList *list);

GSocketFamily avahi_convert_family (AvahiProtocol protocol);

/* avahi_convert_sighting: what a resolver found for @item, as sighting_new(). */
Sighting *avahi_convert_sighting (const Item *item, const AvahiAddress *address, uint16_t port, GPtrArray *txt);
