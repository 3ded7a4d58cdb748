/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/receiver.h"
#include "bytes/scan.h"
#include "bytes/sender.h"
#include "core/messenger-private.h"
#include "core/transfers.h"

/* What these files share. Nobody else includes it but streams.c and messenger.c.
 *
 *   transfers.c  the list, what the user does
 *   transfer.c   one of them: its states, its row, who is told
 *   sending.c    the sources
 *   offers.c     what we say about them on the peer's stream: Jingle
 *   answers.c    what the peer says
 *   carrier.c    the connection that the bytes take, and the thread that moves them
 *   legacy*.c    all that for who cannot encrypt
 *   inband.c     the bytes within the stream, where no connection can be had */

typedef struct _Inband Inband;
typedef struct _Legacy Legacy;

struct _TransferRun
{
  Messenger *messenger;
  guint8     id[SESSION_BYTES_ID]; /* of the newest offer */
  gboolean   id_open;   /* a connection may come with it, once */
  Session   *told_on;   /* the stream on which the newest offer was made, or asked for; compared only */
  Session   *carrier;   /* the connection that we are making */
  gboolean   called_back; /* they were asked to connect to us, or we do so */
  Inband    *inband;
  Legacy    *legacy;    /* in place of all that */
  ByteTask  *task;      /* bytes move */
  Scan      *scan;      /* what is offered is being counted */
  GArray    *fds;       /* int: of the sources, -1 where there is only a path; NULL: none */
  int        folder_fd, out_fd;
  GSource   *retry;     /* the pause after a broken connection */
  guint      retry_s;
  guint      scan_failures; /* of the failures, how many the counting found */
  gint64     ticked, tick_bytes; /* for the rate */
  GSource   *burial;    /* LIMIT_TRANSFER_SHOWN_S after the end */
  guint      changed;   /* TransferChange, not told yet */
  gboolean   is_new, finished;
  gboolean   landed;    /* all is in its place, and only has to be stored and said */
  gboolean   changed_source; /* it is not what it was when it was offered before */
  gboolean   stale;     /* the sources may be others than when they were counted */
  gboolean   resumed;   /* the peer ended its pause before the thread had ended */
  gboolean   telling;   /* that it is paused, or is not, was said and not answered yet */
  gboolean   offered;   /* in: the newest offer was not answered */
};

/* transfer.c */

/* A transfer that may be gone when something answers. */
typedef struct
{
  Messenger *messenger;
  guint64    id;
} TransferRef;

TransferRef *transfer_ref (const Transfer *transfer);
Transfer    *transfer_deref (TransferRef *ref); /* takes it; NULL: it is gone */
GBytes *transfer_pack (GVariant *value); /* for the row; takes a floating one */
GVariant *transfer_unpack (GBytes *bytes, const GVariantType *type); /* NULL is the empty value */
void transfer_unpack_all (Transfer *transfer);
void transfer_tick (Transfer *transfer);
gboolean transfer_bury (gpointer transfer); /* it is not shown any more */
void transfer_drop_sources (Transfer *transfer);
void transfer_forget_target (Transfer *transfer); /* descriptors of where it was to go */

