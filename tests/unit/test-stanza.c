/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what a message means survives the wire, and what peers make of messages is understood. */
#include "xmpp/stanza.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "xmpp/ns.h"
#include "xmpp/reader.h"
#include "xmpp/writer.h"

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

static Node *
read_node (const char *xml)
{
  g_autoptr (Reader) reader = reader_new (&reader_default_limits);
  ReaderEvent event;

  g_assert_true (reader_push (reader, HEADER, strlen (HEADER), NULL));
  g_assert_true (reader_push (reader, xml, strlen (xml), NULL));
  g_assert_true (reader_next (reader, &event));
  node_free (event.node);
  g_assert_true (reader_next (reader, &event));
  return event.node;
}

static Stanza *
parse (const char *xml)
{
  g_autoptr (Node) node = read_node (xml);

  return stanza_parse (node);
}

static void
test_round_trip (void)
{
  static const StanzaFlags all
      = STANZA_WITH_HTML | STANZA_WITH_RECEIPT | STANZA_WITH_MARKER | STANZA_WITH_STATE;
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (Stanza) stanza = NULL;

  stanza_append_message (out, "o'neill@a", "b<c@d", "i&d", "1 < 2 & \"3\"\n\ttwo \xe2\x82\xac",
                         1700000000123000, "first", all);
  stanza = parse (out->str);
  g_assert_cmpint (stanza->kind, ==, STANZA_MESSAGE);
  g_assert_cmpstr (stanza->from, ==, "o'neill@a");
  g_assert_cmpstr (stanza->to, ==, "b<c@d");
  g_assert_cmpstr (stanza->id, ==, "i&d");
  g_assert_cmpstr (stanza->body, ==, "1 < 2 & \"3\"\n\ttwo \xe2\x82\xac");
  g_assert_false (stanza->body_cut);
  g_assert_true (stanza->receipt_wanted);
  g_assert_true (stanza->markable);
  g_assert_cmpstr (stanza->replaces, ==, "first");
  g_assert_cmpint (stanza->state, ==, CHAT_STATE_ACTIVE);
  g_assert_cmpint (stanza->delay, ==, 1700000000123000);
  g_assert_false (stanza->is_error);
}

static void
test_plain_bytes (void)
{
  g_autoptr (GString) out = g_string_new (NULL);

  stanza_append_message (out, "a@b", "c@d", NULL, "x\n<y>", 0, NULL, STANZA_PLAIN);
  g_assert_cmpstr (out->str, ==,
                   "<message type='chat' from='a@b' to='c@d'><body>x\n&lt;y&gt;</body></message>");
  g_string_truncate (out, 0);
  stanza_append_message (out, "a@b", "c@d", NULL, "x\n<y>", 0, NULL, STANZA_WITH_HTML);
  g_assert_cmpstr (
      out->str, ==,
      "<message type='chat' from='a@b' to='c@d'><body>x\n&lt;y&gt;</body>"
      "<html xmlns='http://www.w3.org/1999/xhtml'><body><font>x<br/>&lt;y&gt;</font></body></html>"
      "</message>");
}

static void
test_receipts_and_states (void)
{
  g_autoptr (GString) receipt = g_string_new (NULL);
  g_autoptr (GString) displayed = g_string_new (NULL);
  g_autoptr (Stanza) stanza = NULL;
  g_autoptr (Stanza) seen = NULL;

  stanza_append_receipt (receipt, "a@b", "c@d", "x&1");
  stanza = parse (receipt->str);
  g_assert_cmpstr (stanza->receipt_for, ==, "x&1");
  g_assert_null (stanza->body);
  stanza_append_displayed (displayed, "a@b", "c@d", "x2");
  seen = parse (displayed->str);
  g_assert_cmpstr (seen->displayed, ==, "x2");
  for (ChatState state = CHAT_STATE_ACTIVE; state <= CHAT_STATE_GONE; state++)
    {
      g_autoptr (GString) out = g_string_new (NULL);
      g_autoptr (Stanza) typing = NULL;

      stanza_append_chat_state (out, "a@b", "c@d", state);
      typing = parse (out->str);
      g_assert_cmpint (typing->state, ==, state);
      g_assert_cmpint (chat_state_from_name (chat_state_name (state)), ==, state);
    }
  g_assert_cmpint (chat_state_from_name ("dancing"), ==, CHAT_STATE_NONE);
  g_assert_null (chat_state_name (CHAT_STATE_NONE));
}

