/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/messenger-private.h"

#include <string.h>

#include "base/error.h"
#include "base/paths.h"
#include "base/text.h"
#include "net/deadline.h"
#include "presence/name.h"
#include "secure/trust-uri.h"

/* Who is who by key: what a peer's key is worth, what changes that, and when it is asked for (hearby-protocol(7), trust). A name never
 * takes a key's place; only the user decides. */

#define PROOFS_EVERY_US (G_USEC_PER_SEC / 5)
#define SECOND_ASKS_US G_USEC_PER_SEC /* of two who sight each other, the one with the larger key waits for the other to ask */

PeerEncryption
trust_policy (Messenger *messenger, const Peer *peer)
{
  const char *setting = settings_get (messenger->settings, "encryption");

  if (messenger->identity == NULL)
    return ENCRYPTION_NEVER;
  if (peer != NULL && peer->row->encryption != ENCRYPTION_DEFAULT)
    return peer->row->encryption;
  return g_str_equal (setting, "require") ? ENCRYPTION_REQUIRE : g_str_equal (setting, "never") ? ENCRYPTION_NEVER : ENCRYPTION_PREFER;
}

gboolean
trust_encrypts (Messenger *messenger, const Peer *peer)
{
  return peer_is_pinned (peer) || (peer_encrypts (peer) && trust_policy (messenger, peer) != ENCRYPTION_NEVER);
}

gboolean
trust_is_known_in_clear (Messenger *messenger, const Peer *peer)
{
  return peer->row->plaintext == PLAINTEXT_ALLOW || messages_in_clear (messenger->db, peer->row->id);
}

static void
save (Messenger *messenger, Peer *peer)
{
  g_autoptr (GError) error = NULL;

  if (!roster_save (messenger->roster, peer, &error))
    g_warning ("what is known of a key was not stored: %s", error->message);
  messenger_peer_changed (messenger, peer, PEER_CHANGED_POLICY | PEER_CHANGED_NAME);
}

/* What sessions show ----------------------------------------------------------------------------------------------------- */

void
trust_claimed (Messenger *messenger, Peer *owner, const guint8 *key)
{
  if (owner->row->claim != NULL && memcmp (g_bytes_get_data (owner->row->claim, NULL), key, PEER_KEY) == 0)
    return;
  peer_set_claim (owner, key);
  g_warning ("somebody shows another key under the name '%s': %s instead of %s", owner->row->instance, owner->claim,
             owner->fingerprint);
  owner->confirmed = FALSE; /* a stranger's call does not part the two: whoever is there proves his key at once */
  save (messenger, owner);
  trust_want_proof (messenger, owner);
}

void
trust_downgraded (Messenger *messenger, Peer *peer)
{
  if (peer->downgraded || trust_policy (messenger, peer) == ENCRYPTION_NEVER) /* then it is ours that offers nothing */
    return;
  peer->downgraded = TRUE;
  g_warning ("'%s' should encrypt, and offers nothing: nothing is sent to it", peer->row->instance);
  messenger_peer_changed (messenger, peer, PEER_CHANGED_POLICY);
  messenger_changed (messenger, MESSENGER_CHANGED_STATUS);
}

/* It holds its key, and uses its name: whoever else did is a matter of the past. What the users found out by comparing codes is not. */
void
trust_proven (Messenger *messenger, Peer *peer)
{
  if (peer->downgraded)
    messenger_changed (messenger, MESSENGER_CHANGED_STATUS);
  peer->confirmed = TRUE;
  peer->recognised = FALSE;
  peer->downgraded = FALSE;
  if (peer->row->claim != NULL)
    {
      g_message ("'%s' showed its own key again", peer->row->instance);
      peer_set_claim (peer, NULL);
    }
  if (peer->row->trust == TRUST_NEW && peer->queued > 0) /* the user wrote to it before it showed its key */
    peer->row->trust = TRUST_PINNED;
  trust_compare_looks (messenger, peer);
  save (messenger, peer);
}

