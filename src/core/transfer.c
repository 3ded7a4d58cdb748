/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "core/legacy.h"
#include "net/deadline.h"
#include "transfer/filename.h"
#include "transfer/reason.h"

/* One transfer: what is known of it, as it is in the database, its states, and who is told:
 *
 *   out  queued → offered → waiting-peer → active → verifying → complete
 *   in            offered → waiting-peer → active → verifying → complete
 *
 * waiting-peer: the receiver said yes and no bytes move, because nobody is there or a connection is being made. From everywhere to
 * paused and back, and to rejected, canceled, failed. */

#define RETRY_FIRST_S 1
#define RETRY_MOST_S 60
#define SPACE_S 10 /* how often a full disk is looked at again */

#define FILES_TYPE G_VARIANT_TYPE ("(ta(sxxb))") /* how many there are; name, size or -1, mtime, is a folder */
#define FAILURES_TYPE G_VARIANT_TYPE ("a(ays)")  /* path, reason */
#define PATHS_TYPE G_VARIANT_TYPE ("aay")

/* As it is in the database -------------------------------------------------------------------------------------- */

GBytes *
transfer_pack (GVariant *value)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (value);

  return g_variant_get_data_as_bytes (sunk);
}

GVariant *
transfer_unpack (GBytes *bytes, const GVariantType *type)
{
  g_autoptr (GBytes) nothing = g_bytes_new (NULL, 0);

  return g_variant_ref_sink (g_variant_new_from_bytes (type, bytes != NULL ? bytes : nothing, FALSE)); /* not trusted: it is checked */
}

static void
replace (GBytes **where, GVariant *value)
{
  g_clear_pointer (where, g_bytes_unref);
  *where = transfer_pack (value);
}

void
transfer_pack_files (Transfer *transfer)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sxxb)"));

  for (guint i = 0; i < transfer->files->len; i++)
    {
      const JingleFile *file = g_ptr_array_index (transfer->files, i);

      g_variant_builder_add (&builder, "(sxxb)", file->name, file->size, file->mtime, file->folder);
    }
  replace (&transfer->row->offer, g_variant_new ("(ta(sxxb))", transfer->tops, &builder));
}

void
transfer_pack_result (Transfer *transfer)
{
  GVariantBuilder failures = G_VARIANT_BUILDER_INIT (FAILURES_TYPE);
  GVariantBuilder paths = G_VARIANT_BUILDER_INIT (PATHS_TYPE);

  for (guint i = 0; i < transfer->failures->len; i++)
    {
      const TransferFailure *failure = g_ptr_array_index (transfer->failures, i);

      g_variant_builder_add (&failures, "(^ays)", failure->path, failure->reason);
    }
  for (guint i = 0; transfer->paths != NULL && transfer->paths[i] != NULL; i++)
    g_variant_builder_add (&paths, "^ay", transfer->paths[i]);
  replace (&transfer->row->failures, g_variant_builder_end (&failures));
  replace (&transfer->row->paths, g_variant_builder_end (&paths));
}

static void
add_failure (Transfer *transfer, const char *path, const char *reason)
{
  TransferFailure *failure;

  if (transfer->failures->len >= LIMIT_TRANSFER_FAILURES)
    return;
  failure = g_new (TransferFailure, 1);
  *failure = (TransferFailure){ g_strdup (path), g_strdup (reason) };
  g_ptr_array_add (transfer->failures, failure);
}

void
transfer_add_failures (Transfer *transfer, GPtrArray *failures)
{
  for (guint i = 0; failures != NULL && i < failures->len; i++)
    {
      const ByteFailure *failure = g_ptr_array_index (failures, i);

      add_failure (transfer, failure->path, failure->reason);
    }
}

void
transfer_unpack_all (Transfer *transfer)
{
  g_autoptr (GVariant) offer = transfer_unpack (transfer->row->offer, FILES_TYPE);
  g_autoptr (GVariant) files = g_variant_get_child_value (offer, 1);
  g_autoptr (GVariant) failures = transfer_unpack (transfer->row->failures, FAILURES_TYPE);
  g_autoptr (GVariant) paths = transfer_unpack (transfer->row->paths, PATHS_TYPE);

  g_variant_get_child (offer, 0, "t", &transfer->tops);
  for (gsize i = 0; i < g_variant_n_children (files); i++)
    {
      const char *name;
      gint64 size, mtime;
      gboolean folder;

      g_variant_get_child (files, i, "(&sxxb)", &name, &size, &mtime, &folder);
      transfer_add_file (transfer, name, size, mtime, folder);
    }
  for (gsize i = 0; i < g_variant_n_children (failures); i++)
    {
      const char *path, *reason;

      g_variant_get_child (failures, i, "(^&ay&s)", &path, &reason);
      add_failure (transfer, path, reason);
    }
  transfer->paths = g_variant_dup_bytestring_array (paths, NULL);
}

