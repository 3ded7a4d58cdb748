/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/sender.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "bytes/bitmap.h"
#include "bytes/manifest-file.h"
#include "bytes/sources.h"
#include "bytes/talk.h"
#include "bytes/task-private.h"
#include "transfer/reason.h"

#define HASH_PIECE (256 * 1024)
#define DATA_MIN 4096 /* a piece of a file that is split between two records is not smaller */
#define AHEAD (4 * 1024 * 1024) /* bytes the disk is asked for before they are read; only of files larger than that */

/* A folder on the way to the entry whose turn it is. */
typedef struct
{
  guint32 index;
  guint32 mode;
  gint64 mtime_ns;
  char *path;
} Folder;

typedef struct
{
  ByteTask *task;
  ByteLink *link;
  Talk talk;

  ManifestFile *manifest; /* NULL: there was none */
  Sources *sources;
  gboolean checksum, changed;

  gboolean resume;
  Bitmap have;
  guint64 total; /* entries in the manifest, known once it was listed */
  guint64 had;   /* behind the last one that the receiver said it has */
  FrameBody partial; /* offset 0: none */

  GArray *inside; /* Folder */
  guint64 entries, bytes; /* on this connection */
  crypto_generichash_state hash;
  ByteProgress progress;
  ByteOutcome outcome;
  gboolean is_over;
} Sender;

static gboolean
give_up (Sender *s, ByteEnd end, const char *reason, const char *text)
{
  if (!s->is_over)
    {
      s->is_over = TRUE;
      s->outcome.end = end;
      s->outcome.reason = reason;
      s->outcome.text = g_strdup (text);
    }
  return FALSE;
}

static void
fail_entry (Sender *s, const char *path, const char *reason)
{
  byte_failures_add (s->outcome.failures, path, reason);
  s->outcome.n_failures++;
}

static void
show_progress (Sender *s)
{
  s->progress.wire = byte_link_wire (s->link);
  byte_task_set_progress (s->task, &s->progress);
}

/* What the receiver has ------------------------------------------------------------------------------------ */

/* As many whole entries to a frame as there is room for in a record. */
static gboolean
send_list (Sender *s)
{
  g_autoptr (GError) error = NULL;
  const guint8 *entry;
  gsize len, used = 0, room = 0;
  guint8 *at = NULL;

  while ((entry = manifest_file_peek (s->manifest, &len, &error)) != NULL)
    {
      if (at != NULL && room - FRAME_HEADER - used < len)
        {
          frame_header (at, FRAME_LIST, used);
          byte_link_put (s->link, FRAME_HEADER + used);
          at = NULL;
        }
      if (at == NULL)
        {
          at = byte_link_room (s->link, FRAME_HEADER + MANIFEST_ENTRY_MAX, &room);
          used = 0;
          if (at == NULL)
            return FALSE;
        }
      memcpy (at + FRAME_HEADER + used, entry, len);
      used += len;
      s->total++;
      manifest_file_skip (s->manifest);
    }
  if (at != NULL)
    {
      frame_header (at, FRAME_LIST, used);
      byte_link_put (s->link, FRAME_HEADER + used);
    }
  manifest_file_rewind (s->manifest);
  if (error != NULL)
    return give_up (s, BYTE_END_FAILED, REASON_FILE_ERROR, error->message);
  return talk_send (&s->talk, FRAME_LISTED, NULL) && byte_link_flush (s->link);
}

static gboolean
take_have (Sender *s, const Frame *frame)
{
  GError *error = NULL;
  FrameRun run;
  gsize at = 0;

  while (frame_next_run (frame, &at, &run, &error))
    {
      if ((guint64)run.first + run.n > s->total)
        return talk_protocol (&s->talk, "the peer has more than it was offered");
      if (run.first < s->had)
        return talk_protocol (&s->talk, "the peer has something twice"); /* which would take time without end */
      s->had = (guint64)run.first + run.n;
      for (guint64 i = run.first; i < (guint64)run.first + run.n; i++)
        bitmap_add (&s->have, i);
    }
  if (error == NULL)
    return TRUE;
  g_error_free (error);
  return talk_protocol (&s->talk, "the peer sent a broken frame");
}

static gboolean
compare (Sender *s)
{
  Frame frame;

  if (!send_list (s))
    return FALSE;
  s->have = bitmap_new (s->total);
  while (talk_next (&s->talk, &frame) && frame.kind != FRAME_GO)
    if (frame.kind == FRAME_HAVE)
      {
        if (!take_have (s, &frame))
          return FALSE;
      }
    else if (frame.kind != FRAME_PARTIAL || s->partial.offset > 0)
      return talk_protocol (&s->talk, "the peer spoke out of turn");
    else if (!talk_parse (&s->talk, &frame, &s->partial))
      return FALSE;
  return byte_link_end (s->link) == LINK_UP;
}

