/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/noise.h"

#include <sodium.h>
#include <string.h>

#include "base/error.h"

#define MESSAGES 3
#define TOKENS 8 /* of one message, psks and the end counted */

typedef enum
{
  END,
  E,
  S,
  EE,
  ES,
  SE,
  SS,
  PSK,
} Token;

typedef struct
{
  const char *name;
  guint8 known[2]; /* per role: its static key is known to the other before (<- s, -> s) */
  Token messages[MESSAGES][TOKENS];
} Pattern;

/* Noise 7.5 */
static const Pattern patterns[] = {
  { "XX", { FALSE, FALSE }, { { E }, { E, EE, S, ES }, { S, SE } } },
  { "IK", { FALSE, TRUE }, { { E, ES, S, SS }, { E, EE, SE } } },
  { "XK", { FALSE, TRUE }, { { E, ES }, { E, EE }, { S, SE } } },
  { "NN", { FALSE, FALSE }, { { E }, { E, EE } } },
  { "KK", { TRUE, TRUE }, { { E, ES, SS }, { E, EE, SE } } },
};

/* Which key of the initiator and of the responder a token multiplies: [EPHEMERAL] or [STATIC]. */
enum
{
  EPHEMERAL,
  STATIC,
  KEYS,
};

static const guint8 shares[][2] = {
  [EE] = { EPHEMERAL, EPHEMERAL },
  [ES] = { EPHEMERAL, STATIC },
  [SE] = { STATIC, EPHEMERAL },
  [SS] = { STATIC, STATIC },
};

typedef struct
{
  guint8 secret[X25519_KEY];
  guint8 public[X25519_KEY];
  gboolean present;
} Pair;

/* All that is secret in one place, so that it is wiped by one call. */
typedef struct
{
  Symmetric symmetric;
  Pair local[KEYS];
  guint8 psks[NOISE_PSKS][NOISE_PSK];
} Secrets;

typedef struct
{
  guint8 key[X25519_KEY];
  gboolean present;
} Remote;

struct _Noise
{
  NoiseRole role;
  Token messages[MESSAGES + 1][TOKENS]; /* the pattern with its psks; ends in an empty one */
  guint next;                           /* message */
  gboolean with_psk;
  guint psks_used;
  Secrets secrets;
  Remote remote[KEYS];
  Remote expected; /* the static key that the peer has to show */
  guint8 local_static[X25519_KEY];
  gboolean split;
  NoiseRandom fill_random;
  gpointer random_data;
  GError *broken;
};

static gboolean
fail (GError **error, HearbyError code, const char *why)
{
  g_set_error_literal (error, HEARBY_ERROR, (int)code, why);
  return FALSE;
}

/* ---- The name of a protocol → its messages ---- */

static gboolean
insert_psk (Noise *noise, guint place)
{
  Token *tokens = noise->messages[place == 0 ? 0 : place - 1];
  guint used = 0;

  if (place > MESSAGES || tokens[0] == END)
    return FALSE;
  while (tokens[used] != END)
    used++;
  if (used + 1 >= TOKENS)
    return FALSE;
  if (place > 0)
    {
      tokens[used] = PSK;
      return TRUE;
    }
  memmove (tokens + 1, tokens, used * sizeof *tokens);
  tokens[0] = PSK;
  return TRUE;
}

/* "psk0+psk2" up to the '_'; each place once, in order. */
static gboolean
parse_modifiers (Noise *noise, const char *text, guint *n_psks)
{
  int last = -1;

  *n_psks = 0;
  while (*text != '_')
    {
      if (*n_psks > 0 && *text++ != '+')
        return FALSE;
      if (!g_str_has_prefix (text, "psk") || !g_ascii_isdigit (text[3]) || text[3] - '0' <= last
          || *n_psks == NOISE_PSKS)
        return FALSE;
      last = text[3] - '0';
      if (!insert_psk (noise, (guint)last))
        return FALSE;
      text += 4;
      ++*n_psks;
    }
  return g_str_equal (text, "_25519_ChaChaPoly_SHA256");
}

static const Pattern *
parse_protocol (Noise *noise, const char *protocol, guint *n_psks)
{
  if (!g_str_has_prefix (protocol, "Noise_"))
    return NULL;
  protocol += strlen ("Noise_");
  for (guint i = 0; i < G_N_ELEMENTS (patterns); i++)
    if (g_str_has_prefix (protocol, patterns[i].name))
      {
        memcpy (noise->messages, patterns[i].messages, sizeof patterns[i].messages);
        return parse_modifiers (noise, protocol + strlen (patterns[i].name), n_psks) ? &patterns[i] : NULL;
      }
  return NULL;
}

