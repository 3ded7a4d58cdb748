/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/si.h"

#include <string.h>

#include "base/limits.h"
#include "xmpp/ns.h"
#include "xmpp/stanza.h"

#define NS_FEATURE_NEG "http://jabber.org/protocol/feature-neg"
#define NS_DATA "jabber:x:data"
#define METHOD "stream-method"

/* Reading --------------------------------------------------------------------------------------------------- */

static const char *
bounded (const Node *node, const char *name)
{
  const char *text = node_get (node, name);

  return text != NULL && *text != '\0' && strlen (text) <= LIMIT_ID ? text : NULL;
}

static gboolean
parse_number (const char *text, guint64 max, guint64 *number)
{
  return text != NULL && g_ascii_string_to_unsigned (text, 10, 0, max, number, NULL);
}

/* The field of the form within @si that tells methods, or NULL. */
static const Node *
find_field (const Node *si)
{
  const Node *feature = node_child (si, "feature", NS_FEATURE_NEG);
  const Node *form = feature != NULL ? node_child (feature, "x", NS_DATA) : NULL;

  for (guint i = 0; form != NULL && form->children != NULL && i < form->children->len; i++)
    {
      const Node *field = g_ptr_array_index (form->children, i);

      if (node_is (field, "field", NS_DATA) && g_strcmp0 (node_get (field, "var"), METHOD) == 0)
        return field;
    }
  return NULL;
}

static gboolean
is_bytestreams (const Node *parent)
{
  const Node *value = node_child (parent, "value", NS_DATA);
  g_autofree char *text = value != NULL ? node_dup_text (value) : NULL;

  return text != NULL && strcmp (g_strstrip (text), NS_BYTESTREAMS) == 0;
}

static gboolean
offers_bytestreams (const Node *si)
{
  const Node *field = find_field (si);

  for (guint i = 0; field != NULL && field->children != NULL && i < field->children->len; i++)
    {
      const Node *option = g_ptr_array_index (field->children, i);

      if (node_is (option, "option", NS_DATA) && is_bytestreams (option))
        return TRUE;
    }
  return FALSE;
}

SiOffer *
si_parse_offer (const Node *iq)
{
  const Node *si = node_child (iq, "si", NS_SI);
  const Node *file = si != NULL ? node_child (si, "file", NS_SI_FILES) : NULL;
  const char *sid = si != NULL ? bounded (si, "id") : NULL;
  const char *name = file != NULL ? node_get (file, "name") : NULL;
  const char *size = file != NULL ? node_get (file, "size") : NULL;
  guint64 bytes = 0;
  SiOffer *offer;

  if (sid == NULL || name == NULL || *name == '\0' || g_strcmp0 (node_get (si, "profile"), NS_SI_FILES) != 0
      || (size != NULL && !parse_number (size, G_MAXINT64, &bytes)))
    return NULL;
  offer = g_new0 (SiOffer, 1);
  offer->sid = g_strdup (sid);
  offer->name = g_strdup (name);
  offer->size = size != NULL ? (gint64) bytes : -1;
  offer->bytestreams = offers_bytestreams (si);
  return offer;
}

void
si_offer_free (SiOffer *offer)
{
  if (offer == NULL)
    return;
  g_free (offer->sid);
  g_free (offer->name);
  g_free (offer);
}

gboolean
si_is_accept (const Node *iq)
{
  const Node *si = node_child (iq, "si", NS_SI);
  const Node *field = si != NULL ? find_field (si) : NULL;

  return g_strcmp0 (node_get (iq, "type"), "result") == 0 && field != NULL && is_bytestreams (field);
}

static void
host_free (gpointer data)
{
  SiHost *host = data;

  g_free (host->jid);
  g_free (host->host);
  g_free (host);
}

SiHosts *
si_hosts_new (const char *sid)
{
  SiHosts *hosts = g_new0 (SiHosts, 1);

  hosts->sid = g_strdup (sid);
  hosts->hosts = g_ptr_array_new_with_free_func (host_free);
  return hosts;
}

void
si_hosts_add (SiHosts *hosts, const char *jid, const char *host, guint16 port)
{
  SiHost *added = g_new0 (SiHost, 1);

  *added = (SiHost){ g_strdup (jid), g_strdup (host), port };
  g_ptr_array_add (hosts->hosts, added);
}

void
si_hosts_free (SiHosts *hosts)
{
  if (hosts == NULL)
    return;
  g_free (hosts->sid);
  g_ptr_array_unref (hosts->hosts);
  g_free (hosts);
}

/* Addresses only: a name would have to be looked up, which tells others what a peer likes. A scope is the sender's own, and means nothing
 * here. */
static char *
dup_address (const char *host)
{
  g_autofree char *address = host != NULL ? g_strndup (host, strcspn (host, "%")) : NULL;

  return address != NULL && g_hostname_is_ip_address (address) ? g_steal_pointer (&address) : NULL;
}

