/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: what is understood of any stanza about a file is within its limits, and written again it means the same. */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "transfer/si.h"
#include "xmpp/ns.h"
#include "xmpp/reader.h"

/* The first element in @xml, or NULL. */
static Node *
read_first (const char *xml, gsize len)
{
  g_autoptr (Reader) reader = reader_new (&reader_default_limits);
  ReaderEvent event;

  reader_push (reader, FUZZ_HEADER, strlen (FUZZ_HEADER), NULL);
  reader_push (reader, xml, len, NULL);
  if (reader_next (reader, &event))
    node_free (event.node);
  return reader_next (reader, &event) ? event.node : NULL;
}

static Node *
wrap (Node *payload)
{
  Node *iq = node_new ("iq", NS_CLIENT);

  node_set (iq, "type", "set");
  node_take_child (iq, payload);
  return iq;
}

static void
check_offer (const SiOffer *offer)
{
  g_autoptr (Node) iq = wrap (si_build_offer (offer));
  g_autoptr (SiOffer) again = si_parse_offer (iq);

  g_assert_cmpuint (strlen (offer->sid), <=, LIMIT_ID);
  g_assert_cmpstr (again->sid, ==, offer->sid);
  g_assert_cmpstr (again->name, ==, offer->name);
  g_assert_cmpint (again->size, ==, offer->size);
  g_assert_cmpint (again->bytestreams, ==, offer->bytestreams);
}

static void
check_hosts (const SiHosts *hosts)
{
  g_autoptr (Node) iq = wrap (si_build_hosts (hosts));
  g_autoptr (SiHosts) again = si_parse_hosts (iq);

  g_assert_cmpuint (hosts->hosts->len, <=, LIMIT_STREAMHOSTS);
  g_assert_cmpuint (again->hosts->len, ==, hosts->hosts->len);
  for (guint i = 0; i < hosts->hosts->len; i++)
    {
      const SiHost *one = g_ptr_array_index (hosts->hosts, i);
      const SiHost *two = g_ptr_array_index (again->hosts, i);

      g_assert_cmpstr (one->jid, ==, two->jid);
      g_assert_cmpstr (one->host, ==, two->host);
      g_assert_true (g_hostname_is_ip_address (one->host));
      g_assert_cmpuint (one->port, ==, two->port);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (Node) node = read_first ((const char *)data, size);
  g_autoptr (SiOffer) offer = node != NULL ? si_parse_offer (node) : NULL;
  g_autoptr (SiHosts) hosts = node != NULL ? si_parse_hosts (node) : NULL;

  if (offer != NULL)
    check_offer (offer);
  if (hosts != NULL)
    check_hosts (hosts);
  if (node != NULL)
    g_assert_false (si_is_accept (node) && g_strcmp0 (node_get (node, "type"), "result") != 0);
  return 0;
}
