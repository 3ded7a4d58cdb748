/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../unit/slices.h"
#include "core/session.h"
#include "secure/channel.h"

/* The far end of one session's connection, by hand: it says what it likes, in clear and, when it took part in a true handshake, in the
 * channel. No network and no clock. It takes the place of net/dialer in the program that it is linked into. */

typedef struct
{
  GSocket    *socket;
  Channel    *channel;
  GByteArray *unsaid;  /* not written to the socket yet */
  GByteArray *heard;   /* as it came over the connection */
  GByteArray *content; /* the same, as the XML of it */
  gboolean    broken;  /* what came was not what the channel wants */
  gboolean    over;    /* the session closed the connection */
  Slices     *slices;  /* how what is said is cut into reads; NULL: not at all */
} Far;

/* far_new: the end across @connection, which is the session's: dialled, where @role is the responder's, or to be answered. */
Far *far_new (NoiseRole role, GSocketConnection **connection);
void far_free (Far *far);

/* What is said leaves with far_settle(), together: the session reads it in one piece. */
gboolean far_say (Far *far, const void *content, gsize len); /* in clear, or sealed; not while the handshake lasts, nor behind a close */
void far_say_raw (Far *far, const void *bytes, gsize len);   /* past the channel */
gboolean far_secure (Far *far, const guint8 secret[X25519_KEY]); /* behind <start/> and <proceed/> */
void far_close (Far *far);  /* the authenticated end */
void far_finish (Far *far); /* FIN; what was said before is written first */

/* far_settle: until neither end has anything to do but wait for a clock. */
void far_settle (Far *far);
