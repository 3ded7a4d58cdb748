/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "bus/service.h"
#include "bus/transfer-bus.h"

/* Transfers as dictionaries, and what objects and dictionaries have in common. */

const char *
transfer_direction_name (Direction direction)
{
  return direction == DIRECTION_IN ? "in" : "out";
}

gboolean
transfer_is_encrypted (const Transfer *transfer)
{
  return !transfer_has_flag (transfer, TRANSFER_LEGACY);
}

const char *
transfer_dup_error (const Transfer *transfer, char **text)
{
  g_autofree char *bytes = NULL;
  HearbyError error = transfer_error (transfer, &bytes);

  *text = error != HEARBY_ERROR_LAST && bytes != NULL ? g_utf8_make_valid (bytes, -1) : NULL; /* the name of a file may be in it */
  return error != HEARBY_ERROR_LAST ? error_name (error) : NULL;
}

/* The other side chose the names: another one, at place @i, is shown if it fits. @text: bytes of them so far. */
static gboolean
fits (guint i, const char *name, gsize *text)
{
  *text += strlen (name);
  return i < LIMIT_SHOWN_NAMES && *text <= LIMIT_SHOWN_TEXT;
}

/* How many of them are shown. */
static guint
count_paths (const char *const *paths)
{
  gsize text = 0;
  guint n = 0;

  while (paths != NULL && paths[n] != NULL && fits (n, paths[n], &text))
    n++;
  return n;
}

void
transfer_append_paths (sd_bus_message *to, const char *const *paths)
{
  guint n = count_paths (paths);

  sd_bus_message_open_container (to, 'a', "s");
  for (guint i = 0; i < n; i++)
    call_append_text (to, paths[i]);
  sd_bus_message_close_container (to);
}

static gboolean
are_text (const char *const *paths, guint n)
{
  for (guint i = 0; i < n; i++)
    if (!g_utf8_validate (paths[i], -1, NULL))
      return FALSE;
  return TRUE;
}

void
transfer_append_paths_bytes (sd_bus_message *to, const char *const *paths)
{
  guint n = count_paths (paths);

  sd_bus_message_open_container (to, 'a', "ay");
  for (guint i = 0; !are_text (paths, n) && i < n; i++)
    sd_bus_message_append_array (to, 'y', paths[i], strlen (paths[i]));
  sd_bus_message_close_container (to);
}

void
transfer_append_failures (sd_bus_message *to, GPtrArray *failures)
{
  gsize text = 0;

  sd_bus_message_open_container (to, 'a', "(ss)");
  for (guint i = 0; i < failures->len; i++)
    {
      const TransferFailure *failure = g_ptr_array_index (failures, i);

      if (!fits (i, failure->path, &text))
        break;
      sd_bus_message_open_container (to, 'r', "ss");
      call_append_text (to, failure->path);
      call_append_text (to, failure->reason);
      sd_bus_message_close_container (to);
    }
  sd_bus_message_close_container (to);
}

void
transfer_append_files (sd_bus_message *to, GPtrArray *files)
{
  sd_bus_message_open_container (to, 'a', "(sxxa{sv})");
  for (guint i = 0; i < files->len; i++)
    {
      const JingleFile *file = g_ptr_array_index (files, i);

      sd_bus_message_open_container (to, 'r', "sxxa{sv}");
      call_append_text (to, file->name);
      sd_bus_message_append (to, "xx", file->size, file->mtime * G_USEC_PER_SEC);
      sd_bus_message_open_container (to, 'a', "{sv}");
      if (file->folder)
        sd_bus_message_append (to, "{sv}", "folder", "b", TRUE);
      sd_bus_message_close_container (to);
      sd_bus_message_close_container (to);
    }
  sd_bus_message_close_container (to);
}

/* Dictionaries -------------------------------------------------------------------------------------------------------- */

static void
open_entry (sd_bus_message *to, const char *key, const char *type)
{
  sd_bus_message_open_container (to, 'e', "sv");
  sd_bus_message_append (to, "s", key);
  sd_bus_message_open_container (to, 'v', type);
}

static void
close_entry (sd_bus_message *to)
{
  sd_bus_message_close_container (to);
  sd_bus_message_close_container (to);
}

