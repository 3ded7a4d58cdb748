/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/talk.h"

#include "base/error.h"
#include "base/limits.h"
#include "transfer/reason.h"

static void
on_alive (gpointer data)
{
  Talk *talk = data;

  if (talk_send (talk, FRAME_KEEP, NULL))
    byte_link_flush (talk->link);
}

/* STOP and KEEP are nobody else's business. */
static gboolean
is_ours (Talk *talk, const Frame *frame)
{
  g_auto (FrameBody) body = { 0 };

  if (frame->kind == FRAME_STOP && talk_parse (talk, frame, &body))
    {
      talk->peer_reason = reason_from_peer (body.reason, REASON_PROTOCOL);
      byte_link_give_up (talk->link, LINK_PEER);
    }
  return frame->kind == FRAME_STOP || frame->kind == FRAME_KEEP;
}

/* What the reader has, which has to be ours. */
static void
drain (Talk *talk)
{
  GError *error = NULL;
  Frame frame;

  while (frame_reader_next (talk->reader, &frame, &error))
    if (!is_ours (talk, &frame))
      talk_protocol (talk, "the peer spoke out of turn");
  if (error != NULL)
    talk_protocol (talk, "the peer sent a broken frame");
  g_clear_error (&error);
}

/* While a sender sends, and a receiver is busy with its disk at the end, the other has nothing to say but that. */
static void
on_input (gpointer data)
{
  Talk *talk = data;
  const guint8 *content;
  gsize len;

  drain (talk); /* behind the frame that was taken last there may be more */
  while (byte_link_end (talk->link) == LINK_UP && byte_link_peek (talk->link, &content, &len))
    {
      frame_reader_push (talk->reader, content, len);
      drain (talk);
    }
}

void
talk_init (Talk *talk, TalkSide side, ByteLink *link, int wake, const gint *stop)
{
  *talk = (Talk){ .link = link, .watch = { wake, stop, on_alive, side == TALK_SENDER ? on_input : NULL, talk } };
  talk->reader = frame_reader_new ();
  talk->out = g_byte_array_new ();
  byte_link_watch (link, &talk->watch);
}

void
talk_listen (Talk *talk)
{
  talk->watch.input = on_input;
  byte_link_watch (talk->link, &talk->watch);
  drain (talk);
}

void
talk_clear (Talk *talk)
{
  frame_reader_free (talk->reader);
  g_byte_array_unref (talk->out);
}

gboolean
talk_send (Talk *talk, FrameKind kind, const FrameBody *body)
{
  static const FrameBody nothing;

  g_byte_array_set_size (talk->out, 0);
  if (!frame_append (talk->out, kind, body != NULL ? body : &nothing, NULL))
    return talk_protocol (talk, "a frame has no place for what is to be sent");
  return byte_link_write (talk->link, talk->out->data, talk->out->len);
}

gboolean
talk_next (Talk *talk, Frame *out)
{
  const guint8 *content;
  gsize len;

  while (byte_link_end (talk->link) == LINK_UP)
    {
      GError *error = NULL;

      if (frame_reader_next (talk->reader, out, &error))
        {
          if (!is_ours (talk, out))
            return TRUE;
        }
      else if (error != NULL)
        {
          g_error_free (error);
          return talk_protocol (talk, "the peer sent a broken frame");
        }
      else if (byte_link_read (talk->link, &content, &len))
        frame_reader_push (talk->reader, content, len);
    }
  return FALSE;
}

gboolean
talk_entry_error (Talk *talk, const GError *error)
{
  if (g_error_matches (error, HEARBY_ERROR, HEARBY_ERROR_REJECTED))
    return talk_refuse (talk, REASON_UNSAFE_NAME, "the peer sent a path that leads out of the folder");
  return talk_protocol (talk, "the peer sent a broken frame");
}

gboolean
talk_parse (Talk *talk, const Frame *frame, FrameBody *out)
{
  g_autoptr (GError) error = NULL;

  return frame_parse (frame, out, &error) || talk_entry_error (talk, error);
}

gboolean
talk_refuse (Talk *talk, const char *reason, const char *trouble)
{
  if (byte_link_end (talk->link) == LINK_UP)
    {
      talk->trouble = trouble;
      talk->reason = reason;
    }
  byte_link_give_up (talk->link, LINK_PROTOCOL);
  return FALSE;
}

gboolean
talk_protocol (Talk *talk, const char *trouble)
{
  return talk_refuse (talk, REASON_PROTOCOL, trouble);
}

void
talk_stop (Talk *talk, const char *reason)
{
  FrameBody body = { .reason = reason };

  if (byte_link_last_words (talk->link, byte_link_words_ms ()) && talk_send (talk, FRAME_STOP, &body))
    byte_link_close (talk->link, byte_link_words_ms ());
}

TalkEnd
talk_end (const Talk *talk, const char *stopped)
{
  if (stopped != NULL)
    return (TalkEnd){ BYTE_END_STOPPED, stopped, NULL };
  switch (byte_link_end (talk->link))
    {
    case LINK_PEER:
      return (TalkEnd){ BYTE_END_PEER_STOPPED, talk->peer_reason, NULL };
    case LINK_PROTOCOL:
      return (TalkEnd){ BYTE_END_FAILED, talk->reason, talk->trouble };
    case LINK_STALLED:
      return (TalkEnd){ BYTE_END_CUT, REASON_STALLED, NULL };
    case LINK_BROKEN:
    case LINK_CUT:
      return (TalkEnd){ BYTE_END_CUT, REASON_CONNECTION_LOST, NULL };
    case LINK_UP: /* it was woken while nobody looked at the link */
    case LINK_WOKEN:
      break;
    }
  return (TalkEnd){ BYTE_END_STOPPED, REASON_NONE, NULL };
}