/* ---- Keys ---- */

static gboolean
message_has (const Noise *noise, guint message, Token token)
{
  for (guint i = 0; noise->messages[message][i] != END; i++)
    if (noise->messages[message][i] == token)
      return TRUE;
  return FALSE;
}

/* Whether @role has a static key: it is known before, or sent in one of its messages. */
static gboolean
has_static (const Noise *noise, const Pattern *pattern, NoiseRole role)
{
  gboolean found = pattern->known[role];

  for (guint i = role; i < MESSAGES; i += 2)
    found = found || message_has (noise, i, S);
  return found;
}

static void
set_pair (Pair *pair)
{
  x25519_public (pair->public, pair->secret);
  pair->present = TRUE;
}

static gboolean
take_remote (Noise *noise, guint which, const guint8 key[X25519_KEY], GError **error)
{
  const Pair *local = &noise->secrets.local[which];

  if (!x25519_is_acceptable (key))
    return fail (error, HEARBY_ERROR_FAILED, "the peer's key is none");
  if (local->present && memcmp (key, local->public, X25519_KEY) == 0)
    return fail (error, HEARBY_ERROR_FAILED, "the peer shows our own key");
  memcpy (noise->remote[which].key, key, X25519_KEY);
  noise->remote[which].present = TRUE;
  return TRUE;
}

static gboolean
take_local_keys (Noise *noise, const NoiseConfig *config, const Pattern *pattern, guint n_psks,
                 GError **error)
{
  Pair *local = &noise->secrets.local[STATIC];

  if (n_psks != config->n_psks)
    return fail (error, HEARBY_ERROR_INVALID_ARGUMENT, "the number of shared keys is wrong");
  if (n_psks > 0)
    memcpy (noise->secrets.psks, config->psks, n_psks * NOISE_PSK);
  noise->with_psk = n_psks > 0;
  if (!has_static (noise, pattern, noise->role))
    return TRUE;
  if (config->static_secret == NULL)
    return fail (error, HEARBY_ERROR_INVALID_ARGUMENT, "our static key is missing");
  memcpy (local->secret, config->static_secret, X25519_KEY);
  set_pair (local);
  memcpy (noise->local_static, local->public, X25519_KEY);
  return TRUE;
}

static gboolean
take_remote_keys (Noise *noise, const NoiseConfig *config, const Pattern *pattern, GError **error)
{
  if (pattern->known[!noise->role] && config->remote_static == NULL)
    return fail (error, HEARBY_ERROR_INVALID_ARGUMENT, "the peer's static key is missing");
  if (config->remote_static == NULL)
    return TRUE;
  if (pattern->known[!noise->role])
    return take_remote (noise, STATIC, config->remote_static, error);
  memcpy (noise->expected.key, config->remote_static, X25519_KEY);
  noise->expected.present = TRUE;
  return TRUE;
}

static void
mix_premessages (Noise *noise, const Pattern *pattern)
{
  for (guint role = 0; role < 2; role++)
    if (pattern->known[role])
      symmetric_mix_hash (&noise->secrets.symmetric,
                          role == noise->role ? noise->local_static : noise->remote[STATIC].key, X25519_KEY);
}

Noise *
noise_new (const NoiseConfig *config, GError **error)
{
  g_autoptr (Noise) noise = g_new0 (Noise, 1);
  const char *protocol = config->protocol != NULL ? config->protocol : NOISE_PROTOCOL;
  const Pattern *pattern;
  guint n_psks;

  noise->role = config->role;
  noise->fill_random = config->fill_random;
  noise->random_data = config->random_data;
  pattern = parse_protocol (noise, protocol, &n_psks);
  if (pattern == NULL)
    {
      fail (error, HEARBY_ERROR_NOT_SUPPORTED, "no such Noise protocol is known");
      return NULL;
    }
  if (!take_local_keys (noise, config, pattern, n_psks, error)
      || !take_remote_keys (noise, config, pattern, error))
    return NULL;
  symmetric_init (&noise->secrets.symmetric, protocol);
  symmetric_mix_hash (&noise->secrets.symmetric, config->prologue, config->prologue_len);
  mix_premessages (noise, pattern);
  return g_steal_pointer (&noise);
}

void
noise_free (Noise *noise)
{
  if (noise == NULL)
    return;
  g_clear_error (&noise->broken);
  sodium_memzero (noise, sizeof *noise);
  g_free (noise);
}

/* ---- Tokens ---- */

