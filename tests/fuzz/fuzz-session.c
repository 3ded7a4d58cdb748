/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties of one stream, whatever the peer says in whatever order, in clear and in the channel: nothing is told before the owner
 * accepted, and nothing after the end; what is readable never leaves once <proceed/> was said; a byte too much behind <start/> or <proceed/>,
 * and another name within the channel, end it.
 *
 * The input: a byte of FLAGS, then steps: a byte of STEPS, and for some of them a length and so many bytes, or a number. What is said leaves
 * with the next STEP_SETTLE, in one piece. */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "../pair/far.h"
#include "base/limits.h"
#include "xmpp/ns.h"
#include "xmpp/reader.h"

#define OWN "juliet@pronto"
#define PEER_NAME "romeo@forza"
#define PIECE (32 * 1024) /* that a session reads at once */
#define OPEN "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"

enum /* FLAGS */
{
  FLAG_INITIATOR = 1 << 0,
  FLAG_NO_KEY = 1 << 1,
  FLAG_CLEAR_REFUSED = 1 << 2,
  FLAG_CLEAR_UNDECIDED = 1 << 3, /* responder: the owner answers with a step, if at all */
  FLAG_STRANGER = 1 << 4,        /* responder: the owner does not know the key; initiator: expects another one */
  FLAG_RESTRICTED = 1 << 5,
  FLAG_TRACED = 1 << 6,
  FLAG_REQUIRED = 1 << 7,
};

enum /* STEPS */
{
  STEP_SETTLE,
  STEP_SAY,
  STEP_PHRASE,
  STEP_SECURE,
  STEP_CLOSE,
  STEP_RAW,
  STEP_FINISH,
  STEP_OWNER,
  STEP_ANSWER, /* to the last request */
  STEP_LAST,
};

static const char *const phrases[] = {
  OPEN " from='" PEER_NAME "' to='" OWN "' version='1.0'>",
  OPEN " from='" PEER_NAME "' version='1.0'>",
  OPEN " from='" PEER_NAME "' to='" OWN "'>",
  OPEN " from='mercutio@forza' to='" OWN "' version='1.0'>",
  OPEN " from='" PEER_NAME "' to='nurse@pronto' version='1.0'>",
  OPEN " version='1.0'>",
  "<stream:features><noise xmlns='" NS_NOISE "'><protocol>" NOISE_PROTOCOL "</protocol></noise></stream:features>",
  "<stream:features><query xmlns='http://jabber.org/protocol/disco#info'/></stream:features>",
  "<start xmlns='" NS_NOISE "' protocol='" NOISE_PROTOCOL "'/>",
  "<start xmlns='" NS_NOISE "' protocol='Noise_NN_25519_ChaChaPoly_SHA256'/>",
  "<start xmlns='" NS_NOISE "' protocol='" NOISE_PROTOCOL "' purpose='bytes'/>",
  "<proceed xmlns='" NS_NOISE "'/>",
  "<failure xmlns='" NS_NOISE "'/>",
  "<message id='a'><body>hello</body><request xmlns='urn:xmpp:receipts'/></message>",
  "<message><verify xmlns='" NS_VERIFY "' run='a' step='start'>AAAA</verify></message>",
  "<iq type='get' id='q'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
  "<iq type='result' id='q'/>",
  "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
  "</stream:stream>",
  " ",
  "<message><body>",
};

static const guint8 secrets[3][X25519_KEY] = { { 0, 1 }, { 0, 2 }, { 0, 3 } };

typedef struct
{
  const guint8 *data;
  gsize size;
} Input;

/* What the peer said, as somebody else reads it. */
typedef struct
{
  Reader *reader;
  gsize said;
  gboolean opened;
  char *from, *to;
  gboolean versioned;
} Told;

typedef struct
{
  guint8 flags;
  Session *session;
  Far *far;
  Told clear, inner;
  GByteArray *piece; /* what was said in clear since the last settling */
  gboolean accepted, asked, secured, opened, ended, securing;
  gboolean raw; /* something was said past the channel */
} Run;

/* The same in each run. */
static guint64 counter;

