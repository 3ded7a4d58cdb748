/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/call.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"

/* Paths ------------------------------------------------------------------------------------------------------------ */

char *
call_peer_path (gint64 id)
{
  return g_strdup_printf (BUS_PEERS "/p%" G_GINT64_FORMAT, id);
}

char *
call_conversation_path (gint64 id)
{
  return g_strdup_printf (BUS_CONVERSATIONS "/p%" G_GINT64_FORMAT, id);
}

char *
call_transfer_path (guint64 id)
{
  return g_strdup_printf (BUS_TRANSFERS "/%" G_GUINT64_FORMAT, id);
}

/* "p12" */
Peer *
call_peer_of_node (Messenger *messenger, const char *node)
{
  char *end;
  gint64 id;

  if (node == NULL || node[0] != 'p' || !g_ascii_isdigit (node[1]))
    return NULL;
  id = g_ascii_strtoll (node + 1, &end, 10);
  return *end == '\0' ? roster_by_id (messenger_roster (messenger), id) : NULL;
}

Transfer *
call_transfer_of_node (Messenger *messenger, const char *node)
{
  char *end;
  guint64 id;

  if (!g_ascii_isdigit (node[0]) || node[0] == '0') /* one path for each */
    return NULL;
  id = g_ascii_strtoull (node, &end, 10);
  return *end == '\0' ? transfers_find (messenger, id) : NULL;
}

Peer *
call_peer_of_path (Messenger *messenger, const char *path, GError **error)
{
  Peer *peer = g_str_has_prefix (path, BUS_PEERS "/") ? call_peer_of_node (messenger, path + strlen (BUS_PEERS "/")) : NULL;

  if (peer == NULL)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "there is no peer %s", path);
  return peer;
}

GPtrArray *
call_peers (Messenger *messenger, GVariant *paths, GError **error)
{
  g_autoptr (GPtrArray) peers = g_ptr_array_new ();
  GVariantIter iter;
  const char *path;

  g_variant_iter_init (&iter, paths);
  while (g_variant_iter_next (&iter, "&o", &path))
    {
      Peer *peer = call_peer_of_path (messenger, path, error);

      if (peer == NULL)
        return NULL;
      g_ptr_array_add (peers, peer);
    }
  return g_steal_pointer (&peers);
}

/* Options ---------------------------------------------------------------------------------------------------------- */

GVariant *
call_option (GVariant *options, const char *name, const GVariantType *type)
{
  g_autofree char *demanded = NULL;
  GVariant *value;

  if (g_variant_n_children (options) == 0) /* mostly */
    return NULL;
  value = g_variant_lookup_value (options, name, type);
  if (value != NULL)
    return value;
  demanded = g_strconcat ("!", name, NULL);
  return g_variant_lookup_value (options, demanded, type);
}

gboolean
call_option_boolean (GVariant *options, const char *name)
{
  g_autoptr (GVariant) value = call_option (options, name, G_VARIANT_TYPE_BOOLEAN);

  return value != NULL && g_variant_get_boolean (value);
}

gint64
call_option_int64 (GVariant *options, const char *name)
{
  g_autoptr (GVariant) value = call_option (options, name, G_VARIANT_TYPE_INT64);

  return value != NULL ? g_variant_get_int64 (value) : 0;
}

guint64
call_option_uint64 (GVariant *options, const char *name)
{
  g_autoptr (GVariant) value = call_option (options, name, G_VARIANT_TYPE_UINT64);

  return value != NULL ? g_variant_get_uint64 (value) : 0;
}

char *
call_option_string (GVariant *options, const char *name)
{
  g_autoptr (GVariant) value = call_option (options, name, G_VARIANT_TYPE_STRING);

  return value != NULL ? g_variant_dup_string (value, NULL) : NULL;
}

char *
call_dup_bytes (GVariant *value)
{
  gsize len;
  const char *bytes = g_variant_get_fixed_array (value, &len, 1);

  return len > 0 && memchr (bytes, '\0', len) == NULL ? g_strndup (bytes, len) : NULL;
}

char *
call_path (GVariant *options, const char *name, GError **error)
{
  g_autofree char *bytes_name = g_strconcat (name, "_bytes", NULL);
  g_autoptr (GVariant) bytes = call_option (options, bytes_name, G_VARIANT_TYPE_BYTESTRING);
  g_autofree char *path = bytes != NULL ? call_dup_bytes (bytes) : call_option_string (options, name);

  if ((bytes == NULL && path == NULL) || call_check_path (path, error))
    return g_steal_pointer (&path);
  return NULL;
}

gboolean
call_check_path (const char *path, GError **error)
{
  if (path != NULL && path[0] == '/' && strlen (path) < PATH_MAX)
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "'%s' is no absolute path", path != NULL ? path : "");
  return FALSE;
}

gboolean
call_peer_ids (Messenger *messenger, GVariant *options, GArray **ids, GError **error)
{
  g_autoptr (GVariant) paths = call_option (options, "peers", G_VARIANT_TYPE_OBJECT_PATH_ARRAY);
  g_autoptr (GPtrArray) peers = NULL;

  *ids = NULL;
  if (paths == NULL)
    return TRUE;
  peers = call_peers (messenger, paths, error);
  if (peers == NULL)
    return FALSE;
  *ids = g_array_new (FALSE, FALSE, sizeof (gint64));
  for (guint i = 0; i < peers->len; i++)
    g_array_append_val (*ids, ((Peer *) g_ptr_array_index (peers, i))->row->id);
  return TRUE;
}

