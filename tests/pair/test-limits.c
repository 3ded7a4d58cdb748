/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What strangers and peers can push a messenger to has a bound: what is at it passes, one past it does not. */

#include <fcntl.h>
#include <unistd.h>

#include "base/limits.h"
#include "core/messenger-private.h"
#include "side.h"
#include "xmpp/stanza.h"

#define PEER "romeo@forza"
#define PAGE 4096

/* Somebody at @address, a loopback one, connects. */
static GSocketConnection *
connect_from (Side *side, const char *address)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) source = g_inet_socket_address_new_from_string (address, 0);
  g_autoptr (GError) error = NULL;
  GSocketConnection *connection;

  g_socket_client_set_local_address (client, source);
  connection = g_socket_client_connect_to_host (client, "127.0.0.1", messenger_port (side->messenger), NULL, &error);
  g_assert_no_error (error);
  return connection;
}

/* Reads until the messenger has said @text, or, where that is NULL, until it closes. */
static void
hear (GSocketConnection *connection, const char *text)
{
  GSocket *socket = g_socket_connection_get_socket (connection);
  g_autoptr (GString) heard = g_string_new (NULL);
  gssize n = -1;

  while (n != 0 && (text == NULL || strstr (heard->str, text) == NULL))
    {
      char bytes[4096];

      g_main_context_iteration (NULL, FALSE);
      n = g_socket_receive_with_blocking (socket, bytes, sizeof bytes, FALSE, NULL, NULL);
      g_string_append_len (heard, bytes, MAX (n, 0));
    }
  g_assert_true (text == NULL || strstr (heard->str, text) != NULL);
}

/* Connects from @address, where that is at the limit at most. */
static void
enter (Side *side, GPtrArray *crowd, const char *address)
{
  guint before = side->messenger->sessions->len;

  g_ptr_array_add (crowd, connect_from (side, address));
  side_wait (side->messenger->sessions->len == before + 1);
}

static void
expect_locked_out (Side *side, const char *address)
{
  guint before = side->messenger->sessions->len;
  g_autoptr (GSocketConnection) connection = connect_from (side, address);

  hear (connection, NULL);
  g_assert_cmpuint (side->messenger->sessions->len, ==, before);
}

/* mDNS shows PEER at one more address, on an interface of its own. */
static Peer *
see (Side *side, guint number, const char *address, guint16 port)
{
  g_autoptr (Sighting) sighting = g_new0 (Sighting, 1);

  sighting->instance = g_strdup (PEER);
  sighting->interface = number;
  sighting->family = G_SOCKET_FAMILY_IPV4;
  sighting->address = g_inet_socket_address_new_from_string (address, port);
  sighting->txt = g_ptr_array_new ();
  link_seen (sighting, side->messenger);
  side->peer = roster_by_instance (messenger_roster (side->messenger), PEER);
  return side->peer;
}

static void
test_strangers (void)
{
  Side *side = side_new ("juliet@pronto", SIDE_SECURE);
  g_autoptr (GPtrArray) crowd = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < LIMIT_STRANGERS_PER_ADDRESS; i++)
    enter (side, crowd, "127.0.1.1");
  expect_locked_out (side, "127.0.1.1");
  while (crowd->len < LIMIT_STRANGERS)
    {
      g_autofree char *address = g_strdup_printf ("127.0.2.%u", crowd->len);

      enter (side, crowd, address);
    }
  expect_locked_out (side, "127.0.3.1");
  see (side, 1, "127.0.3.1", 1);
  enter (side, crowd, "127.0.3.1"); /* where a peer lives is no stranger's address */
  side_free (side);
}

static void
test_streams_per_peer (void)
{
  static const char header[]
      = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='" PEER
        "' to='juliet@pronto' version='1.0'>";
  Side *side = side_new ("juliet@pronto", SIDE_CLEAR);
  g_autoptr (GPtrArray) crowd = g_ptr_array_new_with_free_func (g_object_unref);

  see (side, 1, "127.0.0.1", 1);
  for (guint i = 0; i <= LIMIT_STREAMS_PER_PEER; i++)
    {
      GSocketConnection *connection = connect_from (side, "127.0.0.1");

      g_ptr_array_add (crowd, connection);
      g_socket_send (g_socket_connection_get_socket (connection), header, strlen (header), NULL, NULL);
      hear (connection, i < LIMIT_STREAMS_PER_PEER ? "</stream:features>" : "<resource-constraint ");
    }
  side_free (side);
}

/* The peer lives at @n addresses and listens at the one that was seen first, which is tried last. Whether we come there. */
static gboolean
is_last_address_tried (guint n)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string ("127.0.4.1", 0);
  g_autoptr (GSocketAddress) bound = NULL;
  Side *side = side_new ("juliet@pronto", SIDE_SECURE);
  gboolean tried;

  g_assert_true (g_socket_listener_add_address (listener, any, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &bound,
                                                NULL));
  for (guint i = 1; i <= n; i++)
    {
      g_autofree char *address = g_strdup_printf ("127.0.4.%u", i);

      see (side, i, address, g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound)));
    }
  messenger_allow_plaintext (side->messenger, side->peer, PLAINTEXT_ALLOW, NULL);
  side_send (side, "hello");
  side_wait (side->peer->retry != NULL
             || (side->peer->sessions->len > 0
                 && session_state (g_ptr_array_index (side->peer->sessions, 0)) == SESSION_OPENING));
  tried = side->peer->retry == NULL;
  side_free (side);
  return tried;
}

static void
test_addresses_tried (void)
{
  g_assert_true (is_last_address_tried (LIMIT_ADDRESSES_TRIED));
  g_assert_false (is_last_address_tried (LIMIT_ADDRESSES_TRIED + 1));
}

