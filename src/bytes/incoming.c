/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/incoming.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "transfer/filename.h"
#include "transfer/reason.h"

#define SPACE_ENTRIES 256             /* entries between two */
#define WRITE_BACK (16 * 1024 * 1024) /* bytes after which the disk begins to write, so that the sync at the end is short */
#define ALLOCATE_MIN (256 * 1024)     /* smaller files get their place in one go anyway */
#define LEFT_MAX 256                  /* folders that wait for their last files */

/* Files --------------------------------------------------------------------------------------------------- */

void
incoming_close (Receiver *r)
{
  if (r->file.fd >= 0 && r->file.fd != r->out_fd)
    close (r->file.fd);
  r->file.fd = -1;
}

/* What comes of it is dropped. FALSE: it concerns all. */
static gboolean
fail_file (Receiver *r, int code)
{
  gboolean is_ours = r->file.fd >= 0; /* else what is under its name is another's: paths may be the same when they are clean */

  incoming_close (r);
  r->file.reason = receiving_reason (code);
  if (r->landing != NULL && is_ours && !receiving_is_full (code))
    landing_remove_file (r->landing, r->file.path);
  return receiving_fail_errno (r, r->file.index, r->file.path, code);
}

static void
allocate (Receiver *r)
{
  gint64 size = r->file.entry.size;

  if (r->allocates && size >= ALLOCATE_MIN)
    if (fallocate (r->file.fd, FALLOC_FL_KEEP_SIZE, 0, size) != 0 && errno == EOPNOTSUPP)
      r->allocates = FALSE; /* a full disk shows when it is written */
}

static gboolean
open_file (Receiver *r, guint64 offset)
{
  Incoming *file = &r->file;

  if (r->landing != NULL && offset == 0 && file->entry.size >= 0 && file->entry.size <= MAKER_SMALL)
    {
      file->gathers = maker_begin (r->maker, file->index, file->path, &file->entry);
      return file->gathers || fail_file (r, errno);
    }
  if (r->landing == NULL)
    {
      file->fd = r->out_fd;
      crypto_generichash_init (&file->hash, NULL, 0, FRAME_HASH);
      return TRUE;
    }
  if (offset > 0)
    file->fd = landing_continue_file (r->landing, file->path, (gint64)offset);
  else
    file->fd = landing_make_file (r->landing, file->path, &file->entry);
  if (file->fd < 0)
    return fail_file (r, errno);
  if (offset == 0)
    allocate (r);
  return TRUE;
}

/* Takes the entry out of @body. */
static gboolean
begin_file (Receiver *r, FrameBody *body, char *path)
{
  gboolean continues = r->partial_index == body->index;

  if (body->offset > 0 && (!continues || body->offset != (guint64)r->partial_size))
    return talk_protocol (&r->talk, "the peer goes on with a file that is not there");
  r->outcome.restarted |= continues && body->offset == 0;
  r->file = (Incoming){ .open = TRUE, .fd = -1, .index = body->index, .path = g_strdup (path), .entry = body->entry };
  memset (&body->entry, 0, sizeof body->entry);
  r->file.continued = body->offset > 0;
  r->file.done = r->file.begun = (gint64)body->offset;
  r->progress.bytes += body->offset;
  if (r->file.entry.size > (gint64)ALLOCATE_MIN && !receiving_has_space (r, (guint64)(r->file.entry.size - r->file.done)))
    return FALSE;
  return open_file (r, body->offset);
}

static void
write_back (Incoming *file)
{
  if (file->done - file->begun < WRITE_BACK)
    return;
  sync_file_range (file->fd, file->begun, file->done - file->begun, SYNC_FILE_RANGE_WRITE);
  file->begun = file->done;
}

