/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "secure/cipher.h"

/* Records behind the handshake, each direction by itself:
 *
 *   wire      = u16be(len(sealed)) || sealed                 19 ≤ len(sealed) ≤ 65535
 *   sealed    = ChaChaPoly(k, n, "", plaintext)              n from 0; k ← REKEY(k) after each record
 *   plaintext = type(1) || u16be(len) || content || zeros
 *
 * The zeros hide the content's length up to a bucket. A record of type close is the authenticated end of a
 * direction; a connection that ends without it was cut. Pure. */

#define RECORD_HEADER 3
#define RECORD_PLAINTEXT 65519
#define RECORD_CONTENT (RECORD_PLAINTEXT - RECORD_HEADER)
#define RECORD_WIRE (2 + RECORD_PLAINTEXT + CIPHER_TAG)

#define RECORD_CONTENT_AT (2 + RECORD_HEADER) /* where the content lies in a record on the wire */

typedef enum
{
  RECORD_PADDING, /* says nothing: keepalive */
  RECORD_DATA,
  RECORD_CLOSE, /* content: one byte, the reason */
} RecordType;

/* record_padded_size: of the plaintext of @content bytes: 256, the next power of two up to 4096, then
 * multiples of 4096, RECORD_PLAINTEXT at most. 0 where @content is more than RECORD_CONTENT. */
gsize record_padded_size (gsize content);

typedef struct _RecordSealer RecordSealer;

/* record_sealer_new: copies @cipher. */
RecordSealer *record_sealer_new (const Cipher *cipher);
void record_sealer_free (RecordSealer *sealer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RecordSealer, record_sealer_free)

/* record_seal: appends one record to @out. InvalidArgument for a content that is too long or a close that has
 * not one byte, Failed after a close and when nonces are used up; nothing is appended or counted then. */
gboolean record_seal (RecordSealer *sealer, RecordType type, const void *content, gsize len, GByteArray *out,
                      GError **error);

/* record_seal_close: the last one, with its reason. */
gboolean record_seal_close (RecordSealer *sealer, guint8 reason, GByteArray *out, GError **error);

/* record_seal_in_place: for bulk: @wire is room for RECORD_WIRE bytes, with @len bytes of content at RECORD_CONTENT_AT already. Returns how
 * many bytes the record takes from @wire on, 0 for an error as of record_seal(); of the content nothing is left then. */
gsize record_seal_in_place (RecordSealer *sealer, RecordType type, guint8 *wire, gsize len, GError **error);

typedef struct _RecordOpener RecordOpener;

typedef struct
{
  RecordType type;       /* DATA or CLOSE: padding is not told */
  const guint8 *content; /* owned by the opener, until its next call */
  gsize len;
} RecordEvent;

RecordOpener *record_opener_new (const Cipher *cipher);
void record_opener_free (RecordOpener *opener);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RecordOpener, record_opener_free)

/* record_opener_push: feeds @len bytes received from the peer; keeps no reference to them. They are kept
 * until record_opener_next() was called often enough, so drain before the next push. Bytes for a broken one
 * are dropped. */
void record_opener_push (RecordOpener *opener, const void *bytes, gsize len);

/* record_opener_next: opens the next record. FALSE without an error where there is no whole one yet; FALSE
 * with an error once it is broken, again and again: a wrong tag, length, type or padding, a byte behind the
 * close. */
gboolean record_opener_next (RecordOpener *opener, RecordEvent *event, GError **error);

/* record_opener_take: moves what is not opened yet to @bytes and forgets it; the caller goes on with record_open_in_place(). Returns how
 * much that is: 0 where @size is too small for it (RECORD_WIRE is enough after record_opener_next() said that no whole record is left). */
gsize record_opener_take (RecordOpener *opener, guint8 *bytes, gsize size);

/* record_open_in_place: for bulk: opens the record that begins at @wire, in the caller's own buffer, where @event (padding is told here)
 * then points to. Returns how many bytes it took; 0 without an error where @len bytes are not the whole record, 0 with an error once
 * the opener is broken. Not while the opener holds bytes of its own. */
gsize record_open_in_place (RecordOpener *opener, guint8 *wire, gsize len, RecordEvent *event, GError **error);

/* record_opener_end: the connection ended. FALSE where it was cut: there was no close, or it was broken.
 * After the last record_opener_next(). */
gboolean record_opener_end (RecordOpener *opener, GError **error);
