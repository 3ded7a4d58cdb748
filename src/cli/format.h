/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "base/text.h"

/* How things look on stdout: for people, as tab-separated columns, as JSON. Nothing that came from the network is printed
 * raw; no meaning by colour alone. */

typedef struct
{
  gboolean    json;
  gboolean    terse;
  gboolean    tty;     /* stdout is a terminal */
  gboolean    colour;
  gboolean    utf8;    /* the locale's characters are UTF-8 */
  const char *columns; /* of --fields, or NULL */
} Format;

typedef enum
{
  FORMAT_COLOUR_AUTO,
  FORMAT_COLOUR_ALWAYS,
  FORMAT_COLOUR_NEVER,
} FormatColour;

/* format_init: what the terminal, NO_COLOR, CLICOLOR_FORCE and @colour (which beats both) make of it. */
void format_init (Format *format, FormatColour colour);

/* format_text: @text as a person may see it: controls are escaped always, what is not ASCII too on a terminal whose
 * locale cannot show it. The caller owns it. */
char *format_text (const Format *format, const char *text, TextEscape how);

/* format_bold: @text, which is escaped already, in bold where colours are on. The caller owns it. */
char *format_bold (const Format *format, const char *text);

/* format_time: local time to the minute, "2026-11-21 10:02". format_duration: "3m12s". The caller owns them. */
char *format_time (gint64 unix_us);
char *format_duration (gint64 us);

/* format_size: "0 B" "999 B" "2.1 MB" "14 MB" "1.1 GB", powers of 1000. The caller owns it. */
char *format_size (gint64 bytes);
/* format_clock: "0:08" "1:02:03". The caller owns it. */
char *format_clock (gint64 seconds);

/* format_width: cells of a terminal that @text takes. */
int format_width (const char *text);

/* format_print: to stdout, at once; a reader that went away ends the program as SIGPIPE does. */
void format_print (const char *text);

/* Tables ------------------------------------------------------------------------------------------------------- */

typedef struct _FormatTable FormatTable;

/* format_table_new: @titles are the columns' names in lower case, ending in NULL, @shown is how many of them a person
 * sees without being asked. INVALID_ARGUMENT where --fields names another one. */
FormatTable *format_table_new (const Format *format, const char *const *titles, guint shown, GError **error);
void         format_table_free (FormatTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FormatTable, format_table_free)
/* format_table_add: as many raw texts as there are titles. */
void format_table_add (FormatTable *table, const char *const *values);
void format_table_print (FormatTable *table);

/* JSON --------------------------------------------------------------------------------------------------------- */

typedef enum
{
  FIELD_STRING,
  FIELD_BOOLEAN,
  FIELD_NUMBER,
  FIELD_TIME,      /* null for 0 */
  FIELD_REFERENCE, /* a number, null for 0 */
  FIELD_TEXT,      /* a string, null for "" */
} FormatKind;

typedef struct
{
  const char *key;
  const char *property;
  FormatKind  kind;
} FormatField;

/* format_json_begin: {"v":1, … ; format_json_end closes it, prints one line and frees the builder. */
JsonBuilder *format_json_begin (void);
void         format_json_end (JsonBuilder *builder);

void format_json_string (JsonBuilder *builder, const char *key, const char *value); /* NULL: null */
void format_json_strings (JsonBuilder *builder, const char *key, const char *const *values);
void format_json_number (JsonBuilder *builder, const char *key, gint64 value);
void format_json_boolean (JsonBuilder *builder, const char *key, gboolean value);

/* format_json_fields: members of the open object, taken from a{sv} @dict; what is missing there is "", 0, FALSE
 * or null, as its kind says. */
void format_json_fields (JsonBuilder *builder, GVariant *dict, const FormatField *fields, gsize n_fields);

/* format_json_line: the builder's finished value as one line with its newline. The caller owns it. */
char *format_json_line (JsonBuilder *builder);

/* Looking into a{sv}: 0, "" and FALSE where it is missing or of another type. */
gint64      dict_number (GVariant *dict, const char *key);
const char *dict_string (GVariant *dict, const char *key); /* lives as long as @dict */
gboolean    dict_boolean (GVariant *dict, const char *key);
