/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: any TXT record is understood as far as it goes, and ours keeps to XEP-0174's registry and DNS-SD's
 * sizes. */
#include "presence/txt.h"

#include <string.h>

#include "base/limits.h"

static void
add (GPtrArray *strings, const char *string)
{
  g_ptr_array_add (strings, g_bytes_new (string, strlen (string)));
}

static GPtrArray *
record (const char *first, ...)
{
  GPtrArray *strings = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  va_list args;

  va_start (args, first);
  for (const char *string = first; string != NULL; string = va_arg (args, const char *))
    add (strings, string);
  va_end (args);
  return strings;
}

static char *
joined (GPtrArray *strings)
{
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < strings->len; i++)
    {
      gsize len;
      const char *string = g_bytes_get_data (g_ptr_array_index (strings, i), &len);

      g_assert_cmpuint (len, <=, LIMIT_TXT_STRING);
      g_string_append_len (out, string, (gssize) len);
      g_string_append_c (out, '|');
    }
  return g_string_free (out, FALSE);
}

static void
test_parse (void)
{
  g_autoptr (GPtrArray) strings = record ("ver=2.14.12", "NODE=libpurple", "status=dnd", "nick=Jul\nie\xff",
                                          "1st=Juliet", "last=", "last=Capulet", "msg=a=b", "nick=Other",
                                          "=odd", "", "email", "email=x@y", "unknown=1", "status=away", NULL);
  g_autoptr (Presence) presence = txt_parse (strings);

  g_assert_cmpint (presence->status, ==, STATUS_DND);
  g_assert_cmpstr (presence->nick, ==, "Jul ie\xef\xbf\xbd");
  g_assert_cmpstr (presence->first, ==, "Juliet");
  g_assert_null (presence->last);
  g_assert_cmpstr (presence->text, ==, "a=b");
  g_assert_cmpstr (presence->node, ==, "libpurple");
  g_assert_cmpstr (presence->ver, ==, "2.14.12");
  g_assert_null (presence->hash);
  g_assert_null (presence->email);
}

static void
test_parse_status (void)
{
  static const struct
  {
    const char *string;
    Status status;
  } rows[] = {
    { "status=avail", STATUS_AVAILABLE },   { "status=away", STATUS_AWAY },
    { "Status=DND", STATUS_DND },           { "status=", STATUS_AVAILABLE },
    { "status", STATUS_AVAILABLE },         { "status=awayy", STATUS_AVAILABLE },
    { "status=offline", STATUS_AVAILABLE }, { "stat=away", STATUS_AVAILABLE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GPtrArray) strings = record (rows[i].string, NULL);
      g_autoptr (Presence) presence = txt_parse (strings);

      g_assert_cmpint (presence->status, ==, rows[i].status);
    }
}

static void
test_build (void)
{
  g_autoptr (Presence) presence = presence_new ();
  g_autoptr (GPtrArray) least = txt_build (presence, 5298);
  g_autofree char *least_text = joined (least);
  g_autoptr (GPtrArray) full = NULL;
  g_autofree char *full_text = NULL;
  g_autoptr (Presence) again = NULL;

  g_assert_cmpstr (least_text, ==, "txtvers=1|port.p2pj=5298|status=avail|");
  presence->status = STATUS_AWAY;
  presence->nick = g_strdup ("Jule");
  presence->text = g_strdup ("out\nnow");
  presence->hash = g_strdup ("sha-1");
  presence->ver = g_strdup ("abc=");
  presence->node = g_strdup ("https://hearby.org/");
  presence->jid = g_strdup ("j@example.org");
  full = txt_build (presence, 1);
  full_text = joined (full);
  g_assert_cmpstr (full_text, ==,
                   "txtvers=1|port.p2pj=1|status=away|nick=Jule|1st=Jule|msg=out now|"
                   "node=https://hearby.org/|hash=sha-1|ver=abc=|jid=j@example.org|");
  again = txt_parse (full);
  g_assert_cmpstr (again->ver, ==, "abc=");
  g_assert_cmpstr (again->text, ==, "out now");
}

