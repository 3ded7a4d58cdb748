/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attacker: who sits between two programs, or pretends to be one of them, and says in JSON lines what he got.
 *
 *   attacker --listen=PORT --connect=ADDRESS:PORT MODE …
 *     between; --times=N: only the first N connections, then all is passed; --through=PID: connects from the
 * network of that process pass | strip | replace UNIT FROM TO | flip UNIT OFFSET [MASK] | append UNIT TEXT |
 * replay UNIT | swap UNIT | drop UNIT truncate UNIT | reflect UNIT | mirror own-key relay|answer|start with
 * keys of his own, --key=HEX; what he does about a verification attacker --listen=PORT answer            one
 * end of an encrypted stream; each line of stdin is sent, and attacker --connect=ADDRESS:PORT call "/close"
 * is the orderly end, "/cut" none; --own and --peer: names
 *
 * --bytes: the connection is one for bytes: each line of stdin is the content of so many records in base64, and
 * so is what is told of the other side's; "/deaf": nothing is read any more. With answer, streams may come as
 * well, at the same time, which only answer questions.
 *
 * UNIT: initiator.header responder.header responder.features initiator.start responder.proceed handshake.1
 * handshake.2 handshake.3 initiator.record.1 … responder.record.1 … */

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "impostor.h"
#include "leg.h"
#include "sweep.h"
#include "tamper.h"
#include "tell.h"
#include "xmpp/ns.h"

#define FEATURE(ns) "<feature var='" ns "'/>"
#define FEATURES                                                                                             \
  "<identity category='client' type='pc'/>" FEATURE (NS_RECEIPTS) FEATURE (NS_JINGLE)                       \
      FEATURE (NS_JINGLE_FILES) FEATURE (NS_BYTES)

typedef struct
{
  int port;       /* to listen on */
  gint64 through; /* 0: our own network */
  gint64 times;   /* 0: always */
  struct sockaddr_in target;
  guint8 secret[X25519_KEY];
  char *own, *peer, *inner;
  gboolean own_key, bytes;
  ImpostorKind impostor;
  Tamper tamper;
} Plan;

typedef struct
{
  const Plan *plan;
  int accepted;
  gint64 number;
} Call;

static G_NORETURN void
usage (const char *why)
{
  fprintf (stderr, "attacker: %s\n", why);
  exit (2);
}

static int
connect_to (const struct sockaddr_in *target)
{
  int fd = socket (AF_INET, SOCK_STREAM, 0);

  if (connect (fd, (const struct sockaddr *)target, sizeof *target) != 0)
    {
      close (fd);
      return -1;
    }
  return fd;
}

static int
listen_on (int port)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons ((guint16)port) };
  int fd = socket (AF_INET, SOCK_STREAM, 0);
  int yes = 1;

  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind (fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen (fd, 64) != 0)
    usage ("cannot listen there");
  tell ("ready", NULL);
  return fd;
}

/* Of this thread alone. */
static void
enter_network (gint64 pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%" G_GINT64_FORMAT "/ns/net", pid);
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  if (setns (fd, CLONE_NEWNET) != 0)
    usage ("cannot go through there");
  close (fd);
}

/* Between -------------------------------------------------------------------------------------------------
 */

static gpointer
on_call (gpointer data)
{
  static const Tamper honest = { .kind = TAMPER_PASS };
  g_autofree Call *call = data;
  const Plan *plan = call->plan;
  gboolean attacked = plan->times == 0 || call->number <= plan->times;
  int other;

  if (plan->through != 0)
    enter_network (plan->through);
  other = connect_to (&plan->target);
  tell ("connection", "connection:i", call->number, NULL);
  if (other < 0)
    {
      close (call->accepted);
      tell ("failed", "connection:i", call->number, "side:s", "responder", "text:s", "connect", NULL);
    }
  else if (plan->own_key && attacked)
    impostor_run (plan->impostor, leg_new (call->accepted, plan->secret), leg_new (other, plan->secret),
                  plan->own, call->number);
  else
    tamper_run (attacked ? &plan->tamper : &honest, call->accepted, other, call->number);
  return NULL;
}

static G_NORETURN void
stand_between (const Plan *plan)
{
  int listener = listen_on (plan->port);
  gint64 number = 0;

  for (;;)
    {
      int fd = accept (listener, NULL, NULL);
      Call *call;

      if (fd < 0)
        continue;
      call = g_new (Call, 1);
      *call = (Call){ .plan = plan, .accepted = fd, .number = ++number };
      g_thread_unref (g_thread_new ("call", on_call, call));
    }
}

