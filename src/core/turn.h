/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/database.h"

/* One turn of the main loop, one commit: what was written to the database since the last one is made durable together, and only
 * then does anybody hear of it: replies, signals, receipts, stanzas (store first, signal second). */

typedef struct _Turn Turn;

/* @error: the commit failed and nothing of this turn was stored; NULL otherwise */
typedef void (*TurnFunc) (const GError *error, gpointer data);

Turn *turn_new (Database *db);
void  turn_free (Turn *turn); /* commits and runs what waits */

/* turn_after: @func runs once after the next commit, in the order of the calls. It owns @data then. */
void turn_after (Turn *turn, TurnFunc func, gpointer data);

/* turn_wrote: within a TurnFunc: there was something to commit. */
gboolean turn_wrote (Turn *turn);

/* turn_flush: the commit now, and what waits for it; what that adds runs as well (at the end of the daemon). */
void turn_flush (Turn *turn);