static void
test_equal_and_names (void)
{
  g_autoptr (GPtrArray) strings = record ("nick=N", "1st=F", "last=L", "status=away", NULL);
  g_autoptr (Presence) a = txt_parse (strings);
  g_autoptr (Presence) b = txt_parse (strings);
  g_autofree char *nick = txt_display_name (a);
  g_autofree char *both = NULL;
  g_autofree char *last = NULL;
  Status status;

  g_assert_true (presence_equal (a, b));
  g_assert_cmpstr (nick, ==, "N");
  g_clear_pointer (&b->nick, g_free);
  g_assert_false (presence_equal (a, b));
  both = txt_display_name (b);
  g_assert_cmpstr (both, ==, "F L");
  g_clear_pointer (&b->first, g_free);
  last = txt_display_name (b);
  g_assert_cmpstr (last, ==, "L");
  g_clear_pointer (&b->last, g_free);
  g_assert_null (txt_display_name (b));
  g_assert_true (status_from_name ("dnd", &status));
  g_assert_cmpint (status, ==, STATUS_DND);
  g_assert_false (status_from_name ("avail", &status));
  g_assert_cmpstr (status_name (STATUS_OFFLINE), ==, "offline");
  presence_free (NULL);
}

static char *
key_and (const char *key, gsize len)
{
  g_autofree char *value = g_strnfill (len, 'x');

  return g_strconcat (key, "=", value, NULL);
}

static void
test_limit_values (void)
{
  for (guint beyond = 0; beyond < 2; beyond++)
    {
      g_autofree char *nick = key_and ("nick", LIMIT_NICK + beyond);
      g_autofree char *text = key_and ("msg", LIMIT_STATUS_TEXT + beyond);
      g_autoptr (GPtrArray) strings = record (nick, text, NULL);
      g_autoptr (Presence) presence = txt_parse (strings);

      g_assert_cmpuint (strlen (presence->nick), ==, LIMIT_NICK);
      g_assert_cmpuint (strlen (presence->text), ==, LIMIT_STATUS_TEXT);
    }
}

static void
test_limit_string (void)
{
  for (guint beyond = 0; beyond < 2; beyond++)
    {
      g_autofree char *email = key_and ("email", LIMIT_TXT_STRING - strlen ("email=") + beyond);
      g_autoptr (GPtrArray) strings = record (email, NULL);
      g_autoptr (Presence) presence = txt_parse (strings);
      g_autoptr (GPtrArray) built = NULL;

      g_assert_true ((presence->email == NULL) == (beyond == 1)); /* no string of DNS is so long */
      g_free (presence->email);
      presence->email = g_strdup (email);
      built = txt_build (presence, 1);
      g_assert_cmpuint (g_bytes_get_size (g_ptr_array_index (built, 3)), ==, LIMIT_TXT_STRING);
    }
}

static void
test_limit_record (void)
{
  for (guint beyond = 0; beyond < 2; beyond++)
    {
      g_autoptr (GPtrArray) strings = record (NULL, NULL);
      g_autoptr (Presence) presence = NULL;

      for (guint i = 0; i < 12; i++)
        {
          g_autofree char *filler = key_and ("a", 97); /* 100 bytes on the wire */

          add (strings, filler);
        }
      add (strings, beyond ? "nick="
                             "1234567890123456789012345678901234567890123456789012345678901234567890123456789"
                             "012345678901234"
                             "5"
                           : "nick="
                             "1234567890123456789012345678901234567890123456789012345678901234567890123456789"
                             "012345678901234");
      presence = txt_parse (strings);
      g_assert_true ((presence->nick == NULL) == (beyond == 1));
    }
}

static void
test_limit_built (void)
{
  g_autoptr (Presence) presence = presence_new ();
  g_autoptr (GPtrArray) strings = NULL;
  char **const fields[]
      = { &presence->nick, &presence->first, &presence->last, &presence->text, &presence->node,
          &presence->hash, &presence->ver,   &presence->jid,  &presence->email };
  gsize total = 0;

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    *fields[i] = g_strnfill (300, 'x');
  strings = txt_build (presence, 5298);
  for (guint i = 0; i < strings->len; i++)
    total += 1 + g_bytes_get_size (g_ptr_array_index (strings, i));
  g_assert_cmpuint (total, <=, LIMIT_TXT);
  g_assert_cmpuint (total, >, LIMIT_TXT - 300);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/txt/parse", test_parse);
  g_test_add_func ("/txt/parse-status", test_parse_status);
  g_test_add_func ("/txt/build", test_build);
  g_test_add_func ("/txt/equal-and-names", test_equal_and_names);
  g_test_add_func ("/txt/limit/values", test_limit_values);
  g_test_add_func ("/txt/limit/string", test_limit_string);
  g_test_add_func ("/txt/limit/record", test_limit_record);
  g_test_add_func ("/txt/limit/built", test_limit_built);
  return g_test_run ();
}
