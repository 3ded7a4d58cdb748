/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/presence-watch.h"

#include "base/error.h"

struct _PresenceWatch
{
  PresenceFunc func;
  gpointer     data;
  GHashTable  *peers; /* path → GVariant a{sv} */
  gboolean     started;
};

/* What makes an event when it changes. */
static const char *const telling[] = { "Online", "Confirmed", "Status", "StatusText", "VerifyWanted" };

PresenceWatch *
presence_watch_new (PresenceFunc func, gpointer data)
{
  PresenceWatch *watch = g_new0 (PresenceWatch, 1);

  watch->func = func;
  watch->data = data;
  watch->peers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  return watch;
}

void
presence_watch_free (PresenceWatch *watch)
{
  if (watch == NULL)
    return;
  g_hash_table_unref (watch->peers);
  g_free (watch);
}

static gboolean
differs (GVariant *one, GVariant *other, const char *property)
{
  g_autoptr (GVariant) a = g_variant_lookup_value (one, property, NULL);
  g_autoptr (GVariant) b = g_variant_lookup_value (other, property, NULL);

  return a == NULL || b == NULL ? a != b : !g_variant_equal (a, b);
}

static gboolean
is_in_conflict (GVariant *peer)
{
  return g_str_equal (dict_string (peer, "Trust"), "conflict");
}

/* One who is offline and was unknown is no news; what an offline peer says is none either. */
static gboolean
is_news (GVariant *before, GVariant *now)
{
  if (before == NULL || (!dict_boolean (before, "Online") && !dict_boolean (now, "Online")))
    return dict_boolean (now, "Online");
  for (guint i = 0; i < G_N_ELEMENTS (telling); i++)
    if (differs (before, now, telling[i]))
      return TRUE;
  return is_in_conflict (before) != is_in_conflict (now);
}

/* Takes @now. */
static void
set_peer (PresenceWatch *watch, const char *path, GVariant *now)
{
  GVariant *before = g_hash_table_lookup (watch->peers, path);
  gboolean news = watch->started && is_news (before, now) && !dict_boolean (now, "Self");

  g_hash_table_insert (watch->peers, g_strdup (path), now);
  if (news)
    watch->func (path, now, watch->data);
}

/* @peer with the values of @changes over it; a new one, not floating. */
static GVariant *
merge (GVariant *peer, GVariant *changes)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (peer);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_variant_dict_insert_value (&dict, key, value);
      g_variant_unref (value);
    }
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static void
set_gone (PresenceWatch *watch, const char *path)
{
  GVariant *peer = g_hash_table_lookup (watch->peers, path);
  g_autofree char *kept = g_strdup (path);
  g_auto (GVariantDict) changes = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) list = NULL;

  if (peer == NULL)
    return;
  g_variant_dict_insert (&changes, "Online", "b", FALSE);
  g_variant_dict_insert (&changes, "Status", "s", "offline");
  list = g_variant_ref_sink (g_variant_dict_end (&changes));
  set_peer (watch, kept, merge (peer, list));
  g_hash_table_remove (watch->peers, kept);
}

static void
take_interfaces (PresenceWatch *watch, const char *path, GVariant *interfaces, GHashTable *seen)
{
  GVariant *peer = g_variant_lookup_value (interfaces, CLIENT_PEER, G_VARIANT_TYPE_VARDICT);

  if (peer == NULL)
    return;
  if (seen != NULL)
    g_hash_table_add (seen, g_strdup (path));
  set_peer (watch, path, peer);
}

void
presence_watch_refresh (PresenceWatch *watch, Client *client)
{
  g_autoptr (GVariant) objects = client_objects (client, NULL);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GList) known = NULL;
  GVariantIter iter;
  const char *path;
  GVariant *interfaces;

  if (objects == NULL)
    return;
  g_variant_iter_init (&iter, objects);
  while (g_variant_iter_next (&iter, "{&o@a{sa{sv}}}", &path, &interfaces))
    {
      take_interfaces (watch, path, interfaces, seen);
      g_variant_unref (interfaces);
    }
  known = g_hash_table_get_keys (watch->peers);
  for (GList *l = known; l != NULL; l = l->next)
    if (!g_hash_table_contains (seen, l->data))
      set_gone (watch, l->data);
  watch->started = TRUE;
}

