/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/handshake.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"

#define HEADER 2

struct _Handshake
{
  Noise *noise;
  guint8 frame[HEADER + LIMIT_HANDSHAKE_FRAME];
  gsize filled;
  GBytes *output;
  GError *broken;
};

static gboolean
fail (Handshake *handshake, const char *why)
{
  g_set_error_literal (&handshake->broken, HEARBY_ERROR, HEARBY_ERROR_FAILED, why);
  return FALSE;
}

/* Puts our next message into the output where it is our turn. */
static gboolean
answer (Handshake *handshake)
{
  g_autoptr (GByteArray) frame = g_byte_array_new ();
  guint8 header[HEADER] = { 0 };
  gsize len;

  if (noise_state (handshake->noise) != NOISE_WRITES)
    return TRUE;
  g_byte_array_append (frame, header, HEADER);
  if (!noise_write (handshake->noise, NULL, 0, frame, &handshake->broken))
    return FALSE;
  len = frame->len - HEADER;
  frame->data[0] = (guint8)(len >> 8);
  frame->data[1] = (guint8)len;
  handshake->output = g_byte_array_free_to_bytes (g_steal_pointer (&frame));
  return TRUE;
}

Handshake *
handshake_new (const NoiseConfig *config, GError **error)
{
  g_autoptr (Handshake) handshake = g_new0 (Handshake, 1);

  handshake->noise = noise_new (config, error);
  if (handshake->noise == NULL)
    return NULL;
  if (!answer (handshake))
    {
      g_propagate_error (error, g_steal_pointer (&handshake->broken));
      return NULL;
    }
  return g_steal_pointer (&handshake);
}

void
handshake_free (Handshake *handshake)
{
  if (handshake == NULL)
    return;
  noise_free (handshake->noise);
  g_clear_pointer (&handshake->output, g_bytes_unref);
  g_clear_error (&handshake->broken);
  g_free (handshake);
}

/* How many bytes the frame at hand has, as far as that is known. */
static gsize
frame_size (const Handshake *handshake)
{
  if (handshake->filled < HEADER)
    return HEADER;
  return HEADER + ((gsize)handshake->frame[0] << 8 | handshake->frame[1]);
}

static gboolean
take_bytes (Handshake *handshake, const guint8 *bytes, gsize len, gsize *used)
{
  gsize size = frame_size (handshake);
  gsize part = MIN (len, size - handshake->filled);

  memcpy (handshake->frame + handshake->filled, bytes, part);
  handshake->filled += part;
  *used += part;
  size = frame_size (handshake);
  if (size > sizeof handshake->frame)
    return fail (handshake, "a frame of the handshake is too long");
  if (handshake->filled < HEADER || handshake->filled < size)
    return TRUE;
  handshake->filled = 0;
  return noise_read (handshake->noise, handshake->frame + HEADER, size - HEADER, NULL, &handshake->broken)
         && answer (handshake);
}

gboolean
handshake_push (Handshake *handshake, const void *bytes, gsize len, gsize *used, GError **error)
{
  const guint8 *from = bytes;

  *used = 0;
  while (*used < len && handshake->broken == NULL && !handshake_is_done (handshake))
    {
      if (handshake->output != NULL)
        fail (handshake, "the peer spoke out of turn");
      else
        take_bytes (handshake, from + *used, len - *used, used);
    }
  if (handshake->broken == NULL)
    return TRUE;
  g_clear_pointer (&handshake->output, g_bytes_unref);
  g_propagate_error (error, g_error_copy (handshake->broken));
  return FALSE;
}

GBytes *
handshake_take_output (Handshake *handshake)
{
  return g_steal_pointer (&handshake->output);
}

gboolean
handshake_is_done (const Handshake *handshake)
{
  return handshake->broken == NULL && handshake->output == NULL
         && noise_state (handshake->noise) == NOISE_DONE;
}

gboolean
handshake_split (Handshake *handshake, RecordSealer **sealer, RecordOpener **opener, GError **error)
{
  Cipher sending, receiving;

  if (!handshake_is_done (handshake))
    {
      g_set_error_literal (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "the handshake is not done");
      return FALSE;
    }
  if (!noise_split (handshake->noise, &sending, &receiving, &handshake->broken))
    {
      g_propagate_error (error, g_error_copy (handshake->broken));
      return FALSE;
    }
  *sealer = record_sealer_new (&sending);
  *opener = record_opener_new (&receiving);
  cipher_wipe (&sending);
  cipher_wipe (&receiving);
  return TRUE;
}

const guint8 *
handshake_hash (const Handshake *handshake)
{
  return handshake_is_done (handshake) ? noise_hash (handshake->noise) : NULL;
}

const guint8 *
handshake_remote_static (const Handshake *handshake)
{
  gboolean other = handshake->broken != NULL && handshake->broken->code == HEARBY_ERROR_KEY_CHANGED;

  return handshake_is_done (handshake) || other ? noise_remote_static (handshake->noise) : NULL;
}

const guint8 *
handshake_local_static (const Handshake *handshake)
{
  return handshake_is_done (handshake) ? noise_local_static (handshake->noise) : NULL;
}
