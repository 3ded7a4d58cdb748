/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/limits.h"
#include "core/messenger-private.h"
#include "presence/name.h"
#include "xmpp/stanza.h"

/* What is said with one peer: the outbox towards its stream, what comes from it, receipts and states. */

#define PUMP_AT_ONCE 128
#define LATE_US (2 * G_USEC_PER_SEC) /* a message older than this says when it was written */

typedef struct
{
  Messenger *messenger;
  gint64     peer;
  char      *id;
} Closure;

static Closure *
closure_new (Messenger *messenger, const Peer *peer, const char *id)
{
  Closure *closure = g_new (Closure, 1);

  closure->messenger = g_object_ref (messenger);
  closure->peer = peer->row->id;
  closure->id = g_strdup (id);
  return closure;
}

static void
closure_free (Closure *closure)
{
  g_object_unref (closure->messenger);
  g_free (closure->id);
  g_free (closure);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Closure, closure_free)

static Peer *
closure_peer (Closure *closure)
{
  return roster_by_id (closure->messenger->roster, closure->peer);
}

void
conversation_refresh_counts (Messenger *messenger, Peer *peer)
{
  peer->unread = messages_unread (messenger->db, peer->row->id);
  peer->queued = outbox_count (messenger->db, peer->row->id);
  peer->last_seq = messages_last_seq (messenger->db, peer->row->id);
  messenger->unread = messages_unread (messenger->db, 0);
  messenger_peer_changed (messenger, peer, PEER_CHANGED_COUNTS);
  messenger_changed (messenger, MESSENGER_CHANGED_UNREAD);
}

/* Handed to a stream, receipt promised, not here yet. */
static guint
in_flight (Messenger *messenger, const Peer *peer)
{
  return outbox_in_flight (messenger->db, peer->row->id);
}

static void
tell_all (Messenger *messenger, Peer *peer, GArray *seqs, MessageState state, const char *reason)
{
  for (guint i = 0; seqs != NULL && i < seqs->len; i++)
    messenger_message_changed (messenger, g_array_index (seqs, guint64, i), peer->row->id, state, reason, FALSE);
  if (seqs != NULL && seqs->len > 0)
    conversation_refresh_counts (messenger, peer);
}

/* One message to another state, in the database and for those who listen. */
void
conversation_change (Messenger *messenger, Peer *peer, guint64 seq, MessageState state, const char *reason,
                     gboolean confirms)
{
  g_autoptr (GError) error = NULL;

  if (messages_set_state (messenger->db, seq, state, reason, confirms, &error))
    messenger_message_changed (messenger, seq, peer->row->id, state, reason, confirms);
  else if (error != NULL)
    g_warning ("message %" G_GUINT64_FORMAT ": %s", seq, error->message);
}

void
conversation_count_down (Messenger *messenger, Peer *peer)
{
  if (peer->queued > 0)
    peer->queued--;
  messenger_peer_changed (messenger, peer, PEER_CHANGED_COUNTS);
}

/* Out ------------------------------------------------------------------------------------------------------- */

static StanzaFlags
flags_for (Session *session)
{
  static const struct
  {
    Capability  capability;
    StanzaFlags flag;
  } table[] = {
    { CAPABILITY_RECEIPTS, STANZA_WITH_RECEIPT },
    { CAPABILITY_MARKERS, STANZA_WITH_MARKER },
    { CAPABILITY_CHAT_STATES, STANZA_WITH_STATE },
  };
  gboolean known;
  Capability capabilities = session_capabilities (session, &known);
  StanzaFlags flags = session_is_1_0 (session) ? 0 : STANZA_WITH_HTML;

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if (capabilities & table[i].capability)
      flags |= table[i].flag;
  return flags;
}

/* The wire's id of the message that @row corrects, where the peer understands that. */
static char *
corrected_id (Messenger *messenger, Session *session, const MessageRow *row)
{
  gboolean known;
  g_autoptr (MessageRow) first = NULL;

  if (row->corrects == 0 || !(session_capabilities (session, &known) & CAPABILITY_CORRECTION))
    return NULL;
  first = messages_get (messenger->db, row->corrects);
  return first != NULL ? g_strdup (first->id) : NULL;
}

