/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"

/* Two people compare a code: each runs this, and each says what he saw. */

#define AGREE_MS (130 * 1000) /* the daemon gives up after two minutes */

typedef struct
{
  Cli     *cli;
  Client  *client;
  char    *path;
  char    *name;  /* escaped */
  char    *run, *code;
  GError  *error;
  gboolean done, interrupted;
  guint    interrupt; /* source; 0: it came, and a second one ends the program */
} Verify;

static void
on_verified (GObject *source, GAsyncResult *result, gpointer data)
{
  Verify *verify = data;
  GError *problem = NULL;
  g_autoptr (GVariant) answer = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &problem);

  if (answer != NULL)
    g_variant_get (answer, "(ss)", &verify->run, &verify->code);
  else
    client_take_error (&verify->error, problem);
  verify->done = TRUE;
}

static gboolean
on_interrupt (gpointer data)
{
  Verify *verify = data;

  verify->interrupt = 0;
  verify->interrupted = TRUE;
  verify->done = TRUE;
  return G_SOURCE_REMOVE;
}

static void
cancel (Verify *verify)
{
  G_GNUC_UNUSED g_autoptr (GVariant) answer = client_call (verify->client, verify->path, CLIENT_PEER, "CancelVerify",
                                             g_variant_new ("(@a{sv})", client_options ()), NULL);
}

/* Until both agreed. 0, or -1 with an error, or the status of an interrupt. */
static int
get_code (Verify *verify, GError **error)
{
  GDBusConnection *connection = client_peek_connection (verify->client);

  cli_note ("waiting for %s to run 'hearby verify' too, for two minutes", verify->name);
  g_dbus_connection_call (connection, NULL, verify->path, CLIENT_PEER, "Verify", g_variant_new ("(@a{sv})", client_options ()),
                          NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, AGREE_MS, NULL, on_verified, verify);
  cli_wait (&verify->done, -1);
  if (verify->interrupted)
    {
      cancel (verify);
      while (verify->error == NULL && verify->code == NULL) /* the call ends with that */
        g_main_context_iteration (NULL, TRUE);
      g_clear_error (&verify->error);
      return 128 + SIGINT;
    }
  if (verify->error == NULL)
    return 0;
  g_propagate_error (error, g_steal_pointer (&verify->error));
  return -1;
}

/* @typed: the code that the other read out, or NULL and @match. *@same: the daemon's verdict. */
static gboolean
answer (Verify *verify, const char *typed, gboolean match, gboolean *same, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) reply = NULL;

  if (typed != NULL)
    g_variant_dict_insert (&options, "code", "s", typed);
  reply = client_call (verify->client, verify->path, CLIENT_PEER, "Answer",
                       g_variant_new ("(sb@a{sv})", verify->run != NULL ? verify->run : "", match, g_variant_dict_end (&options)),
                       error);
  if (reply != NULL)
    g_variant_get (reply, "(b)", same);
  return reply != NULL;
}

static int
conclude (Verify *verify, gboolean same, GError **error)
{
  g_autofree char *word = text_shell_word (verify->name);

  if (verify->cli->format.json)
    {
      verify->cli->result = format_json_begin ();
      format_json_boolean (verify->cli->result, "verified", same);
    }
  if (same)
    {
      cli_note ("%s is verified", verify->name);
      return 0;
    }
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_VERIFIED,
               "the codes differ: somebody is between you and '%s', who gets nothing from you now\n"
               "talk to each other by another way; 'hearby verify %s' once more when you know what happened", verify->name, word);
  return -1;
}

static void
show_code (const char *code)
{
  g_auto (GStrv) groups = g_strsplit (code, " ", -1);
  g_autofree char *wide = g_strjoinv ("  ", groups);
  g_autofree char *line = g_strdup_printf ("    %s\n", wide);

  format_print (line);
}

static gboolean
on_typed (int fd, GIOCondition condition, gpointer data)
{
  Verify *verify = data;

  verify->done = TRUE;
  return G_SOURCE_CONTINUE;
}

/* A whole line, typed after the question: 1, 0 where there is no more, -1 after SIGINT. */
static int
read_word (Verify *verify, char *word, size_t size)
{
  guint typed = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_typed, verify);
  size_t len = 0;
  ssize_t n;
  char c;

  do
    {
      verify->done = verify->interrupted;
      cli_wait (&verify->done, -1);
      n = verify->interrupted ? 0 : read (STDIN_FILENO, &c, 1);
      if (n == 1 && c != '\n' && len < size)
        word[len++] = c;
    }
  while (n == 1 && c != '\n');
  g_source_remove (typed);
  word[len < size ? len : 0] = '\0'; /* far too much is no word */
  return verify->interrupted ? -1 : n == 1;
}

/* -1: neither of them */
static int
parse_word (const char *word)
{
  return g_ascii_strcasecmp (word, "yes") == 0 ? TRUE : g_ascii_strcasecmp (word, "no") == 0 ? FALSE : -1;
}

