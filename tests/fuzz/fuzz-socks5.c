/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties, for both sides: whole and byte by byte the end, what was used of what is no error, and the answers are the same, at most the talk itself is used, and the server
 * only opens where the digest is in what came. */
#include "fuzz.h"

#include <string.h>

#include "transfer/socks5.h"

#define DIGEST "b3f473f04cff88326455af21a528d7f9666f381f"
#define TALK_MAX (2 + 255 + 5 + 255 + 2)

typedef struct
{
  gsize       used;
  gboolean    open, alive;
  GByteArray *out;
} Outcome;

static Outcome
run (Socks5 *socks5, const guint8 *data, gsize size, gsize slice)
{
  Outcome outcome = { .alive = TRUE, .out = g_byte_array_new () };

  while (outcome.alive && outcome.used < size && !socks5_is_open (socks5))
    {
      g_autoptr (GBytes) out = NULL;
      gsize used;

      outcome.alive = socks5_push (socks5, data + outcome.used, MIN (slice, size - outcome.used), &used, NULL);
      outcome.used += used;
      out = socks5_take_output (socks5);
      if (out != NULL)
        g_byte_array_append (outcome.out, g_bytes_get_data (out, NULL), (guint)g_bytes_get_size (out));
    }
  outcome.open = socks5_is_open (socks5);
  socks5_free (socks5);
  return outcome;
}

static void
check (Socks5 *(*make) (const char *digest), const guint8 *data, gsize size, gboolean server)
{
  Outcome whole = run (make (DIGEST), data, size, MAX (size, 1));
  Outcome bytes = run (make (DIGEST), data, size, 1);

  g_assert_true (!whole.alive || whole.used == bytes.used);
  g_assert_cmpuint (whole.used, <=, TALK_MAX);
  g_assert_cmpint (whole.open, ==, bytes.open);
  g_assert_cmpint (whole.alive, ==, bytes.alive);
  g_assert_cmpmem (whole.out->data, whole.out->len, bytes.out->data, bytes.out->len);
  if (server && whole.open)
    {
      g_autofree char *digest = g_ascii_strdown ((const char *)data + whole.used - 2 - SOCKS5_DIGEST, SOCKS5_DIGEST);

      g_assert_cmpstr (digest, ==, DIGEST);
    }
  g_byte_array_unref (whole.out);
  g_byte_array_unref (bytes.out);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  check (socks5_new_server, data, size, TRUE);
  check (socks5_new_client, data, size, FALSE);
  return 0;
}