typedef struct
{
  Side *juliet, *romeo;
} Couple;

static void
meet (Couple *couple)
{
  couple->juliet = side_new ("juliet@pronto", SIDE_SECURE);
  couple->romeo = side_new (PEER, SIDE_SECURE);
  side_add (couple->romeo, 1);
  side_add (couple->juliet, messenger_port (couple->romeo->messenger));
  side_wait (peer_is_online (couple->juliet->peer));
}

static void
part (Couple *couple)
{
  side_free (couple->juliet);
  side_free (couple->romeo);
}

static void
receive (Side *side, const char *id, gint64 delay)
{
  Stanza stanza = { .id = (char *) id, .body = (char *) "hello", .delay = delay };

  conversation_receive (side->messenger, side->peer->session, &stanza);
}

static void
test_stranger_messages (void)
{
  Couple couple;

  meet (&couple);
  couple.juliet->peer->unread = LIMIT_STRANGER_MESSAGES - 1;
  receive (couple.juliet, "a", 0);
  g_assert_cmpuint (couple.juliet->peer->unread, ==, LIMIT_STRANGER_MESSAGES);
  g_assert_true (peer_is_online (couple.juliet->peer));
  couple.juliet->peer->written_to = TRUE;
  receive (couple.juliet, "b", 0);
  g_assert_cmpuint (couple.juliet->peer->unread, ==, LIMIT_STRANGER_MESSAGES + 1);
  couple.juliet->peer->written_to = FALSE;
  receive (couple.juliet, "c", 0);
  g_assert_cmpuint (couple.juliet->peer->unread, ==, LIMIT_STRANGER_MESSAGES + 1);
  g_assert_false (peer_is_online (couple.juliet->peer));
  part (&couple);
}

/* A message cannot have been under way for longer than it would have been kept. */
static void
test_claimed_time (void)
{
  const gint64 most = (gint64) (LIMIT_EXPIRE_S + 24 * 3600) * G_USEC_PER_SEC;
  Couple couple;

  meet (&couple);
  for (guint past = 0; past < 2; past++)
    {
      /* a minute is more than this takes */
      gint64 claim = g_get_real_time () - most + (past ? 0 : 60 * G_USEC_PER_SEC);
      g_autoptr (MessageRow) row = NULL;

      receive (couple.juliet, past ? "past" : "at", claim);
      row = messages_get (couple.juliet->db, couple.juliet->peer->last_seq);
      g_assert_cmpint (row->time == claim, ==, !past);
      g_assert_cmpint (row->time == row->received, ==, past);
    }
  part (&couple);
}

/* How long a message is kept for which that was asked for. */
static gint64
kept_s (Side *side, gboolean once, gint64 wish_s)
{
  SendOptions options = { .now = once, .expire_s = wish_s };
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) seqs = messenger_send (side->messenger, &side->peer, 1, "hello", &options, &error);
  g_autoptr (MessageRow) row = NULL;

  g_assert_no_error (error);
  row = messages_get (side->db, g_array_index (seqs, guint64, 0));
  return (row->expires - row->time) / G_USEC_PER_SEC;
}

static void
check_kept (Side *side, gboolean once, gint64 limit_s)
{
  g_assert_cmpint (kept_s (side, once, limit_s - 1), ==, limit_s - 1);
  g_assert_cmpint (kept_s (side, once, limit_s), ==, limit_s);
  g_assert_cmpint (kept_s (side, once, limit_s + 1), ==, limit_s);
  g_assert_cmpint (kept_s (side, once, 0), ==, limit_s);
}

static void
test_expiry (void)
{
  Side *side = side_new ("juliet@pronto", SIDE_SECURE);
  Couple couple;

  see (side, 1, "127.0.0.1", 1);
  messenger_allow_plaintext (side->messenger, side->peer, PLAINTEXT_ALLOW, NULL);
  check_kept (side, FALSE, LIMIT_PLAIN_EXPIRE_S);
  check_kept (side, TRUE, LIMIT_ONCE_S);
  side_free (side);
  meet (&couple); /* who encrypt */
  check_kept (couple.juliet, FALSE, LIMIT_EXPIRE_S);
  part (&couple);
}

/* Who asked for a trace and does not read it gets what the pipe takes, and then its end. */
static void
test_trace (void)
{
  static char page[PAGE - (sizeof "2026-11-21T10:02:03.456Z in \n" - 1)]; /* makes a line of one page */
  Side *side = side_new ("juliet@pronto", SIDE_SECURE);
  Peer *peer = see (side, 1, "127.0.0.1", 1);
  int ends[2], capacity;

  g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  messenger_trace (side->messenger, peer, ends[1]);
  capacity = fcntl (ends[0], F_GETPIPE_SZ);
  g_assert_cmpint (capacity, <=, LIMIT_TRACE);
  memset (page, 'x', sizeof page);
  for (int i = 0; i < capacity / PAGE; i++)
    trace_element (side->messenger, peer, FALSE, page, sizeof page);
  g_assert_nonnull (peer->traces);
  trace_element (side->messenger, peer, FALSE, page, sizeof page);
  g_assert_null (peer->traces);
  close (ends[0]);
  side_free (side);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/limits/strangers", test_strangers);
  g_test_add_func ("/limits/streams-per-peer", test_streams_per_peer);
  g_test_add_func ("/limits/addresses-tried", test_addresses_tried);
  g_test_add_func ("/limits/stranger-messages", test_stranger_messages);
  g_test_add_func ("/limits/claimed-time", test_claimed_time);
  g_test_add_func ("/limits/expiry", test_expiry);
  g_test_add_func ("/limits/trace", test_trace);
  return g_test_run ();
}
