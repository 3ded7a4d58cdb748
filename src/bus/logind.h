/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/messenger.h"

/* Sleep, as logind tells it (org.freedesktop.login1, PrepareForSleep): a goodbye before, a hello after. A delay lock gives the
 * time for the goodbye, and while bytes of files move another one blocks sleep and idleness. Where there is no system bus or no logind
 * nothing happens. */

typedef struct _Logind Logind;

Logind *logind_new (Messenger *messenger);
void    logind_free (Logind *logind);
