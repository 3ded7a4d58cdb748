/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: a channel that is handed over goes on, record by record, where the channel was; and is dead itself. */
#include "secure/channel.h"

#include <string.h>

#include "base/error.h"
#include "pair.h"

typedef struct
{
  Channel *sides[2];
} Two;

/* What one has to say, to the other. */
static gboolean
move (Two *two, guint from, GByteArray *content)
{
  g_autoptr (GBytes) out = channel_take_output (two->sides[from]);
  g_autoptr (GError) error = NULL;

  if (out == NULL)
    return FALSE;
  channel_push (two->sides[!from], g_bytes_get_data (out, NULL), g_bytes_get_size (out), content, &error);
  g_assert_no_error (error);
  return TRUE;
}

static void
two_open (Two *two)
{
  g_autoptr (GByteArray) content = g_byte_array_new ();

  for (guint i = 0; i < 2; i++)
    two->sides[i] = channel_new (i == 0 ? NOISE_INITIATOR : NOISE_RESPONDER);
  for (guint i = 2; i-- > 0;)
    {
      NoiseConfig config = pair_config (i == 0 ? NOISE_INITIATOR : NOISE_RESPONDER);

      g_assert_true (channel_secure (two->sides[i], &config, NULL));
    }
  while (move (two, 0, content) || move (two, 1, content))
    ;
  g_assert_cmpint (channel_state (two->sides[0]), ==, CHANNEL_OPEN);
  g_assert_cmpint (channel_state (two->sides[1]), ==, CHANNEL_OPEN);
}

static void
two_clear (Two *two)
{
  channel_free (two->sides[0]);
  channel_free (two->sides[1]);
}

static void
test_goes_on (void)
{
  g_autoptr (RecordSealer) sealer = NULL, back = NULL;
  g_autoptr (RecordOpener) opener = NULL, unused = NULL;
  g_autoptr (GByteArray) content = g_byte_array_new ();
  g_autoptr (GBytes) out = NULL;
  guint8 wire[2 * 274];
  RecordEvent event;
  Two two;

  two_open (&two);
  g_assert_true (channel_send (two.sides[0], "id", 2, NULL));
  g_assert_false (channel_release (two.sides[0], &sealer, &unused)); /* that has to go out first */
  out = channel_take_output (two.sides[0]);
  g_assert_true (channel_release (two.sides[0], &sealer, &unused));
  memcpy (wire + RECORD_CONTENT_AT, "bulk", 4);
  g_assert_cmpuint (record_seal_in_place (sealer, RECORD_DATA, wire, 4, NULL), ==, 274);

  g_assert_true (channel_push (two.sides[1], g_bytes_get_data (out, NULL), g_bytes_get_size (out), content, NULL));
  g_assert_true (channel_push (two.sides[1], wire, 100, content, NULL));
  g_assert_cmpmem (content->data, content->len, "id", 2);
  g_assert_true (channel_release (two.sides[1], &back, &opener));
  g_assert_cmpuint (record_opener_take (opener, wire, 99), ==, 0);
  g_assert_cmpuint (record_opener_take (opener, wire, sizeof wire), ==, 100);
  g_assert_cmpuint (record_open_in_place (opener, wire, 274, &event, NULL), ==, 274);
  g_assert_cmpmem (event.content, event.len, "bulk", 4);
  two_clear (&two);
}

static void
test_is_dead (void)
{
  g_autoptr (RecordSealer) sealer = NULL, again = NULL;
  g_autoptr (RecordOpener) opener = NULL, same = NULL;
  g_autoptr (GByteArray) content = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  Two two;

  two_open (&two);
  g_assert_true (channel_release (two.sides[0], &sealer, &opener));
  g_assert_false (channel_release (two.sides[0], &again, &same));
  g_assert_false (channel_send (two.sides[0], "x", 1, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED);
  g_assert_false (channel_push (two.sides[0], "x", 1, content, NULL));
  channel_close (two.sides[0]);
  g_assert_null (channel_take_output (two.sides[0]));
  g_assert_false (channel_was_cut (two.sides[0]));
  g_assert_nonnull (channel_remote_static (two.sides[0]));
  two_clear (&two);
}

static void
test_not_yet (void)
{
  g_autoptr (Channel) channel = channel_new (NOISE_INITIATOR);
  g_autoptr (RecordSealer) sealer = NULL;
  g_autoptr (RecordOpener) opener = NULL;

  g_assert_false (channel_release (channel, &sealer, &opener));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  g_test_add_func ("/channel/goes-on", test_goes_on);
  g_test_add_func ("/channel/is-dead", test_is_dead);
  g_test_add_func ("/channel/not-yet", test_not_yet);
  return g_test_run ();
}
