/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/hook.h"
#include "cli/presence-watch.h"
#include "cli/transfer-view.h"
#include "cli/transfer-watch.h"
#include "cli/view.h"

#define PAGE 100
#define RETRY_FIRST_S 1
#define RETRY_LAST_S 60
#define HOOK_TRY_AGAIN 75 /* EX_TEMPFAIL of sysexits(3) */
#define ACK_LINE_MAX 64

/* Messages are not taken from the signals but asked for after each one, in order of seq: that is the same work after a
 * signal, after the daemon's return, and for what a consumer has not seen yet. */
typedef struct
{
  Cli        *cli;
  Client     *client;
  gboolean    messages, presence, transfers;
  gboolean    trusting;  /* --trust was given or --exec makes it count */
  ViewTrust   trust;
  GHashTable *from;      /* paths, or NULL for everybody */
  const char *consumer;  /* or NULL */
  const char *program;   /* of --exec, or NULL */
  gboolean    manual;    /* acknowledged by lines on stdin */
  gboolean    started;   /* last means something */
  guint64     last;      /* the last seq that was dealt with */
  guint64     owed;      /* an acknowledgement that the daemon was away for, or 0 */
  PresenceWatch *watch;
  TransferWatch *files;
  GString    *acks;      /* an unfinished line of stdin */
  GVariant   *hooked;    /* the message that the program has now */
  guint       retry_s;
  guint       retry;     /* source, or 0 */
  guint       drain;     /* source, or 0 */
  gboolean    ended;
  GError     *error;
} Listen;

static void schedule (Listen *listen);

static void
end (Listen *listen, GError *error)
{
  if (listen->error == NULL)
    listen->error = error;
  else
    g_clear_error (&error);
  listen->ended = TRUE;
}

/* messages -------------------------------------------------------------------------------------------------------- */

