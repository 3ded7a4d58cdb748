/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "xmpp/node.h"

/* Element tree ↔ what it means. Pure. Text is cleaned here (text_clean), once. */

typedef enum
{
  STANZA_MESSAGE,
  STANZA_IQ_GET,
  STANZA_IQ_SET,
  STANZA_IQ_RESULT,
  STANZA_IQ_ERROR,
  STANZA_OTHER, /* presence, nonzas, an iq without id or with a bad type */
} StanzaKind;

typedef enum
{
  CHAT_STATE_NONE,
  CHAT_STATE_ACTIVE,
  CHAT_STATE_COMPOSING,
  CHAT_STATE_PAUSED,
  CHAT_STATE_INACTIVE,
  CHAT_STATE_GONE,
} ChatState;

/* What a message carries; every pointer may be NULL. */
typedef struct
{
  StanzaKind kind;
  char      *from, *to;          /* as on the wire */
  char      *id;                 /* the attribute, or origin-id (XEP-0359) where it has none; ≤ LIMIT_ID, else NULL */
  char      *body;               /* the first <body/>, cleaned, ≤ LIMIT_BODY; html is ignored unless there is no body:
                                    then its text with <br/> as line breaks */
  gboolean   body_cut;           /* it was longer */
  gboolean   receipt_wanted;     /* XEP-0184 <request/>, only with an id, never for type error or groupchat */
  char      *receipt_for;        /* XEP-0184 <received id/> */
  char      *displayed;          /* XEP-0333 <displayed id/> */
  gboolean   markable;           /* XEP-0333 */
  char      *replaces;           /* XEP-0308 <replace id/> */
  ChatState  state;              /* XEP-0085; iChat's jabber:x:event <composing/><id/> is COMPOSING without a body */
  gint64     delay;              /* XEP-0203, µs since 1970; 0: none */
  gboolean   is_error;           /* type='error' */
  char      *error_condition;    /* of an iq or message error; "undefined-condition" where it says none */
} Stanza;

/* stanza_parse: never fails: what is not understood is STANZA_OTHER or left out. */
Stanza *stanza_parse (const Node *node);
void    stanza_free (Stanza *stanza);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Stanza, stanza_free)

/* How a message is written for one kind of peer. */
typedef enum
{
  STANZA_PLAIN = 0,
  STANZA_WITH_HTML = 1 << 0,    /* the html/body/font copy, without which libpurple takes the body for HTML */
  STANZA_WITH_RECEIPT = 1 << 1, /* <request/> */
  STANZA_WITH_MARKER = 1 << 2,  /* <markable/> */
  STANZA_WITH_STATE = 1 << 3,   /* <active/> */
} StanzaFlags;

/* stanza_append_message: writes a whole <message type='chat'/> as bytes in the scope NS_CLIENT: fast, for bursts.
 * @delay: when it was written, µs since 1970, or 0; @replaces: XEP-0308, or NULL. Same meaning as parse. */
void stanza_append_message (GString *out, const char *from, const char *to, const char *id, const char *body,
                            gint64 delay, const char *replaces, StanzaFlags flags);
void stanza_append_receipt (GString *out, const char *from, const char *to, const char *id_received);
void stanza_append_displayed (GString *out, const char *from, const char *to, const char *id_displayed);
void stanza_append_chat_state (GString *out, const char *from, const char *to, ChatState state);

/* Answers to an IQ: from and to swapped, same id. The caller owns them. */
Node *stanza_iq_result (const Node *request);
Node *stanza_iq_request (const char *from, const char *to, const char *type, const char *id);
/* stanza_error: the same to a request or a message that is refused (RFC 6120 8.3). */
Node *stanza_error (const Node *refused, const char *type, const char *condition);

const char *chat_state_name (ChatState state); /* "composing"; NULL for NONE */
ChatState   chat_state_from_name (const char *name);
