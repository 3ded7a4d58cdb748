/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "cli/format.h"

/* How a transfer looks, in JSON and for people, and what its end means. @transfer is a{sv} as ListTransfers has it. */

/* transfer_view: the members of a transfer in the open object. */
void transfer_view (JsonBuilder *builder, GVariant *transfer);
/* transfer_view_list: the member "transfers" with all of @transfers (GVariant). */
void transfer_view_list (JsonBuilder *builder, GPtrArray *transfers);
/* transfer_view_event: one line of JSON of the @type "transfer" or "progress". The caller owns it. */
char *transfer_view_event (GVariant *transfer, const char *type);
/* transfer_view_line: what has become of it, one line for people with its newline. The caller owns it. */
char *transfer_view_line (const Format *format, GVariant *transfer);

/* transfer_view_id: "43". The caller owns it. */
char *transfer_view_id (GVariant *transfer);

/* transfer_view_what: "report.pdf", "photos/", "2 files"; raw. The caller owns it. */
char *transfer_view_what (GVariant *transfer);

/* transfer_view_is_folder: the first of it is one, as far as known. */
gboolean transfer_view_is_folder (GVariant *transfer);
/* transfer_view_matches: whether all that was named there fits @glob (fnmatch). */
gboolean transfer_view_matches (GVariant *transfer, const char *glob);

/* transfer_view_size: of all of it, -1 while that is unknown. */
gint64 transfer_view_size (GVariant *transfer);
/* transfer_view_percent: 0 to 100, -1 while the size is unknown; 100 only when it is complete. */
int transfer_view_percent (GVariant *transfer);

gboolean transfer_view_is_over (GVariant *transfer);
gboolean transfer_view_is_outgoing (GVariant *transfer);
/* transfer_view_is_offer: somebody else's, and the user has not answered. */
gboolean transfer_view_is_offer (GVariant *transfer);

/* transfer_view_reason: one of the closed list in words, what is not on it as it is. Static, or points into @reason. */
const char *transfer_view_reason (const char *reason);

/* transfer_view_moved: "310 MB of 720 MB, 48 MB/s, 0:08 left", without what is not known. The caller owns it. */
char *transfer_view_moved (GVariant *transfer, const char *between);

/* transfer_view_check: FALSE where it is over and did not end well: @error says how, PARTIAL for one of which some failed. */
gboolean transfer_view_check (GVariant *transfer, GError **error);
/* transfer_view_tell_failures: each path that failed by itself and why, on stderr. */
void transfer_view_tell_failures (GVariant *transfer);

/* transfer_view_paths: where it is on our disk, bytes. The caller frees it with g_strfreev(). */
char **transfer_view_paths (GVariant *transfer);
/* transfer_view_other_name: what one that came is called here, where that is not what it was offered as; NULL: it has that name, or is several.
 * Raw. The caller owns it. */
char *transfer_view_other_name (GVariant *transfer);
/* transfer_view_print_paths: the same on stdout, for an incoming one, a line for each. */
void transfer_view_print_paths (const Format *format, GVariant *transfer);
