/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/format.h"

static void
test_sizes (void)
{
  static const struct
  {
    gint64      bytes;
    const char *text;
  } rows[] = {
    { -1, "0 B" },          { 0, "0 B" },           { 999, "999 B" },        { 1000, "1.0 kB" },     { 1049, "1.0 kB" },
    { 1050, "1.1 kB" },     { 9949, "9.9 kB" },     { 9950, "10 kB" },       { 10499, "10 kB" },     { 999499, "999 kB" },
    { 999500, "1.0 MB" },   { 2104331, "2.1 MB" },  { 14000000, "14 MB" },   { 720000000, "720 MB" }, { 1073741824, "1.1 GB" },
    { 999949999999, "1.0 TB" }, { G_MAXINT64, "9.2 EB" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *text = format_size (rows[i].bytes);

      g_assert_cmpstr (text, ==, rows[i].text);
    }
}

static void
test_clock (void)
{
  static const struct
  {
    gint64      seconds;
    const char *text;
  } rows[] = { { 0, "0:00" }, { 8, "0:08" }, { 60, "1:00" }, { 3599, "59:59" }, { 3600, "1:00:00" }, { 360061, "100:01:01" } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *text = format_clock (rows[i].seconds);

      g_assert_cmpstr (text, ==, rows[i].text);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/format/sizes", test_sizes);
  g_test_add_func ("/format/clock", test_clock);
  return g_test_run ();
}
