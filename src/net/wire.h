/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* One TCP connection: bytes in, bytes out. Knows nothing of what they mean.
 *
 * What is sent within one turn of the main loop leaves in one write. Half-open connections are noticed by the
 * kernel: keepalive after 30 s of silence, TCP_USER_TIMEOUT 20 s; both cost no wake-up here. */

typedef struct _Wire Wire;

typedef struct
{
  /* @bytes are gone when it returns. */
  void (*received) (Wire *wire, const guint8 *bytes, gsize len, gpointer user_data);
  /* A write is about to happen: the last chance to wire_send() what gathered in this turn. */
  void (*fill) (Wire *wire, gpointer user_data);
  /* The queue had grown above LIMIT_WIRE_FULL and has room again. */
  void (*drained) (Wire *wire, gpointer user_data);
  /* Once, the last of all: @error is NULL for a FIN of the peer. Nothing can be sent after it. */
  void (*closed) (Wire *wire, const GError *error, gpointer user_data);
} WireEvents;

/* wire_new: takes over @connection's socket (a reference to it); @events is copied. */
Wire *wire_new (GSocketConnection *connection, const WireEvents *events, gpointer user_data);

/* wire_free: closes at once; what was not written is lost. Fine from within a callback; no callback comes after it. NULL is fine. */
void wire_free (Wire *wire);

/* wire_send: queues; takes a reference to @bytes. Above LIMIT_WIRE_QUEUE the peer counts as stuck: closed with an error, from the loop. */
void  wire_send (Wire *wire, GBytes *bytes);
gsize wire_queued (Wire *wire);

/* wire_wake: there will be something to send: fill() is called before the next turn's write. */
void wire_wake (Wire *wire);

/* wire_flush: the same now. Not from within a callback of the wire. */
void wire_flush (Wire *wire);

/* wire_finish: FIN behind what is queued and what the next fill() adds; reading goes on until the peer's. */
void wire_finish (Wire *wire);

/* wire_dup_fd: a descriptor of the socket for somebody who goes on with it when the wire is freed. The caller owns it. */
int wire_dup_fd (Wire *wire);

/* Both ends; v4-mapped addresses are shown as IPv4 (addresses_unmap). Owned by the wire. */
GInetSocketAddress *wire_remote (Wire *wire);
GInetSocketAddress *wire_local (Wire *wire);
