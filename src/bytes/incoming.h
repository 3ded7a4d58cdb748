/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/receiving.h"

/* What comes: files, folders and links, up to FINISH. */

void incoming_init (Receiver *r);
void incoming_clear (Receiver *r);

/* incoming_move: all of it, to the disk. FALSE: it is over. */
gboolean incoming_move (Receiver *r);

/* incoming_close: the file that was coming, if there is one. */
void incoming_close (Receiver *r);

/* incoming_made: MakerMade. */
void incoming_made (gpointer data, guint32 index, const char *path, int code);
