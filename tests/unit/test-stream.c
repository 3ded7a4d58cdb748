/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: headers, features, errors and closes come in the order of XEP-0174 4, in both roles. */
#include "xmpp/stream.h"

#include <string.h>

#include "base/limits.h"
#include "xmpp/ns.h"
#include "xmpp/writer.h"

#define XMLNS " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
#define OPEN "<?xml version='1.0'?><stream:stream" XMLNS
#define ERROR_OPEN "<stream:error><"
#define ERROR_CLOSE " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"

static void
push (Stream *stream, const char *bytes)
{
  stream_push (stream, bytes, strlen (bytes));
}

static void
assert_output (Stream *stream, const char *expected)
{
  g_autoptr (GBytes) bytes = stream_take_output (stream);
  g_autofree char *text
      = bytes != NULL ? g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)) : NULL;

  g_assert_cmpstr (text, ==, expected);
}

static void
assert_next (Stream *stream, StreamEventType type)
{
  StreamEvent event;

  g_assert_true (stream_next (stream, &event));
  g_assert_cmpint (event.type, ==, type);
  g_assert_true ((event.node != NULL) == (type == STREAM_FEATURES || type == STREAM_STANZA));
  node_free (event.node);
}

static void
assert_none (Stream *stream)
{
  StreamEvent event;

  g_assert_false (stream_next (stream, &event));
}

static void
assert_failed (Stream *stream, const char *condition, gboolean by_peer)
{
  StreamEvent event;

  g_assert_true (stream_next (stream, &event));
  g_assert_cmpint (event.type, ==, STREAM_FAILED);
  g_assert_cmpstr (event.condition, ==, condition);
  g_assert_cmpint (event.by_peer, ==, by_peer);
  g_assert_true (stream_is_closed (stream));
  g_assert_false (stream_send_bytes (stream, "<a/>", 4));
  push (stream, "<a/>");
  assert_none (stream);
}

static Stream *
initiator (void)
{
  Stream *stream = stream_new (STREAM_INITIATOR, "romeo@forza", "juliet@pronto");

  assert_output (stream, OPEN " from='romeo@forza' to='juliet@pronto' version='1.0'>");
  assert_output (stream, NULL);
  return stream;
}

static Stream *
responder (const char *version)
{
  Stream *stream = stream_new (STREAM_RESPONDER, NULL, NULL);
  g_autofree char *header
      = g_strconcat ("<stream:stream" XMLNS " from='romeo@forza' to='juliet@pronto'", version, ">", NULL);

  stream_add_feature (stream, node_new ("query", NS_DISCO_INFO));
  push (stream, header);
  assert_next (stream, STREAM_HEADER);
  assert_none (stream);
  assert_output (stream, NULL);
  return stream;
}

static void
test_initiator_1_0 (void)
{
  g_autoptr (Stream) stream = initiator ();

  push (stream, "<stream:stream" XMLNS " from='juliet@pronto' version='1.0'>");
  assert_next (stream, STREAM_HEADER);
  g_assert_cmpstr (stream_peer_from (stream), ==, "juliet@pronto");
  g_assert_null (stream_peer_to (stream));
  g_assert_true (stream_peer_is_1_0 (stream));
  assert_none (stream);
  g_assert_false (stream_is_ready (stream));
  g_assert_false (stream_send_bytes (stream, "<a/>", 4));
  push (stream, "<stream:features/>");
  assert_next (stream, STREAM_FEATURES);
  assert_next (stream, STREAM_READY);
  push (stream, "<stream:features/><message/>");
  assert_next (stream, STREAM_STANZA);
  assert_none (stream);
  g_assert_true (stream_send_bytes (stream, "<a/>", 4));
  assert_output (stream, "<a/>");
}

static void
test_initiator_skips_features (void)
{
  g_autoptr (Stream) stream = initiator ();

  stream_skip_features (stream); /* too early */
  g_assert_false (stream_is_ready (stream));
  push (stream, "<stream:stream" XMLNS " version='1.0'>");
  assert_next (stream, STREAM_HEADER);
  stream_skip_features (stream);
  assert_next (stream, STREAM_READY);
  push (stream, "<stream:features/>");
  assert_next (stream, STREAM_FEATURES);
  assert_none (stream);
}

