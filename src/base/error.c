/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <string.h>

G_DEFINE_QUARK (hearby-error-quark, hearby_error)

static const struct
{
  const char *name;
  int         exit_code;
} errors[HEARBY_ERROR_LAST] = {
  [HEARBY_ERROR_FAILED] = { "Failed", 1 },
  [HEARBY_ERROR_NOT_SUPPORTED] = { "NotSupported", 1 },
  [HEARBY_ERROR_INVALID_ARGUMENT] = { "InvalidArgument", 2 },
  [HEARBY_ERROR_TIMEOUT] = { "Timeout", 3 },
  [HEARBY_ERROR_REJECTED] = { "Rejected", 4 },
  [HEARBY_ERROR_BLOCKED] = { "Blocked", 4 },
  [HEARBY_ERROR_NOT_VERIFIED] = { "NotVerified", 5 },
  [HEARBY_ERROR_KEY_CHANGED] = { "KeyChanged", 5 },
  [HEARBY_ERROR_UNENCRYPTED] = { "Unencrypted", 5 },
  [HEARBY_ERROR_NOT_FOUND] = { "NotFound", 6 },
  [HEARBY_ERROR_AMBIGUOUS] = { "Ambiguous", 6 },
  [HEARBY_ERROR_FILE_ERROR] = { "FileError", 7 },
  [HEARBY_ERROR_EXISTS] = { "Exists", 7 },
  [HEARBY_ERROR_NO_SPACE] = { "NoSpace", 7 },
  [HEARBY_ERROR_ACCESS_DENIED] = { "AccessDenied", 7 },
  [HEARBY_ERROR_CANCELED] = { "Canceled", 9 },
  [HEARBY_ERROR_PARTIAL] = { "Partial", 10 },
  [HEARBY_ERROR_PEER_OFFLINE] = { "PeerOffline", 11 },
  [HEARBY_ERROR_NO_DAEMON] = { "NoDaemon", 8 },
};

const char *
error_name (HearbyError code)
{
  g_return_val_if_fail (code < HEARBY_ERROR_LAST, "Failed");
  return errors[code].name;
}

HearbyError
error_from_name (const char *name)
{
  if (g_str_has_prefix (name, ERROR_DBUS_PREFIX))
    name += strlen (ERROR_DBUS_PREFIX);
  for (guint i = 0; i < HEARBY_ERROR_LAST; i++)
    if (g_str_equal (errors[i].name, name))
      return i;
  return HEARBY_ERROR_FAILED;
}

int
error_exit_code (HearbyError code)
{
  g_return_val_if_fail (code < HEARBY_ERROR_LAST, 1);
  return errors[code].exit_code;
}

HearbyError
error_code (const GError *error)
{
  return error->domain == HEARBY_ERROR ? (HearbyError) error->code : HEARBY_ERROR_FAILED;
}

void
error_forward (GError **dest, GError **src, const char *format, ...)
{
  g_autofree char *prefix = NULL;
  GError *moved = g_steal_pointer (src);
  va_list args;

  va_start (args, format);
  prefix = g_strdup_vprintf (format, args);
  va_end (args);
  g_propagate_prefixed_error (dest, moved, "%s: ", prefix);
}
