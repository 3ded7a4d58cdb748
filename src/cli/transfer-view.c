/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/transfer-view.h"

#include <fnmatch.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/client.h"

/* The reasons of org.hearby.Hearby(5): in words, and the error where the daemon names none. Trouble with a file is one of ours only where the
 * file is: what the other side's disk does is a failure like others. */
static const struct
{
  const char *reason;
  const char *words;
  HearbyError error;
} reasons[] = {
  { "declined", "the receiver said no", HEARBY_ERROR_REJECTED },
  { "canceled", "it was canceled", HEARBY_ERROR_CANCELED },
  { "peer-canceled", "the other side canceled it", HEARBY_ERROR_CANCELED },
  { "expired", "nobody took it in time", HEARBY_ERROR_FAILED },
  { "paused", "you paused it", HEARBY_ERROR_FAILED },
  { "peer-paused", "the other side paused it", HEARBY_ERROR_FAILED },
  { "no-space", "the disk is full", HEARBY_ERROR_NO_SPACE },
  { "peer-no-space", "the disk of the other side is full", HEARBY_ERROR_FAILED },
  { "quota", "it is more than the receiver takes in a day", HEARBY_ERROR_REJECTED },
  { "connection-lost", "the connection was lost", HEARBY_ERROR_FAILED },
  { "stalled", "nothing moved any more", HEARBY_ERROR_FAILED },
  { "source-gone", "the source is not there any more", HEARBY_ERROR_FILE_ERROR },
  { "source-changed", "the source was changed meanwhile", HEARBY_ERROR_FILE_ERROR },
  { "source-unreadable", "the source cannot be read", HEARBY_ERROR_FILE_ERROR },
  { "access-denied", "the folder cannot be written to", HEARBY_ERROR_ACCESS_DENIED },
  { "file-error", "the file system failed", HEARBY_ERROR_FILE_ERROR },
  { "protocol", "the other side does not keep to the protocol", HEARBY_ERROR_FAILED },
  { "unsafe-name", "a name leads out of the folder", HEARBY_ERROR_FAILED },
  { "unsafe-link", "a link leads out of the folder", HEARBY_ERROR_FAILED },
  { "too-large", "it is too large", HEARBY_ERROR_FAILED },
  { "partial", "not all of it arrived", HEARBY_ERROR_PARTIAL },
  { "unencrypted", "it would travel in clear", HEARBY_ERROR_UNENCRYPTED },
  { "key-changed", "the other side shows another key", HEARBY_ERROR_KEY_CHANGED },
  { "blocked", "the peer is blocked", HEARBY_ERROR_BLOCKED },
  { "not-supported", "the other side cannot do that", HEARBY_ERROR_NOT_SUPPORTED },
  { "restarted", "it began again", HEARBY_ERROR_FAILED },
};

const char *
transfer_view_reason (const char *reason)
{
  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    if (g_str_equal (reasons[i].reason, reason))
      return reasons[i].words;
  return reason;
}

static HearbyError
error_of (GVariant *transfer)
{
  const char *name = dict_string (transfer, "error_name"), *reason = dict_string (transfer, "reason");

  /* Not Timeout, which says that it may go on. */
  if (*name != '\0' && !g_str_equal (reason, "expired"))
    return error_from_name (name);
  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    if (g_str_equal (reasons[i].reason, reason))
      return reasons[i].error;
  return g_str_equal (dict_string (transfer, "state"), "rejected")   ? HEARBY_ERROR_REJECTED
         : g_str_equal (dict_string (transfer, "state"), "canceled") ? HEARBY_ERROR_CANCELED
                                                                      : HEARBY_ERROR_FAILED;
}

/* what it is ------------------------------------------------------------------------------------------------------ */

char *
transfer_view_id (GVariant *transfer)
{
  return g_strdup_printf ("%" G_GINT64_FORMAT, dict_number (transfer, "id"));
}

gboolean
transfer_view_is_outgoing (GVariant *transfer)
{
  return g_str_equal (dict_string (transfer, "direction"), "out");
}

gboolean
transfer_view_is_over (GVariant *transfer)
{
  static const char *const ends[] = { "complete", "rejected", "canceled", "failed", NULL };

  return g_strv_contains (ends, dict_string (transfer, "state"));
}

gboolean
transfer_view_is_offer (GVariant *transfer)
{
  return !transfer_view_is_outgoing (transfer) && g_str_equal (dict_string (transfer, "state"), "offered");
}

