/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <poll.h>

#include "bytes.h"

/* What lies between the two ends: carries at most so many bytes each way, then cuts both. */

typedef struct
{
  int ends[2];             /* towards the sender, the receiver */
  gsize limits[2];         /* bytes from the sender, from the receiver; G_MAXSIZE: all */
  GByteArray *carried[2];  /* what came from each; NULL: not kept */
  gsize n[2];
  GThread *thread;
} Proxy;

/* FALSE: it is over. */
static inline gboolean
proxy_carry (Proxy *proxy, guint from)
{
  guint8 bytes[16384];
  gsize left = proxy->limits[from] - proxy->n[from];
  ssize_t n = read (proxy->ends[from], bytes, MIN (sizeof bytes, left));

  if (n <= 0)
    return FALSE;
  if (proxy->carried[from] != NULL)
    g_byte_array_append (proxy->carried[from], bytes, (guint)n);
  for (ssize_t at = 0; at < n;)
    {
      ssize_t m = send (proxy->ends[!from], bytes + at, (gsize)(n - at), MSG_NOSIGNAL);

      if (m <= 0)
        return FALSE;
      at += m;
    }
  proxy->n[from] += (gsize)n;
  return proxy->n[from] < proxy->limits[from];
}

static inline gpointer
proxy_run (gpointer data)
{
  Proxy *proxy = data;
  struct pollfd fds[2] = { { proxy->ends[0], POLLIN, 0 }, { proxy->ends[1], POLLIN, 0 } };
  gboolean open[2] = { TRUE, TRUE };

  for (guint i = 0; i < 2; i++)
    if (proxy->limits[i] == 0)
      open[0] = open[1] = FALSE;
  while (open[0] || open[1])
    {
      if (poll (fds, 2, -1) < 0)
        continue;
      for (guint i = 0; i < 2; i++)
        if (fds[i].revents != 0 && !proxy_carry (proxy, i))
          {
            if (proxy->n[i] >= proxy->limits[i])
              open[0] = open[1] = FALSE; /* cut */
            shutdown (proxy->ends[!i], SHUT_WR);
            open[i] = FALSE;
            fds[i].fd = -1;
          }
    }
  close (proxy->ends[0]);
  close (proxy->ends[1]);
  return NULL;
}

/* proxy_start: the ends for sender and receiver to @fds. */
static inline void
proxy_start (Proxy *proxy, int fds[2])
{
  for (guint i = 0; i < 2; i++)
    {
      int pair[2];

      make_pair (pair);
      fds[i] = pair[0];
      proxy->ends[i] = pair[1];
      proxy->n[i] = 0;
    }
  proxy->thread = g_thread_new ("proxy", proxy_run, proxy);
}

/* One try of @scene through @proxy. */
static inline void
proxy_try (Proxy *proxy, Scene *scene, gboolean plain)
{
  int fds[2];

  proxy_start (proxy, fds);
  scene_start_sender (scene, fds[0], plain);
  scene_start_receiver (scene, fds[1], plain);
  scene_wait (scene);
  g_thread_join (proxy->thread);
}
