/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Goal: a peer whose key is known, and who says about files what no program of ours says, gets nothing by it: no more than its part of
 * what there is room for, no second thread, no yes to what was not shown, and no bytes that stay on the disk. */

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "core/transfers-private.h"
#include "pair.h"
#include "transfer/jingle.h"
#include "transfer/reason.h"
#include "tree.h"

typedef struct
{
  Side     *juliet, *romeo; /* she says it */
  Proxy    *to_romeo, *to_juliet;
  char     *to;
  guint     asked, answered, refused;
  guint64   got; /* the newest */
  guint     shown;
  Session  *connection; /* hers, for bytes */
  ByteLink *link;
  gboolean  closed;
} Scene;

static void
on_added (Messenger *messenger, Transfer *transfer, Scene *scene)
{
  scene->got = transfer->row->id;
  scene->shown++;
}

static void
scene_open (Scene *scene)
{
  *scene = (Scene){ .juliet = side_new ("juliet@pronto", SIDE_SECURE), .romeo = side_new ("romeo@forza", SIDE_SECURE) };
  scene->to_romeo = proxy_new (messenger_port (scene->romeo->messenger), PROXY_WHOLE, NULL, NULL);
  scene->to_juliet = proxy_new (messenger_port (scene->juliet->messenger), PROXY_WHOLE, NULL, NULL);
  side_add (scene->juliet, proxy_port (scene->to_romeo)); /* the stream is one that she made */
  side_wait (scene->juliet->peer->session != NULL && session_is_secure (scene->juliet->peer->session));
  side_add (scene->romeo, proxy_port (scene->to_juliet));
  side_meet (scene->juliet, scene->romeo);
  scene->to = g_dir_make_tmp ("hearby-to-XXXXXX", NULL);
  g_signal_connect (scene->romeo->messenger, "transfer-added", G_CALLBACK (on_added), scene);
}

static void
scene_close (Scene *scene)
{
  g_clear_pointer (&scene->link, byte_link_free);
  g_clear_pointer (&scene->connection, session_free);
  side_free (scene->juliet);
  side_free (scene->romeo);
  proxy_free (scene->to_romeo);
  proxy_free (scene->to_juliet);
  tree_remove (scene->to);
}

static Transfer *
got (Scene *scene)
{
  return transfers_find (scene->romeo->messenger, scene->got);
}

/* What she says ------------------------------------------------------------------------------------------------- */

static void
on_answer (const Node *answer, gint64 rtt, gpointer user_data)
{
  Scene *scene = user_data;

  g_assert_nonnull (answer);
  scene->answered++;
  scene->refused += g_strcmp0 (node_get (answer, "type"), "error") == 0;
}

/* Takes @jingle; returns when it was answered. */
static void
say (Scene *scene, Jingle *jingle)
{
  session_request (scene->juliet->peer->session, "set", jingle_build (jingle), on_answer, scene);
  jingle_free (jingle);
  scene->asked++;
  side_wait (scene->answered == scene->asked);
}

static const guint8 *
id_of (guint8 number)
{
  static guint8 id[JINGLE_ID];

  memset (id, number, sizeof id);
  return id;
}

/* Her program answers what he says: as one that has such a transfer, and does nothing with it. */
static void
know (Scene *scene, const char *sid)
{
  Messenger *messenger = scene->juliet->messenger;
  TransferRow *row;

  if (transfer_with_sid (messenger, scene->juliet->peer, sid) != NULL)
    return;
  row = transfer_row_new ();
  row->peer = scene->juliet->peer->row->id;
  row->direction = DIRECTION_OUT;
  row->state = TRANSFER_PAUSED;
  row->flags = TRANSFER_ACCEPTED | TRANSFER_PAUSED_HERE;
  row->sid = g_strdup (sid);
  row->name = g_strdup ("a");
  row->created = row->changed = g_get_real_time ();
  row->expires = row->created + (gint64) LIMIT_EXPIRE_S * G_USEC_PER_SEC;
  g_assert_true (transfers_save (messenger->db, row, NULL));
  transfer_new (messenger, row, scene->juliet->peer)->run->telling = TRUE; /* so it says nothing by itself */
}

