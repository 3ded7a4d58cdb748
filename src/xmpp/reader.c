/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xmpp/reader.h"

#include <expat.h>
#include <string.h>

#include "base/limits.h"

/* Between namespace and name in what expat reports: no character of XML, so no name can hold it. */
#define SEPARATOR '\f'

/* Expat keeps each name it ever saw. A new parser, which is shown the header again, bounds that. */
#define RENEW_AFTER (4 * 1024 * 1024)

/* Where the scanner stands. Expat starts each unfinished token anew whenever it is given more, which is
 * quadratic; so it only gets whole tokens, and these states find their ends. They need not know more: what is
 * wrong is found by expat. */
typedef enum
{
  SCAN_TEXT,
  SCAN_REFERENCE, /* & */
  SCAN_LESS,      /* < */
  SCAN_TAG,
  SCAN_SINGLE, /* a value in '' */
  SCAN_DOUBLE, /* a value in "" */
  SCAN_BANG,   /* <! */
  SCAN_CDATA_OPEN,
  SCAN_CDATA,
  SCAN_INSTRUCTION, /* <? */
  SCAN_RESTRICTED,  /* <! that is no CDATA: stays here */
} ScanState;

typedef struct
{
  ScanState state;
  guint run; /* CDATA: how many ] in a row; INSTRUCTION: 1 after ?; CDATA_OPEN: how far */
} Scan;

struct _Reader
{
  ReaderLimits limits;
  XML_Parser parser;
  GError *error;

  GArray *events; /* ReaderEvent */
  guint taken;

  Node **open; /* of the present top-level element: open[1], its child open[2] … */
  guint depth;
  GString *text;    /* not yet in a node */
  guint nodes;      /* below the top-level element */
  guint namespaces; /* declared on the element that comes next */
  char *default_ns; /* of the header */
  gboolean closed;
  gsize closed_at;

  Scan scan;
  GByteArray *held;    /* a token that is not complete */
  gsize fed;           /* bytes given to expat */
  gsize element_start; /* of the present top-level element */

  GByteArray *header; /* the bytes up to the end of the header, for a new parser */
  gsize base;         /* position of the present parser's first byte; it wraps below zero */
  gboolean renewing;
};

const ReaderLimits reader_default_limits = {
  .max_before_open = LIMIT_BEFORE_OPEN,
  .max_element = LIMIT_STANZA,
  .max_depth = LIMIT_DEPTH,
};

static const struct
{
  const char *condition;
  const char *message;
} errors[] = {
  [READER_ERROR_NOT_WELL_FORMED] = { "not-well-formed", "the peer's XML is not well-formed" },
  [READER_ERROR_RESTRICTED_XML]
  = { "restricted-xml", "the peer's XML has parts that a stream must not have" },
  [READER_ERROR_UNSUPPORTED_ENCODING] = { "unsupported-encoding", "the peer's XML is not UTF-8" },
  [READER_ERROR_POLICY_VIOLATION] = { "policy-violation", "the peer's XML is larger than allowed" },
  [READER_ERROR_INVALID_XML] = { "invalid-xml", "the peer sent something between its stanzas" },
};

G_DEFINE_QUARK (hearby - reader - error - quark, reader_error)

const char *
reader_error_condition (ReaderErrorCode code)
{
  g_return_val_if_fail (code < G_N_ELEMENTS (errors), "undefined-condition");
  return errors[code].condition;
}

static void
fail (Reader *reader, ReaderErrorCode code)
{
  if (reader->error == NULL)
    g_set_error_literal (&reader->error, READER_ERROR, code, errors[code].message);
  XML_StopParser (reader->parser, XML_FALSE);
}

/* After XML_StopParser() expat may still call a handler or two. */
static gboolean
is_over (const Reader *reader)
{
  return reader->error != NULL || reader->closed;
}

static gsize
event_start (const Reader *reader)
{
  return reader->base + (gsize) XML_GetCurrentByteIndex (reader->parser);
}

static gsize
event_end (const Reader *reader)
{
  return event_start (reader) + (gsize) XML_GetCurrentByteCount (reader->parser);
}

static void
queue (Reader *reader, ReaderEventType type, Node *node)
{
  ReaderEvent event = { type, node, event_end (reader) };

  g_array_append_val (reader->events, event);
}