/* A typed word, and no default. */
static int
ask_person (Verify *verify, GError **error)
{
  char word[16];
  int got, match;
  gboolean same;

  cli_note ("ask %s to look at the screen there now, and read the code aloud (in person or by voice)", verify->name);
  show_code (verify->code);
  tcflush (STDIN_FILENO, TCIFLUSH); /* what was typed before is no answer */
  do
    {
      fputs ("Same code there? Type yes or no: ", stderr);
      got = read_word (verify, word, sizeof word);
      match = parse_word (word);
    }
  while (got > 0 && match < 0);
  if (got <= 0)
    {
      fputc ('\n', stderr);
      cancel (verify);
      if (got < 0)
        return 128 + SIGINT;
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_CANCELED, "nothing was answered");
      return -1;
    }
  if (!answer (verify, NULL, match, &same, error))
    return -1;
  return conclude (verify, same, error);
}

/* Nobody to ask: the code is printed, and the run stays open for what answers it. */
static int
tell_script (Verify *verify, GError **error)
{
  g_autofree char *word = text_shell_word (verify->name);

  if (verify->cli->format.json)
    {
      verify->cli->result = format_json_begin ();
      format_json_string (verify->cli->result, "code", verify->code);
    }
  else
    show_code (verify->code);
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_VERIFIED,
               "nobody has compared the codes yet\n"
               "'hearby verify %s --code \"DDDD DDDD DDDD\"' within two minutes, with the code that is shown there", word);
  return -1;
}

/* What was heard, typed here. It is of the run that both agreed to: in another one the codes would differ. */
static int
check_heard (Verify *verify, const char *typed, GError **error)
{
  g_autofree char *word = text_shell_word (verify->name);
  g_autoptr (GError) problem = NULL;
  gboolean same;

  if (answer (verify, typed, FALSE, &same, &problem))
    return conclude (verify, same, error);
  if (g_error_matches (problem, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND))
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND,
                 "no code is shown now, and an older one does not count\n'hearby verify %s' first, at both ends", word);
  else
    g_propagate_error (error, g_steal_pointer (&problem));
  return -1;
}

static int
compare (Verify *verify, GError **error)
{
  const char *typed = cli_option (verify->cli, "code");
  gboolean person = isatty (STDIN_FILENO) && isatty (STDERR_FILENO) && !verify->cli->no_input && !verify->cli->format.json;
  int status;

  if (typed != NULL)
    return check_heard (verify, typed, error);
  verify->interrupt = g_unix_signal_add (SIGINT, on_interrupt, verify); /* from the question to the answer: the other side has to know */
  status = get_code (verify, error);
  if (status == 0)
    status = person ? ask_person (verify, error) : tell_script (verify, error);
  if (verify->interrupt != 0)
    g_source_remove (verify->interrupt);
  return status;
}

/* Both read the whole fingerprint by another way, or it is in a file: no run is needed. */
static int
check_fingerprint (Verify *verify, const char *fingerprint, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) peer = client_properties (verify->client, verify->path, CLIENT_PEER, error);
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) problem = NULL;
  const char *claimed, *own;

  if (peer == NULL)
    return -1;
  g_variant_dict_insert (&options, "verified", "b", TRUE);
  reply = client_call (verify->client, verify->path, CLIENT_PEER, "Trust",
                       g_variant_new ("(s@a{sv})", fingerprint, g_variant_dict_end (&options)), &problem);
  if (reply != NULL)
    return conclude (verify, TRUE, error);
  if (!g_error_matches (problem, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return -1;
    }
  claimed = dict_string (peer, "ClaimedFingerprint");
  own = *claimed != '\0' ? claimed : dict_string (peer, "Fingerprint");
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_VERIFIED, "'%s' has another fingerprint: %s\n'hearby id' prints it there",
               verify->name, *own != '\0' ? own : "none yet");
  return -1;
}

int
verb_verify (Cli *cli, GError **error)
{
  Verify verify = { .cli = cli };
  const char *fingerprint = cli_option (cli, "fingerprint");
  int status = -1;

  if ((cli_has (cli, "code") && !g_utf8_validate (cli_option (cli, "code"), -1, NULL))
      || (fingerprint != NULL && !g_utf8_validate (fingerprint, -1, NULL)))
    return cli_usage (cli, error, "that is not valid UTF-8");
  verify.client = client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, error);
  if (verify.client != NULL)
    verify.path = fingerprint != NULL ? client_find_met (verify.client, cli->args[0], error)
                                      : client_find_one (verify.client, cli->args[0], error);
  verify.name = format_text (&cli->format, cli->args[0], TEXT_ESCAPE_LINE);
  if (verify.path != NULL)
    status = fingerprint != NULL ? check_fingerprint (&verify, fingerprint, error) : compare (&verify, error);
  g_free (verify.run);
  g_free (verify.code);
  g_free (verify.path);
  g_free (verify.name);
  client_close (verify.client);
  return status;
}
