/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/messenger.h"
#include "core/session.h"
#include "net/listener.h"
#include "secure/hint.h"

/* What messenger.c, streams.c and conversation.c share. Nobody else includes it. */

struct _Transfer;

struct _Messenger
{
  GObject parent;

  Database *db;
  Settings *settings;
  Turn     *turn;
  Roster   *roster;
  Identity *identity;   /* NULL: nothing is encrypted */
  char       fingerprint[FINGERPRINT_SIZE]; /* ours, or "" */
  guint8     salt[HINT_SALT]; /* of our hint, new at each start */
  GQueue     proofs;    /* ids of peers whose turn to prove their key comes */
  GSource   *proof_timer;
  GPtrArray *runs;      /* Run, owned: comparisons of codes, also those that were lately */

  Discovery *discovery;
  Listener  *listener;
  char      *machine;   /* host name on the link, or NULL while unknown */
  char      *wish;      /* the instance name we ask for, or NULL */
  char      *instance;  /* the one that is published, or NULL */
  GHashTable *own_names; /* folded, every one that we were published under */
  Status     status;
  char      *status_text;
  gboolean   on_air, looked, settled, asleep, stopped;
  GPtrArray *settlers;  /* who waits for it */
  GSource   *settle_timer;
  char      *network;   /* addresses_network() */
  GSource   *network_timer;
  gulong     network_handler;

  GPtrArray *sessions;  /* Session, owned: all */
  GHashTable *changed_peers;    /* Peer → itself: has ->changed */
  GHashTable *changed_messages; /* guint64* of the row → MessageRow without a body */
  GHashTable *news;     /* the same, committed, not told yet */
  GSource   *news_source;
  guint      news_turns;
  GPtrArray *transfers; /* Transfer, owned, by id: those that go on, and those that lately did */
  void     (*ask) (struct _Transfer *transfer, gpointer user_data); /* the agent, or NULL */
  gpointer   ask_data;
  GSource   *progress;  /* while bytes move */
  GSource   *transfer_expiry;
  GPtrArray *sweeps;    /* ByteTask, owned: what takes away parts for nobody */
  guint      busy;      /* messages since memory was given back */
  GSource   *rest;
  char      *cloned;    /* who else shows our key, as told to the user, or NULL */
  char      *trouble;   /* why nothing can be written down, or NULL */
  GString   *scratch;   /* of the pump */
  guint      changed;   /* MessengerChange */
  gboolean   telling;   /* tell() runs after this turn */
  guint      unread;
  GSource   *expiry;
  gint64     started;
  gint64     purged;    /* when the database was last cleaned */
};

typedef enum
{
  MESSENGER_SIGNAL_PEER_ADDED,
  MESSENGER_SIGNAL_PEER_CHANGED,
  MESSENGER_SIGNAL_PEER_REMOVED,
  MESSENGER_SIGNAL_MESSAGE_ADDED,
  MESSENGER_SIGNAL_MESSAGE_CHANGED,
  MESSENGER_SIGNAL_CHANGED,
  MESSENGER_SIGNAL_TRANSFER_ADDED,
  MESSENGER_SIGNAL_TRANSFER_CHANGED,
  MESSENGER_SIGNAL_TRANSFER_FINISHED,
  MESSENGER_SIGNAL_TRANSFER_REMOVED,
  MESSENGER_N_SIGNALS
} MessengerSignal;

extern guint messenger_signals[MESSENGER_N_SIGNALS];

/* telling.c: what is told after the turn's commit -------------------------------------------------------------------- */

void telling_init (Messenger *messenger);
void telling_end (Messenger *messenger);   /* what is still to be told */
void telling_clear (Messenger *messenger);
void messenger_tell (Messenger *messenger);
void messenger_peer_changed (Messenger *messenger, Peer *peer, PeerChange changed);
void messenger_message_changed (Messenger *messenger, guint64 seq, gint64 peer, MessageState state, const char *reason,
                                gboolean confirms);
