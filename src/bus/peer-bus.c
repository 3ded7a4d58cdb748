/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib-unix.h>
#include <net/if.h>
#include <unistd.h>

#include "base/error.h"
#include "bus/api.h"
#include "bus/service.h"
#include "net/addresses.h"

/* org.hearby.Peer1 */

static const char *const plaintext_words[] = { [PLAINTEXT_ASK] = "ask", [PLAINTEXT_ALLOW] = "allow", NULL };
static const char *const encryption_words[] = { [ENCRYPTION_DEFAULT] = "default",
                                                [ENCRYPTION_REQUIRE] = "require",
                                                [ENCRYPTION_PREFER] = "prefer",
                                                [ENCRYPTION_NEVER] = "never",
                                                NULL };

static const char *const files_words[] = { [FILES_ASK] = "ask", [FILES_AUTO] = "auto", [FILES_NEVER] = "never", NULL };

/* A text that is NULL becomes "". */

static void
append_id (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  char id[24];

  g_snprintf (id, sizeof id, "%" G_GINT64_FORMAT, peer->row->id);
  sd_bus_message_append (to, "s", id);
}

static void
append_name (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  g_autofree char *name = roster_dup_name (messenger_roster (messenger), peer);

  sd_bus_message_append (to, "s", name);
}

static void
append_instance (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", peer->row->instance);
}

static void
append_nick (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", peer->row->nick);
}

static void
append_alias (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", peer->alias);
}

static void
append_trust (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", peer_trust (peer));
}

static void
append_online (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "b", peer_is_online (peer));
}

static void
append_status (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", status_name (peer_status (peer)));
}

static void
append_status_text (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "s", peer->presence != NULL ? peer->presence->text : NULL);
}

static void
append_last_seen (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "x", peer->row->last_seen);
}

static void
append_address (sd_bus_message *to, GInetSocketAddress *address, guint interface, const char *source)
{
  char name[IF_NAMESIZE] = "";
  g_autofree char *text = addresses_to_string (address);

  if (interface != 0)
    if_indextoname (interface, name);
  sd_bus_message_append (to, "(sssq)", name, text, source, g_inet_socket_address_get_port (address));
}

static void
append_addresses (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_open_container (to, 'a', "(sssq)");
  for (guint i = 0; i < peer->sightings->len; i++)
    {
      const Sighting *sighting = g_ptr_array_index (peer->sightings, i);

      append_address (to, G_INET_SOCKET_ADDRESS (sighting->address), sighting->interface, "mdns");
    }
  for (guint i = 0; i < peer->added->len; i++)
    append_address (to, g_ptr_array_index (peer->added, i), 0, "added");
  sd_bus_message_close_container (to);
}

static void
append_capabilities (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  g_auto (GStrv) names = capabilities_names (peer->capabilities_known ? peer->capabilities : 0);

  sd_bus_message_open_container (to, 'a', "s");
  for (guint i = 0; names[i] != NULL; i++)
    sd_bus_message_append (to, "s", names[i]);
  if (peer->capabilities_known)
    sd_bus_message_append (to, "s", "known");
  sd_bus_message_close_container (to);
}

static void
append_policy (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  const PeerRow *row = peer->row;
  g_autofree char *folder = g_utf8_make_valid (row->files_to != NULL ? row->files_to : "", -1);

  sd_bus_message_open_container (to, 'a', "{sv}");
  sd_bus_message_append (to, "{sv}", "plaintext", "s", plaintext_words[row->plaintext]);
  sd_bus_message_append (to, "{sv}", "encryption", "s", encryption_words[row->encryption]);
  sd_bus_message_append (to, "{sv}", "files", "s", files_words[row->files]);
  sd_bus_message_append (to, "{sv}", "files_limit", "x", row->files_limit);
  sd_bus_message_append (to, "{sv}", "files_to", "s", folder);
  if (row->files_to != NULL && !g_utf8_validate (row->files_to, -1, NULL))
    call_append_bytes_entry (to, "files_to_bytes", row->files_to);
  sd_bus_message_append (to, "{sv}", "quota", "x", row->quota);
  sd_bus_message_close_container (to);
}

static void
append_blocked (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "b", peer->row->blocked);
}

void
peer_append_unread (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "u", peer->unread);
}

void
peer_append_queued (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "u", peer->queued);
}

static void
append_self (sd_bus_message *to, Messenger *messenger, Peer *peer)
{
  sd_bus_message_append (to, "b", peer->is_self);
}

/* Methods ---------------------------------------------------------------------------------------------------------- */

