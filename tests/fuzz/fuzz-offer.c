/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: an offer, a step of its session and a block in-band that are understood are clean and within their limits, and mean the same
 * when they are written again. */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "transfer/filename.h"
#include "transfer/ibb.h"
#include "transfer/jingle.h"
#include "xmpp/ns.h"
#include "xmpp/reader.h"
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

static Node *
travel (Node *node)
{
  g_autoptr (Node) owned = node;
  g_autoptr (GString) out = g_string_new (NULL);

  writer_append (out, owned, NS_CLIENT);
  return read_first (out->str, out->len);
}

/* Files -------------------------------------------------------------------------------------------------- */

static void
check_file (const JingleFile *a, const JingleFile *b)
{
  g_autofree char *clean = filename_clean (a->name, -1);

  g_assert_cmpstr (clean, ==, a->name);
  g_assert_cmpint (a->size, >=, -1);
  g_assert_cmpstr (a->name, ==, b->name);
  g_assert_true (a->size == b->size && a->mtime == b->mtime && a->folder == b->folder);
}

static void
check_offer (const Jingle *a, const Jingle *b)
{
  g_assert_false (b->foreign);
  g_assert_cmpuint (a->files->len, >, 0);
  g_assert_cmpuint (a->files->len, <=, LIMIT_OFFER_FILES);
  g_assert_cmpuint (a->files->len, ==, b->files->len);
  for (guint i = 0; i < a->files->len; i++)
    check_file (g_ptr_array_index (a->files, i), g_ptr_array_index (b->files, i));
  g_assert_true (a->tops >= a->files->len && a->entries >= a->tops && a->entries >= a->n_files && a->entries <= LIMIT_ENTRIES);
  g_assert_true (a->tops == b->tops && a->entries == b->entries && a->n_files == b->n_files && a->size == b->size);
}

static void
check_transport (const Jingle *a, const Jingle *b)
{
  g_assert_true (a->via == b->via && a->has_id == b->has_id && a->block_size == b->block_size);
  g_assert_cmpmem (a->id, JINGLE_ID, b->id, JINGLE_ID);
  g_assert_cmpstr (a->inband_sid, ==, b->inband_sid);
}

static void
check_reason (const Jingle *a, const Jingle *b)
{
  g_assert_true (a->reason == b->reason && a->why == b->why);
  g_assert_cmpstr (a->text, ==, b->text);
  g_assert_true (a->text == NULL || strlen (a->text) <= LIMIT_STATUS_TEXT);
}

static void
check_jingle (const Jingle *jingle)
{
  g_autoptr (Node) node = NULL;
  g_autoptr (Jingle) again = NULL;

  g_assert_true (*jingle->sid != '\0' && strlen (jingle->sid) <= LIMIT_SID);
  if (jingle->action == JINGLE_OTHER || (jingle->action == JINGLE_INITIATE && jingle->foreign))
    return;
  node = travel (jingle_build (jingle));
  g_assert_nonnull (node);
  again = jingle_parse (node);
  g_assert_nonnull (again);
  g_assert_cmpint (jingle->action, ==, again->action);
  g_assert_cmpstr (jingle->sid, ==, again->sid);
  g_assert_cmpstr (jingle->initiator, ==, again->initiator);
  g_assert_cmpint (jingle->says, ==, again->says);
  if (jingle->action == JINGLE_INITIATE)
    check_offer (jingle, again);
  if (jingle->action == JINGLE_TERMINATE && jingle->reason != NULL)
    check_reason (jingle, again);
  if (jingle->action != JINGLE_INFO && jingle->action != JINGLE_TERMINATE && jingle->via != JINGLE_VIA_OTHER)
    check_transport (jingle, again);
}

/* In-band ------------------------------------------------------------------------------------------------ */

static Node *
build_again (const Ibb *ibb)
{
  switch (ibb->kind)
    {
    case IBB_OPEN:
      return ibb_build_open (ibb->sid, ibb->block_size);
    case IBB_DATA:
      return ibb_build_data (ibb->sid, ibb->seq, ibb->data, ibb->len);
    case IBB_CLOSE:
      return ibb_build_close (ibb->sid);
    }
  g_assert_not_reached ();
}

static void
check_ibb (const Ibb *ibb)
{
  g_autoptr (Node) node = travel (build_again (ibb));
  g_autoptr (Ibb) again = ibb_parse (node);

  g_assert_nonnull (again);
  g_assert_true (ibb->kind == again->kind && ibb->block_size == again->block_size && ibb->seq == again->seq);
  g_assert_cmpstr (ibb->sid, ==, again->sid);
  g_assert_cmpmem (ibb->data, ibb->len, again->data, again->len);
  g_assert_cmpuint (ibb->len, <=, LIMIT_INBAND_BLOCK);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (Node) node = read_first ((const char *) data, size);
  g_autoptr (Jingle) jingle = node != NULL ? jingle_parse (node) : NULL;
  g_autoptr (Ibb) ibb = node != NULL ? ibb_parse (node) : NULL;

  if (jingle != NULL)
    check_jingle (jingle);
  if (ibb != NULL)
    check_ibb (ibb);
  return 0;
}
