/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: an entry is read from its bytes alone, is safe, and is written with the same bytes; without its last byte it is not there
 * yet. */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "transfer/filename.h"
#include "transfer/manifest.h"

static void
check_entry (const Entry *entry, const guint8 *bytes, gsize used)
{
  g_autoptr (GByteArray) again = g_byte_array_new ();
  g_auto (Entry) cut = { 0 };
  g_autoptr (GError) error = NULL;
  gsize unused;

  g_assert_cmpuint (used, <=, MANIFEST_ENTRY_MAX);
  g_assert_true (filename_split_is_safe (entry->path));
  g_assert_true ((entry->target != NULL) == (entry->type == ENTRY_LINK));
  g_assert_true (manifest_append (again, entry, NULL));
  g_assert_cmpmem (again->data, again->len, bytes, used);
  g_assert_false (manifest_parse (bytes, used - 1, &unused, &cut, &error));
  g_assert_no_error (error);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  for (gsize at = 0;;)
    {
      g_auto (Entry) entry = { 0 };
      g_autoptr (GError) error = NULL;
      gsize used;

      if (!manifest_parse (data + at, size - at, &used, &entry, &error))
        {
          g_assert_true (error != NULL || size - at < MANIFEST_ENTRY_MAX);
          g_assert_null (entry.path);
          return 0;
        }
      check_entry (&entry, data + at, used);
      at += used;
    }
}