int
call_copy_descriptor (int fd, GError **error)
{
  int copy = fcntl (fd, F_DUPFD_CLOEXEC, 3);

  if (copy < 0)
    g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "the descriptor cannot be taken: %s", g_strerror (errno));
  return copy;
}

/* An option that has to be understood and is not. */
char *
call_find_unknown_demand (GVariant *arguments, const char *known)
{
  gsize n = g_variant_n_children (arguments);
  g_autoptr (GVariant) last = n > 0 ? g_variant_get_child_value (arguments, n - 1) : NULL;
  g_auto (GStrv) words = NULL;
  GVariantIter iter;
  const char *key;

  if (last == NULL || !g_variant_is_of_type (last, G_VARIANT_TYPE_VARDICT) || g_variant_n_children (last) == 0)
    return NULL;
  words = g_strsplit (known != NULL ? known : "", " ", -1);
  g_variant_iter_init (&iter, last);
  while (g_variant_iter_next (&iter, "{&sv}", &key, NULL))
    if (key[0] == '!' && !g_strv_contains ((const char *const *) words, key + 1))
      return g_strdup (key + 1);
  return NULL;
}

/* Files ------------------------------------------------------------------------------------------------------------ */

void
call_append_text (sd_bus_message *to, const char *bytes)
{
  g_autofree char *text = bytes != NULL ? g_utf8_make_valid (bytes, -1) : NULL;

  sd_bus_message_append (to, "s", text);
}

void
call_append_bytes (sd_bus_message *to, const char *bytes)
{
  gsize len = bytes != NULL && !g_utf8_validate (bytes, -1, NULL) ? strlen (bytes) : 0;

  sd_bus_message_append_array (to, 'y', bytes, len);
}

/* sd_bus_message_append (to, "{sv}", …) in a fifth less time: it parses its format for each of the containers. */
void
call_append_entry (sd_bus_message *to, const char *key, char type, const void *value)
{
  const char types[] = { type, '\0' };

  sd_bus_message_open_container (to, 'e', "sv");
  sd_bus_message_append_basic (to, 's', key);
  sd_bus_message_open_container (to, 'v', types);
  sd_bus_message_append_basic (to, type, value);
  sd_bus_message_close_container (to);
  sd_bus_message_close_container (to);
}

void
call_append_bytes_entry (sd_bus_message *to, const char *key, const char *bytes)
{
  sd_bus_message_open_container (to, 'e', "sv");
  sd_bus_message_append (to, "s", key);
  sd_bus_message_open_container (to, 'v', "ay");
  call_append_bytes (to, bytes);
  sd_bus_message_close_container (to);
  sd_bus_message_close_container (to);
}

/* Replies ---------------------------------------------------------------------------------------------------------- */

sd_bus_message *
call_answer (const Call *call)
{
  sd_bus_message *answer = NULL;

  if (sd_bus_message_new_method_return (call->message, &answer) < 0)
    g_error ("no memory for an answer");
  return answer;
}

void
call_reply (const Call *call, sd_bus_message *answer)
{
  g_autoptr (sd_bus_message) whole = answer != NULL ? answer : call_answer (call);

  if (sd_bus_message_get_expect_reply (call->message) > 0
      && sd_bus_send (sd_bus_message_get_bus (call->message), whole, NULL) < 0) /* then this fails too where who asked is gone */
    sd_bus_reply_method_errorf (call->message, ERROR_DBUS_PREFIX "Failed", "the answer is larger than a message may be");
}

static void
reply_error (const Call *call, const GError *error)
{
  g_autofree char *name = g_strconcat (ERROR_DBUS_PREFIX, error_name (error_code (error)), NULL);
  g_autofree char *text = g_utf8_make_valid (error->message, -1); /* the name of a file may be in it */

  sd_bus_reply_method_errorf (call->message, name, "%s", text);
}

void
call_reply_error (const Call *call, GError *error)
{
  reply_error (call, error);
  g_error_free (error);
}

void
call_finish (const Call *call, gboolean done, GError *error)
{
  if (done)
    call_reply_later (call, NULL);
  else
    call_reply_error (call, error);
}

void
call_refuse (const Call *call, const char *name, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  sd_bus_reply_method_errorf (call->message, name, "%s", text);
}

void
call_refuse_arguments (const Call *call)
{
  call_refuse (call, SD_BUS_ERROR_INVALID_ARGS, "the arguments are malformed or far too many");
}

void
call_refuse_option (const Call *call, const char *method, const char *option)
{
  call_reply_error (call, g_error_new (HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                                      "%s does not understand the option '%s'", method, option));
}

typedef struct
{
  Call            call;
  sd_bus_message *answer;
} Reply;

static void
reply_after (const GError *error, gpointer data)
{
  g_autofree Reply *reply = data;

  if (error != NULL)
    reply_error (&reply->call, error);
  else
    call_reply (&reply->call, g_steal_pointer (&reply->answer));
  sd_bus_message_unref (reply->answer);
  sd_bus_message_unref (reply->call.message);
}

void
call_reply_later (const Call *call, sd_bus_message *answer)
{
  Reply *reply = g_new0 (Reply, 1);

  reply->call.message = sd_bus_message_ref (call->message);
  reply->answer = answer;
  turn_after (messenger_turn (call->messenger), reply_after, reply);
}

Call *
call_keep (const Call *call)
{
  Call *kept = g_new0 (Call, 1);

  kept->service = call->service;
  kept->messenger = call->messenger;
  kept->message = sd_bus_message_ref (call->message);
  return kept;
}

void
call_free (Call *call)
{
  sd_bus_message_unref (call->message);
  g_free (call);
}
