/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nobody is waited for longer than the limit, nor for less: each wait of a stream, a microsecond before its end and at it.
 *
 * What is not about the secure channel is tried without one. */

#include "base/error.h"
#include "base/limits.h"
#include "clock.h"
#include "core/bytestream.h"
#include "core/session.h"
#include "core/transfers.h"
#include "secure/noise.h"
#include "side.h"
#include "xmpp/ns.h"
#include "xmpp/stanza.h"

#define HEADER                                                                                                      \
  "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='romeo@forza' "        \
  "to='juliet@pronto'"
#define HEADER_1_0 HEADER " version='1.0'>"
#define HEADER_0_9 HEADER ">"
#define START "<start xmlns='" NS_NOISE "' protocol='" NOISE_PROTOCOL "'/>"
#define OFFER "<noise xmlns='" NS_NOISE "'><protocol>" NOISE_PROTOCOL "</protocol></noise>"
#define IQ "<iq type='get' id='q'><query xmlns='urn:nobody:knows'/></iq>"

typedef struct
{
  Session         *session;
  const guint8    *secret;
  gboolean         accepts; /* who talks in clear */
  GSocketListener *listener;
  guint16          port;
  GSocket         *far; /* the peer, by hand */
  GString         *heard;
  guint            headers, messages, silences, aged;
  gboolean         ended;
  GError          *error;
  gint64           rtt;
} Scene;

static const guint8 secret[X25519_KEY] = { 1, 2, 3 };

#define until(condition)                                                                                            \
  while (!(condition))                                                                                              \
  g_main_context_iteration (NULL, TRUE)

static void
on_header (Session *session, gpointer user_data)
{
  ((Scene *) user_data)->headers++;
}

static void
on_clear (Session *session, gboolean spoke, gpointer user_data)
{
  Scene *scene = user_data;

  if (!spoke)
    scene->silences++;
  if (scene->accepts)
    session_accept (session, NULL, "juliet@pronto");
}

static void
on_secured (Session *session, gpointer user_data)
{
  session_accept (session, NULL, NULL);
}

static void
on_message (Session *session, const Stanza *stanza, gpointer user_data)
{
  ((Scene *) user_data)->messages++;
}

static void
on_aged (Session *session, gpointer user_data)
{
  ((Scene *) user_data)->aged++;
}

static void
on_session (Session *session, gpointer user_data)
{
}

static void
on_ended (Session *session, const GError *error, gpointer user_data)
{
  Scene *scene = user_data;

  scene->ended = TRUE;
  scene->error = error != NULL ? g_error_copy (error) : NULL;
}

static const SessionEvents events = {
  .header = on_header,
  .clear = on_clear,
  .secured = on_secured,
  .open = on_session,
  .message = on_message,
  .drained = on_session,
  .aged = on_aged,
  .closing = on_session,
  .ended = on_ended,
};

static void
set_up (Scene *scene, gconstpointer data)
{
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GError) error = NULL;

  scene->accepts = TRUE;
  scene->heard = g_string_new (NULL);
  scene->listener = g_socket_listener_new ();
  g_socket_listener_add_address (scene->listener, any, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &address,
                                 &error);
  g_assert_no_error (error);
  scene->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
}

static void
tear_down (Scene *scene, gconstpointer data)
{
  session_free (scene->session);
  g_clear_object (&scene->far);
  g_object_unref (scene->listener);
  g_clear_error (&scene->error);
  g_string_free (scene->heard, TRUE);
}

/* The peer comes to us. */
static void
be_called (Scene *scene)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) far = g_socket_client_connect_to_host (client, "127.0.0.1", scene->port, NULL, &error);
  g_autoptr (GSocketConnection) near = NULL;
  SessionSetup setup = { "juliet@pronto", scene->secret, FALSE };

  g_assert_no_error (error);
  near = g_socket_listener_accept (scene->listener, NULL, NULL, &error);
  g_assert_no_error (error);
  scene->far = g_object_ref (g_socket_connection_get_socket (far));
  scene->session = session_answer (near, &setup, &events, scene);
}

static void
dial (Scene *scene)
{
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", scene->port);
  DialerTarget target = { address, NULL };
  SessionSetup setup = { "juliet@pronto", scene->secret, FALSE };

  scene->session = session_dial (&setup, "romeo@forza", NULL, &target, 1, &events, scene);
  until (session_state (scene->session) != SESSION_CONNECTING);
}

