/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sweep.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "leg.h"
#include "tamper.h"
#include "tell.h"
#include "xmpp/ns.h"

#define PATIENCE_US                                                                                          \
  100000 /* where a changed length or '>' lets both wait; who would answer does it at once */

typedef struct
{
  const struct sockaddr_in *target;
  const guint8 *secret;
  const char *own, *peer;
} Sweep;

typedef struct
{
  Tamper tamper;
  int ends[2];
} Way;

static gpointer
tamper (gpointer data)
{
  Way *way = data;

  tamper_run (&way->tamper, way->ends[0], way->ends[1], 0);
  return NULL;
}

/* Whether the other answered within the encrypted stream. */
static gboolean
is_answered (const Sweep *sweep, Leg *leg)
{
  g_autofree char *header
      = g_strdup_printf ("<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM
                         "' from='%s' to='%s' version='1.0'>",
                         sweep->own, sweep->peer);
  LegEvent event;

  if (!leg_call (leg, sweep->own, sweep->peer, NULL) || !leg_say (leg, header))
    return FALSE;
  do
    leg_next (leg, &event);
  while (event.type == LEG_WAIT && leg_read (leg));
  leg_event_clear (&event);
  return event.type == LEG_ELEMENT;
}

static gboolean
is_open_with (const Sweep *sweep, const Tamper *change, gboolean patient)
{
  struct timeval wait = { .tv_usec = PATIENCE_US };
  Way way = { .tamper = *change };
  gboolean answered;
  GThread *thread;
  int inner[2];
  Leg *leg;

  way.ends[1] = socket (AF_INET, SOCK_STREAM, 0);
  if (connect (way.ends[1], (const struct sockaddr *)sweep->target, sizeof *sweep->target) != 0
      || socketpair (AF_UNIX, SOCK_STREAM, 0, inner) != 0)
    g_error ("nobody is there to be called");
  way.ends[0] = inner[1];
  if (!patient)
    setsockopt (inner[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  thread = g_thread_new ("tamper", tamper, &way);
  leg = leg_new (inner[0], sweep->secret);
  answered = is_answered (sweep, leg);
  leg_free (leg);
  g_thread_join (thread);
  return answered;
}

static void
sweep_unit (const Sweep *sweep, const char *unit, guint8 mask)
{
  gsize size = 0;
  Tamper honest = { .kind = TAMPER_PASS, .unit = unit, .size = &size, .silent = TRUE };
  Tamper change = { .kind = TAMPER_FLIP, .unit = unit, .mask = mask, .silent = TRUE };

  if (!is_open_with (sweep, &honest, TRUE))
    g_error ("there is no encrypted stream when nothing is changed");
  for (change.offset = 0; change.offset < (gint64)size; change.offset++)
    if (is_open_with (sweep, &change, FALSE))
      tell ("opened", "unit:s", unit, "offset:i", change.offset, NULL);
  tell ("swept", "unit:s", unit, "size:i", (gint64)size, NULL);
}

void
sweep_run (const struct sockaddr_in *target, const guint8 secret[X25519_KEY], const char *own,
           const char *peer, guint8 mask)
{
  static const char *const units[]
      = { "initiator.header",  "responder.header", "responder.features", "initiator.start",
          "responder.proceed", "handshake.1",      "handshake.2",        "handshake.3" };
  Sweep sweep = { .target = target, .secret = secret, .own = own, .peer = peer };

  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    sweep_unit (&sweep, units[i], mask);
}
