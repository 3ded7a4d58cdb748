/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"

/* One line "TIME DIRECTION XML" as one JSON object. */
static char *
line_as_json (const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 3);
  g_autoptr (JsonBuilder) builder = format_json_begin ();
  gboolean whole = g_strv_length (words) == 3;

  format_json_string (builder, "type", "trace");
  format_json_string (builder, "time", whole ? words[0] : NULL);
  format_json_string (builder, "direction", whole ? words[1] : NULL);
  format_json_string (builder, "xml", whole ? words[2] : line);
  json_builder_end_object (builder);
  return format_json_line (builder);
}

static int
open_pipe (Client *client, const char *path, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  GError *problem = NULL;
  g_autoptr (GVariant) answer = g_dbus_connection_call_with_unix_fd_list_sync (
      client_peek_connection (client), NULL, path, CLIENT_PEER, "Trace", g_variant_new ("(@a{sv})", client_options ()),
      G_VARIANT_TYPE ("(h)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, &fds, NULL, &problem);
  int index = 0, fd = -1;

  if (answer != NULL)
    {
      g_variant_get (answer, "(h)", &index);
      fd = fds != NULL ? g_unix_fd_list_get (fds, index, NULL) : -1;
    }
  if (problem != NULL)
    client_take_error (error, problem);
  else if (fd < 0)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "the daemon gave no pipe for the trace");
  return fd;
}

static FILE *
open_output (const char *path, GError **error)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (fd >= 0)
    return fdopen (fd, "w");
  g_set_error (error, HEARBY_ERROR, errno == EEXIST ? HEARBY_ERROR_EXISTS : HEARBY_ERROR_FILE_ERROR,
               "cannot write %s: %s", path, g_strerror (errno));
  return NULL;
}

static gboolean
write_line (Cli *cli, FILE *output, char *line, GError **error)
{
  g_autofree char *clean = NULL, *shown = NULL, *text = NULL;

  line[strcspn (line, "\n")] = '\0';
  clean = g_utf8_make_valid (line, -1);
  shown = output == NULL ? format_text (&cli->format, clean, TEXT_ESCAPE_MULTILINE) : NULL;
  if (cli->format.json)
    text = line_as_json (clean);
  else
    text = g_strconcat (shown != NULL ? shown : clean, "\n", NULL);
  if (output == NULL)
    format_print (text);
  else if (fputs (text, output) == EOF || fflush (output) != 0)
    {
      g_set_error (error, HEARBY_ERROR, errno == ENOSPC ? HEARBY_ERROR_NO_SPACE : HEARBY_ERROR_FILE_ERROR,
                   "cannot write the trace: %s", g_strerror (errno));
      return FALSE;
    }
  return TRUE;
}

static int
copy (Cli *cli, int fd, FILE *output, GError **error)
{
  FILE *pipe = fdopen (fd, "r");
  char *line = NULL;
  size_t size = 0;
  gboolean ok = TRUE;

  while (ok && getline (&line, &size, pipe) > 0)
    ok = write_line (cli, output, line, error);
  free (line);
  fclose (pipe);
  if (!ok)
    return -1;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON, "the daemon ended the trace\nit does so when it quits, or when the reader is too slow");
  return -1;
}

int
verb_trace (Cli *cli, GError **error)
{
  const char *name = cli_option (cli, "output");
  g_autoptr (Client) client = client_open (CLIENT_MAY_START, error);
  g_autofree char *path = client != NULL ? client_find_one (client, cli->args[0], error) : NULL;
  FILE *output = NULL;
  int fd, status = -1;

  if (path == NULL)
    return -1;
  fd = open_pipe (client, path, error);
  if (fd < 0)
    return -1;
  if (name != NULL)
    output = open_output (name, error);
  if (name == NULL || output != NULL)
    status = copy (cli, fd, output, error);
  else
    close (fd);
  if (output != NULL)
    fclose (output);
  return status;
}
