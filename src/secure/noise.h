/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "secure/cipher.h"
#include "secure/symmetric.h"
#include "secure/x25519.h"

/* Noise's HandshakeState (revision 34, 5.3) for 25519, ChaChaPoly and SHA256 over a table of patterns: XX is
 * what hearby speaks, IK, XK, NN, KK and the psk modifiers let all published vectors run. Message in, message
 * out; the frames around them are secure/handshake. Pure. libsodium's sodium_init() was called before. */

#define NOISE_PROTOCOL "Noise_XX_25519_ChaChaPoly_SHA256"
#define NOISE_MESSAGE 65535 /* bytes at most, Noise 3 */
#define NOISE_PSK 32
#define NOISE_PSKS 4 /* at most */

typedef struct _Noise Noise;

typedef enum
{
  NOISE_INITIATOR,
  NOISE_RESPONDER,
} NoiseRole;

/* Fills @bytes with what nobody can guess; @data is NoiseConfig.random_data. */
typedef void (*NoiseRandom) (void *bytes, gsize len, gpointer data);

/* Nothing of it is kept but copies, which are wiped. */
typedef struct
{
  NoiseRole role;
  const char *protocol; /* NULL: NOISE_PROTOCOL */
  const guint8 *prologue;
  gsize prologue_len;
  const guint8 *static_secret; /* X25519_KEY bytes; NULL where the pattern has none */
  /* X25519_KEY bytes or NULL: known before where the pattern wants that; else it has to be the one that the peer
   * shows, or the handshake ends in KeyChanged. */
  const guint8 *remote_static;
  const guint8 *psks; /* n_psks times NOISE_PSK bytes, in the order of their tokens */
  guint n_psks;
  NoiseRandom fill_random; /* makes the ephemeral secret, one call of X25519_KEY bytes */
  gpointer random_data;
} NoiseConfig;

typedef enum
{
  NOISE_WRITES, /* it is our turn */
  NOISE_READS,
  NOISE_DONE,
  NOISE_DEAD,
} NoiseState;

/* noise_new: NotSupported for a protocol that is not in the table, InvalidArgument where a key or psk is
 * missing, Failed where the remote key is refused. */
Noise *noise_new (const NoiseConfig *config, GError **error);
void noise_free (Noise *noise);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Noise, noise_free)

NoiseState noise_state (const Noise *noise);

/* noise_write: appends the next message to @out. noise_read: the peer's next message; its payload is appended
 * to @payload (which may be NULL). FALSE out of turn and for anything that is wrong with it: non-canonical or
 * low-order keys, our own keys, a wrong tag, a wrong length. All is wiped then, and every later call fails
 * with the same error. */
gboolean noise_write (Noise *noise, const void *payload, gsize len, GByteArray *out, GError **error);
gboolean noise_read (Noise *noise, const void *message, gsize len, GByteArray *payload, GError **error);

/* noise_split: once, when done: the two directions as seen from here. */
gboolean noise_split (Noise *noise, Cipher *sending, Cipher *receiving, GError **error);

/* noise_hash: h, when done. It is no secret: no key may be made of it. NULL before. */
const guint8 *noise_hash (const Noise *noise);

/* noise_remote_static: the peer's key, once it is known; authenticated when done, and after KEY_CHANGED. NULL before.
 * noise_local_static: ours. */
const guint8 *noise_remote_static (const Noise *noise);
const guint8 *noise_local_static (const Noise *noise);
