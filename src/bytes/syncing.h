/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/link-private.h"

/* syncing_wait: takes @fd; fsync() where @one file is meant, else syncfs() of the disk it is on, in a thread of its own, while @link is kept
 * alive: a slow disk may take minutes. An errno, 0 when done; the link may have ended meanwhile: then it is not waited for. */
int syncing_wait (ByteLink *link, int fd, gboolean one);
