/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xmpp/iq.h"

#include "xmpp/capabilities.h"
#include "xmpp/ns.h"
#include "xmpp/stanza.h"

static Node *
answer_ping (const Node *request, const Node *child)
{
  return stanza_iq_result (request);
}

static Node *
answer_info (const Node *request, const Node *child)
{
  Node *result = stanza_iq_result (request);
  Node *query = capabilities_own_query ();

  node_set (query, "node", node_get (child, "node"));
  node_take_child (result, query);
  return result;
}

static Node *
answer_items (const Node *request, const Node *child)
{
  Node *result = stanza_iq_result (request);

  node_add (result, "query", NS_DISCO_ITEMS);
  return result;
}

Node *
iq_answer (const Node *request)
{
  static const struct
  {
    const char *name, *ns;
    Node *(*answer) (const Node *request, const Node *child);
  } table[] = {
    { "ping", NS_PING, answer_ping },
    { "query", NS_DISCO_INFO, answer_info },
    { "query", NS_DISCO_ITEMS, answer_items },
  };
  const Node *child = node_first_element (request);

  for (guint i = 0; child != NULL && i < G_N_ELEMENTS (table); i++)
    if (node_is (child, table[i].name, table[i].ns))
      return table[i].answer (request, child);
  return stanza_error (request, "cancel", "service-unavailable");
}
