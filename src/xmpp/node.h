/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One element of XML with what is in it, in order. Built by the reader or by hand, written by the writer.
 * Plain data, no limits of its own. */

typedef struct _Node Node;

typedef struct
{
  char *ns;   /* NULL: none, as for nearly all attributes; NS_XML for xml:lang */
  char *name;
  char *value;
} NodeAttribute;

struct _Node
{
  char      *name;       /* NULL: this node is a piece of text */
  char      *ns;         /* element only; NULL: none */
  char      *text;       /* text only */
  GArray    *attributes; /* NodeAttribute; NULL: none */
  GPtrArray *children;   /* Node, owned; NULL: none */
};

#define NS_XML "http://www.w3.org/XML/1998/namespace"

Node *node_new (const char *name, const char *ns);
void  node_free (Node *node); /* with all below; NULL is fine; not recursive in C's stack beyond LIMIT_DEPTH */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Node, node_free)

/* node_set: sets or replaces an attribute without namespace; @value NULL removes it. */
void node_set (Node *node, const char *name, const char *value);

/* node_add_attribute: adds one that is not there yet; lengths are -1 for strings that end in NUL, @ns may be NULL. */
void node_add_attribute (Node *node, const char *name, gssize name_len, const char *ns, gssize ns_len,
                         const char *value);

/* node_get: the value of an attribute without namespace, or NULL. Owned by the node. */
const char *node_get (const Node *node, const char *name);

/* node_add: makes a child element and answers it (owned by @parent). */
Node *node_add (Node *parent, const char *name, const char *ns);
Node *node_add_text_element (Node *parent, const char *name, const char *ns, const char *text);
void  node_add_text (Node *parent, const char *text);
void  node_take_child (Node *parent, Node *child);

/* node_child: the first child element of that name and namespace; NULL matches any of either. */
Node *node_child (const Node *node, const char *name, const char *ns);

/* node_first_element: the first child that is an element, or NULL. */
Node *node_first_element (const Node *node);

/* node_is: TRUE for an element of that name and namespace. */
gboolean node_is (const Node *node, const char *name, const char *ns);

/* node_dup_text: the text directly in @node, joined; "" where there is none. The caller owns it. */
char *node_dup_text (const Node *node);

Node    *node_copy (const Node *node);
gboolean node_equal (const Node *a, const Node *b); /* neighbouring texts count as one */
