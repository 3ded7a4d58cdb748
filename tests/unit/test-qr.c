/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what is drawn is a QR code with its quiet zone, the same one in each style, in lines of one width. */
#include "cli/qr.h"

#include <qrencode.h>
#include <string.h>

#include "base/error.h"

#define QUIET 4

static const char uri[] = "xmpp:juliet@pronto?trust-message;encryption=urn:x-hearby:noise:0;"
                          "trust=b77d147b5fe4e5363029798b550ec14317277a352a79445f2bbd8f5934c1b946";

/* The lines of a drawing; each is checked to be of @width characters. */
static GStrv
lines_of (const char *text, QrStyle style, guint *width)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *drawn = qr_draw (text, style, &error);
  GStrv lines;

  g_assert_no_error (error);
  g_assert_true (g_str_has_suffix (drawn, "\n"));
  drawn[strlen (drawn) - 1] = '\0';
  lines = g_strsplit (drawn, "\n", -1);
  *width = (guint)g_utf8_strlen (lines[0], -1);
  for (guint i = 0; lines[i] != NULL; i++)
    g_assert_cmpuint (g_utf8_strlen (lines[i], -1), ==, *width);
  return lines;
}

/* Side length with the quiet zone; a byte for each module, 1 where it is dark. */
static guint8 *
modules_of_ascii (const char *text, guint *side)
{
  g_auto (GStrv) lines = lines_of (text, QR_ASCII, side);
  guint8 *modules;

  *side /= 2;
  g_assert_cmpuint (g_strv_length (lines), ==, *side);
  modules = g_malloc0 ((gsize)*side * *side);
  for (guint row = 0; row < *side; row++)
    for (guint column = 0; column < *side; column++)
      {
        const char *pair = lines[row] + 2 * column;

        g_assert_true (strncmp (pair, "##", 2) == 0 || strncmp (pair, "  ", 2) == 0);
        modules[row * *side + column] = *pair == '#';
      }
  return modules;
}

/* 7 × 7: dark, a light ring, a dark heart of 3 × 3 (6.3.3 of the standard). */
static gboolean
finder_is_dark (guint row, guint column)
{
  guint away = MAX (row > 3 ? row - 3 : 3 - row, column > 3 ? column - 3 : 3 - column);

  return away != 2;
}

static void
check_finder (const guint8 *modules, guint side, guint top, guint left)
{
  for (guint row = 0; row < 7; row++)
    for (guint column = 0; column < 7; column++)
      g_assert_cmpuint (modules[(top + row) * side + left + column], ==, finder_is_dark (row, column));
}

static void
test_pattern (void)
{
  guint side, far;
  g_autofree guint8 *modules = modules_of_ascii (uri, &side);

  g_assert_cmpuint ((side - 2 * QUIET - 17) % 4, ==, 0); /* 17 + 4 for each version */
  far = side - QUIET - 7;
  check_finder (modules, side, QUIET, QUIET);
  check_finder (modules, side, QUIET, far);
  check_finder (modules, side, far, QUIET);
  for (guint i = QUIET + 8; i < far - 1; i++) /* timing: in turns */
    {
      g_assert_cmpuint (modules[(QUIET + 6) * side + i], ==, i % 2 == 0);
      g_assert_cmpuint (modules[i * side + QUIET + 6], ==, i % 2 == 0);
    }
}

static void
test_quiet_zone (void)
{
  guint side;
  g_autofree guint8 *modules = modules_of_ascii (uri, &side);

  for (guint row = 0; row < side; row++)
    for (guint column = 0; column < side; column++)
      if (MIN (row, column) < QUIET || MAX (row, column) >= side - QUIET)
        g_assert_cmpuint (modules[row * side + column], ==, 0);
}

static void
test_modules (void)
{
  guint side;
  g_autofree guint8 *modules = modules_of_ascii (uri, &side);
  QRcode *code = QRcode_encodeString8bit (uri, 0, QR_ECLEVEL_L);

  g_assert_cmpint (code->width + 2 * QUIET, ==, side);
  for (int row = 0; row < code->width; row++)
    for (int column = 0; column < code->width; column++)
      g_assert_cmpuint (modules[(row + QUIET) * (int)side + column + QUIET], ==,
                        code->data[row * code->width + column] & 1);
  QRcode_free (code);
}

/* Half blocks say the same as ASCII; below the last module there is light. */
static void
check_halves (QrStyle style, gboolean dark_is_ink)
{
  guint side, width;
  g_autofree guint8 *modules = modules_of_ascii (uri, &side);
  g_auto (GStrv) lines = lines_of (uri, style, &width);

  g_assert_cmpuint (width, ==, side);
  g_assert_cmpuint (g_strv_length (lines), ==, (side + 1) / 2);
  for (guint row = 0; row < 2 * ((side + 1) / 2); row++)
    for (guint column = 0; column < side; column++)
      {
        gunichar c = g_utf8_get_char (g_utf8_offset_to_pointer (lines[row / 2], column));
        gboolean ink = c == 0x2588 || c == (row % 2 == 0 ? 0x2580u : 0x2584u);
        gboolean dark = row < side && modules[row * side + column];

        g_assert_true (c == ' ' || c == 0x2580 || c == 0x2584 || c == 0x2588);
        g_assert_true (ink == (dark == dark_is_ink));
      }
}

static void
test_halves (void)
{
  check_halves (QR_ON_LIGHT, TRUE);
  check_halves (QR_ON_DARK, FALSE);
}

static void
test_limits (void)
{
  g_autofree char *longest = g_strnfill (2953, 'x');
  g_autofree char *too_long = g_strnfill (2954, 'x');
  g_autofree char *huge = g_strnfill (10 * 1000 * 1000, 'x');
  const char *refused[] = { "", too_long, huge };
  guint width;

  g_strfreev (lines_of ("x", QR_ASCII, &width));
  g_assert_cmpuint (width, ==, 2 * (21 + 2 * QUIET));
  g_strfreev (lines_of (longest, QR_ON_DARK, &width));
  g_assert_cmpuint (width, ==, 177 + 2 * QUIET);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (qr_draw (refused[i], QR_ASCII, &error));
      g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strchr (error->message, '\n'));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/qr/pattern", test_pattern);
  g_test_add_func ("/qr/quiet-zone", test_quiet_zone);
  g_test_add_func ("/qr/modules", test_modules);
  g_test_add_func ("/qr/halves", test_halves);
  g_test_add_func ("/qr/limits", test_limits);
  return g_test_run ();
}
