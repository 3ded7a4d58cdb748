/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/legacy-private.h"

#include <sys/stat.h>

#include "base/limits.h"
#include "bytes/plain-file.h"
#include "net/addresses.h"

/* We have the files: offer, wait for the yes, say where we listen, send to who comes; then the next one. */

gboolean
legacy_send_check (const Peer *peer, const TransferSource *sources, gsize n, GError **error)
{
  for (gsize i = 0; i < n; i++)
    {
      struct stat found;

      if ((sources[i].fd >= 0 ? fstat (sources[i].fd, &found) : stat (sources[i].path, &found)) != 0 || S_ISREG (found.st_mode))
        continue; /* the scan says what is wrong with it */
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED, "'%s' takes single files only, no %s\n%s",
                   peer->row->instance != NULL ? peer->row->instance : peer->row->address, S_ISDIR (found.st_mode) ? "folders" : "pipes",
                   S_ISDIR (found.st_mode) ? "pack the folder into one file first, as with tar or zip" : "write it into a file first");
      return FALSE;
    }
  return TRUE;
}

static void
finish_sending (Transfer *transfer)
{
  Legacy *legacy = transfer->run->legacy;

  transfer_pack_result (transfer);
  if (legacy->arrived == 0 && legacy->reason != NULL)
    transfer_set (transfer, legacy_state_after (legacy->reason), legacy->reason);
  else
    transfer_set (transfer, TRANSFER_COMPLETE, transfer->failures->len > 0 ? REASON_PARTIAL : NULL);
}

/* It may be another one than when it was counted. */
static const char *
measure (const ByteSource *source, gint64 *size)
{
  struct stat found;

  if ((source->fd >= 0 ? fstat (source->fd, &found) : stat (source->path, &found)) != 0)
    return REASON_SOURCE_GONE;
  *size = found.st_size;
  return S_ISREG (found.st_mode) ? NULL : REASON_NOT_SUPPORTED;
}

/* Why it cannot be, or NULL. */
static const char *
offer_file (Transfer *transfer, const ByteSource *source)
{
  Legacy *legacy = transfer->run->legacy;
  Session *session = legacy_clear_session (transfer);
  const char *wrong = measure (source, &legacy->size);
  SiOffer offer = { .name = (char *) source->name, .size = legacy->size, .bytestreams = TRUE };

  if (wrong != NULL)
    return wrong;
  g_free (legacy->sid);
  offer.sid = legacy->sid = legacy_random_id ();
  if (session == NULL || !legacy_say (transfer, session, si_build_offer (&offer)))
    {
      legacy->step = LEGACY_WAITING;
      transfer_set (transfer, TRANSFER_QUEUED, NULL); /* comes back with the next stream */
      return NULL;
    }
  legacy->step = LEGACY_OFFERED;
  legacy_hold_stream (transfer, session);
  transfer_set (transfer, TRANSFER_OFFERED, NULL);
  return NULL;
}

static void
note_failure (Transfer *transfer, const char *name, const char *reason)
{
  g_autoptr (GPtrArray) failures = byte_failures_new ();

  transfer->run->legacy->reason = reason;
  byte_failures_add (failures, name, reason);
  transfer_add_failures (transfer, failures);
}

/* The first one from here on that can be offered. */
static void
offer_next (Transfer *transfer)
{
  Legacy *legacy = transfer->run->legacy;
  g_autoptr (GVariant) holder = NULL;
  g_autoptr (GArray) sources = transfer_list_sources (transfer, &holder);

  for (; legacy->file < sources->len; legacy->file++)
    {
      const ByteSource *source = &g_array_index (sources, ByteSource, legacy->file);
      const char *wrong = offer_file (transfer, source);

      if (wrong == NULL)
        return;
      note_failure (transfer, source->name, wrong);
    }
  finish_sending (transfer);
}

/* This file is done with; @reason: why it did not arrive, or NULL. */
static void
next_file (Transfer *transfer, const char *reason)
{
  Legacy *legacy = transfer->run->legacy;
  g_autoptr (GVariant) holder = NULL;
  g_autoptr (GArray) sources = transfer_list_sources (transfer, &holder);

  g_clear_pointer (&legacy->bytestream, bytestream_free);
  if (reason == NULL)
    legacy->arrived++;
  else
    note_failure (transfer, g_array_index (sources, ByteSource, legacy->file).name, reason);
  legacy->file++;
  offer_next (transfer);
}

static void
on_sent (ByteTask *task, const ByteOutcome *outcome, gpointer user_data)
{
  Transfer *transfer = user_data;
  const char *reason = NULL;

  if (legacy_was_over (transfer))
    return;
  transfer->run->legacy->moved = (ByteProgress){ BYTE_PHASE_MOVING, outcome->bytes, outcome->entries, outcome->wire };
  transfer->row->transferred = (gint64) outcome->bytes;
  legacy_set_text (transfer, outcome->text);
  transfer_changed (transfer, TRANSFER_CHANGED_PROGRESS);
  if (outcome->end == BYTE_END_PEER_STOPPED)
    reason = REASON_PEER_CANCELED;
  else if (outcome->end != BYTE_END_DONE)
    reason = g_intern_string (outcome->reason);
  g_clear_pointer (&transfer->run->task, byte_task_free); /* @outcome with it */
  next_file (transfer, reason);
}

