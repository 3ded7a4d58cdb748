/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/limits.h"
#include "bus/service.h"

/* Messages as dictionaries, and the two methods that everybody uses. */

static void
append_text (sd_bus_message *to, const char *key, const char *text)
{
  if (text != NULL && *text != '\0')
    call_append_entry (to, key, 's', text);
}

/* Texts, numbers and truths that say nothing are left out: thousands of these cross the bus. */
static void
append_number (sd_bus_message *to, const char *key, char type, gint64 number)
{
  if (number != 0)
    call_append_entry (to, key, type, &number);
}

static void
append_truth (sd_bus_message *to, const char *key, gboolean truth)
{
  if (truth)
    call_append_entry (to, key, 'b', &truth);
}

void
message_append (sd_bus_message *to, Messenger *messenger, const MessageRow *row)
{
  Peer *peer = roster_by_id (messenger_roster (messenger), row->peer);
  g_autofree char *path = call_peer_path (row->peer);
  g_autofree char *name = peer != NULL ? roster_dup_name (messenger_roster (messenger), peer) : NULL;

  sd_bus_message_open_container (to, 'a', "{sv}");
  append_number (to, "seq", 't', (gint64) row->seq);
  call_append_entry (to, "peer", 'o', path);
  append_text (to, "name", name);
  append_text (to, "direction", row->direction == DIRECTION_IN ? "in" : "out");
  append_text (to, "id", row->id);
  call_append_entry (to, "body", 's', row->body);
  call_append_entry (to, "time", 'x', &row->time);
  call_append_entry (to, "received", 'x', &row->received);
  append_text (to, "state", message_state_name (row->state));
  append_text (to, "reason", row->reason);
  append_text (to, "trust", row->trust);
  append_truth (to, "encrypted", row->encrypted);
  append_number (to, "corrects", 't', (gint64) row->corrects);
  append_number (to, "expires", 'x', row->expires);
  append_truth (to, "confirms", row->confirms);
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

/* The arguments of SendMessage, which is called more often than all others together: read as they are, as what is made of the others'
 * takes longer than storing the message does. */
typedef struct
{
  GPtrArray  *to; /* Peer, borrowed */
  const char *text;
  SendOptions how;
  const char *unknown; /* an option that has to be understood, or NULL */
} Sending;

/* TRUE: none is malformed. */
static gboolean
read_to (const Call *call, Sending *sending, GError **error)
{
  const char *path;
  int more;

  if (sd_bus_message_enter_container (call->message, 'a', "o") <= 0)
    return FALSE;
  while ((more = sd_bus_message_read_basic (call->message, 'o', &path)) > 0 && sending->to->len < LIMIT_CALL_VALUES)
    {
      Peer *peer = *error == NULL ? call_peer_of_path (call->messenger, path, error) : NULL;

      if (peer != NULL)
        g_ptr_array_add (sending->to, peer);
    }
  return more == 0 && sd_bus_message_exit_container (call->message) >= 0;
}

static gboolean
read_option (sd_bus_message *message, const char *key, Sending *sending)
{
  const struct
  {
    const char *key, *type;
    void       *to;
  } options[] = {
    { "id", "s", &sending->how.key },         { "expire", "x", &sending->how.expire_s },
    { "now", "b", &sending->how.now },        { "plaintext", "b", &sending->how.plaintext },
    { "confirm", "b", &sending->how.confirm }, { "replaces", "t", &sending->how.replaces },
  };
  const char *name = key[0] == '!' ? key + 1 : key, *type;

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    if (g_str_equal (options[i].key, name))
      {
        if (sd_bus_message_peek_type (message, NULL, &type) <= 0)
          return FALSE;
        return (g_str_equal (type, options[i].type) ? sd_bus_message_read (message, "v", type, options[i].to)
                                                    : sd_bus_message_skip (message, "v")) > 0;
      }
  if (name != key && sending->unknown == NULL)
    sending->unknown = name;
  return sd_bus_message_skip (message, "v") > 0;
}

static gboolean
read_options (sd_bus_message *message, Sending *sending)
{
  const char *key;
  int more;

  if (sd_bus_message_enter_container (message, 'a', "{sv}") <= 0)
    return FALSE;
  while ((more = sd_bus_message_enter_container (message, 'e', "sv")) > 0)
    if (sd_bus_message_read_basic (message, 's', &key) <= 0 || !read_option (message, key, sending)
        || sd_bus_message_exit_container (message) < 0)
      return FALSE;
  return more == 0;
}

void
handle_send_message (const Call *call)
{
  g_autoptr (GPtrArray) to = g_ptr_array_new ();
  g_autoptr (GArray) seqs = NULL;
  Sending sending = { .to = to };
  sd_bus_message *answer;
  GError *error = NULL;

  if (!read_to (call, &sending, &error) || sd_bus_message_read_basic (call->message, 's', &sending.text) <= 0
      || !read_options (call->message, &sending))
    {
      g_clear_error (&error);
      call_refuse_arguments (call);
      return;
    }
  if (sending.unknown != NULL)
    {
      g_clear_error (&error);
      call_refuse_option (call, "SendMessage", sending.unknown);
      return;
    }
  if (error == NULL && to->len == 0)
    g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "a message to nobody");
  if (error == NULL)
    seqs = messenger_send (call->messenger, (Peer **) to->pdata, to->len, sending.text, &sending.how, &error);
  if (seqs == NULL)
    {
      call_reply_error (call, error);
      return;
    }
  answer = call_answer (call);
  sd_bus_message_append_array (answer, 't', seqs->data, seqs->len * sizeof (guint64));
  call_reply_later (call, answer);
}
