/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/call.h"

/* Clients that decide about offers for the user: org.hearby.Agent1. One for each connection (on a bus: each unique name), gone with it.
 * An offer is a question to the newest; one that fails or goes leaves it to the one before. Whatever is not answered stays offered. */

typedef struct _Agents Agents;

Agents *agents_new (Messenger *messenger);
void    agents_free (Agents *agents);
void    agents_release (Agents *agents); /* the daemon ends: all are told, and none is asked any more */

/* agents_register: @path of who calls. EXISTS: he has another one; FAILED: there are too many. Idempotent. */
gboolean agents_register (Agents *agents, const Call *call, const char *path, GError **error);
/* agents_unregister: NOT_FOUND. */
gboolean agents_unregister (Agents *agents, const Call *call, const char *path, GError **error);

void agents_forget (Agents *agents, sd_bus *bus);     /* its connection is closed */
void agents_settled (Agents *agents, guint64 transfer); /* it is not offered any more: who was asked need not answer */
