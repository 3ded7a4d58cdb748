/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How fast messages go from one daemon's bus to the other's, through both stores: a client of two private sockets.
 *
 *   bench-messages rate    ADDRESS PEER OTHER-ADDRESS COUNT SIZE
 *   bench-messages latency ADDRESS PEER OTHER-ADDRESS COUNT SIZE
 *
 * ADDRESS is the sender's socket, PEER the object path of the receiver there, OTHER-ADDRESS the receiver's socket. Prints one
 * JSON object. rate: calls without waiting for answers, at most WINDOW open; latency: one message at a time.
 *
 * It shares the processors with what it measures, so it does as little as a client can: one call is marshalled and then copied, what comes is
 * read in large pieces, and only looked into where it has to be. */

#include <gio/gio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WINDOW 512
#define GATHER_US 1000 /* else it would wake up for each message that comes */
#define STUCK_US (20 * G_USEC_PER_SEC)
#define NUMBER "00000000"
#define HEAD 16 /* bytes of a message that tell how long it is */

typedef struct
{
  int         fd;
  GByteArray *in, *out; /* not understood, not written yet */
} Client;

typedef struct
{
  Client  sender, receiver;
  GBytes *call;   /* SendMessage, with NUMBER in it */
  gsize   number; /* where */
  guint   count, posted, answered, arrived, refused, duplicated, disordered;
  guint   next;
  guint   window;
  guint8 *seen;
  gint64 *sent_at; /* µs */
  gint64 *took;    /* µs from the call to MessageAdded on the other side */
  gint64  moved;   /* when something came last */
} Bench;

static void
check (gboolean good, const char *what)
{
  if (good)
    return;
  fprintf (stderr, "bench-messages: %s: %s\n", what, g_strerror (errno));
  exit (1);
}

/* Calls ------------------------------------------------------------------------------------------------------------- */

