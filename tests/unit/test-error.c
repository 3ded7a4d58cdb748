/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: the list of errors is closed, each has a name and the exit code that scripts count on. */
#include "base/error.h"

static const struct
{
  HearbyError code;
  const char *name;
  int         exit_code;
} all[] = {
  { HEARBY_ERROR_FAILED, "Failed", 1 },           { HEARBY_ERROR_NOT_SUPPORTED, "NotSupported", 1 },
  { HEARBY_ERROR_INVALID_ARGUMENT, "InvalidArgument", 2 }, { HEARBY_ERROR_TIMEOUT, "Timeout", 3 },
  { HEARBY_ERROR_REJECTED, "Rejected", 4 },       { HEARBY_ERROR_BLOCKED, "Blocked", 4 },
  { HEARBY_ERROR_NOT_VERIFIED, "NotVerified", 5 }, { HEARBY_ERROR_KEY_CHANGED, "KeyChanged", 5 },
  { HEARBY_ERROR_UNENCRYPTED, "Unencrypted", 5 }, { HEARBY_ERROR_NOT_FOUND, "NotFound", 6 },
  { HEARBY_ERROR_AMBIGUOUS, "Ambiguous", 6 },     { HEARBY_ERROR_FILE_ERROR, "FileError", 7 },
  { HEARBY_ERROR_EXISTS, "Exists", 7 },           { HEARBY_ERROR_NO_SPACE, "NoSpace", 7 },
  { HEARBY_ERROR_ACCESS_DENIED, "AccessDenied", 7 }, { HEARBY_ERROR_CANCELED, "Canceled", 9 },
  { HEARBY_ERROR_PARTIAL, "Partial", 10 },        { HEARBY_ERROR_PEER_OFFLINE, "PeerOffline", 11 },
  { HEARBY_ERROR_NO_DAEMON, "NoDaemon", 8 },
};

static void
test_table (void)
{
  g_assert_cmpuint (G_N_ELEMENTS (all), ==, HEARBY_ERROR_LAST);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    {
      g_autofree char *whole = g_strconcat (ERROR_DBUS_PREFIX, all[i].name, NULL);

      g_assert_cmpuint (all[i].code, ==, i);
      g_assert_cmpstr (error_name (all[i].code), ==, all[i].name);
      g_assert_cmpint (error_exit_code (all[i].code), ==, all[i].exit_code);
      g_assert_cmpuint (error_from_name (all[i].name), ==, all[i].code);
      g_assert_cmpuint (error_from_name (whole), ==, all[i].code);
    }
}

static void
test_unknown_names (void)
{
  g_assert_cmpuint (error_from_name ("org.freedesktop.DBus.Error.NoReply"), ==, HEARBY_ERROR_FAILED);
  g_assert_cmpuint (error_from_name (""), ==, HEARBY_ERROR_FAILED);
  g_assert_cmpuint (error_from_name (ERROR_DBUS_PREFIX), ==, HEARBY_ERROR_FAILED);
  g_assert_cmpuint (error_from_name ("timeout"), ==, HEARBY_ERROR_FAILED);
}

static void
test_code (void)
{
  g_autoptr (GError) ours = g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_NO_SPACE, "full");
  g_autoptr (GError) other = g_error_new_literal (G_FILE_ERROR, G_FILE_ERROR_NOSPC, "full");

  g_assert_cmpuint (error_code (ours), ==, HEARBY_ERROR_NO_SPACE);
  g_assert_cmpuint (error_code (other), ==, HEARBY_ERROR_FAILED);
}

static void
test_forward (void)
{
  g_autoptr (GError) dest = NULL;
  GError *src = g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_NO_SPACE, "full\nfree some");

  error_forward (&dest, &src, "writing %s", "100%");
  g_assert_null (src);
  g_assert_error (dest, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE);
  g_assert_cmpstr (dest->message, ==, "writing 100%: full\nfree some");
  src = g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_FAILED, "nobody listens");
  error_forward (NULL, &src, "writing");
  g_assert_null (src);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error/table", test_table);
  g_test_add_func ("/error/unknown-names", test_unknown_names);
  g_test_add_func ("/error/code", test_code);
  g_test_add_func ("/error/forward", test_forward);
  return g_test_run ();
}
