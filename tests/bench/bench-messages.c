/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How fast messages go from one daemon's bus to the other's, through both stores: a client of two private sockets.
 *
 *   bench-messages rate    ADDRESS PEER OTHER-ADDRESS COUNT SIZE
 *   bench-messages latency ADDRESS PEER OTHER-ADDRESS COUNT SIZE
 *
 * ADDRESS is the sender's socket, PEER the object path of the receiver there, OTHER-ADDRESS the receiver's socket. Prints one
 * JSON object. rate: calls without waiting for answers, at most WINDOW open; latency: one message at a time.
 *
 * It shares the processors with what it measures, so it does as little as a client can: no thread, no loop, nothing unpacked twice. */

#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if __has_include(<systemd/sd-bus.h>)
#include <systemd/sd-bus.h>
#else
#include <basu/sd-bus.h>
#endif

#define WINDOW 512
#define STUCK_US (20 * G_USEC_PER_SEC)

typedef struct
{
  sd_bus     *sender;
  sd_bus     *receiver;
  const char *peer;
  char       *filling;
  guint       count;
  guint       posted;
  guint       answered;
  guint       arrived;
  guint       refused;
  guint       duplicated;
  guint       disordered;
  guint       next;
  guint       window;
  guint8     *seen;
  gint64     *sent_at; /* µs */
  gint64     *took;    /* µs from the call to MessageAdded on the other side */
  gint64      moved;   /* when something came last */
} Bench;

static void
check (int result, const char *what)
{
  if (result >= 0)
    return;
  fprintf (stderr, "bench-messages: %s: %s\n", what, g_strerror (-result));
  exit (1);
}

static void
post_one (Bench *bench)
{
  sd_bus_message *call = NULL;
  guint           number = bench->posted++;
  char           *text = g_strdup_printf ("%u %s", number, bench->filling);

  bench->sent_at[number] = g_get_monotonic_time ();
  check (sd_bus_message_new_method_call (bench->sender, &call, NULL, "/org/hearby/Hearby", "org.hearby.Manager1", "SendMessage"), "a call");
  check (sd_bus_message_append (call, "aosa{sv}", 1, bench->peer, text, 0), "its arguments");
  check (sd_bus_send (bench->sender, call, &(uint64_t) { 0 }), "sending");
  sd_bus_message_unref (call);
  g_free (text);
}

static void
post_some (Bench *bench)
{
  while (bench->posted < bench->count)
    {
      guint done = bench->window == 1 ? MIN (bench->answered, bench->arrived) : bench->answered;

      if (bench->posted - done >= bench->window)
        return;
      post_one (bench);
    }
}

static int
on_answer (sd_bus_message *message, void *data, sd_bus_error *unused)
{
  Bench  *bench = data;
  uint8_t type;

  sd_bus_message_get_type (message, &type);
  if (type == SD_BUS_MESSAGE_METHOD_ERROR && bench->refused++ == 0)
    fprintf (stderr, "bench-messages: %s\n", sd_bus_message_get_error (message)->message);
  if (type == SD_BUS_MESSAGE_METHOD_RETURN || type == SD_BUS_MESSAGE_METHOD_ERROR)
    bench->answered++;
  return 1;
}

static void
arrive (Bench *bench, const char *body)
{
  guint number = (guint) g_ascii_strtoull (body, NULL, 10);

  if (number >= bench->count)
    return;
  if (bench->seen[number]++ > 0)
    {
      bench->duplicated++;
      return;
    }
  if (number != bench->next)
    bench->disordered++;
  bench->next = number + 1;
  bench->took[number] = g_get_monotonic_time () - bench->sent_at[number];
  bench->arrived++;
}

static int
on_message (sd_bus_message *message, void *data, sd_bus_error *unused)
{
  gboolean    incoming = FALSE;
  const char *key, *type, *text;

  if (sd_bus_message_is_signal (message, "org.hearby.Manager1", "MessageAdded") <= 0)
    return 1;
  sd_bus_message_skip (message, "t");
  sd_bus_message_enter_container (message, 'a', "{sv}");
  while (sd_bus_message_enter_container (message, 'e', "sv") > 0)
    {
      sd_bus_message_read_basic (message, 's', &key);
      sd_bus_message_peek_type (message, NULL, &type);
      if (strcmp (type, "s") == 0)
        sd_bus_message_read (message, "v", "s", &text);
      else
        sd_bus_message_skip (message, "v");
      if (strcmp (key, "direction") == 0)
        incoming = strcmp (text, "in") == 0;
      else if (strcmp (key, "body") == 0 && incoming) /* it comes after the direction */
        arrive (data, text);
      sd_bus_message_exit_container (message);
    }
  return 1;
}

