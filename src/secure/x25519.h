/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* X25519 (RFC 7748) as far as Noise needs it. Pure. */

#define X25519_KEY 32

/* x25519_public: the public key of @secret. */
void x25519_public (guint8 public[X25519_KEY], const guint8 secret[X25519_KEY]);

/* x25519_is_acceptable: @key is the only encoding of a point of large order: bit 255 clear, below 2^255-19,
 * none of the low-order points. So one key has one name, and no peer can force a shared secret. */
gboolean x25519_is_acceptable (const guint8 key[X25519_KEY]);

/* x25519_shared: DH. FALSE where the outcome would be zero (low order); @shared is wiped then. */
gboolean x25519_shared (guint8 shared[X25519_KEY], const guint8 secret[X25519_KEY],
                        const guint8 public[X25519_KEY]);

/* x25519_compare: as memcmp(). Of two streams opened at the same time in opposite directions, the one stays
 * whose initiator has the smaller static public key. */
int x25519_compare (const guint8 a[X25519_KEY], const guint8 b[X25519_KEY]);
