/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Goal: each side ends its own pause, and what it says of it reaches the other: also when there is no stream at that moment, when it is lost, or
 * when either side starts again. Whatever they do, in the end it goes on. */

#include "core/messenger-private.h"
#include "core/transfers-private.h"
#include "net/deadline.h"
#include "scene.h"
#include "transfer/reason.h"

typedef enum
{
  SENDER,
  RECEIVER,
} Who;

static Who
other (Who who)
{
  return who == SENDER ? RECEIVER : SENDER;
}

static Side *
side_of (Scene *scene, Who who)
{
  return who == SENDER ? scene->juliet : scene->romeo;
}

static Transfer *
transfer_of (Scene *scene, Who who)
{
  return who == SENDER ? scene_sent (scene) : scene_got (scene);
}

static gboolean
is (Scene *scene, Who who, TransferState state, const char *reason)
{
  return tree_is (transfer_of (scene, who), state, reason);
}

static void
pause_it (Scene *scene, Who who)
{
  g_autoptr (GError) error = NULL;

  transfers_pause (side_of (scene, who)->messenger, transfer_of (scene, who), &error);
  g_assert_no_error (error);
}

static void
resume (Scene *scene, Who who)
{
  g_autoptr (GError) error = NULL;

  transfers_resume (side_of (scene, who)->messenger, transfer_of (scene, who), &error);
  g_assert_no_error (error);
}

static void
cancel (Scene *scene, Who who)
{
  g_autoptr (GError) error = NULL;

  transfers_cancel (side_of (scene, who)->messenger, transfer_of (scene, who), &error);
  g_assert_no_error (error);
}

static void
stop (Scene *scene, Who who)
{
  side_stop (side_of (scene, who));
}

static void
start (Scene *scene, Who who)
{
  side_start (side_of (scene, who));
  if (who == RECEIVER)
    scene_follow (scene);
}

static void
begin (Scene *scene)
{
  scene_begin_large (scene);
  side_keep_port (scene->juliet);
  side_keep_port (scene->romeo);
}

static void
end (Scene *scene)
{
  scene_wait_complete (scene);
  scene_assert_same (scene, "large", "large");
  g_assert_cmpuint (tree_count (scene->to), ==, 1);
  scene_close (scene);
}

static void
wait_paused_by (Scene *scene, Who who)
{
  side_wait (is (scene, who, TRANSFER_PAUSED, REASON_PAUSED) && is (scene, other (who), TRANSFER_PAUSED, REASON_PEER_PAUSED));
}

/* Each knows of the other's. */
static void
pause_both (Scene *scene)
{
  pause_it (scene, SENDER);
  pause_it (scene, RECEIVER);
  side_wait (transfer_has_flag (scene_sent (scene), TRANSFER_PAUSED_THERE) && transfer_has_flag (scene_got (scene), TRANSFER_PAUSED_THERE));
  g_assert_true (is (scene, SENDER, TRANSFER_PAUSED, REASON_PAUSED));
  g_assert_true (is (scene, RECEIVER, TRANSFER_PAUSED, REASON_PAUSED));
}

/* ------------------------------------------------------------------------------------------------------------------ */

static void
test_apart (gconstpointer data)
{
  Who who = GPOINTER_TO_INT (data);
  Scene scene;

  begin (&scene);
  stop (&scene, other (who));
  pause_it (&scene, who);
  scene_go_on (&scene);
  start (&scene, other (who));
  wait_paused_by (&scene, who);
  resume (&scene, who);
  end (&scene);
}

/* It is not forgotten either. */
static void
test_restart (gconstpointer data)
{
  Who who = GPOINTER_TO_INT (data);
  Scene scene;

  begin (&scene);
  stop (&scene, other (who));
  pause_it (&scene, who);
  stop (&scene, who);
  scene_go_on (&scene);
  start (&scene, other (who));
  start (&scene, who);
  wait_paused_by (&scene, who);
  stop (&scene, other (who));
  resume (&scene, who);
  stop (&scene, who);
  start (&scene, who);
  start (&scene, other (who));
  end (&scene);
}

