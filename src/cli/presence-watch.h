/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/client.h"
#include "cli/format.h"
#include "cli/view.h"

/* Who comes, goes and changes: keeps the last known state of each peer and tells what is different, also after the
 * daemon was away. */

typedef struct _PresenceWatch PresenceWatch;

/* @peer: a{sv} of Peer1, whole. */
typedef void (*PresenceFunc) (const char *path, GVariant *peer, gpointer data);

PresenceWatch *presence_watch_new (PresenceFunc func, gpointer data);
void           presence_watch_free (PresenceWatch *watch);

/* presence_watch_refresh: takes the state of all peers. The first time nothing is told. Later one who has vanished is told as offline. */
void presence_watch_refresh (PresenceWatch *watch, Client *client);
/* presence_watch_signal: every signal of the daemon may be given here. */
void presence_watch_signal (PresenceWatch *watch, const char *path, const char *interface, const char *signal,
                            GVariant *arguments);

/* presence_watch_is: whether the peer is there for certain (@online) or is not. Unknown ones are not. */
gboolean presence_watch_is (PresenceWatch *watch, const char *path, gboolean online);

/* presence_watch_text: one line for people or one of JSON, with its newline. The caller owns it. */
char *presence_watch_text (const Format *format, GVariant *peer);

/* presence_watch_find: the paths of all @names in *@set, NULL where there are no names. */
gboolean presence_watch_find (Client *client, const char *const *names, GHashTable **set, GError **error);

/* presence_watch_check_trust: UNENCRYPTED where none of the peers in @set (NULL: anybody) can ever be as trusted as @wanted. */
gboolean presence_watch_check_trust (Client *client, GHashTable *set, ViewTrust wanted, const char *const *names,
                                     GError **error);
