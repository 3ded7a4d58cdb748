/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what hostile names and links become is what traversal.tsv says, the disk takes it, and nothing gets out of the folder: the kernel
 * itself is asked. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limits.h"
#include "transfer/filename.h"

static const char *data_file;

/* The file ------------------------------------------------------------------------------------------------ */

/* Bytes of a column; @len may be NULL where there is no NUL in them. */
static char *
unescape (const char *column, gsize *len)
{
  GString *out = g_string_new (NULL);

  for (const char *p = column; *p != '\0'; p++)
    if (*p != '\\')
      g_string_append_c (out, *p);
    else if (p[1] == '\\')
      g_string_append_c (out, *++p);
    else
      {
        g_assert_true (p[1] == 'x' && g_ascii_isxdigit (p[2]) && g_ascii_isxdigit (p[3]));
        g_string_append_c (out, (char) (g_ascii_xdigit_value (p[2]) << 4 | g_ascii_xdigit_value (p[3])));
        p += 3;
      }
  if (len != NULL)
    *len = out->len;
  return g_string_free (out, FALSE);
}

/* @check of the columns of each line of that @kind. Answers how many there were. */
static guint
for_each (const char *kind, void (*check) (char **columns, gpointer data), gpointer data)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint n = 0;

  g_assert_true (g_file_get_contents (data_file, &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) columns = g_strsplit (lines[i], "\t", -1);

      if (g_strcmp0 (columns[0], kind) != 0)
        continue;
      g_test_message ("%s", lines[i]);
      g_assert_cmpuint (g_strv_length (columns), ==, 4);
      check (columns, data);
      n++;
    }
  return n;
}

/* Folders that go with the test. -------------------------------------------------------------------------- */

typedef struct
{
  char *outer;  /* nothing but @inner may ever be in it */
  char *inner;
  int   fd;     /* of @inner */
} Target;

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);

  for (const char *name; dir != NULL && (name = g_dir_read_name (dir)) != NULL;)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_remove (path);
}

static void
make_inner (Target *target)
{
  g_assert_cmpint (g_mkdir (target->inner, 0700), ==, 0);
  target->fd = open (target->inner, O_RDONLY | O_DIRECTORY);
  g_assert_cmpint (target->fd, >=, 0);
}

static void
setup (Target *target, gconstpointer data)
{
  target->outer = g_dir_make_tmp ("hearby-traversal-XXXXXX", NULL);
  target->inner = g_build_filename (target->outer, "Downloads", NULL);
  make_inner (target);
}

