/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disco/avahi-convert.h"

#include "base/limits.h"
#include "disco/sightings.h"

AvahiStringList *
avahi_convert_from_txt (GPtrArray *txt)
{
  AvahiStringList *list = NULL;

  /* Adding prepends, and what writes a list to the wire starts at its end. */
  for (guint i = 0; txt != NULL && i < txt->len; i++)
    {
      gsize size;
      const guint8 *data = g_bytes_get_data (txt->pdata[i], &size);

      if (size > 0 && size <= LIMIT_TXT_STRING)
        list = avahi_string_list_add_arbitrary (list, data, size);
    }
  return list;
}

GPtrArray *
avahi_convert_client_txt (AvahiStringList *list)
{
  GPtrArray *txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  for (; list != NULL; list = avahi_string_list_get_next (list))
    g_ptr_array_add (txt, g_bytes_new (avahi_string_list_get_text (list), avahi_string_list_get_size (list)));
  return txt;
}

GPtrArray *
avahi_convert_core_txt (AvahiStringList *list)
{
  GPtrArray *txt = avahi_convert_client_txt (list);

  for (guint i = 0; i < txt->len / 2; i++)
    {
      gpointer bytes = txt->pdata[i];

      txt->pdata[i] = txt->pdata[txt->len - 1 - i];
      txt->pdata[txt->len - 1 - i] = bytes;
    }
  return txt;
}

GSocketFamily
avahi_convert_family (AvahiProtocol protocol)
{
  return protocol == AVAHI_PROTO_INET ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6;
}

Sighting *
avahi_convert_sighting (const Item *item, const AvahiAddress *address, uint16_t port, GPtrArray *txt)
{
  gboolean ipv4 = address->proto == AVAHI_PROTO_INET;
  const guint8 *bytes = ipv4 ? (const guint8 *) &address->data.ipv4.address : address->data.ipv6.address;

  return sighting_new (item->name, (guint) item->interface, avahi_convert_family (item->protocol), bytes,
                       ipv4 ? 4 : 16, port, txt);
}
