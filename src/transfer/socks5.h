/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The few bytes of SOCKS5 (RFC 1928) that a bytestream begins with (XEP-0065 6.3.2), at either end: no authentication, CONNECT to a
 * name that is no name. Pure: bytes in, bytes out. */

typedef struct _Socks5 Socks5;

/* socks5_address: the name that is asked for: 40 hex digits of SHA-1. The caller owns it. */
char *socks5_address (const char *sid, const char *requester, const char *target);

/* socks5_new_client: who connects, and asks for @address. Its first bytes are there to be taken at once. What the server says that it is
 * connected to is not looked at: libpurple answers with an address of its own. */
Socks5 *socks5_new_client (const char *address);

/* socks5_new_server: who listens, and takes nobody who asks for something else than @address. */
Socks5 *socks5_new_server (const char *address);

void socks5_free (Socks5 *socks5); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Socks5, socks5_free)

/* socks5_push: as many of @bytes as are SOCKS5; how many in *@used: what is behind them, when it is done, are bytes of the file. FALSE
 * when the other side broke the rules or said no (HEARBY_ERROR_REJECTED or _FAILED); it stays so. There may be an answer to take all the
 * same, after which the connection is to be closed. */
gboolean socks5_push (Socks5 *socks5, const guint8 *bytes, gsize len, gsize *used, GError **error);

/* socks5_take_output: what has to be sent now, or NULL. The caller owns it. */
GBytes *socks5_take_output (Socks5 *socks5);

/* socks5_is_done: all is said, but for what is there to take; the bytes of the file follow. */
gboolean socks5_is_done (const Socks5 *socks5);