/* "NAMESPACE SEPARATOR NAME" or "NAME" */
typedef struct
{
  const char *ns; /* NULL: none */
  gsize ns_len;
  const char *name;
} QName;

static gboolean
split_name (const char *both, QName *qname)
{
  const char *separator = strchr (both, SEPARATOR);

  qname->ns = separator != NULL ? both : NULL;
  qname->ns_len = separator != NULL ? (gsize) (separator - both) : 0;
  qname->name = separator != NULL ? separator + 1 : both;
  return qname->ns_len <= LIMIT_NAME && strlen (qname->name) <= LIMIT_NAME;
}

/* The element that expat reports, or NULL where it is larger than allowed. */
static Node *
build_node (const char *name, const char **attributes)
{
  g_autoptr (Node) node = NULL;
  QName qname;

  if (!split_name (name, &qname))
    return NULL;
  node = g_new0 (Node, 1);
  node->name = g_strdup (qname.name);
  node->ns = g_strndup (qname.ns, qname.ns_len);
  for (guint n = 0; attributes[2 * n] != NULL; n++)
    {
      if (n == LIMIT_ATTRIBUTES || !split_name (attributes[2 * n], &qname))
        return NULL;
      node_add_attribute (node, qname.name, -1, qname.ns, (gssize) qname.ns_len, attributes[2 * n + 1]);
    }
  return g_steal_pointer (&node);
}

/* Counts one more node below the top-level element. */
static gboolean
count_node (Reader *reader)
{
  if (reader->nodes == LIMIT_CHILDREN)
    {
      fail (reader, READER_ERROR_POLICY_VIOLATION);
      return FALSE;
    }
  reader->nodes++;
  return TRUE;
}

static gboolean
flush_text (Reader *reader)
{
  Node *text;

  if (reader->text->len == 0)
    return TRUE;
  if (!count_node (reader))
    return FALSE;
  text = g_new0 (Node, 1);
  text->text = g_strndup (reader->text->str, reader->text->len);
  g_string_truncate (reader->text, 0);
  node_take_child (reader->open[reader->depth - 1], text);
  return TRUE;
}

static void
open_stream (Reader *reader, Node *header)
{
  if (reader->default_ns != NULL)
    node_set (header, "xmlns", reader->default_ns);
  queue (reader, READER_OPEN, header);
  reader->depth = 1;
  g_byte_array_set_size (reader->header, event_end (reader));
}

static void
open_element (Reader *reader, Node *node)
{
  if (reader->depth == 1)
    {
      reader->element_start = event_start (reader);
      reader->nodes = 0;
    }
  else
    node_take_child (reader->open[reader->depth - 1], node);
  reader->open[reader->depth++] = node;
}

static void XMLCALL
on_start (void *data, const char *name, const char **attributes)
{
  Reader *reader = data;
  gboolean too_deep = reader->depth >= reader->limits.max_depth;
  Node *node;

  reader->namespaces = 0;
  if (reader->renewing)
    {
      reader->depth = 1;
      return;
    }
  if (is_over (reader) || (reader->depth > 1 && (!flush_text (reader) || !count_node (reader))))
    return;
  node = too_deep ? NULL : build_node (name, attributes);
  if (node == NULL)
    fail (reader, READER_ERROR_POLICY_VIOLATION);
  else if (reader->depth == 0)
    open_stream (reader, node);
  else
    open_element (reader, node);
}

static void XMLCALL
on_end (void *data, const char *name)
{
  Reader *reader = data;

  if (is_over (reader) || (reader->depth > 1 && !flush_text (reader)))
    return;
  reader->depth--;
  if (reader->depth == 1)
    queue (reader, READER_ELEMENT, g_steal_pointer (&reader->open[1]));
  if (reader->depth > 0)
    return;
  queue (reader, READER_CLOSE, NULL);
  reader->closed_at = event_end (reader);
  reader->closed = TRUE;
  XML_StopParser (reader->parser, XML_FALSE);
}

static gboolean
is_white (const char *bytes, gsize len)
{
  for (gsize i = 0; i < len; i++)
    if (strchr (" \t\r\n", bytes[i]) == NULL || bytes[i] == '\0')
      return FALSE;
  return TRUE;
}

static void XMLCALL
on_text (void *data, const char *text, int len)
{
  Reader *reader = data;

  if (is_over (reader))
    return;
  if (reader->depth > 1)
    g_string_append_len (reader->text, text, len);
  else if (!is_white (text, len))
    fail (reader, READER_ERROR_INVALID_XML);
}

