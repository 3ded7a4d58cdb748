/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "core/messenger-private.h"
#include "net/addresses.h"

/* Whether a peer can be reached right now: a stream, opened if need be, and a ping on it. */

typedef struct
{
  MessengerProbe done;
  gpointer       user_data;
} Probe;

static void
on_pong (Session *session, gint64 rtt, gpointer user_data)
{
  g_autofree Probe *probe = user_data;
  g_autofree char *address
      = session_remote (session) != NULL ? addresses_to_string (session_remote (session)) : NULL;

  probe->done (rtt, address, NULL, probe->user_data);
}

void
probe_opened (Peer *peer)
{
  g_autoptr (GPtrArray) probes = g_steal_pointer (&peer->probes);

  for (guint i = 0; probes != NULL && i < probes->len; i++)
    session_ping (peer->session, on_pong, g_ptr_array_index (probes, i));
}

void
probe_failed (Peer *peer, const GError *error)
{
  g_autoptr (GPtrArray) probes = g_steal_pointer (&peer->probes);
  g_autoptr (GError) gone = g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_PEER_OFFLINE, "the peer is not there");

  for (guint i = 0; probes != NULL && i < probes->len; i++)
    {
      g_autofree Probe *probe = g_ptr_array_index (probes, i);

      probe->done (-1, NULL, error != NULL ? error : gone, probe->user_data);
    }
}

void
probe_check (Peer *peer)
{
  if (streams_count (peer, FALSE) == 0)
    probe_failed (peer, NULL);
}

void
messenger_probe (Messenger *messenger, Peer *peer, MessengerProbe done, gpointer user_data)
{
  Probe *probe = g_new (Probe, 1);

  probe->done = done;
  probe->user_data = user_data;
  if (peer->probes == NULL)
    peer->probes = g_ptr_array_new ();
  g_ptr_array_add (peer->probes, probe);
  if (peer->session != NULL)
    {
      probe_opened (peer);
      return;
    }
  streams_forget_pause (peer);
  streams_want (messenger, peer);
  probe_check (peer);
}
