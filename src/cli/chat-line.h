/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The line editor of `chat` on a terminal. There is one terminal, so there is one of these. */

/* chat_line_open: @on_line gets what was typed, without its newline and owned by the editor, NULL at the end (^D);
 * @on_key is called after each key with whether something stands in the line. */
typedef void (*ChatLineFunc) (const char *line, gpointer data);
typedef void (*ChatLineKey) (gboolean filled, gpointer data);
void chat_line_open (const char *prompt, ChatLineFunc on_line, ChatLineKey on_key, gpointer data);
void chat_line_close (void);

/* chat_line_print: @text (escaped already, ends in a newline) above the line that is being typed. */
void chat_line_print (const char *text);
void chat_line_set_prompt (const char *prompt);
