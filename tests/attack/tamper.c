/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tamper.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tell.h"

#define CHUNK 16384

typedef struct
{
  Units *units;
  int fd;       /* of whom these units come from */
  gboolean end; /* nothing more comes from there */
  GByteArray *held;
} Way;

typedef struct
{
  const Tamper *tamper;
  gint64 connection;
  gboolean truncated;
  Way ways[2];
} Run;

static void
write_all (int fd, const GByteArray *bytes)
{
  gsize done = 0;

  while (done < bytes->len)
    {
      ssize_t written = send (fd, bytes->data + done, bytes->len - done, MSG_NOSIGNAL);

      if (written < 0 && errno != EINTR)
        return; /* its end shows when it is read */
      done += (gsize)MAX (written, 0);
    }
}

static gboolean
is_readable (UnitType type)
{
  return type != UNIT_HANDSHAKE && type != UNIT_RECORD;
}

static void
tell_unit (const Run *run, const Unit *unit, const char *event)
{
  g_autofree char *name = unit_name (unit);
  g_autoptr (GBytes) text
      = is_readable (unit->type) ? g_bytes_new (unit->bytes->data, unit->bytes->len) : NULL;

  if (!run->tamper->silent)
    tell (event, "connection:i", run->connection, "side:s", side_name (unit->side), "unit:s", name, "size:i",
          (gint64)unit->bytes->len, "text:b", text, NULL);
}

/* What is done to the bytes -------------------------------------------------------------------------------
 */

static void
cut_out (GByteArray *bytes, const char *from, const char *to)
{
  guint8 *begin = memmem (bytes->data, bytes->len, from, strlen (from));
  guint8 *end
      = begin != NULL ? memmem (begin, (gsize)(bytes->data + bytes->len - begin), to, strlen (to)) : NULL;

  if (end != NULL)
    g_byte_array_remove_range (bytes, (guint)(begin - bytes->data),
                               (guint)((gsize)(end - begin) + strlen (to)));
}

static void
replace (GByteArray *bytes, const char *from, const char *to)
{
  g_autofree char *text = g_strndup ((const char *)bytes->data, bytes->len);
  g_auto (GStrv) parts = g_strsplit (text, from, -1);
  g_autofree char *joined = g_strjoinv (to, parts);

  g_byte_array_set_size (bytes, 0);
  g_byte_array_append (bytes, (const guint8 *)joined, (guint)strlen (joined));
}

static void
flip (GByteArray *bytes, gint64 offset, guint8 mask)
{
  gint64 at = offset < 0 ? bytes->len + offset : offset;

  if (at >= 0 && at < bytes->len)
    bytes->data[at] ^= mask;
}

static void
double_it (GByteArray *bytes)
{
  g_autofree guint8 *copy = g_memdup2 (bytes->data, bytes->len);

  g_byte_array_append (bytes, copy, bytes->len);
}

static void
change (const Tamper *tamper, GByteArray *bytes)
{
  switch (tamper->kind)
    {
    case TAMPER_STRIP:
      cut_out (bytes, "<noise", "</noise>");
      break;
    case TAMPER_REPLACE:
      replace (bytes, tamper->from, tamper->to);
      break;
    case TAMPER_FLIP:
      flip (bytes, tamper->offset, tamper->mask);
      break;
    case TAMPER_APPEND:
      g_byte_array_append (bytes, (const guint8 *)tamper->to, (guint)strlen (tamper->to));
      break;
    case TAMPER_REPLAY:
      double_it (bytes);
      break;
    case TAMPER_DROP:
      g_byte_array_set_size (bytes, 0);
      break;
    case TAMPER_PASS:
    case TAMPER_SWAP:
    case TAMPER_TRUNCATE:
    case TAMPER_REFLECT:
    case TAMPER_MIRROR:
      break;
    }
}

/* Whose turn it is ----------------------------------------------------------------------------------------
 */

