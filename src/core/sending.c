/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/paths.h"
#include "core/legacy.h"
#include "transfer/filename.h"

/* What is sent: the sources, in a thread counted and written down before they are offered, and what failed of them once more. */

#define SOURCES_TYPE G_VARIANT_TYPE ("a(say)") /* name, path or "" */

static const TransferFlag links_flags[] = {
  [TRANSFER_LINKS_KEEP] = 0,
  [TRANSFER_LINKS_FOLLOW] = TRANSFER_FOLLOW_LINKS,
  [TRANSFER_LINKS_SKIP] = TRANSFER_SKIP_LINKS,
};

/* Offering -------------------------------------------------------------------------------------------------- */

static char *
source_name (const TransferSource *source)
{
  g_autofree char *base = source->name == NULL && source->path != NULL ? g_path_get_basename (source->path) : NULL;

  return filename_clean (source->name != NULL ? source->name : base != NULL ? base : "", -1);
}

static gboolean
is_pipe (const TransferSource *source)
{
  struct stat found;

  if ((source->fd >= 0 ? fstat (source->fd, &found) : stat (source->path, &found)) != 0)
    return FALSE; /* the scan says what is wrong with it */
  return !S_ISREG (found.st_mode) && !S_ISDIR (found.st_mode);
}

static gboolean
check_sources (const TransferSource *sources, gsize n, gsize n_to, GError **error)
{
  const char *wrong = NULL;

  if (n == 0)
    wrong = "there is nothing to send";
  for (gsize i = 0; i < n && wrong == NULL; i++)
    if (sources[i].fd < 0 && (sources[i].path == NULL || !g_path_is_absolute (sources[i].path)))
      wrong = "a path has to be absolute";
    else if (is_pipe (&sources[i]) && (n > 1 || n_to > 1))
      wrong = "a pipe goes alone, and to one receiver";
  if (wrong == NULL)
    return TRUE;
  g_set_error_literal (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, wrong);
  return FALSE;
}

/* As it is in the database: name and path of each. */
static GBytes *
pack_sources (const TransferSource *sources, gsize n)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (SOURCES_TYPE);

  for (gsize i = 0; i < n; i++)
    {
      g_autofree char *name = source_name (&sources[i]);

      g_variant_builder_add (&builder, "(s^ay)", name, sources[i].path != NULL ? sources[i].path : "");
    }
  return transfer_pack (g_variant_builder_end (&builder));
}

char *
transfer_name_of (const char *first, guint64 n)
{
  return n == 1 ? g_strdup (first) : g_strdup_printf ("%" G_GUINT64_FORMAT " files", n);
}

char *
transfer_dup_manifest (const Transfer *transfer)
{
  g_autofree char *folder = paths_outgoing ();

  return g_build_filename (folder, transfer->row->sid, NULL);
}

void
sending_sweep (Messenger *messenger)
{
  g_autofree char *folder = paths_outgoing ();
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      gboolean used = FALSE;

      for (guint i = 0; i < messenger->transfers->len && !used; i++)
        used = strcmp (((Transfer *) g_ptr_array_index (messenger->transfers, i))->row->sid, name) == 0;
      if (!used)
        unlink (path);
    }
}

/* Only the sources that are there count from now on, one for each entry of the top level, in that order. */
static void
keep_sources (Transfer *transfer, const ScanResult *result)
{
  g_autoptr (GVariant) before = transfer_unpack (transfer->row->sources, SOURCES_TYPE);
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (SOURCES_TYPE);
  GArray *fds = g_array_new (FALSE, FALSE, sizeof (int));

  for (guint i = 0; i < result->tops->len; i++)
    {
      const ScanTop *top = g_ptr_array_index (result->tops, i);
      g_autoptr (GVariant) path = NULL;
      int fd = -1;

      g_variant_get_child (before, top->source, "(&s@ay)", NULL, &path);
      g_variant_builder_add (&builder, "(s@ay)", top->name, path);
      if (transfer->run->fds != NULL)
        fd = fcntl (g_array_index (transfer->run->fds, int, top->source), F_DUPFD_CLOEXEC, 3);
      g_array_append_val (fds, fd);
    }
  transfer_drop_sources (transfer);
  transfer->run->fds = fds;
  g_clear_pointer (&transfer->row->sources, g_bytes_unref);
  transfer->row->sources = transfer_pack (g_variant_builder_end (&builder));
}

