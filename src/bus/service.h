/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "core/messenger.h"

/* The messenger on D-Bus: the same objects on the session bus and on each connection of the private socket. Objects are not made
 * one by one: a path names a peer, tables say what can be asked of it, and everything is looked up when somebody asks. So a
 * connection costs nothing for each peer, and a thousand peers cost nothing for each connection.
 *
 * The definition is data/org.hearby.Hearby.xml; GDBus checks every call against it before a handler sees it. */

#define BUS_NAME "org.hearby.Hearby"
#define BUS_ROOT "/org/hearby/Hearby"
#define BUS_MANAGER "org.hearby.Manager1"

typedef struct _Service Service;

/* service_new: serves nobody yet. @quit is called when somebody asks the daemon to end. */
Service *service_new (Messenger *messenger, void (*quit) (gpointer user_data), gpointer user_data);
void     service_free (Service *service);

/* service_listen: the private socket: in @runtime_dir (NULL: none) or beside the lock in @data_dir. Only for our own user (EXTERNAL). Answers
 * its D-Bus address, owned by the service. */
const char *service_listen (Service *service, const char *runtime_dir, const char *data_dir, GError **error);

/* service_join: connects to the bus at @address, exports everything, then takes the name. @done: when that is so, or why not. */
typedef void (*ServiceJoined) (const GError *error, gpointer user_data);
void service_join (Service *service, const char *address, ServiceJoined done, gpointer user_data);

/* For the *-bus.c files ------------------------------------------------------------------------------------------ */

Messenger *service_messenger (Service *service);
void       service_quit (Service *service);

/* What a call is about. @peer is NULL for the manager. */
typedef struct
{
  Service               *service;
  Messenger             *messenger;
  Peer                  *peer;
  GVariant              *arguments;
  GDBusMethodInvocation *invocation; /* each handler answers it once, with one of bus_reply…() */
} Call;

typedef struct
{
  const char *name;
  void (*handle) (const Call *call);
  const char *options; /* those it understands, with blanks between: "alias wait" */
} MethodRow;

typedef struct
{
  const char *name;
  GVariant *(*get) (Messenger *messenger, Peer *peer);
  guint changes; /* PeerChange or MessengerChange bits that change it; 0: never signalled */
} PropertyRow;

typedef struct
{
  GDBusInterfaceInfo *info;
  const MethodRow    *methods;
  const PropertyRow  *properties; /* end in a row without a name, both */
} Interface;

const Interface *manager_interface (void);
const Interface *peer_interface (void);
const Interface *conversation_interface (void);

/* bus_reply: now; bus_reply_later: with the turn's commit, or its error. @value may be NULL for nothing; floating is taken. */
void bus_reply (const Call *call, GVariant *value);
void bus_reply_later (const Call *call, GVariant *value);
void bus_reply_error (const Call *call, GError *error); /* taken */

/* bus_option: of the call's last argument (with or without the "!"), or NULL. Unref it. */
GVariant *bus_option (GVariant *options, const char *name, const GVariantType *type);
gboolean  bus_option_boolean (GVariant *options, const char *name);
gint64    bus_option_int64 (GVariant *options, const char *name);
guint64   bus_option_uint64 (GVariant *options, const char *name);
char     *bus_option_string (GVariant *options, const char *name); /* NULL where it is not there */

char *bus_peer_path (gint64 id);
char *bus_conversation_path (gint64 id);
/* bus_peers: of an array of paths; NULL with NOT_FOUND. Borrowed peers. */
GPtrArray *bus_peers (Messenger *messenger, GVariant *paths, GError **error);

/* message-bus.c */
GVariant *message_to_variant (Messenger *messenger, const MessageRow *row);
void      handle_list_messages (const Call *call);
void      handle_send_message (const Call *call);