/* The place of @value among @words, or -1. */
static int
find_word (const char *const *words, GVariant *value)
{
  for (int i = 0; words[i] != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING); i++)
    if (g_str_equal (words[i], g_variant_get_string (value, NULL)))
      return i;
  return -1;
}

/* The words that @key may be, or NULL. */
static const char *const *
words_of (const char *key)
{
  return g_str_equal (key, "plaintext")    ? plaintext_words
         : g_str_equal (key, "encryption") ? encryption_words
         : g_str_equal (key, "files")      ? files_words
                                           : NULL;
}

static gboolean
is_change (const char *key, GVariant *value)
{
  if (words_of (key) != NULL)
    return find_word (words_of (key), value) >= 0;
  if (g_str_equal (key, "files_limit") || g_str_equal (key, "quota"))
    return g_variant_is_of_type (value, G_VARIANT_TYPE_INT64) && g_variant_get_int64 (value) >= 0;
  if (g_str_equal (key, "files_to"))
    return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING);
  if (g_str_equal (key, "files_to_bytes"))
    return g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING);
  return g_str_equal (key, "blocked") && g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN);
}

static void
fail_change (const char *key, GVariant *value, GError **error)
{
  g_autofree char *words = words_of (key) != NULL ? g_strjoinv (", ", (char **) words_of (key)) : NULL;
  g_autofree char *given = g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) ? g_variant_dup_string (value, NULL)
                                                                               : g_variant_print (value, FALSE);

  if (words != NULL)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "'%s' cannot be '%s'\nwhat there is: %s", key, given, words);
  else
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "there is no policy '%s', or it cannot be '%s'", key, given);
}

/* Checks all of @changes before anything is changed. */
static gboolean
check_changes (const Call *call, GVariant *changes, GError **error)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  if (call->peer->is_self)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "there is nothing to configure of yourself here");
      return FALSE;
    }
  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      G_GNUC_UNUSED g_autoptr (GVariant) owned = value;

      if (is_change (key, value))
        continue;
      fail_change (key, value, error);
      return FALSE;
    }
  return TRUE;
}

/* The folder that @changes wants, or that there is. */
static gboolean
read_folder (const Call *call, GVariant *changes, char **folder, GError **error)
{
  g_autofree char *text = call_option_string (changes, "files_to");
  g_autoptr (GError) problem = NULL;

  *folder = text != NULL && *text == '\0' ? NULL : call_path (changes, "files_to", &problem);
  if (*folder == NULL && problem == NULL && text == NULL)
    *folder = g_strdup (call->peer->row->files_to);
  if (problem != NULL)
    g_propagate_error (error, g_steal_pointer (&problem));
  return *error == NULL;
}

static gboolean
configure_files (const Call *call, GVariant *changes, GError **error)
{
  static const char *const keys[] = { "files", "files_limit", "files_to", "files_to_bytes", "quota" };
  g_autoptr (GVariant) files = call_option (changes, "files", G_VARIANT_TYPE_STRING);
  g_autoptr (GVariant) limit = call_option (changes, "files_limit", G_VARIANT_TYPE_INT64);
  g_autoptr (GVariant) quota = call_option (changes, "quota", G_VARIANT_TYPE_INT64);
  const PeerRow *row = call->peer->row;
  g_autofree char *folder = NULL;
  gboolean any = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (keys) && !any; i++)
    {
      g_autoptr (GVariant) value = call_option (changes, keys[i], NULL);

      any = value != NULL;
    }
  return !any
         || (read_folder (call, changes, &folder, error)
             && transfers_set_policy (call->messenger, call->peer, files != NULL ? (PeerFiles) find_word (files_words, files) : row->files,
                                      limit != NULL ? g_variant_get_int64 (limit) : row->files_limit, folder,
                                      quota != NULL ? g_variant_get_int64 (quota) : row->quota, error));
}

static void
handle_configure (const Call *call)
{
  g_autoptr (GVariant) changes = g_variant_get_child_value (call->arguments, 0);
  g_autoptr (GVariant) plaintext = call_option (changes, "plaintext", G_VARIANT_TYPE_STRING);
  g_autoptr (GVariant) encryption = call_option (changes, "encryption", G_VARIANT_TYPE_STRING);
  g_autoptr (GVariant) blocked = call_option (changes, "blocked", G_VARIANT_TYPE_BOOLEAN);
  GError *error = NULL;
  gboolean done = check_changes (call, changes, &error) && configure_files (call, changes, &error); /* only files may be refused later */

  if (done && plaintext != NULL)
    done = messenger_allow_plaintext (call->messenger, call->peer, (PeerPlaintext) find_word (plaintext_words, plaintext), &error);
  if (done && encryption != NULL)
    done = messenger_set_encryption (call->messenger, call->peer, (PeerEncryption) find_word (encryption_words, encryption), &error);
  if (done && blocked != NULL)
    done = messenger_block (call->messenger, call->peer, g_variant_get_boolean (blocked), &error);
  call_finish (call, done, error);
}

