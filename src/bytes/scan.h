/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/task.h"

/* What is to be sent, fixed before it is offered: walks files and folders in a thread and writes a manifest, entry by entry as they go
 * over the wire (transfer/manifest.h), so that memory does not grow with them. */

typedef struct
{
  const char *name; /* what the receiver sees; NULL: the last part of @path. A pipe has to have one */
  const char *path; /* a file or a folder; NULL where @fd counts */
  int fd;           /* a file, a folder or a pipe, of the caller's; -1 for none */
} ByteSource;

typedef enum
{
  SCAN_LINKS_KEEP, /* those inside of folders travel as links; a source itself is always followed */
  SCAN_LINKS_FOLLOW,
  SCAN_LINKS_SKIP,
} ScanLinks;

typedef struct
{
  const ByteSource *sources; /* copied, but for what the descriptors are of */
  gsize n_sources;
  ScanLinks links;
  const char *manifest;  /* path of the file to write, 0600; there is none where the scan fails */
  const char *previous;  /* path of an earlier manifest of the same sources, may be the same as @manifest; NULL for none */
} ScanJob;

typedef struct
{
  char *name;    /* as in the manifest: unique in the transfer; the n-th belongs to source */
  gsize source;  /* index in the job's sources */
  gint64 size;   /* of all that is in it; -1 for a pipe */
  gint64 mtime_ns;
  guint64 files; /* in it; 1 for a file */
  gboolean folder;
} ScanTop;

typedef struct
{
  const char *reason;  /* NULL where there is something to send; else nothing is: source-gone, source-unreadable, too-large, canceled … */
  const char *text;    /* for people, what was it with; NULL for none */
  GPtrArray *tops;     /* ScanTop, one for each source that is there */
  GPtrArray *failures; /* ByteFailure: what cannot be read, or is neither file, folder nor link, is left out */
  guint64 n_failures;
  gint64 size;         /* -1: a pipe is among them */
  guint64 files;
  guint64 entries;     /* files, folders and links */
  gboolean changed;    /* there was a previous manifest, and an entry of the same name has another size or mtime now */
} ScanResult;

/* In the GMainContext that was the thread's default at the start. @result lives during the call; tops and failures may be referenced. */
typedef void (*ScanDone) (const ScanResult *result, gpointer user_data);

typedef struct _Scan Scan;

Scan *scan_start (const ScanJob *job, ScanDone done, gpointer user_data);

/* scan_free: stops it if it still runs, and waits for that; done is not called any more. May be called in done. NULL is fine. */
void scan_free (Scan *scan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Scan, scan_free)
