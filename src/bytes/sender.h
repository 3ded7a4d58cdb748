/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/link.h"
#include "bytes/scan.h"

/* The side that has the files: sends what the manifest lists and the receiver has not. A file that is gone, cannot be read or is not any
 * more what the manifest says fails by itself; the rest goes on. */

typedef struct
{
  const char *manifest;      /* of scan_start(); opened at once, may be replaced later */
  const ByteSource *sources; /* one for each ScanTop, in its order, with that name. Descriptors are duplicated; a pipe is read from where it is */
  gsize n_sources;
  ScanLinks links;           /* as scanned */
  gboolean checksum;         /* BLAKE2b-256 of every file goes along, and is compared with what arrived */
  gboolean changed;          /* ScanResult.changed: what the receiver has of an incomplete file is not continued */
} SendJob;

/* sender_start: takes @link. The first byte comes from the receiver, so a peer that was connected to only has to be right. */
ByteTask *sender_start (ByteLink *link, const SendJob *job, ByteTaskDone done, gpointer user_data);