gboolean
transfer_view_is_folder (GVariant *transfer)
{
  g_autoptr (GVariantIter) files = NULL;
  g_autoptr (GVariant) details = NULL;

  return g_variant_lookup (transfer, "files", "a(sxxa{sv})", &files)
         && g_variant_iter_next (files, "(&sxx@a{sv})", NULL, NULL, NULL, &details) && dict_boolean (details, "folder");
}

gboolean
transfer_view_matches (GVariant *transfer, const char *glob)
{
  g_autoptr (GVariantIter) files = NULL;
  const char *name;
  gint64 n = 0;

  g_variant_lookup (transfer, "files", "a(sxxa{sv})", &files);
  while (files != NULL && g_variant_iter_next (files, "(&sxx@a{sv})", &name, NULL, NULL, NULL))
    {
      if (fnmatch (glob, name, 0) != 0)
        return FALSE;
      n++;
    }
  return n > 0 && n == dict_number (transfer, "named_count"); /* of very many only the first are known */
}

char *
transfer_view_what (GVariant *transfer)
{
  gint64 named = dict_number (transfer, "named_count"), files = dict_number (transfer, "file_count");

  if (named > 1)
    return g_strdup_printf ("%" G_GINT64_FORMAT " files", files > 0 ? files : named);
  return g_strconcat (dict_string (transfer, "name"), transfer_view_is_folder (transfer) ? "/" : NULL, NULL);
}

gint64
transfer_view_size (GVariant *transfer)
{
  g_autoptr (GVariant) size = g_variant_lookup_value (transfer, "size", G_VARIANT_TYPE_INT64);

  return size != NULL ? g_variant_get_int64 (size) : -1;
}

int
transfer_view_percent (GVariant *transfer)
{
  gint64 size = transfer_view_size (transfer), moved = dict_number (transfer, "transferred");

  if (g_str_equal (dict_string (transfer, "state"), "complete"))
    return 100;
  if (size < 0)
    return -1;
  return size == 0 ? 0 : (int) MIN (99.0, 100.0 * (double) moved / (double) size);
}

static gint64
seconds_left (GVariant *transfer)
{
  gint64 ends = dict_number (transfer, "expected_end_time");

  return ends > 0 ? MAX (0, (ends - g_get_real_time () + G_USEC_PER_SEC / 2) / G_USEC_PER_SEC) : -1;
}

char *
transfer_view_moved (GVariant *transfer, const char *between)
{
  g_autofree char *moved = format_size (dict_number (transfer, "transferred"));
  g_autofree char *size = format_size (transfer_view_size (transfer));
  g_autofree char *rate = format_size (dict_number (transfer, "rate"));
  g_autofree char *left = format_clock (seconds_left (transfer));
  gboolean complete = g_str_equal (dict_string (transfer, "state"), "complete");
  GString *text = g_string_new (moved);

  if (transfer_view_size (transfer) >= 0 && !complete)
    g_string_append_printf (text, " of %s", size);
  if (dict_number (transfer, "rate") > 0)
    g_string_append_printf (text, "%s%s/s", between, rate);
  if (seconds_left (transfer) >= 0 && !complete)
    g_string_append_printf (text, "%s%s left", between, left);
  return g_string_free (text, FALSE);
}

static gboolean
append_bytes (GPtrArray *paths, GVariant *list)
{
  GVariantIter iter;
  GVariant *child;

  g_variant_iter_init (&iter, list);
  while ((child = g_variant_iter_next_value (&iter)) != NULL)
    {
      gsize len = 0;
      const char *bytes = g_variant_get_fixed_array (child, &len, 1);

      g_ptr_array_add (paths, g_strndup (bytes, len));
      g_variant_unref (child);
    }
  return paths->len > 0;
}

char **
transfer_view_paths (GVariant *transfer)
{
  g_autoptr (GVariant) bytes = g_variant_lookup_value (transfer, "paths_bytes", G_VARIANT_TYPE ("aay"));
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();
  char **text = NULL;

  if (bytes == NULL || !append_bytes (paths, bytes))
    return g_variant_lookup (transfer, "paths", "^as", &text) ? text : g_new0 (char *, 1);
  g_ptr_array_add (paths, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&paths), FALSE);
}

