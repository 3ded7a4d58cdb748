/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records, nonces, rekeying and padding. */
#include "vectors.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "secure/record.h"

#define ROLES 2
#define FLIPS_WHOLE 8192 /* bits of a record that are all tried; of a longer one its ends and every so many  \
                          */
#define FLIPS_STEP 509

/* ---- Records of a session ---- */

/* The content, or what its rule "byte i = (7*i + 3) mod 256" makes. */
static GBytes *
record_content (JsonObject *record)
{
  const char *rule = json_text (record, "content_rule");
  guint factor, plus;
  guint8 *data;
  gsize len;

  if (json_text (record, "content") != NULL)
    return json_hex (record, "content");
  len = (gsize)json_object_get_int_member_with_default (record, "length", 0);
  if (rule == NULL || len > G_MAXUINT16 || sscanf (rule, "byte i = (%u*i + %u) mod 256", &factor, &plus) != 2)
    return NULL;
  data = g_malloc (MAX (len, 1));
  for (gsize i = 0; i < len; i++)
    data[i] = (guint8)(factor * i + plus);
  return g_bytes_new_take (data, len);
}

static gboolean
wire_is (JsonObject *record, const GByteArray *wire)
{
  g_autoptr (GBytes) whole = json_hex (record, "wire");
  g_autoptr (GBytes) digest = json_hex (record, "wire_sha256");
  guint8 made[crypto_hash_sha256_BYTES];

  crypto_hash_sha256 (made, wire->data, wire->len);
  return (whole != NULL || digest != NULL) && (whole == NULL || bytes_are (whole, wire->data, wire->len))
         && (digest == NULL || bytes_are (digest, made, sizeof made))
         && (!json_object_has_member (record, "wire_length")
             || json_object_get_int_member (record, "wire_length") == wire->len);
}

/* Whether a fresh opener makes anything of it: an event, or a connection that ended as it should. */
static gboolean
delivers (const Cipher *cipher, const guint8 *wire, gsize len)
{
  g_autoptr (RecordOpener) opener = record_opener_new (cipher);
  RecordEvent event;

  record_opener_push (opener, wire, len);
  return record_opener_next (opener, &event, NULL) || record_opener_end (opener, NULL);
}

static gboolean
every_flip_fails (const Cipher *cipher, const GByteArray *wire)
{
  gsize bits = 8 * (gsize)wire->len;
  gboolean good = TRUE;

  for (gsize bit = 0; bit < bits && good; bit++)
    {
      if (bits > FLIPS_WHOLE && bit > FLIPS_STEP && bit + FLIPS_STEP < bits && bit % FLIPS_STEP != 0)
        continue;
      wire->data[bit / 8] ^= (guint8)(1 << bit % 8);
      good = !delivers (cipher, wire->data, wire->len);
      wire->data[bit / 8] ^= (guint8)(1 << bit % 8);
    }
  return good;
}

typedef struct
{
  RecordSealer *sealer;
  RecordOpener *opener;
  Cipher cipher; /* the state before the record at hand */
} Direction;

static gboolean
seal (Direction *direction, JsonObject *record, GByteArray *wire)
{
  g_autoptr (GBytes) content = record_content (record);

  return content != NULL
         && record_seal (direction->sealer, (RecordType)json_object_get_int_member (record, "type"),
                         bytes_data (content), bytes_size (content), wire, NULL)
         && wire_is (record, wire);
}

static gboolean
open_it (Direction *direction, JsonObject *record, const GByteArray *wire)
{
  g_autoptr (GBytes) content = record_content (record);
  g_autoptr (GError) error = NULL;
  gint64 type = json_object_get_int_member (record, "type");
  RecordEvent event;

  record_opener_push (direction->opener, wire->data, wire->len);
  if (type == RECORD_PADDING)
    return !record_opener_next (direction->opener, &event, &error) && error == NULL;
  return record_opener_next (direction->opener, &event, &error) && event.type == type
         && bytes_are (content, event.content, event.len);
}

