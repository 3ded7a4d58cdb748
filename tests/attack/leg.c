/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "leg.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "secure/fingerprint.h"
#include "secure/prologue.h"
#include "tell.h"
#include "xmpp/ns.h"
#include "xmpp/writer.h"

#define CHUNK 16384

Leg *
leg_new (int fd, const guint8 secret[X25519_KEY])
{
  Leg *leg = g_new0 (Leg, 1);

  leg->fd = fd;
  memcpy (leg->secret, secret, X25519_KEY);
  leg->prologue = g_new (Prologue, 1);
  prologue_init (leg->prologue);
  leg->reader = reader_new (&reader_default_limits);
  leg->in = g_byte_array_new ();
  leg->open = g_byte_array_new ();
  leg->element = g_byte_array_new ();
  return leg;
}

void
leg_free (Leg *leg)
{
  close (leg->fd);
  g_free (leg->own);
  g_free (leg->peer);
  g_free (leg->prologue);
  record_sealer_free (leg->sealer);
  record_opener_free (leg->opener);
  reader_free (leg->reader);
  g_byte_array_unref (leg->in);
  g_byte_array_unref (leg->open);
  g_byte_array_unref (leg->element);
  g_free (leg);
}

/* Sockets -------------------------------------------------------------------------------------------------
 */

static gboolean
write_all (Leg *leg, const void *bytes, gsize len)
{
  const guint8 *at = bytes;

  while (len > 0)
    {
      ssize_t written = send (leg->fd, at, len, MSG_NOSIGNAL);

      if (written < 0 && errno != EINTR)
        return FALSE;
      at += MAX (written, 0);
      len -= (gsize)MAX (written, 0);
    }
  return TRUE;
}

/* Appends what one recv() gives. */
static gboolean
receive (Leg *leg)
{
  guint8 bytes[CHUNK];
  ssize_t len = recv (leg->fd, bytes, sizeof bytes, 0);

  if (len > 0)
    g_byte_array_append (leg->in, bytes, (guint)len);
  return len > 0;
}

static gboolean
refuse (GError **error, const char *why)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, why);
  return FALSE;
}

/* In clear ------------------------------------------------------------------------------------------------
 */

static gboolean
write_clear (Leg *leg, const char *xml)
{
  prologue_add (leg->prologue, leg->role == NOISE_INITIATOR ? PROLOGUE_INITIATOR : PROLOGUE_RESPONDER, xml,
                strlen (xml));
  return write_all (leg, xml, strlen (xml));
}

/* Byte by byte, so that what stands behind the element stays in leg->in. NULL: the connection is gone, or it
 * is no XML. */
static Node *
read_clear (Leg *leg, GByteArray *all)
{
  PrologueSide sender = leg->role == NOISE_INITIATOR ? PROLOGUE_RESPONDER : PROLOGUE_INITIATOR;
  ReaderEvent event;

  while (leg->in->len > 0 || receive (leg))
    {
      guint8 byte = leg->in->data[0];

      g_byte_array_remove_index (leg->in, 0);
      g_byte_array_append (all, &byte, 1);
      prologue_add (leg->prologue, sender, &byte, 1);
      if (!reader_push (leg->reader, &byte, 1, NULL))
        return NULL;
      if (reader_next (leg->reader, &event))
        return event.node;
    }
  return NULL;
}

/* The next element is @name of @ns; the error has what came instead. */
static Node *
expect (Leg *leg, const char *name, const char *ns, GError **error)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  g_autoptr (Node) node = read_clear (leg, all);
  g_autofree char *text
      = all->len > 0 ? g_utf8_make_valid ((const char *)all->data, all->len) : g_strdup ("");

  if (node != NULL && node_is (node, name, ns))
    return g_steal_pointer (&node);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "in clear: %s", text);
  return NULL;
}

static char *
header (const Leg *leg)
{
  GString *out = g_string_new (NULL);

  writer_append_header (out, leg->own, leg->peer, NULL, TRUE);
  return g_string_free (out, FALSE);
}

/* The handshake -------------------------------------------------------------------------------------------
 */

static void
fill_random (void *bytes, gsize len, gpointer data)
{
  randombytes_buf (bytes, len);
}

