/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "presence/txt.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"

static const struct
{
  const char *name; /* on the bus */
  const char *txt;  /* in a TXT record; NULL: not there */
} statuses[] = {
  [STATUS_AVAILABLE] = { "available", "avail" },
  [STATUS_AWAY] = { "away", "away" },
  [STATUS_DND] = { "dnd", "dnd" },
  [STATUS_OFFLINE] = { "offline", NULL },
};

/* The keys that hold text, in the order in which they are published: what comes last is left out first when a
 * record is full. */
static const struct
{
  const char *key;
  gsize offset;
  gsize max;
} fields[] = {
  { "nick", G_STRUCT_OFFSET (Presence, nick), LIMIT_NICK },
  { "1st", G_STRUCT_OFFSET (Presence, first), LIMIT_TXT_STRING },
  { "last", G_STRUCT_OFFSET (Presence, last), LIMIT_TXT_STRING },
  { "msg", G_STRUCT_OFFSET (Presence, text), LIMIT_STATUS_TEXT },
  { "node", G_STRUCT_OFFSET (Presence, node), LIMIT_TXT_STRING },
  { "hash", G_STRUCT_OFFSET (Presence, hash), LIMIT_TXT_STRING },
  { "ver", G_STRUCT_OFFSET (Presence, ver), LIMIT_TXT_STRING },
  { "noise", G_STRUCT_OFFSET (Presence, noise), LIMIT_TXT_STRING },
  { "k", G_STRUCT_OFFSET (Presence, hint), LIMIT_TXT_STRING },
  { "email", G_STRUCT_OFFSET (Presence, email), LIMIT_TXT_STRING },
  { "jid", G_STRUCT_OFFSET (Presence, jid), LIMIT_TXT_STRING },
};

const char *
status_name (Status status)
{
  g_return_val_if_fail (status < G_N_ELEMENTS (statuses), "offline");
  return statuses[status].name;
}

gboolean
status_from_name (const char *name, Status *status)
{
  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++)
    if (g_str_equal (statuses[i].name, name))
      {
        *status = i;
        return TRUE;
      }
  return FALSE;
}

static char **
field_of (const Presence *presence, guint i)
{
  return (char **) (void *) ((char *) (gsize) presence + fields[i].offset);
}

Presence *
presence_new (void)
{
  return g_new0 (Presence, 1);
}

void
presence_free (Presence *presence)
{
  if (presence == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    g_free (*field_of (presence, i));
  g_free (presence);
}

gboolean
presence_equal (const Presence *a, const Presence *b)
{
  if (a->status != b->status)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    if (g_strcmp0 (*field_of (a, i), *field_of (b, i)) != 0)
      return FALSE;
  return TRUE;
}

/* One line of at most @max bytes, or NULL for nothing. */
static char *
clean_value (const char *value, gsize len, gsize max)
{
  g_autofree char *clean = text_clean_line (value, (gssize) len, max);

  return *clean != '\0' ? g_steal_pointer (&clean) : NULL;
}

static Status
parse_status (const char *value, gsize len)
{
  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++)
    if (statuses[i].txt != NULL && strlen (statuses[i].txt) == len
        && g_ascii_strncasecmp (statuses[i].txt, value, len) == 0)
      return i;
  return STATUS_AVAILABLE;
}

static gboolean
key_is (const char *key, gsize len, const char *name)
{
  return strlen (name) == len && g_ascii_strncasecmp (key, name, len) == 0;
}

/* @seen: a bit each field, and one for the status, so that the first of equal keys counts even without a
 * value. */
static void
read_string (Presence *presence, const char *string, gsize len, guint *seen)
{
  const char *equals = len > 0 ? memchr (string, '=', len) : NULL;
  gsize key_len = equals != NULL ? (gsize) (equals - string) : len;
  const char *value = equals != NULL ? equals + 1 : "";
  gsize value_len = equals != NULL ? len - key_len - 1 : 0;
  guint status_bit = 1u << G_N_ELEMENTS (fields);

  if (key_is (string, key_len, "status") && !(*seen & status_bit))
    {
      *seen |= status_bit;
      presence->status = parse_status (value, value_len);
    }
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    if (key_is (string, key_len, fields[i].key) && !(*seen & (1u << i)))
      {
        *seen |= 1u << i;
        *field_of (presence, i) = clean_value (value, value_len, fields[i].max);
      }
}

Presence *
txt_parse (GPtrArray *strings)
{
  Presence *presence = presence_new ();
  gsize total = 0;
  guint seen = 0;

  for (guint i = 0; i < strings->len; i++)
    {
      gsize len;
      const char *string = g_bytes_get_data (g_ptr_array_index (strings, i), &len);

      total += 1 + len;
      if (total > LIMIT_TXT)
        break;
      if (len > 0 && len <= LIMIT_TXT_STRING)
        read_string (presence, string, len, &seen);
    }
  return presence;
}

/* Adds "KEY=VALUE" where there is a value and it fits into the record; @total counts it. */
static void
add_string (GPtrArray *strings, gsize *total, const char *key, const char *value, gsize max)
{
  gsize room = LIMIT_TXT_STRING - strlen (key) - strlen ("=");
  g_autofree char *clean = value != NULL ? clean_value (value, strlen (value), MIN (max, room)) : NULL;
  g_autofree char *string = NULL;

  if (clean == NULL)
    return;
  string = g_strconcat (key, "=", clean, NULL);
  if (*total + 1 + strlen (string) > LIMIT_TXT)
    return;
  *total += 1 + strlen (string);
  g_ptr_array_add (strings, g_bytes_new (string, strlen (string)));
}

static const char *
published (const Presence *presence, guint i)
{
  if (g_str_equal (fields[i].key, "1st") && presence->first == NULL)
    return presence->nick;
  return *field_of (presence, i);
}

GPtrArray *
txt_build (const Presence *presence, guint16 port)
{
  GPtrArray *strings = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autofree char *port_text = g_strdup_printf ("%u", port);
  const char *status = statuses[presence->status].txt;
  gsize total = 0;

  add_string (strings, &total, "txtvers", "1", LIMIT_TXT_STRING);
  add_string (strings, &total, "port.p2pj", port_text, LIMIT_TXT_STRING);
  add_string (strings, &total, "status", status != NULL ? status : "avail", LIMIT_TXT_STRING);
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    add_string (strings, &total, fields[i].key, published (presence, i), fields[i].max);
  return strings;
}

char *
txt_display_name (const Presence *presence)
{
  if (presence->nick != NULL)
    return g_strdup (presence->nick);
  if (presence->first != NULL && presence->last != NULL)
    return g_strjoin (" ", presence->first, presence->last, NULL);
  return g_strdup (presence->first != NULL ? presence->first : presence->last);
}
