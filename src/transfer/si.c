/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/si.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "transfer/filename.h"
#include "xmpp/ns.h"
#include "xmpp/stanza.h"

/* Text that is kept as it is or not at all. */
static char *
dup_exact (const char *text, gsize most)
{
  g_autofree char *clean = text != NULL ? text_clean_line (text, -1, most) : NULL;

  return clean != NULL && *clean != '\0' && strcmp (clean, text) == 0 ? g_steal_pointer (&clean) : NULL;
}

static gboolean
read_number (const char *text, guint64 least, guint64 most, guint64 *number)
{
  return text != NULL && g_ascii_string_to_unsigned (text, 10, least, most, number, NULL);
}

/* The offer ----------------------------------------------------------------------------------------------- */

void
si_offer_free (SiOffer *offer)
{
  if (offer == NULL)
    return;
  g_free (offer->sid);
  g_free (offer->name);
  g_free (offer);
}

static const Node *
find_method (const Node *si)
{
  const Node *feature = node_child (si, "feature", NS_FEATURE_NEG);
  const Node *form = feature != NULL ? node_child (feature, "x", NS_DATA_FORM) : NULL;

  for (guint i = 0; form != NULL && form->children != NULL && i < form->children->len; i++)
    {
      const Node *field = g_ptr_array_index (form->children, i);

      if (node_is (field, "field", NS_DATA_FORM) && g_strcmp0 (node_get (field, "var"), "stream-method") == 0)
        return field;
    }
  return NULL;
}

static gboolean
says_bytestreams (const Node *node)
{
  const Node      *value = node_child (node, "value", NS_DATA_FORM);
  g_autofree char *text = value != NULL ? node_dup_text (value) : NULL;

  return text != NULL && strcmp (g_strstrip (text), NS_BYTESTREAMS) == 0;
}

static gboolean
offers_bytestreams (const Node *si)
{
  const Node *method = find_method (si);

  for (guint i = 0; method != NULL && method->children != NULL && i < method->children->len; i++)
    {
      const Node *option = g_ptr_array_index (method->children, i);

      if (node_is (option, "option", NS_DATA_FORM) && says_bytestreams (option))
        return TRUE;
    }
  return FALSE;
}

SiOffer *
si_offer_parse (const Node *node)
{
  g_autoptr (SiOffer) offer = g_new0 (SiOffer, 1);
  const Node *file;
  const char *name;
  guint64     size = 0;

  if (node == NULL || !node_is (node, "si", NS_SI) || g_strcmp0 (node_get (node, "profile"), NS_SI_FILES) != 0)
    return NULL;
  file = node_child (node, "file", NS_SI_FILES);
  if (file == NULL || !read_number (node_get (file, "size"), 0, G_MAXINT64, &size) || !offers_bytestreams (node))
    return NULL;
  name = node_get (file, "name");
  offer->sid = dup_exact (node_get (node, "id"), LIMIT_SID);
  offer->name = filename_clean (name != NULL ? name : "", -1);
  offer->size = (gint64) size;
  return offer->sid != NULL ? g_steal_pointer (&offer) : NULL;
}

/* A form with one question, or one answer. */
static Node *
add_form (Node *si, const char *type)
{
  Node *feature = node_add (si, "feature", NS_FEATURE_NEG);
  Node *form = node_add (feature, "x", NS_DATA_FORM);
  Node *field = node_add (form, "field", NS_DATA_FORM);

  node_set (form, "type", type);
  node_set (field, "var", "stream-method");
  return field;
}

Node *
si_offer_build (const char *sid, const char *name, gint64 size)
{
  g_autofree char *clean = filename_clean (name, -1);
  g_autofree char *number = g_strdup_printf ("%" G_GINT64_FORMAT, size);
  Node            *si = node_new ("si", NS_SI);
  Node            *file = node_add (si, "file", NS_SI_FILES);
  Node            *field = add_form (si, "form");

  node_set (si, "profile", NS_SI_FILES);
  node_set (si, "id", sid);
  node_set (file, "name", clean);
  node_set (file, "size", number);
  node_set (field, "type", "list-single");
  node_add_text_element (node_add (field, "option", NS_DATA_FORM), "value", NS_DATA_FORM, NS_BYTESTREAMS);
  return si;
}

/* The answer ---------------------------------------------------------------------------------------------- */

Node *
si_accept_build (void)
{
  Node *si = node_new ("si", NS_SI);

  node_add_text_element (add_form (si, "submit"), "value", NS_DATA_FORM, NS_BYTESTREAMS);
  return si;
}

gboolean
si_accept_parse (const Node *node)
{
  const Node *method = node != NULL && node_is (node, "si", NS_SI) ? find_method (node) : NULL;

  return method != NULL && says_bytestreams (method);
}

