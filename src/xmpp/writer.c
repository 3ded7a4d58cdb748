/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xmpp/writer.h"

#include <string.h>

#include "xmpp/ns.h"

typedef enum
{
  WRITE_TEXT,
  WRITE_ATTRIBUTE, /* line breaks and tabs as references too: a reader makes blanks of them (XML 1.0 3.3.3) */
  WRITE_CDATA,     /* as they are */
} WriteHow;

/* Whether a byte must be looked at: all others are copied in one go. */
static inline gboolean
is_special (guchar c)
{
  return c < 0x20 || c >= 0x80 || c == '&' || c == '<' || c == '>' || c == '\'' || c == '"';
}

/* How many bytes at @p are one character beyond ASCII that XML takes; 0 for none. */
static gsize
multibyte_size (const char *p)
{
  gunichar c = g_utf8_get_char_validated (p, -1);

  if (c == (gunichar) -1 || c == (gunichar) -2 || c == 0xfffe || c == 0xffff)
    return 0;
  return g_utf8_skip[(guchar) *p];
}

static const char *
reference (guchar c, WriteHow how)
{
  if (how == WRITE_CDATA)
    return NULL;
  switch (c)
    {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '\'':
      return "&apos;";
    case '"':
      return "&quot;";
    case '\r':
      return "&#13;";
    case '\n':
      return how == WRITE_ATTRIBUTE ? "&#10;" : NULL;
    case '\t':
      return how == WRITE_ATTRIBUTE ? "&#9;" : NULL;
    default:
      return NULL;
    }
}

/* Writes the special byte at @p, or drops it; answers how many bytes of @p that was. */
static gsize
append_special (GString *out, const char *p, WriteHow how)
{
  guchar c = *p;

  if (c >= 0x80)
    {
      gsize size = multibyte_size (p);

      g_string_append_len (out, p, size);
      return MAX (size, 1);
    }
  if (reference (c, how) != NULL)
    g_string_append (out, reference (c, how));
  else if (c >= 0x20 || c == '\t' || c == '\n' || c == '\r')
    g_string_append_c (out, c);
  return 1;
}

static void
append (GString *out, const char *text, const char *end, WriteHow how)
{
  while (text < end)
    {
      const char *plain = text;

      while (text < end && !is_special (*text))
        text++;
      if (text > plain)
        g_string_append_len (out, plain, text - plain);
      if (text < end)
        text += append_special (out, text, how);
    }
}

void
writer_append_escaped (GString *out, const char *text)
{
  append (out, text, text + strlen (text), WRITE_TEXT);
}

void
writer_append_attribute (GString *out, const char *name, const char *value)
{
  if (value == NULL)
    return;
  g_string_append_c (out, ' ');
  g_string_append (out, name);
  g_string_append (out, "='");
  append (out, value, value + strlen (value), WRITE_ATTRIBUTE);
  g_string_append_c (out, '\'');
}

void
writer_append_cdata (GString *out, const char *text)
{
  const char *cut;

  g_string_append (out, "<![CDATA[");
  for (; (cut = strstr (text, "]]>")) != NULL; text = cut + 2)
    {
      append (out, text, cut + 2, WRITE_CDATA);
      g_string_append (out, "]]><![CDATA[");
    }
  append (out, text, text + strlen (text), WRITE_CDATA);
  g_string_append (out, "]]>");
}

/* Attributes of a foreign namespace are never ours; what was read can still be written as it was meant. */
static void
append_node_attribute (GString *out, const NodeAttribute *attribute, guint n)
{
  g_autofree char *name = NULL;

  if (attribute->ns == NULL)
    {
      writer_append_attribute (out, attribute->name, attribute->value);
      return;
    }
  if (g_str_equal (attribute->ns, NS_XML))
    name = g_strconcat ("xml:", attribute->name, NULL);
  else
    {
      g_autofree char *declaration = g_strdup_printf ("xmlns:a%u", n);

      writer_append_attribute (out, declaration, attribute->ns);
      name = g_strdup_printf ("a%u:%s", n, attribute->name);
    }
  writer_append_attribute (out, name, attribute->value);
}

static const char *
prefix_of (const char *ns)
{
  if (g_strcmp0 (ns, NS_STREAM) == 0)
    return "stream:";
  return g_strcmp0 (ns, NS_XML) == 0 ? "xml:" : "";
}

static void
append_element (GString *out, const Node *node, const char *scope)
{
  const char *prefix = prefix_of (node->ns);
  const char *inner = *prefix != '\0' ? scope : node->ns;

  g_string_append_c (out, '<');
  g_string_append (out, prefix);
  g_string_append (out, node->name);
  if (g_strcmp0 (inner, scope) != 0)
    writer_append_attribute (out, "xmlns", inner != NULL ? inner : "");
  for (guint i = 0; node->attributes != NULL && i < node->attributes->len; i++)
    append_node_attribute (out, &g_array_index (node->attributes, NodeAttribute, i), i);
  if (node->children == NULL || node->children->len == 0)
    {
      g_string_append (out, "/>");
      return;
    }
  g_string_append_c (out, '>');
  for (guint i = 0; i < node->children->len; i++)
    writer_append (out, g_ptr_array_index (node->children, i), inner);
  g_string_append (out, "</");
  g_string_append (out, prefix);
  g_string_append (out, node->name);
  g_string_append_c (out, '>');
}

void
writer_append (GString *out, const Node *node, const char *scope)
{
  if (node->name != NULL)
    append_element (out, node, scope);
  else
    writer_append_escaped (out, node->text);
}

void
writer_append_header (GString *out, const char *from, const char *to, const char *id, gboolean version_1_0)
{
  g_string_append (out,
                   "<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "'");
  writer_append_attribute (out, "from", from);
  writer_append_attribute (out, "to", to);
  writer_append_attribute (out, "id", id);
  writer_append_attribute (out, "version", version_1_0 ? "1.0" : NULL);
  g_string_append_c (out, '>');
}
