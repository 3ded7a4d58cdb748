/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "proxy.h"
#include "side.h"

/* Two messengers that have added each other, and a proxy in each direction of dialling. */

typedef struct
{
  Side  *juliet, *romeo;
  Proxy *to_romeo, *to_juliet;
} Pair;

/* pair_open: both sides of one @kind; returns when both have a stream. @manner, @judge: of both proxies. */
void pair_open (Pair *pair, SideKind kind, ProxyManner manner, ProxyJudge judge, gpointer user_data);
void pair_close (Pair *pair);
