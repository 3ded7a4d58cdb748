/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Which network interfaces are used: globs over the names that there are now. */

typedef struct _Interfaces Interfaces;

/* interfaces_new: reads the list for the first time. NULL or empty @allow: all. Copies. */
Interfaces *interfaces_new (const char *const *allow, const char *const *ignore);
void interfaces_free (Interfaces *interfaces);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Interfaces, interfaces_free)

/* interfaces_update: reads the list again; TRUE when other interfaces may be used than before. */
gboolean interfaces_update (Interfaces *interfaces);

/* interfaces_peek_allowed: indexes in rising order, at most BACKEND_INTERFACES_MAX. */
const guint *interfaces_peek_allowed (Interfaces *interfaces, gsize *n);

/* interfaces_is_allowed: looks at the list again where @index is not known. */
gboolean interfaces_is_allowed (Interfaces *interfaces, guint index);

/* interfaces_dup_denied: the names of those there are and that may not be used. */
char **interfaces_dup_denied (Interfaces *interfaces);

/* interfaces_dup_literal: the allowed names where the wish holds no glob, so that it also says it of those to
 * come; else NULL. */
char **interfaces_dup_literal (Interfaces *interfaces);
