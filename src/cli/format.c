/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/format.h"

#include <errno.h>
#include <langinfo.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static gboolean
colour_by_environment (gboolean tty)
{
  const char *no = g_getenv ("NO_COLOR");
  const char *force = g_getenv ("CLICOLOR_FORCE");
  const char *term = g_getenv ("TERM");

  if (no != NULL && *no != '\0')
    return FALSE;
  if (force != NULL && *force != '\0' && !g_str_equal (force, "0"))
    return TRUE;
  return tty && term != NULL && !g_str_equal (term, "dumb");
}

void
format_init (Format *format, FormatColour colour)
{
  format->tty = isatty (STDOUT_FILENO);
  format->utf8 = g_str_equal (nl_langinfo (CODESET), "UTF-8");
  format->colour = colour == FORMAT_COLOUR_ALWAYS
                   || (colour == FORMAT_COLOUR_AUTO && colour_by_environment (format->tty));
}

char *
format_text (const Format *format, const char *text, TextEscape how)
{
  g_autofree char *escaped = text_escape (text, how);
  GString *out;

  if (!format->tty || format->utf8)
    return g_steal_pointer (&escaped);
  out = g_string_new (NULL);
  for (const char *p = escaped; *p != '\0'; p++)
    if ((guchar) *p < 0x80)
      g_string_append_c (out, *p);
    else
      g_string_append_printf (out, "\\x%02x", (guchar) *p);
  return g_string_free (out, FALSE);
}

char *
format_bold (const Format *format, const char *text)
{
  return format->colour ? g_strdup_printf ("\033[1m%s\033[0m", text) : g_strdup (text);
}

char *
format_time (gint64 unix_us)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_local (unix_us / G_USEC_PER_SEC);

  return time != NULL ? g_date_time_format (time, "%Y-%m-%d %H:%M") : g_strdup ("?");
}

char *
format_duration (gint64 us)
{
  gint64 s = us / G_USEC_PER_SEC;

  if (s < 60)
    return g_strdup_printf ("%ds", (int) s);
  if (s < 3600)
    return g_strdup_printf ("%dm%02ds", (int) (s / 60), (int) (s % 60));
  return g_strdup_printf ("%" G_GINT64_FORMAT "h%02dm%02ds", s / 3600, (int) (s / 60 % 60), (int) (s % 60));
}

/* Never "%.1f": its point follows the locale. */
char *
format_size (gint64 bytes)
{
  static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
  double amount = (double) bytes / 1000;
  guint unit = 0;

  if (bytes < 1000)
    return g_strdup_printf ("%d B", (int) MAX (bytes, 0));
  for (; amount >= 999.5 && unit + 1 < G_N_ELEMENTS (units); unit++)
    amount /= 1000;
  if (amount < 9.95)
    {
      int tenths = (int) (amount * 10 + 0.5);

      return g_strdup_printf ("%d.%d %s", tenths / 10, tenths % 10, units[unit]);
    }
  return g_strdup_printf ("%d %s", (int) (amount + 0.5), units[unit]);
}

char *
format_clock (gint64 seconds)
{
  gint64 minutes = seconds / 60;

  if (minutes < 60)
    return g_strdup_printf ("%d:%02d", (int) minutes, (int) (seconds % 60));
  return g_strdup_printf ("%" G_GINT64_FORMAT ":%02d:%02d", minutes / 60, (int) (minutes % 60), (int) (seconds % 60));
}

/* GLib's tables and not wcwidth(): that one answers -1 for everything foreign in LANG=C. */
int
format_width (const char *text)
{
  int width = 0;

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      width += g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
    }
  return width;
}

void
format_print (const char *text)
{
  gboolean ok = fputs (text, stdout) != EOF && fflush (stdout) == 0;

  if (ok || errno != EPIPE)
    return;
  /* GIO may have switched the signal off for its sockets. */
  signal (SIGPIPE, SIG_DFL);
  raise (SIGPIPE);
}

/* Tables ------------------------------------------------------------------------------------------------------- */

