/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sodium.h>

#include "bytes/bitmap.h"
#include "bytes/landing.h"
#include "bytes/maker.h"
#include "bytes/receiver.h"
#include "bytes/talk.h"
#include "bytes/task-private.h"

/* What the parts of a receiver share, all in its thread: comparing.c (what is there already), incoming.c (what comes), receiver.c (begin, and
 * the way to its place). */

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
  gboolean out_is_socket;
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

/* receiving_give_up: what it comes to, whatever the link says then; the first counts. FALSE. @text is copied. */
gboolean receiving_give_up (Receiver *r, ByteEnd end, const char *reason, const char *text);
gboolean receiving_give_up_errno (Receiver *r, int code);

const char *receiving_reason (int code);
gboolean    receiving_is_full (int code);

/* receiving_fail_entry: one entry; the rest goes on. */
void receiving_fail_entry (Receiver *r, guint32 index, const char *path, const char *reason, gboolean sender_knows);

/* receiving_fail_errno: the same, unless it is a sign that it concerns all. FALSE: it does. */
gboolean receiving_fail_errno (Receiver *r, guint32 index, const char *path, int code);

/* receiving_has_space: for so many bytes @more, beside the reserve. FALSE: it was given up. receiving_use_space() looks now and then. */
gboolean receiving_has_space (Receiver *r, guint64 more);
gboolean receiving_use_space (Receiver *r, guint64 bytes);

void receiving_show (Receiver *r); /* the progress */

/* Paths are clean. receiving_announce: counts what an entry is to have. FALSE: that is too much. */
gboolean receiving_is_offered (Receiver *r, const char *path);
void     receiving_add_top (Receiver *r, const char *path);
gboolean receiving_announce (Receiver *r, const Entry *entry);

/* receiving_hash: BLAKE2b-256 of the first @size bytes of @fd. FALSE where it has less, or the link ended. */
gboolean receiving_hash (Receiver *r, int fd, gint64 size, guint8 hash[FRAME_HASH]);
