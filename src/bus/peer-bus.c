/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <net/if.h>
#include <unistd.h>

#include "base/error.h"
#include "bus/api.h"
#include "bus/service.h"
#include "net/addresses.h"

/* org.hearby.Peer1 */

static GVariant *
string_or_empty (const char *text)
{
  return g_variant_new_string (text != NULL ? text : "");
}

static GVariant *
get_id (Messenger *messenger, Peer *peer)
{
  return g_variant_new_take_string (g_strdup_printf ("%" G_GINT64_FORMAT, peer->row->id));
}

static GVariant *
get_name (Messenger *messenger, Peer *peer)
{
  return g_variant_new_take_string (roster_dup_name (messenger_roster (messenger), peer));
}

static GVariant *
get_instance (Messenger *messenger, Peer *peer)
{
  return string_or_empty (peer->row->instance);
}

static GVariant *
get_nick (Messenger *messenger, Peer *peer)
{
  return string_or_empty (peer->row->nick);
}

static GVariant *
get_alias (Messenger *messenger, Peer *peer)
{
  return string_or_empty (peer->alias);
}

static GVariant *
get_trust (Messenger *messenger, Peer *peer)
{
  return g_variant_new_string (peer_trust (peer));
}

static GVariant *
get_confirmed (Messenger *messenger, Peer *peer)
{
  return g_variant_new_boolean (TRUE); /* nothing plain can be proven */
}

static GVariant *
get_online (Messenger *messenger, Peer *peer)
{
  return g_variant_new_boolean (peer_is_online (peer));
}

static GVariant *
get_status (Messenger *messenger, Peer *peer)
{
  return g_variant_new_string (status_name (peer_status (peer)));
}

static GVariant *
get_status_text (Messenger *messenger, Peer *peer)
{
  return string_or_empty (peer->presence != NULL ? peer->presence->text : NULL);
}

static GVariant *
get_last_seen (Messenger *messenger, Peer *peer)
{
  return g_variant_new_int64 (peer->row->last_seen);
}

static void
add_address (GVariantBuilder *builder, GInetSocketAddress *address, guint interface, const char *source)
{
  char name[IF_NAMESIZE] = "";
  g_autofree char *text = addresses_to_string (address);

  if (interface != 0)
    if_indextoname (interface, name);
  g_variant_builder_add (builder, "(sssq)", name, text, source, g_inet_socket_address_get_port (address));
}

static GVariant *
get_addresses (Messenger *messenger, Peer *peer)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sssq)"));
  for (guint i = 0; i < peer->sightings->len; i++)
    {
      const Sighting *sighting = g_ptr_array_index (peer->sightings, i);

      add_address (&builder, G_INET_SOCKET_ADDRESS (sighting->address), sighting->interface, "mdns");
    }
  for (guint i = 0; i < peer->added->len; i++)
    add_address (&builder, g_ptr_array_index (peer->added, i), 0, "added");
  return g_variant_builder_end (&builder);
}

static GVariant *
get_capabilities (Messenger *messenger, Peer *peer)
{
  g_auto (GStrv) names = capabilities_names (peer->capabilities_known ? peer->capabilities : 0);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; names[i] != NULL; i++)
    g_variant_builder_add (&builder, "s", names[i]);
  if (peer->capabilities_known)
    g_variant_builder_add (&builder, "s", "known");
  return g_variant_builder_end (&builder);
}

static GVariant *
get_policy (Messenger *messenger, Peer *peer)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "plaintext",
                         g_variant_new_string (peer->row->plaintext == PLAINTEXT_ALLOW ? "allow" : "ask"));
  return g_variant_builder_end (&builder);
}

static GVariant *
get_blocked (Messenger *messenger, Peer *peer)
{
  return g_variant_new_boolean (peer->row->blocked);
}

GVariant *
peer_get_unread (Messenger *messenger, Peer *peer)
{
  return g_variant_new_uint32 (peer->unread);
}

GVariant *
peer_get_queued (Messenger *messenger, Peer *peer)
{
  return g_variant_new_uint32 (peer->queued);
}

static GVariant *
get_self (Messenger *messenger, Peer *peer)
{
  return g_variant_new_boolean (peer->is_self);
}

/* Methods ---------------------------------------------------------------------------------------------------------- */

/* Checks all of @changes before anything is changed. */
static gboolean
check_changes (GVariant *changes, GError **error)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      G_GNUC_UNUSED g_autoptr (GVariant) owned = value;
      gboolean is_plaintext = g_str_equal (key, "plaintext") && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
                              && (g_str_equal (g_variant_get_string (value, NULL), "allow")
                                  || g_str_equal (g_variant_get_string (value, NULL), "ask"));
      gboolean is_blocked = g_str_equal (key, "blocked") && g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN);

      if (is_plaintext || is_blocked)
        continue;
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                   "'%s' cannot be that\nwhat there is: plaintext=allow, plaintext=ask", key);
      return FALSE;
    }
  return TRUE;
}

