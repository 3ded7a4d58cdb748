/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: the hash of XEP-0115 agrees with the specification's own examples, and ours with our query. */
#include "xmpp/capabilities.h"

#include "xmpp/ns.h"

static void
add_feature (Node *query, const char *var)
{
  node_set (node_add (query, "feature", NS_DISCO_INFO), "var", var);
}

static Node *
add_identity (Node *query, const char *lang, const char *name)
{
  Node *identity = node_add (query, "identity", NS_DISCO_INFO);

  node_set (identity, "category", "client");
  node_set (identity, "type", "pc");
  node_set (identity, "name", name);
  if (lang != NULL)
    node_add_attribute (identity, "lang", -1, NS_XML, -1, lang);
  return identity;
}

static void
add_muc_features (Node *query)
{
  add_feature (query, "http://jabber.org/protocol/muc");
  add_feature (query, NS_DISCO_INFO);
  add_feature (query, NS_CAPS);
  add_feature (query, NS_DISCO_ITEMS);
}

static void
assert_ver (const Node *query, const char *expected)
{
  g_autofree char *ver = capabilities_ver (query);

  g_assert_cmpstr (ver, ==, expected);
}

/* XEP-0115 5.2, also the example of XEP-0174 */
static void
test_simple (void)
{
  g_autoptr (Node) query = node_new ("query", NS_DISCO_INFO);

  add_identity (query, NULL, "Exodus 0.9.1");
  add_muc_features (query);
  assert_ver (query, "QgayPKawpkPSDYmwT/WM94uAlu0=");
}

static void
add_field (Node *form, const char *var, const char *one, const char *two)
{
  Node *field = node_add (form, "field", "jabber:x:data");

  node_set (field, "var", var);
  if (g_str_equal (var, "FORM_TYPE"))
    node_set (field, "type", "hidden");
  node_add_text_element (field, "value", "jabber:x:data", one);
  if (two != NULL)
    node_add_text_element (field, "value", "jabber:x:data", two);
}

static Node *
add_form (Node *query, const char *type)
{
  Node *form = node_add (query, "x", "jabber:x:data");

  node_set (form, "type", "result");
  add_field (form, "software_version", "0.11", NULL);
  add_field (form, "os", "Mac", NULL);
  if (type != NULL)
    add_field (form, "FORM_TYPE", type, NULL);
  add_field (form, "os_version", "10.5.1", NULL);
  add_field (form, "software", "Psi", NULL);
  add_field (form, "ip_version", "ipv6", "ipv4");
  return form;
}

/* XEP-0115 5.3 */
static void
test_complex (void)
{
  g_autoptr (Node) query = node_new ("query", NS_DISCO_INFO);

  add_form (query, "urn:xmpp:dataforms:softwareinfo");
  add_identity (query, "en", "Psi 0.11");
  add_identity (query, "el", "\xce\xa8 0.11");
  add_muc_features (query);
  assert_ver (query, "q07IKJEyjvHSyhy//CH0CxmKi8w=");
  add_form (query, NULL); /* left out */
  assert_ver (query, "q07IKJEyjvHSyhy//CH0CxmKi8w=");
  add_form (query, "urn:xmpp:dataforms:softwareinfo");
  assert_ver (query, NULL);
}

static void
test_refused (void)
{
  g_autoptr (Node) feature = node_new ("query", NS_DISCO_INFO);
  g_autoptr (Node) twice = node_new ("query", NS_DISCO_INFO);
  g_autoptr (Node) identities = node_new ("query", NS_DISCO_INFO);
  g_autoptr (Node) form = node_new ("query", NS_DISCO_INFO);

  add_feature (feature, "urn:a<urn:b");
  assert_ver (feature, NULL);
  add_feature (twice, "urn:a");
  add_feature (twice, "urn:b");
  add_feature (twice, "urn:a");
  assert_ver (twice, NULL);
  add_identity (identities, NULL, "x");
  add_identity (identities, NULL, "x");
  assert_ver (identities, NULL);
  add_field (add_form (form, "urn:x"), "a", "b<c", NULL);
  assert_ver (form, NULL);
}

static void
test_own (void)
{
  g_autoptr (Node) query = capabilities_own_query ();
  g_autofree char *ver = capabilities_ver (query);
  g_autofree char *node = g_strconcat ("https://hearby.org/#", ver, NULL);
  g_auto (GStrv) names = capabilities_names (capabilities_parse (query));

  g_assert_cmpstr (ver, ==, capabilities_own_ver ());
  g_assert_cmpstr (node_get (query, "node"), ==, node);
  g_assert_cmpuint (g_strv_length (names), ==, 6);
  g_assert_true (g_strv_contains ((const char *const *) names, "chat-states"));
}

static void
test_parse (void)
{
  g_autoptr (Node) query = node_new ("query", NS_DISCO_INFO);
  g_auto (GStrv) none = capabilities_names (capabilities_parse (query));

  g_assert_cmpuint (g_strv_length (none), ==, 0);
  add_feature (query, NS_PING);
  add_feature (query, "urn:unknown");
  node_add (query, "feature", NS_DISCO_INFO);
  g_assert_cmpint (capabilities_parse (query), ==, CAPABILITY_PING);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/capabilities/simple", test_simple);
  g_test_add_func ("/capabilities/complex", test_complex);
  g_test_add_func ("/capabilities/refused", test_refused);
  g_test_add_func ("/capabilities/own", test_own);
  g_test_add_func ("/capabilities/parse", test_parse);
  return g_test_run ();
}
