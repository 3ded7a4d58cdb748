/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: whatever a stranger calls a file, it is a harmless name where it lands, and still the name it was where it can be. */
#include "transfer/filename.h"

#include <string.h>

#include "base/limits.h"

static void
check_clean (const char *name, const char *expected)
{
  g_autofree char *clean = filename_clean (name, -1);

  g_assert_cmpstr (clean, ==, expected);
}

static void
test_top_level (void)
{
  check_clean ("report.pdf", "report.pdf");
  check_clean ("../../etc/passwd", "passwd");
  check_clean ("C:\\Windows\\evil.exe", "evil.exe");
  check_clean (".bashrc", "bashrc");
  check_clean ("..", "file");
  check_clean ("", "file");
  check_clean ("photos/", "photos");
  check_clean ("a\nb\x1b[2J.txt", "a b [2J.txt");
  check_clean ("gpj.\xe2\x80\xae" "exe", "gpj.exe");
  check_clean ("\xe2\x80\x8b", "file"); /* nothing to see */
  check_clean ("M\xc3\xa4rz 'n\" more.txt", "M\xc3\xa4rz 'n\" more.txt");
  check_clean ("a\xff.txt", "a\xef\xbf\xbd.txt");
}

static void
test_top_level_with_nul (void)
{
  g_autofree char *clean = filename_clean ("a\0b.txt", 7);

  g_assert_cmpstr (clean, ==, "a\xef\xbf\xbd" "b.txt");
}

/* At the limit, and one past it: the extension stays. */
static void
test_top_level_length (void)
{
  g_autofree char *stem = g_strnfill (LIMIT_FILENAME - 4, 'a');
  g_autofree char *fits = g_strconcat (stem, ".txt", NULL);
  g_autofree char *past = g_strconcat (stem, "b.txt", NULL);
  g_autofree char *wide = g_strconcat ("\xf0\x9f\xa7\xaa", fits, NULL);
  g_autofree char *cut = filename_clean (wide, -1);

  check_clean (fits, fits);
  check_clean (past, fits);
  g_assert_cmpuint (strlen (cut), ==, LIMIT_FILENAME);
  g_assert_true (g_str_has_suffix (cut, "a.txt"));
  g_assert_true (g_utf8_validate (cut, -1, NULL));
}

static void
check_inner (const char *name, gssize len, const char *expected)
{
  g_autofree char *clean = filename_clean_inner (name, len);

  g_assert_cmpstr (clean, ==, expected);
}

static void
test_inner (void)
{
  check_inner (".git", -1, ".git");
  check_inner (" a\\b ", -1, " a\\b ");
  check_inner ("a\tb", -1, "a_b");
  check_inner (".\xe2\x80\xae", -1, "._"); /* never "." */
  check_inner ("a\0b", 3, "a_b");
  check_inner ("a/b", -1, "a_b");
  check_inner ("\xc2\x9b", -1, "_");
  check_inner ("\xe4.txt", -1, "\xe4.txt"); /* Latin-1 */
  check_inner ("..", -1, "_");
  check_inner (".", -1, "_");
  check_inner ("", -1, "_");
}

static void
check_path (const char *path, const char *expected)
{
  g_autofree char *clean = filename_clean_path (path);

  g_assert_cmpstr (clean, ==, expected);
}

static void
test_paths (void)
{
  check_path ("photos/2026/a.jpg", "photos/2026/a.jpg");
  check_path (".photos/.thumbs/a\nb", "photos/.thumbs/a_b");
  check_path ("photos/../a", NULL);
  check_path ("/etc/passwd", NULL);
  check_path ("photos//a", NULL);
  check_path ("photos/", NULL);
  check_path ("./a", NULL);
  check_path ("", NULL);
}

static char *
make_path (guint depth, guint component)
{
  GString         *path = g_string_new (NULL);
  g_autofree char *name = g_strnfill (component, 'a');

  for (guint i = 0; i < depth; i++)
    g_string_append_printf (path, "%s%s", i > 0 ? "/" : "", name);
  return g_string_free (path, FALSE);
}

static void
test_path_limits (void)
{
  g_autofree char *deep = make_path (LIMIT_PATH_DEPTH, 1);
  g_autofree char *deeper = make_path (LIMIT_PATH_DEPTH + 1, 1);
  g_autofree char *wide = make_path (1, LIMIT_FILENAME);
  g_autofree char *wider = make_path (1, LIMIT_FILENAME + 1);
  g_autofree char *longest = make_path (16, LIMIT_FILENAME); /* 16 · 255 + 15 = 4095 */

  g_assert_true (filename_split_is_safe (deep));
  g_assert_false (filename_split_is_safe (deeper));
  g_assert_true (filename_split_is_safe (wide));
  g_assert_false (filename_split_is_safe (wider));
  g_assert_true (filename_split_is_safe (longest));
}

