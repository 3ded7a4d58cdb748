/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/transfer-view.h"

#define FROM "--from="
#define TO "--to="
#define RETRY "--retry="

/* One candidate for the word that is being typed. A peer chooses its name itself, and shells put what they get here into
 * the command line: only harmless characters pass. */
static void
offer (const char *candidate, const char *prefix)
{
  if (!g_str_has_prefix (candidate, prefix) || *candidate == '\0' || !g_utf8_validate (candidate, -1, NULL))
    return;
  for (const char *p = candidate; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c < 0x80 ? !g_ascii_isalnum ((char) c) && strchr ("@._+-:=,/", (int) c) == NULL : !g_unichar_isalnum (c))
        return;
    }
  puts (candidate);
}

static void
offer_options (const CliOption *options, const char *prefix)
{
  for (; options != NULL && options->name != NULL; options++)
    {
      g_autofree char *word = g_strconcat ("--", options->name, options->argument != NULL ? "=" : NULL, NULL);
      offer (word, prefix);
    }
}

static void
offer_verbs (const char *prefix)
{
  for (const CliRow *row = cli_rows (); row->name != NULL; row++)
    offer (row->name, prefix);
}

/* Each once: a peer is called by its alias, and several may be called the same. */
static void
offer_name (GHashTable *offered, const char *before, const char *name, const char *prefix)
{
  g_autofree char *word = g_strconcat (before, name, NULL);

  /* A name that looks like an option would be one. */
  if (*name != '-' && g_hash_table_add (offered, g_strdup (name)))
    offer (word, prefix);
}

/* Peers and aliases, with @before in front; nothing where no daemon runs. */
static void
offer_peers (const char *before, const char *prefix)
{
  g_autoptr (Client) client = client_open (CLIENT_ONLY_RUNNING, NULL);
  g_autoptr (GVariant) objects = client != NULL ? client_objects (client, NULL) : NULL;
  g_autoptr (GHashTable) offered = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GVariantIter iter, aliases;
  g_autoptr (GVariant) manager = NULL, known = NULL;
  GVariant *interfaces;
  const char *name;

  if (objects == NULL)
    return;
  g_variant_iter_init (&iter, objects);
  while (g_variant_iter_next (&iter, "{o@a{sa{sv}}}", NULL, &interfaces))
    {
      g_autoptr (GVariant) peer = g_variant_lookup_value (interfaces, CLIENT_PEER, G_VARIANT_TYPE_VARDICT);

      if (peer != NULL && !dict_boolean (peer, "Self"))
        offer_name (offered, before, dict_string (peer, "Name"), prefix);
      g_variant_unref (interfaces);
    }
  manager = client_properties (client, CLIENT_ROOT, CLIENT_MANAGER, NULL);
  known = manager != NULL ? g_variant_lookup_value (manager, "Aliases", G_VARIANT_TYPE ("a{sao}")) : NULL;
  if (known == NULL)
    return;
  g_variant_iter_init (&aliases, known);
  while (g_variant_iter_next (&aliases, "{&s@ao}", &name, NULL))
    offer_name (offered, before, name, prefix);
}

static void
offer_settings (const char *prefix)
{
  g_autoptr (Client) client = client_open (CLIENT_ONLY_RUNNING, NULL);
  g_autoptr (GVariant) answer
      = client != NULL ? client_manager (client, "Settings", g_variant_new ("(@a{sv})", client_options ()), NULL) : NULL;
  g_autoptr (GVariantIter) iter = NULL;
  const char *key;

  if (answer != NULL)
    g_variant_get (answer, "(a{ss})", &iter);
  while (iter != NULL && g_variant_iter_next (iter, "{&s&s}", &key, NULL))
    offer (key, prefix);
}

typedef gboolean (*TransferTest) (GVariant *transfer);

static gboolean
is_open (GVariant *transfer)
{
  return !transfer_view_is_over (transfer);
}

/* What put --retry can send again. */
static gboolean
has_failed (GVariant *transfer)
{
  return transfer_view_is_outgoing (transfer) && !transfer_view_check (transfer, NULL);
}

static void
offer_transfers (const char *before, const char *prefix, TransferTest test)
{
  g_autoptr (Client) client = client_open (CLIENT_ONLY_RUNNING, NULL);
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) all = NULL;

  if (test != has_failed)
    g_variant_dict_insert (&filter, "open", "b", TRUE);
  if (client != NULL)
    all = client_transfers (client, g_variant_dict_end (&filter), NULL);
  for (gsize i = 0; all != NULL && i < g_variant_n_children (all); i++)
    {
      g_autoptr (GVariant) transfer = g_variant_get_child_value (all, i);
      g_autofree char *id = transfer_view_id (transfer), *word = g_strconcat (before, id, NULL);

      if (test (transfer))
        offer (word, prefix);
    }
}

typedef enum
{
  OFFER_PEERS,
  OFFER_SETTINGS,
  OFFER_VERBS,
  OFFER_WORDS,
  OFFER_TRANSFERS, /* that are not over */
  OFFER_OFFERS,    /* of others, that wait for an answer */
} Offer;

