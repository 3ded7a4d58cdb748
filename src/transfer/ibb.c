/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/ibb.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "xmpp/ns.h"

void
ibb_free (Ibb *ibb)
{
  if (ibb == NULL)
    return;
  g_free (ibb->sid);
  g_free (ibb->data);
  g_free (ibb);
}

/* Reading ------------------------------------------------------------------------------------------------- */

static char *
dup_sid (const Node *node)
{
  const char      *sid = node_get (node, "sid");
  g_autofree char *clean = sid != NULL ? text_clean_line (sid, -1, LIMIT_SID) : NULL;

  return clean != NULL && *clean != '\0' && strcmp (clean, sid) == 0 ? g_steal_pointer (&clean) : NULL;
}

static gboolean
read_number (const Node *node, const char *name, guint64 least, guint64 most, guint64 *number)
{
  const char *text = node_get (node, name);

  return text != NULL && g_ascii_string_to_unsigned (text, 10, least, most, number, NULL);
}

static gboolean
is_base64 (const char *text, gsize len)
{
  gsize padding = 0;

  if (len % 4 != 0)
    return FALSE;
  while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
    padding++;
  for (gsize i = 0; i < len - padding; i++)
    if (!g_ascii_isalnum (text[i]) && text[i] != '+' && text[i] != '/')
      return FALSE;
  return TRUE;
}

/* g_base64_decode() passes over what is none. */
static gboolean
read_data (const Node *node, Ibb *out)
{
  g_autofree char *text = node_dup_text (node);
  gsize            len = strlen (text);

  if (!is_base64 (text, len) || len > (LIMIT_INBAND_BLOCK + 2) / 3 * 4)
    return FALSE;
  if (len == 0)
    return TRUE;
  out->data = g_base64_decode_inplace (text, &out->len) != NULL ? (guint8 *) g_steal_pointer (&text) : NULL;
  return out->len <= LIMIT_INBAND_BLOCK;
}

static gboolean
read_open (const Node *node, Ibb *out)
{
  const char *stanza = node_get (node, "stanza");
  guint64     block_size = 0;

  if (!read_number (node, "block-size", 1, LIMIT_INBAND_BLOCK, &block_size) || (stanza != NULL && strcmp (stanza, "iq") != 0))
    return FALSE;
  out->block_size = (guint) block_size;
  return TRUE;
}

static gboolean
read_block (const Node *node, Ibb *out)
{
  guint64 seq = 0;

  if (!read_number (node, "seq", 0, G_MAXUINT16, &seq))
    return FALSE;
  out->seq = (guint16) seq;
  return read_data (node, out);
}

Ibb *
ibb_parse (const Node *node)
{
  g_autoptr (Ibb) ibb = g_new0 (Ibb, 1);
  gboolean        makes_sense = FALSE;

  if (node == NULL)
    return NULL;
  if (node_is (node, "open", NS_IBB))
    ibb->kind = IBB_OPEN, makes_sense = read_open (node, ibb);
  else if (node_is (node, "data", NS_IBB))
    ibb->kind = IBB_DATA, makes_sense = read_block (node, ibb);
  else if (node_is (node, "close", NS_IBB))
    ibb->kind = IBB_CLOSE, makes_sense = TRUE;
  if (!makes_sense)
    return NULL;
  ibb->sid = dup_sid (node);
  return ibb->sid != NULL ? g_steal_pointer (&ibb) : NULL;
}

/* Writing ------------------------------------------------------------------------------------------------- */

static Node *
build (const char *name, const char *sid)
{
  Node *node = node_new (name, NS_IBB);

  node_set (node, "sid", sid);
  return node;
}

static void
set_number (Node *node, const char *name, guint number)
{
  char text[12];

  g_snprintf (text, sizeof text, "%u", number);
  node_set (node, name, text);
}

Node *
ibb_build_open (const char *sid, guint block_size)
{
  Node *node = build ("open", sid);

  set_number (node, "block-size", block_size);
  node_set (node, "stanza", "iq");
  return node;
}

Node *
ibb_build_data (const char *sid, guint16 seq, const guint8 *data, gsize len)
{
  g_autofree char *text = g_base64_encode (data, len);
  Node            *node = build ("data", sid);

  g_assert (len <= LIMIT_INBAND_BLOCK);
  set_number (node, "seq", seq);
  node_add_text (node, text);
  return node;
}

Node *
ibb_build_close (const char *sid)
{
  return build ("close", sid);
}

/* Order --------------------------------------------------------------------------------------------------- */

gboolean
ibb_order_take (IbbOrder *order, const Ibb *data, const char **condition)
{
  if (data->seq != order->next)
    *condition = "unexpected-request";
  else if (data->len > order->block_size)
    *condition = "bad-request";
  else
    {
      order->next++;
      return TRUE;
    }
  return FALSE;
}
