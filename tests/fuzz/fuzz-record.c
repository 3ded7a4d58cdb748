/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: the same events in whatever slices, and broken by all or none; what is opened can be sealed and
 * opened again. The first byte says whether the rest is the wire (0) or plaintexts to seal, each behind its
 * length in one byte. */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "secure/record.h"

static const Cipher fresh = { { 9 }, 0, TRUE };

static GByteArray *
seal_all (const guint8 *data, gsize size)
{
  GByteArray *wire = g_byte_array_new ();
  Cipher cipher = fresh;

  while (size > 0)
    {
      gsize len = MIN ((gsize)data[0], size - 1);
      guint start = wire->len;

      g_byte_array_set_size (wire, (guint)(start + 2 + len + CIPHER_TAG));
      wire->data[start] = (guint8)((len + CIPHER_TAG) >> 8);
      wire->data[start + 1] = (guint8)(len + CIPHER_TAG);
      cipher_encrypt (&cipher, NULL, 0, data + 1, len, wire->data + start + 2);
      cipher_rekey (&cipher);
      data += 1 + len;
      size -= 1 + len;
    }
  return wire;
}

static void
check_again (const RecordEvent *event)
{
  g_autoptr (RecordSealer) sealer = record_sealer_new (&fresh);
  g_autoptr (RecordOpener) opener = record_opener_new (&fresh);
  g_autoptr (GByteArray) wire = g_byte_array_new ();
  RecordEvent again;

  g_assert_true (record_seal (sealer, event->type, event->content, event->len, wire, NULL));
  record_opener_push (opener, wire->data, wire->len);
  g_assert_true (record_opener_next (opener, &again, NULL));
  g_assert_cmpint (again.type, ==, event->type);
  g_assert_cmpmem (again.content, again.len, event->content, event->len);
}

static GString *
read_log (const GByteArray *wire, guint32 seed)
{
  g_autoptr (RecordOpener) opener = record_opener_new (&fresh);
  g_autoptr (GError) error = NULL;
  GString *log = g_string_new (NULL);
  RecordEvent event;

  for (gsize at = 0; at < wire->len;)
    {
      gsize part = seed == 0 ? wire->len : 1 + seed % 37;

      part = MIN (part, wire->len - at);
      seed = seed == 0 ? 0 : seed * 1103515245 + 12345;
      record_opener_push (opener, wire->data + at, part);
      while (record_opener_next (opener, &event, NULL))
        {
          g_string_append_printf (log, "%d:", event.type);
          g_string_append_len (log, (const char *)event.content, (gssize)event.len);
          check_again (&event);
        }
      at += part;
    }
  record_opener_end (opener, &error);
  g_string_append (log, error != NULL ? error->message : "ended");
  return log;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GByteArray) wire = NULL;
  g_autoptr (GString) whole = NULL;
  g_autoptr (GString) sliced = NULL;

  if (size == 0 || sodium_init () < 0)
    return 0;
  if (data[0] == 0)
    {
      wire = g_byte_array_new ();
      g_byte_array_append (wire, data + 1, (guint)(size - 1));
    }
  else
    wire = seal_all (data + 1, size - 1);
  whole = read_log (wire, 0);
  sliced = read_log (wire, (guint32)size);
  g_assert_true (g_string_equal (whole, sliced));
  return 0;
}
