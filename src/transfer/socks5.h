/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What is said on a bytestream's connection before the file (RFC 1928, as XEP-0065 5.3.2 uses it): no authentication, CONNECT to a "domain
 * name" of 40 hex digits that only the two who agreed on the stream know. Bytes in, bytes out; pure. */

#define SOCKS5_DIGEST 40 /* hex digits; si_digest() */

typedef struct _Socks5 Socks5;

/* socks5_new_server: takes who asks for @digest and refuses all others. socks5_new_client: asks for it, and has output at once; whatever
 * address the answer names does not matter (libpurple tells ours). */
Socks5 *socks5_new_server (const char *digest);
Socks5 *socks5_new_client (const char *digest);
void    socks5_free (Socks5 *socks5); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Socks5, socks5_free)

/* socks5_push: *@used of the @len bytes belong to this; what follows is the file's already. FALSE: broken, and it stays so; REJECTED when
 * somebody said no, FAILED for what is no SOCKS5. Also then there may be output, a last word for the peer. */
gboolean socks5_push (Socks5 *socks5, const guint8 *bytes, gsize len, gsize *used, GError **error);

/* socks5_take_output: what the peer must get, or NULL. The caller owns it. */
GBytes *socks5_take_output (Socks5 *socks5);

gboolean socks5_is_open (Socks5 *socks5); /* once the output is sent, the file begins */
