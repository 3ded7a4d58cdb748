/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"
#include "cli/client.h"

/* Waiting for the end of transfers: what put, accept and wait have in common. Shows progress on stderr and knows --progress,
 * --timeout, --cancel-on-timeout. */

typedef enum
{
  TRANSFER_WAIT_ONLY = 0,
  TRANSFER_WAIT_OWNS = 1 << 0, /* SIGINT and SIGTERM cancel the transfers, once; a second one ends the program at once */
} TransferWaitFlags;

typedef struct _TransferWait TransferWait;

/* transfer_wait_new: parses the options; NULL where they are wrong. */
TransferWait *transfer_wait_new (Cli *cli, GError **error);
void          transfer_wait_free (TransferWait *wait);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TransferWait, transfer_wait_free)

/* transfer_wait_begin: follows what @client (borrowed) tells, and catches signals from now on; call it before the transfers
 * exist or are accepted, so that none can be left alone. */
void transfer_wait_begin (TransferWait *wait, Client *client, TransferWaitFlags flags);

/* transfer_wait_forget_timeout: --timeout was for something else. */
void transfer_wait_forget_timeout (TransferWait *wait);

void transfer_wait_add (TransferWait *wait, guint64 id);

/* transfer_wait_run: until all of them are over. FALSE with TIMEOUT, or with NOT_FOUND where the daemon does not know one any more;
 * TRUE: see transfer_wait_status, and each one's transfer_view_check(). */
gboolean transfer_wait_run (TransferWait *wait, GError **error);

/* transfer_wait_status: 0, or 128 + the signal that canceled them. */
int transfer_wait_status (TransferWait *wait);

/* transfer_wait_list: all that were added, as they are now: GVariant. Borrowed. */
GPtrArray *transfer_wait_list (TransferWait *wait);

/* transfer_wait_judge: of @n things the errors (or NULL) in @errors: TRUE where there is none; the first where all failed, else PARTIAL, and
 * what is not in @error goes to stderr. Takes the errors. */
gboolean transfer_wait_judge (GError **errors, guint n, GError **error);
/* transfer_wait_check: the same of those in the list, after telling what failed by itself. */
gboolean transfer_wait_check (TransferWait *wait, GError **error);
