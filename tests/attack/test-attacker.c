/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: between two ends that follow the protocol, each attack that the other tests make on hearby ends where
 * it has to: no changed byte goes through, what was cut shows, and a man in the middle with a key has another
 * code on each side. */
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "impostor.h"
#include "leg.h"
#include "tamper.h"
#include "tell.h"

#define HEADER                                                                                               \
  "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='r' to='j'>"
#define PATIENCE_US 100000 /* where a changed length lets both wait */

static const guint8 secrets[3][X25519_KEY] = { { 1, 2, 3 }, { 4, 5, 6 }, { 7, 8, 9 } };

typedef struct
{
  int fd;
  gboolean patient;
  gboolean opened, closed;
  GString *heard;
  Leg *leg; /* only what it knows */
} End;

static void
hear (End *end, Leg *leg)
{
  LegEvent event = { .type = LEG_WAIT };
  gboolean alive = TRUE;

  while (event.type == LEG_WAIT && alive)
    {
      alive = leg_read (leg);
      for (leg_next (leg, &event); event.type == LEG_ELEMENT; leg_next (leg, &event))
        {
          gsize len;
          const char *text = g_bytes_get_data (event.bytes, &len);

          if (event.kind == READER_ELEMENT)
            g_string_append_len (end->heard, text, (gssize)len);
          leg_event_clear (&event);
        }
    }
  end->closed = event.type == LEG_CLOSED;
}

static Leg *
end_begin (End *end, guint who)
{
  struct timeval wait = { .tv_usec = PATIENCE_US };

  if (!end->patient)
    setsockopt (end->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  end->heard = g_string_new (NULL);
  return leg_new (end->fd, secrets[who]);
}

static gpointer
romeo (gpointer data)
{
  End *end = data;

  end->leg = end_begin (end, 0);
  end->opened = leg_call (end->leg, "r", "j", NULL);
  if (end->opened)
    {
      leg_say (end->leg, HEADER);
      leg_say (end->leg, "<a/>");
      leg_say (end->leg, "<b/>");
      leg_close (end->leg);
      hear (end, end->leg);
    }
  shutdown (end->fd, SHUT_RDWR);
  return NULL;
}

static gpointer
juliet (gpointer data)
{
  End *end = data;

  end->leg = end_begin (end, 1);
  end->opened = leg_answer (end->leg, NULL, NULL);
  if (end->opened)
    hear (end, end->leg);
  if (end->closed)
    leg_close (end->leg);
  shutdown (end->fd, SHUT_RDWR);
  return NULL;
}

typedef struct
{
  End romeo, juliet;
} Pair;

static void
pair_clear (Pair *pair)
{
  leg_free (pair->romeo.leg);
  leg_free (pair->juliet.leg);
  g_string_free (pair->romeo.heard, TRUE);
  g_string_free (pair->juliet.heard, TRUE);
}

static void
play (Pair *pair, const Tamper *tamper, gboolean own_key, gboolean patient)
{
  int first[2], second[2];
  GThread *threads[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM, 0, first), ==, 0);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM, 0, second), ==, 0);
  *pair = (Pair){ .romeo = { .fd = first[0], .patient = patient },
                  .juliet = { .fd = second[1], .patient = patient } };
  threads[0] = g_thread_new ("romeo", romeo, &pair->romeo);
  threads[1] = g_thread_new ("juliet", juliet, &pair->juliet);
  if (own_key)
    impostor_run (IMPOSTOR_RELAY, leg_new (first[1], secrets[2]), leg_new (second[0], secrets[2]), NULL, 1);
  else
    tamper_run (tamper, first[1], second[0], 1);
  for (guint i = 0; i < 2; i++)
    g_thread_join (threads[i]);
}

static void
assert_heard (const Tamper *tamper, const char *heard, gboolean closed)
{
  Pair pair;

  play (&pair, tamper, FALSE, FALSE);
  g_assert_true (pair.juliet.opened);
  g_assert_cmpstr (pair.juliet.heard->str, ==, heard);
  g_assert_cmpint (pair.juliet.closed, ==, closed);
  pair_clear (&pair);
}

static void
test_nothing_is_changed (void)
{
  const Tamper tamper = { .kind = TAMPER_PASS };
  Pair pair;

  play (&pair, &tamper, FALSE, TRUE);
  g_assert_cmpstr (pair.juliet.heard->str, ==, "<a/><b/>");
  g_assert_true (pair.juliet.closed && pair.romeo.closed);
  g_assert_cmpmem (pair.romeo.leg->hash, SYMMETRIC_HASH, pair.juliet.leg->hash, SYMMETRIC_HASH);
  pair_clear (&pair);
}

typedef struct
{
  const char *unit;
  gint64 size;
} Part;

/* juliet, who hears the last word of the handshake, never gets there. */
static gboolean
is_stopped (const Part *part, gint64 offset, gboolean patient)
{
  const Tamper tamper = { .kind = TAMPER_FLIP, .unit = part->unit, .offset = offset, .mask = 1 };
  gboolean opened;
  Pair pair;

  play (&pair, &tamper, FALSE, patient);
  opened = pair.juliet.opened;
  pair_clear (&pair);
  return !opened;
}

