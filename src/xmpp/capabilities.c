/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xmpp/capabilities.h"

#include <string.h>

#include "xmpp/ns.h"

static const struct
{
  Capability capability;
  const char *name;
  const char *feature;
} known[] = {
  { CAPABILITY_RECEIPTS, "receipts", NS_RECEIPTS },
  { CAPABILITY_CHAT_STATES, "chat-states", NS_CHAT_STATES },
  { CAPABILITY_MARKERS, "markers", NS_MARKERS },
  { CAPABILITY_CORRECTION, "correction", NS_CORRECT },
  { CAPABILITY_PING, "ping", NS_PING },
  { CAPABILITY_FILES, "files", NS_BYTES },
};

static Node *
make_query (void)
{
  static const char *const others[] = { NS_CAPS,         NS_DISCO_INFO, NS_DISCO_ITEMS,
                                        NS_JINGLE,       NS_JINGLE_FILES, NS_JINGLE_IBB,
                                        NS_IBB,          NS_SI,         NS_SI_FILES,
                                        NS_BYTESTREAMS };
  Node *query = node_new ("query", NS_DISCO_INFO);
  Node *identity = node_add (query, "identity", NS_DISCO_INFO);

  node_set (identity, "category", "client");
  node_set (identity, "type", "pc");
  node_set (identity, "name", "hearby");
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    node_set (node_add (query, "feature", NS_DISCO_INFO), "var", others[i]);
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    node_set (node_add (query, "feature", NS_DISCO_INFO), "var", known[i].feature);
  return query;
}

const char *
capabilities_own_ver (void)
{
  static gsize ver = 0;

  if (g_once_init_enter (&ver))
    {
      g_autoptr (Node) query = make_query ();

      g_once_init_leave (&ver, (gsize) capabilities_ver (query));
    }
  return (const char *) ver;
}

Node *
capabilities_own_query (void)
{
  g_autofree char *node = g_strconcat (CAPABILITIES_NODE, "#", capabilities_own_ver (), NULL);
  Node *query = make_query ();

  node_set (query, "node", node);
  return query;
}

/* As strcmp(), with '<' before all others: so parts sort by what stands before their first '<'. */
static int
compare (gconstpointer a, gconstpointer b)
{
  const guchar *x = *(const guchar *const *) a;
  const guchar *y = *(const guchar *const *) b;

  while (*x == *y && *x != '\0')
    x++, y++;
  return (*x == '<' ? 1 : *x == '\0' ? 0 : *x + 1) - (*y == '<' ? 1 : *y == '\0' ? 0 : *y + 1);
}

/* Appends the sorted @parts, each with the '<' that ends it. FALSE for doubles (XEP-0115 5.4). */
static gboolean
append_sorted (GString *out, GPtrArray *parts)
{
  g_ptr_array_sort (parts, compare);
  for (guint i = 0; i < parts->len; i++)
    {
      const char *part = g_ptr_array_index (parts, i);

      if (i > 0 && g_str_equal (part, g_ptr_array_index (parts, i - 1)))
        return FALSE;
      g_string_append_printf (out, "%s<", part);
    }
  return TRUE;
}

/* A '<' within a value could stand for the end of a part: two different queries would have one hash. */
static gboolean
holds_less_than (const Node *node)
{
  if (node->text != NULL && strchr (node->text, '<') != NULL)
    return TRUE;
  for (guint i = 0; node->attributes != NULL && i < node->attributes->len; i++)
    if (strchr (g_array_index (node->attributes, NodeAttribute, i).value, '<') != NULL)
      return TRUE;
  for (guint i = 0; node->children != NULL && i < node->children->len; i++)
    if (holds_less_than (g_ptr_array_index (node->children, i)))
      return TRUE;
  return FALSE;
}

static const char *
get_or_empty (const Node *node, const char *name)
{
  const char *value = node_get (node, name);

  return value != NULL ? value : "";
}

static const char *
get_lang (const Node *node)
{
  for (guint i = 0; node->attributes != NULL && i < node->attributes->len; i++)
    {
      const NodeAttribute *attribute = &g_array_index (node->attributes, NodeAttribute, i);

      if (g_strcmp0 (attribute->ns, NS_XML) == 0 && g_str_equal (attribute->name, "lang"))
        return attribute->value;
    }
  return "";
}

static char *
identity_part (const Node *node)
{
  return g_strjoin ("/", get_or_empty (node, "category"), get_or_empty (node, "type"), get_lang (node),
                    get_or_empty (node, "name"), NULL);
}

static char *
feature_part (const Node *node)
{
  return g_strdup (get_or_empty (node, "var"));
}

