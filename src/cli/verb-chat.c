/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/chat-line.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/presence-watch.h"
#include "cli/view.h"

#define PAGE 100
#define SHOWN_BEFORE 10
#define PAUSE_S 10                          /* XEP-0085 5.1 leaves it open */
#define INPUT_MAX (6 * LIMIT_BODY + 1024)   /* a body of which every byte is a \u escape */

typedef struct
{
  Cli           *cli;
  Client        *client;
  char         **paths;
  GHashTable    *peers;  /* the same as a set */
  char          *name;   /* as it is shown */
  gboolean       person; /* at a terminal; else JSON Lines both ways */
  PresenceWatch *watch;
  gboolean       started;
  guint64        last;     /* seq that was dealt with */
  guint64        own;      /* seq of the last message from here, or 0 */
  char          *own_state;
  GHashTable    *typed;    /* seqs that this terminal shows already */
  const char    *typing;   /* what the peer was told of us */
  guint          pause;    /* source, or 0 */
  guint          drain;    /* source, or 0 */
  GString       *input;    /* unfinished line of JSON */
  int            signal;   /* that ends us, or 0 */
  gboolean       done;
  GError        *error;
} Chat;

/* What is said to the person, above the line that is typed. */
static void G_GNUC_PRINTF (2, 3)
say (Chat *chat, const char *format, ...)
{
  g_autofree char *text = NULL, *shown = NULL, *line = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  if (!chat->person)
    {
      cli_note ("%s", text);
      return;
    }
  shown = format_text (&chat->cli->format, text, TEXT_ESCAPE_MULTILINE);
  line = g_strdup_printf ("-- %s\n", shown);
  chat_line_print (line);
}

static void
say_error (Chat *chat, const GError *error)
{
  g_auto (GStrv) lines = g_strsplit (error->message, "\n", 3);

  say (chat, "error: %s", lines[0]);
  if (lines[1] != NULL)
    say (chat, "hint: %s", lines[1]);
}

static void
fail (Chat *chat, GError *error)
{
  /* A daemon that has gone is waited for. */
  if (chat->error == NULL && !g_error_matches (error, HEARBY_ERROR, HEARBY_ERROR_NO_DAEMON))
    {
      chat->error = error;
      chat->done = TRUE;
    }
  else
    g_error_free (error);
}

/* typing -------------------------------------------------------------------------------------------------------- */

static void
set_typing (Chat *chat, const char *state)
{
  if (g_strcmp0 (chat->typing, state) == 0)
    return;
  chat->typing = state;
  for (guint i = 0; chat->paths[i] != NULL; i++)
    client_set_typing (chat->client, chat->paths[i], state);
}

static gboolean
on_pause (gpointer data)
{
  Chat *chat = data;

  chat->pause = 0;
  set_typing (chat, "paused");
  return G_SOURCE_REMOVE;
}

static void
on_key (gboolean filled, gpointer data)
{
  Chat *chat = data;

  if (chat->pause != 0)
    g_source_remove (chat->pause);
  chat->pause = filled ? g_timeout_add_seconds (PAUSE_S, on_pause, chat) : 0;
  if (filled || g_strcmp0 (chat->typing, "composing") == 0 || g_strcmp0 (chat->typing, "paused") == 0)
    set_typing (chat, filled ? "composing" : "active");
}

static void
show_typing (Chat *chat, const char *path, const char *state)
{
  gboolean writes = g_str_equal (state, "composing");
  g_autofree char *prompt = g_strdup_printf ("%s%s> ", chat->name, writes ? " is typing" : "");
  JsonBuilder *builder;

  if (chat->person)
    {
      chat_line_set_prompt (prompt);
      return;
    }
  builder = format_json_begin ();
  format_json_string (builder, "type", "typing");
  format_json_string (builder, "peer_id", client_path_id (path));
  format_json_string (builder, "state", state);
  format_json_end (builder);
}

/* sending -------------------------------------------------------------------------------------------------------- */