/* Later ------------------------------------------------------------------------------------------------------- */

TransferRef *
transfer_ref (const Transfer *transfer)
{
  TransferRef *ref = g_new (TransferRef, 1);

  *ref = (TransferRef){ transfer->run->messenger, transfer->row->id };
  return ref;
}

Transfer *
transfer_deref (TransferRef *ref)
{
  Transfer *transfer = transfers_find (ref->messenger, ref->id);

  g_free (ref);
  return transfer;
}

/* Telling --------------------------------------------------------------------------------------------------- */

static void
tell (const GError *error, gpointer data)
{
  Transfer *transfer = transfer_deref (data);
  Messenger *messenger;
  guint changed;

  if (transfer == NULL)
    return;
  messenger = transfer->run->messenger;
  changed = transfer->run->changed;
  transfer->run->changed = 0;
  if (transfer->run->is_new)
    {
      transfer->run->is_new = FALSE;
      g_signal_emit_by_name (messenger, "transfer-added", transfer);
    }
  else
    g_signal_emit_by_name (messenger, "transfer-changed", transfer, changed);
  if (!transfer_is_over (transfer) || transfer->run->finished)
    return;
  transfer->run->finished = TRUE;
  g_signal_emit_by_name (messenger, "transfer-finished", transfer);
}

void
transfer_changed (Transfer *transfer, TransferChange changed)
{
  Messenger *messenger = transfer->run->messenger;

  if (transfer->run->changed == 0 && !messenger->stopped)
    turn_after (messenger->turn, tell, transfer_ref (transfer));
  transfer->run->changed |= changed;
}

/* Its life -------------------------------------------------------------------------------------------------- */

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
file_free (JingleFile *file)
{
  g_free (file->name);
  g_free (file);
}

void
transfer_add_file (Transfer *transfer, const char *name, gint64 size, gint64 mtime, gboolean folder)
{
  JingleFile *file = g_new (JingleFile, 1);

  *file = (JingleFile){ g_strdup (name), size, mtime, folder };
  g_ptr_array_add (transfer->files, file);
}

static void
failure_free (TransferFailure *failure)
{
  g_free (failure->path);
  g_free (failure->reason);
  g_free (failure);
}

void
transfer_drop_sources (Transfer *transfer)
{
  for (guint i = 0; transfer->run->fds != NULL && i < transfer->run->fds->len; i++)
    close_fd (&g_array_index (transfer->run->fds, int, i));
  g_clear_pointer (&transfer->run->fds, g_array_unref);
}

static void
run_free (Transfer *transfer)
{
  TransferRun *run = transfer->run;

  g_clear_pointer (&run->scan, scan_free);
  carrier_drop (transfer);
  legacy_free (run->legacy);
  deadline_drop (&run->retry);
  deadline_drop (&run->burial);
  transfer_drop_sources (transfer);
  close_fd (&run->folder_fd);
  close_fd (&run->out_fd);
  g_free (run);
}

void
transfer_free (Transfer *transfer)
{
  if (transfer->run != NULL)
    run_free (transfer);
  g_ptr_array_unref (transfer->files);
  g_ptr_array_unref (transfer->failures);
  g_strfreev (transfer->paths);
  g_free (transfer->text);
  transfer_row_free (transfer->row);
  g_free (transfer);
}

static Transfer *
from_row (TransferRow *row, Peer *peer)
{
  Transfer *transfer = g_new0 (Transfer, 1);

  transfer->row = row;
  transfer->peer = peer;
  transfer->files = g_ptr_array_new_with_free_func ((GDestroyNotify) file_free);
  transfer->failures = g_ptr_array_new_with_free_func ((GDestroyNotify) failure_free);
  return transfer;
}

Transfer *
transfer_read (Messenger *messenger, TransferRow *row)
{
  Transfer *transfer = from_row (row, roster_by_id (messenger->roster, row->peer));

  transfer_unpack_all (transfer);
  return transfer;
}

Transfer *
transfer_new (Messenger *messenger, TransferRow *row, Peer *peer)
{
  Transfer *transfer = from_row (row, peer);

  transfer->run = g_new0 (TransferRun, 1);
  transfer->run->messenger = messenger;
  transfer->run->folder_fd = transfer->run->out_fd = -1;
  g_ptr_array_add (messenger->transfers, transfer);
  return transfer;
}

