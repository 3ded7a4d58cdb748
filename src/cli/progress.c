/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/transfer-view.h"

#define JSON_EVERY_US (G_USEC_PER_SEC / 4)
#define STEP 10          /* percent from one plain line to the next */
#define FILES_SHOWN 12   /* more than this are one line */
#define LINES_SHOWN 8    /* that are written over, transfers of several receivers */
#define WIDTH_UNKNOWN 80
#define WIDTH_LEAST 20

/* One transfer. */
typedef struct
{
  gint64    id;
  GVariant *now;
  gboolean  several;
  gint64    began;      /* monotonic, when bytes were first seen to move, or 0 */
  gint64    before;     /* bytes that were there then */
  /* of bars: */
  guint     files_done; /* lines of these files stand and are not written over */
  gboolean  line_done;
  /* of plain lines: */
  int       step;       /* the last one that was printed */
  char     *word;       /* the last state in words that was printed */
  /* of JSON: */
  gint64    printed;    /* monotonic, or 0 */
  gboolean  owed;       /* it changed since */
} Row;

struct _Progress
{
  ProgressHow how;
  Format      format; /* of stderr */
  GPtrArray  *rows;
  guint       live;   /* lines on the screen that are written over */
  char       *shown;  /* and what they are */
  guint       timer;
};

static void
row_free (gpointer data)
{
  Row *row = data;

  g_clear_pointer (&row->now, g_variant_unref);
  g_free (row->word);
  g_free (row);
}

gboolean
progress_parse (Cli *cli, ProgressHow *how, GError **error)
{
  static const char *const words[] = { "none", "auto", "plain", "json" };
  const char *word = cli_option (cli, "progress"), *term = g_getenv ("TERM");
  gboolean smart = term != NULL && *term != '\0' && !g_str_equal (term, "dumb");

  *how = !isatty (STDERR_FILENO) ? PROGRESS_NONE : smart ? PROGRESS_BAR : PROGRESS_PLAIN;
  if (word == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (words[i], word))
      {
        if (i != PROGRESS_BAR) /* auto */
          *how = (ProgressHow) i;
        return TRUE;
      }
  return cli_usage (cli, error, "--progress is auto, plain, json or none, not '%s'", word) == 0;
}

Progress *
progress_new (ProgressHow how, const Format *format)
{
  Progress *progress = g_new0 (Progress, 1);

  progress->how = how;
  progress->format = *format;
  progress->format.tty = isatty (STDERR_FILENO);
  progress->rows = g_ptr_array_new_with_free_func (row_free);
  return progress;
}

/* words ----------------------------------------------------------------------------------------------------------- */

/* What there is to say instead of numbers; "" while bytes move. The caller owns it. */
static char *
describe (const Progress *progress, GVariant *transfer)
{
  static const struct
  {
    const char *state;
    const char *in, *out;
  } words[] = {
    { "offered", "offered", "waiting for a yes" }, { "queued", "waiting", "waiting for the files to be listed" },
    { "waiting-peer", "waiting for the other side", "waiting for the other side" }, { "verifying", "being written out", "being verified" },
    { "active", "", "" }, { "complete", "", "" },
  };
  const char *state = dict_string (transfer, "state"), *reason = transfer_view_reason (dict_string (transfer, "reason"));

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (words[i].state, state))
      return g_strdup (transfer_view_is_outgoing (transfer) ? words[i].out : words[i].in);
  if (g_str_equal (state, "paused") && g_str_has_prefix (reason, "paused"))
    return g_strdup (reason);
  return *reason != '\0' ? g_strdup_printf ("%s: %s", state, reason) : g_strdup (state);
}

/* "juliet: report.pdf" */
static char *
title (const Progress *progress, const Row *row, const char *what)
{
  g_autofree char *text = row->several ? g_strdup_printf ("%s: %s", dict_string (row->now, "peer_name"), what) : g_strdup (what);

  return format_text (&progress->format, text, TEXT_ESCAPE_LINE);
}

static char *
title_of_all (const Progress *progress, const Row *row)
{
  g_autofree char *what = transfer_view_what (row->now);

  return title (progress, row, what);
}

/* plain ------------------------------------------------------------------------------------------------------------ */

