/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "secure/x25519.h"

/* A public key as people read it: 160 bits of its hash in base32, 8 groups of 4. Shown whole or not at all.
 * Pure. */

#define FINGERPRINT_SIZE 40 /* "7oqf-k4zx-3xyy-vz6o-udkm-tz5a-wxp3-x27w" and its NUL */

void fingerprint_make (const guint8 key[X25519_KEY], char fingerprint[FINGERPRINT_SIZE]);

/* fingerprint_is_of: @typed is the whole fingerprint of @key; case, blanks and hyphens do not matter. */
gboolean fingerprint_is_of (const char *typed, const guint8 key[X25519_KEY]);
