/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/link-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"

#define RECORDS 4 /* to one system call */
#define SIZE (RECORDS * RECORD_WIRE)

struct _ByteLink
{
  int fd;
  RecordSealer *sealer; /* NULL: in clear */
  RecordOpener *opener;
  LinkWatch watch;
  LinkEnd end;
  gint64 until; /* of the last words, in ms; 0: it may go on as long as something goes on */
  guint64 wire;

  guint8 *out;  /* sealed records, then one that is being filled */
  gsize sent, sealed, fill;
  gint64 last_out;

  guint8 *in; /* records as they came, opened where they lie */
  gsize in_start, in_end;
  GBytes *early; /* content that was opened before */
  gboolean early_read;
  gint64 last_in;
};

static gint stall_ms = LIMIT_STALL_MS, keep_ms = LIMIT_KEEP_MS, words_ms = LIMIT_LAST_WORDS_MS; /* atomic */

static gint64
now_ms (void)
{
  return g_get_monotonic_time () / 1000;
}

static void
prepare_socket (int fd)
{
  guint timeout = LIMIT_STALL_MS;

  g_unix_set_fd_nonblocking (fd, TRUE, NULL);
  setsockopt (fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout); /* a plain link is no TCP: no matter */
}

ByteLink *
byte_link_new (int fd, RecordSealer *sealer, RecordOpener *opener, GBytes *already_opened)
{
  ByteLink *link = g_new0 (ByteLink, 1);

  link->fd = fd;
  link->sealer = sealer;
  link->opener = opener;
  link->early = already_opened;
  link->watch.wake = -1;
  link->out = g_malloc (SIZE);
  link->in = g_malloc (SIZE);
  if (opener != NULL)
    link->in_end = record_opener_take (opener, link->in, SIZE);
  link->last_in = link->last_out = now_ms ();
  prepare_socket (fd);
  return link;
}

void
byte_link_free (ByteLink *link)
{
  if (link == NULL)
    return;
  close (link->fd);
  record_sealer_free (link->sealer);
  record_opener_free (link->opener);
  g_clear_pointer (&link->early, g_bytes_unref);
  sodium_memzero (link->out, SIZE);
  sodium_memzero (link->in, SIZE);
  g_free (link->out);
  g_free (link->in);
  g_free (link);
}

void
byte_link_set_patience (guint stall, guint keep, guint words)
{
  g_atomic_int_set (&stall_ms, (gint)stall);
  g_atomic_int_set (&keep_ms, (gint)keep);
  g_atomic_int_set (&words_ms, (gint)words);
}

guint
byte_link_words_ms (void)
{
  return (guint)g_atomic_int_get (&words_ms);
}

void
byte_link_watch (ByteLink *link, const LinkWatch *watch)
{
  link->watch = *watch;
  link->last_in = link->last_out = now_ms ();
}

LinkEnd
byte_link_end (const ByteLink *link)
{
  return link->end;
}

guint64
byte_link_wire (const ByteLink *link)
{
  return link->wire;
}

void
byte_link_give_up (ByteLink *link, LinkEnd end)
{
  if (link->end == LINK_UP)
    link->end = end;
}

gboolean
byte_link_last_words (ByteLink *link, guint ms)
{
  if (link->end == LINK_CUT || link->end == LINK_STALLED)
    return FALSE;
  link->end = LINK_UP;
  link->until = now_ms () + ms;
  link->watch = (LinkWatch){ .wake = -1 };
  return TRUE;
}

static gboolean
is_to_stop (ByteLink *link)
{
  if (link->watch.stop != NULL && g_atomic_int_get (link->watch.stop))
    byte_link_give_up (link, LINK_WOKEN);
  return link->end != LINK_UP;
}

/* Waiting ------------------------------------------------------------------------------------------------- */

typedef enum
{
  WAIT_TO_READ,
  WAIT_TO_SEND,
  WAIT_FOR_OTHER,
} WaitFor;

/* When it counts as stalled. Who waits to send has the peer's own waiting to blame, as long as that says that it lives; a receiver that
 * waits for its disk or pipe leaves it to the kernel (TCP_USER_TIMEOUT) to see whether what it says gets through. */
static gint64
stall_time (const ByteLink *link, WaitFor what)
{
  gint64 last = link->last_in;

  if (link->until > 0)
    return link->until;
  if (what == WAIT_TO_SEND)
    last = MAX (last, link->last_out);
  if (what == WAIT_FOR_OTHER && link->watch.input == NULL)
    return G_MAXINT64;
  return last + g_atomic_int_get (&stall_ms);
}