static void
take_offer (Transfer *transfer, const ScanResult *result)
{
  TransferRow *row = transfer->row;

  row->size = result->size;
  row->files = result->files;
  row->entries = result->entries;
  g_ptr_array_set_size (transfer->files, 0);
  for (guint i = 0; i < result->tops->len && i < LIMIT_OFFER_FILES; i++)
    {
      const ScanTop *top = g_ptr_array_index (result->tops, i);

      transfer_add_file (transfer, top->name, top->size, top->mtime_ns / G_GINT64_CONSTANT (1000000000), top->folder);
    }
  transfer->tops = result->tops->len;
  transfer_pack_files (transfer);
  transfer_set_flag (transfer, TRANSFER_PIPE, result->size < 0);
  transfer->run->changed_source = result->changed;
  if (result->changed && transfer_has_flag (transfer, TRANSFER_BEGUN))
    transfer_set_flag (transfer, TRANSFER_RESTARTED, TRUE);
}

static void
on_scanned (const ScanResult *result, gpointer user_data)
{
  Transfer *transfer = user_data;
  g_autoptr (Scan) scan G_GNUC_UNUSED = g_steal_pointer (&transfer->run->scan); /* @result is its */

  g_ptr_array_set_size (transfer->failures, 0);
  transfer_add_failures (transfer, result->failures);
  transfer->run->scan_failures = transfer->failures->len;
  if (result->reason != NULL)
    {
      transfer_set (transfer, TRANSFER_FAILED, result->reason);
      return;
    }
  keep_sources (transfer, result);
  take_offer (transfer, result);
  transfer_save (transfer);
  transfer_changed (transfer, TRANSFER_CHANGED_OFFER);
  offer_make (transfer);
  transfers_count_moving (transfer->run->messenger, transfer->peer);
}

/* The sources for those who read them; what they point to lives as long as *@holder and the transfer. */
GArray *
transfer_list_sources (Transfer *transfer, GVariant **holder)
{
  GArray *sources = g_array_new (FALSE, FALSE, sizeof (ByteSource));
  GArray *fds = transfer->run != NULL ? transfer->run->fds : NULL;

  *holder = transfer_unpack (transfer->row->sources, SOURCES_TYPE);
  for (gsize i = 0; i < g_variant_n_children (*holder); i++)
    {
      ByteSource source = { .fd = fds != NULL && i < fds->len ? g_array_index (fds, int, i) : -1 };

      g_variant_get_child (*holder, i, "(&s^&ay)", &source.name, &source.path);
      if (*source.path == '\0')
        source.path = NULL;
      g_array_append_val (sources, source);
    }
  return sources;
}

/* What is offered is counted, in a thread, and written down: it is not what it was if it was offered before and changed. */
void
transfer_scan (Transfer *transfer)
{
  g_autoptr (GVariant) holder = NULL;
  g_autoptr (GArray) sources = transfer_list_sources (transfer, &holder);
  g_autofree char *manifest = transfer_dup_manifest (transfer);
  g_autofree char *folder = g_path_get_dirname (manifest);
  ScanJob job = { .sources = (const ByteSource *) (gpointer) sources->data,
                  .n_sources = sources->len,
                  .links = (ScanLinks) transfer_links (transfer),
                  .manifest = manifest,
                  .previous = transfer->files->len > 0 ? manifest : NULL };

  paths_make_dir (folder, NULL); /* the scan says what is wrong with it */
  transfer->run->scan = scan_start (&job, on_scanned, transfer);
}

static GArray *
dup_fds (const TransferSource *sources, gsize n)
{
  GArray *fds = g_array_new (FALSE, FALSE, sizeof (int));

  for (gsize i = 0; i < n; i++)
    {
      int fd = sources[i].fd >= 0 ? fcntl (sources[i].fd, F_DUPFD_CLOEXEC, 3) : -1;

      g_array_append_val (fds, fd);
    }
  return fds;
}

