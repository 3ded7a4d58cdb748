/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

/* The way to the daemon: its private socket, named by the lock; where none runs it is started, by the session bus if that
 * knows it, else by ourselves. Errors are HEARBY_ERROR: NO_DAEMON where it cannot be had or went away, else what it said. */

typedef struct _Client Client;

typedef enum
{
  CLIENT_ONLY_RUNNING = 0,
  CLIENT_MAY_START = 1 << 0,
  CLIENT_ANNOUNCE = 1 << 1, /* puts the user on the air */
} ClientFlags;

Client *client_open (ClientFlags flags, GError **error);
void    client_close (Client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Client, client_close)

GDBusConnection *client_peek_connection (Client *client);

/* client_call: a method; @arguments is a tuple (floating is fine) or NULL. The answer's tuple, the caller's. */
GVariant *client_call (Client *client, const char *path, const char *interface, const char *method,
                       GVariant *arguments, GError **error);
/* client_call_with_fds: the same; @arguments refer to descriptors by their place in @fds, which stay the caller's. */
GVariant *client_call_with_fds (Client *client, const char *path, const char *interface, const char *method,
                                GVariant *arguments, GUnixFDList *fds, GError **error);
/* client_manager: the same of Manager1. */
GVariant *client_manager (Client *client, const char *method, GVariant *arguments, GError **error);

/* client_take_error: what GDBus says, @src, in our own words. Takes @src. */
void client_take_error (GError **error, GError *src);

/* client_objects: GetManagedObjects, a{oa{sa{sv}}}. */
GVariant *client_objects (Client *client, GError **error);
/* client_properties: all of one interface, a{sv}. */
GVariant *client_properties (Client *client, const char *path, const char *interface, GError **error);
/* client_options: an empty a{sv}, floating. */
GVariant *client_options (void);

/* client_find: whom the user means; never empty. Waits for the first look at the link before it says that nobody is called
 * that. The paths end in NULL; free with g_strfreev(). */
char **client_find (Client *client, const char *spec, GError **error);
/* client_find_one: the same where a group will not do. */
char *client_find_one (Client *client, const char *spec, GError **error);
/* client_find_met: the same; one that is on the link and has shown no key yet is called first, so that it can. */
char *client_find_met (Client *client, const char *spec, GError **error);
gboolean client_settle (Client *client, GError **error);

/* client_messages: ListMessages; takes the floating a{sv}. aa{sv} */
GVariant *client_messages (Client *client, GVariant *filter, GError **error);
/* client_newest: the highest seq there is, 0 for none. */
gboolean client_newest (Client *client, guint64 *seq, GError **error);

/* client_transfers: ListTransfers; takes the floating a{sv}. aa{sv}, in order of id */
GVariant *client_transfers (Client *client, GVariant *filter, GError **error);
/* client_transfer: one of them by its id, which may be anything that somebody typed; NOT_FOUND. a{sv} */
GVariant *client_transfer (Client *client, const char *id, GError **error);
/* client_transfer_call: a method of a Transfer1 without arguments but options, which are empty. FALSE with the error that it made; where the
 * object is gone FAILED, as it is over then. */
gboolean client_transfer_call (Client *client, GVariant *transfer, const char *method, GError **error);
/* client_fail_over: FAILED, as nothing can be done about @transfer any more. */
void client_fail_over (GVariant *transfer, GError **error);

/* client_mark_read: the user saw the messages of the peer at @peer up to @seq. */
void client_mark_read (Client *client, const char *peer, guint64 seq);
/* client_set_typing: tells the peer at @peer; does not wait. */
void client_set_typing (Client *client, const char *peer, const char *state);

/* client_follow: calls @on_signal for all signals of the daemon, @on_connected at once and each time that the connection is
 * there again after the daemon ended and came back: then signals were missed. Runs in the main loop. One for each client: a second call takes the place of the first. */
typedef void (*ClientSignal) (const char *path, const char *interface, const char *signal, GVariant *arguments,
                              gpointer data);
typedef void (*ClientConnected) (gpointer data);
void client_follow (Client *client, ClientSignal on_signal, ClientConnected on_connected, gpointer data);

/* client_is_lost: between the daemon's end and its return. */
gboolean client_is_lost (Client *client);

/* client_daemon_pid: 0 where it is not known. */
int client_daemon_pid (Client *client);

#define CLIENT_ROOT "/org/hearby/Hearby"
#define CLIENT_MANAGER "org.hearby.Manager1"
#define CLIENT_PEER "org.hearby.Peer1"
#define CLIENT_CONVERSATION "org.hearby.Conversation1"
#define CLIENT_TRANSFER "org.hearby.Transfer1"
#define CLIENT_TRANSFERS CLIENT_ROOT "/transfers/"

/* client_path_id: the number at the end of a peer's or transfer's path, "12". Points into @path. */
const char *client_path_id (const char *path);
