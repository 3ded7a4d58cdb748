/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A headless client on libpurple's Bonjour, for tests: one JSON object a line on stdin is a command, one on stdout an event.
 *
 *   purple-peer FOLDER
 *   {"command":"login","user":"alice@lan1"}     port, first, last, email, jid, AIM: the account's own settings
 *   {"command":"send","to":"bob@lan2","text":…} plain text, made HTML as a UI does; "html" instead: as it is
 *   {"command":"status","status":"away","text":…}    available away offline
 *   {"command":"close","to":…}                  the window closes: so does the stream
 *   {"command":"flood","to":…,"count":…,"size":…}    texts "0 xxx…", "1 xxx…", …
 *   {"command":"count","count":…}               instead of an event for each message, one "counted" after so many
 *   {"command":"send-file","to":…,"path":…,"cancel-at":…}    cancel-at, here and below: our side cancels once so many bytes went
 *   {"command":"accept-file","file":…,"path":…,"cancel-at":…}    or decline-file, or cancel-file at any time
 *   {"command":"window"}                        as Pidgin and Finch do it: each message is sent from the loop, shown and logged
 *   {"command":"quit"}
 *
 * Events: signed-on, signed-off, error; buddy-on, buddy-off, buddy-status (who, alias, status, text); im (who, html: what the
 * UI gets, text: that without markup); echo (the same for an own one); problem (who, html: what the user would read in red).
 * Of files, numbered by "file" (text): file-sending (to, name), file-offer (who, name, size), file-started, file-progress (bytes; at
 * most a few dozen), file-complete, file-cancelled (by: us, peer; bytes); notice (title, text) is a box that pops up. */

#include <glib.h>
#include <json-glib/json-glib.h>
#include <purple.h>
#include <signal.h>
#include <stdio.h>

#define PROTOCOL "prpl-bonjour"
#define UI "purple-peer"
#define WINDOW_MAX (1024 * 1024)

typedef struct
{
  GMainLoop     *loop;
  PurpleAccount *account;
  gint64         counting; /* messages still to come before "counted"; 0: an event for each */
  gint64         counted;
  gint64         next; /* number that the next one of a flood should have */
  gboolean       in_order;
  gboolean       flooding; /* own messages are not told */
  GString       *window;   /* what a user would see, or NULL */
  gint64         first_time;
} Peer;

static Peer peer;

/* emit: one event; pairs of key and text, NULL at the end. A NULL text is left out. */
static void G_GNUC_NULL_TERMINATED
emit (const char *event, const char *key, ...)
{
  g_autoptr(JsonBuilder) builder = json_builder_new ();
  g_autoptr(JsonNode)    root = NULL;
  g_autofree char       *line = NULL;
  va_list                rest;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "event");
  json_builder_add_string_value (builder, event);

  va_start (rest, key);
  for (; key != NULL; key = va_arg (rest, const char *))
    {
      const char *text = va_arg (rest, const char *);

      if (text == NULL)
        continue;
      json_builder_set_member_name (builder, key);
      json_builder_add_string_value (builder, text);
    }
  va_end (rest);

  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  line = json_to_string (root, FALSE);
  puts (line);
  fflush (stdout);
}

/* libpurple's loop on GLib's: as in its own example client. */

typedef struct
{
  PurpleInputFunction function;
  gpointer            data;
} Input;

static gboolean
on_input (GIOChannel *channel, GIOCondition condition, gpointer data)
{
  Input               *input = data;
  PurpleInputCondition what = 0;

  if (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR))
    what |= PURPLE_INPUT_READ;
  if (condition & (G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL))
    what |= PURPLE_INPUT_WRITE;

  input->function (input->data, g_io_channel_unix_get_fd (channel), what);
  return G_SOURCE_CONTINUE;
}

static guint
add_input (int fd, PurpleInputCondition condition, PurpleInputFunction function, gpointer data)
{
  GIOChannel  *channel = g_io_channel_unix_new (fd);
  Input       *input = g_new (Input, 1);
  GIOCondition wanted = G_IO_HUP | G_IO_ERR | G_IO_NVAL;
  guint        id;

  *input = (Input) { function, data };
  if (condition & PURPLE_INPUT_READ)
    wanted |= G_IO_IN;
  if (condition & PURPLE_INPUT_WRITE)
    wanted |= G_IO_OUT;

  id = g_io_add_watch_full (channel, G_PRIORITY_DEFAULT, wanted, on_input, input, g_free);
  g_io_channel_unref (channel);
  return id;
}

