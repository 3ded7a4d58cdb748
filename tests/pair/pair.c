/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pair.h"

void
pair_open (Pair *pair, SideKind kind, ProxyManner manner, ProxyJudge judge, gpointer user_data)
{
  pair->juliet = side_new ("juliet@pronto", kind);
  pair->romeo = side_new ("romeo@forza", kind);
  pair->to_romeo = proxy_new (messenger_port (pair->romeo->messenger), manner, judge, user_data);
  pair->to_juliet = proxy_new (messenger_port (pair->juliet->messenger), manner, judge, user_data);
  side_add (pair->juliet, proxy_port (pair->to_romeo));
  side_add (pair->romeo, proxy_port (pair->to_juliet));
  side_meet (pair->juliet, pair->romeo);
}

void
pair_close (Pair *pair)
{
  side_free (pair->juliet);
  side_free (pair->romeo);
  proxy_free (pair->to_romeo);
  proxy_free (pair->to_juliet);
}
