/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mask.h"
#include "base/text.h"
#include "core/legacy.h"
#include "net/deadline.h"
#include "transfer/reason.h"

/* The list of transfers, what the user does with them, and what becomes of them when we start and end. */

#define SWEEPS_MOST 4 /* threads at once, however often somebody offers what is over */
#define TICK_MS 250
#define EXPIRY_AGAIN_S 60

/* The list -------------------------------------------------------------------------------------------------- */

Transfer *
transfers_find (Messenger *messenger, guint64 id)
{
  for (guint i = 0; messenger->transfers != NULL && i < messenger->transfers->len; i++) /* NULL: at the very end */
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->row->id == id)
        return transfer;
    }
  return NULL;
}

GPtrArray *
transfers_all (Messenger *messenger)
{
  return messenger->transfers;
}

GPtrArray *
transfers_history (Messenger *messenger, const TransferFilter *filter, GError **error)
{
  g_autoptr (GPtrArray) rows = transfers_list (messenger->db, filter, error);
  GPtrArray *history;

  if (rows == NULL)
    return NULL;
  history = g_ptr_array_new_with_free_func ((GDestroyNotify) transfer_free);
  g_ptr_array_set_free_func (rows, NULL); /* each goes to its transfer */
  for (guint i = 0; i < rows->len; i++)
    g_ptr_array_add (history, transfer_read (messenger, g_ptr_array_index (rows, i)));
  return history;
}

Transfer *
transfer_with_sid (Messenger *messenger, const Peer *peer, const char *sid)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->peer == peer && strcmp (transfer->row->sid, sid) == 0)
        return transfer;
    }
  return NULL;
}

/* Whose stream something has to be said on: has_reason() of dial.c. */
static gboolean
needs_stream (const Transfer *transfer)
{
  const TransferRun *run = transfer->run;

  if (run->task != NULL || run->carrier != NULL || run->retry != NULL)
    return FALSE;
  if (transfer_has_flag (transfer, TRANSFER_LEGACY))
    return legacy_needs_stream (transfer);
  if (transfer_has_flag (transfer, TRANSFER_UNTOLD))
    return TRUE;
  if (transfer->row->state == TRANSFER_QUEUED)
    return run->scan == NULL;
  return transfer->row->state == TRANSFER_WAITING_PEER;
}

void
transfers_count_moving (Messenger *messenger, Peer *peer)
{
  peer->moving = 0;
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      const Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      peer->moving += transfer->peer == peer && needs_stream (transfer);
    }
  if (peer->moving > 0)
    streams_want (messenger, peer);
}

static gboolean
on_tick (gpointer user_data)
{
  Messenger *messenger = user_data;
  gboolean moving = FALSE;

  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->run->task == NULL)
        continue;
      moving = TRUE;
      transfer_tick (transfer);
    }
  if (moving)
    deadline_set (messenger->progress, g_get_monotonic_time () + TICK_MS * 1000);
  return G_SOURCE_CONTINUE;
}

void
transfers_tick (Messenger *messenger)
{
  deadline_set (messenger->progress, g_get_monotonic_time () + TICK_MS * 1000);
}

/* What the user does ------------------------------------------------------------------------------------------- */

static gboolean
fail_over (const Transfer *transfer, GError **error)
{
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "transfer %" G_GUINT64_FORMAT " is over: %s\n'hearby transfers %" G_GUINT64_FORMAT "' tells more",
               transfer->row->id, transfer_state_name (transfer->row->state), transfer->row->id);
  return FALSE;
}

static gboolean
check_incoming (const Transfer *transfer, GError **error)
{
  if (transfer->row->direction == DIRECTION_IN)
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "transfer %" G_GUINT64_FORMAT " is one of yours to others\n'hearby cancel %" G_GUINT64_FORMAT "' ends it",
               transfer->row->id, transfer->row->id);
  return FALSE;
}

