/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what is written is well-formed whatever the text, and every peer understands the prefixes. */
#include "xmpp/writer.h"

#include "xmpp/ns.h"

static void
assert_written (const Node *node, const char *scope, const char *expected)
{
  g_autoptr (GString) out = g_string_new (NULL);

  writer_append (out, node, scope);
  g_assert_cmpstr (out->str, ==, expected);
}

static void
test_namespaces (void)
{
  g_autoptr (Node) message = node_new ("message", NS_CLIENT);
  g_autoptr (Node) none = node_new ("a", NULL);
  Node *html = node_add (message, "html", NS_XHTML);

  node_add (html, "body", NS_XHTML);
  node_add (message, "body", NS_CLIENT);
  assert_written (message, NS_CLIENT,
                  "<message><html xmlns='http://www.w3.org/1999/xhtml'><body/></html><body/></message>");
  assert_written (message, NULL,
                  "<message xmlns='jabber:client'><html xmlns='http://www.w3.org/1999/xhtml'><body/></html>"
                  "<body/></message>");
  assert_written (none, NS_CLIENT, "<a xmlns=''/>");
  assert_written (none, NULL, "<a/>");
}

static void
test_stream_prefix (void)
{
  g_autoptr (Node) features = node_new ("features", NS_STREAM);

  node_add (features, "message", NS_CLIENT);
  node_add (features, "query", NS_DISCO_INFO);
  assert_written (features, NS_CLIENT,
                  "<stream:features><message/><query xmlns='http://jabber.org/protocol/disco#info'/>"
                  "</stream:features>");
}

static void
test_attributes (void)
{
  g_autoptr (Node) node = node_new ("a", NULL);

  node_set (node, "b", "'\"<&>\t\r\n\x01");
  node_add_attribute (node, "lang", -1, NS_XML, -1, "en");
  node_add_attribute (node, "c", -1, "urn:c", -1, "d");
  assert_written (node, NULL,
                  "<a b='&apos;&quot;&lt;&amp;&gt;&#9;&#13;&#10;' xml:lang='en' xmlns:a2='urn:c' a2:c='d'/>");
}

static void
test_text (void)
{
  static const struct
  {
    const char *text, *escaped;
  } rows[] = {
    { "", "" },
    { "plain", "plain" },
    { "1 < 2 & 'a' > \"b\"", "1 &lt; 2 &amp; &apos;a&apos; &gt; &quot;b&quot;" },
    { "]]>", "]]&gt;" },
    { "a\tb\nc\rd", "a\tb\nc&#13;d" },
    { "\x01\x1f\x7f", "\x7f" },
    { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
    { "a\xff\xc3", "a" },
    { "\xef\xbf\xbe\xef\xbf\xbf\xed\xa0\x80x", "x" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) out = g_string_new (NULL);

      writer_append_escaped (out, rows[i].text);
      g_assert_cmpstr (out->str, ==, rows[i].escaped);
    }
}

static void
test_cdata (void)
{
  static const struct
  {
    const char *text, *written;
  } rows[] = {
    { "", "<![CDATA[]]>" },
    { "a & b", "<![CDATA[a & b]]>" },
    { "]]>]]>", "<![CDATA[]]]]><![CDATA[>]]]]><![CDATA[>]]>" },
    { "]]]>\x02", "<![CDATA[]]]]]><![CDATA[>]]>" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) out = g_string_new (NULL);

      writer_append_cdata (out, rows[i].text);
      g_assert_cmpstr (out->str, ==, rows[i].written);
    }
}

static void
test_header (void)
{
  g_autoptr (GString) full = g_string_new (NULL);
  g_autoptr (GString) bare = g_string_new (NULL);

  writer_append_header (full, "o'neill@pronto", "romeo@forza", "7", TRUE);
  g_assert_cmpstr (full->str, ==,
                   "<?xml version='1.0'?><stream:stream xmlns='jabber:client'"
                   " xmlns:stream='http://etherx.jabber.org/streams' from='o&apos;neill@pronto'"
                   " to='romeo@forza' id='7' version='1.0'>");
  writer_append_header (bare, NULL, NULL, NULL, FALSE);
  g_assert_cmpstr (bare->str, ==,
                   "<?xml version='1.0'?><stream:stream xmlns='jabber:client'"
                   " xmlns:stream='http://etherx.jabber.org/streams'>");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/writer/namespaces", test_namespaces);
  g_test_add_func ("/writer/stream-prefix", test_stream_prefix);
  g_test_add_func ("/writer/attributes", test_attributes);
  g_test_add_func ("/writer/text", test_text);
  g_test_add_func ("/writer/cdata", test_cdata);
  g_test_add_func ("/writer/header", test_header);
  return g_test_run ();
}
