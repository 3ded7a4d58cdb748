/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/limits.h"
#include "bus/service.h"

/* Messages as dictionaries, and the two methods that everybody uses. */

static void
append_text (sd_bus_message *to, const char *key, const char *text)
{
  if (text != NULL && *text != '\0')
    sd_bus_message_append (to, "{sv}", key, "s", text);
}

/* What says nothing is left out: thousands of these cross the bus. */
void
message_append (sd_bus_message *to, Messenger *messenger, const MessageRow *row)
{
  Peer *peer = roster_by_id (messenger_roster (messenger), row->peer);
  g_autofree char *path = call_peer_path (row->peer);
  g_autofree char *name = peer != NULL ? roster_dup_name (messenger_roster (messenger), peer) : NULL;

  sd_bus_message_open_container (to, 'a', "{sv}");
  sd_bus_message_append (to, "{sv}", "seq", "t", row->seq);
  sd_bus_message_append (to, "{sv}", "peer", "o", path);
  append_text (to, "name", name);
  append_text (to, "direction", row->direction == DIRECTION_IN ? "in" : "out");
  append_text (to, "id", row->id);
  sd_bus_message_append (to, "{sv}", "body", "s", row->body);
  sd_bus_message_append (to, "{sv}", "time", "x", row->time);
  sd_bus_message_append (to, "{sv}", "received", "x", row->received);
  append_text (to, "state", message_state_name (row->state));
  append_text (to, "reason", row->reason);
  append_text (to, "trust", row->trust);
  if (row->encrypted)
    sd_bus_message_append (to, "{sv}", "encrypted", "b", TRUE);
  if (row->corrects != 0)
    sd_bus_message_append (to, "{sv}", "corrects", "t", row->corrects);
  if (row->expires != 0)
    sd_bus_message_append (to, "{sv}", "expires", "x", row->expires);
  if (row->confirms)
    sd_bus_message_append (to, "{sv}", "confirms", "b", TRUE);
  sd_bus_message_close_container (to);
}

static gboolean
apply_consumer (const Call *call, GVariant *options, MessageFilter *filter, GError **error)
{
  g_autofree char *consumer = call_option_string (options, "consumer");
  guint64 acknowledged;

  if (consumer == NULL)
    return TRUE;
  if (!consumers_get (messenger_database (call->messenger), consumer, &acknowledged, error))
    return FALSE;
  filter->incoming = TRUE;
  filter->since_seq = MAX (filter->since_seq, acknowledged);
  return TRUE;
}

void
handle_list_messages (const Call *call)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->arguments, 0);
  g_autoptr (GVariant) limit = call_option (options, "limit", G_VARIANT_TYPE_UINT32);
  g_autofree char *search = call_option_string (options, "search");
  g_autoptr (GArray) ids = NULL;
  g_autoptr (GPtrArray) rows = NULL;
  sd_bus_message *list;
  GError *error = NULL;
  MessageFilter filter = {
    .since_seq = call_option_uint64 (options, "since_seq"),
    .before_seq = call_option_uint64 (options, "before_seq"),
    .since = call_option_int64 (options, "since"),
    .until = call_option_int64 (options, "until"),
    .search = search,
    .incoming = call_option_boolean (options, "incoming"),
    .unread = call_option_boolean (options, "unread"),
    .newest = call_option_boolean (options, "newest"),
    .limit = limit != NULL ? g_variant_get_uint32 (limit) : 0,
  };

  if (call_peer_ids (call->messenger, options, &ids, &error) && apply_consumer (call, options, &filter, &error))
    {
      filter.peers = ids != NULL ? (const gint64 *) (gpointer) ids->data : NULL;
      filter.n_peers = ids != NULL ? ids->len : 0;
      rows = messages_list (messenger_database (call->messenger), &filter, &error);
    }
  if (rows == NULL)
    {
      call_reply_error (call, error);
      return;
    }
  list = call_answer (call);
  sd_bus_message_open_container (list, 'a', "a{sv}");
  for (guint i = 0; i < rows->len; i++)
    message_append (list, call->messenger, g_ptr_array_index (rows, i));
  sd_bus_message_close_container (list);
  call_reply_later (call, list); /* nothing is shown that was not committed */
}

void
handle_send_message (const Call *call)
{
  g_autoptr (GVariant) paths = g_variant_get_child_value (call->arguments, 0);
  g_autoptr (GVariant) options = g_variant_get_child_value (call->arguments, 2);
  g_autofree char *key = call_option_string (options, "id");
  g_autoptr (GPtrArray) to = NULL;
  g_autoptr (GArray) seqs = NULL;
  sd_bus_message *answer;
  GError *error = NULL;
  const char *text;
  SendOptions how = {
    .key = key,
    .expire_s = call_option_int64 (options, "expire"),
    .plaintext = call_option_boolean (options, "plaintext"),
    .now = call_option_boolean (options, "now"),
    .confirm = call_option_boolean (options, "confirm"),
    .replaces = call_option_uint64 (options, "replaces"),
  };

  g_variant_get_child (call->arguments, 1, "&s", &text);
  to = call_peers (call->messenger, paths, &error);
  if (to != NULL && to->len == 0)
    g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "a message to nobody");
  else if (to != NULL)
    seqs = messenger_send (call->messenger, (Peer **) to->pdata, to->len, text, &how, &error);
  if (seqs == NULL)
    {
      call_reply_error (call, error);
      return;
    }
  answer = call_answer (call);
  sd_bus_message_append_array (answer, 't', seqs->data, seqs->len * sizeof (guint64));
  call_reply_later (call, answer);
}
