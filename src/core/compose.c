/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "core/messenger-private.h"
#include "xmpp/stanza.h"

/* What the user does with messages: write, take back, read, type. All is checked before anything is stored. */


static gboolean
check_plain (Messenger *messenger, const Peer *peer, const SendOptions *options, GError **error)
{
  gboolean address_only = peer->row->address != NULL && !peer_is_announced (peer);
  g_autofree char *name = NULL;
  g_autofree char *word = NULL;

  if (peer_is_online (peer) && (options->plaintext || peer->row->plaintext == PLAINTEXT_ALLOW))
    return TRUE;
  if (!address_only && !options->now && peer->row->plaintext == PLAINTEXT_ALLOW)
    return TRUE;
  name = roster_dup_name (messenger->roster, peer);
  word = text_shell_word (name);
  if (options->plaintext || peer->row->plaintext == PLAINTEXT_ALLOW)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_PEER_OFFLINE, "'%s' is not on the air\n%s", name,
                   address_only ? "nothing is queued in clear for a peer known only by its address: 'hearby wait online' tells when it is there"
                   : options->now ? "without --now it would be queued"
                                  : "'hearby policy PEER plaintext=allow' lets messages to it queue for an hour");
      return FALSE;
    }
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_UNENCRYPTED,
               "'%s' cannot encrypt: this would travel in clear\n"
               "'hearby %s --plaintext' sends it all the same, 'hearby policy %s plaintext=allow' all that follows too",
               name, options->files ? "put" : "send", word);
  return FALSE;
}

static gboolean
fail_changed (Messenger *messenger, const Peer *peer, GError **error)
{
  g_autofree char *name = roster_dup_name (messenger->roster, peer);
  g_autofree char *word = text_shell_word (name);

  if (peer->row->trust == TRUST_MISMATCH)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_VERIFIED,
                 "the codes that you and '%s' compared differ: somebody is between you\n"
                 "'hearby verify %s' compares anew, 'hearby forget %s' begins from nothing", name, word, word);
  else
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_KEY_CHANGED,
                 "'%s' shows another key than before: %s\n"
                 "'hearby verify %s' compares codes, 'hearby trust %s --fingerprint %s' accepts it", name, peer->claim, word,
                 word, peer->claim);
  return FALSE;
}

/* Who has a key gets nothing in clear, and nothing while it is in question whether it is he. */
static gboolean
check_keyed (Messenger *messenger, const Peer *peer, const SendOptions *options, GError **error)
{
  g_autofree char *name = NULL;

  if (trust_policy (messenger, peer) == ENCRYPTION_NEVER)
    {
      g_autofree char *word = NULL;
      g_autofree char *policy = NULL;

      name = roster_dup_name (messenger->roster, peer);
      word = text_shell_word (name);
      policy = g_strdup_printf ("policy %s encryption=default", word);
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_UNENCRYPTED,
                   "encryption is switched off, and '%s' gets nothing in clear\n'hearby %s' switches it on", name,
                   peer->row->encryption == ENCRYPTION_NEVER ? policy : "config encryption prefer");
      return FALSE;
    }
  if (peer_is_in_conflict (peer) && (peer->session == NULL || peer->row->trust == TRUST_MISMATCH))
    return fail_changed (messenger, peer, error);
  if (!options->now || peer_is_online (peer))
    return TRUE;
  name = roster_dup_name (messenger->roster, peer);
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_PEER_OFFLINE, "'%s' is not on the air\nwithout --now it would be queued", name);
  return FALSE;
}

/* Whoever shows a key under the name now is another peer until the user says that they are one; who was known in clear does not come back. */
static gboolean
check_successor (Messenger *messenger, const Peer *peer, GError **error)
{
  GPtrArray *same = peer->row->instance != NULL ? roster_named (messenger->roster, peer->row->instance) : NULL;
  g_autofree char *name = NULL;
  g_autofree char *word = NULL;

  for (guint i = 0; same != NULL && i < same->len && !peer_is_online (peer); i++)
    {
      const Peer *other = g_ptr_array_index (same, i);

      if (other->row->key == NULL || !peer_is_online (other))
        continue;
      name = roster_dup_name (messenger->roster, peer);
      word = text_shell_word (name);
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_KEY_CHANGED,
                   "'%s' did not encrypt before, and now there is a key under this name: %s\n"
                   "'hearby trust %s --fingerprint %s' says that it is the same", name, other->fingerprint, word, other->fingerprint);
      return FALSE;
    }
  return TRUE;
}