char *
transfer_dup_target (Transfer *transfer)
{
  const char *setting = settings_get (transfer->run->messenger->settings, "downloads");
  const char *downloads = g_get_user_special_dir (G_USER_DIRECTORY_DOWNLOAD);

  if (transfer->peer->row->files_to != NULL)
    return g_strdup (transfer->peer->row->files_to);
  if (*setting != '\0')
    return g_str_has_prefix (setting, "~/") ? g_build_filename (g_get_home_dir (), setting + 2, NULL) : g_strdup (setting);
  return downloads != NULL ? g_strdup (downloads) : g_build_filename (g_get_home_dir (), "Downloads", NULL);
}

static gboolean
check_folder (const char *folder, GError **error)
{
  struct stat found;
  int code = 0;

  if (stat (folder, &found) != 0)
    code = errno;
  else if (!S_ISDIR (found.st_mode))
    code = ENOTDIR;
  else if (access (folder, W_OK | X_OK) != 0)
    code = errno;
  if (code == 0)
    return TRUE;
  g_set_error (error, HEARBY_ERROR, code == EACCES || code == EROFS ? HEARBY_ERROR_ACCESS_DENIED : HEARBY_ERROR_FILE_ERROR,
               "'%s': %s\n%s", folder, g_strerror (code),
               code == EROFS ? "hearby.service lets it write below the home only: 'systemctl --user edit hearby' adds a folder, see hearby.conf(5)"
                             : "it has to be a folder that you may write to");
  return FALSE;
}

/* The folder that nobody named, as open as the user's own are: the umask is the daemon's. */
static void
make_folder (const char *folder)
{
  if (access (folder, F_OK) != 0 && g_mkdir_with_parents (folder, 0755) == 0)
    chmod (folder, 0755 & ~mask_of_user ());
}

/* Where it goes. */
static char *
choose_folder (Transfer *transfer, const TransferTarget *target, GError **error)
{
  g_autofree char *folder = NULL;

  if (target->folder_fd >= 0)
    {
      g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", target->folder_fd);

      folder = g_file_read_link (link, error);
      return g_steal_pointer (&folder);
    }
  folder = target->folder != NULL ? g_strdup (target->folder) : transfer_dup_target (transfer);
  if (target->folder == NULL)
    make_folder (folder); /* the check says why not */
  return check_folder (folder, error) ? g_steal_pointer (&folder) : NULL;
}

static gboolean
check_content (const Transfer *transfer, const TransferTarget *target, GError **error)
{
  if (target->out_fd < 0 || (transfer->row->entries == 1 && transfer->row->files == 1))
    return TRUE;
  g_set_error_literal (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED,
                       "only a single file can go into a pipe\n--to takes folders and several files");
  return FALSE;
}

static gboolean
accept (Transfer *transfer, const TransferTarget *target, GError **error)
{
  g_autofree char *folder = NULL;

  if (!check_incoming (transfer, error))
    return FALSE;
  if (transfer_is_over (transfer))
    return fail_over (transfer, error);
  if (transfer_has_flag (transfer, TRANSFER_ACCEPTED))
    return TRUE;
  if (!check_content (transfer, target, error))
    return FALSE;
  transfer_forget_target (transfer); /* of a yes to what it was before */
  if (target->out_fd >= 0)
    {
      transfer->run->out_fd = fcntl (target->out_fd, F_DUPFD_CLOEXEC, 3);
      transfer_set_flag (transfer, TRANSFER_ONCE, TRUE);
    }
  else
    {
      folder = choose_folder (transfer, target, error);
      if (folder == NULL)
        return FALSE;
      if (target->folder_fd >= 0)
        transfer->run->folder_fd = fcntl (target->folder_fd, F_DUPFD_CLOEXEC, 3);
    }
  g_free (transfer->row->folder);
  transfer->row->folder = g_steal_pointer (&folder);
  transfer_set_flag (transfer, TRANSFER_ACCEPTED, TRUE);
  if (!transfer_has_flag (transfer, TRANSFER_LEGACY))
    trust_pin (transfer->run->messenger, transfer->peer);
  if (transfer->row->state == TRANSFER_PAUSED) /* it stays so: the yes is said when it goes on */
    {
      transfer_save (transfer);
      return TRUE;
    }
  transfer_set (transfer, TRANSFER_WAITING_PEER, NULL);
  offer_accept (transfer);
  return TRUE;
}

