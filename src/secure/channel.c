/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/channel.h"

#include <string.h>

#include "base/error.h"
#include "secure/handshake.h"
#include "secure/prologue.h"

struct _Channel
{
  NoiseRole     role;
  ChannelState  state;
  Prologue      prologue;
  Handshake    *handshake; /* from channel_secure() on: it keeps the keys */
  RecordSealer *sealer;
  RecordOpener *opener;
  GByteArray   *output;
  gboolean      ended; /* the peer's close came */
  GError       *broken;
};

Channel *
channel_new (NoiseRole role)
{
  Channel *channel = g_new0 (Channel, 1);

  channel->role = role;
  channel->output = g_byte_array_new ();
  prologue_init (&channel->prologue);
  return channel;
}

void
channel_free (Channel *channel)
{
  if (channel == NULL)
    return;
  handshake_free (channel->handshake);
  record_sealer_free (channel->sealer);
  record_opener_free (channel->opener);
  g_byte_array_unref (channel->output);
  g_clear_error (&channel->broken);
  g_free (channel);
}

ChannelState
channel_state (const Channel *channel)
{
  return channel->state;
}

/* Passes on what broke it. */
static gboolean
is_whole (Channel *channel, GError **error)
{
  if (channel->broken == NULL)
    return TRUE;
  g_byte_array_set_size (channel->output, 0);
  g_propagate_error (error, g_error_copy (channel->broken));
  return FALSE;
}

static void
count (Channel *channel, gboolean ours, const void *bytes, gsize len)
{
  gboolean initiator = (channel->role == NOISE_INITIATOR) == ours;

  prologue_add (&channel->prologue, initiator ? PROLOGUE_INITIATOR : PROLOGUE_RESPONDER, bytes, len);
}

/* What the handshake has to say goes out; when that was all, records follow. */
static void
go_on (Channel *channel)
{
  g_autoptr (GBytes) frame = handshake_take_output (channel->handshake);

  if (frame != NULL)
    g_byte_array_append (channel->output, g_bytes_get_data (frame, NULL), (guint) g_bytes_get_size (frame));
  if (channel->state == CHANNEL_HANDSHAKE && handshake_is_done (channel->handshake)
      && handshake_split (channel->handshake, &channel->sealer, &channel->opener, &channel->broken))
    channel->state = CHANNEL_OPEN;
}

gboolean
channel_secure (Channel *channel, const NoiseConfig *config, GError **error)
{
  guint8 prologue[PROLOGUE_SIZE];
  NoiseConfig whole = *config;

  g_return_val_if_fail (channel->state == CHANNEL_CLEAR, FALSE);
  prologue_finish (&channel->prologue, prologue);
  whole.role = channel->role;
  whole.prologue = prologue;
  whole.prologue_len = sizeof prologue;
  channel->state = CHANNEL_HANDSHAKE;
  channel->handshake = handshake_new (&whole, &channel->broken);
  if (channel->handshake != NULL)
    go_on (channel);
  return is_whole (channel, error);
}

static void
open_records (Channel *channel, const guint8 *bytes, gsize len, GByteArray *content)
{
  RecordEvent event;

  record_opener_push (channel->opener, bytes, len);
  while (record_opener_next (channel->opener, &event, &channel->broken))
    if (event.type == RECORD_DATA)
      g_byte_array_append (content, event.content, (guint) event.len);
    else
      channel->ended = TRUE;
}

gboolean
channel_push (Channel *channel, const void *bytes, gsize len, GByteArray *content, GError **error)
{
  gsize used = 0;

  if (channel->broken == NULL && channel->state == CHANNEL_CLEAR)
    {
      count (channel, FALSE, bytes, len);
      g_byte_array_append (content, bytes, (guint) len);
      return TRUE;
    }
  if (channel->broken == NULL && channel->state == CHANNEL_HANDSHAKE
      && handshake_push (channel->handshake, bytes, len, &used, &channel->broken))
    go_on (channel);
  if (channel->broken == NULL && channel->state == CHANNEL_OPEN && used < len)
    open_records (channel, (const guint8 *) bytes + used, len - used, content);
  return is_whole (channel, error);
}

gboolean
channel_send (Channel *channel, const void *content, gsize len, GError **error)
{
  const guint8 *at = content;

  g_return_val_if_fail (channel->state != CHANNEL_HANDSHAKE, FALSE);
  if (channel->broken == NULL && channel->state == CHANNEL_CLEAR)
    {
      count (channel, TRUE, content, len);
      g_byte_array_append (channel->output, content, (guint) len);
      return TRUE;
    }
  while (channel->broken == NULL && len > 0)
    {
      gsize part = MIN (len, RECORD_CONTENT);

      record_seal (channel->sealer, RECORD_DATA, at, part, channel->output, &channel->broken);
      at += part;
      len -= part;
    }
  return is_whole (channel, error);
}

void
channel_close (Channel *channel)
{
  if (channel->broken == NULL && channel->state == CHANNEL_OPEN)
    record_seal_close (channel->sealer, 0, channel->output, NULL); /* a second one changes nothing */
}

gboolean
channel_release (Channel *channel, RecordSealer **sealer, RecordOpener **opener)
{
  if (channel->broken != NULL || channel->state != CHANNEL_OPEN || channel->output->len > 0)
    return FALSE;
  *sealer = g_steal_pointer (&channel->sealer);
  *opener = g_steal_pointer (&channel->opener);
  g_set_error_literal (&channel->broken, HEARBY_ERROR, HEARBY_ERROR_FAILED, "the channel was handed over");
  return TRUE;
}

GBytes *
channel_take_output (Channel *channel)
{
  GByteArray *output = channel->output;

  if (output->len == 0)
    return NULL;
  channel->output = g_byte_array_new ();
  return g_byte_array_free_to_bytes (output);
}

gboolean
channel_was_cut (const Channel *channel)
{
  return channel->state == CHANNEL_OPEN && !channel->ended && channel->sealer != NULL;
}

const guint8 *
channel_remote_static (const Channel *channel)
{
  return channel->handshake != NULL ? handshake_remote_static (channel->handshake) : NULL;
}

const guint8 *
channel_local_static (const Channel *channel)
{
  return channel->handshake != NULL ? handshake_local_static (channel->handshake) : NULL;
}

const guint8 *
channel_hash (const Channel *channel)
{
  return channel->handshake != NULL ? handshake_hash (channel->handshake) : NULL;
}
