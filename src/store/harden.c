/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/harden.h"

#include <errno.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/error.h"

static gboolean
fail (const char *what, GError **error)
{
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "%s: %s", what, g_strerror (errno));
  return FALSE;
}

/* Both for core files: a limit of 0 does not hold where the kernel pipes them into a program (core(5)). */
gboolean
harden_process (GError **error)
{
  struct rlimit none = { 0 };

  if (sodium_init () < 0)
    {
      g_set_error_literal (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "libsodium does not start");
      return FALSE;
    }
  if (setrlimit (RLIMIT_CORE, &none) != 0)
    return fail ("cannot forbid core files", error);
  if (prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return fail ("cannot close the memory to others", error);
  return TRUE;
}