void messenger_message_added (Messenger *messenger, MessageRow *row); /* takes it */
void messenger_changed (Messenger *messenger, MessengerChange changed);
/* messenger_await_peer: @peer is told of when its row is stored. */
void messenger_await_peer (Messenger *messenger, const Peer *peer);

/* messenger.c ------------------------------------------------------------------------------------------------------- */

/* @key: PEER_KEY bytes or NULL */
Peer *messenger_add_peer (Messenger *messenger, const char *instance, const char *address, const guint8 *key, GError **error);
/* messenger_merge: @peer was @into all the time; it is freed. */
gboolean messenger_merge (Messenger *messenger, Peer *peer, Peer *into, GError **error);
gboolean messenger_may_talk (Messenger *messenger); /* on the air, awake, not offline */

/* fault.c: the database cannot be written ---------------------------------------------------------------------------- */

/* fault_happened: what was not stored did not happen: the counts are those of the database again. Nothing is sent, and what is due stays
 * due, until something could be written again; that is tried after a while. */
void fault_happened (Messenger *messenger, const GError *error);
void fault_over (Messenger *messenger);

/* link.c: who is there ----------------------------------------------------------------------------------------------- */

void link_publish (Messenger *messenger);       /* our record, or its goodbye, as the status wants it */
void link_update_record (Messenger *messenger); /* what is in it changed */
void link_seen (const Sighting *sighting, gpointer messenger);
void link_gone (const char *instance, guint interface, GSocketFamily family, gpointer messenger);
void link_resolve_added (Messenger *messenger, Peer *peer);
void link_resettle (Messenger *messenger, const char *instance); /* whose the records of that name are may have changed */

/* identify.c: whose a stream is ------------------------------------------------------------------------------------------ */

void identify_header (Messenger *messenger, Session *session);
/* identify_clear: accepts or refuses; FALSE: nobody knows yet. */
gboolean identify_clear (Messenger *messenger, Session *session, gboolean spoke);
void identify_key (Messenger *messenger, Session *session);

/* trust.c: what keys are worth --------------------------------------------------------------------------------------------- */

PeerEncryption trust_policy (Messenger *messenger, const Peer *peer); /* in force for @peer, NULL: for strangers; never DEFAULT */
gboolean trust_encrypts (Messenger *messenger, const Peer *peer); /* what is written to it goes to a key, or not at all */
gboolean trust_is_known_in_clear (Messenger *messenger, const Peer *peer); /* there is a yes or a history */
void trust_claimed (Messenger *messenger, Peer *owner, const guint8 *key); /* @key was shown under @owner's name */
void trust_downgraded (Messenger *messenger, Peer *peer); /* it should encrypt, and offers nothing */
void trust_proven (Messenger *messenger, Peer *peer);     /* a session showed its key under its name */
void trust_greeted (Messenger *messenger, Peer *peer);    /* it showed a key for the first time */
void trust_compare_looks (Messenger *messenger, Peer *peer);
void trust_pin (Messenger *messenger, Peer *peer);        /* the user acts towards it */
void trust_verified (Messenger *messenger, Peer *peer, const guint8 *key, gboolean match);
gboolean trust_needs_proof (const Peer *peer);
void trust_want_proof (Messenger *messenger, Peer *peer);

/* verification.c: the comparison of codes ------------------------------------------------------------------------------------ */

void verification_receive (Messenger *messenger, Session *session, const Node *verify);
void verification_opened (Messenger *messenger, Session *session);
gboolean verification_runs_on (Messenger *messenger, Session *session); /* it is not closed yet */
void verification_ended (Messenger *messenger, Session *session, gboolean others); /* @others: streams of that peer may live on */
void verification_free_all (Messenger *messenger);

/* streams.c: who has which stream ---------------------------------------------------------------------------- */

