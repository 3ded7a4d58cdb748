/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

/* How far transfers are, on stderr: lines that are written over again at a terminal, whole lines at each 10 % for screen readers and
 * logs, JSON Lines at most four a second for each transfer and always the last one, or nothing. */

typedef enum
{
  PROGRESS_NONE,
  PROGRESS_BAR,
  PROGRESS_PLAIN,
  PROGRESS_JSON,
} ProgressHow;

#define PROGRESS_OPTION { "progress", 0, "HOW", "on stderr: auto (a terminal only), plain lines, json or none" }

/* progress_parse: what --progress and the terminal say. */
gboolean progress_parse (Cli *cli, ProgressHow *how, GError **error);

typedef struct _Progress Progress;

Progress *progress_new (ProgressHow how, const Format *format);
/* progress_free: the terminal's cursor stands at the beginning of a line then. */
void progress_free (Progress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Progress, progress_free)

/* progress_update: @transfer as transfer-watch has it. @several: there are other transfers, so that each line says whose it is. */
void progress_update (Progress *progress, GVariant *transfer, gboolean several);
/* progress_clear: the lines that would be written over are gone, before something else is printed. */
void progress_clear (Progress *progress);
