/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <sodium.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mask.h"
#include "bytes/beneath.h"
#include "bytes/bitmap.h"
#include "bytes/landing.h"
#include "bytes/maker.h"
#include "bytes/syncing.h"
#include "bytes/talk.h"
#include "bytes/task-private.h"
#include "transfer/filename.h"
#include "transfer/reason.h"

#define SPACE_EACH (32 * 1024 * 1024) /* bytes between two looks at the free space */
#define SPACE_ENTRIES 256             /* entries between two */
#define WRITE_BACK (16 * 1024 * 1024) /* bytes after which the disk begins to write, so that the sync at the end is short */
#define ALLOCATE_MIN (256 * 1024)     /* smaller files get their place in one go anyway */
#define PARTIAL_MIN (64 * 1024)       /* less of a file than that is sent again sooner than it is compared */
#define LEFT_MAX 256                  /* folders that wait for their last files */
#define HASH_PIECE (256 * 1024)
#define CLOSE_WAIT_MS 2000            /* for the peer to read that we are done */

/* The file that is coming. */
typedef struct
{
  gboolean open; /* between its ENTRY and its END */
  gboolean gathers; /* it is small: the maker has it */
  gboolean continued;
  int fd;        /* -1: it failed, what comes of it is dropped */
  guint32 index;
  char *path;    /* clean */
  Entry entry;
  gint64 done;
  gint64 begun;  /* written back up to here */
  const char *reason; /* why it failed; NULL: it has not */
  crypto_generichash_state hash; /* of a job with out_fd and checksum */
} Incoming;

typedef struct
{
  guint32 index;
  char *path; /* clean; NULL: dropped */
} Folder;

/* One that was left, and may still get files from the maker. */
typedef struct
{
  Folder folder;
  guint32 mode;
  gint64 mtime_ns;
} Left;

typedef struct
{
  guint32 index;
  const char *reason;
} Failed;

typedef struct
{
  ByteTask *task;
  ByteLink *link;
  Talk talk;
  Landing *landing; /* NULL: out_fd */
  Maker *maker;     /* NULL too then */

  char *folder; /* the job */
  int folder_fd, out_fd;
  char *part;
  gint64 size;
  guint64 entries, reserve, size_max;
  gboolean checksum, resume;
  guint mask;

  Bitmap have;
  guint64 have_entries;
  guint64 partial_index; /* G_MAXUINT64: none */
  gint64 partial_size;
  char *partial_path;

  gint64 last; /* index of the last entry that came; -1 */
  guint64 entries_came, bytes_came;
  guint64 announced; /* sizes of all entries so far */
  GArray *inside;    /* Folder: those that were entered and not left */
  GArray *left;      /* Left: those whose mode and time wait for the maker */
  Incoming file;
  GPtrArray *tops; /* char *: what is to be landed, in their order */
  GHashTable *top_names;
  char **names; /* that were offered, or NULL */
  guint64 since_space; /* bytes */
  gboolean allocates;
  guint64 files; /* that came whole */
  char *only;    /* the path of the one that did; NULL: there are more, or none */

  GArray *failed; /* Failed: what the sender does not know */
  ByteProgress progress;
  ByteOutcome outcome;
  gboolean is_over; /* outcome.end is what it comes to, whatever the link says */
} Receiver;

/* Endings ------------------------------------------------------------------------------------------------- */

static gboolean
give_up (Receiver *r, ByteEnd end, const char *reason, const char *text)
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

static gboolean
is_full (int code)
{
  return code == ENOSPC || code == EDQUOT;
}

static const char *
reason_of_errno (int code)
{
  return code == EACCES || code == EPERM || code == EROFS ? REASON_ACCESS_DENIED : REASON_FILE_ERROR;
}

/* For all of it. */
static gboolean
give_up_errno (Receiver *r, int code)
{
  if (is_full (code))
    return give_up (r, BYTE_END_NO_SPACE, REASON_NO_SPACE, g_strerror (code));
  return give_up (r, BYTE_END_FAILED, reason_of_errno (code), g_strerror (code));
}

