/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/syncing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct
{
  gint refs;
  int fd, ready; /* an eventfd, written when done */
  gboolean one;
  gint done; /* atomic: 1 + errno */
} Syncing;

static void
syncing_unref (Syncing *syncing)
{
  if (!g_atomic_int_dec_and_test (&syncing->refs))
    return;
  close (syncing->fd);
  if (syncing->ready >= 0)
    close (syncing->ready);
  g_free (syncing);
}

static gpointer
run (gpointer data)
{
  Syncing *syncing = data;
  guint64 one = 1;
  int failed = syncing->one ? fsync (syncing->fd) : syncfs (syncing->fd);

  g_atomic_int_set (&syncing->done, 1 + (failed != 0 ? errno : 0));
  if (write (syncing->ready, &one, sizeof one) < 0)
    g_atomic_int_set (&syncing->done, 1 + errno);
  syncing_unref (syncing);
  return NULL;
}

int
syncing_wait (ByteLink *link, int fd, gboolean one)
{
  Syncing *syncing = g_new0 (Syncing, 1);
  int code;

  syncing->refs = 2;
  syncing->fd = fd;
  syncing->one = one;
  syncing->ready = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  g_thread_unref (g_thread_new ("sync", run, syncing));
  while (g_atomic_int_get (&syncing->done) == 0 && byte_link_wait (link, syncing->ready, POLLIN))
    ;
  code = g_atomic_int_get (&syncing->done);
  syncing_unref (syncing);
  return code > 0 ? code - 1 : 0;
}
