/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/paths.h"
#include "base/text.h"
#include "secure/identity-text.h"

#define HINT_DAMAGED "put a copy in its place, or move it away: others will see a new key then"
#define HINT_FOREIGN "a key that others could have read or put there is none; move it away"

struct _Identity
{
  char *path;
  guint8 *secret; /* sodium_malloc()ed */
  guint8 public[X25519_KEY];
};

/* The folder, held so that calls of other processes wait, and the names in it. */
typedef struct
{
  const char *path;
  char *name, *new_name, *old_name;
  int fd;
} Place;

/* What a file holds, or will. */
typedef struct
{
  char text[LIMIT_IDENTITY_TEXT];
  gsize len;
  gboolean found;
} Content;

static gboolean
fail (const char *path, HearbyError code, GError **error, const char *what, const char *hint)
{
  g_set_error (error, HEARBY_ERROR, (int)code, "the key %s: %s\n%s", path, what, hint);
  return FALSE;
}

static gboolean
fail_errno (const char *path, int number, GError **error)
{
  if (number == ENOSPC || number == EDQUOT || number == EFBIG)
    return fail (path, HEARBY_ERROR_NO_SPACE, error, g_strerror (number),
                 "free some space; nothing was changed");
  if (number == EACCES || number == EPERM || number == EROFS)
    return fail (path, HEARBY_ERROR_ACCESS_DENIED, error, g_strerror (number),
                 "the folder and the key in it must be yours");
  return fail (path, HEARBY_ERROR_FILE_ERROR, error, g_strerror (number), "look at the folder and the disk");
}

/* The folder --------------------------------------------------------------------------------------------- */

/* Who may write to the folder may put another key there. Reading is no harm: the file is closed itself. */
static gboolean
check_folder (int fd, const char *path, GError **error)
{
  struct stat info;
  g_autofree char *folder = NULL;
  g_autofree char *word = NULL;
  g_autofree char *hint = NULL;

  if (fstat (fd, &info) != 0)
    return fail_errno (path, errno, error);
  if (info.st_uid != geteuid ())
    return fail (path, HEARBY_ERROR_ACCESS_DENIED, error, "its folder belongs to another user", HINT_FOREIGN);
  if ((info.st_mode & 022) == 0)
    return TRUE;
  folder = g_path_get_dirname (path);
  word = text_shell_word (folder);
  hint = g_strdup_printf ("if nobody changed the key, 'chmod 700 %s' makes it good again", word);
  return fail (path, HEARBY_ERROR_ACCESS_DENIED, error, "others may write to its folder", hint);
}

static void
place_close (Place *place)
{
  if (place->fd >= 0)
    close (place->fd); /* and the lock is gone */
  g_clear_pointer (&place->name, g_free);
  g_clear_pointer (&place->new_name, g_free);
  g_clear_pointer (&place->old_name, g_free);
  place->fd = -1;
}

static gboolean
lock_folder (int fd)
{
  int result;

  do
    result = flock (fd, LOCK_EX);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

/* A PATH.new that is there while we hold the lock was left by somebody who was killed. Where it cannot be
 * removed, on a disk that is read only, a key can still be read. */
static gboolean
place_open (Place *place, const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);

  *place = (Place){ .path = path, .fd = -1 };
  if (sodium_init () < 0)
    return fail (path, HEARBY_ERROR_FAILED, error, "libsodium does not start", "look at /dev/urandom");
  if (!g_file_test (folder, G_FILE_TEST_IS_DIR) && !paths_make_dir (folder, error))
    return FALSE;
  place->name = g_path_get_basename (path);
  place->new_name = g_strconcat (place->name, ".new", NULL);
  place->old_name = g_strconcat (place->name, ".old", NULL);
  place->fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (place->fd < 0 || !lock_folder (place->fd))
    fail_errno (path, errno, error);
  else if (check_folder (place->fd, path, error))
    {
      unlinkat (place->fd, place->new_name, 0);
      return TRUE;
    }
  place_close (place);
  return FALSE;
}

/* Reading ------------------------------------------------------------------------------------------------ */

