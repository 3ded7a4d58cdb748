/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: each step of a session means the same at the other end, and an offer that makes no sense is none. */
#include "transfer/jingle.h"

#include "base/limits.h"
#include "transfer/reason.h"
#include "xml.h"

#define JINGLE "<jingle xmlns='urn:xmpp:jingle:1' sid='s1' initiator='juliet@pronto' action="
#define CONTENT "<content creator='initiator' name='files' senders='initiator'>"
#define FILES "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'>"
#define BYTES "<transport xmlns='urn:x-hearby:bytes:0' id='000102030405060708090a0b0c0d0e0f'/>"
#define ONE_FILE "<file><name>a</name><size>5</size></file>"

static Jingle *
parse (const char *xml)
{
  g_autoptr (Node) node = xml_read (xml);

  return jingle_parse (node);
}

/* What the other end makes of it. */
static Jingle *
travel (const Jingle *jingle)
{
  g_autoptr (Node) node = xml_travel (jingle_build (jingle));

  return jingle_parse (node);
}

static Jingle *
make_offer (void)
{
  Jingle *jingle = jingle_new (JINGLE_INITIATE, "4f1c");

  jingle->initiator = g_strdup ("juliet@pronto");
  jingle->name = g_strdup ("files");
  jingle_add_file (jingle, "a & b '<\xc3\xa4>.pdf", 2104331, 1795000000, FALSE);
  jingle_add_file (jingle, "photos", G_MAXINT64 - 2104331, 0, TRUE);
  jingle->tops = 2;
  jingle->entries = 10000;
  jingle->n_files = 9990;
  jingle->size = G_MAXINT64;
  jingle->via = JINGLE_VIA_BYTES;
  jingle->has_id = TRUE;
  for (guint i = 0; i < JINGLE_ID; i++)
    jingle->id[i] = (guint8) (i * 17);
  return jingle;
}

static void
test_offer (void)
{
  g_autoptr (Jingle) offer = make_offer ();
  g_autoptr (Jingle) read = travel (offer);
  JingleFile *a, *photos;

  g_assert_cmpint (read->action, ==, JINGLE_INITIATE);
  g_assert_false (read->foreign);
  g_assert_cmpstr (read->sid, ==, "4f1c");
  g_assert_cmpstr (read->initiator, ==, "juliet@pronto");
  g_assert_cmpstr (read->name, ==, "files");
  g_assert_cmpuint (read->files->len, ==, 2);
  a = g_ptr_array_index (read->files, 0);
  photos = g_ptr_array_index (read->files, 1);
  g_assert_cmpstr (a->name, ==, "a & b '<\xc3\xa4>.pdf");
  g_assert_true (a->size == 2104331 && a->mtime == 1795000000 && !a->folder);
  g_assert_true (photos->size == G_MAXINT64 - 2104331 && photos->mtime == 0 && photos->folder);
  g_assert_true (read->tops == 2 && read->entries == 10000 && read->n_files == 9990 && read->size == G_MAXINT64);
  g_assert_cmpint (read->via, ==, JINGLE_VIA_BYTES);
  g_assert_true (read->has_id);
  g_assert_cmpmem (read->id, JINGLE_ID, offer->id, JINGLE_ID);
}

/* A pipe has no size, so all together have none. */
static void
test_offer_of_a_pipe (void)
{
  g_autoptr (Jingle) offer = jingle_new (JINGLE_INITIATE, "p");
  g_autoptr (Jingle) read = NULL;

  jingle_add_file (offer, "src.tar", -1, 0, FALSE);
  offer->tops = offer->entries = offer->n_files = 1;
  read = travel (offer);
  g_assert_false (read->foreign);
  g_assert_cmpint (read->size, ==, -1);
  g_assert_cmpint (((JingleFile *) g_ptr_array_index (read->files, 0))->size, ==, -1);
  g_assert_cmpint (read->via, ==, JINGLE_VIA_NONE);
}

