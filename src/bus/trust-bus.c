/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "bus/service.h"

/* org.hearby.Peer1 and Manager1 as far as keys are concerned. A code goes to nobody but who asked for it, as the answer to his call. */

void
trust_append_fingerprint (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", peer->fingerprint);
}

void
trust_append_claim (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", peer->claim);
}

void
trust_append_looks_like (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", peer->looks_like);
}

void
trust_append_confirmed (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "b", peer->confirmed || !peer_is_pinned (peer)); /* of others there is nothing to prove */
}

void
trust_append_verify_wanted (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "b", messenger_wants_verify (messenger, peer));
}

void
trust_append_own_fingerprint (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", messenger_fingerprint (messenger));
}

void
trust_append_own_uri (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  g_autofree char *uri = messenger_dup_uri (messenger);

  sd_bus_message_append (to, "s", uri);
}

void
trust_handle_trust (const Call *call)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->arguments, 1);
  const char *fingerprint;
  GError *error = NULL;

  g_variant_get_child (call->arguments, 0, "&s", &fingerprint);
  if (messenger_trust_key (call->messenger, call->peer, fingerprint, call_option_boolean (options, "verified"), &error))
    call_reply_later (call, NULL);
  else
    call_reply_error (call, error);
}

void
trust_handle_trust_uri (const Call *call)
{
  g_autofree char *path = NULL;
  const char *uri;
  GError *error = NULL;
  sd_bus_message *answer;
  Peer *peer;

  g_variant_get_child (call->arguments, 0, "&s", &uri);
  peer = messenger_trust_uri (call->messenger, uri, &error);
  if (peer == NULL)
    {
      call_reply_error (call, error);
      return;
    }
  path = call_peer_path (peer->row->id);
  answer = call_answer (call);
  sd_bus_message_append (answer, "o", path);
  call_reply_later (call, answer);
}

void
trust_handle_new_identity (const Call *call)
{
  GError *error = NULL;
  sd_bus_message *answer;

  if (!messenger_new_identity (call->messenger, &error))
    {
      call_reply_error (call, error);
      return;
    }
  answer = call_answer (call);
  sd_bus_message_append (answer, "s", messenger_fingerprint (call->messenger));
  call_reply_later (call, answer);
}

static void
on_code (const char *run, const char *code, const GError *error, gpointer user_data)
{
  Call *call = user_data;

  if (error != NULL)
    call_reply_error (call, g_error_copy (error));
  else
    {
      sd_bus_message *answer = call_answer (call);

      sd_bus_message_append (answer, "ss", run, code);
      call_reply (call, answer);
    }
  call_free (call);
}

void
trust_handle_verify (const Call *call)
{
  Call *kept = call_keep (call);
  GError *error = NULL;

  if (messenger_verify (call->messenger, call->peer, on_code, kept, &error) != NULL)
    return;
  call_free (kept);
  call_reply_error (call, error);
}

void
trust_handle_answer (const Call *call)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->arguments, 2);
  g_autofree char *typed = call_option_string (options, "code");
  const char *run;
  gboolean match, same;
  GError *error = NULL;
  sd_bus_message *answer;

  g_variant_get_child (call->arguments, 0, "&s", &run);
  g_variant_get_child (call->arguments, 1, "b", &match);
  if (!messenger_answer (call->messenger, call->peer, run, typed, match, &same, &error))
    {
      call_reply_error (call, error);
      return;
    }
  answer = call_answer (call);
  sd_bus_message_append (answer, "b", same);
  call_reply_later (call, answer);
}

void
trust_handle_cancel_verify (const Call *call)
{
  messenger_cancel_verify (call->messenger, call->peer);
  call_reply_later (call, NULL);
}
