/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

#include "core/roster.h"
#include "core/turn.h"
#include "store/identity.h"
#include "store/settings.h"

/* The messenger: the link, the peers, the streams and the messages together. Runs without a bus; whoever shows it to somebody
 * listens to its signals. They come after what they tell was committed:
 *
 *   peer-added      (Peer *)             peer-changed  (Peer *, guint PeerChange)      peer-removed (gint64 *id)
 *   message-added   (MessageRow *)       message-changed (MessageRow *)                changed (guint MessengerChange)
 *
 * Peers are borrowed and live until peer-removed. Everything happens on one main context. */

#define MESSENGER_TYPE (messenger_get_type ())
G_DECLARE_FINAL_TYPE (Messenger, messenger, HEARBY, MESSENGER, GObject)

typedef enum
{
  MESSENGER_CHANGED_STATUS = 1 << 0, /* status, text, instance, nick, on air, port, discovery */
  MESSENGER_CHANGED_UNREAD = 1 << 1,
  MESSENGER_CHANGED_ALIASES = 1 << 2,
} MessengerChange;

/* messenger_new: takes over @settings; @db must outlive it. Takes @identity too (NULL: nothing is
 * encrypted). Not on the air. */
Messenger *messenger_new (Database *db, Settings *settings, Identity *identity, GError **error);

/* messenger_stop: goodbye, streams closed (at most a moment is waited), everything committed. The last call before the last unref. */
void messenger_stop (Messenger *messenger);

Turn     *messenger_turn (Messenger *messenger);
Roster   *messenger_roster (Messenger *messenger);
Settings *messenger_settings (Messenger *messenger);
Database *messenger_database (Messenger *messenger);

/* Presence ------------------------------------------------------------------------------------------------- */

/* messenger_announce: on the air from now on, unless the status is offline. *@first: the first time ever that a link is told. The name asked for. */
const char *messenger_announce (Messenger *messenger, gboolean *first);
gboolean    messenger_set_status (Messenger *messenger, Status status, const char *text, GError **error);
Status      messenger_status (Messenger *messenger);
const char *messenger_status_text (Messenger *messenger);
const char *messenger_instance (Messenger *messenger); /* published, else the one asked for */
char       *messenger_dup_nick (Messenger *messenger);
gboolean    messenger_is_on_air (Messenger *messenger);
gint64      messenger_uptime (Messenger *messenger); /* µs */
guint16     messenger_port (Messenger *messenger);
const char *messenger_discovery (Messenger *messenger);
char      **messenger_problems (Messenger *messenger); /* for people; g_strfreev */

/* messenger_settle: @done once the first complete look at the link is over, at the latest after LIMIT_SETTLE_MS; at once later. */
typedef void (*MessengerFunc) (gpointer user_data);
void messenger_settle (Messenger *messenger, MessengerFunc done, gpointer user_data);

/* messenger_configure: all or none; *@restart: the keys that take effect later (g_strfreev). */
gboolean messenger_configure (Messenger *messenger, const char *const *keys, const char *const *values, gsize n, char ***restart,
                              GError **error);

/* messenger_sleep, _wake: the machine is about to sleep: goodbye, streams closed, what is queued in clear is held; and back. */
void messenger_sleep (Messenger *messenger);
void messenger_wake (Messenger *messenger);

/* Peers ----------------------------------------------------------------------------------------------------- */

/* messenger_add_address: HOST, HOST:PORT or [ADDRESS]:PORT. Idempotent. The caller waits for *its* answer with messenger_await_online. */
Peer    *messenger_add_address (Messenger *messenger, const char *uri, GError **error);
gboolean messenger_set_alias (Messenger *messenger, const char *name, Peer **peers, gsize n, GError **error);
/* messenger_allow_plaintext: a permission, never a request: no effect on a peer that encrypts. */
gboolean messenger_allow_plaintext (Messenger *messenger, Peer *peer, PeerPlaintext plaintext, GError **error);
gboolean messenger_block (Messenger *messenger, Peer *peer, gboolean blocked, GError **error);
gboolean messenger_forget (Messenger *messenger, Peer *peer, GError **error);