/* Files --------------------------------------------------------------------------------------------------- */

static gboolean
is_as_listed (int fd, const Entry *entry)
{
  struct stat info;

  if (fstat (fd, &info) != 0)
    return FALSE;
  if (entry->size < 0)
    return !S_ISREG (info.st_mode) && !S_ISDIR (info.st_mode);
  return S_ISREG (info.st_mode) && info.st_size == entry->size
         && (gint64)info.st_mtim.tv_sec * G_GINT64_CONSTANT (1000000000) + info.st_mtim.tv_nsec == entry->mtime_ns;
}

static void
hash_begin (Sender *s)
{
  crypto_generichash_init (&s->hash, NULL, 0, FRAME_HASH);
}

/* The first @offset bytes of it into the hash. FALSE where it has less, or the link ended. */
static gboolean
hash_prefix (Sender *s, int fd, gint64 offset)
{
  g_autofree guint8 *piece = g_malloc (HASH_PIECE);

  hash_begin (s);
  for (gint64 at = 0; at < offset && byte_link_say (s->link);)
    {
      ssize_t n = pread (fd, piece, (gsize)MIN (offset - at, HASH_PIECE), at);

      if (n <= 0)
        return FALSE;
      crypto_generichash_update (&s->hash, piece, (guint64)n);
      at += n;
    }
  return byte_link_end (s->link) == LINK_UP;
}

/* Where it goes on: 0, unless what the receiver has of it is provably its begin. */
static gint64
offset_of (Sender *s, guint32 index, int fd, const Entry *entry)
{
  guint8 hash[FRAME_HASH];
  crypto_generichash_state copy;
  gint64 offset = (gint64)s->partial.offset;

  hash_begin (s);
  if (offset == 0 || s->partial.index != index)
    return 0;
  s->progress.phase = BYTE_PHASE_COMPARING;
  show_progress (s);
  if (!s->changed && offset <= entry->size && hash_prefix (s, fd, offset))
    {
      copy = s->hash;
      crypto_generichash_final (&copy, hash, FRAME_HASH);
      if (memcmp (hash, s->partial.hash, FRAME_HASH) == 0)
        return offset;
    }
  s->outcome.restarted |= byte_link_end (s->link) == LINK_UP; /* else it was not compared to the end */
  hash_begin (s);
  return 0;
}

/* Reads one piece of @fd to where it is sealed. 0 at the end, -1 with errno. */
static gssize
read_piece (Sender *s, int fd, gint64 left, gboolean is_pipe)
{
  gsize least = is_pipe ? DATA_MIN : (gsize)MIN (left + FRAME_HEADER, DATA_MIN);
  gsize room;
  guint8 *at = byte_link_room (s->link, least, &room);
  gsize want;
  ssize_t n;

  if (at == NULL)
    return 0;
  want = MIN (room - FRAME_HEADER, LIMIT_FRAME_BODY);
  want = is_pipe ? want : (gsize)MIN ((gint64)want, left);
  do
    n = read (fd, at + FRAME_HEADER, want);
  while (n < 0 && errno == EINTR);
  if (n <= 0)
    return n;
  if (s->checksum)
    crypto_generichash_update (&s->hash, at + FRAME_HEADER, (guint64)n);
  frame_header (at, FRAME_DATA, (gsize)n);
  byte_link_put (s->link, FRAME_HEADER + (gsize)n);
  s->bytes += (guint64)n;
  s->progress.bytes += (guint64)n;
  show_progress (s);
  return n;
}