static void
test_initiator_legacy (void)
{
  g_autoptr (Stream) stream = initiator ();

  push (stream, "<stream:stream" XMLNS " to=''>");
  assert_next (stream, STREAM_HEADER);
  g_assert_cmpstr (stream_peer_to (stream), ==, "");
  g_assert_false (stream_peer_is_1_0 (stream));
  assert_next (stream, STREAM_READY);
  assert_none (stream);
}

static void
test_responder_1_0 (void)
{
  g_autoptr (Stream) stream = responder (" version='1.0'");
  g_autoptr (Node) node = node_new ("presence", NS_CLIENT);

  push (stream, "<stream:features/><message/>"); /* Salut; Gajim does not wait */
  assert_next (stream, STREAM_STANZA);
  g_assert_false (stream_send (stream, node));
  stream_accept (stream, "juliet@pronto", "romeo@forza");
  stream_accept (stream, "other", "other");
  assert_next (stream, STREAM_READY);
  assert_none (stream);
  g_assert_true (stream_send (stream, node));
  assert_output (stream, OPEN " from='juliet@pronto' to='romeo@forza' version='1.0'><stream:features>"
                              "<query xmlns='http://jabber.org/protocol/disco#info'/></stream:features>"
                              "<presence/>");
}

static void
test_responder_legacy (void)
{
  g_autoptr (Stream) stream = responder ("");

  stream_accept (stream, "juliet@pronto", NULL);
  assert_output (stream, OPEN " from='juliet@pronto'>");
  assert_next (stream, STREAM_READY);
}

static void
test_peer_closes (void)
{
  g_autoptr (Stream) stream = responder ("");

  stream_accept (stream, NULL, NULL);
  assert_next (stream, STREAM_READY);
  push (stream, "<message/></stream:stream>junk");
  assert_next (stream, STREAM_STANZA);
  assert_next (stream, STREAM_CLOSED);
  assert_none (stream);
  assert_output (stream, OPEN "></stream:stream>");
  g_assert_true (stream_is_closed (stream));
  stream_close (stream);
  stream_fail (stream, "conflict", NULL);
  assert_output (stream, NULL);
  assert_none (stream);
}

static void
test_peer_closes_before_accept (void)
{
  g_autoptr (Stream) stream = responder ("");

  push (stream, "</stream:stream>");
  assert_next (stream, STREAM_CLOSED);
  assert_output (stream, OPEN "></stream:stream>");
  stream_accept (stream, "a", "b");
  assert_output (stream, NULL);
}

static void
test_we_close (void)
{
  g_autoptr (Stream) stream = responder ("");

  stream_accept (stream, NULL, NULL);
  assert_next (stream, STREAM_READY);
  stream_close (stream);
  stream_close (stream);
  assert_output (stream, OPEN "></stream:stream>");
  g_assert_false (stream_is_ready (stream));
  g_assert_false (stream_send_bytes (stream, "<a/>", 4));
  push (stream, "<message/>");
  assert_next (stream, STREAM_STANZA);
  g_assert_false (stream_is_closed (stream));
  push (stream, "</stream:stream>");
  assert_next (stream, STREAM_CLOSED);
  assert_output (stream, NULL);
}

