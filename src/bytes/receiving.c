/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/receiving.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "transfer/reason.h"

#define SPACE_EACH (32 * 1024 * 1024) /* bytes between two looks at the free space */
#define HASH_PIECE (256 * 1024)

/* Endings ------------------------------------------------------------------------------------------------- */

gboolean
receiving_give_up (Receiver *r, ByteEnd end, const char *reason, const char *text)
{
  if (!r->is_over)
    {
      r->is_over = TRUE;
      r->outcome.end = end;
      r->outcome.reason = reason;
      g_free ((char *)r->outcome.text);
      r->outcome.text = g_strdup (text);
    }
  return FALSE;
}

gboolean
receiving_is_full (int code)
{
  return code == ENOSPC || code == EDQUOT;
}

const char *
receiving_reason (int code)
{
  return code == EACCES || code == EPERM || code == EROFS ? REASON_ACCESS_DENIED : REASON_FILE_ERROR;
}

/* For all of it. */
gboolean
receiving_give_up_errno (Receiver *r, int code)
{
  if (receiving_is_full (code))
    return receiving_give_up (r, BYTE_END_NO_SPACE, REASON_NO_SPACE, g_strerror (code));
  return receiving_give_up (r, BYTE_END_FAILED, receiving_reason (code), g_strerror (code));
}

void
receiving_fail_entry (Receiver *r, guint32 index, const char *path, const char *reason, gboolean sender_knows)
{
  Failed failed = { index, reason };

  byte_failures_add (r->outcome.failures, path, reason);
  r->outcome.n_failures++;
  if (!sender_knows && r->failed->len < LIMIT_TRANSFER_FAILURES)
    g_array_append_val (r->failed, failed);
}

/* One entry, unless it is a sign that it concerns all. FALSE: it does. */
gboolean
receiving_fail_errno (Receiver *r, guint32 index, const char *path, int code)
{
  if (receiving_is_full (code))
    return receiving_give_up_errno (r, code);
  if (code == ELOOP || code == EXDEV)
    return talk_refuse (&r->talk, REASON_UNSAFE_LINK, "the peer sent a file that is to go through a link");
  receiving_fail_entry (r, index, path, receiving_reason (code), FALSE);
  return TRUE;
}

/* Space --------------------------------------------------------------------------------------------------- */

gboolean
receiving_has_space (Receiver *r, guint64 more)
{
  guint64 space = r->landing != NULL ? landing_free_space (r->landing) : G_MAXUINT64;

  r->since_space = 0;
  if (space >= r->reserve && space - r->reserve >= more)
    return TRUE;
  return receiving_give_up (r, BYTE_END_NO_SPACE, REASON_NO_SPACE, "the disk would be full");
}

gboolean
receiving_use_space (Receiver *r, guint64 bytes)
{
  r->since_space += bytes;
  return r->since_space < SPACE_EACH || receiving_has_space (r, 0);
}

void
receiving_show (Receiver *r)
{
  r->progress.wire = byte_link_wire (r->link);
  byte_task_set_progress (r->task, &r->progress);
}

/* The user said yes to those names, and to no others. */
gboolean
receiving_is_offered (Receiver *r, const char *path)
{
  gsize len = strcspn (path, "/");

  for (guint i = 0; r->names != NULL && r->names[i] != NULL; i++)
    if (strlen (r->names[i]) == len && strncmp (r->names[i], path, len) == 0)
      return TRUE;
  return r->names == NULL;
}

/* @path stays the caller's. */
void
receiving_add_top (Receiver *r, const char *path)
{
  char *copy;

  if (strchr (path, '/') != NULL || g_hash_table_contains (r->top_names, path))
    return;
  copy = g_strdup (path);
  g_hash_table_add (r->top_names, copy);
  g_ptr_array_add (r->tops, copy);
}

gboolean
receiving_announce (Receiver *r, const Entry *entry)
{
  guint64 size = entry->size > 0 ? (guint64)entry->size : 0;

  if (entry->size < 0 && r->size >= 0)
    return talk_protocol (&r->talk, "the peer sent a file without the size it had announced");
  r->announced += size; /* 10 million of 2^63: a sum may pass 2^64 only after it was refused */
  if (r->size >= 0 && r->announced > (guint64)r->size)
    return talk_refuse (&r->talk, REASON_TOO_LARGE, "the peer sent more than it had announced");
  if (r->size < 0 && r->size_max > 0 && r->announced > r->size_max)
    return receiving_give_up (r, BYTE_END_FAILED, REASON_TOO_LARGE, "it is more than is taken of this peer");
  return TRUE;
}

/* Of the first @size bytes of @fd, from its begin. */
gboolean
receiving_hash (Receiver *r, int fd, gint64 size, guint8 hash[FRAME_HASH])
{
  g_autofree guint8 *piece = g_malloc (HASH_PIECE);
  crypto_generichash_state state;

  crypto_generichash_init (&state, NULL, 0, FRAME_HASH);
  for (gint64 at = 0; at < size && byte_link_say (r->link);)
    {
      ssize_t n = pread (fd, piece, (gsize)MIN (size - at, HASH_PIECE), at);

      if (n <= 0)
        return FALSE;
      crypto_generichash_update (&state, piece, (guint64)n);
      at += n;
    }
  crypto_generichash_final (&state, hash, FRAME_HASH);
  return byte_link_end (r->link) == LINK_UP;
}
