/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How a script reaches a parser: whole, one byte at a time, or in random slices of a fixed seed. What comes out must not
 * depend on it. */

#define SLICINGS 6 /* 0: whole, 1: bytes, 2…: random */

typedef struct
{
  guint  slicing;
  GRand *rand;
} Slices;

static inline Slices
slices_new (guint slicing)
{
  return (Slices){ slicing, g_rand_new_with_seed (slicing) };
}

static inline void
slices_clear (Slices *slices)
{
  g_rand_free (slices->rand);
}

/* The length of the next slice of @left bytes. */
static inline gsize
slices_next (Slices *slices, gsize left)
{
  gsize some;

  if (slices->slicing == 0)
    return left;
  if (slices->slicing == 1)
    return 1;
  some = g_rand_int_range (slices->rand, 1, 4 << (2 * slices->slicing));
  return MIN (left, some);
}
