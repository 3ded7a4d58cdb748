/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/manifest-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define BUFFER (64 * 1024) /* several of the longest entries */

/* Writing ------------------------------------------------------------------------------------------------- */

struct _ManifestWriter
{
  char *path, *unfinished;
  int fd;
  GByteArray *buffer;
  gboolean failed;
};

static gboolean
fail (const char *path, int code, GError **error)
{
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "%s: %s", path, g_strerror (code));
  return FALSE;
}

ManifestWriter *
manifest_writer_new (const char *path, GError **error)
{
  ManifestWriter *writer = g_new0 (ManifestWriter, 1);

  writer->path = g_strdup (path);
  writer->unfinished = g_strconcat (path, ".new", NULL);
  writer->buffer = g_byte_array_new ();
  writer->fd = open (writer->unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (writer->fd >= 0)
    return writer;
  fail (writer->unfinished, errno, error);
  manifest_writer_free (writer);
  return NULL;
}

void
manifest_writer_free (ManifestWriter *writer)
{
  if (writer == NULL)
    return;
  if (writer->fd >= 0)
    {
      close (writer->fd);
      unlink (writer->unfinished);
    }
  g_free (writer->path);
  g_free (writer->unfinished);
  g_byte_array_unref (writer->buffer);
  g_free (writer);
}

static gboolean
write_out (ManifestWriter *writer, GError **error)
{
  for (gsize at = 0; at < writer->buffer->len;)
    {
      ssize_t n = write (writer->fd, writer->buffer->data + at, writer->buffer->len - at);

      if (n > 0)
        at += (gsize)n;
      else if (n == 0 || errno != EINTR)
        {
          writer->failed = TRUE;
          return fail (writer->unfinished, n == 0 ? EIO : errno, error);
        }
    }
  g_byte_array_set_size (writer->buffer, 0);
  return TRUE;
}

gboolean
manifest_writer_add (ManifestWriter *writer, const Entry *entry, GError **error)
{
  return manifest_append (writer->buffer, entry, error) && (writer->buffer->len < BUFFER || write_out (writer, error));
}

gboolean
manifest_writer_failed (const ManifestWriter *writer)
{
  return writer->failed;
}

gboolean
manifest_writer_finish (ManifestWriter *writer, GError **error)
{
  if (!write_out (writer, error))
    return FALSE;
  if (rename (writer->unfinished, writer->path) != 0)
    return fail (writer->path, errno, error);
  close (writer->fd);
  writer->fd = -1;
  return TRUE;
}

/* Reading ------------------------------------------------------------------------------------------------- */

struct _ManifestFile
{
  int fd;
  goffset offset; /* of what is read next */
  guint8 buffer[BUFFER];
  gsize start, end;
  Entry entry; /* that was peeked at */
  gsize entry_len;
};

ManifestFile *
manifest_file_open (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  ManifestFile *file;

  if (fd < 0)
    {
      fail (path, errno, error);
      return NULL;
    }
  file = g_new0 (ManifestFile, 1);
  file->fd = fd;
  return file;
}

void
manifest_file_free (ManifestFile *file)
{
  if (file == NULL)
    return;
  close (file->fd);
  entry_clear (&file->entry);
  g_free (file);
}

void
manifest_file_rewind (ManifestFile *file)
{
  file->start = file->end = 0;
  file->offset = 0;
  file->entry_len = 0;
  entry_clear (&file->entry);
}

/* So that a whole entry is there, if the file has one. */
static gboolean
fill (ManifestFile *file, GError **error)
{
  if (file->end - file->start >= MANIFEST_ENTRY_MAX)
    return TRUE;
  memmove (file->buffer, file->buffer + file->start, file->end - file->start);
  file->end -= file->start;
  file->start = 0;
  while (file->end < BUFFER)
    {
      ssize_t n = pread (file->fd, file->buffer + file->end, BUFFER - file->end, file->offset);

      if (n == 0)
        break;
      if (n < 0 && errno != EINTR)
        return fail ("the list of what is sent", errno, error);
      file->end += (gsize)MAX (n, 0);
      file->offset += MAX (n, 0);
    }
  return TRUE;
}

const guint8 *
manifest_file_peek (ManifestFile *file, gsize *len, GError **error)
{
  g_autoptr (GError) err = NULL;

  if (file->entry_len == 0)
    {
      if (!fill (file, error) || file->start == file->end)
        return NULL;
      if (!manifest_parse (file->buffer + file->start, file->end - file->start, &file->entry_len, &file->entry, &err))
        {
          g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "the list of what is sent is damaged: %s",
                       err != NULL ? err->message : "it is cut off");
          return NULL;
        }
    }
  *len = file->entry_len;
  return file->buffer + file->start;
}

void
manifest_file_skip (ManifestFile *file)
{
  file->start += file->entry_len;
  file->entry_len = 0;
  entry_clear (&file->entry);
}

gboolean
manifest_file_next (ManifestFile *file, Entry *out, GError **error)
{
  gsize len;

  if (manifest_file_peek (file, &len, error) == NULL)
    return FALSE;
  *out = file->entry;
  memset (&file->entry, 0, sizeof file->entry);
  manifest_file_skip (file);
  return TRUE;
}

gboolean
manifest_file_at_end (ManifestFile *file)
{
  gsize len;

  return manifest_file_peek (file, &len, NULL) == NULL;
}