void streams_accept (GSocketConnection *connection, gpointer messenger);
/* streams_want: a stream to @peer, if there is none and it can be reached, now or after the pause. */
void streams_want (Messenger *messenger, Peer *peer);
/* streams_reconsider: mDNS said something new: strangers that wait may be somebody now. */
void streams_reconsider (Messenger *messenger);
void streams_forget_pause (Peer *peer); /* there is news: the next try need not wait */
void streams_keep_added (Messenger *messenger); /* to every address that the user added */
void streams_close_peer (Messenger *messenger, Peer *peer, const char *condition); /* NULL: orderly */
void streams_close_all (Messenger *messenger);
void streams_drop_all (Messenger *messenger);  /* at once */
/* streams_rest: every stream is closed for a while: what could not be written down is said again on the next ones. */
void streams_rest (Messenger *messenger);
extern const SessionEvents streams_session_events;
SessionSetup streams_setup (Messenger *messenger, const Peer *peer); /* NULL: a stranger */
void streams_add (Messenger *messenger, Session *session);
void streams_bind (Messenger *messenger, Session *session, Peer *peer);
void streams_choose (Messenger *messenger, Peer *peer); /* the one to send on */
guint streams_count (Peer *peer, gboolean restricted);  /* that are not closing */
void dial_later (Messenger *messenger, Peer *peer);     /* after a pause that grows */
/* dial_bytes: a connection that carries what @id says (session.h), to a peer with a key. The caller owns it; NULL: it cannot be reached. */
Session *dial_bytes (Messenger *messenger, Peer *peer, const guint8 *id, const SessionEvents *events, gpointer user_data);
void dial_again (Messenger *messenger, Peer *peer);     /* although there is one */
void streams_check_paths (Messenger *messenger); /* interfaces went: so did what ran over them */
void streams_set_traced (Messenger *messenger, Peer *peer);

/* conversation.c: what is said on them ---------------------------------------------------------------------------- */

/* conversation_prepare: how a new message of ours is to be stored; conversation_stored: that was done, and it goes on its way after the
 * commit. @row is what those who listen are told then. */
void conversation_prepare (Messenger *messenger, Peer *peer, MessageRow *row);
void conversation_stored (Messenger *messenger, Peer *peer, MessageRow *row);
/* conversation_take_back: what would go after the commit waits as everything else does. */
void conversation_take_back (Messenger *messenger, Peer *peer);
/* conversation_pump: what is queued for @peer goes out after this turn's commit, as far as there is a stream and room. */
void conversation_pump (Messenger *messenger, Peer *peer);
void conversation_receive (Messenger *messenger, Session *session, const Stanza *stanza);
/* conversation_broken: a stream that carried unconfirmed messages is gone: they go again. */
void conversation_broken (Messenger *messenger, Peer *peer);
/* conversation_unreachable: no stream could be had, or it went off the air: what was allowed only for now fails. */
void conversation_unreachable (Messenger *messenger, Peer *peer);
void conversation_hold (Messenger *messenger, const char *reason); /* everything queued in clear */
/* conversation_release: a new secure stream is there: what its peer did not take because of our key is tried again. */
void conversation_release (Messenger *messenger, Peer *peer);
void conversation_expire (Messenger *messenger);
/* conversation_change: one message of ours to another state, in the database and for those who listen. */
void conversation_change (Messenger *messenger, Peer *peer, guint64 seq, MessageState state, const char *reason,
                          gboolean confirms);
void conversation_count_down (Messenger *messenger, Peer *peer); /* one less waits for it */
/* conversation_refresh_counts: all that is counted of @peer, as it is stored. */
void conversation_refresh_counts (Messenger *messenger, Peer *peer);

/* compose_check: @peer may be written to, as @options say. */
gboolean compose_check (Messenger *messenger, const Peer *peer, const SendOptions *options, GError **error);

/* trace.c: what is really happening ------------------------------------------------------------------------------- */

void trace_element (Messenger *messenger, Peer *peer, gboolean out, const char *xml, gsize len);

/* probe.c: is it reachable? ------------------------------------------------------------------------------------------ */

void probe_opened (Peer *peer);                      /* a stream is there: ask */
void probe_failed (Peer *peer, const GError *error); /* none could be had */
void probe_check (Peer *peer);                       /* none may be coming any more */