static void
on_taken (int fd, GBytes *surplus, guint target, const GError *error, gpointer user_data)
{
  Transfer *transfer = user_data;
  Legacy *legacy = transfer->run->legacy;
  g_autoptr (GVariant) holder = NULL;
  g_autoptr (GArray) sources = transfer_list_sources (transfer, &holder);
  const ByteSource *source = &g_array_index (sources, ByteSource, legacy->file);
  PlainFileJob job = { .fd = fd, .path = source->path, .file = source->fd, .size = legacy->size, .before = legacy->moved };

  if (error != NULL)
    {
      legacy_set_text (transfer, "the other side did not fetch it");
      next_file (transfer, REASON_CONNECTION_LOST);
      return;
    }
  legacy_begin_moving (transfer, plain_file_send (&job, on_sent, transfer));
}

static gboolean
admit (GInetSocketAddress *remote, gpointer user_data)
{
  const Transfer *transfer = user_data;
  Session *session = transfer->peer->session;
  GInetSocketAddress *known = session != NULL ? session_remote (session) : NULL;

  return peer_has_address (transfer->peer, remote) || (known != NULL && addresses_same_host (known, remote));
}

static SiHosts *
list_hosts (const Legacy *legacy, Session *session)
{
  SiHosts *hosts = si_hosts_new (legacy->sid);
  GPtrArray *addresses = bytestream_addresses (legacy->bytestream);

  for (guint i = 0; i < addresses->len && i < LIMIT_STREAMHOSTS; i++)
    {
      GInetSocketAddress *address = g_ptr_array_index (addresses, i);
      g_autofree char *host = g_inet_address_to_string (g_inet_socket_address_get_address (address));

      si_hosts_add (hosts, session_own (session), host, g_inet_socket_address_get_port (address));
    }
  return hosts;
}

/* They said yes: where we wait for them. */
static void
send_hosts (Transfer *transfer, Session *session)
{
  Legacy *legacy = transfer->run->legacy;
  g_autofree char *digest = si_digest (legacy->sid, session_own (session), session_peer_name (session));
  g_autoptr (GPtrArray) own = session_local (session) != NULL ? addresses_beside (session_local (session)) : g_ptr_array_new ();
  g_autoptr (SiHosts) hosts = NULL;
  g_autoptr (GError) error = NULL;

  legacy->step = LEGACY_CONNECTING;
  legacy->bytestream = bytestream_listen (digest, own, admit, on_taken, transfer, &error);
  if (legacy->bytestream == NULL)
    {
      legacy_set_text (transfer, error->message);
      next_file (transfer, REASON_CONNECTION_LOST);
      return;
    }
  hosts = list_hosts (legacy, session);
  legacy_say (transfer, session, si_build_hosts (hosts)); /* where it cannot be said nobody comes */
  transfer_set (transfer, TRANSFER_WAITING_PEER, NULL);
}

void
legacy_send_offer (Transfer *transfer)
{
  TransferRun *run = transfer->run;

  if (transfer->row->direction != DIRECTION_OUT || transfer->row->state != TRANSFER_QUEUED || run->scan != NULL
      || legacy_clear_session (transfer) == NULL)
    return;
  if (run->stale)
    {
      run->stale = FALSE;
      transfer_scan (transfer); /* comes back here */
      return;
    }
  if (run->legacy == NULL)
    run->legacy = g_new0 (Legacy, 1);
  offer_next (transfer);
}

static const char *
refusal (Transfer *transfer, const Node *iq)
{
  const Node *error = node_child (iq, "error", NULL);
  const char *code = error != NULL ? node_get (error, "code") : NULL;

  if (error == NULL)
    return REASON_NOT_SUPPORTED; /* another method than the one that was offered */
  if (node_child (error, "service-unavailable", NULL) != NULL || node_child (error, "feature-not-implemented", NULL) != NULL
      || node_child (error, "bad-request", NULL) != NULL || g_strcmp0 (code, "501") == 0)
    return REASON_NOT_SUPPORTED;
  if (transfer->run->legacy->step == LEGACY_OFFERED)
    return REASON_DECLINED;
  legacy_set_text (transfer, "the other side cannot connect to us");
  return REASON_CONNECTION_LOST;
}

void
legacy_send_answer (Transfer *transfer, Session *session, const Node *iq)
{
  LegacyStep step = transfer->run->legacy->step;

  if (step == LEGACY_MOVING)
    return;
  if (step == LEGACY_OFFERED && si_is_accept (iq))
    send_hosts (transfer, session);
  else if (step == LEGACY_OFFERED || g_strcmp0 (node_get (iq, "type"), "error") == 0) /* else they say which address it was */
    next_file (transfer, refusal (transfer, iq));
}
