/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/scan.h"

/* What is sent, opened entry by entry as the manifest names it: a source by its name, and what is in a folder below that folder only,
 * never over a symbolic link unless links are followed. */

typedef struct _Sources Sources;

/* sources_new: copies @from; descriptors are duplicated. */
Sources *sources_new (const ByteSource *from, gsize n, ScanLinks links);
void     sources_free (Sources *sources);

/* sources_open: for reading, without waiting; the caller's. A descriptor's file from its begin, a pipe from where it is. -1 with errno. */
int sources_open (Sources *sources, const char *path);

/* sources_reason: why sources_open() failed, in the words of transfer/reason.h. */
const char *sources_reason (int code);

/* sources_rest: the folders that are open for the next entry are closed until then. */
void sources_rest (Sources *sources);
