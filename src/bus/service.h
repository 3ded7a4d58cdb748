/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "bus/agent.h"
#include "bus/call.h"
#include "core/messenger.h"

/* The messenger on D-Bus: the same objects on the session bus and on each connection of the private socket. Objects are not made
 * one by one: a path names a peer, tables say what can be asked of it, and everything is looked up when somebody asks. So a
 * connection costs nothing for each peer, and a thousand peers cost nothing for each connection.
 *
 * The definition is data/org.hearby.Hearby.xml; every call is checked against it before a handler sees it (objects.c). */

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

void       service_quit (Service *service);
Messenger *service_messenger (Service *service);
Agents    *service_agents (Service *service);
GPtrArray *service_questions (Service *service); /* of caller.h */

typedef struct
{
  const char *name;
  void (*handle) (const Call *call);
  const char *options; /* those it understands, with blanks between: "alias wait" */
  gboolean    reads;   /* takes its arguments from the message itself, and refuses options on its own */
} MethodRow;

/* What an object shows: a peer, a transfer, or neither: the manager. */
typedef struct
{
  Peer     *peer;
  Transfer *transfer;
} Subject;

/* One of the two functions appends the value, of the definition's type. */
typedef struct
{
  const char *name;
  void (*append) (sd_bus_message *to, Messenger *messenger, Peer *peer);
  guint changes; /* PeerChange, MessengerChange or TransferChange bits that change it; 0: never signalled */
  void (*append_transfer) (sd_bus_message *to, const Transfer *transfer);
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
const Interface *transfer_interface (void);

/* trust-bus.c */
void trust_append_fingerprint (sd_bus_message *to, Messenger *messenger, Peer *peer);
void trust_append_claim (sd_bus_message *to, Messenger *messenger, Peer *peer);
void trust_append_looks_like (sd_bus_message *to, Messenger *messenger, Peer *peer);
void trust_append_confirmed (sd_bus_message *to, Messenger *messenger, Peer *peer);
void trust_append_verify_wanted (sd_bus_message *to, Messenger *messenger, Peer *peer);
void trust_append_own_fingerprint (sd_bus_message *to, Messenger *messenger, Peer *peer);
void trust_append_own_uri (sd_bus_message *to, Messenger *messenger, Peer *peer);
void trust_handle_trust (const Call *call);
void trust_handle_trust_uri (const Call *call);
void trust_handle_new_identity (const Call *call);
void trust_handle_verify (const Call *call);
void trust_handle_answer (const Call *call);
void trust_handle_cancel_verify (const Call *call);

/* peer-bus.c: what a peer and its conversation both show */
void peer_append_unread (sd_bus_message *to, Messenger *messenger, Peer *peer);
void peer_append_queued (sd_bus_message *to, Messenger *messenger, Peer *peer);

/* message-bus.c: a{sv} */
void message_append (sd_bus_message *to, Messenger *messenger, const MessageRow *row);
void handle_list_messages (const Call *call);
void handle_send_message (const Call *call);

/* objects.c: an sd_bus_message_handler_t for every call; the service is its user_data */
int objects_handle (sd_bus_message *message, void *service, sd_bus_error *unused);

/* objects_append_properties: a{sv} of those that @changes changes, G_MAXUINT: all; objects_append_entries: what is in that.
 * objects_append_interfaces: a{sa{sv}} with all. */
void objects_append_properties (sd_bus_message *to, Messenger *messenger, const Interface *interface, Subject subject, guint changes);
void objects_append_entries (sd_bus_message *to, Messenger *messenger, const Interface *interface, Subject subject, guint changes);
void objects_append_interfaces (sd_bus_message *to, Messenger *messenger, const Interface *interface, Subject subject);
