/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* A wire that is as bad as TCP may be: what one side writes comes to the other in slices of any size, and it can break at any
 * byte. All that is random comes from the seed of the test (gtester --seed). */

typedef struct _Proxy Proxy;

/* What becomes of @len bytes that the proxy is about to pass on. They may be changed in place. */
typedef enum
{
  PROXY_PASS,
  PROXY_CUT, /* these bytes are lost, and the connection breaks */
} ProxyVerdict;
typedef ProxyVerdict (*ProxyJudge) (char *bytes, gsize len, gpointer user_data);

typedef enum
{
  PROXY_SLICES, /* 1 to 64 bytes at a time, sometimes thousands */
  PROXY_WHOLE,  /* as much as is there */
} ProxyManner;

/* proxy_new: listens on a free port of 127.0.0.1, and connects each who comes to @target. @judge may be NULL. */
Proxy  *proxy_new (guint16 target, ProxyManner manner, ProxyJudge judge, gpointer user_data);
void    proxy_free (Proxy *proxy);
guint16 proxy_port (Proxy *proxy);

/* proxy_cut: every connection breaks now. */
void proxy_cut (Proxy *proxy);
/* proxy_hold_above: a connection that carried more than @bytes one way stands still, until proxy_release(). */
void proxy_hold_above (Proxy *proxy, gsize bytes);
void proxy_release (Proxy *proxy);
/* proxy_shut: nobody can connect any more. */
void proxy_shut (Proxy *proxy);
/* proxy_cut_after: every connection breaks when @bytes more have passed. */
void  proxy_cut_after (Proxy *proxy, gsize bytes);
guint proxy_cuts (Proxy *proxy);        /* how often one broke */
guint proxy_connections (Proxy *proxy); /* how many there ever were */
