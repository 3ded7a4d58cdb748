/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "base/limits.h"
#include "secure/x25519.h"

/* The text of a file that holds a long-term key, in clear or under a passphrase:
 *
 *   hearby identity 0                         hearby identity 0
 *   public BASE64(32)                         public BASE64(32)
 *   secret BASE64(32)                         argon2id13 OPSLIMIT MEMLIMIT BASE64(salt, 16)
 *                                             sealed BASE64(nonce, 24, and 48)
 *
 * What is sealed is the secret, by XChaCha20-Poly1305 under crypto_pwhash() (Argon2id, version 1.3) of the
 * passphrase, with all lines above as associated data. The public key shows a damaged secret. There is one
 * way to write a key, and nothing else is read. Pure. */

#define IDENTITY_TEXT_SALT 16
#define IDENTITY_TEXT_NONCE 24
#define IDENTITY_TEXT_BOX (X25519_KEY + 16)

/* What reading takes at most, so that a file which somebody else made cannot take all memory: what is
 * written, libsodium's MODERATE, and some more time. */
#define IDENTITY_TEXT_OPSLIMIT 3 /* passes */
#define IDENTITY_TEXT_OPSLIMIT_MAX 8
#define IDENTITY_TEXT_MEMLIMIT (256u * 1024 * 1024) /* bytes */
#define IDENTITY_TEXT_MEMLIMIT_MIN 8192u

/* To be wiped by who has it. */
typedef struct
{
  guint8 public[X25519_KEY];
  gboolean sealed;
  guint8 secret[X25519_KEY]; /* zeros where it is sealed */
  guint opslimit;            /* from here on only where it is sealed */
  guint memlimit;
  guint8 salt[IDENTITY_TEXT_SALT];
  guint8 nonce[IDENTITY_TEXT_NONCE];
  guint8 box[IDENTITY_TEXT_BOX];
} IdentityText;

/* identity_text_clamp: sets the five bits of a secret that X25519 sets anyway (RFC 7748 5), so that there is
 * one way to write it. For 32 random bytes that become a key; others are not read. */
void identity_text_clamp (guint8 secret[X25519_KEY]);

/* identity_text_parse: @text need not end in NUL. FileError for anything but what identity_text_write()
 * writes; @identity is wiped then. */
gboolean identity_text_parse (const char *text, gsize len, IdentityText *identity, GError **error);

/* identity_text_write: its length, without the NUL. The caller wipes @text. */
gsize identity_text_write (const IdentityText *identity, char text[LIMIT_IDENTITY_TEXT]);

/* identity_text_seal: puts the secret under @passphrase, with the limits, the salt and the nonce that the
 * caller filled in: both fresh. FALSE where memory for Argon2 is missing; nothing is changed then. */
gboolean identity_text_seal (IdentityText *identity, const char *passphrase);

typedef enum
{
  IDENTITY_TEXT_OPENED,
  IDENTITY_TEXT_WRONG,     /* passphrase, or the text was changed: nobody can tell */
  IDENTITY_TEXT_NO_MEMORY, /* for Argon2 */
} IdentityTextOpened;

/* identity_text_open: the secret of a sealed one. Takes half a second and memlimit bytes, on purpose. */
IdentityTextOpened identity_text_open (const IdentityText *identity, const char *passphrase,
                                       guint8 secret[X25519_KEY]);