/* We come to the peer. */
static void
call (Scene *scene)
{
  g_autoptr (GSocketConnection) far = NULL;
  g_autoptr (GError) error = NULL;

  dial (scene);
  far = g_socket_listener_accept (scene->listener, NULL, NULL, &error);
  g_assert_no_error (error);
  scene->far = g_object_ref (g_socket_connection_get_socket (far));
}

static void
say (Scene *scene, const char *xml)
{
  gssize len = (gssize) strlen (xml);

  g_assert_cmpint (g_socket_send (scene->far, xml, (gsize) len, NULL, NULL), ==, len);
}

static guint
times_heard (Scene *scene, const char *text)
{
  char bytes[4096];
  gssize n;
  guint times = 0;

  while ((n = g_socket_receive_with_blocking (scene->far, bytes, sizeof bytes, FALSE, NULL, NULL)) > 0)
    g_string_append_len (scene->heard, bytes, n);
  for (const char *at = scene->heard->str; (at = strstr (at, text)) != NULL; at++)
    times++;
  return times;
}

/* Until the peer has heard @text @times times; far and near are both this thread. */
static void
hear (Scene *scene, const char *text, guint times)
{
  until (times_heard (scene, text) >= times);
  g_assert_cmpuint (times_heard (scene, text), ==, times);
}