static void
say_plain (const Progress *progress, const Row *row, const char *text)
{
  g_autofree char *name = title_of_all (progress, row);

  fflush (stdout);
  fprintf (stderr, "%s: %s\n", name, text);
}

static void
update_plain (Progress *progress, Row *row)
{
  int percent = transfer_view_percent (row->now), step = percent / STEP * STEP;
  g_autofree char *words = describe (progress, row->now), *moved = NULL, *line = NULL;

  if (g_strcmp0 (words, row->word) != 0)
    {
      g_free (row->word);
      row->word = g_strdup (words);
      if (*words != '\0')
        say_plain (progress, row, words);
    }
  if (percent < 0 || step <= row->step || *words != '\0') /* what is not moving has its word */
    return;
  row->step = step;
  moved = transfer_view_moved (row->now, ", ");
  line = g_strdup_printf ("%d%%, %s", step, moved);
  say_plain (progress, row, line);
}

/* JSON ------------------------------------------------------------------------------------------------------------ */

static void
print_json (Row *row)
{
  g_autofree char *line = transfer_view_event (row->now, "progress");

  fputs (line, stderr);
  row->printed = g_get_monotonic_time ();
  row->owed = FALSE;
}

static gboolean
on_timer (gpointer data)
{
  Progress *progress = data;
  gint64 now = g_get_monotonic_time ();

  for (guint i = 0; i < progress->rows->len; i++)
    {
      Row *row = progress->rows->pdata[i];

      if (row->owed && now - row->printed >= JSON_EVERY_US)
        print_json (row);
    }
  return G_SOURCE_CONTINUE;
}

static void
update_json (Progress *progress, Row *row)
{
  row->owed = TRUE;
  if (row->printed == 0 || transfer_view_is_over (row->now) || g_get_monotonic_time () - row->printed >= JSON_EVERY_US)
    print_json (row);
  else if (progress->timer == 0)
    progress->timer = g_timeout_add ((guint) (JSON_EVERY_US / 1000), on_timer, progress);
}

/* bars ------------------------------------------------------------------------------------------------------------ */

