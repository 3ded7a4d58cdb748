/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/sdbus.h"

/* arguments_read: what a message carries, as a tuple: options are then looked up and not walked through. NULL where the bytes are not what
 * the signature says, or where there are more than LIMIT_CALL_VALUES values. A descriptor ('h') is the number that the message still owns. */
GVariant *arguments_read (sd_bus_message *message);
