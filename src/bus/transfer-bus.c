/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "bus/api.h"
#include "bus/service.h"
#include "bus/transfer-bus.h"

/* org.hearby.Transfer1 */

static void
append_id (sd_bus_message *to, const Transfer *transfer)
{
  char id[24];

  g_snprintf (id, sizeof id, "%" G_GUINT64_FORMAT, transfer->row->id);
  sd_bus_message_append (to, "s", id);
}

static void
append_peer (sd_bus_message *to, const Transfer *transfer)
{
  g_autofree char *path = call_peer_path (transfer->row->peer);

  sd_bus_message_append (to, "o", path);
}

static void
append_direction (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "s", transfer_direction_name (transfer->row->direction));
}

static void
append_name (sd_bus_message *to, const Transfer *transfer)
{
  call_append_text (to, transfer->row->name);
}

static void
append_files (sd_bus_message *to, const Transfer *transfer)
{
  transfer_append_files (to, transfer->files);
}

static void
append_file_count (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "u", (guint32) MIN (transfer->row->files, G_MAXUINT32));
}

static void
append_named_count (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "u", (guint32) MIN (transfer->tops, G_MAXUINT32));
}

static void
append_entry_count (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "u", (guint32) MIN (transfer->row->entries, G_MAXUINT32));
}

static void
append_size (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "x", transfer->row->size);
}

static void
append_state (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "s", transfer_state_name (transfer->row->state));
}

static void
append_reason (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "s", transfer->row->reason);
}

static void
append_error (sd_bus_message *to, const Transfer *transfer)
{
  g_autofree char *text = NULL;
  const char *name = transfer_dup_error (transfer, &text);

  sd_bus_message_append (to, "(ss)", name, text);
}

static void
append_transferred (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "x", transfer->row->transferred);
}

static void
append_rate (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "x", transfer->rate);
}

static void
append_end (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "x", transfer->ends);
}

static void
append_created (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "x", transfer->row->created);
}

static void
append_expires (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "x", transfer->row->expires);
}

static void
append_encrypted (sd_bus_message *to, const Transfer *transfer)
{
  sd_bus_message_append (to, "b", transfer_is_encrypted (transfer));
}

static void
append_batch (sd_bus_message *to, const Transfer *transfer)
{
  call_append_text (to, transfer->row->batch);
}

static void
append_destination (sd_bus_message *to, const Transfer *transfer)
{
  call_append_text (to, transfer->row->folder);
}

static void
append_destination_bytes (sd_bus_message *to, const Transfer *transfer)
{
  call_append_bytes (to, transfer->row->folder);
}

static void
append_paths (sd_bus_message *to, const Transfer *transfer)
{
  transfer_append_paths (to, (const char *const *) transfer->paths);
}

static void
append_paths_bytes (sd_bus_message *to, const Transfer *transfer)
{
  transfer_append_paths_bytes (to, (const char *const *) transfer->paths);
}

static void
append_failures (sd_bus_message *to, const Transfer *transfer)
{
  transfer_append_failures (to, transfer->failures);
}

/* Methods ---------------------------------------------------------------------------------------------------------- */

static void
handle_accept (const Call *call)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->arguments, 0);
  g_autofree char *folder = NULL;
  TransferTarget target = { NULL, -1, -1 };
  GError *error = NULL;
  gboolean done;

  done = transfer_read_target (options, NULL, &folder, &target, &error)
         && transfers_accept (call->messenger, call->transfer, &target, &error);
  call_finish (call, done, error);
}

static void
handle_accept_to_fd (const Call *call)
{
  TransferTarget target = { NULL, -1, -1 };
  GError *error = NULL;
  gboolean done;
  int fd;

  g_variant_get_child (call->arguments, 0, "h", &fd);
  done = transfer_take_output (fd, &target, &error) && transfers_accept (call->messenger, call->transfer, &target, &error);
  call_finish (call, done, error);
}

static void
handle_reject (const Call *call)
{
  GError *error = NULL;
  gboolean done = transfers_reject (call->messenger, call->transfer, &error);

  call_finish (call, done, error);
}

static void
handle_pause (const Call *call)
{
  GError *error = NULL;
  gboolean done = transfers_pause (call->messenger, call->transfer, &error);

  call_finish (call, done, error);
}

static void
handle_resume (const Call *call)
{
  GError *error = NULL;
  gboolean done = transfers_resume (call->messenger, call->transfer, &error);

  call_finish (call, done, error);
}

static void
handle_cancel (const Call *call)
{
  GError *error = NULL;
  gboolean done = transfers_cancel (call->messenger, call->transfer, &error);

  call_finish (call, done, error);
}

const Interface *
transfer_interface (void)
{
  static const MethodRow methods[] = {
    { "Accept", handle_accept, "folder folder_bytes folder_fd" },
    { "AcceptToFd", handle_accept_to_fd, NULL },
    { "Reject", handle_reject, NULL },
    { "Pause", handle_pause, NULL },
    { "Resume", handle_resume, NULL },
    { "Cancel", handle_cancel, NULL },
    { NULL, NULL, NULL },
  };
  static const PropertyRow properties[] = {
    { "Id", NULL, 0, append_id },
    { "Peer", NULL, 0, append_peer },
    { "Direction", NULL, 0, append_direction },
    { "Name", NULL, TRANSFER_CHANGED_OFFER, append_name },
    { "Files", NULL, TRANSFER_CHANGED_OFFER, append_files },
    { "FileCount", NULL, TRANSFER_CHANGED_OFFER, append_file_count },
    { "NamedCount", NULL, TRANSFER_CHANGED_OFFER, append_named_count },
    { "EntryCount", NULL, TRANSFER_CHANGED_OFFER, append_entry_count },
    { "Size", NULL, TRANSFER_CHANGED_OFFER | TRANSFER_CHANGED_STATE, append_size }, /* a pipe's is known when it ended */
    { "State", NULL, TRANSFER_CHANGED_STATE, append_state },
    { "Reason", NULL, TRANSFER_CHANGED_STATE, append_reason },
    { "Error", NULL, TRANSFER_CHANGED_STATE, append_error },
    { "Transferred", NULL, TRANSFER_CHANGED_PROGRESS | TRANSFER_CHANGED_STATE, append_transferred },
    { "Rate", NULL, TRANSFER_CHANGED_PROGRESS | TRANSFER_CHANGED_STATE, append_rate },
    { "ExpectedEndTime", NULL, TRANSFER_CHANGED_PROGRESS | TRANSFER_CHANGED_STATE, append_end },
    { "Created", NULL, 0, append_created },
    { "Expires", NULL, TRANSFER_CHANGED_STATE, append_expires },
    { "Encrypted", NULL, TRANSFER_CHANGED_STATE, append_encrypted },
    { "Batch", NULL, 0, append_batch },
    { "Destination", NULL, TRANSFER_CHANGED_STATE, append_destination },
    { "DestinationBytes", NULL, TRANSFER_CHANGED_STATE, append_destination_bytes },
    { "Paths", NULL, TRANSFER_CHANGED_STATE, append_paths },
    { "PathsBytes", NULL, TRANSFER_CHANGED_STATE, append_paths_bytes },
    { "Failures", NULL, TRANSFER_CHANGED_STATE, append_failures },
    { NULL, NULL, 0, NULL },
  };
  static Interface interface = { NULL, methods, properties };

  interface.info = (GDBusInterfaceInfo *) &org_hearby_transfer1_interface;
  return &interface;
}
