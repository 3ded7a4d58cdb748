/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what libpurple 2.14.12 wrote on the wire is understood, what we write says the same, and what makes no sense is none. */
#include "transfer/si.h"

#include "base/limits.h"
#include "xml.h"

#define FORM(type, inner) \
  "<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='" type "'>" inner "</x></feature>"
#define METHOD(value) "<field var='stream-method' type='list-single'><option><value>" value "</value></option></field>"
#define BYTESTREAMS "http://jabber.org/protocol/bytestreams"
#define SI(attributes, inner) "<si xmlns='http://jabber.org/protocol/si' " attributes ">" inner "</si>"
#define FILES "profile='http://jabber.org/protocol/si/profile/file-transfer'"
#define FILE(attributes) "<file xmlns='http://jabber.org/protocol/si/profile/file-transfer' " attributes "/>"

/* As they were captured. */
#define PURPLE_OFFER SI (FILES " id='0'", FILE ("name='a &amp; b.bin' size='1048576'") FORM ("form", METHOD (BYTESTREAMS)))
#define PURPLE_ACCEPT \
  SI ("", FORM ("submit", "<field var='stream-method'><value>" BYTESTREAMS "</value></field>"))
#define PURPLE_HOSTS \
  "<query xmlns='" BYTESTREAMS "' sid='0' mode='tcp'><streamhost jid='0' host='fe80::1cd2:aff:fe3b:1' port='38911'/>" \
  "<streamhost jid='0' host='10.77.0.1' port='38911'/></query>"

static SiOffer *
parse_offer (const char *xml)
{
  g_autoptr (Node) node = xml_read (xml);

  return si_offer_parse (node);
}

static Streamhosts *
parse_hosts (const char *xml)
{
  g_autoptr (Node) node = xml_read (xml);

  return streamhosts_parse (node);
}

static void
test_offer_of_libpurple (void)
{
  g_autoptr (SiOffer) offer = parse_offer (PURPLE_OFFER);

  g_assert_nonnull (offer);
  g_assert_cmpstr (offer->sid, ==, "0");
  g_assert_cmpstr (offer->name, ==, "a & b.bin");
  g_assert_cmpint (offer->size, ==, 1048576);
}

/* The very element, so that no attribute is missing or in excess. */
static void
test_our_offer (void)
{
  g_autoptr (Node) ours = xml_travel (si_offer_build ("0", "a & b.bin", 1048576));
  g_autoptr (Node) purple = xml_read (PURPLE_OFFER);

  g_assert_true (node_equal (ours, purple));
}

static void
test_offers_travel (void)
{
  static const char *const names[] = { "a b.txt", "'quoted' \"twice\" & <so>.txt", "M\xc3\xa4rz.pdf", "\xf0\x9f\xa7\xaa" };
  static const gint64      sizes[] = { 0, 1, 209715200, G_MAXINT64 };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (Node) node = xml_travel (si_offer_build ("sid", names[i], sizes[i]));
      g_autoptr (SiOffer) offer = si_offer_parse (node);

      g_assert_nonnull (offer);
      g_assert_cmpstr (offer->name, ==, names[i]);
      g_assert_cmpint (offer->size, ==, sizes[i]);
    }
}

static void
test_offers_that_make_no_sense (void)
{
  static const char *const bad[] = {
    "<si/>",
    SI ("id='0'", FILE ("name='a' size='1'") FORM ("form", METHOD (BYTESTREAMS))),
    SI ("profile='urn:x' id='0'", FILE ("name='a' size='1'") FORM ("form", METHOD (BYTESTREAMS))),
    SI (FILES, FILE ("name='a' size='1'") FORM ("form", METHOD (BYTESTREAMS))),
    SI (FILES " id=''", FILE ("name='a' size='1'") FORM ("form", METHOD (BYTESTREAMS))),
    SI (FILES " id='0'", FORM ("form", METHOD (BYTESTREAMS))),
    SI (FILES " id='0'", FILE ("name='a'") FORM ("form", METHOD (BYTESTREAMS))),
    SI (FILES " id='0'", FILE ("name='a' size='-1'") FORM ("form", METHOD (BYTESTREAMS))),
    SI (FILES " id='0'", FILE ("name='a' size='9223372036854775808'") FORM ("form", METHOD (BYTESTREAMS))),
    SI (FILES " id='0'", FILE ("name='a' size='1'")),
    SI (FILES " id='0'", FILE ("name='a' size='1'") FORM ("form", METHOD ("http://jabber.org/protocol/ibb"))),
    SI (FILES " id='0'", FILE ("name='a' size='1'") FORM ("form", "<field var='other'><option><value>" BYTESTREAMS "</value></option></field>")),
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (SiOffer) offer = parse_offer (bad[i]);

      g_test_message ("%s", bad[i]);
      g_assert_null (offer);
    }
}

