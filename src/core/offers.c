/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sodium.h>
#include <string.h>

#include "base/limits.h"
#include "core/legacy.h"
#include "core/transfers-private.h"
#include "net/deadline.h"
#include "transfer/reason.h"
#include "xmpp/ns.h"

/* What is said about transfers on the peer's stream (hearby-protocol(7), files): Jingle, each element a request that is answered.
 *
 * An offer is repeated whenever bytes have to go on: after a cut, a restart, a pause. It then has the same sid and another id, and the
 * receiver who said yes once says so again at once. So there is one way for the first time and for all others. */

/* Saying --------------------------------------------------------------------------------------------------------- */

typedef struct
{
  Messenger *messenger;
  guint64    id;
} Asked;

static gboolean
can_say (const Transfer *transfer)
{
  const Session *session = transfer->peer->session;

  return session != NULL && session_is_secure (transfer->peer->session) && !transfer_has_flag (transfer, TRANSFER_LEGACY);
}

static void
say (Transfer *transfer, Jingle *jingle, RequestDone done)
{
  Asked *asked = g_new (Asked, 1);

  *asked = (Asked){ transfer->run->messenger, transfer->row->id };
  if (jingle->initiator == NULL && jingle->action == JINGLE_INITIATE)
    jingle->initiator = g_strdup (session_own (transfer->peer->session));
  session_request (transfer->peer->session, "set", jingle_build (jingle), done, asked);
}

/* NULL: it is not there any more. */
static Transfer *
asked_transfer (gpointer user_data)
{
  g_autofree Asked *asked = user_data;

  return transfers_find (asked->messenger, asked->id);
}

static void
on_said (const Node *answer, gint64 rtt, gpointer user_data)
{
  asked_transfer (user_data);
}

static gboolean
is_error (const Node *answer, const char *condition)
{
  const Node *error = node_child (answer, "error", NULL);

  return g_strcmp0 (node_get (answer, "type"), "error") == 0 && (condition == NULL || (error != NULL && node_child (error, condition, NULL) != NULL));
}

/* What they do not know of they will not go on with. */
static void
on_informed (const Node *answer, gint64 rtt, gpointer user_data)
{
  Transfer *transfer = asked_transfer (user_data);

  if (transfer != NULL && answer != NULL && is_error (answer, "item-not-found") && transfer->row->state != TRANSFER_OFFERED)
    transfer_set (transfer, TRANSFER_CANCELED, REASON_PEER_CANCELED);
}

static gboolean
is_refused_for_good (const Node *answer)
{
  static const char *const conditions[] = { "service-unavailable", "feature-not-implemented", "bad-request", "not-acceptable" };

  for (guint i = 0; i < G_N_ELEMENTS (conditions); i++)
    if (is_error (answer, conditions[i]))
      return TRUE;
  return FALSE;
}

static void
on_offered (const Node *answer, gint64 rtt, gpointer user_data)
{
  Transfer *transfer = asked_transfer (user_data);

  if (transfer == NULL || transfer_is_over (transfer))
    return;
  if (answer != NULL && is_refused_for_good (answer))
    transfer_set (transfer, TRANSFER_FAILED, REASON_NOT_SUPPORTED);
  else if (answer == NULL || is_error (answer, NULL))
    transfer_retry_later (transfer); /* it has too many offers already, or the stream broke */
  else if (transfer->row->state == TRANSFER_QUEUED)
    transfer_set (transfer, TRANSFER_OFFERED, NULL);
}

static Jingle *
describe (const Transfer *transfer)
{
  Jingle *jingle = jingle_new (JINGLE_INITIATE, transfer->row->sid);

  for (guint i = 0; i < transfer->files->len; i++)
    {
      const JingleFile *file = g_ptr_array_index (transfer->files, i);

      jingle_add_file (jingle, file->name, file->size, file->mtime, file->folder);
    }
  jingle->name = g_strdup ("files");
  jingle->tops = transfer->tops;
  jingle->entries = transfer->row->entries;
  jingle->n_files = transfer->row->files;
  jingle->size = transfer->row->size;
  return jingle;
}

static void
set_via (Jingle *jingle, const Transfer *transfer)
{
  jingle->via = JINGLE_VIA_BYTES;
  jingle->has_id = TRUE;
  memcpy (jingle->id, transfer->run->id, JINGLE_ID);
}

static gboolean
wants_offer (const Transfer *transfer)
{
  const TransferRun *run = transfer->run;

  if (transfer->row->direction != DIRECTION_OUT || run->scan != NULL || run->task != NULL || run->carrier != NULL || run->inband != NULL)
    return FALSE;
  return transfer->row->state == TRANSFER_QUEUED || transfer->row->state == TRANSFER_OFFERED || transfer->row->state == TRANSFER_WAITING_PEER;
}