struct _FormatTable
{
  const Format *format;
  const char *const *titles;
  guint      n_titles;
  GArray    *order; /* guint: indexes of the columns that are printed */
  GPtrArray *rows;  /* GStrv, already as they are printed */
};

static gboolean
append_column (FormatTable *table, const char *name, GError **error)
{
  g_autofree char *all = NULL;

  for (guint i = 0; i < table->n_titles; i++)
    if (g_ascii_strcasecmp (table->titles[i], name) == 0)
      {
        g_array_append_val (table->order, i);
        return TRUE;
      }
  all = g_strjoinv (",", (char **) table->titles);
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "there is no column '%s'\nchoose from %s", name, all);
  return FALSE;
}

FormatTable *
format_table_new (const Format *format, const char *const *titles, guint shown, GError **error)
{
  g_autoptr (FormatTable) table = g_new0 (FormatTable, 1);
  g_auto (GStrv) wanted = format->columns != NULL ? g_strsplit (format->columns, ",", -1) : NULL;

  table->format = format;
  table->titles = titles;
  table->n_titles = g_strv_length ((char **) titles);
  table->order = g_array_new (FALSE, FALSE, sizeof (guint));
  table->rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  for (guint i = 0; wanted != NULL && wanted[i] != NULL; i++)
    if (!append_column (table, wanted[i], error))
      return NULL;
  for (guint i = 0; wanted == NULL && i < MIN (shown, table->n_titles); i++)
    g_array_append_val (table->order, i);
  return g_steal_pointer (&table);
}

void
format_table_free (FormatTable *table)
{
  if (table == NULL)
    return;
  g_array_unref (table->order);
  g_ptr_array_unref (table->rows);
  g_free (table);
}

void
format_table_add (FormatTable *table, const char *const *values)
{
  char **row = g_new0 (char *, table->order->len + 1);

  for (guint i = 0; i < table->order->len; i++)
    {
      const char *value = values[g_array_index (table->order, guint, i)];

      row[i] = table->format->terse ? text_escape (value, TEXT_ESCAPE_LINE)
                                    : format_text (table->format, value, TEXT_ESCAPE_LINE);
    }
  g_ptr_array_add (table->rows, row);
}

static void
print_padded (GString *out, const char *text, int width)
{
  g_string_append (out, text);
  for (int have = format_width (text); have < width; have++)
    g_string_append_c (out, ' ');
}

static void
append_row (FormatTable *table, GString *out, char **row, const int *widths, gboolean bold)
{
  gsize start = out->len;

  if (bold)
    g_string_append (out, "\033[1m");
  for (guint i = 0; row[i] != NULL; i++)
    {
      print_padded (out, row[i], row[i + 1] != NULL ? widths[i] : 0);
      if (row[i + 1] != NULL)
        g_string_append (out, "  ");
    }
  while (out->len > start && out->str[out->len - 1] == ' ')
    g_string_truncate (out, out->len - 1);
  g_string_append (out, bold ? "\033[0m\n" : "\n");
}

void
format_table_print (FormatTable *table)
{
  g_autoptr (GString) out = g_string_new (NULL);
  guint n = table->order->len;
  g_autofree int *widths = g_new0 (int, n + 1);
  g_auto (GStrv) head = g_new0 (char *, n + 1);

  for (guint i = 0; i < n; i++)
    head[i] = g_ascii_strup (table->titles[g_array_index (table->order, guint, i)], -1);
  if (!table->format->terse && table->rows->len > 0)
    g_ptr_array_insert (table->rows, 0, g_steal_pointer (&head));
  for (guint r = 0; r < table->rows->len && !table->format->terse; r++)
    for (guint i = 0; i < n; i++)
      widths[i] = MAX (widths[i], format_width (((char **) table->rows->pdata[r])[i]));
  for (guint r = 0; r < table->rows->len; r++)
    if (table->format->terse)
      {
        g_autofree char *line = g_strjoinv ("\t", table->rows->pdata[r]);
        g_string_append_printf (out, "%s\n", line);
      }
    else
      append_row (table, out, table->rows->pdata[r], widths, r == 0 && table->format->colour);
  format_print (out->str);
}