gboolean
transfers_accept (Messenger *messenger, Transfer *transfer, const TransferTarget *target, GError **error)
{
  gboolean accepted = accept (transfer, target, error);

  if (target->folder_fd >= 0)
    close (target->folder_fd);
  if (target->out_fd >= 0)
    close (target->out_fd);
  return accepted;
}

/* It is over by our user's word; the peer is told now or later. */
void
transfer_give_up (Transfer *transfer, TransferState state, const char *reason)
{
  transfer_set_flag (transfer, TRANSFER_UNTOLD, TRUE);
  transfer_set (transfer, state, reason);
  offer_tell (transfer);
}

gboolean
transfers_reject (Messenger *messenger, Transfer *transfer, GError **error)
{
  if (!check_incoming (transfer, error))
    return FALSE;
  if (transfer->row->state == TRANSFER_REJECTED)
    return TRUE;
  if (transfer_is_over (transfer))
    return fail_over (transfer, error);
  transfer_give_up (transfer, TRANSFER_REJECTED, REASON_DECLINED);
  return TRUE;
}

gboolean
transfers_cancel (Messenger *messenger, Transfer *transfer, GError **error)
{
  if (transfer->row->state == TRANSFER_CANCELED)
    return TRUE;
  if (transfer_is_over (transfer))
    return fail_over (transfer, error);
  if (transfer->row->direction == DIRECTION_IN && transfer->row->state == TRANSFER_OFFERED)
    return transfers_reject (messenger, transfer, error);
  transfer_give_up (transfer, TRANSFER_CANCELED, REASON_CANCELED);
  return TRUE;
}

gboolean
transfers_pause (Messenger *messenger, Transfer *transfer, GError **error)
{
  if (transfer_is_over (transfer))
    return fail_over (transfer, error);
  if (transfer_has_flag (transfer, TRANSFER_PAUSED_HERE))
    return TRUE;
  if (transfer_has_flag (transfer, TRANSFER_LEGACY) || transfer_has_flag (transfer, TRANSFER_PIPE | TRANSFER_ONCE))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED, "transfer %" G_GUINT64_FORMAT " cannot be paused, as it could not go on later\n'hearby cancel %" G_GUINT64_FORMAT "' ends it",
                   transfer->row->id, transfer->row->id);
      return FALSE;
    }
  transfer_set_flag (transfer, TRANSFER_PAUSED_HERE | TRANSFER_UNTOLD, TRUE);
  transfer_stop_moving (transfer, REASON_PAUSED);
  transfer->run->offered = FALSE; /* they offer it again */
  transfer_set (transfer, TRANSFER_PAUSED, REASON_PAUSED);
  offer_tell (transfer);
  return TRUE;
}

gboolean
transfers_resume (Messenger *messenger, Transfer *transfer, GError **error)
{
  gboolean held = transfer_is_held (transfer);

  if (transfer_is_over (transfer))
    return fail_over (transfer, error);
  transfer_set_flag (transfer, TRANSFER_PAUSED_HERE, FALSE);
  if (transfer->row->state != TRANSFER_PAUSED)
    return TRUE;
  if (held && transfer_has_flag (transfer, TRANSFER_PAUSED_THERE)) /* theirs is the only pause now, which they have to know */
    {
      transfer_set_flag (transfer, TRANSFER_UNTOLD, TRUE);
      transfer_set (transfer, TRANSFER_PAUSED, REASON_PEER_PAUSED);
      offer_tell (transfer);
      return TRUE;
    }
  if (transfer_has_flag (transfer, TRANSFER_PAUSED_THERE))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "transfer %" G_GUINT64_FORMAT " was paused by the other side, who has to resume it",
                   transfer->row->id);
      return FALSE;
    }
  transfer_go_on (transfer);
  return TRUE;
}

void
transfer_go_on (Transfer *transfer)
{
  gboolean accepted = transfer_has_flag (transfer, TRANSFER_ACCEPTED);

  transfer->run->told_on = NULL;
  transfer_set_flag (transfer, TRANSFER_UNTOLD, transfer->row->direction == DIRECTION_IN); /* else the offer tells it */
  if (transfer->row->direction == DIRECTION_IN)
    {
      transfer_set (transfer, accepted ? TRANSFER_WAITING_PEER : TRANSFER_OFFERED, NULL);
      offer_tell (transfer);
      if (!accepted)
        answers_decide (transfer); /* whoever was asked before the pause is not any more */
      return;
    }
  transfer->run->stale = TRUE;
  transfer_set (transfer, accepted ? TRANSFER_WAITING_PEER : TRANSFER_QUEUED, NULL);
  offer_make (transfer);
}

