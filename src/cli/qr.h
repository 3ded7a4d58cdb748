/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A text as a QR code (ISO/IEC 18004) of characters, with the quiet zone of four modules around it that a
 * camera needs. The code is as small as the text allows; error correction is level L, since screens have no
 * stains. */

typedef enum
{
  QR_ON_DARK,  /* half blocks, for light characters on a dark ground, as terminals mostly are */
  QR_ON_LIGHT, /* half blocks, for dark characters on a light ground */
  QR_ASCII,    /* "##" is a dark module, two blanks a light one: for paper, and where there is no UTF-8 */
} QrStyle;

/* qr_draw: lines of equal width, each with its line feed: for half blocks one column for each module and a
 * line for two of them, for QR_ASCII two columns and a line. InvalidArgument, with a hint, for a text that is
 * empty or too long for any code (2953 bytes). The caller owns the answer. */
char *qr_draw (const char *text, QrStyle style, GError **error);
