/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/arguments.h"

#include "base/limits.h"

/* @left: how many values there may still be: each costs far more than its bytes. */
static GVariant *read_value (sd_bus_message *message, guint *left);

static GVariant *
read_basic (sd_bus_message *message, char type)
{
  const char format[] = { type, '\0' };
  union
  {
    guint8      byte;
    gint16      int16;
    guint16     uint16;
    int         int32; /* also unsigned, a boolean, a descriptor */
    gint64      int64; /* also unsigned */
    double      real;
    const char *text;
  } value;

  if (sd_bus_message_read_basic (message, type, &value) <= 0)
    return NULL;
  switch (type)
    {
    case 'y':
      return g_variant_new_byte (value.byte);
    case 'n':
      return g_variant_new_int16 (value.int16);
    case 'q':
      return g_variant_new_uint16 (value.uint16);
    case 'd':
      return g_variant_new_double (value.real);
    case 'x':
    case 't':
      return g_variant_new (format, value.int64);
    case 's':
    case 'o':
    case 'g':
      return g_variant_new (format, value.text);
    default: /* b i u h */
      return g_variant_new (format, value.int32);
    }
}

/* Everything up to the end of what was entered. */
static gboolean
read_all (sd_bus_message *message, GVariantBuilder *builder, guint *left)
{
  int end;

  while ((end = sd_bus_message_at_end (message, FALSE)) == 0)
    {
      GVariant *value = read_value (message, left);

      if (value == NULL)
        return FALSE;
      g_variant_builder_add_value (builder, value);
    }
  return end > 0;
}

/* As GVariant writes the type: an array's begins with 'a', the others stand in brackets. */
static char *
container_type (char type, const char *contents)
{
  switch (type)
    {
    case 'a':
      return g_strconcat ("a", contents, NULL);
    case 'r':
      return g_strconcat ("(", contents, ")", NULL);
    case 'e':
      return g_strconcat ("{", contents, "}", NULL);
    default:
      return g_strdup ("v");
    }
}

static GVariant *
read_container (sd_bus_message *message, char type, const char *contents, guint *left)
{
  g_autofree char *whole = container_type (type, contents);
  GVariantBuilder builder;

  if (sd_bus_message_enter_container (message, type, contents) <= 0)
    return NULL;
  g_variant_builder_init (&builder, G_VARIANT_TYPE (whole));
  if (read_all (message, &builder, left) && sd_bus_message_exit_container (message) >= 0)
    return g_variant_builder_end (&builder);
  g_variant_builder_clear (&builder);
  return NULL;
}

static GVariant *
read_value (sd_bus_message *message, guint *left)
{
  const char *contents;
  char type;

  if ((*left)-- == 0 || sd_bus_message_peek_type (message, &type, &contents) <= 0)
    return NULL;
  return contents != NULL ? read_container (message, type, contents, left) : read_basic (message, type);
}

GVariant *
arguments_read (sd_bus_message *message)
{
  guint left = LIMIT_CALL_VALUES;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_TUPLE);
  if (read_all (message, &builder, &left))
    return g_variant_ref_sink (g_variant_builder_end (&builder));
  g_variant_builder_clear (&builder);
  return NULL;
}
