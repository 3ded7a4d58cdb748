/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xmpp/iq.h"

#include "xmpp/capabilities.h"
#include "xmpp/ns.h"
#include "xmpp/stanza.h"

/* Goal: every request is answered (RFC 6120 8.2.3), to who asked, with the id it had. */

static Node *
ask (const char *type, const char *name, const char *ns)
{
  Node *request = stanza_iq_request ("romeo@forza", "juliet@pronto", type, "q1");

  if (name != NULL)
    node_add (request, name, ns);
  return request;
}

static Node *
answer (const char *type, const char *name, const char *ns)
{
  g_autoptr (Node) request = ask (type, name, ns);
  Node *got = iq_answer (request);

  g_assert_cmpstr (node_get (got, "id"), ==, "q1");
  g_assert_cmpstr (node_get (got, "to"), ==, "romeo@forza");
  g_assert_cmpstr (node_get (got, "from"), ==, "juliet@pronto");
  return got;
}

static void
test_ping (void)
{
  g_autoptr (Node) got = answer ("get", "ping", NS_PING);

  g_assert_cmpstr (node_get (got, "type"), ==, "result");
  g_assert_null (node_first_element (got));
}

static void
test_features (void)
{
  g_autoptr (Node) got = answer ("get", "query", NS_DISCO_INFO);

  g_assert_cmpstr (node_get (got, "type"), ==, "result");
  g_assert_cmpuint (capabilities_parse (node_child (got, "query", NS_DISCO_INFO)) & CAPABILITY_RECEIPTS, !=, 0);
}

static void
test_items (void)
{
  g_autoptr (Node) got = answer ("get", "query", NS_DISCO_ITEMS);

  g_assert_cmpstr (node_get (got, "type"), ==, "result");
  g_assert_null (node_first_element (node_child (got, "query", NS_DISCO_ITEMS)));
}

static void
test_others (void)
{
  static const char *const namespaces[] = { "jabber:iq:version", "urn:xmpp:jingle:1", NULL };

  for (guint i = 0; i < G_N_ELEMENTS (namespaces); i++)
    {
      g_autoptr (Node) got = answer ("set", namespaces[i] != NULL ? "query" : NULL, namespaces[i]);
      const Node *error = node_child (got, "error", NULL);

      g_assert_cmpstr (node_get (got, "type"), ==, "error");
      g_assert_nonnull (node_child (error, "service-unavailable", NS_STANZA_ERROR));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/iq/ping", test_ping);
  g_test_add_func ("/iq/features", test_features);
  g_test_add_func ("/iq/items", test_items);
  g_test_add_func ("/iq/others", test_others);
  return g_test_run ();
}
