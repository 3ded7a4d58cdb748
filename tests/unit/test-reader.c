/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: the same bytes are the same events in whatever slices they come, and every limit holds exactly. */
#include "xmpp/reader.h"

#include <string.h>

#include "base/limits.h"
#include "slices.h"
#include "xmpp/ns.h"
#include "xmpp/writer.h"

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

/* Takes all events into @out: "OPEN …", "ELEMENT …", "CLOSE", each with its end. */
static void
take_events (Reader *reader, GString *out)
{
  static const char *const names[] = { "OPEN ", "", "CLOSE" };
  ReaderEvent event;

  while (reader_next (reader, &event))
    {
      g_string_append (out, names[event.type]);
      if (event.type == READER_OPEN)
        g_string_append_printf (out, "%s {%s}", event.node->name, event.node->ns);
      else if (event.type == READER_ELEMENT)
        writer_append (out, event.node, NS_CLIENT);
      g_string_append_printf (out, " @%" G_GSIZE_FORMAT "\n", event.bytes_consumed);
      node_free (event.node);
    }
}

static char *
read_sliced (const char *bytes, gsize len, guint slicing)
{
  g_autoptr (Reader) reader = reader_new (&reader_default_limits);
  g_autoptr (GError) error = NULL;
  GString *out = g_string_new (NULL);
  Slices slices = slices_new (slicing);

  while (len > 0)
    {
      gsize part = slices_next (&slices, len);
      gboolean ok = reader_push (reader, bytes, part, NULL);

      take_events (reader, out);
      if (!ok)
        break;
      bytes += part;
      len -= part;
    }
  slices_clear (&slices);
  if (!reader_push (reader, "", 0, &error))
    {
      g_assert_true (error->domain == READER_ERROR);
      g_assert_false (reader_push (reader, "<a/>", 4, NULL));
      g_string_append (out, reader_error_condition (error->code));
    }
  take_events (reader, out);
  return g_string_free (out, FALSE);
}

/* The events of @bytes, which must not depend on the slices. */
static char *
read_all (const char *bytes, gsize len)
{
  g_autofree char *whole = read_sliced (bytes, len, 0);

  for (guint slicing = 1; slicing < SLICINGS; slicing++)
    {
      g_autofree char *sliced = read_sliced (bytes, len, slicing);

      if (g_strcmp0 (sliced, whole) != 0)
        g_test_message ("slicing %u of %.200s", slicing, bytes);
      g_assert_cmpstr (sliced, ==, whole);
    }
  return g_steal_pointer (&whole);
}

static void
assert_read (const char *bytes, const char *expected)
{
  g_autofree char *events = read_all (bytes, strlen (bytes));

  g_assert_cmpstr (events, ==, expected);
}

/* What follows the header: events without their positions, then the condition. */
static void
assert_after_header (const char *bytes, const char *expected)
{
  g_autofree char *all = g_strconcat (HEADER, bytes, NULL);
  g_autofree char *events = read_all (all, strlen (all));
  g_autoptr (GRegex) positions = g_regex_new (" @[0-9]+\n", 0, 0, NULL);
  g_autofree char *plain = g_regex_replace_literal (positions, events, -1, 0, "|", 0, NULL);

  g_assert_true (g_str_has_prefix (plain, "OPEN stream {" NS_STREAM "}|"));
  g_assert_cmpstr (strchr (plain, '|') + 1, ==, expected);
}

static void
test_stream (void)
{
  assert_read (HEADER "<message to='a'><body>hi</body></message>\n <iq/></stream:stream>\r\n",
               "OPEN stream {" NS_STREAM "} @85\n<message to='a'><body>hi</body></message> @126\n"
               "<iq/> @133\nCLOSE @149\n");
  assert_read ("<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n" HEADER, "OPEN stream {" NS_STREAM "} @125\n");
  assert_read ("\xef\xbb\xbf" HEADER, "OPEN stream {" NS_STREAM "} @88\n");
  assert_read ("<a/> ", "OPEN a {(null)} @4\nCLOSE @4\n");
}

