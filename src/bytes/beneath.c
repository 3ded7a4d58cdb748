/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOLDER (O_PATH | O_DIRECTORY | O_CLOEXEC)
#define TRIES 8 /* while somebody renames folders on the way */

static gint is_old; /* atomic: there is no openat2() */

void
beneath_pretend_old (gboolean old)
{
  g_atomic_int_set (&is_old, old);
}

static int
step_by_step (int root, const char *path)
{
  g_auto (GStrv) names = g_strsplit (path, "/", -1);
  int fd = openat (root, ".", FOLDER);

  for (guint i = 0; fd >= 0 && names[i] != NULL; i++)
    {
      gboolean leads_up = names[i][0] == '\0' || strcmp (names[i], "..") == 0;
      int next = leads_up ? -1 : openat (fd, names[i], FOLDER | O_NOFOLLOW);
      int code = leads_up ? EXDEV : errno;

      close (fd);
      fd = next;
      errno = code;
    }
  return fd;
}

int
beneath_open (int root, const char *path)
{
  struct open_how how = { .flags = FOLDER, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
  int fd = -1;

  if (path[0] == '\0')
    return openat (root, ".", FOLDER);
  if (g_atomic_int_get (&is_old))
    return step_by_step (root, path);
  for (guint i = 0; i < TRIES; i++)
    {
      fd = (int)syscall (SYS_openat2, root, path, &how, sizeof how);
      if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
        break;
    }
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* EPERM: a filter of system calls that does not know it */
    {
      beneath_pretend_old (errno == ENOSYS);
      return step_by_step (root, path);
    }
  return fd;
}

/* Landlock ------------------------------------------------------------------------------------------------ */

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14) /* ABI 3 */
#endif

#define ABI_REFER 2
#define ABI_TRUNCATE 3

#define ALL_BUT_NEWER (LANDLOCK_ACCESS_FS_REFER * 2 - 1) /* every right of ABI 2 and before */
#define NEEDED                                                                                                                      \
  (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR       \
   | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM       \
   | LANDLOCK_ACCESS_FS_REFER)

static gboolean
allow (int rules, int root, guint64 handled)
{
  struct landlock_path_beneath_attr rule = { (NEEDED | LANDLOCK_ACCESS_FS_TRUNCATE) & handled, root };

  return root < 0 || syscall (SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

gboolean
beneath_confine (int root)
{
  struct landlock_ruleset_attr attributes = { ALL_BUT_NEWER };
  long abi = syscall (SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  gboolean done;
  int rules;

  if (abi < ABI_REFER)
    return FALSE;
  if (abi >= ABI_TRUNCATE)
    attributes.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
  rules = (int)syscall (SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  if (rules < 0)
    return FALSE;
  done = allow (rules, root, attributes.handled_access_fs) && prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
         && syscall (SYS_landlock_restrict_self, rules, 0) == 0;
  close (rules);
  return done;
}