static void XMLCALL
on_namespace (void *data, const char *prefix, const char *uri)
{
  Reader *reader = data;

  if (reader->renewing || is_over (reader))
    return;
  if (++reader->namespaces > LIMIT_NAMESPACES || (prefix != NULL && strlen (prefix) > LIMIT_NAME)
      || (uri != NULL && strlen (uri) > LIMIT_NAME))
    fail (reader, READER_ERROR_POLICY_VIOLATION);
  else if (reader->depth == 0 && prefix == NULL)
    {
      g_free (reader->default_ns);
      reader->default_ns = g_strdup (uri != NULL ? uri : "");
    }
}

static void XMLCALL
on_declaration (void *data, const char *version, const char *encoding, int standalone)
{
  Reader *reader = data;

  if (encoding != NULL && g_ascii_strcasecmp (encoding, "UTF-8") != 0)
    fail (reader, READER_ERROR_UNSUPPORTED_ENCODING);
}

static void XMLCALL
on_doctype (void *data, const char *name, const char *system_id, const char *public_id, int internal)
{
  fail (data, READER_ERROR_RESTRICTED_XML);
}

static void XMLCALL
on_comment (void *data, const char *text)
{
  fail (data, READER_ERROR_RESTRICTED_XML);
}

static void XMLCALL
on_instruction (void *data, const char *target, const char *text)
{
  fail (data, READER_ERROR_RESTRICTED_XML);
}

static void XMLCALL
on_entity (void *data, const char *name, int is_parameter, const char *value, int value_len, const char *base,
           const char *system_id, const char *public_id, const char *notation)
{
  fail (data, READER_ERROR_RESTRICTED_XML);
}

static void XMLCALL
on_skipped_entity (void *data, const char *name, int is_parameter)
{
  fail (data, READER_ERROR_RESTRICTED_XML);
}

static ReaderErrorCode
code_of_expat (enum XML_Error error)
{
  static const struct
  {
    enum XML_Error expat;
    ReaderErrorCode code;
  } codes[] = {
    { XML_ERROR_UNDEFINED_ENTITY, READER_ERROR_RESTRICTED_XML },
    { XML_ERROR_MISPLACED_XML_PI, READER_ERROR_RESTRICTED_XML },
    { XML_ERROR_UNKNOWN_ENCODING, READER_ERROR_UNSUPPORTED_ENCODING },
    { XML_ERROR_INCORRECT_ENCODING, READER_ERROR_UNSUPPORTED_ENCODING },
    { XML_ERROR_NO_MEMORY, READER_ERROR_POLICY_VIOLATION },
    { XML_ERROR_AMPLIFICATION_LIMIT_BREACH, READER_ERROR_POLICY_VIOLATION },
  };

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    if (codes[i].expat == error)
      return codes[i].code;
  return READER_ERROR_NOT_WELL_FORMED;
}

static XML_Parser
make_parser (Reader *reader)
{
  XML_Parser parser = XML_ParserCreateNS ("UTF-8", SEPARATOR);

  if (parser == NULL)
    g_error ("out of memory");
#ifdef HAVE_REPARSE_DEFERRAL
  XML_SetReparseDeferralEnabled (parser,
                                 XML_FALSE); /* the scanner does it, and knows when a token is complete */
#endif
  XML_SetUserData (parser, reader);
  XML_SetElementHandler (parser, on_start, on_end);
  XML_SetCharacterDataHandler (parser, on_text);
  XML_SetStartNamespaceDeclHandler (parser, on_namespace);
  XML_SetXmlDeclHandler (parser, on_declaration);
  XML_SetStartDoctypeDeclHandler (parser, on_doctype);
  XML_SetCommentHandler (parser, on_comment);
  XML_SetProcessingInstructionHandler (parser, on_instruction);
  XML_SetEntityDeclHandler (parser, on_entity);
  XML_SetSkippedEntityHandler (parser, on_skipped_entity);
  return parser;
}

Reader *
reader_new (const ReaderLimits *limits)
{
  Reader *reader = g_new0 (Reader, 1);

  reader->limits = *limits;
  reader->events = g_array_new (FALSE, FALSE, sizeof (ReaderEvent));
  reader->open = g_new0 (Node *, limits->max_depth + 2);
  reader->text = g_string_new (NULL);
  reader->held = g_byte_array_new ();
  reader->header = g_byte_array_new ();
  reader->parser = make_parser (reader);
  return reader;
}

