/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/chat-line.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <editline/readline.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/format.h"

/* The editor keeps its state in globals, and so do we. */
static struct
{
  ChatLineFunc on_line;
  ChatLineKey  on_key;
  gpointer     data;
  char        *prompt;
  gboolean     in_line; /* within on_line: the terminal is as usual */
  guint        input, resize;
} chat;

static void
take_line (char *line)
{
  chat.in_line = TRUE;
  if (line != NULL && *line != '\0')
    add_history (line);
  if (line == NULL)
    putchar ('\n');
  chat.on_line (line, chat.data);
  chat.in_line = FALSE;
  free (line);
}

static gboolean
on_input (int fd, GIOCondition condition, gpointer data)
{
  if (!(condition & G_IO_IN))
    {
      chat.on_line (NULL, chat.data);
      return G_SOURCE_CONTINUE;
    }
  rl_callback_read_char ();
  if (rl_line_buffer != NULL)
    chat.on_key (rl_end > 0, chat.data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_resize (gpointer data)
{
  rl_resize_terminal ();
  return G_SOURCE_CONTINUE;
}

void
chat_line_open (const char *prompt, ChatLineFunc on_line, ChatLineKey on_key, gpointer data)
{
  chat.on_line = on_line;
  chat.on_key = on_key;
  chat.data = data;
  chat.prompt = g_strdup (prompt);
  rl_readline_name = "hearby";
  rl_catch_signals = 0;
  using_history ();
  stifle_history (1000);
  rl_callback_handler_install (chat.prompt, take_line);
  chat.input = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, NULL);
  chat.resize = g_unix_signal_add (SIGWINCH, on_resize, NULL);
}

/* From wherever the cursor is in the line being typed to the start of that line, which is wiped. */
static void
wipe (void)
{
  struct winsize size = { 0 };
  g_autofree char *before = rl_line_buffer != NULL ? g_utf8_make_valid (rl_line_buffer, rl_point) : g_strdup ("");
  int cells = format_width (chat.prompt) + format_width (before);
  int rows = ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? cells / size.ws_col : 0;

  if (rows > 0)
    printf ("\033[%dA", rows);
  fputs ("\r\033[J", stdout);
}

void
chat_line_close (void)
{
  if (chat.input == 0)
    return;
  g_source_remove (chat.input);
  g_source_remove (chat.resize);
  chat.input = 0;
  wipe ();
  fflush (stdout);
  rl_callback_handler_remove ();
  g_clear_pointer (&chat.prompt, g_free);
}

void
chat_line_print (const char *text)
{
  if (chat.input == 0 || chat.in_line)
    {
      format_print (text);
      return;
    }
  wipe ();
  format_print (text);
  rl_forced_update_display ();
}

void
chat_line_set_prompt (const char *prompt)
{
  if (chat.input == 0 || g_str_equal (prompt, chat.prompt))
    return;
  if (!chat.in_line)
    wipe ();
  g_free (chat.prompt);
  chat.prompt = g_strdup (prompt);
  rl_set_prompt (chat.prompt);
  if (!chat.in_line)
    {
      fflush (stdout);
      rl_forced_update_display ();
    }
}
