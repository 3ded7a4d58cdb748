/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Names of files that a stranger chose. Pure: says what a name may be on our disk; that it really stays below the
 * target folder is for openat2() to see to. Answers are the caller's. */

/* filename_clean:
 * The name for a file or folder that goes into the user's folder itself. The last component of @bytes (by '/' and '\')
 * that leaves something, as clean UTF-8: controls and line breaks are blanks, bidi controls are dropped, bad bytes are
 * U+FFFD, blanks around and dots in front are removed. 1 to LIMIT_FILENAME bytes, cut in front of its extension; "file"
 * where nothing that can be seen is left. @len is -1 for a string that ends in NUL. Idempotent. */
char *filename_clean (const char *bytes, gssize len);

/* filename_clean_inner:
 * The same for one name inside a folder that is received, which keeps more of it: dots in front, blanks, '\' and bytes that
 * are not UTF-8 stay, so that the copy is like the folder it was. Controls and bidi controls become '_'. Never longer than
 * @bytes; "_" for what is no name ("", ".", ".."); '/' and NUL become '_' too. Idempotent. May not be UTF-8. */
char *filename_clean_inner (const char *bytes, gssize len);

/* filename_clean_path: the path below the target folder for one of the peer's: its first component by filename_clean(),
 * all others by filename_clean_inner(). NULL where filename_split_is_safe() says no. Two paths of the peer may become one. */
char *filename_clean_path (const char *path);

/* filename_split_is_safe: @path is relative, of 1 to LIMIT_PATH_DEPTH components that are neither empty nor "." nor ".." and
 * have at most LIMIT_FILENAME bytes each, and of at most LIMIT_PATH bytes. */
gboolean filename_split_is_safe (const char *path);

/* filename_link_is_inside:
 * A symbolic link at @path (safe, as above) to @target stays inside the top-level folder of @path, whatever else is made
 * there by the same rule: @target is relative, climbs only in front ("../../a", never "a/../b") and not above that
 * folder. FALSE for every link at the top level. */
gboolean filename_link_is_inside (const char *path, const char *target);

/* filename_clean_target: @target of a link that is inside, with its names as filename_clean_path() made them. */
char *filename_clean_target (const char *target);

/* filename_numbered: @name with " (n)" in front of its extension: "a (1).txt", "b (2).tar.gz". Never longer than
 * LIMIT_FILENAME. */
char *filename_numbered (const char *name, guint n);

/* filename_part: the folder in which what is called @name gathers until it is complete: "NAME.xxxxxxxx.part", the same whenever it is asked for @unique,
 * which names the transfer. Never longer than LIMIT_FILENAME. */
char *filename_part (const char *name, const char *unique);