static gboolean
promises_receipts (Session *session)
{
  return (flags_for (session) & STANZA_WITH_RECEIPT) != 0;
}

/* Onto the stream; FALSE: not now. */
static gboolean
write_row (Messenger *messenger, Session *session, const MessageRow *row, gint64 now)
{
  StanzaFlags flags = flags_for (session);
  g_autofree char *replaces = corrected_id (messenger, session, row);

  if (!session_has_room (session))
    return FALSE;
  g_string_truncate (messenger->scratch, 0);
  stanza_append_message (messenger->scratch, session_own (session), session_peer_name (session), row->id, row->body,
                         now - row->time > LATE_US ? row->time : 0, replaces, flags);
  if (!session_send (session, messenger->scratch->str, messenger->scratch->len))
    return FALSE;
  if (flags & STANZA_WITH_RECEIPT)
    session_set_unconfirmed (session, TRUE);
  return TRUE;
}

static gboolean
send_row (Messenger *messenger, Peer *peer, const MessageRow *row, gint64 now)
{
  gboolean confirms = promises_receipts (peer->session);

  if (!write_row (messenger, peer->session, row, now))
    return FALSE;
  conversation_change (messenger, peer, row->seq, MESSAGE_SENT, NULL, confirms);
  if (!confirms)
    conversation_count_down (messenger, peer);
  return TRUE;
}

/* What is on an older stream has to arrive first, or the order is lost. And where another stream is just being opened with a peer that
 * confirms nothing, that one may replace this one, with all that was said on it (libpurple). */
static gboolean
has_to_wait (Messenger *messenger, const Peer *peer)
{
  for (guint i = 0; i < peer->sessions->len; i++)
    {
      Session *session = g_ptr_array_index (peer->sessions, i);

      if (session == peer->session)
        continue;
      if (session_unconfirmed (session) && in_flight (messenger, peer) > 0)
        return TRUE;
      if (!session_is_1_0 (peer->session) && session_state (session) < SESSION_OPEN)
        return TRUE;
    }
  return FALSE;
}

static void
pump (Messenger *messenger, Peer *peer)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = outbox_next (messenger->db, peer->row->id, 0, PUMP_AT_ONCE, &error);
  gint64 now = g_get_real_time ();

  for (guint i = 0; rows != NULL && i < rows->len; i++)
    {
      const MessageRow *row = g_ptr_array_index (rows, i);

      if (row->expires != 0 && row->expires <= now)
        {
          conversation_change (messenger, peer, row->seq, MESSAGE_EXPIRED, "Timeout", FALSE);
          conversation_count_down (messenger, peer);
        }
      else if (row->encrypted && !session_is_secure (peer->session))
        continue; /* written for who holds a key */
      else if (!send_row (messenger, peer, row, now))
        return; /* goes on when there is room, or with the next stream */
    }
  if (rows != NULL && rows->len == PUMP_AT_ONCE)
    conversation_pump (messenger, peer);
}

/* A message can be handed to the stream as soon as it is stored: the stream may carry it, and will confirm it. */
static gboolean
is_open_for (Messenger *messenger, Peer *peer, const MessageRow *row)
{
  return peer->session != NULL && promises_receipts (peer->session) && (session_is_secure (peer->session) || !row->encrypted)
         && !has_to_wait (messenger, peer);
}

static void
pump_ready (Messenger *messenger, Peer *peer)
{
  g_autoptr (GPtrArray) rows = g_steal_pointer (&peer->ready);
  gint64 now = g_get_real_time ();
  gboolean goes = TRUE;

  peer->ready = g_ptr_array_new_with_free_func ((GDestroyNotify) message_row_free);
  for (guint i = 0; i < rows->len; i++)
    {
      const MessageRow *row = g_ptr_array_index (rows, i);

      goes = goes && is_open_for (messenger, peer, row) && write_row (messenger, peer->session, row, now);
      if (goes)
        messenger_message_changed (messenger, row->seq, peer->row->id, MESSAGE_SENT, NULL, TRUE);
      else
        conversation_change (messenger, peer, row->seq, MESSAGE_QUEUED, NULL, FALSE);
    }
}