static void
handle_forget (const Call *call)
{
  GError *error = NULL;
  gboolean done = messenger_forget (call->messenger, call->peer, &error);

  call_finish (call, done, error);
}

static void
on_probed (gint64 rtt, const char *address, const GError *error, gpointer user_data)
{
  Call *call = user_data;
  sd_bus_message *result = call_answer (call);

  sd_bus_message_open_container (result, 'a', "{sv}");
  sd_bus_message_append (result, "{sv}", "connected", "b", error == NULL);
  sd_bus_message_append (result, "{sv}", "address", "s", address);
  if (rtt >= 0)
    sd_bus_message_append (result, "{sv}", "rtt", "x", rtt);
  if (error != NULL)
    sd_bus_message_append (result, "{sv}", "error", "s", error->message);
  sd_bus_message_close_container (result);
  call_reply (call, result);
  call_free (call);
}

static void
handle_probe (const Call *call)
{
  messenger_probe (call->messenger, call->peer, on_probed, call_keep (call));
}

static void
handle_trace (const Call *call)
{
  sd_bus_message *answer;
  GError *error = NULL;
  int pipe[2];

  if (sd_bus_can_send (sd_bus_message_get_bus (call->message), 'h') <= 0)
    g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED, "this connection cannot carry a descriptor");
  if (error != NULL || !g_unix_open_pipe (pipe, FD_CLOEXEC, &error))
    {
      call_reply_error (call, error);
      return;
    }
  answer = call_answer (call);
  sd_bus_message_append (answer, "h", pipe[0]); /* a copy of it */
  close (pipe[0]);
  messenger_trace (call->messenger, call->peer, pipe[1]);
  call_reply (call, answer);
}

const Interface *
peer_interface (void)
{
  static const MethodRow methods[] = {
    { "Configure", handle_configure, NULL },
    { "Forget", handle_forget, NULL },
    { "Probe", handle_probe, NULL },
    { "Trace", handle_trace, NULL },
    { "Trust", trust_handle_trust, "verified" },
    { "Verify", trust_handle_verify, NULL },
    { "Answer", trust_handle_answer, "code" },
    { "CancelVerify", trust_handle_cancel_verify, NULL },
    { NULL, NULL, NULL },
  };
  static const PropertyRow properties[] = {
    { "Id", append_id, 0 },
    { "Name", append_name, PEER_CHANGED_NAME },
    { "Instance", append_instance, PEER_CHANGED_NAME },
    { "Nick", append_nick, PEER_CHANGED_NAME },
    { "Alias", append_alias, PEER_CHANGED_NAME },
    { "Trust", append_trust, PEER_CHANGED_POLICY },
    { "Fingerprint", trust_append_fingerprint, PEER_CHANGED_POLICY },
    { "ClaimedFingerprint", trust_append_claim, PEER_CHANGED_POLICY },
    { "LooksLike", trust_append_looks_like, PEER_CHANGED_POLICY },
    { "VerifyWanted", trust_append_verify_wanted, PEER_CHANGED_POLICY },
    { "Confirmed", trust_append_confirmed, PEER_CHANGED_POLICY },
    { "Online", append_online, PEER_CHANGED_PRESENCE },
    { "Status", append_status, PEER_CHANGED_PRESENCE },
    { "StatusText", append_status_text, PEER_CHANGED_PRESENCE },
    { "LastSeen", append_last_seen, PEER_CHANGED_PRESENCE },
    { "Addresses", append_addresses, PEER_CHANGED_ADDRESSES },
    { "Capabilities", append_capabilities, PEER_CHANGED_CAPABILITIES },
    { "Policy", append_policy, PEER_CHANGED_POLICY },
    { "Blocked", append_blocked, PEER_CHANGED_POLICY },
    { "Unread", peer_append_unread, PEER_CHANGED_COUNTS },
    { "Queued", peer_append_queued, PEER_CHANGED_COUNTS },
    { "Self", append_self, 0 },
    { NULL, NULL, 0 },
  };
  static Interface interface = { NULL, methods, properties };

  interface.info = (GDBusInterfaceInfo *) &org_hearby_peer1_interface;
  return &interface;
}
