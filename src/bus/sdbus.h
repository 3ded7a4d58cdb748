/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* sd-bus, wherever this system keeps it: in libsystemd or libelogind, or alone as basu. */

#include <glib.h>

#if __has_include(<systemd/sd-bus.h>)
#include <systemd/sd-bus.h>
#else
#include <basu/sd-bus.h>
#endif

G_DEFINE_AUTOPTR_CLEANUP_FUNC (sd_bus_message, sd_bus_message_unref)