/* Where the daemon is away just now, it is told when it comes back. */
static gboolean
acknowledge (Listen *listen, guint64 seq, GError **error)
{
  g_autoptr (GVariant) answer = NULL;
  g_autoptr (GError) problem = NULL;

  if (listen->consumer == NULL)
    return TRUE;
  answer = client_manager (listen->client, "Acknowledge",
                           g_variant_new ("(st@a{sv})", listen->consumer, seq, client_options ()), &problem);
  listen->owed = answer == NULL ? MAX (listen->owed, seq) : 0;
  if (answer != NULL || g_error_matches (problem, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

static void
finish_message (Listen *listen, guint64 seq)
{
  GError *problem = NULL;

  listen->last = seq;
  if (!listen->manual && !acknowledge (listen, seq, &problem))
    end (listen, problem);
}

static gboolean
is_wanted (Listen *listen, GVariant *message)
{
  if (listen->from != NULL && !g_hash_table_contains (listen->from, dict_string (message, "peer")))
    return FALSE;
  return !listen->trusting || view_trust_suffices (dict_string (message, "trust"), listen->trust);
}

static void
print_message (Listen *listen, GVariant *message)
{
  g_autofree char *text = listen->cli->format.json
                              ? view_message_object (message)
                              : view_message_line (&listen->cli->format, message, VIEW_INCOMING, NULL);

  format_print (text);
}

static void run_hook (Listen *listen);

static gboolean
on_retry_hook (gpointer data)
{
  Listen *listen = data;

  listen->retry = 0;
  run_hook (listen);
  return G_SOURCE_REMOVE;
}

static void
on_hook_done (int status, gpointer data)
{
  Listen *listen = data;
  guint64 seq = (guint64) dict_number (listen->hooked, "seq");

  if (status == HOOK_TRY_AGAIN)
    {
      listen->retry = g_timeout_add_seconds (listen->retry_s, on_retry_hook, listen);
      listen->retry_s = MIN (listen->retry_s * 2, RETRY_LAST_S);
      return;
    }
  if (status != 0)
    cli_note ("%s failed (%d) on message %" G_GUINT64_FORMAT ", which is skipped", listen->program, status, seq);
  g_clear_pointer (&listen->hooked, g_variant_unref);
  finish_message (listen, seq);
  schedule (listen);
}

static void
run_hook (Listen *listen)
{
  GError *problem = NULL;

  if (!hook_run (listen->program, listen->hooked, on_hook_done, listen, &problem))
    end (listen, problem);
}

/* FALSE: the program has it now, the rest has to wait. */
static gboolean
handle_message (Listen *listen, GVariant *message)
{
  guint64 seq = (guint64) dict_number (message, "seq");

  if (seq <= listen->last)
    return TRUE;
  if (listen->program == NULL || !is_wanted (listen, message))
    {
      if (is_wanted (listen, message))
        print_message (listen, message);
      finish_message (listen, seq);
      return TRUE;
    }
  listen->retry_s = RETRY_FIRST_S;
  listen->hooked = g_variant_ref (message);
  run_hook (listen);
  return FALSE;
}

static GVariant *
fetch (Listen *listen, GError **error)
{
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (NULL);

  /* A consumer's place is asked for until a first message is known; then our own count is ahead of it. */
  if (listen->consumer != NULL && listen->last == 0)
    g_variant_dict_insert (&filter, "consumer", "s", listen->consumer);
  else
    g_variant_dict_insert (&filter, "since_seq", "t", listen->last);
  g_variant_dict_insert (&filter, "incoming", "b", TRUE);
  g_variant_dict_insert (&filter, "limit", "u", PAGE);
  return client_messages (listen->client, g_variant_dict_end (&filter), error);
}

static void
drain (Listen *listen)
{
  g_autoptr (GError) problem = NULL;
  gsize n = PAGE;

  while (n == PAGE && !listen->ended)
    {
      g_autoptr (GVariant) page = fetch (listen, &problem);

      n = page != NULL ? g_variant_n_children (page) : 0;
      for (gsize i = 0; i < n && !listen->ended; i++)
        {
          g_autoptr (GVariant) message = g_variant_get_child_value (page, i);

          if (!handle_message (listen, message))
            return;
        }
    }
  /* A daemon that has gone is waited for. */
  if (problem != NULL && !g_error_matches (problem, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON))
    end (listen, g_steal_pointer (&problem));
}

static gboolean
on_drain (gpointer data)
{
  Listen *listen = data;

  listen->drain = 0;
  if (listen->hooked == NULL && !client_is_lost (listen->client))
    drain (listen);
  return G_SOURCE_REMOVE;
}

/* Many signals at once are one look. */
static void
schedule (Listen *listen)
{
  if (listen->messages && listen->started && listen->drain == 0)
    listen->drain = g_idle_add (on_drain, listen);
}

/* manual acknowledgement ------------------------------------------------------------------------------------------ */

static void
take_ack (Listen *listen, const char *line)
{
  GError *problem = NULL;
  guint64 seq;

  if (!g_ascii_string_to_unsigned (line, 10, 1, G_MAXINT64, &seq, NULL))
    g_set_error (&problem, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "stdin wants a seq in each line");
  else
    acknowledge (listen, seq, &problem);
  if (problem != NULL)
    end (listen, problem);
}

static gboolean
on_stdin (int fd, GIOCondition condition, gpointer data)
{
  Listen *listen = data;
  char bytes[512];
  ssize_t n = read (fd, bytes, sizeof bytes);
  char *newline;

  if (n <= 0)
    {
      /* Who acknowledges has gone: nothing more would count. */
      listen->ended = TRUE;
      return G_SOURCE_REMOVE;
    }
  g_string_append_len (listen->acks, bytes, n);
  while ((newline = memchr (listen->acks->str, '\n', listen->acks->len)) != NULL)
    {
      *newline = '\0';
      take_ack (listen, g_strstrip (listen->acks->str));
      g_string_erase (listen->acks, 0, newline - listen->acks->str + 1);
    }
  if (listen->acks->len > ACK_LINE_MAX)
    end (listen, g_error_new (HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "stdin wants a seq in each line"));
  return G_SOURCE_CONTINUE;
}

/* presence -------------------------------------------------------------------------------------------------------- */

static void
on_presence (const char *path, GVariant *peer, gpointer data)
{
  Listen *listen = data;
  g_autofree char *text = NULL;

  if (listen->from != NULL && !g_hash_table_contains (listen->from, path))
    return;
  if (listen->trusting && !view_trust_suffices (dict_string (peer, "Trust"), listen->trust))
    return;
  text = presence_watch_text (&listen->cli->format, peer);
  format_print (text);
}

/* transfers ------------------------------------------------------------------------------------------------------ */

static gboolean
is_trusted (Listen *listen, const char *path)
{
  g_autoptr (GVariant) peer = listen->trusting ? client_properties (listen->client, path, CLIENT_PEER, NULL) : NULL;

  return !listen->trusting || (peer != NULL && view_trust_suffices (dict_string (peer, "Trust"), listen->trust));
}

/* What is new or has another state; how fast it goes is no event. */
static void
on_transfer (GVariant *transfer, TransferNews news, gpointer data)
{
  Listen *listen = data;
  const char *peer = dict_string (transfer, "peer");
  g_autofree char *text = NULL;

  if (news != TRANSFER_NEWS_STATE || (listen->from != NULL && !g_hash_table_contains (listen->from, peer)) || !is_trusted (listen, peer))
    return;
  text = listen->cli->format.json ? transfer_view_event (transfer, "transfer") : transfer_view_line (&listen->cli->format, transfer);
  format_print (text);
}

/* signals ------------------------------------------------------------------------------------------------------ */

static void
on_signal (const char *path, const char *interface, const char *signal, GVariant *arguments, gpointer data)
{
  Listen *listen = data;

  if (g_str_equal (interface, CLIENT_MANAGER) && g_str_equal (signal, "MessageAdded"))
    schedule (listen);
  if (listen->watch != NULL)
    presence_watch_signal (listen->watch, path, interface, signal, arguments);
  if (listen->files != NULL)
    transfer_watch_signal (listen->files, path, interface, signal, arguments);
}

static void
on_connected (gpointer data)
{
  Listen *listen = data;
  GError *problem = NULL;

  if (!listen->started && listen->consumer == NULL && !client_newest (listen->client, &listen->last, &problem))
    {
      if (g_error_matches (problem, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON))
        g_clear_error (&problem);
      else
        end (listen, problem);
      return;
    }
  listen->started = TRUE;
  if (listen->owed > 0 && !acknowledge (listen, listen->owed, &problem))
    end (listen, problem);
  if (listen->watch != NULL)
    presence_watch_refresh (listen->watch, listen->client);
  if (listen->files != NULL)
    transfer_watch_refresh (listen->files);
  schedule (listen);
}

/* start -------------------------------------------------------------------------------------------------------- */

static gboolean
parse_types (Cli *cli, Listen *listen, GError **error)
{
  const char *types = cli_option (cli, "type");
  g_auto (GStrv) words = g_strsplit (types != NULL ? types : "message", ",", -1);

  for (guint i = 0; words[i] != NULL; i++)
    if (g_str_equal (words[i], "message"))
      listen->messages = TRUE;
    else if (g_str_equal (words[i], "presence"))
      listen->presence = TRUE;
    else if (g_str_equal (words[i], "transfer"))
      listen->transfers = TRUE;
    else
      return cli_usage (cli, error, "--type is message, presence or transfer, not '%s'", words[i]) == 0;
  return TRUE;
}

static gboolean
parse_ack (Cli *cli, Listen *listen, GError **error)
{
  const char *ack = cli_option (cli, "ack");

  listen->manual = g_strcmp0 (ack, "manual") == 0;
  if (ack != NULL && !listen->manual && !g_str_equal (ack, "auto"))
    return cli_usage (cli, error, "--ack is auto or manual, not '%s'", ack) == 0;
  if (ack != NULL && listen->consumer == NULL)
    return cli_usage (cli, error, "--ack goes with --consumer") == 0;
  if (listen->manual && listen->program != NULL)
    return cli_usage (cli, error, "with --exec the program's exit status acknowledges") == 0;
  return TRUE;
}

static gboolean
parse (Cli *cli, Listen *listen, GError **error)
{
  const char *trust = cli_option (cli, "trust");

  listen->consumer = cli_option (cli, "consumer");
  listen->program = cli_option (cli, "exec");
  listen->trusting = trust != NULL || listen->program != NULL;
  listen->trust = VIEW_TRUST_PINNED;
  if (!parse_types (cli, listen, error) || !parse_ack (cli, listen, error)
      || (trust != NULL && !view_parse_trust (trust, &listen->trust, error)))
    return FALSE;
  if (listen->program != NULL && (!listen->messages || listen->presence || listen->transfers))
    return cli_usage (cli, error, "--exec is for messages") == 0;
  if (listen->consumer != NULL && (*listen->consumer == '\0' || !g_utf8_validate (listen->consumer, -1, NULL)))
    return cli_usage (cli, error, "--consumer wants a name") == 0;
  return TRUE;
}

/* The program would never run and nobody would know why. */
static gboolean
check_trust (Listen *listen, const char *const *from, GError **error)
{
  if (!listen->trusting || listen->trust < VIEW_TRUST_PINNED)
    return TRUE;
  return presence_watch_check_trust (listen->client, listen->from, listen->trust, from, error);
}

static int
run (Listen *listen, const char *const *from, GError **error)
{
  guint source = 0;

  listen->client = client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, error);
  if (listen->client == NULL || !presence_watch_find (listen->client, from, &listen->from, error)
      || !check_trust (listen, from, error))
    return -1;
  if (listen->presence)
    listen->watch = presence_watch_new (on_presence, listen);
  if (listen->transfers)
    listen->files = transfer_watch_new (listen->client, on_transfer, listen);
  if (listen->manual)
    source = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_stdin, listen);
  client_follow (listen->client, on_signal, on_connected, listen);
  cli_wait (&listen->ended, -1);
  if (source != 0 && listen->error != NULL)
    g_source_remove (source);
  if (listen->error == NULL)
    return 0;
  g_propagate_error (error, g_steal_pointer (&listen->error));
  return -1;
}

int
verb_listen (Cli *cli, GError **error)
{
  g_autofree const char **from = cli_option_all (cli, "from");
  Listen listen = { .cli = cli, .acks = g_string_new (NULL) };
  int status = parse (cli, &listen, error) ? run (&listen, from, error) : -1;

  g_clear_pointer (&listen.hooked, g_variant_unref);
  g_clear_pointer (&listen.from, g_hash_table_unref);
  presence_watch_free (listen.watch);
  transfer_watch_free (listen.files);
  g_string_free (listen.acks, TRUE);
  client_close (listen.client);
  return status;
}
