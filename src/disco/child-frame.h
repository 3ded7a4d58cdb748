/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What the embedded responder and its parent say to each other over a SOCK_SEQPACKET pair: one packet is one
 * frame, a byte that says which and one serialised GVariant. The parent does not trust the child: a frame of
 * unknown kind, of another size or shape or not in normal form is an error. */

#define CHILD_FRAME_MAX 16384
#define CHILD_FRAME_FD 3

typedef enum
{
  /* parent to child */
  CHILD_FRAME_CONFIG,   /* (asas): names of interfaces to allow and to deny; the first frame */
  CHILD_FRAME_PUBLISH,  /* (sqaayau): instance, port, TXT, interfaces */
  CHILD_FRAME_UPDATE,   /* (aay): TXT */
  CHILD_FRAME_WITHDRAW, /* () */
  CHILD_FRAME_REFRESH,  /* (s): instance */
  /* child to parent */
  CHILD_FRAME_READY,       /* (s): host name */
  CHILD_FRAME_FAILED,      /* (s): why */
  CHILD_FRAME_REFUSED,     /* (s): why */
  CHILD_FRAME_ESTABLISHED, /* (s): instance */
  CHILD_FRAME_COLLISION,   /* (s): instance */
  CHILD_FRAME_SEEN,        /* (suiayqaay): instance, interface, family, address, port, TXT */
  CHILD_FRAME_GONE,        /* (sui): instance, interface, family */
  CHILD_FRAME_SETTLED,     /* () */
  CHILD_FRAME_LINKS,       /* () */
  CHILD_FRAME_LOG,         /* (s): a line */
  CHILD_FRAME_LAST
} ChildFrame;

typedef enum
{
  CHILD_FRAME_GOT,
  CHILD_FRAME_LATER, /* nothing there now */
  CHILD_FRAME_END,   /* the other side is gone, or sent rubbish */
} ChildFrameResult;

/* child_frame_send: takes a floating @body; NULL is (). FALSE where it did not go out: errno. */
gboolean child_frame_send (int fd, ChildFrame kind, GVariant *body);

/* child_frame_receive: one frame, without waiting; *@body is the caller's. */
ChildFrameResult child_frame_receive (int fd, ChildFrame *kind, GVariant **body);

/* GBytes of TXT strings as aay (floating) and back. */
GVariant *child_frame_from_txt (GPtrArray *txt);
GPtrArray *child_frame_to_txt (GVariant *strings);
