/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xmpp/stream.h"

#include <string.h>

#include "xmpp/ns.h"
#include "xmpp/writer.h"

struct _Stream
{
  StreamRole role;
  char *from, *to;
  Reader *reader;
  GString *output; /* NULL: nothing */
  Node *features;

  char *peer_from, *peer_to;
  gboolean header_received;
  gboolean peer_is_1_0;
  gboolean features_received;
  gboolean peer_closed;

  gboolean header_sent;
  gboolean ready;
  gboolean close_sent;

  gboolean ready_due;  /* READY is the next event */
  const char *failure; /* broken; interned */
  gboolean failed_due; /* FAILED is the next event */
  gboolean by_peer;
};

Stream *
stream_new (StreamRole role, const char *from, const char *to)
{
  Stream *stream = g_new0 (Stream, 1);

  stream->role = role;
  stream->from = g_strdup (from);
  stream->to = g_strdup (to);
  stream->reader = reader_new (&reader_default_limits);
  stream->features = node_new ("features", NS_STREAM);
  if (role == STREAM_INITIATOR)
    {
      stream->output = g_string_new (NULL);
      writer_append_header (stream->output, from, to, NULL, TRUE);
      stream->header_sent = TRUE;
    }
  return stream;
}

void
stream_free (Stream *stream)
{
  if (stream == NULL)
    return;
  g_free (stream->from);
  g_free (stream->to);
  g_free (stream->peer_from);
  g_free (stream->peer_to);
  reader_free (stream->reader);
  node_free (stream->features);
  if (stream->output != NULL)
    g_string_free (stream->output, TRUE);
  g_free (stream);
}

void
stream_set_limits (Stream *stream, const ReaderLimits *limits)
{
  reader_free (stream->reader);
  stream->reader = reader_new (limits);
}

void
stream_add_feature (Stream *stream, Node *feature)
{
  node_take_child (stream->features, feature);
}

static GString *
output (Stream *stream)
{
  if (stream->output == NULL)
    stream->output = g_string_sized_new (512);
  return stream->output;
}

/* A responder's header. A peer that knows of no versions is not shown one (RFC 6120 4.7.5). */
static void
send_header (Stream *stream)
{
  if (stream->header_sent)
    return;
  stream->header_sent = TRUE;
  writer_append_header (output (stream), stream->from, stream->to, NULL, stream->peer_is_1_0);
}

static void
send_close (Stream *stream)
{
  if (stream->close_sent)
    return;
  send_header (stream);
  stream->close_sent = TRUE;
  g_string_append (output (stream), WRITER_STREAM_END);
}

static const char *
known_condition (const char *name)
{
  static const char *const conditions[] = { /* RFC 6120 4.9.3 */
                                            "bad-format",
                                            "bad-namespace-prefix",
                                            "conflict",
                                            "connection-timeout",
                                            "host-gone",
                                            "host-unknown",
                                            "improper-addressing",
                                            "internal-server-error",
                                            "invalid-from",
                                            "invalid-namespace",
                                            "invalid-xml",
                                            "not-authorized",
                                            "not-well-formed",
                                            "policy-violation",
                                            "remote-connection-failed",
                                            "reset",
                                            "resource-constraint",
                                            "restricted-xml",
                                            "see-other-host",
                                            "system-shutdown",
                                            "undefined-condition",
                                            "unsupported-encoding",
                                            "unsupported-feature",
                                            "unsupported-stanza-type",
                                            "unsupported-version"
  };

  for (guint i = 0; i < G_N_ELEMENTS (conditions); i++)
    if (g_strcmp0 (conditions[i], name) == 0)
      return g_intern_static_string (conditions[i]);
  return g_intern_static_string ("undefined-condition");
}

static void
break_stream (Stream *stream, const char *condition, gboolean by_peer)
{
  stream->failure = known_condition (condition);
  stream->by_peer = by_peer;
  stream->failed_due = TRUE;
  stream->ready_due = FALSE;
}

void
stream_fail (Stream *stream, const char *condition, const char *text)
{
  g_autoptr (Node) error = node_new ("error", NS_STREAM);

  if (stream_is_closed (stream))
    return;
  break_stream (stream, condition, FALSE);
  if (stream->close_sent)
    return;
  send_header (stream);
  node_add (error, stream->failure, NS_STREAM_ERROR);
  if (text != NULL)
    node_add_text_element (error, "text", NS_STREAM_ERROR, text);
  writer_append (output (stream), error, NS_CLIENT);
  send_close (stream);
}

/* The element that names the condition in a stream error. */
static const char *
condition_of (const Node *error)
{
  for (guint i = 0; error->children != NULL && i < error->children->len; i++)
    {
      const Node *child = g_ptr_array_index (error->children, i);

      if (child->name != NULL && g_strcmp0 (child->ns, NS_STREAM_ERROR) == 0
          && !node_is (child, "text", NS_STREAM_ERROR))
        return child->name;
    }
  return NULL;
}

static void
set_ready (Stream *stream)
{
  if (stream->ready || stream->close_sent)
    return;
  stream->ready = TRUE;
  stream->ready_due = TRUE;
}

/* RFC 6120 4.7.5: a version is 1.0 or later by its major number; without one it is 0.9. */
static gboolean
is_1_0 (const Node *header)
{
  const char *version = node_get (header, "version");

  return version != NULL && g_ascii_strtoull (version, NULL, 10) >= 1;
}

