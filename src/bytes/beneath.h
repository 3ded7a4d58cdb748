/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Ways to a folder that lead nowhere else: no component is a symbolic link, none leads up. Kernels without openat2() are asked component by
 * component. */

/* beneath_open: the folder @path below @root ("" for @root itself), O_PATH. -1 with errno; ELOOP or ENOTDIR: a component is no folder. */
int beneath_open (int root, const char *path);

/* beneath_pretend_old: as if the kernel had no openat2(). For tests. */
void beneath_pretend_old (gboolean old);

/* beneath_confine: this thread, and those it starts, reach no files by name any more but those below @root (-1: none at all). FALSE where the
 * kernel cannot do that (Landlock, with renames across folders: 5.19): it goes on unconfined. */
gboolean beneath_confine (int root);