char *
transfer_view_other_name (GVariant *transfer)
{
  g_auto (GStrv) paths = transfer_view_is_outgoing (transfer) ? NULL : transfer_view_paths (transfer);
  g_autofree char *name = paths != NULL && paths[0] != NULL ? g_path_get_basename (paths[0]) : NULL;
  gboolean same = name == NULL || dict_number (transfer, "named_count") != 1 || g_str_equal (name, dict_string (transfer, "name"));

  return same ? NULL : g_steal_pointer (&name);
}

void
transfer_view_print_paths (const Format *format, GVariant *transfer)
{
  g_auto (GStrv) paths = transfer_view_is_outgoing (transfer) ? NULL : transfer_view_paths (transfer);

  for (guint i = 0; paths != NULL && paths[i] != NULL; i++)
    {
      g_autofree char *shown = format->tty ? format_text (format, paths[i], TEXT_ESCAPE_LINE) : g_strdup (paths[i]);
      g_autofree char *line = g_strconcat (shown, "\n", NULL);

      format_print (line);
    }
}

/* JSON ------------------------------------------------------------------------------------------------------------ */

static const FormatField fields[] = {
  { "peer", "peer_name", FIELD_STRING },
  { "direction", "direction", FIELD_STRING },
  { "name", "name", FIELD_STRING },
  { "files", "file_count", FIELD_NUMBER },
  { "named", "named_count", FIELD_NUMBER },
  { "entries", "entry_count", FIELD_REFERENCE },
  { "transferred", "transferred", FIELD_NUMBER },
  { "rate", "rate", FIELD_NUMBER },
  { "state", "state", FIELD_STRING },
  { "reason", "reason", FIELD_TEXT },
  { "encrypted", "encrypted", FIELD_BOOLEAN },
  { "created", "created", FIELD_TIME },
  { "changed", "changed", FIELD_TIME },
  { "expires", "expires", FIELD_TIME },
  { "destination", "destination", FIELD_TEXT },
};

