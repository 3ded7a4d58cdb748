/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The entries of a transfer, as they stand in a manifest file and travel in frames (all numbers big-endian):
 *
 *   type u8 · mode u32 · mtime s64 (ns since 1970) · size s64 · path length u16, path · target length u16, target
 *
 * A folder stands in front of what is in it. Pure. */

typedef enum
{
  ENTRY_FILE = 1,
  ENTRY_FOLDER = 2,
  ENTRY_LINK = 3,
} EntryType;

typedef struct
{
  EntryType type;
  guint32   mode;     /* permission bits, ≤ 07777 */
  gint64    mtime_ns; /* since 1970 */
  gint64    size;     /* of a file's content; -1: not known before its end (a pipe); 0 for all else */
  char     *path;     /* "photos/a.jpg", bytes: may not be UTF-8; filename_split_is_safe() */
  char     *target;   /* of a link, 1 to LIMIT_PATH bytes; NULL for all else */
} Entry;

void entry_clear (Entry *entry); /* frees what is in it, and zeroes it */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Entry, entry_clear)

#define MANIFEST_ENTRY_MAX (1 + 4 + 8 + 8 + 2 + 4096 + 2 + 4096) /* bytes of one entry */

/* manifest_append: FALSE where @entry is none that manifest_parse() would take; nothing is appended then. Errors as there. */
gboolean manifest_append (GByteArray *out, const Entry *entry, GError **error);

/* manifest_parse:
 * Reads one entry in front of @bytes to @out, which must be empty, and how many bytes it was to @used. FALSE without an
 * error: its end is not there yet (never with MANIFEST_ENTRY_MAX bytes or more). Errors: HEARBY_ERROR_REJECTED for a path
 * that leads elsewhere ("unsafe-name"), HEARBY_ERROR_FAILED for all else ("protocol"). A link's target is not judged:
 * filename_link_is_inside(). */
gboolean manifest_parse (const guint8 *bytes, gsize len, gsize *used, Entry *out, GError **error);
