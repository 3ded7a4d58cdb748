/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: names are valid JIDs of at most one DNS label, whatever login and host are. */
#include "presence/name.h"

#include <string.h>

#include "base/limits.h"

#define A10 "aaaaaaaaaa"
#define A60 A10 A10 A10 A10 A10 A10
#define EURO "\xe2\x82\xac"

static void
test_make (void)
{
  static const struct
  {
    const char *user, *machine, *name;
  } rows[] = {
    { "juliet", "pronto", "juliet@pronto" },
    { "juliet", "pronto.example.org", "juliet@pronto" },
    { "ju@li@et", "pronto", "ju-li-et@pronto" },
    { " ju\nliet ", "pr\xc3\xa9nto!", "ju liet@prnto" },
    { "", "", "user@localhost" },
    { EURO, ".x", EURO "@localhost" },
    { "x", A60 "abc", "x@" A60 "a" },
    { A60 "abcd", "host", A10 A10 A10 A10 A10 "aaaaaaaa@host" },
    { A60, A60, A10 A10 A10 "a@" A10 A10 A10 "a" },
    { A10 A10 A10 A10 A10 "aaaaaaa" EURO, "host", A10 A10 A10 A10 A10 "aaaaaaa@host" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *name = name_make (rows[i].user, rows[i].machine);

      g_assert_cmpstr (name, ==, rows[i].name);
      g_assert_true (name_is_valid (name));
    }
}

static void
test_alternative (void)
{
  static const struct
  {
    const char *name;
    guint n;
    const char *other;
  } rows[] = {
    { "juliet@pronto", 0, "juliet@pronto" },
    { "juliet@pronto", 1, "juliet-1@pronto" },
    { "juliet@pronto", 12, "juliet-12@pronto" },
    { "juliet", 2, "juliet-2" },
    { "a@b@c", 1, "a@b-1@c" },
    { A10 A10 A10 A10 A10 "a" EURO EURO "@pronto", 1, A10 A10 A10 A10 A10 "a" EURO "-1@pronto" },
    { "a@" A60 "a", 1, "-1@" A60 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *other = name_alternative (rows[i].name, rows[i].n);

      g_assert_cmpstr (other, ==, rows[i].other);
      g_assert_cmpuint (strlen (other), <=, LIMIT_INSTANCE);
    }
}

static void
test_compare (void)
{
  g_autofree char *folded = name_fold ("Juliet@PRONTO\xc3\x89");
  g_autofree char *user = name_dup_user ("a@b@c");
  g_autofree char *whole = name_dup_user ("abc");

  g_assert_cmpstr (folded, ==, "juliet@pronto\xc3\x89");
  g_assert_true (name_equal ("Juliet@Pronto", "juliet@pronto"));
  g_assert_false (name_equal ("\xc3\x89@a", "\xc3\xa9@a"));
  g_assert_cmpstr (user, ==, "a@b");
  g_assert_cmpstr (whole, ==, "abc");
}

static void
test_valid (void)
{
  g_assert_true (name_is_valid ("a"));
  g_assert_true (name_is_valid (EURO " x@y"));
  g_assert_true (name_is_valid (A60 "abc"));
  g_assert_false (name_is_valid (A60 "abcd"));
  g_assert_false (name_is_valid (""));
  g_assert_false (name_is_valid ("a\n"));
  g_assert_false (name_is_valid ("a\xe2\x80\xae"));
  g_assert_false (name_is_valid ("a\xff"));
  g_assert_false (name_is_valid ("a\xc2\x85"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/name/make", test_make);
  g_test_add_func ("/name/alternative", test_alternative);
  g_test_add_func ("/name/compare", test_compare);
  g_test_add_func ("/name/valid", test_valid);
  return g_test_run ();
}