static gboolean
mix_share (Noise *noise, Token token, GError **error)
{
  guint mine = shares[token][noise->role];
  guint theirs = shares[token][!noise->role];
  guint8 shared[X25519_KEY];

  if (!x25519_shared (shared, noise->secrets.local[mine].secret, noise->remote[theirs].key))
    return fail (error, HEARBY_ERROR_FAILED, "the peer's key is of low order");
  symmetric_mix_key (&noise->secrets.symmetric, shared, sizeof shared);
  sodium_memzero (shared, sizeof shared);
  return TRUE;
}

static void
mix_ephemeral (Noise *noise, const guint8 key[X25519_KEY])
{
  symmetric_mix_hash (&noise->secrets.symmetric, key, X25519_KEY);
  if (noise->with_psk) /* 9.2 */
    symmetric_mix_key (&noise->secrets.symmetric, key, X25519_KEY);
}

static gboolean
seal (Noise *noise, const guint8 *text, gsize len, GByteArray *out, GError **error)
{
  if (!symmetric_seal (&noise->secrets.symmetric, text, len, out))
    return fail (error, HEARBY_ERROR_FAILED, "the nonces are used up");
  return TRUE;
}

static gboolean
write_token (Noise *noise, Token token, GByteArray *out, GError **error)
{
  Pair *ephemeral = &noise->secrets.local[EPHEMERAL];

  switch (token)
    {
    case E:
      noise->fill_random (ephemeral->secret, sizeof ephemeral->secret, noise->random_data);
      set_pair (ephemeral);
      g_byte_array_append (out, ephemeral->public, X25519_KEY);
      mix_ephemeral (noise, ephemeral->public);
      return TRUE;
    case S:
      return seal (noise, noise->local_static, X25519_KEY, out, error);
    case PSK:
      symmetric_mix_key_and_hash (&noise->secrets.symmetric, noise->secrets.psks[noise->psks_used++],
                                  NOISE_PSK);
      return TRUE;
    case EE:
    case ES:
    case SE:
    case SS:
      return mix_share (noise, token, error);
    case END:
      break;
    }
  g_return_val_if_reached (FALSE);
}

typedef struct
{
  const guint8 *bytes;
  gsize left;
} Input;

static const guint8 *
take_input (Input *input, gsize len)
{
  const guint8 *bytes = input->bytes;

  if (input->left < len)
    return NULL;
  input->bytes += len;
  input->left -= len;
  return bytes;
}

static gboolean
read_ephemeral (Noise *noise, Input *input, GError **error)
{
  const guint8 *key = take_input (input, X25519_KEY);

  if (key == NULL)
    return fail (error, HEARBY_ERROR_FAILED, "a message of the handshake is too short");
  if (!take_remote (noise, EPHEMERAL, key, error))
    return FALSE;
  mix_ephemeral (noise, key);
  return TRUE;
}

static gboolean
read_static (Noise *noise, Input *input, GError **error)
{
  gsize len = X25519_KEY + symmetric_overhead (&noise->secrets.symmetric);
  const guint8 *sealed = take_input (input, len);
  guint8 key[X25519_KEY];

  if (sealed == NULL)
    return fail (error, HEARBY_ERROR_FAILED, "a message of the handshake is too short");
  if (!symmetric_open (&noise->secrets.symmetric, sealed, len, key))
    return fail (error, HEARBY_ERROR_FAILED, "a message of the handshake is not authentic");
  return take_remote (noise, STATIC, key, error);
}

static gboolean
read_token (Noise *noise, Token token, Input *input, GError **error)
{
  if (token == E)
    return read_ephemeral (noise, input, error);
  if (token == S)
    return read_static (noise, input, error);
  return write_token (noise, token, NULL, error); /* the others say nothing */
}

static gboolean
read_payload (Noise *noise, Input *input, GByteArray *payload, GError **error)
{
  gsize overhead = symmetric_overhead (&noise->secrets.symmetric);
  g_autofree guint8 *text = NULL;
  gsize len;

  if (input->left < overhead)
    return fail (error, HEARBY_ERROR_FAILED, "a message of the handshake is too short");
  len = input->left - overhead;
  text = g_malloc (MAX (len, 1));
  if (!symmetric_open (&noise->secrets.symmetric, input->bytes, input->left, text))
    return fail (error, HEARBY_ERROR_FAILED, "a message of the handshake is not authentic");
  if (payload != NULL)
    g_byte_array_append (payload, text, (guint)len);
  return TRUE;
}

/* ---- Messages ---- */

