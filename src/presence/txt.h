/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The TXT record of _presence._tcp (XEP-0174 3, registry) ↔ presence. Pure. */

typedef enum
{
  STATUS_AVAILABLE, /* avail; also what is missing or unknown */
  STATUS_AWAY,
  STATUS_DND,
  STATUS_OFFLINE, /* never in a TXT record: the record is withdrawn */
} Status;

const char *status_name (Status status); /* "available" "away" "dnd" "offline" */
gboolean    status_from_name (const char *name, Status *status);

typedef struct
{
  Status  status;
  char   *text;                            /* msg */
  char   *nick, *first, *last, *email, *jid;
  char   *node, *hash, *ver;               /* XEP-0115; ver means something only with hash */
  char   *noise;                           /* "0": it can encrypt (hearby-protocol(7)) */
  char   *hint;                            /* k=: only who knows its key can tell whose this is (secure/hint) */
} Presence;                                /* every string may be NULL, never ""; cleaned, one line */

Presence *presence_new (void);
void      presence_free (Presence *presence);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Presence, presence_free)
gboolean  presence_equal (const Presence *a, const Presence *b);

/* txt_parse: @strings are GBytes, one each TXT string in the order of the wire. Never fails; nothing need be there.
 * The first of equal keys counts, keys compare without case, unknown ones are ignored, values are cleaned and cut. */
Presence *txt_parse (GPtrArray *strings);

/* txt_build: GBytes in the order of the wire: txtvers=1 first, then port.p2pj, status, nick, 1st, last, msg, node, hash, ver,
 * noise, k, email, jid; no empty values; each ≤ LIMIT_TXT_STRING (a long value is cut at a character). Where no 1st is set the
 * nick stands in (Adium shows only "1st last", iChat likewise). The caller owns it. */
GPtrArray *txt_build (const Presence *presence, guint16 port);

/* txt_display_name: nick, else "1st last", else NULL. The caller owns it. */
char *txt_display_name (const Presence *presence);