static gboolean
is_meant (const Tamper *tamper, const Unit *unit)
{
  g_autofree char *name = unit_name (unit);

  if (tamper->kind == TAMPER_STRIP && tamper->unit == NULL)
    return unit->type == UNIT_FEATURES;
  return tamper->unit != NULL && g_str_equal (tamper->unit, name);
}

static void
attack (Run *run, Way *way, Way *other, Unit *unit)
{
  Way *target = run->tamper->kind == TAMPER_REFLECT ? way : other;

  if (run->tamper->size != NULL)
    *run->tamper->size = unit->bytes->len;
  change (run->tamper, unit->bytes);
  tell_unit (run, unit, "attack");
  if (run->tamper->kind == TAMPER_SWAP)
    way->held = g_byte_array_ref (unit->bytes);
  else
    write_all (target->fd, unit->bytes);
  if (run->tamper->kind == TAMPER_TRUNCATE)
    {
      run->truncated = TRUE;
      shutdown (way->fd, SHUT_WR);
      shutdown (other->fd, SHUT_WR);
    }
}

static void
pass (Way *way, Way *other, Unit *unit)
{
  if (way->held != NULL)
    g_byte_array_append (unit->bytes, way->held->data, way->held->len);
  g_clear_pointer (&way->held, g_byte_array_unref);
  write_all (other->fd, unit->bytes);
}

static void
on_unit (Run *run, Way *way, Way *other, Unit *unit)
{
  tell_unit (run, unit, "unit");
  if (run->truncated)
    return;
  if (run->tamper->kind == TAMPER_MIRROR)
    write_all (way->fd, unit->bytes);
  else if (is_meant (run->tamper, unit))
    attack (run, way, other, unit);
  else
    pass (way, other, unit);
}

static void
on_end (Run *run, Way *way, Way *other, ssize_t len)
{
  g_autoptr (GByteArray) rest = units_rest (way->units);

  way->end = TRUE;
  if (!run->tamper->silent)
    tell ("end", "connection:i", run->connection, "side:s",
          side_name (way == run->ways ? SIDE_INITIATOR : SIDE_RESPONDER), "how:s", len == 0 ? "fin" : "reset",
          "rest:i", (gint64)rest->len, NULL);
  if (!run->truncated)
    write_all (other->fd, rest);
  shutdown (other->fd, SHUT_WR);
  if (run->tamper->kind == TAMPER_MIRROR)
    shutdown (way->fd, SHUT_WR);
}

static void
on_readable (Run *run, Way *way, Way *other)
{
  guint8 bytes[CHUNK];
  ssize_t len = recv (way->fd, bytes, sizeof bytes, 0);
  Unit unit;

  if (len <= 0)
    {
      on_end (run, way, other, len);
      return;
    }
  units_push (way->units, bytes, (gsize)len);
  while (units_next (way->units, &unit))
    {
      on_unit (run, way, other, &unit);
      g_byte_array_unref (unit.bytes);
    }
}

void
tamper_run (const Tamper *tamper, int initiator, int responder, gint64 connection)
{
  Run run = { .tamper = tamper,
              .connection = connection,
              .ways = { { .units = units_new (SIDE_INITIATOR), .fd = initiator },
                        { .units = units_new (SIDE_RESPONDER), .fd = responder } } };

  while (!run.ways[0].end || !run.ways[1].end)
    {
      struct pollfd fds[2];

      for (guint i = 0; i < 2; i++)
        fds[i] = (struct pollfd){ .fd = run.ways[i].end ? -1 : run.ways[i].fd, .events = POLLIN };
      poll (fds, 2, -1);
      for (guint i = 0; i < 2; i++)
        if (fds[i].revents != 0)
          on_readable (&run, &run.ways[i], &run.ways[1 - i]);
    }
  for (guint i = 0; i < 2; i++)
    {
      close (run.ways[i].fd);
      units_free (run.ways[i].units);
      g_clear_pointer (&run.ways[i].held, g_byte_array_unref);
    }
  if (!tamper->silent)
    tell ("over", "connection:i", connection, NULL);
}