static gboolean
write_message (Noise *noise, const guint8 *payload, gsize len, GByteArray *out, GError **error)
{
  const Token *tokens = noise->messages[noise->next];
  gsize start = out->len;

  for (guint i = 0; tokens[i] != END; i++)
    if (!write_token (noise, tokens[i], out, error))
      return FALSE;
  if (len > NOISE_MESSAGE || !seal (noise, payload, len, out, error) || out->len - start > NOISE_MESSAGE)
    {
      g_clear_error (error);
      return fail (error, HEARBY_ERROR_INVALID_ARGUMENT, "a message of the handshake would be too long");
    }
  noise->next++;
  return TRUE;
}

/* Asked when the message is authentic: the key that the peer shows is one that it holds. */
static gboolean
is_expected (const Noise *noise)
{
  const Remote *shown = &noise->remote[STATIC];

  return !noise->expected.present || !shown->present || memcmp (shown->key, noise->expected.key, X25519_KEY) == 0;
}

static gboolean
read_message (Noise *noise, const guint8 *message, gsize len, GByteArray *payload, GError **error)
{
  const Token *tokens = noise->messages[noise->next];
  Input input = { message, len };

  if (len > NOISE_MESSAGE)
    return fail (error, HEARBY_ERROR_FAILED, "a message of the handshake is too long");
  for (guint i = 0; tokens[i] != END; i++)
    if (!read_token (noise, tokens[i], &input, error))
      return FALSE;
  if (!read_payload (noise, &input, payload, error))
    return FALSE;
  if (!is_expected (noise))
    return fail (error, HEARBY_ERROR_KEY_CHANGED, "the peer has another key");
  noise->next++;
  return TRUE;
}

NoiseState
noise_state (const Noise *noise)
{
  if (noise->broken != NULL)
    return NOISE_DEAD;
  if (noise->messages[noise->next][0] == END)
    return NOISE_DONE;
  return (noise->next + noise->role) % 2 == 0 ? NOISE_WRITES : NOISE_READS;
}

/* Wipes all that is known; the error stays, and with KEY_CHANGED whose key it was. */
static gboolean
die (Noise *noise, GError **error)
{
  sodium_memzero (&noise->secrets, sizeof noise->secrets);
  if (noise->broken->code != HEARBY_ERROR_KEY_CHANGED)
    memset (noise->remote, 0, sizeof noise->remote);
  g_propagate_error (error, g_error_copy (noise->broken));
  return FALSE;
}

/* After the last message nothing but ck and h is needed. */
static gboolean
finish_message (Noise *noise)
{
  if (noise_state (noise) != NOISE_DONE)
    return TRUE;
  sodium_memzero (noise->secrets.local, sizeof noise->secrets.local);
  sodium_memzero (noise->secrets.psks, sizeof noise->secrets.psks);
  return TRUE;
}

static gboolean
is_turn (Noise *noise, NoiseState state)
{
  if (noise->broken == NULL && noise_state (noise) != state)
    fail (&noise->broken, HEARBY_ERROR_FAILED, "a message of the handshake came out of turn");
  return noise->broken == NULL;
}

gboolean
noise_write (Noise *noise, const void *payload, gsize len, GByteArray *out, GError **error)
{
  guint start = out->len;

  if (is_turn (noise, NOISE_WRITES) && write_message (noise, payload, len, out, &noise->broken))
    return finish_message (noise);
  g_byte_array_set_size (out, start);
  return die (noise, error);
}

gboolean
noise_read (Noise *noise, const void *message, gsize len, GByteArray *payload, GError **error)
{
  if (is_turn (noise, NOISE_READS) && read_message (noise, message, len, payload, &noise->broken))
    return finish_message (noise);
  return die (noise, error);
}

gboolean
noise_split (Noise *noise, Cipher *sending, Cipher *receiving, GError **error)
{
  gboolean first = noise->role == NOISE_INITIATOR;

  if (!is_turn (noise, NOISE_DONE))
    return die (noise, error);
  if (noise->split)
    {
      fail (&noise->broken, HEARBY_ERROR_FAILED, "the keys of the handshake were taken already");
      return die (noise, error);
    }
  noise->split = TRUE;
  symmetric_split (&noise->secrets.symmetric, first ? sending : receiving, first ? receiving : sending);
  return TRUE;
}

const guint8 *
noise_hash (const Noise *noise)
{
  return noise_state (noise) == NOISE_DONE ? noise->secrets.symmetric.h : NULL;
}

const guint8 *
noise_remote_static (const Noise *noise)
{
  return noise->remote[STATIC].present ? noise->remote[STATIC].key : NULL;
}

const guint8 *
noise_local_static (const Noise *noise)
{
  return noise->local_static;
}