static gboolean
send_body (Chat *chat, const char *body, guint64 replaces, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) answer = NULL;
  g_autoptr (GVariantIter) iter = NULL;
  guint64 seq;

  if (replaces > 0)
    g_variant_dict_insert (&options, "replaces", "t", replaces);
  answer = client_manager (chat->client, "SendMessage",
                           g_variant_new ("(@aos@a{sv})",
                                          g_variant_new_objv ((const char *const *) chat->paths, -1), body,
                                          g_variant_dict_end (&options)),
                           error);
  if (answer == NULL)
    return FALSE;
  g_variant_get (answer, "(at)", &iter);
  while (g_variant_iter_next (iter, "t", &seq))
    {
      g_hash_table_add (chat->typed, g_memdup2 (&seq, sizeof seq));
      chat->own = replaces > 0 ? replaces : seq;
      g_free (chat->own_state);
      chat->own_state = g_strdup ("queued");
    }
  chat->typing = "active"; /* the message says so itself */
  return TRUE;
}

static void
send_typed (Chat *chat, const char *body, guint64 replaces)
{
  g_autoptr (GError) problem = NULL;

  if (!g_utf8_validate (body, -1, NULL))
    say (chat, "error: that is not valid UTF-8 and was not sent");
  else if (strlen (body) > LIMIT_BODY)
    say (chat, "error: a message is at most %d KiB", LIMIT_BODY / 1024);
  else if (!send_body (chat, body, replaces, &problem))
    say_error (chat, problem);
}

/* commands ------------------------------------------------------------------------------------------------------ */

static void
command_help (Chat *chat, const char *rest)
{
  say (chat, "/me TEXT       say what you do\n"
             "   /edit TEXT     replace your last message\n"
             "   /status        who is there, and how far your last message came\n"
             "   /quit          leave; ^D too\n"
             "   //TEXT         send a text that starts with /");
}

static void
command_me (Chat *chat, const char *rest)
{
  g_autofree char *body = g_strconcat ("/me ", rest, NULL);

  if (*rest == '\0')
    say (chat, "/me wants a text");
  else
    send_typed (chat, body, 0);
}

static void
command_edit (Chat *chat, const char *rest)
{
  if (chat->own == 0 || *rest == '\0')
    say (chat, chat->own == 0 ? "there is nothing to edit yet" : "/edit wants the new text");
  else
    send_typed (chat, rest, chat->own);
}

static void
command_status (Chat *chat, const char *rest)
{
  for (guint i = 0; chat->paths[i] != NULL; i++)
    {
      g_autoptr (GVariant) peer = client_properties (chat->client, chat->paths[i], CLIENT_PEER, NULL);

      if (peer != NULL)
        say (chat, "%s is %s (%s) %s", dict_string (peer, "Name"), view_peer_word (peer), dict_string (peer, "Trust"),
             dict_string (peer, "StatusText"));
    }
  if (chat->own_state != NULL)
    say (chat, "your last message: %s", chat->own_state);
}

static void
command_quit (Chat *chat, const char *rest)
{
  chat->done = TRUE;
}

static const struct
{
  const char *word;
  void (*run) (Chat *chat, const char *rest);
} commands[] = {
  { "/help", command_help },     { "/me", command_me },     { "/edit", command_edit },
  { "/status", command_status }, { "/quit", command_quit },
};

static void
run_command (Chat *chat, const char *line)
{
  gsize len = strcspn (line, " ");

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strlen (commands[i].word) == len && strncmp (commands[i].word, line, len) == 0)
      {
        commands[i].run (chat, line + len + strspn (line + len, " "));
        return;
      }
  say (chat, "there is no such command; /help lists them, //… sends it as it is");
}

static void
on_line (const char *line, gpointer data)
{
  Chat *chat = data;

  if (line == NULL)
    chat->done = TRUE;
  else if (g_str_has_prefix (line, "//"))
    send_typed (chat, line + 1, 0);
  else if (*line == '/')
    run_command (chat, line);
  else if (*line != '\0')
    send_typed (chat, line, 0);
}

/* JSON Lines on stdin -------------------------------------------------------------------------------------------- */