gboolean
transfers_set_policy (Messenger *messenger, Peer *peer, PeerFiles files, gint64 limit, const char *folder, gint64 quota, GError **error)
{
  if (files == FILES_AUTO && !peer_is_pinned (peer))
    {
      g_autofree char *name = roster_dup_name (messenger->roster, peer), *word = text_shell_word (name);

      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_VERIFIED,
                   "'%s' is neither pinned nor verified: its files are not taken without a question\n'hearby verify %s' compares codes", name, word);
      return FALSE;
    }
  if (folder != NULL && (!g_path_is_absolute (folder) || !check_folder (folder, error)))
    {
      if (error != NULL && *error == NULL)
        g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "'%s' is no absolute path", folder);
      return FALSE;
    }
  peer->row->files = files;
  peer->row->files_limit = limit;
  peer->row->quota = quota;
  g_free (peer->row->files_to);
  peer->row->files_to = g_strdup (folder);
  if (!roster_save (messenger->roster, peer, error))
    return FALSE;
  messenger_peer_changed (messenger, peer, PEER_CHANGED_POLICY);
  return TRUE;
}

void
transfers_set_agent (Messenger *messenger, TransfersAsk ask, gpointer user_data)
{
  messenger->ask = ask;
  messenger->ask_data = user_data;
}

/* Life ---------------------------------------------------------------------------------------------------------- */

static gboolean
on_expiry (gpointer user_data)
{
  Messenger *messenger = user_data;
  gint64 now = g_get_real_time ();
  gint64 next = -1;

  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);
      gint64 expires = transfer->row->expires;

      if (transfer_is_over (transfer))
        continue;
      if (expires <= now && transfer->run->task != NULL)
        expires = now + EXPIRY_AGAIN_S * G_USEC_PER_SEC; /* it has the time that it needs, as long as it moves */
      if (expires <= now)
        transfer_give_up (transfer, TRANSFER_FAILED, REASON_EXPIRED);
      else if (next < 0 || expires < next)
        next = expires;
    }
  deadline_set (messenger->transfer_expiry, next < 0 ? -1 : g_get_monotonic_time () + (next - now));
  return G_SOURCE_CONTINUE;
}

void
transfers_set_expiry (Messenger *messenger)
{
  on_expiry (messenger);
}

static void
load (Messenger *messenger, TransferRow *row)
{
  Peer *peer = roster_by_id (messenger->roster, row->peer);
  Transfer *transfer;

  if (peer == NULL)
    {
      transfer_row_free (row);
      return;
    }
  transfer = transfer_new (messenger, row, peer);
  transfer_unpack_all (transfer);
  transfer->run->stale = TRUE;
  if (transfer_is_moving (transfer))
    row->state = TRANSFER_WAITING_PEER;
  if (transfer_has_flag (transfer, TRANSFER_ONCE)) /* its descriptors are gone */
    transfer_give_up (transfer, TRANSFER_FAILED, row->direction == DIRECTION_OUT ? REASON_SOURCE_GONE : REASON_CONNECTION_LOST);
  else if (transfer_has_flag (transfer, TRANSFER_LEGACY) && !legacy_load (transfer))
    transfer_give_up (transfer, TRANSFER_FAILED, REASON_CONNECTION_LOST);
  else if (row->direction == DIRECTION_OUT && row->state == TRANSFER_QUEUED)
    {
      transfer->run->stale = FALSE;
      transfer_scan (transfer);
    }
  else if (row->state == TRANSFER_PAUSED && g_strcmp0 (row->reason, REASON_NO_SPACE) == 0)
    transfer_retry_later (transfer);
}