void
reader_free (Reader *reader)
{
  ReaderEvent event;

  if (reader == NULL)
    return;
  while (reader_next (reader, &event))
    node_free (event.node);
  node_free (reader->open[1]);
  XML_ParserFree (reader->parser);
  g_array_unref (reader->events);
  g_free (reader->open);
  g_string_free (reader->text, TRUE);
  g_byte_array_unref (reader->held);
  g_byte_array_unref (reader->header);
  g_free (reader->default_ns);
  g_clear_error (&reader->error);
  g_free (reader);
}

/* Only between two top-level elements. */
static void
renew_parser (Reader *reader)
{
  XML_ParserFree (reader->parser);
  reader->parser = make_parser (reader);
  reader->base = reader->fed - reader->header->len;
  reader->renewing = TRUE;
  XML_Parse (reader->parser, (const char *) reader->header->data, (int) reader->header->len, 0);
  reader->renewing = FALSE;
}

static void
check_rest (Reader *reader, const guint8 *bytes, gsize len)
{
  if (reader->error == NULL && !is_white ((const char *) bytes, len))
    fail (reader, READER_ERROR_INVALID_XML);
}

static void
feed (Reader *reader, const guint8 *bytes, gsize len)
{
  enum XML_Status status;

  if (len == 0)
    return;
  if (reader->depth == 0)
    g_byte_array_append (reader->header, bytes, len);
  reader->fed += len;
  status = XML_Parse (reader->parser, (const char *) bytes, (int) len, 0);
  if (reader->closed)
    check_rest (reader, bytes + len - (reader->fed - reader->closed_at), reader->fed - reader->closed_at);
  else if (reader->error == NULL && status == XML_STATUS_ERROR)
    fail (reader, code_of_expat (XML_GetErrorCode (reader->parser)));
  else if (reader->error == NULL && reader->depth == 1 && bytes[len - 1] == '>'
           && reader->fed - reader->base > RENEW_AFTER)
    renew_parser (reader);
}

/* One byte on. A '<' where none may be ends the token, so that expat sees it. */
static void
scan_byte (Scan *scan, guint8 c)
{
  static const char cdata[] = "[CDATA[";

  switch (scan->state)
    {
    case SCAN_TEXT:
      scan->state = c == '<' ? SCAN_LESS : c == '&' ? SCAN_REFERENCE : SCAN_TEXT;
      break;
    case SCAN_REFERENCE:
      if (c == ';' || c == '<' || c == '&' || c <= ' ')
        scan->state = SCAN_TEXT;
      break;
    case SCAN_LESS:
      scan->run = 0;
      scan->state = c == '!' ? SCAN_BANG : c == '?' ? SCAN_INSTRUCTION : c == '>' ? SCAN_TEXT : SCAN_TAG;
      break;
    case SCAN_TAG:
      if (c == '>' || c == '<')
        scan->state = SCAN_TEXT;
      else if (c == '\'' || c == '"')
        scan->state = c == '"' ? SCAN_DOUBLE : SCAN_SINGLE;
      break;
    case SCAN_SINGLE:
    case SCAN_DOUBLE:
      if (c == (scan->state == SCAN_SINGLE ? '\'' : '"'))
        scan->state = SCAN_TAG;
      else if (c == '<')
        scan->state = SCAN_TEXT;
      break;
    case SCAN_BANG:
      scan->run = 1;
      scan->state = c == '[' ? SCAN_CDATA_OPEN : SCAN_RESTRICTED;
      break;
    case SCAN_CDATA_OPEN:
      if (c != cdata[scan->run])
        scan->state = SCAN_RESTRICTED;
      else if (cdata[++scan->run] == '\0')
        *scan = (Scan){ SCAN_CDATA, 0 };
      break;
    case SCAN_CDATA:
      if (c == '>' && scan->run >= 2)
        scan->state = SCAN_TEXT;
      scan->run = c == ']' ? scan->run + 1 : 0;
      break;
    case SCAN_INSTRUCTION:
      if (c == '>' && scan->run == 1)
        scan->state = SCAN_TEXT;
      scan->run = c == '?';
      break;
    case SCAN_RESTRICTED:
      break;
    }
}