/* "text", {"body":…, "replaces":…}, {"typing":…} */
static gboolean
take_object (Chat *chat, JsonNode *node, GError **error)
{
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *body = NULL, *typing = NULL;
  gint64 replaces = 0;

  if (object == NULL && json_node_get_value_type (node) == G_TYPE_STRING)
    body = json_node_get_string (node);
  if (object != NULL)
    {
      body = json_object_get_string_member_with_default (object, "body", NULL);
      typing = json_object_get_string_member_with_default (object, "typing", NULL);
      replaces = json_object_get_int_member_with_default (object, "replaces", 0);
    }
  if (body == NULL && typing == NULL)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                   "a line is neither a JSON string nor an object with \"body\" or \"typing\"");
      return FALSE;
    }
  for (guint i = 0; typing != NULL && g_utf8_validate (typing, -1, NULL) && chat->paths[i] != NULL; i++)
    client_set_typing (chat->client, chat->paths[i], typing);
  return body == NULL || send_body (chat, body, (guint64) MAX (replaces, 0), error);
}

static void
take_json (Chat *chat, const char *line)
{
  g_autoptr (GError) problem = NULL, bad = NULL;
  g_autoptr (JsonNode) node = NULL;
  JsonBuilder *builder;

  if (*line == '\0')
    return;
  node = g_utf8_validate (line, -1, NULL) ? json_from_string (line, &bad) : NULL;
  if (node == NULL)
    g_set_error (&problem, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "a line is not JSON");
  else
    take_object (chat, node, &problem);
  if (problem == NULL)
    return;
  cli_print_error (problem);
  builder = format_json_begin ();
  cli_add_json_error (builder, problem);
  format_json_end (builder);
}

static gboolean
on_stdin (int fd, GIOCondition condition, gpointer data)
{
  Chat *chat = data;
  char bytes[4096];
  ssize_t n = read (fd, bytes, sizeof bytes);
  char *newline;

  g_string_append_len (chat->input, bytes, MAX (n, 0));
  while ((newline = memchr (chat->input->str, '\n', chat->input->len)) != NULL)
    {
      *newline = '\0';
      take_json (chat, chat->input->str);
      g_string_erase (chat->input, 0, newline - chat->input->str + 1);
    }
  if (chat->input->len > INPUT_MAX)
    fail (chat, g_error_new (HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "a line of stdin is too long"));
  if (n > 0)
    return G_SOURCE_CONTINUE;
  take_json (chat, chat->input->str);
  chat->done = TRUE;
  return G_SOURCE_CONTINUE;
}

/* what happens ---------------------------------------------------------------------------------------------------- */

/* "/me waves" as "* juliet waves" */
static char *
action_line (Chat *chat, GVariant *message)
{
  const char *body = dict_string (message, "body");
  g_autofree char *text = NULL, *name = NULL;

  if (!g_str_has_prefix (body, "/me "))
    return NULL;
  text = format_text (&chat->cli->format, body + strlen ("/me "), TEXT_ESCAPE_MULTILINE);
  name = format_text (&chat->cli->format, dict_string (message, "name"), TEXT_ESCAPE_LINE);
  return g_strdup_printf ("* %s %s\n", g_str_equal (dict_string (message, "direction"), "in") ? name : "I", text);
}

static void
show_message (Chat *chat, GVariant *message)
{
  gint64 seq = dict_number (message, "seq");
  gboolean incoming = g_str_equal (dict_string (message, "direction"), "in");
  g_autofree char *line = NULL;

  if (!chat->person)
    {
      line = view_message_object (message);
      format_print (line);
    }
  else if (incoming || !g_hash_table_contains (chat->typed, &seq))
    {
      line = action_line (chat, message);
      if (line == NULL)
        line = view_message_line (&chat->cli->format, message, VIEW_BOTH, NULL);
      chat_line_print (line);
    }
  if (incoming && chat->person)
    client_mark_read (chat->client, dict_string (message, "peer"), (guint64) seq);
}

static GVariant *
fetch (Chat *chat, gboolean newest, guint limit, GError **error)
{
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert_value (&filter, "peers", g_variant_new_objv ((const char *const *) chat->paths, -1));
  g_variant_dict_insert (&filter, "limit", "u", limit);
  if (newest)
    g_variant_dict_insert (&filter, "newest", "b", TRUE);
  else
    g_variant_dict_insert (&filter, "since_seq", "t", chat->last);
  return client_messages (chat->client, g_variant_dict_end (&filter), error);
}