/* What has to wait says EAGAIN, so that this thread can be ended; a socket is the caller's too, and keeps its mode. */
static ssize_t
write_some (Receiver *r, const guint8 *bytes, gsize len)
{
  if (r->out_is_socket)
    return send (r->file.fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
  return write (r->file.fd, bytes, len);
}

/* All of it, however long a pipe's reader takes. */
static gboolean
write_all (Receiver *r, const guint8 *bytes, gsize len)
{
  while (len > 0)
    {
      ssize_t n = write_some (r, bytes, len);

      if (n < 0 && errno == EAGAIN)
        {
          if (!byte_link_wait (r->link, r->file.fd, POLLOUT))
            return FALSE;
        }
      else if (n < 0 && errno != EINTR)
        return r->landing != NULL ? fail_file (r, errno) : receiving_give_up_errno (r, errno);
      else if (n > 0)
        {
          bytes += n;
          len -= (gsize)n;
        }
    }
  return TRUE;
}

static gboolean
take_data (Receiver *r, const Frame *frame)
{
  Incoming *file = &r->file;
  gint64 len = (gint64)frame->len;

  if (!file->open)
    return talk_protocol (&r->talk, "the peer sent bytes of no file");
  if (file->entry.size >= 0 && len > file->entry.size - file->done)
    return talk_refuse (&r->talk, REASON_TOO_LARGE, "the peer sent more than it had announced");
  if (file->entry.size < 0 && r->size_max > 0 && (guint64)len > r->size_max - MIN (r->announced, r->size_max))
    return receiving_give_up (r, BYTE_END_FAILED, REASON_TOO_LARGE, "it is more than is taken of this peer");
  r->announced += file->entry.size < 0 ? frame->len : 0;
  r->bytes_came += frame->len;
  r->progress.bytes += frame->len;
  receiving_show (r);
  if (file->fd < 0 && !file->gathers)
    return TRUE;
  if (!receiving_use_space (r, frame->len))
    return FALSE;
  if (file->gathers)
    {
      file->done += len;
      maker_data (r->maker, frame->body, frame->len);
      return TRUE;
    }
  if (!write_all (r, frame->body, frame->len))
    return FALSE;
  file->done += len;
  if (r->landing == NULL && r->checksum)
    crypto_generichash_update (&file->hash, frame->body, frame->len);
  if (r->landing != NULL && file->fd >= 0)
    write_back (file);
  return TRUE;
}

static void
note_complete (Receiver *r, const char *path)
{
  r->files++;
  g_free (r->only);
  r->only = r->files == 1 ? g_strdup (path) : NULL;
}

/* What is on the disk, or went through, against what the sender read. */
static gboolean
has_hash (Receiver *r, const FrameBody *end)
{
  guint8 hash[FRAME_HASH];

  if (!end->has_hash || (r->landing == NULL && !r->checksum))
    return TRUE;
  if (r->landing == NULL)
    crypto_generichash_final (&r->file.hash, hash, FRAME_HASH);
  else if (!receiving_hash (r, r->file.fd, r->file.done, hash))
    return FALSE;
  return memcmp (hash, end->hash, FRAME_HASH) == 0;
}

static gboolean
complete_file (Receiver *r, const FrameBody *end)
{
  Incoming *file = &r->file;

  if (!has_hash (r, end))
    return byte_link_end (r->link) == LINK_UP && fail_file (r, EIO);
  if (r->landing == NULL)
    {
      note_complete (r, file->path);
      return TRUE;
    }
  if (!landing_complete_file (r->landing, file->fd, file->path, &file->entry, file->continued))
    return fail_file (r, errno);
  receiving_add_top (r, file->path);
  note_complete (r, file->path);
  return TRUE;
}

/* Of the maker; it concerns all where r->is_over. */
void
incoming_made (gpointer data, guint32 index, const char *path, int code)
{
  Receiver *r = data;

  if (code != 0)
    receiving_fail_errno (r, index, path, code);
  else
    note_complete (r, path);
}

/* It failed at the sender. */
static void
drop_file (Receiver *r, const char *reason)
{
  incoming_close (r);
  if (r->file.gathers)
    maker_drop (r->maker);
  else if (r->landing != NULL && r->file.reason == NULL)
    landing_remove_file (r->landing, r->file.path);
  if (r->file.reason == NULL)
    receiving_fail_entry (r, r->file.index, r->file.path, reason, TRUE);
}

/* Should it fail now, there is nothing under its name to land. */
static void
gathered (Receiver *r, const FrameBody *end)
{
  receiving_add_top (r, r->file.path);
  maker_end (r->maker, end->has_hash ? end->hash : NULL);
}

static gboolean
end_file (Receiver *r, const FrameBody *end)
{
  Incoming *file = &r->file;
  gboolean goes_on = TRUE;

  if (!file->open)
    return talk_protocol (&r->talk, "the peer ended no file");
  if (end->reason[0] != '\0')
    drop_file (r, end->reason);
  else if ((file->fd >= 0 || file->gathers) && file->entry.size >= 0 && file->done != file->entry.size)
    return talk_protocol (&r->talk, "the peer sent less of a file than it said");
  else if (file->gathers)
    gathered (r, end);
  else if (file->fd >= 0)
    goes_on = complete_file (r, end);
  incoming_close (r);
  g_clear_pointer (&file->path, g_free);
  entry_clear (&file->entry);
  file->open = FALSE;
  r->progress.entries++;
  return goes_on && !r->is_over && byte_link_end (r->link) == LINK_UP;
}

/* Folders and links --------------------------------------------------------------------------------------- */

static void
folder_clear (gpointer data)
{
  g_free (((Folder *)data)->path);
}

static void
left_clear (gpointer data)
{
  g_free (((Left *)data)->folder.path);
}

void
incoming_init (Receiver *r)
{
  r->inside = g_array_new (FALSE, FALSE, sizeof (Folder));
  g_array_set_clear_func (r->inside, folder_clear);
  r->left = g_array_new (FALSE, FALSE, sizeof (Left));
  g_array_set_clear_func (r->left, left_clear);
}

void
incoming_clear (Receiver *r)
{
  g_array_unref (r->inside);
  g_array_unref (r->left);
  entry_clear (&r->file.entry);
  g_free (r->file.path);
}

static gboolean
enter_folder (Receiver *r, const FrameBody *body, const char *path)
{
  Folder folder = { body->index, g_strdup (path) };

  r->progress.entries++;
  if (r->inside->len >= LIMIT_PATH_DEPTH)
    {
      g_free (folder.path);
      return talk_protocol (&r->talk, "the peer enters folders and does not leave them");
    }
  receiving_add_top (r, path);
  if (!landing_has_landed (r->landing) && !landing_make_folder (r->landing, path))
    {
      int code = errno;

      g_clear_pointer (&folder.path, g_free);
      g_array_append_val (r->inside, folder);
      return receiving_fail_errno (r, body->index, path, code);
    }
  g_array_append_val (r->inside, folder);
  return TRUE;
}

/* All that came is on the disk, and the folders have their modes and times. */
static gboolean
settle (Receiver *r)
{
  gboolean goes_on = TRUE;

  maker_finish (r->maker);
  for (guint i = 0; i < r->left->len && goes_on && !r->is_over; i++)
    {
      const Left *left = &g_array_index (r->left, Left, i);

      if (!landing_leave_folder (r->landing, left->folder.path, left->mode, left->mtime_ns))
        goes_on = receiving_fail_errno (r, left->folder.index, left->folder.path, errno);
    }
  g_array_set_size (r->left, 0);
  return goes_on && !r->is_over && byte_link_end (r->link) == LINK_UP;
}

static gboolean
leave_folder (Receiver *r, const FrameBody *body)
{
  Folder *last = r->inside->len > 0 ? &g_array_index (r->inside, Folder, r->inside->len - 1) : NULL;
  Left left = { .mode = body->mode, .mtime_ns = body->mtime_ns };

  if (last == NULL || last->index != body->index || r->file.open)
    return talk_protocol (&r->talk, "the peer leaves a folder that it is not in");
  left.folder = (Folder){ last->index, g_steal_pointer (&last->path) };
  g_array_set_size (r->inside, r->inside->len - 1);
  if (left.folder.path == NULL || landing_has_landed (r->landing))
    {
      g_free (left.folder.path);
      return TRUE;
    }
  g_array_append_val (r->left, left);
  return (r->left->len < LEFT_MAX && !maker_is_idle (r->maker)) || settle (r);
}

static gboolean
make_link (Receiver *r, const FrameBody *body, const char *path)
{
  g_autofree char *target = filename_clean_target (body->entry.target);

  r->progress.entries++;
  if (!filename_link_is_inside (body->entry.path, body->entry.target) || target == NULL || !filename_link_is_inside (path, target))
    {
      receiving_fail_entry (r, body->index, path, REASON_UNSAFE_LINK, FALSE);
      return TRUE;
    }
  if (!landing_make_link (r->landing, path, &body->entry, target))
    return receiving_fail_errno (r, body->index, path, errno);
  return TRUE;
}

static gboolean
take_entry (Receiver *r, FrameBody *body)
{
  g_autofree char *path = filename_clean_path (body->entry.path);

  if (r->file.open || (gint64)body->index <= r->last || body->index >= r->entries || bitmap_has (&r->have, body->index))
    return talk_protocol (&r->talk, "the peer sent what was not its turn");
  if (path == NULL)
    return talk_refuse (&r->talk, REASON_UNSAFE_NAME, "the peer sent a path that leads out of the folder");
  if (!receiving_is_offered (r, path))
    return talk_protocol (&r->talk, "the peer sent what it had not offered");
  if (r->landing == NULL && (body->entry.type != ENTRY_FILE || r->entries_came > 0))
    return talk_protocol (&r->talk, "the peer sent more than the one file it had announced");
  r->last = body->index;
  r->entries_came++;
  r->progress.phase = BYTE_PHASE_MOVING;
  if (!receiving_announce (r, &body->entry))
    return FALSE;
  if (r->entries_came % SPACE_ENTRIES == 0 && !receiving_has_space (r, 0))
    return FALSE;
  switch (body->entry.type)
    {
    case ENTRY_FILE:
      return begin_file (r, body, path);
    case ENTRY_FOLDER:
      return enter_folder (r, body, path);
    case ENTRY_LINK:
      return make_link (r, body, path);
    }
  return talk_protocol (&r->talk, "the peer sent what is no entry");
}

/* The stream of frames ------------------------------------------------------------------------------------ */

/* All is there that was announced, and was counted the same by both. */
static gboolean
check_finish (Receiver *r, const FrameBody *body)
{
  if (r->landing != NULL && !settle (r))
    return FALSE;
  if (r->file.open || r->inside->len > 0 || body->entries != r->entries_came || body->bytes != r->bytes_came
      || r->entries_came + r->have_entries != r->entries)
    return talk_protocol (&r->talk, "the peer says that it is finished, and is not");
  return TRUE;
}

static gboolean
take_frame (Receiver *r, const Frame *frame, gboolean *finished)
{
  g_auto (FrameBody) body = { 0 };

  if (frame->kind == FRAME_DATA)
    return take_data (r, frame);
  if (frame->kind != FRAME_ENTRY && frame->kind != FRAME_END && frame->kind != FRAME_LEAVE && frame->kind != FRAME_FINISH)
    return talk_protocol (&r->talk, "the peer spoke out of turn");
  if (!talk_parse (&r->talk, frame, &body))
    return FALSE;
  receiving_show (r);
  if (frame->kind == FRAME_ENTRY)
    return take_entry (r, &body);
  if (frame->kind == FRAME_END)
    return end_file (r, &body);
  if (frame->kind == FRAME_LEAVE)
    return leave_folder (r, &body);
  *finished = TRUE;
  return check_finish (r, &body);
}

gboolean
incoming_move (Receiver *r)
{
  gboolean finished = FALSE;
  Frame frame;

  while (!finished)
    if (!talk_next (&r->talk, &frame) || !take_frame (r, &frame, &finished))
      return FALSE;
  return TRUE;
}
