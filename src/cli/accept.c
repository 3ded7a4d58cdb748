/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/accept.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/file-name.h"

gboolean
accept_parse (Cli *cli, const char *where, AcceptTarget *target, GError **error)
{
  target->to_stdout = g_strcmp0 (where, "-") == 0;
  if (where == NULL)
    return TRUE;
  if (!target->to_stdout)
    {
      target->folder = file_name_folder (where, error);
      return target->folder != NULL;
    }
  if (cli->format.json)
    return cli_usage (cli, error, "stdout is for the file, so --json has no room") == 0;
  if (cli->format.tty)
    return cli_usage (cli, error, "stdout is a terminal, the file goes to a pipe or a file") == 0;
  return TRUE;
}

void
accept_clear (AcceptTarget *target)
{
  g_clear_pointer (&target->folder, g_free);
}

static GVariant *
call_fd (Client *client, const char *path, const char *method, int fd, gboolean alone, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  GError *problem = NULL;
  int place = g_unix_fd_list_append (fds, fd, &problem);

  if (place < 0)
    {
      g_propagate_error (error, problem);
      return NULL;
    }
  if (alone)
    return client_call_with_fds (client, path, CLIENT_TRANSFER, method, g_variant_new ("(h@a{sv})", place, client_options ()), fds,
                                 error);
  g_variant_dict_insert (&options, "folder_fd", "h", place);
  return client_call_with_fds (client, path, CLIENT_TRANSFER, method, g_variant_new ("(@a{sv})", g_variant_dict_end (&options)), fds,
                               error);
}

/* A folder that the daemon cannot go to by its name, under a unit that gives it a /tmp of its own for example. */
static GVariant *
call_folder_fd (Client *client, const char *path, const char *folder, GError **error)
{
  GVariant *answer;
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    {
      file_name_fail (error, errno, "write to", folder);
      return NULL;
    }
  answer = call_fd (client, path, "Accept", fd, FALSE, error);
  close (fd);
  return answer;
}

static GVariant *
call_folder (Client *client, const char *path, const char *folder, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GError) problem = NULL;
  GVariant *answer;

  if (folder != NULL)
    file_name_dict_insert (&options, "folder", folder);
  answer = client_call (client, path, CLIENT_TRANSFER, "Accept", g_variant_new ("(@a{sv})", g_variant_dict_end (&options)), &problem);
  if (answer != NULL)
    return answer;
  if (folder != NULL
      && (g_error_matches (problem, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR)
          || g_error_matches (problem, HEARBY_ERROR, HEARBY_ERROR_ACCESS_DENIED))
      && access (folder, W_OK) == 0)
    return call_folder_fd (client, path, folder, error);
  g_propagate_error (error, g_steal_pointer (&problem));
  return NULL;
}

gboolean
accept_call (Client *client, GVariant *transfer, const AcceptTarget *target, GError **error)
{
  const char *path = dict_string (transfer, "transfer"), *state = dict_string (transfer, "state");
  g_autoptr (GVariant) answer = NULL;

  if (g_str_equal (dict_string (transfer, "direction"), "out"))
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                 "transfer %" G_GINT64_FORMAT " is one of yours to others\n'hearby transfers' says which are offered to you",
                 dict_number (transfer, "id"));
  else if (g_str_equal (state, "complete") && !target->to_stdout)
    return TRUE; /* again is fine */
  else if (*path == '\0')
    client_fail_over (transfer, error);
  else
    answer = target->to_stdout ? call_fd (client, path, "AcceptToFd", STDOUT_FILENO, TRUE, error)
                               : call_folder (client, path, target->folder, error);
  return answer != NULL;
}