static void
fail_entry (Receiver *r, guint32 index, const char *path, const char *reason, gboolean sender_knows)
{
  Failed failed = { index, reason };

  byte_failures_add (r->outcome.failures, path, reason);
  r->outcome.n_failures++;
  if (!sender_knows && r->failed->len < LIMIT_TRANSFER_FAILURES)
    g_array_append_val (r->failed, failed);
}

/* One entry, unless it is a sign that it concerns all. FALSE: it does. */
static gboolean
fail_errno (Receiver *r, guint32 index, const char *path, int code)
{
  if (is_full (code))
    return give_up_errno (r, code);
  if (code == ELOOP || code == EXDEV)
    return talk_refuse (&r->talk, REASON_UNSAFE_LINK, "the peer sent a file that is to go through a link");
  fail_entry (r, index, path, reason_of_errno (code), FALSE);
  return TRUE;
}

/* Space --------------------------------------------------------------------------------------------------- */

static gboolean
has_space_for (Receiver *r, guint64 more)
{
  guint64 space = r->landing != NULL ? landing_free_space (r->landing) : G_MAXUINT64;

  r->since_space = 0;
  if (space >= r->reserve && space - r->reserve >= more)
    return TRUE;
  return give_up (r, BYTE_END_NO_SPACE, REASON_NO_SPACE, "the disk would be full");
}

static gboolean
use_space (Receiver *r, guint64 bytes)
{
  r->since_space += bytes;
  return r->since_space < SPACE_EACH || has_space_for (r, 0);
}

/* What is there already ------------------------------------------------------------------------------------ */

static void
show_progress (Receiver *r)
{
  r->progress.wire = byte_link_wire (r->link);
  byte_task_set_progress (r->task, &r->progress);
}

/* The user said yes to those names, and to no others. */
static gboolean
is_offered (Receiver *r, const char *path)
{
  gsize len = strcspn (path, "/");

  for (guint i = 0; r->names != NULL && r->names[i] != NULL; i++)
    if (strlen (r->names[i]) == len && strncmp (r->names[i], path, len) == 0)
      return TRUE;
  return r->names == NULL;
}

/* @path stays the caller's. */
static void
add_top (Receiver *r, const char *path)
{
  char *copy;

  if (strchr (path, '/') != NULL || g_hash_table_contains (r->top_names, path))
    return;
  copy = g_strdup (path);
  g_hash_table_add (r->top_names, copy);
  g_ptr_array_add (r->tops, copy);
}

static gboolean
announce (Receiver *r, const Entry *entry)
{
  guint64 size = entry->size > 0 ? (guint64)entry->size : 0;

  if (entry->size < 0 && r->size >= 0)
    return talk_protocol (&r->talk, "the peer sent a file without the size it had announced");
  r->announced += size; /* 10 million of 2^63: a sum may pass 2^64 only after it was refused */
  if (r->size >= 0 && r->announced > (guint64)r->size)
    return talk_refuse (&r->talk, REASON_TOO_LARGE, "the peer sent more than it had announced");
  if (r->size < 0 && r->size_max > 0 && r->announced > r->size_max)
    return give_up (r, BYTE_END_FAILED, REASON_TOO_LARGE, "it is more than is taken of this peer");
  return TRUE;
}

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
  if (!is_offered (r, path))
    return talk_protocol (&r->talk, "the peer sent what it had not offered");
  add_top (r, path); /* in this order they land */
  if (entry->type == ENTRY_FOLDER)
    return TRUE;
  if (landing_has_landed (r->landing))
    {
      note_have (r, index, entry);
      return announce (r, entry);
    }
  clean.target = target;
  switch (landing_look (r->landing, path, &clean, &size))
    {
    case LANDING_COMPLETE:
      note_have (r, index, entry);
      return announce (r, entry);
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
  show_progress (r);
  return goes_on;
}

/* Of the first @size bytes of @fd, from its begin. */
static gboolean
hash_file (Receiver *r, int fd, gint64 size, guint8 hash[FRAME_HASH])
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

