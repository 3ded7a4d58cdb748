/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* passphrase_change: asks on the terminal, or reads from stdin as lines, the passphrase of our key where it has one, and twice the new one;
 * an empty one removes it. The caller holds the lock of the data folder: a running daemon keeps the key it has. CANCELED at the end
 * of the input; what store/identity says. */
gboolean passphrase_change (GError **error);