static void
test_path_of_the_most_bytes (void)
{
  g_autofree char *part = make_path (15, LIMIT_FILENAME); /* 3839 */
  g_autofree char *fits = g_strdup_printf ("%s/%0128d/%0127d", part, 0, 0);
  g_autofree char *past = g_strdup_printf ("%s/%0128d/%0128d", part, 0, 0);

  g_assert_cmpuint (strlen (fits), ==, LIMIT_PATH);
  g_assert_true (filename_split_is_safe (fits));
  g_assert_false (filename_split_is_safe (past));
}

static void
test_links (void)
{
  static const struct
  {
    const char *path, *target;
    gboolean    inside;
  } links[] = {
    { "d/l", "a", TRUE },
    { "d/l", "a/b", TRUE },
    { "d/l", "./a", TRUE },
    { "d/l", ".", TRUE },
    { "d/e/l", "../a", TRUE },
    { "d/e/l", "..", TRUE },
    { "d/e/f/l", "../../a/b/", TRUE },
    { "d/e/f/l", "./.././../a", TRUE },
    { "d/l", "..a", TRUE },
    { "d/l", "..", FALSE },
    { "d/l", "../a", FALSE },
    { "d/l", "./../a", FALSE },
    { "d/l", ".//../a", FALSE },
    { "d/e/l", "../../a", FALSE },
    { "d/e/l", "a/../b", FALSE }, /* a may be a link itself */
    { "d/e/l", "../a/../b", FALSE },
    { "d/l", "/etc/passwd", FALSE },
    { "d/l", "/", FALSE },
    { "d/l", "", FALSE },
    { "l", "a", FALSE }, /* nothing is inside of nothing */
    { "l", ".", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (links); i++)
    {
      g_test_message ("%s -> %s", links[i].path, links[i].target);
      g_assert_cmpint (filename_link_is_inside (links[i].path, links[i].target), ==, links[i].inside);
    }
}

static void
test_link_limits (void)
{
  g_autofree char *wide = make_path (1, LIMIT_FILENAME);
  g_autofree char *wider = make_path (1, LIMIT_FILENAME + 1);
  g_autofree char *climb = make_path (LIMIT_PATH / 2, 1); /* "a/a/…/a", 4095 */
  g_autofree char *over = g_strconcat (climb, "/a", NULL);

  g_assert_true (filename_link_is_inside ("d/l", wide));
  g_assert_false (filename_link_is_inside ("d/l", wider));
  g_assert_true (filename_link_is_inside ("d/l", climb));
  g_assert_false (filename_link_is_inside ("d/l", over));
}

static void
test_targets (void)
{
  g_autofree char *clean = filename_clean_target ("../a\tb/./c\xe2\x80\xae");

  g_assert_cmpstr (clean, ==, "../a_b/./c_");
}

static void
check_numbered (const char *name, guint n, const char *expected)
{
  g_autofree char *numbered = filename_numbered (name, n);

  g_assert_cmpstr (numbered, ==, expected);
}

static void
test_numbers (void)
{
  g_autofree char *stem = g_strnfill (LIMIT_FILENAME - 4, 'a');
  g_autofree char *longest = g_strconcat (stem, ".txt", NULL);
  g_autofree char *cut = filename_numbered (longest, G_MAXUINT);

  check_numbered ("name.ext", 1, "name (1).ext");
  check_numbered ("src.tar.gz", 2, "src (2).tar.gz");
  check_numbered ("README", 3, "README (3)");
  check_numbered (".tar.gz", 1, ".tar (1).gz");
  check_numbered ("Mr. Smith", 1, "Mr. Smith (1)");
  check_numbered ("name.", 1, "name. (1)");
  check_numbered ("v1.a sentence about nothing", 1, "v1.a sentence about nothing (1)");
  check_numbered ("a.12345678901234567", 1, "a.12345678901234567 (1)");
  check_numbered ("a.1234567890123456", 1, "a (1).1234567890123456");
  g_assert_cmpuint (strlen (cut), ==, LIMIT_FILENAME);
  g_assert_true (g_str_has_suffix (cut, "a (4294967295).txt"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/filename/top level", test_top_level);
  g_test_add_func ("/filename/top level with NUL", test_top_level_with_nul);
  g_test_add_func ("/filename/top level length", test_top_level_length);
  g_test_add_func ("/filename/inner", test_inner);
  g_test_add_func ("/filename/paths", test_paths);
  g_test_add_func ("/filename/path limits", test_path_limits);
  g_test_add_func ("/filename/path of the most bytes", test_path_of_the_most_bytes);
  g_test_add_func ("/filename/links", test_links);
  g_test_add_func ("/filename/link limits", test_link_limits);
  g_test_add_func ("/filename/targets", test_targets);
  g_test_add_func ("/filename/numbers", test_numbers);
  return g_test_run ();
}
