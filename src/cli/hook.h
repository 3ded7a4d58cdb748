/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Programs that the user lets act on messages, without a shell. */

/* hook_run: runs @program for @message: its JSON on stdin, HEARBY_* in the environment. @done gets the exit status (128 +
 * signal, where one ended it). FALSE: it could not be started. */
typedef void (*HookDone) (int status, gpointer data);
gboolean hook_run (const char *program, GVariant *message, HookDone done, gpointer data, GError **error);

/* hook_wrap: runs @argv with our own stdin, stdout and stderr and waits; signals for us that end programs go to it. @status is what
 * a shell would say, @word what became of it: "ok" "failed (2)" "killed by signal 9". The caller owns *@word. */
gboolean hook_wrap (char **argv, int *status, char **word, GError **error);