static gint64
alive_time (const ByteLink *link, WaitFor what)
{
  return what == WAIT_TO_SEND || link->watch.alive == NULL ? G_MAXINT64 : link->last_out + g_atomic_int_get (&keep_ms);
}

static short
events_for (const ByteLink *link, WaitFor what)
{
  switch (what)
    {
    case WAIT_TO_READ:
      return POLLIN;
    case WAIT_TO_SEND:
      return link->watch.input != NULL ? POLLOUT | POLLIN : POLLOUT;
    case WAIT_FOR_OTHER:
      return link->watch.input != NULL ? POLLIN : POLLRDHUP;
    }
  return 0;
}

static void
clear_wake (const ByteLink *link)
{
  guint64 n;

  if (read (link->watch.wake, &n, sizeof n) < 0)
    return; /* another one was faster */
}

/* What poll() said about the link itself. */
static void
see_link (ByteLink *link, WaitFor what, short events)
{
  if (what == WAIT_TO_READ)
    return; /* recv() will tell */
  if (events & POLLIN && link->watch.input != NULL)
    link->watch.input (link->watch.data);
  else if (what == WAIT_FOR_OTHER && events != 0)
    byte_link_give_up (link, LINK_CUT);
}

/* One wait, for the link or (@other) something else. FALSE: the link has ended. */
static gboolean
wait_once (ByteLink *link, WaitFor what, struct pollfd *other)
{
  gint64 now = now_ms ();
  gint64 stall = stall_time (link, what), alive = alive_time (link, what);
  gint64 wait = CLAMP (MIN (stall, alive) - now, 0, G_MAXINT);
  struct pollfd fds[3] = { { link->fd, events_for (link, what), 0 }, { link->watch.wake, POLLIN, 0 } };

  if (is_to_stop (link))
    return FALSE;
  fds[2] = other != NULL ? *other : (struct pollfd){ -1, 0, 0 };
  if (poll (fds, G_N_ELEMENTS (fds), (int)wait) < 0 && errno != EINTR)
    byte_link_give_up (link, LINK_CUT);
  if (fds[1].revents != 0)
    clear_wake (link);
  if (other != NULL)
    other->revents = fds[2].revents;
  see_link (link, what, fds[0].revents);
  now = now_ms ();
  if (now >= alive && fds[0].revents == 0 && !is_to_stop (link))
    link->watch.alive (link->watch.data);
  if (now >= stall_time (link, what) && fds[0].revents == 0)
    byte_link_give_up (link, LINK_STALLED);
  return !is_to_stop (link);
}

gboolean
byte_link_wait (ByteLink *link, int fd, short events)
{
  struct pollfd other = { fd, events, 0 };

  return wait_once (link, WAIT_FOR_OTHER, &other);
}

gboolean
byte_link_say (ByteLink *link)
{
  if (!is_to_stop (link) && link->watch.alive != NULL && now_ms () >= link->last_out + g_atomic_int_get (&keep_ms))
    link->watch.alive (link->watch.data);
  return link->end == LINK_UP;
}

/* Sending ------------------------------------------------------------------------------------------------- */

static void
seal (ByteLink *link, RecordType type)
{
  gsize used = link->fill;

  if (link->sealer != NULL)
    used = record_seal_in_place (link->sealer, type, link->out + link->sealed, link->fill, NULL);
  if (used == 0)
    byte_link_give_up (link, LINK_BROKEN); /* no nonces any more: after 2^64 records */
  link->sealed += used;
  link->fill = 0;
}

/* What is sealed. */
static gboolean
send_all (ByteLink *link)
{
  while (link->sent < link->sealed && !is_to_stop (link))
    {
      ssize_t n = send (link->fd, link->out + link->sent, link->sealed - link->sent, MSG_NOSIGNAL);

      if (n > 0)
        {
          link->sent += (gsize)n;
          link->wire += (guint64)n;
          link->last_out = now_ms ();
        }
      else if (n < 0 && errno == EAGAIN)
        wait_once (link, WAIT_TO_SEND, NULL);
      else if (n == 0 || errno != EINTR)
        {
          if (link->watch.input != NULL)
            link->watch.input (link->watch.data); /* it may have said why */
          byte_link_give_up (link, LINK_CUT);
        }
    }
  if (link->sent == link->sealed)
    link->sent = link->sealed = 0;
  return link->end == LINK_UP;
}