/* transfers.c */
gboolean transfers_load (Messenger *messenger, GError **error);
void transfers_stop (Messenger *messenger); /* nothing moves any more; what was open goes on with the next start */
void transfers_free_all (Messenger *messenger);
void transfers_rest (Messenger *messenger); /* no streams for a while */
void transfers_block_peer (Messenger *messenger, const Peer *peer);
void transfers_forget_peer (Messenger *messenger, const Peer *peer);
void transfers_merge_peer (Messenger *messenger, const Peer *peer, Peer *into);
Transfer *transfer_new (Messenger *messenger, TransferRow *row, Peer *peer); /* takes @row; in the list */
Transfer *transfer_with_sid (Messenger *messenger, const Peer *peer, const char *sid);
void transfer_free (Transfer *transfer);
Transfer *transfer_read (Messenger *messenger, TransferRow *row); /* takes @row; not in the list, only to be looked at */
/* transfer_set: another state, stored and told. @reason: of the closed list, or NULL. An end stops whatever goes on. */
void transfer_set (Transfer *transfer, TransferState state, const char *reason);
void transfer_changed (Transfer *transfer, TransferChange changed);
void transfer_save (Transfer *transfer);
void transfer_stop_moving (Transfer *transfer, const char *reason); /* the task, the connection, the fallback */
gboolean transfer_is_open (const Transfer *transfer); /* not over */
void transfers_count_moving (Messenger *messenger, Peer *peer);
void transfer_retry_later (Transfer *transfer); /* the pause grows */
void transfer_retry_after (Transfer *transfer, guint seconds);
void transfer_set_flag (Transfer *transfer, TransferFlag flag, gboolean on);
void transfer_give_up (Transfer *transfer, TransferState state, const char *reason); /* and tells the peer, now or later */
void transfer_go_on (Transfer *transfer); /* after a pause */
gboolean transfer_is_held (const Transfer *transfer); /* by our user, or by our disk: it must not go on */
void transfer_clean_up (Transfer *transfer);
void transfer_scan (Transfer *transfer);
void transfer_add_file (Transfer *transfer, const char *name, gint64 size, gint64 mtime, gboolean folder);
void transfer_add_failures (Transfer *transfer, GPtrArray *failures); /* ByteFailure */
void transfer_pack_files (Transfer *transfer); /* into the row */
void transfer_pack_result (Transfer *transfer);
char *transfer_dup_manifest (const Transfer *transfer);
char *transfer_dup_part (const TransferRow *row);
char *transfer_name_of (const char *first, guint64 n);
TransferLinks transfer_links (const Transfer *transfer);
GArray *transfer_list_sources (Transfer *transfer, GVariant **holder); /* ByteSource, which point into *@holder */
void transfers_set_expiry (Messenger *messenger);
void transfers_sweep (Messenger *messenger, const TransferRow *row); /* what is left in the target of one that was complete when we died */
void sending_sweep (Messenger *messenger); /* what is left of transfers that are over */
void transfers_tick (Messenger *messenger); /* progress is told while bytes move */
char *transfer_dup_target (Transfer *transfer); /* where what comes in goes when nobody says otherwise */

/* offers.c */
void offers_pump (Messenger *messenger, Peer *peer);     /* there is a stream: what has to be said */
void offers_next (Messenger *messenger, Peer *peer);     /* one that had to wait for others of @peer to end may be its turn now */
void offers_ended (Messenger *messenger, Session *session);
void offer_make (Transfer *transfer);                    /* (again), if there is a stream */
void offer_accept (Transfer *transfer);                  /* bytes may come */
void offer_tell (Transfer *transfer);                    /* what is TRANSFER_UNTOLD, now or with the next stream, until it is answered */
void offer_ask_back (Transfer *transfer);                /* we cannot connect to them: they should */
void offer_fall_back (Transfer *transfer);               /* neither side can connect: in-band */
void offer_agree (Transfer *transfer, const Jingle *jingle); /* to the transport that they propose instead */
void offer_say_end (Session *session, const char *sid, const char *why, RequestDone done, gpointer user_data);
gboolean offer_is_due (const Transfer *transfer);        /* out: nothing goes on, and something should */

/* answers.c */
gboolean answers_receive (Messenger *messenger, Session *session, const Node *iq); /* FALSE: not about transfers */
/* answers_arrived: @jingle's files or folders; NULL where there are too many already. answers_decide() follows. */
Transfer *answers_arrived (Messenger *messenger, Peer *peer, const Jingle *jingle, guint flags);
void answers_decide (Transfer *transfer); /* policy, quota, or somebody is asked */
void answers_paused (Transfer *transfer, const char *reason); /* by the peer; @reason as we mean it */

/* carrier.c */
void carrier_connect (Transfer *transfer);               /* to them, with the newest id */
void carrier_take (Messenger *messenger, Session *session, const guint8 *id); /* somebody connected, or we did */
void carrier_start (Transfer *transfer, ByteLink *link); /* takes it */
void carrier_drop (Transfer *transfer);
ReceiveJob carrier_receive_job (Transfer *transfer, const char *part); /* the descriptors in it are the thread's */
void carrier_take_outcome (Transfer *transfer, const ByteOutcome *outcome);
void carrier_landed (Transfer *transfer, const ByteOutcome *outcome); /* LANDED: stored, then confirmed */

/* inband.c */
/* inband_begin: and the thread. @opens: we say so first. */
void inband_begin (Transfer *transfer, Session *session, const char *sid, guint block_size, gboolean opens);
void inband_drop (Transfer *transfer);
Session *inband_session (Inband *inband);
gboolean inband_receive (Messenger *messenger, Session *session, const Node *iq); /* FALSE: not of XEP-0047 */