static gboolean
on_open (Stream *stream, const Node *header, StreamEvent *event)
{
  const char *default_ns = node_get (header, "xmlns");

  stream->peer_is_1_0 = is_1_0 (header);
  if (g_strcmp0 (header->ns, NS_STREAM) != 0 || (default_ns != NULL && !g_str_equal (default_ns, NS_CLIENT)))
    {
      stream_fail (stream, "invalid-namespace", NULL);
      return FALSE;
    }
  if (!g_str_equal (header->name, "stream"))
    {
      stream_fail (stream, "bad-format", NULL);
      return FALSE;
    }
  stream->header_received = TRUE;
  stream->peer_from = g_strdup (node_get (header, "from"));
  stream->peer_to = g_strdup (node_get (header, "to"));
  if (stream->role == STREAM_INITIATOR && !stream->peer_is_1_0)
    set_ready (stream);
  event->type = STREAM_HEADER;
  return TRUE;
}

static gboolean
on_features (Stream *stream, Node *node, StreamEvent *event)
{
  if (stream->role == STREAM_RESPONDER || stream->features_received)
    {
      node_free (node);
      return FALSE;
    }
  stream->features_received = TRUE;
  set_ready (stream);
  event->type = STREAM_FEATURES;
  event->node = node;
  return TRUE;
}

static gboolean
on_element (Stream *stream, Node *node, StreamEvent *event)
{
  if (node_is (node, "features", NS_STREAM))
    return on_features (stream, node, event);
  if (node_is (node, "error", NS_STREAM))
    {
      break_stream (stream, condition_of (node), TRUE);
      send_close (stream);
      node_free (node);
      return FALSE;
    }
  event->type = STREAM_STANZA;
  event->node = node;
  return TRUE;
}

static gboolean
on_close (Stream *stream, StreamEvent *event)
{
  send_close (stream);
  stream->peer_closed = TRUE;
  event->type = STREAM_CLOSED;
  return TRUE;
}

/* FALSE: nothing that the owner is told. */
static gboolean
on_event (Stream *stream, ReaderEvent *from, StreamEvent *event)
{
  gboolean told;

  switch (from->type)
    {
    case READER_OPEN:
      told = on_open (stream, from->node, event);
      node_free (from->node);
      return told;
    case READER_ELEMENT:
      event->surplus = from->bytes_consumed != reader_position (stream->reader);
      return on_element (stream, from->node, event);
    case READER_CLOSE:
      return on_close (stream, event);
    }
  return FALSE;
}

void
stream_push (Stream *stream, const void *bytes, gsize len)
{
  if (!stream_is_closed (stream))
    reader_push (stream->reader, bytes, len, NULL);
}

static gboolean
take_failure (Stream *stream, StreamEvent *event)
{
  if (!stream->failed_due)
    return FALSE;
  stream->failed_due = FALSE;
  event->type = STREAM_FAILED;
  event->condition = stream->failure;
  event->by_peer = stream->by_peer;
  return TRUE;
}

gboolean
stream_next (Stream *stream, StreamEvent *event)
{
  g_autoptr (GError) error = NULL;
  ReaderEvent next;

  *event = (StreamEvent){ 0 };
  if (stream->ready_due)
    {
      stream->ready_due = FALSE;
      event->type = STREAM_READY;
      return TRUE;
    }
  while (!stream_is_closed (stream) && reader_next (stream->reader, &next))
    if (on_event (stream, &next, event))
      return TRUE;
  if (!stream_is_closed (stream) && !reader_push (stream->reader, NULL, 0, &error))
    stream_fail (stream, reader_error_condition (error->code), NULL);
  return take_failure (stream, event);
}

GBytes *
stream_take_output (Stream *stream)
{
  if (stream->output == NULL || stream->output->len == 0)
    return NULL;
  return g_string_free_to_bytes (g_steal_pointer (&stream->output));
}

gboolean
stream_has_output (Stream *stream)
{
  return stream->output != NULL && stream->output->len > 0;
}

gboolean
stream_is_ending (Stream *stream)
{
  return stream->close_sent;
}

const char *
stream_peer_from (Stream *stream)
{
  return stream->peer_from;
}

const char *
stream_peer_to (Stream *stream)
{
  return stream->peer_to;
}

gboolean
stream_peer_is_1_0 (Stream *stream)
{
  return stream->header_received && stream->peer_is_1_0;
}

static void
replace (char **at, const char *text)
{
  char *copy = g_strdup (text);

  g_free (*at);
  *at = copy;
}

void
stream_accept (Stream *stream, const char *from, const char *to)
{
  g_return_if_fail (stream->role == STREAM_RESPONDER);

  if (!stream->header_received || stream->header_sent || stream_is_closed (stream))
    return;
  replace (&stream->from, from);
  replace (&stream->to, to);
  send_header (stream);
  if (stream->peer_is_1_0)
    writer_append (output (stream), stream->features, NS_CLIENT);
  set_ready (stream);
}

void
stream_skip_features (Stream *stream)
{
  if (stream->role == STREAM_INITIATOR && stream->header_received && !stream_is_closed (stream))
    set_ready (stream);
}

gboolean
stream_is_ready (Stream *stream)
{
  return stream->ready && !stream->close_sent && !stream_is_closed (stream);
}

gboolean
stream_send (Stream *stream, const Node *node)
{
  if (!stream_is_ready (stream))
    return FALSE;
  writer_append (output (stream), node, NS_CLIENT);
  return TRUE;
}

gboolean
stream_send_bytes (Stream *stream, const char *xml, gsize len)
{
  if (!stream_is_ready (stream))
    return FALSE;
  g_string_append_len (output (stream), xml, len);
  return TRUE;
}

void
stream_close (Stream *stream)
{
  if (!stream_is_closed (stream))
    send_close (stream);
}

gboolean
stream_is_closed (Stream *stream)
{
  return stream->peer_closed || stream->failure != NULL;
}