static void
show_page (Chat *chat, GVariant *page)
{
  for (gsize i = 0; i < g_variant_n_children (page); i++)
    {
      g_autoptr (GVariant) message = g_variant_get_child_value (page, i);

      chat->last = (guint64) dict_number (message, "seq");
      show_message (chat, message);
    }
}

static void
drain (Chat *chat)
{
  gsize n = PAGE;

  while (n == PAGE && !chat->done)
    {
      GError *problem = NULL;
      g_autoptr (GVariant) page = fetch (chat, FALSE, PAGE, &problem);

      n = page != NULL ? g_variant_n_children (page) : 0;
      if (page != NULL)
        show_page (chat, page);
      else
        fail (chat, problem);
    }
}

static gboolean
on_drain (gpointer data)
{
  Chat *chat = data;

  chat->drain = 0;
  if (!client_is_lost (chat->client))
    drain (chat);
  return G_SOURCE_REMOVE;
}

static void
on_changed (Chat *chat, GVariant *arguments)
{
  g_autoptr (GVariant) changed = NULL;
  const char *state;
  guint64 seq;
  JsonBuilder *builder;

  g_variant_get (arguments, "(t@a{sv})", &seq, &changed);
  state = dict_string (changed, "state");
  if (*state == '\0' || !g_hash_table_contains (chat->typed, &seq))
    return;
  if (seq == chat->own)
    {
      g_free (chat->own_state);
      chat->own_state = g_strdup (state);
    }
  if (!chat->person)
    {
      builder = format_json_begin ();
      format_json_string (builder, "type", "state");
      format_json_number (builder, "seq", (gint64) seq);
      format_json_string (builder, "state", state);
      format_json_string (builder, "reason", dict_string (changed, "reason"));
      format_json_end (builder);
    }
  else if (g_str_equal (state, "failed") || g_str_equal (state, "held") || g_str_equal (state, "expired"))
    say (chat, "a message of yours is %s %s", state, dict_string (changed, "reason"));
}

/* Conversation1.Typing of the peer. */
static void
on_properties (Chat *chat, const char *path, GVariant *arguments)
{
  g_autoptr (GVariant) dict = NULL;
  g_autofree char *peer = g_strconcat (CLIENT_ROOT "/peers/p", client_path_id (path), NULL);
  const char *interface, *state;

  g_variant_get (arguments, "(&s@a{sv}as)", &interface, &dict, NULL);
  if (g_str_equal (interface, CLIENT_CONVERSATION) && g_hash_table_contains (chat->peers, peer)
      && g_variant_lookup (dict, "Typing", "&s", &state))
    show_typing (chat, peer, state);
}

