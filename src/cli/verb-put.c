/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/file-name.h"
#include "cli/transfer-view.h"
#include "cli/transfer-wait.h"

#define DESCRIPTORS_MAX 16 /* in one message: dbus-daemon of Debian 12 closes the connection of who passes more */

typedef enum
{
  LEVEL_NONE,
  LEVEL_QUEUED,
  LEVEL_DONE,
} Level;

/* What is sent: by its path, or as a descriptor. */
typedef struct
{
  char *path; /* absolute, or NULL */
  char *name; /* that the receiver sees */
  int   fd;   /* or -1 */
} Source;

/* To one receiver. */
typedef struct
{
  char    *peer; /* path */
  char    *name; /* or NULL */
  guint64  id;   /* 0: it did not come to a transfer */
  GError  *error;
} Parcel;

typedef struct
{
  Cli          *cli;
  Client       *client;
  Level         level;
  GVariant     *options;
  GPtrArray    *sources; /* Source */
  GPtrArray    *parcels; /* Parcel */
  TransferWait *wait;
} Put;

static void
source_free (gpointer data)
{
  Source *source = data;

  if (source->fd >= 0)
    close (source->fd);
  g_free (source->path);
  g_free (source->name);
  g_free (source);
}

static void
parcel_free (gpointer data)
{
  Parcel *parcel = data;

  g_free (parcel->peer);
  g_free (parcel->name);
  g_clear_error (&parcel->error);
  g_free (parcel);
}

/* options --------------------------------------------------------------------------------------------------------- */

static int
index_of (const char *word, const char *const *words, guint n)
{
  for (guint i = 0; i < n; i++)
    if (g_str_equal (words[i], word))
      return (int) i;
  return -1;
}

static gboolean
parse_level (Cli *cli, Level *level, GError **error)
{
  static const char *const levels[] = { "none", "queued", "done" };
  const char *word = cli_option (cli, "wait");
  int found = word != NULL ? index_of (word, levels, G_N_ELEMENTS (levels)) : LEVEL_DONE;

  if (found < 0)
    return cli_usage (cli, error, "--wait is none, queued or done, not '%s'", word) == 0;
  *level = (Level) found;
  return TRUE;
}

static gboolean
check_words (Cli *cli, GError **error)
{
  static const char *const links[] = { "keep", "follow", "skip" };
  const char *link = cli_option (cli, "links"), *name = cli_option (cli, "name");

  if (link != NULL && index_of (link, links, G_N_ELEMENTS (links)) < 0)
    return cli_usage (cli, error, "--links is keep, follow or skip, not '%s'", link) == 0;
  if (name != NULL
      && (*name == '\0' || !g_utf8_validate (name, -1, NULL) || strchr (name, '/') != NULL
          || strlen (name) > LIMIT_FILENAME || g_str_equal (name, ".") || g_str_equal (name, "..")))
    return cli_usage (cli, error, "--name is a name and no path: at most %d bytes of UTF-8, no '/', not '.' or '..'", LIMIT_FILENAME) == 0;
  return TRUE;
}

/* The options of SendPaths and SendFiles. */
static GVariant *
build_options (Cli *cli, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);

  if (!cli_sending (cli, &options, error) || !check_words (cli, error))
    return NULL;
  if (cli_has (cli, "links"))
    g_variant_dict_insert (&options, "links", "s", cli_option (cli, "links"));
  if (cli_has (cli, "checksum"))
    g_variant_dict_insert (&options, "checksum", "b", TRUE);
  return g_variant_ref_sink (g_variant_dict_end (&options));
}

/* sources --------------------------------------------------------------------------------------------------------- */

/* Names of what only this process has open. */
static gboolean
is_own_descriptor (const char *path)
{
  return g_str_has_prefix (path, "/dev/fd/") || g_str_has_prefix (path, "/proc/self/") || g_str_equal (path, "/dev/stdin");
}