/* What two names that a person could confuse have in common (UTS 39 does more; this is what a mail of a friend could look like). */
static char *
skeleton (const char *name)
{
  g_autofree char *clean = text_clean_line (name, -1, 4 * 128);
  g_autofree char *normal = g_utf8_normalize (clean, -1, G_NORMALIZE_ALL_COMPOSE);
  g_autofree char *folded = normal != NULL ? g_utf8_casefold (normal, -1) : NULL;
  GString *out = g_string_new (NULL);

  for (const char *c = folded; c != NULL && *c != '\0'; c = g_utf8_next_char (c))
    {
      gunichar u = g_utf8_get_char (c);

      if (g_unichar_isgraph (u) && g_unichar_type (u) != G_UNICODE_FORMAT)
        g_string_append_unichar (out, u);
    }
  return g_string_free (out, FALSE);
}

static gboolean
shares_skeleton (const Peer *peer, const char *wanted)
{
  g_autofree char *user = peer->row->instance != NULL ? name_dup_user (peer->row->instance) : NULL;
  const char *names[] = { peer->alias, peer->row->nick, user };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *other = names[i] != NULL ? skeleton (names[i]) : NULL;

      if (other != NULL && *other != '\0' && g_str_equal (other, wanted))
        return TRUE;
    }
  return FALSE;
}

/* Whom the user pinned and could take @peer for. */
static const Peer *
find_lookalike (Messenger *messenger, const Peer *peer)
{
  GPtrArray *peers = roster_peers (messenger->roster);
  g_autofree char *user = peer->row->instance != NULL ? name_dup_user (peer->row->instance) : NULL;
  const char *names[] = { peer->row->nick, user };

  for (guint n = 0; n < G_N_ELEMENTS (names); n++)
    {
      g_autofree char *wanted = names[n] != NULL ? skeleton (names[n]) : NULL;

      for (guint i = 0; wanted != NULL && *wanted != '\0' && i < peers->len; i++)
        {
          const Peer *other = g_ptr_array_index (peers, i);

          if (other != peer && peer_is_pinned (other) && shares_skeleton (other, wanted))
            return other;
        }
    }
  return NULL;
}

void
trust_compare_looks (Messenger *messenger, Peer *peer)
{
  const Peer *other = peer_is_pinned (peer) || peer->is_self ? NULL : find_lookalike (messenger, peer);
  g_autofree char *name = other != NULL ? roster_dup_name (messenger->roster, other) : NULL;

  if (g_strcmp0 (name, peer->looks_like) == 0)
    return;
  g_free (peer->looks_like);
  peer->looks_like = g_steal_pointer (&name);
  messenger_peer_changed (messenger, peer, PEER_CHANGED_POLICY);
}

void
trust_greeted (Messenger *messenger, Peer *peer)
{
  trust_compare_looks (messenger, peer);
  save (messenger, peer);
}

/* What the user does ---------------------------------------------------------------------------------------------------- */

const char *
messenger_fingerprint (Messenger *messenger)
{
  return messenger->fingerprint;
}

char *
messenger_dup_uri (Messenger *messenger)
{
  const char *name = messenger_instance (messenger);
  char *uri = messenger->identity != NULL && name != NULL ? trust_uri_make (name, identity_public (messenger->identity)) : NULL;

  return uri != NULL ? uri : g_strdup ("");
}

gboolean
messenger_new_identity (Messenger *messenger, GError **error)
{
  g_autofree char *path = paths_identity ();
  GPtrArray *peers = roster_peers (messenger->roster);
  Identity *identity;

  if (identity_is_locked (path, NULL))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_VERIFIED,
                   "the key has a passphrase\nremove it first: 'hearby daemon --stop; hearby daemon --passphrase'");
      return FALSE;
    }
  identity = identity_replace (path, NULL, error);
  if (identity == NULL)
    return FALSE;
  streams_drop_all (messenger); /* they hold the old one */
  identity_free (messenger->identity);
  messenger->identity = identity;
  fingerprint_make (identity_public (identity), messenger->fingerprint);
  g_clear_pointer (&messenger->cloned, g_free);
  for (guint i = 0; i < peers->len; i++)
    ((Peer *) g_ptr_array_index (peers, i))->confirmed = FALSE;
  link_update_record (messenger);
  messenger_changed (messenger, MESSENGER_CHANGED_STATUS);
  return TRUE;
}