static guint
count_names (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

/* A new folder for the next name. */
static void
empty (Target *target)
{
  g_assert_cmpuint (count_names (target->outer), ==, 1);
  close (target->fd);
  remove_tree (target->inner);
  make_inner (target);
}

static void
teardown (Target *target, gconstpointer data)
{
  close (target->fd);
  remove_tree (target->outer);
  g_free (target->inner);
  g_free (target->outer);
}

/* As the kernel sees it: 0, or an errno; EXDEV for what leads out of @fd. */
static int
resolve_beneath (int fd, const char *path)
{
  struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
  int             opened = (int) syscall (SYS_openat2, fd, path, &how, sizeof how);

  if (opened < 0)
    return errno;
  close (opened);
  return 0;
}

static gboolean
kernel_knows (const Target *target)
{
  return resolve_beneath (target->fd, ".") == 0;
}

/* Names --------------------------------------------------------------------------------------------------- */

static void
make_file (int fd, const char *path)
{
  int file = openat (fd, path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0600);

  g_assert_cmpint (file, >=, 0);
  close (file);
}

static void
make_folders (int fd, const char *path)
{
  g_autofree char *part = g_strdup (path);

  for (char *p = strchr (part, '/'); p != NULL; p = strchr (p + 1, '/'))
    {
      *p = '\0';
      if (mkdirat (fd, part, 0700) != 0)
        g_assert_cmpint (errno, ==, EEXIST);
      *p = '/';
    }
}

static void
check_top (Target *target, const char *sent, gsize len, const char *expected)
{
  g_autofree char *clean = filename_clean (sent, (gssize) len);
  g_autofree char *again = filename_clean (clean, -1);
  g_autofree char *numbered = filename_numbered (clean, 1);

  g_assert_cmpstr (clean, ==, expected);
  g_assert_cmpstr (again, ==, clean);
  g_assert_true (g_utf8_validate (clean, -1, NULL));
  g_assert_true (filename_split_is_safe (clean));
  make_file (target->fd, clean);
  make_file (target->fd, numbered);
  g_assert_cmpuint (count_names (target->inner), ==, 2);
}

static void
check_path (Target *target, const char *sent, gsize len, const char *expected)
{
  g_autofree char *clean = strlen (sent) == len ? filename_clean_path (sent) : NULL; /* manifests refuse NUL */
  g_autofree char *again = clean != NULL ? filename_clean_path (clean) : NULL;

  g_assert_cmpstr (clean, ==, expected);
  if (clean == NULL)
    return;
  g_assert_cmpstr (again, ==, clean);
  make_folders (target->fd, clean);
  make_file (target->fd, clean);
  g_assert_cmpuint (count_names (target->inner), ==, 1);
  if (kernel_knows (target))
    g_assert_cmpint (resolve_beneath (target->fd, clean), ==, 0);
}

static void
check_name (char **columns, gpointer data)
{
  gsize            len;
  g_autofree char *sent = unescape (columns[1], &len);
  g_autofree char *top = unescape (columns[2], NULL);
  g_autofree char *path = strcmp (columns[3], "!") != 0 ? unescape (columns[3], NULL) : NULL;

  check_top (data, sent, len, top);
  empty (data);
  check_path (data, sent, len, path);
  empty (data);
}

static void
test_names (Target *target, gconstpointer data)
{
  g_assert_cmpuint (for_each ("name", check_name, target), >=, 250);
}

/* Links --------------------------------------------------------------------------------------------------- */

static void
check_link (char **columns, gpointer data)
{
  Target          *target = data;
  g_autofree char *to = unescape (columns[2], NULL);
  g_autofree char *clean = filename_clean_target (to);
  gboolean         inside = filename_link_is_inside (columns[1], to);
  int              top;

  g_assert_cmpstr (inside ? "inside" : "outside", ==, columns[3]);
  g_assert_cmpint (filename_link_is_inside (columns[1], clean), ==, inside);
  if (!inside || !kernel_knows (target))
    return;
  make_folders (target->fd, columns[1]);
  g_assert_cmpint (symlinkat (clean, target->fd, columns[1]), ==, 0);
  top = openat (target->fd, "d", O_PATH | O_DIRECTORY);
  g_assert_cmpint (resolve_beneath (top, columns[1] + strlen ("d/")), !=, EXDEV);
  close (top);
  empty (target);
}

static void
test_links (Target *target, gconstpointer data)
{
  g_assert_cmpuint (for_each ("link", check_link, target), >=, 100);
}

/* Links on links: what is allowed one by one leads out by no path. ---------------------------------------- */

static const char *const names[] = { "a", "b", "c" };

static char *
random_path (guint most, gboolean may_climb)
{
  GString *path = g_string_new (NULL);
  guint    n = (guint) g_test_rand_int_range (1, (gint32) most + 1);

  for (guint i = 0; i < n; i++)
    {
      gboolean climbs = may_climb && g_test_rand_bit ();

      g_string_append_printf (path, "%s%s", i > 0 ? "/" : "", climbs ? ".." : names[g_test_rand_int_range (0, G_N_ELEMENTS (names))]);
    }
  return g_string_free (path, FALSE);
}

static void
add_link (Target *target, guint *n)
{
  g_autofree char *below = random_path (3, FALSE);
  g_autofree char *path = g_strconcat ("d/", below, NULL);
  g_autofree char *to = random_path (4, TRUE);
  g_autofree char *folder = g_path_get_dirname (path);
  struct open_how  how = { .flags = O_PATH | O_DIRECTORY, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
  int              fd = (int) syscall (SYS_openat2, target->fd, folder, &how, sizeof how);

  if (fd < 0)
    return; /* it leads through a link, or is not there: not made by a receiver either */
  if (filename_link_is_inside (path, to) && symlinkat (to, fd, strrchr (path, '/') + 1) == 0)
    ++*n;
  close (fd);
}

static guint
try_one_tree (Target *target)
{
  guint n = 0;
  int   top;

  g_assert_cmpint (mkdirat (target->fd, "d", 0700), ==, 0);
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *below = random_path (3, FALSE);
      g_autofree char *path = g_strconcat ("d/", below, "/", NULL);

      make_folders (target->fd, path);
    }
  for (guint i = 0; i < 16; i++)
    add_link (target, &n);
  top = openat (target->fd, "d", O_PATH | O_DIRECTORY);
  for (guint i = 0; i < 200; i++)
    {
      g_autofree char *path = random_path (5, FALSE);

      g_assert_cmpint (resolve_beneath (top, path), !=, EXDEV);
    }
  close (top);
  empty (target);
  return n;
}

static void
test_links_on_links (Target *target, gconstpointer data)
{
  guint n = 0;

  if (!kernel_knows (target))
    {
      g_test_skip ("this kernel has no openat2()");
      return;
    }
  for (guint i = 0; i < 300; i++)
    n += try_one_tree (target);
  g_assert_cmpuint (n, >, 100);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  data_file = argv[1];
  g_test_add ("/traversal/names", Target, NULL, setup, test_names, teardown);
  g_test_add ("/traversal/links", Target, NULL, setup, test_links, teardown);
  g_test_add ("/traversal/links on links", Target, NULL, setup, test_links_on_links, teardown);
  return g_test_run ();
}
