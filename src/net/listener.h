/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The listening TCP socket: one for IPv6 and IPv4, or for IPv4 alone where there is no IPv6. */

typedef struct _Listener Listener;

typedef void (*ListenerAccept) (GSocketConnection *connection, gpointer user_data);

/* listener_new: at @port, or the next free one within 16, then any; 0: any. FAILED. */
Listener *listener_new (guint16 port, ListenerAccept accepted, gpointer user_data, GError **error);
void      listener_free (Listener *listener);
guint16   listener_port (Listener *listener);
