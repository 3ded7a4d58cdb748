/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever an honest peer would not say now: every kind of element in every state of a stream, in both roles, comes to what the tables here say;
 * and a stream's events do not depend on how its bytes are cut into reads. */

#include <sodium.h>
#include <string.h>

#include "far.h"
#include "xmpp/stream.h"
#include "xmpp/ns.h"

#define OWN "juliet@pronto"
#define PEER_NAME "romeo@forza"
#define HEADER                                                                                                      \
  "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' from='" PEER_NAME "' to='" OWN "' version='1.0'>"
#define OFFER "<stream:features><noise xmlns='" NS_NOISE "'><protocol>" NOISE_PROTOCOL "</protocol></noise></stream:features>"
#define ABILITIES "<stream:features><query xmlns='" NS_DISCO_INFO "'/></stream:features>"
#define START "<start xmlns='" NS_NOISE "' protocol='" NOISE_PROTOCOL "'/>"
#define PROCEED "<proceed xmlns='" NS_NOISE "'/>"
#define MESSAGE "<message><body>hello</body></message>"
#define CLOSE "</stream:stream>"

/* The columns of the tables. */
static const char *const elements[] = {
  HEADER, OFFER, START, START " ", PROCEED, PROCEED " ", "<failure xmlns='" NS_NOISE "'/>", MESSAGE,
  "<iq type='get' id='q'><ping xmlns='" NS_PING "'/></iq>", "<stream:error><reset xmlns='" NS_STREAM_ERROR "'/></stream:error>",
  CLOSE, "hello",
};

/* What comes of one:
 *   .  nothing: it is ignored, or not over yet      >  the next state, as it should be
 *   m  it is a message                              i  it is answered
 *   ?  the owner is asked whether the peer may talk in clear, and nothing is looked at until he said so
 *   k  the handshake begins                         r  <failure/> and the close
 *   c  the close                                    e  a stream error and the close
 *   x  the end without a word
 * Whoever waits for the owner, or has closed, looks at nothing but, in a stream that was open, at what the peer still had to say. */
typedef struct
{
  const char *state;
  const char *way;      /* what was said before, a read on each line; '!' behind it: and the handshake; '+', '-' and '=': the owner accepts,
                         * refuses, closes */
  const char *outcomes; /* by column */
} Row;

#define SECURE HEADER "\n" START "!\n"
#define SECURED_OFFER HEADER OFFER "\n" PROCEED "!\n"

/*                                                     header offer start surplus proceed surplus failure message iq error close text */
static const Row responder[] = {
  { "before the header", "", ">eeeeeeeeee." },
  { "offered the channel", HEADER "\n", "..kx?????cce" },
  { "in clear, undecided", HEADER MESSAGE "\n", "............" },
  { "in clear, asked what it can do", HEADER MESSAGE "\n+\n", "..eeeeemicce" },
  { "the handshake", HEADER "\n" START "\n", "xxxxxxxxxxxx" },
  { "before the inner header", SECURE, ">eeeeeeeeee." },
  { "secure, asked what it can do", SECURE HEADER "\n", "..eeeeemicce" },
  { "refused the handshake", HEADER "\n<start xmlns='" NS_NOISE "'/>\n", "............" },
  { "in clear, refused", HEADER MESSAGE "\n-\n", "............" },
  { "closed by us", SECURE HEADER "\n=\n", ".......m...." },
  { "closed by the peer", HEADER CLOSE "\n", "............" },
};

static const Row initiator[] = {
  { "before the header", "", ">eeeeeeeeee." },
  { "before the features", HEADER "\n", ".>???????cce" },
  { "started", HEADER OFFER "\n", "..xxkxxxxcce" },
  { "in clear, open", HEADER ABILITIES "\n+\n", "..eeeeemicce" },
  { "the handshake", HEADER OFFER "\n" PROCEED "\n", "xxxxxxxxxxxx" },
  { "before the inner header", SECURED_OFFER, ">eeeeeeeeee." },
  { "before the inner features", SECURED_OFFER HEADER "\n", ".>eeeeem.cce" },
  { "secure, open", SECURED_OFFER HEADER ABILITIES "\n", "..eeeeemicce" },
  { "closed by us", SECURED_OFFER HEADER ABILITIES "\n=\n", ".......m...." },
  { "closed by us before the features", HEADER "\n=\n", "............" },
};

