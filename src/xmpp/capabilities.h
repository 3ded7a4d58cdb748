/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "xmpp/node.h"

/* Service discovery (XEP-0030) and entity capabilities (XEP-0115): what a peer can do. Pure. */

typedef enum
{
  CAPABILITY_RECEIPTS = 1 << 0,
  CAPABILITY_CHAT_STATES = 1 << 1,
  CAPABILITY_MARKERS = 1 << 2,
  CAPABILITY_CORRECTION = 1 << 3,
  CAPABILITY_PING = 1 << 4,
  CAPABILITY_FILES = 1 << 5, /* ours: many files in one session, on a connection of their own */
} Capability;

#define CAPABILITIES_NODE "https://hearby.org/"

/* capabilities_own_query: our <query xmlns='disco#info' node='NODE#VER'/> with identity and features. Caller owns. */
Node *capabilities_own_query (void);

/* capabilities_own_ver: base64 of SHA-1 over our own query (XEP-0115 5.1). Static, computed once. */
const char *capabilities_own_ver (void);

/* capabilities_ver: the same for any query; NULL where it must not be hashed (a '<' in a feature, doubles: 5.4). */
char *capabilities_ver (const Node *query);

/* capabilities_parse: the features of a disco#info query that we know of. */
Capability capabilities_parse (const Node *query);

/* capabilities_names: "receipts", "chat-states" … for the bus; NULL-terminated, the caller frees with g_strfreev. */
char **capabilities_names (Capability capabilities);