static gboolean
open_source (Source *source, const char *shown, GError **error)
{
  if (source->fd < 0)
    source->fd = open (source->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  return source->fd >= 0 || file_name_fail (error, errno, "read", shown);
}

static gboolean
take_stdin (Cli *cli, Source *source, GError **error)
{
  if (!cli_has (cli, "name"))
    return cli_usage (cli, error, "what comes from stdin wants a name: --name NAME") == 0;
  if (isatty (STDIN_FILENO))
    return cli_usage (cli, error, "stdin is a terminal") == 0;
  source->fd = fcntl (STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  return source->fd >= 0 || file_name_fail (error, errno, "read", "stdin");
}

/* Everything is looked at before anything is sent. */
static gboolean
take_path (Source *source, const char *word, GError **error)
{
  struct stat status;

  source->path = file_name_absolute (word, error);
  if (source->path == NULL)
    return FALSE;
  if (stat (source->path, &status) != 0 && lstat (source->path, &status) != 0)
    return file_name_fail (error, errno, "send", word);
  if (access (source->path, R_OK) != 0)
    return file_name_fail (error, errno, "read", word);
  if (S_ISFIFO (status.st_mode) || is_own_descriptor (source->path))
    return open_source (source, word, error);
  if (S_ISREG (status.st_mode) || S_ISDIR (status.st_mode))
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR,
               "cannot send '%s': it is neither a file nor a folder\nwhat a program reads from it goes by 'hearby put PEER --name NAME -'", word);
  return FALSE;
}

static gboolean
add_source (Put *put, guint i, GError **error)
{
  Cli *cli = put->cli;
  const char *word = cli->args[i], *name = cli_option (cli, "name");
  Source *source = g_new0 (Source, 1);

  source->fd = -1;
  g_ptr_array_add (put->sources, source);
  if (g_str_equal (word, "-") && i < cli->n_before ? !take_stdin (cli, source, error) : !take_path (source, word, error))
    return FALSE;
  source->name = name != NULL ? g_strdup (name) : g_path_get_basename (source->path);
  if (g_str_equal (source->name, "/"))
    return cli_usage (cli, error, "'/' has no name: --name NAME") == 0;
  if (source->fd >= 0 && (cli->n_args > 2 || cli_has (cli, "to")))
    return cli_usage (cli, error, "a pipe goes alone, and to one receiver") == 0;
  return TRUE;
}

static gboolean
add_sources (Put *put, GError **error)
{
  Cli *cli = put->cli;

  if (cli->n_args < 2)
    return cli_usage (cli, error, "'put' wants PEER FILE…, or PEER --name NAME - to send stdin") == 0;
  if (cli_has (cli, "name") && cli->n_args > 2)
    return cli_usage (cli, error, "--name is for one file") == 0;
  for (guint i = 1; i < cli->n_args; i++)
    if (!add_source (put, i, error))
      return FALSE;
  return TRUE;
}

/* receivers ------------------------------------------------------------------------------------------------------- */

static void
add_parcel (Put *put, const char *peer)
{
  Parcel *parcel;

  for (guint i = 0; i < put->parcels->len; i++)
    if (g_str_equal (((Parcel *) put->parcels->pdata[i])->peer, peer))
      return;
  parcel = g_new0 (Parcel, 1);
  parcel->peer = g_strdup (peer);
  g_ptr_array_add (put->parcels, parcel);
}

static gboolean
add_receivers (Put *put, const char *spec, GError **error)
{
  g_auto (GStrv) paths = client_find (put->client, spec, error);

  for (guint i = 0; paths != NULL && paths[i] != NULL; i++)
    add_parcel (put, paths[i]);
  return paths != NULL;
}

static gboolean
find_receivers (Put *put, GError **error)
{
  g_autofree const char **more = cli_option_all (put->cli, "to");

  if (!add_receivers (put, put->cli->args[0], error))
    return FALSE;
  for (guint i = 0; more[i] != NULL; i++)
    if (!add_receivers (put, more[i], error))
      return FALSE;
  if (put->parcels->len > 1 && ((Source *) put->sources->pdata[0])->fd >= 0)
    return cli_usage (put->cli, error, "a pipe goes to one receiver") == 0;
  return TRUE;
}

/* sending --------------------------------------------------------------------------------------------------------- */

/* The options with what belongs to paths; floating. */
static GVariant *
path_options (Put *put, GPtrArray *texts)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (put->options);
  GVariantBuilder bytes;
  gboolean any = FALSE;

  g_variant_builder_init (&bytes, G_VARIANT_TYPE ("aay"));
  for (guint i = 0; i < put->sources->len; i++)
    {
      const char *path = ((Source *) put->sources->pdata[i])->path;

      if (g_utf8_validate (path, -1, NULL))
        {
          g_ptr_array_add (texts, (gpointer) path);
          continue;
        }
      any = TRUE;
      g_variant_builder_add_value (&bytes, g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, path, strlen (path), 1));
    }
  if (any)
    g_variant_dict_insert (&dict, "path_bytes", "aay", &bytes);
  else
    g_variant_builder_clear (&bytes);
  if (cli_has (put->cli, "name"))
    g_variant_dict_insert (&dict, "name", "s", cli_option (put->cli, "name"));
  return g_variant_dict_end (&dict);
}

static GVariant *
send_paths (Put *put, const char *peer, GError **error)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new ();
  GVariant *options = path_options (put, texts);

  return client_manager (put->client, "SendPaths",
                         g_variant_new ("(@ao@as@a{sv})", g_variant_new_objv (&peer, 1),
                                        g_variant_new_strv ((const char *const *) texts->pdata, texts->len), options),
                         error);
}