static void
append_text (sd_bus_message *to, const char *key, const char *bytes)
{
  if (bytes == NULL || *bytes == '\0')
    return;
  open_entry (to, key, "s");
  call_append_text (to, bytes);
  close_entry (to);
}

static void
append_time (sd_bus_message *to, const char *key, gint64 time)
{
  if (time != 0)
    sd_bus_message_append (to, "{sv}", key, "x", time);
}

static void
append_count (sd_bus_message *to, const char *key, guint64 count)
{
  if (count != 0)
    sd_bus_message_append (to, "{sv}", key, "u", (guint32) MIN (count, G_MAXUINT32));
}

static void
append_whom (sd_bus_message *to, Messenger *messenger, const Transfer *transfer)
{
  g_autofree char *path = call_peer_path (transfer->row->peer);
  g_autofree char *name = transfer->peer != NULL ? roster_dup_name (messenger_roster (messenger), transfer->peer) : NULL;
  g_autofree char *object = call_transfer_path (transfer->row->id);

  sd_bus_message_append (to, "{sv}", "id", "t", transfer->row->id);
  if (transfers_find (messenger, transfer->row->id) != NULL)
    sd_bus_message_append (to, "{sv}", "transfer", "o", object);
  sd_bus_message_append (to, "{sv}", "peer", "o", path);
  append_text (to, "peer_name", name);
}

static void
append_what (sd_bus_message *to, const Transfer *transfer)
{
  append_text (to, "name", transfer->row->name);
  if (transfer->files->len > 0)
    {
      open_entry (to, "files", "a(sxxa{sv})");
      transfer_append_files (to, transfer->files);
      close_entry (to);
    }
  append_count (to, "file_count", transfer->row->files);
  append_count (to, "named_count", transfer->tops);
  append_count (to, "entry_count", transfer->row->entries);
  sd_bus_message_append (to, "{sv}", "size", "x", transfer->row->size);
  sd_bus_message_append (to, "{sv}", "transferred", "x", transfer->row->transferred);
  sd_bus_message_append (to, "{sv}", "rate", "x", transfer->rate);
}

static void
append_how (sd_bus_message *to, const Transfer *transfer)
{
  const TransferRow *row = transfer->row;
  g_autofree char *text = NULL;
  const char *error = transfer_dup_error (transfer, &text);

  append_text (to, "state", transfer_state_name (row->state));
  append_text (to, "reason", row->reason);
  append_text (to, "error_name", error);
  append_text (to, "error", text);
  if (transfer_is_encrypted (transfer))
    sd_bus_message_append (to, "{sv}", "encrypted", "b", TRUE);
  append_time (to, "expected_end_time", transfer->ends);
  append_time (to, "created", row->created);
  append_time (to, "changed", row->changed);
  append_time (to, "expires", row->expires);
  append_text (to, "batch", row->batch);
}

static void
append_where (sd_bus_message *to, const Transfer *transfer)
{
  const char *const *paths = (const char *const *) transfer->paths;

  append_text (to, "destination", transfer->row->folder);
  if (transfer->row->folder != NULL && !g_utf8_validate (transfer->row->folder, -1, NULL))
    call_append_bytes_entry (to, "destination_bytes", transfer->row->folder);
  if (paths != NULL && paths[0] != NULL)
    {
      open_entry (to, "paths", "as");
      transfer_append_paths (to, paths);
      close_entry (to);
    }
  if (!are_text (paths, count_paths (paths)))
    {
      open_entry (to, "paths_bytes", "aay");
      transfer_append_paths_bytes (to, paths);
      close_entry (to);
    }
  if (transfer->failures->len == 0)
    return;
  open_entry (to, "failures", "a(ss)");
  transfer_append_failures (to, transfer->failures);
  close_entry (to);
}

static void
append_transfer (sd_bus_message *to, Messenger *messenger, const Transfer *transfer)
{
  sd_bus_message_open_container (to, 'a', "{sv}");
  append_whom (to, messenger, transfer);
  append_text (to, "direction", transfer_direction_name (transfer->row->direction));
  append_what (to, transfer);
  append_how (to, transfer);
  append_where (to, transfer);
  sd_bus_message_close_container (to);
}

