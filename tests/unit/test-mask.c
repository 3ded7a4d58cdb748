/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: the user's umask is the process's until another one was kept. */
#include <sys/stat.h>

#include "base/mask.h"

static void
test_mask (void)
{
  umask (027);
  g_assert_cmpuint (mask_of_user (), ==, 027);
  mask_keep (umask (077));
  g_assert_cmpuint (mask_of_user (), ==, 027);
  mask_keep (0);
  g_assert_cmpuint (mask_of_user (), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mask", test_mask);
  return g_test_run ();
}
