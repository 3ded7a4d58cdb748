/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A point in time that can be moved: no wake-up before it, none after it until it is set again. */

/* deadline_new: attached to the thread-default context, not set. @func's answer is as of every GSourceFunc. */
GSource *deadline_new (GSourceFunc func, gpointer user_data);

/* deadline_set: @at is monotonic µs; -1: never. */
void deadline_set (GSource *deadline, gint64 at);

/* deadline_drop: destroys and clears *@deadline. NULL in it is fine; fine from within its function. */
void deadline_drop (GSource **deadline);
