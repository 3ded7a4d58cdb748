/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <string.h>

#include "xmpp/ns.h"
#include "xmpp/reader.h"
#include "xmpp/writer.h"

/* The element that @xml is. The caller owns it. */
static inline Node *
xml_read (const char *xml)
{
  g_autoptr (Reader) reader = reader_new (&reader_default_limits);
  const char *header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
  ReaderEvent event;

  reader_push (reader, header, strlen (header), NULL);
  reader_push (reader, xml, strlen (xml), NULL);
  g_assert_true (reader_next (reader, &event));
  node_free (event.node);
  g_assert_true (reader_next (reader, &event));
  return event.node;
}

/* @node, which it takes, as it comes out at the other end. */
static inline Node *
xml_travel (Node *node)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (Node) owned = node;

  writer_append (out, owned, NS_CLIENT);
  return xml_read (out->str);
}
