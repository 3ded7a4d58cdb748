/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Discovery alone, for the tests: events are lines on stdout, commands are lines on stdin, fields are parted
 * by tabs. Usage: probe-discovery MODE [INTERFACES [IGNORE]]   globs parted by commas; "-" for none
 *
 * Commands: publish NAME PORT TXT…, update TXT…, withdraw, refresh NAME, quit
 * Events:   ready HOST, published NAME, seen NAME INDEX FAMILY ADDRESS SCOPE PORT TXT…, gone NAME INDEX
 * FAMILY, settled, changed BACKEND PROBLEM; each after the milliseconds since the program began */

#include <gio/gio.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "disco/discovery.h"

typedef struct
{
  GMainLoop *loop;
  Discovery *discovery;
  gint64 begin;
} Probe;

static void
say (Probe *probe, const char *event, ...)
{
  GString *line = g_string_new (NULL);
  const char *field;
  va_list fields;

  g_string_printf (line, "%d\t%s", (int) ((g_get_monotonic_time () - probe->begin) / 1000), event);
  va_start (fields, event);
  while ((field = va_arg (fields, const char *)) != NULL)
    {
      g_autofree char *escaped = text_escape (field, TEXT_ESCAPE_LINE);

      g_string_append_printf (line, "\t%s", escaped);
    }
  va_end (fields);
  puts (line->str);
  fflush (stdout);
  g_string_free (line, TRUE);
}

static void
on_ready (const char *host_name, gpointer user_data)
{
  say (user_data, "ready", host_name, NULL);
}

static void
on_published (const char *instance, gpointer user_data)
{
  say (user_data, "published", instance, NULL);
}

static const char *
family_name (GSocketFamily family)
{
  return family == G_SOCKET_FAMILY_IPV4 ? "ipv4" : "ipv6";
}

static char *
join_txt (GPtrArray *txt)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < txt->len; i++)
    {
      gsize size;
      const char *data = g_bytes_get_data (txt->pdata[i], &size);

      g_string_append (text, i > 0 ? " " : "");
      g_string_append_len (text, data, (gssize) size);
    }
  return g_string_free (text, FALSE);
}

static void
on_seen (const Sighting *sighting, gpointer user_data)
{
  GInetSocketAddress *where = G_INET_SOCKET_ADDRESS (sighting->address);
  g_autofree char *index = g_strdup_printf ("%u", sighting->interface);
  g_autofree char *address = g_inet_address_to_string (g_inet_socket_address_get_address (where));
  guint scope_id = sighting->family == G_SOCKET_FAMILY_IPV6 ? g_inet_socket_address_get_scope_id (where) : 0;
  g_autofree char *scope = g_strdup_printf ("%u", scope_id);
  g_autofree char *port = g_strdup_printf ("%u", g_inet_socket_address_get_port (where));
  g_autofree char *txt = join_txt (sighting->txt);

  say (user_data, "seen", sighting->instance, index, family_name (sighting->family), address, scope, port,
       txt, NULL);
}

static void
on_gone (const char *instance, guint interface, GSocketFamily family, gpointer user_data)
{
  g_autofree char *index = g_strdup_printf ("%u", interface);

  say (user_data, "gone", instance, index, family_name (family), NULL);
}

static void
on_settled (gpointer user_data)
{
  say (user_data, "settled", NULL);
}

static void
on_changed (gpointer user_data)
{
  Probe *probe = user_data;
  const char *problem = probe->discovery != NULL ? discovery_problem (probe->discovery) : NULL;

  say (probe, "changed", discovery_backend (probe->discovery), problem != NULL ? problem : "-", NULL);
}

static GPtrArray *
make_txt (char **strings)
{
  GPtrArray *txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  for (; *strings != NULL; strings++)
    g_ptr_array_add (txt, g_bytes_new (*strings, strlen (*strings)));
  return txt;
}

static void
run (Probe *probe, char **words)
{
  guint n = g_strv_length (words);

  if (n >= 3 && g_str_equal (words[0], "publish"))
    {
      g_autoptr (GPtrArray) txt = make_txt (words + 3);

      discovery_publish (probe->discovery, words[1], (guint16) g_ascii_strtoull (words[2], NULL, 10), txt);
    }
  else if (n >= 1 && g_str_equal (words[0], "update"))
    {
      g_autoptr (GPtrArray) txt = make_txt (words + 1);

      discovery_update (probe->discovery, txt);
    }
  else if (n == 1 && g_str_equal (words[0], "withdraw"))
    discovery_withdraw (probe->discovery);
  else if (n == 2 && g_str_equal (words[0], "refresh"))
    discovery_refresh (probe->discovery, words[1]);
  else
    g_main_loop_quit (probe->loop);
}

static gboolean
on_command (GIOChannel *channel, GIOCondition condition, gpointer user_data)
{
  Probe *probe = user_data;
  GIOStatus status;

  for (;;)
    {
      g_autofree char *line = NULL;
      g_auto (GStrv) words = NULL;

      status = g_io_channel_read_line (channel, &line, NULL, NULL, NULL);
      if (status != G_IO_STATUS_NORMAL)
        break;
      words = g_strsplit (g_strchomp (line), "\t", -1);
      run (probe, words);
    }
  if (status == G_IO_STATUS_AGAIN)
    return G_SOURCE_CONTINUE;
  g_main_loop_quit (probe->loop);
  return G_SOURCE_REMOVE;
}

static char **
split_globs (const char *text)
{
  return text == NULL || g_str_equal (text, "-") ? NULL : g_strsplit (text, ",", -1);
}

int
main (int argc, char **argv)
{
  static const DiscoveryEvents events = { on_ready, on_published, on_seen, on_gone, on_settled, on_changed };
  g_auto (GStrv) interfaces = split_globs (argc > 2 ? argv[2] : NULL);
  g_auto (GStrv) ignore = split_globs (argc > 3 ? argv[3] : NULL);
  DiscoveryConfig config = { 0 };
  Probe probe = { 0 };
  GIOChannel *input;

  if (argc == 2 && g_str_equal (argv[1], DISCOVERY_CHILD_VERB))
    return discovery_child_main ();
  if (argc < 2 || !discovery_mode_from_name (argv[1], &config.mode))
    return 64;
  config.interfaces = (const char *const *) interfaces;
  config.ignore = (const char *const *) ignore;
  probe.begin = g_get_monotonic_time ();
  probe.loop = g_main_loop_new (NULL, FALSE);
  probe.discovery = discovery_new (&config, &events, &probe);
  input = g_io_channel_unix_new (0);
  g_io_channel_set_flags (input, G_IO_FLAG_NONBLOCK, NULL);
  g_io_add_watch (input, G_IO_IN | G_IO_HUP, on_command, &probe);
  g_main_loop_run (probe.loop);
  discovery_free (probe.discovery);
  say (&probe, "ended", NULL);
  g_io_channel_unref (input);
  g_main_loop_unref (probe.loop);
  return 0;
}
