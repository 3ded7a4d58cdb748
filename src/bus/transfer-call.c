/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "bus/caller.h"
#include "bus/service.h"
#include "bus/transfer-bus.h"

/* What goes out and where things go to: files by name and by descriptor, checked before core/ sees them. */

static gboolean
refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, format, args));
  va_end (args);
  return FALSE;
}

/* Targets ---------------------------------------------------------------------------------------------------------- */

static void
drop_target (TransferTarget *target)
{
  if (target->folder_fd >= 0)
    close (target->folder_fd);
  if (target->out_fd >= 0)
    close (target->out_fd);
}

static gboolean
take_folder (int fd, TransferTarget *target, GError **error)
{
  struct stat info;

  if (fstat (fd, &info) != 0 || !S_ISDIR (info.st_mode))
    return refuse (error, "the descriptor is no folder");
  target->folder_fd = call_copy_descriptor (fd, error);
  return target->folder_fd >= 0;
}

gboolean
transfer_take_output (int fd, TransferTarget *target, GError **error)
{
  int flags = fcntl (fd, F_GETFL);
  struct stat info;

  if (flags < 0 || (flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_RDONLY || fstat (fd, &info) != 0)
    return refuse (error, "the descriptor is not open for writing");
  if (!S_ISREG (info.st_mode) && !S_ISFIFO (info.st_mode) && !S_ISSOCK (info.st_mode) && !S_ISCHR (info.st_mode))
    return refuse (error, "the descriptor is no file or pipe");
  target->out_fd = call_copy_descriptor (fd, error);
  return target->out_fd >= 0;
}

gboolean
transfer_read_target (GVariant *options, const char *output, char **folder, TransferTarget *target, GError **error)
{
  g_autoptr (GVariant) folder_fd = call_option (options, "folder_fd", G_VARIANT_TYPE_HANDLE);
  g_autoptr (GVariant) out_fd = output != NULL ? call_option (options, output, G_VARIANT_TYPE_HANDLE) : NULL;
  g_autoptr (GError) problem = NULL;
  gboolean good;

  *target = (TransferTarget) { NULL, -1, -1 };
  *folder = call_path (options, "folder", &problem);
  target->folder = *folder;
  good = problem == NULL && (folder_fd == NULL || take_folder (g_variant_get_handle (folder_fd), target, &problem))
         && (out_fd == NULL || transfer_take_output (g_variant_get_handle (out_fd), target, &problem));
  if (good && (*folder != NULL) + (folder_fd != NULL) + (out_fd != NULL) > 1)
    good = refuse (&problem, "it can go to one place only");
  if (good)
    return TRUE;
  drop_target (target);
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* GArray ---------------------------------------------------------------------------------------------------------- */

/* An array of them has TransferSource with a name and a path of its own. */
static void
source_clear (gpointer data)
{
  TransferSource *source = data;

  g_free ((char *) source->name);
  g_free ((char *) source->path);
  if (source->fd >= 0)
    close (source->fd);
}

static GArray *
sources_new (void)
{
  GArray *sources = g_array_new (FALSE, FALSE, sizeof (TransferSource));

  g_array_set_clear_func (sources, source_clear);
  return sources;
}

/* Core takes the descriptors, whatever comes of it. */
static GArray *
offer (const Call *call, GPtrArray *to, GArray *sources, const TransferOptions *options, GError **error)
{
  g_autoptr (GArray) given = g_array_copy (sources);

  g_array_set_clear_func (given, NULL);
  for (guint i = 0; i < sources->len; i++)
    g_array_index (sources, TransferSource, i).fd = -1;
  return transfers_offer (call->messenger, (Peer **) to->pdata, to->len, (const TransferSource *) (gpointer) given->data, given->len,
                          options, error);
}

static gboolean
check_name (const char *name, GError **error)
{
  if (*name == '\0' || strchr (name, '/') != NULL || g_str_equal (name, ".") || g_str_equal (name, ".."))
    return refuse (error, "'%s' is no name for a file", name);
  if (strlen (name) > LIMIT_FILENAME)
    return refuse (error, "the name has %" G_GSIZE_FORMAT " bytes, %d are the most", strlen (name), LIMIT_FILENAME);
  return TRUE;
}

/* A file or folder, or something that is read to its end. */
static gboolean
check_source (int fd, GError **error)
{
  int flags = fcntl (fd, F_GETFL);
  struct stat info;

  if (flags < 0 || (flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY || fstat (fd, &info) != 0)
    return refuse (error, "the descriptor is not open for reading");
  if (S_ISREG (info.st_mode) || S_ISDIR (info.st_mode) || S_ISFIFO (info.st_mode) || S_ISSOCK (info.st_mode) || S_ISCHR (info.st_mode))
    return TRUE;
  return refuse (error, "the descriptor is no file, folder or pipe");
}

static gboolean
add_file (GArray *sources, int fd, const char *name, GError **error)
{
  TransferSource source = { NULL, NULL, -1 };

  if (!check_name (name, error) || !check_source (fd, error))
    return FALSE;
  source.fd = call_copy_descriptor (fd, error);
  if (source.fd < 0)
    return FALSE;
  source.name = g_strdup (name);
  g_array_append_val (sources, source);
  return TRUE;
}

static GArray *
read_files (GVariant *files, GError **error)
{
  g_autoptr (GArray) sources = sources_new ();
  GVariantIter iter;
  const char *name;
  int fd;

  if (g_variant_n_children (files) > LIMIT_CALL_DESCRIPTORS)
    {
      refuse (error, "%d descriptors are the most\na folder holds more, and calls with one batch belong together", LIMIT_CALL_DESCRIPTORS);
      return NULL;
    }
  g_variant_iter_init (&iter, files);
  while (g_variant_iter_next (&iter, "(h&s@a{sv})", &fd, &name, NULL))
    if (!add_file (sources, fd, name, error))
      return NULL;
  return g_steal_pointer (&sources);
}

/* What cannot be had at all is said at once. What becomes of it later is in the transfer. */
static gboolean
check_there (const char *path, GError **error)
{
  if (access (path, R_OK) == 0)
    return TRUE;
  g_set_error (error, HEARBY_ERROR, errno == EACCES ? HEARBY_ERROR_ACCESS_DENIED : HEARBY_ERROR_FILE_ERROR, "'%s' cannot be read: %s", path,
               g_strerror (errno));
  return FALSE;
}

/* "/home/juliet/photos/" is called "photos". */
static char *
name_of_path (const char *path)
{
  gsize end = strlen (path), begin;

  while (end > 0 && path[end - 1] == '/')
    end--;
  for (begin = end; begin > 0 && path[begin - 1] != '/'; begin--)
    ;
  return g_strndup (path + begin, end - begin);
}

/* @called: what it is to be called instead, or NULL. */
static gboolean
add_path (GArray *sources, const char *path, const char *called, GError **error)
{
  TransferSource source = { NULL, NULL, -1 };
  g_autofree char *name = called != NULL ? g_strdup (called) : name_of_path (path);

  if (called != NULL && sources->len > 0)
    return refuse (error, "one name for several files");
  if (!call_check_path (path, error) || !check_name (name, error) || !check_there (path, error))
    return FALSE;
  source.name = g_steal_pointer (&name);
  source.path = g_strdup (path);
  g_array_append_val (sources, source);
  return TRUE;
}

static GArray *
read_paths (GVariant *paths, GVariant *options, GError **error)
{
  g_autoptr (GArray) sources = sources_new ();
  g_autoptr (GVariant) more = call_option (options, "path_bytes", G_VARIANT_TYPE_BYTESTRING_ARRAY);
  g_autofree char *name = call_option_string (options, "name");
  GVariantIter iter;
  const char *path;
  GVariant *bytes;

  g_variant_iter_init (&iter, paths);
  while (g_variant_iter_next (&iter, "&s", &path))
    if (!add_path (sources, path, name, error))
      return NULL;
  if (more == NULL)
    return g_steal_pointer (&sources);
  g_variant_iter_init (&iter, more);
  while (g_variant_iter_next (&iter, "@ay", &bytes))
    {
      g_autofree char *text = call_dup_bytes (bytes);

      g_variant_unref (bytes);
      if (!add_path (sources, text != NULL ? text : "", name, error))
        return NULL;
    }
  return g_steal_pointer (&sources);
}

/* Offers ---------------------------------------------------------------------------------------------------------- */

typedef struct
{
  TransferOptions options;
  char           *key, *batch; /* of them */
} Wishes;

static void
wishes_clear (Wishes *wishes)
{
  g_free (wishes->key);
  g_free (wishes->batch);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Wishes, wishes_clear)

static gboolean
read_links (GVariant *options, TransferLinks *links, GError **error)
{
  static const char *const words[]
      = { [TRANSFER_LINKS_KEEP] = "keep", [TRANSFER_LINKS_FOLLOW] = "follow", [TRANSFER_LINKS_SKIP] = "skip" };
  g_autofree char *word = call_option_string (options, "links");

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (word == NULL || g_str_equal (words[i], word))
      {
        *links = (TransferLinks) i;
        return TRUE;
      }
  return refuse (error, "links cannot be '%s'\nwhat there is: keep, follow, skip", word);
}

static gboolean
read_wishes (GVariant *options, Wishes *wishes, GError **error)
{
  wishes->key = call_option_string (options, "id");
  wishes->batch = call_option_string (options, "batch");
  wishes->options.key = wishes->key;
  wishes->options.batch = wishes->batch;
  wishes->options.expire_s = call_option_int64 (options, "expire");
  wishes->options.plaintext = call_option_boolean (options, "plaintext");
  wishes->options.now = call_option_boolean (options, "now");
  wishes->options.checksum = call_option_boolean (options, "checksum");
  if (wishes->batch != NULL && strlen (wishes->batch) > LIMIT_BATCH)
    return refuse (error, "the batch has %" G_GSIZE_FORMAT " bytes, %d are the most", strlen (wishes->batch), LIMIT_BATCH);
  return read_links (options, &wishes->options.links, error);
}

static sd_bus_message *
answer_transfers (const Call *call, GArray *ids)
{
  sd_bus_message *answer = call_answer (call);

  sd_bus_message_open_container (answer, 'a', "o");
  for (guint i = 0; i < ids->len; i++)
    {
      g_autofree char *path = call_transfer_path (g_array_index (ids, guint64, i));

      sd_bus_message_append (answer, "o", path);
    }
  sd_bus_message_close_container (answer);
  return answer;
}

/* @sources is NULL with @error. */
static GArray *
send_sources (const Call *call, GArray *sources, GError **error)
{
  g_autoptr (GVariant) paths = g_variant_get_child_value (call->arguments, 0);
  g_autoptr (GVariant) options = g_variant_get_child_value (call->arguments, 2);
  g_autoptr (GPtrArray) to = sources != NULL ? call_peers (call->messenger, paths, error) : NULL;
  g_auto (Wishes) wishes = { 0 };

  if (to == NULL || !read_wishes (options, &wishes, error))
    return NULL;
  if (to->len == 0 || sources->len == 0)
    {
      refuse (error, "%s", to->len == 0 ? "files for nobody" : "no files");
      return NULL;
    }
  return offer (call, to, sources, &wishes.options, error);
}

static void
answer_sent (const Call *call, GArray *sources, GError *problem)
{
  GError *error = problem;
  g_autoptr (GArray) ids = send_sources (call, sources, &error);

  if (ids != NULL)
    call_reply_later (call, answer_transfers (call, ids));
  else
    call_reply_error (call, error);
}

void
transfer_handle_send_files (const Call *call)
{
  g_autoptr (GVariant) files = g_variant_get_child_value (call->arguments, 1);
  GError *error = NULL;
  g_autoptr (GArray) sources = read_files (files, &error);

  answer_sent (call, sources, error);
}

static void
send_paths (const Call *call, const GError *problem)
{
  g_autoptr (GVariant) paths = g_variant_get_child_value (call->arguments, 1);
  g_autoptr (GVariant) options = g_variant_get_child_value (call->arguments, 2);
  GError *error = problem != NULL ? g_error_copy (problem) : NULL;
  g_autoptr (GArray) sources = problem == NULL ? read_paths (paths, options, &error) : NULL;

  answer_sent (call, sources, error);
}

void
transfer_handle_send_paths (const Call *call)
{
  caller_check_names (service_questions (call->service), call, send_paths);
}

void
transfer_handle_retry (const Call *call)
{
  g_autofree char *path = NULL;
  GError *error = NULL;
  Transfer *transfer;
  sd_bus_message *answer;
  guint64 id;

  g_variant_get_child (call->arguments, 0, "t", &id);
  transfer = transfers_retry (call->messenger, MIN (id, G_MAXINT64), &error);
  if (transfer == NULL)
    {
      call_reply_error (call, error);
      return;
    }
  path = call_transfer_path (transfer->row->id);
  answer = call_answer (call);
  sd_bus_message_append (answer, "o", path);
  call_reply_later (call, answer);
}
