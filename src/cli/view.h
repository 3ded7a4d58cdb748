/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "cli/format.h"

/* How a peer and a message of the bus look, in JSON and for people. */

/* view_message: the members of a message in the open object. */
void view_message (JsonBuilder *builder, GVariant *message);
/* view_message_object: {"v":1,"type":"message",…} as one line. The caller owns it. */
char *view_message_object (GVariant *message);

typedef enum
{
  VIEW_INCOMING, /* "2026-11-21 10:02 juliet: text" */
  VIEW_BOTH,     /* own ones as "… me → juliet" with their state */
} ViewSide;

/* view_message_line: for people, lines after the first indented, ends in a newline. @body replaces the message's own (a
 * correction), NULL for that; edited ones say so. The caller owns it. */
char *view_message_line (const Format *format, GVariant *message, ViewSide side, const char *body);

/* view_peer: the members of a peer; @peer is a{sv} of Peer1. */
void view_peer (JsonBuilder *builder, GVariant *peer);
/* view_peer_result: {"v":1,"peer":{…}, what a verb that is about one peer answers; still open. The caller owns it. */
JsonBuilder *view_peer_result (GVariant *peer);

/* view_peer_word: "online" "away" "dnd" "unconfirmed" "offline" */
const char *view_peer_word (GVariant *peer);

/* view_peer_place: machine and interface or the address, as one text. The caller owns it. */
char *view_peer_place (GVariant *peer);

/* view_append_note: behind what @note has, with a comma. */
void view_append_note (GString *note, const char *text);
/* view_append_alarms: what the user has to do something about. */
void view_append_alarms (GString *note, GVariant *peer);

/* What --trust may say. */
typedef enum
{
  VIEW_TRUST_ANY,
  VIEW_TRUST_PLAIN,
  VIEW_TRUST_PINNED,
  VIEW_TRUST_VERIFIED,
} ViewTrust;

/* view_parse_trust: INVALID_ARGUMENT where @word is none of "any" "plain" "pinned" "verified". */
gboolean view_parse_trust (const char *word, ViewTrust *trust, GError **error);
/* view_trust_suffices: whether a peer of the word @has is trusted as much as @wanted; blocked ones never are. */
gboolean view_trust_suffices (const char *has, ViewTrust wanted);
