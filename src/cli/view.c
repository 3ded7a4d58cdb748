/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/view.h"

#include <string.h>

#include "base/error.h"
#include "cli/client.h"

static const FormatField message_fields[] = {
  { "seq", "seq", FIELD_NUMBER },          { "id", "id", FIELD_STRING },
  { "peer", "name", FIELD_STRING },        { "direction", "direction", FIELD_STRING },
  { "body", "body", FIELD_STRING },        { "time", "time", FIELD_TIME },
  { "received", "received", FIELD_TIME },  { "state", "state", FIELD_STRING },
  { "reason", "reason", FIELD_TEXT },      { "trust", "trust", FIELD_STRING },
  { "encrypted", "encrypted", FIELD_BOOLEAN }, { "reply_to", "reply_to", FIELD_REFERENCE },
  { "corrects", "corrects", FIELD_REFERENCE }, { "expires", "expires", FIELD_TIME },
  { "file", "file", FIELD_TEXT },
};

void
view_message (JsonBuilder *builder, GVariant *message)
{
  format_json_fields (builder, message, message_fields, G_N_ELEMENTS (message_fields));
  format_json_string (builder, "peer_id", client_path_id (dict_string (message, "peer")));
}

char *
view_message_object (GVariant *message)
{
  g_autoptr (JsonBuilder) builder = format_json_begin ();

  format_json_string (builder, "type", "message");
  view_message (builder, message);
  json_builder_end_object (builder);
  return format_json_line (builder);
}

/* What is worth knowing about who says it, and of both sides that it was in clear. */
static const char *
label (GVariant *message, gboolean incoming)
{
  const char *trust = dict_string (message, "trust");

  if (g_str_equal (trust, "plain"))
    return " [plain]";
  if (!incoming || g_str_equal (trust, "pinned") || g_str_equal (trust, "verified") || *trust == '\0')
    return "";
  return g_str_equal (trust, "conflict") ? " [conflict]" : g_str_equal (trust, "new") ? " [new]" : "";
}

/* "juliet", "nurse [new]", "me to juliet (queued)", all escaped */
static char *
speaker (const Format *format, GVariant *message, ViewSide side)
{
  g_autofree char *name = format_text (format, dict_string (message, "name"), TEXT_ESCAPE_LINE);
  const char *state = dict_string (message, "state");
  gboolean arrived = g_str_equal (state, "delivered") || g_str_equal (state, "read");
  gboolean incoming = side == VIEW_INCOMING || !g_str_equal (dict_string (message, "direction"), "out");
  g_autofree char *bold = format_bold (format, name);

  if (incoming)
    return g_strconcat (bold, label (message, TRUE), NULL);
  if (arrived)
    return g_strdup_printf ("me to %s%s", name, label (message, FALSE));
  return g_strdup_printf ("me to %s%s (%s)", name, label (message, FALSE), state);
}

char *
view_message_line (const Format *format, GVariant *message, ViewSide side, const char *body)
{
  g_autofree char *time = format_time (dict_number (message, "time"));
  g_autofree char *who = speaker (format, message, side);
  g_autofree char *shown
      = format_text (format, body != NULL ? body : dict_string (message, "body"), TEXT_ESCAPE_MULTILINE);
  g_auto (GStrv) lines = g_strsplit (shown, "\n", -1);
  g_autofree char *indented = g_strjoinv ("\n    ", lines);
  gboolean edited = body != NULL || dict_number (message, "corrects") != 0;

  return g_strdup_printf ("%s %s: %s%s\n", time, who, indented, edited ? " (edited)" : "");
}

/* peers -------------------------------------------------------------------------------------------------------- */

static const FormatField peer_fields[] = {
  { "name", "Name", FIELD_STRING },         { "instance", "Instance", FIELD_STRING },
  { "id", "Id", FIELD_STRING },             { "nick", "Nick", FIELD_TEXT },
  { "alias", "Alias", FIELD_TEXT },         { "online", "Online", FIELD_BOOLEAN },
  { "confirmed", "Confirmed", FIELD_BOOLEAN }, { "status", "Status", FIELD_STRING },
  { "status_text", "StatusText", FIELD_STRING }, { "trust", "Trust", FIELD_STRING },
  { "blocked", "Blocked", FIELD_BOOLEAN },  { "fingerprint", "Fingerprint", FIELD_TEXT },
  { "claimed_fingerprint", "ClaimedFingerprint", FIELD_TEXT }, { "looks_like", "LooksLike", FIELD_TEXT },
  { "verify_wanted", "VerifyWanted", FIELD_BOOLEAN },
  { "unread", "Unread", FIELD_NUMBER },     { "queued", "Queued", FIELD_NUMBER },
  { "last_seen", "LastSeen", FIELD_TIME },  { "self", "Self", FIELD_BOOLEAN },
};

