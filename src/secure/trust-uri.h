/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "base/limits.h"
#include "secure/x25519.h"

/* A name and its key as a URI that people print, send elsewhere or show as a QR code: a Trust Message URI
 * (XEP-0434, "URI Query Types") over an XMPP URI (RFC 5122, XEP-0147):
 *
 *   xmpp:juliet@pronto?trust-message;encryption=urn:x-hearby:noise:0;trust=64 hexadecimal digits
 *
 * The first pair names the encryption, the others are keys; of those there is exactly one here, trusted.
 * Pure. */

#define TRUST_URI_ENCRYPTION "urn:x-hearby:noise:0"

typedef struct
{
  char instance[LIMIT_INSTANCE + 1];
  guint8 key[X25519_KEY];
} TrustUri;

/* trust_uri_make: at most LIMIT_TRUST_URI bytes of ASCII; what RFC 3986 does not leave unreserved in the name
 * is percent-encoded, but for the last '@'. NULL for a name that we would not publish (name_is_valid()). The
 * caller owns the answer. */
char *trust_uri_make (const char *instance, const guint8 key[X25519_KEY]);

/* trust_uri_parse: @text from whomever, of at most LIMIT_TRUST_URI bytes, without blanks around it.
 * InvalidArgument, and @uri is zeros, for anything else: another action or encryption, any other parameter
 * (the standard allows none but more keys), no key, several or a distrusted one, a key that no handshake
 * would take, a resource, an authority or a fragment, a name that is empty, too long, no UTF-8 or has control
 * or bidi characters. */
gboolean trust_uri_parse (const char *text, TrustUri *uri, GError **error);