static void
on_signal (const char *path, const char *interface, const char *signal, GVariant *arguments, gpointer data)
{
  Chat *chat = data;

  if (g_str_equal (signal, "MessageAdded") && chat->started && chat->drain == 0)
    chat->drain = g_idle_add (on_drain, chat);
  else if (g_str_equal (signal, "MessageChanged") && g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(ta{sv})")))
    on_changed (chat, arguments);
  else if (g_str_equal (signal, "PropertiesChanged")
           && g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(sa{sv}as)")))
    on_properties (chat, path, arguments);
  presence_watch_signal (chat->watch, path, interface, signal, arguments);
}

static void
on_presence (const char *path, GVariant *peer, gpointer data)
{
  Chat *chat = data;
  g_autofree char *text = NULL;

  if (!g_hash_table_contains (chat->peers, path))
    return;
  text = presence_watch_text (&chat->cli->format, peer);
  if (chat->person)
    chat_line_print (text);
  else
    format_print (text);
}

/* At a terminal the last lines of before are shown; a program gets only what is new. */
static void
begin (Chat *chat)
{
  GError *problem = NULL;
  g_autoptr (GVariant) page = NULL;

  if (!client_newest (chat->client, &chat->last, &problem))
    {
      fail (chat, problem);
      return;
    }
  chat->started = TRUE;
  if (!chat->person)
    return;
  page = fetch (chat, TRUE, SHOWN_BEFORE, NULL);
  if (page != NULL)
    show_page (chat, page);
}

static void
on_connected (gpointer data)
{
  Chat *chat = data;

  if (chat->started)
    drain (chat);
  else
    begin (chat);
  presence_watch_refresh (chat->watch, chat->client);
}

/* start and end ---------------------------------------------------------------------------------------------------- */

static gboolean
on_interrupt (gpointer data)
{
  Chat *chat = data;

  chat->signal = SIGINT;
  chat->done = TRUE;
  return G_SOURCE_CONTINUE;
}

static gboolean
on_terminate (gpointer data)
{
  Chat *chat = data;

  chat->signal = SIGTERM;
  chat->done = TRUE;
  return G_SOURCE_CONTINUE;
}

/* A program hears of all that it sent, also after it closed our stdin. */
static void
drain_rest (Chat *chat)
{
  if (chat->error != NULL || chat->signal != 0 || !chat->started || client_is_lost (chat->client))
    return;
  chat->done = FALSE;
  drain (chat);
}

static void
converse (Chat *chat)
{
  g_autofree char *prompt = g_strconcat (chat->name, "> ", NULL);
  guint interrupt = g_unix_signal_add (SIGINT, on_interrupt, chat);
  guint terminate = g_unix_signal_add (SIGTERM, on_terminate, chat);
  guint hangup = g_unix_signal_add (SIGHUP, on_terminate, chat);
  guint input = 0;

  chat->watch = presence_watch_new (on_presence, chat);
  client_follow (chat->client, on_signal, on_connected, chat);
  if (chat->person)
    chat_line_open (prompt, on_line, on_key, chat);
  else
    input = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_stdin, chat);
  cli_wait (&chat->done, -1);
  if (input != 0)
    g_source_remove (input);
  if (!chat->person)
    drain_rest (chat);
  set_typing (chat, "gone");
  chat_line_close ();
  g_source_remove (interrupt);
  g_source_remove (terminate);
  g_source_remove (hangup);
  if (chat->drain != 0)
    g_source_remove (chat->drain);
  if (chat->pause != 0)
    g_source_remove (chat->pause);
}

static gboolean
open_chat (Chat *chat, GError **error)
{
  const char *names[] = { chat->cli->args[0], NULL };

  chat->client = client_open (CLIENT_MAY_START | CLIENT_ANNOUNCE, error);
  if (chat->client == NULL)
    return FALSE;
  chat->paths = client_find (chat->client, names[0], error);
  if (chat->paths == NULL)
    return FALSE;
  chat->peers = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; chat->paths[i] != NULL; i++)
    g_hash_table_add (chat->peers, chat->paths[i]);
  chat->name = format_text (&chat->cli->format, names[0], TEXT_ESCAPE_LINE);
  return TRUE;
}

/* In the C locale the editor swallows whatever is not ASCII, and today's terminals speak UTF-8 all the same. */
static void
take_utf8 (Cli *cli)
{
  const char *locale = setlocale (LC_CTYPE, NULL);

  if ((g_strcmp0 (locale, "C") == 0 || g_strcmp0 (locale, "POSIX") == 0) && setlocale (LC_CTYPE, "C.UTF-8") != NULL)
    cli->format.utf8 = TRUE;
}

int
verb_chat (Cli *cli, GError **error)
{
  Chat chat = { .cli = cli };
  gboolean ok;

  chat.person = isatty (STDIN_FILENO) && cli->format.tty && !cli->format.json;
  cli->format.json = !chat.person;
  if (chat.person)
    take_utf8 (cli);
  chat.input = g_string_new (NULL);
  chat.typed = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  ok = open_chat (&chat, error);
  if (ok)
    converse (&chat);
  if (chat.error != NULL)
    {
      g_propagate_error (error, chat.error);
      ok = FALSE;
    }
  presence_watch_free (chat.watch);
  client_close (chat.client);
  g_clear_pointer (&chat.peers, g_hash_table_unref);
  g_hash_table_unref (chat.typed);
  g_string_free (chat.input, TRUE);
  g_strfreev (chat.paths);
  g_free (chat.name);
  g_free (chat.own_state);
  /* Who started us sees what ended us. */
  if (chat.signal != 0)
    raise (chat.signal);
  return ok ? 0 : -1;
}