static void
test_each_byte (gconstpointer data)
{
  const Part *part = data;

  for (gint64 offset = 0; offset < part->size; offset++)
    g_assert_true (is_stopped (part, offset, FALSE));
  g_assert_false (
      is_stopped (part, part->size, TRUE)); /* behind its end nothing is changed: it has no more bytes */
}

static void
test_records (void)
{
  assert_heard (&(Tamper){ .kind = TAMPER_REPLAY, .unit = "initiator.record.2" }, "<a/>", FALSE);
  assert_heard (&(Tamper){ .kind = TAMPER_SWAP, .unit = "initiator.record.2" }, "", FALSE);
  assert_heard (&(Tamper){ .kind = TAMPER_DROP, .unit = "initiator.record.2" }, "", FALSE);
  assert_heard (&(Tamper){ .kind = TAMPER_TRUNCATE, .unit = "initiator.record.2" }, "<a/>", FALSE);
  assert_heard (&(Tamper){ .kind = TAMPER_REFLECT, .unit = "initiator.record.2" }, "", FALSE);
  for (gint64 offset = 0; offset < 274;
       offset += 13) /* of a record of the smallest bucket; the length is in it */
    assert_heard (
        &(Tamper){ .kind = TAMPER_FLIP, .unit = "initiator.record.3", .offset = offset, .mask = 0x80 },
        "<a/>", FALSE);
  assert_heard (&(Tamper){ .kind = TAMPER_DROP, .unit = "initiator.record.4" }, "<a/><b/>", FALSE);
}

static void
assert_stopped (const Tamper *tamper)
{
  Pair pair;

  play (&pair, tamper, FALSE, FALSE);
  g_assert_false (pair.juliet.opened);
  g_assert_cmpstr (pair.juliet.heard->str, ==, "");
  pair_clear (&pair);
}

static void
test_switch (void)
{
  assert_stopped (&(Tamper){ .kind = TAMPER_STRIP });
  assert_stopped (&(Tamper){ .kind = TAMPER_MIRROR });
  for (guint i = 0; i < 2; i++)
    {
      const char *unit = i == 0 ? "initiator.start" : "responder.proceed";

      assert_stopped (&(Tamper){ .kind = TAMPER_APPEND, .unit = unit, .to = " " });
      assert_stopped (&(Tamper){ .kind = TAMPER_APPEND, .unit = unit, .to = "<message/>" });
    }
  assert_stopped (
      &(Tamper){ .kind = TAMPER_REPLACE, .unit = "initiator.header", .from = " version='1.0'", .to = "" });
  assert_stopped (
      &(Tamper){ .kind = TAMPER_REPLACE, .unit = "responder.header", .from = " version='1.0'", .to = "" });
  assert_stopped (&(Tamper){ .kind = TAMPER_REFLECT, .unit = "handshake.1" });
}

static void
test_own_key (void)
{
  static const guint8 nonces[2][SAS_NONCE] = { { 1 }, { 2 } };
  SasStream streams[2];
  char codes[2][SAS_CODE];
  guint8 commit[SAS_COMMIT];
  Pair pair;

  play (&pair, NULL, TRUE, TRUE);
  g_assert_cmpstr (pair.juliet.heard->str, ==, "<a/><b/>"); /* he can do that, to people who never compare */
  g_assert_cmpmem (pair.romeo.leg->remote, X25519_KEY, pair.juliet.leg->remote, X25519_KEY);
  streams[0] = leg_sas (pair.romeo.leg);
  streams[1] = leg_sas (pair.juliet.leg);
  for (guint i = 0; i < 2; i++)
    sas_code (&streams[i], nonces[0], nonces[1], codes[i]);
  g_assert_cmpstr (codes[0], !=, codes[1]);
  sas_commit (&streams[0], SAS_INITIATOR, nonces[0], commit);
  g_assert_true (sas_is_opening (&streams[0], SAS_INITIATOR, nonces[0], commit));
  g_assert_false (sas_is_opening (&streams[1], SAS_INITIATOR, nonces[0], commit));
  pair_clear (&pair);
}

int
main (int argc, char **argv)
{
  static const Part parts[] = {
    { "initiator.header", 136 }, { "responder.header", 136 }, { "responder.features", 132 },
    { "initiator.start", 81 },   { "responder.proceed", 39 }, { "handshake.1", 34 },
    { "handshake.2", 98 },       { "handshake.3", 66 },
  };

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  tell_nobody ();
  g_test_add_func ("/attacker/nothing-is-changed", test_nothing_is_changed);
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree char *path = g_strdup_printf ("/attacker/each-byte/%s", parts[i].unit);

      g_test_add_data_func (path, &parts[i], test_each_byte);
    }
  g_test_add_func ("/attacker/records", test_records);
  g_test_add_func ("/attacker/switch", test_switch);
  g_test_add_func ("/attacker/own-key", test_own_key);
  return g_test_run ();
}
