/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Why a transfer, or one entry of it, ended or waits: a closed list of words, the same on the wire, in the store, on the
 * bus and in scripts. "" is none. */

#define REASON_NONE ""
#define REASON_DECLINED "declined"                     /* the receiver said no */
#define REASON_CANCELED "canceled"                     /* by our user */
#define REASON_PEER_CANCELED "peer-canceled"
#define REASON_EXPIRED "expired"
#define REASON_PAUSED "paused"                         /* by our user */
#define REASON_PEER_PAUSED "peer-paused"
#define REASON_NO_SPACE "no-space"                     /* on our disk */
#define REASON_PEER_NO_SPACE "peer-no-space"
#define REASON_QUOTA "quota"                           /* more than the receiver's user takes of this peer in a day */
#define REASON_CONNECTION_LOST "connection-lost"
#define REASON_STALLED "stalled"
#define REASON_SOURCE_GONE "source-gone"
#define REASON_SOURCE_CHANGED "source-changed"
#define REASON_SOURCE_UNREADABLE "source-unreadable"
#define REASON_ACCESS_DENIED "access-denied"
#define REASON_FILE_ERROR "file-error"
#define REASON_PROTOCOL "protocol"
#define REASON_UNSAFE_NAME "unsafe-name"
#define REASON_UNSAFE_LINK "unsafe-link"
#define REASON_TOO_LARGE "too-large"                   /* more than announced, or more than is taken */
#define REASON_PARTIAL "partial"                       /* complete, but for some entries */
#define REASON_UNENCRYPTED "unencrypted"
#define REASON_KEY_CHANGED "key-changed"
#define REASON_BLOCKED "blocked"
#define REASON_NOT_SUPPORTED "not-supported"
#define REASON_RESTARTED "restarted"                   /* from the beginning, because the source is not what it was */

/* reason_known: the word of the list that @bytes are (@len -1: ends in NUL), static; NULL where they are none. */
const char *reason_known (const char *bytes, gssize len);

/* reason_from_peer: what the peer's word means to us: its "canceled" is our "peer-canceled", its "no-space" our
 * "peer-no-space" and so on; @fallback for an unknown one. Static, or @fallback. */
const char *reason_from_peer (const char *word, const char *fallback);