/* Why it failed, "" if it did not. */
static const char *
send_file (Sender *s, int fd, gint64 offset, const Entry *entry)
{
  if (offset > 0 && lseek (fd, offset, SEEK_SET) != offset)
    return REASON_SOURCE_UNREADABLE;
  if (entry->size - offset > AHEAD)
    posix_fadvise (fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  for (gint64 left = entry->size - offset; left > 0 && byte_link_end (s->link) == LINK_UP;)
    {
      gssize n = read_piece (s, fd, left, FALSE);

      if (n <= 0)
        return n == 0 ? REASON_SOURCE_CHANGED : REASON_SOURCE_UNREADABLE;
      left -= n;
    }
  return is_as_listed (fd, entry) ? REASON_NONE : REASON_SOURCE_CHANGED;
}

/* What there is goes at once; then it waits for more. */
static const char *
send_pipe (Sender *s, int fd)
{
  struct pollfd input = { fd, POLLIN, 0 };
  gssize n = 1;

  s->outcome.consumed = TRUE;
  while (n > 0)
    {
      while (poll (&input, 1, 0) == 0)
        if (!byte_link_flush (s->link) || !byte_link_wait (s->link, fd, POLLIN))
          return REASON_NONE;
      n = read_piece (s, fd, 0, TRUE);
      if (n < 0 && errno == EAGAIN)
        n = 1;
    }
  return n == 0 ? REASON_NONE : REASON_SOURCE_UNREADABLE;
}

static gboolean
send_end (Sender *s, const char *path, const char *reason)
{
  FrameBody end = { .reason = reason };

  if (reason[0] != '\0')
    fail_entry (s, path, reason);
  else if (s->checksum)
    {
      end.has_hash = TRUE;
      crypto_generichash_final (&s->hash, end.hash, FRAME_HASH);
    }
  s->progress.entries++;
  return talk_send (&s->talk, FRAME_END, &end);
}

/* A small one is looked at when it was read: if it has changed it fails then. */
static gboolean
has_to_be_looked_at (const Sender *s, const Entry *entry)
{
  return entry->size < 0 || entry->size > LIMIT_FRAME_BODY || s->partial.offset > 0;
}

/* Opens it, or says why not. */
static int
open_file (Sender *s, const Entry *entry, const char **reason)
{
  int fd = sources_open (s->sources, entry->path);

  *reason = fd < 0 ? sources_reason (errno) : REASON_NONE;
  if (fd >= 0 && has_to_be_looked_at (s, entry) && !is_as_listed (fd, entry))
    *reason = REASON_SOURCE_CHANGED;
  if (fd >= 0 && entry->size < 0 && s->resume)
    *reason = REASON_SOURCE_GONE; /* what a pipe had to say before */
  return fd;
}

static gboolean
move_file (Sender *s, guint32 index, const Entry *entry)
{
  const char *reason;
  int fd = open_file (s, entry, &reason);
  FrameBody body = { .index = index, .entry = *entry };
  gboolean goes_on;

  if (reason[0] == '\0')
    body.offset = (guint64)offset_of (s, index, fd, entry);
  s->progress.phase = BYTE_PHASE_MOVING;
  s->progress.bytes += body.offset;
  goes_on = talk_send (&s->talk, FRAME_ENTRY, &body);
  s->entries++;
  if (goes_on && reason[0] == '\0')
    reason = entry->size < 0 ? send_pipe (s, fd) : send_file (s, fd, (gint64)body.offset, entry);
  if (fd >= 0)
    close (fd);
  return goes_on && byte_link_end (s->link) == LINK_UP && send_end (s, entry->path, reason);
}

/* Entries ------------------------------------------------------------------------------------------------- */

static void
folder_clear (gpointer data)
{
  g_free (((Folder *)data)->path);
}

static gboolean
is_in (const char *path, const char *folder)
{
  gsize len = strlen (folder);

  return strncmp (path, folder, len) == 0 && path[len] == '/';
}

/* Out of the folders that @path is not in; all of them for NULL. */
static gboolean
leave_folders (Sender *s, const char *path)
{
  while (s->inside->len > 0)
    {
      const Folder *last = &g_array_index (s->inside, Folder, s->inside->len - 1);
      FrameBody body = { .index = last->index, .mode = last->mode, .mtime_ns = last->mtime_ns };

      if (path != NULL && is_in (path, last->path))
        return TRUE;
      if (!talk_send (&s->talk, FRAME_LEAVE, &body))
        return FALSE;
      g_array_set_size (s->inside, s->inside->len - 1);
    }
  return TRUE;
}

static gboolean
move_other (Sender *s, guint32 index, const Entry *entry)
{
  FrameBody body = { .index = index, .entry = *entry };
  Folder folder = { index, entry->mode, entry->mtime_ns, NULL };

  if (entry->type == ENTRY_FOLDER)
    {
      folder.path = g_strdup (entry->path);
      g_array_append_val (s->inside, folder);
    }
  s->entries++;
  s->progress.phase = BYTE_PHASE_MOVING;
  s->progress.entries++;
  return talk_send (&s->talk, FRAME_ENTRY, &body);
}

static gboolean
move_entry (Sender *s, guint32 index, const Entry *entry)
{
  if (!leave_folders (s, entry->path))
    return FALSE;
  if (bitmap_has (&s->have, index))
    {
      s->progress.entries++;
      s->progress.bytes += (guint64)MAX (entry->size, 0);
      return TRUE;
    }
  return entry->type == ENTRY_FILE ? move_file (s, index, entry) : move_other (s, index, entry);
}

static gboolean
move (Sender *s)
{
  g_autoptr (GError) error = NULL;
  gboolean goes_on = TRUE;
  FrameBody finish = { 0 };

  for (guint64 i = 0; goes_on; i++)
    {
      g_auto (Entry) entry = { 0 };

      if (!manifest_file_next (s->manifest, &entry, &error))
        break;
      goes_on = move_entry (s, (guint32)i, &entry);
      show_progress (s);
    }
  if (error != NULL)
    return give_up (s, BYTE_END_FAILED, REASON_FILE_ERROR, error->message);
  finish.entries = s->entries;
  finish.bytes = s->bytes;
  return goes_on && leave_folders (s, NULL) && talk_send (&s->talk, FRAME_FINISH, &finish) && byte_link_flush (s->link);
}

/* The end ------------------------------------------------------------------------------------------------- */

/* The receiver's failures come in the order of the entries. */
static gboolean
take_failed (Sender *s, const Frame *frame, guint64 *at)
{
  g_auto (FrameBody) body = { 0 };
  g_auto (Entry) entry = { 0 };

  if (!talk_parse (&s->talk, frame, &body))
    return FALSE;
  if (body.index < *at)
    return talk_protocol (&s->talk, "the peer spoke out of turn");
  for (; *at <= body.index; ++*at)
    {
      entry_clear (&entry);
      if (!manifest_file_next (s->manifest, &entry, NULL))
        return talk_protocol (&s->talk, "the peer failed with what it was not offered");
    }
  fail_entry (s, entry.path, body.reason);
  return TRUE;
}

static gboolean
verify (Sender *s)
{
  guint64 at = 0;
  Frame frame;

  s->progress.phase = BYTE_PHASE_VERIFYING;
  show_progress (s);
  manifest_file_rewind (s->manifest);
  while (talk_next (&s->talk, &frame) && frame.kind != FRAME_DONE)
    if (frame.kind != FRAME_FAILED)
      return talk_protocol (&s->talk, "the peer spoke out of turn");
    else if (!take_failed (s, &frame, &at))
      return FALSE;
  return byte_link_end (s->link) == LINK_UP && !give_up (s, BYTE_END_DONE, REASON_NONE, NULL);
}

static gboolean
begin (Sender *s)
{
  g_auto (FrameBody) body = { 0 };
  Frame frame;

  if (!talk_next (&s->talk, &frame))
    return FALSE;
  if (frame.kind != FRAME_BEGIN)
    return talk_protocol (&s->talk, "the peer spoke out of turn");
  if (!talk_parse (&s->talk, &frame, &body))
    return FALSE;
  s->resume = body.resume;
  return !body.resume || compare (s);
}

static gboolean
is_to_be_said (const ByteOutcome *outcome)
{
  return outcome->end == BYTE_END_FAILED || (outcome->end == BYTE_END_STOPPED && outcome->reason[0] != '\0');
}

static void
sender_run (ByteTask *task, gpointer data)
{
  Sender *s = data;
  TalkEnd end;

  s->task = task;
  talk_init (&s->talk, TALK_SENDER, s->link, byte_task_wake (task), byte_task_stop_flag (task));
  if (s->manifest == NULL)
    give_up (s, BYTE_END_FAILED, REASON_FILE_ERROR, "the list of what is sent is gone");
  else if (begin (s) && move (s))
    verify (s);
  end = talk_end (&s->talk, byte_task_stop_reason (task));
  give_up (s, end.end, end.reason, end.text);
  if (s->outcome.end == BYTE_END_DONE)
    byte_link_close (s->link, 0);
  else if (is_to_be_said (&s->outcome))
    talk_stop (&s->talk, s->outcome.reason);
  s->outcome.phase = s->progress.phase;
  s->outcome.bytes = s->progress.bytes;
  s->outcome.entries = s->progress.entries;
  s->outcome.wire = byte_link_wire (s->link);
  sources_rest (s->sources);
  talk_clear (&s->talk);
  g_clear_pointer (&s->link, byte_link_free);
  byte_task_tell (task, &s->outcome);
}

/* Start --------------------------------------------------------------------------------------------------- */

static void
sender_free (gpointer data)
{
  Sender *s = data;

  byte_link_free (s->link);
  manifest_file_free (s->manifest);
  sources_free (s->sources);
  bitmap_clear (&s->have);
  g_array_unref (s->inside);
  g_ptr_array_unref (s->outcome.failures);
  g_free ((char *)s->outcome.text);
  g_free (s);
}

ByteTask *
sender_start (ByteLink *link, const SendJob *job, ByteTaskDone done, gpointer user_data)
{
  Sender *s = g_new0 (Sender, 1);

  s->link = link;
  s->manifest = manifest_file_open (job->manifest, NULL);
  s->checksum = job->checksum;
  s->changed = job->changed;
  s->sources = sources_new (job->sources, job->n_sources, job->links);
  s->inside = g_array_new (FALSE, FALSE, sizeof (Folder));
  g_array_set_clear_func (s->inside, folder_clear);
  s->outcome.failures = byte_failures_new ();
  return byte_task_new ("sender", sender_run, s, sender_free, done, user_data);
}