/* An end --------------------------------------------------------------------------------------------------
 */

static void
answer_question (Leg *leg, const Node *iq)
{
  g_autofree char *xml = NULL;

  if (node_child (iq, "query", NS_DISCO_INFO) == NULL)
    return;
  xml = g_strdup_printf ("<iq type='result' id='%s' from='%s' to='%s'><query xmlns='" NS_DISCO_INFO
                         "'>" FEATURES "</query></iq>",
                         node_get (iq, "id"), leg->own, leg->peer);
  leg_say (leg, xml);
}

static void
say_header (Leg *leg, const char *own)
{
  g_autofree char *xml = g_strdup_printf ("<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT
                                          "' xmlns:stream='" NS_STREAM "' from='%s' to='%s' version='1.0'>%s",
                                          own, leg->peer,
                                          leg->role == NOISE_INITIATOR
                                              ? ""
                                              : "<stream:features><query xmlns='" NS_DISCO_INFO
                                                "'>" FEATURES "</query></stream:features>");

  leg_say (leg, xml);
}

static void
on_element (Leg *leg, const LegEvent *event, gint64 number)
{
  tell ("inner", "connection:i", number, "text:b", event->bytes, NULL);
  if (event->kind == READER_OPEN && leg->role == NOISE_RESPONDER)
    say_header (leg, leg->own);
  else if (event->kind == READER_ELEMENT && node_is (event->node, "iq", NS_CLIENT)
           && g_strcmp0 (node_get (event->node, "type"), "get") == 0)
    answer_question (leg, event->node);
}

/* FALSE: it is over. */
static gboolean
hear (Leg *leg, gint64 number, gboolean alive)
{
  LegEvent event;

  for (leg_next (leg, &event); event.type == LEG_ELEMENT; leg_next (leg, &event))
    {
      on_element (leg, &event, number);
      leg_event_clear (&event);
    }
  if (event.type == LEG_WAIT && alive)
    return TRUE;
  tell ("end", "connection:i", number, "how:s", event.type == LEG_CLOSED ? "close" : "cut", NULL);
  return FALSE;
}

/* FALSE: stdin ended, or said that this is over. */
static gboolean
obey (Leg *leg)
{
  g_autofree char *line = NULL;
  size_t size = 0;
  ssize_t len = getline (&line, &size, stdin);

  if (len <= 0)
    return FALSE;
  g_strchomp (line);
  if (g_str_equal (line, "/cut"))
    return FALSE;
  if (g_str_equal (line, "/close"))
    leg_close (leg);
  else
    leg_say (leg, line);
  return TRUE;
}

static void
be_an_end (const Plan *plan, Leg *leg, gint64 number)
{
  struct pollfd fds[2] = { { .fd = leg->fd, .events = POLLIN }, { .fd = 0, .events = POLLIN } };
  gboolean alive;

  leg_tell (leg, number);
  if (leg->role == NOISE_INITIATOR)
    say_header (leg, plan->inner != NULL ? plan->inner : leg->own);
  alive = hear (leg, number, TRUE);
  while (alive)
    {
      poll (fds, 2, -1);
      if (fds[0].revents != 0)
        alive = hear (leg, number, leg_read (leg));
      if (alive && fds[1].revents != 0)
        alive = obey (leg);
    }
}

/* An end for bytes ----------------------------------------------------------------------------------------
 */

/* FALSE: it is over. */
static gboolean
hear_bytes (Leg *leg, gint64 number, gboolean alive)
{
  GByteArray *content = NULL;
  LegEventType type;

  while ((type = leg_next_content (leg, &content)) == LEG_ELEMENT)
    {
      g_autofree char *text = g_base64_encode (content->data, content->len);

      tell ("bytes", "connection:i", number, "data:s", text, NULL);
      g_clear_pointer (&content, g_byte_array_unref);
    }
  if (type == LEG_WAIT && alive)
    return TRUE;
  tell ("end", "connection:i", number, "how:s", type == LEG_CLOSED ? "close" : "cut", NULL);
  return FALSE;
}