static void
fill (void *const bytes, const size_t len)
{
  for (gsize i = 0; i < len; i++)
    {
      counter = counter * 6364136223846793005u + 1442695040888963407u;
      ((guint8 *) bytes)[i] = (guint8) (counter >> 56);
    }
}

static uint32_t
draw (void)
{
  uint32_t value;

  fill (&value, sizeof value);
  return value;
}

static const char *
random_name (void)
{
  return "counter";
}

static struct randombytes_implementation implementation
    = { .implementation_name = random_name, .random = draw, .buf = fill };

static gboolean
is_initiator (const Run *run)
{
  return (run->flags & FLAG_INITIATOR) != 0;
}

/* The peer's words ---------------------------------------------------------------------------------------------------- */

static void
told_clear (Told *told)
{
  reader_free (told->reader);
  g_free (told->from);
  g_free (told->to);
}

/* Whether @bytes begin, besides a header and features, with an element @name that has something behind it. */
static gboolean
told_push (Told *told, const guint8 *bytes, gsize len, const char *name)
{
  gboolean first = TRUE, surplus = FALSE;
  ReaderEvent event;

  if (told->reader == NULL)
    told->reader = reader_new (&reader_default_limits);
  told->said += len;
  reader_push (told->reader, bytes, len, NULL);
  while (reader_next (told->reader, &event))
    {
      if (event.type == READER_OPEN)
        {
          const char *version = node_get (event.node, "version");

          told->opened = TRUE;
          told->from = g_strdup (node_get (event.node, "from"));
          told->to = g_strdup (node_get (event.node, "to"));
          told->versioned = version != NULL && g_ascii_strtoull (version, NULL, 10) >= 1;
        }
      else if (event.node != NULL && !node_is (event.node, "features", NS_STREAM))
        {
          surplus = surplus || (first && node_is (event.node, name, NS_NOISE) && event.bytes_consumed < told->said);
          first = FALSE;
        }
      node_free (event.node);
    }
  return surplus;
}

static gboolean
is_same_names (const Run *run)
{
  const char *to = run->clear.to != NULL && *run->clear.to != '\0' ? run->clear.to : OWN;

  return run->inner.opened && run->inner.versioned && run->clear.from != NULL
         && g_strcmp0 (run->clear.from, run->inner.from) == 0 && g_strcmp0 (to, run->inner.to) == 0;
}

/* The owner -------------------------------------------------------------------------------------------------------------- */

static void
accept_it (Run *run)
{
  run->accepted = TRUE;
  session_accept (run->session, NULL, OWN);
}

static void
on_header (Session *session, gpointer user_data)
{
  g_assert_false (((Run *) user_data)->ended);
}

static void
on_clear (Session *session, gboolean spoke, gpointer user_data)
{
  Run *run = user_data;

  g_assert_false (run->ended || run->secured || run->accepted);
  run->asked = run->asked || spoke;
  if ((run->flags & FLAG_CLEAR_UNDECIDED) && !is_initiator (run))
    return;
  if (run->flags & FLAG_CLEAR_REFUSED)
    session_refuse (session, "policy-violation");
  else
    accept_it (run);
}

static void
on_secured (Session *session, gpointer user_data)
{
  Run *run = user_data;
  guint8 key[X25519_KEY];

  g_assert_false (run->ended || run->secured || run->accepted || (run->flags & FLAG_NO_KEY));
  g_assert_false (is_initiator (run) && (run->flags & FLAG_STRANGER));
  x25519_public (key, secrets[1]);
  g_assert_cmpmem (session_key (session), X25519_KEY, key, X25519_KEY);
  run->secured = TRUE;
  if (run->flags & FLAG_STRANGER)
    return;
  session_set_restricted (session, (run->flags & FLAG_RESTRICTED) != 0);
  accept_it (run);
}

/* Whatever is told of the peer needs that. */
static void
check_accepted (const Run *run)
{
  g_assert_false (run->ended);
  g_assert_true (run->accepted);
  g_assert_cmpint (run->secured, ==, session_is_secure (run->session));
  g_assert_true (!run->secured || is_same_names (run));
}

static void
on_open (Session *session, gpointer user_data)
{
  Run *run = user_data;

  check_accepted (run);
  g_assert_false (run->opened);
  run->opened = TRUE;
  session_send (session, "<presence/>", 11);
}

