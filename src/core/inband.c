/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/transfers-private.h"
#include "net/deadline.h"
#include "transfer/ibb.h"

/* The bytes within the encrypted stream (XEP-0047, XEP-0261), where neither side can connect to the other: base64 in requests, a few of
 * them under way. The thread is the same as ever; it has one end of a socket pair, and what comes out of the other goes here. A
 * request is answered when the thread took what was in it, so a slow disk slows the sender. */

#define BLOCK 32768     /* bytes of ours in one request: chat does not wait long behind it */
#define UNDER_WAY 4

struct _Inband
{
  Transfer *transfer;
  Session  *session;
  char     *sid;
  guint     block;
  int       fd;
  GSource  *readable, *writable;
  gboolean  open, closed;    /* both sides know of it; we said the end */
  guint16   sent;            /* number of the next block */
  IbbOrder  order;           /* of what comes */
  guint     under_way;
  GByteArray *waiting;       /* received, not taken by the thread yet */
  GPtrArray *unanswered;     /* Node: the requests that they came in */
};

static void pump (Inband *inband);

static void
set_source (GSource **source, gboolean on, Inband *inband, GIOCondition condition, GUnixFDSourceFunc func)
{
  if (!on)
    deadline_drop (source);
  else if (*source == NULL)
    {
      *source = g_unix_fd_source_new (inband->fd, condition);
      g_source_set_callback (*source, G_SOURCE_FUNC (func), inband, NULL);
      g_source_attach (*source, g_main_context_get_thread_default ());
    }
}

void
inband_drop (Transfer *transfer)
{
  Inband *inband = g_steal_pointer (&transfer->run->inband);

  if (inband == NULL)
    return;
  deadline_drop (&inband->readable);
  deadline_drop (&inband->writable);
  close (inband->fd); /* the thread finds its connection lost */
  g_byte_array_unref (inband->waiting);
  g_ptr_array_unref (inband->unanswered);
  g_free (inband->sid);
  g_free (inband);
}

Session *
inband_session (Inband *inband)
{
  return inband->session;
}

/* Out ------------------------------------------------------------------------------------------------------------ */

typedef struct
{
  Messenger *messenger;
  guint64    id;
  char      *sid;
} Asked;

static void
ask (Inband *inband, Node *payload, RequestDone done)
{
  Asked *asked = g_new (Asked, 1);

  *asked = (Asked){ inband->transfer->run->messenger, inband->transfer->row->id, g_strdup (inband->sid) };
  session_request (inband->session, "set", payload, done, asked);
}

/* Whose answer it is; NULL: it is over. */
static Inband *
asked_inband (Asked *asked)
{
  Transfer *transfer = transfers_find (asked->messenger, asked->id);
  Inband *inband = transfer != NULL ? transfer->run->inband : NULL;

  if (inband != NULL && strcmp (inband->sid, asked->sid) != 0)
    inband = NULL;
  g_free (asked->sid);
  g_free (asked);
  return inband;
}

static gboolean
is_result (const Node *answer)
{
  return answer != NULL && g_strcmp0 (node_get (answer, "type"), "result") == 0;
}

static void
on_answered (const Node *answer, gint64 rtt, gpointer user_data)
{
  Inband *inband = asked_inband (user_data);

  if (inband == NULL)
    return;
  if (!is_result (answer))
    {
      inband_drop (inband->transfer);
      return;
    }
  inband->open = TRUE;
  if (inband->under_way > 0)
    inband->under_way--;
  pump (inband);
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  pump (user_data);
  return G_SOURCE_CONTINUE;
}

static void
send_block (Inband *inband, const guint8 *bytes, gsize len)
{
  inband->under_way++;
  ask (inband, ibb_build_data (inband->sid, inband->sent++, bytes, len), on_answered);
}

/* What the thread wrote goes out, as long as not too much is under way. */
static void
pump (Inband *inband)
{
  Transfer *transfer = inband->transfer;
  g_autofree guint8 *bytes = g_malloc (inband->block);

  while (transfer->run->inband == inband && inband->open && !inband->closed && inband->under_way < UNDER_WAY)
    {
      gssize len = read (inband->fd, bytes, inband->block);

      if (len > 0)
        send_block (inband, bytes, (gsize) len);
      else if (len < 0 && (errno == EAGAIN || errno == EINTR))
        break;
      else
        {
          inband->closed = TRUE;
          ask (inband, ibb_build_close (inband->sid), on_answered);
        }
    }
  if (transfer->run->inband == inband)
    set_source (&inband->readable, inband->open && !inband->closed && inband->under_way < UNDER_WAY, inband, G_IO_IN, on_readable);
}