static gboolean
send_partial (Receiver *r)
{
  FrameBody body = { .index = (guint32)r->partial_index, .offset = (guint64)r->partial_size };
  int fd;
  gboolean done;

  if (r->partial_index == G_MAXUINT64)
    return TRUE;
  fd = landing_open_to_read (r->landing, r->partial_path);
  done = fd >= 0 && hash_file (r, fd, r->partial_size, body.hash);
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

static gboolean
compare (Receiver *r)
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

/* Files --------------------------------------------------------------------------------------------------- */

static void
close_file (Receiver *r)
{
  if (r->file.fd >= 0 && r->file.fd != r->out_fd)
    close (r->file.fd);
  r->file.fd = -1;
}

/* What comes of it is dropped. FALSE: it concerns all. */
static gboolean
fail_file (Receiver *r, int code)
{
  close_file (r);
  r->file.reason = reason_of_errno (code);
  if (r->landing != NULL && !is_full (code))
    landing_remove_file (r->landing, r->file.path);
  return fail_errno (r, r->file.index, r->file.path, code);
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
  if (r->file.entry.size > (gint64)ALLOCATE_MIN && !has_space_for (r, (guint64)(r->file.entry.size - r->file.done)))
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

/* All of it, however long a pipe's reader takes. */
static gboolean
write_all (Receiver *r, const guint8 *bytes, gsize len)
{
  while (len > 0)
    {
      ssize_t n = write (r->file.fd, bytes, len);

      if (n < 0 && errno == EAGAIN)
        {
          if (!byte_link_wait (r->link, r->file.fd, POLLOUT))
            return FALSE;
        }
      else if (n < 0 && errno != EINTR)
        return r->landing != NULL ? fail_file (r, errno) : give_up_errno (r, errno);
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
    return give_up (r, BYTE_END_FAILED, REASON_TOO_LARGE, "it is more than is taken of this peer");
  r->announced += file->entry.size < 0 ? frame->len : 0;
  r->bytes_came += frame->len;
  r->progress.bytes += frame->len;
  show_progress (r);
  if (file->fd < 0 && !file->gathers)
    return TRUE;
  if (!use_space (r, frame->len))
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
  else if (!hash_file (r, r->file.fd, r->file.done, hash))
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
  add_top (r, file->path);
  note_complete (r, file->path);
  return TRUE;
}

/* Of the maker; it concerns all where r->is_over. */
static void
on_made (gpointer data, guint32 index, const char *path, int code)
{
  Receiver *r = data;

  if (code != 0)
    fail_errno (r, index, path, code);
  else
    note_complete (r, path);
}

/* It failed at the sender. */
static void
drop_file (Receiver *r, const char *reason)
{
  close_file (r);
  if (r->file.gathers)
    maker_drop (r->maker);
  else if (r->landing != NULL && r->file.reason == NULL)
    landing_remove_file (r->landing, r->file.path);
  if (r->file.reason == NULL)
    fail_entry (r, r->file.index, r->file.path, reason, TRUE);
}

/* Should it fail now, there is nothing under its name to land. */
static void
gathered (Receiver *r, const FrameBody *end)
{
  add_top (r, r->file.path);
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
  close_file (r);
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
  add_top (r, path);
  if (!landing_has_landed (r->landing) && !landing_make_folder (r->landing, path))
    {
      int code = errno;

      g_clear_pointer (&folder.path, g_free);
      g_array_append_val (r->inside, folder);
      return fail_errno (r, body->index, path, code);
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
        goes_on = fail_errno (r, left->folder.index, left->folder.path, errno);
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
      fail_entry (r, body->index, path, REASON_UNSAFE_LINK, FALSE);
      return TRUE;
    }
  if (!landing_make_link (r->landing, path, &body->entry, target))
    return fail_errno (r, body->index, path, errno);
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
  if (!is_offered (r, path))
    return talk_protocol (&r->talk, "the peer sent what it had not offered");
  if (r->landing == NULL && (body->entry.type != ENTRY_FILE || r->entries_came > 0))
    return talk_protocol (&r->talk, "the peer sent more than the one file it had announced");
  r->last = body->index;
  r->entries_came++;
  if (!announce (r, &body->entry))
    return FALSE;
  if (r->entries_came % SPACE_ENTRIES == 0 && !has_space_for (r, 0))
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
  show_progress (r);
  if (frame->kind == FRAME_ENTRY)
    return take_entry (r, &body);
  if (frame->kind == FRAME_END)
    return end_file (r, &body);
  if (frame->kind == FRAME_LEAVE)
    return leave_folder (r, &body);
  *finished = TRUE;
  return check_finish (r, &body);
}

static gboolean
move (Receiver *r)
{
  gboolean finished = FALSE;
  Frame frame;

  while (!finished)
    if (!talk_next (&r->talk, &frame) || !take_frame (r, &frame, &finished))
      return FALSE;
  return TRUE;
}

/* To the disk and to its place ---------------------------------------------------------------------------- */

static gboolean
sync_it (Receiver *r)
{
  gboolean one = r->files == 1 && r->have_entries == 0;
  int fd = landing_sync_fd (r->landing, one ? r->only : NULL);
  int code = fd < 0 ? errno : 0;

  if (fd >= 0)
    code = syncing_wait (r->link, fd, one);
  if (byte_link_end (r->link) != LINK_UP)
    return FALSE;
  return code == 0 || give_up_errno (r, code);
}

static gboolean
land (Receiver *r)
{
  r->progress.phase = BYTE_PHASE_VERIFYING;
  show_progress (r);
  talk_listen (&r->talk);
  if (r->landing == NULL)
    {
      close (r->out_fd); /* who reads it may end now */
      r->out_fd = -1;
      return TRUE;
    }
  if (r->files + r->have_entries > 0 && !landing_has_landed (r->landing) && !sync_it (r))
    return FALSE;
  return landing_land (r->landing, r->tops, r->outcome.paths) || give_up_errno (r, errno);
}

/* Not even a part of it: that is no success. */
static gboolean
has_something (Receiver *r)
{
  const ByteFailure *first = r->outcome.failures->len > 0 ? g_ptr_array_index (r->outcome.failures, 0) : NULL;

  if (first == NULL || r->outcome.paths->len > 0 || (r->landing == NULL && r->files > 0))
    return TRUE;
  return give_up (r, BYTE_END_FAILED, g_intern_string (first->reason), first->path);
}

/* Whatever becomes of the link meanwhile: it is written down above that we are complete. FALSE: it will not be. */
static gboolean
wait_for_confirm (Receiver *r)
{
  const gint *stop = byte_task_stop_flag (r->task);

  while (!byte_task_is_confirmed (r->task) && !g_atomic_int_get (stop))
    if (byte_link_end (r->link) != LINK_UP || !byte_link_wait (r->link, -1, 0))
      {
        struct pollfd wake = { byte_task_wake (r->task), POLLIN, 0 };
        guint64 n;

        if (byte_task_is_confirmed (r->task) || g_atomic_int_get (stop))
          break;
        if (poll (&wake, 1, -1) > 0 && read (wake.fd, &n, sizeof n) < 0)
          continue;
      }
  return byte_task_is_confirmed (r->task);
}

static void
fill_outcome (Receiver *r)
{
  r->outcome.bytes = r->progress.bytes;
  r->outcome.entries = r->progress.entries;
  r->outcome.wire = byte_link_wire (r->link);
}

static int
compare_failed (const void *a, const void *b)
{
  guint32 x = ((const Failed *)a)->index, y = ((const Failed *)b)->index;

  return (x > y) - (x < y);
}

/* In the order of the entries: a folder fails when it is left, behind what is in it. */
static gboolean
send_done (Receiver *r)
{
  g_array_sort (r->failed, compare_failed);
  for (guint i = 0; i < r->failed->len; i++)
    {
      const Failed *failed = &g_array_index (r->failed, Failed, i);
      FrameBody body = { .index = failed->index, .reason = failed->reason };

      if (!talk_send (&r->talk, FRAME_FAILED, &body))
        return FALSE;
    }
  return talk_send (&r->talk, FRAME_DONE, NULL) && byte_link_flush (r->link);
}

/* All is in its place: it is said above, then below. */
static gboolean
conclude (Receiver *r)
{
  fill_outcome (r);
  r->outcome.end = BYTE_END_LANDED;
  r->outcome.reason = REASON_NONE;
  byte_task_tell (r->task, &r->outcome);
  if (!wait_for_confirm (r))
    return FALSE;
  if (r->landing != NULL)
    landing_remove (r->landing);
  if (!send_done (r))
    return FALSE;
  byte_link_close (r->link, CLOSE_WAIT_MS);
  return give_up (r, BYTE_END_DONE, REASON_NONE, NULL);
}

/* Start --------------------------------------------------------------------------------------------------- */

static int
open_target (Receiver *r)
{
  if (r->folder != NULL)
    return open (r->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return openat (r->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* whatever it was opened for */
}

/* A pipe of the caller's, in a mode of our own: its other users do not get EAGAIN. */
static void
reopen_out (Receiver *r)
{
  g_autofree char *name = g_strdup_printf ("/proc/self/fd/%d", r->out_fd);
  struct stat info;
  int fd;

  if (fstat (r->out_fd, &info) != 0 || !S_ISFIFO (info.st_mode))
    return;
  fd = open (name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return;
  close (r->out_fd);
  r->out_fd = fd;
}

/* Of this thread only. */
static gboolean
takes_umask (guint mask)
{
  if (unshare (CLONE_FS) != 0)
    return FALSE;
  umask (mask);
  return TRUE;
}

static gboolean
can_allocate (int folder)
{
  struct statfs info;

  return fstatfs (folder, &info) != 0 || info.f_type != TMPFS_MAGIC; /* where it takes memory at once, and time */
}

static gboolean
prepare (Receiver *r)
{
  int target;

  if (r->out_fd >= 0)
    {
      reopen_out (r);
      beneath_confine (-1);
      return TRUE;
    }
  target = open_target (r);
  if (target < 0)
    return give_up_errno (r, errno);
  beneath_confine (target);
  r->allocates = can_allocate (target);
  r->landing = landing_open (target, r->part, r->mask, r->resume);
  if (r->landing == NULL)
    return give_up_errno (r, errno);
  if (takes_umask (r->mask))
    landing_trust_umask (r->landing);
  r->maker = maker_new (r->landing, on_made, r);
  return TRUE;
}

static gboolean
run_to_end (Receiver *r)
{
  FrameBody begin = { .resume = r->resume && r->landing != NULL };
  guint64 missing;

  if (!talk_send (&r->talk, FRAME_BEGIN, &begin) || !byte_link_flush (r->link))
    return FALSE;
  if (begin.resume && !compare (r))
    return FALSE;
  missing = r->size > 0 ? (guint64)r->size - MIN ((guint64)r->size, r->progress.bytes + (guint64)r->partial_size) : 0;
  if (!has_space_for (r, missing))
    return FALSE;
  r->progress.phase = BYTE_PHASE_MOVING;
  return move (r) && land (r) && has_something (r) && conclude (r);
}

/* Where nothing was given up: what the link says. */
static void
end_of_link (Receiver *r)
{
  const char *stopped = byte_task_stop_reason (r->task);

  if (stopped != NULL) /* both may have had enough at the same moment */
    give_up (r, BYTE_END_STOPPED, stopped, NULL);
  switch (byte_link_end (r->link))
    {
    case LINK_PEER:
      give_up (r, BYTE_END_PEER_STOPPED, r->talk.peer_reason, NULL);
      break;
    case LINK_PROTOCOL:
      give_up (r, BYTE_END_FAILED, r->talk.reason, r->talk.trouble);
      break;
    case LINK_STALLED:
      give_up (r, BYTE_END_CUT, REASON_STALLED, NULL);
      break;
    case LINK_UP: /* while it was not looked at */
    case LINK_WOKEN:
      give_up (r, BYTE_END_STOPPED, REASON_NONE, NULL);
      break;
    case LINK_BROKEN:
    case LINK_CUT:
      give_up (r, BYTE_END_CUT, REASON_CONNECTION_LOST, NULL);
      break;
    }
}

static void
receiver_run (ByteTask *task, gpointer data)
{
  Receiver *r = data;

  r->task = task;
  talk_init (&r->talk, TALK_RECEIVER, r->link, byte_task_wake (task), byte_task_stop_flag (task));
  if (prepare (r))
    run_to_end (r);
  end_of_link (r);
  close_file (r);
  if (r->maker != NULL && r->outcome.end == BYTE_END_CUT)
    maker_finish (r->maker); /* it need not come again */
  g_clear_pointer (&r->maker, maker_free);
  if (r->outcome.end != BYTE_END_DONE && r->outcome.end != BYTE_END_PEER_STOPPED && r->outcome.end != BYTE_END_CUT
      && (r->outcome.end != BYTE_END_STOPPED || r->outcome.reason[0] != '\0'))
    talk_stop (&r->talk, r->outcome.reason);
  fill_outcome (r);
  g_clear_pointer (&r->landing, landing_free);
  talk_clear (&r->talk);
  g_clear_pointer (&r->link, byte_link_free);
  byte_task_tell (task, &r->outcome);
}

static void
receiver_free (gpointer data)
{
  Receiver *r = data;

  byte_link_free (r->link);
  if (r->folder_fd >= 0)
    close (r->folder_fd);
  if (r->out_fd >= 0)
    close (r->out_fd);
  bitmap_clear (&r->have);
  g_array_unref (r->inside);
  g_array_unref (r->left);
  g_array_unref (r->failed);
  g_hash_table_unref (r->top_names);
  g_ptr_array_unref (r->tops);
  g_ptr_array_unref (r->outcome.failures);
  g_ptr_array_unref (r->outcome.paths);
  entry_clear (&r->file.entry);
  g_free (r->file.path);
  g_free (r->folder);
  g_free (r->part);
  g_free (r->partial_path);
  g_strfreev (r->names);
  g_free (r->only);
  g_free ((char *)r->outcome.text);
  g_free (r);
}

static Receiver *
receiver_new (const ReceiveJob *job)
{
  Receiver *r = g_new0 (Receiver, 1);

  r->folder = g_strdup (job->folder);
  r->folder_fd = job->folder_fd;
  r->out_fd = job->out_fd;
  r->part = g_strdup (job->part);
  r->size = job->size;
  r->entries = MIN (job->entries, LIMIT_ENTRIES);
  r->reserve = job->reserve;
  r->size_max = job->size_max;
  r->names = g_strdupv ((char **)job->names);
  r->checksum = job->checksum;
  r->resume = job->resume;
  r->mask = mask_of_user ();
  r->have = bitmap_new (r->resume ? r->entries : 0);
  r->partial_index = G_MAXUINT64;
  r->last = -1;
  r->file.fd = -1;
  r->inside = g_array_new (FALSE, FALSE, sizeof (Folder));
  g_array_set_clear_func (r->inside, folder_clear);
  r->left = g_array_new (FALSE, FALSE, sizeof (Left));
  g_array_set_clear_func (r->left, left_clear);
  r->failed = g_array_new (FALSE, FALSE, sizeof (Failed));
  r->tops = g_ptr_array_new_with_free_func (g_free);
  r->top_names = g_hash_table_new (g_str_hash, g_str_equal);
  r->outcome.failures = byte_failures_new ();
  r->outcome.paths = g_ptr_array_new_with_free_func (g_free);
  return r;
}

ByteTask *
receiver_start (ByteLink *link, const ReceiveJob *job, ByteTaskDone done, gpointer user_data)
{
  Receiver *r = receiver_new (job);

  r->link = link;
  return byte_task_new ("receiver", receiver_run, r, receiver_free, done, user_data);
}

/* Discarding ---------------------------------------------------------------------------------------------- */

static void
discard_run (ByteTask *task, gpointer data)
{
  Receiver *r = data;
  int target = open_target (r);

  r->outcome.end = BYTE_END_DONE;
  r->outcome.reason = REASON_NONE;
  if (target < 0 || !landing_remove_part (target, r->part))
    {
      r->outcome.end = BYTE_END_FAILED;
      r->outcome.reason = reason_of_errno (errno);
      r->outcome.text = g_strdup (g_strerror (errno));
    }
  if (target >= 0)
    close (target);
  byte_task_tell (task, &r->outcome);
}

ByteTask *
discard_start (const ReceiveJob *job, ByteTaskDone done, gpointer user_data)
{
  return byte_task_new ("discard", discard_run, receiver_new (job), receiver_free, done, user_data);
}