/* FALSE: stdin ended, or said that this is over. */
static gboolean
obey_bytes (Leg *leg, gboolean *deaf)
{
  g_autofree char *line = NULL;
  size_t size = 0;
  gsize len;

  if (getline (&line, &size, stdin) <= 0)
    return FALSE;
  g_strchomp (line);
  if (g_str_equal (line, "/cut"))
    return FALSE;
  if (g_str_equal (line, "/deaf"))
    *deaf = TRUE;
  else if (g_str_equal (line, "/close"))
    leg_close (leg);
  else
    {
      g_base64_decode_inplace (line, &len);
      leg_send (leg, line, len);
    }
  return TRUE;
}

static void
be_an_end_for_bytes (Leg *leg, gint64 number)
{
  struct pollfd fds[2] = { { .fd = leg->fd, .events = POLLIN }, { .fd = 0, .events = POLLIN } };
  gboolean deaf = FALSE;
  gboolean alive;

  leg_tell (leg, number);
  alive = hear_bytes (leg, number, TRUE);
  while (alive)
    {
      fds[0].events = deaf ? 0 : POLLIN;
      poll (fds, 2, -1);
      if (fds[0].revents != 0 && !deaf)
        alive = hear_bytes (leg, number, leg_read (leg));
      if (alive && fds[1].revents != 0)
        alive = obey_bytes (leg, &deaf);
    }
}

/* A stream beside it has nothing from stdin. */
static void
be_an_end_beside (Leg *leg, gint64 number)
{
  gboolean alive;

  leg_tell (leg, number);
  for (alive = hear (leg, number, TRUE); alive; alive = hear (leg, number, leg_read (leg)))
    ;
}

static void
be_called (const Plan *plan, int fd, gint64 number)
{
  static GMutex one_for_bytes; /* who listens to stdin */
  g_autoptr (Leg) leg = leg_new (fd, plan->secret);
  g_autoptr (GError) error = NULL;

  if (!leg_answer (leg, plan->own, &error))
    tell ("failed", "connection:i", number, "text:s", error->message, NULL);
  else if (leg->bytes)
    {
      g_mutex_lock (&one_for_bytes);
      be_an_end_for_bytes (leg, number);
      g_mutex_unlock (&one_for_bytes);
    }
  else if (plan->bytes)
    be_an_end_beside (leg, number);
  else
    be_an_end (plan, leg, number);
}

static gpointer
on_called (gpointer data)
{
  g_autofree Call *called = data;

  be_called (called->plan, called->accepted, called->number);
  tell ("over", "connection:i", called->number, NULL);
  return NULL;
}

static G_NORETURN void
answer (const Plan *plan)
{
  int listener = listen_on (plan->port);

  for (gint64 number = 1;; number++)
    {
      Call *called = g_new (Call, 1);

      *called = (Call){ .plan = plan, .accepted = accept (listener, NULL, NULL), .number = number };
      tell ("connection", "connection:i", number, NULL);
      if (plan->bytes)
        g_thread_unref (g_thread_new ("called", on_called, called));
      else
        on_called (called);
    }
}

static int
call (const Plan *plan)
{
  int fd = connect_to (&plan->target);
  g_autoptr (Leg) leg = NULL;
  g_autoptr (GError) error = NULL;

  if (fd < 0)
    {
      tell ("failed", "text:s", "connect", NULL);
      return 1;
    }
  leg = leg_new (fd, plan->secret);
  leg->bytes = plan->bytes;
  if (!leg_call (leg, plan->own, plan->peer, &error))
    {
      tell ("failed", "text:s", error->message, NULL);
      return 1;
    }
  if (leg->bytes)
    be_an_end_for_bytes (leg, 1);
  else
    be_an_end (plan, leg, 1);
  return 0;
}

/* What to do ----------------------------------------------------------------------------------------------
 */

static const struct
{
  const char *name;
  TamperKind kind;
  int arguments;
} tampers[] = {
  { "pass", TAMPER_PASS, 0 },       { "strip", TAMPER_STRIP, 0 },   { "replace", TAMPER_REPLACE, 3 },
  { "flip", TAMPER_FLIP, 2 },       { "append", TAMPER_APPEND, 2 }, { "replay", TAMPER_REPLAY, 1 },
  { "swap", TAMPER_SWAP, 1 },       { "drop", TAMPER_DROP, 1 },     { "truncate", TAMPER_TRUNCATE, 1 },
  { "reflect", TAMPER_REFLECT, 1 }, { "mirror", TAMPER_MIRROR, 0 },
};

