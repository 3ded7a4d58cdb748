/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libavahi-core 0.8 and libavahi-client 0.8 both export avahi_entry_group_free(), for different things, and
 * within one program both would call the one that comes first. So there is a third one here, which comes
 * before both and calls the right one: the daemon only uses libavahi-client, and its child only
 * libavahi-core. */

/* avahi_clash_use_core: from now on libavahi-core's is meant. For the child, before anything of Avahi. */
void avahi_clash_use_core (void);