guint8 *
byte_link_room (ByteLink *link, gsize least, gsize *room)
{
  if (RECORD_CONTENT - link->fill < least)
    seal (link, RECORD_DATA);
  if (link->fill == 0 && link->sealed + RECORD_WIRE > SIZE && !send_all (link))
    return NULL;
  if (link->end != LINK_UP)
    return NULL;
  *room = RECORD_CONTENT - link->fill;
  return link->out + link->sealed + (link->sealer != NULL ? RECORD_CONTENT_AT : 0) + link->fill;
}

void
byte_link_put (ByteLink *link, gsize n)
{
  link->fill += n;
  if (link->fill == RECORD_CONTENT)
    seal (link, RECORD_DATA);
}

gboolean
byte_link_write (ByteLink *link, const guint8 *bytes, gsize len)
{
  gsize room;
  guint8 *at = byte_link_room (link, len, &room);

  if (at == NULL)
    return FALSE;
  memcpy (at, bytes, len);
  byte_link_put (link, len);
  return TRUE;
}

gboolean
byte_link_flush (ByteLink *link)
{
  if (link->fill > 0)
    seal (link, RECORD_DATA);
  return send_all (link);
}

/* Reading ------------------------------------------------------------------------------------------------- */

/* What was opened before the link was made is read once; its bytes stay. */
static gboolean
read_early (ByteLink *link, const guint8 **content, gsize *len)
{
  if (link->early == NULL || link->early_read)
    return FALSE;
  link->early_read = TRUE;
  *content = g_bytes_get_data (link->early, len);
  return *len > 0;
}

/* The next content in the buffer. */
static gboolean
open_next (ByteLink *link, const guint8 **content, gsize *len)
{
  RecordEvent event = { 0 };
  GError *error = NULL;
  gsize used;

  while (link->in_start < link->in_end && link->end == LINK_UP)
    {
      *content = link->in + link->in_start;
      *len = used = link->in_end - link->in_start;
      if (link->opener != NULL)
        {
          used = record_open_in_place (link->opener, link->in + link->in_start, *len, &event, &error);
          *content = event.content;
          *len = event.len;
        }
      link->in_start += used;
      if (error != NULL || (used > 0 && event.type == RECORD_CLOSE))
        byte_link_give_up (link, error != NULL ? LINK_BROKEN : LINK_CUT);
      g_clear_error (&error);
      if (used == 0 || link->end != LINK_UP)
        return FALSE;
      if (*len > 0 && (link->opener == NULL || event.type == RECORD_DATA))
        return TRUE;
    }
  return FALSE;
}

/* Takes what the kernel has. FALSE where that is nothing. */
static gboolean
receive (ByteLink *link)
{
  ssize_t n;

  memmove (link->in, link->in + link->in_start, link->in_end - link->in_start); /* part of one record */
  link->in_end -= link->in_start;
  link->in_start = 0;
  n = recv (link->fd, link->in + link->in_end, SIZE - link->in_end, 0);
  if (n > 0)
    {
      link->in_end += (gsize)n;
      link->wire += (guint64)n;
      link->last_in = now_ms ();
      return TRUE;
    }
  if (n == 0 || (errno != EAGAIN && errno != EINTR))
    byte_link_give_up (link, LINK_CUT);
  return FALSE;
}

gboolean
byte_link_peek (ByteLink *link, const guint8 **content, gsize *len)
{
  if (read_early (link, content, len))
    return TRUE;
  while (link->end == LINK_UP)
    {
      if (open_next (link, content, len))
        return TRUE;
      if (link->end != LINK_UP || !receive (link))
        return FALSE;
    }
  return FALSE;
}

gboolean
byte_link_read (ByteLink *link, const guint8 **content, gsize *len)
{
  while (link->end == LINK_UP)
    {
      if (byte_link_peek (link, content, len))
        return !is_to_stop (link);
      if (link->end == LINK_UP && byte_link_flush (link))
        wait_once (link, WAIT_TO_READ, NULL);
    }
  return FALSE;
}

/* The end ------------------------------------------------------------------------------------------------- */

void
byte_link_close (ByteLink *link, guint ms)
{
  if (!byte_link_last_words (link, ms) || !byte_link_flush (link))
    return;
  if (link->sealer != NULL)
    {
      link->out[link->sealed + RECORD_CONTENT_AT] = 0;
      link->fill = 1;
      seal (link, RECORD_CLOSE);
    }
  if (!send_all (link))
    return;
  shutdown (link->fd, SHUT_WR);
  while (link->end == LINK_UP)
    {
      ssize_t n = recv (link->fd, link->in, SIZE, 0);

      if (n < 0 && errno == EAGAIN)
        wait_once (link, WAIT_TO_READ, NULL);
      else if (n <= 0 || now_ms () >= link->until)
        byte_link_give_up (link, LINK_CUT);
    }
}
