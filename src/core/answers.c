/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/limits.h"
#include "core/legacy.h"
#include "core/transfers-private.h"
#include "transfer/reason.h"
#include "xmpp/ns.h"

/* What the peer says about transfers: an offer, the answer to one of ours, the end, a pause, another way for the bytes. Each is a request, and the
 * answer to it is NULL for a result, or the condition of an error. */

/* Offers of one peer that the user never said yes to count as long as they are shown, however they ended: else it could make as many as it
 * likes, one after the other. */
static gboolean
has_room_for (Messenger *messenger, const Peer *peer)
{
  guint all = 0, unwanted = 0;

  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      const Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->peer != peer || transfer->row->direction != DIRECTION_IN)
        continue;
      all++;
      unwanted += !transfer_has_flag (transfer, TRANSFER_ACCEPTED);
    }
  return unwanted < LIMIT_OFFERS_PER_PEER && all < LIMIT_TRANSFERS_PER_PEER && messenger->transfers->len < LIMIT_TRANSFERS;
}

/* More than the user takes of that peer in a day, in all. */
static gboolean
is_over_quota (const Transfer *transfer)
{
  gint64 quota = transfer->peer->row->quota;

  gint64 today = transfers_taken (transfer->run->messenger->db, transfer->row->peer, g_get_real_time () - G_TIME_SPAN_DAY);

  return quota > 0 && (transfer->row->size < 0 || transfer->row->size > quota - today);
}

/* Nobody has to be asked. */
static gboolean
is_automatic (const Transfer *transfer)
{
  const PeerRow *row = transfer->peer->row;

  if (row->files != FILES_AUTO || !peer_is_pinned (transfer->peer) || row->trust == TRUST_MISMATCH || transfer_has_flag (transfer, TRANSFER_LEGACY))
    return FALSE;
  return row->files_limit == 0 || (transfer->row->size >= 0 && transfer->row->size <= row->files_limit);
}

static void
ask_agent (const GError *error, gpointer data)
{
  Transfer *transfer = transfer_deref (data);

  if (error == NULL && transfer != NULL && transfer->row->state == TRANSFER_OFFERED && transfer->run->messenger->ask != NULL)
    transfer->run->messenger->ask (transfer, transfer->run->messenger->ask_data);
}

void
answers_decide (Transfer *transfer)
{
  Messenger *messenger = transfer->run->messenger;
  TransferTarget nowhere = { NULL, -1, -1 };
  g_autoptr (GError) error = NULL;

  if (is_over_quota (transfer))
    transfer_give_up (transfer, TRANSFER_REJECTED, REASON_QUOTA);
  else if (transfer->peer->row->files == FILES_NEVER)
    transfer_give_up (transfer, TRANSFER_REJECTED, REASON_DECLINED);
  else if (is_automatic (transfer))
    {
      if (transfers_accept (messenger, transfer, &nowhere, &error))
        return;
      g_warning ("transfer %" G_GUINT64_FORMAT " is not taken: %s", transfer->row->id, error->message);
    }
  turn_after (messenger->turn, ask_agent, transfer_ref (transfer));
}

static void
take_description (Transfer *transfer, const Jingle *jingle)
{
  TransferRow *row = transfer->row;

  row->size = jingle->size;
  transfer->tops = jingle->tops;
  row->files = jingle->n_files;
  row->entries = jingle->entries;
  g_ptr_array_set_size (transfer->files, 0);
  for (guint i = 0; i < jingle->files->len; i++)
    {
      const JingleFile *file = g_ptr_array_index (jingle->files, i);

      transfer_add_file (transfer, file->name, file->size, file->mtime, file->folder);
    }
  if (!transfer_has_flag (transfer, TRANSFER_BEGUN)) /* else what came of it already is in a folder of that name */
    {
      g_free (row->name);
      row->name = transfer_name_of (jingle->files->len > 0 ? ((JingleFile *) g_ptr_array_index (jingle->files, 0))->name : "files", jingle->tops);
    }
  transfer_set_flag (transfer, TRANSFER_PIPE, jingle->size < 0);
  transfer_pack_files (transfer);
}

