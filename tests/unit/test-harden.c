/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: after harden_process() there are no core files and no other process reads our memory. */
#include <sys/prctl.h>
#include <sys/resource.h>

#include "store/harden.h"

static void
test_process (void)
{
  struct rlimit limit;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (harden_process (&error));
      g_assert_no_error (error);
      g_assert_cmpint (prctl (PR_GET_DUMPABLE, 0, 0, 0, 0), ==, 0);
      g_assert_cmpint (getrlimit (RLIMIT_CORE, &limit), ==, 0);
      g_assert_cmpuint (limit.rlim_cur, ==, 0);
      g_assert_cmpuint (limit.rlim_max, ==, 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/harden/process", test_process);
  return g_test_run ();
}
