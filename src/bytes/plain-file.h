/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/receiver.h"

/* One file over a connection that carries its bytes and nothing else, in clear, as SOCKS5 bytestreams leave it (XEP-0065): what is said about
 * it is said elsewhere. Whoever wants no more closes the connection. Nothing is continued later. */

typedef struct
{
  int fd;              /* the connection, taken */
  const char *path;    /* the file; NULL where @file counts */
  int file;            /* the same as a descriptor, of the caller's; -1 for none */
  gint64 size;         /* as offered: another size means source-changed */
  ByteProgress before; /* what to add to the progress: files of the same transfer that went before */
} PlainFileJob;

/* plain_file_send: exactly that many bytes. DONE when the receiver closed the connection, or has them all and is silent for
 * LIMIT_PLAIN_CLOSE_MS; PEER_STOPPED canceled when it closed before. */
ByteTask *plain_file_send (const PlainFileJob *job, ByteTaskDone done, gpointer user_data);

/* plain_file_receive: takes @fd; @surplus came of the file before, may be NULL. Of @job entries and resume do not count; the file is @name
 * (clean) in it. The end is as a receiver's (LANDED, byte_task_confirm(), DONE); PEER_STOPPED canceled when the connection ended before
 * the size was there. What is incomplete goes. */
ByteTask *plain_file_receive (int fd, GBytes *surplus, const char *name, const ReceiveJob *job, ByteTaskDone done, gpointer user_data);
