/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/logind.h"

#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "net/deadline.h"

#define GOODBYE_US (500 * 1000) /* until goodbye and the ends of the streams have left the machine; logind waits for 5 s */
#define LOGIND_NAME "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER "org.freedesktop.login1.Manager"

struct _Logind
{
  Messenger       *messenger;
  GDBusConnection *bus;
  GCancellable    *cancellable;
  guint            subscription;
  int              delay; /* the lock, or -1 */
  GSource         *goodbye; /* then it is released */
};

static void
release (Logind *logind)
{
  if (logind->delay >= 0)
    close (logind->delay);
  logind->delay = -1;
}

static gboolean
on_goodbye_over (gpointer user_data)
{
  release (user_data);
  return G_SOURCE_CONTINUE;
}

static void
on_inhibited (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), &fds, result, &error);
  Logind *logind = user_data;
  gint32 handle;

  if (reply == NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_debug ("no delay before sleep: %s", error->message);
      return;
    }
  g_variant_get (reply, "(h)", &handle);
  release (logind);
  logind->delay = fds != NULL ? g_unix_fd_list_get (fds, handle, NULL) : -1;
}

static void
inhibit (Logind *logind)
{
  g_dbus_connection_call_with_unix_fd_list (
      logind->bus, LOGIND_NAME, LOGIND_PATH, LOGIND_MANAGER, "Inhibit",
      g_variant_new ("(ssss)", "sleep", "hearby", "Say goodbye to the link", "delay"), G_VARIANT_TYPE ("(h)"),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, logind->cancellable, on_inhibited, logind);
}

static void
on_prepare_for_sleep (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal,
                      GVariant *arguments, gpointer user_data)
{
  Logind *logind = user_data;
  gboolean sleeping;

  if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(b)")))
    return;
  g_variant_get (arguments, "(b)", &sleeping);
  if (sleeping)
    {
      messenger_sleep (logind->messenger);
      turn_flush (messenger_turn (logind->messenger));
      deadline_set (logind->goodbye, g_get_monotonic_time () + GOODBYE_US);
    }
  else
    {
      deadline_set (logind->goodbye, -1);
      messenger_wake (logind->messenger);
      inhibit (logind);
    }
}

static void
on_bus (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *bus = g_bus_get_finish (result, &error);
  Logind *logind = user_data;

  if (bus == NULL)
    {
      g_debug ("sleep is not noticed: %s", error->message);
      return;
    }
  logind->bus = bus;
  g_dbus_connection_set_exit_on_close (bus, FALSE);
  logind->subscription
      = g_dbus_connection_signal_subscribe (bus, LOGIND_NAME, LOGIND_MANAGER, "PrepareForSleep", LOGIND_PATH, NULL,
                                            G_DBUS_SIGNAL_FLAGS_NONE, on_prepare_for_sleep, logind, NULL);
  inhibit (logind);
}

Logind *
logind_new (Messenger *messenger)
{
  Logind *logind = g_new0 (Logind, 1);

  logind->messenger = messenger;
  logind->delay = -1;
  logind->goodbye = deadline_new (on_goodbye_over, logind);
  logind->cancellable = g_cancellable_new ();
  g_bus_get (G_BUS_TYPE_SYSTEM, logind->cancellable, on_bus, logind);
  return logind;
}

void
logind_free (Logind *logind)
{
  if (logind == NULL)
    return;
  g_cancellable_cancel (logind->cancellable);
  if (logind->subscription != 0)
    g_dbus_connection_signal_unsubscribe (logind->bus, logind->subscription);
  /* The cancelled call still answers, from the loop: let it, while we are there. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  deadline_drop (&logind->goodbye);
  release (logind);
  g_clear_object (&logind->bus);
  g_object_unref (logind->cancellable);
  g_free (logind);
}
