/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/manifest.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "transfer/filename.h"

#define FIXED (1 + 4 + 8 + 8) /* bytes in front of the path's length */

G_STATIC_ASSERT (MANIFEST_ENTRY_MAX == FIXED + 2 + LIMIT_PATH + 2 + LIMIT_PATH);

void
entry_clear (Entry *entry)
{
  g_free (entry->path);
  g_free (entry->target);
  memset (entry, 0, sizeof *entry);
}

static gboolean
fail (HearbyError code, const char *what, GError **error)
{
  g_set_error_literal (error, HEARBY_ERROR, (int) code, what);
  return FALSE;
}

static gboolean
check_numbers (const Entry *entry, GError **error)
{
  if (entry->type != ENTRY_FILE && entry->type != ENTRY_FOLDER && entry->type != ENTRY_LINK)
    return fail (HEARBY_ERROR_FAILED, "an entry is neither a file nor a folder nor a link", error);
  if (entry->mode > 07777)
    return fail (HEARBY_ERROR_FAILED, "an entry has an impossible mode", error);
  if (entry->size < (entry->type == ENTRY_FILE ? -1 : 0) || (entry->type != ENTRY_FILE && entry->size > 0))
    return fail (HEARBY_ERROR_FAILED, "an entry has an impossible size", error);
  return TRUE;
}

static gboolean
check_texts (const Entry *entry, GError **error)
{
  gsize target_len = entry->target != NULL ? strlen (entry->target) : 0;

  if (entry->path == NULL || !filename_split_is_safe (entry->path))
    return fail (HEARBY_ERROR_REJECTED, "the path of an entry is unsafe", error);
  if (target_len > LIMIT_PATH || (target_len > 0) != (entry->type == ENTRY_LINK))
    return fail (HEARBY_ERROR_FAILED, "a link leads nowhere, or something else leads somewhere", error);
  return TRUE;
}

/* Writing ------------------------------------------------------------------------------------------------- */

static void
append_number (GByteArray *out, guint64 number, guint size)
{
  guint64 big = GUINT64_TO_BE (number);

  g_byte_array_append (out, (const guint8 *) &big + sizeof big - size, size);
}

static void
append_text (GByteArray *out, const char *text)
{
  gsize len = text != NULL ? strlen (text) : 0;

  append_number (out, len, 2);
  if (len > 0)
    g_byte_array_append (out, (const guint8 *) text, (guint) len);
}

gboolean
manifest_append (GByteArray *out, const Entry *entry, GError **error)
{
  if (!check_numbers (entry, error) || !check_texts (entry, error))
    return FALSE;
  append_number (out, entry->type, 1);
  append_number (out, entry->mode, 4);
  append_number (out, (guint64) entry->mtime_ns, 8);
  append_number (out, (guint64) entry->size, 8);
  append_text (out, entry->path);
  append_text (out, entry->target);
  return TRUE;
}

/* Reading ------------------------------------------------------------------------------------------------- */

static guint64
read_number (const guint8 *bytes, guint size)
{
  guint64 number = 0;

  for (guint i = 0; i < size; i++)
    number = number << 8 | bytes[i];
  return number;
}

/* A text with its length at *@at. FALSE without an error where @len ends before it does. */
static gboolean
read_text (const guint8 *bytes, gsize len, gsize *at, char **text, GError **error)
{
  gsize size;

  if (len < *at + 2)
    return FALSE;
  size = read_number (bytes + *at, 2);
  if (size > LIMIT_PATH)
    return fail (HEARBY_ERROR_REJECTED, "the path of an entry is too long", error);
  if (len < *at + 2 + size)
    return FALSE;
  if (memchr (bytes + *at + 2, '\0', size) != NULL)
    return fail (HEARBY_ERROR_REJECTED, "the path of an entry is unsafe", error);
  *text = size > 0 ? g_strndup ((const char *) bytes + *at + 2, size) : NULL;
  *at += 2 + size;
  return TRUE;
}

static void
read_numbers (const guint8 *bytes, Entry *out)
{
  out->type = (EntryType) bytes[0];
  out->mode = (guint32) read_number (bytes + 1, 4);
  out->mtime_ns = (gint64) read_number (bytes + 5, 8);
  out->size = (gint64) read_number (bytes + 13, 8);
}

gboolean
manifest_parse (const guint8 *bytes, gsize len, gsize *used, Entry *out, GError **error)
{
  g_auto (Entry) entry = { 0 };
  gsize at = FIXED;

  if (len < FIXED)
    return FALSE;
  read_numbers (bytes, &entry);
  if (!check_numbers (&entry, error) || !read_text (bytes, len, &at, &entry.path, error)
      || !read_text (bytes, len, &at, &entry.target, error) || !check_texts (&entry, error))
    return FALSE;
  *used = at;
  *out = entry;
  memset (&entry, 0, sizeof entry);
  return TRUE;
}