static Transfer *
make_incoming (Messenger *messenger, Peer *peer, const Jingle *jingle, guint flags)
{
  TransferRow *row = transfer_row_new ();
  Transfer *transfer;

  row->peer = peer->row->id;
  row->direction = DIRECTION_IN;
  row->state = TRANSFER_OFFERED;
  row->sid = g_strdup (jingle->sid);
  row->flags = flags;
  row->created = row->changed = g_get_real_time ();
  row->expires = row->created + (gint64) LIMIT_EXPIRE_S * G_USEC_PER_SEC;
  row->name = g_strdup ("");
  if (!transfers_save (messenger->db, row, NULL))
    {
      transfer_row_free (row);
      return NULL;
    }
  transfer = transfer_new (messenger, row, peer);
  take_description (transfer, jingle);
  transfer_save (transfer);
  transfer->run->is_new = TRUE;
  transfer_changed (transfer, TRANSFER_CHANGED_STATE);
  transfers_set_expiry (messenger);
  return transfer;
}

Transfer *
answers_arrived (Messenger *messenger, Peer *peer, const Jingle *jingle, guint flags)
{
  if (!has_room_for (messenger, peer))
    return NULL;
  return make_incoming (messenger, peer, jingle, flags);
}

typedef const char *(*Handler) (Messenger *messenger, Session *session, const Jingle *jingle, Transfer *transfer);

static gboolean
has_file (const Transfer *transfer, const JingleFile *wanted)
{
  for (guint i = 0; i < transfer->files->len; i++)
    {
      const JingleFile *file = g_ptr_array_index (transfer->files, i);

      if (strcmp (file->name, wanted->name) == 0 && file->folder == wanted->folder)
        return TRUE;
    }
  return FALSE;
}

/* Sources may be gone when it is offered again, but none comes along: it is not what the user was shown. */
static gboolean
is_another (const Transfer *transfer, const Jingle *jingle)
{
  for (guint i = 0; i < jingle->files->len && transfer->tops <= transfer->files->len; i++)
    if (!has_file (transfer, g_ptr_array_index (jingle->files, i)))
      return TRUE;
  return FALSE;
}

/* What the user was shown does not cover what is offered now. */
static gboolean
is_more (const Transfer *transfer, const Jingle *jingle)
{
  return jingle->entries > transfer->row->entries || (transfer->row->size >= 0 && (jingle->size < 0 || jingle->size > transfer->row->size));
}

/* What they say shows that they do not know. */
static void
tell_again (Transfer *transfer)
{
  transfer_set_flag (transfer, TRANSFER_UNTOLD, TRUE);
  transfer_save (transfer);
  offer_tell (transfer);
}

static void
offered_again (Transfer *transfer, const Jingle *jingle)
{
  gboolean more = is_more (transfer, jingle);

  if (transfer_is_held (transfer)) /* looked at when it goes on: then they offer it again */
    {
      transfer->run->offered = FALSE;
      transfer_set_flag (transfer, TRANSFER_PAUSED_THERE, FALSE);
      tell_again (transfer);
      return;
    }
  if (is_another (transfer, jingle))
    {
      transfer_give_up (transfer, TRANSFER_FAILED, REASON_SOURCE_CHANGED);
      return;
    }
  if (transfer->run->task != NULL) /* they have no connection any more, and we do not know yet; goes on when it is over */
    {
      transfer->run->resumed = TRUE;
      byte_task_stop (transfer->run->task, REASON_CONNECTION_LOST);
    }
  take_description (transfer, jingle);
  transfer_changed (transfer, TRANSFER_CHANGED_OFFER);
  transfer_set_flag (transfer, TRANSFER_PAUSED_THERE | TRANSFER_UNTOLD, FALSE);
  if (more)
    transfer_set_flag (transfer, TRANSFER_ACCEPTED, FALSE);
  transfer_save (transfer);
  if (transfer_has_flag (transfer, TRANSFER_ACCEPTED))
    {
      transfer_set (transfer, TRANSFER_WAITING_PEER, NULL);
      offer_accept (transfer);
    }
  else if (more || transfer->row->state == TRANSFER_PAUSED)
    {
      transfer_set (transfer, TRANSFER_OFFERED, more ? REASON_SOURCE_CHANGED : NULL);
      answers_decide (transfer);
    }
}

static void
on_said (const Node *answer, gint64 rtt, gpointer user_data)
{
}

/* One that was over and is not shown any more is found in the database: they are told again. Where we died before they heard it, we may
 * have died before what it left was taken away, too. */