static void
test_accept_and_replace (void)
{
  static const JingleAction actions[]
    = { JINGLE_ACCEPT, JINGLE_TRANSPORT_INFO, JINGLE_TRANSPORT_REPLACE, JINGLE_TRANSPORT_ACCEPT, JINGLE_TRANSPORT_REJECT };

  for (guint i = 0; i < G_N_ELEMENTS (actions); i++)
    {
      g_autoptr (Jingle) jingle = jingle_new (actions[i], "s");
      g_autoptr (Jingle) read = NULL;

      jingle->via = JINGLE_VIA_INBAND;
      jingle->block_size = LIMIT_INBAND_BLOCK;
      jingle->inband_sid = g_strdup ("band");
      read = travel (jingle);
      g_assert_cmpint (read->action, ==, actions[i]);
      g_assert_cmpint (read->via, ==, JINGLE_VIA_INBAND);
      g_assert_cmpuint (read->block_size, ==, LIMIT_INBAND_BLOCK);
      g_assert_cmpstr (read->inband_sid, ==, "band");
    }
}

static void
test_infos (void)
{
  for (JingleSays says = JINGLE_SAYS_NOTHING; says <= JINGLE_SAYS_RECEIVED; says++)
    {
      g_autoptr (Jingle) jingle = jingle_new (JINGLE_INFO, "s");
      g_autoptr (Jingle) read = NULL;

      jingle->says = says;
      jingle->why = REASON_NO_SPACE;
      read = travel (jingle);
      g_assert_cmpint (read->action, ==, JINGLE_INFO);
      g_assert_cmpint (read->says, ==, says);
      g_assert_cmpstr (read->why, ==, says == JINGLE_SAYS_PAUSE ? "no-space" : "");
    }
}

static void
check_end (const char *why, const char *condition)
{
  g_autoptr (Jingle) jingle = jingle_new (JINGLE_TERMINATE, "s");
  g_autoptr (Jingle) read = NULL;

  jingle->why = why;
  jingle->text = g_strdup ("so it is");
  read = travel (jingle);
  g_assert_cmpint (read->action, ==, JINGLE_TERMINATE);
  g_assert_cmpstr (read->reason, ==, condition);
  g_assert_cmpstr (read->why, ==, why);
  g_assert_cmpstr (read->text, ==, "so it is");
}

static void
test_ends (void)
{
  check_end ("", "success");
  check_end ("partial", "success");
  check_end ("declined", "decline");
  check_end ("canceled", "cancel");
  check_end ("expired", "expired");
  check_end ("connection-lost", "connectivity-error");
  check_end ("unencrypted", "security-error");
  check_end ("unsafe-name", "failed-application");
}

static void
test_ends_of_others (void)
{
  g_autoptr (Jingle) unknown = parse (JINGLE "'session-terminate'><reason><bored/><detail xmlns='urn:x-hearby:bytes:0' why='moon'/>"
                                             "<text> a\n\xe2\x80\xae" "b</text></reason></jingle>");
  g_autoptr (Jingle) none = parse (JINGLE "'session-terminate'/>");
  g_autoptr (Jingle) named = jingle_new (JINGLE_TERMINATE, "s");
  g_autoptr (Jingle) read = NULL;

  g_assert_cmpstr (unknown->reason, ==, "general-error");
  g_assert_cmpstr (unknown->why, ==, "");
  g_assert_cmpstr (unknown->text, ==, "a b");
  g_assert_null (none->reason);
  named->reason = "unsupported-transports";
  read = travel (named);
  g_assert_cmpstr (read->reason, ==, "unsupported-transports");
}

/* No offer of ours, but a session all the same: it is terminated, not answered with an error. */
static void
test_foreign (void)
{
  static const char *const offers[] = {
    JINGLE "'session-initiate'/>",
    JINGLE "'session-initiate'>" CONTENT "</content></jingle>",
    JINGLE "'session-initiate'>" CONTENT "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></content></jingle>",
    JINGLE "'session-initiate'>" CONTENT FILES ONE_FILE "</description>" BYTES "</content></jingle>",
    JINGLE "'session-initiate'><content creator='initiator' name='files' senders='responder'>" FILES ONE_FILE
           "<batch xmlns='urn:x-hearby:bytes:0'/></description>" BYTES "</content></jingle>",
    JINGLE "'session-initiate'>" CONTENT FILES ONE_FILE "<batch xmlns='urn:x-hearby:bytes:0' size='5'/></description>" BYTES "</content>"
           CONTENT FILES ONE_FILE "</description>" BYTES "</content></jingle>",
  };

  for (guint i = 0; i < G_N_ELEMENTS (offers); i++)
    {
      g_autoptr (Jingle) jingle = parse (offers[i]);

      g_assert_nonnull (jingle);
      g_assert_true (jingle->foreign);
    }
}