static void
test_broken_first_header (void)
{
  static const struct
  {
    const char *bytes, *condition;
  } rows[] = {
    { "GET / HTTP/1.1\r\n\r\n", "not-well-formed" },
    { "<!DOCTYPE a>", "restricted-xml" },
    { "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>",
      "invalid-namespace" },
    { "<stream:stream xmlns='jabber:client' xmlns:stream='urn:x'>", "invalid-namespace" },
    { "<stream xmlns='jabber:client'>", "invalid-namespace" },
    { "<stream:error" XMLNS ">", "bad-format" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (Stream) stream = stream_new (STREAM_RESPONDER, "juliet@pronto", NULL);
      g_autofree char *output
          = g_strconcat (OPEN " from='juliet@pronto'>" ERROR_OPEN, rows[i].condition, ERROR_CLOSE, NULL);

      push (stream, rows[i].bytes);
      assert_failed (stream, rows[i].condition, FALSE);
      assert_output (stream, output);
    }
}

static void
test_broken_later (void)
{
  g_autoptr (Stream) stream = initiator ();

  push (stream, "<stream:stream" XMLNS "><message/></oops>");
  assert_next (stream, STREAM_HEADER);
  assert_next (stream, STREAM_READY);
  assert_next (stream, STREAM_STANZA);
  g_assert_true (stream_send_bytes (stream, "<a/>", 4)); /* an answer to what was complete */
  assert_failed (stream, "not-well-formed", FALSE);
  assert_output (stream, "<a/>" ERROR_OPEN "not-well-formed" ERROR_CLOSE);
}

static void
test_broken_after_our_close (void)
{
  g_autoptr (Stream) stream = initiator ();

  stream_close (stream);
  assert_output (stream, "</stream:stream>");
  push (stream, "<oops");
  push (stream, "<");
  assert_failed (stream, "not-well-formed", FALSE);
  assert_output (stream, NULL);
}

static void
test_peer_errors (void)
{
  static const struct
  {
    const char *child, *condition;
  } rows[] = {
    { "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>x</text>"
      "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>",
      "conflict" },
    { "<made-up xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>", "undefined-condition" },
    { "", "undefined-condition" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (Stream) stream = initiator ();
      g_autofree char *bytes
          = g_strconcat ("<stream:stream" XMLNS "><stream:error>", rows[i].child, "</stream:error>", NULL);

      push (stream, bytes);
      assert_next (stream, STREAM_HEADER);
      assert_next (stream, STREAM_READY);
      assert_failed (stream, rows[i].condition, TRUE);
      assert_output (stream, "</stream:stream>");
    }
}

static void
test_we_fail (void)
{
  g_autoptr (Stream) stream = responder (" version='1.0'");

  push (stream, "<message/>");
  stream_fail (stream, "host-unknown", "who?");
  assert_failed (stream, "host-unknown", FALSE);
  assert_output (stream, OPEN " version='1.0'>" ERROR_OPEN
                              "host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                              "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>who?</text>"
                              "</stream:error></stream:stream>");
  stream_free (NULL);
}

static void
test_limits (void)
{
  g_autoptr (Stream) stream = stream_new (STREAM_RESPONDER, NULL, NULL);
  ReaderLimits limits = reader_default_limits;

  limits.max_element = 20;
  stream_set_limits (stream, &limits);
  push (stream, "<stream:stream" XMLNS "><a>4567890123456</a>");
  assert_next (stream, STREAM_HEADER);
  assert_next (stream, STREAM_STANZA);
  push (stream, "<a>45678901234567</a>");
  assert_failed (stream, "policy-violation", FALSE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stream/initiator/1.0", test_initiator_1_0);
  g_test_add_func ("/stream/initiator/skips-features", test_initiator_skips_features);
  g_test_add_func ("/stream/initiator/legacy", test_initiator_legacy);
  g_test_add_func ("/stream/responder/1.0", test_responder_1_0);
  g_test_add_func ("/stream/responder/legacy", test_responder_legacy);
  g_test_add_func ("/stream/close/peer", test_peer_closes);
  g_test_add_func ("/stream/close/peer-before-accept", test_peer_closes_before_accept);
  g_test_add_func ("/stream/close/we", test_we_close);
  g_test_add_func ("/stream/broken/first-header", test_broken_first_header);
  g_test_add_func ("/stream/broken/later", test_broken_later);
  g_test_add_func ("/stream/broken/after-our-close", test_broken_after_our_close);
  g_test_add_func ("/stream/broken/by-peer", test_peer_errors);
  g_test_add_func ("/stream/broken/by-us", test_we_fail);
  g_test_add_func ("/stream/limits", test_limits);
  return g_test_run ();
}