static GVariant *
send_descriptors (Put *put, const char *peer, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  GVariantBuilder files;

  g_variant_builder_init (&files, G_VARIANT_TYPE ("a(hsa{sv})"));
  for (guint i = 0; i < put->sources->len; i++)
    {
      Source *source = put->sources->pdata[i];
      g_autofree char *name = g_utf8_make_valid (source->name, -1);
      GError *problem = NULL;
      int place = open_source (source, source->name, error) ? g_unix_fd_list_append (fds, source->fd, &problem) : -1;

      if (problem != NULL)
        g_propagate_error (error, problem);
      if (place < 0)
        {
          g_variant_builder_clear (&files);
          return NULL;
        }
      g_variant_builder_add (&files, "(hs@a{sv})", place, name, client_options ());
    }
  return client_call_with_fds (put->client, CLIENT_ROOT, CLIENT_MANAGER, "SendFiles",
                               g_variant_new ("(@aoa(hsa{sv})@a{sv})", g_variant_new_objv (&peer, 1), &files, put->options),
                               fds, error);
}

/* By descriptors where there is no path, and where the daemon must not or cannot go there: in a sandbox, or under a unit that
 * gives it a /tmp of its own. */
static GVariant *
send_to (Put *put, const char *peer, GError **error)
{
  g_autoptr (GError) problem = NULL;
  GVariant *answer;

  if (((Source *) put->sources->pdata[0])->fd >= 0)
    return send_descriptors (put, peer, error);
  answer = send_paths (put, peer, &problem);
  if (answer != NULL)
    return answer;
  if (put->sources->len <= DESCRIPTORS_MAX
      && (g_error_matches (problem, HEARBY_ERROR, HEARBY_ERROR_ACCESS_DENIED)
          || g_error_matches (problem, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR)))
    return send_descriptors (put, peer, error);
  g_propagate_error (error, g_steal_pointer (&problem));
  return NULL;
}

static void
take_id (Put *put, Parcel *parcel, const char *path)
{
  parcel->id = g_ascii_strtoull (client_path_id (path), NULL, 10);
  transfer_wait_add (put->wait, parcel->id);
}

static void
take_answer (Put *put, Parcel *parcel, GVariant *answer)
{
  g_autofree const char **paths = NULL;

  g_variant_get (answer, "(^a&o)", &paths);
  if (paths[0] != NULL)
    take_id (put, parcel, paths[0]);
  else
    g_set_error (&parcel->error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "the daemon made no transfer");
}

/* A call for each receiver: one who is away or cannot be written to does not keep the others from getting it. */
static void
send_all (Put *put)
{
  for (guint i = 0; i < put->parcels->len; i++)
    {
      Parcel *parcel = put->parcels->pdata[i];
      g_autoptr (GVariant) answer = send_to (put, parcel->peer, &parcel->error);

      if (answer != NULL)
        take_answer (put, parcel, answer);
    }
}

/* results --------------------------------------------------------------------------------------------------------- */

static void
print_ids (const Put *put)
{
  for (guint i = 0; i < put->parcels->len; i++)
    {
      Parcel *parcel = put->parcels->pdata[i];
      g_autofree char *line = g_strdup_printf ("%" G_GUINT64_FORMAT "\n", parcel->id);

      if (parcel->id > 0)
        format_print (line);
    }
}

/* What did not become a transfer, in the shape of one. */
static GVariant *
describe_refused (Put *put, const Parcel *parcel)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) peer = client_properties (put->client, parcel->peer, CLIENT_PEER, NULL);
  g_autofree char *name = g_utf8_make_valid (((Source *) put->sources->pdata[0])->name, -1);

  g_variant_dict_insert (&dict, "peer", "o", parcel->peer);
  g_variant_dict_insert (&dict, "peer_name", "s", peer != NULL ? dict_string (peer, "Name") : "");
  g_variant_dict_insert (&dict, "direction", "s", "out");
  g_variant_dict_insert (&dict, "name", "s", name);
  g_variant_dict_insert (&dict, "named_count", "u", put->sources->len);
  g_variant_dict_insert (&dict, "state", "s", "failed");
  g_variant_dict_insert (&dict, "error_name", "s", error_name (error_code (parcel->error)));
  g_variant_dict_insert (&dict, "error", "s", parcel->error->message);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static GVariant *
