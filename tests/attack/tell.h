/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What the attacker saw and did, for the tests: one JSON object a line on stdout. */

/* tell: @event, then pairs of a key and its value up to NULL. A key ends in its kind, which is not printed:
 * ":s" a string (NULL: left out), ":i" a gint64, ":b" a GBytes as text, what is no UTF-8 in it replaced
 * (NULL: left out). From any thread. */
void tell (const char *event, ...) G_GNUC_NULL_TERMINATED;

/* tell_nobody: from now on nothing is printed. */
void tell_nobody (void);
