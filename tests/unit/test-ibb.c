/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: bytes come through a stream of XML as they were, in order or not at all. */
#include "transfer/ibb.h"

#include "base/limits.h"
#include "xml.h"

static Ibb *
travel (Node *node)
{
  g_autoptr (Node) read = xml_travel (node);

  return ibb_parse (read);
}

static Ibb *
parse (const char *xml)
{
  g_autoptr (Node) node = xml_read (xml);

  return ibb_parse (node);
}

static void
test_open_and_close (void)
{
  g_autoptr (Ibb) opened = travel (ibb_build_open ("s", LIMIT_INBAND_BLOCK));
  g_autoptr (Ibb) closed = travel (ibb_build_close ("s"));

  g_assert_cmpint (opened->kind, ==, IBB_OPEN);
  g_assert_cmpstr (opened->sid, ==, "s");
  g_assert_cmpuint (opened->block_size, ==, LIMIT_INBAND_BLOCK);
  g_assert_cmpint (closed->kind, ==, IBB_CLOSE);
  g_assert_cmpstr (closed->sid, ==, "s");
}

/* Every length that base64 pads in another way, and the longest. */
static void
test_data (void)
{
  static const gsize lens[] = { 0, 1, 2, 3, 4, 255, 65534, LIMIT_INBAND_BLOCK };
  g_autofree guint8 *bytes = g_malloc (LIMIT_INBAND_BLOCK);

  for (guint i = 0; i < LIMIT_INBAND_BLOCK; i++)
    bytes[i] = (guint8) (i * 7 + i / 256);
  for (guint i = 0; i < G_N_ELEMENTS (lens); i++)
    {
      g_autoptr (Ibb) read = travel (ibb_build_data ("s", 65535, bytes, lens[i]));

      g_assert_nonnull (read);
      g_assert_cmpint (read->kind, ==, IBB_DATA);
      g_assert_cmpuint (read->seq, ==, 65535);
      g_assert_cmpmem (read->data, read->len, bytes, lens[i]);
    }
}

#define NS "xmlns='http://jabber.org/protocol/ibb'"

static void
test_nonsense (void)
{
  static const char *const bad[] = {
    "<open xmlns='urn:x' sid='s' block-size='4096'/>",
    "<open " NS " sid='s'/>",
    "<open " NS " block-size='4096'/>",
    "<open " NS " sid='' block-size='4096'/>",
    "<open " NS " sid='s' block-size='0'/>",
    "<open " NS " sid='s' block-size='65536'/>",
    "<open " NS " sid='s' block-size='-1'/>",
    "<open " NS " sid='s' block-size='4096' stanza='message'/>",
    "<data " NS " sid='s'>AAAA</data>",
    "<data " NS " sid='s' seq='65536'>AAAA</data>",
    "<data " NS " sid='s' seq='-1'>AAAA</data>",
    "<data " NS " seq='0'>AAAA</data>",
    "<data " NS " sid='s' seq='0'>AAA</data>",
    "<data " NS " sid='s' seq='0'>A===</data>",
    "<data " NS " sid='s' seq='0'>====</data>",
    "<data " NS " sid='s' seq='0'>AA=A</data>",
    "<data " NS " sid='s' seq='0'>AAAA AAA</data>",
    "<data " NS " sid='s' seq='0'>AA\nA</data>",
    "<data " NS " sid='s' seq='0'>AA-_</data>",
    "<close " NS "/>",
    "<data/>",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (Ibb) ibb = parse (bad[i]);

      g_test_message ("%s", bad[i]);
      g_assert_null (ibb);
    }
}

/* One byte more than any block may have. */
static void
test_too_long (void)
{
  g_autofree char *zeros = g_strnfill (65536 / 3 * 4, 'A');
  g_autofree char *fits = g_strdup_printf ("<data " NS " sid='s' seq='0'>%s</data>", zeros);        /* 65535 bytes */
  g_autofree char *past = g_strdup_printf ("<data " NS " sid='s' seq='0'>%sAA==</data>", zeros);
  g_autoptr (Ibb) most = parse (fits);
  g_autoptr (Ibb) more = parse (past);

  g_assert_nonnull (most);
  g_assert_cmpuint (most->len, ==, LIMIT_INBAND_BLOCK);
  g_assert_null (more);
}

static void
test_order (void)
{
  IbbOrder    order = { 4, 65535 };
  Ibb         block = { .kind = IBB_DATA, .seq = 65535, .len = 4 };
  const char *condition = NULL;

  g_assert_true (ibb_order_take (&order, &block, &condition));
  block.seq = 0; /* after the last number the first */
  g_assert_true (ibb_order_take (&order, &block, &condition));
  g_assert_false (ibb_order_take (&order, &block, &condition)); /* twice */
  g_assert_cmpstr (condition, ==, "unexpected-request");
  block.seq = 2;
  g_assert_false (ibb_order_take (&order, &block, &condition));
  g_assert_cmpstr (condition, ==, "unexpected-request");
  block.seq = 1;
  block.len = 5;
  g_assert_false (ibb_order_take (&order, &block, &condition));
  g_assert_cmpstr (condition, ==, "bad-request");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ibb/open and close", test_open_and_close);
  g_test_add_func ("/ibb/data", test_data);
  g_test_add_func ("/ibb/nonsense", test_nonsense);
  g_test_add_func ("/ibb/too long", test_too_long);
  g_test_add_func ("/ibb/order", test_order);
  return g_test_run ();
}