static void
test_unknown_parts (void)
{
  g_autoptr (Jingle) action = parse (JINGLE "'content-add'/>");
  g_autoptr (Jingle) transport
    = parse (JINGLE "'session-accept'>" CONTENT "<transport xmlns='urn:xmpp:jingle:transports:s5b:1' sid='x'/></content></jingle>");
  g_autoptr (Jingle) info = parse (JINGLE "'session-info'><active xmlns='urn:xmpp:jingle:apps:rtp:info:1'/></jingle>");

  g_assert_cmpint (action->action, ==, JINGLE_OTHER);
  g_assert_cmpint (transport->via, ==, JINGLE_VIA_OTHER);
  g_assert_cmpint (info->says, ==, JINGLE_SAYS_NOTHING);
}

#define OFFER(files, batch) \
  JINGLE "'session-initiate'>" CONTENT FILES files "<batch xmlns='urn:x-hearby:bytes:0' " batch "/></description>" BYTES "</content></jingle>"

static void
test_nonsense (void)
{
  static const char *const bad[] = {
    "<jingle xmlns='urn:xmpp:jingle:0' sid='s' action='session-info'/>",
    "<jingle xmlns='urn:xmpp:jingle:1' sid='s'/>",
    "<jingle xmlns='urn:xmpp:jingle:1' action='session-info'/>",
    "<jingle xmlns='urn:xmpp:jingle:1' sid='' action='session-info'/>",
    "<jingle xmlns='urn:xmpp:jingle:1' sid='a&#10;b' action='session-info'/>",
    OFFER ("", "entries='0'"),
    OFFER (ONE_FILE, "size='4'"),
    OFFER (ONE_FILE, "size='-1'"),
    OFFER (ONE_FILE, "size='+5'"),
    OFFER (ONE_FILE, "size='9223372036854775808'"),
    OFFER (ONE_FILE, "size='0x5'"),
    OFFER (ONE_FILE, "size=' 5'"),
    OFFER (ONE_FILE, "size=''"),
    OFFER (ONE_FILE, "size='5' tops='0'"),
    OFFER (ONE_FILE, "size='5' entries='0'"),
    OFFER (ONE_FILE, "size='5' tops='2' entries='1'"),
    OFFER (ONE_FILE, "size='5' entries='1' files='2'"),
    OFFER (ONE_FILE, "size='5' entries='10000001'"),
    OFFER ("<file><name>a</name></file>", "size='5'"), /* a pipe, and yet a sum */
    OFFER ("<file><name>a</name><size>9223372036854775808</size></file>", ""),
    OFFER ("<file><name>a</name><size>9223372036854775807</size></file>"
           "<file><name>b</name><size>9223372036854775807</size></file>", "size='9223372036854775807'"),
    OFFER ("<file><name>a</name><size>five</size></file>", ""),
    JINGLE "'session-accept'>" CONTENT "<transport xmlns='urn:x-hearby:bytes:0' id='00'/></content></jingle>",
    JINGLE "'session-accept'>" CONTENT "<transport xmlns='urn:x-hearby:bytes:0' id='000102030405060708090a0b0c0d0e0g'/></content></jingle>",
    JINGLE "'transport-replace'>" CONTENT "<transport xmlns='urn:xmpp:jingle:transports:ibb:1' sid='a'/></content></jingle>",
    JINGLE "'transport-replace'>" CONTENT "<transport xmlns='urn:xmpp:jingle:transports:ibb:1' sid='a' block-size='0'/></content></jingle>",
    JINGLE "'transport-replace'>" CONTENT "<transport xmlns='urn:xmpp:jingle:transports:ibb:1' sid='a' block-size='65536'/></content></jingle>",
    JINGLE "'transport-replace'>" CONTENT "<transport xmlns='urn:xmpp:jingle:transports:ibb:1' block-size='4096'/></content></jingle>",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (Jingle) jingle = parse (bad[i]);

      g_test_message ("%s", bad[i]);
      g_assert_null (jingle);
    }
}