static gboolean
was_over (Messenger *messenger, Session *session, const Jingle *jingle)
{
  g_autoptr (TransferRow) row = transfers_by_sid (messenger->db, session_peer (session)->row->id, DIRECTION_IN, jingle->sid);

  if (row == NULL)
    return FALSE;
  offer_say_end (session, jingle->sid, row->reason, on_said, NULL);
  transfers_sweep (messenger, row);
  return TRUE;
}

static const char *
hear_initiate (Messenger *messenger, Session *session, const Jingle *jingle, Transfer *transfer)
{
  Peer *peer = session_peer (session);

  if (jingle->foreign || jingle->via != JINGLE_VIA_BYTES || !jingle->has_id)
    return "feature-not-implemented";
  if (transfer != NULL && transfer->row->direction != DIRECTION_IN)
    return "not-acceptable";
  if (transfer == NULL && was_over (messenger, session, jingle))
    return NULL;
  if (transfer == NULL)
    {
      transfer = answers_arrived (messenger, peer, jingle, 0);
      if (transfer == NULL)
        return "resource-constraint";
      memcpy (transfer->run->id, jingle->id, JINGLE_ID);
      transfer->run->offered = TRUE;
      answers_decide (transfer);
      return NULL;
    }
  memcpy (transfer->run->id, jingle->id, JINGLE_ID);
  transfer->run->offered = TRUE;
  transfer->run->id_open = FALSE;
  if (transfer_is_over (transfer))
    tell_again (transfer);
  else
    offered_again (transfer, jingle);
  return NULL;
}

static const char *
hear_accept (Messenger *messenger, Session *session, const Jingle *jingle, Transfer *transfer)
{
  if (transfer->row->direction != DIRECTION_OUT || !offer_is_due (transfer) || jingle->via != JINGLE_VIA_BYTES || !jingle->has_id
      || memcmp (jingle->id, transfer->run->id, JINGLE_ID) != 0)
    {
      if (transfer_is_held (transfer))
        tell_again (transfer);
      return "unexpected-request";
    }
  transfer_set_flag (transfer, TRANSFER_ACCEPTED, TRUE);
  transfer->run->id_open = TRUE;
  transfer_set (transfer, TRANSFER_WAITING_PEER, NULL);
  carrier_connect (transfer);
  return NULL;
}

static const char *
hear_terminate (Messenger *messenger, Session *session, const Jingle *jingle, Transfer *transfer)
{
  const char *condition = jingle->reason != NULL ? jingle->reason : "general-error";
  TransferState state = TRANSFER_FAILED;
  const char *fallback = REASON_PROTOCOL;

  transfer_set_flag (transfer, TRANSFER_UNTOLD, FALSE);
  if (transfer_is_over (transfer))
    {
      transfer_save (transfer);
      return NULL;
    }
  if (strcmp (condition, "decline") == 0)
    state = TRANSFER_REJECTED, fallback = REASON_DECLINED;
  else if (strcmp (condition, "cancel") == 0)
    state = TRANSFER_CANCELED, fallback = REASON_PEER_CANCELED;
  else if (strcmp (condition, "success") == 0 && transfer->row->direction == DIRECTION_OUT)
    state = TRANSFER_COMPLETE, fallback = REASON_NONE;
  transfer_set (transfer, state, *jingle->why != '\0' ? reason_from_peer (jingle->why, fallback) : fallback);
  return NULL;
}

void
answers_paused (Transfer *transfer, const char *reason)
{
  transfer_set_flag (transfer, TRANSFER_PAUSED_THERE, TRUE);
  transfer->run->offered = FALSE; /* they offer it again */
  if (transfer_is_held (transfer))
    {
      transfer_save (transfer);
      return;
    }
  transfer_stop_moving (transfer, REASON_PAUSED);
  transfer_set (transfer, TRANSFER_PAUSED, reason);
}

/* Who does not want it to go on says so again; else it goes on, and they know by that. */
static void
resume_by_peer (Transfer *transfer)
{
  TransferRun *run = transfer->run;
  gboolean was_paused = transfer_has_flag (transfer, TRANSFER_PAUSED_THERE);

  transfer_set_flag (transfer, TRANSFER_PAUSED_THERE, FALSE);
  if (transfer_is_held (transfer))
    {
      tell_again (transfer);
      return;
    }
  if (run->carrier != NULL && !was_paused)
    return;
  run->resumed = run->task != NULL; /* what it still says is over: they have no connection any more */
  if (run->resumed)
    byte_task_stop (run->task, REASON_CONNECTION_LOST);
  transfer_go_on (transfer);
}