static void
parse_host (SiHosts *hosts, const Node *node)
{
  const char *jid = bounded (node, "jid");
  g_autofree char *host = dup_address (node_get (node, "host"));
  guint64 port;

  if (jid != NULL && host != NULL && parse_number (node_get (node, "port"), G_MAXUINT16, &port) && port != 0)
    si_hosts_add (hosts, jid, host, (guint16) port);
}

SiHosts *
si_parse_hosts (const Node *iq)
{
  const Node *query = node_child (iq, "query", NS_BYTESTREAMS);
  const char *sid = query != NULL ? bounded (query, "sid") : NULL;
  const char *mode = query != NULL ? node_get (query, "mode") : NULL;
  SiHosts *hosts;

  if (sid == NULL || (mode != NULL && strcmp (mode, "tcp") != 0))
    return NULL;
  hosts = si_hosts_new (sid);
  for (guint i = 0; query->children != NULL && i < query->children->len && hosts->hosts->len < LIMIT_STREAMHOSTS; i++)
    {
      const Node *child = g_ptr_array_index (query->children, i);

      if (node_is (child, "streamhost", NS_BYTESTREAMS))
        parse_host (hosts, child);
    }
  return hosts;
}

const char *
si_used (const Node *iq)
{
  const Node *query = node_child (iq, "query", NS_BYTESTREAMS);
  const Node *used = query != NULL ? node_child (query, "streamhost-used", NS_BYTESTREAMS) : NULL;

  return used != NULL && g_strcmp0 (node_get (iq, "type"), "result") == 0 ? node_get (used, "jid") : NULL;
}

/* Writing --------------------------------------------------------------------------------------------------- */

static Node *
add_field (Node *si, const char *type)
{
  Node *form = node_add (node_add (si, "feature", NS_FEATURE_NEG), "x", NS_DATA);
  Node *field = node_add (form, "field", NS_DATA);

  node_set (form, "type", type);
  node_set (field, "var", METHOD);
  return field;
}

Node *
si_build_offer (const SiOffer *offer)
{
  Node *si = node_new ("si", NS_SI);
  Node *file = node_add (si, "file", NS_SI_FILES);
  g_autofree char *size = g_strdup_printf ("%" G_GINT64_FORMAT, offer->size);
  Node *field = add_field (si, "form");

  node_set (si, "profile", NS_SI_FILES);
  node_set (si, "id", offer->sid);
  node_set (file, "name", offer->name);
  node_set (file, "size", offer->size >= 0 ? size : NULL);
  node_set (field, "type", "list-single");
  if (offer->bytestreams)
    node_add_text_element (node_add (field, "option", NS_DATA), "value", NS_DATA, NS_BYTESTREAMS);
  return si;
}

Node *
si_build_accept (void)
{
  Node *si = node_new ("si", NS_SI);

  node_add_text_element (add_field (si, "submit"), "value", NS_DATA, NS_BYTESTREAMS);
  return si;
}

/* The code is of jabber's first years (XEP-0086), and all that libpurple reads. */
static Node *
build_error (const Node *request, const char *type, const char *condition, const char *code, const char *text)
{
  Node *iq = stanza_error (request, type, condition);
  Node *error = node_child (iq, "error", NULL);

  node_set (error, "code", code);
  if (text != NULL)
    node_add_text_element (error, "text", NS_STANZA_ERROR, text);
  return iq;
}

Node *
si_build_decline (const Node *request)
{
  return build_error (request, "cancel", "forbidden", "403", "Offer Declined");
}

Node *
si_build_refuse (const Node *request)
{
  Node *iq = build_error (request, "cancel", "bad-request", "400", NULL);

  node_add (node_child (iq, "error", NULL), "no-valid-streams", NS_SI);
  return iq;
}

Node *
si_build_unreachable (const Node *request)
{
  return build_error (request, "cancel", "item-not-found", "404", NULL);
}

Node *
si_build_hosts (const SiHosts *hosts)
{
  Node *query = node_new ("query", NS_BYTESTREAMS);

  node_set (query, "sid", hosts->sid);
  node_set (query, "mode", "tcp");
  for (guint i = 0; i < hosts->hosts->len; i++)
    {
      const SiHost *host = g_ptr_array_index (hosts->hosts, i);
      Node *node = node_add (query, "streamhost", NS_BYTESTREAMS);
      g_autofree char *port = g_strdup_printf ("%u", host->port);

      node_set (node, "jid", host->jid);
      node_set (node, "host", host->host);
      node_set (node, "port", port);
    }
  return query;
}

Node *
si_build_used (const char *sid, const char *jid)
{
  Node *query = node_new ("query", NS_BYTESTREAMS);

  node_set (query, "sid", sid);
  node_set (node_add (query, "streamhost-used", NS_BYTESTREAMS), "jid", jid);
  return query;
}

char *
si_digest (const char *sid, const char *sender, const char *receiver)
{
  g_autofree char *text = g_strconcat (sid, sender, receiver, NULL);

  return g_compute_checksum_for_string (G_CHECKSUM_SHA1, text, -1);
}
