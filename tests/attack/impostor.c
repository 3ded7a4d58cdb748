/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "impostor.h"

#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>

#include "secure/sas.h"
#include "tell.h"
#include "xmpp/ns.h"

G_STATIC_ASSERT (SAS_NONCE == SAS_COMMIT);

/* A verification with one of the two sides. */
typedef struct
{
  char *id;      /* NULL: none */
  gboolean ours; /* we started it */
  guint8 nonce[SAS_NONCE], theirs[SAS_NONCE], commit[SAS_COMMIT];
} Check;

typedef struct
{
  ImpostorKind kind;
  gint64 connection;
  Leg *legs[2]; /* Side */
  Check checks[2];
  gboolean started;
} Impostor;

/* Verification --------------------------------------------------------------------------------------------
 */

static void
say_step (Impostor *run, Side side, const char *step, const guint8 *bytes)
{
  Leg *leg = run->legs[side];
  g_autofree char *content = bytes != NULL ? g_base64_encode (bytes, SAS_NONCE) : g_strdup ("");
  g_autofree char *xml = g_strdup_printf ("<message from='%s' to='%s'><verify xmlns='" LEG_VERIFY_NS
                                          "' run='%s' step='%s'>%s</verify></message>",
                                          leg->own, leg->peer, run->checks[side].id, step, content);

  leg_say (leg, xml);
  tell ("verify", "connection:i", run->connection, "side:s", side_name (side), "said:s", step, NULL);
}

static SasRole
role_of (const Leg *leg, gboolean ours)
{
  return (leg->role == NOISE_INITIATOR) == ours ? SAS_INITIATOR : SAS_RESPONDER;
}

static void
tell_code (Impostor *run, Side side)
{
  const Leg *leg = run->legs[side];
  const Check *check = &run->checks[side];
  SasStream stream = leg_sas (leg);
  gboolean first = leg->role == NOISE_INITIATOR;
  char code[SAS_CODE];

  sas_code (&stream, first ? check->nonce : check->theirs, first ? check->theirs : check->nonce, code);
  tell ("code", "connection:i", run->connection, "side:s", side_name (side), "code:s", code, NULL);
}

static void
begin (Impostor *run, Side side, const char *id)
{
  Check *check = &run->checks[side];
  SasStream stream = leg_sas (run->legs[side]);

  g_free (check->id);
  check->id = id != NULL ? g_strdup (id) : g_uuid_string_random ();
  check->ours = TRUE;
  randombytes_buf (check->nonce, SAS_NONCE);
  sas_commit (&stream, role_of (run->legs[side], TRUE), check->nonce, check->commit);
  say_step (run, side, "start", check->commit);
}

static void
on_start (Impostor *run, Side side, const char *id, const guint8 *commit)
{
  Check *check = &run->checks[side];

  g_free (check->id);
  check->id = g_strdup (id);
  check->ours = FALSE;
  memcpy (check->commit, commit, SAS_COMMIT);
  randombytes_buf (check->nonce, SAS_NONCE);
  say_step (run, side, "nonce", check->nonce);
  begin (run, !side, NULL);
}

static void
on_step (Impostor *run, Side side, const Node *verify)
{
  const char *step = node_get (verify, "step");
  const char *id = node_get (verify, "run");
  Check *check = &run->checks[side];
  g_autofree char *text = node_dup_text (verify);
  gsize len = 0;
  g_autofree guint8 *bytes = g_base64_decode (text, &len);
  gboolean whole = len == SAS_NONCE;

  tell ("verify", "connection:i", run->connection, "side:s", side_name (side), "heard:s", step, NULL);
  if (g_strcmp0 (step, "start") == 0 && whole)
    on_start (run, side, id, bytes);
  else if (g_strcmp0 (step, "nonce") == 0 && whole && check->ours)
    {
      memcpy (check->theirs, bytes, SAS_NONCE);
      say_step (run, side, "reveal", check->nonce);
      tell_code (run, side);
    }
  else if (g_strcmp0 (step, "reveal") == 0 && whole && !check->ours)
    {
      memcpy (check->theirs, bytes, SAS_NONCE);
      tell_code (run, side);
    }
}

/* What goes through ---------------------------------------------------------------------------------------
 */

static void
relay (Impostor *run, Side side, const LegEvent *event)
{
  gsize len;
  gconstpointer data = g_bytes_get_data (event->bytes, &len);
  const Node *verify
      = event->kind == READER_ELEMENT ? node_child (event->node, "verify", LEG_VERIFY_NS) : NULL;

  tell ("inner", "connection:i", run->connection, "side:s", side_name (side), "text:b", event->bytes, NULL);
  if (verify != NULL && run->kind != IMPOSTOR_RELAY)
    {
      on_step (run, side, verify);
      return;
    }
  leg_send (run->legs[!side], data, len);
  if (run->kind == IMPOSTOR_START && !run->started && event->kind == READER_ELEMENT
      && node_is (event->node, "message", NS_CLIENT))
    {
      run->started = TRUE;
      begin (run, SIDE_INITIATOR, NULL);
      begin (run, SIDE_RESPONDER, NULL);
    }
}

/* FALSE: the side ended, and the other was told in the same way. */
static gboolean
drain (Impostor *run, Side side, gboolean alive)
{
  LegEvent event;

  for (;;)
    {
      leg_next (run->legs[side], &event);
      switch (event.type)
        {
        case LEG_ELEMENT:
          relay (run, side, &event);
          leg_event_clear (&event);
          break;
        case LEG_CLOSED:
          tell ("end", "connection:i", run->connection, "side:s", side_name (side), "how:s", "close", NULL);
          leg_close (run->legs[!side]);
          return FALSE;
        case LEG_WAIT:
          if (alive)
            return TRUE;
          G_GNUC_FALLTHROUGH;
        case LEG_CUT:
          tell ("end", "connection:i", run->connection, "side:s", side_name (side), "how:s", "cut", NULL);
          shutdown (run->legs[!side]->fd, SHUT_RDWR);
          return FALSE;
        }
    }
}

static void
relay_all (Impostor *run)
{
  gboolean alive[2] = { drain (run, SIDE_INITIATOR, TRUE), drain (run, SIDE_RESPONDER, TRUE) };

  while (alive[0] || alive[1])
    {
      struct pollfd fds[2];

      for (guint i = 0; i < 2; i++)
        fds[i] = (struct pollfd){ .fd = alive[i] ? run->legs[i]->fd : -1, .events = POLLIN };
      poll (fds, 2, -1);
      for (guint i = 0; i < 2; i++)
        if (fds[i].revents != 0)
          alive[i] = drain (run, i, leg_read (run->legs[i]));
    }
}

void
impostor_run (ImpostorKind kind, Leg *initiator, Leg *responder, const char *own, gint64 connection)
{
  Impostor run = { .kind = kind, .connection = connection, .legs = { initiator, responder } };
  g_autoptr (GError) error = NULL;

  if (!leg_answer (initiator, own, &error))
    tell ("failed", "connection:i", connection, "side:s", "initiator", "text:s", error->message, NULL);
  else
    {
      leg_tell (initiator, connection);
      if (!leg_call (responder, initiator->peer, initiator->own, &error))
        tell ("failed", "connection:i", connection, "side:s", "responder", "text:s", error->message, NULL);
      else
        {
          leg_tell (responder, connection);
          relay_all (&run);
        }
    }
  leg_free (initiator);
  leg_free (responder);
  for (guint i = 0; i < 2; i++)
    g_free (run.checks[i].id);
  tell ("over", "connection:i", connection, NULL);
}