/* Whatever the peer is: FALSE where nothing may be written to it now. */
static gboolean
check_any (Messenger *messenger, const Peer *peer, const SendOptions *options, GError **error)
{
  gboolean silent = options->confirm && peer->capabilities_known && !(peer->capabilities & CAPABILITY_RECEIPTS);
  g_autofree char *name = NULL;
  g_autofree char *word = NULL;

  if (!peer->row->blocked && !silent && peer->queued < LIMIT_QUEUE_MESSAGES)
    return TRUE;
  name = roster_dup_name (messenger->roster, peer);
  word = text_shell_word (name);
  if (peer->row->blocked)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_BLOCKED, "'%s' is blocked\n'hearby block --off %s' undoes that",
                 name, word);
  else if (silent)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED,
                 "the program of '%s' cannot confirm delivery\n'--wait=sent' is the most that can be known", name);
  else
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE, "%u messages wait for '%s' already", peer->queued, name);
  return FALSE;
}

gboolean
compose_check (Messenger *messenger, const Peer *peer, const SendOptions *options, GError **error)
{
  g_autofree char *name = NULL;
  g_autofree char *word = NULL;

  if (peer->is_self)
    return TRUE;
  if (!check_any (messenger, peer, options, error))
    return FALSE;
  if (trust_encrypts (messenger, peer))
    return check_keyed (messenger, peer, options, error);
  if (!check_successor (messenger, peer, error))
    return FALSE;
  if (trust_policy (messenger, peer) != ENCRYPTION_REQUIRE)
    return check_plain (messenger, peer, options, error);
  name = roster_dup_name (messenger->roster, peer);
  word = text_shell_word (name);
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_UNENCRYPTED,
               "'%s' cannot encrypt, and encryption is required\n'hearby policy %s encryption=prefer' changes that for this peer", name,
               word);
  return FALSE;
}

static gboolean
check_text (const char *text, GError **error)
{
  gsize len = strlen (text);

  if (len > 0 && len <= LIMIT_BODY)
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
               len == 0 ? "the message is empty" : "the message has %" G_GSIZE_FORMAT " bytes, %d are the most", len,
               LIMIT_BODY);
  return FALSE;
}

/* The seq of the first version of what @options says is to be replaced. */
static gboolean
find_replaced (Messenger *messenger, Peer **to, gsize n_to, const SendOptions *options, guint64 *corrects, GError **error)
{
  g_autoptr (MessageRow) row = NULL;

  *corrects = 0;
  if (options->replaces == 0)
    return TRUE;
  row = messages_get (messenger->db, options->replaces);
  if (row == NULL || n_to != 1 || row->peer != to[0]->row->id || row->direction != DIRECTION_OUT)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND,
                   "message %" G_GUINT64_FORMAT " was not sent by you to this peer\n'hearby history' shows the numbers",
                   options->replaces);
      return FALSE;
    }
  *corrects = row->corrects != 0 ? row->corrects : row->seq;
  return TRUE;
}

static void
set_expiry (MessageRow *row, const Peer *peer, const SendOptions *options)
{
  gint64 most = row->once ? LIMIT_ONCE_S : row->encrypted ? LIMIT_EXPIRE_S : LIMIT_PLAIN_EXPIRE_S;

  row->expires = row->time + (options->expire_s > 0 ? MIN (options->expire_s, most) : most) * G_USEC_PER_SEC;
}

/* RFC 9562 5.7: it begins with the time, so that what is stored one after the other lies side by side in the index of both ends. */
static char *
new_id (gint64 now)
{
  guint64 ms = (guint64) now / 1000;
  guint32 random = g_random_int ();

  return g_strdup_printf ("%08x-%04x-7%03x-%04x-%04x%08x", (guint) (ms >> 16), (guint) (ms & 0xffff), random & 0xfff,
                          0x8000 | (random >> 18), g_random_int () & 0xffff, g_random_int ());
}

static MessageRow *
row_to (Messenger *messenger, Peer *peer, const char *text, const SendOptions *options, guint64 corrects)
{
  MessageRow *row = message_row_new ();

  row->peer = peer->row->id;
  row->direction = DIRECTION_OUT;
  row->time = row->received = g_get_real_time ();
  row->id = new_id (row->time);
  row->body = text_clean (text, -1, LIMIT_BODY);
  row->state = peer->is_self ? MESSAGE_DELIVERED : MESSAGE_QUEUED;
  row->corrects = corrects;
  row->encrypted = trust_encrypts (messenger, peer);
  row->once = !peer->is_self && (options->now || (!row->encrypted && peer->row->plaintext != PLAINTEXT_ALLOW));
  row->trust = g_strdup (peer_trust (peer));
  if (!peer->is_self)
    set_expiry (row, peer, options);
  return row;
}