void
conversation_take_back (Messenger *messenger, Peer *peer)
{
  for (guint i = 0; i < peer->ready->len; i++)
    conversation_change (messenger, peer, ((MessageRow *) g_ptr_array_index (peer->ready, i))->seq, MESSAGE_QUEUED, NULL, FALSE);
  g_ptr_array_set_size (peer->ready, 0);
}

static void
pump_after (const GError *error, gpointer data)
{
  g_autoptr (Closure) closure = data;
  Messenger *messenger = closure->messenger;
  Peer *peer = closure_peer (closure);

  if (peer == NULL)
    return;
  peer->pumping = FALSE;
  if (error != NULL)
    g_ptr_array_set_size (peer->ready, 0); /* nothing of it was stored */
  if (error != NULL || peer->queued == 0 || messenger->stopped || messenger->trouble != NULL)
    return; /* what is sent while that cannot be stored would be sent again and again */
  pump_ready (messenger, peer);
  if (peer->session == NULL)
    streams_want (messenger, peer);
  else if (!has_to_wait (messenger, peer))
    {
      if (peer->queued > in_flight (messenger, peer))
        pump (messenger, peer);
      session_flush (peer->session); /* before others are told: that takes longer than the message to the other side */
    }
}

/* Most messages find a stream with nothing before them. They are stored as what they will be after the commit, which saves a second
 * write; what a crash then leaves is what it would leave a moment later: it goes again, with the same id. */
void
conversation_prepare (Messenger *messenger, Peer *peer, MessageRow *row)
{
  if (messenger->trouble != NULL || outbox_count (messenger->db, peer->row->id) > in_flight (messenger, peer)
      || !is_open_for (messenger, peer, row) || !session_has_room (peer->session))
    return;
  row->state = MESSAGE_SENT;
  row->confirms = TRUE;
}

void
conversation_stored (Messenger *messenger, Peer *peer, MessageRow *row)
{
  peer->queued++;
  if (row->state == MESSAGE_SENT)
    {
      g_ptr_array_add (peer->ready, message_row_copy (row));
      row->state = MESSAGE_QUEUED;
      row->confirms = FALSE;
    }
  conversation_pump (messenger, peer);
}

void
conversation_pump (Messenger *messenger, Peer *peer)
{
  if (peer->pumping)
    return;
  peer->pumping = TRUE;
  turn_after (messenger->turn, pump_after, closure_new (messenger, peer, NULL));
}

void
conversation_broken (Messenger *messenger, Peer *peer)
{
  g_autoptr (GArray) seqs = NULL;

  g_ptr_array_set_size (peer->ready, 0);
  seqs = outbox_requeue (messenger->db, peer->row->id, NULL);
  tell_all (messenger, peer, seqs, MESSAGE_QUEUED, NULL);
  if (messenger->asleep)
    conversation_hold (messenger, "sleep");
}

void
conversation_unreachable (Messenger *messenger, Peer *peer)
{
  g_autoptr (GPtrArray) rows = NULL;

  if (peer->queued == 0 || peer_is_online (peer))
    return; /* still on the air: a newcomer is refused for a second by peers that have not seen him yet */
  rows = outbox_next (messenger->db, peer->row->id, 0, PUMP_AT_ONCE, NULL);
  for (guint i = 0; rows != NULL && i < rows->len; i++)
    {
      const MessageRow *row = g_ptr_array_index (rows, i);

      if (!row->once)
        continue;
      conversation_change (messenger, peer, row->seq, MESSAGE_FAILED, "PeerOffline", FALSE);
      conversation_count_down (messenger, peer);
    }
}

void
conversation_hold (Messenger *messenger, const char *reason)
{
  GPtrArray *peers = roster_peers (messenger->roster);

  for (guint i = 0; i < peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (peers, i);
      g_autoptr (GArray) again = NULL;
      g_autoptr (GArray) held = NULL;

      if (peer->queued == 0 || peer_encrypts (peer))
        continue;
      g_ptr_array_set_size (peer->ready, 0);
      again = outbox_requeue (messenger->db, peer->row->id, NULL);
      held = outbox_change (messenger->db, peer->row->id, MESSAGE_QUEUED, MESSAGE_HELD, reason, NULL);
      tell_all (messenger, peer, held, MESSAGE_HELD, reason);
    }
}