static const char *
hear_info (Messenger *messenger, Session *session, const Jingle *jingle, Transfer *transfer)
{
  if (transfer_is_over (transfer))
    {
      tell_again (transfer);
      return NULL;
    }
  switch (jingle->says)
    {
    case JINGLE_SAYS_PAUSE:
      answers_paused (transfer, *jingle->why != '\0' ? reason_from_peer (jingle->why, REASON_PEER_PAUSED) : REASON_PEER_PAUSED);
      break;
    case JINGLE_SAYS_RESUME:
      resume_by_peer (transfer);
      break;
    case JINGLE_SAYS_CONNECT:
      if (transfer->row->direction != DIRECTION_IN || !transfer->run->id_open)
        return "unexpected-request";
      transfer->run->called_back = TRUE;
      carrier_connect (transfer);
      break;
    case JINGLE_SAYS_RECEIVED:
    case JINGLE_SAYS_NOTHING:
      break;
    }
  return NULL;
}

static const char *
hear_replace (Messenger *messenger, Session *session, const Jingle *jingle, Transfer *transfer)
{
  if (transfer->row->direction != DIRECTION_OUT || transfer->row->state != TRANSFER_WAITING_PEER || jingle->via != JINGLE_VIA_INBAND
      || transfer->run->task != NULL)
    return "unexpected-request";
  offer_agree (transfer, jingle);
  carrier_drop (transfer);
  transfer->run->id_open = FALSE;
  inband_begin (transfer, session, jingle->inband_sid, jingle->block_size, TRUE);
  return NULL;
}

static const char *
hear_transport_accept (Messenger *messenger, Session *session, const Jingle *jingle, Transfer *transfer)
{
  if (transfer->row->direction != DIRECTION_IN || transfer->row->state != TRANSFER_WAITING_PEER || jingle->via != JINGLE_VIA_INBAND
      || transfer->run->task != NULL || !transfer->run->id_open)
    return "unexpected-request";
  carrier_drop (transfer);
  transfer->run->id_open = FALSE;
  inband_begin (transfer, session, jingle->inband_sid, jingle->block_size, FALSE);
  return NULL;
}

static const char *
hear (Messenger *messenger, Session *session, const Jingle *jingle)
{
  static const Handler handlers[] = {
    [JINGLE_INITIATE] = hear_initiate,   [JINGLE_ACCEPT] = hear_accept,
    [JINGLE_TERMINATE] = hear_terminate, [JINGLE_INFO] = hear_info,
    [JINGLE_TRANSPORT_REPLACE] = hear_replace, [JINGLE_TRANSPORT_ACCEPT] = hear_transport_accept,
    [JINGLE_OTHER] = NULL,
  };
  Transfer *transfer = NULL;

  if (jingle == NULL)
    return "bad-request";
  if (handlers[jingle->action] == NULL)
    return "feature-not-implemented";
  transfer = transfer_with_sid (messenger, session_peer (session), jingle->sid);
  if (transfer == NULL && jingle->action == JINGLE_INFO && was_over (messenger, session, jingle))
    return NULL;
  if (transfer == NULL && jingle->action != JINGLE_INITIATE)
    return "item-not-found";
  return handlers[jingle->action](messenger, session, jingle, transfer);
}

gboolean
answers_receive (Messenger *messenger, Session *session, const Node *iq)
{
  const Node *child = node_first_element (iq);
  g_autoptr (Jingle) jingle = NULL;
  const char *condition;

  if (child == NULL || session_peer (session) == NULL)
    return FALSE;
  if (!session_is_secure (session))
    return legacy_request (messenger, session, iq);
  if (g_strcmp0 (child->ns, NS_IBB) == 0)
    return inband_receive (messenger, session, iq);
  if (!node_is (child, "jingle", NS_JINGLE))
    return FALSE;
  jingle = jingle_parse (child);
  condition = hear (messenger, session, jingle);
  session_send_element (session, condition == NULL ? stanza_iq_result (iq) : stanza_error (iq, "cancel", condition));
  return TRUE;
}
