/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/chat-line.h"

#include <glib-unix.h>
#include <histedit.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/format.h"

#define REMEMBERED 1000
#define END "\004" /* how the editor tells of ^D in an empty line */

static struct
{
  EditLine    *editor;
  History     *history;
  ChatLineFunc on_line;
  ChatLineKey  on_key;
  gpointer     data;
  char        *prompt;
  gboolean     in_line; /* within on_line: the terminal is as usual */
  guint        input, resize;
} chat;

static char *
get_prompt (EditLine *editor)
{
  return chat.prompt;
}

/* @line without its newline, NULL for the end. The editor lets go of the terminal meanwhile. */
static void
take_line (const char *line)
{
  HistEvent event;

  el_set (chat.editor, EL_UNBUFFERED, 0);
  chat.in_line = TRUE;
  if (line != NULL && *line != '\0')
    history (chat.history, &event, H_ENTER, line);
  if (line == NULL)
    format_print ("\n");
  chat.on_line (line, chat.data);
  chat.in_line = FALSE;
  el_set (chat.editor, EL_UNBUFFERED, 1);
}

static gboolean
on_input (int fd, GIOCondition condition, gpointer data)
{
  int n = 0;
  /* what stands in the line, also while it is not finished */
  const char *text = condition & G_IO_IN ? el_gets (chat.editor, &n) : NULL;
  const LineInfo *line = el_line (chat.editor);

  if (text != NULL && (text[n - 1] == '\n' || text[n - 1] == '\r'))
    {
      g_autofree char *whole = g_strndup (text, (gsize) n - 1);
      take_line (whole);
    }
  else if (text != NULL ? n == 1 && g_str_has_prefix (text, END) : (condition & (G_IO_HUP | G_IO_ERR)) != 0)
    take_line (NULL);
  else
    chat.on_key (line->lastchar > line->buffer, chat.data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_resize (gpointer data)
{
  el_resize (chat.editor);
  return G_SOURCE_CONTINUE;
}

void
chat_line_open (const char *prompt, ChatLineFunc on_line, ChatLineKey on_key, gpointer data)
{
  HistEvent event;

  chat.on_line = on_line;
  chat.on_key = on_key;
  chat.data = data;
  chat.prompt = g_strdup (prompt);
  chat.history = history_init ();
  history (chat.history, &event, H_SETSIZE, REMEMBERED);
  chat.editor = el_init ("hearby", stdin, stdout, stderr);
  el_set (chat.editor, EL_EDITOR, "emacs");
  el_set (chat.editor, EL_PROMPT, get_prompt);
  el_set (chat.editor, EL_HIST, history, chat.history);
  el_set (chat.editor, EL_UNBUFFERED, 1);
  chat.input = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, NULL);
  chat.resize = g_unix_signal_add (SIGWINCH, on_resize, NULL);
}

/* From wherever the cursor is in the line being typed to the start of that line, which is wiped. */
static void
wipe (void)
{
  const LineInfo *line = el_line (chat.editor);
  g_autofree char *before = g_utf8_make_valid (line->buffer, line->cursor - line->buffer);
  int cells = format_width (chat.prompt) + format_width (before);
  struct winsize size = { 0 };
  int rows = ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? cells / size.ws_col : 0;

  if (rows > 0)
    printf ("\033[%dA", rows);
  fputs ("\r\033[J", stdout);
  fflush (stdout);
}

void
chat_line_close (void)
{
  if (chat.editor == NULL)
    return;
  g_source_remove (chat.input);
  g_source_remove (chat.resize);
  wipe ();
  el_set (chat.editor, EL_UNBUFFERED, 0);
  el_end (chat.editor);
  history_end (chat.history);
  chat.editor = NULL;
  g_clear_pointer (&chat.prompt, g_free);
}

void
chat_line_print (const char *text)
{
  if (chat.editor == NULL || chat.in_line)
    {
      format_print (text);
      return;
    }
  wipe ();
  format_print (text);
  el_set (chat.editor, EL_REFRESH);
}

void
chat_line_set_prompt (const char *prompt)
{
  if (chat.editor == NULL || g_str_equal (prompt, chat.prompt))
    return;
  if (!chat.in_line)
    wipe ();
  g_free (chat.prompt);
  chat.prompt = g_strdup (prompt);
  if (!chat.in_line)
    el_set (chat.editor, EL_REFRESH);
}
