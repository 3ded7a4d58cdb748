/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>

#include "base/limits.h"
#include "core/legacy.h"
#include "net/deadline.h"
#include "transfer/reason.h"

/* The connection that the bytes take, and the thread that moves them. The sender connects; where that fails the receiver does; where that
 * fails too they go within the stream. Whoever holds the other end has to hold the peer's key and to know the newest offer's id, which
 * counts once. */

static const char *
end_reason (const Transfer *transfer, guint64 n_failures)
{
  if (n_failures > 0)
    return REASON_PARTIAL;
  return transfer_has_flag (transfer, TRANSFER_RESTARTED) ? REASON_RESTARTED : NULL;
}

/* What the thread says ------------------------------------------------------------------------------------------- */

void
carrier_take_outcome (Transfer *transfer, const ByteOutcome *outcome)
{
  if (outcome->phase != BYTE_PHASE_COMPARING)
    transfer->row->transferred = (gint64) outcome->bytes;
  if (outcome->restarted)
    transfer_set_flag (transfer, TRANSFER_RESTARTED, TRUE);
  g_free (transfer->text);
  transfer->text = g_strdup (outcome->text);
  if (outcome->failures != NULL && outcome->failures->len > 0)
    {
      g_ptr_array_set_size (transfer->failures, transfer->run->scan_failures);
      transfer_add_failures (transfer, outcome->failures);
    }
  if (!transfer_is_over (transfer)) /* the last values were told */
    transfer_changed (transfer, TRANSFER_CHANGED_PROGRESS);
}

static void
confirm (const GError *error, gpointer data)
{
  Transfer *transfer = transfer_deref (data);

  if (transfer == NULL || transfer->run->task == NULL)
    return;
  if (error != NULL) /* it is all there, only that could not be written down; should we end now they send it once more */
    g_warning ("transfer %" G_GUINT64_FORMAT " is complete, which could not be stored: %s", transfer->row->id, error->message);
  byte_task_confirm (transfer->run->task);
}

/* A pipe is as long as what came out of it. */
static void
know_size (Transfer *transfer)
{
  if (transfer->row->size < 0)
    transfer->row->size = transfer->row->transferred;
}

void
carrier_landed (Transfer *transfer, const ByteOutcome *outcome)
{
  g_autoptr (GStrvBuilder) paths = g_strv_builder_new ();

  for (guint i = 0; outcome->paths != NULL && i < outcome->paths->len && i < LIMIT_TRANSFER_FAILURES; i++)
    {
      g_autofree char *path = transfer->row->folder != NULL
                                  ? g_build_filename (transfer->row->folder, g_ptr_array_index (outcome->paths, i), NULL)
                                  : g_strdup (g_ptr_array_index (outcome->paths, i));

      g_strv_builder_add (paths, path);
    }
  g_strfreev (transfer->paths);
  transfer->paths = g_strv_builder_end (paths);
  transfer_pack_result (transfer);
  transfer->run->landed = TRUE;
  know_size (transfer);
  transfer_set (transfer, TRANSFER_COMPLETE, end_reason (transfer, outcome->n_failures));
  turn_after (transfer->run->messenger->turn, confirm, transfer_ref (transfer));
}

/* It goes on with another connection, if it can. */
static void
on_cut (Transfer *transfer, const ByteOutcome *outcome)
{
  if (transfer_has_flag (transfer, TRANSFER_PIPE | TRANSFER_ONCE))
    {
      transfer_give_up (transfer, TRANSFER_FAILED, outcome->reason);
      return;
    }
  if (outcome->wire > 0)
    transfer->run->retry_s = 0;
  transfer->run->stale = TRUE;
  if (transfer->row->state == TRANSFER_PAUSED) /* meanwhile */
    return;
  transfer_set (transfer, TRANSFER_WAITING_PEER, outcome->reason);
  if (transfer->row->direction == DIRECTION_OUT)
    transfer_retry_later (transfer);
}

/* Stopped by us: another state was set before, or they offered it again because they lost the connection. */
static void
settle (Transfer *transfer)
{
  TransferRun *run = transfer->run;

  if (transfer_is_moving (transfer))
    transfer_set (transfer, TRANSFER_WAITING_PEER, REASON_CONNECTION_LOST);
  if (transfer->row->state != TRANSFER_WAITING_PEER)
    return;
  run->stale = TRUE;
  if (transfer->row->direction == DIRECTION_IN)
    offer_accept (transfer);
  else
    offer_make (transfer);
}

static void
on_peer_stopped (Transfer *transfer, const ByteOutcome *outcome)
{
  const char *reason = outcome->reason; /* as we mean it */

  if (strcmp (reason, REASON_PEER_PAUSED) == 0 || strcmp (reason, REASON_PEER_NO_SPACE) == 0)
    answers_paused (transfer, reason);
  else if (strcmp (reason, REASON_CONNECTION_LOST) == 0)
    on_cut (transfer, outcome);
  else
    {
      transfer_set_flag (transfer, TRANSFER_UNTOLD, FALSE);
      transfer_set (transfer, strcmp (reason, REASON_PEER_CANCELED) == 0 ? TRANSFER_CANCELED : TRANSFER_FAILED, reason);
    }
}

