/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/view.h"

#define FALLBACK_NUMBER 50

static const char *const titles[] = { "seq", "time", "direction", "peer", "body", "state", "trust", NULL };
#define SHOWN 5

typedef struct
{
  Cli       *cli;
  Client    *client;
  GPtrArray *messages; /* GVariant, in order of seq */
} History;

static gboolean
parse_time (Cli *cli, const char *option, GVariantDict *filter, GError **error)
{
  const char *text = cli_option (cli, option);
  gint64 now = g_get_real_time (), ago, time;

  if (text == NULL)
    return TRUE;
  if (text_parse_duration (text, &ago) && ago >= 0)
    time = now - MIN (ago, now / G_USEC_PER_SEC) * G_USEC_PER_SEC;
  else if (!text_parse_time (text, &time))
    return cli_usage (cli, error, "'%s' is no time such as 1h (ago), 2026-11-01 or 2026-11-01T10:00:00Z", text) == 0;
  g_variant_dict_insert (filter, option, "x", time);
  return TRUE;
}

/* What the options say, but for the place in the list. */
static GVariant *
build_filter (Cli *cli, GError **error)
{
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (NULL);
  const char *search = cli_option (cli, "search");

  if (!parse_time (cli, "since", &filter, error) || !parse_time (cli, "until", &filter, error))
    return NULL;
  if (search != NULL && !g_utf8_validate (search, -1, NULL))
    {
      cli_usage (cli, error, "the words are not valid UTF-8");
      return NULL;
    }
  if (search != NULL)
    g_variant_dict_insert (&filter, "search", "s", search);
  return g_variant_ref_sink (g_variant_dict_end (&filter));
}

/* Appends the newest @limit messages before @before (0: the very newest), youngest first. How many came, -1: error. */
static int
fetch_page (History *history, GVariant *wanted, char **paths, guint64 before, guint limit, GError **error)
{
  g_auto (GVariantDict) filter = G_VARIANT_DICT_INIT (wanted);
  g_autoptr (GVariant) page = NULL;
  gsize n;

  g_variant_dict_insert (&filter, "newest", "b", TRUE);
  g_variant_dict_insert (&filter, "limit", "u", limit);
  if (before > 0)
    g_variant_dict_insert (&filter, "before_seq", "t", before);
  if (paths != NULL)
    g_variant_dict_insert_value (&filter, "peers", g_variant_new_objv ((const char *const *) paths, -1));
  page = client_messages (history->client, g_variant_dict_end (&filter), error);
  if (page == NULL)
    return -1;
  n = g_variant_n_children (page);
  for (gsize i = n; i-- > 0;)
    g_ptr_array_add (history->messages, g_variant_get_child_value (page, i));
  return (int) n;
}

static void
reverse (GPtrArray *array)
{
  for (guint i = 0, j = array->len; i + 1 < j; i++)
    {
      gpointer other = array->pdata[--j];

      array->pdata[j] = array->pdata[i];
      array->pdata[i] = other;
    }
}

static gboolean
fetch (History *history, GVariant *wanted, char **paths, guint64 number, GError **error)
{
  guint64 before = 0;

  while (history->messages->len < number)
    {
      guint limit = (guint) MIN (number - history->messages->len, LIMIT_LIST);
      int n = fetch_page (history, wanted, paths, before, limit, error);

      if (n < 0)
        return FALSE;
      if (n < (int) limit)
        break;
      before = (guint64) dict_number (history->messages->pdata[history->messages->len - 1], "seq");
    }
  reverse (history->messages);
  return TRUE;
}

/* seq of the first one → the body that replaced its own last */
static GHashTable *
collect_corrections (const History *history)
{
  GHashTable *corrections = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);

  for (guint i = 0; i < history->messages->len; i++)
    {
      gint64 first = dict_number (history->messages->pdata[i], "corrects");

      if (first != 0)
        g_hash_table_insert (corrections, g_memdup2 (&first, sizeof first),
                             (gpointer) dict_string (history->messages->pdata[i], "body"));
    }
  return corrections;
}

