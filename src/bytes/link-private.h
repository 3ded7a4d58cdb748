/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/link.h"

/* What tasks do with a link. All of it waits where it has to, and answers FALSE or NULL once the link has ended; byte_link_end() says why. */

typedef enum
{
  LINK_UP,
  LINK_CUT,
  LINK_STALLED,  /* nothing went in or out for LIMIT_STALL_MS */
  LINK_BROKEN,   /* what came is not authentic */
  LINK_PROTOCOL, /* byte_link_give_up(): it is, and makes no sense */
  LINK_PEER,     /* byte_link_give_up(): the peer says that it ends */
  LINK_WOKEN,    /* the task is to stop */
} LinkEnd;

/* What a task has to do with a link that waits. */
typedef struct
{
  int wake;                   /* polled with everything: when it can be read and *stop is set, the link ends */
  const gint *stop;           /* atomic */
  void (*alive) (gpointer);   /* nothing was sent for LIMIT_KEEP_MS: say something */
  void (*input) (gpointer);   /* something came while it waited for something else: byte_link_peek(). NULL: it stays in the socket */
  gpointer data;
} LinkWatch;

/* byte_link_set_patience: other times than LIMIT_STALL_MS, LIMIT_KEEP_MS and LIMIT_LAST_WORDS_MS, for all links. For tests. */
void byte_link_set_patience (guint stall_ms, guint keep_ms, guint words_ms);

/* byte_link_words_ms: for a reason and its way to the peer. */
guint byte_link_words_ms (void);

void byte_link_watch (ByteLink *link, const LinkWatch *watch);

LinkEnd byte_link_end (const ByteLink *link);

/* byte_link_give_up: ends it, unless it has ended. */
void byte_link_give_up (ByteLink *link, LinkEnd end);

/* byte_link_last_words: what ended it is forgotten if the connection is whole, for at most @ms milliseconds more, in which nobody stops it.
 * What was put and not sent stays so. */
gboolean byte_link_last_words (ByteLink *link, guint ms);

/* byte_link_wire: bytes over it so far, both ways. */
guint64 byte_link_wire (const ByteLink *link);

/* byte_link_room: where the next content goes, at least @least bytes of it (≤ RECORD_CONTENT), all in one record; @room says how many there
 * are. Full records are sent on the way. */
guint8 *byte_link_room (ByteLink *link, gsize least, gsize *room);

/* byte_link_put: @n bytes were written there. */
void byte_link_put (ByteLink *link, gsize n);

/* byte_link_write: all of it in one record, or nothing: what ends a link comes between frames. @len: 1 to RECORD_CONTENT. */
gboolean byte_link_write (ByteLink *link, const guint8 *bytes, gsize len);

/* byte_link_flush: all that was put goes to the kernel. */
gboolean byte_link_flush (ByteLink *link);

/* byte_link_read: the next piece of content, valid until the next call that reads. Flushes before it waits. */
gboolean byte_link_read (ByteLink *link, const guint8 **content, gsize *len);

/* byte_link_peek: the same without waiting. FALSE also where there is none now. */
gboolean byte_link_peek (ByteLink *link, const guint8 **content, gsize *len);

/* byte_link_wait: until @fd has one of @events (-1: until woken). @fd's state is for the caller to see. */
gboolean byte_link_wait (ByteLink *link, int fd, short events);

/* byte_link_say: keeps the other side patient while we are busy: calls alive() if it is time, and looks whether to stop. */
gboolean byte_link_say (ByteLink *link);

/* byte_link_close: the authenticated end of our direction; then waits until the peer closes too, @ms milliseconds at most. */
void byte_link_close (ByteLink *link, guint ms);