static int
terminal_width (void)
{
  struct winsize size;

  if (ioctl (STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return WIDTH_UNKNOWN;
  return MAX (WIDTH_LEAST, size.ws_col);
}

/* @text in at most @width cells, with … or ... in its middle. The caller owns it. */
static char *
shorten (const Progress *progress, const char *text, int width)
{
  const char *mark = progress->format.utf8 ? "\xe2\x80\xa6" : "...";
  int room = width - format_width (mark), head = 0, all = format_width (text);
  GString *out;
  const char *p = text;

  if (all <= width)
    return g_strdup (text);
  out = g_string_new (NULL);
  for (; *p != '\0' && head < room / 2; p = g_utf8_next_char (p))
    head += g_unichar_iswide (g_utf8_get_char (p)) ? 2 : 1;
  g_string_append_len (out, text, p - text);
  g_string_append (out, mark);
  while (format_width (p) > room - head)
    p = g_utf8_next_char (p);
  g_string_append (out, p);
  return g_string_free (out, FALSE);
}

/* "report.pdf  100%  2.1 MB  11 MB/s"; never wider than the terminal, so that it is one line and can be written over. */
static void
put_line (const Progress *progress, GString *out, const char *name, int name_width, int percent, const char *rest, gboolean stays)
{
  int width = terminal_width () - 1;
  g_autofree char *share = percent >= 0 ? g_strdup_printf ("%3d%%  ", percent) : g_strdup ("");
  int room = MAX (8, width - 2 - (int) strlen (share) - format_width (rest));
  g_autofree char *shown = shorten (progress, name, MIN (room, MAX (8, width / 2)));
  g_autofree char *line = NULL, *cut = NULL;
  GString *padded = g_string_new (shown);

  for (int have = format_width (shown); have < MIN (name_width, room); have++)
    g_string_append_c (padded, ' ');
  line = g_strdup_printf ("%s  %s%s", padded->str, share, rest);
  cut = shorten (progress, line, width);
  g_string_append_printf (out, "\r%s\033[K%s", cut, stays ? "\n" : "");
  g_string_free (padded, TRUE);
}

/* The files one by one, where they are few and each size is known. */
static GVariant *
files_of (const Row *row)
{
  g_autoptr (GVariant) files = g_variant_lookup_value (row->now, "files", G_VARIANT_TYPE ("a(sxxa{sv})"));
  gsize n = files != NULL ? g_variant_n_children (files) : 0;
  gint64 sum = 0, size;

  if (n < 2 || n > FILES_SHOWN || row->several || (gint64) n != dict_number (row->now, "named_count"))
    return NULL;
  for (gsize i = 0; i < n; i++)
    {
      g_variant_get_child (files, i, "(&sxx@a{sv})", NULL, &size, NULL, NULL);
      if (size < 0 || size > G_MAXINT64 - sum)
        return NULL;
      sum += size;
    }
  return sum == transfer_view_size (row->now) ? g_steal_pointer (&files) : NULL;
}

static char *
name_of_file (const Progress *progress, const Row *row, GVariant *files, gsize i, gint64 *size)
{
  g_autoptr (GVariant) details = NULL;
  g_autofree char *shown = NULL;
  const char *name;

  g_variant_get_child (files, i, "(&sxx@a{sv})", &name, size, NULL, &details);
  shown = g_strconcat (name, dict_boolean (details, "folder") ? "/" : NULL, NULL);
  return title (progress, row, shown);
}

static int
widest (const Progress *progress, const Row *row, GVariant *files)
{
  int width = 0;
  gint64 size;

  for (gsize i = 0; i < g_variant_n_children (files); i++)
    {
      g_autofree char *name = name_of_file (progress, row, files, i, &size);

      width = MAX (width, format_width (name));
    }
  return width;
}

/* "310 MB of 720 MB  48 MB/s  0:08 left" of a part that has @moved of @size. */
static char *
moved_of (const Row *row, gint64 moved, gint64 size)
{
  g_auto (GVariantDict) part = G_VARIANT_DICT_INIT (row->now);
  gint64 rate = dict_number (row->now, "rate");
  g_autoptr (GVariant) transfer = NULL;

  g_variant_dict_insert (&part, "transferred", "x", moved);
  g_variant_dict_insert (&part, "size", "x", size);
  g_variant_dict_insert (&part, "state", "s", moved >= size ? "complete" : "active");
  g_variant_dict_insert (&part, "expected_end_time", "x", rate > 0 ? g_get_real_time () + (size - moved) / rate * G_USEC_PER_SEC : (gint64) 0);
  transfer = g_variant_ref_sink (g_variant_dict_end (&part));
  return transfer_view_moved (transfer, "  ");
}

/* The files that are done stay above; the one that moves is the line that is written over. Files go in this order, one after the other. */
static void
put_files (Row *row, const Progress *progress, GVariant *files, GString *standing, GString *living)
{
  gint64 moved = dict_number (row->now, "transferred"), before = 0, size;
  int width = widest (progress, row, files);
  gsize n = g_variant_n_children (files);
  gboolean complete = g_str_equal (dict_string (row->now, "state"), "complete");
  g_autofree char *words = describe (progress, row->now);

  for (gsize i = 0; i < n; i++)
    {
      g_autofree char *name = name_of_file (progress, row, files, i, &size);
      gint64 mine = CLAMP (moved - before, 0, size);
      gboolean done = complete || (moved >= before + size && (size > 0 || moved > before));
      g_autofree char *rest = done || *words == '\0' ? moved_of (row, done ? size : mine, size) : g_strdup (words);

      before += size;
      if (done && i < row->files_done)
        continue;
      if (!done)
        {
          put_line (progress, living, name, width, size > 0 ? (int) MIN (99.0, 100.0 * (double) mine / (double) size) : 0, rest, FALSE);
          return;
        }
      row->files_done = (guint) i + 1;
      put_line (progress, standing, name, width, 100, rest, TRUE);
    }
}

/* @live: how many lines are in @living already. */
static void
put_row (Row *row, const Progress *progress, GString *standing, GString *living, guint *live)
{
  g_autoptr (GVariant) files = files_of (row);
  g_autofree char *name = title_of_all (progress, row), *words = describe (progress, row->now);
  g_autofree char *rest = *words != '\0' ? g_strdup (words) : transfer_view_moved (row->now, "  ");
  gboolean over = transfer_view_is_over (row->now);
  gsize before = living->len;

  if (row->line_done)
    return;
  row->line_done = over;
  if (!over && *live >= LINES_SHOWN)
    return;
  if (!over && *live > 0)
    g_string_append_c (living, '\n');
  if (files != NULL && (!over || g_str_equal (dict_string (row->now, "state"), "complete")))
    put_files (row, progress, files, standing, living);
  else
    put_line (progress, over ? standing : living, name, 0, transfer_view_percent (row->now), rest, over);
  *live += living->len > before;
}

static void
go_up (GString *out, guint lines)
{
  g_string_append_c (out, '\r');
  if (lines > 1)
    g_string_append_printf (out, "\033[%uA", lines - 1);
}

static void
redraw (Progress *progress)
{
  g_autoptr (GString) standing = g_string_new (NULL), living = g_string_new (NULL);
  g_autoptr (GString) out = g_string_new (NULL);
  guint live = 0;

  if (progress->live > 0)
    go_up (out, progress->live);
  for (guint i = 0; i < progress->rows->len; i++)
    put_row (progress->rows->pdata[i], progress, standing, living, &live);
  g_string_append (out, standing->str);
  g_string_append (out, living->str);
  g_string_append (out, "\033[J");
  if (standing->len == 0 && live == progress->live && g_strcmp0 (progress->shown, living->str) == 0)
    return;
  progress->live = live;
  g_free (progress->shown);
  progress->shown = g_strdup (living->str);
  fflush (stdout);
  fputs (out->str, stderr);
}

void
progress_clear (Progress *progress)
{
  g_autoptr (GString) out = g_string_new (NULL);

  if (progress == NULL || progress->live == 0)
    return;
  go_up (out, progress->live);
  g_string_append (out, "\033[J");
  fputs (out->str, stderr);
  progress->live = 0;
}

/* ------------------------------------------------------------------------------------------------------------------ */

/* What is over moves no more; for people it has the rate that it had all in all. */
static GVariant *
with_rate (Row *row, GVariant *transfer)
{
  gint64 moved = dict_number (transfer, "transferred"), now = g_get_monotonic_time ();
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (transfer);

  if (row->began == 0 && g_str_equal (dict_string (transfer, "state"), "active"))
    {
      row->began = now;
      row->before = moved;
    }
  if (row->began == 0 || now <= row->began || !g_str_equal (dict_string (transfer, "state"), "complete"))
    return g_variant_ref (transfer);
  g_variant_dict_insert (&dict, "rate", "x",
                         (gint64) ((double) (moved - row->before) * G_USEC_PER_SEC / (double) (now - row->began)));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

void
progress_update (Progress *progress, GVariant *transfer, gboolean several)
{
  gint64 id = dict_number (transfer, "id");
  Row *row = NULL;

  if (progress->how == PROGRESS_NONE)
    return;
  for (guint i = 0; i < progress->rows->len && row == NULL; i++)
    if (((Row *) progress->rows->pdata[i])->id == id)
      row = progress->rows->pdata[i];
  if (row == NULL)
    {
      row = g_new0 (Row, 1);
      row->id = id;
      g_ptr_array_add (progress->rows, row);
    }
  g_clear_pointer (&row->now, g_variant_unref);
  row->now = progress->how == PROGRESS_JSON ? g_variant_ref (transfer) : with_rate (row, transfer);
  row->several = several;
  if (progress->how == PROGRESS_BAR)
    redraw (progress);
  else if (progress->how == PROGRESS_PLAIN)
    update_plain (progress, row);
  else
    update_json (progress, row);
}

void
progress_free (Progress *progress)
{
  if (progress == NULL)
    return;
  for (guint i = 0; progress->how == PROGRESS_JSON && i < progress->rows->len; i++)
    if (((Row *) progress->rows->pdata[i])->owed)
      print_json (progress->rows->pdata[i]);
  if (progress->live > 0) /* of one that goes on: how far it is stays to be read */
    fputc ('\n', stderr);
  if (progress->timer != 0)
    g_source_remove (progress->timer);
  g_ptr_array_unref (progress->rows);
  g_free (progress->shown);
  g_free (progress);
}
