/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties: the same outcome in whatever slices; whatever is changed in clear, in the handshake or in the
 * records, nothing is read that the peer did not write, in its order, and an end that it did not write counts
 * as cut.
 *
 * The input: which role is ours; how many bytes are said in clear, and those; which of them somebody changes,
 * 0 for none; and what is laid by XOR over all that follows, so that zeros are the right bytes. */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "secure/channel.h"

static const guint8 secrets[2][X25519_KEY] = { { 0, 1 }, { 0, 2 } };
static const char said[] = "<message><body>wherefore art thou</body></message>";

typedef struct
{
  const guint8 *data;
  gsize size;
} Input;

typedef struct
{
  Channel *ours, *theirs;
  Input changes;
  gboolean changed;
  gsize slice; /* at most so many bytes in one push; 0: all */
  GByteArray *content;
  GString *log;
} Run;

static void
fill (void *bytes, gsize len, gpointer data)
{
  memset (bytes, GPOINTER_TO_INT (data), len);
}

static guint8
take (Input *input)
{
  if (input->size == 0)
    return 0;
  input->size--;
  return *input->data++;
}

static void
push (Run *run, const guint8 *bytes, gsize len)
{
  while (len > 0)
    {
      gsize part = run->slice == 0 ? len : MIN (len, run->slice);
      g_autoptr (GError) error = NULL;

      if (!channel_push (run->ours, bytes, part, run->content, &error))
        {
          g_string_assign (run->log, error->message);
          g_assert_null (channel_take_output (run->ours));
        }
      bytes += part;
      len -= part;
    }
}

/* What the peer has to say, changed on the way; what we answer, unchanged. */
static void
move (Run *run)
{
  g_autoptr (GBytes) from = channel_take_output (run->theirs);
  g_autoptr (GByteArray) bytes
      = from != NULL ? g_bytes_unref_to_array (g_steal_pointer (&from)) : g_byte_array_new ();
  g_autoptr (GByteArray) ignored = g_byte_array_new ();
  g_autoptr (GBytes) back = NULL;

  for (guint i = 0; i < bytes->len; i++)
    {
      guint8 change = take (&run->changes);

      bytes->data[i] ^= change;
      run->changed = run->changed || change != 0;
    }
  push (run, bytes->data, bytes->len);
  back = channel_take_output (run->ours);
  if (back != NULL)
    channel_push (run->theirs, g_bytes_get_data (back, NULL), g_bytes_get_size (back), ignored, NULL);
}

static void
secure (Channel *channel, NoiseRole role)
{
  NoiseConfig config = { .static_secret = secrets[role],
                         .fill_random = fill,
                         .random_data = GINT_TO_POINTER (0x40 + (int)role) };

  g_assert_true (channel_secure (channel, &config, NULL));
}

static void
speak_in_clear (Run *run, Input *input)
{
  guint8 len = take (input);
  g_autofree guint8 *clear = g_malloc0 (len + 1u);
  guint8 change;

  for (guint i = 0; i < len; i++)
    clear[i] = take (input);
  change = take (input);
  channel_send (run->theirs, clear, len, NULL);
  g_bytes_unref (channel_take_output (run->theirs) ?: g_bytes_new (NULL, 0));
  if (change != 0 && change <= len)
    clear[change - 1] ^= 1;
  run->changed = change != 0 && change <= len;
  push (run, clear, len);
  g_assert_cmpmem (run->content->data, run->content->len, clear, len);
  g_byte_array_set_size (run->content, 0);
}

static void
check (const Run *run)
{
  gsize all = 2 * sizeof said;

  if (run->changed)
    g_assert_true (run->log->len > 0 || channel_was_cut (run->ours)
                   || channel_state (run->ours) != CHANNEL_OPEN);
  else
    g_assert_true (run->log->len == 0 && run->content->len == all && !channel_was_cut (run->ours)
                   && channel_state (run->ours) == CHANNEL_OPEN);
  g_assert_cmpuint (run->content->len, <=, all);
  for (guint i = 0; i < run->content->len; i++)
    g_assert_cmpuint (run->content->data[i], ==, (guint8)said[i % sizeof said]);
}

static void
run_all (Run *run, Input input, gsize slice)
{
  NoiseRole role = take (&input) % 2 == 0 ? NOISE_INITIATOR : NOISE_RESPONDER;
  NoiseRole other = role == NOISE_INITIATOR ? NOISE_RESPONDER : NOISE_INITIATOR;

  *run = (Run){ channel_new (role), channel_new (other), .slice = slice, .content = g_byte_array_new (),
                .log = g_string_new (NULL) };
  speak_in_clear (run, &input);
  run->changes = input;
  secure (run->theirs, other);
  secure (run->ours, role);
  for (guint i = 0; i < 3; i++)
    move (run);
  for (guint i = 0; i < 2 && channel_state (run->theirs) == CHANNEL_OPEN; i++)
    channel_send (run->theirs, said, sizeof said, NULL);
  channel_close (run->theirs);
  move (run);
  check (run);
}

static void
run_clear (Run *run)
{
  channel_free (run->ours);
  channel_free (run->theirs);
  g_byte_array_unref (run->content);
  g_string_free (run->log, TRUE);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  Run whole, sliced;

  if (sodium_init () < 0)
    return 0;
  run_all (&whole, (Input){ data, size }, 0);
  run_all (&sliced, (Input){ data, size }, 1 + size % 37);
  g_assert_cmpstr (whole.log->str, ==, sliced.log->str);
  g_assert_cmpint (channel_state (whole.ours), ==, channel_state (sliced.ours));
  g_assert_cmpmem (whole.content->data, whole.content->len, sliced.content->data, sliced.content->len);
  run_clear (&whole);
  run_clear (&sliced);
  return 0;
}
