/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/landing.h"

/* Small files are gathered in memory, and made on the disk many at a time: by a thread of its own while the receiver goes on reading, by the
 * receiver itself when that thread is busy. One file of a kilobyte costs more in names, inodes and times than in bytes. */

#define MAKER_SMALL (16 * 1024) /* bytes of the largest file it takes */
#define MAKER_HASH 32

typedef struct _Maker Maker;

/* What became of a file: @code is an errno, 0 for well. Called in the thread of the caller, within the functions below. */
typedef void (*MakerMade) (gpointer data, guint32 index, const char *path, int code);

/* maker_new: @landing is the caller's. */
Maker *maker_new (Landing *landing, MakerMade made, gpointer data);
void   maker_free (Maker *maker); /* what is not finished is not made; NULL is fine */

/* One file: begun, its bytes, and then ended or dropped. @hash: BLAKE2b-256 that it must have when read back, NULL for none.
 * maker_begin: FALSE with errno where there is no such folder; nothing has begun then. */
gboolean maker_begin (Maker *maker, guint32 index, const char *path, const Entry *entry);
void maker_data (Maker *maker, const guint8 *bytes, gsize len);
void maker_end (Maker *maker, const guint8 *hash);
void maker_drop (Maker *maker);

gboolean maker_is_idle (const Maker *maker); /* all that was ended is made */
void     maker_finish (Maker *maker);        /* makes it so; one that was only begun is dropped */