/* ListTransfers -------------------------------------------------------------------------------------------------------- */

/* The one with @id is added to @list, if there is one. */
static gboolean
add_one (Messenger *messenger, GPtrArray *list, guint64 id, GError **error)
{
  TransferFilter last = { .before = MIN (id, G_MAXINT64 - 1) + 1, .limit = 1 };
  g_autoptr (GPtrArray) found = id != 0 ? transfers_history (messenger, &last, error) : NULL;

  if (id != 0 && found == NULL)
    return FALSE;
  if (found != NULL && found->len == 1 && ((Transfer *) g_ptr_array_index (found, 0))->row->id == id)
    g_ptr_array_extend_and_steal (list, g_steal_pointer (&found));
  return TRUE;
}

static GPtrArray *
list_named (const Call *call, const guint64 *ids, gsize n, GError **error)
{
  g_autoptr (GPtrArray) list = transfers_history (call->messenger, &(TransferFilter) { .before = 1 }, error); /* none yet */

  if (n > LIMIT_LIST)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "%" G_GSIZE_FORMAT " transfers are asked for, %d are the most", n,
                   LIMIT_LIST);
      return NULL;
    }
  for (gsize i = 0; list != NULL && i < n; i++)
    if (!add_one (call->messenger, list, ids[i], error))
      return NULL;
  return g_steal_pointer (&list);
}

static GPtrArray *
list_key (const Call *call, const char *key, GError **error)
{
  g_autoptr (GPtrArray) rows = transfers_by_key (messenger_database (call->messenger), key, g_get_real_time (), error);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint64));

  if (rows == NULL)
    return NULL;
  for (guint i = 0; i < rows->len; i++)
    g_array_append_val (ids, ((TransferRow *) g_ptr_array_index (rows, i))->id);
  return list_named (call, (const guint64 *) (gpointer) ids->data, MIN (ids->len, LIMIT_LIST), error);
}

static GPtrArray *
list_filtered (const Call *call, GVariant *options, GError **error)
{
  g_autoptr (GVariant) limit = call_option (options, "limit", G_VARIANT_TYPE_UINT32);
  g_autoptr (GArray) ids = NULL;
  TransferFilter filter = {
    .open = call_option_boolean (options, "open"),
    .before = call_option_uint64 (options, "before"),
    .changed = call_option_int64 (options, "changed"),
    .limit = limit != NULL ? g_variant_get_uint32 (limit) : 0,
  };

  if (!call_peer_ids (call->messenger, options, &ids, error))
    return NULL;
  filter.peers = ids != NULL ? (const gint64 *) (gpointer) ids->data : NULL;
  filter.n_peers = ids != NULL ? ids->len : 0;
  return transfers_history (call->messenger, &filter, error);
}

static GPtrArray *
list (const Call *call, GVariant *options, GError **error)
{
  g_autoptr (GVariant) ids = call_option (options, "ids", G_VARIANT_TYPE ("at"));
  g_autofree char *key = call_option_string (options, "key");
  gsize n;

  if (ids != NULL)
    {
      const guint64 *named = g_variant_get_fixed_array (ids, &n, sizeof *named);

      return list_named (call, named, n, error);
    }
  return key != NULL ? list_key (call, key, error) : list_filtered (call, options, error);
}

void
transfer_handle_list (const Call *call)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->arguments, 0);
  GError *error = NULL;
  g_autoptr (GPtrArray) transfers = list (call, options, &error);
  sd_bus_message *answer;

  if (transfers == NULL)
    {
      call_reply_error (call, error);
      return;
    }
  answer = call_answer (call);
  sd_bus_message_open_container (answer, 'a', "a{sv}");
  for (guint i = 0; i < transfers->len; i++)
    {
      const Transfer *stored = g_ptr_array_index (transfers, i);
      const Transfer *shown = transfers_find (call->messenger, stored->row->id);

      append_transfer (answer, call->messenger, shown != NULL ? shown : stored);
    }
  sd_bus_message_close_container (answer);
  call_reply_later (call, answer); /* nothing is shown that was not committed */
}