static Transfer *
offer_to (Messenger *messenger, Peer *peer, const TransferSource *sources, gsize n, const TransferOptions *options, GError **error)
{
  g_autoptr (TransferRow) row = transfer_row_new ();
  g_autofree char *first = source_name (&sources[0]);
  gint64 expire_s = options->expire_s > 0 ? MIN (options->expire_s, LIMIT_EXPIRE_S) : LIMIT_EXPIRE_S;
  Transfer *transfer;

  row->peer = peer->row->id;
  row->direction = DIRECTION_OUT;
  row->state = TRANSFER_QUEUED;
  row->sid = g_uuid_string_random ();
  row->name = transfer_name_of (first, n);
  row->key = g_strdup (options->key);
  row->batch = g_strdup (options->batch);
  row->size = -1;
  row->sources = pack_sources (sources, n);
  row->created = row->changed = g_get_real_time ();
  row->expires = row->created + expire_s * G_USEC_PER_SEC;
  row->flags |= links_flags[options->links];
  if (options->checksum)
    row->flags |= TRANSFER_CHECKSUM;
  if (!trust_encrypts (messenger, peer))
    row->flags |= TRANSFER_LEGACY;
  if (!transfers_save (messenger->db, row, error))
    return NULL;
  transfer = transfer_new (messenger, g_steal_pointer (&row), peer);
  transfer->run->is_new = TRUE;
  transfer->run->fds = dup_fds (sources, n);
  for (guint i = 0; i < n; i++)
    if (sources[i].fd >= 0)
      transfer_set_flag (transfer, TRANSFER_ONCE, TRUE);
  transfer_changed (transfer, TRANSFER_CHANGED_STATE);
  transfer_scan (transfer);
  return transfer;
}

/* What others offer is limited by itself, and takes no place from the user. */
static guint
count_own (Messenger *messenger)
{
  guint n = 0;

  for (guint i = 0; i < messenger->transfers->len; i++)
    n += ((Transfer *) g_ptr_array_index (messenger->transfers, i))->row->direction == DIRECTION_OUT;
  return n;
}

static gboolean
check_receiver (Messenger *messenger, const Peer *peer, const TransferOptions *options, GError **error)
{
  SendOptions send = { .files = TRUE, .plaintext = options->plaintext, .now = options->now };

  if (count_own (messenger) >= LIMIT_TRANSFERS)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE, "%d transfers wait already", LIMIT_TRANSFERS);
  else if (peer->is_self)
    g_set_error_literal (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED, "files go to others, not to oneself\n'hearby peers' lists who is on the link");
  else
    return compose_check (messenger, peer, &send, error);
  return FALSE;
}

/* What was offered to @peer with that key lately; 0: nothing. */
static guint64
used_id (Messenger *messenger, const Peer *peer, const char *key)
{
  g_autoptr (GPtrArray) rows = key != NULL ? transfers_by_key (messenger->db, key, g_get_real_time (), NULL) : NULL;

  for (guint i = 0; rows != NULL && i < rows->len; i++)
    if (((TransferRow *) g_ptr_array_index (rows, i))->peer == peer->row->id)
      return ((TransferRow *) g_ptr_array_index (rows, i))->id;
  return 0;
}

static GArray *
offer_to_all (Messenger *messenger, Peer **to, gsize n_to, const TransferSource *sources, gsize n_sources, const TransferOptions *options,
              GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint64));

  if (!check_sources (sources, n_sources, n_to, error))
    return NULL;
  for (gsize i = 0; i < n_to; i++)
    {
      guint64 id = used_id (messenger, to[i], options->key);

      if (id == 0
          && (!check_receiver (messenger, to[i], options, error)
              || (!trust_encrypts (messenger, to[i]) && !legacy_send_check (to[i], sources, n_sources, error))))
        return NULL;
      g_array_append_val (ids, id);
    }
  for (gsize i = 0; i < n_to; i++)
    {
      guint64 *id = &g_array_index (ids, guint64, i);
      Transfer *transfer;

      if (*id != 0)
        continue;
      trust_pin (messenger, to[i]);
      transfer = offer_to (messenger, to[i], sources, n_sources, options, error);
      if (transfer == NULL)
        return NULL;
      *id = transfer->row->id;
    }
  transfers_set_expiry (messenger);
  return g_steal_pointer (&ids);
}

GArray *
transfers_offer (Messenger *messenger, Peer **to, gsize n_to, const TransferSource *sources, gsize n_sources,
                 const TransferOptions *options, GError **error)
{
  GArray *ids = offer_to_all (messenger, to, n_to, sources, n_sources, options, error);

  for (gsize i = 0; i < n_sources; i++)
    if (sources[i].fd >= 0)
      close (sources[i].fd);
  return ids;
}

