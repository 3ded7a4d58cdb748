/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/si.h"

#include <string.h>

#include "base/limits.h"
#include "xmpp/ns.h"
#include "xmpp/reader.h"
#include "xmpp/writer.h"

/* Goal: what libpurple says about a file is understood as it was seen on the wire, what we say has the same form, and of what a peer may
 * write into it nothing gets through that is longer or stranger than it has to be. */

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
#define OFFER \
  "<iq to='romeo@forza' from='juliet@pronto' id='0' type='set'><si xmlns='http://jabber.org/protocol/si' " \
  "profile='http://jabber.org/protocol/si/profile/file-transfer' id='0'>" \
  "<file xmlns='http://jabber.org/protocol/si/profile/file-transfer' name='a &amp; \xc3\xbc &lt;b&gt;.bin' size='1048576'/>" \
  "<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='form'>" \
  "<field var='stream-method' type='list-single'><option><value>http://jabber.org/protocol/bytestreams</value></option></field>" \
  "</x></feature></si></iq>"
#define ACCEPT \
  "<iq to='juliet@pronto' from='romeo@forza' id='0' type='result'><si xmlns='http://jabber.org/protocol/si'>" \
  "<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='submit'><field var='stream-method'>" \
  "<value>http://jabber.org/protocol/bytestreams</value></field></x></feature></si></iq>"
#define HOSTS \
  "<iq to='romeo@forza' from='juliet@pronto' id='0' type='set'><query xmlns='http://jabber.org/protocol/bytestreams' sid='0' mode='tcp'>" \
  "<streamhost jid='0' host='fe80::1' port='38911'/><streamhost jid='0' host='10.77.0.1' port='38911'/></query></iq>"
#define USED \
  "<iq to='juliet@pronto' from='romeo@forza' id='0' type='result'><query xmlns='http://jabber.org/protocol/bytestreams'>" \
  "<streamhost-used jid='0'/></query></iq>"

static Node *
read_stanza (const char *xml)
{
  g_autoptr (Reader) reader = reader_new (&reader_default_limits);
  ReaderEvent event;

  g_assert_true (reader_push (reader, HEADER, strlen (HEADER), NULL));
  g_assert_true (reader_next (reader, &event));
  node_free (event.node);
  g_assert_true (reader_push (reader, xml, strlen (xml), NULL));
  g_assert_true (reader_next (reader, &event));
  return event.node;
}

/* @payload in an iq of @type, through bytes. */
static Node *
send (const char *type, Node *payload)
{
  g_autoptr (Node) iq = node_new ("iq", NS_CLIENT);
  g_autoptr (GString) xml = g_string_new (NULL);

  node_set (iq, "type", type);
  node_take_child (iq, payload);
  writer_append (xml, iq, NS_CLIENT);
  return read_stanza (xml->str);
}

/* OFFER with one thing of it another way. */
static SiOffer *
parse_changed (const char *what, const char *with)
{
  g_auto (GStrv) parts = g_strsplit (OFFER, what, 2);
  g_autofree char *xml = g_strjoinv (with, parts);
  g_autoptr (Node) iq = read_stanza (xml);

  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  return si_parse_offer (iq);
}

static void
test_offer (void)
{
  g_autoptr (Node) iq = read_stanza (OFFER);
  g_autoptr (SiOffer) offer = si_parse_offer (iq);
  g_autoptr (Node) again = NULL;

  g_assert_nonnull (offer);
  g_assert_cmpstr (offer->sid, ==, "0");
  g_assert_cmpstr (offer->name, ==, "a & ü <b>.bin");
  g_assert_cmpint (offer->size, ==, 1048576);
  g_assert_true (offer->bytestreams);
  again = send ("set", si_build_offer (offer));
  g_assert_true (node_equal (node_first_element (iq), node_first_element (again)));
}

static void
test_without_size (void)
{
  g_autoptr (SiOffer) offer = parse_changed (" size='1048576'", "");
  g_autoptr (Node) iq = NULL;

  g_assert_cmpint (offer->size, ==, -1);
  iq = send ("set", si_build_offer (offer));
  g_assert_null (node_get (node_child (node_child (iq, "si", NS_SI), "file", NS_SI_FILES), "size"));
}

static void
test_other_method (void)
{
  g_autoptr (SiOffer) offer = parse_changed ("<value>http://jabber.org/protocol/bytestreams<", "<value>http://jabber.org/protocol/ibb<");

  g_assert_nonnull (offer);
  g_assert_false (offer->bytestreams);
}