static void
do_all (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* The session is in @state, stays there until @ms have gone by, and no longer. */
static void
expect_wait (Scene *scene, SessionState state, gint64 ms)
{
  do_all ();
  clock_move (ms * 1000 - 1);
  do_all ();
  g_assert_cmpint (session_state (scene->session), ==, state);
  clock_move (1);
  do_all ();
  g_assert_cmpint (session_state (scene->session), !=, state);
}

/* A stream with somebody who speaks no XMPP 1.0: open as soon as there are headers. */
static void
open_stream (Scene *scene)
{
  call (scene);
  say (scene, HEADER_0_9);
  until (session_is_open (scene->session));
}

static void
test_header (Scene *scene, gconstpointer data)
{
  be_called (scene);
  expect_wait (scene, SESSION_OPENING, LIMIT_HEADER_WAIT_MS);
  until (scene->ended);
  g_assert_error (scene->error, HEARBY_ERROR, HEARBY_ERROR_TIMEOUT);
}

static void
test_header_of_called (Scene *scene, gconstpointer data)
{
  call (scene);
  expect_wait (scene, SESSION_OPENING, LIMIT_HEADER_WAIT_MS);
  until (scene->ended);
  g_assert_error (scene->error, HEARBY_ERROR, HEARBY_ERROR_TIMEOUT);
}

/* Nobody on the link has the name that the caller gives himself. */
static void
test_discovery (Scene *scene, gconstpointer data)
{
  scene->accepts = FALSE;
  be_called (scene);
  say (scene, HEADER_1_0);
  until (scene->headers == 1);
  expect_wait (scene, SESSION_OPENING, LIMIT_DISCOVERY_WAIT_MS);
  hear (scene, "<connection-timeout ", 1);
}

static void
test_features (Scene *scene, gconstpointer data)
{
  call (scene);
  say (scene, HEADER_1_0);
  until (scene->headers == 1);
  expect_wait (scene, SESSION_FEATURES, LIMIT_FEATURES_WAIT_MS);
  g_assert_cmpint (session_state (scene->session), ==, SESSION_ASKING);
}

/* The peer does not say what it can do. */
static void
test_asking (Scene *scene, gconstpointer data)
{
  call (scene);
  say (scene, HEADER_1_0 "<stream:features/>");
  hear (scene, "http://jabber.org/protocol/disco#info", 1);
  expect_wait (scene, SESSION_ASKING, LIMIT_FEATURES_WAIT_MS);
  g_assert_true (session_is_open (scene->session));
}

/* The channel was offered, and the peer neither takes it nor speaks: he may be somebody who waits for us to speak, and may still be
 * one who takes it late. */
static void
test_choosing (Scene *scene, gconstpointer data)
{
  scene->secret = secret;
  scene->accepts = FALSE;
  be_called (scene);
  say (scene, HEADER_1_0);
  hear (scene, "</stream:features>", 1);
  clock_move (LIMIT_FEATURES_WAIT_MS * 1000 - 1);
  do_all ();
  g_assert_cmpuint (scene->silences, ==, 0);
  clock_move (1);
  do_all ();
  g_assert_cmpuint (scene->silences, ==, 1);
  expect_wait (scene, SESSION_CHOOSING, LIMIT_HEADER_WAIT_MS - LIMIT_FEATURES_WAIT_MS);
  hear (scene, "<connection-timeout ", 1);
}

static void
test_starting (Scene *scene, gconstpointer data)
{
  scene->secret = secret;
  call (scene);
  say (scene, HEADER_1_0 "<stream:features>" OFFER "</stream:features>");
  hear (scene, "<start ", 1);
  expect_wait (scene, SESSION_STARTING, LIMIT_HEADER_WAIT_MS);
}

static void
test_securing (Scene *scene, gconstpointer data)
{
  scene->secret = secret;
  be_called (scene);
  say (scene, HEADER_1_0);
  hear (scene, "</stream:features>", 1);
  say (scene, START);
  hear (scene, "<proceed ", 1);
  expect_wait (scene, SESSION_SECURING, LIMIT_HEADER_WAIT_MS);
}

/* Two of us, with a secure stream that is never idle. */
static void
test_age (Scene *scene, gconstpointer data)
{
  static const guint8 other_secret[X25519_KEY] = { 4, 5, 6 };
  Scene called = { 0 };
  SessionSetup setup = { "romeo@forza", other_secret, FALSE };
  g_autoptr (GSocketConnection) near = NULL;

  scene->secret = secret;
  dial (scene);
  near = g_socket_listener_accept (scene->listener, NULL, NULL, NULL);
  called.session = session_answer (near, &setup, &events, &called);
  until (session_is_open (scene->session) && session_is_open (called.session));
  g_assert_true (session_is_secure (scene->session));
  session_set_kept (scene->session, TRUE);
  session_set_kept (called.session, TRUE);
  clock_move ((gint64) LIMIT_AGE_S * G_USEC_PER_SEC - 1);
  do_all ();
  g_assert_cmpuint (scene->aged + called.aged, ==, 0);
  clock_move (1);
  do_all ();
  g_assert_cmpuint (scene->aged, ==, 1);
  g_assert_cmpuint (called.aged, ==, 1);
  g_assert_true (session_is_open (scene->session));
  session_free (called.session);
  g_clear_error (&called.error);
}

static void
test_idle (Scene *scene, gconstpointer data)
{
  open_stream (scene);
  clock_move (LIMIT_IDLE_S * G_USEC_PER_SEC - 1);
  say (scene, "<message/>");
  until (scene->messages == 1);
  expect_wait (scene, SESSION_OPEN, LIMIT_IDLE_S * 1000);
  hear (scene, "</stream:stream>", 1);
}

/* One that is needed is idle as long as it likes; not needed any more it is as any other. */
static void
test_kept (Scene *scene, gconstpointer data)
{
  open_stream (scene);
  session_set_kept (scene->session, TRUE);
  clock_move (LIMIT_IDLE_S * G_USEC_PER_SEC * 3);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (session_state (scene->session), ==, SESSION_OPEN);
  session_set_kept (scene->session, FALSE);
  expect_wait (scene, SESSION_OPEN, LIMIT_IDLE_S * 1000);
  hear (scene, "</stream:stream>", 1);
}

static void
test_close (Scene *scene, gconstpointer data)
{
  open_stream (scene);
  session_close (scene->session);
  hear (scene, "</stream:stream>", 1);
  expect_wait (scene, SESSION_CLOSING, LIMIT_CLOSE_WAIT_MS);
  g_assert_true (scene->ended);
}

static void
on_pong (Session *session, gint64 rtt, gpointer user_data)
{
  ((Scene *) user_data)->rtt = rtt;
}

static void
test_answer (Scene *scene, gconstpointer data)
{
  open_stream (scene);
  session_ping (scene->session, on_pong, scene);
  hear (scene, "urn:xmpp:ping", 1);
  clock_move (LIMIT_IQ_WAIT_MS * 1000 - 1);
  do_all ();
  g_assert_cmpint (scene->rtt, ==, 0);
  clock_move (1);
  do_all ();
  g_assert_cmpint (scene->rtt, ==, -1);
  g_assert_true (session_is_open (scene->session));
}

static void
test_request_rate (Scene *scene, gconstpointer data)
{
  open_stream (scene);
  for (guint second = 1; second <= 2; second++)
    {
      for (guint i = 0; i < LIMIT_IQ_RATE; i++)
        say (scene, IQ);
      hear (scene, "<service-unavailable ", second * LIMIT_IQ_RATE);
      clock_move (second == 1 ? G_USEC_PER_SEC : 0);
    }
  say (scene, IQ);
  hear (scene, "<policy-violation ", 1);
}

/* A connection for a file that nobody makes, or on which nobody says anything. */
typedef struct
{
  gboolean ended;
  GError  *error;
} Bytes;

static void
on_bytestream (int fd, GBytes *surplus, guint target, const GError *error, gpointer user_data)
{
  Bytes *bytes = user_data;

  bytes->ended = TRUE;
  bytes->error = g_error_copy (error);
}

static gboolean
admit (GInetSocketAddress *remote, gpointer user_data)
{
  return TRUE;
}

static void
check_bytestream (Bytestream *bytestream, Bytes *bytes)
{
  clock_move (LIMIT_BYTESTREAM_MS * 1000 - 1);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_false (bytes->ended);
  clock_move (1);
  until (bytes->ended);
  g_assert_error (bytes->error, HEARBY_ERROR, HEARBY_ERROR_TIMEOUT);
  g_clear_error (&bytes->error);
  bytestream_free (bytestream);
}

static void
test_bytestream (void)
{
  g_autoptr (GPtrArray) own = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GSocketListener) silent = g_socket_listener_new ();
  guint16 port = g_socket_listener_add_any_inet_port (silent, NULL, NULL);
  g_autoptr (GPtrArray) remote = g_ptr_array_new_with_free_func (g_object_unref);
  Bytes nobody = { 0 }, mute = { 0 };

  g_ptr_array_add (own, g_inet_socket_address_new_from_string ("127.0.0.1", 0));
  check_bytestream (bytestream_listen ("digest", own, admit, on_bytestream, &nobody, NULL), &nobody);
  g_ptr_array_add (remote, g_inet_socket_address_new_from_string ("127.0.0.1", port));
  check_bytestream (bytestream_connect ("digest", remote, on_bytestream, &mute), &mute);
}