static PurpleEventLoopUiOps loop_ops = {
  .timeout_add = g_timeout_add,
  .timeout_remove = g_source_remove,
  .input_add = add_input,
  .input_remove = g_source_remove,
  .timeout_add_seconds = g_timeout_add_seconds,
};

static void
count (const char *text)
{
  g_autofree char *duration = NULL;
  g_autofree char *counted = NULL;

  if (peer.counted++ == 0)
    peer.first_time = g_get_monotonic_time ();
  if (g_ascii_strtoll (text, NULL, 10) != peer.next++)
    peer.in_order = FALSE;
  if (--peer.counting > 0)
    return;

  duration = g_strdup_printf ("%" G_GINT64_FORMAT, g_get_monotonic_time () - peer.first_time);
  counted = g_strdup_printf ("%" G_GINT64_FORMAT, peer.counted);
  emit ("counted", "count", counted, "microseconds", duration, "order", peer.in_order ? "kept" : "broken", NULL);
}

/* What a client does to show a message, Finch's way: the time, the name, the text without markup. */
static void
show (const char *name, const char *text, time_t when)
{
  if (peer.window->len > WINDOW_MAX)
    g_string_truncate (peer.window, 0);
  g_string_append_printf (peer.window, "%s %s: %s\n", purple_utf8_strftime ("(%H:%M:%S)", localtime (&when)), name, text);
}

static void
on_write (PurpleConversation *conversation, const char *name, const char *alias, const char *html,
          PurpleMessageFlags flags, time_t when)
{
  g_autofree char *text = purple_markup_strip_html (html);
  const char      *who = purple_conversation_get_name (conversation);

  if (peer.window != NULL)
    show (alias != NULL ? alias : who, text, when);
  if (flags & PURPLE_MESSAGE_ERROR)
    emit ("problem", "who", who, "html", html, NULL);
  else if ((flags & PURPLE_MESSAGE_RECV) && peer.counting > 0)
    count (text);
  else if (flags & PURPLE_MESSAGE_RECV)
    emit ("im", "who", who, "html", html, "text", text, NULL);
  else if ((flags & PURPLE_MESSAGE_SEND) && !peer.flooding)
    emit ("echo", "who", who, "html", html, "text", text, NULL);
}

static PurpleConversationUiOps conversation_ops = { .write_conv = on_write };

static void
emit_buddy (const char *event, PurpleBuddy *buddy)
{
  PurpleStatus *status = purple_presence_get_active_status (purple_buddy_get_presence (buddy));
  const char   *text = purple_status_get_attr_string (status, "message"); /* the record's, and no HTML */

  emit (event, "who", purple_buddy_get_name (buddy), "alias", purple_buddy_get_alias (buddy),
        "status", purple_status_get_id (status), "text", text != NULL ? text : "", NULL);
}

static void
on_buddy_on (PurpleBuddy *buddy)
{
  emit_buddy ("buddy-on", buddy);
}

/* Bonjour removes whom it does not see any more; signed-off is never told. */
static void
on_buddy_off (PurpleBuddy *buddy)
{
  emit_buddy ("buddy-off", buddy);
}

static void
on_buddy_status (PurpleBuddy *buddy, PurpleStatus *before, PurpleStatus *after)
{
  emit_buddy ("buddy-status", buddy);
}

static void
on_signed_on (PurpleConnection *connection)
{
  emit ("signed-on", "user", purple_account_get_username (purple_connection_get_account (connection)), NULL);
}

static void
on_signed_off (PurpleConnection *connection)
{
  emit ("signed-off", NULL, NULL);
}

static void
on_error (PurpleConnection *connection, PurpleConnectionError reason, const char *text)
{
  emit ("error", "text", text, NULL);
}

static void
follow_signals (void)
{
  static int handle;

  purple_signal_connect (purple_connections_get_handle (), "signed-on", &handle, PURPLE_CALLBACK (on_signed_on), NULL);
  purple_signal_connect (purple_connections_get_handle (), "signed-off", &handle, PURPLE_CALLBACK (on_signed_off), NULL);
  purple_signal_connect (purple_connections_get_handle (), "connection-error", &handle, PURPLE_CALLBACK (on_error), NULL);
  purple_signal_connect (purple_blist_get_handle (), "buddy-signed-on", &handle, PURPLE_CALLBACK (on_buddy_on), NULL);
  purple_signal_connect (purple_blist_get_handle (), "buddy-removed", &handle, PURPLE_CALLBACK (on_buddy_off), NULL);
  purple_signal_connect (purple_blist_get_handle (), "buddy-status-changed", &handle, PURPLE_CALLBACK (on_buddy_status), NULL);
}