static const guint8 secrets[2][X25519_KEY] = { { 0, 1 }, { 0, 2 } };

typedef struct
{
  Session *session;
  Far *far;
  guint messages;
  gboolean asked, ended;
  GString *log; /* every event but those that a clock may bring on */
} Scene;

static void
note (Scene *scene, const char *event)
{
  g_assert_false (scene->ended);
  g_string_append_printf (scene->log, "%s\n", event);
}

static void
on_header (Session *session, gpointer user_data)
{
  note (user_data, "header");
}

static void
on_clear (Session *session, gboolean spoke, gpointer user_data)
{
  note (user_data, "clear");
  ((Scene *) user_data)->asked = TRUE;
}

static void
on_secured (Session *session, gpointer user_data)
{
  note (user_data, "secured");
  session_accept (session, NULL, NULL);
}

static void
on_message (Session *session, const Stanza *stanza, gpointer user_data)
{
  note (user_data, stanza->body != NULL ? stanza->body : "message");
  ((Scene *) user_data)->messages++;
}

static void
on_verify (Session *session, const Node *verify, gpointer user_data)
{
  note (user_data, "verify");
}

static void
on_closing (Session *session, gpointer user_data)
{
  note (user_data, "closing");
}

static void
on_quiet (Session *session, gpointer user_data)
{
}

static void
on_ended (Session *session, const GError *error, gpointer user_data)
{
  note (user_data, error != NULL ? error->message : "ended");
  ((Scene *) user_data)->ended = TRUE;
}

static const SessionEvents events = {
  .header = on_header, .clear = on_clear,     .secured = on_secured, .open = on_quiet,      .message = on_message,
  .verify = on_verify, .drained = on_quiet, .aged = on_quiet,      .closing = on_closing, .ended = on_ended,
};

static void
scene_begin (Scene *scene, StreamRole role)
{
  SessionSetup setup = { OWN, secrets[0], FALSE };
  g_autoptr (GSocketConnection) connection = NULL;

  *scene = (Scene){ .log = g_string_new (NULL) };
  scene->far = far_new (role == STREAM_INITIATOR ? NOISE_RESPONDER : NOISE_INITIATOR, &connection);
  scene->session = role == STREAM_INITIATOR ? session_dial (&setup, PEER_NAME, NULL, NULL, 0, &events, scene)
                                            : session_answer (connection, &setup, &events, scene);
  far_settle (scene->far);
}

static void
scene_end (Scene *scene)
{
  session_free (scene->session);
  far_free (scene->far);
  g_string_free (scene->log, TRUE);
}

/* What is between two line ends is read at once. */
static void
go (Scene *scene, const char *way)
{
  g_auto (GStrv) steps = g_strsplit (way, "\n", 0);

  for (guint i = 0; steps[i] != NULL; i++)
    {
      gsize len = strlen (steps[i]);
      gboolean secures = g_str_has_suffix (steps[i], "!");

      if (g_str_equal (steps[i], "+"))
        session_accept (scene->session, NULL, OWN);
      else if (g_str_equal (steps[i], "-"))
        session_refuse (scene->session, "policy-violation");
      else if (g_str_equal (steps[i], "="))
        session_close (scene->session);
      else
        far_say (scene->far, steps[i], len - secures);
      if (secures && session_is_initiator (scene->session))
        far_secure (scene->far, secrets[1]);
      far_settle (scene->far);
      if (secures && !session_is_initiator (scene->session))
        far_secure (scene->far, secrets[1]);
      far_settle (scene->far);
    }
}

static gboolean
has_heard (Scene *scene, guint from, const char *text)
{
  const GByteArray *content = scene->far->content;
  g_autofree char *heard = g_strndup ((const char *) content->data + from, content->len - from);

  return strstr (heard, text) != NULL;
}

