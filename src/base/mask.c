/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mask.h"

#include <stdlib.h>
#include <string.h>

#define SAFEST 077

static gint kept = -1; /* atomic */

void
mask_keep (guint mask)
{
  g_atomic_int_set (&kept, (gint)(mask & 0777));
}

/* umask() can only be read by changing it, for all threads. */
static guint
read_own (void)
{
  g_autofree char *status = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/self/status", &status, NULL, NULL))
    return SAFEST;
  line = strstr (status, "\nUmask:");
  return line != NULL ? (guint)strtoul (line + strlen ("\nUmask:"), NULL, 8) & 0777 : SAFEST;
}

guint
mask_of_user (void)
{
  gint mask = g_atomic_int_get (&kept);

  return mask >= 0 ? (guint)mask : read_own ();
}
