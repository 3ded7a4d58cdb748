/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* A connection for the bytes of one file, made as XEP-0065 wants it: the sender listens, the receiver connects and proves by SOCKS5 that it
 * knows the digest (transfer/si.h). Ends once: with a connection on which nothing but the file follows, or with an error, at the latest
 * after LIMIT_BYTESTREAM_MS. */

typedef struct _Bytestream Bytestream;

/* @fd: a nonblocking socket, the callee's; -1 with @error. @surplus: what came of the file already, or NULL. @target: index of the address
 * that it is with, when connecting. May free the bytestream. */
typedef void (*BytestreamDone) (int fd, GBytes *surplus, guint target, const GError *error, gpointer user_data);

/* Whether somebody may try: the digest went over the link in clear. */
typedef gboolean (*BytestreamAdmit) (GInetSocketAddress *remote, gpointer user_data);

/* bytestream_listen: at a free port of each of @own (GInetSocketAddress), of which some may fail. One connection gets through. */
Bytestream *bytestream_listen (const char *digest, GPtrArray *own, BytestreamAdmit admit, BytestreamDone done, gpointer user_data,
                               GError **error);
GPtrArray *bytestream_addresses (Bytestream *bytestream); /* GInetSocketAddress: where it listens. Owned by it */

/* bytestream_connect: to the first of @remote (GInetSocketAddress, at least one) that answers and takes the digest. */
Bytestream *bytestream_connect (const char *digest, GPtrArray *remote, BytestreamDone done, gpointer user_data);

void bytestream_free (Bytestream *bytestream); /* @done is not called any more. NULL is fine */
