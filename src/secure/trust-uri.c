/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secure/trust-uri.h"

#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define SCHEME "xmpp:"
#define ACTION "trust-message"
#define HEX (2 * X25519_KEY)

/* A name and a key where each byte of the name is percent-encoded still fit. */
G_STATIC_ASSERT (3 * LIMIT_INSTANCE + sizeof SCHEME ACTION TRUST_URI_ENCRYPTION "?;encryption=;trust=" + HEX
                 <= LIMIT_TRUST_URI);

/* presence/name's rule, which a name from a stranger's paper has to keep before it gets to anybody's eyes. */
static gboolean
is_name (const char *name, gsize len)
{
  g_autofree char *clean = NULL;

  if (len == 0 || len > LIMIT_INSTANCE || !g_utf8_validate (name, (gssize)len, NULL))
    return FALSE;
  clean = text_clean_line (name, (gssize)len, LIMIT_INSTANCE);
  return g_str_equal (clean, name);
}

char *
trust_uri_make (const char *instance, const guint8 key[X25519_KEY])
{
  const char *at = strrchr (instance, '@');
  GString *uri;
  char hex[HEX + 1];

  if (!is_name (instance, strlen (instance)))
    return NULL;
  uri = g_string_new (SCHEME);
  for (const char *p = instance; *p != '\0'; p++)
    if (p == at || g_ascii_isalnum (*p) || strchr ("-._~", *p) != NULL)
      g_string_append_c (uri, *p);
    else
      g_string_append_printf (uri, "%%%02X", (guchar)*p);
  sodium_bin2hex (hex, sizeof hex, key, X25519_KEY);
  g_string_append_printf (uri, "?" ACTION ";encryption=" TRUST_URI_ENCRYPTION ";trust=%s", hex);
  return g_string_free (uri, FALSE);
}

/* What RFC 5122 2.2 lets stand as it is: in a path (nodeid, '@', host) or a value of a query. */
static gboolean
may_stand (char c)
{
  return g_ascii_isalnum (c) || (c != '\0' && strchr ("-._~!$()*+,;=:@&'", c) != NULL) || (guchar)c >= 0x80;
}

/* Undoes percent-encoding from @from to @end. FALSE where there is a bad one, a NUL, a character that had to
 * be encoded, or more than @size bytes with the NUL. */
static gboolean
decode (const char *from, const char *end, char *out, gsize size)
{
  gsize n = 0;

  for (; from < end; n++)
    {
      gboolean encoded = *from == '%';

      if (n + 1 >= size)
        return FALSE;
      if (encoded && (end - from < 3 || !g_ascii_isxdigit (from[1]) || !g_ascii_isxdigit (from[2])))
        return FALSE;
      if (!encoded && !may_stand (*from))
        return FALSE;
      out[n] = encoded ? (char)(g_ascii_xdigit_value (from[1]) << 4 | g_ascii_xdigit_value (from[2])) : *from;
      if (out[n] == '\0')
        return FALSE;
      from += encoded ? 3 : 1;
    }
  out[n] = '\0';
  return TRUE;
}

/* The value of the pair at *@pair where it is called @name; goes on behind its ';'. */
static gboolean
take_value (const char **pair, const char *name, char *value, gsize size)
{
  gsize len = strlen (name);
  const char *end = *pair + strcspn (*pair, ";");

  if (strncmp (*pair, name, len) != 0 || (*pair)[len] != '=' || !decode (*pair + len + 1, end, value, size))
    return FALSE;
  *pair = *end == ';' ? end + 1 : NULL;
  return TRUE;
}

static gboolean
take_hex (const char *hex, guint8 key[X25519_KEY])
{
  gsize len;

  return strlen (hex) == HEX && sodium_hex2bin (key, X25519_KEY, hex, HEX, NULL, &len, NULL) == 0
         && len == X25519_KEY;
}

static gboolean
take_name (const char *text, const char *end, char instance[LIMIT_INSTANCE + 1])
{
  return decode (text, end, instance, LIMIT_INSTANCE + 1) && is_name (instance, strlen (instance));
}

/* Why not, or NULL. */
static const char *
parse (const char *text, TrustUri *uri)
{
  char value[LIMIT_TRUST_URI + 1];
  const char *query;

  if (strnlen (text, LIMIT_TRUST_URI + 1) > LIMIT_TRUST_URI)
    return "it is too long";
  if (g_ascii_strncasecmp (text, SCHEME, strlen (SCHEME)) != 0)
    return "it does not begin with 'xmpp:'";
  text += strlen (SCHEME);
  query = strchr (text, '?');
  if (query == NULL || !g_str_has_prefix (query + 1, ACTION ";"))
    return "it is no trust message";
  if (!take_name (text, query, uri->instance))
    return "there is no good name in it";
  query += 1 + strlen (ACTION ";");
  if (!take_value (&query, "encryption", value, sizeof value))
    return "it does not begin with the kind of encryption";
  if (!g_str_equal (value, TRUST_URI_ENCRYPTION))
    return "its key is for another kind of encryption";
  if (query == NULL || !take_value (&query, "trust", value, sizeof value))
    return "it trusts no key";
  if (query != NULL)
    return "it says more than one key";
  if (!take_hex (value, uri->key))
    return "its key has not 64 hexadecimal digits";
  if (!x25519_is_acceptable (uri->key))
    return "its key is a bad one";
  return NULL;
}

gboolean
trust_uri_parse (const char *text, TrustUri *uri, GError **error)
{
  const char *why;

  memset (uri, 0, sizeof *uri);
  why = parse (text, uri);
  if (why == NULL)
    return TRUE;
  memset (uri, 0, sizeof *uri);
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
               "this URI names no key: %s\nit looks like xmpp:NAME?" ACTION
               ";encryption=" TRUST_URI_ENCRYPTION ";trust=KEY, as 'hearby id --uri' prints it",
               why);
  return FALSE;
}
