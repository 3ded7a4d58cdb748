/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "xmpp/node.h"

/* Elements → bytes. Escapes & < > ' ", drops what XML 1.0 forbids, so that no text of ours breaks our stream.
 * The stream namespace is written with the literal prefix "stream:" (Kopete matches the token), every other element
 * with an xmlns of its own where it differs from its parent's; no other prefixes but "xml:", and those that attributes
 * of a foreign namespace need (none of ours has such). Names are taken to be names: escape nothing in them. */

/* writer_append: @scope is the default namespace where the element will stand (NS_CLIENT in a stream). */
void writer_append (GString *out, const Node *node, const char *scope);

/* writer_append_escaped: text between tags */
void writer_append_escaped (GString *out, const char *text);

/* writer_append_attribute: " name='value'", line breaks kept by references; nothing where @value is NULL */
void writer_append_attribute (GString *out, const char *name, const char *value);

/* writer_append_cdata: the same text as a CDATA section, which is shorter where much would have to be escaped; a
 * carriage return of it is read as a line feed. */
void writer_append_cdata (GString *out, const char *text);

/* writer_append_header: "<?xml version='1.0'?><stream:stream …>"; NULL attributes are left out. */
void writer_append_header (GString *out, const char *from, const char *to, const char *id, gboolean version_1_0);

#define WRITER_STREAM_END "</stream:stream>"