/* In ------------------------------------------------------------------------------------------------------------- */

static void
answer_all (Inband *inband)
{
  for (guint i = 0; i < inband->unanswered->len; i++)
    session_send_element (inband->session, stanza_iq_result (g_ptr_array_index (inband->unanswered, i)));
  g_ptr_array_set_size (inband->unanswered, 0);
}

static gboolean on_writable (int fd, GIOCondition condition, gpointer user_data);

/* To the thread, as much as it takes. */
static void
drain (Inband *inband)
{
  while (inband->waiting->len > 0)
    {
      gssize len = send (inband->fd, inband->waiting->data, inband->waiting->len, MSG_NOSIGNAL | MSG_DONTWAIT);

      if (len < 0 && errno != EINTR)
        break;
      if (len > 0)
        g_byte_array_remove_range (inband->waiting, 0, (guint) len);
    }
  if (inband->waiting->len == 0 || errno != EAGAIN)
    answer_all (inband);
  set_source (&inband->writable, inband->waiting->len > 0 && errno == EAGAIN, inband, G_IO_OUT, on_writable);
}

static gboolean
on_writable (int fd, GIOCondition condition, gpointer user_data)
{
  drain (user_data);
  return G_SOURCE_CONTINUE;
}

/* NULL: it is answered when the thread has it. */
static const char *
take_block (Inband *inband, const Ibb *data, const Node *iq)
{
  const char *condition;

  if (!inband->open || inband->unanswered->len > 2 * UNDER_WAY)
    return "unexpected-request";
  if (!ibb_order_take (&inband->order, data, &condition))
    return condition;
  g_byte_array_append (inband->waiting, data->data, (guint) data->len);
  g_ptr_array_add (inband->unanswered, node_copy (iq));
  drain (inband);
  return NULL;
}

static Inband *
find (Messenger *messenger, Session *session, const char *sid)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Inband *inband = ((Transfer *) g_ptr_array_index (messenger->transfers, i))->run->inband;

      if (inband != NULL && inband->session == session && g_strcmp0 (inband->sid, sid) == 0)
        return inband;
    }
  return NULL;
}

static void
refuse (Inband *inband, const Node *iq, const char *condition)
{
  session_send_element (inband->session, stanza_error (iq, "cancel", condition));
  inband_drop (inband->transfer);
}

gboolean
inband_receive (Messenger *messenger, Session *session, const Node *iq)
{
  g_autoptr (Ibb) ibb = ibb_parse (node_first_element (iq));
  Inband *inband = ibb != NULL ? find (messenger, session, ibb->sid) : NULL;
  const char *condition = NULL;

  if (inband == NULL)
    return FALSE;
  if (ibb->kind == IBB_DATA)
    {
      condition = take_block (inband, ibb, iq);
      if (condition != NULL)
        refuse (inband, iq, condition);
      return TRUE;
    }
  session_send_element (session, stanza_iq_result (iq));
  if (ibb->kind == IBB_OPEN)
    {
      inband->open = TRUE;
      pump (inband);
    }
  else
    {
      drain (inband);
      shutdown (inband->fd, SHUT_WR);
    }
  return TRUE;
}

void
inband_begin (Transfer *transfer, Session *session, const char *sid, guint block_size, gboolean opens)
{
  Inband *inband;
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
    {
      transfer_retry_later (transfer);
      return;
    }
  inband = g_new0 (Inband, 1);
  inband->transfer = transfer;
  inband->session = session;
  inband->sid = g_strdup (sid);
  inband->block = MIN (block_size, BLOCK);
  inband->order.block_size = block_size;
  inband->fd = fds[0];
  inband->waiting = g_byte_array_new ();
  inband->unanswered = g_ptr_array_new_with_free_func ((GDestroyNotify) node_free);
  transfer->run->inband = inband;
  if (opens)
    ask (inband, ibb_build_open (sid, inband->block), on_answered);
  carrier_start (transfer, byte_link_new (fds[1], NULL, NULL, NULL));
}