void
presence_watch_signal (PresenceWatch *watch, const char *path, const char *interface, const char *signal,
                       GVariant *arguments)
{
  g_autoptr (GVariant) dict = NULL;
  const char *object;
  GVariant *peer;

  if (g_str_equal (signal, "PropertiesChanged") && g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(sa{sv}as)")))
    {
      g_variant_get (arguments, "(&s@a{sv}as)", &object, &dict, NULL);
      peer = g_str_equal (object, CLIENT_PEER) ? g_hash_table_lookup (watch->peers, path) : NULL;
      if (peer != NULL)
        set_peer (watch, path, merge (peer, dict));
    }
  else if (g_str_equal (signal, "InterfacesAdded") && g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(oa{sa{sv}})")))
    {
      g_variant_get (arguments, "(&o@a{sa{sv}})", &object, &dict);
      take_interfaces (watch, object, dict, NULL);
    }
  else if (g_str_equal (signal, "InterfacesRemoved") && g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(oas)")))
    {
      g_variant_get (arguments, "(&oas)", &object, NULL);
      set_gone (watch, object);
    }
}

gboolean
presence_watch_is (PresenceWatch *watch, const char *path, gboolean online)
{
  GVariant *peer = g_hash_table_lookup (watch->peers, path);
  gboolean there = peer != NULL && dict_boolean (peer, "Online");

  return online ? there && dict_boolean (peer, "Confirmed") : !there;
}

char *
presence_watch_text (const Format *format, GVariant *peer)
{
  gint64 now = g_get_real_time ();
  g_autofree char *stamp = NULL, *name = NULL, *said = NULL, *alarms = NULL;
  g_autoptr (GString) notes = g_string_new (NULL);
  const char *text = dict_boolean (peer, "Online") ? dict_string (peer, "StatusText") : "";

  if (format->json)
    {
      g_autoptr (JsonBuilder) builder = format_json_begin ();

      stamp = text_format_time (now);
      format_json_string (builder, "type", "presence");
      format_json_string (builder, "time", stamp);
      view_peer (builder, peer);
      json_builder_end_object (builder);
      return format_json_line (builder);
    }
  stamp = format_time (now);
  name = format_text (format, dict_string (peer, "Name"), TEXT_ESCAPE_LINE);
  said = format_text (format, text, TEXT_ESCAPE_LINE);
  view_append_alarms (notes, peer);
  alarms = format_text (format, notes->str, TEXT_ESCAPE_LINE);
  return g_strdup_printf ("%s %s is %s%s%s%s%s\n", stamp, name, view_peer_word (peer), *said != '\0' ? ": " : "", said,
                          *alarms != '\0' ? ", " : "", alarms);
}

gboolean
presence_watch_find (Client *client, const char *const *names, GHashTable **set, GError **error)
{
  if (names[0] == NULL)
    return TRUE;
  *set = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_auto (GStrv) paths = client_find (client, names[i], error);

      if (paths == NULL)
        return FALSE;
      for (guint p = 0; paths[p] != NULL; p++)
        g_hash_table_add (*set, g_strdup (paths[p]));
    }
  return TRUE;
}

/* Whether the daemon knows encryption at all: before, nobody can be more than plain. */
static gboolean
can_encrypt (Client *client)
{
  g_autoptr (GVariant) manager = client_properties (client, CLIENT_ROOT, CLIENT_MANAGER, NULL);
  g_autofree const char **features = NULL;

  return manager == NULL || !g_variant_lookup (manager, "Features", "^a&s", &features)
         || g_strv_contains (features, "encryption");
}

static gboolean
is_plain (Client *client, const char *path)
{
  g_autoptr (GVariant) peer = client_properties (client, path, CLIENT_PEER, NULL);

  return peer != NULL && g_str_equal (dict_string (peer, "Trust"), "plain");
}

gboolean
presence_watch_check_trust (Client *client, GHashTable *set, ViewTrust wanted, const char *const *names, GError **error)
{
  GHashTableIter iter;
  gpointer path;

  if (set == NULL && can_encrypt (client))
    return TRUE;
  if (set == NULL)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_UNENCRYPTED,
                   "nobody's messages are encrypted, so none would be acted on\nadd --trust any to act on all of them");
      return FALSE;
    }
  g_hash_table_iter_init (&iter, set);
  while (g_hash_table_iter_next (&iter, &path, NULL))
    if (!is_plain (client, path))
      return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_UNENCRYPTED,
               "the messages of '%s' are not encrypted, so none would be acted on\n"
               "add --trust any to act on them all the same",
               names[0]);
  return FALSE;
}