static void
test_several_methods (void)
{
  g_autoptr (SiOffer) offer = parse_changed ("<option>", "<option><value>http://jabber.org/protocol/ibb</value></option><option>");

  g_assert_true (offer->bytestreams);
}

static void
test_bad_offers (void)
{
  static const struct
  {
    const char *what, *with;
  } table[] = {
    { "profile='http://jabber.org/protocol/si/profile/file-transfer' ", "" },
    { "profile='http://jabber.org/protocol/si/profile/file-transfer'", "profile='http://jabber.org/protocol/si/profile/tree-transfer'" },
    { " id='0'><file", "><file" },
    { " id='0'><file", " id=''><file" },
    { "name='a &amp; \xc3\xbc &lt;b&gt;.bin'", "" },
    { "name='a &amp; \xc3\xbc &lt;b&gt;.bin'", "name=''" },
    { "size='1048576'", "size=''" },
    { "size='1048576'", "size='-1'" },
    { "size='1048576'", "size='0x10'" },
    { "size='1048576'", "size=' 10'" },
    { "size='1048576'", "size='9223372036854775808'" },
    { "<file xmlns='http://jabber.org/protocol/si/profile/file-transfer'", "<file xmlns='urn:other'" },
    { "<si xmlns='http://jabber.org/protocol/si'", "<si xmlns='urn:other'" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (SiOffer) offer = parse_changed (table[i].what, table[i].with);

      g_assert_null (offer);
    }
}

static void
test_limit_of_sid (void)
{
  g_autofree char *fits = g_strnfill (LIMIT_ID, 's');
  g_autofree char *long_sid = g_strnfill (LIMIT_ID + 1, 's');
  g_autofree char *with = g_strdup_printf (" id='%s'><file", fits);
  g_autofree char *with_long = g_strdup_printf (" id='%s'><file", long_sid);
  g_autoptr (SiOffer) offer = parse_changed (" id='0'><file", with);

  g_assert_cmpstr (offer->sid, ==, fits);
  g_assert_null (parse_changed (" id='0'><file", with_long));
}

static void
test_greatest_size (void)
{
  g_autoptr (SiOffer) offer = parse_changed ("size='1048576'", "size='9223372036854775807'");

  g_assert_cmpint (offer->size, ==, G_MAXINT64);
}

static void
test_accept (void)
{
  g_autoptr (Node) theirs = read_stanza (ACCEPT);
  g_autoptr (Node) ours = send ("result", si_build_accept ());
  g_autoptr (Node) asked = send ("set", si_build_accept ());
  g_autoptr (Node) offer = read_stanza (OFFER);

  g_assert_true (si_is_accept (theirs));
  g_assert_true (si_is_accept (ours));
  g_assert_true (node_equal (node_first_element (theirs), node_first_element (ours)));
  g_assert_false (si_is_accept (asked));
  g_assert_false (si_is_accept (offer));
}

static void
test_hosts (void)
{
  g_autoptr (Node) iq = read_stanza (HOSTS);
  g_autoptr (SiHosts) hosts = si_parse_hosts (iq);
  const SiHost *second;
  g_autoptr (Node) again = NULL;

  g_assert_cmpstr (hosts->sid, ==, "0");
  g_assert_cmpuint (hosts->hosts->len, ==, 2);
  second = g_ptr_array_index (hosts->hosts, 1);
  g_assert_cmpstr (second->jid, ==, "0");
  g_assert_cmpstr (second->host, ==, "10.77.0.1");
  g_assert_cmpuint (second->port, ==, 38911);
  again = send ("set", si_build_hosts (hosts));
  g_assert_true (node_equal (node_first_element (iq), node_first_element (again)));
}

static SiHosts *
parse_host (const char *attributes)
{
  g_autofree char *xml = g_strdup_printf ("<iq type='set'><query xmlns='" NS_BYTESTREAMS "' sid='s'><streamhost %s/></query></iq>", attributes);
  g_autoptr (Node) iq = read_stanza (xml);

  return si_parse_hosts (iq);
}

static void
test_hosts_left_out (void)
{
  static const char *const table[] = {
    "jid='j' host='example.org' port='80'", "jid='j' host='10.1' port='80'",     "jid='j' host='' port='80'",
    "jid='j' port='80'",                    "host='10.0.0.1' port='80'",         "jid='' host='10.0.0.1' port='80'",
    "jid='j' host='10.0.0.1' port='0'",     "jid='j' host='10.0.0.1' port='65536'", "jid='j' host='10.0.0.1'",
    "jid='j' host='10.0.0.1' port='8o'",    "jid='j' host='10.0.0.1:80' port='80'", "jid='j' host='%eth0' port='80'",
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (SiHosts) hosts = parse_host (table[i]);

      g_assert_cmpuint (hosts->hosts->len, ==, 0);
    }
}

static void
test_scope_is_theirs (void)
{
  g_autoptr (SiHosts) hosts = parse_host ("jid='j' host='fe80::1%wlan7' port='65535'");
  const SiHost *host = g_ptr_array_index (hosts->hosts, 0);

  g_assert_cmpstr (host->host, ==, "fe80::1");
}

static void
test_limit_of_hosts (void)
{
  g_autoptr (SiHosts) many = si_hosts_new ("s");
  g_autoptr (Node) iq = NULL;
  g_autoptr (SiHosts) parsed = NULL;

  for (guint i = 0; i < LIMIT_STREAMHOSTS + 1; i++)
    si_hosts_add (many, "j", "10.0.0.1", (guint16) (1 + i));
  iq = send ("set", si_build_hosts (many));
  parsed = si_parse_hosts (iq);
  g_assert_cmpuint (parsed->hosts->len, ==, LIMIT_STREAMHOSTS);
}

static void
test_no_hosts (void)
{
  static const char *const table[] = {
    "<iq type='set'><query xmlns='http://jabber.org/protocol/bytestreams' sid='s' mode='udp'/></iq>",
    "<iq type='set'><query xmlns='http://jabber.org/protocol/bytestreams'/></iq>",
    "<iq type='set'><query xmlns='urn:other' sid='s'/></iq>",
    "<iq type='set'/>",
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (Node) iq = read_stanza (table[i]);

      g_assert_null (si_parse_hosts (iq));
    }
}

static void
test_used (void)
{
  g_autoptr (Node) theirs = read_stanza (USED);
  g_autoptr (Node) ours = send ("result", si_build_used ("s", "j & j"));
  g_autoptr (Node) asked = send ("set", si_build_used ("s", "j"));

  g_assert_cmpstr (si_used (theirs), ==, "0");
  g_assert_cmpstr (si_used (ours), ==, "j & j");
  g_assert_null (si_used (asked));
}

static void
check_error (Node *answer, const char *code, const char *condition)
{
  const Node *error = node_child (answer, "error", NULL);

  g_assert_cmpstr (node_get (answer, "type"), ==, "error");
  g_assert_cmpstr (node_get (answer, "id"), ==, "0");
  g_assert_cmpstr (node_get (answer, "to"), ==, "juliet@pronto");
  g_assert_cmpstr (node_get (error, "code"), ==, code);
  g_assert_nonnull (node_child (error, condition, NS_STANZA_ERROR));
  node_free (answer);
}

static void
test_errors (void)
{
  g_autoptr (Node) offer = read_stanza (OFFER);
  g_autoptr (Node) hosts = read_stanza (HOSTS);

  check_error (si_build_decline (offer), "403", "forbidden");
  check_error (si_build_refuse (offer), "400", "bad-request");
  check_error (si_build_unreachable (hosts), "404", "item-not-found");
}

/* Both were seen on the wire. */
static void
test_digest (void)
{
  g_autofree char *one = si_digest ("sid-77", "romeo@hostb", "juliet@hosta");
  g_autofree char *two = si_digest ("78", "romeo@hostb", "juliet@hosta");

  g_assert_cmpstr (one, ==, "b3f473f04cff88326455af21a528d7f9666f381f");
  g_assert_cmpstr (two, ==, "04c1a20680d0adb22afc213f04d49057fe4e038f");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/si/offer", test_offer);
  g_test_add_func ("/si/without-size", test_without_size);
  g_test_add_func ("/si/other-method", test_other_method);
  g_test_add_func ("/si/several-methods", test_several_methods);
  g_test_add_func ("/si/bad-offers", test_bad_offers);
  g_test_add_func ("/si/limit-of-sid", test_limit_of_sid);
  g_test_add_func ("/si/greatest-size", test_greatest_size);
  g_test_add_func ("/si/accept", test_accept);
  g_test_add_func ("/si/hosts", test_hosts);
  g_test_add_func ("/si/hosts-left-out", test_hosts_left_out);
  g_test_add_func ("/si/scope-is-theirs", test_scope_is_theirs);
  g_test_add_func ("/si/limit-of-hosts", test_limit_of_hosts);
  g_test_add_func ("/si/no-hosts", test_no_hosts);
  g_test_add_func ("/si/used", test_used);
  g_test_add_func ("/si/errors", test_errors);
  g_test_add_func ("/si/digest", test_digest);
  return g_test_run ();
}
