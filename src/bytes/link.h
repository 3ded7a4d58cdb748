/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "secure/record.h"

/* One connection that carries bytes of a transfer: a socket, and the two directions of its cipher. Whole records of both directions lie in
 * two buffers of the link's own, several to a system call; they are sealed and opened where they lie. Used by one thread. */

typedef struct _ByteLink ByteLink;

/* byte_link_new: takes @fd (a connected stream socket, made nonblocking), @sealer and @opener (channel_release()) and @already_opened:
 * content of records that was opened before and belongs to what the task reads first; may be NULL. Without @sealer and @opener the bytes
 * go in clear: one end of a socketpair, whose other end goes through an encrypted stream. */
ByteLink *byte_link_new (int fd, RecordSealer *sealer, RecordOpener *opener, GBytes *already_opened);

/* byte_link_free: closes the socket, wipes. NULL is fine. Only for a link that no task took. */
void byte_link_free (ByteLink *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ByteLink, byte_link_free)
