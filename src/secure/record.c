/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/record.h"

#include <sodium.h>
#include <string.h>

#include "base/error.h"

#define LENGTH 2 /* bytes of it before what is sealed */
#define SEALED_MIN (RECORD_HEADER + CIPHER_TAG)
#define PADDED_MIN 256
#define PADDED_STEP 4096

struct _RecordSealer
{
  Cipher cipher;
  gboolean closed;
};

struct _RecordOpener
{
  Cipher cipher;
  guint8 *bytes; /* not opened yet: from start to end */
  gsize start, end, size;
  gboolean closed;
  GError *broken;
};

gsize
record_padded_size (gsize content)
{
  gsize size = content + RECORD_HEADER;
  gsize padded = PADDED_MIN;

  if (content > RECORD_CONTENT)
    return 0;
  while (padded < size && padded < PADDED_STEP)
    padded *= 2;
  if (padded < size)
    padded = (size + PADDED_STEP - 1) / PADDED_STEP * PADDED_STEP;
  return MIN (padded, RECORD_PLAINTEXT);
}

RecordSealer *
record_sealer_new (const Cipher *cipher)
{
  RecordSealer *sealer = g_new0 (RecordSealer, 1);

  sealer->cipher = *cipher;
  return sealer;
}

void
record_sealer_free (RecordSealer *sealer)
{
  if (sealer == NULL)
    return;
  cipher_wipe (&sealer->cipher);
  g_free (sealer);
}

static const char *
refusal (const RecordSealer *sealer, RecordType type, gsize len, HearbyError *code)
{
  *code = HEARBY_ERROR_INVALID_ARGUMENT;
  if (len > RECORD_CONTENT)
    return "the content is too long for a record";
  if ((guint)type > RECORD_CLOSE)
    return "there is no such type of record";
  if (type == RECORD_CLOSE && len != 1)
    return "a close has one byte, the reason";
  *code = HEARBY_ERROR_FAILED;
  if (sealer->closed)
    return "the channel was closed already";
  return NULL;
}

/* Writes the plaintext where its sealed form will be. */
static void
fill (guint8 *plaintext, gsize padded, RecordType type, const void *content, gsize len)
{
  plaintext[0] = (guint8)type;
  plaintext[1] = (guint8)(len >> 8);
  plaintext[2] = (guint8)len;
  if (len > 0)
    memcpy (plaintext + RECORD_HEADER, content, len);
  memset (plaintext + RECORD_HEADER + len, 0, padded - RECORD_HEADER - len);
}

gboolean
record_seal (RecordSealer *sealer, RecordType type, const void *content, gsize len, GByteArray *out,
             GError **error)
{
  HearbyError code;
  const char *why = refusal (sealer, type, len, &code);
  gsize padded = record_padded_size (len);
  guint start = out->len;
  guint8 *wire;

  if (why == NULL)
    {
      g_byte_array_set_size (out, (guint)(start + LENGTH + padded + CIPHER_TAG));
      wire = out->data + start;
      wire[0] = (guint8)((padded + CIPHER_TAG) >> 8);
      wire[1] = (guint8)(padded + CIPHER_TAG);
      fill (wire + LENGTH, padded, type, content, len);
      if (cipher_encrypt (&sealer->cipher, NULL, 0, wire + LENGTH, padded, wire + LENGTH))
        {
          cipher_rekey (&sealer->cipher);
          sealer->closed = type == RECORD_CLOSE;
          return TRUE;
        }
      sodium_memzero (wire, LENGTH + padded);
      g_byte_array_set_size (out, start);
      why = "the nonces are used up";
    }
  g_set_error_literal (error, HEARBY_ERROR, (int)code, why);
  return FALSE;
}

gboolean
record_seal_close (RecordSealer *sealer, guint8 reason, GByteArray *out, GError **error)
{
  return record_seal (sealer, RECORD_CLOSE, &reason, 1, out, error);
}

RecordOpener *
record_opener_new (const Cipher *cipher)
{
  RecordOpener *opener = g_new0 (RecordOpener, 1);

  opener->cipher = *cipher;
  return opener;
}

static void
drop_bytes (RecordOpener *opener)
{
  if (opener->bytes != NULL)
    sodium_memzero (opener->bytes, opener->size);
  g_clear_pointer (&opener->bytes, g_free);
  opener->start = opener->end = opener->size = 0;
}

