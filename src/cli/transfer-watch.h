/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/client.h"

/* What becomes of transfers: keeps the last known state of each one, also after the daemon was away, and tells what is different.
 * A transfer is a{sv} as ListTransfers has it. One that is over is told once, whole, and never again. */

typedef struct _TransferWatch TransferWatch;

typedef enum
{
  TRANSFER_NEWS_STATE,    /* it is new here, or its state or reason is another one */
  TRANSFER_NEWS_PROGRESS, /* anything else */
  TRANSFER_NEWS_LOST,     /* the daemon does not know it any more; @transfer is as it was last */
} TransferNews;

typedef void (*TransferFunc) (GVariant *transfer, TransferNews news, gpointer data);

/* transfer_watch_new: @client is borrowed. */
TransferWatch *transfer_watch_new (Client *client, TransferFunc func, gpointer data);
void           transfer_watch_free (TransferWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TransferWatch, transfer_watch_free)

/* transfer_watch_add: of this one there will be news, the first at the next refresh; for who calls this never, of all. */
void transfer_watch_add (TransferWatch *watch, guint64 id);

/* transfer_watch_refresh: asks for all of them; when the connection is there, and when it is there again. */
void transfer_watch_refresh (TransferWatch *watch);
/* transfer_watch_signal: every signal of the daemon may be given here. */
void transfer_watch_signal (TransferWatch *watch, const char *path, const char *interface, const char *signal,
                            GVariant *arguments);

/* transfer_watch_peek: NULL where nothing is known. Valid until the next news. */
GVariant *transfer_watch_peek (TransferWatch *watch, guint64 id);