#define POLICIES                                                                                                                \
  { "plaintext=allow", "plaintext=ask", "encryption=default", "encryption=require", "encryption=prefer", "encryption=never",    \
    "files=ask", "files=auto", "files=never", "to=", "quota=none" }

/* What stands at which place after which verb. */
static const struct
{
  const char *verb;
  guint       place;
  Offer       what;
  const char *words[12];
  const char *after; /* the word before has to be this one, or NULL */
} places[] = {
  { "send", 1, OFFER_PEERS },   { "chat", 1, OFFER_PEERS },   { "history", 1, OFFER_PEERS },
  { "forget", 1, OFFER_PEERS }, { "block", 1, OFFER_PEERS },  { "policy", 1, OFFER_PEERS },
  { "verify", 1, OFFER_PEERS }, { "trust", 1, OFFER_PEERS },
  { "trace", 1, OFFER_PEERS },  { "alias", 2, OFFER_PEERS },  { "alias", 3, OFFER_PEERS },
  { "config", 1, OFFER_SETTINGS }, { "help", 1, OFFER_VERBS }, 
  { "wait", 2, OFFER_PEERS, { NULL }, "online" }, { "wait", 2, OFFER_PEERS, { NULL }, "offline" },
  { "put", 1, OFFER_PEERS },    { "accept", 1, OFFER_OFFERS }, { "reject", 1, OFFER_OFFERS },
  { "cancel", 1, OFFER_TRANSFERS }, { "pause", 1, OFFER_TRANSFERS }, { "resume", 1, OFFER_TRANSFERS },
  { "transfers", 1, OFFER_TRANSFERS }, { "wait", 2, OFFER_TRANSFERS, { NULL }, "transfer" },
  { "status", 1, OFFER_WORDS, { "available", "away", "dnd", "offline" } },
  { "wait", 1, OFFER_WORDS, { "online", "offline", "message", "transfer", "offer" } },
  { "policy", 2, OFFER_WORDS, POLICIES }, { "policy", 3, OFFER_WORDS, POLICIES }, { "policy", 4, OFFER_WORDS, POLICIES },
  { "config", 2, OFFER_WORDS, { "prefer", "require", "never" }, "encryption" },
  { "config", 2, OFFER_WORDS, { "auto", "avahi", "embedded", "off" }, "discovery" },
  { "config", 2, OFFER_WORDS, { "yes", "no" }, "displayed" },
  { "config", 2, OFFER_WORDS, { "yes", "no" }, "hint" },
};

static void
offer_place (const char *verb, guint place, const char *before, const char *prefix)
{
  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      if (!g_str_equal (places[i].verb, verb) || places[i].place != place
          || (places[i].after != NULL && !g_str_equal (places[i].after, before)))
        continue;
      switch (places[i].what)
        {
        case OFFER_PEERS:
          offer_peers ("", prefix);
          break;
        case OFFER_SETTINGS:
          offer_settings (prefix);
          break;
        case OFFER_VERBS:
          offer_verbs (prefix);
          break;
        case OFFER_TRANSFERS:
          offer_transfers ("", prefix, is_open);
          break;
        case OFFER_OFFERS:
          offer_transfers ("", prefix, transfer_view_is_offer);
          break;
        case OFFER_WORDS:
          for (guint w = 0; places[i].words[w] != NULL; w++)
            offer (places[i].words[w], prefix);
          break;
        }
    }
}

/* The value of an option that is typed, "--from" "jul" or "--from=jul". TRUE where it is one. */
static gboolean
offer_value (const CliRow *row, const char *before, const char *prefix)
{
  gboolean put = g_str_equal (row->name, "put");

  if (g_str_equal (before, "--from") || (put && g_str_equal (before, "--to")))
    offer_peers ("", prefix);
  else if (g_str_has_prefix (prefix, FROM))
    offer_peers (FROM, prefix);
  else if (put && g_str_has_prefix (prefix, TO))
    offer_peers (TO, prefix);
  else if (put && g_str_equal (before, "--retry"))
    offer_transfers ("", prefix, has_failed);
  else if (put && g_str_has_prefix (prefix, RETRY))
    offer_transfers (RETRY, prefix, has_failed);
  else
    return FALSE;
  return TRUE;
}

int
verb_complete (Cli *cli, GError **error)
{
  const char *prefix = cli->n_args > 0 ? cli->args[cli->n_args - 1] : "";
  const CliRow *row = cli->n_args > 1 ? cli_find_row (cli->args[0]) : NULL;
  guint place = 1;

  if (cli->n_args <= 1)
    {
      offer_verbs (prefix);
      return 0;
    }
  if (row == NULL)
    return 0;
  for (guint i = 1; i + 1 < cli->n_args; i++)
    place += *cli->args[i] != '-';
  if (offer_value (row, cli->args[cli->n_args - 2], prefix))
    return 0;
  if (*prefix == '-')
    {
      offer_options (row->options, prefix);
      offer ("--json", prefix);
      offer ("--help", prefix);
    }
  else
    offer_place (row->name, place, cli->args[cli->n_args - 2], prefix);
  return 0;
}
