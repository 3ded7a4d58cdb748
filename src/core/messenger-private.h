/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/messenger.h"
#include "core/session.h"
#include "net/listener.h"

/* What messenger.c, streams.c and conversation.c share. Nobody else includes it. */

struct _Messenger
{
  GObject parent;

  Database *db;
  Settings *settings;
  Turn     *turn;
  Roster   *roster;

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
  guint      busy;      /* messages since memory was given back */
  GSource   *rest;
  char      *trouble;   /* why nothing can be written down, or NULL */
  GString   *scratch;   /* of the pump */
  guint      changed;   /* MessengerChange */
  gboolean   telling;   /* tell() runs after this turn */
  guint      unread;
  GSource   *expiry;
  gint64     started;
  gint64     purged;    /* when the database was last cleaned */
};

/* What is told after the turn's commit. */
void messenger_tell (Messenger *messenger);
void messenger_peer_changed (Messenger *messenger, Peer *peer, PeerChange changed);
void messenger_message_changed (Messenger *messenger, guint64 seq, gint64 peer, MessageState state, const char *reason,
                                gboolean confirms);
void messenger_message_added (Messenger *messenger, MessageRow *row); /* takes it */
void messenger_changed (Messenger *messenger, MessengerChange changed);
Peer *messenger_add_peer (Messenger *messenger, const char *instance, const char *address, GError **error);
gboolean messenger_may_talk (Messenger *messenger); /* on the air, awake, not offline */

/* messenger_await_peer: @peer is told of when its row is stored. */
void messenger_await_peer (Messenger *messenger, const Peer *peer);

/* fault.c: the database cannot be written ---------------------------------------------------------------------------- */

/* fault_happened: what was not stored did not happen: the counts are those of the database again. Nothing is sent, and what is due stays
 * due, until something could be written again; that is tried after a while. */
void fault_happened (Messenger *messenger, const GError *error);
void fault_over (Messenger *messenger);

/* link.c: who is there ----------------------------------------------------------------------------------------------- */

void link_publish (Messenger *messenger);       /* our record, or its goodbye, as the status wants it */
void link_update_record (Messenger *messenger); /* what is in it changed */
void link_seen (const Sighting *sighting, gpointer messenger);
void link_resolve_added (Messenger *messenger, Peer *peer);

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
/* streams_rest: every stream is closed for a while: what could not be written down is said again on the next ones. */
void streams_rest (Messenger *messenger);
void streams_check_paths (Messenger *messenger); /* interfaces went: so did what ran over them */
void streams_set_traced (Messenger *messenger, Peer *peer);

/* conversation.c: what is said on them ---------------------------------------------------------------------------- */

/* conversation_pump: what is queued for @peer goes out after this turn's commit, as far as there is a stream and room. */
void conversation_pump (Messenger *messenger, Peer *peer);
void conversation_receive (Messenger *messenger, Session *session, const Stanza *stanza);
/* conversation_broken: a stream that carried unconfirmed messages is gone: they go again. */
void conversation_broken (Messenger *messenger, Peer *peer);
/* conversation_unreachable: no stream could be had, or it went off the air: what was allowed only for now fails. */
void conversation_unreachable (Messenger *messenger, Peer *peer);
void conversation_hold (Messenger *messenger, const char *reason); /* everything queued in clear */
void conversation_expire (Messenger *messenger);
/* conversation_change: one message of ours to another state, in the database and for those who listen. */
void conversation_change (Messenger *messenger, Peer *peer, guint64 seq, MessageState state, const char *reason,
                          gboolean confirms);
void conversation_count_down (Messenger *messenger, Peer *peer); /* one less waits for it */
/* conversation_recount: all that is counted of @peer, after a commit that failed. */
void conversation_recount (Messenger *messenger, Peer *peer);
void conversation_refresh_counts (Messenger *messenger, Peer *peer);

/* trace.c: what is really happening ------------------------------------------------------------------------------- */

void trace_element (Messenger *messenger, Peer *peer, gboolean out, const char *xml, gsize len);

/* probe.c: is it reachable? ------------------------------------------------------------------------------------------ */

void probe_opened (Peer *peer);                      /* a stream is there: ask */
void probe_failed (Peer *peer, const GError *error); /* none could be had */