/* Once more ---------------------------------------------------------------------------------------------------- */

/* The top-level entry that @path is in or is. */
static gboolean
is_in (const char *path, const char *top)
{
  gsize len = strlen (top);

  return strncmp (path, top, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static gboolean
has_failed (const Transfer *transfer, const char *name)
{
  if (transfer->row->state != TRANSFER_COMPLETE)
    return TRUE;
  for (guint i = 0; i < transfer->failures->len; i++)
    if (is_in (((TransferFailure *) g_ptr_array_index (transfer->failures, i))->path, name))
      return TRUE;
  return FALSE;
}

/* A file or a folder by itself: a link that was not taken as one does not go as what it points to. */
static gboolean
can_go_alone (const Transfer *transfer, const char *path)
{
  struct stat found;
  int failed = transfer_links (transfer) == TRANSFER_LINKS_FOLLOW ? stat (path, &found) : lstat (path, &found);

  return failed == 0 && (S_ISREG (found.st_mode) || S_ISDIR (found.st_mode));
}

/* The failed files themselves, where they lie within folders that else arrived. */
static void
add_failed (const Transfer *transfer, const ByteSource *source, GArray *again, GPtrArray *paths)
{
  TransferSource whole = { source->name, source->path, -1 };

  if (transfer->row->state != TRANSFER_COMPLETE)
    {
      g_array_append_val (again, whole);
      return;
    }
  for (guint i = 0; i < transfer->failures->len; i++)
    {
      const TransferFailure *failure = g_ptr_array_index (transfer->failures, i);
      g_autofree char *path = is_in (failure->path, source->name)
                                  ? g_strconcat (source->path, failure->path + strlen (source->name), NULL)
                                  : NULL;
      TransferSource part = { NULL, path, -1 };

      if (path == NULL || !can_go_alone (transfer, path))
        continue;
      g_ptr_array_add (paths, g_steal_pointer (&path));
      g_array_append_val (again, part);
    }
}

static Transfer *
retry (Messenger *messenger, Transfer *transfer, GError **error)
{
  g_autoptr (GVariant) holder = NULL;
  g_autoptr (GArray) sources = transfer_list_sources (transfer, &holder);
  g_autoptr (GArray) again = g_array_new (FALSE, FALSE, sizeof (TransferSource));
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  TransferOptions options = { .checksum = transfer_has_flag (transfer, TRANSFER_CHECKSUM), .links = transfer_links (transfer) };
  g_autoptr (GArray) ids = NULL;

  for (guint i = 0; i < sources->len; i++)
    {
      const ByteSource *source = &g_array_index (sources, ByteSource, i);

      if (source->path != NULL && has_failed (transfer, source->name))
        add_failed (transfer, source, again, paths);
    }
  if (again->len == 0)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "nothing of transfer %" G_GUINT64_FORMAT " failed that could be sent again",
                   transfer->row->id);
      return NULL;
    }
  ids = transfers_offer (messenger, &transfer->peer, 1, (const TransferSource *) (gpointer) again->data, again->len, &options, error);
  return ids != NULL ? transfers_find (messenger, g_array_index (ids, guint64, 0)) : NULL;
}

/* One that is not shown any more is looked up. */
Transfer *
transfers_retry (Messenger *messenger, guint64 id, GError **error)
{
  Transfer *transfer = transfers_find (messenger, id);
  TransferRow *row = transfer == NULL ? transfers_get (messenger->db, id) : NULL;
  g_autoptr (GPtrArray) holder = g_ptr_array_new_with_free_func ((GDestroyNotify) transfer_free);
  Transfer *past = row != NULL ? transfer_read (messenger, row) : NULL;

  if (past != NULL)
    {
      g_ptr_array_add (holder, past);
      transfer = past;
    }
  if (transfer == NULL || transfer->peer == NULL)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "there is no transfer %" G_GUINT64_FORMAT "\n'hearby transfers' lists them", id);
  else if (transfer->row->direction == DIRECTION_IN)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                 "transfer %" G_GUINT64_FORMAT " came to you\nonly who sent it can send it again", id);
  else if (!transfer_is_over (transfer))
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED,
                 "transfer %" G_GUINT64_FORMAT " is not over\n'hearby wait transfer %" G_GUINT64_FORMAT "' returns when it is", id, id);
  else
    return retry (messenger, transfer, error);
  return NULL;
}
