/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <netinet/in.h>

#include "secure/x25519.h"

/* Each byte on the way between an honest caller and whoever answers at @target is changed by @mask, one in
 * each connection. Tells how many of which unit there were ("swept"), and each that did not prevent an
 * encrypted stream ("opened"). */
void sweep_run (const struct sockaddr_in *target, const guint8 secret[X25519_KEY], const char *own,
                const char *peer, guint8 mask);
