/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: an element tree keeps what was put into it, and equality is that of meaning. */
#include "xmpp/node.h"

static void
test_attributes (void)
{
  g_autoptr (Node) node = node_new ("message", "jabber:client");

  g_assert_null (node_get (node, "to"));
  node_set (node, "to", NULL);
  node_set (node, "to", "juliet@pronto");
  node_set (node, "from", "romeo@forza");
  node_set (node, "to", node_get (node, "from"));
  g_assert_cmpstr (node_get (node, "to"), ==, "romeo@forza");
  node_set (node, "to", node_get (node, "to"));
  g_assert_cmpstr (node_get (node, "to"), ==, "romeo@forza");
  node_set (node, "to", NULL);
  g_assert_null (node_get (node, "to"));
  g_assert_cmpstr (node_get (node, "from"), ==, "romeo@forza");
  node_add_attribute (node, "lang", 4, NS_XML, -1, "en");
  g_assert_null (node_get (node, "lang"));
}

static void
test_children (void)
{
  g_autoptr (Node) node = node_new ("message", "jabber:client");
  g_autofree char *text = NULL;
  g_autofree char *joined = NULL;
  g_autofree char *none = NULL;
  Node *body;

  g_assert_null (node_first_element (node));
  node_add_text (node, "before ");
  body = node_add_text_element (node, "body", "jabber:client", "hi");
  node_add (node, "x", "jabber:x:event");
  node_add_text (node, "after");
  g_assert_true (node_first_element (node) == body);
  g_assert_true (node_child (node, "body", NULL) == body);
  g_assert_true (node_child (node, NULL, "jabber:client") == body);
  g_assert_null (node_child (node, "body", "jabber:x:event"));
  g_assert_true (node_is (node_child (node, "x", NULL), "x", "jabber:x:event"));
  g_assert_false (node_is (g_ptr_array_index (node->children, 0), "body", NULL));
  text = node_dup_text (body);
  joined = node_dup_text (node);
  none = node_dup_text (node_child (node, "x", NULL));
  g_assert_cmpstr (text, ==, "hi");
  g_assert_cmpstr (joined, ==, "before after");
  g_assert_cmpstr (none, ==, "");
}

static Node *
example (const char *first, const char *second)
{
  Node *node = node_new ("a", "urn:x");

  node_set (node, "one", "1");
  node_set (node, "two", "2");
  node_add_text (node, first);
  node_add_text (node, second);
  node_add_text_element (node, "b", NULL, "c");
  return node;
}

static void
test_equal (void)
{
  g_autoptr (Node) a = example ("hel", "lo");
  g_autoptr (Node) b = example ("hello", "");
  g_autoptr (Node) copy = node_copy (a);
  g_autoptr (Node) other = example ("hello", "!");

  g_assert_true (node_equal (a, b));
  g_assert_true (node_equal (a, copy));
  g_assert_false (node_equal (a, other));
  node_set (b, "one", NULL);
  node_set (b, "one", "1"); /* now behind "two" */
  g_assert_true (node_equal (a, b));
  node_set (b, "one", "2");
  g_assert_false (node_equal (a, b));
  node_set (copy, "three", "3");
  g_assert_false (node_equal (a, copy));
  node_add_text (node_child (a, "b", NULL), "d");
  node_set (b, "one", "1");
  g_assert_false (node_equal (a, b));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/node/attributes", test_attributes);
  g_test_add_func ("/node/children", test_children);
  g_test_add_func ("/node/equal", test_equal);
  return g_test_run ();
}