void
offer_make (Transfer *transfer)
{
  TransferRun *run = transfer->run;
  g_autoptr (Jingle) jingle = NULL;

  if (transfer_has_flag (transfer, TRANSFER_LEGACY) && run->legacy == NULL && transfer->peer->session != NULL
      && session_is_secure (transfer->peer->session))
    transfer_set_flag (transfer, TRANSFER_LEGACY, FALSE); /* it has learnt to encrypt meanwhile */
  if (transfer_has_flag (transfer, TRANSFER_LEGACY))
    {
      legacy_send_offer (transfer);
      return;
    }
  if (!wants_offer (transfer) || !can_say (transfer) || run->told_on == transfer->peer->session)
    return;
  if (transfer->peer->capabilities_known && !(transfer->peer->capabilities & CAPABILITY_FILES))
    {
      transfer_set (transfer, TRANSFER_FAILED, REASON_NOT_SUPPORTED);
      return;
    }
  if (run->stale)
    {
      run->stale = FALSE;
      transfer_scan (transfer); /* comes back here */
      return;
    }
  run->told_on = transfer->peer->session;
  run->called_back = run->id_open = FALSE;
  deadline_drop (&run->retry);
  randombytes_buf (run->id, sizeof run->id);
  jingle = describe (transfer);
  set_via (jingle, transfer);
  say (transfer, jingle, on_offered);
}

void
offer_accept (Transfer *transfer)
{
  g_autoptr (Jingle) jingle = NULL;
  TransferRun *run = transfer->run;

  if (transfer_has_flag (transfer, TRANSFER_LEGACY))
    {
      legacy_receive_accept (transfer);
      return;
    }
  if (run->task != NULL || !transfer_has_flag (transfer, TRANSFER_ACCEPTED))
    return;
  if (transfer_has_flag (transfer, TRANSFER_PAUSED_HERE))
    {
      offer_inform (transfer, JINGLE_SAYS_PAUSE, REASON_PAUSED);
      return;
    }
  if (!can_say (transfer) || !run->offered)
    {
      transfers_count_moving (run->messenger, transfer->peer); /* with the next stream they offer it again */
      return;
    }
  run->offered = FALSE;
  run->id_open = TRUE;
  run->called_back = FALSE;
  jingle = jingle_new (JINGLE_ACCEPT, transfer->row->sid);
  jingle->name = g_strdup ("files");
  set_via (jingle, transfer);
  say (transfer, jingle, on_said);
}

static void
on_terminated (const Node *answer, gint64 rtt, gpointer user_data)
{
  Transfer *transfer = asked_transfer (user_data);

  if (transfer == NULL || answer == NULL || !transfer_has_flag (transfer, TRANSFER_UNTOLD))
    return;
  transfer_set_flag (transfer, TRANSFER_UNTOLD, FALSE); /* an error: it does not know of it, which is as good */
  transfer_save (transfer);
  transfers_count_moving (transfer->run->messenger, transfer->peer);
}

void
offer_terminate (Transfer *transfer)
{
  g_autoptr (Jingle) jingle = NULL;

  if (transfer_has_flag (transfer, TRANSFER_LEGACY))
    {
      legacy_terminate (transfer);
      return;
    }
  if (!can_say (transfer))
    return;
  jingle = jingle_new (JINGLE_TERMINATE, transfer->row->sid);
  jingle->why = transfer->row->reason != NULL ? transfer->row->reason : REASON_NONE;
  jingle->reason = jingle_condition (jingle->why);
  say (transfer, jingle, on_terminated);
}

void
offer_inform (Transfer *transfer, JingleSays says, const char *why)
{
  g_autoptr (Jingle) jingle = NULL;

  if (!can_say (transfer))
    return;
  jingle = jingle_new (JINGLE_INFO, transfer->row->sid);
  jingle->says = says;
  jingle->why = why != NULL ? why : REASON_NONE;
  say (transfer, jingle, on_informed);
}

void
offer_fall_back (Transfer *transfer)
{
  g_autoptr (Jingle) jingle = NULL;

  if (!can_say (transfer))
    return;
  jingle = jingle_new (JINGLE_TRANSPORT_REPLACE, transfer->row->sid);
  jingle->name = g_strdup ("files");
  jingle->via = JINGLE_VIA_INBAND;
  jingle->block_size = LIMIT_INBAND_BLOCK;
  jingle->inband_sid = g_uuid_string_random ();
  say (transfer, jingle, on_said);
}

/* Hearing -------------------------------------------------------------------------------------------------------- */