static GVariantIter *
addresses_of (GVariant *peer)
{
  GVariantIter *iter = NULL;

  return g_variant_lookup (peer, "Addresses", "a(sssq)", &iter) ? iter : NULL;
}

static void
add_addresses (JsonBuilder *builder, GVariant *peer)
{
  g_autoptr (GVariantIter) iter = addresses_of (peer);
  const char *interface, *address, *source;
  guint16 port;

  json_builder_set_member_name (builder, "addresses");
  json_builder_begin_array (builder);
  while (iter != NULL && g_variant_iter_next (iter, "(&s&s&sq)", &interface, &address, &source, &port))
    {
      json_builder_begin_object (builder);
      format_json_string (builder, "interface", *interface != '\0' ? interface : NULL);
      format_json_string (builder, "address", address);
      format_json_string (builder, "source", source);
      format_json_number (builder, "port", port);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

void
view_peer (JsonBuilder *builder, GVariant *peer)
{
  g_autofree const char **capabilities = NULL;

  format_json_fields (builder, peer, peer_fields, G_N_ELEMENTS (peer_fields));
  add_addresses (builder, peer);
  g_variant_lookup (peer, "Capabilities", "^a&s", &capabilities);
  format_json_strings (builder, "capabilities", capabilities);
}

JsonBuilder *
view_peer_result (GVariant *peer)
{
  JsonBuilder *builder = format_json_begin ();

  json_builder_set_member_name (builder, "peer");
  json_builder_begin_object (builder);
  view_peer (builder, peer);
  json_builder_end_object (builder);
  return builder;
}

const char *
view_peer_word (GVariant *peer)
{
  const char *status = dict_string (peer, "Status");

  if (!dict_boolean (peer, "Online"))
    return "offline";
  if (!dict_boolean (peer, "Confirmed"))
    return "unconfirmed";
  return g_str_equal (status, "available") || *status == '\0' ? "online" : status;
}

char *
view_peer_place (GVariant *peer)
{
  g_autoptr (GVariantIter) iter = addresses_of (peer);
  const char *instance = dict_string (peer, "Instance"), *machine = strrchr (instance, '@');
  const char *interface = "", *address = "", *source = "", *name, *where;
  guint16 port;

  if (iter != NULL)
    g_variant_iter_next (iter, "(&s&s&sq)", &interface, &address, &source, &port);
  name = machine != NULL ? machine + 1 : address;
  where = *name != '\0' ? name : address;
  return g_strdup_printf ("%s%s%s", where, *where != '\0' && *interface != '\0' ? " " : "", interface);
}

void
view_append_note (GString *note, const char *text)
{
  g_string_append_printf (note, "%s%s", note->len > 0 ? ", " : "", text);
}

void
view_append_alarms (GString *note, GVariant *peer)
{
  g_autofree char *word = text_shell_word (dict_string (peer, "Name"));
  g_autofree char *wanted = g_strdup_printf ("wants to compare codes: hearby verify %s", word);

  if (dict_boolean (peer, "VerifyWanted"))
    view_append_note (note, wanted);
  if (g_str_equal (dict_string (peer, "Trust"), "conflict"))
    view_append_note (note, *dict_string (peer, "ClaimedFingerprint") != '\0' ? "shows another key"
                                                                               : "the codes that you compared differed");
}

/* trust -------------------------------------------------------------------------------------------------------- */

gboolean
view_parse_trust (const char *word, ViewTrust *trust, GError **error)
{
  static const char *const words[] = { "any", "plain", "pinned", "verified" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (word, words[i]))
      {
        *trust = (ViewTrust) i;
        return TRUE;
      }
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
               "--trust cannot be '%s'\nchoose from any, plain, pinned and verified", word);
  return FALSE;
}

/* "new" and "conflict" only pass where anybody does: a stranger with a key is not more than one without. */
gboolean
view_trust_suffices (const char *has, ViewTrust wanted)
{
  static const struct
  {
    const char *word;
    ViewTrust   worth;
  } words[] = { { "plain", VIEW_TRUST_PLAIN }, { "pinned", VIEW_TRUST_PINNED }, { "verified", VIEW_TRUST_VERIFIED } };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (has, words[i].word))
      return words[i].worth >= wanted;
  return wanted == VIEW_TRUST_ANY && !g_str_equal (has, "blocked");
}