/* JSON --------------------------------------------------------------------------------------------------------- */

JsonBuilder *
format_json_begin (void)
{
  JsonBuilder *builder = json_builder_new_immutable ();

  json_builder_begin_object (builder);
  format_json_number (builder, "v", 1);
  return builder;
}

/* JSON may hold what a terminal must not see: such characters are written as \u escapes, which mean the same. */
static void
append_harmless (GString *out, const char *json)
{
  for (const char *p = json; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if ((c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || text_is_bidi_control (c))
        g_string_append_printf (out, "\\u%04x", c);
      else
        g_string_append_len (out, p, g_utf8_next_char (p) - p);
    }
}

char *
format_json_line (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *json = json_to_string (root, FALSE);
  GString *line = g_string_sized_new (strlen (json) + 2);

  append_harmless (line, json);
  g_string_append_c (line, '\n');
  return g_string_free (line, FALSE);
}

void
format_json_end (JsonBuilder *builder)
{
  g_autofree char *line = NULL;

  json_builder_end_object (builder);
  line = format_json_line (builder);
  g_object_unref (builder);
  format_print (line);
}

void
format_json_string (JsonBuilder *builder, const char *key, const char *value)
{
  json_builder_set_member_name (builder, key);
  if (value != NULL)
    json_builder_add_string_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

void
format_json_strings (JsonBuilder *builder, const char *key, const char *const *values)
{
  json_builder_set_member_name (builder, key);
  json_builder_begin_array (builder);
  for (guint i = 0; values != NULL && values[i] != NULL; i++)
    json_builder_add_string_value (builder, values[i]);
  json_builder_end_array (builder);
}

void
format_json_number (JsonBuilder *builder, const char *key, gint64 value)
{
  json_builder_set_member_name (builder, key);
  json_builder_add_int_value (builder, value);
}

void
format_json_boolean (JsonBuilder *builder, const char *key, gboolean value)
{
  json_builder_set_member_name (builder, key);
  json_builder_add_boolean_value (builder, value);
}

static void
add_field (JsonBuilder *builder, GVariant *dict, const FormatField *field)
{
  gint64 number = dict_number (dict, field->property);
  const char *text = dict_string (dict, field->property);
  g_autofree char *time = NULL;

  json_builder_set_member_name (builder, field->key);
  if (((field->kind == FIELD_TIME || field->kind == FIELD_REFERENCE) && number == 0)
      || (field->kind == FIELD_TEXT && *text == '\0'))
    json_builder_add_null_value (builder);
  else if (field->kind == FIELD_BOOLEAN)
    json_builder_add_boolean_value (builder, dict_boolean (dict, field->property));
  else if (field->kind == FIELD_NUMBER || field->kind == FIELD_REFERENCE)
    json_builder_add_int_value (builder, number);
  else if (field->kind == FIELD_TIME)
    json_builder_add_string_value (builder, time = text_format_time (number));
  else
    json_builder_add_string_value (builder, text);
}

void
format_json_fields (JsonBuilder *builder, GVariant *dict, const FormatField *fields, gsize n_fields)
{
  for (gsize i = 0; i < n_fields; i++)
    add_field (builder, dict, &fields[i]);
}

gint64
dict_number (GVariant *dict, const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dict, key, NULL);

  if (value == NULL)
    return 0;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    return (gint64) MIN (g_variant_get_uint64 (value), (guint64) G_MAXINT64);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
    return g_variant_get_int64 (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
    return g_variant_get_uint32 (value);
  return g_variant_is_of_type (value, G_VARIANT_TYPE_UINT16) ? g_variant_get_uint16 (value) : 0;
}

const char *
dict_string (GVariant *dict, const char *key)
{
  const char *text = NULL;

  if (g_variant_lookup (dict, key, "&s", &text) || g_variant_lookup (dict, key, "&o", &text))
    return text;
  return "";
}

gboolean
dict_boolean (GVariant *dict, const char *key)
{
  gboolean value = FALSE;

  return g_variant_lookup (dict, key, "b", &value) && value;
}
