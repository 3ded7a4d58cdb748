/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handshakes in the Noise wiki's format: both sides, message by message, then the transport messages. */
#include "vectors.h"

#define ROLES 2

typedef struct
{
  Noise *noise[ROLES];
  Cipher sending[ROLES], receiving[ROLES];
  gboolean split;
} Pair;

static void
pair_clear (Pair *pair)
{
  for (guint i = 0; i < ROLES; i++)
    noise_free (pair->noise[i]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Pair, pair_clear)

static gboolean
pair_split (Pair *pair)
{
  gboolean good = TRUE;

  if (pair->split || noise_state (pair->noise[0]) != NOISE_DONE)
    return TRUE;
  pair->split = TRUE;
  for (guint i = 0; i < ROLES; i++)
    good = good && noise_split (pair->noise[i], &pair->sending[i], &pair->receiving[i], NULL);
  return good;
}

static gboolean
handshake_message (Pair *pair, guint sender, GBytes *payload, GBytes *wire)
{
  g_autoptr (GByteArray) sent = g_byte_array_new ();
  g_autoptr (GByteArray) got = g_byte_array_new ();

  return noise_write (pair->noise[sender], bytes_data (payload), bytes_size (payload), sent, NULL)
         && bytes_are (wire, sent->data, sent->len)
         && noise_read (pair->noise[!sender], sent->data, sent->len, got, NULL)
         && bytes_are (payload, got->data, got->len);
}

static gboolean
transport_message (Pair *pair, guint sender, GBytes *payload, GBytes *wire)
{
  gsize len = bytes_size (payload);
  g_autofree guint8 *sealed = g_malloc (len + CIPHER_TAG);
  g_autofree guint8 *opened = g_malloc (len + 1);

  return cipher_encrypt (&pair->sending[sender], NULL, 0, bytes_data (payload), len, sealed)
         && bytes_are (wire, sealed, len + CIPHER_TAG)
         && cipher_decrypt (&pair->receiving[!sender], NULL, 0, sealed, len + CIPHER_TAG, opened)
         && bytes_are (payload, opened, len);
}

static gboolean
replay_message (Pair *pair, guint i, JsonObject *message)
{
  g_autoptr (GBytes) payload = json_hex (message, "payload");
  g_autoptr (GBytes) wire = json_hex (message, "ciphertext");

  if (payload == NULL || wire == NULL || !pair_split (pair))
    return FALSE;
  return (pair->split ? transport_message : handshake_message) (pair, i % ROLES, payload, wire);
}

static gboolean
hash_is (const Pair *pair, JsonObject *vector, const char *member)
{
  g_autoptr (GBytes) hash = json_hex (vector, member);
  gboolean good = TRUE;

  if (!json_object_has_member (vector, member))
    return TRUE;
  for (guint i = 0; i < ROLES; i++)
    good = good && noise_hash (pair->noise[i]) != NULL
           && bytes_are (hash, noise_hash (pair->noise[i]), SYMMETRIC_HASH);
  return good;
}

static const char *
replay (Side sides[ROLES], JsonObject *vector)
{
  JsonArray *messages = json_object_get_array_member (vector, "messages");
  g_auto (Pair) pair = { 0 };

  for (guint i = 0; i < ROLES; i++)
    if ((pair.noise[i] = noise_new (&sides[i].config, NULL)) == NULL)
      return "the handshake cannot begin";
  for (guint i = 0; i < json_array_get_length (messages); i++)
    if (!replay_message (&pair, i, json_array_get_object_element (messages, i)))
      return "a message differs";
  if (!pair_split (&pair) || !pair.split)
    return "the handshake does not end";
  if (!hash_is (&pair, vector, "handshake_hash") || !hash_is (&pair, vector, "computed_handshake_hash"))
    return "the hash differs";
  return NULL;
}

void
replay_noise (JsonArray *vectors, Tally *tally)
{
  for (guint i = 0; i < json_array_get_length (vectors); i++)
    {
      JsonObject *vector = json_array_get_object_element (vectors, i);
      const char *protocol = json_text (vector, "protocol_name");
      const char *why = "there is no protocol_name or no messages";
      Side sides[ROLES];

      for (guint role = 0; role < ROLES; role++)
        side_init (&sides[role], vector, role, protocol, NULL);
      if (protocol != NULL && json_object_has_member (vector, "messages"))
        why = replay (sides, vector);
      tally_add (tally, why == NULL, "vector %u, %s: %s", i, protocol, why);
      for (guint role = 0; role < ROLES; role++)
        side_clear (&sides[role]);
    }
}
