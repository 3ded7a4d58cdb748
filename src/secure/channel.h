/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "secure/noise.h"
#include "secure/record.h"

/* What lies between a connection and its XML: nothing at first, then a handshake, then records. All that passes in clear is counted
 * into the prologue, byte for byte, so that both sides find out whether somebody changed it. Pure.
 *
 *   channel_push (channel, bytes, len, content, &error);  what the connection gave → what the XML parser gets
 *   channel_send (channel, content, len, &error);         what the stream writes
 *   out = channel_take_output (channel);                  → what the connection gets
 *
 * After an error nothing comes out any more, and every call repeats it. */

typedef struct _Channel Channel;

typedef enum
{
  CHANNEL_CLEAR,
  CHANNEL_HANDSHAKE,
  CHANNEL_OPEN, /* the peer holds the key that channel_remote_static() shows */
} ChannelState;

Channel *channel_new (NoiseRole role);
void     channel_free (Channel *channel); /* wipes; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Channel, channel_free)

ChannelState channel_state (const Channel *channel);

/* channel_secure: once, behind <start/> and <proceed/>, when all that was written in clear was given to channel_send() and nothing else
 * has been received. @config: only the keys and the source of randomness count. */
gboolean channel_secure (Channel *channel, const NoiseConfig *config, GError **error);

/* channel_push: appends to @content what was meant for the stream. KEY_CHANGED: the peer does not hold config.remote_static. */
gboolean channel_push (Channel *channel, const void *bytes, gsize len, GByteArray *content, GError **error);

/* channel_send: not while the handshake lasts. */
gboolean channel_send (Channel *channel, const void *content, gsize len, GError **error);

/* channel_close: the authenticated end of our direction; in clear there is none. */
void channel_close (Channel *channel);

/* channel_release: hands over both directions of an open channel whose output was taken, for bytes that are not XML: they go on where
 * the channel was, the opener with what is not a whole record yet. The caller owns both. The channel is dead then, but for
 * channel_remote_static() and its like. FALSE where it is not open, broken, or still has output. */
gboolean channel_release (Channel *channel, RecordSealer **sealer, RecordOpener **opener);

/* channel_take_output: all since the last call; NULL for nothing. The caller owns it. */
GBytes *channel_take_output (Channel *channel);

/* channel_was_cut: the connection ended without the peer's authenticated close. FALSE in clear, where nobody can tell. */
gboolean channel_was_cut (const Channel *channel);

/* The peer's key as soon as it showed it (proven only when open), ours, and the handshake's hash; NULL before. X25519_KEY and
 * SYMMETRIC_HASH bytes, the channel's own. */
const guint8 *channel_remote_static (const Channel *channel);
const guint8 *channel_local_static (const Channel *channel);
const guint8 *channel_hash (const Channel *channel);