static GBytes *
marshal (const char *path, const char *interface, const char *name, GVariant *arguments)
{
  g_autoptr (GDBusMessage) call = g_dbus_message_new_method_call (NULL, path, interface, name);
  guint8 *blob;
  gsize len;

  if (arguments != NULL)
    g_dbus_message_set_body (call, arguments);
  g_dbus_message_set_serial (call, 1);
  blob = g_dbus_message_to_blob (call, &len, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
  check (blob != NULL, name);
  return g_bytes_new_take (blob, len);
}

static void
post_one (Bench *bench)
{
  guint number = bench->posted++;
  guint32 serial = number + 2;
  char digits[sizeof NUMBER];
  gsize at = bench->sender.out->len, len;
  const guint8 *bytes = g_bytes_get_data (bench->call, &len);

  bench->sent_at[number] = g_get_monotonic_time ();
  g_snprintf (digits, sizeof digits, "%08u", number);
  g_byte_array_append (bench->sender.out, bytes, (guint) len);
  memcpy (bench->sender.out->data + at + 8, &serial, sizeof serial);
  memcpy (bench->sender.out->data + at + bench->number, digits, strlen (NUMBER));
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

/* What comes ---------------------------------------------------------------------------------------------------------- */

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

/* The string that @key has in a dictionary: the key, the type "s", padding, four bytes of length, the text. */
static const char *
text_of (const guint8 *body, gsize len, const char *key)
{
  gsize key_size = strlen (key) + 1;
  const guint8 *found = memmem (body, len, key, key_size);
  gsize at = found != NULL ? (gsize) (found - body) + key_size + strlen ("?s") + 1 : len;

  at = (at + 3) / 4 * 4 + 4;
  return at < len ? (const char *) body + at : "";
}

static void
understand (Bench *bench, const guint8 *message, gsize fields, gsize len)
{
  const guint8 *body = message + fields;

  switch (message[1])
    {
    case G_DBUS_MESSAGE_TYPE_ERROR:
      if (bench->refused++ == 0)
        fprintf (stderr, "bench-messages: %s\n", (const char *) body + 4);
      bench->answered++;
      break;
    case G_DBUS_MESSAGE_TYPE_METHOD_RETURN:
      bench->answered++;
      break;
    default:
      if (memmem (message, fields, "MessageAdded", strlen ("MessageAdded")) != NULL
          && g_str_equal (text_of (body, len - fields, "direction"), "in"))
        arrive (bench, text_of (body, len - fields, "body"));
    }
}

/* The byte order is this machine's. */
static void
understand_all (Bench *bench, GByteArray *in)
{
  gsize at = 0;

  while (in->len - at >= HEAD)
    {
      const guint8 *message = in->data + at;
      guint32 body, array;
      gsize fields;

      memcpy (&body, message + 4, sizeof body);
      memcpy (&array, message + 12, sizeof array);
      fields = HEAD + (array + 7) / 8 * 8;
      if (in->len - at < fields + body)
        break;
      understand (bench, message, fields, fields + body);
      at += fields + body;
    }
  g_byte_array_remove_range (in, 0, (guint) at);
}

/* Connections --------------------------------------------------------------------------------------------------------- */

static void
flush (Client *client)
{
  gssize len = client->out->len > 0 ? send (client->fd, client->out->data, client->out->len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

  check (len >= 0 || errno == EAGAIN, "writing");
  if (len > 0)
    g_byte_array_remove_range (client->out, 0, (guint) len);
}

static gboolean
fill (Client *client)
{
  guint8 bytes[256 * 1024];
  gssize len = recv (client->fd, bytes, sizeof bytes, MSG_DONTWAIT);

  check (len > 0 || (len < 0 && errno == EAGAIN), "reading");
  if (len > 0)
    g_byte_array_append (client->in, bytes, (guint) len);
  return len > 0;
}

/* The server takes a new connection in a turn of its loop: only after an answer is it certain that signals come. */
static Client
connect_to (const char *address)
{
  Client client = { socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), g_byte_array_new (), g_byte_array_new () };
  g_autofree char *path = g_str_has_prefix (address, "unix:path=") ? g_uri_unescape_string (address + strlen ("unix:path="), NULL) : NULL;
  g_autofree char *uid = g_strdup_printf ("%u", (guint) getuid ());
  g_autoptr (GBytes) ping = marshal ("/org/hearby/Hearby", "org.freedesktop.DBus.Peer", "Ping", NULL);
  struct sockaddr_un where = { .sun_family = AF_UNIX };
  Bench nothing = { 0 };

  g_strlcpy (where.sun_path, path != NULL ? path : "", sizeof where.sun_path);
  check (connect (client.fd, (struct sockaddr *) &where, sizeof where) == 0, address);
  g_byte_array_append (client.out, (const guint8 *) "\0AUTH EXTERNAL ", 15);
  for (const char *c = uid; *c != '\0'; c++)
    {
      char hex[3];

      g_snprintf (hex, sizeof hex, "%02x", *c);
      g_byte_array_append (client.out, (const guint8 *) hex, 2);
    }
  g_byte_array_append (client.out, (const guint8 *) "\r\n", 2);
  while (client.in->len == 0 || client.in->data[client.in->len - 1] != '\n')
    {
      flush (&client);
      poll (&(struct pollfd) { client.fd, POLLIN, 0 }, 1, 1000);
      fill (&client);
    }
  check (memcmp (client.in->data, "OK ", 3) == 0, "who we are");
  g_byte_array_set_size (client.in, 0);
  g_byte_array_append (client.out, (const guint8 *) "BEGIN\r\n", 7);
  g_byte_array_append (client.out, g_bytes_get_data (ping, NULL), (guint) g_bytes_get_size (ping));
  while (nothing.answered == 0)
    {
      flush (&client);
      poll (&(struct pollfd) { client.fd, POLLIN, 0 }, 1, 1000);
      fill (&client);
      understand_all (&nothing, client.in);
    }
  return client;
}

static void
run (Bench *bench)
{
  Client *clients[] = { &bench->sender, &bench->receiver };
  struct pollfd fds[G_N_ELEMENTS (clients)];

  bench->moved = g_get_monotonic_time ();
  while ((bench->arrived < bench->count || bench->answered < bench->count)
         && g_get_monotonic_time () < bench->moved + STUCK_US)
    {
      post_some (bench);
      for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
        {
          flush (clients[i]);
          fds[i] = (struct pollfd) { clients[i]->fd, (short) (POLLIN | (clients[i]->out->len > 0 ? POLLOUT : 0)), 0 };
        }
      if (bench->window > 1)
        g_usleep (GATHER_US);
      poll (fds, G_N_ELEMENTS (fds), 1000);
      for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
        if ((fds[i].revents & ~POLLOUT) != 0 && fill (clients[i]))
          {
            understand_all (bench, clients[i]->in);
            bench->moved = g_get_monotonic_time ();
          }
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
  Bench bench = { .window = WINDOW };
  g_autofree char *filling = NULL;
  g_autofree char *text = NULL;
  gint64 begin;

  if (argc != 7)
    {
      fprintf (stderr, "usage: bench-messages rate|latency ADDRESS PEER OTHER-ADDRESS COUNT SIZE\n");
      return 2;
    }
  if (g_str_equal (argv[1], "latency"))
    bench.window = 1;
  bench.count = (guint) atoi (argv[5]);
  filling = g_strnfill ((gsize) MAX (atoi (argv[6]) - (int) strlen (NUMBER) - 1, 1), 'x');
  text = g_strconcat (NUMBER " ", filling, NULL);
  bench.call = marshal ("/org/hearby/Hearby", "org.hearby.Manager1", "SendMessage",
                        g_variant_new ("(@aosa{sv})", g_variant_new_objv ((const char *[]) { argv[3] }, 1), text, NULL));
  bench.number = (gsize) ((const char *) memmem (g_bytes_get_data (bench.call, NULL), g_bytes_get_size (bench.call), NUMBER, strlen (NUMBER))
                          - (const char *) g_bytes_get_data (bench.call, NULL));
  bench.seen = g_new0 (guint8, bench.count);
  bench.sent_at = g_new0 (gint64, bench.count);
  bench.took = g_new0 (gint64, bench.count);
  bench.sender = connect_to (argv[2]);
  bench.receiver = connect_to (argv[4]);

  begin = g_get_monotonic_time ();
  run (&bench);
  report (&bench, g_get_monotonic_time () - begin);
  return bench.arrived == bench.count && bench.duplicated == 0 ? 0 : 1;
}