transfer_of (Put *put, const Parcel *parcel)
{
  GPtrArray *list = transfer_wait_list (put->wait);
  g_autofree char *id = g_strdup_printf ("%" G_GUINT64_FORMAT, parcel->id);

  if (parcel->id == 0)
    return describe_refused (put, parcel);
  for (guint i = 0; i < list->len; i++)
    if ((guint64) dict_number (list->pdata[i], "id") == parcel->id)
      return g_variant_ref (list->pdata[i]);
  return client_transfer (put->client, id, NULL);
}

static void
begin_json (Put *put)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (guint i = 0; i < put->parcels->len; i++)
    {
      GVariant *transfer = transfer_of (put, put->parcels->pdata[i]);

      if (transfer != NULL)
        g_ptr_array_add (all, transfer);
    }
  put->cli->result = format_json_begin ();
  transfer_view_list (put->cli->result, all);
}

/* FALSE where not all came where they should. */
static gboolean
judge (Put *put, GError **error)
{
  guint n = put->parcels->len;
  g_autofree GError **errors = g_new0 (GError *, n + 1);

  for (guint i = 0; i < n; i++)
    {
      Parcel *parcel = put->parcels->pdata[i];
      g_autoptr (GVariant) transfer = put->level == LEVEL_DONE || parcel->id == 0 ? transfer_of (put, parcel) : NULL;

      if (n == 1 && parcel->error != NULL)
        errors[i] = g_error_copy (parcel->error);
      else if (transfer != NULL && !transfer_view_check (transfer, &errors[i]))
        transfer_view_tell_failures (transfer);
    }
  return transfer_wait_judge (errors, n, error);
}

/* The ids are in @put; at a terminal the progress says enough. */
static int
finish (Put *put, GError **error)
{
  Cli *cli = put->cli;
  g_autoptr (GError) problem = NULL;
  gboolean ok = TRUE;

  if (!cli->format.json && put->level != LEVEL_NONE && !(put->level == LEVEL_DONE && cli->format.tty))
    print_ids (put);
  if (put->level == LEVEL_DONE)
    ok = transfer_wait_run (put->wait, &problem);
  if (cli->format.json)
    begin_json (put);
  if (transfer_wait_status (put->wait) != 0)
    return transfer_wait_status (put->wait);
  if (!ok)
    g_propagate_error (error, g_steal_pointer (&problem));
  return ok && judge (put, error) ? 0 : -1;
}

static gboolean
open_client (Put *put, GError **error)
{
  put->client = client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, error);
  return put->client != NULL;
}

static int
run (Put *put, GError **error)
{
  if (!add_sources (put, error) || !open_client (put, error) || !find_receivers (put, error))
    return -1;
  transfer_wait_begin (put->wait, put->client, put->level == LEVEL_DONE ? TRANSFER_WAIT_OWNS : TRANSFER_WAIT_ONLY);
  send_all (put);
  return finish (put, error);
}

/* --retry --------------------------------------------------------------------------------------------------------- */

static gboolean
retry (Put *put, const char *id, GError **error)
{
  g_autoptr (GVariant) before = client_transfer (put->client, id, error), answer = NULL;
  const char *path;

  if (before == NULL)
    return FALSE;
  add_parcel (put, dict_string (before, "peer"));
  transfer_wait_begin (put->wait, put->client, put->level == LEVEL_DONE ? TRANSFER_WAIT_OWNS : TRANSFER_WAIT_ONLY);
  answer = client_manager (put->client, "RetryTransfer",
                           g_variant_new ("(t@a{sv})", (guint64) dict_number (before, "id"), put->options), error);
  if (answer == NULL)
    return FALSE;
  g_variant_get (answer, "(&o)", &path);
  take_id (put, put->parcels->pdata[0], path);
  return TRUE;
}

static int
run_retry (Put *put, const char *id, GError **error)
{
  if (put->cli->n_args > 0)
    return cli_usage (put->cli, error, "--retry takes what it sends, and to whom, from transfer %s", id);
  return open_client (put, error) && retry (put, id, error) ? finish (put, error) : -1;
}

int
verb_put (Cli *cli, GError **error)
{
  Put put = { .cli = cli };
  const char *again = cli_option (cli, "retry");
  int status = -1;

  put.sources = g_ptr_array_new_with_free_func (source_free);
  put.parcels = g_ptr_array_new_with_free_func (parcel_free);
  if (parse_level (cli, &put.level, error))
    put.options = build_options (cli, error);
  if (put.options != NULL)
    put.wait = transfer_wait_new (cli, error);
  if (put.wait != NULL)
    status = again != NULL ? run_retry (&put, again, error) : run (&put, error);
  g_clear_pointer (&put.options, g_variant_unref);
  transfer_wait_free (put.wait);
  client_close (put.client);
  g_ptr_array_unref (put.sources);
  g_ptr_array_unref (put.parcels);
  return status;
}
