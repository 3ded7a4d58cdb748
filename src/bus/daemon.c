/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/daemon.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mask.h"
#include "base/paths.h"
#include "bus/lock.h"
#include "bus/logind.h"
#include "bus/notify.h"
#include "bus/passphrase.h"
#include "bus/service.h"
#include "store/harden.h"

#define JOIN_WAIT_MS 10000

typedef struct
{
  GMainLoop *loop;
  Database  *db;
  Messenger *messenger;
  Service   *service;
  Logind    *logind;
  int        lock;
} Daemon;

static int
complain (GError *error)
{
  g_auto (GStrv) lines = g_strsplit (error->message, "\n", 2);
  int status = error_exit_code (error_code (error));

  fprintf (stderr, "hearby: error: %s\n", lines[0]);
  if (lines[0] != NULL && lines[1] != NULL)
    fprintf (stderr, "hearby: hint: %s\n", lines[1]);
  g_error_free (error);
  return status;
}

/* The session bus that we were started in, or NULL; never one that would have to be launched. */
static char *
session_bus_address (void)
{
  const char *address = g_getenv ("DBUS_SESSION_BUS_ADDRESS");
  const char *dir = g_getenv ("XDG_RUNTIME_DIR");
  g_autofree char *path = dir != NULL ? g_build_filename (dir, "bus", NULL) : NULL;
  g_autofree char *escaped = NULL;

  if (address != NULL && *address != '\0')
    return g_strdup (address);
  if (path == NULL || access (path, R_OK | W_OK) != 0)
    return NULL;
  escaped = g_dbus_address_escape_value (path);
  return g_strconcat ("unix:path=", escaped, NULL);
}

/* Another daemon serves this data folder: it shall serve our bus too. */
static int
hand_over (const char *holder, gboolean announce)
{
  g_autofree char *bus = session_bus_address ();
  GError *error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GDBusConnection) connection
      = g_dbus_connection_new_for_address_sync (holder, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, &error);

  if (connection == NULL)
    return complain (error);
  if (announce)
    {
      reply = g_dbus_connection_call_sync (connection, NULL, BUS_ROOT, BUS_MANAGER, "Announce",
                                           g_variant_new ("(a{sv})", NULL), NULL, G_DBUS_CALL_FLAGS_NONE, JOIN_WAIT_MS, NULL, &error);
      g_clear_pointer (&reply, g_variant_unref);
    }
  if (error == NULL && bus != NULL)
    reply = g_dbus_connection_call_sync (connection, NULL, BUS_ROOT, BUS_MANAGER, "JoinBus",
                                         g_variant_new ("(sa{sv})", bus, NULL), NULL, G_DBUS_CALL_FLAGS_NONE, JOIN_WAIT_MS, NULL, &error);
  if (error != NULL)
    {
      g_dbus_error_strip_remote_error (error);
      return complain (error);
    }
  fprintf (stderr, "hearby: the daemon runs already%s\n", bus != NULL ? ", and serves this session bus now too" : "");
  notify ("READY=1");
  return 0;
}

static void
quit (gpointer user_data)
{
  Daemon *daemon = user_data;

  g_main_loop_quit (daemon->loop);
}

static gboolean
on_signal (gpointer user_data)
{
  quit (user_data);
  return G_SOURCE_CONTINUE;
}

static void
on_joined (const GError *error, gpointer user_data)
{
  if (error != NULL)
    g_message ("not on the session bus: %s", error->message); /* the private socket serves all the same */
  notify ("READY=1");
}

static gboolean
is_open_to_others (const char *path)
{
  struct stat info;

  return stat (path, &info) == 0 && S_ISREG (info.st_mode) && (info.st_mode & 077) != 0;
}

/* What opens a locked key: a systemd credential, or a file that the user names; NULL where there is neither. Nobody is asked. */
static gboolean
read_passphrase (char **passphrase, GError **error)
{
  const char *credentials = g_getenv ("CREDENTIALS_DIRECTORY");
  const char *named = g_getenv ("HEARBY_PASSPHRASE_FILE");
  g_autofree char *credential = credentials != NULL ? g_build_filename (credentials, "hearby.passphrase", NULL) : NULL;
  g_autoptr (GError) problem = NULL;

  *passphrase = NULL;
  if (named == NULL && (credential == NULL || !g_file_test (credential, G_FILE_TEST_EXISTS)))
    return TRUE;
  if (is_open_to_others (named != NULL ? named : credential))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_ACCESS_DENIED,
                   "the file with the passphrase is readable by others: %s\n'chmod 600' closes it", named != NULL ? named : credential);
      return FALSE;
    }
  if (g_file_get_contents (named != NULL ? named : credential, passphrase, NULL, &problem))
    {
      (*passphrase)[strcspn (*passphrase, "\r\n")] = '\0';
      if (**passphrase != '\0')
        return TRUE;
      g_clear_pointer (passphrase, g_free);
    }
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "no passphrase for the key: %s",
               problem != NULL ? problem->message : "its file is empty");
  return FALSE;
}