static gboolean
write_output (Leg *leg, Handshake *handshake)
{
  g_autoptr (GBytes) out = handshake_take_output (handshake);
  gsize len;
  gconstpointer data = out != NULL ? g_bytes_get_data (out, &len) : NULL;

  return data == NULL || write_all (leg, data, len);
}

static void
enter_inner_stream (Leg *leg)
{
  reader_free (leg->reader);
  leg->reader = reader_new (&reader_default_limits);
}

static gboolean
shake_hands (Leg *leg, GError **error)
{
  guint8 prologue[PROLOGUE_SIZE];
  NoiseConfig config = { .role = leg->role,
                         .prologue = prologue,
                         .prologue_len = sizeof prologue,
                         .static_secret = leg->secret,
                         .fill_random = fill_random };
  g_autoptr (Handshake) handshake = NULL;
  gsize used;

  prologue_finish (leg->prologue, prologue);
  handshake = handshake_new (&config, error);
  if (handshake == NULL)
    return FALSE;
  while (write_output (leg, handshake) && !handshake_is_done (handshake))
    {
      if (leg->in->len == 0 && !receive (leg))
        return refuse (error, "the connection ended in the handshake");
      if (!handshake_push (handshake, leg->in->data, leg->in->len, &used, error))
        return FALSE;
      g_byte_array_remove_range (leg->in, 0, (guint)used);
    }
  if (!handshake_split (handshake, &leg->sealer, &leg->opener, error))
    return FALSE;
  memcpy (leg->hash, handshake_hash (handshake), SYMMETRIC_HASH);
  memcpy (leg->local, handshake_local_static (handshake), X25519_KEY);
  memcpy (leg->remote, handshake_remote_static (handshake), X25519_KEY);
  enter_inner_stream (leg);
  return TRUE;
}

gboolean
leg_call (Leg *leg, const char *own, const char *peer, GError **error)
{
  g_autoptr (Node) their_header = NULL;
  g_autoptr (Node) features = NULL;
  g_autoptr (Node) proceed = NULL;
  g_autofree char *ours = NULL;

  leg->role = NOISE_INITIATOR;
  leg->own = g_strdup (own);
  leg->peer = g_strdup (peer);
  ours = header (leg);
  if (!write_clear (leg, ours))
    return refuse (error, "the connection ended before the headers");
  their_header = expect (leg, "stream", NS_STREAM, error);
  if (their_header == NULL)
    return FALSE;
  if (leg->peer == NULL)
    leg->peer = g_strdup (node_get (their_header, "from"));
  features = expect (leg, "features", NS_STREAM, error);
  if (features == NULL)
    return FALSE;
  if (node_child (features, "noise", LEG_NS) == NULL)
    return refuse (error, "no encryption is offered");
  if (!write_clear (leg, leg->bytes ? "<start xmlns='" LEG_NS "' protocol='" NOISE_PROTOCOL "' purpose='bytes'/>"
                                    : "<start xmlns='" LEG_NS "' protocol='" NOISE_PROTOCOL "'/>"))
    return refuse (error, "the connection ended before <start/>");
  proceed = expect (leg, "proceed", LEG_NS, error);
  return proceed != NULL && shake_hands (leg, error);
}

gboolean
leg_answer (Leg *leg, const char *own, GError **error)
{
  g_autoptr (Node) their_header = NULL;
  g_autoptr (Node) start = NULL;
  g_autofree char *ours = NULL;

  leg->role = NOISE_RESPONDER;
  their_header = expect (leg, "stream", NS_STREAM, error);
  if (their_header == NULL)
    return FALSE;
  leg->own = g_strdup (own != NULL ? own : node_get (their_header, "to"));
  leg->peer = g_strdup (node_get (their_header, "from"));
  ours = header (leg);
  if (!write_clear (leg, ours)
      || !write_clear (leg, "<stream:features><noise xmlns='" LEG_NS "'><protocol>" NOISE_PROTOCOL
                            "</protocol></noise></stream:features>"))
    return refuse (error, "the connection ended before <start/>");
  start = expect (leg, "start", LEG_NS, error);
  leg->bytes = start != NULL && g_strcmp0 (node_get (start, "purpose"), "bytes") == 0;
  return start != NULL && write_clear (leg, "<proceed xmlns='" LEG_NS "'/>") && shake_hands (leg, error);
}