/* Files */

#define PROGRESS_STEPS 20

typedef struct
{
  char  *id;
  gint64 cancel_at; /* bytes, or -1 */
  gint64 told;      /* bytes of the last progress event */
  guint  cancelling;
} File;

static File *
file_of (PurpleXfer *xfer)
{
  static guint last;

  if (xfer->ui_data == NULL)
    {
      File *file = g_new0 (File, 1);

      file->id = g_strdup_printf ("%u", ++last);
      file->cancel_at = -1;
      xfer->ui_data = file;
    }
  return xfer->ui_data;
}

static void
emit_file (const char *event, PurpleXfer *xfer, const char *key, const char *value)
{
  g_autofree char *bytes = g_strdup_printf ("%" G_GSIZE_FORMAT, purple_xfer_get_bytes_sent (xfer));

  emit (event, "file", file_of (xfer)->id, "bytes", bytes, key, value, NULL);
}

static gboolean
cancel_now (gpointer data)
{
  PurpleXfer *xfer = data;

  file_of (xfer)->cancelling = 0;
  purple_xfer_cancel_local (xfer);
  return G_SOURCE_REMOVE;
}

/* From the loop, as a click would come; libpurple does not stand it from within its progress. */
static void
cancel_soon (PurpleXfer *xfer)
{
  if (file_of (xfer)->cancelling == 0)
    file_of (xfer)->cancelling = g_idle_add_full (G_PRIORITY_HIGH, cancel_now, xfer, NULL);
}

static void
on_file_progress (PurpleXfer *xfer, double share)
{
  File  *file = file_of (xfer);
  gint64 bytes = (gint64) purple_xfer_get_bytes_sent (xfer);

  if (file->cancel_at >= 0 && bytes >= file->cancel_at && !purple_xfer_is_completed (xfer))
    cancel_soon (xfer);
  if (bytes - file->told < (gint64) (purple_xfer_get_size (xfer) / PROGRESS_STEPS))
    return;
  file->told = bytes;
  emit_file ("file-progress", xfer, NULL, NULL);
}

static void
on_file_gone (PurpleXfer *xfer)
{
  File *file = xfer->ui_data;

  if (file == NULL)
    return;
  if (file->cancelling != 0)
    g_source_remove (file->cancelling);
  g_free (file->id);
  g_free (file);
  xfer->ui_data = NULL;
}

static PurpleXferUiOps file_ops = { .destroy = on_file_gone, .update_progress = on_file_progress };

/* Nobody is asked: the offer stays until a command answers it. */
static void
on_file_offer (PurpleXfer *xfer)
{
  g_autofree char *size = g_strdup_printf ("%" G_GSIZE_FORMAT, purple_xfer_get_size (xfer));

  emit ("file-offer", "file", file_of (xfer)->id, "who", purple_xfer_get_remote_user (xfer), "name",
        purple_xfer_get_filename (xfer), "size", size, NULL);
}

static void
on_file_started (PurpleXfer *xfer)
{
  emit_file ("file-started", xfer, NULL, NULL);
}

static gboolean
tell_complete (gpointer data)
{
  emit_file ("file-complete", data, NULL, NULL);
  purple_xfer_unref (data);
  return G_SOURCE_REMOVE;
}

/* It calls itself complete before it counts and closes: told when it is back in the loop. */
static void
on_file_complete (PurpleXfer *xfer)
{
  purple_xfer_ref (xfer);
  g_idle_add_full (G_PRIORITY_HIGH, tell_complete, xfer, NULL);
}

static void
on_file_cancelled (PurpleXfer *xfer)
{
  emit_file ("file-cancelled", xfer, "by", purple_xfer_get_status (xfer) == PURPLE_XFER_STATUS_CANCEL_LOCAL ? "us" : "peer");
}

static void
follow_files (void)
{
  static int   handle;
  void        *files = purple_xfers_get_handle ();

  purple_xfers_set_ui_ops (&file_ops);
  purple_signal_connect (files, "file-recv-request", &handle, PURPLE_CALLBACK (on_file_offer), NULL);
  purple_signal_connect (files, "file-send-start", &handle, PURPLE_CALLBACK (on_file_started), NULL);
  purple_signal_connect (files, "file-recv-start", &handle, PURPLE_CALLBACK (on_file_started), NULL);
  purple_signal_connect (files, "file-send-complete", &handle, PURPLE_CALLBACK (on_file_complete), NULL);
  purple_signal_connect (files, "file-recv-complete", &handle, PURPLE_CALLBACK (on_file_complete), NULL);
  purple_signal_connect (files, "file-send-cancel", &handle, PURPLE_CALLBACK (on_file_cancelled), NULL);
  purple_signal_connect (files, "file-recv-cancel", &handle, PURPLE_CALLBACK (on_file_cancelled), NULL);
}

