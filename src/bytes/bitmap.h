/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One bit for each entry of a manifest. */

typedef struct
{
  guint8 *bits;
  guint64 size;
} Bitmap;

static inline Bitmap
bitmap_new (guint64 size)
{
  return (Bitmap){ g_malloc0 (size / 8 + 1), size };
}

static inline void
bitmap_clear (Bitmap *bitmap)
{
  g_clear_pointer (&bitmap->bits, g_free);
  bitmap->size = 0;
}

static inline gboolean
bitmap_has (const Bitmap *bitmap, guint64 i)
{
  return i < bitmap->size && (bitmap->bits[i / 8] >> i % 8 & 1);
}

static inline void
bitmap_add (Bitmap *bitmap, guint64 i)
{
  bitmap->bits[i / 8] |= (guint8)(1 << i % 8);
}