static void
on_message (Session *session, const Stanza *stanza, gpointer user_data)
{
  Run *run = user_data;

  check_accepted (run);
  g_assert_false (run->secured && (run->flags & FLAG_RESTRICTED));
}

static void
on_verify (Session *session, const Node *verify, gpointer user_data)
{
  check_accepted (user_data);
  g_assert_true (((Run *) user_data)->secured);
}

static void
on_drained (Session *session, gpointer user_data)
{
  check_accepted (user_data);
}

static void
on_traced (Session *session, gboolean out, const char *xml, gsize len, gpointer user_data)
{
  g_assert_false (((Run *) user_data)->ended);
}

static void
on_closing (Session *session, gpointer user_data)
{
  g_assert_false (((Run *) user_data)->ended);
}

static void
on_ended (Session *session, const GError *error, gpointer user_data)
{
  Run *run = user_data;

  g_assert_false (run->ended);
  run->ended = TRUE;
}

static const SessionEvents events = {
  .header = on_header,
  .clear = on_clear,
  .secured = on_secured,
  .open = on_open,
  .message = on_message,
  .verify = on_verify,
  .drained = on_drained,
  .traced = on_traced,
  .aged = on_drained,
  .closing = on_closing,
  .ended = on_ended,
};

static void
on_pong (Session *session, gint64 rtt, gpointer user_data)
{
}

static void
act (Run *run, guint8 what)
{
  static const char hello[] = "<message><body>hello</body></message>";

  switch (what % 6)
    {
    case 0:
      session_close (run->session);
      break;
    case 1:
      session_refuse (run->session, "conflict");
      break;
    case 2:
      g_assert_false (session_send (run->session, hello, sizeof hello - 1) && run->ended);
      break;
    case 3:
      session_ping (run->session, on_pong, NULL);
      break;
    case 4:
      if (run->asked && !run->accepted)
        accept_it (run);
      break;
    default:
      session_flush (run->session);
      break;
    }
}

/* The properties ----------------------------------------------------------------------------------------------------------- */

/* Nothing but frames. */
static void
check_frames (const guint8 *bytes, gsize len, const guint *first)
{
  while (len >= 2)
    {
      gsize frame = ((gsize) bytes[0] << 8) | bytes[1];

      g_assert_true (*first != 0 ? frame == *first : frame >= 19);
      first += *first != 0;
      if (frame + 2 > len)
        return;
      bytes += frame + 2;
      len -= frame + 2;
    }
}

static void
check_heard (const Run *run)
{
  static const guint initiators[] = { 32, 64, 0 }, responders[] = { 96, 0 };
  const char *last = is_initiator (run) ? "<start " : "<proceed ";
  const GByteArray *bytes = run->far->heard;
  g_autofree char *heard = g_strndup (bytes->len > 0 ? (const char *) bytes->data : "", bytes->len);
  const char *end = strstr (heard, last); /* all before it is text */
  gsize at;

  end = end != NULL ? strstr (end, "/>") : NULL;
  g_assert_true (end != NULL || !run->securing);
  if (end == NULL)
    return;
  at = (gsize) (end + 2 - heard);
  if (is_initiator (run) && at < bytes->len && bytes->data[at] == '<')
    g_assert_false (run->securing); /* it goes on in clear, to its end */
  else
    check_frames (bytes->data + at, bytes->len - at, is_initiator (run) ? initiators : responders);
}

static void
settle (Run *run)
{
  SessionState before = session_state (run->session);
  gboolean matters = is_initiator (run) ? before == SESSION_STARTING
                                        : (before == SESSION_OPENING || before == SESSION_CHOOSING) && !run->asked
                                              && !(run->flags & FLAG_NO_KEY);
  gboolean whole = !run->raw && run->piece->len <= PIECE && run->piece->len == run->far->unsaid->len;
  gboolean surplus = told_push (&run->clear, run->piece->data, run->piece->len, is_initiator (run) ? "proceed" : "start");

  g_byte_array_set_size (run->piece, 0);
  far_settle (run->far);
  run->securing = run->securing || session_state (run->session) == SESSION_SECURING || session_is_secure (run->session);
  if (matters && whole && surplus && (is_initiator (run) || run->clear.versioned))
    g_assert_cmpint (session_state (run->session), >=, SESSION_CLOSING);
  if (run->secured && !run->raw && run->inner.opened && !is_same_names (run))
    g_assert_cmpint (session_state (run->session), >=, SESSION_CLOSING);
  check_heard (run);
}