/* How many of @bytes leave the most usual states as they are. */
static gsize
uneventful (ScanState state, const guint8 *bytes, gsize len)
{
  gsize i = 0;

  if (state == SCAN_TEXT)
    while (i < len && bytes[i] != '<' && bytes[i] != '&')
      i++;
  else if (state == SCAN_TAG)
    while (i < len && bytes[i] != '>' && bytes[i] != '<' && bytes[i] != '\'' && bytes[i] != '"')
      i++;
  else if (state == SCAN_SINGLE || state == SCAN_DOUBLE)
    while (i < len && bytes[i] != '\'' && bytes[i] != '"' && bytes[i] != '<')
      i++;
  return i;
}

/* How many of @bytes expat may have now: all but an unfinished token at the end. */
static gsize
scan_bytes (Scan *scan, const guint8 *bytes, gsize len)
{
  gsize whole = 0;

  for (gsize i = 0; i < len && scan->state != SCAN_RESTRICTED; i++)
    {
      i += uneventful (scan->state, bytes + i, len - i - 1);
      if (scan->state == SCAN_TEXT)
        whole = i;
      scan_byte (scan, bytes[i]);
      if (scan->state == SCAN_TEXT || scan->state == SCAN_CDATA)
        whole = i + 1;
    }
  return whole;
}

/* Expat would take a UTF-16 byte order mark, or a NUL beside the first byte, for a reason to change the
 * encoding. */
static gboolean
is_other_encoding (const Reader *reader, const guint8 *bytes, gsize len)
{
  gsize before = reader->fed + reader->held->len;

  for (gsize i = 0; before + i < 2 && i < len; i++)
    if (bytes[i] == 0xfe || bytes[i] == 0xff || bytes[i] == 0)
      return TRUE;
  return FALSE;
}

/* @len bytes that are within the limits as far as that is known. */
static void
process (Reader *reader, const guint8 *bytes, gsize len)
{
  gsize whole;

  if (is_other_encoding (reader, bytes, len))
    {
      fail (reader, READER_ERROR_UNSUPPORTED_ENCODING);
      return;
    }
  whole = scan_bytes (&reader->scan, bytes, len);
  if (whole > 0 && reader->held->len > 0)
    {
      g_byte_array_append (reader->held, bytes, whole);
      feed (reader, reader->held->data, reader->held->len);
      g_byte_array_set_size (reader->held, 0);
    }
  else
    feed (reader, bytes, whole);
  if (reader->closed)
    check_rest (reader, bytes + whole, len - whole);
  else if (reader->error == NULL && reader->scan.state == SCAN_RESTRICTED)
    fail (reader, READER_ERROR_RESTRICTED_XML);
  else if (reader->error == NULL)
    g_byte_array_append (reader->held, bytes + whole, len - whole);
}

/* How many more bytes may come before the header or the present top-level element is above its limit. */
static gsize
room (const Reader *reader)
{
  gsize position = reader->fed + reader->held->len;

  if (reader->depth == 0)
    return reader->limits.max_before_open - position;
  if (reader->depth == 1)
    return reader->limits.max_element - reader->held->len;
  return reader->element_start + reader->limits.max_element - position;
}

gboolean
reader_push (Reader *reader, const void *bytes, gsize len, GError **error)
{
  const guint8 *at = bytes;

  while (len > 0 && reader->error == NULL)
    {
      gsize part = reader->closed ? len : MIN (len, room (reader));

      if (part == 0)
        fail (reader, READER_ERROR_POLICY_VIOLATION);
      else if (reader->closed)
        check_rest (reader, at, part);
      else
        process (reader, at, part);
      at += part;
      len -= part;
    }
  if (reader->error == NULL)
    return TRUE;
  g_propagate_error (error, g_error_copy (reader->error));
  return FALSE;
}

gboolean
reader_next (Reader *reader, ReaderEvent *event)
{
  if (reader->taken == reader->events->len)
    return FALSE;
  *event = g_array_index (reader->events, ReaderEvent, reader->taken++);
  if (reader->taken == reader->events->len)
    {
      g_array_set_size (reader->events, 0);
      reader->taken = 0;
    }
  return TRUE;
}

gsize
reader_position (const Reader *reader)
{
  return reader->fed + reader->held->len;
}
