/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xmpp/node.h"

#include <string.h>

static void
attribute_clear (gpointer data)
{
  NodeAttribute *attribute = data;

  g_free (attribute->ns);
  g_free (attribute->name);
  g_free (attribute->value);
}

static void
free_one (gpointer node)
{
  node_free (node);
}

Node *
node_new (const char *name, const char *ns)
{
  Node *node = g_new0 (Node, 1);

  node->name = g_strdup (name);
  node->ns = g_strdup (ns);
  return node;
}

void
node_free (Node *node)
{
  if (node == NULL)
    return;
  g_free (node->name);
  g_free (node->ns);
  g_free (node->text);
  g_clear_pointer (&node->attributes, g_array_unref);
  g_clear_pointer (&node->children, g_ptr_array_unref);
  g_free (node);
}

static NodeAttribute *
find_attribute (const Node *node, const char *name, const char *ns)
{
  for (guint i = 0; node->attributes != NULL && i < node->attributes->len; i++)
    {
      NodeAttribute *attribute = &g_array_index (node->attributes, NodeAttribute, i);

      if (strcmp (attribute->name, name) == 0 && g_strcmp0 (attribute->ns, ns) == 0)
        return attribute;
    }
  return NULL;
}

static void
add_attribute (Node *node, char *ns, char *name, char *value)
{
  NodeAttribute attribute = { ns, name, value };

  if (node->attributes == NULL)
    {
      node->attributes = g_array_new (FALSE, FALSE, sizeof (NodeAttribute));
      g_array_set_clear_func (node->attributes, attribute_clear);
    }
  g_array_append_val (node->attributes, attribute);
}

void
node_add_attribute (Node *node, const char *name, gssize name_len, const char *ns, gssize ns_len,
                    const char *value)
{
  add_attribute (node, ns_len < 0 ? g_strdup (ns) : g_strndup (ns, ns_len),
                 name_len < 0 ? g_strdup (name) : g_strndup (name, name_len), g_strdup (value));
}

void
node_set (Node *node, const char *name, const char *value)
{
  NodeAttribute *attribute = find_attribute (node, name, NULL);

  if (attribute == NULL && value != NULL)
    add_attribute (node, NULL, g_strdup (name), g_strdup (value));
  else if (attribute != NULL && value == NULL)
    g_array_remove_index (node->attributes, attribute - (NodeAttribute *) (void *) node->attributes->data);
  else if (attribute != NULL)
    {
      char *copy = g_strdup (value);

      g_free (attribute->value);
      attribute->value = copy;
    }
}

const char *
node_get (const Node *node, const char *name)
{
  const NodeAttribute *attribute = find_attribute (node, name, NULL);

  return attribute != NULL ? attribute->value : NULL;
}

void
node_take_child (Node *parent, Node *child)
{
  if (parent->children == NULL)
    parent->children = g_ptr_array_new_with_free_func (free_one);
  g_ptr_array_add (parent->children, child);
}

Node *
node_add (Node *parent, const char *name, const char *ns)
{
  Node *child = node_new (name, ns);

  node_take_child (parent, child);
  return child;
}

Node *
node_add_text_element (Node *parent, const char *name, const char *ns, const char *text)
{
  Node *child = node_add (parent, name, ns);

  node_add_text (child, text);
  return child;
}

void
node_add_text (Node *parent, const char *text)
{
  Node *child = g_new0 (Node, 1);

  child->text = g_strdup (text);
  node_take_child (parent, child);
}

gboolean
node_is (const Node *node, const char *name, const char *ns)
{
  return node->name != NULL && strcmp (node->name, name) == 0 && g_strcmp0 (node->ns, ns) == 0;
}

Node *
node_child (const Node *node, const char *name, const char *ns)
{
  for (guint i = 0; node->children != NULL && i < node->children->len; i++)
    {
      Node *child = g_ptr_array_index (node->children, i);

      if (child->name != NULL && (name == NULL || strcmp (child->name, name) == 0)
          && (ns == NULL || g_strcmp0 (child->ns, ns) == 0))
        return child;
    }
  return NULL;
}

Node *
node_first_element (const Node *node)
{
  return node_child (node, NULL, NULL);
}

char *
node_dup_text (const Node *node)
{
  GString *text;

  if (node->children != NULL && node->children->len == 1)
    {
      const Node *only = g_ptr_array_index (node->children, 0);

      return g_strdup (only->name == NULL ? only->text : "");
    }
  text = g_string_new (NULL);
  for (guint i = 0; node->children != NULL && i < node->children->len; i++)
    {
      const Node *child = g_ptr_array_index (node->children, i);

      if (child->name == NULL)
        g_string_append (text, child->text);
    }
  return g_string_free (text, FALSE);
}

Node *
node_copy (const Node *node)
{
  Node *copy = node_new (node->name, node->ns);

  copy->text = g_strdup (node->text);
  for (guint i = 0; node->attributes != NULL && i < node->attributes->len; i++)
    {
      const NodeAttribute *from = &g_array_index (node->attributes, NodeAttribute, i);

      add_attribute (copy, g_strdup (from->ns), g_strdup (from->name), g_strdup (from->value));
    }
  for (guint i = 0; node->children != NULL && i < node->children->len; i++)
    node_take_child (copy, node_copy (g_ptr_array_index (node->children, i)));
  return copy;
}

static gboolean
attributes_equal (const Node *a, const Node *b)
{
  guint n = a->attributes != NULL ? a->attributes->len : 0;

  if (n != (b->attributes != NULL ? b->attributes->len : 0))
    return FALSE;
  for (guint i = 0; i < n; i++)
    {
      const NodeAttribute *mine = &g_array_index (a->attributes, NodeAttribute, i);
      const NodeAttribute *other = find_attribute (b, mine->name, mine->ns);

      if (other == NULL || strcmp (mine->value, other->value) != 0)
        return FALSE;
    }
  return TRUE;
}

/* The next child from *@at on: an element, or NULL with the text up to the next element (or the end) in
 * @text. */
static const Node *
next_part (const Node *node, guint *at, GString *text)
{
  g_string_truncate (text, 0);
  while (node->children != NULL && *at < node->children->len)
    {
      const Node *child = g_ptr_array_index (node->children, *at);

      if (child->name != NULL && text->len > 0)
        return NULL;
      (*at)++;
      if (child->name != NULL)
        return child;
      g_string_append (text, child->text);
    }
  return NULL;
}

static gboolean
children_equal (const Node *a, const Node *b)
{
  g_autoptr (GString) text_a = g_string_new (NULL);
  g_autoptr (GString) text_b = g_string_new (NULL);
  guint at_a = 0, at_b = 0;

  for (;;)
    {
      const Node *child_a = next_part (a, &at_a, text_a);
      const Node *child_b = next_part (b, &at_b, text_b);

      if (!g_string_equal (text_a, text_b) || (child_a == NULL) != (child_b == NULL))
        return FALSE;
      if (child_a == NULL && text_a->len == 0)
        return TRUE;
      if (child_a != NULL && !node_equal (child_a, child_b))
        return FALSE;
    }
}

gboolean
node_equal (const Node *a, const Node *b)
{
  return g_strcmp0 (a->name, b->name) == 0 && g_strcmp0 (a->ns, b->ns) == 0
         && g_strcmp0 (a->text, b->text) == 0 && attributes_equal (a, b) && children_equal (a, b);
}
