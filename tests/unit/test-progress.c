/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/progress.h"

/* stderr at a terminal, or in a file, while something is shown. */
typedef struct
{
  int       master, was;
  Progress *progress;
} Screen;

static void
screen_open (Screen *screen, ProgressHow how, guint columns)
{
  Format format = { .utf8 = TRUE };
  struct winsize size = { .ws_row = 24, .ws_col = (unsigned short) columns };
  struct termios raw;
  int slave;

  screen->master = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
  g_assert_cmpint (grantpt (screen->master) + unlockpt (screen->master), ==, 0);
  slave = open (ptsname (screen->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  g_assert_cmpint (slave, >=, 0);
  g_assert_cmpint (tcgetattr (slave, &raw), ==, 0);
  cfmakeraw (&raw);
  g_assert_cmpint (tcsetattr (slave, TCSANOW, &raw), ==, 0);
  g_assert_cmpint (ioctl (slave, TIOCSWINSZ, &size), ==, 0);
  screen->was = dup (STDERR_FILENO);
  g_assert_cmpint (dup2 (slave, STDERR_FILENO), ==, STDERR_FILENO);
  close (slave);
  screen->progress = progress_new (how, &format);
}

/* What was written; the caller owns it. */
static char *
screen_close (Screen *screen)
{
  GString *text = g_string_new (NULL);
  char bytes[4096];
  ssize_t n;

  g_clear_pointer (&screen->progress, progress_free);
  dup2 (screen->was, STDERR_FILENO);
  close (screen->was);
  while ((n = read (screen->master, bytes, sizeof bytes)) > 0) /* EIO after the last byte: no slave is open */
    g_string_append_len (text, bytes, n);
  close (screen->master);
  return g_string_free (text, FALSE);
}

/* What is seen in the end: "\r" goes back, "\033[K" and "\033[J" erase, "\033[NA" goes up. Lines without trailing blanks. */
static char *
render (const char *text)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  guint row = 0, column = 0;

  g_ptr_array_add (lines, g_strdup (""));
  for (const char *p = text; *p != '\0'; p++)
    {
      char *line = lines->pdata[row];

      if (*p == '\n')
        {
          if (++row == lines->len)
            g_ptr_array_add (lines, g_strdup (""));
          column = 0;
        }
      else if (*p == '\r')
        column = 0;
      else if (g_str_has_prefix (p, "\033[K") || g_str_has_prefix (p, "\033[J"))
        {
          if (column < strlen (line))
            line[column] = '\0';
          if (p[2] == 'J')
            g_ptr_array_set_size (lines, (int) row + 1);
          p += 2;
        }
      else if (*p == '\033')
        {
          char *end;
          guint up = (guint) strtoul (p + 2, &end, 10);

          g_assert_cmpint (*end, ==, 'A');
          g_assert_cmpint (up, <=, row);
          row -= up;
          p = end;
        }
      else
        {
          lines->pdata[row] = column < strlen (line) ? g_strdup_printf ("%.*s%c%s", (int) column, line, *p, line + column + 1)
                                                     : g_strdup_printf ("%s%c", line, *p);
          g_free (line);
          column++;
        }
    }
  for (guint i = 0; i < lines->len; i++)
    g_strchomp (lines->pdata[i]);
  g_ptr_array_add (lines, NULL);
  return g_strjoinv ("\n", (char **) lines->pdata);
}

static GVariant *
transfer (guint64 id, const char *state, gint64 moved, gint64 rate, const char *files)
{
  g_autoptr (GVariant) list = g_variant_parse (G_VARIANT_TYPE ("a(sxxa{sv})"), files, NULL, NULL, NULL);
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  const char *name;
  gint64 size, all = 0;

  g_assert_nonnull (list);
  for (gsize i = g_variant_n_children (list); i > 0; i--)
    {
      g_variant_get_child (list, i - 1, "(&sxx@a{sv})", &name, &size, NULL, NULL);
      all = size < 0 ? -1 : all + size;
    }
  g_variant_dict_insert (&dict, "id", "t", id);
  g_variant_dict_insert (&dict, "peer_name", "s", id == 1 ? "juliet" : "nurse");
  g_variant_dict_insert (&dict, "direction", "s", "out");
  g_variant_dict_insert (&dict, "name", "s", name);
  g_variant_dict_insert (&dict, "named_count", "u", (guint32) g_variant_n_children (list));
  g_variant_dict_insert (&dict, "state", "s", state);
  g_variant_dict_insert (&dict, "size", "x", all);
  g_variant_dict_insert (&dict, "transferred", "x", moved);
  g_variant_dict_insert (&dict, "rate", "x", rate);
  if (rate > 0 && all >= 0)
    g_variant_dict_insert (&dict, "expected_end_time", "x", g_get_real_time () + (all - moved) / rate * G_USEC_PER_SEC);
  g_variant_dict_insert_value (&dict, "files", list);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static void
show (Screen *screen, gboolean several, guint64 id, const char *state, gint64 moved, gint64 rate, const char *files)
{
  g_autoptr (GVariant) now = transfer (id, state, moved, rate, files);

  progress_update (screen->progress, now, several);
}

#define ONE "[('report.pdf', 2104331, 0, {})]"
#define TWO "[('report.pdf', 2104331, 0, {}), ('photos', 720000000, 0, {'folder': <true>})]"

static void
test_one (void)
{
  Screen screen;
  g_autofree char *text = NULL, *seen = NULL;

  screen_open (&screen, PROGRESS_BAR, 80);
  show (&screen, FALSE, 1, "offered", 0, 0, ONE);
  show (&screen, FALSE, 1, "active", 1000000, 500000, ONE);
  show (&screen, FALSE, 1, "complete", 2104331, 0, ONE);
  text = screen_close (&screen);
  seen = render (text);
  g_assert_true (g_str_has_prefix (seen, "report.pdf  100%  2.1 MB  "));
  g_assert_true (g_str_has_suffix (seen, "B/s\n"));
  g_assert_nonnull (strstr (text, "report.pdf    0%  waiting for a yes"));
  g_assert_nonnull (strstr (text, "report.pdf   47%  1.0 MB of 2.1 MB  500 kB/s  0:02 left"));
}

/* As the manual shows it: what is done stays, what moves is written over. */
static void
test_files (void)
{
  Screen screen;
  g_autofree char *text = NULL, *seen = NULL;

  screen_open (&screen, PROGRESS_BAR, 80);
  show (&screen, FALSE, 1, "active", 1000, 11000000, TWO);
  show (&screen, FALSE, 1, "active", 100000000, 48000000, TWO);
  show (&screen, FALSE, 1, "active", 312104331, 48000000, TWO);
  text = screen_close (&screen);
  seen = render (text);
  g_assert_cmpstr (seen, ==,
                   "report.pdf  100%  2.1 MB  48 MB/s\n"
                   "photos/      43%  310 MB of 720 MB  48 MB/s  0:08 left\n");
}

static void
test_receivers (void)
{
  Screen screen;
  g_autofree char *text = NULL, *seen = NULL;

  screen_open (&screen, PROGRESS_BAR, 80);
  show (&screen, TRUE, 1, "active", 1000000, 0, ONE);
  show (&screen, TRUE, 2, "waiting-peer", 0, 0, ONE);
  show (&screen, TRUE, 1, "complete", 2104331, 0, ONE);
  show (&screen, TRUE, 2, "rejected", 0, 0, ONE);
  text = screen_close (&screen);
  seen = render (text);
  g_assert_true (g_str_has_prefix (seen, "juliet: report.pdf  100%  2.1 MB  "));
  g_assert_true (g_str_has_suffix (seen, "B/s\nnurse: report.pdf    0%  rejected\n"));
}

/* A line that wrapped could not be written over. */
static void
test_narrow (void)
{
  Screen screen;
  g_autofree char *text = NULL, *seen = NULL;
  g_auto (GStrv) lines = NULL;

  screen_open (&screen, PROGRESS_BAR, 40);
  show (&screen, FALSE, 1, "active", 1, 1, "[('a-very-long-name-\xe6\x96\x87\xe6\x96\x87\xe6\x96\x87-that-does-not-fit-\x1b[31m-at-all.tar.gz', 1000000000, 0, {})]");
  text = screen_close (&screen);
  seen = render (text);
  lines = g_strsplit (seen, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 2);
  g_assert_cmpint (format_width (lines[0]), <, 40);
  g_assert_null (strstr (text, "\033[31m"));
  g_assert_nonnull (strstr (lines[0], "\xe2\x80\xa6"));
}

static void
test_plain (void)
{
  Screen screen;
  g_autofree char *text = NULL;

  screen_open (&screen, PROGRESS_PLAIN, 80);
  show (&screen, FALSE, 1, "offered", 0, 0, ONE);
  show (&screen, FALSE, 1, "active", 100, 0, ONE);
  show (&screen, FALSE, 1, "active", 250000, 0, ONE);
  show (&screen, FALSE, 1, "active", 260000, 0, ONE);
  show (&screen, FALSE, 1, "active", 1200000, 1000000, ONE);
  show (&screen, FALSE, 1, "paused", 1200000, 0, ONE);
  show (&screen, FALSE, 1, "complete", 2104331, 0, ONE);
  text = screen_close (&screen);
  g_assert_true (g_str_has_suffix (text, "B/s\n")); /* of all of it, by the clock */
  *strrchr (text, ',') = '\0';
  g_assert_cmpstr (text, ==,
                   "report.pdf: waiting for a yes\n"
                   "report.pdf: 10%, 250 kB of 2.1 MB\n"
                   "report.pdf: 50%, 1.2 MB of 2.1 MB, 1.0 MB/s, 0:00 left\n"
                   "report.pdf: paused\n"
                   "report.pdf: 100%, 2.1 MB");
}

/* Many changes at once are two lines: the first and the last. */
static void
test_json (void)
{
  Screen screen;
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  gint64 begin = g_get_monotonic_time (), most;

  screen_open (&screen, PROGRESS_JSON, 80);
  for (gint64 moved = 0; moved < 2000000; moved += 1000)
    show (&screen, FALSE, 1, "active", moved, 1, ONE);
  show (&screen, FALSE, 1, "complete", 2104331, 0, ONE);
  show (&screen, FALSE, 2, "active", 5, 0, ONE);
  show (&screen, FALSE, 2, "active", 6, 0, ONE); /* interrupted: the last one all the same */
  text = screen_close (&screen);
  lines = g_strsplit (text, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), >=, 5);
  most = 5 + (g_get_monotonic_time () - begin) * 4 / G_USEC_PER_SEC;
  g_assert_cmpuint (g_strv_length (lines), <=, most);
  for (guint i = 0; lines[i + 1] != NULL; i++)
    {
      g_autoptr (JsonNode) node = json_from_string (lines[i], NULL);

      g_assert_nonnull (node);
    }
  g_assert_nonnull (strstr (text, "\"transferred\":2104331,\"rate\":0,\"state\":\"complete\""));
  g_assert_nonnull (strstr (text, "\"transferred\":6,"));
}

static void
test_none (void)
{
  Screen screen;
  g_autofree char *text = NULL;

  screen_open (&screen, PROGRESS_NONE, 80);
  show (&screen, FALSE, 1, "complete", 2104331, 0, ONE);
  text = screen_close (&screen);
  g_assert_cmpstr (text, ==, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/progress/one", test_one);
  g_test_add_func ("/progress/files", test_files);
  g_test_add_func ("/progress/receivers", test_receivers);
  g_test_add_func ("/progress/narrow", test_narrow);
  g_test_add_func ("/progress/plain", test_plain);
  g_test_add_func ("/progress/json", test_json);
  g_test_add_func ("/progress/none", test_none);
  return g_test_run ();
}
