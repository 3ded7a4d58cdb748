/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Tables of hearby.db. A released step never changes; a change is a new one at the end. */

#define SCHEMA_APPLICATION_ID 0x48524259 /* "HRBY" */

extern const char *const schema_steps[]; /* SQL from version n to n + 1 */
extern const guint       schema_n_steps;

/* Waits for the peer or the user: QUEUED, HELD, and SENT that may go again. As in the partial index
 * message_expiry, which SQLite only uses where the words are the same. */
#define SCHEMA_WAITING "(state IN (1, 7) OR (state = 2 AND confirms))"

/* A transfer that has not ended: below TRANSFER_COMPLETE. The index transfer_open is for these words. */
#define SCHEMA_TRANSFER_OPEN "state < 6"