gboolean
transfers_load (Messenger *messenger, GError **error)
{
  g_autoptr (GPtrArray) rows = transfers_load_open (messenger->db, error);

  if (rows == NULL)
    return FALSE;
  g_ptr_array_set_free_func (rows, NULL); /* each goes to its transfer */
  messenger->progress = deadline_new (on_tick, messenger);
  messenger->transfer_expiry = deadline_new (on_expiry, messenger);
  for (guint i = 0; i < rows->len; i++)
    load (messenger, g_ptr_array_index (rows, i));
  sending_sweep (messenger);
  transfers_set_expiry (messenger);
  return TRUE;
}

void
transfers_stop (Messenger *messenger)
{
  transfers_rest (messenger); /* each ends by itself, and is waited for below */
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      carrier_drop (transfer);
      g_clear_pointer (&transfer->run->scan, scan_free);
      deadline_drop (&transfer->run->retry);
    }
}

/* Who is blocked neither sends nor gets anything from now on. */
void
transfers_block_peer (Messenger *messenger, const Peer *peer)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->peer == peer)
        transfer_set (transfer, TRANSFER_CANCELED, REASON_BLOCKED);
    }
}

static void
on_swept (ByteTask *task, const ByteOutcome *outcome, gpointer user_data)
{
  Messenger *messenger = user_data;

  g_ptr_array_remove_fast (messenger->sweeps, task);
}

void
transfers_sweep (Messenger *messenger, const TransferRow *row)
{
  g_autofree char *part = transfer_dup_part (row);
  ReceiveJob job = { .folder = row->folder, .folder_fd = -1, .out_fd = -1, .part = part };

  if (row->state == TRANSFER_COMPLETE && row->folder != NULL && (row->flags & (TRANSFER_BEGUN | TRANSFER_ONCE)) == TRANSFER_BEGUN
      && messenger->sweeps->len < SWEEPS_MOST)
    g_ptr_array_add (messenger->sweeps, discard_start (&job, on_swept, messenger));
}

/* Off the air, or asleep: what moves goes on later. */
void
transfers_rest (Messenger *messenger)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->run->task != NULL && !transfer_is_over (transfer))
        byte_task_stop (transfer->run->task, REASON_CONNECTION_LOST);
    }
}

void
transfers_free_all (Messenger *messenger)
{
  deadline_drop (&messenger->progress);
  deadline_drop (&messenger->transfer_expiry);
  g_clear_pointer (&messenger->transfers, g_ptr_array_unref);
  g_clear_pointer (&messenger->sweeps, g_ptr_array_unref);
}

void
transfers_forget_peer (Messenger *messenger, const Peer *peer)
{
  for (guint i = messenger->transfers->len; i > 0; i--)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i - 1);

      if (transfer->peer != peer)
        continue;
      transfer_set (transfer, TRANSFER_CANCELED, REASON_CANCELED);
      carrier_drop (transfer); /* nobody is there to hear of the thread's end, which comes first */
      transfer_clean_up (transfer);
      transfer_bury (transfer);
    }
}

/* Its thread was ended from here, so nobody tells of it. */
static void
lose_connection (Transfer *transfer)
{
  gboolean moved = transfer_is_moving (transfer);

  transfer->run->told_on = NULL;
  transfer->run->stale |= moved;
  if (moved && transfer_has_flag (transfer, TRANSFER_PIPE | TRANSFER_ONCE))
    transfer_give_up (transfer, TRANSFER_FAILED, REASON_CONNECTION_LOST);
  else if (moved)
    transfer_set (transfer, TRANSFER_WAITING_PEER, REASON_CONNECTION_LOST);
}

void
transfers_merge_peer (Messenger *messenger, const Peer *peer, Peer *into)
{
  for (guint i = 0; i < messenger->transfers->len; i++)
    {
      Transfer *transfer = g_ptr_array_index (messenger->transfers, i);

      if (transfer->peer != peer)
        continue;
      if (!transfer_has_flag (transfer, TRANSFER_LEGACY)) /* that goes on as it is: it has no key to go by */
        carrier_drop (transfer);
      transfer->peer = into;
      transfer->row->peer = into->row->id;
      if (!transfer_has_flag (transfer, TRANSFER_LEGACY))
        lose_connection (transfer);
    }
}
