/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/call.h"

/* What the bus says of transfers, as objects and in lists, and what is asked of them. */

/* Words and values ---------------------------------------------------------------------------------------------- */

/* transfer_dup_error: the last part of the name of an org.hearby.Error, static, and a text, which is the caller's, for one that did not
 * end well; both NULL for all others. */
const char *transfer_dup_error (const Transfer *transfer, char **text);
const char *transfer_direction_name (Direction direction);
gboolean    transfer_is_encrypted (const Transfer *transfer);

/* Values for 'a(sxxa{sv})' (of JingleFile), 'as', 'aay' and 'a(ss)' (of TransferFailure), cut where they are too long. @paths may be
 * NULL; the bytes are empty where the text says it all. */
void transfer_append_files (sd_bus_message *to, GPtrArray *files);
void transfer_append_paths (sd_bus_message *to, const char *const *paths);
void transfer_append_paths_bytes (sd_bus_message *to, const char *const *paths);
void transfer_append_failures (sd_bus_message *to, GPtrArray *failures);

/* Targets ---------------------------------------------------------------------------------------------------------- */

/* transfer_read_target: where an incoming one goes, of "folder", "folder_bytes", "folder_fd" and, unless it is NULL, @output in
 * @options; at most one of them: INVALID_ARGUMENT. Descriptors in @target are copies; transfers_accept() takes them. @folder keeps the
 * text and is the caller's. */
gboolean transfer_read_target (GVariant *options, const char *output, char **folder, TransferTarget *target, GError **error);

/* transfer_take_output: the content goes into a copy of @fd. INVALID_ARGUMENT: it is not open for writing. */
gboolean transfer_take_output (int fd, TransferTarget *target, GError **error);

/* Methods of the manager -------------------------------------------------------------------------------------------- */

void transfer_handle_send_files (const Call *call);
void transfer_handle_send_paths (const Call *call);
void transfer_handle_list (const Call *call);
void transfer_handle_retry (const Call *call);