static void
add_failures (JsonBuilder *builder, GVariant *transfer)
{
  g_autoptr (GVariantIter) iter = NULL;
  const char *path, *reason;

  json_builder_set_member_name (builder, "failures");
  json_builder_begin_array (builder);
  g_variant_lookup (transfer, "failures", "a(ss)", &iter);
  while (iter != NULL && g_variant_iter_next (iter, "(&s&s)", &path, &reason))
    {
      json_builder_begin_object (builder);
      format_json_string (builder, "path", path);
      format_json_string (builder, "reason", reason);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_number (JsonBuilder *builder, const char *key, gint64 value)
{
  json_builder_set_member_name (builder, key);
  if (value >= 0)
    json_builder_add_int_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

void
transfer_view (JsonBuilder *builder, GVariant *transfer)
{
  g_autofree char *id = transfer_view_id (transfer);
  g_autofree const char **paths = NULL;
  g_autoptr (GError) problem = NULL;

  transfer_view_check (transfer, &problem);
  g_variant_lookup (transfer, "paths", "^a&s", &paths);
  format_json_string (builder, "id", id);
  format_json_fields (builder, transfer, fields, G_N_ELEMENTS (fields));
  format_json_string (builder, "peer_id", client_path_id (dict_string (transfer, "peer")));
  add_number (builder, "size", transfer_view_size (transfer));
  add_number (builder, "left", transfer_view_is_over (transfer) ? -1 : seconds_left (transfer));
  format_json_string (builder, "path", paths != NULL ? paths[0] : NULL);
  format_json_strings (builder, "paths", paths);
  add_failures (builder, transfer);
  format_json_string (builder, "error", problem != NULL ? error_name (error_code (problem)) : NULL);
}

void
transfer_view_list (JsonBuilder *builder, GPtrArray *transfers)
{
  json_builder_set_member_name (builder, "transfers");
  json_builder_begin_array (builder);
  for (guint i = 0; i < transfers->len; i++)
    {
      json_builder_begin_object (builder);
      transfer_view (builder, transfers->pdata[i]);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

char *
transfer_view_event (GVariant *transfer, const char *type)
{
  g_autoptr (JsonBuilder) builder = format_json_begin ();

  format_json_string (builder, "type", type);
  transfer_view (builder, transfer);
  json_builder_end_object (builder);
  return format_json_line (builder);
}

/* for people ------------------------------------------------------------------------------------------------------ */

/* "nurse offers 2 files (14 MB): hearby accept 43", "report.pdf to juliet: failed, the disk is full" */
char *
transfer_view_line (const Format *format, GVariant *transfer)
{
  g_autofree char *stamp = format_time (g_get_real_time ()), *raw = transfer_view_what (transfer);
  g_autofree char *what = format_text (format, raw, TEXT_ESCAPE_LINE);
  g_autofree char *name = format_text (format, dict_string (transfer, "peer_name"), TEXT_ESCAPE_LINE);
  g_autofree char *why = format_text (format, transfer_view_reason (dict_string (transfer, "reason")), TEXT_ESCAPE_LINE);
  g_autofree char *state = format_text (format, dict_string (transfer, "state"), TEXT_ESCAPE_LINE);
  g_autofree char *size = format_size (transfer_view_size (transfer));
  g_autofree char *other = transfer_view_other_name (transfer), *as = other != NULL ? format_text (format, other, TEXT_ESCAPE_LINE) : NULL;
  const char *plain = dict_boolean (transfer, "encrypted") ? "" : " [plain]";

  if (transfer_view_is_offer (transfer))
    return g_strdup_printf ("%s %s%s offers %s%s%s%s: hearby accept %" G_GINT64_FORMAT "\n", stamp, name, plain, what,
                            transfer_view_size (transfer) >= 0 ? " (" : "", transfer_view_size (transfer) >= 0 ? size : "",
                            transfer_view_size (transfer) >= 0 ? ")" : "", dict_number (transfer, "id"));
  return g_strdup_printf ("%s %s %s %s%s: %s%s%s%s%s\n", stamp, what, transfer_view_is_outgoing (transfer) ? "to" : "from", name, plain,
                          state, as != NULL ? " as " : "", as != NULL ? as : "", *why != '\0' ? ", " : "", why);
}

void
transfer_view_tell_failures (GVariant *transfer)
{
  g_autoptr (GVariantIter) iter = NULL;
  const char *path, *reason;

  g_variant_lookup (transfer, "failures", "a(ss)", &iter);
  while (iter != NULL && g_variant_iter_next (iter, "(&s&s)", &path, &reason))
    {
      g_autofree char *shown = text_escape (path, TEXT_ESCAPE_LINE);

      cli_note ("%s: %s", shown, transfer_view_reason (reason));
    }
}

static gboolean
set_partial (GVariant *transfer, const char *what, GError **error)
{
  g_autoptr (GVariant) failures = g_variant_lookup_value (transfer, "failures", G_VARIANT_TYPE ("a(ss)"));
  gsize n = failures != NULL ? g_variant_n_children (failures) : 0;
  gint64 all = dict_number (transfer, "entry_count");
  g_autofree char *of = all > 0 ? g_strdup_printf (" of %" G_GINT64_FORMAT, all) : g_strdup ("");
  g_autofree char *hint = transfer_view_is_outgoing (transfer)
                              ? g_strdup_printf ("\n'hearby put --retry %" G_GINT64_FORMAT "' sends only what failed",
                                                 dict_number (transfer, "id"))
                              : g_strdup ("");

  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_PARTIAL, "%" G_GSIZE_FORMAT "%s of '%s' did not arrive%s", n, of, what, hint);
  return FALSE;
}

gboolean
transfer_view_check (GVariant *transfer, GError **error)
{
  const char *state = dict_string (transfer, "state"), *text = dict_string (transfer, "error");
  const char *reason = dict_string (transfer, "reason"), *newline = strchr (text, '\n');
  g_autofree char *raw = transfer_view_what (transfer), *what = text_escape (raw, TEXT_ESCAPE_LINE), *first = NULL;
  gboolean complete = g_str_equal (state, "complete");

  if (!transfer_view_is_over (transfer) || (complete && !g_str_equal (reason, "partial")))
    return TRUE;
  if (complete)
    return set_partial (transfer, what, error);
  if (*text == '\0')
    text = *reason != '\0' ? transfer_view_reason (reason) : state;
  first = newline != NULL ? g_strndup (text, (gsize) (newline - text)) : g_strdup (text);
  g_set_error (error, HEARBY_ERROR, error_of (transfer), "'%s' %s '%s': %s%s", what,
               transfer_view_is_outgoing (transfer) ? "to" : "from", dict_string (transfer, "peer_name"), first,
               newline != NULL ? newline : "");
  return FALSE;
}
