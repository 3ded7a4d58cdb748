/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: everything that is understood is clean and within its limit, and a message that we write again
 * from it means the same; capabilities of any query end. */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "xmpp/capabilities.h"
#include "xmpp/ns.h"
#include "xmpp/reader.h"
#include "xmpp/stanza.h"
#include "xmpp/writer.h"

/* The first element in @xml, or NULL. */
static Node *
read_first (const char *xml, gsize len)
{
  g_autoptr (Reader) reader = reader_new (&reader_default_limits);
  ReaderEvent event;

  reader_push (reader, FUZZ_HEADER, strlen (FUZZ_HEADER), NULL);
  reader_push (reader, xml, len, NULL);
  if (reader_next (reader, &event))
    node_free (event.node);
  return reader_next (reader, &event) ? event.node : NULL;
}

static void
check_text (const char *text, gsize max)
{
  g_assert_true (text == NULL || (strlen (text) <= max && g_utf8_validate (text, -1, NULL)));
}

static void
check_again (const Stanza *stanza)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (Node) node = NULL;
  g_autoptr (Stanza) again = NULL;

  stanza_append_message (out, stanza->from, stanza->to, stanza->id, stanza->body, stanza->delay,
                         stanza->replaces,
                         (stanza->receipt_wanted ? STANZA_WITH_RECEIPT : 0)
                             | (stanza->markable ? STANZA_WITH_MARKER : 0) | STANZA_WITH_HTML);
  node = read_first (out->str, out->len);
  g_assert_nonnull (node);
  again = stanza_parse (node);
  g_assert_cmpstr (again->from, ==, stanza->from);
  g_assert_cmpstr (again->to, ==, stanza->to);
  g_assert_cmpstr (again->id, ==, stanza->id);
  g_assert_cmpstr (again->body, ==, stanza->body);
  g_assert_cmpstr (again->replaces, ==, stanza->replaces);
  g_assert_cmpint (again->receipt_wanted, ==, stanza->receipt_wanted);
  g_assert_cmpint (again->markable, ==, stanza->markable);
  g_assert_cmpint (again->delay / 1000, ==, stanza->delay / 1000);
}

static void
check_query (const Node *query)
{
  g_autofree char *ver = capabilities_ver (query);
  g_auto (GStrv) names = capabilities_names (capabilities_parse (query));

  g_assert_cmpuint (g_strv_length (names), <=, 5);
  g_assert_true (ver == NULL || strlen (ver) == 28);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (Node) node = read_first ((const char *) data, size);
  g_autoptr (Stanza) stanza = node != NULL ? stanza_parse (node) : NULL;
  g_autoptr (Node) copy = node != NULL ? node_copy (node) : NULL;

  if (stanza == NULL)
    return 0;
  g_assert_true (node_equal (node, copy));
  check_query (node);
  check_text (stanza->id, LIMIT_ID);
  check_text (stanza->body, LIMIT_BODY);
  check_text (stanza->receipt_for, LIMIT_ID);
  check_text (stanza->displayed, LIMIT_ID);
  check_text (stanza->error_condition, LIMIT_NAME);
  if (stanza->kind == STANZA_MESSAGE && stanza->body != NULL && !stanza->is_error)
    check_again (stanza);
  return 0;
}