static void
read_tamper (Tamper *tamper, int argc, char **argv)
{
  for (guint i = 0; i < G_N_ELEMENTS (tampers); i++)
    if (g_str_equal (tampers[i].name, argv[0]) && argc > tampers[i].arguments)
      {
        tamper->kind = tampers[i].kind;
        tamper->unit = argc > 1 ? argv[1] : NULL;
        tamper->from = argc > 2 ? argv[2] : NULL;
        tamper->to = argv[argc - 1];
        tamper->offset = tamper->kind == TAMPER_FLIP ? g_ascii_strtoll (argv[2], NULL, 10) : 0;
        tamper->mask
            = tamper->kind == TAMPER_FLIP && argc > 3 ? (guint8)g_ascii_strtoull (argv[3], NULL, 0) : 1;
        return;
      }
  usage ("no such mode, or arguments are missing");
}

static void
read_own_key (Plan *plan, const char *kind)
{
  static const char *const kinds[] = { "relay", "answer", "start" };

  plan->own_key = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_strcmp0 (kinds[i], kind) == 0)
      {
        plan->impostor = i;
        return;
      }
  usage ("own-key relay, answer or start");
}

static void
read_address (struct sockaddr_in *address, const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, ":", 2);

  address->sin_family = AF_INET;
  if (g_strv_length (parts) != 2 || inet_pton (AF_INET, parts[0], &address->sin_addr) != 1)
    usage ("--connect=ADDRESS:PORT");
  address->sin_port = htons ((guint16)g_ascii_strtoull (parts[1], NULL, 10));
}

static void
read_key (guint8 secret[X25519_KEY], const char *hex)
{
  size_t len;

  if (hex == NULL)
    randombytes_buf (secret, X25519_KEY);
  else if (sodium_hex2bin (secret, X25519_KEY, hex, strlen (hex), NULL, &len, NULL) != 0 || len != X25519_KEY)
    usage ("--key=64 hex digits");
}

static int
run (Plan *plan, int argc, char **argv)
{
  if (g_str_equal (argv[0], "answer"))
    answer (plan);
  if (g_str_equal (argv[0], "call"))
    return call (plan);
  if (g_str_equal (argv[0], "sweep"))
    {
      sweep_run (&plan->target, plan->secret, plan->own, plan->peer, 1);
      return 0;
    }
  if (g_str_equal (argv[0], "own-key"))
    read_own_key (plan, argv[1]);
  else
    read_tamper (&plan->tamper, argc, argv);
  stand_between (plan);
}

int
main (int argc, char **argv)
{
  Plan plan = { 0 };
  g_autofree char *target = NULL;
  g_autofree char *key = NULL;
  const GOptionEntry entries[] = {
    { "listen", 0, 0, G_OPTION_ARG_INT, &plan.port, "Where the victims come", "PORT" },
    { "through", 0, 0, G_OPTION_ARG_INT64, &plan.through, "Connect from another network", "PID" },
    { "connect", 0, 0, G_OPTION_ARG_STRING, &target, "The victim", "ADDRESS:PORT" },
    { "times", 0, 0, G_OPTION_ARG_INT64, &plan.times, "How many connections are attacked", "N" },
    { "key", 0, 0, G_OPTION_ARG_STRING, &key, "The static secret", "HEX" },
    { "bytes", 0, 0, G_OPTION_ARG_NONE, &plan.bytes, "What is called is for bytes", NULL },
    { "own", 0, 0, G_OPTION_ARG_STRING, &plan.own, "Who we say we are", "NAME" },
    { "inner", 0, 0, G_OPTION_ARG_STRING, &plan.inner, "Who we say we are within the channel", "NAME" },
    { "peer", 0, 0, G_OPTION_ARG_STRING, &plan.peer, "Whom we call", "NAME" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("MODE …");
  g_autoptr (GError) error = NULL;
  int status;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_strict_posix (context, TRUE);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    usage (error->message);
  if (argc < 2 || sodium_init () < 0)
    usage ("MODE is missing");
  setvbuf (stdin, NULL, _IONBF, 0);
  if (target != NULL)
    read_address (&plan.target, target);
  read_key (plan.secret, key);
  status = run (&plan, argc - 1, argv + 1);
  g_free (plan.own);
  g_free (plan.peer);
  g_free (plan.inner);
  return status;
}
