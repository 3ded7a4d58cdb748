/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: the key that was made is the key that is found, whatever happened in between: files of others,
 * damage, a full disk, a kill; and nobody but the user gets to see it. */
#include "store/identity.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "secure/identity-text.h"

typedef struct
{
  char *top, *folder, *path, *old_path, *new_path;
} Place;

static void
setup (Place *place, gconstpointer data)
{
  place->top = g_dir_make_tmp ("hearby-identity-XXXXXX", NULL);
  place->folder = g_build_filename (place->top, "data", NULL);
  place->path = g_build_filename (place->folder, "identity.key", NULL);
  place->old_path = g_strconcat (place->path, ".old", NULL);
  place->new_path = g_strconcat (place->path, ".new", NULL);
}

static void
teardown (Place *place, gconstpointer data)
{
  char *paths[] = { place->path, place->old_path, place->new_path, place->folder, place->top };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_remove (paths[i]);
      g_free (paths[i]);
    }
}

static Identity *
load (Place *place, const char *passphrase)
{
  g_autoptr (GError) error = NULL;
  Identity *identity = identity_load_or_create (place->path, passphrase, &error);

  g_assert_no_error (error);
  g_assert_nonnull (identity);
  return identity;
}

static void
assert_same (const Identity *a, const Identity *b)
{
  g_assert_cmpmem (identity_public (a), X25519_KEY, identity_public (b), X25519_KEY);
  g_assert_cmpmem (identity_secret (a), X25519_KEY, identity_secret (b), X25519_KEY);
}

static void
assert_other (const Identity *a, const Identity *b)
{
  g_assert_cmpint (memcmp (identity_public (a), identity_public (b), X25519_KEY), !=, 0);
}

/* One line that says what is wrong, and one that says what to do. */
static void
assert_error (const GError *error, HearbyError code)
{
  g_auto (GStrv) lines = NULL;

  g_assert_error (error, HEARBY_ERROR, (int)code);
  lines = g_strsplit (error->message, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 2);
}

static void
assert_refused (Place *place, const char *passphrase, HearbyError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (identity_load_or_create (place->path, passphrase, &error));
  assert_error (error, code);
}

