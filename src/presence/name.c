/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "presence/name.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"

/* The least of a long host name that is kept when user and host do not fit together. */
#define HOST_KEPT 31

/* The first label of a host name, of what DNS allows there. */
static char *
host_label (const char *machine)
{
  GString *label = g_string_new (NULL);

  for (; *machine != '\0' && *machine != '.'; machine++)
    if (g_ascii_isalnum (*machine) || *machine == '-' || *machine == '_')
      g_string_append_c (label, *machine);
  if (label->len == 0)
    g_string_append (label, "localhost");
  return g_string_free (label, FALSE);
}

static char *
user_part (const char *user)
{
  g_autofree char *part = text_clean_line (user, -1, LIMIT_INSTANCE);

  g_strdelimit (part, "@", '-');
  return *part != '\0' ? g_steal_pointer (&part) : g_strdup ("user");
}

static void
cut (char *text, gsize max_bytes)
{
  text[text_cut (text, max_bytes)] = '\0';
}

char *
name_make (const char *user, const char *machine)
{
  g_autofree char *part = user_part (user);
  g_autofree char *host = host_label (machine);
  gsize both = LIMIT_INSTANCE - strlen ("@");

  cut (host, MAX (both - MIN (strlen (part), both), HOST_KEPT));
  cut (part, both - strlen (host));
  return g_strconcat (g_strchomp (part), "@", host, NULL);
}

char *
name_alternative (const char *name, guint n)
{
  const char *at = strrchr (name, '@');
  g_autofree char *user = name_dup_user (name);
  g_autofree char *host = g_strdup (at != NULL ? at : "");
  g_autofree char *number = g_strdup_printf ("-%u", n);

  if (n == 0)
    return g_strdup (name);
  cut (host, LIMIT_INSTANCE - strlen (number));
  cut (user, LIMIT_INSTANCE - strlen (number) - strlen (host));
  return g_strconcat (user, number, host, NULL);
}

char *
name_fold (const char *name)
{
  return g_ascii_strdown (name, -1);
}

gboolean
name_equal (const char *a, const char *b)
{
  return g_ascii_strcasecmp (a, b) == 0;
}

char *
name_dup_user (const char *name)
{
  const char *at = strrchr (name, '@');

  return at != NULL ? g_strndup (name, at - name) : g_strdup (name);
}

gboolean
name_is_valid (const char *name)
{
  gsize len = strlen (name);
  g_autofree char *clean = NULL;

  if (len == 0 || len > LIMIT_INSTANCE || !g_utf8_validate (name, (gssize) len, NULL))
    return FALSE;
  clean = text_clean_line (name, (gssize) len, LIMIT_INSTANCE);
  return g_str_equal (clean, name);
}
