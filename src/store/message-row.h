/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/messages.h"

/* Rows of the table message "m". Of store/ only. */

#define MESSAGE_COLUMNS                                                                                      \
  "m.seq, m.peer, m.direction, m.id, m.body, m.time, m.received, m.state, m.reason, m.corrects, "            \
  "m.confirms, "                                                                                             \
  "m.expires, m.once, m.encrypted, m.trust "

/* message_row_state: a state as the table has it; FAILED for a number that is none. */
MessageState message_row_state (sqlite3_stmt *stmt, int column);

/* message_row_read_all: every row of a SELECT MESSAGE_COLUMNS; resets. MessageRow, the array owns them; NULL
 * with an error. */
GPtrArray *message_row_read_all (Database *db, sqlite3_stmt *stmt, GError **error);

/* message_row_move_all: those of @seqs (taken) that may go to @state do. Answers them; NULL with an error. */
GArray *message_row_move_all (Database *db, GArray *seqs, MessageState state, const char *reason,
                              GError **error);
