/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/text.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

gboolean
text_is_bidi_control (gunichar c)
{
  return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e)
         || (c >= 0x2066 && c <= 0x2069);
}

/* Not allowed in XML (1.0, 2.2), or one of the 66 that are no characters: sd-bus takes no text with one. */
static gboolean
is_forbidden (gunichar c)
{
  return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef);
}

static gboolean
is_control (gunichar c)
{
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

gsize
text_cut (const char *text, gsize max_bytes)
{
  gsize len = strlen (text);

  if (len <= max_bytes)
    return len;
  while (max_bytes > 0 && ((guchar) text[max_bytes] & 0xc0) == 0x80)
    max_bytes--;
  return max_bytes;
}

/* Appends the next character of @p to @out as @line says; answers how many bytes of @p it was. */
static gsize
clean_one (GString *out, const char *p, gsize left, gboolean line)
{
  gunichar c = g_utf8_get_char_validated (p, left);
  gsize    size;

  if (c == 0 || c == (gunichar) -1 || c == (gunichar) -2)
    {
      g_string_append (out, REPLACEMENT);
      return 1;
    }
  size = g_utf8_skip[(guchar) *p];
  if (line && text_is_bidi_control (c))
    return size;
  if (line && is_control (c))
    g_string_append_c (out, ' ');
  else if (c == '\r' && left > 1 && p[1] == '\n')
    return size;
  else if (is_forbidden (c))
    g_string_append (out, REPLACEMENT);
  else
    g_string_append_len (out, p, size);
  return size;
}

/* How many bytes at @p are ASCII that stays as it is: nearly all of most texts, so it pays to copy them in one go. */
static gsize
plain_run (const char *p, gsize left)
{
  gsize size = 0;

  while (size < left && p[size] >= 0x20 && p[size] < 0x7f)
    size++;
  return size;
}

static char *
clean (const char *text, gssize len, gsize max_bytes, gboolean line)
{
  gsize    left = len < 0 ? strlen (text) : (gsize) len;
  GString *out = g_string_sized_new (MIN (left, max_bytes) + 4);

  while (left > 0 && out->len <= max_bytes)
    {
      gsize size = plain_run (text, MIN (left, max_bytes + 1 - out->len));

      if (size > 0)
        g_string_append_len (out, text, (gssize) size);
      else
        size = clean_one (out, text, left, line);

      text += size;
      left -= size;
    }
  g_string_truncate (out, text_cut (out->str, max_bytes));
  return g_string_free (out, FALSE);
}

char *
text_clean (const char *text, gssize len, gsize max_bytes)
{
  return clean (text, len, max_bytes, FALSE);
}

char *
text_clean_line (const char *text, gssize len, gsize max_bytes)
{
  return g_strstrip (clean (text, len, max_bytes, TRUE));
}

char *
text_escape (const char *text, TextEscape how)
{
  GString *out = g_string_new (NULL);

  while (*text != '\0')
    {
      gunichar c = g_utf8_get_char_validated (text, -1);
      gboolean bad = c == (gunichar) -1 || c == (gunichar) -2;
      gsize    size = bad ? 1 : g_utf8_skip[(guchar) *text];

      if (how == TEXT_ESCAPE_MULTILINE && (c == '\n' || c == '\t'))
        g_string_append_c (out, (char) c);
      else if (c == '\n')
        g_string_append (out, "\\n");
      else if (c == '\t')
        g_string_append (out, "\\t");
      else if (c == '\r')
        g_string_append (out, "\\r");
      else if (c == '\\' && how == TEXT_ESCAPE_LINE)
        g_string_append (out, "\\\\");
      else if (bad || is_control (c) || text_is_bidi_control (c))
        for (gsize i = 0; i < size; i++)
          g_string_append_printf (out, "\\x%02x", (guchar) text[i]);
      else
        g_string_append_len (out, text, size);
      text += size;
    }
  return g_string_free (out, FALSE);
}

gboolean
text_parse_duration (const char *text, gint64 *seconds)
{
  static const struct
  {
    char  unit;
    guint seconds;
  } units[] = { { '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
  char   *end;
  guint64 n;

  if (g_str_equal (text, "none"))
    {
      *seconds = -1;
      return TRUE;
    }
  if (!g_ascii_isdigit (*text))
    return FALSE;
  n = g_ascii_strtoull (text, &end, 10);
  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    if (*end == units[i].unit && (*end == '\0' || end[1] == '\0') && n <= (guint64) G_MAXINT32 * 10)
      {
        *seconds = (gint64) (n * units[i].seconds);
        return TRUE;
      }
  return FALSE;
}

char *
text_format_size (gint64 bytes)
{
  static const char units[] = "KMGT";
  char unit[] = { '\0', '\0' };

  for (guint i = 0; bytes != 0 && bytes % 1024 == 0 && units[i] != '\0'; i++)
    {
      bytes /= 1024;
      unit[0] = units[i];
    }
  return g_strdup_printf ("%" G_GINT64_FORMAT "%s", bytes, unit);
}

char *
text_format_time (gint64 unix_us)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (unix_us / G_USEC_PER_SEC);
  g_autofree char *seconds = time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%S") : NULL;

  return g_strdup_printf ("%s.%03dZ", seconds != NULL ? seconds : "1970-01-01T00:00:00",
                          (int) (unix_us % G_USEC_PER_SEC / 1000));
}

gboolean
text_parse_time (const char *text, gint64 *unix_us)
{
  g_autoptr (GTimeZone) zone = g_time_zone_new_local ();
  g_autofree char *midnight = strlen (text) == 10 ? g_strconcat (text, "T00:00:00", NULL) : NULL;
  g_autoptr (GDateTime) time = g_date_time_new_from_iso8601 (midnight != NULL ? midnight : text, zone);

  if (time == NULL)
    return FALSE;
  *unix_us = g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time);
  return TRUE;
}

char *
text_shell_word (const char *text)
{
  g_autofree char *quoted = NULL;
  const char *p = text;

  while (g_ascii_isalnum (*p) || (guchar) *p >= 0x80 || (*p != '\0' && strchr ("@%_+=:,./-", *p) != NULL))
    p++;
  quoted = *p == '\0' && p != text ? g_strdup (text) : g_shell_quote (text);
  return g_strconcat (*text == '-' ? "-- " : "", quoted, NULL);
}

gboolean
text_parse_size (const char *text, gint64 *size)
{
  static const char units[] = "KMGT";
  gsize len = strlen (text);
  const char *unit = len > 0 && g_ascii_isalpha (text[len - 1]) ? strchr (units, g_ascii_toupper (text[len - 1])) : NULL;
  guint shift = unit != NULL ? 10 * (guint) (unit - units + 1) : 0;
  g_autofree char *digits = g_strndup (text, unit != NULL ? len - 1 : len);
  guint64 n;

  if (!g_ascii_string_to_unsigned (digits, 10, 0, (guint64) G_MAXINT64 >> shift, &n, NULL))
    return FALSE;
  *size = (gint64) (n << shift);
  return TRUE;
}