PeerEncryption
messenger_encryption (Messenger *messenger, const Peer *peer)
{
  return trust_policy (messenger, peer);
}

void
trust_pin (Messenger *messenger, Peer *peer)
{
  if (peer->row->key == NULL || peer->row->trust != TRUST_NEW || trust_needs_proof (peer))
    return; /* or when it has proven it */
  peer->row->trust = TRUST_PINNED;
  trust_compare_looks (messenger, peer);
  save (messenger, peer);
}

/* @key is @peer's from now on, whoever showed it before. */
static gboolean
bind_key (Messenger *messenger, Peer *peer, const guint8 *key, PeerTrust trust, GError **error)
{
  Peer *shown = roster_by_key (messenger->roster, key);
  guint8 copy[PEER_KEY];

  memcpy (copy, key, sizeof copy);
  if (shown != NULL && shown != peer && !messenger_merge (messenger, shown, peer, error))
    return FALSE;
  if (!peer_has_key (peer, copy) || peer_is_in_conflict (peer))
    streams_close_peer (messenger, peer, NULL); /* on one where nothing is taken the other side would go on talking */
  if (!peer_has_key (peer, copy))
    {
      peer_set_key (peer, copy);
      peer->confirmed = FALSE;
    }
  peer_set_claim (peer, NULL);
  peer->row->trust = trust;
  peer->row->verified = trust == TRUST_VERIFIED ? g_get_real_time () : 0;
  peer->written_to = TRUE;
  if (!roster_save (messenger->roster, peer, error))
    return FALSE;
  save (messenger, peer);
  if (peer->row->instance != NULL)
    link_resettle (messenger, peer->row->instance);
  streams_forget_pause (peer);
  trust_want_proof (messenger, peer);
  conversation_pump (messenger, peer);
  return TRUE;
}

static gboolean
bind_shown (Messenger *messenger, Peer *peer, const char *fingerprint, gboolean verified, GError **error)
{
  PeerTrust trust = verified ? TRUST_VERIFIED : TRUST_PINNED;
  GPtrArray *same = peer->row->instance != NULL ? roster_named (messenger->roster, peer->row->instance) : NULL;

  if (peer->row->claim != NULL && fingerprint_is_of (fingerprint, g_bytes_get_data (peer->row->claim, NULL)))
    return bind_key (messenger, peer, g_bytes_get_data (peer->row->claim, NULL), trust, error);
  if (peer->row->key != NULL && fingerprint_is_of (fingerprint, g_bytes_get_data (peer->row->key, NULL)))
    return bind_key (messenger, peer, g_bytes_get_data (peer->row->key, NULL),
                     peer->row->trust == TRUST_VERIFIED ? TRUST_VERIFIED : trust, error);
  for (guint i = 0; same != NULL && i < same->len; i++)
    {
      Peer *other = g_ptr_array_index (same, i);

      if (other->row->key != NULL && fingerprint_is_of (fingerprint, g_bytes_get_data (other->row->key, NULL)))
        return bind_key (messenger, peer, g_bytes_get_data (other->row->key, NULL), trust, error);
    }
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND,
               "'%s' has not shown this key\nthe whole fingerprint is wanted, as 'hearby id' prints it there",
               peer->row->instance != NULL ? peer->row->instance : "the peer");
  return FALSE;
}

/* Who was known in clear under the name is the same person: the user says so. */
static gboolean
join_clear (Messenger *messenger, Peer *peer, GError **error)
{
  Peer *clear = peer->row->instance != NULL ? roster_in_clear (messenger->roster, peer->row->instance) : NULL;

  return clear == NULL || clear == peer || messenger_merge (messenger, clear, peer, error);
}

gboolean
messenger_trust_key (Messenger *messenger, Peer *peer, const char *fingerprint, gboolean verified, GError **error)
{
  return bind_shown (messenger, peer, fingerprint, verified, error) && join_clear (messenger, peer, error);
}