static gboolean
check_file (int fd, const char *path, GError **error)
{
  struct stat info;
  g_autofree char *word = NULL;
  g_autofree char *hint = NULL;

  if (fstat (fd, &info) != 0)
    return fail_errno (path, errno, error);
  if (!S_ISREG (info.st_mode))
    return fail (path, HEARBY_ERROR_ACCESS_DENIED, error, "it is no regular file", "move it away");
  if (info.st_uid != geteuid ())
    return fail (path, HEARBY_ERROR_ACCESS_DENIED, error, "it belongs to another user", HINT_FOREIGN);
  if ((info.st_mode & 077) == 0)
    return TRUE;
  word = text_shell_word (path);
  hint = g_strdup_printf ("if nobody has read it, 'chmod 600 %s' makes it good again; else move it away",
                          word);
  return fail (path, HEARBY_ERROR_ACCESS_DENIED, error, "it is open to other users", hint);
}

/* A file that fills it is longer than any key. */
static gboolean
read_all (int fd, Content *content)
{
  ssize_t n;

  do
    {
      n = read (fd, content->text + content->len, sizeof content->text - content->len);
      if (n > 0)
        content->len += (gsize)n;
    }
  while ((n > 0 && content->len < sizeof content->text) || (n < 0 && errno == EINTR));
  return n >= 0;
}

