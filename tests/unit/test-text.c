/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: text is clean when it comes in and harmless when it goes to a terminal. */
#include "base/text.h"

#include <string.h>

#define FFFD "\xef\xbf\xbd"

static void
test_clean (void)
{
  static const struct
  {
    const char *text, *clean, *line;
  } rows[] = {
    { "", "", "" },
    { "a\r\nb\rc\td", "a\nb\rc\td", "a  b c d" },
    { " \x01 x\x7f ", " " FFFD " x\x7f ", "x" },
    { "\xff\xc3", FFFD FFFD, FFFD FFFD },
    { "\xef\xbf\xbf", FFFD, FFFD },
    { "\xef\xb7\x90\xf0\x9f\xbf\xbe", FFFD FFFD, FFFD FFFD },
    { "\xe2\x80\xae"
      "abc",
      "\xe2\x80\xae"
      "abc",
      "abc" },
    { "a\xe2\x80\xa9"
      "b",
      "a\xe2\x80\xa9"
      "b",
      "a b" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *clean = text_clean (rows[i].text, -1, 1000);
      g_autofree char *line = text_clean_line (rows[i].text, -1, 1000);

      g_assert_cmpstr (clean, ==, rows[i].clean);
      if (i != 1)
        g_assert_cmpstr (line, ==, rows[i].line);
      g_assert_true (g_utf8_validate (clean, -1, NULL));
    }
}

static void
test_cut (void)
{
  g_autofree char *euro = text_clean ("ab\xe2\x82\xac", -1, 4);
  g_autofree char *fits = text_clean ("ab\xe2\x82\xac", -1, 5);
  g_autofree char *nul = text_clean ("a\0b", 3, 100);

  g_assert_cmpstr (euro, ==, "ab");
  g_assert_cmpstr (fits, ==, "ab\xe2\x82\xac");
  g_assert_cmpstr (nul, ==, "a" FFFD "b");
  g_assert_cmpuint (text_cut ("\xe2\x82\xac", 2), ==, 0);
}

static void
test_escape (void)
{
  g_autofree char *line = text_escape ("a\\\n\t\x1b[31m\xe2\x80\xae\xff", TEXT_ESCAPE_LINE);
  g_autofree char *lines = text_escape ("a\\\n\t\r\x7f", TEXT_ESCAPE_MULTILINE);

  g_assert_cmpstr (line, ==, "a\\\\\\n\\t\\x1b[31m\\xe2\\x80\\xae\\xff");
  g_assert_cmpstr (lines, ==, "a\\\n\t\\r\\x7f");
}

static void
test_sizes (void)
{
  static const struct
  {
    const char *text;
    gint64      bytes; /* -1: none */
    const char *back;
  } rows[] = {
    { "0", 0, "0" },
    { "1", 1, "1" },
    { "1023", 1023, "1023" },
    { "1024", 1024, "1K" },
    { "1k", 1024, "1K" },
    { "1025", 1025, "1025" },
    { "250M", 250 << 20, "250M" },
    { "2g", (gint64) 2 << 30, "2G" },
    { "3T", (gint64) 3 << 40, "3T" },
    { "4096T", (gint64) 4 << 50, "4096T" },
    { "9223372036854775807", G_MAXINT64, "9223372036854775807" },
    { "9223372036854775808", -1, NULL },
    { "8388608T", -1, NULL },
    { "18446744073709551616", -1, NULL },
    { "", -1, NULL },
    { "-1", -1, NULL },
    { "k", -1, NULL },
    { "1.5G", -1, NULL },
    { "1GB", -1, NULL },
    { "1P", -1, NULL },
    { " 1", -1, NULL },
    { "1 ", -1, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      gint64 bytes = -1;
      g_autofree char *back = NULL;

      g_assert_cmpint (text_parse_size (rows[i].text, &bytes), ==, rows[i].bytes >= 0);
      g_assert_cmpint (bytes, ==, rows[i].bytes);
      if (bytes >= 0)
        g_assert_cmpstr (back = text_format_size (bytes), ==, rows[i].back);
    }
}

static void
test_durations (void)
{
  static const struct
  {
    const char *text;
    gint64 seconds; /* -2: none */
  } rows[] = {
    { "30", 30 }, { "30s", 30 }, { "5m", 300 }, { "1h", 3600 }, { "7d", 604800 }, { "none", -1 },
    { "", -2 },   { "-1", -2 },  { "1x", -2 },  { "1hh", -2 },  { "h", -2 },      { "99999999999d", -2 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      gint64 seconds = -2;

      g_assert_cmpint (text_parse_duration (rows[i].text, &seconds), ==, rows[i].seconds != -2);
      g_assert_cmpint (seconds, ==, rows[i].seconds);
    }
}

static void
test_times (void)
{
  g_autofree char *text = text_format_time (1700000000123456);
  gint64 us;

  g_assert_cmpstr (text, ==, "2023-11-14T22:13:20.123Z");
  g_assert_true (text_parse_time (text, &us));
  g_assert_cmpint (us, ==, 1700000000123000);
  g_assert_true (text_parse_time ("2023-11-14T23:13:20+01:00", &us));
  g_assert_cmpint (us, ==, 1700000000000000);
  g_assert_false (text_parse_time ("yesterday", &us));
}

static void
test_shell_words (void)
{
  static const char *const words[][2] = {
    { "juliet", "juliet" },   { "juliet@pronto", "juliet@pronto" }, { "日本", "日本" },     { "a b", "'a b'" },
    { "$(id)", "'$(id)'" }, { "a'b", "'a'\\''b'" },                 { "", "''" }, { "-rf", "-- -rf" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autofree char *word = text_shell_word (words[i][0]);
      g_assert_cmpstr (word, ==, words[i][1]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/text/clean", test_clean);
  g_test_add_func ("/text/cut", test_cut);
  g_test_add_func ("/text/escape", test_escape);
  g_test_add_func ("/text/durations", test_durations);
  g_test_add_func ("/text/sizes", test_sizes);
  g_test_add_func ("/text/shell-words", test_shell_words);
  g_test_add_func ("/text/times", test_times);
  return g_test_run ();
}