static Identity *
load_identity (GError **error)
{
  g_autofree char *path = paths_identity ();
  char *passphrase;
  Identity *identity;

  if (!read_passphrase (&passphrase, error))
    return NULL;
  identity = identity_load_or_create (path, passphrase, error);
  if (passphrase != NULL)
    sodium_memzero (passphrase, strlen (passphrase));
  g_free (passphrase);
  return identity;
}

static gboolean
open_all (Daemon *daemon, GError **error)
{
  g_autofree char *data_dir = paths_data_dir ();
  g_autofree char *runtime_dir = paths_runtime_dir ();
  g_autofree char *database = paths_database ();
  g_autofree char *conf = paths_settings ();
  g_autofree char *warnings = NULL;
  Settings *settings = settings_load (conf, &warnings, error);
  Identity *identity;
  const char *address;

  if (settings == NULL)
    return FALSE;
  if (warnings != NULL && *warnings != '\0')
    g_message ("%s: %s", conf, warnings);
  identity = load_identity (error);
  daemon->db = identity != NULL ? database_open (database, error) : NULL;
  if (daemon->db == NULL)
    {
      identity_free (identity);
      settings_free (settings);
      return FALSE;
    }
  daemon->messenger = messenger_new (daemon->db, settings, identity, error);
  if (daemon->messenger == NULL)
    return FALSE;
  daemon->service = service_new (daemon->messenger, quit, daemon);
  address = service_listen (daemon->service, runtime_dir, data_dir, error);
  return address != NULL && lock_write (daemon->lock, address, error);
}

static void
serve (Daemon *daemon, gboolean announce)
{
  g_autofree char *bus = session_bus_address ();
  gboolean first;

  g_unix_signal_add (SIGTERM, on_signal, daemon);
  g_unix_signal_add (SIGINT, on_signal, daemon);
  daemon->logind = logind_new (daemon->messenger);
  if (announce)
    messenger_announce (daemon->messenger, &first);
  if (bus != NULL)
    service_join (daemon->service, bus, on_joined, NULL);
  else
    notify ("READY=1");
  g_main_loop_run (daemon->loop);
  notify ("STOPPING=1");
}

static void
close_all (Daemon *daemon)
{
  lock_clear (daemon->lock); /* who comes now waits for the lock, instead of for somebody who goes */
  if (daemon->messenger != NULL)
    messenger_stop (daemon->messenger);
  logind_free (daemon->logind);
  service_free (daemon->service);
  g_clear_object (&daemon->messenger);
  database_close (daemon->db);
  close (daemon->lock);
  g_main_loop_unref (daemon->loop);
}

/* The lock of the data folder: -1 with an error, or where another daemon is its @holder. */
static int
begin (char **holder, GError **error)
{
  g_autofree char *data_dir = paths_data_dir ();
  g_autofree char *lock_path = paths_lock ();

  g_log_writer_default_set_use_stderr (TRUE);
  signal (SIGPIPE, SIG_IGN);
  mask_keep (umask (0077));
  return harden_process (error) && paths_make_dir (data_dir, error) ? lock_take (lock_path, holder, error) : -1;
}

int
daemon_main (gboolean announce)
{
  g_autofree char *holder = NULL;
  Daemon daemon = { 0 };
  GError *error = NULL;

  daemon.lock = begin (&holder, &error);
  if (holder != NULL)
    return hand_over (holder, announce);
  if (daemon.lock < 0)
    return complain (error);

  daemon.loop = g_main_loop_new (NULL, FALSE);
  if (open_all (&daemon, &error))
    serve (&daemon, announce);
  close_all (&daemon);
  return error != NULL ? complain (error) : 0;
}

int
daemon_change_passphrase (void)
{
  g_autofree char *holder = NULL;
  GError *error = NULL;
  int lock = begin (&holder, &error);

  if (holder != NULL)
    g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "a daemon runs\n'hearby daemon --stop' ends it");
  if (lock < 0 || !passphrase_change (&error))
    return complain (error);
  close (lock);
  return 0;
}
