/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units.h"

#include "xmpp/ns.h"
#include "xmpp/reader.h"

#define LENGTH 2 /* of a frame, before it */
#define NS "urn:x-hearby:noise:0"

struct _Units
{
  Side side;
  Reader *reader;
  GByteArray *pending; /* since the last unit */
  gboolean framed, broken;
  guint frames, plain;
  GQueue ready; /* Unit */
};

const char *
side_name (Side side)
{
  return side == SIDE_INITIATOR ? "initiator" : "responder";
}

char *
unit_name (const Unit *unit)
{
  static const char *const names[]
      = { "header", "features", "start", "proceed", "plain", "handshake", "record" };

  if (unit->type == UNIT_HANDSHAKE)
    return g_strdup_printf ("handshake.%u", unit->number);
  if (unit->number > 0)
    return g_strdup_printf ("%s.%s.%u", side_name (unit->side), names[unit->type], unit->number);
  return g_strdup_printf ("%s.%s", side_name (unit->side), names[unit->type]);
}

Units *
units_new (Side side)
{
  Units *units = g_new0 (Units, 1);

  units->side = side;
  units->reader = reader_new (&reader_default_limits);
  units->pending = g_byte_array_new ();
  return units;
}

static void
unit_free (gpointer data)
{
  Unit *unit = data;

  g_byte_array_unref (unit->bytes);
  g_free (unit);
}

void
units_free (Units *units)
{
  reader_free (units->reader);
  g_byte_array_unref (units->pending);
  g_queue_clear_full (&units->ready, unit_free);
  g_free (units);
}

static void
complete (Units *units, UnitType type, guint number)
{
  Unit *unit = g_new0 (Unit, 1);

  *unit = (Unit){ .side = units->side, .type = type, .number = number, .bytes = units->pending };
  units->pending = g_byte_array_new ();
  g_queue_push_tail (&units->ready, unit);
}

static void
complete_frame (Units *units)
{
  guint handshakes = units->side == SIDE_INITIATOR ? 2 : 1;

  units->frames++;
  if (units->frames > handshakes)
    complete (units, UNIT_RECORD, units->frames - handshakes);
  else
    complete (units, UNIT_HANDSHAKE, units->side == SIDE_INITIATOR ? 2 * units->frames - 1 : 2);
}

static UnitType
type_of (const ReaderEvent *event)
{
  if (event->type == READER_OPEN)
    return UNIT_HEADER;
  if (event->type == READER_CLOSE)
    return UNIT_PLAIN;
  if (node_is (event->node, "features", NS_STREAM))
    return UNIT_FEATURES;
  if (node_is (event->node, "start", NS))
    return UNIT_START;
  if (node_is (event->node, "proceed", NS))
    return UNIT_PROCEED;
  return UNIT_PLAIN;
}

static void
push_xml (Units *units, guint8 byte)
{
  ReaderEvent event;
  UnitType type;

  units->broken = units->broken || !reader_push (units->reader, &byte, 1, NULL);
  if (!reader_next (units->reader, &event))
    return;
  type = type_of (&event);
  node_free (event.node);
  complete (units, type, type == UNIT_PLAIN ? ++units->plain : 0);
  units->framed = type == UNIT_START || type == UNIT_PROCEED;
}

static void
push_byte (Units *units, guint8 byte)
{
  const GByteArray *pending = units->pending;

  g_byte_array_append (units->pending, &byte, 1);
  if (!units->framed)
    push_xml (units, byte);
  else if (pending->len >= LENGTH
           && pending->len == LENGTH + ((guint)pending->data[0] << 8 | pending->data[1]))
    complete_frame (units);
}

void
units_push (Units *units, const void *bytes, gsize len)
{
  for (gsize i = 0; i < len; i++)
    push_byte (units, ((const guint8 *)bytes)[i]);
  if (units->broken && units->pending->len > 0)
    complete (units, UNIT_PLAIN, ++units->plain);
}

gboolean
units_next (Units *units, Unit *unit)
{
  g_autofree Unit *next = g_queue_pop_head (&units->ready);

  if (next != NULL)
    *unit = *next;
  return next != NULL;
}

GByteArray *
units_rest (Units *units)
{
  GByteArray *rest = units->pending;

  units->pending = g_byte_array_new ();
  return rest;
}