Peer *
messenger_trust_uri (Messenger *messenger, const char *uri, GError **error)
{
  TrustUri trusted;
  Peer *peer;

  if (!trust_uri_parse (uri, &trusted, error))
    return NULL;
  if (messenger->identity != NULL && memcmp (trusted.key, identity_public (messenger->identity), X25519_KEY) == 0)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "that is your own key");
      return NULL;
    }
  peer = roster_by_key (messenger->roster, trusted.key);
  if (peer == NULL)
    peer = roster_by_instance (messenger->roster, trusted.instance);
  if (peer == NULL)
    peer = messenger_add_peer (messenger, trusted.instance, NULL, trusted.key, error);
  return peer != NULL && bind_key (messenger, peer, trusted.key, TRUST_VERIFIED, error) ? peer : NULL;
}

void
trust_verified (Messenger *messenger, Peer *peer, const guint8 *key, gboolean match)
{
  g_autoptr (GError) error = NULL;

  if (match)
    {
      if (!bind_key (messenger, peer, key, TRUST_VERIFIED, &error))
        g_warning ("a comparison was not stored: %s", error->message);
      return;
    }
  if (peer_has_key (peer, key))
    peer->row->trust = TRUST_MISMATCH;
  else
    trust_claimed (messenger, peer, key);
  g_warning ("the codes differ: somebody is between you and '%s'", peer->row->instance);
  save (messenger, peer);
  streams_close_peer (messenger, peer, NULL);
}

gboolean
messenger_set_encryption (Messenger *messenger, Peer *peer, PeerEncryption encryption, GError **error)
{
  peer->row->encryption = encryption;
  if (!roster_save (messenger->roster, peer, error))
    return FALSE;
  messenger_peer_changed (messenger, peer, PEER_CHANGED_POLICY);
  for (guint i = 0; i < peer->sessions->len; i++)
    if (!session_is_secure (g_ptr_array_index (peer->sessions, i)) && trust_policy (messenger, peer) == ENCRYPTION_REQUIRE)
      session_close (g_ptr_array_index (peer->sessions, i));
  return TRUE;
}

/* Proofs ------------------------------------------------------------------------------------------------------------------ */

gboolean
trust_needs_proof (const Peer *peer)
{
  return (peer_is_pinned (peer) || peer->recognised) && !peer->confirmed && peer_is_announced (peer) && !peer->row->blocked
         && peer->row->trust != TRUST_MISMATCH;
}

static gboolean
on_proof_turn (gpointer user_data)
{
  Messenger *messenger = user_data;
  gint64 id = GPOINTER_TO_SIZE (g_queue_pop_head (&messenger->proofs));
  Peer *peer = roster_by_id (messenger->roster, id);

  if (!g_queue_is_empty (&messenger->proofs))
    deadline_set (messenger->proof_timer, g_get_monotonic_time () + PROOFS_EVERY_US);
  if (peer == NULL)
    return G_SOURCE_CONTINUE;
  peer->confirming = FALSE;
  streams_want (messenger, peer);
  return G_SOURCE_CONTINUE;
}

/* Whoever is sighted proves his key soon, a few a second. */
void
trust_want_proof (Messenger *messenger, Peer *peer)
{
  gboolean we_ask;

  if (messenger->identity == NULL || peer->confirming || !trust_needs_proof (peer))
    return;
  we_ask = peer->row->key == NULL
           || x25519_compare (identity_public (messenger->identity), g_bytes_get_data (peer->row->key, NULL)) < 0;
  if (messenger->proof_timer == NULL)
    messenger->proof_timer = deadline_new (on_proof_turn, messenger);
  if (g_queue_is_empty (&messenger->proofs))
    deadline_set (messenger->proof_timer, g_get_monotonic_time () + (we_ask ? PROOFS_EVERY_US : SECOND_ASKS_US));
  peer->confirming = TRUE;
  g_queue_push_tail (&messenger->proofs, GSIZE_TO_POINTER ((gsize) peer->row->id));
}