void
transfer_forget_target (Transfer *transfer)
{
  close_fd (&transfer->run->folder_fd);
  close_fd (&transfer->run->out_fd);
}

/* Not while a thread is at work: to wait for its end takes as long as a slow disk likes. */
static gboolean
on_burial (gpointer user_data)
{
  Transfer *transfer = user_data;

  if (transfer->run->task == NULL)
    return transfer_bury (transfer);
  deadline_set (transfer->run->burial, g_get_monotonic_time () + (gint64) LIMIT_TRANSFER_SHOWN_S * G_USEC_PER_SEC);
  return G_SOURCE_CONTINUE;
}

gboolean
transfer_bury (gpointer user_data)
{
  Transfer *transfer = user_data;
  Messenger *messenger = transfer->run->messenger;
  guint64 id = transfer->row->id;

  deadline_drop (&transfer->run->burial);
  g_ptr_array_remove (messenger->transfers, transfer);
  g_signal_emit_by_name (messenger, "transfer-removed", &id);
  return G_SOURCE_REMOVE;
}

gboolean
transfer_is_moving (const Transfer *transfer)
{
  return transfer->row->state == TRANSFER_ACTIVE || transfer->row->state == TRANSFER_VERIFYING;
}

gboolean
transfer_is_over (const Transfer *transfer)
{
  return transfer_state_is_final (transfer->row->state);
}

gboolean
transfer_has_flag (const Transfer *transfer, TransferFlag flag)
{
  return (transfer->row->flags & flag) != 0;
}

void
transfer_set_flag (Transfer *transfer, TransferFlag flag, gboolean on)
{
  if (on)
    transfer->row->flags |= flag;
  else
    transfer->row->flags &= ~(guint) flag;
}

gboolean
transfer_is_held (const Transfer *transfer)
{
  return transfer_has_flag (transfer, TRANSFER_PAUSED_HERE)
         || (transfer->row->state == TRANSFER_PAUSED && g_strcmp0 (transfer->row->reason, REASON_NO_SPACE) == 0);
}

/* What cannot be written down now is written with the next change. */
void
transfer_save (Transfer *transfer)
{
  g_autoptr (GError) error = NULL;

  transfer->row->changed = g_get_real_time ();
  if (!transfers_save (transfer->run->messenger->db, transfer->row, &error))
    g_warning ("transfer %" G_GUINT64_FORMAT ": %s", transfer->row->id, error->message);
}

/* Progress -------------------------------------------------------------------------------------------------- */

static void
set_rate (Transfer *transfer, gint64 now)
{
  TransferRun *run = transfer->run;
  gint64 passed = now - run->ticked;

  if (run->ticked != 0 && passed > 0)
    {
      gint64 rate = (transfer->row->transferred - run->tick_bytes) * G_USEC_PER_SEC / passed;

      rate = MAX (rate, 0);
      transfer->rate = transfer->rate == 0 ? rate : (3 * transfer->rate + rate) / 4;
    }
  run->ticked = now;
  run->tick_bytes = transfer->row->transferred;
  transfer->ends = 0;
  if (transfer->rate > 0 && transfer->row->size >= 0)
    transfer->ends = g_get_real_time ()
                     + (gint64) ((double) (transfer->row->size - transfer->row->transferred) / (double) transfer->rate * G_USEC_PER_SEC);
}

void
transfer_tick (Transfer *transfer)
{
  ByteProgress progress;
  gint64 before = transfer->row->transferred;

  if (!transfer_is_moving (transfer))
    return; /* what its task still does is no progress */
  byte_task_progress (transfer->run->task, &progress);
  if (progress.phase == BYTE_PHASE_COMPARING)
    return; /* what is there is counted anew: it is as far as it was */
  transfer->row->transferred = progress.bytes;
  set_rate (transfer, g_get_monotonic_time ());
  if (progress.phase == BYTE_PHASE_VERIFYING && transfer->row->state == TRANSFER_ACTIVE)
    transfer_set (transfer, TRANSFER_VERIFYING, transfer->row->reason);
  if (before != transfer->row->transferred || transfer->rate > 0)
    transfer_changed (transfer, TRANSFER_CHANGED_PROGRESS);
}

/* States ---------------------------------------------------------------------------------------------------- */

void
transfer_stop_moving (Transfer *transfer, const char *reason)
{
  deadline_drop (&transfer->run->retry);
  if (transfer->run->task != NULL)
    byte_task_stop (transfer->run->task, reason); /* what is left of it is dropped when it says so */
  else
    carrier_drop (transfer);
}

