/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The umask that the user's own files are made with. A daemon makes its files for nobody else, whatever the user wants of those that he
 * receives. */

/* mask_keep: at the start, what umask() answered when it was set to another one. */
void mask_keep (guint mask);

/* mask_of_user: what was kept; the process's own where nothing was. From any thread. */
guint mask_of_user (void);
