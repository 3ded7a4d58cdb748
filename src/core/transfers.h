/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "core/messenger.h"
#include "store/transfer-rows.h"
#include "transfer/jingle.h"

/* Files, folders and pipes from one peer to another. One transfer is one session of Jingle (XEP-0166, XEP-0234) with one receiver, over any
 * number of files; hearby-protocol(7) tells what goes over the wire. The bytes are moved by bytes/, in threads; here is what is offered,
 * who said yes, and what comes next. The messenger's signals tell of them, after the commit:
 *
 *   transfer-added (Transfer *)      transfer-changed (Transfer *, guint TransferChange)
 *   transfer-finished (Transfer *)   the last values were told before it; at most once
 *   transfer-removed (guint64 *id)   LIMIT_TRANSFER_SHOWN_S after the end; it stays in the database for a while
 */

/* Of TransferRow.flags. */
typedef enum
{
  TRANSFER_ACCEPTED = TRANSFER_FLAG_ACCEPTED,
  TRANSFER_LEGACY = 1 << 1,       /* in clear, as libpurple does it: XEP-0096 */
  TRANSFER_CHECKSUM = 1 << 2,
  TRANSFER_PAUSED_HERE = 1 << 3,  /* who paused has to resume */
  TRANSFER_PAUSED_THERE = 1 << 4,
  TRANSFER_UNTOLD = 1 << 5,       /* it is over, paused or not any more, and the peer does not know */
  TRANSFER_PIPE = 1 << 6,         /* its size is not known: it cannot be continued */
  TRANSFER_ONCE = 1 << 7,         /* nor this one: it is from or into a descriptor */
  TRANSFER_RESTARTED = 1 << 8,    /* the source changed after a part of it had gone over: all went once more */
  TRANSFER_BEGUN = 1 << 9,        /* bytes went; in: there may be something on the disk */
  TRANSFER_FOLLOW_LINKS = 1 << 10,
  TRANSFER_SKIP_LINKS = 1 << 11,
} TransferFlag;

typedef enum
{
  TRANSFER_CHANGED_STATE = 1 << 0,    /* state, reason, paths, failures */
  TRANSFER_CHANGED_PROGRESS = 1 << 1, /* transferred, rate, expected end: at most four times a second */
  TRANSFER_CHANGED_OFFER = 1 << 2,    /* files, size, name: a folder was counted, or the source is another one now */
} TransferChange;

typedef struct _TransferRun TransferRun; /* what only core/ knows */

typedef struct _Transfer
{
  TransferRow *row;   /* id, direction, state, reason, name, size, transferred, folder … */
  Peer        *peer;
  GPtrArray   *files; /* JingleFile: the top level, LIMIT_OFFER_FILES at most */
  guint64      tops;  /* how many there really are */
  GPtrArray   *failures; /* TransferFailure: what could not be moved, LIMIT_TRANSFER_FAILURES at most */
  char       **paths; /* where they are now, of what was received, the first LIMIT_TRANSFER_FAILURES; NULL before. Filenames, not UTF-8 */
  char        *text;  /* the reason in words, for people, or NULL */
  gint64       rate;  /* bytes a second, 0: unknown or at rest */
  gint64       ends;  /* when it will be over, µs since 1970, 0: unknown */
  TransferRun *run;
} Transfer;

typedef struct
{
  char *path;   /* below the transfer, '/' between the parts; not UTF-8 */
  char *reason; /* of the closed list */
} TransferFailure;

/* transfer_error: why one that is over did not end well, or HEARBY_ERROR_LAST; *@text: the same in words, the caller's. */
HearbyError transfer_error (const Transfer *transfer, char **text);

/* What is offered: by its path, or by a descriptor of a file, folder or pipe, which is taken in any case. */
typedef struct
{
  const char *name; /* what the receiver sees, no path; NULL: the last part of @path */
  const char *path; /* absolute, or NULL */
  int         fd;   /* -1: none */
} TransferSource;

typedef enum
{
  TRANSFER_LINKS_KEEP,   /* they arrive as links, where they stay within their folder */
  TRANSFER_LINKS_FOLLOW, /* what they point to */
  TRANSFER_LINKS_SKIP,
} TransferLinks;

typedef struct
{
  const char   *key;      /* the caller's, for idempotence, or NULL */
  const char   *batch;    /* groups calls, for those who show them, or NULL */
  gint64        expire_s; /* ≤ 0: LIMIT_EXPIRE_S */
  gboolean      plaintext, now, checksum;
  TransferLinks links;
} TransferOptions;

/* transfers_offer: to each of @to, all checked before anything is stored. Ids (guint64), in the order of @to; those of then where @options->key was
 * used before. */
GArray *transfers_offer (Messenger *messenger, Peer **to, gsize n_to, const TransferSource *sources, gsize n_sources,
                         const TransferOptions *options, GError **error);

/* transfers_retry: what failed of one that is over, once more. NOT_FOUND where nothing did. */
Transfer *transfers_retry (Messenger *messenger, guint64 id, GError **error);

/* Where it goes: a folder by path or descriptor, or the content of the only file into a descriptor. Descriptors are taken in any case. */
typedef struct
{
  const char *folder; /* absolute, or NULL: as policy and settings say */
  int         folder_fd, out_fd; /* -1: none */
} TransferTarget;

/* transfers_accept: idempotent. FAILED for one that is over. */
gboolean transfers_accept (Messenger *messenger, Transfer *transfer, const TransferTarget *target, GError **error);
gboolean transfers_reject (Messenger *messenger, Transfer *transfer, GError **error);
gboolean transfers_cancel (Messenger *messenger, Transfer *transfer, GError **error); /* either side; an offer of theirs is rejected */
gboolean transfers_pause (Messenger *messenger, Transfer *transfer, GError **error);
gboolean transfers_resume (Messenger *messenger, Transfer *transfer, GError **error);

Transfer  *transfers_find (Messenger *messenger, guint64 id); /* NULL: not, or no more */
GPtrArray *transfers_all (Messenger *messenger);              /* Transfer, borrowed, by id */

/* transfers_history: what the database has, also of those that are over and not shown any more. Transfer, to be read only, the array owns them;
 * run is NULL. */
GPtrArray *transfers_history (Messenger *messenger, const TransferFilter *filter, GError **error);

/* transfers_set_agent: @ask is called for each new offer that no policy answers; whoever it is answers by the calls above, or not at all. */
typedef void (*TransfersAsk) (Transfer *transfer, gpointer user_data);
void transfers_set_agent (Messenger *messenger, TransfersAsk ask, gpointer user_data);

gboolean transfer_is_over (const Transfer *transfer);
/* transfer_is_moving: bytes come or go, or are looked at. */
gboolean transfer_is_moving (const Transfer *transfer);
gboolean transfer_has_flag (const Transfer *transfer, TransferFlag flag); /* any of them */

/* transfers_set_policy: what happens to @peer's offers. @limit: bytes that one of them may have to be taken without a question, 0: any; @folder: NULL: the setting's;
 * @quota: bytes that are taken of it in 24 hours, more is rejected, 0: any. NOT_VERIFIED for FILES_AUTO of one that is not pinned. */
gboolean transfers_set_policy (Messenger *messenger, Peer *peer, PeerFiles files, gint64 limit, const char *folder, gint64 quota,
                               GError **error);