void
conversation_expire (Messenger *messenger)
{
  g_autoptr (GArray) seqs = outbox_expire (messenger->db, g_get_real_time (), NULL);

  for (guint i = 0; seqs != NULL && i < seqs->len; i++)
    {
      guint64 seq = g_array_index (seqs, guint64, i);
      g_autoptr (MessageRow) row = messages_get (messenger->db, seq);
      Peer *peer = row != NULL ? roster_by_id (messenger->roster, row->peer) : NULL;

      if (peer == NULL)
        continue;
      messenger_message_changed (messenger, seq, row->peer, MESSAGE_EXPIRED, row->reason, FALSE);
      conversation_refresh_counts (messenger, peer);
    }
}

/* In -------------------------------------------------------------------------------------------------------- */

static gboolean
send_receipt (Session *session, const char *id)
{
  g_autoptr (GString) xml = g_string_sized_new (256);

  stanza_append_receipt (xml, session_own (session), session_peer_name (session), id);
  return session_send (session, xml->str, xml->len);
}

/* On the stream that is used, else on one where it is still being asked what the peer can do: it may speak there already. Without any it
 * sends the message again, and gets its receipt then. */
static void
receipt_after (const GError *error, gpointer data)
{
  g_autoptr (Closure) closure = data;
  Peer *peer = closure_peer (closure);

  if (peer == NULL)
    return;
  if (error != NULL)
    {
      streams_close_peer (closure->messenger, peer, "resource-constraint");
      return;
    }
  if (peer->session != NULL && send_receipt (peer->session, closure->id))
    return;
  for (guint i = 0; i < peer->sessions->len; i++)
    if (send_receipt (g_ptr_array_index (peer->sessions, i), closure->id))
      return;
}

/* When it was written, where the peer's claim can be true. */
static gint64
believable_time (const Stanza *stanza, gint64 now)
{
  gint64 oldest = now - (gint64) (LIMIT_EXPIRE_S + 24 * 3600) * G_USEC_PER_SEC;

  return stanza->delay > oldest && stanza->delay < now ? stanza->delay : now;
}

static MessageRow *
row_from (Messenger *messenger, Session *session, Peer *peer, const Stanza *stanza)
{
  MessageRow *row = message_row_new ();

  row->peer = peer->row->id;
  row->direction = DIRECTION_IN;
  row->id = g_strdup (stanza->id);
  row->body = g_strdup (stanza->body);
  row->received = g_get_real_time ();
  row->time = believable_time (stanza, row->received);
  row->state = MESSAGE_RECEIVED;
  row->trust = g_strdup (peer_trust (peer));
  row->encrypted = session_is_secure (session);
  if (stanza->replaces != NULL)
    {
      /* Found among what this peer said: nobody corrects another's words. */
      g_autoptr (MessageRow) first = messages_find (messenger->db, row->peer, DIRECTION_IN, stanza->replaces);

      if (first != NULL)
        row->corrects = first->corrects != 0 ? first->corrects : first->seq;
    }
  return row;
}

static void
receive_body (Messenger *messenger, Session *session, Peer *peer, const Stanza *stanza)
{
  g_autoptr (MessageRow) row = NULL;
  g_autoptr (GError) error = NULL;

  if (stanza->body_cut || (peer->unread >= LIMIT_STRANGER_MESSAGES && !peer->written_to))
    {
      session_refuse (session, "policy-violation");
      return;
    }
  row = row_from (messenger, session, peer, stanza);
  if (!messages_add (messenger->db, row, &error))
    {
      g_warning ("a message could not be stored: %s", error->message);
      session_refuse (session, "resource-constraint");
      return;
    }
  if (row->seq != 0)
    {
      peer->unread++;
      messenger->unread++;
      peer->last_seq = row->seq;
      messenger_peer_changed (messenger, peer, PEER_CHANGED_COUNTS);
      messenger_changed (messenger, MESSENGER_CHANGED_UNREAD);
      messenger_message_added (messenger, g_steal_pointer (&row));
    }
  if (stanza->receipt_wanted)
    turn_after (messenger->turn, receipt_after, closure_new (messenger, peer, stanza->id));
}