static char *
content (const char *path)
{
  char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

static void
assert_content (const char *path, const char *text)
{
  g_autofree char *found = content (path);

  g_assert_cmpstr (found, ==, text);
}

static guint
mode_of (const char *path)
{
  struct stat info;

  g_assert_cmpint (lstat (path, &info), ==, 0);
  return info.st_mode & 07777;
}

static void
put (const char *path, const char *text)
{
  g_assert_true (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

/* The key and nothing else is in the folder. */
static void
assert_alone (Place *place)
{
  g_autoptr (GDir) dir = g_dir_open (place->folder, 0, NULL);

  g_assert_cmpstr (g_dir_read_name (dir), ==, "identity.key");
  g_assert_null (g_dir_read_name (dir));
}

static void
test_create (Place *place, gconstpointer data)
{
  g_autoptr (Identity) made = NULL;
  g_autoptr (Identity) found = NULL;
  guint8 public[X25519_KEY];
  mode_t before = umask (0);

  made = load (place, NULL);
  umask (before);
  g_assert_cmpuint (mode_of (place->folder), ==, 0700);
  g_assert_cmpuint (mode_of (place->path), ==, 0600);
  assert_alone (place);
  x25519_public (public, identity_secret (made));
  g_assert_cmpmem (public, X25519_KEY, identity_public (made), X25519_KEY);
  g_assert_true (x25519_is_acceptable (public));
  found = load (place, NULL);
  assert_same (made, found);
  identity_free (NULL);
}

static void
test_each_its_own (Place *place, gconstpointer data)
{
  g_autoptr (Identity) one = load (place, NULL);
  g_autoptr (Identity) other = NULL;

  g_assert_cmpint (g_rename (place->path, place->old_path), ==, 0);
  other = load (place, NULL);
  assert_other (one, other);
}

/* A umask that takes everything. */
static void
test_umask (Place *place, gconstpointer data)
{
  mode_t before;

  g_assert_cmpint (g_mkdir (place->folder, 0700), ==, 0);
  before = umask (0777);
  identity_free (load (place, NULL));
  umask (before);
  g_assert_cmpuint (mode_of (place->path), ==, 0600);
}

static void
test_modes (Place *place, gconstpointer data)
{
  static const mode_t refused[] = { 0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666, 0777 };
  static const mode_t taken[] = { 0600, 0400, 0700 };
  g_autofree char *text = NULL;

  identity_free (load (place, NULL));
  text = content (place->path);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_assert_cmpint (g_chmod (place->path, refused[i]), ==, 0);
      assert_refused (place, NULL, HEARBY_ERROR_ACCESS_DENIED);
      g_assert_cmpuint (mode_of (place->path), ==, refused[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (taken); i++)
    {
      g_assert_cmpint (g_chmod (place->path, taken[i]), ==, 0);
      identity_free (load (place, NULL));
    }
  assert_content (place->path, text);
}

static void
test_folder (Place *place, gconstpointer data)
{
  identity_free (load (place, NULL));
  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpint (g_chmod (place->folder, i == 0 ? 0720 : 0702), ==, 0);
      assert_refused (place, NULL, HEARBY_ERROR_ACCESS_DENIED);
    }
  g_assert_cmpint (g_chmod (place->folder, 0755), ==, 0);
  identity_free (load (place, NULL));
}

static void
test_links (Place *place, gconstpointer data)
{
  g_autofree char *elsewhere = g_build_filename (place->top, "elsewhere", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  identity_free (load (place, NULL));
  text = content (place->path);
  g_assert_cmpint (g_rename (place->path, elsewhere), ==, 0);
  g_assert_cmpint (symlink (elsewhere, place->path), ==, 0);
  assert_refused (place, NULL, HEARBY_ERROR_ACCESS_DENIED);
  g_assert_null (identity_replace (place->path, NULL, &error));
  assert_error (error, HEARBY_ERROR_ACCESS_DENIED);
  assert_content (elsewhere, text);
  g_assert_cmpint (g_remove (elsewhere), ==, 0); /* now it points nowhere */
  assert_refused (place, NULL, HEARBY_ERROR_ACCESS_DENIED);
  g_assert_false (g_file_test (elsewhere, G_FILE_TEST_EXISTS));
}

static void
test_no_files (Place *place, gconstpointer data)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (g_mkdir (place->folder, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (place->path, 0700), ==, 0);
  assert_refused (place, NULL, HEARBY_ERROR_ACCESS_DENIED);
  g_rmdir (place->path);
  g_assert_cmpint (mkfifo (place->path, 0600), ==, 0);
  assert_refused (place, NULL, HEARBY_ERROR_ACCESS_DENIED);
  g_remove (place->path);
  g_assert_cmpuint (g_strlcpy (address.sun_path, place->path, sizeof address.sun_path), <,
                    sizeof address.sun_path);
  g_assert_cmpint (bind (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  assert_refused (place, NULL, HEARBY_ERROR_ACCESS_DENIED);
  close (fd);
}

/* Only root can give files away. */
static void
test_owner (Place *place, gconstpointer data)
{
  identity_free (load (place, NULL));
  if (geteuid () != 0 || chown (place->path, 65534, (gid_t)-1) != 0)
    return;
  assert_refused (place, NULL, HEARBY_ERROR_ACCESS_DENIED);
  g_assert_cmpint (chown (place->path, 0, (gid_t)-1), ==, 0);
  g_assert_cmpint (chown (place->folder, 65534, (gid_t)-1), ==, 0);
  assert_refused (place, NULL, HEARBY_ERROR_ACCESS_DENIED);
}

static void
test_damaged (Place *place, gconstpointer data)
{
  static const char *const texts[] = { "", "\n", "hearby identity 0\n", "hearby identity 9\nwhatever\n",
                                       "-----BEGIN OPENSSH PRIVATE KEY-----\n" };
  g_autofree char *text = NULL;
  g_autofree char *cut = NULL;
  g_autofree char *padded = NULL;

  identity_free (load (place, NULL));
  text = content (place->path);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      put (place->path, texts[i]);
      assert_refused (place, NULL, HEARBY_ERROR_FILE_ERROR);
      assert_content (place->path, texts[i]);
    }
  cut = g_strndup (text, strlen (text) - 1);
  put (place->path, cut);
  assert_refused (place, NULL, HEARBY_ERROR_FILE_ERROR);
  padded = g_strdup_printf ("%s%*s", text, LIMIT_IDENTITY_TEXT, "");
  put (place->path, padded);
  assert_refused (place, NULL, HEARBY_ERROR_FILE_ERROR);
  assert_content (place->path, padded);
}

/* Gigabytes are asked for: answered at once. */
static void
test_huge_numbers (Place *place, gconstpointer data)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) parts = NULL;
  g_autofree char *changed = NULL;

  identity_free (load (place, "wherefore"));
  text = content (place->path);
  parts = g_strsplit (text, "argon2id13 3 268435456 ", 2);
  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  changed = g_strjoinv ("argon2id13 3 4294967295 ", parts);
  put (place->path, changed);
  assert_refused (place, "wherefore", HEARBY_ERROR_FILE_ERROR);
}

static void
test_passphrase (Place *place, gconstpointer data)
{
  g_autoptr (Identity) made = load (place, "wherefore");
  g_autoptr (Identity) found = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = content (place->path);

  g_assert_null (strstr (text, "secret"));
  g_assert_true (identity_is_locked (place->path, &error));
  assert_refused (place, NULL, HEARBY_ERROR_NOT_VERIFIED);
  assert_refused (place, "Wherefore", HEARBY_ERROR_NOT_VERIFIED);
  found = load (place, "wherefore");
  assert_same (made, found);
  assert_content (place->path, text);
}

static void
test_is_locked (Place *place, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (identity_is_locked (place->path, &error));
  g_assert_no_error (error);
  g_assert_false (g_file_test (place->path, G_FILE_TEST_EXISTS));
  identity_free (load (place, NULL));
  g_assert_false (identity_is_locked (place->path, &error));
  g_assert_no_error (error);
  put (place->path, "");
  g_assert_false (identity_is_locked (place->path, &error));
  assert_error (error, HEARBY_ERROR_FILE_ERROR);
}

static void
assert_set (Identity *identity, const char *old, const char *new)
{
  g_autoptr (GError) error = NULL;

  identity_set_passphrase (identity, old, new, &error);
  g_assert_no_error (error);
}

static void
assert_not_set (Identity *identity, const char *old, const char *new, HearbyError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (identity_set_passphrase (identity, old, new, &error));
  assert_error (error, code);
}

static void
test_set_passphrase (Place *place, gconstpointer data)
{
  g_autoptr (Identity) made = load (place, NULL);
  g_autoptr (Identity) locked = NULL;
  g_autoptr (Identity) clear = NULL;

  assert_set (made, NULL, "one");
  assert_refused (place, NULL, HEARBY_ERROR_NOT_VERIFIED);
  assert_not_set (made, NULL, "two", HEARBY_ERROR_NOT_VERIFIED);
  assert_not_set (made, "two", NULL, HEARBY_ERROR_NOT_VERIFIED);
  locked = load (place, "one");
  assert_same (made, locked);
  assert_set (locked, "one", NULL);
  clear = load (place, NULL);
  assert_same (made, clear);
  g_assert_cmpuint (mode_of (place->path), ==, 0600);
  assert_alone (place);
}

static void
test_passphrase_limits (Place *place, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (LIMIT_PASSPHRASE, 'x');
  g_autofree char *too_long = g_strnfill (LIMIT_PASSPHRASE + 1, 'x');
  g_autoptr (Identity) identity = NULL;

  assert_refused (place, "", HEARBY_ERROR_INVALID_ARGUMENT);
  assert_refused (place, too_long, HEARBY_ERROR_INVALID_ARGUMENT);
  g_assert_false (g_file_test (place->path, G_FILE_TEST_EXISTS));
  identity = load (place, longest);
  assert_not_set (identity, longest, "", HEARBY_ERROR_INVALID_ARGUMENT);
  assert_not_set (identity, longest, too_long, HEARBY_ERROR_INVALID_ARGUMENT);
}

/* The file is no more what this key was read from. */
static void
test_set_passphrase_elsewhere (Place *place, gconstpointer data)
{
  g_autoptr (Identity) first = load (place, NULL);
  g_autoptr (Identity) second = NULL;
  g_autoptr (Identity) found = NULL;

  g_assert_cmpint (g_remove (place->path), ==, 0);
  assert_not_set (first, NULL, NULL, HEARBY_ERROR_FILE_ERROR);
  g_assert_false (g_file_test (place->path, G_FILE_TEST_EXISTS));
  second = load (place, NULL);
  assert_not_set (first, NULL, NULL, HEARBY_ERROR_FILE_ERROR);
  found = load (place, NULL);
  assert_same (second, found);
}

static Identity *
replace (Place *place, const char *passphrase)
{
  g_autoptr (GError) error = NULL;
  Identity *identity = identity_replace (place->path, passphrase, &error);

  g_assert_no_error (error);
  return identity;
}

static void
test_replace (Place *place, gconstpointer data)
{
  g_autoptr (Identity) first = replace (place, NULL); /* of nothing */
  g_autofree char *first_text = content (place->path);
  g_autoptr (Identity) second = NULL;
  g_autoptr (Identity) found = NULL;
  g_autofree char *second_text = NULL;

  assert_alone (place);
  second = replace (place, NULL);
  assert_other (first, second);
  assert_content (place->old_path, first_text);
  g_assert_cmpuint (mode_of (place->path), ==, 0600);
  g_assert_cmpuint (mode_of (place->old_path), ==, 0600);
  found = load (place, NULL);
  assert_same (second, found);
  second_text = content (place->path);
  identity_free (replace (place, NULL));
  assert_content (place->old_path, second_text);
  g_assert_false (g_file_test (place->new_path, G_FILE_TEST_EXISTS));
}

/* What cannot be read any more is kept, too. */
static void
test_replace_damaged (Place *place, gconstpointer data)
{
  g_autofree char *too_long = g_strnfill (LIMIT_IDENTITY_TEXT, 'x');
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir (place->folder, 0700), ==, 0);
  put (place->path, "damaged");
  identity_free (replace (place, NULL));
  assert_content (place->old_path, "damaged");
  put (place->path, too_long);
  g_assert_null (identity_replace (place->path, NULL, &error));
  assert_error (error, HEARBY_ERROR_FILE_ERROR);
  assert_content (place->path, too_long);
  assert_content (place->old_path, "damaged");
}

/* What is left of somebody who was killed while he wrote. */
static void
test_leftovers (Place *place, gconstpointer data)
{
  g_autoptr (Identity) made = NULL;
  g_autoptr (Identity) found = NULL;

  g_assert_cmpint (g_mkdir (place->folder, 0700), ==, 0);
  put (place->new_path, "hearby iden");
  made = load (place, NULL);
  assert_alone (place);
  g_assert_cmpint (link (place->path, place->new_path), ==, 0); /* between link and unlink */
  found = load (place, NULL);
  assert_same (made, found);
  assert_alone (place);
  g_assert_cmpint (symlink ("/nowhere/at/all", place->new_path), ==, 0);
  assert_set (found, NULL, NULL);
  assert_alone (place);
}

/* Killed at any moment: there is the key of before or a new whole one, never none and never a part. */
static void
test_killed (Place *place, gconstpointer data)
{
  g_autoptr (Identity) made = load (place, NULL);

  for (guint i = 0; i < 150; i++)
    {
      gboolean replacing = i >= 75;
      g_autoptr (Identity) found = NULL;
      pid_t child = fork ();

      g_assert_cmpint (child, >=, 0);
      while (child == 0)
        if (replacing)
          identity_free (identity_replace (place->path, NULL, NULL));
        else
          identity_set_passphrase (made, NULL, NULL, NULL);
      g_usleep (i * 37 % 2000);
      kill (child, SIGKILL);
      g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
      g_assert_true (g_file_test (place->path, G_FILE_TEST_EXISTS));
      found = load (place, NULL);
      if (!replacing)
        assert_same (made, found);
      g_assert_false (g_file_test (place->new_path, G_FILE_TEST_EXISTS));
    }
}

/* Nothing fits on the disk: nothing is changed. */
static void
assert_full (Place *place, Identity *identity, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (identity_replace (place->path, NULL, &error));
  assert_error (error, HEARBY_ERROR_NO_SPACE);
  assert_not_set (identity, NULL, NULL, HEARBY_ERROR_NO_SPACE);
  assert_content (place->path, text);
  g_assert_false (g_file_test (place->new_path, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (place->old_path, G_FILE_TEST_EXISTS));
}

static void
test_file_limit (Place *place, gconstpointer data)
{
  g_autoptr (Identity) made = load (place, NULL);
  g_autoptr (Identity) found = NULL;
  g_autofree char *text = content (place->path);
  struct rlimit before, small;

  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  small = (struct rlimit){ 20, before.rlim_max };
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
  assert_full (place, made, text);
  g_assert_cmpint (g_remove (place->path), ==, 0);
  assert_refused (place, NULL, HEARBY_ERROR_NO_SPACE);
  g_assert_false (g_file_test (place->path, G_FILE_TEST_EXISTS));
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
  found = load (place, NULL);
  assert_other (made, found);
}

static void
fill_disk (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "filler", NULL);
  static const char zeros[4096];
  int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

  g_assert_cmpint (fd, >=, 0);
  while (write (fd, zeros, sizeof zeros) > 0)
    ;
  close (fd);
}

/* A disk of its own; only root can have one, elsewhere test_file_limit() has to do. */
static void
test_full_disk (Place *place, gconstpointer data)
{
  g_autoptr (Identity) made = NULL;
  g_autofree char *text = NULL;

  g_assert_cmpint (g_mkdir (place->folder, 0700), ==, 0);
  if (unshare (CLONE_NEWNS) != 0 || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
      || mount ("tmpfs", place->folder, "tmpfs", 0, "size=64k,mode=0700") != 0)
    return;
  made = load (place, NULL);
  text = content (place->path);
  fill_disk (place->folder);
  assert_full (place, made, text);
  g_assert_cmpint (umount2 (place->folder, MNT_DETACH), ==, 0);
}

/* A disk that is read only: what is there is read. */
static void
test_read_only (Place *place, gconstpointer data)
{
  g_autoptr (Identity) made = load (place, NULL);
  g_autoptr (Identity) found = NULL;

  if (unshare (CLONE_NEWNS) != 0 || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
      || mount (place->folder, place->folder, NULL, MS_BIND, NULL) != 0
      || mount (NULL, place->folder, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0)
    return;
  found = load (place, NULL);
  assert_same (made, found);
  assert_not_set (found, NULL, NULL, HEARBY_ERROR_ACCESS_DENIED);
  g_assert_cmpint (umount2 (place->folder, MNT_DETACH), ==, 0);
}

static void
test_no_folder (Place *place, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  put (place->folder, "a file");
  g_assert_null (identity_load_or_create (place->path, NULL, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR);
}

#define add(path, function) g_test_add (path, Place, NULL, setup, function, teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  add ("/identity/create", test_create);
  add ("/identity/each-its-own", test_each_its_own);
  add ("/identity/umask", test_umask);
  add ("/identity/modes", test_modes);
  add ("/identity/folder", test_folder);
  add ("/identity/links", test_links);
  add ("/identity/no-files", test_no_files);
  add ("/identity/owner", test_owner);
  add ("/identity/damaged", test_damaged);
  add ("/identity/huge-numbers", test_huge_numbers);
  add ("/identity/passphrase", test_passphrase);
  add ("/identity/is-locked", test_is_locked);
  add ("/identity/set-passphrase", test_set_passphrase);
  add ("/identity/passphrase-limits", test_passphrase_limits);
  add ("/identity/set-passphrase-elsewhere", test_set_passphrase_elsewhere);
  add ("/identity/replace", test_replace);
  add ("/identity/replace-damaged", test_replace_damaged);
  add ("/identity/leftovers", test_leftovers);
  add ("/identity/killed", test_killed);
  add ("/identity/file-limit", test_file_limit);
  add ("/identity/full-disk", test_full_disk);
  add ("/identity/read-only", test_read_only);
  add ("/identity/no-folder", test_no_folder);
  return g_test_run ();
}