static char
outcome_of (Scene *scene, const char *element)
{
  SessionState before = session_state (scene->session);
  gboolean asked = scene->asked;
  guint messages = scene->messages, heard = scene->far->content->len;

  far_say (scene->far, element, strlen (element));
  far_settle (scene->far);
  if (heard < scene->far->content->len && has_heard (scene, heard, "<stream:error>"))
    return 'e';
  if (heard < scene->far->content->len && has_heard (scene, heard, "<failure "))
    return 'r';
  if (heard < scene->far->content->len && has_heard (scene, heard, "</stream:stream>"))
    return 'c';
  if (session_state (scene->session) == SESSION_SECURING && before != SESSION_SECURING)
    return 'k';
  if (session_state (scene->session) != before && session_state (scene->session) < SESSION_CLOSING)
    return '>';
  if (scene->asked && !asked)
    return '?';
  if (scene->messages > messages)
    return 'm';
  if (heard < scene->far->content->len && has_heard (scene, heard, "<iq "))
    return 'i';
  return scene->ended && before != SESSION_ENDED ? 'x' : '.';
}

static void
check_table (StreamRole role, const Row *rows, gsize n)
{
  for (gsize i = 0; i < n; i++)
    {
      char outcomes[G_N_ELEMENTS (elements) + 1] = "";

      for (guint k = 0; k < G_N_ELEMENTS (elements); k++)
        {
          Scene scene;

          scene_begin (&scene, role);
          go (&scene, rows[i].way);
          outcomes[k] = outcome_of (&scene, elements[k]);
          scene_end (&scene);
        }
      g_test_message ("%s", rows[i].state);
      g_assert_cmpstr (outcomes, ==, rows[i].outcomes);
    }
}

static void
test_responder (void)
{
  check_table (STREAM_RESPONDER, responder, G_N_ELEMENTS (responder));
}

static void
test_initiator (void)
{
  check_table (STREAM_INITIATOR, initiator, G_N_ELEMENTS (initiator));
}

/* A whole stream, in the channel but for its beginning. */
static char *
hear_all (StreamRole role, guint slicing)
{
  g_autofree char *text = g_strnfill (5000, 'x');
  g_autofree char *said
      = g_strdup_printf ("%s%s%s\n<message><body>first</body></message>" MESSAGE
                         "<message><verify xmlns='" NS_VERIFY "' run='a' step='cancel'/></message>\n"
                         "<message><body>%s</body></message>\n" CLOSE "\n",
                         role == STREAM_INITIATOR ? SECURED_OFFER : SECURE, HEADER,
                         role == STREAM_INITIATOR ? ABILITIES : "", text);
  Slices slices = slices_new (slicing);
  Scene scene;
  char *log;

  scene_begin (&scene, role);
  scene.far->slices = &slices;
  go (&scene, said);
  far_close (scene.far);
  far_finish (scene.far);
  far_settle (scene.far);
  g_assert_true (scene.ended);
  log = g_strdup (scene.log->str);
  scene_end (&scene);
  slices_clear (&slices);
  return log;
}

static void
test_slices (void)
{
  for (StreamRole role = STREAM_INITIATOR; role <= STREAM_RESPONDER; role++)
    {
      g_autofree char *whole = hear_all (role, 0);

      g_assert_true (g_str_has_prefix (whole, "header\nsecured\n"));
      g_assert_nonnull (strstr (whole, "first\nhello\nverify\nxxx"));
      g_assert_true (g_str_has_suffix (whole, "\nclosing\nended\n"));
      for (guint slicing = 1; slicing < SLICINGS; slicing++)
        {
          g_autofree char *sliced = hear_all (role, slicing);

          g_assert_cmpstr (sliced, ==, whole);
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (sodium_init () < 0)
    return 1;
  g_test_add_func ("/states/responder", test_responder);
  g_test_add_func ("/states/initiator", test_initiator);
  g_test_add_func ("/states/slices", test_slices);
  return g_test_run ();
}