void
record_opener_free (RecordOpener *opener)
{
  if (opener == NULL)
    return;
  drop_bytes (opener);
  cipher_wipe (&opener->cipher);
  g_clear_error (&opener->broken);
  g_free (opener);
}

/* Room for @len bytes more. Not realloc(), which would leave opened content behind. */
static void
make_room (RecordOpener *opener, gsize len)
{
  gsize kept = opener->end - opener->start;
  guint8 *old = opener->bytes;
  gsize old_size = opener->size;

  if (opener->end + len <= opener->size)
    return;
  if (kept + len <= opener->size)
    memmove (opener->bytes, opener->bytes + opener->start, kept);
  else
    {
      opener->size = MAX (kept + len, RECORD_WIRE);
      opener->bytes = g_malloc (opener->size);
      if (kept > 0)
        memcpy (opener->bytes, old + opener->start, kept);
      if (old != NULL)
        sodium_memzero (old, old_size);
      g_free (old);
    }
  opener->start = 0;
  opener->end = kept;
}

void
record_opener_push (RecordOpener *opener, const void *bytes, gsize len)
{
  if (opener->broken != NULL || len == 0)
    return;
  make_room (opener, len);
  memcpy (opener->bytes + opener->end, bytes, len);
  opener->end += len;
}

static gboolean
fail (RecordOpener *opener, const char *why)
{
  g_set_error_literal (&opener->broken, HEARBY_ERROR, HEARBY_ERROR_FAILED, why);
  drop_bytes (opener);
  cipher_wipe (&opener->cipher);
  return FALSE;
}

/* sodium_is_zero() reads byte by byte, in the same time whatever it finds; that nobody can make use of here.
 */
static gboolean
is_zero (const guint8 *bytes, gsize len)
{
  return len == 0 || (bytes[0] == 0 && memcmp (bytes, bytes + 1, len - 1) == 0);
}

static gboolean
parse (RecordOpener *opener, const guint8 *plaintext, gsize size, RecordEvent *event)
{
  gsize len = (gsize)plaintext[1] << 8 | plaintext[2];

  if (plaintext[0] > RECORD_CLOSE)
    return fail (opener, "a record is of no known type");
  if (len > size - RECORD_HEADER)
    return fail (opener, "a record is shorter than it says");
  if (!is_zero (plaintext + RECORD_HEADER + len, size - RECORD_HEADER - len))
    return fail (opener, "a record's padding is not zero");
  event->type = plaintext[0];
  event->content = plaintext + RECORD_HEADER;
  event->len = len;
  if (event->type == RECORD_CLOSE && len != 1)
    return fail (opener, "a close has not one byte");
  opener->closed = event->type == RECORD_CLOSE;
  return TRUE;
}

/* Opens the first record in place. FALSE where there is none, or it is broken. */
static gboolean
open_one (RecordOpener *opener, RecordEvent *event)
{
  guint8 *wire = opener->bytes + opener->start;
  gsize left = opener->end - opener->start;
  gsize sealed;

  if (left > 0 && opener->closed)
    return fail (opener, "there are bytes behind the end of the channel");
  if (left < LENGTH)
    return FALSE;
  sealed = (gsize)wire[0] << 8 | wire[1];
  if (sealed < SEALED_MIN)
    return fail (opener, "a record is too short");
  if (left < LENGTH + sealed)
    return FALSE;
  if (!cipher_decrypt (&opener->cipher, NULL, 0, wire + LENGTH, sealed, wire + LENGTH))
    return fail (opener, "a record is not authentic");
  cipher_rekey (&opener->cipher);
  opener->start += LENGTH + sealed;
  return parse (opener, wire + LENGTH, sealed - CIPHER_TAG, event);
}

gboolean
record_opener_next (RecordOpener *opener, RecordEvent *event, GError **error)
{
  while (opener->broken == NULL && opener->bytes != NULL && open_one (opener, event))
    if (event->type != RECORD_PADDING)
      return TRUE;
  if (opener->broken != NULL)
    g_propagate_error (error, g_error_copy (opener->broken));
  return FALSE;
}

gboolean
record_opener_end (RecordOpener *opener, GError **error)
{
  RecordEvent event;

  if (opener->broken == NULL && record_opener_next (opener, &event, NULL))
    g_return_val_if_reached (FALSE);
  if (opener->broken == NULL && !opener->closed)
    fail (opener, "the channel was cut: there was no close");
  if (opener->broken == NULL)
    return TRUE;
  g_propagate_error (error, g_error_copy (opener->broken));
  return FALSE;
}