static void
test_offers_of_others (void)
{
  g_autoptr (SiOffer) path = parse_offer (SI (FILES " id='0'", FILE ("name='../../evil.bin' size='0'") FORM ("form", METHOD (BYTESTREAMS))));
  g_autoptr (SiOffer) none = parse_offer (SI (FILES " id='0'", FILE ("size='0'") FORM ("form", METHOD (BYTESTREAMS))));
  g_autoptr (SiOffer) two = parse_offer (
    SI (FILES " id='0'", "<desc>x</desc>" FILE ("name='a' size='0' hash='x'")
        FORM ("form", "<field var='stream-method'><option><value>http://jabber.org/protocol/ibb</value></option><option><value>\n"
                      BYTESTREAMS " </value></option></field>")));

  g_assert_cmpstr (path->name, ==, "evil.bin");
  g_assert_cmpstr (none->name, ==, "file");
  g_assert_cmpstr (two->name, ==, "a");
}

static void
test_accepting (void)
{
  g_autoptr (Node) purple = xml_read (PURPLE_ACCEPT);
  g_autoptr (Node) ours = xml_travel (si_accept_build ());
  g_autoptr (Node) other
    = xml_read (SI ("", FORM ("submit", "<field var='stream-method'><value>http://jabber.org/protocol/ibb</value></field>")));
  g_autoptr (Node) empty = xml_read (SI ("", ""));

  g_assert_true (si_accept_parse (purple));
  g_assert_true (si_accept_parse (ours));
  g_assert_true (node_equal (ours, purple));
  g_assert_false (si_accept_parse (other));
  g_assert_false (si_accept_parse (empty));
  g_assert_false (si_accept_parse (NULL));
}

static void
test_declining (void)
{
  g_autoptr (Node) request = xml_read ("<iq type='set' id='7' from='romeo@forza' to='juliet@pronto'>" PURPLE_OFFER "</iq>");
  g_autoptr (Node) answer = xml_travel (si_decline (request));
  g_autoptr (Node) purple
    = xml_read ("<iq to='romeo@forza' from='juliet@pronto' type='error' id='7'><error code='403' type='cancel'>"
                "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Offer Declined</text></error></iq>");
  g_autoptr (Node) unknown = xml_read ("<iq type='error' id='7'><error type='cancel'>"
                                       "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");

  g_assert_cmpstr (node_get (answer, "to"), ==, "romeo@forza");
  g_assert_cmpstr (node_get (answer, "id"), ==, "7");
  g_assert_cmpstr (node_get (node_first_element (answer), "code"), ==, "403");
  g_assert_true (si_is_decline (answer));
  g_assert_true (si_is_decline (purple));
  g_assert_false (si_is_decline (unknown));
}

static void
test_hosts_of_libpurple (void)
{
  g_autoptr (Streamhosts) hosts = parse_hosts (PURPLE_HOSTS);
  Streamhost *six, *four;

  g_assert_nonnull (hosts);
  g_assert_cmpstr (hosts->sid, ==, "0");
  g_assert_cmpuint (hosts->hosts->len, ==, 2);
  six = g_ptr_array_index (hosts->hosts, 0);
  four = g_ptr_array_index (hosts->hosts, 1);
  g_assert_cmpstr (six->jid, ==, "0");
  g_assert_cmpstr (six->host, ==, "fe80::1cd2:aff:fe3b:1");
  g_assert_cmpstr (four->host, ==, "10.77.0.1");
  g_assert_cmpuint (four->port, ==, 38911);
}

static void
test_our_hosts (void)
{
  g_autoptr (Streamhosts) hosts = streamhosts_new ("0");
  g_autoptr (Node) ours = NULL;
  g_autoptr (Node) purple = xml_read (PURPLE_HOSTS);

  streamhosts_add (hosts, "0", "fe80::1cd2:aff:fe3b:1", 38911);
  streamhosts_add (hosts, "0", "10.77.0.1", 38911);
  ours = xml_travel (streamhosts_build (hosts));
  g_assert_true (node_equal (ours, purple));
}

