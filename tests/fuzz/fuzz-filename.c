/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: any bytes become a name that the disk takes and that leads nowhere, once and for all; a link that is inside climbs no
 * higher than its folder. The input is a name, or a path, a NUL and where a link there leads. */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "transfer/filename.h"

static void
check_name (const char *name)
{
  g_assert_cmpuint (strlen (name), >, 0);
  g_assert_cmpuint (strlen (name), <=, LIMIT_FILENAME);
  g_assert_null (strchr (name, '/'));
  g_assert_cmpstr (name, !=, ".");
  g_assert_cmpstr (name, !=, "..");
  for (const char *p = name; *p != '\0'; p++)
    g_assert_true ((guchar) *p >= 0x20 && *p != 0x7f);
}

static void
check_clean (const char *data, gsize size)
{
  g_autofree char *clean = filename_clean (data, (gssize) size);
  g_autofree char *again = filename_clean (clean, -1);
  g_autofree char *numbered = filename_numbered (clean, 4294967295);

  check_name (clean);
  check_name (numbered);
  g_assert_cmpstr (again, ==, clean);
  g_assert_true (strcmp (numbered, clean) != 0 || strstr (clean, " (4294967295)") != NULL); /* else it has that number, and no room */
  g_assert_true (g_utf8_validate (clean, -1, NULL) && g_utf8_validate (numbered, -1, NULL));
  g_assert_true (*clean != '.' && strchr (clean, '\\') == NULL);
  for (const char *p = clean; *p != '\0'; p = g_utf8_next_char (p))
    g_assert_false (text_is_bidi_control (g_utf8_get_char (p)));
}

static void
check_inner (const char *data, gsize size)
{
  g_autofree char *clean = filename_clean_inner (data, (gssize) size);
  g_autofree char *again = filename_clean_inner (clean, -1);

  g_assert_cmpuint (strlen (clean), <=, MAX (size, 1));
  if (size <= LIMIT_FILENAME)
    check_name (clean);
  g_assert_cmpstr (again, ==, clean);
}

/* The folder that @target leads to from @depth folders below the top is never above it. */
static void
check_target (int depth, const char *target)
{
  g_auto (GStrv) parts = g_strsplit (target, "/", -1);

  g_assert_true (*target != '/');
  for (guint i = 0; parts[i] != NULL; i++)
    if (g_str_equal (parts[i], ".."))
      g_assert_cmpint (--depth, >=, 0);
}

static void
check_path (const char *path, const char *target)
{
  g_autofree char *clean = filename_clean_path (path);
  g_autofree char *clean_target = filename_clean_target (target);
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  guint depth = g_strv_length (parts);

  g_assert_true ((clean != NULL) == filename_split_is_safe (path));
  if (clean == NULL)
    return;
  g_assert_true (filename_split_is_safe (clean));
  if (filename_link_is_inside (path, target))
    {
      check_target ((int) depth - 2, target);
      check_target ((int) depth - 2, clean_target);
      g_assert_true (filename_link_is_inside (clean, clean_target));
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  const char      *bytes = (const char *) data;
  g_autofree char *path = g_strndup (bytes, size);
  gsize            behind = MIN (strlen (path) + 1, size);
  g_autofree char *target = g_strndup (bytes + behind, size - behind);

  check_clean (bytes, size);
  check_inner (bytes, size);
  check_path (path, target);
  return 0;
}
