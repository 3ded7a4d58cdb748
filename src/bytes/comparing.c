/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/comparing.h"

#include <unistd.h>

#include "transfer/filename.h"
#include "transfer/reason.h"

#define PARTIAL_MIN (64 * 1024)       /* less of a file than that is sent again sooner than it is compared */

static void
note_have (Receiver *r, guint64 index, const Entry *entry)
{
  bitmap_add (&r->have, index);
  r->have_entries++;
  r->progress.entries++;
  r->progress.bytes += (guint64)MAX (entry->size, 0);
}

static void
note_part (Receiver *r, guint64 index, const char *path, gint64 size)
{
  if (size < PARTIAL_MIN || size <= r->partial_size)
    return;
  r->partial_index = index;
  r->partial_size = size;
  g_free (r->partial_path);
  r->partial_path = g_strdup (path);
}

static gboolean
compare_entry (Receiver *r, guint64 index, const Entry *entry)
{
  g_autofree char *path = filename_clean_path (entry->path);
  g_autofree char *target = entry->type == ENTRY_LINK ? filename_clean_target (entry->target) : NULL;
  Entry clean = *entry;
  gint64 size = 0;

  if (index >= r->entries)
    return talk_protocol (&r->talk, "the peer lists more than it had announced");
  if (path == NULL)
    return talk_refuse (&r->talk, REASON_UNSAFE_NAME, "the peer sent a path that leads out of the folder");
  if (!receiving_is_offered (r, path))
    return talk_protocol (&r->talk, "the peer sent what it had not offered");
  receiving_add_top (r, path); /* in this order they land */
  if (entry->type == ENTRY_FOLDER)
    return TRUE;
  if (landing_has_landed (r->landing))
    {
      note_have (r, index, entry);
      return receiving_announce (r, entry);
    }
  clean.target = target;
  switch (landing_look (r->landing, path, &clean, &size))
    {
    case LANDING_COMPLETE:
      note_have (r, index, entry);
      return receiving_announce (r, entry);
    case LANDING_PART:
      note_part (r, index, path, size);
      return TRUE;
    case LANDING_ABSENT:
      return TRUE;
    }
  return TRUE;
}

static gboolean
compare_list (Receiver *r, const Frame *frame, guint64 *index)
{
  GError *error = NULL;
  gboolean goes_on = TRUE;
  gsize at = 0;

  while (goes_on)
    {
      g_auto (Entry) entry = { 0 };

      if (!frame_next_entry (frame, &at, &entry, &error))
        break;
      goes_on = compare_entry (r, (*index)++, &entry);
    }
  if (error != NULL)
    goes_on = talk_entry_error (&r->talk, error);
  g_clear_error (&error);
  receiving_show (r);
  return goes_on;
}

static gboolean
send_partial (Receiver *r)
{
  FrameBody body = { .index = (guint32)r->partial_index, .offset = (guint64)r->partial_size };
  int fd;
  gboolean done;

  if (r->partial_index == G_MAXUINT64)
    return TRUE;
  fd = landing_open_to_read (r->landing, r->partial_path);
  done = fd >= 0 && receiving_hash (r, fd, r->partial_size, body.hash);
  if (fd >= 0)
    close (fd);
  if (!done)
    r->partial_index = G_MAXUINT64; /* then it comes from its begin */
  return done ? talk_send (&r->talk, FRAME_PARTIAL, &body) : byte_link_end (r->link) == LINK_UP;
}

/* In frames of many runs each. */
static gboolean
send_have (Receiver *r)
{
  FrameRun runs[1024];
  gsize n = 0;

  for (guint64 i = 0; i <= r->have.size; i++)
    {
      gboolean has = bitmap_has (&r->have, i);

      if (has && i > 0 && bitmap_has (&r->have, i - 1))
        runs[n - 1].n++;
      else if (has)
        runs[n++] = (FrameRun){ (guint32)i, 1 };
      if (n > 0 && !has && (n == G_N_ELEMENTS (runs) || i == r->have.size))
        {
          g_byte_array_set_size (r->talk.out, 0);
          frame_append_have (r->talk.out, runs, n);
          n = 0;
          if (!byte_link_write (r->link, r->talk.out->data, r->talk.out->len))
            return FALSE;
        }
    }
  return TRUE;
}

gboolean
comparing_run (Receiver *r)
{
  guint64 index = 0;
  Frame frame;

  while (talk_next (&r->talk, &frame) && frame.kind == FRAME_LIST)
    if (!compare_list (r, &frame, &index))
      return FALSE;
  if (byte_link_end (r->link) != LINK_UP)
    return FALSE;
  if (frame.kind != FRAME_LISTED || index != r->entries)
    return talk_protocol (&r->talk, "the peer lists less than it had announced");
  return send_have (r) && send_partial (r) && talk_send (&r->talk, FRAME_GO, NULL) && byte_link_flush (r->link);
}
