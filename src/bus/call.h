/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/sdbus.h"
#include "core/transfers.h"

/* One method call: its options, the paths in it, its answer. */

#define BUS_NAME "org.hearby.Hearby"
#define BUS_ROOT "/org/hearby/Hearby"
#define BUS_MANAGER "org.hearby.Manager1"
#define BUS_TRANSFER "org.hearby.Transfer1"
#define BUS_PEERS BUS_ROOT "/peers"
#define BUS_CONVERSATIONS BUS_ROOT "/conversations"
#define BUS_TRANSFERS BUS_ROOT "/transfers"

typedef struct _Service Service;

/* What a call is about: a peer, a transfer, or neither: the manager. */
typedef struct
{
  Service        *service;
  Messenger      *messenger;
  Peer           *peer;
  Transfer       *transfer;
  GVariant       *arguments;
  sd_bus_message *message; /* each handler answers it once, with one of call_reply…() */
} Call;

/* call_answer: to be filled with what the method returns. */
sd_bus_message *call_answer (const Call *call);

/* call_reply: now; call_reply_later: with the turn's commit, or its error. @answer is taken; NULL for one without anything in it. */
void call_reply (const Call *call, sd_bus_message *answer);
void call_reply_later (const Call *call, sd_bus_message *answer);
void call_reply_error (const Call *call, GError *error); /* taken */
/* call_finish: with the turn's commit where it is @done, else with @error, which is taken. */
void call_finish (const Call *call, gboolean done, GError *error);
/* call_refuse: with one of D-Bus' own errors, for what the definition does not allow. */
void call_refuse (const Call *call, const char *name, const char *format, ...) G_GNUC_PRINTF (3, 4);

void call_refuse_arguments (const Call *call);
void call_refuse_option (const Call *call, const char *method, const char *option);

/* call_keep: the call without what it is about and its arguments, for who answers when something has happened; call_free then. */
Call *call_keep (const Call *call);
void  call_free (Call *call);

/* call_option: of the call's last argument (with or without the "!"), or NULL. Unref it. */
GVariant *call_option (GVariant *options, const char *name, const GVariantType *type);
gboolean  call_option_boolean (GVariant *options, const char *name);
gint64    call_option_int64 (GVariant *options, const char *name);
guint64   call_option_uint64 (GVariant *options, const char *name);
char     *call_option_string (GVariant *options, const char *name); /* NULL where it is not there */

/* What is called so on our disk, which need not be UTF-8: call_append_text: as text, to be shown; call_append_bytes: 'ay', empty where
 * the text says it all. @bytes may be NULL: "". */
void call_append_text (sd_bus_message *to, const char *bytes);
void call_append_bytes (sd_bus_message *to, const char *bytes);
/* call_append_entry: in an 'a{sv}': @value as sd_bus_message_append_basic() takes it. */
void call_append_entry (sd_bus_message *to, const char *key, char type, const void *value);
void call_append_bytes_entry (sd_bus_message *to, const char *key, const char *bytes); /* in an 'a{sv}' */
/* call_path: the absolute path that the option @name, or @name with "_bytes" behind it, is; the caller's. NULL: neither is there, or
 * with INVALID_ARGUMENT. */
char *call_path (GVariant *options, const char *name, GError **error);
/* call_dup_bytes: those of 'ay' as a string, which the caller owns; NULL for none or with a NUL in them. */
char    *call_dup_bytes (GVariant *value);
gboolean call_check_path (const char *path, GError **error); /* absolute, or INVALID_ARGUMENT */
/* call_copy_descriptor: of one that the message closes; the caller's. -1 with an error. */
int call_copy_descriptor (int fd, GError **error);

char *call_peer_path (gint64 id);
char *call_conversation_path (gint64 id);
char *call_transfer_path (guint64 id);
/* call_peer_of_path: NULL with NOT_FOUND */
Peer *call_peer_of_path (Messenger *messenger, const char *path, GError **error);
/* call_peers: of an array of paths; NULL with NOT_FOUND. Borrowed peers. */
GPtrArray *call_peers (Messenger *messenger, GVariant *paths, GError **error);
/* call_peer_ids: gint64 of those that the option "peers" names, NULL in *@ids where it is not there: everybody. */
gboolean call_peer_ids (Messenger *messenger, GVariant *options, GArray **ids, GError **error);

/* call_peer_of_node: of the last part of a path, "p12"; NULL where there is none. */
Peer *call_peer_of_node (Messenger *messenger, const char *node);
/* call_transfer_of_node: "12" */
Transfer *call_transfer_of_node (Messenger *messenger, const char *node);

/* call_find_unknown_demand: an option of the last argument that has to be understood ("!name") and is not among @known (words with blanks
 * between, or NULL); NULL for none. The caller owns it. */
char *call_find_unknown_demand (GVariant *arguments, const char *known);
