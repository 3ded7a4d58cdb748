/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tell.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

static gboolean silent;

static void
add_bytes (JsonObject *object, const char *key, GBytes *bytes)
{
  gsize len;
  const char *data = g_bytes_get_data (bytes, &len);
  g_autofree char *text = g_utf8_make_valid (data, (gssize)len);

  json_object_set_string_member (object, key, text);
}

static void
print (JsonObject *object)
{
  static GMutex mutex;
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), object);
  g_autofree char *line = json_to_string (node, FALSE);

  g_mutex_lock (&mutex);
  puts (line);
  fflush (stdout);
  g_mutex_unlock (&mutex);
}

void
tell (const char *event, ...)
{
  g_autoptr (JsonObject) object = json_object_new ();
  const char *typed;
  va_list ap;

  if (silent)
    return;
  json_object_set_string_member (object, "event", event);
  va_start (ap, event);
  while ((typed = va_arg (ap, const char *)) != NULL)
    {
      const char *kind = strrchr (typed, ':');
      g_autofree char *key = g_strndup (typed, (gsize)(kind - typed));

      if (kind[1] == 'i')
        json_object_set_int_member (object, key, va_arg (ap, gint64));
      else
        {
          gpointer value = va_arg (ap, gpointer);

          if (value != NULL && kind[1] == 's')
            json_object_set_string_member (object, key, value);
          else if (value != NULL)
            add_bytes (object, key, value);
        }
    }
  va_end (ap);
  print (object);
}

void
tell_nobody (void)
{
  silent = TRUE;
}