/* The script ------------------------------------------------------------------------------------------------------------------ */

static guint8
take (Input *input)
{
  if (input->size == 0)
    return 0;
  input->size--;
  return *input->data++;
}

static void
say (Run *run, const void *bytes, gsize len)
{
  if (!far_say (run->far, bytes, len))
    return;
  if (channel_state (run->far->channel) == CHANNEL_CLEAR)
    g_byte_array_append (run->piece, bytes, (guint) len);
  else
    told_push (&run->inner, bytes, len, "");
}

static void
answer (Run *run)
{
  const GByteArray *content = run->far->content;
  g_autofree char *text = g_strndup (content->len > 0 ? (const char *) content->data : "", content->len);
  const char *id = g_strrstr (text, " id='");
  g_autofree char *iq = id != NULL ? g_strdup_printf ("<iq type='result' id='%.36s'/>", id + 5) : NULL;

  if (iq != NULL)
    say (run, iq, strlen (iq));
}

static void
step (Run *run, Input *input)
{
  guint8 what = take (input) % STEP_LAST;
  gsize len = what == STEP_SAY || what == STEP_RAW ? take (input) : 0;
  const char *phrase;

  if (what == STEP_RAW && channel_state (run->far->channel) == CHANNEL_CLEAR)
    what = STEP_SAY;
  len = MIN (len, input->size);
  switch (what)
    {
    case STEP_SAY:
      say (run, input->data, len);
      break;
    case STEP_RAW:
      run->raw = TRUE;
      far_say_raw (run->far, input->data, len);
      break;
    case STEP_PHRASE:
      phrase = phrases[take (input) % G_N_ELEMENTS (phrases)];
      say (run, phrase, strlen (phrase));
      break;
    case STEP_SECURE:
      far_secure (run->far, secrets[1]);
      break;
    case STEP_CLOSE:
      far_close (run->far);
      break;
    case STEP_FINISH:
      settle (run);
      far_finish (run->far);
      break;
    case STEP_OWNER:
      act (run, take (input));
      break;
    case STEP_ANSWER:
      answer (run);
      break;
    default:
      settle (run);
      break;
    }
  input->data += len;
  input->size -= len;
}

static void
begin (Run *run)
{
  SessionSetup setup = { OWN, run->flags & FLAG_NO_KEY ? NULL : secrets[0], (run->flags & FLAG_REQUIRED) != 0 };
  g_autoptr (GSocketConnection) connection = NULL;
  guint8 other[X25519_KEY];

  run->far = far_new (is_initiator (run) ? NOISE_RESPONDER : NOISE_INITIATOR, &connection);
  run->piece = g_byte_array_new ();
  run->session = is_initiator (run) ? session_dial (&setup, PEER_NAME, NULL, NULL, 0, &events, run)
                                    : session_answer (connection, &setup, &events, run);
  x25519_public (other, secrets[2]);
  if (is_initiator (run) && (run->flags & FLAG_STRANGER))
    session_expect (run->session, other);
  session_set_traced (run->session, (run->flags & FLAG_TRACED) != 0);
}

static void
end (Run *run)
{
  settle (run);
  session_free (run->session);
  run->ended = TRUE;
  far_settle (run->far);
  far_free (run->far);
  told_clear (&run->clear);
  told_clear (&run->inner);
  g_byte_array_unref (run->piece);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Input input = { data, size };
  Run run = { 0 };

  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING | G_LOG_FATAL_MASK);
  randombytes_set_implementation (&implementation);
  if (sodium_init () < 0)
    return 0;
  counter = 1;
  g_main_context_push_thread_default (context);
  run.flags = take (&input);
  begin (&run);
  while (input.size > 0)
    step (&run, &input);
  end (&run);
  g_main_context_pop_thread_default (context);
  return 0;
}