void
replay_session_records (JsonArray *records, const Cipher ciphers[ROLES], const char *name, Tally *tally)
{
  Direction directions[ROLES];

  for (guint role = 0; role < ROLES; role++)
    directions[role] = (Direction){ record_sealer_new (&ciphers[role]), record_opener_new (&ciphers[role]),
                                    ciphers[role] };
  for (guint i = 0; i < json_array_get_length (records); i++)
    {
      JsonObject *record = json_array_get_object_element (records, i);
      Direction *direction = &directions[json_is (record, "sender", "initiator") ? 0 : 1];
      g_autoptr (GByteArray) wire = g_byte_array_new ();

      tally_add (tally, seal (direction, record, wire) && open_it (direction, record, wire),
                 "%s: record %u differs", name, i);
      tally_add (tally, every_flip_fails (&direction->cipher, wire), "%s: a changed bit of record %u passed",
                 name, i);
      direction->cipher.n++;
      cipher_rekey (&direction->cipher);
    }
  for (guint role = 0; role < ROLES; role++)
    {
      record_sealer_free (directions[role].sealer);
      record_opener_free (directions[role].opener);
    }
}

/* ---- Records to accept and to refuse ---- */

static gboolean
is_opened (const Cipher *cipher, JsonObject *object, GBytes *wire)
{
  g_autoptr (RecordOpener) opener = record_opener_new (cipher);
  Direction direction = { NULL, opener, *cipher };
  GByteArray bytes = { (guint8 *)bytes_data (wire), (guint)bytes_size (wire) };

  return open_it (&direction, object, &bytes);
}

/* Whether @wire ends within a record, going by the lengths that it states. */
static gboolean
is_cut (GBytes *wire)
{
  const guint8 *bytes = bytes_data (wire);
  gsize left = bytes_size (wire);

  while (left >= 2)
    {
      gsize size = 2 + ((gsize) bytes[0] << 8 | bytes[1]);

      if (size > left)
        break;
      bytes += size;
      left -= size;
    }
  return left > 0;
}

/* The wire may hold good records before the bad one. */
static gboolean
is_refused (const Cipher *cipher, GBytes *wire)
{
  g_autoptr (RecordOpener) opener = record_opener_new (cipher);
  g_autoptr (GError) error = NULL;
  RecordEvent event;

  record_opener_push (opener, bytes_data (wire), bytes_size (wire));
  while (record_opener_next (opener, &event, &error))
    ;
  return error != NULL || (is_cut (wire) && !record_opener_end (opener, NULL));
}

static void
replay_first_records (JsonObject *root, const char *member, Tally *tally)
{
  JsonObject *object = json_object_get_object_member (root, member);
  g_autoptr (GBytes) key = json_hex (object, "key");
  const char *lists[] = { "reject", "accept" };
  Cipher cipher;

  if (bytes_key (key, CIPHER_KEY) == NULL)
    {
      tally_add (tally, FALSE, "%s: there is no key", member);
      return;
    }
  cipher_init (&cipher, bytes_data (key));
  for (guint accept = 0; accept < G_N_ELEMENTS (lists); accept++)
    {
      JsonArray *list = json_object_has_member (object, lists[accept])
                            ? json_object_get_array_member (object, lists[accept])
                            : NULL;

      for (guint i = 0; list != NULL && i < json_array_get_length (list); i++)
        {
          JsonObject *record = json_array_get_object_element (list, i);
          g_autoptr (GBytes) wire = json_hex (record, "wire");

          tally_add (
              tally,
              wire != NULL && (accept ? is_opened (&cipher, record, wire) : is_refused (&cipher, wire)),
              "record: %s %s", json_text (record, "case"), accept ? "is not opened" : "is not refused");
        }
    }
}

/* ---- Ciphers ---- */

static gboolean
nonce_is (JsonObject *object)
{
  g_autoptr (GBytes) key = json_hex (object, "key");
  g_autoptr (GBytes) plaintext = json_hex (object, "plaintext");
  g_autoptr (GBytes) ciphertext = json_hex (object, "ciphertext");
  gsize len = bytes_size (plaintext);
  g_autofree guint8 *out = g_malloc (len + CIPHER_TAG);
  Cipher cipher;

  if (bytes_key (key, CIPHER_KEY) == NULL || json_text (object, "nonce") == NULL || plaintext == NULL)
    return FALSE;
  cipher_init (&cipher, bytes_data (key));
  cipher.n = g_ascii_strtoull (json_text (object, "nonce"), NULL, 10);
  if (!cipher_encrypt (&cipher, NULL, 0, bytes_data (plaintext), len, out)
      || !bytes_are (ciphertext, out, len + CIPHER_TAG))
    return FALSE;
  cipher.n--;
  return cipher_decrypt (&cipher, NULL, 0, bytes_data (ciphertext), len + CIPHER_TAG, out)
         && bytes_are (plaintext, out, len);
}

