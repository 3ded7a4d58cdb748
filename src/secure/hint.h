/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "secure/x25519.h"

/* By what those who know our key already may recognise us before they connect; to anybody else it is noise.
 * The value of a TXT string "k=":
 *
 *   BASE64 (salt(8) || HMAC-SHA256 (key = public key, "hearby-noise-0 hint" 0x00 || salt || instance)[0..8])
 *
 * with the alphabet and the padding of RFC 4648 4. The instance name counts byte for byte as it is published,
 * case included, with the number that a collision added; so a new name wants a new hint. It proves nothing:
 * whoever knows the key can make one, and can copy one for as long as the name is the same. Pure. */

#define HINT_SALT 8  /* fresh at each start, so that two of them are not seen to be one device's */
#define HINT_SIZE 25 /* 24 characters and the NUL */

void hint_make (const guint8 key[X25519_KEY], const char *instance, const guint8 salt[HINT_SALT],
                char hint[HINT_SIZE]);

/* hint_matches: @value, from whomever, is a hint at @key under the name @instance. FALSE, too, where it is no
 * hint at all. */
gboolean hint_matches (const char *value, const char *instance, const guint8 key[X25519_KEY]);