static guint
count_offers (Messenger *messenger, const Peer *peer)
{
  guint n = 0;

  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      const Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      n += transfer->peer == peer && transfer->row->direction == DIRECTION_IN && transfer->row->state == TRANSFER_OFFERED;
    }
  return n;
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
  Transfer *transfer = error == NULL ? asked_transfer (data) : NULL;

  if (error != NULL)
    g_free (data);
  if (transfer != NULL && transfer->row->state == TRANSFER_OFFERED && transfer->run->messenger->ask != NULL)
    transfer->run->messenger->ask (transfer, transfer->run->messenger->ask_data);
}

void
offer_decide (Transfer *transfer)
{
  Messenger *messenger = transfer->run->messenger;
  TransferTarget nowhere = { NULL, -1, -1 };
  g_autoptr (GError) error = NULL;
  Asked *asked;

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
  asked = g_new (Asked, 1);
  *asked = (Asked){ messenger, transfer->row->id };
  turn_after (messenger->turn, ask_agent, asked);
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
  g_free (row->name);
  row->name = transfer_name_of (jingle->files->len > 0 ? ((JingleFile *) g_ptr_array_index (jingle->files, 0))->name : "files", jingle->tops);
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
offer_arrived (Messenger *messenger, Peer *peer, const Jingle *jingle, guint flags)
{
  if (count_offers (messenger, peer) >= LIMIT_OFFERS_PER_PEER || messenger->transfers->len >= LIMIT_TRANSFERS)
    return NULL;
  return make_incoming (messenger, peer, jingle, flags);
}

/* The answer to a request: NULL for a result, or the condition of an error. */
typedef const char *(*Handler) (Messenger *messenger, Session *session, const Jingle *jingle, Transfer *transfer);

/* What was accepted does not cover what is offered now. */
static gboolean
is_more (const Transfer *transfer, const Jingle *jingle)
{
  return jingle->entries > transfer->row->entries || (transfer->row->size >= 0 && (jingle->size < 0 || jingle->size > transfer->row->size));
}

static void
offered_again (Transfer *transfer, const Jingle *jingle)
{
  gboolean more = is_more (transfer, jingle);

  if (transfer->run->task != NULL) /* they have no connection any more, and we do not know yet; goes on when it is over */
    {
      transfer->run->resumed = TRUE;
      byte_task_stop (transfer->run->task, REASON_CONNECTION_LOST);
    }
  take_description (transfer, jingle);
  transfer_set_flag (transfer, TRANSFER_PAUSED_THERE, FALSE);
  if (more && transfer_has_flag (transfer, TRANSFER_ACCEPTED))
    {
      transfer_set_flag (transfer, TRANSFER_ACCEPTED, FALSE);
      transfer_set (transfer, TRANSFER_OFFERED, REASON_SOURCE_CHANGED);
      offer_decide (transfer);
      return;
    }
  transfer_save (transfer);
  if (transfer->row->state == TRANSFER_PAUSED && g_strcmp0 (transfer->row->reason, REASON_NO_SPACE) == 0)
    offer_inform (transfer, JINGLE_SAYS_PAUSE, REASON_NO_SPACE);
  else if (transfer_has_flag (transfer, TRANSFER_ACCEPTED))
    {
      if (!transfer_has_flag (transfer, TRANSFER_PAUSED_HERE))
        transfer_set (transfer, TRANSFER_WAITING_PEER, NULL);
      offer_accept (transfer);
    }
}

/* One that was over and is not shown any more is found in the database. */
static gboolean
was_over (Messenger *messenger, Session *session, const Jingle *jingle)
{
  g_autoptr (TransferRow) row = transfers_by_sid (messenger->db, session_peer (session)->row->id, DIRECTION_IN, jingle->sid);
  g_autoptr (Jingle) end = NULL;
  Asked *nobody;

  if (row == NULL)
    return FALSE;
  end = jingle_new (JINGLE_TERMINATE, jingle->sid);
  end->why = row->reason != NULL ? row->reason : REASON_NONE;
  end->reason = jingle_condition (end->why);
  nobody = g_new (Asked, 1);
  *nobody = (Asked){ messenger, 0 };
  session_request (session, "set", jingle_build (end), on_said, nobody);
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
      transfer = offer_arrived (messenger, peer, jingle, 0);
      if (transfer == NULL)
        return "resource-constraint";
      memcpy (transfer->run->id, jingle->id, JINGLE_ID);
      transfer->run->offered = TRUE;
      offer_decide (transfer);
      return NULL;
    }
  memcpy (transfer->run->id, jingle->id, JINGLE_ID);
  transfer->run->offered = TRUE;
  transfer->run->id_open = FALSE;
  if (transfer_is_over (transfer))
    offer_terminate (transfer);
  else
    offered_again (transfer, jingle);
  return NULL;
}

