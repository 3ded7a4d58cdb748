/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What a user types for a file or a folder. Names are bytes, not text. */

/* file_name_expand: @text with "~" or "~/" at its beginning replaced by the home; a shell does that only at the beginning of a
 * word, and not in --to=~/In. The caller owns it. */
char *file_name_expand (const char *text);

/* file_name_absolute: @text as the daemon finds it, whose current folder is another one: expanded, the folder part without links,
 * the last part as it is. FILE_ERROR or ACCESS_DENIED where that folder is not there. The caller owns it. */
char *file_name_absolute (const char *text, GError **error);

/* file_name_folder: the same of a folder, which has to be there. */
char *file_name_folder (const char *text, GError **error);

/* file_name_fail: sets @error as the errno @code wants it: "cannot send 'x': No such file or directory". Returns FALSE. */
gboolean file_name_fail (GError **error, int code, const char *doing, const char *name);

/* file_name_dict_insert: @path as @key, s, or where it is no UTF-8 as @key with "_bytes" behind it, ay. */
void file_name_dict_insert (GVariantDict *dict, const char *key, const char *path);
