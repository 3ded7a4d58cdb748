/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/bytestream.h"

#include <fcntl.h>
#include <netinet/in.h>

#include "base/error.h"
#include "base/limits.h"
#include "net/addresses.h"
#include "net/deadline.h"
#include "net/dialer.h"
#include "transfer/socks5.h"

#define READ 4096

/* A connection on which SOCKS5 is spoken. */
typedef struct
{
  Bytestream *owner;
  GSocket    *socket;
  GObject    *keeper; /* closes the socket when it goes */
  GSource    *source;
  Socks5     *socks5;
  guint       target;
} Talk;

struct _Bytestream
{
  char           *digest;
  BytestreamAdmit admit;
  BytestreamDone  done;
  gpointer        user_data;
  GPtrArray      *addresses; /* GInetSocketAddress: where it listens, or what it connects to */
  GPtrArray      *sources;   /* GSource of each socket that listens */
  GPtrArray      *talks;     /* Talk */
  GArray         *left;      /* guint: indices of the addresses that were not tried to the end */
  Dialer         *dialer;
  GSource        *deadline;
};

static void
drop_source (gpointer data)
{
  GSource *source = data;

  g_source_destroy (source);
  g_source_unref (source);
}

static void
talk_free (gpointer data)
{
  Talk *talk = data;

  g_clear_pointer (&talk->source, drop_source);
  g_object_unref (talk->socket);
  g_object_unref (talk->keeper);
  socks5_free (talk->socks5);
  g_free (talk);
}

static void
stop (Bytestream *bytestream)
{
  deadline_drop (&bytestream->deadline);
  g_clear_pointer (&bytestream->dialer, dialer_free);
  g_ptr_array_set_size (bytestream->sources, 0);
  g_ptr_array_set_size (bytestream->talks, 0);
}

static void
fail (Bytestream *bytestream, const GError *error)
{
  stop (bytestream);
  bytestream->done (-1, NULL, 0, error, bytestream->user_data);
}

static gboolean
on_deadline (gpointer user_data)
{
  g_autoptr (GError) error = g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_TIMEOUT, "no connection for the file came about");

  fail (user_data, error);
  return G_SOURCE_REMOVE;
}

static Bytestream *
bytestream_new (const char *digest, BytestreamDone done, gpointer user_data)
{
  Bytestream *bytestream = g_new0 (Bytestream, 1);

  bytestream->digest = g_strdup (digest);
  bytestream->done = done;
  bytestream->user_data = user_data;
  bytestream->addresses = g_ptr_array_new_with_free_func (g_object_unref);
  bytestream->sources = g_ptr_array_new_with_free_func (drop_source);
  bytestream->talks = g_ptr_array_new_with_free_func (talk_free);
  bytestream->left = g_array_new (FALSE, FALSE, sizeof (guint));
  bytestream->deadline = deadline_new (on_deadline, bytestream);
  deadline_set (bytestream->deadline, g_get_monotonic_time () + LIMIT_BYTESTREAM_MS * 1000);
  return bytestream;
}

void
bytestream_free (Bytestream *bytestream)
{
  if (bytestream == NULL)
    return;
  stop (bytestream);
  g_ptr_array_unref (bytestream->addresses);
  g_ptr_array_unref (bytestream->sources);
  g_ptr_array_unref (bytestream->talks);
  g_array_unref (bytestream->left);
  g_free (bytestream->digest);
  g_free (bytestream);
}

/* The talk ---------------------------------------------------------------------------------------------------- */

static void dial (Bytestream *bytestream);

/* A few dozen bytes on a fresh connection: they fit, or something is wrong with it. */
static gboolean
send_output (Talk *talk)
{
  g_autoptr (GBytes) out = socks5_take_output (talk->socks5);
  gsize len = 0;
  const char *bytes = out != NULL ? g_bytes_get_data (out, &len) : NULL;

  return len == 0 || g_socket_send (talk->socket, bytes, len, NULL, NULL) == (gssize) len;
}

/* A server waits for another one, a client goes on with the addresses that are left. */
static void
give_up (Talk *talk)
{
  Bytestream *bytestream = talk->owner;
  gboolean connecting = bytestream->sources->len == 0;

  g_ptr_array_remove_fast (bytestream->talks, talk); /* frees it */
  if (connecting)
    dial (bytestream);
}

static void
finish (Talk *talk, const guint8 *rest, gsize len)
{
  Bytestream *bytestream = talk->owner;
  int fd = fcntl (g_socket_get_fd (talk->socket), F_DUPFD_CLOEXEC, 3);
  g_autoptr (GBytes) surplus = len > 0 ? g_bytes_new (rest, len) : NULL;
  guint target = talk->target;
  g_autoptr (GError) error = NULL;

  if (fd < 0)
    g_set_error_literal (&error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "no descriptor is left");
  stop (bytestream); /* the talk too; the descriptor lives on */
  bytestream->done (fd, surplus, target, error, bytestream->user_data);
}

static gboolean
on_readable (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  Talk *talk = user_data;
  guint8 bytes[READ];
  g_autoptr (GError) error = NULL;
  gssize n = g_socket_receive (socket, (char *) bytes, sizeof bytes, NULL, &error);
  gsize used;
  gboolean fine;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return G_SOURCE_CONTINUE;
  fine = n > 0 && socks5_push (talk->socks5, bytes, (gsize) n, &used, NULL);
  if (!send_output (talk) || !fine)
    give_up (talk);
  else if (socks5_is_open (talk->socks5))
    finish (talk, bytes + used, (gsize) n - used);
  return G_SOURCE_CONTINUE;
}

