/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/legacy-private.h"

#include <sodium.h>
#include <string.h>

#include "net/deadline.h"
#include "xmpp/ns.h"

#define RANDOM 16 /* bytes of an id */

void
legacy_free (Legacy *legacy)
{
  if (legacy == NULL)
    return;
  deadline_drop (&legacy->deadline);
  bytestream_free (legacy->bytestream);
  si_hosts_free (legacy->hosts);
  node_free (legacy->request);
  g_clear_pointer (&legacy->tried, g_array_unref);
  g_free (legacy->sid);
  g_free (legacy);
}

static gboolean
is_needed (const Messenger *messenger, const Session *session)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      const Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->run->legacy != NULL && transfer->run->legacy->stream == session)
        return TRUE;
    }
  return FALSE;
}

void
legacy_hold_stream (Transfer *transfer, Session *session)
{
  transfer->run->legacy->stream = session;
  session_set_kept (session, TRUE);
}

static void
release_stream (Transfer *transfer)
{
  Session *session = g_steal_pointer (&transfer->run->legacy->stream);

  if (session != NULL && !is_needed (transfer->run->messenger, session))
    session_set_kept (session, transfer->peer->row->address != NULL && !peer_is_announced (transfer->peer));
}

static gboolean
is_untold (const Transfer *transfer)
{
  return transfer_has_flag (transfer, TRANSFER_UNTOLD) && transfer->run->legacy->step == LEGACY_OFFERED;
}

void
legacy_drop (Transfer *transfer)
{
  Legacy *legacy = transfer->run->legacy;

  if (legacy == NULL)
    return;
  g_clear_pointer (&legacy->bytestream, bytestream_free);
  if (is_untold (transfer))
    return;
  release_stream (transfer);
  g_clear_pointer (&transfer->run->legacy, legacy_free);
}

char *
legacy_random_id (void)
{
  guint8 bytes[RANDOM];
  char text[2 * RANDOM + 1];

  randombytes_buf (bytes, sizeof bytes);
  sodium_bin2hex (text, sizeof text, bytes, sizeof bytes);
  return g_strdup (text);
}

Session *
legacy_clear_session (const Transfer *transfer)
{
  Session *session = transfer->peer->session;

  if (session == NULL || session_is_secure (session) || trust_encrypts (transfer->run->messenger, transfer->peer))
    return NULL;
  return session;
}

gboolean
legacy_say (Transfer *transfer, Session *session, Node *payload)
{
  Node *iq = stanza_iq_request (session_own (session), session_peer_name (session), "set", transfer->run->legacy->sid);

  node_take_child (iq, payload);
  return session_send_element (session, iq);
}

gboolean
legacy_say_answer (Transfer *transfer, Node *iq)
{
  Session *session = legacy_clear_session (transfer);

  if (session != NULL)
    return session_send_element (session, iq);
  node_free (iq);
  return FALSE;
}

Node *
legacy_result (const Node *request, Node *payload)
{
  Node *iq = stanza_iq_result (request);

  node_take_child (iq, payload);
  return iq;
}

void
legacy_set_text (Transfer *transfer, const char *text)
{
  g_free (transfer->text);
  transfer->text = g_strdup (text);
}

TransferState
legacy_state_after (const char *reason)
{
  if (strcmp (reason, REASON_DECLINED) == 0)
    return TRANSFER_REJECTED;
  return strcmp (reason, REASON_PEER_CANCELED) == 0 || strcmp (reason, REASON_CANCELED) == 0 ? TRANSFER_CANCELED : TRANSFER_FAILED;
}

gboolean
legacy_was_over (Transfer *transfer)
{
  if (!transfer_is_over (transfer) || transfer->run->landed)
    return FALSE;
  g_clear_pointer (&transfer->run->task, byte_task_free);
  legacy_drop (transfer);
  transfer_clean_up (transfer);
  return TRUE;
}

void
legacy_begin_moving (Transfer *transfer, ByteTask *task)
{
  TransferRun *run = transfer->run;

  g_clear_pointer (&run->legacy->bytestream, bytestream_free);
  run->legacy->step = LEGACY_MOVING;
  run->task = task;
  run->ticked = 0;
  transfer_set (transfer, TRANSFER_ACTIVE, NULL);
  transfers_tick (run->messenger);
}

Transfer *
legacy_find (Messenger *messenger, const Peer *peer, Direction direction, const char *sid)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->peer == peer && transfer->row->direction == direction && transfer->run->legacy != NULL && !transfer_is_over (transfer)
          && g_strcmp0 (transfer->run->legacy->sid, sid) == 0)
        return transfer;
    }
  return NULL;
}

/* What comes ------------------------------------------------------------------------------------------------------ */

static Transfer *
find_by_request (Messenger *messenger, const Peer *peer, const char *id)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);
      const Legacy *legacy = transfer->run->legacy;

      if (transfer->peer == peer && legacy != NULL && legacy->request != NULL && legacy->step == LEGACY_OFFERED && !transfer_is_over (transfer)
          && g_strcmp0 (node_get (legacy->request, "id"), id) == 0)
        return transfer;
    }
  return NULL;
}