/* What failed of a single file says more than that something did. */
static const char *
failure_of (const Transfer *transfer, const ByteOutcome *outcome)
{
  if (transfer->row->entries == 1 && outcome->failures != NULL && outcome->failures->len == 1)
    return ((ByteFailure *) g_ptr_array_index (outcome->failures, 0))->reason;
  return outcome->reason;
}

static void
on_no_space (Transfer *transfer)
{
  if (transfer->row->state == TRANSFER_PAUSED) /* meanwhile: it is found out again */
    return;
  transfer_set_flag (transfer, TRANSFER_UNTOLD, TRUE);
  transfer_set (transfer, TRANSFER_PAUSED, REASON_NO_SPACE);
  transfer_retry_later (transfer);
  offer_tell (transfer);
}

static void
take_end (Transfer *transfer, const ByteOutcome *outcome)
{
  switch (outcome->end)
    {
    case BYTE_END_LANDED:
      break;
    case BYTE_END_DONE:
      know_size (transfer);
      transfer_pack_result (transfer);
      transfer_set_flag (transfer, TRANSFER_UNTOLD, FALSE);
      transfer_set (transfer, TRANSFER_COMPLETE, end_reason (transfer, transfer->failures->len));
      break;
    case BYTE_END_CUT:
      on_cut (transfer, outcome);
      break;
    case BYTE_END_STOPPED:
      settle (transfer);
      break;
    case BYTE_END_PEER_STOPPED:
      on_peer_stopped (transfer, outcome);
      break;
    case BYTE_END_NO_SPACE:
      on_no_space (transfer);
      break;
    case BYTE_END_FAILED:
      transfer_give_up (transfer, TRANSFER_FAILED, failure_of (transfer, outcome));
      break;
    }
}

static void
take_outcome (Transfer *transfer, const ByteOutcome *outcome)
{
  TransferRun *run = transfer->run;
  g_autoptr (ByteTask) ended = NULL;

  if (transfer_is_over (transfer) && !run->landed) /* canceled meanwhile */
    {
      g_clear_pointer (&run->task, byte_task_free);
      transfer_clean_up (transfer);
      return;
    }
  carrier_take_outcome (transfer, outcome);
  if (outcome->end == BYTE_END_LANDED)
    {
      carrier_landed (transfer, outcome);
      return;
    }
  ended = g_steal_pointer (&run->task); /* @outcome is its */
  inband_drop (transfer);
  if (transfer_is_over (transfer)) /* it had landed */
    {
      run->landed = outcome->end != BYTE_END_DONE; /* the folder for its parts is still there */
      transfer_clean_up (transfer);
      transfer_set_flag (transfer, TRANSFER_UNTOLD, run->landed);
      offer_tell (transfer); /* who paused it just then does not offer it again, which would show it */
      return;
    }
  if (run->resumed && (outcome->end == BYTE_END_CUT || outcome->end == BYTE_END_PEER_STOPPED))
    settle (transfer);
  else
    take_end (transfer, outcome);
  if (!transfer_is_over (transfer))
    offer_tell (transfer); /* what had to wait for the thread's end */
}

static void
on_done (ByteTask *task, const ByteOutcome *outcome, gpointer user_data)
{
  Transfer *transfer = user_data;

  take_outcome (transfer, outcome);
  transfers_count_moving (transfer->run->messenger, transfer->peer);
  offers_next (transfer->run->messenger, transfer->peer);
}

/* The thread ------------------------------------------------------------------------------------------------------ */

static int
dup_fd (int fd)
{
  return fd >= 0 ? fcntl (fd, F_DUPFD_CLOEXEC, 3) : -1;
}

ReceiveJob
carrier_receive_job (Transfer *transfer, const char *part)
{
  TransferRun *run = transfer->run;
  ReceiveJob job = { .folder = run->folder_fd < 0 ? transfer->row->folder : NULL,
                     .folder_fd = dup_fd (run->folder_fd),
                     .out_fd = run->out_fd,
                     .part = part,
                     .size = transfer->row->size,
                     .entries = transfer->row->entries,
                     .reserve = (guint64) settings_get_size (run->messenger->settings, "reserve"),
                     .resume = transfer_has_flag (transfer, TRANSFER_BEGUN) };

  run->out_fd = -1;
  transfer_set_flag (transfer, TRANSFER_BEGUN, TRUE);
  return job;
}

static ByteTask *
receive (Transfer *transfer, ByteLink *link)
{
  g_autofree char *part = transfer_dup_part (transfer->row);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  ReceiveJob job = carrier_receive_job (transfer, part);

  for (guint i = 0; i < transfer->files->len; i++)
    g_ptr_array_add (names, ((JingleFile *) g_ptr_array_index (transfer->files, i))->name);
  g_ptr_array_add (names, NULL);
  if (transfer->tops == transfer->files->len)
    job.names = (const char *const *) names->pdata;
  return receiver_start (link, &job, on_done, transfer);
}

