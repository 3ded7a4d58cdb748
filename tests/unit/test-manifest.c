/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: an entry is read as it was written, from any number of pieces, and what is none is refused with the right word. */
#include "transfer/manifest.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"

static const Entry entries[] = {
  { ENTRY_FILE, 0644, 1795000000123456789, 20000000000, (char *) "photos/a.jpg", NULL },
  { ENTRY_FILE, 07777, -1, -1, (char *) "src.tar", NULL },
  { ENTRY_FILE, 0, G_MININT64, 0, (char *) "e\xe4", NULL },
  { ENTRY_FOLDER, 0755, G_MAXINT64, 0, (char *) "photos", NULL },
  { ENTRY_LINK, 0777, 0, 0, (char *) "photos/l", (char *) "../../../etc/passwd" }, /* judged elsewhere */
};

static void
assert_same (const Entry *a, const Entry *b)
{
  g_assert_cmpint (a->type, ==, b->type);
  g_assert_cmpuint (a->mode, ==, b->mode);
  g_assert_cmpint (a->mtime_ns, ==, b->mtime_ns);
  g_assert_cmpint (a->size, ==, b->size);
  g_assert_cmpstr (a->path, ==, b->path);
  g_assert_cmpstr (a->target, ==, b->target);
}

static void
test_written_and_read (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gsize at = 0;

  for (guint i = 0; i < G_N_ELEMENTS (entries); i++)
    g_assert_true (manifest_append (bytes, &entries[i], NULL));
  for (guint i = 0; i < G_N_ELEMENTS (entries); i++)
    {
      g_auto (Entry) entry = { 0 };
      gsize used;

      g_assert_true (manifest_parse (bytes->data + at, bytes->len - at, &used, &entry, NULL));
      assert_same (&entry, &entries[i]);
      at += used;
    }
  g_assert_cmpuint (at, ==, bytes->len);
}

/* A part of an entry is no error: more may come. */
static void
test_every_cut (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (entries); i++)
    {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();

      g_assert_true (manifest_append (bytes, &entries[i], NULL));
      for (guint len = 0; len < bytes->len; len++)
        {
          g_auto (Entry) entry = { 0 };
          g_autoptr (GError) error = NULL;
          g_autofree guint8 *copy = g_memdup2 (bytes->data, len); /* nothing behind it may be read */
          gsize used;

          g_assert_false (manifest_parse (copy, len, &used, &entry, &error));
          g_assert_no_error (error);
          g_assert_null (entry.path);
        }
    }
}

/* A byte of the written entry is changed. */
static void
assert_refused (guint at, guint8 byte, HearbyError code)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_auto (Entry) entry = { 0 };
  gsize used;

  manifest_append (bytes, &entries[3], NULL); /* type 0, mode 1, mtime 5, size 13, path length 21, path 23, target length 29 */
  bytes->data[at] = byte;
  g_assert_false (manifest_parse (bytes->data, bytes->len, &used, &entry, &error));
  g_assert_error (error, HEARBY_ERROR, (int) code);
  g_assert_null (entry.path);
}

static void
test_refused (void)
{
  assert_refused (0, 0, HEARBY_ERROR_FAILED);
  assert_refused (0, 4, HEARBY_ERROR_FAILED);
  assert_refused (0, ENTRY_LINK, HEARBY_ERROR_FAILED); /* without a target */
  assert_refused (1, 1, HEARBY_ERROR_FAILED);
  assert_refused (3, 0x12, HEARBY_ERROR_FAILED); /* 010000 and more */
  assert_refused (13, 0x80, HEARBY_ERROR_FAILED);
  assert_refused (20, 1, HEARBY_ERROR_FAILED); /* a folder of one byte */
  assert_refused (21, 0xff, HEARBY_ERROR_REJECTED);
  assert_refused (23, '/', HEARBY_ERROR_REJECTED);
  assert_refused (24, '\0', HEARBY_ERROR_REJECTED);
  assert_refused (28, '/', HEARBY_ERROR_REJECTED);
}

static void
test_unsafe_is_not_written (void)
{
  static const Entry bad[] = {
    { ENTRY_FILE, 0644, 0, 0, (char *) "a/../b", NULL },
    { ENTRY_FILE, 0644, 0, 0, (char *) "/a", NULL },
    { ENTRY_FILE, 0644, 0, 0, (char *) "", NULL },
    { ENTRY_FILE, 0644, 0, 0, NULL, NULL },
    { ENTRY_FILE, 0644, 0, -2, (char *) "a", NULL },
    { ENTRY_FOLDER, 0644, 0, -1, (char *) "a", NULL },
    { ENTRY_FILE, 010000, 0, 0, (char *) "a", NULL },
    { ENTRY_FILE, 0644, 0, 0, (char *) "a", (char *) "b" },
    { ENTRY_LINK, 0777, 0, 0, (char *) "a", NULL },
    { ENTRY_LINK, 0777, 0, 0, (char *) "a", (char *) "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();

      g_assert_false (manifest_append (bytes, &bad[i], NULL));
      g_assert_cmpuint (bytes->len, ==, 0);
    }
}

/* A path and a target of the most bytes make MANIFEST_ENTRY_MAX; one more is refused before it is there. */
static void
test_limits (void)
{
  g_autofree char *name = g_strnfill (127, 'a');
  g_autofree char *names = g_strjoin ("/", name, name, name, name, name, name, name, name, name, name, name, name, name, name,
                                      name, name, NULL); /* 16 · 128 - 1 */
  g_autofree char *path = g_strdup_printf ("%s/a%s", names, names);
  g_autofree char *target = g_strnfill (LIMIT_PATH, 't');
  g_autofree char *target_past = g_strnfill (LIMIT_PATH + 1, 't');
  Entry            entry = { ENTRY_LINK, 0777, 0, 0, path, target };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_auto (Entry) read = { 0 };
  g_autoptr (GError) error = NULL;
  gsize used;

  g_assert_cmpuint (strlen (path), ==, LIMIT_PATH);
  g_assert_true (manifest_append (bytes, &entry, NULL));
  g_assert_cmpuint (bytes->len, ==, MANIFEST_ENTRY_MAX);
  g_assert_true (manifest_parse (bytes->data, bytes->len, &used, &read, NULL));
  g_assert_cmpuint (used, ==, MANIFEST_ENTRY_MAX);
  assert_same (&read, &entry);
  entry.target = target_past;
  g_assert_false (manifest_append (bytes, &entry, NULL));

  bytes->data[21] = (LIMIT_PATH + 1) >> 8;
  bytes->data[22] = (LIMIT_PATH + 1) & 0xff;
  g_assert_false (manifest_parse (bytes->data, 23, &used, &entry, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_REJECTED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/manifest/written and read", test_written_and_read);
  g_test_add_func ("/manifest/every cut", test_every_cut);
  g_test_add_func ("/manifest/refused", test_refused);
  g_test_add_func ("/manifest/unsafe is not written", test_unsafe_is_not_written);
  g_test_add_func ("/manifest/limits", test_limits);
  return g_test_run ();
}