/* One resumes while apart; the other may do so before it knows. */
static void
test_both (gconstpointer data)
{
  Who who = GPOINTER_TO_INT (data);
  Scene scene;

  begin (&scene);
  pause_both (&scene);
  stop (&scene, other (who));
  resume (&scene, who);
  g_assert_true (is (&scene, who, TRANSFER_PAUSED, REASON_PEER_PAUSED));
  scene_go_on (&scene);
  start (&scene, other (who));
  resume (&scene, other (who));
  end (&scene);
}

static void
test_both_and_told (gconstpointer data)
{
  Who who = GPOINTER_TO_INT (data);
  Scene scene;

  begin (&scene);
  pause_both (&scene);
  stop (&scene, other (who));
  resume (&scene, who);
  scene_go_on (&scene);
  start (&scene, other (who));
  side_wait (!transfer_has_flag (transfer_of (&scene, other (who)), TRANSFER_PAUSED_THERE));
  wait_paused_by (&scene, other (who));
  resume (&scene, other (who));
  end (&scene);
}

/* It was never offered: he who does not know of it has not canceled it. */
static void
test_queued (void)
{
  Scene scene;

  scene_open (&scene);
  side_keep_port (scene.romeo);
  side_stop (scene.romeo);
  scene_write (scene.from, "large", 1000);
  scene_offer (&scene, "large", -1);
  pause_it (&scene, SENDER);
  scene_wait_counted (&scene);
  start (&scene, RECEIVER);
  side_wait (!transfer_has_flag (scene_sent (&scene), TRANSFER_UNTOLD));
  g_assert_true (is (&scene, SENDER, TRANSFER_PAUSED, REASON_PAUSED));
  resume (&scene, SENDER);
  scene_wait (&scene, TRANSFER_OFFERED, "", TRANSFER_OFFERED, "");
  scene_accept (&scene);
  end (&scene);
}

static void
on_ask (Transfer *transfer, gpointer user_data)
{
  ++*(guint *) user_data;
}

/* Nobody said yes yet. Who was asked is asked again. */
static void
test_offered (gconstpointer data)
{
  Who who = GPOINTER_TO_INT (data);
  guint asked = 0;
  Scene scene;

  scene_open (&scene);
  transfers_set_agent (scene.romeo->messenger, on_ask, &asked);
  scene_write (scene.from, "large", 1000);
  scene_offer_and_see (&scene, "large");
  side_wait (asked == 1);
  pause_it (&scene, who);
  wait_paused_by (&scene, who);
  resume (&scene, who);
  scene_wait (&scene, TRANSFER_OFFERED, "", TRANSFER_OFFERED, "");
  side_wait (asked == 2);
  scene_accept (&scene);
  end (&scene);
}

/* A yes does not end a pause. */
static void
test_accepted (gconstpointer data)
{
  Who who = GPOINTER_TO_INT (data);
  Scene scene;

  scene_open (&scene);
  scene_write (scene.from, "large", 1000);
  scene_offer_and_see (&scene, "large");
  pause_it (&scene, who);
  wait_paused_by (&scene, who);
  scene_accept (&scene);
  g_assert_true (is (&scene, RECEIVER, TRANSFER_PAUSED, who == RECEIVER ? REASON_PAUSED : REASON_PEER_PAUSED));
  resume (&scene, who);
  end (&scene);
}

/* And no time ends it. */
static void
wait_for_space (Scene *scene)
{
  scene_wait (scene, TRANSFER_PAUSED, REASON_PEER_NO_SPACE, TRANSFER_PAUSED, REASON_NO_SPACE);
  deadline_drop (&scene_got (scene)->run->retry);
}

