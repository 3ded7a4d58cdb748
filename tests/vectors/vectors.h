/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "secure/handshake.h"
#include "secure/noise.h"

/* What the kinds of vectors share. Every check is one of "passed" or "failed"; a failure is said on stderr.
 */

typedef struct
{
  const char *file;
  guint passed, failed;
} Tally;

void tally_add (Tally *tally, gboolean good, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* The bytes of a member in hex; NULL where it is missing or is no hex. */
GBytes *json_hex (JsonObject *object, const char *member);
GBytes *hex_bytes (const char *hex);
const char *json_text (JsonObject *object, const char *member); /* NULL where missing */
gboolean json_is (JsonObject *object, const char *member, const char *text);

const guint8 *bytes_data (GBytes *bytes); /* never NULL but for NULL */
gsize bytes_size (GBytes *bytes);

/* bytes_key: the data where it has @len bytes, else NULL */
const guint8 *bytes_key (GBytes *bytes, gsize len);
gboolean bytes_are (GBytes *bytes, const void *data, gsize len);

/* One side of a handshake, as vectors say it: its config with all that it points to. */
typedef struct
{
  NoiseConfig config;
  GBytes *ephemeral, *kept[3];
  guint8 psks[NOISE_PSKS * NOISE_PSK];
} Side;

/* side_init: members init_… or resp_… of @object; @prologue, where given, instead of its own. */
void side_init (Side *side, JsonObject *object, NoiseRole role, const char *protocol, GBytes *prologue);
void side_clear (Side *side);

void replay_noise (JsonArray *vectors, Tally *tally);
void replay_channel (JsonObject *root, Tally *tally);
void replay_records (JsonObject *object, Tally *tally);
void replay_session_records (JsonArray *records, const Cipher ciphers[2], const char *name, Tally *tally);

/* flip: a copy with one bit changed */
GBytes *flip (GBytes *bytes, gsize bit);
