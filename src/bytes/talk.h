/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/link-private.h"
#include "bytes/task.h"
#include "transfer/frame.h"

/* Frames over a link, and when each side says that it still lives. */

typedef struct
{
  ByteLink *link;
  FrameReader *reader;
  LinkWatch watch;
  GByteArray *out;         /* a frame that is being written */
  const char *peer_reason; /* why the peer stopped, as it means to us; static */
  const char *trouble;     /* what was wrong with what it sent; static */
  const char *reason;      /* the same as a reason: protocol, or what it tried; static */
} Talk;

typedef enum
{
  TALK_SENDER,   /* looks whether something came whenever it waits */
  TALK_RECEIVER, /* reads as fast as it can write */
} TalkSide;

/* talk_init: @wake, @stop: LinkWatch. The link stays the caller's; @talk does not move. */
void talk_init (Talk *talk, TalkSide side, ByteLink *link, int wake, const gint *stop);
void talk_clear (Talk *talk);

/* All answer FALSE once the link has ended: byte_link_end(). */
gboolean talk_send (Talk *talk, FrameKind kind, const FrameBody *body); /* goes with the next flush */
gboolean talk_next (Talk *talk, Frame *out);                            /* never STOP nor KEEP */
gboolean talk_parse (Talk *talk, const Frame *frame, FrameBody *out);
gboolean talk_protocol (Talk *talk, const char *trouble); /* the peer makes no sense; FALSE */
gboolean talk_refuse (Talk *talk, const char *reason, const char *trouble); /* it does, but tries what must not be */
gboolean talk_entry_error (Talk *talk, const GError *error); /* of manifest_parse() and its like */

/* talk_end: how a side that did not give up by itself has ended. @stopped: why the user stops it, NULL: he does not; he comes first, as
 * both may have had enough at the same moment. */
typedef struct
{
  ByteEnd end;
  const char *reason, *text; /* as in ByteOutcome; static, or @stopped */
} TalkEnd;

TalkEnd talk_end (const Talk *talk, const char *stopped);

/* talk_listen: from now on a receiver looks too whether something came while it waits for the disk: nothing but STOP may. */
void talk_listen (Talk *talk);

/* talk_stop: the last words of a link that has ended, if they can be said: STOP with @reason. */
void talk_stop (Talk *talk, const char *reason);
