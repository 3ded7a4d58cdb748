/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes/receiving.h"

/* comparing_run: takes the sender's list, and answers what of it is on the disk already. FALSE: it is over. */
gboolean comparing_run (Receiver *r);