/* What is over can still be looked at for a while. */
static void
test_shown (void)
{
  Side *side = side_new ("juliet@pronto", SIDE_CLEAR);
  TransferSource source = { "passwd", "/etc/passwd", -1 };
  TransferOptions options = { 0 };
  TransferFilter filter = { 0 };
  g_autoptr (GPtrArray) history = NULL;
  g_autoptr (GArray) ids = NULL;
  g_autoptr (GError) error = NULL;
  guint64 id;

  side_see (side, "romeo@forza", 9, "txtvers=1", NULL);
  messenger_allow_plaintext (side->messenger, side->peer, PLAINTEXT_ALLOW, &error);
  g_assert_no_error (error);
  ids = transfers_offer (side->messenger, &side->peer, 1, &source, 1, &options, &error);
  g_assert_no_error (error);
  id = g_array_index (ids, guint64, 0);
  transfers_cancel (side->messenger, transfers_find (side->messenger, id), &error);
  g_assert_no_error (error);
  clock_move (LIMIT_TRANSFER_SHOWN_S * G_USEC_PER_SEC - 1);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_true (transfer_is_over (transfers_find (side->messenger, id)));
  clock_move (1);
  until (transfers_find (side->messenger, id) == NULL);
  history = transfers_history (side->messenger, &filter, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (history->len, ==, 1);
  side_free (side);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*test) (Scene *scene, gconstpointer data);
  } table[] = {
    { "/waits/header", test_header },
    { "/waits/header-of-called", test_header_of_called },
    { "/waits/discovery", test_discovery },
    { "/waits/features", test_features },
    { "/waits/asking", test_asking },
    { "/waits/choosing", test_choosing },
    { "/waits/starting", test_starting },
    { "/waits/securing", test_securing },
    { "/waits/age", test_age },
    { "/waits/idle", test_idle },
    { "/waits/kept", test_kept },
    { "/waits/close", test_close },
    { "/waits/answer", test_answer },
    { "/waits/request-rate", test_request_rate },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    g_test_add (table[i].name, Scene, NULL, set_up, table[i].test, tear_down);
  g_test_add_func ("/waits/bytestream", test_bytestream);
  g_test_add_func ("/waits/shown", test_shown);
  return g_test_run ();
}