static void
test_sense (void)
{
  g_autoptr (Jingle) jingle = parse (OFFER (ONE_FILE "<file><name>../../.x</name><size>3</size></file>", "size='8' entries='10000000'"));

  g_assert_nonnull (jingle);
  g_assert_cmpuint (jingle->tops, ==, 2);
  g_assert_cmpuint (jingle->entries, ==, LIMIT_ENTRIES);
  g_assert_cmpstr (((JingleFile *) g_ptr_array_index (jingle->files, 1))->name, ==, "x");
}

static char *
offer_of (guint n)
{
  GString *files = g_string_new (JINGLE "'session-initiate'>" CONTENT FILES);

  for (guint i = 0; i < n; i++)
    g_string_append (files, ONE_FILE);
  g_string_append_printf (files, "<batch xmlns='urn:x-hearby:bytes:0' entries='%u'/></description>" BYTES "</content></jingle>", n);
  return g_string_free (files, FALSE);
}

static void
test_limits (void)
{
  g_autofree char *fits = offer_of (LIMIT_OFFER_FILES);
  g_autofree char *past = offer_of (LIMIT_OFFER_FILES + 1);
  g_autoptr (Jingle) most = parse (fits);
  g_autoptr (Jingle) more = parse (past);
  g_autofree char *sid = g_strnfill (LIMIT_SID, 's');
  g_autofree char *sid_fits = g_strdup_printf ("<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='%s'/>", sid);
  g_autofree char *sid_past = g_strdup_printf ("<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='%sx'/>", sid);
  g_autoptr (Jingle) longest = parse (sid_fits);
  g_autoptr (Jingle) longer = parse (sid_past);

  g_assert_nonnull (most);
  g_assert_cmpuint (most->files->len, ==, LIMIT_OFFER_FILES);
  g_assert_null (more);
  g_assert_nonnull (longest);
  g_assert_null (longer);
}

/* More names than an offer takes: the first are named, all are counted. The same for a file of a year that no date has. */
static void
test_written_within_limits (void)
{
  g_autoptr (Jingle) offer = jingle_new (JINGLE_INITIATE, "s");
  g_autoptr (Jingle) read = NULL;

  for (guint i = 0; i <= LIMIT_OFFER_FILES; i++)
    jingle_add_file (offer, "a", 1, G_MAXINT64, FALSE);
  offer->tops = offer->entries = offer->n_files = offer->files->len;
  offer->size = (gint64) offer->tops;
  read = travel (offer);
  g_assert_nonnull (read);
  g_assert_cmpuint (read->files->len, ==, LIMIT_OFFER_FILES);
  g_assert_cmpuint (read->tops, ==, LIMIT_OFFER_FILES + 1);
  g_assert_cmpint (((JingleFile *) g_ptr_array_index (read->files, 0))->mtime, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jingle/offer", test_offer);
  g_test_add_func ("/jingle/offer of a pipe", test_offer_of_a_pipe);
  g_test_add_func ("/jingle/accept and replace", test_accept_and_replace);
  g_test_add_func ("/jingle/infos", test_infos);
  g_test_add_func ("/jingle/ends", test_ends);
  g_test_add_func ("/jingle/ends of others", test_ends_of_others);
  g_test_add_func ("/jingle/foreign", test_foreign);
  g_test_add_func ("/jingle/unknown parts", test_unknown_parts);
  g_test_add_func ("/jingle/nonsense", test_nonsense);
  g_test_add_func ("/jingle/sense", test_sense);
  g_test_add_func ("/jingle/limits", test_limits);
  g_test_add_func ("/jingle/written within limits", test_written_within_limits);
  return g_test_run ();
}
