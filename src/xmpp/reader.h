/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "xmpp/node.h"

/* Bytes of an XML stream → open · element · close, by expat, namespaces resolved. No I/O.
 * XML is restricted (RFC 6120 11.1): a DOCTYPE, comment, processing instruction or entity of one's own breaks the
 * stream, as do another encoding than UTF-8 and everything above base/limits.h. Input is counted between element
 * boundaries, so an attribute without end is cut at the limit although expat never reports it. */

typedef struct _Reader Reader;

typedef enum
{
  READER_OPEN,    /* the stream header; @node has its name, namespace, attributes, and as "xmlns" its default one */
  READER_ELEMENT, /* a whole top-level element */
  READER_CLOSE,   /* </stream:stream> */
} ReaderEventType;

typedef struct
{
  ReaderEventType type;
  Node           *node;            /* owned by whoever took the event; NULL for CLOSE */
  gsize           bytes_consumed;  /* of all input, through the '>' that ended this event */
} ReaderEvent;

/* Why a stream is broken: an RFC 6120 4.9.3 condition each. */
#define READER_ERROR (reader_error_quark ())
GQuark reader_error_quark (void);
typedef enum
{
  READER_ERROR_NOT_WELL_FORMED,
  READER_ERROR_RESTRICTED_XML,
  READER_ERROR_UNSUPPORTED_ENCODING,
  READER_ERROR_POLICY_VIOLATION, /* a limit */
  READER_ERROR_INVALID_XML,      /* text between stanzas that is no white space, bytes after the end. Where that text
                                    is ill-formed as well, it depends on the slices which of the two is reported */
} ReaderErrorCode;

/* reader_error_condition: the element's name, "not-well-formed" */
const char *reader_error_condition (ReaderErrorCode code);

typedef struct
{
  gsize max_before_open; /* bytes up to the end of the header; LIMIT_BEFORE_OPEN */
  gsize max_element;     /* bytes of one top-level element; LIMIT_STANZA */
  guint max_depth;       /* elements open at once, the stream's own counted; LIMIT_DEPTH */
} ReaderLimits;

extern const ReaderLimits reader_default_limits;

Reader *reader_new (const ReaderLimits *limits);
void    reader_free (Reader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Reader, reader_free)

/* reader_push: feeds @len bytes received from the peer; keeps no reference to them. Events become available through
 * reader_next(). FALSE once the stream is broken; it stays so and repeats the error. What was complete before the
 * break still comes out first. White space between stanzas is dropped. */
gboolean reader_push (Reader *reader, const void *bytes, gsize len, GError **error);

/* reader_next: takes the next event; FALSE where there is none yet. */
gboolean reader_next (Reader *reader, ReaderEvent *event);

/* reader_position: bytes that were pushed so far; more than the last event's bytes_consumed where something came behind it. */
gsize reader_position (const Reader *reader);
