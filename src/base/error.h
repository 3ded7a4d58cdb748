/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The one error domain of hearby. Each code is one D-Bus error "org.hearby.Error.NAME" and one exit code of
 * the command line; the list is closed. A message says what is wrong, without a capital and a full stop; after a
 * newline there may be one hint that says what to do about it. */

#define HEARBY_ERROR (hearby_error_quark ())
GQuark hearby_error_quark (void);

typedef enum
{
  HEARBY_ERROR_FAILED,
  HEARBY_ERROR_NOT_SUPPORTED,
  HEARBY_ERROR_INVALID_ARGUMENT,
  HEARBY_ERROR_TIMEOUT,
  HEARBY_ERROR_REJECTED,
  HEARBY_ERROR_BLOCKED,
  HEARBY_ERROR_NOT_VERIFIED,
  HEARBY_ERROR_KEY_CHANGED,
  HEARBY_ERROR_UNENCRYPTED,
  HEARBY_ERROR_NOT_FOUND,
  HEARBY_ERROR_AMBIGUOUS,
  HEARBY_ERROR_FILE_ERROR,
  HEARBY_ERROR_EXISTS,
  HEARBY_ERROR_NO_SPACE,
  HEARBY_ERROR_ACCESS_DENIED,
  HEARBY_ERROR_CANCELED,
  HEARBY_ERROR_PARTIAL,
  HEARBY_ERROR_PEER_OFFLINE,
  HEARBY_ERROR_NO_DAEMON, /* only on the command line: never crosses the bus */
  HEARBY_ERROR_LAST
} HearbyError;

#define ERROR_DBUS_PREFIX "org.hearby.Error."

/* error_name: the last part of the D-Bus name, "PeerOffline". Static. */
const char *error_name (HearbyError code);

/* error_from_name: the code of a last part or of a whole D-Bus name; HEARBY_ERROR_FAILED where unknown. */
HearbyError error_from_name (const char *name);

/* error_exit_code: what the command line exits with. */
int error_exit_code (HearbyError code);

/* error_code: the code of @error when it is ours, HEARBY_ERROR_FAILED for another domain. */
HearbyError error_code (const GError *error);

/* error_forward: moves *@src to @dest (which may be NULL) with a prefix that says what was being done.
 * Takes *@src and leaves NULL there. */
void error_forward (GError **dest, GError **src, const char *format, ...) G_GNUC_PRINTF (3, 4);
