/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"

#define LOCK_WAIT_US (5 * G_USEC_PER_SEC)
#define LOCK_LOOK_US (20 * 1000) /* flock has nothing to wait for the file's content with */

/* The first line, or NULL while the holder has not written it. */
static char *
read_address (int fd)
{
  char text[4096];
  gssize len = pread (fd, text, sizeof text - 1, 0);
  char *end;

  if (len <= 0)
    return NULL;
  text[len] = '\0';
  end = strchr (text, '\n');
  return end != NULL && g_str_has_prefix (text, "unix:") ? g_strndup (text, (gsize) (end - text)) : NULL;
}

static int
fail (int fd, const char *path, GError **error)
{
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "cannot lock %s: %s", path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

int
lock_take (const char *path, char **holder, GError **error)
{
  gint64 until = g_get_monotonic_time () + LOCK_WAIT_US;
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (fd < 0)
    return fail (fd, path, error);
  while (flock (fd, LOCK_EX | LOCK_NB) != 0)
    {
      if (errno != EWOULDBLOCK && errno != EINTR)
        return fail (fd, path, error);
      *holder = read_address (fd);
      if (*holder != NULL)
        {
          close (fd);
          return -1;
        }
      if (g_get_monotonic_time () > until)
        {
          close (fd);
          g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_TIMEOUT, "another daemon holds %s and does not say where it listens", path);
          return -1;
        }
      g_usleep (LOCK_LOOK_US);
    }
  if (ftruncate (fd, 0) != 0)
    return fail (fd, path, error);
  return fd;
}

void
lock_clear (int fd)
{
  if (ftruncate (fd, 0) != 0)
    g_message ("cannot empty the lock file: %s", g_strerror (errno));
}

gboolean
lock_write (int fd, const char *address, GError **error)
{
  g_autofree char *line = g_strdup_printf ("%s\n%d\n", address, getpid ());

  if (pwrite (fd, line, strlen (line), 0) == (gssize) strlen (line))
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "cannot write the lock file: %s", g_strerror (errno));
  return FALSE;
}
