/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "xmpp/node.h"

/* One <jingle/> element ↔ what it means: sessions (XEP-0166) that carry files (XEP-0234) over a connection of their own
 * (urn:x-hearby:bytes:0) or in-band (XEP-0261). Pure. Where we differ from XEP-0234: several <file/> in one description, a
 * <batch/> that counts what the session carries, no <hash/>: the bytes are those of transfer/frame.h. */

typedef enum
{
  JINGLE_INITIATE,
  JINGLE_ACCEPT,
  JINGLE_TERMINATE,
  JINGLE_INFO,
  JINGLE_TRANSPORT_INFO,
  JINGLE_TRANSPORT_REPLACE,
  JINGLE_TRANSPORT_ACCEPT,
  JINGLE_TRANSPORT_REJECT,
  JINGLE_OTHER, /* an action that we do not know: feature-not-implemented */
} JingleAction;

typedef enum
{
  JINGLE_VIA_NONE,   /* nothing is said */
  JINGLE_VIA_BYTES,  /* urn:x-hearby:bytes:0 */
  JINGLE_VIA_INBAND, /* urn:xmpp:jingle:transports:ibb:1 */
  JINGLE_VIA_OTHER,  /* unsupported-transports */
} JingleVia;

typedef enum
{
  JINGLE_SAYS_NOTHING, /* an empty session-info: a ping (XEP-0166 6.8), or what we do not know */
  JINGLE_SAYS_PAUSE,
  JINGLE_SAYS_RESUME,
  JINGLE_SAYS_CONNECT,  /* I cannot connect to you: connect to me */
  JINGLE_SAYS_RECEIVED, /* XEP-0234 8.3 */
} JingleSays;

#define JINGLE_ID 16 /* bytes */

/* A top-level entry of an offer. */
typedef struct
{
  char    *name;   /* by filename_clean() */
  gint64   size;   /* of all in it; -1: not known */
  gint64   mtime;  /* s since 1970; 0: not said */
  gboolean folder;
} JingleFile;

typedef struct
{
  JingleAction action;
  char        *sid;          /* 1 to LIMIT_SID bytes of clean text */
  char        *initiator;    /* as said, cleaned, or NULL */
  char        *name;         /* of the content, cleaned; NULL: there is none (terminate and info may have none) */

  gboolean     foreign;      /* initiate: no offer of files that we understand: another application, more than one content, a
                                request for files, no <batch/>: unsupported-applications */
  GPtrArray   *files;        /* JingleFile, owned: the first top-level entries, at most LIMIT_OFFER_FILES; never NULL */
  guint64      tops;         /* all top-level entries, ≥ files->len */
  guint64      entries;      /* all entries of the manifest, 1 to LIMIT_ENTRIES */
  guint64      n_files;      /* those that are files */
  gint64       size;         /* of all; -1: not known */

  JingleVia    via;
  gboolean     has_id;       /* BYTES: the id that the data connection begins with */
  guint8       id[JINGLE_ID];
  guint        block_size;   /* INBAND: 1 to LIMIT_INBAND_BLOCK */
  char        *inband_sid;   /* INBAND: 1 to LIMIT_SID bytes */

  const char  *reason;       /* terminate: the condition (XEP-0166 7.4), static: "success" "decline" "cancel" …; NULL: none.
                                One that we do not know is "general-error" */
  const char  *why;          /* terminate, pause: transfer/reason.h, static, as the sender means it; "": not said */
  char        *text;         /* for people, cleaned, ≤ LIMIT_STATUS_TEXT; or NULL */
  JingleSays   says;
} Jingle;

Jingle *jingle_new (JingleAction action, const char *sid);
void    jingle_free (Jingle *jingle); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Jingle, jingle_free)

/* jingle_add_file: another top-level entry; tops is left to the caller. */
void jingle_add_file (Jingle *jingle, const char *name, gint64 size, gint64 mtime, gboolean folder);

/* jingle_parse: of the child of an iq. NULL: no <jingle/>, or one that makes no sense (bad-request): no sid, a size that is no
 * number up to 2^63-1, more named than there are, files larger than all together, an id that is none … */
Jingle *jingle_parse (const Node *node);

/* jingle_build: the caller owns it. jingle_parse() of it means the same. */
Node *jingle_build (const Jingle *jingle);

/* jingle_condition: the condition that goes with a reason of ours in session-terminate: "decline" for "declined" … "success"
 * for "" and "partial". Static. */
const char *jingle_condition (const char *why);
