/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bytes.h"

/* What lies between the two ends: carries at most so many bytes each way, then cuts both. */

typedef struct _Proxy Proxy;

typedef struct
{
  Proxy *proxy;
  guint from;
  GThread *thread;
} Carrier;

struct _Proxy
{
  gsize limits[2];        /* bytes from the sender, from the receiver; G_MAXSIZE: all */
  GByteArray *carried[2]; /* what came from each; NULL: not kept */
  int ends[2];            /* towards the sender, the receiver */
  gsize n[2];
  Carrier carriers[2];
};

static inline gboolean
send_on (int fd, const guint8 *bytes, gsize len)
{
  while (len > 0)
    {
      ssize_t n = send (fd, bytes, len, MSG_NOSIGNAL);

      if (n <= 0)
        return FALSE;
      bytes += n;
      len -= (gsize)n;
    }
  return TRUE;
}

/* One way. At the limit both are cut; the end of one side goes on to the other. */
static inline gpointer
carry (gpointer data)
{
  Carrier *carrier = data;
  Proxy *proxy = carrier->proxy;
  guint from = carrier->from;
  guint8 bytes[16384];

  while (proxy->n[from] < proxy->limits[from])
    {
      ssize_t n = read (proxy->ends[from], bytes, MIN (sizeof bytes, proxy->limits[from] - proxy->n[from]));

      if (n <= 0 || !send_on (proxy->ends[!from], bytes, (gsize)n))
        {
          shutdown (proxy->ends[!from], SHUT_WR);
          return NULL;
        }
      if (proxy->carried[from] != NULL)
        g_byte_array_append (proxy->carried[from], bytes, (guint)n);
      proxy->n[from] += (gsize)n;
    }
  shutdown (proxy->ends[0], SHUT_RDWR);
  shutdown (proxy->ends[1], SHUT_RDWR);
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
  for (guint i = 0; i < 2; i++)
    {
      proxy->carriers[i] = (Carrier){ proxy, i, NULL };
      proxy->carriers[i].thread = g_thread_new ("carrier", carry, &proxy->carriers[i]);
    }
}

/* proxy_end: after both ends were closed. */
static inline void
proxy_end (Proxy *proxy)
{
  for (guint i = 0; i < 2; i++)
    g_thread_join (proxy->carriers[i].thread);
  close (proxy->ends[0]);
  close (proxy->ends[1]);
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
  proxy_end (proxy);
}
