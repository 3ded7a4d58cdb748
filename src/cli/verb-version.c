/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cli.h"

#define PROTOCOL "XMPP link-local messaging (XEP-0174)"

static const char *const features[]
    = { "receipts (XEP-0184)", "chat states (XEP-0085)", "chat markers (XEP-0333)", "correction (XEP-0308)",
        "ping (XEP-0199)",     "embedded mDNS",          "encryption (urn:x-hearby:noise:0)", NULL };

void
version_print (const Format *format)
{
  g_autofree char *joined = NULL, *text = NULL;

  if (format->json)
    {
      JsonBuilder *builder = format_json_begin ();

      format_json_string (builder, "version", HEARBY_VERSION);
      format_json_string (builder, "protocol", PROTOCOL);
      format_json_strings (builder, "features", features);
      format_json_end (builder);
      return;
    }
  joined = g_strjoinv (", ", (char **) features);
  text = g_strdup_printf ("hearby %s\nprotocol: %s\nfeatures: %s\n", HEARBY_VERSION, PROTOCOL, joined);
  format_print (text);
}

int
verb_version (Cli *cli, GError **error)
{
  version_print (&cli->format);
  return 0;
}
