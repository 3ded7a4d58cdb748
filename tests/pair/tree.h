/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/transfers.h"

/* What tests of files have in common: folders on the disk, and what became of a transfer. */

char *tree_path (const char *folder, const char *name); /* the caller owns it */
guint tree_count (const char *folder);                  /* what is directly in it */
void  tree_remove (char *folder);                       /* with all in it; takes the name */

/* tree_assert_same: @name in @folder has the content of @as in @other. */
void tree_assert_same (const char *folder, const char *name, const char *other, const char *as);

/* tree_is: FALSE also for NULL. @reason: "" for none. */
gboolean tree_is (const Transfer *transfer, TransferState state, const char *reason);
