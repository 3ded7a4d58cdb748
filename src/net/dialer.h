/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Connects to whichever of several addresses answers first (RFC 8305): they are tried in order, each with a head start of
 * LIMIT_RACE_MS over the next; a refusal starts the next at once. */

typedef struct _Dialer Dialer;

typedef struct
{
  GSocketAddress *remote;
  GInetAddress   *source; /* bind to this one of ours; NULL: the kernel chooses, IPv6 public before temporary */
} DialerTarget;

/* @connection: the caller takes a reference if it wants it; NULL with @error when nothing answered within LIMIT_CONNECT_MS.
 * @target: which one it was. Called once, from the loop; the dialer may be freed in it. */
typedef void (*DialerDone) (GSocketConnection *connection, guint target, const GError *error, gpointer user_data);

/* dialer_new: @targets are copied; at least one. */
Dialer *dialer_new (const DialerTarget *targets, gsize n_targets, DialerDone done, gpointer user_data);

/* dialer_new_for_host: a host that the user typed ("lab", "192.168.7.20:5300", "[fe80::1%eth0]"), by name service; @target is 0. */
Dialer *dialer_new_for_host (const char *host, guint16 default_port, DialerDone done, gpointer user_data);

/* dialer_free: gives up; @done is not called any more. NULL is fine. */
void dialer_free (Dialer *dialer);