static void
test_open_node (void)
{
  g_autoptr (Reader) reader = reader_new (&reader_default_limits);
  const char *header = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' "
                       "from=\"ro&apos;meo\" to='' xml:lang='de'>";
  ReaderEvent event;

  g_assert_true (reader_push (reader, header, strlen (header), NULL));
  g_assert_true (reader_next (reader, &event));
  g_assert_cmpstr (node_get (event.node, "from"), ==, "ro'meo");
  g_assert_cmpstr (node_get (event.node, "to"), ==, "");
  g_assert_cmpstr (node_get (event.node, "xmlns"), ==, NS_CLIENT);
  g_assert_null (node_get (event.node, "lang"));
  g_assert_false (reader_next (reader, &event) && event.node == NULL);
  node_free (event.node);
}

static void
test_content (void)
{
  static const struct
  {
    const char *bytes, *events;
  } rows[] = {
    { "<a>x<![CDATA[<b> & ]] ]]]>&amp;&#x41;\xe2\x82\xac</a>",
      "<a>x&lt;b&gt; &amp; ]] ]&amp;A\xe2\x82\xac</a>|" },
    { "<p:a xmlns:p='urn:p' p:b='>' c=\"'\"><p:d/><e/></p:a>",
      "<a xmlns='urn:p' xmlns:a0='urn:p' a0:b='&gt;' c='&apos;'><d/><e xmlns='jabber:client'/></a>|" },
    { "<a >\r\n<b\n/></a\t>", "<a>\n<b/></a>|" },
    { "&#32;\t<![CDATA[ ]]>\n<a/>", "<a/>|" },
    { "<stream:features/><a xmlns=''><xml:b/></a>", "<stream:features/>|<a xmlns=''><xml:b/></a>|" },
    { "<a b='x\ny&#10;z'/>", "<a b='x y&#10;z'/>|" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    assert_after_header (rows[i].bytes, rows[i].events);
}

static void
test_broken (void)
{
  static const struct
  {
    const char *bytes, *events;
  } rows[] = {
    { "<a/><!-- c -->", "<a/>|restricted-xml" },
    { "<a/><a><!-", "<a/>|restricted-xml" },
    { "<a><!DOCTYPE b></a>", "restricted-xml" },
    { "<a/><?b c?>", "<a/>|restricted-xml" },
    { "<a/><?xml version='1.0'?>", "<a/>|restricted-xml" },
    { "<a>&b;</a>", "restricted-xml" },
    { "<a b='&c;'/>", "restricted-xml" },
    { "<a>&#0;</a>", "not-well-formed" },
    { "<a></b>", "not-well-formed" },
    { "<a b='1' b='2'/>", "not-well-formed" },
    { "<a><p:b/></a>", "not-well-formed" },
    { "<a>1 < 2</a>", "not-well-formed" },
    { "<a>1 & 2</a>", "not-well-formed" },
    { "<a>]]></a>", "not-well-formed" },
    { "<a>\xff</a>", "not-well-formed" },
    { "<a>\x01</a>", "not-well-formed" },
    { "<a>\xef\xbf\xbf</a>", "not-well-formed" },
    { "<![CDATX[]]>", "restricted-xml" },
    { "<>", "not-well-formed" },
    { "<a/>x", "<a/>|invalid-xml" },
    { "<a/><![CDATA[x]]>", "<a/>|invalid-xml" },
    { "<a/>&amp;", "<a/>|invalid-xml" },
    { "</stream:stream> x", "CLOSE|invalid-xml" },
    { "</stream:stream><a/>", "CLOSE|invalid-xml" },
    { "</stream:stream><!-- c -->", "CLOSE|invalid-xml" },
    { "</stream>", "not-well-formed" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    assert_after_header (rows[i].bytes, rows[i].events);
}

static void
test_broken_before_open (void)
{
  static const struct
  {
    const char *bytes, *condition;
  } rows[] = {
    { "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "restricted-xml" },
    { "<!-- c --><a>", "restricted-xml" },
    { "<?b c?><a>", "restricted-xml" },
    { "<?xml version='1.0' encoding='ISO-8859-1'?><a>", "unsupported-encoding" },
    { "<?xml version='1.0' encoding='UTF-16'?><a>", "unsupported-encoding" },
    { "\xff\xfe<", "unsupported-encoding" },
    { "\xfe\xff", "unsupported-encoding" },
    { "GET / HTTP/1.1\r\n\r\n", "not-well-formed" },
    { "<stream:stream>", "not-well-formed" },
    { "\n<?xml version='1.0'?><a>", "restricted-xml" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    assert_read (rows[i].bytes, rows[i].condition);
  for (guint slicing = 0; slicing < SLICINGS; slicing++)
    {
      g_autofree char *utf16 = read_sliced ("<\0a\0/\0>\0", 8, slicing);

      g_assert_cmpstr (utf16, ==, "unsupported-encoding");
    }
}

/* The event count and the condition of HEADER and @bytes, in all slicings. */
static void
assert_limit (const char *bytes, gsize len, gboolean fits)
{
  g_autofree char *all = g_strdup_printf (HEADER "%.*s", (int) len, bytes);
  g_autofree char *events = read_all (all, strlen (all));

  g_assert_true (g_str_has_suffix (events, fits ? "\n" : "\npolicy-violation"));
}

static char *
repeat (const char *unit, gsize times)
{
  GString *out = g_string_new (NULL);

  for (gsize i = 0; i < times; i++)
    g_string_append (out, unit);
  return g_string_free (out, FALSE);
}

/* @format has one %s for what is repeated; @times fit. */
static void
check_count (const char *open, const char *unit, const char *close, gsize times)
{
  for (guint beyond = 0; beyond < 2; beyond++)
    {
      g_autofree char *many = repeat (unit, times + beyond);
      g_autofree char *all = g_strconcat (open, many, close, NULL);

      assert_limit (all, strlen (all), !beyond);
    }
}

static void
test_limit_element (void)
{
  gsize frame = strlen ("<a></a>");

  check_count ("<a/> \n <a>", "x", "</a><b/>", LIMIT_STANZA - frame);
  check_count ("<a b='", "x", "'/>", LIMIT_STANZA - strlen ("<a b=''/>"));
}

/* A peer that never ends a token is cut although expat has nothing to tell. */
static void
test_limit_endless (void)
{
  static const char *const starts[] = { "<a b='", "<a>&", "<a><b", "<a><![CDATA[", "<?a ", "<a " };

  for (guint i = 0; i < G_N_ELEMENTS (starts); i++)
    {
      g_autofree char *endless = repeat ("x", LIMIT_STANZA);
      g_autofree char *all = g_strconcat (starts[i], endless, NULL);

      assert_limit (all, LIMIT_STANZA, TRUE);
      assert_limit (all, LIMIT_STANZA + 1, FALSE);
    }
}

static void
test_limit_before_open (void)
{
  for (guint beyond = 0; beyond < 2; beyond++)
    {
      g_autofree char *blanks = repeat (" ", LIMIT_BEFORE_OPEN - 3 + beyond);
      g_autofree char *all = g_strconcat (blanks, "<a>", NULL);
      g_autofree char *events = read_all (all, strlen (all));

      g_assert_true (g_str_has_prefix (events, beyond ? "policy-violation" : "OPEN"));
    }
}

static void
test_limit_depth (void)
{
  check_count ("", "<a>", "", LIMIT_DEPTH - 1);
}

static void
test_limit_children (void)
{
  check_count ("<a>", "<b/>", "</a>", LIMIT_CHILDREN);
  check_count ("<a>", "x<b/>", "</a>", LIMIT_CHILDREN / 2);
  check_count ("<a/><a><c/><d>", "<b/>", "</d></a>", LIMIT_CHILDREN - 2);
}

static void
test_limit_names (void)
{
  check_count ("<a", "x", "/>", LIMIT_NAME - 1);
  check_count ("<a b", "x", "='1'/>", LIMIT_NAME - 1);
  check_count ("<a xmlns='", "x", "'/>", LIMIT_NAME);
  check_count ("<a xmlns:p", "x", "='urn:x'/>", LIMIT_NAME - 1);
}

static char *
numbered (const char *format, guint n)
{
  GString *out = g_string_new ("<a");

  for (guint i = 0; i < n; i++)
    g_string_append_printf (out, " %s%u='urn:%u'", format, i, i);
  g_string_append (out, "/>");
  return g_string_free (out, FALSE);
}

static void
test_limit_attributes (void)
{
  for (guint beyond = 0; beyond < 2; beyond++)
    {
      g_autofree char *attributes = numbered ("b", LIMIT_ATTRIBUTES + beyond);
      g_autofree char *namespaces = numbered ("xmlns:b", LIMIT_NAMESPACES + beyond);

      assert_limit (attributes, strlen (attributes), !beyond);
      assert_limit (namespaces, strlen (namespaces), !beyond);
    }
}

/* White space between stanzas keeps a stream alive and counts for none of them. */
static void
test_blanks_are_free (void)
{
  g_autofree char *blanks = repeat (" \n", LIMIT_STANZA);
  g_autofree char *all = g_strconcat (HEADER, blanks, "<a/>", NULL);
  g_autofree char *events = read_sliced (all, strlen (all), SLICINGS - 1);

  g_assert_true (g_strrstr (events, "<a/> @") != NULL);
}

/* Long streams go on over the parser's renewals, with what the header declared. */
static void
test_long_stream (void)
{
  g_autoptr (Reader) reader = reader_new (&reader_default_limits);
  const char *header
      = "<?xml version='1.0'?><s:stream xmlns:s='" NS_STREAM "' xmlns='jabber:client' xmlns:p='urn:p'>";
  g_autofree char *filler = repeat ("y", 60000);
  ReaderEvent event;
  gsize sent = strlen (header);

  g_assert_true (reader_push (reader, header, sent, NULL));
  g_assert_true (reader_next (reader, &event));
  node_free (event.node);
  for (guint i = 0; i < 300; i++)
    {
      g_autofree char *stanza = g_strdup_printf ("<p:a%u b='%s'><c/></p:a%u>", i, filler, i);
      g_autofree char *name = g_strdup_printf ("a%u", i);

      sent += strlen (stanza);
      g_assert_true (reader_push (reader, stanza, strlen (stanza) - 7, NULL));
      g_assert_true (reader_push (reader, stanza + strlen (stanza) - 7, 7, NULL));
      g_assert_true (reader_next (reader, &event));
      g_assert_true (node_is (event.node, name, "urn:p"));
      g_assert_nonnull (node_child (event.node, "c", NS_CLIENT));
      g_assert_cmpuint (event.bytes_consumed, ==, sent);
      node_free (event.node);
    }
  g_assert_true (reader_push (reader, "</s:stream>", 11, NULL));
  g_assert_true (reader_next (reader, &event));
  g_assert_cmpint (event.type, ==, READER_CLOSE);
}

static void
test_conditions (void)
{
  g_assert_cmpstr (reader_error_condition (READER_ERROR_NOT_WELL_FORMED), ==, "not-well-formed");
  g_assert_cmpstr (reader_error_condition (READER_ERROR_INVALID_XML), ==, "invalid-xml");
  reader_free (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reader/stream", test_stream);
  g_test_add_func ("/reader/open-node", test_open_node);
  g_test_add_func ("/reader/content", test_content);
  g_test_add_func ("/reader/broken", test_broken);
  g_test_add_func ("/reader/broken-before-open", test_broken_before_open);
  g_test_add_func ("/reader/limit/element", test_limit_element);
  g_test_add_func ("/reader/limit/endless", test_limit_endless);
  g_test_add_func ("/reader/limit/before-open", test_limit_before_open);
  g_test_add_func ("/reader/limit/depth", test_limit_depth);
  g_test_add_func ("/reader/limit/children", test_limit_children);
  g_test_add_func ("/reader/limit/names", test_limit_names);
  g_test_add_func ("/reader/limit/attributes", test_limit_attributes);
  g_test_add_func ("/reader/blanks-are-free", test_blanks_are_free);
  g_test_add_func ("/reader/long-stream", test_long_stream);
  g_test_add_func ("/reader/conditions", test_conditions);
  return g_test_run ();
}
