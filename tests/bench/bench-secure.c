/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the channel costs without network: handshakes of both sides on one core, and the longest records
 * against the bare cipher of libsodium in the same run. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "secure/handshake.h"

#define HANDSHAKES 2000
#define ROUNDS 1000
#define RECORDS 4 /* each round: what goes into one write */

static const guint8 secrets[2][X25519_KEY] = { { 0, 1 }, { 0, 2 } };

static void
fill (void *bytes, gsize len, gpointer data)
{
  randombytes_buf (bytes, len);
}

static gboolean
move (Handshake *from, Handshake *to)
{
  g_autoptr (GBytes) out = handshake_take_output (from);
  gsize used;

  return handshake_push (to, g_bytes_get_data (out, NULL), g_bytes_get_size (out), &used, NULL);
}

static gboolean
shake_hands (RecordSealer **sealer, RecordOpener **opener)
{
  NoiseConfig initiating = { NOISE_INITIATOR, .static_secret = secrets[0], .fill_random = fill };
  NoiseConfig responding = { NOISE_RESPONDER, .static_secret = secrets[1], .fill_random = fill };
  g_autoptr (Handshake) initiator = handshake_new (&initiating, NULL);
  g_autoptr (Handshake) responder = handshake_new (&responding, NULL);
  g_autoptr (RecordSealer) unused_sealer = NULL;
  g_autoptr (RecordOpener) unused_opener = NULL;

  return move (initiator, responder) && move (responder, initiator) && move (initiator, responder)
         && handshake_split (initiator, sealer, &unused_opener, NULL)
         && handshake_split (responder, &unused_sealer, opener, NULL);
}

static double
seconds_since (gint64 start)
{
  return (double)(g_get_monotonic_time () - start) / G_USEC_PER_SEC;
}

static gboolean
measure_handshakes (void)
{
  gint64 start = g_get_monotonic_time ();
  gboolean good = TRUE;
  double seconds;

  for (guint i = 0; i < HANDSHAKES && good; i++)
    {
      g_autoptr (RecordSealer) sealer = NULL;
      g_autoptr (RecordOpener) opener = NULL;

      good = shake_hands (&sealer, &opener);
    }
  seconds = seconds_since (start);
  g_print ("%.0f handshakes/s and core, both sides (%.0f of one side)\n", HANDSHAKES / seconds,
           2 * HANDSHAKES / seconds);
  return good;
}

typedef struct
{
  guint8 *text, *out;
  RecordSealer *sealer;
  RecordOpener *opener;
  GByteArray *wires[RECORDS];
} Bench;

static gboolean
bare_seal (Bench *bench, guint i)
{
  guint8 nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = { (guint8)i };
  guint8 key[CIPHER_KEY] = { 1 };

  return crypto_aead_chacha20poly1305_ietf_encrypt (bench->out, NULL, bench->text, RECORD_PLAINTEXT, NULL, 0,
                                                    NULL, nonce, key)
         == 0;
}

static gboolean
bare_open (Bench *bench, guint i)
{
  guint8 nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = { RECORDS - 1 };
  guint8 key[CIPHER_KEY] = { 1 };

  return crypto_aead_chacha20poly1305_ietf_decrypt (bench->text, NULL, NULL, bench->out,
                                                    RECORD_PLAINTEXT + CIPHER_TAG, NULL, 0, nonce, key)
         == 0;
}

static gboolean
seal (Bench *bench, guint i)
{
  g_byte_array_set_size (bench->wires[i], 0);
  return record_seal (bench->sealer, RECORD_DATA, bench->text, RECORD_CONTENT, bench->wires[i], NULL);
}

static gboolean
open_it (Bench *bench, guint i)
{
  RecordEvent event;

  record_opener_push (bench->opener, bench->wires[i]->data, bench->wires[i]->len);
  return record_opener_next (bench->opener, &event, NULL);
}

static const struct
{
  const char *name;
  gboolean (*step) (Bench *bench, guint i);
  guint against;
} steps[] = {
  { "bare cipher, seal", bare_seal, 0 },
  { "bare cipher, open", bare_open, 1 },
  { "records, seal", seal, 0 },
  { "records, open", open_it, 1 },
};

static int
compare (const void *a, const void *b)
{
  return *(const gint64 *)a < *(const gint64 *)b ? -1 : *(const gint64 *)a > *(const gint64 *)b;
}

/* Rounds take turns and the middle one of each counts, so that a busy machine hits all alike. */
static gboolean
measure_records (Bench *bench)
{
  static gint64 took[G_N_ELEMENTS (steps)][ROUNDS];
  double rates[G_N_ELEMENTS (steps)];
  gboolean good = TRUE;

  for (guint round = 0; round < ROUNDS; round++)
    for (guint k = 0; k < G_N_ELEMENTS (steps); k++)
      {
        gint64 start = g_get_monotonic_time ();

        for (guint i = 0; i < RECORDS; i++)
          good = steps[k].step (bench, i) && good;
        took[k][round] = g_get_monotonic_time () - start;
      }
  for (guint k = 0; k < G_N_ELEMENTS (steps); k++)
    {
      qsort (took[k], ROUNDS, sizeof took[k][0], compare);
      rates[k] = RECORDS * (double)RECORD_CONTENT / (double)took[k][ROUNDS / 2]; /* bytes in a µs are MB/s */
      g_print ("%-18s %5.0f MB/s  %.2f of bare\n", steps[k].name, rates[k],
               rates[k] / rates[steps[k].against]);
    }
  return good;
}

int
main (void)
{
  Bench bench = { 0 };
  gboolean good = sodium_init () >= 0 && measure_handshakes () && shake_hands (&bench.sealer, &bench.opener);

  bench.text = g_malloc0 (RECORD_PLAINTEXT);
  bench.out = g_malloc0 (RECORD_PLAINTEXT + CIPHER_TAG);
  for (guint i = 0; i < RECORDS; i++)
    bench.wires[i] = g_byte_array_new ();
  good = good && measure_records (&bench);
  for (guint i = 0; i < RECORDS; i++)
    g_byte_array_unref (bench.wires[i]);
  record_sealer_free (bench.sealer);
  record_opener_free (bench.opener);
  g_free (bench.text);
  g_free (bench.out);
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