static void
say_offer (Scene *scene, const char *sid, const char *name, gint64 size, guint8 id)
{
  Jingle *jingle = jingle_new (JINGLE_INITIATE, sid);

  jingle_add_file (jingle, name, size, 0, FALSE);
  jingle->name = g_strdup ("files");
  jingle->initiator = g_strdup ("juliet@pronto");
  jingle->tops = jingle->entries = jingle->n_files = 1;
  jingle->size = size;
  jingle->via = JINGLE_VIA_BYTES;
  jingle->has_id = TRUE;
  memcpy (jingle->id, id_of (id), JINGLE_ID);
  know (scene, sid);
  say (scene, jingle);
}

static void
say_info (Scene *scene, const char *sid, JingleSays says)
{
  Jingle *jingle = jingle_new (JINGLE_INFO, sid);

  jingle->says = says;
  jingle->why = says == JINGLE_SAYS_PAUSE ? REASON_PAUSED : REASON_NONE;
  say (scene, jingle);
}

static void
say_end (Scene *scene, const char *sid)
{
  Jingle *jingle = jingle_new (JINGLE_TERMINATE, sid);

  jingle->why = REASON_CANCELED;
  jingle->reason = jingle_condition (jingle->why);
  say (scene, jingle);
}

static void
say_yes (Scene *scene)
{
  TransferTarget target = { scene->to, -1, -1 };
  g_autoptr (GError) error = NULL;

  transfers_accept (scene->romeo->messenger, got (scene), &target, &error);
  g_assert_no_error (error);
}

/* Her connection for bytes ---------------------------------------------------------------------------------------- */

static void
on_header (Session *session, gpointer user_data)
{
}

static void
on_clear (Session *session, gboolean spoke, gpointer user_data)
{
  g_assert_not_reached ();
}

static void
on_bytes (Session *session, const guint8 *id, gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (GBytes) surplus = NULL;
  RecordSealer *sealer;
  RecordOpener *opener;
  int fd;

  session_take_bytes (session, &fd, &sealer, &opener, &surplus);
  scene->link = byte_link_new (fd, sealer, opener, g_steal_pointer (&surplus));
}

static void
on_ended (Session *session, const GError *error, gpointer user_data)
{
  ((Scene *) user_data)->closed = TRUE;
}

/* Returns when she has the other end. */
static void
connect_with (Scene *scene, guint8 id)
{
  static const SessionEvents events = { .header = on_header, .clear = on_clear, .bytes = on_bytes, .ended = on_ended };

  g_clear_pointer (&scene->link, byte_link_free);
  g_clear_pointer (&scene->connection, session_free);
  scene->closed = FALSE;
  scene->connection = dial_bytes (scene->juliet->messenger, scene->juliet->peer, id_of (id), &events, scene);
  side_wait (scene->closed && scene->link != NULL);
}

/* ------------------------------------------------------------------------------------------------------------------ */

/* Offers that nobody said yes to stay few, whatever state she brings them to. */
static void
test_flood (gconstpointer data)
{
  void (*then) (Scene *, const char *) = data;
  Scene scene;

  scene_open (&scene);
  for (guint i = 0; i <= LIMIT_OFFERS_PER_PEER; i++)
    {
      g_autofree char *sid = g_strdup_printf ("sid %u", i);

      g_assert_cmpuint (scene.refused, ==, 0);
      say_offer (&scene, sid, "a", 1, 1);
      if (scene.refused == 0)
        then (&scene, sid);
    }
  g_assert_cmpuint (scene.refused, ==, 1);
  side_wait (scene.shown == LIMIT_OFFERS_PER_PEER);
  g_assert_cmpuint (transfers_all (scene.romeo->messenger)->len, ==, LIMIT_OFFERS_PER_PEER);
  scene_close (&scene);
}

static void
leave (Scene *scene, const char *sid)
{
}

static void
hide (Scene *scene, const char *sid)
{
  say_info (scene, sid, JINGLE_SAYS_PAUSE);
}

