/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/database.h"

/* The index of words (FTS5) over the messages' bodies. Of store/ only.
 *
 * It is brought up to date when somebody searches and not when a message is stored: that is the hot path, and
 * most people never search. When an indexed message goes, the whole index goes, and is made anew at the next
 * search: FTS5 would keep the words of what was deleted for an unknown time. */

/* search_expression: the words of @text as FTS5 understands them, each quoted, so that nothing in them is
 * syntax; the last may be the beginning of a word. NULL: there are no words. Caller owns. INVALID_ARGUMENT:
 * too many, or no UTF-8. */
gboolean search_expression (const char *text, char **expression, GError **error);

/* search_update: indexes what is not. */
gboolean search_update (Database *db, GError **error);

/* search_forget: messages from @seq on, or some of them, are about to be deleted. */
gboolean search_forget (Database *db, gint64 seq, GError **error);
