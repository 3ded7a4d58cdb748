/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/filename.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"

#define NAME_NONE "file"
#define EXTENSION_MAX 16 /* bytes behind the dot: more is no extension but a sentence */

/* The top level ------------------------------------------------------------------------------------------- */

/* Where the extension of @name starts, its dot included; the end of @name where it has none. */
static const char *
extension_of (const char *name)
{
  const char *dot = strrchr (name, '.');
  gsize       len;

  if (dot == NULL || dot == name)
    return name + strlen (name);
  len = strlen (dot + 1);
  if (len == 0 || len > EXTENSION_MAX || strchr (dot, ' ') != NULL)
    return name + strlen (name);
  if (dot - name > 4 && strncmp (dot - 4, ".tar", 4) == 0)
    dot -= 4;
  return dot;
}

/* @name with @insert in front of its extension, of at most LIMIT_FILENAME bytes. */
static char *
insert (const char *name, const char *text)
{
  const char      *extension = extension_of (name);
  g_autofree char *stem = g_strndup (name, extension - name);

  stem[text_cut (stem, LIMIT_FILENAME - strlen (extension) - strlen (text))] = '\0';
  return g_strconcat (stem, text, extension, NULL);
}

static gboolean
can_be_seen (const char *name)
{
  for (; *name != '\0'; name = g_utf8_next_char (name))
    if (g_unichar_isgraph (g_utf8_get_char (name)))
      return TRUE;
  return FALSE;
}

/* Dots hide a file, or lead up; blanks around a name only deceive. */
static char *
strip (char *name)
{
  gsize start = strspn (name, ". ");

  memmove (name, name + start, strlen (name + start) + 1);
  return g_strchomp (name);
}

static char *
clean_component (const char *bytes, gsize len)
{
  /* U+FFFD is three bytes for one; what is beyond that could not be kept anyway, but for the extension. */
  g_autofree char *clean = strip (text_clean_line (bytes, (gssize) len, 3 * len));
  char            *name = strip (insert (clean, ""));

  if (can_be_seen (name))
    return name;
  g_free (name);
  return NULL;
}

static gsize
start_of_last (const char *bytes, gsize len)
{
  while (len > 0 && bytes[len - 1] != '/' && bytes[len - 1] != '\\')
    len--;
  return len;
}

char *
filename_clean (const char *bytes, gssize len)
{
  gsize left = len < 0 ? strlen (bytes) : (gsize) len;

  while (left > 0)
    {
      gsize start = start_of_last (bytes, left);
      char *name = clean_component (bytes + start, left - start);

      if (name != NULL)
        return name;
      left = start > 0 ? start - 1 : 0;
    }
  return g_strdup (NAME_NONE);
}

char *
filename_numbered (const char *name, guint n)
{
  g_autofree char *number = g_strdup_printf (" (%u)", n);

  return insert (name, number);
}

/* Inside a folder ----------------------------------------------------------------------------------------- */

static gboolean
is_hostile (gunichar c)
{
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '/' || c == 0x2028 || c == 0x2029 || text_is_bidi_control (c);
}

static void
append_inner (GString *out, const char *p, gsize left)
{
  while (left > 0)
    {
      gunichar c = g_utf8_get_char_validated (p, left);
      gboolean is_char = *p != '\0' && c != (gunichar) -1 && c != (gunichar) -2;
      gsize    size = is_char ? g_utf8_skip[(guchar) *p] : 1;

      if (*p == '\0' || (is_char && is_hostile (c)))
        g_string_append_c (out, '_');
      else
        g_string_append_len (out, p, size);
      p += size;
      left -= size;
    }
}

static gboolean
is_dots (const char *name, gsize len)
{
  return (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.');
}

char *
filename_clean_inner (const char *bytes, gssize len)
{
  gsize    size = len < 0 ? strlen (bytes) : (gsize) len;
  GString *out = g_string_sized_new (size + 1);

  if (size == 0 || is_dots (bytes, size))
    g_string_append_c (out, '_');
  else
    append_inner (out, bytes, size);
  return g_string_free (out, FALSE);
}

char *
filename_clean_path (const char *path)
{
  gsize            first = strcspn (path, "/");
  g_autofree char *top = NULL;
  GString         *out;

  if (!filename_split_is_safe (path))
    return NULL;
  top = filename_clean (path, (gssize) first);
  out = g_string_new (top);
  for (const char *p = path + first; *p == '/';)
    {
      gsize size = strcspn (p + 1, "/");

      g_string_append_c (out, '/');
      append_inner (out, p + 1, size);
      p += 1 + size;
    }
  return g_string_free (out, FALSE);
}

gboolean
filename_split_is_safe (const char *path)
{
  guint depth = 0;

  if (strlen (path) > LIMIT_PATH)
    return FALSE;
  for (const char *p = path;; p++)
    {
      gsize size = strcspn (p, "/");

      if (size == 0 || size > LIMIT_FILENAME || is_dots (p, size) || ++depth > LIMIT_PATH_DEPTH)
        return FALSE;
      p += size;
      if (*p == '\0')
        return TRUE;
    }
}

/* Links --------------------------------------------------------------------------------------------------- */

/* How many folders are between @path and its top-level folder. */
static guint
folders_above (const char *path)
{
  guint n = 0;

  for (const char *p = path; (p = strchr (p, '/')) != NULL; p++)
    n++;
  return n > 0 ? n - 1 : 0;
}

/* Names are only climbed out of where they are folders of ours for sure: in front, from the folder the link is in. */
gboolean
filename_link_is_inside (const char *path, const char *target)
{
  guint    may_climb = folders_above (path);
  gboolean named = FALSE;

  if (strchr (path, '/') == NULL || *target == '\0' || *target == '/' || strlen (target) > LIMIT_PATH)
    return FALSE;
  for (const char *p = target;; p++)
    {
      gsize size = strcspn (p, "/");

      if (size > LIMIT_FILENAME)
        return FALSE;
      if (size == 2 && is_dots (p, size) && (named || may_climb-- == 0))
        return FALSE;
      named = named || (size > 0 && !is_dots (p, size));
      p += size;
      if (*p == '\0')
        return TRUE;
    }
}

char *
filename_clean_target (const char *target)
{
  GString *out = g_string_new (NULL);

  for (const char *p = target;; p++)
    {
      gsize size = strcspn (p, "/");

      append_inner (out, p, size);
      p += size;
      if (*p == '\0')
        return g_string_free (out, FALSE);
      g_string_append_c (out, '/');
    }
}

char *
filename_part (const char *name, const char *unique)
{
  g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, unique, -1);
  g_autofree char *tail = g_strdup_printf (".%.8s.part", hash);
  g_autofree char *clean = filename_clean (name, -1);
  gsize room = LIMIT_FILENAME - strlen (tail);
  const char *end = clean + MIN (strlen (clean), room);

  while (end > clean && (*end & 0xc0) == 0x80) /* not within a character */
    end--;
  return g_strdup_printf ("%.*s%s", (int) (end - clean), clean, tail);
}
