/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A clock that stands still until the test moves it. It takes the place of g_get_monotonic_time() and of net/deadline in the
 * program that it is linked into; the kernel goes on by its own, and so may GLib. */

/* clock_move: what is due by then is due; it happens in the main loop. */
void clock_move (gint64 us);
