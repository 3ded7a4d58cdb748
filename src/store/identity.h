/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "secure/x25519.h"

/* The long-term key of this device (X25519, used for Noise with SHA-256 and nothing else; Noise revision 34,
 * 14) and the file it lives in: its folder 0700 where we make it, the file 0600. What the text looks like
 * says secure/identity-text. The secret is kept in locked, guarded memory and wiped on free.
 *
 * Nothing is ever written over: a change is a new file, synced, that takes the name in one step, so whoever
 * is killed at whatever moment leaves the old or the new one. What he leaves besides, PATH.new, is removed by
 * the next call. Calls by several processes wait for each other.
 *
 * Errors of all calls, each with one hint: AccessDenied where the file, or its folder, is open to others or
 * another user's, or the file is a link or no regular file; FileError for a damaged one, which is never
 * touched; NotVerified where a passphrase is missing or wrong; NoSpace on a full disk, all is as before then;
 * Failed where memory for Argon2 (256 MiB) is missing. A passphrase has 1 to LIMIT_PASSPHRASE bytes, else
 * InvalidArgument. */

typedef struct _Identity Identity;

/* identity_is_locked: the file at @path wants a passphrase. FALSE without an error where there is none yet or
 * it is in clear. */
gboolean identity_is_locked (const char *path, GError **error);

/* identity_load_or_create: the key at @path; where there is no file, a new key, which is on the disk when
 * this returns. @passphrase, or NULL, opens a locked one and locks a new one; a file in clear is read with
 * any. The caller owns the answer. A passphrase costs half a second. */
Identity *identity_load_or_create (const char *path, const char *passphrase, GError **error);

/* identity_replace: a new key takes the place of the one at @path, which is kept, as it was, damaged or
 * locked, as PATH.old, 0600; an older PATH.old is gone then, and may be even where
 * this fails. The caller owns the answer. */
Identity *identity_replace (const char *path, const char *passphrase, GError **error);

/* identity_set_passphrase: writes the file anew under @new_passphrase, or in clear where it is NULL.
 * @old_passphrase, or NULL, is checked where the file is locked. FileError where another key is there by now.
 * PATH.old stays as it is, and the disk may keep blocks of the former file for long. */
gboolean identity_set_passphrase (Identity *identity, const char *old_passphrase, const char *new_passphrase,
                                  GError **error);

void identity_free (Identity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Identity, identity_free)

/* X25519_KEY bytes that live as long as @identity. */
const guint8 *identity_secret (const Identity *identity);
const guint8 *identity_public (const Identity *identity);
