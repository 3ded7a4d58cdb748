/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: any record is understood; ours, made of it, is read back and made again the same; any name is
 * made valid. The input is a TXT record's data as in DNS: length, string, length, string … */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "presence/name.h"
#include "presence/txt.h"

static GPtrArray *
split (const guint8 *data, gsize size)
{
  GPtrArray *strings = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  while (size > 0)
    {
      gsize len = MIN ((gsize) data[0], size - 1);

      g_ptr_array_add (strings, g_bytes_new (data + 1, len));
      data += 1 + len;
      size -= 1 + len;
    }
  return strings;
}

static void
check_same (GPtrArray *a, GPtrArray *b)
{
  gsize total = 0;

  g_assert_cmpuint (a->len, ==, b->len);
  for (guint i = 0; i < a->len; i++)
    {
      GBytes *string = g_ptr_array_index (a, i);

      g_assert_true (g_bytes_equal (string, g_ptr_array_index (b, i)));
      g_assert_true (
          g_utf8_validate (g_bytes_get_data (string, NULL), (gssize) g_bytes_get_size (string), NULL));
      g_assert_cmpuint (g_bytes_get_size (string), <=, LIMIT_TXT_STRING);
      total += 1 + g_bytes_get_size (string);
    }
  g_assert_cmpuint (total, <=, LIMIT_TXT);
}

static void
check_name (const char *user, const char *machine)
{
  g_autofree char *name = name_make (user, machine);
  g_autofree char *other = name_alternative (name, 17);
  g_autofree char *raw = name_alternative (user, 3);

  g_assert_true (name_is_valid (name));
  g_assert_true (name_is_valid (other));
  g_assert_cmpuint (strlen (raw), <=, LIMIT_INSTANCE);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GPtrArray) strings = split (data, size);
  g_autoptr (Presence) presence = txt_parse (strings);
  g_autoptr (GPtrArray) built = txt_build (presence, 5298);
  g_autoptr (Presence) again = txt_parse (built);
  g_autoptr (GPtrArray) rebuilt = txt_build (again, 5298);
  g_autofree char *raw = g_strndup ((const char *) data, size);

  g_assert_cmpint (again->status, ==, presence->status);
  check_same (built, rebuilt);
  check_name (raw, presence->nick != NULL ? presence->nick : "pronto");
  return 0;
}
