/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sodium.h>
#include <string.h>

#include "base/limits.h"
#include "core/legacy.h"
#include "core/transfers-private.h"
#include "net/deadline.h"
#include "transfer/reason.h"

/* What is said about transfers on the peer's stream (hearby-protocol(7), files): Jingle, each element a request that is answered.
 *
 * An offer is repeated whenever bytes have to go on: after a cut, a restart, a pause. It then has the same sid and another id, and the
 * receiver who said yes once says so again at once. So there is one way for the first time and for all others. */

/* Saying --------------------------------------------------------------------------------------------------------- */

static gboolean
can_say (const Transfer *transfer)
{
  const Session *session = transfer->peer->session;

  return session != NULL && session_is_secure (transfer->peer->session) && !transfer_has_flag (transfer, TRANSFER_LEGACY);
}

static void
say (Transfer *transfer, Jingle *jingle, RequestDone done)
{
  if (jingle->initiator == NULL && jingle->action == JINGLE_INITIATE)
    jingle->initiator = g_strdup (session_own (transfer->peer->session));
  session_request (transfer->peer->session, "set", jingle_build (jingle), done, transfer_ref (transfer));
}

static void
on_said (const Node *answer, gint64 rtt, gpointer user_data)
{
  transfer_deref (user_data);
}

static gboolean
is_error (const Node *answer, const char *condition)
{
  const Node *error = node_child (answer, "error", NULL);

  return g_strcmp0 (node_get (answer, "type"), "error") == 0 && (condition == NULL || (error != NULL && node_child (error, condition, NULL) != NULL));
}

/* What they have to know ------------------------------------------------------------------------------------------ */

static void
on_terminated (const Node *answer, gint64 rtt, gpointer user_data)
{
  Transfer *transfer = transfer_deref (user_data);

  if (transfer == NULL || !transfer_has_flag (transfer, TRANSFER_UNTOLD))
    return;
  if (answer == NULL)
    {
      transfer_retry_later (transfer);
      return;
    }
  transfer_set_flag (transfer, TRANSFER_UNTOLD, FALSE); /* an error: it does not know of it, which is as good */
  transfer_save (transfer);
  transfers_count_moving (transfer->run->messenger, transfer->peer);
}

void
offer_say_end (Session *session, const char *sid, const char *why, RequestDone done, gpointer user_data)
{
  g_autoptr (Jingle) jingle = jingle_new (JINGLE_TERMINATE, sid);

  jingle->why = why != NULL ? why : REASON_NONE;
  jingle->reason = jingle_condition (jingle->why);
  session_request (session, "set", jingle_build (jingle), done, user_data);
}

static void
terminate (Transfer *transfer)
{
  if (transfer_has_flag (transfer, TRANSFER_LEGACY))
    legacy_terminate (transfer);
  else if (can_say (transfer))
    offer_say_end (transfer->peer->session, transfer->row->sid, transfer->row->reason, on_terminated, transfer_ref (transfer));
}

static void
inform (Transfer *transfer, JingleSays says, const char *why, RequestDone done)
{
  g_autoptr (Jingle) jingle = jingle_new (JINGLE_INFO, transfer->row->sid);

  jingle->says = says;
  jingle->why = why != NULL ? why : REASON_NONE;
  say (transfer, jingle, done);
}

/* What they do not know of they will not go on with. */
static gboolean
is_unknown_there (Transfer *transfer, const Node *answer)
{
  if (answer == NULL || !is_error (answer, "item-not-found") || transfer_is_over (transfer))
    return FALSE;
  transfer_set_flag (transfer, TRANSFER_UNTOLD, FALSE);
  transfer_set (transfer, TRANSFER_CANCELED, REASON_PEER_CANCELED);
  return TRUE;
}

static void
on_asked_back (const Node *answer, gint64 rtt, gpointer user_data)
{
  Transfer *transfer = transfer_deref (user_data);

  if (transfer != NULL)
    is_unknown_there (transfer, answer);
}

void
offer_ask_back (Transfer *transfer)
{
  if (can_say (transfer))
    inform (transfer, JINGLE_SAYS_CONNECT, NULL, on_asked_back);
}

/* Something else may have to be said by now. */
static void
on_told (Transfer *transfer, const Node *answer, gboolean held)
{
  if (transfer == NULL)
    return;
  transfer->run->telling = FALSE;
  if (transfer_is_over (transfer))
    return;
  if (answer == NULL)
    {
      if (transfer->run->task == NULL)
        transfer_retry_later (transfer);
      return;
    }
  if (transfer->row->direction == DIRECTION_IN && is_unknown_there (transfer, answer)) /* out: it was not offered yet, or will be again */
    return;
  if (held == transfer_is_held (transfer))
    {
      transfer_set_flag (transfer, TRANSFER_UNTOLD, FALSE); /* an error: they cannot know it, and have to go by our offers */
      transfer_save (transfer);
    }
  offer_tell (transfer);
  if (transfer->row->direction == DIRECTION_OUT)
    offer_make (transfer);
  transfers_count_moving (transfer->run->messenger, transfer->peer);
}

static void
on_told_pause (const Node *answer, gint64 rtt, gpointer user_data)
{
  on_told (transfer_deref (user_data), answer, TRUE);
}

static void
on_told_resume (const Node *answer, gint64 rtt, gpointer user_data)
{
  on_told (transfer_deref (user_data), answer, FALSE);
}

/* One thing at a time, and again until it is answered: of two streams that both sides opened at once one is closed, and what is said on both may come
 * in any order. That it goes on the sender says by an offer, if he can; the receiver asks for one. */