/* messenger_trace: XML of @peer's streams goes to @fd (taken; a pipe) until its reader closes it. */
void messenger_trace (Messenger *messenger, Peer *peer, int fd);

typedef void (*MessengerProbe) (gint64 rtt_us, const char *address, const GError *error, gpointer user_data);
/* messenger_probe: a stream to @peer, opened if need be, and a ping; rtt -1: connected, but it answers no ping. */
void messenger_probe (Messenger *messenger, Peer *peer, MessengerProbe done, gpointer user_data);

/* Keys -------------------------------------------------------------------------------------------------------- */

/* messenger_new_identity: another key; all streams are closed. NOT_VERIFIED where the present one has a passphrase. */
gboolean    messenger_new_identity (Messenger *messenger, GError **error);
const char *messenger_fingerprint (Messenger *messenger); /* our own; "" where nothing is encrypted */
char       *messenger_dup_uri (Messenger *messenger);     /* the same with our name, for others' messenger_trust_uri(); "" likewise */
/* messenger_trust_key: @peer's key is the one with @fingerprint, which it, or somebody under its name, showed. NOT_FOUND. */
gboolean messenger_trust_key (Messenger *messenger, Peer *peer, const char *fingerprint, gboolean verified, GError **error);
/* messenger_trust_uri: the key in @uri is whose name is in it, verified. */
Peer    *messenger_trust_uri (Messenger *messenger, const char *uri, GError **error);
gboolean messenger_set_encryption (Messenger *messenger, Peer *peer, PeerEncryption encryption, GError **error);
PeerEncryption messenger_encryption (Messenger *messenger, const Peer *peer); /* in force */

/* messenger_verify: compares codes with @peer (hearby-protocol(7), verification). @done is called once: with @code when both users
 * agreed to, or with an error. The run's id, owned by the messenger; NULL with an error. */
typedef void (*MessengerCode) (const char *run, const char *code, const GError *error, gpointer user_data);
const char *messenger_verify (Messenger *messenger, Peer *peer, MessengerCode done, gpointer user_data, GError **error);
/* messenger_answer: what our user says: @typed is the code as the other read it out, or NULL and @match. @run "": the
 * one that goes on with @peer. *@same: the outcome. */
gboolean messenger_answer (Messenger *messenger, Peer *peer, const char *run, const char *typed, gboolean match, gboolean *same,
                           GError **error);
void messenger_cancel_verify (Messenger *messenger, const Peer *peer); /* fine where there is none */
/* messenger_wants_verify: @peer's user asked and waits for ours. */
gboolean messenger_wants_verify (Messenger *messenger, const Peer *peer);

/* Messages -------------------------------------------------------------------------------------------------- */

typedef struct
{
  const char *key;        /* the caller's, for idempotence, or NULL */
  gint64      expire_s;   /* ≤ 0: the default */
  gboolean    plaintext;  /* the yes for this message */
  gboolean    now, confirm;
  gboolean    files;      /* what is checked is no message: for the words of an error */
  guint64     replaces;   /* seq, or 0 */
} SendOptions;

/* messenger_send: to each of @to, all checked before anything is stored. Seqs (guint64), durable after the turn's commit. */
GArray *messenger_send (Messenger *messenger, Peer **to, gsize n_to, const char *text, const SendOptions *options, GError **error);
gboolean messenger_cancel (Messenger *messenger, guint64 seq, GError **error);
gboolean messenger_mark_read (Messenger *messenger, Peer *peer, guint64 up_to, GError **error);
void     messenger_set_typing (Messenger *messenger, Peer *peer, ChatState state);
guint    messenger_unread (Messenger *messenger);
