/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/call.h"

/* Who calls. Programs in a sandbox reach the bus, and what is a file of theirs by some name may be another one, or the user's own, by
 * that name out here. So names of files are only taken from who is not in one. */

/* caller_check_names: @done with the call (or a copy of it, with its arguments) and NULL, or ACCESS_DENIED; at once, or when the bus has
 * told who it is. Until then that is among @open, which caller_questions_new() made. */
typedef void (*CallerDone) (const Call *call, const GError *error);
void caller_check_names (GPtrArray *open, const Call *call, CallerDone done);

GPtrArray *caller_questions_new (void);
void       caller_forget (GPtrArray *open, sd_bus *bus); /* whose connection is closed */
