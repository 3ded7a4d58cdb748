/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bytes/beneath.h"
#include "transfer/reason.h"

typedef struct
{
  char *name, *path;
  int fd; /* a duplicate of the caller's, or -1 */
} Source;

struct _Sources
{
  GArray *list;        /* Source */
  GHashTable *by_name; /* name → index + 1 in it */
  ScanLinks links;
  int root; /* of the source whose turn it is; -1: none */
  char *root_name;
  char *parent_path; /* the folder in it that was used last, below the root; NULL: none */
  int parent;
};

/* Start and end ----------------------------------------------------------------------------------------------- */

static void
source_clear (gpointer data)
{
  Source *source = data;

  g_free (source->name);
  g_free (source->path);
  if (source->fd >= 0)
    close (source->fd);
}

Sources *
sources_new (const ByteSource *from, gsize n, ScanLinks links)
{
  Sources *s = g_new0 (Sources, 1);

  s->links = links;
  s->root = s->parent = -1;
  s->list = g_array_new (FALSE, FALSE, sizeof (Source));
  g_array_set_clear_func (s->list, source_clear);
  s->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  for (gsize i = 0; i < n; i++)
    {
      Source source = { g_strdup (from[i].name), g_strdup (from[i].path), -1 };

      if (from[i].fd >= 0)
        source.fd = fcntl (from[i].fd, F_DUPFD_CLOEXEC, 3);
      g_hash_table_insert (s->by_name, source.name, GSIZE_TO_POINTER (i + 1));
      g_array_append_val (s->list, source);
    }
  return s;
}

void
sources_rest (Sources *s)
{
  if (s->root >= 0)
    close (s->root);
  if (s->parent >= 0)
    close (s->parent);
  s->root = s->parent = -1;
  g_clear_pointer (&s->root_name, g_free);
  g_clear_pointer (&s->parent_path, g_free);
}

void
sources_free (Sources *s)
{
  sources_rest (s);
  g_hash_table_unref (s->by_name);
  g_array_unref (s->list);
  g_free (s);
}

/* Opening ----------------------------------------------------------------------------------------------------- */

static const Source *
source_of (const Sources *s, const char *name)
{
  gsize i = GPOINTER_TO_SIZE (g_hash_table_lookup (s->by_name, name));

  return i > 0 ? &g_array_index (s->list, Source, i - 1) : NULL;
}

static int
open_source (const Source *source, int flags)
{
  if (source == NULL || (source->fd < 0 && source->path == NULL))
    {
      errno = ENOENT;
      return -1;
    }
  if (source->fd >= 0)
    {
      lseek (source->fd, 0, SEEK_SET); /* it may stand anywhere; a pipe stands where it is */
      return fcntl (source->fd, F_DUPFD_CLOEXEC, 3);
    }
  return open (source->path, flags);
}

/* The folder that is sent under @name. */
static int
root_of (Sources *s, const char *name)
{
  if (s->root_name != NULL && strcmp (s->root_name, name) == 0)
    return s->root;
  sources_rest (s);
  s->root = open_source (source_of (s, name), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (s->root >= 0)
    s->root_name = g_strdup (name);
  return s->root;
}

/* The folder that an entry is in, below the root; that of the one before most of the time. */
static int
parent_of (Sources *s, const char *inner, const char **name)
{
  const char *slash = strrchr (inner, '/');
  gsize len = slash != NULL ? (gsize)(slash - inner) : 0;

  *name = slash != NULL ? slash + 1 : inner;
  if (s->parent_path != NULL && strncmp (s->parent_path, inner, len) == 0 && s->parent_path[len] == '\0')
    return s->parent;
  if (s->parent >= 0)
    close (s->parent);
  g_free (s->parent_path);
  s->parent_path = g_strndup (inner, len);
  if (s->links == SCAN_LINKS_FOLLOW && len > 0)
    s->parent = openat (s->root, s->parent_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  else
    s->parent = beneath_open (s->root, s->parent_path);
  if (s->parent < 0)
    g_clear_pointer (&s->parent_path, g_free);
  return s->parent;
}

int
sources_open (Sources *s, const char *path)
{
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const char *slash = strchr (path, '/');
  const char *name;
  g_autofree char *top = NULL;
  int parent;

  if (slash == NULL)
    return open_source (source_of (s, path), flags);
  top = g_strndup (path, (gsize)(slash - path));
  if (root_of (s, top) < 0)
    return -1;
  parent = parent_of (s, slash + 1, &name);
  return parent < 0 ? -1 : openat (parent, name, flags | (s->links == SCAN_LINKS_FOLLOW ? 0 : O_NOFOLLOW));
}

const char *
sources_reason (int code)
{
  if (code == ENOENT || code == ENOTDIR || code == ESTALE)
    return REASON_SOURCE_GONE;
  return code == ELOOP || code == EXDEV ? REASON_SOURCE_CHANGED : REASON_SOURCE_UNREADABLE;
}