/* The parts of all children of that name. */
static GPtrArray *
collect (const Node *node, const char *name, const char *ns, char *(*part) (const Node *) )
{
  GPtrArray *parts = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; node->children != NULL && i < node->children->len; i++)
    {
      const Node *child = g_ptr_array_index (node->children, i);

      if (node_is (child, name, ns))
        g_ptr_array_add (parts, part (child));
    }
  return parts;
}

/* A field of a form: its name, then its sorted values (XEP-0115 5.1 6). */
static char *
field_part (const Node *field)
{
  g_autoptr (GPtrArray) values = collect (field, "value", NS_DATA_FORM, node_dup_text);
  GString *part = g_string_new (get_or_empty (field, "var"));

  g_ptr_array_sort (values, compare);
  for (guint i = 0; i < values->len; i++)
    g_string_append_printf (part, "<%s", (const char *) g_ptr_array_index (values, i));
  return g_string_free (part, FALSE);
}

static const char *
form_type_of (const Node *form, char **type)
{
  for (guint i = 0; form->children != NULL && i < form->children->len; i++)
    {
      const Node *field = g_ptr_array_index (form->children, i);
      const Node *value;

      if (!node_is (field, "field", NS_DATA_FORM) || g_strcmp0 (node_get (field, "var"), "FORM_TYPE") != 0
          || g_strcmp0 (node_get (field, "type"), "hidden") != 0)
        continue;
      value = node_child (field, "value", NS_DATA_FORM);
      *type = value != NULL ? node_dup_text (value) : NULL;
      return *type;
    }
  return NULL;
}

/* "" for a form without a FORM_TYPE: it is left out (XEP-0115 5.4 3.6). */
static char *
form_part (const Node *form)
{
  g_autoptr (GPtrArray) fields = collect (form, "field", NS_DATA_FORM, field_part);
  g_autofree char *type = NULL;
  g_autofree char *own = NULL;
  GString *part;

  if (form_type_of (form, &type) == NULL)
    return g_strdup ("");
  own = g_strconcat ("FORM_TYPE<", type, NULL);
  part = g_string_new (type);
  g_ptr_array_sort (fields, compare);
  for (guint i = 0; i < fields->len; i++)
    if (!g_str_equal (g_ptr_array_index (fields, i), own))
      g_string_append_printf (part, "<%s", (const char *) g_ptr_array_index (fields, i));
  return g_string_free (part, FALSE);
}

/* As append_sorted(); two forms of one FORM_TYPE count as doubles. */
static gboolean
append_forms (GString *out, const Node *query)
{
  g_autoptr (GPtrArray) forms = collect (query, "x", NS_DATA_FORM, form_part);
  const char *type_before = NULL;
  gsize len_before = 0;

  g_ptr_array_sort (forms, compare);
  for (guint i = 0; i < forms->len; i++)
    {
      const char *form = g_ptr_array_index (forms, i);
      gsize type_len = strcspn (form, "<");

      if (*form == '\0')
        continue;
      if (type_before != NULL && type_len == len_before && strncmp (form, type_before, type_len) == 0)
        return FALSE;
      g_string_append (out, form);
      g_string_append_c (out, '<');
      type_before = form;
      len_before = type_len;
    }
  return TRUE;
}

char *
capabilities_ver (const Node *query)
{
  g_autoptr (GPtrArray) identities = collect (query, "identity", NS_DISCO_INFO, identity_part);
  g_autoptr (GPtrArray) features = collect (query, "feature", NS_DISCO_INFO, feature_part);
  g_autoptr (GString) s = g_string_new (NULL);
  g_autoptr (GChecksum) sha1 = g_checksum_new (G_CHECKSUM_SHA1);
  guint8 digest[20];
  gsize digest_len = sizeof digest;

  if (holds_less_than (query) || !append_sorted (s, identities) || !append_sorted (s, features)
      || !append_forms (s, query))
    return NULL;
  g_checksum_update (sha1, (const guchar *) s->str, (gssize) s->len);
  g_checksum_get_digest (sha1, digest, &digest_len);
  return g_base64_encode (digest, digest_len);
}

static Capability
capability_of (const char *feature)
{
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (g_str_equal (known[i].feature, feature))
      return known[i].capability;
  return 0;
}

Capability
capabilities_parse (const Node *query)
{
  Capability found = 0;

  for (guint i = 0; query->children != NULL && i < query->children->len; i++)
    {
      const Node *child = g_ptr_array_index (query->children, i);

      if (node_is (child, "feature", NS_DISCO_INFO))
        found |= capability_of (get_or_empty (child, "var"));
    }
  return found;
}

char **
capabilities_names (Capability capabilities)
{
  GPtrArray *names = g_ptr_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (capabilities & known[i].capability)
      g_ptr_array_add (names, g_strdup (known[i].name));
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}