Node *
si_decline (const Node *request)
{
  Node *answer = stanza_error (request, "cancel", "forbidden");
  Node *error = node_first_element (answer);

  node_set (error, "code", "403");
  node_add_text_element (error, "text", NS_STANZA_ERROR, "Offer Declined");
  return answer;
}

gboolean
si_is_decline (const Node *answer)
{
  const Node *error = node_child (answer, "error", NULL);

  return error != NULL
         && (node_child (error, "forbidden", NS_STANZA_ERROR) != NULL || g_strcmp0 (node_get (error, "code"), "403") == 0);
}

/* Where to connect ---------------------------------------------------------------------------------------- */

static void
free_host (gpointer data)
{
  Streamhost *host = data;

  g_free (host->jid);
  g_free (host->host);
  g_free (host);
}

Streamhosts *
streamhosts_new (const char *sid)
{
  Streamhosts *hosts = g_new0 (Streamhosts, 1);

  hosts->sid = g_strdup (sid);
  hosts->hosts = g_ptr_array_new_with_free_func (free_host);
  return hosts;
}

void
streamhosts_free (Streamhosts *hosts)
{
  if (hosts == NULL)
    return;
  g_free (hosts->sid);
  g_ptr_array_unref (hosts->hosts);
  g_free (hosts);
}

void
streamhosts_add (Streamhosts *hosts, const char *jid, const char *address, guint16 port)
{
  Streamhost *host;

  if (hosts->hosts->len == LIMIT_STREAMHOSTS)
    return;
  host = g_new0 (Streamhost, 1);
  host->jid = g_strdup (jid);
  host->host = g_strdup (address);
  host->port = port;
  g_ptr_array_add (hosts->hosts, host);
}

/* An address as text without its scope, which is the sender's own; NULL for a name. */
static char *
dup_address (const char *text)
{
  guint8           bytes[sizeof (struct in6_addr)];
  g_autofree char *address = text != NULL ? g_strndup (text, strcspn (text, "%")) : NULL;

  if (address != NULL && (inet_pton (AF_INET6, address, bytes) == 1 || inet_pton (AF_INET, address, bytes) == 1))
    return g_steal_pointer (&address);
  return NULL;
}

static void
parse_host (const Node *node, Streamhosts *out)
{
  g_autofree char *jid = dup_exact (node_get (node, "jid"), LIMIT_NAME);
  g_autofree char *address = dup_address (node_get (node, "host"));
  guint64          port = 0;

  if (jid != NULL && address != NULL && read_number (node_get (node, "port"), 1, G_MAXUINT16, &port))
    streamhosts_add (out, jid, address, (guint16) port);
}

Streamhosts *
streamhosts_parse (const Node *node)
{
  g_autofree char *sid = NULL;
  const char      *mode;
  Streamhosts     *hosts;

  if (node == NULL || !node_is (node, "query", NS_BYTESTREAMS))
    return NULL;
  sid = dup_exact (node_get (node, "sid"), LIMIT_SID);
  mode = node_get (node, "mode");
  if (sid == NULL || (mode != NULL && strcmp (mode, "tcp") != 0))
    return NULL;
  hosts = streamhosts_new (sid);
  for (guint i = 0; node->children != NULL && i < node->children->len; i++)
    if (node_is (g_ptr_array_index (node->children, i), "streamhost", NS_BYTESTREAMS))
      parse_host (g_ptr_array_index (node->children, i), hosts);
  return hosts;
}

Node *
streamhosts_build (const Streamhosts *hosts)
{
  Node *query = node_new ("query", NS_BYTESTREAMS);

  node_set (query, "sid", hosts->sid);
  node_set (query, "mode", "tcp");
  for (guint i = 0; i < hosts->hosts->len; i++)
    {
      const Streamhost *host = g_ptr_array_index (hosts->hosts, i);
      Node             *node = node_add (query, "streamhost", NS_BYTESTREAMS);
      char              port[8];

      g_snprintf (port, sizeof port, "%u", host->port);
      node_set (node, "jid", host->jid);
      node_set (node, "host", host->host);
      node_set (node, "port", port);
    }
  return query;
}

Node *
streamhost_used_build (const char *jid)
{
  Node *query = node_new ("query", NS_BYTESTREAMS);

  node_set (node_add (query, "streamhost-used", NS_BYTESTREAMS), "jid", jid);
  return query;
}

char *
streamhost_used_parse (const Node *node)
{
  const Node *used = node != NULL && node_is (node, "query", NS_BYTESTREAMS) ? node_child (node, "streamhost-used", NS_BYTESTREAMS) : NULL;

  return used != NULL ? dup_exact (node_get (used, "jid"), LIMIT_NAME) : NULL;
}