/* For what was not waiting for it: has expired, was acknowledged before, or is to go again. */
static void
receive_late_receipt (Messenger *messenger, Peer *peer, const char *id)
{
  g_autoptr (MessageRow) row = messages_find (messenger->db, peer->row->id, DIRECTION_OUT, id);

  if (row == NULL)
    return;
  conversation_change (messenger, peer, row->seq, MESSAGE_DELIVERED, NULL, TRUE);
  if (row->state == MESSAGE_QUEUED || row->state == MESSAGE_HELD)
    conversation_count_down (messenger, peer);
}

static void
receive_receipt (Messenger *messenger, Peer *peer, const char *id)
{
  g_autoptr (GError) error = NULL;
  guint64 seq = messages_confirm (messenger->db, peer->row->id, id, &error);

  if (error != NULL)
    g_warning ("a receipt: %s", error->message);
  else if (seq == 0)
    receive_late_receipt (messenger, peer, id);
  else
    {
      messenger_message_changed (messenger, seq, peer->row->id, MESSAGE_DELIVERED, NULL, TRUE);
      conversation_count_down (messenger, peer);
    }
  if (peer->queued > 0 && in_flight (messenger, peer) == 0)
    conversation_pump (messenger, peer);
}

static void
receive_displayed (Messenger *messenger, Peer *peer, const char *id)
{
  g_autoptr (GArray) seqs = messages_mark_out_read (messenger->db, peer->row->id, id, NULL);

  tell_all (messenger, peer, seqs, MESSAGE_READ, NULL);
}

static void
receive_error (Messenger *messenger, Session *session, Peer *peer, const Stanza *stanza)
{
  g_autoptr (MessageRow) row
      = stanza->id != NULL ? messages_find (messenger->db, peer->row->id, DIRECTION_OUT, stanza->id) : NULL;

  if (row == NULL || row->state != MESSAGE_SENT)
    return;
  if (session_is_secure (session) && g_strcmp0 (stanza->error_condition, "not-authorized") == 0)
    { /* our key is in question there: it waits until the user there has decided */
      conversation_change (messenger, peer, row->seq, MESSAGE_QUEUED, NULL, FALSE);
      conversation_change (messenger, peer, row->seq, MESSAGE_HELD, "KeyChanged", FALSE);
    }
  else
    conversation_change (messenger, peer, row->seq, MESSAGE_FAILED, "Rejected", FALSE);
  conversation_refresh_counts (messenger, peer);
}

void
conversation_release (Messenger *messenger, Peer *peer)
{
  g_autoptr (GArray) seqs = outbox_change (messenger->db, peer->row->id, MESSAGE_HELD, MESSAGE_QUEUED, NULL, NULL);

  tell_all (messenger, peer, seqs, MESSAGE_QUEUED, NULL);
}

static void
receive_state (Messenger *messenger, Peer *peer, const Stanza *stanza)
{
  ChatState state = stanza->state;

  if (state == CHAT_STATE_NONE && stanza->body != NULL)
    state = CHAT_STATE_ACTIVE;
  if (state == CHAT_STATE_NONE || state == peer->typing)
    return;
  peer->typing = state;
  messenger_peer_changed (messenger, peer, PEER_CHANGED_TYPING);
}

void
conversation_receive (Messenger *messenger, Session *session, const Stanza *stanza)
{
  Peer *peer = session_peer (session);

  peer->retry_s = 0;
  if (session_is_secure (session) && stanza->from != NULL && !g_str_equal (stanza->from, session_peer_name (session)))
    {
      session_refuse (session, "invalid-from");
      return;
    }
  if (stanza->from != NULL && !name_equal (stanza->from, session_peer_name (session)))
    g_debug ("a stanza claims to be from %s", stanza->from); /* it counts as the stream's peer's, as nothing else is known */
  if (stanza->is_error)
    {
      receive_error (messenger, session, peer, stanza);
      return;
    }
  receive_state (messenger, peer, stanza);
  if (stanza->receipt_for != NULL)
    receive_receipt (messenger, peer, stanza->receipt_for);
  if (stanza->displayed != NULL)
    receive_displayed (messenger, peer, stanza->displayed);
  if (stanza->body != NULL)
    receive_body (messenger, session, peer, stanza);
}