static void *
on_notice (PurpleNotifyMsgType type, const char *title, const char *primary, const char *secondary)
{
  emit ("notice", "title", primary, "text", secondary, NULL);
  return NULL;
}

static PurpleNotifyUiOps notify_ops = { .notify_message = on_notice };

/* Commands */

static const char *
get_text (JsonObject *command, const char *key)
{
  return json_object_get_string_member_with_default (command, key, "");
}

static void
command_login (JsonObject *command)
{
  static const char *const keys[] = { "first", "last", "email", "jid", "AIM" };

  peer.account = purple_account_new (get_text (command, "user"), PROTOCOL);
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (json_object_has_member (command, keys[i]))
      purple_account_set_string (peer.account, keys[i], get_text (command, keys[i]));
  if (json_object_has_member (command, "port"))
    purple_account_set_int (peer.account, "port", (int) json_object_get_int_member (command, "port"));

  purple_accounts_add (peer.account);
  purple_account_set_enabled (peer.account, UI, TRUE);
  purple_savedstatus_activate (purple_savedstatus_new (NULL, PURPLE_STATUS_AVAILABLE));
}

static PurpleConversation *
open_conversation (const char *who)
{
  PurpleConversation *conversation = purple_find_conversation_with_account (PURPLE_CONV_TYPE_IM, who, peer.account);

  return conversation != NULL ? conversation : purple_conversation_new (PURPLE_CONV_TYPE_IM, peer.account, who);
}

static void
say (const char *who, const char *text)
{
  g_autofree char *escaped = g_markup_escape_text (text, -1);
  g_autofree char *html = purple_strreplace (escaped, "\n", "<br>");

  purple_conv_im_send (PURPLE_CONV_IM (open_conversation (who)), html);
}

static void
command_send (JsonObject *command)
{
  const char *who = get_text (command, "to");

  if (json_object_has_member (command, "html"))
    purple_conv_im_send (PURPLE_CONV_IM (open_conversation (who)), get_text (command, "html"));
  else
    say (who, get_text (command, "text"));
}

typedef struct
{
  char  *to, *filling;
  gint64 count, next;
} Flood;

static gboolean
flood_one (gpointer data)
{
  Flood           *flood = data;
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT " %s", flood->next++, flood->filling);

  peer.flooding = TRUE;
  say (flood->to, text);
  peer.flooding = FALSE;
  return flood->next < flood->count;
}

static void
flood_free (gpointer data)
{
  Flood *flood = data;

  g_free (flood->to);
  g_free (flood->filling);
  g_free (flood);
}

/* All at once; with a window one in each turn of the loop, as nobody types faster. */
static void
command_flood (JsonObject *command)
{
  Flood *flood = g_new0 (Flood, 1);

  flood->to = g_strdup (get_text (command, "to"));
  flood->filling = g_strnfill ((gsize) json_object_get_int_member_with_default (command, "size", 100), 'x');
  flood->count = json_object_get_int_member (command, "count");
  if (peer.window != NULL)
    {
      g_idle_add_full (G_PRIORITY_DEFAULT, flood_one, flood, flood_free);
      return;
    }
  while (flood_one (flood))
    ;
  flood_free (flood);
}

static void
command_count (JsonObject *command)
{
  peer.counting = json_object_get_int_member (command, "count");
  peer.counted = peer.next = 0;
  peer.in_order = TRUE;
  emit ("counting", NULL, NULL);
}

static void
command_window (JsonObject *command)
{
  peer.window = g_string_new (NULL);
  purple_prefs_set_bool ("/purple/logging/log_ims", TRUE);
}

static void
command_status (JsonObject *command)
{
  g_autofree char *html = g_markup_escape_text (get_text (command, "text"), -1);

  purple_account_set_status (peer.account, get_text (command, "status"), TRUE, "message", html, NULL);
}

static void
command_close (JsonObject *command)
{
  purple_conversation_destroy (open_conversation (get_text (command, "to")));
}

/* The transfer that a command means, or NULL and an error event. */
static PurpleXfer *
find_file (JsonObject *command)
{
  for (GList *item = purple_xfers_get_all (); item != NULL; item = item->next)
    if (g_str_equal (file_of (item->data)->id, get_text (command, "file")))
      return item->data;
  emit ("error", "text", "no such file", NULL);
  return NULL;
}

