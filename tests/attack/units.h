/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One direction of a connection, cut where its meaning changes: the header, features, <start/>, <proceed/>,
 * then each frame of the handshake and each record; in a plain stream each element. Bytes in, units out;
 * nothing is lost or added. */

typedef enum
{
  SIDE_INITIATOR,
  SIDE_RESPONDER,
} Side;

typedef enum
{
  UNIT_HEADER,
  UNIT_FEATURES,
  UNIT_START,
  UNIT_PROCEED,
  UNIT_PLAIN,     /* anything else that is readable */
  UNIT_HANDSHAKE, /* Noise message 1, 2 or 3 */
  UNIT_RECORD,
} UnitType;

typedef struct
{
  Side side;
  UnitType type;
  guint number;      /* HANDSHAKE: 1 to 3; RECORD and PLAIN: from 1; else 0 */
  GByteArray *bytes; /* owned by whoever took the unit */
} Unit;

const char *side_name (Side side);

/* unit_name: "initiator.header" "responder.record.2" "handshake.1"; the caller owns it. */
char *unit_name (const Unit *unit);

typedef struct _Units Units;

Units *units_new (Side side);
void units_free (Units *units);

void units_push (Units *units, const void *bytes, gsize len);
gboolean units_next (Units *units, Unit *unit);

/* units_rest: what came behind the last whole unit, when nothing more comes; it may be empty. The caller owns
 * it. */
GByteArray *units_rest (Units *units);
