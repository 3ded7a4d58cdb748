/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xmpp/stanza.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "xmpp/ns.h"
#include "xmpp/writer.h"

static const char *const chat_states[] = {
  [CHAT_STATE_ACTIVE] = "active",     [CHAT_STATE_COMPOSING] = "composing", [CHAT_STATE_PAUSED] = "paused",
  [CHAT_STATE_INACTIVE] = "inactive", [CHAT_STATE_GONE] = "gone",
};

const char *
chat_state_name (ChatState state)
{
  g_return_val_if_fail (state < G_N_ELEMENTS (chat_states), NULL);
  return chat_states[state];
}

ChatState
chat_state_from_name (const char *name)
{
  for (guint i = CHAT_STATE_ACTIVE; i < G_N_ELEMENTS (chat_states); i++)
    if (g_str_equal (chat_states[i], name))
      return i;
  return CHAT_STATE_NONE;
}

void
stanza_free (Stanza *stanza)
{
  if (stanza == NULL)
    return;
  g_free (stanza->from);
  g_free (stanza->to);
  g_free (stanza->id);
  g_free (stanza->body);
  g_free (stanza->receipt_for);
  g_free (stanza->displayed);
  g_free (stanza->replaces);
  g_free (stanza->error_condition);
  g_free (stanza);
}

/* What can only be judged when all children were seen. */
typedef struct
{
  Stanza *stanza;
  const Node *body;
  const Node *html;
  char *origin_id;
  gboolean receipt_wanted;
  gboolean partial; /* iChat's body of what is being typed */
} Parts;

/* An id of the peer, or NULL where there is none or it is too long: one that is cut would name another
 * message. */
static char *
dup_id (const Node *node)
{
  const char *id = node_get (node, "id");

  if (id == NULL || *id == '\0' || strlen (id) > LIMIT_ID)
    return NULL;
  return text_clean (id, -1, LIMIT_ID);
}

static void
take_id (char **at, const Node *node)
{
  if (*at == NULL)
    *at = dup_id (node);
}

static void
on_body (Parts *parts, const Node *node)
{
  if (parts->body == NULL)
    parts->body = node;
}

static void
on_html (Parts *parts, const Node *node)
{
  if (parts->html == NULL)
    parts->html = node;
}

static void
on_request (Parts *parts, const Node *node)
{
  parts->receipt_wanted = TRUE;
}

static void
on_received (Parts *parts, const Node *node)
{
  take_id (&parts->stanza->receipt_for, node);
}

static void
on_displayed (Parts *parts, const Node *node)
{
  take_id (&parts->stanza->displayed, node);
}

static void
on_markable (Parts *parts, const Node *node)
{
  parts->stanza->markable = TRUE;
}

static void
on_replace (Parts *parts, const Node *node)
{
  take_id (&parts->stanza->replaces, node);
}

static void
on_origin_id (Parts *parts, const Node *node)
{
  take_id (&parts->origin_id, node);
}

static void
on_delay (Parts *parts, const Node *node)
{
  const char *stamp = node_get (node, "stamp");

  if (parts->stanza->delay != 0 || stamp == NULL)
    return;
  if (!text_parse_time (stamp, &parts->stanza->delay) || parts->stanza->delay < 0)
    parts->stanza->delay = 0;
}

static void
on_chat_state (Parts *parts, const Node *node)
{
  if (parts->stanza->state == CHAT_STATE_NONE)
    parts->stanza->state = chat_state_from_name (node->name);
}

/* XEP-0022. With an id it is iChat's notice of typing, with what was typed so far; libpurple puts one without
 * an id into each message. */
static void
on_event (Parts *parts, const Node *node)
{
  if (node_child (node, "id", NS_EVENT) == NULL)
    return;
  parts->partial = TRUE;
  parts->stanza->state
      = node_child (node, "composing", NS_EVENT) != NULL ? CHAT_STATE_COMPOSING : CHAT_STATE_PAUSED;
}

static void
on_error (Parts *parts, const Node *node)
{
  if (parts->stanza->error_condition != NULL || !parts->stanza->is_error)
    return;
  for (guint i = 0; node->children != NULL && i < node->children->len; i++)
    {
      const Node *child = g_ptr_array_index (node->children, i);

      if (child->name == NULL || g_strcmp0 (child->ns, NS_STANZA_ERROR) != 0
          || g_str_equal (child->name, "text"))
        continue;
      parts->stanza->error_condition = text_clean_line (child->name, -1, LIMIT_NAME);
      return;
    }
}

