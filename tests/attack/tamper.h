/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "units.h"

/* A man in the middle without a key: passes what both sides say, but for one unit of it. */

typedef enum
{
  TAMPER_PASS,
  TAMPER_STRIP,   /* <noise/> is taken out of the features */
  TAMPER_REPLACE, /* @from in the unit becomes @to; each that is found */
  TAMPER_FLIP,    /* byte @offset (from the end where negative) is changed by @mask */
  TAMPER_APPEND,  /* @to stands behind it, in the same segment */
  TAMPER_REPLAY,  /* it comes twice */
  TAMPER_SWAP,    /* it comes behind the next one of its side */
  TAMPER_DROP,
  TAMPER_TRUNCATE, /* it is the last one: FIN to both sides */
  TAMPER_REFLECT,  /* it goes back to whom it came from */
  TAMPER_MIRROR,   /* all goes back to whom it came from, the other side gets nothing */
} TamperKind;

typedef struct
{
  TamperKind kind;
  const char *unit; /* unit_name(); NULL: those that the kind is for */
  const char *from, *to;
  gint64 offset;
  guint8 mask;
  gsize *size;     /* gets how many bytes the unit has, or NULL */
  gboolean silent; /* tells nothing */
} Tamper;

/* tamper_run: until both sides ended; closes both. @connection is the number in what is told. */
void tamper_run (const Tamper *tamper, int initiator, int responder, gint64 connection);