/* They take it back: take_back(). */
static void
hear_error (Messenger *messenger, Session *session, const Node *iq)
{
  Transfer *transfer = find_by_request (messenger, session_peer (session), node_get (iq, "id"));

  if (transfer != NULL)
    transfer_set (transfer, TRANSFER_CANCELED, REASON_PEER_CANCELED);
}

void
legacy_answer (Messenger *messenger, Session *session, const Node *iq)
{
  Transfer *transfer = legacy_find (messenger, session_peer (session), DIRECTION_OUT, node_get (iq, "id"));

  if (session_is_secure (session) || session_is_restricted (session))
    return;
  if (transfer == NULL && g_strcmp0 (node_get (iq, "type"), "error") == 0)
    hear_error (messenger, session, iq);
  else if (transfer != NULL)
    legacy_send_answer (transfer, session, iq);
}

gboolean
legacy_request (Messenger *messenger, Session *session, const Node *iq)
{
  const Node *child = node_first_element (iq);
  Node *said;

  if (session_is_secure (session) || trust_encrypts (messenger, session_peer (session)) || g_strcmp0 (node_get (iq, "type"), "set") != 0)
    return FALSE;
  if (node_is (child, "si", NS_SI))
    said = legacy_receive_offer (messenger, session, iq);
  else if (node_is (child, "query", NS_BYTESTREAMS))
    said = legacy_receive_hosts (messenger, session, iq);
  else
    return FALSE;
  if (said != NULL)
    session_send_element (session, said);
  return TRUE;
}

/* What ends ------------------------------------------------------------------------------------------------------- */

/* An offer cannot be taken back. But libpurple, and we, take an error under its id for just that. */
static Node *
take_back (const Transfer *transfer)
{
  g_autoptr (Node) theirs = NULL;
  Session *session = legacy_clear_session (transfer);

  if (session == NULL)
    return NULL;
  theirs = stanza_iq_request (session_peer_name (session), session_own (session), "set", transfer->run->legacy->sid);
  return si_build_decline (theirs);
}

void
legacy_terminate (Transfer *transfer)
{
  Legacy *legacy = transfer->run->legacy;
  Node *said = NULL;

  if (legacy != NULL && is_untold (transfer))
    {
      said = transfer->row->direction == DIRECTION_IN ? si_build_decline (legacy->request) : take_back (transfer);
      if (said == NULL || !legacy_say_answer (transfer, said))
        return; /* with the next stream */
    }
  transfer_set_flag (transfer, TRANSFER_UNTOLD, FALSE); /* else a closed connection says it all */
  transfer_save (transfer);
  legacy_drop (transfer);
}

gboolean
legacy_needs_stream (const Transfer *transfer)
{
  const TransferRun *run = transfer->run;

  if (run->legacy == NULL)
    return transfer->row->state == TRANSFER_QUEUED && run->scan == NULL;
  if (run->legacy->step != LEGACY_OFFERED)
    return run->legacy->step == LEGACY_WAITING;
  return transfer_has_flag (transfer, TRANSFER_UNTOLD) || (run->legacy->request != NULL && transfer_has_flag (transfer, TRANSFER_ACCEPTED));
}

/* What was offered is nobody's business there any more: Pidgin forgets its offers when it ends. */
void
legacy_gone (Messenger *messenger, Peer *peer)
{
  for (guint i = 0; messenger->transfers != NULL && i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->peer != peer || transfer_is_over (transfer) || !transfer_has_flag (transfer, TRANSFER_LEGACY) || transfer->run->task != NULL
          || (transfer->row->state == TRANSFER_QUEUED && peer->row->plaintext == PLAINTEXT_ALLOW))
        continue;
      legacy_set_text (transfer, "the other side left");
      transfer_set (transfer, TRANSFER_FAILED, REASON_CONNECTION_LOST);
    }
}

void
legacy_ended (Messenger *messenger, Session *session)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);
      Legacy *legacy = transfer->run->legacy;

      if (legacy == NULL || legacy->stream != session)
        continue;
      legacy->stream = NULL;
      if (legacy->step == LEGACY_WAITING || legacy->step == LEGACY_MOVING || session_is_1_0 (session))
        continue;
      transfer_set_flag (transfer, TRANSFER_UNTOLD, FALSE); /* they know */
      if (transfer_is_over (transfer))
        transfer_save (transfer);
      else
        legacy_set_text (transfer, "the chat with the other side was closed");
      transfer_set (transfer, TRANSFER_FAILED, REASON_CONNECTION_LOST);
      legacy_drop (transfer);
    }
}

gboolean
legacy_load (const Transfer *transfer)
{
  return transfer->row->direction == DIRECTION_OUT && transfer->row->state == TRANSFER_QUEUED
         && transfer->peer->row->plaintext == PLAINTEXT_ALLOW;
}