/* Where there is no file, nothing is found, and that is no error. */
static gboolean
place_read (const Place *place, Content *content, GError **error)
{
  int fd = openat (place->fd, place->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  gboolean good;

  *content = (Content){ 0 };
  if (fd < 0 && errno == ENOENT)
    return TRUE;
  if (fd < 0 && (errno == ELOOP || errno == ENXIO))
    return fail (place->path, HEARBY_ERROR_ACCESS_DENIED, error,
                 errno == ELOOP ? "it is a link" : "it is no regular file", "move it away");
  if (fd < 0)
    return fail_errno (place->path, errno, error);
  content->found = TRUE;
  good = check_file (fd, place->path, error);
  if (good && !read_all (fd, content))
    good = fail_errno (place->path, errno, error);
  close (fd);
  return good;
}

static gboolean
parse (const Place *place, const Content *content, IdentityText *text, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (identity_text_parse (content->text, content->len, text, &cause))
    return TRUE;
  return fail (place->path, HEARBY_ERROR_FILE_ERROR, error, cause->message, HINT_DAMAGED);
}

/* Writing ------------------------------------------------------------------------------------------------ */

static gboolean
write_all (int fd, const char *text, gsize len)
{
  while (len > 0)
    {
      ssize_t n = write (fd, text, len);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return FALSE;
      text += n;
      len -= (gsize)n;
    }
  return TRUE;
}

/* fchmod() because a umask may take bits of ours, too. */
static gboolean
write_new (const Place *place, const Content *content)
{
  int fd = openat (place->fd, place->new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  int number;

  if (fd < 0)
    return FALSE;
  if (fchmod (fd, 0600) == 0 && write_all (fd, content->text, content->len) && fsync (fd) == 0)
    return close (fd) == 0;
  number = errno;
  close (fd);
  errno = number;
  return FALSE;
}

/* Never over a file that is there: a link fails then. Not every file system has links. */
static gboolean
name_first (const Place *place)
{
  if (linkat (place->fd, place->new_name, place->fd, place->name, 0) == 0)
    return unlinkat (place->fd, place->new_name, 0) == 0;
#ifdef RENAME_NOREPLACE
  if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS)
    return renameat2 (place->fd, place->new_name, place->fd, place->name, RENAME_NOREPLACE) == 0;
#endif
  return FALSE;
}

/* @name: of the place; NULL for its first key, which must not be there yet. */
static gboolean
put (const Place *place, const char *name, const Content *content, GError **error)
{
  int number;

  if (write_new (place, content)
      && (name == NULL ? name_first (place) : renameat (place->fd, place->new_name, place->fd, name) == 0)
      && fsync (place->fd) == 0)
    return TRUE;
  number = errno;
  unlinkat (place->fd, place->new_name, 0);
  return fail_errno (place->path, number, error);
}

/* Keys --------------------------------------------------------------------------------------------------- */

static Identity *
take_secret (const char *path, const guint8 secret[X25519_KEY], GError **error)
{
  Identity *identity;
  guint8 *kept = sodium_malloc (X25519_KEY);

  if (kept == NULL)
    {
      fail (path, HEARBY_ERROR_FAILED, error, "there is no memory for it", "end other programs");
      return NULL;
    }
  memcpy (kept, secret, X25519_KEY);
  sodium_mprotect_readonly (kept);
  identity = g_new0 (Identity, 1);
  identity->path = g_strdup (path);
  identity->secret = kept;
  x25519_public (identity->public, kept);
  return identity;
}

void
identity_free (Identity *identity)
{
  if (identity == NULL)
    return;
  sodium_free (identity->secret);
  g_free (identity->path);
  g_free (identity);
}

const guint8 *
identity_secret (const Identity *identity)
{
  return identity->secret;
}

const guint8 *
identity_public (const Identity *identity)
{
  return identity->public;
}

static gboolean
fail_memory (const char *path, GError **error)
{
  return fail (path, HEARBY_ERROR_FAILED, error, "there is not enough memory for its passphrase",
               "256 MiB must be free for a moment");
}

static gboolean
check_passphrase (const char *path, const char *passphrase, GError **error)
{
  gsize len = passphrase != NULL ? strlen (passphrase) : 1;

  if (len > 0 && len <= LIMIT_PASSPHRASE)
    return TRUE;
  return fail (path, HEARBY_ERROR_INVALID_ARGUMENT, error,
               len == 0 ? "the passphrase is empty" : "the passphrase is too long", "take 1 to 1024 bytes");
}

/* The text for @secret. */
static gboolean
compose (const char *path, const guint8 secret[X25519_KEY], const char *passphrase, Content *content,
         GError **error)
{
  IdentityText text = { .opslimit = IDENTITY_TEXT_OPSLIMIT, .memlimit = IDENTITY_TEXT_MEMLIMIT };
  gboolean good = TRUE;

  memcpy (text.secret, secret, X25519_KEY);
  x25519_public (text.public, secret);
  if (passphrase != NULL)
    {
      randombytes_buf (text.salt, sizeof text.salt);
      randombytes_buf (text.nonce, sizeof text.nonce);
      good = identity_text_seal (&text, passphrase) || fail_memory (path, error);
    }
  if (good)
    content->len = identity_text_write (&text, content->text);
  sodium_memzero (&text, sizeof text);
  return good;
}

/* The secret of @text, which may be sealed. */
static gboolean
open_text (const char *path, const IdentityText *text, const char *passphrase, guint8 secret[X25519_KEY],
           GError **error)
{
  if (!text->sealed)
    {
      memcpy (secret, text->secret, X25519_KEY);
      return TRUE;
    }
  if (passphrase == NULL)
    return fail (path, HEARBY_ERROR_NOT_VERIFIED, error, "it is locked",
                 "HEARBY_PASSPHRASE_FILE has to name a file with its passphrase, see hearby.conf(5)");
  switch (identity_text_open (text, passphrase, secret))
    {
    case IDENTITY_TEXT_OPENED:
      return TRUE;
    case IDENTITY_TEXT_WRONG:
      return fail (path, HEARBY_ERROR_NOT_VERIFIED, error, "the passphrase is wrong", "try again");
    case IDENTITY_TEXT_NO_MEMORY:
      return fail_memory (path, error);
    }
  g_return_val_if_reached (FALSE);
}

static Identity *
load (const Place *place, const Content *content, const char *passphrase, GError **error)
{
  IdentityText text;
  guint8 secret[X25519_KEY] = { 0 };
  Identity *identity = NULL;

  if (parse (place, content, &text, error) && open_text (place->path, &text, passphrase, secret, error))
    identity = take_secret (place->path, secret, error);
  sodium_memzero (&text, sizeof text);
  sodium_memzero (secret, sizeof secret);
  return identity;
}

/* A new key, under @name as in put(). */
static Identity *
create (const Place *place, const char *name, const char *passphrase, GError **error)
{
  Content content = { 0 };
  guint8 secret[X25519_KEY];
  Identity *identity;

  randombytes_buf (secret, sizeof secret);
  identity_text_clamp (secret);
  identity = take_secret (place->path, secret, error);
  if (identity != NULL
      && !(compose (place->path, secret, passphrase, &content, error) && put (place, name, &content, error)))
    g_clear_pointer (&identity, identity_free);
  sodium_memzero (secret, sizeof secret);
  sodium_memzero (&content, sizeof content);
  return identity;
}

/* What others call --------------------------------------------------------------------------------------- */

gboolean
identity_is_locked (const char *path, GError **error)
{
  Place place;
  Content content = { 0 };
  IdentityText text = { 0 };
  gboolean locked = FALSE;

  if (!place_open (&place, path, error))
    return FALSE;
  if (place_read (&place, &content, error) && content.found && parse (&place, &content, &text, error))
    locked = text.sealed;
  place_close (&place);
  sodium_memzero (&content, sizeof content);
  sodium_memzero (&text, sizeof text);
  return locked;
}

Identity *
identity_load_or_create (const char *path, const char *passphrase, GError **error)
{
  Place place;
  Content content = { 0 };
  Identity *identity = NULL;

  if (!check_passphrase (path, passphrase, error) || !place_open (&place, path, error))
    return NULL;
  if (place_read (&place, &content, error))
    identity = content.found ? load (&place, &content, passphrase, error)
                             : create (&place, NULL, passphrase, error);
  place_close (&place);
  sodium_memzero (&content, sizeof content);
  return identity;
}

static gboolean
keep_old (const Place *place, const Content *content, GError **error)
{
  if (content->len == sizeof content->text) /* not read to its end */
    return fail (place->path, HEARBY_ERROR_FILE_ERROR, error, "it is too long for a key", "move it away");
  return !content->found || put (place, place->old_name, content, error);
}

/* The copy first: between the two there are two files with the old key, never none. */
Identity *
identity_replace (const char *path, const char *passphrase, GError **error)
{
  Place place;
  Content content = { 0 };
  Identity *identity = NULL;

  if (!check_passphrase (path, passphrase, error) || !place_open (&place, path, error))
    return NULL;
  if (place_read (&place, &content, error) && keep_old (&place, &content, error))
    identity = create (&place, content.found ? place.name : NULL, passphrase, error);
  place_close (&place);
  sodium_memzero (&content, sizeof content);
  return identity;
}

/* The file at the place is that of @identity, and @passphrase opens it. */
static gboolean
check_owner (const Place *place, const Identity *identity, const char *passphrase, GError **error)
{
  Content content;
  IdentityText text = { 0 };
  guint8 secret[X25519_KEY] = { 0 };
  gboolean good = place_read (place, &content, error);

  if (good && !content.found)
    good = fail (place->path, HEARBY_ERROR_FILE_ERROR, error, "it is gone", "put a copy in its place");
  good = good && parse (place, &content, &text, error);
  if (good && memcmp (text.public, identity->public, X25519_KEY) != 0)
    good = fail (place->path, HEARBY_ERROR_FILE_ERROR, error, "another key is there by now",
                 "start again with that one");
  good = good && open_text (place->path, &text, passphrase, secret, error);
  sodium_memzero (&content, sizeof content);
  sodium_memzero (&text, sizeof text);
  sodium_memzero (secret, sizeof secret);
  return good;
}

gboolean
identity_set_passphrase (Identity *identity, const char *old_passphrase, const char *new_passphrase,
                         GError **error)
{
  Place place;
  Content content = { 0 };
  gboolean good;

  if (!check_passphrase (identity->path, new_passphrase, error)
      || !place_open (&place, identity->path, error))
    return FALSE;
  good = check_owner (&place, identity, old_passphrase, error)
         && compose (identity->path, identity->secret, new_passphrase, &content, error)
         && put (&place, place.name, &content, error);
  place_close (&place);
  sodium_memzero (&content, sizeof content);
  return good;
}
