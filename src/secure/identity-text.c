/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/identity-text.h"

#include <sodium.h>
#include <string.h>

#include "base/error.h"

#define BASE64 sodium_base64_VARIANT_ORIGINAL
#define BASE64_SIZE(bytes) sodium_base64_ENCODED_LEN (bytes, BASE64) /* with its NUL */
#define MAGIC_ANY "hearby identity "
#define MAGIC MAGIC_ANY "0\n"

G_STATIC_ASSERT (IDENTITY_TEXT_SALT == crypto_pwhash_argon2id_SALTBYTES);
G_STATIC_ASSERT (IDENTITY_TEXT_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
G_STATIC_ASSERT (IDENTITY_TEXT_BOX == X25519_KEY + crypto_aead_xchacha20poly1305_ietf_ABYTES);
G_STATIC_ASSERT (IDENTITY_TEXT_OPSLIMIT == crypto_pwhash_argon2id_OPSLIMIT_MODERATE);
G_STATIC_ASSERT (IDENTITY_TEXT_MEMLIMIT == crypto_pwhash_argon2id_MEMLIMIT_MODERATE);
G_STATIC_ASSERT (IDENTITY_TEXT_MEMLIMIT_MIN == crypto_pwhash_argon2id_MEMLIMIT_MIN);

/* Writing ------------------------------------------------------------------------------------------------ */

static void
add (char *text, const char *what)
{
  g_strlcat (text, what, LIMIT_IDENTITY_TEXT);
}

static void
add_base64 (char *text, const char *word, const guint8 *bytes, gsize size)
{
  char encoded[BASE64_SIZE (IDENTITY_TEXT_NONCE + IDENTITY_TEXT_BOX)];

  add (text, word);
  add (text, sodium_bin2base64 (encoded, sizeof encoded, bytes, size, BASE64));
  add (text, "\n");
  sodium_memzero (encoded, sizeof encoded);
}

/* All but the last line, which is what a sealed one is bound to. */
static void
write_head (const IdentityText *identity, char text[LIMIT_IDENTITY_TEXT])
{
  char limits[64];

  g_strlcpy (text, MAGIC, LIMIT_IDENTITY_TEXT);
  add_base64 (text, "public ", identity->public, X25519_KEY);
  if (!identity->sealed)
    return;
  g_snprintf (limits, sizeof limits, "argon2id13 %u %u ", identity->opslimit, identity->memlimit);
  add_base64 (text, limits, identity->salt, IDENTITY_TEXT_SALT);
}

gsize
identity_text_write (const IdentityText *identity, char text[LIMIT_IDENTITY_TEXT])
{
  guint8 sealed[IDENTITY_TEXT_NONCE + IDENTITY_TEXT_BOX];

  write_head (identity, text);
  if (identity->sealed)
    {
      memcpy (sealed, identity->nonce, IDENTITY_TEXT_NONCE);
      memcpy (sealed + IDENTITY_TEXT_NONCE, identity->box, IDENTITY_TEXT_BOX);
      add_base64 (text, "sealed ", sealed, sizeof sealed);
    }
  else
    add_base64 (text, "secret ", identity->secret, X25519_KEY);
  return strlen (text);
}

/* Reading ------------------------------------------------------------------------------------------------ */

static gboolean
take (const char **text, const char *word)
{
  if (!g_str_has_prefix (*text, word))
    return FALSE;
  *text += strlen (word);
  return TRUE;
}

/* The rest of a line. */
static gboolean
take_base64 (const char **text, guint8 *bytes, gsize size)
{
  const char *end = strchr (*text, '\n');
  gsize len;

  if (end == NULL
      || sodium_base642bin (bytes, size, *text, (gsize)(end - *text), NULL, &len, NULL, BASE64) != 0
      || len != size)
    return FALSE;
  *text = end + 1;
  return TRUE;
}

static gboolean
take_number (const char **text, guint min, guint max, guint *number)
{
  char *end;
  guint64 n = g_ascii_strtoull (*text, &end, 10);

  if (*end != ' ' || n < min || n > max)
    return FALSE;
  *number = (guint)n;
  *text = end + 1;
  return TRUE;
}

void
identity_text_clamp (guint8 secret[X25519_KEY])
{
  secret[0] &= 0xf8;
  secret[31] = (secret[31] & 0x7f) | 0x40;
}

static gboolean
is_secret_of (const guint8 secret[X25519_KEY], const guint8 public[X25519_KEY])
{
  guint8 expected[X25519_KEY];

  x25519_public (expected, secret);
  return (secret[0] & 0x07) == 0 && (secret[31] & 0xc0) == 0x40 && memcmp (expected, public, X25519_KEY) == 0;
}

static gboolean
take_clear (const char **text, IdentityText *identity)
{
  return take_base64 (text, identity->secret, X25519_KEY)
         && is_secret_of (identity->secret, identity->public);
}

static gboolean
take_sealed (const char **text, IdentityText *identity)
{
  guint8 sealed[IDENTITY_TEXT_NONCE + IDENTITY_TEXT_BOX];

  if (!take_number (text, 1, IDENTITY_TEXT_OPSLIMIT_MAX, &identity->opslimit)
      || !take_number (text, IDENTITY_TEXT_MEMLIMIT_MIN, IDENTITY_TEXT_MEMLIMIT, &identity->memlimit)
      || !take_base64 (text, identity->salt, IDENTITY_TEXT_SALT) || !take (text, "sealed ")
      || !take_base64 (text, sealed, sizeof sealed))
    return FALSE;
  memcpy (identity->nonce, sealed, IDENTITY_TEXT_NONCE);
  memcpy (identity->box, sealed + IDENTITY_TEXT_NONCE, IDENTITY_TEXT_BOX);
  return TRUE;
}

static gboolean
take_all (const char *text, IdentityText *identity)
{
  if (!take (&text, MAGIC) || !take (&text, "public ") || !take_base64 (&text, identity->public, X25519_KEY)
      || !x25519_is_acceptable (identity->public))
    return FALSE;
  identity->sealed = take (&text, "argon2id13 ");
  return identity->sealed ? take_sealed (&text, identity)
                          : take (&text, "secret ") && take_clear (&text, identity);
}

/* There is one way to write it; so blanks, signs, leading zeros and what stands behind the end are seen here.
 */
static gboolean
is_written_so (const IdentityText *identity, const char *text, gsize len)
{
  char again[LIMIT_IDENTITY_TEXT];
  gboolean same = identity_text_write (identity, again) == len && memcmp (again, text, len) == 0;

  sodium_memzero (again, sizeof again);
  return same;
}

gboolean
identity_text_parse (const char *text, gsize len, IdentityText *identity, GError **error)
{
  char copy[LIMIT_IDENTITY_TEXT];
  const char *why = NULL;

  memset (identity, 0, sizeof *identity);
  if (len >= sizeof copy)
    why = "it is too long for a key";
  else
    {
      memcpy (copy, text, len);
      copy[len] = '\0';
      if (!g_str_has_prefix (copy, MAGIC_ANY))
        why = "it is no key of hearby";
      else if (!g_str_has_prefix (copy, MAGIC))
        why = "another version of hearby made it";
      else if (!take_all (copy, identity) || !is_written_so (identity, text, len))
        why = "it is damaged";
      sodium_memzero (copy, sizeof copy);
    }
  if (why == NULL)
    return TRUE;
  sodium_memzero (identity, sizeof *identity);
  g_set_error_literal (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, why);
  return FALSE;
}

/* Under a passphrase ------------------------------------------------------------------------------------- */

static gboolean
make_key (const IdentityText *identity, const char *passphrase, guint8 *key)
{
  return crypto_pwhash (key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES, passphrase, strlen (passphrase),
                        identity->salt, identity->opslimit, identity->memlimit, crypto_pwhash_ALG_ARGON2ID13)
         == 0;
}

gboolean
identity_text_seal (IdentityText *identity, const char *passphrase)
{
  guint8 key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
  char head[LIMIT_IDENTITY_TEXT];

  if (!make_key (identity, passphrase, key))
    return FALSE;
  identity->sealed = TRUE;
  write_head (identity, head);
  crypto_aead_xchacha20poly1305_ietf_encrypt (identity->box, NULL, identity->secret, X25519_KEY,
                                              (const guint8 *)head, strlen (head), NULL, identity->nonce,
                                              key);
  sodium_memzero (identity->secret, X25519_KEY);
  sodium_memzero (key, sizeof key);
  return TRUE;
}

IdentityTextOpened
identity_text_open (const IdentityText *identity, const char *passphrase, guint8 secret[X25519_KEY])
{
  guint8 key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
  char head[LIMIT_IDENTITY_TEXT];
  gboolean good;

  g_return_val_if_fail (identity->sealed, IDENTITY_TEXT_WRONG);
  if (!make_key (identity, passphrase, key))
    return IDENTITY_TEXT_NO_MEMORY;
  write_head (identity, head);
  good
      = crypto_aead_xchacha20poly1305_ietf_decrypt (secret, NULL, NULL, identity->box, IDENTITY_TEXT_BOX,
                                                    (const guint8 *)head, strlen (head), identity->nonce, key)
        == 0;
  sodium_memzero (key, sizeof key);
  if (good && is_secret_of (secret, identity->public))
    return IDENTITY_TEXT_OPENED;
  sodium_memzero (secret, X25519_KEY);
  return IDENTITY_TEXT_WRONG;
}