static const struct
{
  const char *name; /* NULL: any */
  const char *ns;   /* NULL: any */
  void (*on_child) (Parts *parts, const Node *node);
} children[] = {
  { "body", NS_CLIENT, on_body },
  { "html", NULL, on_html },
  { "request", NS_RECEIPTS, on_request },
  { "received", NS_RECEIPTS, on_received },
  { "markable", NS_MARKERS, on_markable },
  { "displayed", NS_MARKERS, on_displayed },
  { "replace", NS_CORRECT, on_replace },
  { "origin-id", NS_SID, on_origin_id },
  { "delay", NS_DELAY, on_delay },
  { NULL, NS_CHAT_STATES, on_chat_state },
  { "x", NS_EVENT, on_event },
  { "error", NS_CLIENT, on_error },
};

static void
read_child (Parts *parts, const Node *child)
{
  for (guint i = 0; i < G_N_ELEMENTS (children); i++)
    if ((children[i].name == NULL || g_str_equal (children[i].name, child->name))
        && (children[i].ns == NULL || g_strcmp0 (children[i].ns, child->ns) == 0))
      {
        children[i].on_child (parts, child);
        return;
      }
}

static void
append_html_text (GString *out, const Node *node)
{
  if (node->text != NULL)
    g_string_append (out, node->text);
  else if (g_str_equal (node->name, "br"))
    g_string_append_c (out, '\n');
  for (guint i = 0; node->children != NULL && i < node->children->len; i++)
    append_html_text (out, g_ptr_array_index (node->children, i));
}

/* Cleans a character beyond the limit too, so that it is known whether something was lost. */
static void
set_body (Stanza *stanza, const char *text)
{
  g_autofree char *body = text_clean (text, -1, LIMIT_BODY + 4);

  stanza->body_cut = strlen (body) > LIMIT_BODY;
  body[text_cut (body, LIMIT_BODY)] = '\0';
  if (*body != '\0')
    stanza->body = g_steal_pointer (&body);
}

static void
read_body (Parts *parts)
{
  if (parts->partial)
    return;
  if (parts->body != NULL)
    {
      g_autofree char *text = node_dup_text (parts->body);

      set_body (parts->stanza, text);
    }
  else if (parts->html != NULL)
    {
      g_autoptr (GString) text = g_string_new (NULL);

      append_html_text (text, parts->html);
      set_body (parts->stanza, text->str);
    }
}

static void
read_message (Stanza *stanza, const Node *node)
{
  const char *type = node_get (node, "type");
  Parts parts = { .stanza = stanza };

  stanza->is_error = g_strcmp0 (type, "error") == 0;
  for (guint i = 0; node->children != NULL && i < node->children->len; i++)
    {
      const Node *child = g_ptr_array_index (node->children, i);

      if (child->name != NULL)
        read_child (&parts, child);
    }
  read_body (&parts);
  if (stanza->id == NULL)
    stanza->id = g_steal_pointer (&parts.origin_id);
  g_free (parts.origin_id);
  stanza->receipt_wanted = parts.receipt_wanted && stanza->id != NULL && stanza->receipt_for == NULL
                           && !stanza->is_error && g_strcmp0 (type, "groupchat") != 0;
}

static StanzaKind
iq_kind (const Stanza *stanza, const Node *node)
{
  static const struct
  {
    const char *type;
    StanzaKind kind;
  } kinds[] = {
    { "get", STANZA_IQ_GET },
    { "set", STANZA_IQ_SET },
    { "result", STANZA_IQ_RESULT },
    { "error", STANZA_IQ_ERROR },
  };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (stanza->id != NULL && g_strcmp0 (kinds[i].type, node_get (node, "type")) == 0)
      return kinds[i].kind;
  return STANZA_OTHER;
}

static void
read_iq_error (Stanza *stanza, const Node *node)
{
  const Node *error = node_child (node, "error", NS_CLIENT);
  Parts parts = { .stanza = stanza };

  stanza->is_error = TRUE;
  if (error != NULL)
    on_error (&parts, error);
}

Stanza *
stanza_parse (const Node *node)
{
  Stanza *stanza = g_new0 (Stanza, 1);

  stanza->kind = STANZA_OTHER;
  stanza->from = g_strdup (node_get (node, "from"));
  stanza->to = g_strdup (node_get (node, "to"));
  stanza->id = dup_id (node);
  if (node_is (node, "message", NS_CLIENT))
    {
      stanza->kind = STANZA_MESSAGE;
      read_message (stanza, node);
    }
  else if (node_is (node, "iq", NS_CLIENT))
    {
      stanza->kind = iq_kind (stanza, node);
      if (stanza->kind == STANZA_IQ_ERROR)
        read_iq_error (stanza, node);
    }
  if (stanza->is_error && stanza->error_condition == NULL)
    stanza->error_condition = g_strdup ("undefined-condition");
  return stanza;
}

