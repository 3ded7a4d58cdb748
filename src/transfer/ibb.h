/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "xmpp/node.h"

/* In-band bytestreams (XEP-0047), in iqs only: what a request means, and one direction's order of its blocks. Pure. */

typedef enum
{
  IBB_OPEN,
  IBB_DATA,
  IBB_CLOSE,
} IbbKind;

typedef struct
{
  IbbKind  kind;
  char    *sid;        /* 1 to LIMIT_SID bytes */
  guint    block_size; /* OPEN: 1 to LIMIT_INBAND_BLOCK */
  guint16  seq;        /* DATA */
  guint8  *data;       /* DATA: decoded, ≤ LIMIT_INBAND_BLOCK; may be NULL where @len is 0 */
  gsize    len;
} Ibb;

/* ibb_parse: of the child of an iq of type set. NULL: it is none, or makes no sense (bad-request): no base64, a block size
 * or a number that is none, or one in messages (stanza='message'), which we do not do. */
Ibb *ibb_parse (const Node *node);
void ibb_free (Ibb *ibb); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Ibb, ibb_free)

/* The caller owns them. @len ≤ LIMIT_INBAND_BLOCK. */
Node *ibb_build_open (const char *sid, guint block_size);
Node *ibb_build_data (const char *sid, guint16 seq, const guint8 *data, gsize len);
Node *ibb_build_close (const char *sid);

/* What comes in one direction: begin with {block_size, 0}. */
typedef struct
{
  guint   block_size; /* as agreed */
  guint16 next;       /* the number of the next block; 65535 is followed by 0 */
} IbbOrder;

/* ibb_order_take: @data (IBB_DATA) is the next block. FALSE with the condition of the error that is the answer, static:
 * "unexpected-request" out of order, "bad-request" above the block size; the bytestream is then over (XEP-0047 2.2). */
gboolean ibb_order_take (IbbOrder *order, const Ibb *data, const char **condition);
