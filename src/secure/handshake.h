/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "secure/noise.h"
#include "secure/record.h"

/* The handshake as it crosses the wire: u16be(length) || Noise message, three times, with empty payloads;
 * what the peer puts into a payload is authenticated and ignored. Bytes in, bytes out, then two keys. Pure.
 *
 *   handshake = handshake_new (&config, &error);            an initiator's first frame is in the output at
 * once handshake_push (handshake, bytes, len, &used, &error);  feed out = handshake_take_output (handshake);
 * what the peer must receive, or NULL if (handshake_is_done (handshake)) handshake_split (…)
 *
 * Lock-step: a byte that arrives while our answer still waits in the output breaks the handshake, in whatever
 * slices it comes. An initiator is done when its last frame was taken. After an error there is no output any
 * more. */

typedef struct _Handshake Handshake;

Handshake *handshake_new (const NoiseConfig *config, GError **error);
void handshake_free (Handshake *handshake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Handshake, handshake_free)

/* handshake_push: feeds @len bytes received from the peer and keeps no reference to them. @used says how many
 * belonged to the handshake: those behind its last frame are records. FALSE once it is broken; it repeats the
 * error. */
gboolean handshake_push (Handshake *handshake, const void *bytes, gsize len, gsize *used, GError **error);

GBytes *handshake_take_output (Handshake *handshake);

gboolean handshake_is_done (const Handshake *handshake);

/* handshake_split: once, when done: what seals and opens the records of this connection. The caller owns
 * both. */
gboolean handshake_split (Handshake *handshake, RecordSealer **sealer, RecordOpener **opener, GError **error);

/* When done, else NULL: noise_hash() and the keys of both sides, which live as long as the handshake. After KEY_CHANGED the remote key
 * is the one that the peer holds instead. */
const guint8 *handshake_hash (const Handshake *handshake);
const guint8 *handshake_remote_static (const Handshake *handshake);
const guint8 *handshake_local_static (const Handshake *handshake);