/* A full disk is a pause of its own: hers neither ends it nor is ended by it. */
static void
test_no_space (void)
{
  Scene scene;

  scene_open (&scene);
  side_configure (scene.romeo, "reserve", "1000000G");
  scene_write (scene.from, "large", 1000);
  scene_offer_and_see (&scene, "large");
  scene_accept (&scene);
  wait_for_space (&scene);
  pause_it (&scene, SENDER);
  side_wait (transfer_has_flag (scene_got (&scene), TRANSFER_PAUSED_THERE));
  g_assert_true (is (&scene, RECEIVER, TRANSFER_PAUSED, REASON_NO_SPACE));
  resume (&scene, SENDER);
  wait_for_space (&scene);
  pause_it (&scene, SENDER);
  side_wait (transfer_has_flag (scene_got (&scene), TRANSFER_PAUSED_THERE));
  side_configure (scene.romeo, "reserve", "0");
  resume (&scene, RECEIVER);
  wait_paused_by (&scene, SENDER);
  resume (&scene, SENDER);
  end (&scene);
}

/* And who canceled it has forgotten it when they meet again. */
static void
test_canceled (gconstpointer data)
{
  Who who = GPOINTER_TO_INT (data);
  Scene scene;

  begin (&scene);
  pause_it (&scene, who);
  wait_paused_by (&scene, who);
  stop (&scene, other (who));
  cancel (&scene, who);
  side_wait (transfer_of (&scene, who)->run->task == NULL);
  stop (&scene, who);
  start (&scene, other (who));
  start (&scene, who);
  side_wait (is (&scene, other (who), TRANSFER_CANCELED, REASON_PEER_CANCELED));
  scene_close (&scene);
}

/* Not after a pause that grows. */
static void
call_again (Side *side)
{
  streams_forget_pause (side->peer);
  streams_want (side->messenger, side->peer);
}

/* Streams break, and both open new ones at once, while either changes his mind. */
static void
test_storm (void)
{
  Scene scene;

  begin (&scene);
  for (guint round = 0; round < 3; round++)
    {
      for (guint i = 0; i < 6; i++)
        {
          Who who = g_test_rand_bit () ? SENDER : RECEIVER;
          Messenger *messenger = side_of (&scene, who)->messenger;

          if (g_test_rand_bit ())
            transfers_pause (messenger, transfer_of (&scene, who), NULL);
          else
            transfers_resume (messenger, transfer_of (&scene, who), NULL); /* refused, where it is the other one's */
          for (gint32 turns = g_test_rand_int_range (0, 20); turns > 0; turns--)
            g_main_context_iteration (NULL, FALSE);
        }
      proxy_cut (scene.to_romeo);
      proxy_cut (scene.to_juliet);
      call_again (scene.juliet);
      call_again (scene.romeo);
    }
  scene_go_on (&scene);
  transfers_resume (scene.juliet->messenger, scene_sent (&scene), NULL);
  transfers_resume (scene.romeo->messenger, scene_got (&scene), NULL);
  end (&scene);
}

static void
add (const char *name, void (*test) (gconstpointer))
{
  g_autofree char *sender = g_strdup_printf ("/pauses/%s/sender", name);
  g_autofree char *receiver = g_strdup_printf ("/pauses/%s/receiver", name);

  g_test_add_data_func (sender, GINT_TO_POINTER (SENDER), test);
  g_test_add_data_func (receiver, GINT_TO_POINTER (RECEIVER), test);
}

int
main (int argc, char **argv)
{
  g_autofree char *home = g_dir_make_tmp ("hearby-home-XXXXXX", NULL);
  int result;

  g_setenv ("XDG_DATA_HOME", home, TRUE);
  g_test_init (&argc, &argv, NULL);
  add ("apart", test_apart);
  add ("restart", test_restart);
  add ("both", test_both);
  add ("both-and-told", test_both_and_told);
  g_test_add_func ("/pauses/queued", test_queued);
  add ("offered", test_offered);
  add ("accepted", test_accepted);
  g_test_add_func ("/pauses/no-space", test_no_space);
  add ("canceled", test_canceled);
  g_test_add_func ("/pauses/storm", test_storm);
  result = g_test_run ();
  tree_remove (g_steal_pointer (&home));
  return result;
}