static void
test_receipt_wanted (void)
{
  static const struct
  {
    const char *xml;
    gboolean wanted;
  } rows[] = {
    { "<message id='1'><request xmlns='urn:xmpp:receipts'/></message>", TRUE },
    { "<message><request xmlns='urn:xmpp:receipts'/></message>", FALSE },
    { "<message id=''><request xmlns='urn:xmpp:receipts'/></message>", FALSE },
    { "<message><request xmlns='urn:xmpp:receipts'/><origin-id xmlns='urn:xmpp:sid:0' id='1'/></message>",
      TRUE },
    { "<message id='1' type='error'><request xmlns='urn:xmpp:receipts'/></message>", FALSE },
    { "<message id='1' type='groupchat'><request xmlns='urn:xmpp:receipts'/></message>", FALSE },
    { "<message id='1'><request xmlns='urn:xmpp:receipts'/><received xmlns='urn:xmpp:receipts' "
      "id='2'/></message>",
      FALSE },
    { "<message id='1'><request/></message>", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (Stanza) stanza = parse (rows[i].xml);

      g_assert_cmpint (stanza->receipt_wanted, ==, rows[i].wanted);
    }
}

static void
test_bodies (void)
{
  static const struct
  {
    const char *children, *body;
    ChatState state;
  } rows[] = {
    { "<body>one</body><body>two</body>", "one", CHAT_STATE_NONE },
    { "<body/>", NULL, CHAT_STATE_NONE },
    { "<subject>s</subject>", NULL, CHAT_STATE_NONE },
    { "<body xmlns='urn:other'>x</body>", NULL, CHAT_STATE_NONE },
    { "<body>a&#13;&#10;b</body>", "a\nb", CHAT_STATE_NONE },
    { "<body>plain</body><html xmlns='http://www.w3.org/1999/xhtml'><body>html</body></html>", "plain",
      CHAT_STATE_NONE },
    { "<html xmlns='http://www.w3.org/1999/xhtml'><body><font>a<br/>b <b>c</b></font></body></html>",
      "a\nb c", CHAT_STATE_NONE },
    { "<body>hi</body><x xmlns='jabber:x:event'><composing/></x>", "hi", CHAT_STATE_NONE },
    { "<body>so f</body><x xmlns='jabber:x:event'><composing/><id>7</id></x>", NULL, CHAT_STATE_COMPOSING },
    { "<x xmlns='jabber:x:event'><id>7</id></x>", NULL, CHAT_STATE_PAUSED },
    { "<body>hi</body><gone xmlns='http://jabber.org/protocol/chatstates'/>", "hi", CHAT_STATE_GONE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *xml = g_strconcat ("<message>", rows[i].children, "</message>", NULL);
      g_autoptr (Stanza) stanza = parse (xml);

      g_assert_cmpstr (stanza->body, ==, rows[i].body);
      g_assert_cmpint (stanza->state, ==, rows[i].state);
    }
}

static char *
repeat (const char *unit, gsize times)
{
  GString *out = g_string_new (NULL);

  while (times-- > 0)
    g_string_append (out, unit);
  return g_string_free (out, FALSE);
}

static void
test_limit_body (void)
{
  for (guint beyond = 0; beyond < 2; beyond++)
    {
      g_autofree char *body = repeat ("x", LIMIT_BODY + beyond);
      g_autoptr (GString) out = g_string_new (NULL);
      g_autoptr (Stanza) stanza = NULL;

      stanza_append_message (out, NULL, NULL, NULL, body, 0, NULL, STANZA_PLAIN);
      stanza = parse (out->str);
      g_assert_cmpuint (strlen (stanza->body), ==, LIMIT_BODY);
      g_assert_cmpint (stanza->body_cut, ==, beyond);
    }
}

/* The largest body fits into the largest stanza whatever it is made of. */
static void
test_body_fits_stanza (void)
{
  static const char *const units[] = { "&", "\"", "<>", "]]>", "]]>&&", "\xe2\x82\xac", "'x" };

  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    {
      g_autofree char *body = repeat (units[i], LIMIT_BODY / strlen (units[i]));
      g_autoptr (GString) out = g_string_new (NULL);
      g_autoptr (Stanza) stanza = NULL;

      stanza_append_message (out, "a@b", "c@d", "id", body, 1, "other",
                             STANZA_WITH_RECEIPT | STANZA_WITH_MARKER | STANZA_WITH_STATE);
      g_assert_cmpuint (out->len, <=, LIMIT_STANZA);
      stanza = parse (out->str);
      g_assert_cmpstr (stanza->body, ==, body);
    }
}

static void
test_limit_id (void)
{
  for (guint beyond = 0; beyond < 2; beyond++)
    {
      g_autofree char *id = repeat ("x", LIMIT_ID + beyond);
      g_autoptr (GString) out = g_string_new (NULL);
      g_autoptr (Stanza) stanza = NULL;

      stanza_append_message (out, NULL, NULL, id, "hi", 0, id, STANZA_WITH_RECEIPT);
      stanza = parse (out->str);
      g_assert_cmpstr (stanza->id, ==, beyond ? NULL : id);
      g_assert_cmpstr (stanza->replaces, ==, beyond ? NULL : id);
      g_assert_cmpint (stanza->receipt_wanted, ==, !beyond);
    }
}

static void
test_kinds (void)
{
  static const struct
  {
    const char *xml;
    StanzaKind kind;
    const char *error;
  } rows[] = {
    { "<iq type='get' id='1'/>", STANZA_IQ_GET, NULL },
    { "<iq type='set' id='1'/>", STANZA_IQ_SET, NULL },
    { "<iq type='result' id='1'/>", STANZA_IQ_RESULT, NULL },
    { "<iq type='error' id='1'/>", STANZA_IQ_ERROR, "undefined-condition" },
    { "<iq type='error' id='1'><error><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>x</text>"
      "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
      STANZA_IQ_ERROR, "forbidden" },
    { "<message type='error'><error><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
      STANZA_MESSAGE, "gone" },
    { "<message type='error'/>", STANZA_MESSAGE, "undefined-condition" },
    { "<message><error><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>", STANZA_MESSAGE,
      NULL },
    { "<iq type='get'/>", STANZA_OTHER, NULL },
    { "<iq type='put' id='1'/>", STANZA_OTHER, NULL },
    { "<iq id='1'/>", STANZA_OTHER, NULL },
    { "<presence/>", STANZA_OTHER, NULL },
    { "<message xmlns='urn:x'/>", STANZA_OTHER, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (Stanza) stanza = parse (rows[i].xml);

      g_assert_cmpint (stanza->kind, ==, rows[i].kind);
      g_assert_cmpstr (stanza->error_condition, ==, rows[i].error);
      g_assert_cmpint (stanza->is_error, ==, rows[i].error != NULL);
    }
}

/* A message is refused by a message, or who wrote it does not know what is meant. */
static void
test_message_refused (void)
{
  g_autoptr (Node) message = node_new ("message", NS_CLIENT);
  g_autoptr (Node) error = NULL;
  g_autoptr (GString) out = g_string_new (NULL);

  node_set (message, "from", "a@b");
  node_set (message, "to", "c@d");
  node_set (message, "id", "m1");
  node_add_text_element (message, "body", NS_CLIENT, "hello");
  error = stanza_error (message, "auth", "not-authorized");
  writer_append (out, error, NS_CLIENT);
  g_assert_cmpstr (out->str, ==,
                   "<message type='error' from='c@d' to='a@b' id='m1'><error type='auth'>"
                   "<not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>");
}

static void
test_iq_answers (void)
{
  g_autoptr (Node) request = stanza_iq_request ("a@b", "c@d", "get", "7");
  g_autoptr (Node) result = stanza_iq_result (request);
  g_autoptr (Node) error = stanza_error (request, "cancel", "service-unavailable");
  g_autoptr (GString) out = g_string_new (NULL);

  writer_append (out, result, NS_CLIENT);
  writer_append (out, error, NS_CLIENT);
  g_assert_cmpstr (out->str, ==,
                   "<iq type='result' from='c@d' to='a@b' id='7'/>"
                   "<iq type='error' from='c@d' to='a@b' id='7'><error type='cancel'>"
                   "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stanza/round-trip", test_round_trip);
  g_test_add_func ("/stanza/plain-bytes", test_plain_bytes);
  g_test_add_func ("/stanza/receipts-and-states", test_receipts_and_states);
  g_test_add_func ("/stanza/receipt-wanted", test_receipt_wanted);
  g_test_add_func ("/stanza/bodies", test_bodies);
  g_test_add_func ("/stanza/limit/body", test_limit_body);
  g_test_add_func ("/stanza/limit/body-fits-stanza", test_body_fits_stanza);
  g_test_add_func ("/stanza/limit/id", test_limit_id);
  g_test_add_func ("/stanza/kinds", test_kinds);
  g_test_add_func ("/stanza/iq-answers", test_iq_answers);
  g_test_add_func ("/stanza/message-refused", test_message_refused);
  return g_test_run ();
}