void
offer_tell (Transfer *transfer)
{
  TransferRun *run = transfer->run;
  gboolean held = transfer_is_held (transfer);

  if (!transfer_has_flag (transfer, TRANSFER_UNTOLD))
    return;
  if (transfer_is_over (transfer))
    {
      terminate (transfer);
      return;
    }
  if (!can_say (transfer) || run->telling || (!held && run->task != NULL))
    return;
  run->told_on = transfer->peer->session;
  run->telling = TRUE;
  inform (transfer, held ? JINGLE_SAYS_PAUSE : JINGLE_SAYS_RESUME, held ? transfer->row->reason : NULL, held ? on_told_pause : on_told_resume);
}

/* Our offers --------------------------------------------------------------------------------------------------- */

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
  Transfer *transfer = transfer_deref (user_data);

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

gboolean
offer_is_due (const Transfer *transfer)
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
  if (!offer_is_due (transfer) || !can_say (transfer) || run->told_on == transfer->peer->session || run->telling)
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

/* Their offers ------------------------------------------------------------------------------------------------- */

/* Our yes may have been on a stream that was just given up for another, or have crossed another offer. */
static void
on_accepted (const Node *answer, gint64 rtt, gpointer user_data)
{
  Transfer *transfer = transfer_deref (user_data);

  if (transfer == NULL || transfer->row->state != TRANSFER_WAITING_PEER || transfer->run->task != NULL || transfer->run->offered)
    return;
  if (answer == NULL) /* not at once: that may be because too much is unanswered already */
    {
      transfer->run->offered = TRUE;
      transfer_retry_later (transfer);
    }
  else if (is_error (answer, NULL))
    {
      transfer_set_flag (transfer, TRANSFER_UNTOLD, TRUE);
      offer_tell (transfer);
    }
}

/* Others of the same peer that have a connection, or will have one soon, as far as they may: an id that was said on a stream which is gone
 * is of no use. */
static guint
count_receiving (const Transfer *than)
{
  GPtrArray *all = than->run->messenger->transfers;
  guint n = 0;

  for (guint i = 0; i < all->len; i++)
    {
      const Transfer *transfer = g_ptr_array_index (all, i);
      const TransferRun *run = transfer->run;

      if (transfer->peer == than->peer && transfer->row->direction == DIRECTION_IN && transfer != than)
        n += run->task != NULL || (run->id_open && run->told_on == than->peer->session);
    }
  return n;
}

void
offers_next (Messenger *messenger, Peer *peer)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->peer == peer && transfer->row->direction == DIRECTION_IN && transfer->row->state == TRANSFER_WAITING_PEER
          && transfer->run->offered && can_say (transfer))
        offer_accept (transfer);
    }
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
  if (run->task != NULL || transfer->row->state == TRANSFER_PAUSED || !transfer_has_flag (transfer, TRANSFER_ACCEPTED))
    return;
  if (!can_say (transfer) || !run->offered)
    {
      transfers_count_moving (run->messenger, transfer->peer); /* with the next stream they offer it again */
      return;
    }
  if (count_receiving (transfer) >= LIMIT_RECEIVING_PER_PEER)
    return; /* offers_next() */
  run->told_on = transfer->peer->session;
  run->offered = FALSE;
  run->id_open = TRUE;
  run->called_back = FALSE;
  jingle = jingle_new (JINGLE_ACCEPT, transfer->row->sid);
  jingle->name = g_strdup ("files");
  set_via (jingle, transfer);
  say (transfer, jingle, on_accepted);
}

/* The same bytes within this stream. */
static void
say_inband (Transfer *transfer, JingleAction action, const char *sid, guint block_size)
{
  g_autoptr (Jingle) jingle = jingle_new (action, transfer->row->sid);

  jingle->name = g_strdup ("files");
  jingle->via = JINGLE_VIA_INBAND;
  jingle->block_size = block_size;
  jingle->inband_sid = g_strdup (sid);
  say (transfer, jingle, on_said);
}

void
offer_fall_back (Transfer *transfer)
{
  g_autofree char *sid = g_uuid_string_random ();

  if (can_say (transfer))
    say_inband (transfer, JINGLE_TRANSPORT_REPLACE, sid, LIMIT_INBAND_BLOCK);
}

void
offer_agree (Transfer *transfer, const Jingle *jingle)
{
  if (can_say (transfer))
    say_inband (transfer, JINGLE_TRANSPORT_ACCEPT, jingle->inband_sid, jingle->block_size);
}

/* Streams come and go ------------------------------------------------------------------------------------------- */

/* For the peer to go on, who may wait for us, or have forgotten it. */
static gboolean
waits (const Transfer *transfer)
{
  if (transfer_is_held (transfer) || transfer_has_flag (transfer, TRANSFER_LEGACY))
    return FALSE;
  return transfer->row->state == TRANSFER_PAUSED
         || (transfer->row->direction == DIRECTION_IN && transfer->row->state == TRANSFER_WAITING_PEER && !transfer->run->offered);
}

void
offers_pump (Messenger *messenger, Peer *peer)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->peer != peer || peer->session == NULL)
        continue;
      if (waits (transfer) && transfer->run->told_on != peer->session)
        transfer_set_flag (transfer, TRANSFER_UNTOLD, TRUE);
      if (transfer_has_flag (transfer, TRANSFER_UNTOLD))
        offer_tell (transfer);
      else if (transfer->row->direction == DIRECTION_OUT)
        offer_make (transfer);
      else if (transfer_has_flag (transfer, TRANSFER_LEGACY))
        legacy_receive_accept (transfer);
      else if (transfer->run->offered)
        offer_accept (transfer); /* it came before we had the stream to answer on */
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