/* Records -------------------------------------------------------------------------------------------------
 */

gboolean
leg_send (Leg *leg, const void *bytes, gsize len)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  const guint8 *at = bytes;

  while (len > 0)
    {
      gsize part = MIN (len, RECORD_CONTENT);

      if (!record_seal (leg->sealer, RECORD_DATA, at, part, out, NULL))
        return FALSE;
      at += part;
      len -= part;
    }
  return write_all (leg, out->data, out->len);
}

gboolean
leg_say (Leg *leg, const char *xml)
{
  return leg_send (leg, xml, strlen (xml));
}

void
leg_close (Leg *leg)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();

  if (record_seal_close (leg->sealer, 0, out, NULL))
    write_all (leg, out->data, out->len);
  shutdown (leg->fd, SHUT_WR);
}

gboolean
leg_read (Leg *leg)
{
  return receive (leg);
}

/* TRUE: an element is complete with this byte. FALSE: not yet, or it is no XML, which shows by elements that
 * do not come. */
static gboolean
push_inner (Leg *leg, guint8 byte, LegEvent *event)
{
  ReaderEvent next;

  g_byte_array_append (leg->element, &byte, 1);
  reader_push (leg->reader, &byte, 1, NULL);
  if (!reader_next (leg->reader, &next))
    return FALSE;
  *event = (LegEvent){ .type = LEG_ELEMENT,
                       .kind = next.type,
                       .node = next.node,
                       .bytes = g_byte_array_free_to_bytes (leg->element) };
  leg->element = g_byte_array_new ();
  return TRUE;
}

static gboolean
take_open (Leg *leg, LegEvent *event)
{
  while (leg->taken < leg->open->len)
    if (push_inner (leg, leg->open->data[leg->taken++], event))
      return TRUE;
  g_byte_array_set_size (leg->open, 0);
  leg->taken = 0;
  return FALSE;
}

void
leg_next (Leg *leg, LegEvent *event)
{
  g_autoptr (GError) error = NULL;
  RecordEvent record;

  *event = (LegEvent){ .type = LEG_WAIT };
  record_opener_push (leg->opener, leg->in->data, leg->in->len);
  g_byte_array_set_size (leg->in, 0);
  while (!take_open (leg, event))
    {
      if (!record_opener_next (leg->opener, &record, &error))
        {
          event->type = error != NULL ? LEG_CUT : LEG_WAIT;
          return;
        }
      if (record.type == RECORD_CLOSE)
        {
          event->type = LEG_CLOSED;
          return;
        }
      g_byte_array_append (leg->open, record.content, (guint)record.len);
    }
}

LegEventType
leg_next_content (Leg *leg, GByteArray **content)
{
  g_autoptr (GError) error = NULL;
  RecordEvent record;

  record_opener_push (leg->opener, leg->in->data, leg->in->len);
  g_byte_array_set_size (leg->in, 0);
  if (!record_opener_next (leg->opener, &record, &error))
    return error != NULL ? LEG_CUT : LEG_WAIT;
  if (record.type == RECORD_CLOSE)
    return LEG_CLOSED;
  *content = g_byte_array_append (g_byte_array_new (), record.content, (guint)record.len);
  return LEG_ELEMENT;
}

void
leg_event_clear (LegEvent *event)
{
  g_clear_pointer (&event->bytes, g_bytes_unref);
  g_clear_pointer (&event->node, node_free);
}

/* What it is ----------------------------------------------------------------------------------------------
 */

SasStream
leg_sas (const Leg *leg)
{
  gboolean first = leg->role == NOISE_INITIATOR;

  return (SasStream){ .hash = leg->hash,
                      .initiator = first ? leg->local : leg->remote,
                      .responder = first ? leg->remote : leg->local };
}

void
leg_tell (const Leg *leg, gint64 connection)
{
  char ours[FINGERPRINT_SIZE], theirs[FINGERPRINT_SIZE];

  fingerprint_make (leg->local, ours);
  fingerprint_make (leg->remote, theirs);
  tell ("secure", "connection:i", connection, "role:s",
        leg->role == NOISE_INITIATOR ? "initiator" : "responder", "own:s", leg->own, "peer:s", leg->peer,
        "fingerprint:s", ours, "peer_fingerprint:s", theirs, NULL);
}