static void
open_message (GString *out, const char *from, const char *to, const char *id)
{
  g_string_append (out, "<message type='chat'");
  writer_append_attribute (out, "from", from);
  writer_append_attribute (out, "to", to);
  writer_append_attribute (out, "id", id);
  g_string_append_c (out, '>');
}

/* A body of nothing but '&' grows beyond LIMIT_STANZA by escaping and would break the peer's stream each time
 * it is sent. As CDATA it does not. */
static void
append_body (GString *out, const char *body)
{
  gsize before;

  g_string_append (out, "<body>");
  before = out->len;
  writer_append_escaped (out, body);
  if (out->len - before > LIMIT_STANZA / 2)
    {
      g_autoptr (GString) cdata = g_string_new (NULL);

      writer_append_cdata (cdata, body);
      if (cdata->len < out->len - before)
        {
          g_string_truncate (out, before);
          g_string_append_len (out, cdata->str, (gssize) cdata->len);
        }
    }
  g_string_append (out, "</body>");
}

/* libpurple shows the escaped text of html/body/font; without it it takes the body for HTML. */
static void
append_html (GString *out, const char *body)
{
  g_auto (GStrv) lines = g_strsplit (body, "\n", -1);

  g_string_append (out, "<html xmlns='" NS_XHTML "'><body><font>");
  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (i > 0)
        g_string_append (out, "<br/>");
      writer_append_escaped (out, lines[i]);
    }
  g_string_append (out, "</font></body></html>");
}

static void
append_delay (GString *out, gint64 delay)
{
  g_autofree char *stamp = text_format_time (delay);

  g_string_append (out, "<delay xmlns='" NS_DELAY "'");
  writer_append_attribute (out, "stamp", stamp);
  g_string_append (out, "/>");
}

void
stanza_append_message (GString *out, const char *from, const char *to, const char *id, const char *body,
                       gint64 delay, const char *replaces, StanzaFlags flags)
{
  open_message (out, from, to, id);
  append_body (out, body);
  if (flags & STANZA_WITH_HTML)
    append_html (out, body);
  if (flags & STANZA_WITH_STATE)
    g_string_append (out, "<active xmlns='" NS_CHAT_STATES "'/>");
  if (flags & STANZA_WITH_RECEIPT)
    g_string_append (out, "<request xmlns='" NS_RECEIPTS "'/>");
  if (flags & STANZA_WITH_MARKER)
    g_string_append (out, "<markable xmlns='" NS_MARKERS "'/>");
  if (replaces != NULL)
    {
      g_string_append (out, "<replace xmlns='" NS_CORRECT "'");
      writer_append_attribute (out, "id", replaces);
      g_string_append (out, "/>");
    }
  if (delay != 0)
    append_delay (out, delay);
  g_string_append (out, "</message>");
}

void
stanza_append_receipt (GString *out, const char *from, const char *to, const char *id_received)
{
  open_message (out, from, to, NULL);
  g_string_append (out, "<received xmlns='" NS_RECEIPTS "'");
  writer_append_attribute (out, "id", id_received);
  g_string_append (out, "/></message>");
}

void
stanza_append_displayed (GString *out, const char *from, const char *to, const char *id_displayed)
{
  open_message (out, from, to, NULL);
  g_string_append (out, "<displayed xmlns='" NS_MARKERS "'");
  writer_append_attribute (out, "id", id_displayed);
  g_string_append (out, "/></message>");
}

void
stanza_append_chat_state (GString *out, const char *from, const char *to, ChatState state)
{
  g_return_if_fail (chat_state_name (state) != NULL);

  open_message (out, from, to, NULL);
  g_string_append_c (out, '<');
  g_string_append (out, chat_state_name (state));
  g_string_append (out, " xmlns='" NS_CHAT_STATES "'/></message>");
}

static Node *
stanza_new (const char *name, const char *from, const char *to, const char *type, const char *id)
{
  Node *stanza = node_new (name, NS_CLIENT);

  node_set (stanza, "type", type);
  node_set (stanza, "from", from);
  node_set (stanza, "to", to);
  node_set (stanza, "id", id);
  return stanza;
}

Node *
stanza_iq_request (const char *from, const char *to, const char *type, const char *id)
{
  return stanza_new ("iq", from, to, type, id);
}

Node *
stanza_iq_result (const Node *request)
{
  return stanza_iq_request (node_get (request, "to"), node_get (request, "from"), "result",
                            node_get (request, "id"));
}

Node *
stanza_error (const Node *refused, const char *type, const char *condition)
{
  Node *answer = stanza_new (refused->name, node_get (refused, "to"), node_get (refused, "from"), "error",
                             node_get (refused, "id"));
  Node *error = node_add (answer, "error", NS_CLIENT);

  node_set (error, "type", type);
  node_add (error, condition, NS_STANZA_ERROR);
  return answer;
}
