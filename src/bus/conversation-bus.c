/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "bus/api.h"
#include "bus/service.h"

/* org.hearby.Conversation1 */

static void
append_peer (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  g_autofree char *path = call_peer_path (peer->row->id);

  sd_bus_message_append (to, "o", path);
}

static void
append_typing (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", chat_state_name (peer->typing));
}

static void
append_last_seq (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "t", peer->last_seq);
}

static void
handle_mark_read (const Call *call)
{
  GError *error = NULL;
  guint64 seq;

  g_variant_get_child (call->arguments, 0, "t", &seq);
  if (messenger_mark_read (call->messenger, call->peer, MIN (seq, G_MAXINT64), &error))
    call_reply_later (call, NULL);
  else
    call_reply_error (call, error);
}

static void
handle_set_typing (const Call *call)
{
  const char *name;
  ChatState state;

  g_variant_get_child (call->arguments, 0, "&s", &name);
  state = chat_state_from_name (name);
  if (state == CHAT_STATE_NONE)
    {
      call_reply_error (call, g_error_new (HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "'%s' is no chat state", name));
      return;
    }
  messenger_set_typing (call->messenger, call->peer, state);
  call_reply (call, NULL);
}

const Interface *
conversation_interface (void)
{
  static const MethodRow methods[] = {
    { "MarkRead", handle_mark_read, NULL },
    { "SetTyping", handle_set_typing, NULL },
    { NULL, NULL, NULL },
  };
  static const PropertyRow properties[] = {
    { "Peer", append_peer, 0 },
    { "Unread", peer_append_unread, PEER_CHANGED_COUNTS },
    { "Queued", peer_append_queued, PEER_CHANGED_COUNTS },
    { "Typing", append_typing, PEER_CHANGED_TYPING },
    { "LastSeq", append_last_seq, PEER_CHANGED_COUNTS },
    { NULL, NULL, 0 },
  };
  static Interface interface = { NULL, methods, properties };

  interface.info = (GDBusInterfaceInfo *) &org_hearby_conversation1_interface;
  return &interface;
}
