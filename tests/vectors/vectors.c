/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vectors FILE…: replays test vectors of the secure channel, the Noise wiki's and hearby's own, and ends in
 * "N passed, N failed". */
#include "vectors.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

void
tally_add (Tally *tally, gboolean good, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  if (good)
    {
      tally->passed++;
      return;
    }
  tally->failed++;
  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_printerr ("FAIL  %s: %s\n", tally->file, what);
}

GBytes *
hex_bytes (const char *hex)
{
  gsize len = strlen (hex) / 2;
  g_autofree guint8 *data = g_malloc (MAX (len, 1));
  size_t made;

  if (strlen (hex) % 2 != 0 || sodium_hex2bin (data, len, hex, strlen (hex), NULL, &made, NULL) != 0
      || made != len)
    return NULL;
  return g_bytes_new (data, len);
}

const char *
json_text (JsonObject *object, const char *member)
{
  JsonNode *node = json_object_get_member (object, member);

  return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node)
                                                                          : NULL;
}

gboolean
json_is (JsonObject *object, const char *member, const char *text)
{
  return g_strcmp0 (json_text (object, member), text) == 0;
}

GBytes *
json_hex (JsonObject *object, const char *member)
{
  const char *hex = json_text (object, member);

  return hex != NULL ? hex_bytes (hex) : NULL;
}

const guint8 *
bytes_data (GBytes *bytes)
{
  gsize len = 0;
  const guint8 *data = bytes != NULL ? g_bytes_get_data (bytes, &len) : NULL;

  return len > 0 || bytes == NULL ? data : (const guint8 *)"";
}

gsize
bytes_size (GBytes *bytes)
{
  return bytes != NULL ? g_bytes_get_size (bytes) : 0;
}

const guint8 *
bytes_key (GBytes *bytes, gsize len)
{
  return bytes_size (bytes) == len ? bytes_data (bytes) : NULL;
}

gboolean
bytes_are (GBytes *bytes, const void *data, gsize len)
{
  return bytes != NULL && g_bytes_get_size (bytes) == len
         && (len == 0 || memcmp (bytes_data (bytes), data, len) == 0);
}

GBytes *
flip (GBytes *bytes, gsize bit)
{
  guint8 *copy = g_memdup2 (bytes_data (bytes), bytes_size (bytes));

  copy[bit / 8] ^= (guint8)(1 << bit % 8);
  return g_bytes_new_take (copy, bytes_size (bytes));
}

static void
fill_ephemeral (void *bytes, gsize len, gpointer data)
{
  Side *side = data;
  const guint8 *key = bytes_key (side->ephemeral, len);

  if (key != NULL)
    memcpy (bytes, key, len);
  else
    randombytes_buf (bytes, len);
}

static void
take_psks (Side *side, JsonArray *psks)
{
  for (guint i = 0; psks != NULL && i < MIN (json_array_get_length (psks), NOISE_PSKS); i++)
    {
      g_autoptr (GBytes) psk = hex_bytes (json_array_get_string_element (psks, i));

      if (bytes_key (psk, NOISE_PSK) != NULL)
        memcpy (side->psks + NOISE_PSK * side->config.n_psks++, bytes_data (psk), NOISE_PSK);
    }
}

static GBytes *
side_hex (JsonObject *object, const char *prefix, const char *member)
{
  g_autofree char *name = g_strconcat (prefix, member, NULL);

  return json_hex (object, name);
}

void
side_init (Side *side, JsonObject *object, NoiseRole role, const char *protocol, GBytes *prologue)
{
  const char *prefix = role == NOISE_INITIATOR ? "init_" : "resp_";
  g_autofree char *psks = g_strconcat (prefix, "psks", NULL);

  memset (side, 0, sizeof *side);
  side->ephemeral = side_hex (object, prefix, "ephemeral");
  side->kept[0] = side_hex (object, prefix, "static");
  side->kept[1] = side_hex (object, prefix, "remote_static");
  side->kept[2] = prologue != NULL ? g_bytes_ref (prologue) : side_hex (object, prefix, "prologue");
  if (json_object_has_member (object, psks))
    take_psks (side, json_object_get_array_member (object, psks));
  side->config.role = role;
  side->config.protocol = protocol;
  side->config.static_secret = bytes_key (side->kept[0], X25519_KEY);
  side->config.remote_static = bytes_key (side->kept[1], X25519_KEY);
  side->config.prologue = bytes_data (side->kept[2]);
  side->config.prologue_len = bytes_size (side->kept[2]);
  side->config.psks = side->psks;
  side->config.fill_random = fill_ephemeral;
  side->config.random_data = side;
}

void
side_clear (Side *side)
{
  g_clear_pointer (&side->ephemeral, g_bytes_unref);
  for (guint i = 0; i < G_N_ELEMENTS (side->kept); i++)
    g_clear_pointer (&side->kept[i], g_bytes_unref);
}

static void
replay_file (Tally *tally, const char *path)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  guint before = tally->passed + tally->failed;
  JsonNode *root;

  tally->file = path;
  if (!json_parser_load_from_file (parser, path, &error))
    {
      tally_add (tally, FALSE, "%s", error->message);
      return;
    }
  root = json_parser_get_root (parser);
  if (root != NULL && JSON_NODE_HOLDS_ARRAY (root))
    replay_noise (json_node_get_array (root), tally);
  else if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    tally_add (tally, FALSE, "these are no vectors");
  else if (json_object_has_member (json_node_get_object (root), "vectors"))
    replay_noise (json_object_get_array_member (json_node_get_object (root), "vectors"), tally);
  else
    replay_channel (json_node_get_object (root), tally);
  if (tally->passed + tally->failed == before)
    tally_add (tally, FALSE, "there are no vectors in it");
}

int
main (int argc, char **argv)
{
  Tally tally = { 0 };

  if (argc < 2 || sodium_init () < 0)
    {
      g_printerr ("usage: %s FILE...\n", argv[0]);
      return 2;
    }
  for (int i = 1; i < argc; i++)
    replay_file (&tally, argv[i]);
  g_print ("%u passed, %u failed\n", tally.passed, tally.failed);
  return tally.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