/* Takes @socks5. */
static void
begin_talk (Bytestream *bytestream, GSocket *socket, gpointer keeper, Socks5 *socks5, guint target)
{
  Talk *talk = g_new0 (Talk, 1);

  *talk = (Talk){ .owner = bytestream,
                  .socket = g_object_ref (socket),
                  .keeper = g_object_ref (keeper),
                  .source = g_socket_create_source (socket, G_IO_IN | G_IO_HUP, NULL),
                  .socks5 = socks5,
                  .target = target };
  g_socket_set_blocking (socket, FALSE);
  g_source_set_callback (talk->source, G_SOURCE_FUNC (on_readable), talk, NULL);
  g_source_attach (talk->source, g_main_context_get_thread_default ());
  g_ptr_array_add (bytestream->talks, talk);
  if (!send_output (talk))
    give_up (talk);
}

/* Listening --------------------------------------------------------------------------------------------------- */

static gboolean
on_connection (GSocket *listening, GIOCondition condition, gpointer user_data)
{
  Bytestream *bytestream = user_data;
  g_autoptr (GSocket) socket = g_socket_accept (listening, NULL, NULL);
  g_autoptr (GInetSocketAddress) remote = socket != NULL ? addresses_unmap (g_socket_get_remote_address (socket, NULL)) : NULL;

  if (remote != NULL && bytestream->talks->len < LIMIT_BYTESTREAM_TALKS && bytestream->admit (remote, bytestream->user_data))
    begin_talk (bytestream, socket, socket, socks5_new_server (bytestream->digest), 0);
  return G_SOURCE_CONTINUE;
}

static gboolean
listen_at (Bytestream *bytestream, GSocketAddress *address, GError **error)
{
  GSocketFamily family = g_socket_address_get_family (address);
  g_autoptr (GSocket) socket = g_socket_new (family, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
  GSocketAddress *bound;
  GSource *source;

  if (socket == NULL)
    return FALSE;
  if (family == G_SOCKET_FAMILY_IPV6)
    g_socket_set_option (socket, IPPROTO_IPV6, IPV6_V6ONLY, TRUE, NULL);
  g_socket_set_blocking (socket, FALSE);
  g_socket_set_listen_backlog (socket, LIMIT_BYTESTREAM_TALKS);
  if (!g_socket_bind (socket, address, FALSE, error) || !g_socket_listen (socket, error))
    return FALSE;
  bound = g_socket_get_local_address (socket, error);
  if (bound == NULL)
    return FALSE;
  g_ptr_array_add (bytestream->addresses, bound);
  source = g_socket_create_source (socket, G_IO_IN, NULL); /* keeps the socket */
  g_source_set_callback (source, G_SOURCE_FUNC (on_connection), bytestream, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());
  g_ptr_array_add (bytestream->sources, source);
  return TRUE;
}

Bytestream *
bytestream_listen (const char *digest, GPtrArray *own, BytestreamAdmit admit, BytestreamDone done, gpointer user_data, GError **error)
{
  Bytestream *bytestream = bytestream_new (digest, done, user_data);
  g_autoptr (GError) last = g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_FAILED, "there is no address to listen at");

  bytestream->admit = admit;
  for (guint i = 0; i < own->len; i++)
    {
      g_autoptr (GError) refused = NULL;

      if (listen_at (bytestream, g_ptr_array_index (own, i), &refused))
        continue;
      g_clear_error (&last);
      last = g_steal_pointer (&refused);
    }
  if (bytestream->sources->len > 0)
    return bytestream;
  g_propagate_error (error, g_steal_pointer (&last));
  bytestream_free (bytestream);
  return NULL;
}

GPtrArray *
bytestream_addresses (Bytestream *bytestream)
{
  return bytestream->addresses;
}

/* Connecting -------------------------------------------------------------------------------------------------- */

static void
on_dialed (GSocketConnection *connection, guint target, const GError *error, gpointer user_data)
{
  Bytestream *bytestream = user_data;
  guint address;

  if (connection == NULL)
    {
      fail (bytestream, error);
      return;
    }
  address = g_array_index (bytestream->left, guint, target);
  g_array_remove_index (bytestream->left, target);
  begin_talk (bytestream, g_socket_connection_get_socket (connection), connection, socks5_new_client (bytestream->digest), address);
}

static void
dial (Bytestream *bytestream)
{
  g_autoptr (GArray) targets = g_array_new (FALSE, FALSE, sizeof (DialerTarget));
  g_autoptr (GError) refused = NULL;

  g_clear_pointer (&bytestream->dialer, dialer_free);
  if (bytestream->left->len == 0)
    {
      refused = g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_REJECTED, "nobody at the sender's addresses knows this file");
      fail (bytestream, refused);
      return;
    }
  for (guint i = 0; i < bytestream->left->len; i++)
    {
      DialerTarget target = { g_ptr_array_index (bytestream->addresses, g_array_index (bytestream->left, guint, i)), NULL };

      g_array_append_val (targets, target);
    }
  bytestream->dialer = dialer_new (&g_array_index (targets, DialerTarget, 0), targets->len, on_dialed, bytestream);
}

Bytestream *
bytestream_connect (const char *digest, GPtrArray *remote, BytestreamDone done, gpointer user_data)
{
  Bytestream *bytestream = bytestream_new (digest, done, user_data);

  for (guint i = 0; i < remote->len; i++)
    {
      g_ptr_array_add (bytestream->addresses, g_object_ref (g_ptr_array_index (remote, i)));
      g_array_append_val (bytestream->left, i);
    }
  dial (bytestream);
  return bytestream;
}
