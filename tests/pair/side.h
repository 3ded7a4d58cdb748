/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/messenger.h"
#include "core/session.h"

/* One of two messengers in this process: a store in a folder of its own, no discovery, a free port on loopback. Whoever says nothing
 * else encrypts; SIDE_CLEAR is about those who cannot, and about what a proxy has to understand. */

#define SIDE_PATIENCE_S 60 /* the bound of a failure, never a wait */

/* side_wait: runs the main loop until @condition. */
#define side_wait(condition)                                                                                        \
  G_STMT_START                                                                                                      \
  {                                                                                                                 \
    gint64 until_ = g_get_monotonic_time () + SIDE_PATIENCE_S * G_USEC_PER_SEC;                                     \
    while (!(condition))                                                                                            \
      side_iterate (until_, G_STRLOC ": " #condition);                                                              \
  }                                                                                                                 \
  G_STMT_END

void side_iterate (gint64 until, const char *what);

typedef enum
{
  SIDE_SECURE,
  SIDE_CLEAR, /* without a key, as a peer that never heard of encryption */
} SideKind;

typedef struct
{
  SideKind   kind;
  char      *folder;
  char      *instance;
  Identity  *identity; /* NULL: SIDE_CLEAR */
  Database  *db;
  Messenger *messenger;
  Peer      *peer;     /* the other one, once side_add() was called; who was known by address follows to whom it turned out to be */
  gint64     peer_id;
  GPtrArray *received; /* bodies of what came in, in the order of the signals */
  guint      typing;   /* how often what the peer types has changed */
} Side;

Side *side_new (const char *instance, SideKind kind);
/* side_configure: as `hearby config` does, at once. */
void  side_configure (Side *side, const char *key, const char *value);
void  side_free (Side *side);

/* side_stop, side_start: as a daemon that ends and starts again. @peer is found again by its name. */
void side_stop (Side *side);
void side_start (Side *side);
/* side_keep_port: so that it is there again where it was. */
void side_keep_port (Side *side);

/* side_restart: the same at once, at the same port. */
void side_restart (Side *side);

/* side_see: mDNS shows @instance at 127.0.0.1:@port from now on, with @first and so on, NULL last, in its record. side_miss: it does not. */
void side_see (Side *side, const char *instance, guint16 port, const char *first, ...) G_GNUC_NULL_TERMINATED;
void side_miss (Side *side, const char *instance);

/* side_add: the other one is at 127.0.0.1:@port, and may be written to: in clear by a side in clear. */
void side_add (Side *side, guint16 port);
/* side_meet: waits until both have a stream. */
void side_meet (Side *a, Side *b);

guint64      side_send (Side *side, const char *text);
MessageState side_state (Side *side, guint64 seq);
/* side_expire: its time has come, and it is seen in the main loop. */
void         side_expire (Side *side, guint64 seq);
/* side_all_delivered: of everything that @side sent. */
gboolean side_all_delivered (Side *side);
/* side_check_received: exactly "@prefix 1" … "@prefix @n", in order, by the signals and in the store. */
void side_check_received (Side *side, const char *prefix, guint n);