char *
transfer_dup_part (const TransferRow *row)
{
  /* the sid is theirs to choose: it must not be that of another peer, who may turn out to be this one */
  g_autofree char *unique = g_strdup_printf ("%" G_GUINT64_FORMAT "/%s", row->id, row->sid);

  return filename_part (row->name, unique);
}

static void
on_discarded (ByteTask *task, const ByteOutcome *outcome, gpointer user_data)
{
  Transfer *transfer = user_data;

  g_clear_pointer (&transfer->run->task, byte_task_free);
  close_fd (&transfer->run->folder_fd);
  transfers_count_moving (transfer->run->messenger, transfer->peer); /* its end may have to be said */
  offers_next (transfer->run->messenger, transfer->peer);
}

static void
discard_part (Transfer *transfer)
{
  TransferRun *run = transfer->run;
  g_autofree char *part = transfer_dup_part (transfer->row);
  ReceiveJob job = { .folder = run->folder_fd < 0 ? transfer->row->folder : NULL,
                     .folder_fd = run->folder_fd >= 0 ? fcntl (run->folder_fd, F_DUPFD_CLOEXEC, 3) : -1,
                     .out_fd = -1,
                     .part = part };

  run->task = discard_start (&job, on_discarded, transfer);
}

/* What is of no use to anybody any more, once nothing moves. */
void
transfer_clean_up (Transfer *transfer)
{
  TransferRun *run = transfer->run;
  g_autofree char *manifest = transfer_dup_manifest (transfer);

  g_clear_pointer (&run->scan, scan_free);
  run->id_open = FALSE;
  transfer_drop_sources (transfer);
  close_fd (&run->out_fd);
  if (transfer->row->direction == DIRECTION_OUT)
    unlink (manifest);
  else if ((transfer->row->state != TRANSFER_COMPLETE || run->landed) && transfer->row->folder != NULL && transfer_has_flag (transfer, TRANSFER_BEGUN))
    discard_part (transfer);
  else
    close_fd (&run->folder_fd);
}

static void
end (Transfer *transfer)
{
  TransferRun *run = transfer->run;

  if (!run->landed) /* else its end only has to be said */
    transfer_stop_moving (transfer, transfer->row->reason != NULL ? transfer->row->reason : REASON_NONE);
  if (run->task == NULL)
    transfer_clean_up (transfer);
  transfer->rate = transfer->ends = 0;
  if (transfer->row->direction == DIRECTION_IN && !transfer_has_flag (transfer, TRANSFER_ACCEPTED))
    g_clear_pointer (&transfer->row->offer, g_bytes_unref); /* nobody wanted it: the disk keeps a line, not a list */
  if (run->burial == NULL)
    run->burial = deadline_new (on_burial, transfer);
  deadline_set (run->burial, g_get_monotonic_time () + (gint64) LIMIT_TRANSFER_SHOWN_S * G_USEC_PER_SEC);
}

void
transfer_set (Transfer *transfer, TransferState state, const char *reason)
{
  Messenger *messenger = transfer->run->messenger;

  if (transfer_is_over (transfer))
    return;
  if (reason != NULL && *reason == '\0')
    reason = NULL;
  if (transfer->row->state == state && g_strcmp0 (transfer->row->reason, reason) == 0)
    return;
  transfer->row->state = state;
  if (transfer->row->reason != reason)
    {
      g_free (transfer->row->reason);
      transfer->row->reason = g_strdup (reason);
    }
  if (!transfer_is_moving (transfer))
    transfer->rate = transfer->ends = 0;
  if (transfer_is_over (transfer))
    end (transfer);
  transfer_save (transfer);
  transfer_changed (transfer, TRANSFER_CHANGED_STATE);
  transfers_count_moving (messenger, transfer->peer);
  offers_next (messenger, transfer->peer);
}

static gboolean
on_retry (gpointer user_data)
{
  Transfer *transfer = user_data;

  deadline_drop (&transfer->run->retry);
  if (transfer_is_held (transfer) && !transfer_has_flag (transfer, TRANSFER_PAUSED_HERE)) /* by the disk, and not because somebody wants it so */
    transfers_resume (transfer->run->messenger, transfer, NULL);
  else if (transfer_has_flag (transfer, TRANSFER_UNTOLD))
    {
      offer_tell (transfer);
      transfers_count_moving (transfer->run->messenger, transfer->peer);
    }
  else if (transfer->row->direction == DIRECTION_IN && transfer->row->state == TRANSFER_WAITING_PEER && transfer->run->offered)
    offer_accept (transfer);
  else if (offer_is_due (transfer))
    {
      transfer->run->told_on = NULL;
      offer_make (transfer);
      transfers_count_moving (transfer->run->messenger, transfer->peer);
    }
  return G_SOURCE_REMOVE;
}

