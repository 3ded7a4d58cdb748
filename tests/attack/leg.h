/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "secure/handshake.h"
#include "secure/prologue.h"
#include "secure/sas.h"
#include "xmpp/reader.h"

/* One end of an encrypted stream on a blocking socket: what a stranger's program with a key of its own would
 * be. It keeps none of the rules about who may say what: that is what it is for. */

#define LEG_NS "urn:x-hearby:noise:0"
#define LEG_VERIFY_NS "urn:x-hearby:verify:0"

typedef struct
{
  int fd; /* owned */
  NoiseRole role;
  gboolean bytes;   /* <start purpose='bytes'/>: asked for by leg_call(), found by leg_answer() */
  char *own, *peer; /* names of the outer headers; NULL: not said */
  guint8 secret[X25519_KEY];
  /* When it is open: */
  guint8 hash[SYMMETRIC_HASH], local[X25519_KEY], remote[X25519_KEY];
  RecordSealer *sealer;
  RecordOpener *opener;

  Prologue *prologue;
  Reader *reader;   /* of the outer stream, then of the inner one */
  GByteArray *in;   /* received, not used yet */
  GByteArray *open; /* of records; parsed as far as @taken */
  guint taken;
  GByteArray *element; /* bytes since the last event of the inner stream */
} Leg;

/* leg_new: takes @fd. */
Leg *leg_new (int fd, const guint8 secret[X25519_KEY]);
void leg_free (Leg *leg);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Leg, leg_free)

/* leg_call: from our header to the end of the handshake, as @own (who wants to talk to @peer, which may be
 * NULL). */
gboolean leg_call (Leg *leg, const char *own, const char *peer, GError **error);

/* leg_answer: the same as responder, as @own or, where that is NULL, as whom the caller wants. What he says
 * in clear instead of <start/> is in the error. */
gboolean leg_answer (Leg *leg, const char *own, GError **error);

/* leg_send: as records; leg_close: the record that ends it, then FIN. FALSE: the connection is gone. */
gboolean leg_send (Leg *leg, const void *bytes, gsize len);
gboolean leg_say (Leg *leg, const char *xml);
void leg_close (Leg *leg);

typedef enum
{
  LEG_ELEMENT, /* the inner header, a stanza, or the close of the stream */
  LEG_WAIT,    /* nothing whole yet */
  LEG_CLOSED,  /* by its close record */
  LEG_CUT,     /* by FIN or RST alone; or what came is not authentic */
} LegEventType;

typedef struct
{
  LegEventType type;
  ReaderEventType kind;
  GBytes *bytes; /* as they came; whoever took the event frees both */
  Node *node;
} LegEvent;

/* leg_next_content: what the next record carries, of a connection for bytes, where it is no XML; the caller owns it. LEG_ELEMENT: there
 * is one. */
LegEventType leg_next_content (Leg *leg, GByteArray **content);

/* leg_read: one recv(), which blocks when there is nothing; then leg_next() until LEG_WAIT. */
gboolean leg_read (Leg *leg);
void leg_next (Leg *leg, LegEvent *event);
void leg_event_clear (LegEvent *event);

SasStream leg_sas (const Leg *leg);
/* leg_tell: a line "secure" about it. */
void leg_tell (const Leg *leg, gint64 connection);