static const char *
hear_accept (Messenger *messenger, Session *session, const Jingle *jingle, Transfer *transfer)
{
  if (transfer->row->direction != DIRECTION_OUT || !wants_offer (transfer) || jingle->via != JINGLE_VIA_BYTES || !jingle->has_id
      || memcmp (jingle->id, transfer->run->id, JINGLE_ID) != 0)
    return "unexpected-request";
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

  if (transfer_is_over (transfer))
    {
      transfer_set_flag (transfer, TRANSFER_UNTOLD, FALSE);
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

static void
pause_by_peer (Transfer *transfer, const char *why)
{
  transfer_set_flag (transfer, TRANSFER_PAUSED_THERE, TRUE);
  transfer_stop_moving (transfer, REASON_PAUSED);
  if (!transfer_has_flag (transfer, TRANSFER_PAUSED_HERE))
    transfer_set (transfer, TRANSFER_PAUSED, *why != '\0' ? reason_from_peer (why, REASON_PEER_PAUSED) : REASON_PEER_PAUSED);
  else
    transfer_save (transfer);
}

static void
resume_by_peer (Transfer *transfer)
{
  gboolean paused = transfer_has_flag (transfer, TRANSFER_PAUSED_THERE);

  transfer_set_flag (transfer, TRANSFER_PAUSED_THERE, FALSE);
  if (transfer_has_flag (transfer, TRANSFER_PAUSED_HERE))
    transfer_save (transfer);
  else if (transfer->row->direction == DIRECTION_OUT && transfer->run->carrier == NULL)
    {
      transfer->run->resumed = transfer->run->task != NULL; /* what it still says is over: they have no connection any more */
      if (transfer->run->resumed)
        byte_task_stop (transfer->run->task, REASON_CONNECTION_LOST);
      if (paused)
        transfer->run->told_on = NULL;
      transfer_go_on (transfer);
    }
}

static const char *
hear_info (Messenger *messenger, Session *session, const Jingle *jingle, Transfer *transfer)
{
  if (transfer_is_over (transfer))
    return "item-not-found";
  switch (jingle->says)
    {
    case JINGLE_SAYS_PAUSE:
      pause_by_peer (transfer, jingle->why);
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
  g_autoptr (Jingle) answer = NULL;

  if (transfer->row->direction != DIRECTION_OUT || transfer->row->state != TRANSFER_WAITING_PEER || jingle->via != JINGLE_VIA_INBAND
      || transfer->run->task != NULL)
    return "unexpected-request";
  answer = jingle_new (JINGLE_TRANSPORT_ACCEPT, jingle->sid);
  answer->name = g_strdup ("files");
  answer->via = JINGLE_VIA_INBAND;
  answer->block_size = jingle->block_size;
  answer->inband_sid = g_strdup (jingle->inband_sid);
  say (transfer, answer, on_said);
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
  if (transfer == NULL && jingle->action != JINGLE_INITIATE)
    return "item-not-found";
  return handlers[jingle->action](messenger, session, jingle, transfer);
}

gboolean
offers_receive (Messenger *messenger, Session *session, const Node *iq)
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

/* Streams come and go ------------------------------------------------------------------------------------------- */

/* One that they offer, and about which we said yes or go on: they may not know that it can go on. */
static void
remind (Transfer *transfer)
{
  if (transfer->run->told_on == transfer->peer->session || transfer->run->task != NULL)
    return;
  transfer->run->told_on = transfer->peer->session;
  offer_inform (transfer, transfer->row->state == TRANSFER_PAUSED ? JINGLE_SAYS_PAUSE : JINGLE_SAYS_RESUME, transfer->row->reason);
}

void
offers_pump (Messenger *messenger, Peer *peer)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->peer != peer || peer->session == NULL)
        continue;
      if (transfer_has_flag (transfer, TRANSFER_UNTOLD) && transfer->run->told_on != peer->session)
        {
          transfer->run->told_on = peer->session;
          offer_terminate (transfer);
        }
      else if (transfer->row->direction == DIRECTION_OUT)
        offer_make (transfer);
      else if (transfer_has_flag (transfer, TRANSFER_LEGACY))
        legacy_receive_accept (transfer);
      else if (transfer->row->state == TRANSFER_WAITING_PEER)
        remind (transfer);
    }
  transfers_count_moving (messenger, peer);
}

void
offers_ended (Messenger *messenger, Session *session)
{
  legacy_ended (messenger, session);
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->run->told_on == session)
        transfer->run->told_on = NULL;
      if (transfer->run->inband != NULL && inband_session (transfer->run->inband) == session)
        inband_drop (transfer);
    }
}
