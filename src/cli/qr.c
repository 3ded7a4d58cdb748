/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <string.h>

#include "base/error.h"

#define QUIET 4

/* By what is inked: bit 0 the upper module, bit 1 the lower one. */
static const char *const halves[] = { " ", "▀", "▄", "█" };

/* Around the code, all is light. */
static gboolean
is_dark (const QRcode *code, int row, int column)
{
  return row >= 0 && row < code->width && column >= 0 && column < code->width
         && (code->data[row * code->width + column] & 1) != 0;
}

static void
draw_halves (const QRcode *code, gboolean dark_is_ink, GString *out)
{
  for (int row = -QUIET; row < code->width + QUIET; row += 2)
    {
      for (int column = -QUIET; column < code->width + QUIET; column++)
        {
          guint upper = is_dark (code, row, column) == dark_is_ink;
          guint lower = is_dark (code, row + 1, column) == dark_is_ink;

          g_string_append (out, halves[upper | lower << 1]);
        }
      g_string_append_c (out, '\n');
    }
}

static void
draw_ascii (const QRcode *code, GString *out)
{
  for (int row = -QUIET; row < code->width + QUIET; row++)
    {
      for (int column = -QUIET; column < code->width + QUIET; column++)
        g_string_append (out, is_dark (code, row, column) ? "##" : "  ");
      g_string_append_c (out, '\n');
    }
}

static gboolean
fail (gsize len, int number, GError **error)
{
  if (number == ERANGE || len == 0)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                 "%zu bytes do not make a QR code\ngive 1 to 2953 bytes", len);
  else
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "cannot make a QR code: %s", g_strerror (number));
  return FALSE;
}

char *
qr_draw (const char *text, QrStyle style, GError **error)
{
  gsize len = strlen (text);
  QRcode *code = len > 0 ? QRcode_encodeString8bit (text, 0, QR_ECLEVEL_L) : NULL;
  GString *out;

  if (code == NULL)
    {
      fail (len, errno, error);
      return NULL;
    }
  out = g_string_new (NULL);
  if (style == QR_ASCII)
    draw_ascii (code, out);
  else
    draw_halves (code, style == QR_ON_LIGHT, out);
  QRcode_free (code);
  return g_string_free (out, FALSE);
}