static void
handle_configure (const Call *call)
{
  g_autoptr (GVariant) changes = g_variant_get_child_value (call->arguments, 0);
  g_autofree char *plaintext = call_option_string (changes, "plaintext");
  g_autoptr (GVariant) blocked = call_option (changes, "blocked", G_VARIANT_TYPE_BOOLEAN);
  GError *error = NULL;
  gboolean done = check_changes (changes, &error);

  if (done && call->peer->is_self)
    {
      done = FALSE;
      g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "there is nothing to configure of yourself here");
    }
  if (done && plaintext != NULL)
    done = messenger_allow_plaintext (call->messenger, call->peer,
                                      g_str_equal (plaintext, "allow") ? PLAINTEXT_ALLOW : PLAINTEXT_ASK, &error);
  if (done && blocked != NULL)
    done = messenger_block (call->messenger, call->peer, g_variant_get_boolean (blocked), &error);
  if (done)
    call_reply_later (call, NULL);
  else
    call_reply_error (call, error);
}

static void
handle_forget (const Call *call)
{
  GError *error = NULL;

  if (messenger_forget (call->messenger, call->peer, &error))
    call_reply_later (call, NULL);
  else
    call_reply_error (call, error);
}

static void
on_probed (gint64 rtt, const char *address, const GError *error, gpointer user_data)
{
  GVariantBuilder result;

  g_variant_builder_init (&result, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&result, "{sv}", "connected", g_variant_new_boolean (error == NULL));
  g_variant_builder_add (&result, "{sv}", "address", g_variant_new_string (address != NULL ? address : ""));
  if (rtt >= 0)
    g_variant_builder_add (&result, "{sv}", "rtt", g_variant_new_int64 (rtt));
  if (error != NULL)
    g_variant_builder_add (&result, "{sv}", "error", g_variant_new_string (error->message));
  g_dbus_method_invocation_return_value (user_data, g_variant_new ("(a{sv})", &result));
}

static void
handle_probe (const Call *call)
{
  messenger_probe (call->messenger, call->peer, on_probed, call->invocation);
}

static void
handle_trace (const Call *call)
{
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();
  GError *error = NULL;
  int pipe[2];
  int handle;

  if (!(g_dbus_connection_get_capabilities (g_dbus_method_invocation_get_connection (call->invocation))
        & G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING))
    {
      call_reply_error (call, g_error_new_literal (HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED,
                                                  "this connection cannot carry a descriptor"));
      return;
    }
  if (!g_unix_open_pipe (pipe, FD_CLOEXEC, &error))
    {
      call_reply_error (call, error);
      return;
    }
  handle = g_unix_fd_list_append (list, pipe[0], &error);
  close (pipe[0]);
  if (handle < 0)
    {
      close (pipe[1]);
      call_reply_error (call, error);
      return;
    }
  messenger_trace (call->messenger, call->peer, pipe[1]);
  g_dbus_method_invocation_return_value_with_unix_fd_list (call->invocation, g_variant_new ("(h)", handle), list);
}

const Interface *
peer_interface (void)
{
  static const MethodRow methods[] = {
    { "Configure", handle_configure, NULL }, { "Forget", handle_forget, NULL }, { "Probe", handle_probe, NULL },
    { "Trace", handle_trace, NULL },         { NULL, NULL, NULL },
  };
  static const PropertyRow properties[] = {
    { "Id", get_id, 0 },
    { "Name", get_name, PEER_CHANGED_NAME },
    { "Instance", get_instance, PEER_CHANGED_NAME },
    { "Nick", get_nick, PEER_CHANGED_NAME },
    { "Alias", get_alias, PEER_CHANGED_NAME },
    { "Trust", get_trust, PEER_CHANGED_POLICY },
    { "Confirmed", get_confirmed, 0 },
    { "Online", get_online, PEER_CHANGED_PRESENCE },
    { "Status", get_status, PEER_CHANGED_PRESENCE },
    { "StatusText", get_status_text, PEER_CHANGED_PRESENCE },
    { "LastSeen", get_last_seen, PEER_CHANGED_PRESENCE },
    { "Addresses", get_addresses, PEER_CHANGED_ADDRESSES },
    { "Capabilities", get_capabilities, PEER_CHANGED_CAPABILITIES },
    { "Policy", get_policy, PEER_CHANGED_POLICY },
    { "Blocked", get_blocked, PEER_CHANGED_POLICY },
    { "Unread", peer_get_unread, PEER_CHANGED_COUNTS },
    { "Queued", peer_get_queued, PEER_CHANGED_COUNTS },
    { "Self", get_self, 0 },
    { NULL, NULL, 0 },
  };
  static Interface interface = { NULL, methods, properties };

  interface.info = (GDBusInterfaceInfo *) &org_hearby_peer1_interface;
  return &interface;
}
