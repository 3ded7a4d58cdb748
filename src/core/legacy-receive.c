/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/legacy-private.h"


#include "base/limits.h"
#include "bytes/plain-file.h"
#include "net/deadline.h"
#include "transfer/filename.h"

/* They have the file: our yes or no, connect to where they say, take it. */

/* For the rest of us it is an offer as any other, under an id of ours: libpurple counts its own from 0 at each start. */
static Jingle *
describe (const SiOffer *offer)
{
  g_autofree char *sid = legacy_random_id ();
  g_autofree char *name = filename_clean (offer->name, -1);
  Jingle *jingle = jingle_new (JINGLE_INITIATE, sid);

  jingle_add_file (jingle, name, offer->size, 0, FALSE);
  jingle->tops = jingle->entries = jingle->n_files = 1;
  jingle->size = offer->size;
  return jingle;
}

Node *
legacy_receive_offer (Messenger *messenger, Session *session, const Node *iq)
{
  Peer *peer = session_peer (session);
  g_autoptr (SiOffer) offer = si_parse_offer (iq);
  g_autoptr (Jingle) jingle = NULL;
  Transfer *transfer;

  if (offer == NULL)
    return stanza_error (iq, "modify", "bad-request");
  if (!offer->bytestreams)
    return si_build_refuse (iq);
  transfer = legacy_find (messenger, peer, DIRECTION_IN, offer->sid);
  if (transfer != NULL && transfer->run->task == NULL) /* it was started anew, and knows nothing of that one */
    transfer_set (transfer, TRANSFER_FAILED, REASON_CONNECTION_LOST);
  jingle = describe (offer);
  transfer = answers_arrived (messenger, peer, jingle, TRANSFER_LEGACY);
  if (transfer == NULL)
    return stanza_error (iq, "wait", "resource-constraint");
  transfer->run->legacy = g_new0 (Legacy, 1);
  transfer->run->legacy->step = LEGACY_OFFERED;
  transfer->run->legacy->sid = g_strdup (offer->sid);
  transfer->run->legacy->request = node_copy (iq);
  legacy_hold_stream (transfer, session);
  answers_decide (transfer);
  return NULL;
}

static gboolean
on_deadline (gpointer user_data)
{
  Transfer *transfer = user_data;

  legacy_set_text (transfer, "the sender does not say where it is");
  transfer_set (transfer, TRANSFER_FAILED, REASON_STALLED); /* drops the deadline */
  return G_SOURCE_REMOVE;
}

void
legacy_receive_accept (Transfer *transfer)
{
  Legacy *legacy = transfer->run->legacy;

  if (transfer_is_over (transfer) || !transfer_has_flag (transfer, TRANSFER_ACCEPTED) || (legacy != NULL && legacy->step != LEGACY_OFFERED))
    return;
  if (legacy == NULL) /* what it was offered with is gone */
    {
      transfer_set (transfer, TRANSFER_FAILED, REASON_CONNECTION_LOST);
      return;
    }
  if (!legacy_say_answer (transfer, legacy_result (legacy->request, si_build_accept ())))
    {
      transfers_count_moving (transfer->run->messenger, transfer->peer); /* with the next stream */
      return;
    }
  legacy->step = LEGACY_CONNECTING;
  legacy->deadline = deadline_new (on_deadline, transfer);
  deadline_set (legacy->deadline, g_get_monotonic_time () + LIMIT_BYTESTREAM_MS * 1000);
}

static GSocketAddress *
at_port (GInetSocketAddress *there, guint16 port)
{
  GInetAddress *address = g_inet_socket_address_get_address (there);
  guint32 scope = g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6 ? g_inet_socket_address_get_scope_id (there) : 0;

  return g_object_new (G_TYPE_INET_SOCKET_ADDRESS, "address", address, "port", port, "scope-id", scope, NULL);
}

/* The address of @peer that is meant by @host, with our interface to it; NULL: nobody but the peer itself is connected to (else it could
 * make us knock at any door). The caller owns it. */