static gboolean
has_seq (const History *history, gint64 seq)
{
  for (guint i = 0; i < history->messages->len; i++)
    if (dict_number (history->messages->pdata[i], "seq") == seq)
      return TRUE;
  return FALSE;
}

/* A correction is shown at the place of what it corrects, where that is among the messages. */
static void
print_text (const History *history)
{
  g_autoptr (GHashTable) corrections = collect_corrections (history);
  g_autoptr (GString) out = g_string_new (NULL);

  for (guint i = 0; i < history->messages->len; i++)
    {
      GVariant *message = history->messages->pdata[i];
      gint64 seq = dict_number (message, "seq"), first = dict_number (message, "corrects");
      g_autofree char *line = NULL;

      if (first != 0 && has_seq (history, first))
        continue;
      line = view_message_line (&history->cli->format, message, VIEW_BOTH, g_hash_table_lookup (corrections, &seq));
      g_string_append (out, line);
    }
  format_print (out->str);
}

static void
begin_json (const History *history)
{
  JsonBuilder *builder = history->cli->result = format_json_begin ();

  json_builder_set_member_name (builder, "messages");
  json_builder_begin_array (builder);
  for (guint i = 0; i < history->messages->len; i++)
    {
      json_builder_begin_object (builder);
      format_json_number (builder, "v", 1);
      format_json_string (builder, "type", "message");
      view_message (builder, history->messages->pdata[i]);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
print_table (const History *history, FormatTable *table)
{
  for (guint i = 0; i < history->messages->len; i++)
    {
      GVariant *message = history->messages->pdata[i];
      g_autofree char *seq = g_strdup_printf ("%" G_GINT64_FORMAT, dict_number (message, "seq"));
      g_autofree char *time = text_format_time (dict_number (message, "time"));
      const char *values[] = { seq,
                               time,
                               dict_string (message, "direction"),
                               dict_string (message, "name"),
                               dict_string (message, "body"),
                               dict_string (message, "state"),
                               dict_string (message, "trust") };
      format_table_add (table, values);
    }
  format_table_print (table);
}

/* What stood on a terminal was read. Each peer up to the last of its messages. */
static void
mark_read (const History *history)
{
  g_autoptr (GHashTable) done = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = history->messages->len; i-- > 0;)
    {
      GVariant *message = history->messages->pdata[i];
      const char *peer = dict_string (message, "peer");

      if (g_str_equal (dict_string (message, "direction"), "in") && g_hash_table_add (done, (gpointer) peer))
        client_mark_read (history->client, peer, (guint64) dict_number (message, "seq"));
    }
}

static void
show (History *history, FormatTable *table)
{
  Cli *cli = history->cli;

  if (cli->format.json)
    begin_json (history);
  else if (!cli->format.terse && cli->format.columns == NULL)
    print_text (history);
  else
    print_table (history, table);
  /* A search shows single messages out of many that nobody looked at. */
  if (cli->format.tty && !cli->format.json && !cli_has (cli, "search"))
    mark_read (history);
}

int
verb_history (Cli *cli, GError **error)
{
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_autoptr (FormatTable) table = format_table_new (&cli->format, titles, SHOWN, error);
  g_autoptr (GVariant) filter = table != NULL ? build_filter (cli, error) : NULL;
  g_autoptr (Client) client = NULL;
  g_auto (GStrv) paths = NULL;
  History history = { .cli = cli, .messages = messages };
  guint64 number = FALLBACK_NUMBER;

  if (filter == NULL || !cli_number (cli, "number", 0, G_MAXINT32, &number, error))
    return -1;
  history.client = client = client_open (CLIENT_MAY_START, error);
  if (client == NULL)
    return -1;
  if (cli->n_args > 0 && (paths = client_find (client, cli->args[0], error)) == NULL)
    return -1;
  if (!fetch (&history, filter, paths, number, error))
    return -1;
  show (&history, table);
  return 0;
}