static ByteTask *
send (Transfer *transfer, ByteLink *link)
{
  g_autoptr (GVariant) holder = NULL;
  g_autoptr (GArray) sources = transfer_list_sources (transfer, &holder);
  g_autofree char *manifest = transfer_dup_manifest (transfer);
  SendJob job = { .manifest = manifest,
                  .sources = (const ByteSource *) (gpointer) sources->data,
                  .n_sources = sources->len,
                  .links = (ScanLinks) transfer_links (transfer),
                  .checksum = transfer_has_flag (transfer, TRANSFER_CHECKSUM),
                  .changed = transfer->run->changed_source };

  return sender_start (link, &job, on_done, transfer);
}

void
carrier_start (Transfer *transfer, ByteLink *link)
{
  TransferRun *run = transfer->run;

  deadline_drop (&run->retry);
  run->ticked = 0;
  run->resumed = FALSE;
  transfer_set_flag (transfer, TRANSFER_UNTOLD, FALSE); /* both want it to go on */
  transfer->rate = 0;
  run->task = transfer->row->direction == DIRECTION_IN ? receive (transfer, link) : send (transfer, link);
  transfer_set_flag (transfer, TRANSFER_BEGUN, TRUE); /* after it: the first try has nothing to go on with */
  transfer_set (transfer, TRANSFER_ACTIVE, transfer_has_flag (transfer, TRANSFER_RESTARTED) ? REASON_RESTARTED : NULL);
  transfers_tick (run->messenger);
}

/* The connection --------------------------------------------------------------------------------------------------- */

static void
on_header (Session *session, gpointer user_data)
{
}

static void
on_clear (Session *session, gboolean spoke, gpointer user_data)
{
  session_refuse (session, "policy-violation");
}

static void
on_bytes (Session *session, const guint8 *id, gpointer user_data)
{
  Transfer *transfer = user_data;
  g_autoptr (GBytes) surplus = NULL;
  RecordSealer *sealer;
  RecordOpener *opener;
  int fd;

  if (transfer->run->task != NULL || transfer->row->state != TRANSFER_WAITING_PEER)
    return; /* another connection came first, or a pause; this one ends */
  transfer->run->id_open = FALSE;
  session_take_bytes (session, &fd, &sealer, &opener, &surplus);
  carrier_start (transfer, byte_link_new (fd, sealer, opener, g_steal_pointer (&surplus)));
}

static void
on_ended (Session *session, const GError *error, gpointer user_data)
{
  Transfer *transfer = user_data;
  TransferRun *run = transfer->run;

  g_clear_pointer (&run->carrier, session_free);
  if (run->task != NULL || transfer->row->state != TRANSFER_WAITING_PEER)
    return;
  g_debug ("no connection for transfer %" G_GUINT64_FORMAT ": %s", transfer->row->id, error != NULL ? error->message : "closed");
  if (transfer->row->direction == DIRECTION_IN)
    {
      offer_fall_back (transfer);
      return;
    }
  run->called_back = TRUE;
  offer_ask_back (transfer);
  transfer_retry_after (transfer, 3 * LIMIT_CONNECT_MS / 1000);
}

void
carrier_connect (Transfer *transfer)
{
  static const SessionEvents events = { .header = on_header, .clear = on_clear, .bytes = on_bytes, .ended = on_ended };
  TransferRun *run = transfer->run;

  if (run->carrier != NULL || run->task != NULL)
    return;
  run->carrier = dial_bytes (run->messenger, transfer->peer, run->id, &events, transfer);
  if (run->carrier == NULL && transfer->row->direction == DIRECTION_OUT)
    {
      run->called_back = TRUE;
      offer_ask_back (transfer);
      transfer_retry_after (transfer, 3 * LIMIT_CONNECT_MS / 1000);
    }
  else if (run->carrier == NULL)
    offer_fall_back (transfer);
}

static Transfer *
find (Messenger *messenger, Session *session, const guint8 *id)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->run->id_open && memcmp (transfer->run->id, id, SESSION_BYTES_ID) == 0 && peer_has_key (transfer->peer, session_key (session)))
        return transfer;
    }
  return NULL;
}

void
carrier_take (Messenger *messenger, Session *session, const guint8 *id)
{
  Transfer *transfer = find (messenger, session, id);

  if (transfer == NULL || transfer->peer->row->blocked || transfer->run->task != NULL)
    return;
  if (transfer->row->direction == DIRECTION_OUT && !transfer->run->called_back)
    return;
  g_clear_pointer (&transfer->run->carrier, session_free); /* both may call at once: one is enough */
  on_bytes (session, id, transfer);
}

void
carrier_drop (Transfer *transfer)
{
  TransferRun *run = transfer->run;

  g_clear_pointer (&run->carrier, session_free);
  g_clear_pointer (&run->task, byte_task_free);
  inband_drop (transfer);
  legacy_drop (transfer);
  run->id_open = FALSE;
}
