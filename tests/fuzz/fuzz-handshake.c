/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: the same outcome in whatever slices; a changed frame never counts as the right one; payloads
 * that we do not know are ignored up to the limit. The first byte says which frame is tried. What follows is
 * laid over that frame by XOR, so that zeros are the frame itself. */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "base/limits.h"
#include "secure/handshake.h"

#define FRAMES 3

static const guint8 secrets[2][X25519_KEY] = { { 0, 1 }, { 0, 2 } };

static void
fill (void *bytes, gsize len, gpointer data)
{
  memset (bytes, GPOINTER_TO_INT (data), len);
}

static NoiseConfig
config_of (NoiseRole role)
{
  return (NoiseConfig){ .role = role,
                        .static_secret = secrets[role],
                        .fill_random = fill,
                        .random_data = GINT_TO_POINTER (0x40 + (int)role) };
}

static Handshake *
side (NoiseRole role)
{
  NoiseConfig config = config_of (role);

  return handshake_new (&config, NULL);
}

static void
push (Handshake *handshake, GBytes *bytes)
{
  gsize used;

  g_assert_true (
      handshake_push (handshake, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &used, NULL));
}

/* Brings a new handshake to where it reads frame @at; answers it and the right @frame. */
static Handshake *
lead_to (guint at, GBytes **frame)
{
  g_autoptr (Handshake) initiator = side (NOISE_INITIATOR);
  g_autoptr (Handshake) responder = side (NOISE_RESPONDER);
  Handshake *both[] = { initiator, responder };

  *frame = handshake_take_output (initiator);
  for (guint i = 0; i < at; i++)
    {
      push (both[!(i % 2)], *frame);
      g_bytes_unref (*frame);
      *frame = handshake_take_output (both[!(i % 2)]);
    }
  return at % 2 == 0 ? g_steal_pointer (&responder) : g_steal_pointer (&initiator);
}

static GByteArray *
lay_over (GBytes *frame, const guint8 *data, gsize size)
{
  GByteArray *bytes = g_byte_array_new ();
  gsize len;
  const guint8 *right = g_bytes_get_data (frame, &len);

  g_byte_array_append (bytes, data, (guint)size);
  for (gsize i = 0; i < MIN (len, size); i++)
    bytes->data[i] ^= right[i];
  return bytes;
}

/* What happens, in words. */
static char *
outcome (guint at, const guint8 *data, gsize size, guint32 seed)
{
  g_autoptr (GBytes) frame = NULL;
  g_autoptr (Handshake) handshake = lead_to (at, &frame);
  g_autoptr (GByteArray) bytes = lay_over (frame, data, size);
  g_autoptr (GBytes) out = NULL;
  g_autoptr (GError) error = NULL;
  gsize total = 0, used = 0;
  gsize len = g_bytes_get_size (frame);
  gboolean right = size >= len && memcmp (bytes->data, g_bytes_get_data (frame, NULL), len) == 0;

  while (total < size)
    {
      gsize part = seed == 0 ? size : 1 + seed % 7;

      part = MIN (part, size - total);
      seed = seed == 0 ? 0 : seed * 1103515245 + 12345;
      if (!handshake_push (handshake, bytes->data + total, part, &used, &error))
        break;
      total += used;
      if (used < part)
        break;
    }
  out = handshake_take_output (handshake);
  if (at > 0)
    g_assert_true ((out != NULL || handshake_is_done (handshake)) == (right && (at == 2 || size == len)));
  return g_strdup_printf ("%s %d %d", error != NULL ? error->message : "well", out != NULL,
                          handshake_is_done (handshake));
}

/* A friend puts @data into the payload of message @at. */
static void
check_payload (guint at, const guint8 *data, gsize size)
{
  NoiseConfig config = config_of (at % 2 == 0 ? NOISE_INITIATOR : NOISE_RESPONDER);
  g_autoptr (Noise) friend = noise_new (&config, NULL);
  g_autoptr (Handshake) handshake = side (at % 2 == 0 ? NOISE_RESPONDER : NOISE_INITIATOR);
  g_autoptr (GByteArray) frame = g_byte_array_new ();
  gsize used;

  for (guint i = 0; i <= at; i++)
    {
      g_byte_array_set_size (frame, 2);
      if (i % 2 == at % 2)
        {
          g_assert_true (noise_write (friend, data, i == at ? size : 0, frame, NULL));
          frame->data[0] = (guint8)((frame->len - 2) >> 8);
          frame->data[1] = (guint8)(frame->len - 2);
          g_assert_true (handshake_push (handshake, frame->data, frame->len, &used, NULL)
                         == (frame->len - 2 <= LIMIT_HANDSHAKE_FRAME));
        }
      else
        {
          g_autoptr (GBytes) out = handshake_take_output (handshake);

          g_assert_true (noise_read (friend, (const guint8 *)g_bytes_get_data (out, NULL) + 2,
                                     g_bytes_get_size (out) - 2, NULL, NULL));
        }
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *whole = NULL;
  g_autofree char *sliced = NULL;

  if (size == 0 || size > 4096 || sodium_init () < 0)
    return 0;
  if (data[0] / FRAMES % 2 == 1)
    {
      check_payload (data[0] % FRAMES, data + 1, size - 1);
      return 0;
    }
  whole = outcome (data[0] % FRAMES, data + 1, size - 1, 0);
  sliced = outcome (data[0] % FRAMES, data + 1, size - 1, (guint32)size + 1);
  g_assert_cmpstr (whole, ==, sliced);
  return 0;
}