/* To oneself: it is here at once. */
static gboolean
receive_own (Messenger *messenger, Peer *self, const MessageRow *sent, GError **error)
{
  g_autoptr (MessageRow) row = message_row_copy (sent);

  row->seq = 0;
  row->direction = DIRECTION_IN;
  row->state = MESSAGE_RECEIVED;
  row->corrects = 0;
  if (!messages_add (messenger->db, row, error))
    return FALSE;
  self->unread++;
  self->last_seq = row->seq;
  messenger->unread++;
  messenger_changed (messenger, MESSENGER_CHANGED_UNREAD);
  messenger_message_added (messenger, g_steal_pointer (&row));
  return TRUE;
}

static gboolean
store (Messenger *messenger, Peer *peer, MessageRow *taken, GArray *seqs, GError **error)
{
  g_autoptr (MessageRow) row = taken;

  if (!peer->is_self)
    conversation_prepare (messenger, peer, row);
  if (!messages_add (messenger->db, row, error))
    return FALSE;
  g_array_append_val (seqs, row->seq);
  peer->last_seq = row->seq;
  peer->written_to = TRUE;
  messenger_peer_changed (messenger, peer, PEER_CHANGED_COUNTS);
  if (!peer->is_self)
    {
      streams_forget_pause (peer);
      conversation_stored (messenger, peer, row);
    }
  messenger_message_added (messenger, message_row_copy (row)); /* first, as its seq is the smaller one */
  return !peer->is_self || receive_own (messenger, peer, row, error);
}

GArray *
messenger_send (Messenger *messenger, Peer **to, gsize n_to, const char *text, const SendOptions *options, GError **error)
{
  g_autoptr (GArray) seqs = NULL;
  guint64 corrects;

  if (!check_text (text, error))
    return NULL;
  if (options->key != NULL && !sent_keys_check (options->key, n_to, error))
    return NULL;
  if (options->key != NULL && (seqs = sent_keys_get (messenger->db, options->key, g_get_real_time ())) != NULL)
    return g_steal_pointer (&seqs);
  for (gsize i = 0; i < n_to; i++)
    if (!compose_check (messenger, to[i], options, error))
      return NULL;
  if (!find_replaced (messenger, to, n_to, options, &corrects, error))
    return NULL;

  seqs = g_array_new (FALSE, FALSE, sizeof (guint64));
  for (gsize i = 0; i < n_to; i++)
    {
      trust_pin (messenger, to[i]);
      if (!store (messenger, to[i], row_to (messenger, to[i], text, options, corrects), seqs, error))
        return NULL;
    }
  if (options->key != NULL
      && !sent_keys_set (messenger->db, options->key, (const guint64 *) (gpointer) seqs->data, seqs->len, g_get_real_time (), error))
    return NULL;
  return g_steal_pointer (&seqs);
}

gboolean
messenger_cancel (Messenger *messenger, guint64 seq, GError **error)
{
  g_autoptr (MessageRow) row = messages_get (messenger->db, seq);
  Peer *peer = row != NULL ? roster_by_id (messenger->roster, row->peer) : NULL;

  if (peer == NULL || row->direction != DIRECTION_OUT)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "there is no message %" G_GUINT64_FORMAT " of yours", seq);
      return FALSE;
    }
  if (row->state != MESSAGE_QUEUED && row->state != MESSAGE_HELD)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "message %" G_GUINT64_FORMAT " is %s already", seq,
                   message_state_name (row->state));
      return FALSE;
    }
  conversation_change (messenger, peer, seq, MESSAGE_FAILED, "Canceled", FALSE);
  conversation_count_down (messenger, peer);
  return TRUE;
}

static void
tell_displayed (Messenger *messenger, Peer *peer, const char *id)
{
  g_autoptr (GString) xml = NULL;

  if (id == NULL || peer->session == NULL || !(peer->capabilities & CAPABILITY_MARKERS)
      || !settings_get_boolean (messenger->settings, "displayed"))
    return;
  xml = g_string_new (NULL);
  stanza_append_displayed (xml, session_own (peer->session), session_peer_name (peer->session), id);
  session_send (peer->session, xml->str, xml->len);
}

gboolean
messenger_mark_read (Messenger *messenger, Peer *peer, guint64 up_to, GError **error)
{
  g_autofree char *last_id = NULL;
  int n = messages_mark_read (messenger->db, peer->row->id, up_to, &last_id, error);

  if (n < 0)
    return FALSE;
  if (n > 0)
    {
      conversation_refresh_counts (messenger, peer);
      tell_displayed (messenger, peer, last_id);
    }
  return TRUE;
}

void
messenger_set_typing (Messenger *messenger, Peer *peer, ChatState state)
{
  g_autoptr (GString) xml = NULL;

  if (peer->session == NULL || !(peer->capabilities & CAPABILITY_CHAT_STATES) || state == CHAT_STATE_NONE)
    return;
  xml = g_string_new (NULL);
  stanza_append_chat_state (xml, session_own (peer->session), session_peer_name (peer->session), state);
  session_send (peer->session, xml->str, xml->len);
}