void
transfer_retry_after (Transfer *transfer, guint seconds)
{
  TransferRun *run = transfer->run;

  deadline_drop (&run->retry);
  run->retry = deadline_new (on_retry, transfer);
  deadline_set (run->retry, g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC);
}

void
transfer_retry_later (Transfer *transfer)
{
  TransferRun *run = transfer->run;

  run->retry_s = run->retry_s == 0 ? RETRY_FIRST_S : MIN (run->retry_s * 2, RETRY_MOST_S);
  transfer_retry_after (transfer, transfer->row->state == TRANSFER_PAUSED ? SPACE_S : run->retry_s);
}

TransferLinks
transfer_links (const Transfer *transfer)
{
  if (transfer_has_flag (transfer, TRANSFER_FOLLOW_LINKS))
    return TRANSFER_LINKS_FOLLOW;
  return transfer_has_flag (transfer, TRANSFER_SKIP_LINKS) ? TRANSFER_LINKS_SKIP : TRANSFER_LINKS_KEEP;
}

/* Why, in words ------------------------------------------------------------------------------------------------ */

static const struct
{
  const char *reason;
  HearbyError error;
  const char *text;
} words[] = {
  { REASON_DECLINED, HEARBY_ERROR_REJECTED, "the receiver said no" },
  { REASON_CANCELED, HEARBY_ERROR_CANCELED, "it was canceled here" },
  { REASON_PEER_CANCELED, HEARBY_ERROR_CANCELED, "the other side canceled it" },
  { REASON_EXPIRED, HEARBY_ERROR_TIMEOUT, "nobody took it in time" },
  { REASON_NO_SPACE, HEARBY_ERROR_NO_SPACE, "the disk is full" },
  { REASON_PEER_NO_SPACE, HEARBY_ERROR_NO_SPACE, "the receiver's disk is full" },
  { REASON_QUOTA, HEARBY_ERROR_REJECTED, "it is more than the receiver takes of one peer in a day" },
  { REASON_CONNECTION_LOST, HEARBY_ERROR_FAILED, "the connection was lost, and this cannot be continued" },
  { REASON_STALLED, HEARBY_ERROR_TIMEOUT, "the other side sent nothing for too long" },
  { REASON_SOURCE_GONE, HEARBY_ERROR_FILE_ERROR, "what was to be sent is not there any more" },
  { REASON_SOURCE_CHANGED, HEARBY_ERROR_FILE_ERROR, "what was to be sent changed meanwhile" },
  { REASON_SOURCE_UNREADABLE, HEARBY_ERROR_ACCESS_DENIED, "what was to be sent cannot be read" },
  { REASON_ACCESS_DENIED, HEARBY_ERROR_ACCESS_DENIED, "the receiver may not write to the folder" },
  { REASON_FILE_ERROR, HEARBY_ERROR_FILE_ERROR, "reading or writing failed" },
  { REASON_PROTOCOL, HEARBY_ERROR_FAILED, "the other side did not keep to what was agreed" },
  { REASON_UNSAFE_NAME, HEARBY_ERROR_REJECTED, "a name in it leads out of its folder" },
  { REASON_UNSAFE_LINK, HEARBY_ERROR_REJECTED, "a link in it leads out of its folder" },
  { REASON_TOO_LARGE, HEARBY_ERROR_REJECTED, "it is larger than was agreed" },
  { REASON_PARTIAL, HEARBY_ERROR_PARTIAL, "some of it could not be sent" },
  { REASON_UNENCRYPTED, HEARBY_ERROR_UNENCRYPTED, "it would have gone in clear" },
  { REASON_KEY_CHANGED, HEARBY_ERROR_KEY_CHANGED, "somebody else has the peer's name now" },
  { REASON_BLOCKED, HEARBY_ERROR_BLOCKED, "the peer is blocked" },
  { REASON_NOT_SUPPORTED, HEARBY_ERROR_NOT_SUPPORTED, "the other side's program cannot do that" },
};

HearbyError
transfer_error (const Transfer *transfer, char **text)
{
  *text = NULL;
  if (!transfer_is_over (transfer) || transfer->row->reason == NULL)
    return HEARBY_ERROR_LAST;
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (words[i].reason, transfer->row->reason) == 0)
      {
        *text = transfer->text != NULL ? g_strdup_printf ("%s: %s", words[i].text, transfer->text) : g_strdup (words[i].text);
        return words[i].error;
      }
  return HEARBY_ERROR_LAST;
}

