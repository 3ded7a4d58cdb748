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

/* Writes what goes around the content. */
static void
frame (guint8 *wire, gsize padded, RecordType type, gsize len)
{
  wire[0] = (guint8)((padded + CIPHER_TAG) >> 8);
  wire[1] = (guint8)(padded + CIPHER_TAG);
  wire[2] = (guint8)type;
  wire[3] = (guint8)(len >> 8);
  wire[4] = (guint8)len;
  memset (wire + RECORD_CONTENT_AT + len, 0, padded - RECORD_HEADER - len);
}

gsize
record_seal_in_place (RecordSealer *sealer, RecordType type, guint8 *wire, gsize len, GError **error)
{
  HearbyError code;
  const char *why = refusal (sealer, type, len, &code);
  gsize padded = record_padded_size (len);

  if (why == NULL)
    {
      frame (wire, padded, type, len);
      if (cipher_encrypt (&sealer->cipher, NULL, 0, wire + LENGTH, padded, wire + LENGTH))
        {
          cipher_rekey (&sealer->cipher);
          sealer->closed = type == RECORD_CLOSE;
          return LENGTH + padded + CIPHER_TAG;
        }
      why = "the nonces are used up";
    }
  if (padded > 0)
    sodium_memzero (wire, LENGTH + padded);
  g_set_error_literal (error, HEARBY_ERROR, (int)code, why);
  return 0;
}

gboolean
record_seal (RecordSealer *sealer, RecordType type, const void *content, gsize len, GByteArray *out,
             GError **error)
{
  guint start = out->len;
  gsize room = len <= RECORD_CONTENT ? LENGTH + record_padded_size (len) + CIPHER_TAG : 0;
  gsize used;

  g_byte_array_set_size (out, (guint)(start + room));
  if (room > 0 && len > 0)
    memcpy (out->data + start + RECORD_CONTENT_AT, content, len);
  used = record_seal_in_place (sealer, type, out->data + start, len, error);
  if (used == 0)
    g_byte_array_set_size (out, start);
  return used > 0;
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

/* Opens the record at @wire in place. 0 where it is not whole, or broken. */
static gsize
open_one (RecordOpener *opener, guint8 *wire, gsize left, RecordEvent *event)
{
  gsize sealed;

  if (left > 0 && opener->closed)
    return fail (opener, "there are bytes behind the end of the channel");
  if (left < LENGTH)
    return 0;
  sealed = (gsize)wire[0] << 8 | wire[1];
  if (sealed < SEALED_MIN)
    return fail (opener, "a record is too short");
  if (left < LENGTH + sealed)
    return 0;
  if (!cipher_decrypt (&opener->cipher, NULL, 0, wire + LENGTH, sealed, wire + LENGTH))
    return fail (opener, "a record is not authentic");
  cipher_rekey (&opener->cipher);
  return parse (opener, wire + LENGTH, sealed - CIPHER_TAG, event) ? LENGTH + sealed : 0;
}

gsize
record_open_in_place (RecordOpener *opener, guint8 *wire, gsize len, RecordEvent *event, GError **error)
{
  gsize used = 0;

  g_return_val_if_fail (opener->start == opener->end, 0);
  if (opener->broken == NULL)
    used = open_one (opener, wire, len, event);
  if (opener->broken != NULL)
    g_propagate_error (error, g_error_copy (opener->broken));
  return used;
}

gsize
record_opener_take (RecordOpener *opener, guint8 *bytes, gsize size)
{
  gsize left = opener->end - opener->start;

  if (left == 0 || left > size)
    return 0;
  memcpy (bytes, opener->bytes + opener->start, left);
  drop_bytes (opener);
  return left;
}

/* The first record that was pushed. */
static gboolean
open_next (RecordOpener *opener, RecordEvent *event)
{
  gsize used;

  if (opener->broken != NULL || opener->bytes == NULL)
    return FALSE;
  used = open_one (opener, opener->bytes + opener->start, opener->end - opener->start, event);
  opener->start += used;
  return used > 0;
}

gboolean
record_opener_next (RecordOpener *opener, RecordEvent *event, GError **error)
{
  while (open_next (opener, event))
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