/* The server takes a new connection in a turn of its loop: only after an answer is it certain that signals come. */
static sd_bus *
connect_to (const char *address, sd_bus_message_handler_t filter, Bench *bench)
{
  sd_bus *bus = NULL;

  check (sd_bus_new (&bus), address);
  check (sd_bus_set_address (bus, address), address);
  check (sd_bus_start (bus), address);
  check (sd_bus_call_method (bus, NULL, "/org/hearby/Hearby", "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL), address);
  check (sd_bus_add_filter (bus, NULL, filter, bench), address);
  return bus;
}

static gboolean
process (Bench *bench, sd_bus *bus)
{
  int      result;
  gboolean moved = FALSE;

  while ((result = sd_bus_process (bus, NULL)) > 0)
    moved = TRUE;
  check (result, "a connection");
  if (moved)
    bench->moved = g_get_monotonic_time ();
  return moved;
}

static void
run (Bench *bench)
{
  sd_bus       *buses[] = { bench->sender, bench->receiver };
  struct pollfd fds[G_N_ELEMENTS (buses)];

  bench->moved = g_get_monotonic_time ();
  while ((bench->arrived < bench->count || bench->answered < bench->count)
         && g_get_monotonic_time () < bench->moved + STUCK_US)
    {
      gboolean moved = FALSE;

      post_some (bench);
      for (guint i = 0; i < G_N_ELEMENTS (buses); i++)
        moved |= process (bench, buses[i]);
      if (moved)
        continue;
      for (guint i = 0; i < G_N_ELEMENTS (buses); i++)
        fds[i] = (struct pollfd) { sd_bus_get_fd (buses[i]), (short) sd_bus_get_events (buses[i]), 0 };
      poll (fds, G_N_ELEMENTS (fds), 1000);
    }
}

static int
compare_times (const void *a, const void *b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return (x > y) - (x < y);
}

static void
report (Bench *bench, gint64 took)
{
  qsort (bench->took, bench->count, sizeof bench->took[0], compare_times);
  printf ("{\"count\":%u,\"arrived\":%u,\"refused\":%u,\"lost\":%u,\"duplicated\":%u,\"disordered\":%u,\"microseconds\":%" G_GINT64_FORMAT
          ",\"per_second\":%.0f,\"median_us\":%" G_GINT64_FORMAT ",\"p95_us\":%" G_GINT64_FORMAT ",\"p99_us\":%" G_GINT64_FORMAT
          "}\n",
          bench->count, bench->arrived, bench->refused, bench->count - bench->refused - bench->arrived, bench->duplicated,
          bench->disordered, took, bench->arrived * 1e6 / (double) MAX (took, 1), bench->took[bench->count / 2],
          bench->took[(gsize) bench->count * 95 / 100], bench->took[(gsize) bench->count * 99 / 100]);
}

int
main (int argc, char **argv)
{
  Bench  bench = { .window = WINDOW };
  gint64 begin;

  if (argc != 7)
    {
      fprintf (stderr, "usage: bench-messages rate|latency ADDRESS PEER OTHER-ADDRESS COUNT SIZE\n");
      return 2;
    }
  if (g_str_equal (argv[1], "latency"))
    bench.window = 1;
  bench.peer = argv[3];
  bench.count = (guint) atoi (argv[5]);
  bench.filling = g_strnfill ((gsize) MAX (atoi (argv[6]) - 6, 1), 'x');
  bench.seen = g_new0 (guint8, bench.count);
  bench.sent_at = g_new0 (gint64, bench.count);
  bench.took = g_new0 (gint64, bench.count);
  bench.sender = connect_to (argv[2], on_answer, &bench);
  bench.receiver = connect_to (argv[4], on_message, &bench);

  begin = g_get_monotonic_time ();
  run (&bench);
  report (&bench, g_get_monotonic_time () - begin);

  sd_bus_unref (bench.sender);
  sd_bus_unref (bench.receiver);
  g_free (bench.filling);
  g_free (bench.seen);
  g_free (bench.sent_at);
  g_free (bench.took);
  return bench.arrived == bench.count && bench.duplicated == 0 ? 0 : 1;
}
