/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* notify: tells who started us, by sd_notify(3)'s datagram ("READY=1", "STOPPING=1"); nothing where nobody wants to know. */
void notify (const char *state);