/* As the protocol's own send_file(), which asks for the path if it is not told. */
static PurpleXfer *
new_file (PurpleConnection *connection, const char *who)
{
  PurplePlugin *protocol = purple_connection_get_prpl (connection);

  return PURPLE_PLUGIN_PROTOCOL_INFO (protocol)->new_xfer (connection, who);
}

static void
command_send_file (JsonObject *command)
{
  PurpleConnection *connection = purple_account_get_connection (peer.account);
  const char       *who = get_text (command, "to");
  PurpleXfer       *xfer = new_file (connection, who);

  file_of (xfer)->cancel_at = json_object_get_int_member_with_default (command, "cancel-at", -1);
  emit ("file-sending", "file", file_of (xfer)->id, "to", who, "path", get_text (command, "path"), NULL);
  purple_xfer_request_accepted (xfer, get_text (command, "path"));
}

static void
command_accept_file (JsonObject *command)
{
  PurpleXfer *xfer = find_file (command);

  if (xfer == NULL)
    return;
  file_of (xfer)->cancel_at = json_object_get_int_member_with_default (command, "cancel-at", -1);
  purple_xfer_request_accepted (xfer, get_text (command, "path"));
}

static void
command_decline_file (JsonObject *command)
{
  PurpleXfer *xfer = find_file (command);

  if (xfer != NULL)
    purple_xfer_request_denied (xfer);
}

static void
command_cancel_file (JsonObject *command)
{
  PurpleXfer *xfer = find_file (command);

  if (xfer != NULL)
    purple_xfer_cancel_local (xfer);
}

static void
command_quit (JsonObject *command)
{
  g_main_loop_quit (peer.loop);
}

static const struct
{
  const char *name;
  void (*run) (JsonObject *command);
} commands[] = {
  { "login", command_login }, { "send", command_send },   { "flood", command_flood }, { "count", command_count },
  { "window", command_window }, { "status", command_status }, { "close", command_close }, { "quit", command_quit },
  { "send-file", command_send_file }, { "accept-file", command_accept_file },
  { "decline-file", command_decline_file }, { "cancel-file", command_cancel_file },
};

static void
obey (const char *line)
{
  g_autoptr(JsonParser) parser = json_parser_new ();
  g_autoptr(GError)     err = NULL;
  JsonObject           *command;

  if (!json_parser_load_from_data (parser, line, -1, &err))
    {
      emit ("error", "text", err->message, NULL);
      return;
    }
  command = json_node_get_object (json_parser_get_root (parser));

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (commands[i].name, get_text (command, "command")))
      {
        commands[i].run (command);
        return;
      }
  emit ("error", "text", "no such command", NULL);
}

static gboolean
on_command (GIOChannel *channel, GIOCondition condition, gpointer data)
{
  g_autofree char *line = NULL;

  if (g_io_channel_read_line (channel, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL)
    {
      g_main_loop_quit (peer.loop);
      return G_SOURCE_REMOVE;
    }
  obey (line);
  return G_SOURCE_CONTINUE;
}

static void
start_core (const char *folder)
{
  static PurpleCoreUiOps core_ops;

  purple_util_set_user_dir (folder);
  purple_debug_set_enabled (FALSE);
  purple_core_set_ui_ops (&core_ops);
  purple_eventloop_set_ui_ops (&loop_ops);
  if (!purple_core_init (UI))
    g_error ("libpurple does not start");

  purple_set_blist (purple_blist_new ());
  purple_blist_load ();
  purple_prefs_load ();
  purple_prefs_set_string ("/purple/away/idle_reporting", "none");
  purple_prefs_set_bool ("/purple/logging/log_ims", FALSE);
  purple_conversations_set_ui_ops (&conversation_ops);
  purple_notify_set_ui_ops (&notify_ops);
  follow_signals ();
  follow_files ();
}

int
main (int argc, char **argv)
{
  GIOChannel *input;

  if (argc != 2)
    {
      fprintf (stderr, "usage: purple-peer FOLDER\n");
      return 2;
    }
  signal (SIGPIPE, SIG_IGN);
  peer.loop = g_main_loop_new (NULL, FALSE);
  start_core (argv[1]);

  input = g_io_channel_unix_new (STDIN_FILENO);
  g_io_add_watch (input, G_IO_IN | G_IO_HUP | G_IO_ERR, on_command, NULL);
  emit ("ready", NULL, NULL);

  g_main_loop_run (peer.loop);
  g_io_channel_unref (input);
  purple_core_quit ();
  g_main_loop_unref (peer.loop);
  return 0;
}
