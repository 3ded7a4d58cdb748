/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How fast messages go from one daemon's bus to the other's, through both stores: a client of two private sockets.
 *
 *   bench-messages rate    ADDRESS PEER OTHER-ADDRESS COUNT SIZE
 *   bench-messages latency ADDRESS PEER OTHER-ADDRESS COUNT SIZE
 *
 * ADDRESS is the sender's socket, PEER the object path of the receiver there, OTHER-ADDRESS the receiver's socket. Prints one
 * JSON object. rate: calls without waiting for answers, at most WINDOW open; latency: one message at a time. */

#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>

#define WINDOW 512
#define STUCK_S 20

typedef struct
{
  GMainLoop       *loop;
  GDBusConnection *sender;
  GDBusConnection *receiver;
  const char      *peer;
  char            *filling;
  guint            count;
  guint            posted;
  guint            answered;
  guint            arrived;
  guint            refused;
  guint            duplicated;
  guint            disordered;
  guint            next;
  guint            window;
  guint8          *seen;
  gint64           begin;
  gint64          *sent_at; /* µs */
  gint64          *took;    /* µs from the call to MessageAdded on the other side */
  guint            watchdog;
} Bench;

static void post_some (Bench *bench);

static gboolean
on_stuck (gpointer data)
{
  Bench *bench = data;

  bench->watchdog = 0;
  g_main_loop_quit (bench->loop);
  return G_SOURCE_REMOVE;
}

static void
feed_watchdog (Bench *bench)
{
  if (bench->watchdog != 0)
    g_source_remove (bench->watchdog);
  bench->watchdog = g_timeout_add_seconds (STUCK_S, on_stuck, bench);
}

static void
maybe_finish (Bench *bench)
{
  if (bench->arrived == bench->count && bench->answered == bench->count)
    g_main_loop_quit (bench->loop);
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  Bench               *bench = data;
  g_autoptr(GError)    err = NULL;
  g_autoptr(GVariant)  answer = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &err);

  if (answer == NULL && bench->refused++ == 0)
    fprintf (stderr, "bench-messages: %s\n", err->message);
  bench->answered++;
  post_some (bench);
  maybe_finish (bench);
}

static void
post_one (Bench *bench)
{
  guint            number = bench->posted++;
  g_autofree char *text = g_strdup_printf ("%u %s", number, bench->filling);
  GVariantBuilder  to, options;

  g_variant_builder_init (&to, G_VARIANT_TYPE ("ao"));
  g_variant_builder_add (&to, "o", bench->peer);
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);

  bench->sent_at[number] = g_get_monotonic_time ();
  g_dbus_connection_call (bench->sender, NULL, "/org/hearby/Hearby", "org.hearby.Manager1", "SendMessage",
                          g_variant_new ("(aosa{sv})", &to, text, &options), NULL, G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL,
                          on_answer, bench);
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

static void
on_message (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *member,
            GVariant *parameters, gpointer data)
{
  Bench               *bench = data;
  g_autoptr(GVariant)  message = g_variant_get_child_value (parameters, 1);
  const char          *direction = "";
  const char          *body = "";
  guint                number;

  g_variant_lookup (message, "direction", "&s", &direction);
  g_variant_lookup (message, "body", "&s", &body);
  if (!g_str_equal (direction, "in"))
    return;

  number = (guint) g_ascii_strtoull (body, NULL, 10);
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
  feed_watchdog (bench);

  if (bench->window == 1)
    post_some (bench);
  maybe_finish (bench);
}

/* The server takes a new connection in a turn of its loop: only after an answer is it certain that signals come. */
static GDBusConnection *
connect_to (const char *address)
{
  g_autoptr(GError)   err = NULL;
  g_autoptr(GVariant) answer = NULL;
  GDBusConnection    *connection = g_dbus_connection_new_for_address_sync (
    address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, &err);

  if (connection != NULL)
    answer = g_dbus_connection_call_sync (connection, NULL, "/org/hearby/Hearby", "org.freedesktop.DBus.Peer", "Ping", NULL,
                                          NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &err);
  if (answer == NULL)
    {
      fprintf (stderr, "bench-messages: %s: %s\n", address, err->message);
      exit (1);
    }
  return connection;
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
          ",\"per_second\":%.0f,\"median_us\":%" G_GINT64_FORMAT ",\"p95_us\":%" G_GINT64_FORMAT "}\n",
          bench->count, bench->arrived, bench->refused, bench->count - bench->refused - bench->arrived, bench->duplicated,
          bench->disordered, took, bench->arrived * 1e6 / (double) MAX (took, 1), bench->took[bench->count / 2],
          bench->took[(gsize) bench->count * 95 / 100]);
}

int
main (int argc, char **argv)
{
  Bench  bench = { .window = WINDOW };
  gint64 took;

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
  bench.loop = g_main_loop_new (NULL, FALSE);
  bench.sender = connect_to (argv[2]);
  bench.receiver = connect_to (argv[4]);
  g_dbus_connection_signal_subscribe (bench.receiver, NULL, "org.hearby.Manager1", "MessageAdded", NULL, NULL,
                                      G_DBUS_SIGNAL_FLAGS_NONE, on_message, &bench, NULL);

  feed_watchdog (&bench);
  bench.begin = g_get_monotonic_time ();
  post_some (&bench);
  g_main_loop_run (bench.loop);
  took = g_get_monotonic_time () - bench.begin;
  report (&bench, took);

  g_object_unref (bench.sender);
  g_object_unref (bench.receiver);
  g_main_loop_unref (bench.loop);
  g_free (bench.filling);
  g_free (bench.seen);
  g_free (bench.sent_at);
  g_free (bench.took);
  return bench.arrived == bench.count && bench.duplicated == 0 ? 0 : 1;
}