static GSocketAddress *
address_of (const Peer *peer, Session *session, const SiHost *host)
{
  g_autoptr (GInetAddress) wanted = g_inet_address_new_from_string (host->host);
  g_autoptr (GPtrArray) known = g_ptr_array_new ();

  for (guint i = 0; i < peer->sightings->len; i++)
    g_ptr_array_add (known, ((const Sighting *) g_ptr_array_index (peer->sightings, i))->address);
  for (guint i = 0; i < peer->added->len; i++)
    g_ptr_array_add (known, g_ptr_array_index (peer->added, i));
  if (session_remote (session) != NULL)
    g_ptr_array_add (known, session_remote (session));
  for (guint i = 0; wanted != NULL && i < known->len; i++)
    {
      GInetSocketAddress *there = g_ptr_array_index (known, i);

      if (g_inet_address_equal (g_inet_socket_address_get_address (there), wanted))
        return at_port (there, host->port);
    }
  return NULL;
}

static void
end_unreachable (Transfer *transfer)
{
  legacy_say_answer (transfer, si_build_unreachable (transfer->run->legacy->request));
  legacy_set_text (transfer, "the sender cannot be connected to");
  transfer_set (transfer, TRANSFER_FAILED, REASON_CONNECTION_LOST);
}

static void
on_received (ByteTask *task, const ByteOutcome *outcome, gpointer user_data)
{
  Transfer *transfer = user_data;
  const char *reason;

  if (legacy_was_over (transfer))
    return;
  carrier_take_outcome (transfer, outcome);
  if (outcome->end == BYTE_END_LANDED)
    {
      carrier_landed (transfer, outcome);
      return;
    }
  reason = outcome->end == BYTE_END_PEER_STOPPED ? REASON_PEER_CANCELED : g_intern_string (outcome->reason);
  g_clear_pointer (&transfer->run->task, byte_task_free); /* @outcome with it */
  if (!transfer_is_over (transfer))
    transfer_set (transfer, legacy_state_after (reason), reason);
  legacy_drop (transfer);
}

static void
on_connected (int fd, GBytes *surplus, guint target, const GError *error, gpointer user_data)
{
  Transfer *transfer = user_data;
  Legacy *legacy = transfer->run->legacy;
  g_autofree char *part = transfer_dup_part (transfer->row);
  const JingleFile *file = g_ptr_array_index (transfer->files, 0);
  const SiHost *host;
  ReceiveJob job;

  if (error != NULL)
    {
      g_clear_pointer (&legacy->bytestream, bytestream_free);
      end_unreachable (transfer);
      return;
    }
  host = g_ptr_array_index (legacy->hosts->hosts, g_array_index (legacy->tried, guint, target));
  legacy_say_answer (transfer, legacy_result (legacy->request, si_build_used (legacy->sid, host->jid)));
  job = carrier_receive_job (transfer, part);
  legacy_begin_moving (transfer, plain_file_receive (fd, surplus, file->name, &job, on_received, transfer));
}

static void
connect_to (Transfer *transfer, Session *session)
{
  Legacy *legacy = transfer->run->legacy;
  const char *from = node_get (legacy->request, "from");
  const char *to = node_get (legacy->request, "to");
  g_autofree char *digest = si_digest (legacy->sid, from != NULL ? from : session_peer_name (session), to != NULL ? to : session_own (session));
  g_autoptr (GPtrArray) addresses = g_ptr_array_new_with_free_func (g_object_unref);

  legacy->tried = g_array_new (FALSE, FALSE, sizeof (guint));
  for (guint i = 0; i < legacy->hosts->hosts->len; i++)
    {
      GSocketAddress *address = address_of (transfer->peer, session, g_ptr_array_index (legacy->hosts->hosts, i));

      if (address == NULL)
        continue;
      g_ptr_array_add (addresses, address);
      g_array_append_val (legacy->tried, i);
    }
  if (addresses->len == 0)
    end_unreachable (transfer);
  else
    legacy->bytestream = bytestream_connect (digest, addresses, on_connected, transfer);
}

Node *
legacy_receive_hosts (Messenger *messenger, Session *session, const Node *iq)
{
  g_autoptr (SiHosts) hosts = si_parse_hosts (iq);
  Transfer *transfer = hosts != NULL ? legacy_find (messenger, session_peer (session), DIRECTION_IN, hosts->sid) : NULL;
  Legacy *legacy = transfer != NULL ? transfer->run->legacy : NULL;

  if (hosts == NULL)
    return stanza_error (iq, "modify", "bad-request");
  if (legacy == NULL || legacy->step != LEGACY_CONNECTING || legacy->hosts != NULL)
    return stanza_error (iq, "cancel", "not-acceptable");
  deadline_drop (&legacy->deadline);
  node_free (legacy->request);
  legacy->request = node_copy (iq);
  legacy->hosts = g_steal_pointer (&hosts);
  connect_to (transfer, session);
  return NULL;
}
