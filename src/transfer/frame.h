/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "base/limits.h"
#include "transfer/manifest.h"

/* What travels on a data connection: frames of kind u8 · length u32 · body, all numbers big-endian, one after another,
 * wherever the records that carry them begin and end. Pure.
 *
 *   R→S BEGIN
 *   S→R if it said resume: LIST… LISTED      R→S HAVE… [PARTIAL] GO
 *   S→R (ENTRY [DATA… END])… and LEAVE after what is in a folder, then FINISH
 *   R→S FAILED… DONE                          STOP ends it at any time, from either side */

#define FRAME_HEADER 5 /* bytes */

typedef enum
{
  FRAME_BEGIN = 1,    /* resume */
  FRAME_LIST = 2,     /* entries of the manifest, whole ones, as manifest_append() writes them */
  FRAME_LISTED = 3,   /* nothing */
  FRAME_HAVE = 4,     /* runs of entries that are complete: frame_append_have() */
  FRAME_PARTIAL = 5,  /* index, offset, hash: so many bytes of a file are there, and this is their BLAKE2b-256 */
  FRAME_GO = 6,       /* nothing */
  FRAME_ENTRY = 7,    /* index, offset, entry: a file's content follows from @offset, 0 unless PARTIAL was right */
  FRAME_DATA = 8,     /* bytes of it */
  FRAME_END = 9,      /* reason ("": all is there), hash or none of the whole content */
  FRAME_LEAVE = 10,   /* index, mode, mtime_ns: of a folder, whose entries are through */
  FRAME_FINISH = 11,  /* entries, bytes: what was sent on this connection */
  FRAME_FAILED = 12,  /* index, reason */
  FRAME_DONE = 13,    /* nothing: it is on the disk */
  FRAME_STOP = 14,    /* reason */
  FRAME_KEEP = 15,    /* nothing: the side that waits for a disk or a pipe still lives; either side, at any time */
} FrameKind;

#define FRAME_HASH 32 /* bytes: BLAKE2b-256 */

/* The body of any frame but LIST, HAVE and DATA; which of it counts is above. */
typedef struct
{
  gboolean    resume;
  guint32     index;             /* in the manifest, from 0 */
  guint64     offset;            /* ≤ 2^63-1 */
  gboolean    has_hash;
  guint8      hash[FRAME_HASH];
  const char *reason;            /* of the closed list, static (transfer/reason.h), as the sender of the frame means it */
  guint64     entries;
  guint64     bytes;
  guint32     mode;
  gint64      mtime_ns;
  Entry       entry;
} FrameBody;

void frame_body_clear (FrameBody *body);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FrameBody, frame_body_clear)

/* Writing -------------------------------------------------------------------------------------------------- */

/* frame_header: of a frame whose body the caller puts behind it: DATA, and LIST. @len ≤ LIMIT_FRAME_BODY. */
void frame_header (guint8 header[FRAME_HEADER], FrameKind kind, gsize len);

/* frame_append: any other frame but HAVE. FALSE (nothing is appended) where the entry is none, or a number has no place. */
gboolean frame_append (GByteArray *out, FrameKind kind, const FrameBody *body, GError **error);

void frame_append_empty (GByteArray *out, FrameKind kind);                     /* LISTED, GO, DONE, KEEP */
void frame_append_reason (GByteArray *out, FrameKind kind, const char *reason); /* STOP; END without a hash */

/* A run of entries that the receiver has. */
typedef struct
{
  guint32 first;
  guint32 n;
} FrameRun;

#define FRAME_RUNS_MAX (LIMIT_FRAME_BODY / 8) /* in one frame */

/* frame_append_have: one HAVE frame, or as many as it takes. */
void frame_append_have (GByteArray *out, const FrameRun *runs, gsize n);

/* Reading -------------------------------------------------------------------------------------------------- */

/* One frame, or for DATA the next piece of one. @body is valid until the next call of the reader. */
typedef struct
{
  FrameKind     kind;
  const guint8 *body;
  gsize         len;
  gsize         left; /* DATA only: how much of this frame is still to come */
} Frame;

typedef struct _FrameReader FrameReader;

FrameReader *frame_reader_new (void);
void         frame_reader_free (FrameReader *reader); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FrameReader, frame_reader_free)

/* frame_reader_push: the next bytes. They are not copied: they must stay until frame_reader_next() answered FALSE, and only
 * then more may be pushed. What is of a frame that has not come whole (DATA has no need to) is kept by the reader, one frame
 * at most. */
void frame_reader_push (FrameReader *reader, const guint8 *bytes, gsize len);

/* frame_reader_next: FALSE without an error: more bytes are needed. An unknown kind and a body that is too long for its kind
 * are errors (HEARBY_ERROR_FAILED, "protocol"), known from the header; the reader then stays broken. DATA of no bytes is
 * answered once, with len 0. */
gboolean frame_reader_next (FrameReader *reader, Frame *out, GError **error);

/* frame_reader_is_between: no frame has begun and not ended: the connection may close here. */
gboolean frame_reader_is_between (const FrameReader *reader);

/* frame_parse: the body of @frame, which must be none of LIST, HAVE and DATA, to @out, which must be empty. Errors as
 * manifest_parse(); a body that is longer than what is in it is one. A word that is not in the list is read as
 * "protocol" in STOP and as "file-error" elsewhere. */
gboolean frame_parse (const Frame *frame, FrameBody *out, GError **error);

/* frame_next_entry: the entries of a LIST from *@at (start with 0). FALSE without an error: that was all. An entry that is
 * cut off is an error. */
gboolean frame_next_entry (const Frame *frame, gsize *at, Entry *out, GError **error);

/* frame_next_run: the same for HAVE. Runs are not empty, and end below 2^32; they may come in any order. */
gboolean frame_next_run (const Frame *frame, gsize *at, FrameRun *out, GError **error);