/* He calls her because she asked for it, and she calls him, at once: one thread, and the second connection ends. */
static void
test_two_connections (void)
{
  ByteTask *task;
  Proxy *late;
  PeerRow *row;
  Scene scene;

  scene_open (&scene);
  late = proxy_new (messenger_port (scene.juliet->messenger), PROXY_WHOLE, NULL, NULL);
  row = scene.romeo->peer->row;
  g_free (row->address);
  row->address = g_strdup_printf ("127.0.0.1:%u", proxy_port (late));
  proxy_hold_above (late, 1);
  say_offer (&scene, "sid", "a", 1, 7);
  side_wait (tree_is (got (&scene), TRANSFER_OFFERED, ""));
  say_yes (&scene);
  say_info (&scene, "sid", JINGLE_SAYS_CONNECT);
  side_wait (proxy_connections (late) == 1);
  connect_with (&scene, 7);
  side_wait (tree_is (got (&scene), TRANSFER_ACTIVE, ""));
  task = got (&scene)->run->task;
  proxy_release (late);
  side_wait (got (&scene)->run->carrier == NULL);
  g_assert_true (got (&scene)->run->task == task);
  scene_close (&scene);
  proxy_free (late);
}

/* He said yes to one name and one size. */
static void
test_another_name (void)
{
  Scene scene;

  scene_open (&scene);
  say_offer (&scene, "sid", "photo.jpg", 1000, 1);
  side_wait (tree_is (got (&scene), TRANSFER_OFFERED, ""));
  say_yes (&scene);
  say_offer (&scene, "sid", "photo.desktop", 1000, 2);
  side_wait (tree_is (got (&scene), TRANSFER_FAILED, REASON_SOURCE_CHANGED));
  scene_close (&scene);
}

static void
on_ask (Transfer *transfer, gpointer user_data)
{
  *(gint64 *) user_data = transfer->row->size;
}

/* He is asked about what it is now, also when he has not answered yet. */
static void
test_another_size (void)
{
  gint64 asked = 0;
  Scene scene;

  scene_open (&scene);
  transfers_set_agent (scene.romeo->messenger, on_ask, &asked);
  say_offer (&scene, "sid", "photo.jpg", 1000, 1);
  side_wait (asked == 1000);
  say_offer (&scene, "sid", "photo.jpg", 1001, 2);
  side_wait (asked == 1001);
  say_yes (&scene);
  say_offer (&scene, "sid", "photo.jpg", 1002, 3);
  side_wait (asked == 1002);
  g_assert_true (tree_is (got (&scene), TRANSFER_OFFERED, REASON_SOURCE_CHANGED));
  scene_close (&scene);
}

/* She may send without a question, and offers more than he takes at once: the rest waits. */
static void
test_many_at_once (void)
{
  g_autoptr (GError) error = NULL;
  Scene scene;
  guint open = 0;

  scene_open (&scene);
  side_send (scene.romeo, "hello");
  side_wait (side_all_delivered (scene.romeo));
  transfers_set_policy (scene.romeo->messenger, scene.romeo->peer, FILES_AUTO, 0, scene.to, 0, &error);
  g_assert_no_error (error);
  for (guint8 i = 0; i <= LIMIT_RECEIVING_PER_PEER; i++)
    {
      g_autofree char *sid = g_strdup_printf ("sid %u", i);

      say_offer (&scene, sid, "a", 10, i);
      say_info (&scene, sid, JINGLE_SAYS_NOTHING);
      side_wait (scene.shown == i + 1u);
    }
  for (guint i = 0; i < transfers_all (scene.romeo->messenger)->len; i++)
    open += ((Transfer *) g_ptr_array_index (transfers_all (scene.romeo->messenger), i))->run->id_open;
  g_assert_cmpuint (open, ==, LIMIT_RECEIVING_PER_PEER);
  say_end (&scene, "sid 3");
  side_wait (got (&scene)->run->id_open);
  scene_close (&scene);
}

int
main (int argc, char **argv)
{
  g_autofree char *home = g_dir_make_tmp ("hearby-home-XXXXXX", NULL);
  int result;

  g_setenv ("XDG_DATA_HOME", home, TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/offers/flood", leave, test_flood);
  g_test_add_data_func ("/offers/flood/paused", hide, test_flood);
  g_test_add_data_func ("/offers/flood/taken-back", say_end, test_flood);
  g_test_add_func ("/offers/two-connections", test_two_connections);
  g_test_add_func ("/offers/another-name", test_another_name);
  g_test_add_func ("/offers/another-size", test_another_size);
  g_test_add_func ("/offers/many-at-once", test_many_at_once);
  result = g_test_run ();
  tree_remove (g_steal_pointer (&home));
  return result;
}