static void
replay_nonces (JsonObject *root, const char *member, Tally *tally)
{
  JsonArray *list = json_object_get_array_member (root, member);

  for (guint i = 0; i < json_array_get_length (list); i++)
    {
      JsonObject *object = json_array_get_object_element (list, i);

      tally_add (tally, nonce_is (object), "nonce %s differs", json_text (object, "nonce"));
    }
}

static gboolean
nonce_is_refused (const char *nonce)
{
  guint8 out[CIPHER_TAG] = { 0 };
  Cipher cipher = { { 0 }, g_ascii_strtoull (nonce, NULL, 10), TRUE };

  return !cipher_encrypt (&cipher, NULL, 0, NULL, 0, out)
         && !cipher_decrypt (&cipher, NULL, 0, out, sizeof out, out);
}

static void
replay_refused_nonces (JsonObject *root, const char *member, Tally *tally)
{
  JsonArray *list = json_object_get_array_member (root, member);

  for (guint i = 0; i < json_array_get_length (list); i++)
    {
      const char *nonce = json_text (json_array_get_object_element (list, i), "nonce");

      tally_add (tally, nonce != NULL && nonce_is_refused (nonce), "nonce %s is not refused", nonce);
    }
}

static gboolean
is_chain (JsonArray *keys)
{
  Cipher cipher;

  for (guint i = 0; i < json_array_get_length (keys); i++)
    {
      g_autoptr (GBytes) key = hex_bytes (json_array_get_string_element (keys, i));

      if (bytes_key (key, CIPHER_KEY) == NULL)
        return FALSE;
      if (i == 0)
        cipher_init (&cipher, bytes_data (key));
      else
        cipher_rekey (&cipher);
      if (!bytes_are (key, cipher.key, CIPHER_KEY))
        return FALSE;
    }
  return json_array_get_length (keys) > 1;
}

static void
replay_chains (JsonObject *root, const char *member, Tally *tally)
{
  JsonArray *list = json_object_get_array_member (root, member);

  for (guint i = 0; i < json_array_get_length (list); i++)
    tally_add (tally, is_chain (json_array_get_array_element (list, i)), "chain %u of keys differs", i);
}

/* ---- Padding ---- */

static gboolean
seals (gsize content, gsize *wire_size)
{
  g_autofree guint8 *zeros = g_malloc0 (content + 1);
  g_autoptr (GByteArray) wire = g_byte_array_new ();
  Cipher cipher = { { 0 }, 0, TRUE };
  g_autoptr (RecordSealer) sealer = record_sealer_new (&cipher);
  gboolean good = record_seal (sealer, RECORD_DATA, zeros, content, wire, NULL);

  *wire_size = wire->len;
  return good;
}

static void
replay_padding (JsonObject *root, const char *member, Tally *tally)
{
  JsonArray *list = json_object_get_array_member (root, member);

  for (guint i = 0; i < json_array_get_length (list); i++)
    {
      JsonObject *object = json_array_get_object_element (list, i);
      gint64 content = json_object_get_int_member (object, "content");
      gsize wire;

      tally_add (
          tally,
          (gint64)record_padded_size ((gsize)content) == json_object_get_int_member (object, "plaintext")
              && seals ((gsize)content, &wire) && (gint64)wire == json_object_get_int_member (object, "wire"),
          "the padding of %" G_GINT64_FORMAT " bytes differs", content);
    }
}

static void
replay_too_long (JsonObject *root, const char *member, Tally *tally)
{
  JsonArray *list = json_object_get_array_member (root, member);

  for (guint i = 0; i < json_array_get_length (list); i++)
    {
      gsize content = (gsize)json_array_get_int_element (list, i);
      gsize wire;

      tally_add (tally, record_padded_size (content) == 0 && !seals (content, &wire) && wire == 0,
                 "a content of %" G_GSIZE_FORMAT " bytes is not refused", content);
    }
}

static const struct
{
  const char *member;
  void (*replay) (JsonObject *root, const char *member, Tally *tally);
} kinds[] = {
  { "records_first_initiator_to_responder", replay_first_records },
  { "transport_nonces", replay_nonces },
  { "transport_nonce_must_refuse", replay_refused_nonces },
  { "rekey_chains", replay_chains },
  { "padding", replay_padding },
  { "content_too_long", replay_too_long },
};

void
replay_records (JsonObject *root, Tally *tally)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (json_object_has_member (root, kinds[i].member))
      kinds[i].replay (root, kinds[i].member, tally);
}