#define HOST "<streamhost jid='j' host='10.0.0.1' port='1'/>"
#define QUERY(attributes, inner) "<query xmlns='" BYTESTREAMS "' " attributes ">" inner "</query>"

static guint
count_hosts (const char *inner)
{
  g_autofree char *xml = g_strdup_printf (QUERY ("sid='s'", "%s"), inner);
  g_autoptr (Streamhosts) hosts = parse_hosts (xml);

  g_assert_nonnull (hosts);
  return hosts->hosts->len;
}

static void
test_hosts_left_out (void)
{
  g_assert_cmpuint (count_hosts (""), ==, 0);
  g_assert_cmpuint (count_hosts (HOST), ==, 1);
  g_assert_cmpuint (count_hosts ("<streamhost jid='j' host='router.lan' port='1'/>"), ==, 0);
  g_assert_cmpuint (count_hosts ("<streamhost jid='j' host='10.0.0.1' port='0'/>"), ==, 0);
  g_assert_cmpuint (count_hosts ("<streamhost jid='j' host='10.0.0.1' port='65536'/>"), ==, 0);
  g_assert_cmpuint (count_hosts ("<streamhost jid='j' host='10.0.0.1'/>"), ==, 0);
  g_assert_cmpuint (count_hosts ("<streamhost host='10.0.0.1' port='1'/>"), ==, 0);
  g_assert_cmpuint (count_hosts ("<streamhost jid='j' port='1'/>"), ==, 0);
  g_assert_cmpuint (count_hosts ("<streamhost jid='j' host='010.0.0.1 ' port='1'/>"), ==, 0);
  g_assert_cmpuint (count_hosts ("<streamhost xmlns='urn:x' jid='j' host='10.0.0.1' port='1'/>"), ==, 0);
}

static void
test_scope_of_a_host (void)
{
  g_autoptr (Streamhosts) hosts = parse_hosts (QUERY ("sid='s'", "<streamhost jid='j' host='fe80::1%eth7' port='1'/>"));

  g_assert_cmpstr (((Streamhost *) g_ptr_array_index (hosts->hosts, 0))->host, ==, "fe80::1");
}

static void
test_hosts_that_are_none (void)
{
  g_assert_null (parse_hosts ("<query/>"));
  g_assert_null (parse_hosts (QUERY ("", HOST)));
  g_assert_null (parse_hosts (QUERY ("sid='s' mode='udp'", HOST)));
}

static void
test_hosts_limit (void)
{
  GString *inner = g_string_new (NULL);

  for (guint i = 0; i < LIMIT_STREAMHOSTS; i++)
    g_string_append (inner, HOST);
  g_assert_cmpuint (count_hosts (inner->str), ==, LIMIT_STREAMHOSTS);
  g_string_append (inner, HOST);
  g_assert_cmpuint (count_hosts (inner->str), ==, LIMIT_STREAMHOSTS);
  g_string_free (inner, TRUE);
}

static void
test_host_used (void)
{
  g_autoptr (Node) purple = xml_read ("<query xmlns='" BYTESTREAMS "'><streamhost-used jid='0'/></query>");
  g_autoptr (Node) ours = xml_travel (streamhost_used_build ("0"));
  g_autoptr (Node) none = xml_read ("<query xmlns='" BYTESTREAMS "'/>");
  g_autofree char *jid = streamhost_used_parse (purple);

  g_assert_cmpstr (jid, ==, "0");
  g_assert_true (node_equal (ours, purple));
  g_assert_null (streamhost_used_parse (none));
  g_assert_null (streamhost_used_parse (NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/si/offer of libpurple", test_offer_of_libpurple);
  g_test_add_func ("/si/our offer", test_our_offer);
  g_test_add_func ("/si/offers travel", test_offers_travel);
  g_test_add_func ("/si/offers that make no sense", test_offers_that_make_no_sense);
  g_test_add_func ("/si/offers of others", test_offers_of_others);
  g_test_add_func ("/si/accepting", test_accepting);
  g_test_add_func ("/si/declining", test_declining);
  g_test_add_func ("/si/hosts of libpurple", test_hosts_of_libpurple);
  g_test_add_func ("/si/our hosts", test_our_hosts);
  g_test_add_func ("/si/hosts left out", test_hosts_left_out);
  g_test_add_func ("/si/scope of a host", test_scope_of_a_host);
  g_test_add_func ("/si/hosts that are none", test_hosts_that_are_none);
  g_test_add_func ("/si/hosts limit", test_hosts_limit);
  g_test_add_func ("/si/host used", test_host_used);
  return g_test_run ();
}
