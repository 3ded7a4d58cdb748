/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "xmpp/node.h"

/* Elements → bytes. Escapes & < > ' ", drops what XML 1.0 forbids, so that no text of ours breaks our stream.
 * The stream namespace is written with the literal prefix "stream:" (Kopete matches the token), every other element
 * with an xmlns of its own where it differs from its parent's; no other prefixes. */

/* writer_append: @scope is the default namespace where the element will stand (NS_CLIENT in a stream). */
void writer_append (GString *out, const Node *node, const char *scope);

/* writer_append_escaped: text or an attribute's value */
void writer_append_escaped (GString *out, const char *text);

/* writer_append_header: "<?xml version='1.0'?><stream:stream …>"; NULL attributes are left out. */
void writer_append_header (GString *out, const char *from, const char *to, const char *id, gboolean version_1_0);

#define WRITER_STREAM_END "</stream:stream>"
