/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Instance names, user@machine: one DNS label of at most 63 bytes (RFC 6763 4.1.1), which is the JID on the link
 * (XEP-0174 2). Pure. */

/* name_make: from a login and a host name (its first label; non-ASCII bytes dropped), cleaned and cut; '@' in @user becomes '-'. */
char *name_make (const char *user, const char *machine);

/* name_alternative: XEP-0174 2: the @n-th other name, n ≥ 1: "juliet-1@pronto"; the user part is cut at a character so that
 * the whole stays ≤ 63 bytes. n = 0 is the name itself. Never Avahi's "juliet@pronto #2". */
char *name_alternative (const char *name, guint n);

/* name_fold: how names compare: ASCII case folded, as DNS does. */
char *name_fold (const char *name);
gboolean name_equal (const char *a, const char *b);

/* name_dup_user: the part before the last '@'; the whole where there is none. */
char *name_dup_user (const char *name);

/* name_is_valid: what we would publish or write as JID: 1-63 bytes of UTF-8 without control or bidi characters. Others may be
 * called otherwise: what is received only has to be UTF-8 and ≤ 63 bytes. */
gboolean name_is_valid (const char *name);
