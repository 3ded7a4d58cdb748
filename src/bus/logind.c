/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/logind.h"

#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "core/transfers.h"
#include "net/deadline.h"

#define GOODBYE_US (500 * 1000) /* until goodbye and the ends of the streams have left the machine; logind waits for 5 s */
#define LOGIND_NAME "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER "org.freedesktop.login1.Manager"

/* One that logind grants, for as long as its descriptor is open. */
typedef struct
{
  Logind     *logind;
  const char *what, *why, *mode;
  int         fd; /* or -1 */
  gboolean    wanted, asking;
} Lock;

struct _Logind
{
  Messenger       *messenger;
  GDBusConnection *bus;
  GCancellable    *cancellable;
  guint            subscription;
  Lock             goodbye; /* before sleep, until it was said */
  Lock             moving;  /* no sleep while bytes of files move */
  GSource         *end_of_goodbye;
};

static void
lock_release (Lock *lock)
{
  if (lock->fd >= 0)
    close (lock->fd);
  lock->fd = -1;
  lock->wanted = FALSE;
}

static void
on_locked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), &fds, result, &error);
  Lock *lock = user_data;
  gint32 handle;

  lock->asking = FALSE;
  if (reply == NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_debug ("no lock on %s: %s", lock->what, error->message);
      return;
    }
  g_variant_get (reply, "(h)", &handle);
  lock->fd = fds != NULL ? g_unix_fd_list_get (fds, handle, NULL) : -1;
  if (!lock->wanted)
    lock_release (lock); /* it was over before it was granted */
}

/* Anew, for logind may have forgotten the one that we have. */
static void
lock_take (Lock *lock)
{
  Logind *logind = lock->logind;

  lock_release (lock);
  lock->wanted = TRUE;
  if (logind->bus == NULL || lock->asking)
    return;
  lock->asking = TRUE;
  g_dbus_connection_call_with_unix_fd_list (
      logind->bus, LOGIND_NAME, LOGIND_PATH, LOGIND_MANAGER, "Inhibit",
      g_variant_new ("(ssss)", lock->what, "hearby", lock->why, lock->mode), G_VARIANT_TYPE ("(h)"),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, logind->cancellable, on_locked, lock);
}

static gboolean
on_goodbye_over (gpointer user_data)
{
  lock_release (&((Logind *) user_data)->goodbye);
  return G_SOURCE_CONTINUE;
}

/* Files ------------------------------------------------------------------------------------------------------------ */

static gboolean
bytes_move (Messenger *messenger)
{
  GPtrArray *transfers = transfers_all (messenger);

  for (guint i = 0; i < transfers->len; i++)
    {
      TransferState state = ((Transfer *) g_ptr_array_index (transfers, i))->row->state;

      if (state == TRANSFER_ACTIVE || state == TRANSFER_VERIFYING)
        return TRUE;
    }
  return FALSE;
}

static void
on_transfer_changed (Messenger *messenger, Transfer *transfer, guint changes, Logind *logind)
{
  gboolean move = (changes & TRANSFER_CHANGED_STATE) != 0 ? bytes_move (messenger) : logind->moving.wanted;

  if (move && !logind->moving.wanted)
    lock_take (&logind->moving);
  else if (!move)
    lock_release (&logind->moving);
}

/* Sleep ------------------------------------------------------------------------------------------------------------ */

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
      deadline_set (logind->end_of_goodbye, g_get_monotonic_time () + GOODBYE_US);
    }
  else
    {
      deadline_set (logind->end_of_goodbye, -1);
      messenger_wake (logind->messenger);
      lock_take (&logind->goodbye);
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
  lock_take (&logind->goodbye);
  if (logind->moving.wanted)
    lock_take (&logind->moving);
}

Logind *
logind_new (Messenger *messenger)
{
  Logind *logind = g_new0 (Logind, 1);

  logind->messenger = messenger;
  logind->goodbye = (Lock) { logind, "sleep", "Say goodbye to the link", "delay", -1, FALSE, FALSE };
  logind->moving = (Lock) { logind, "sleep:idle", "Files are on their way", "block", -1, FALSE, FALSE };
  logind->end_of_goodbye = deadline_new (on_goodbye_over, logind);
  g_signal_connect (messenger, "transfer-changed", G_CALLBACK (on_transfer_changed), logind);
  logind->cancellable = g_cancellable_new ();
  g_bus_get (G_BUS_TYPE_SYSTEM, logind->cancellable, on_bus, logind);
  return logind;
}

void
logind_free (Logind *logind)
{
  if (logind == NULL)
    return;
  g_signal_handlers_disconnect_by_data (logind->messenger, logind);
  g_cancellable_cancel (logind->cancellable);
  if (logind->subscription != 0)
    g_dbus_connection_signal_unsubscribe (logind->bus, logind->subscription);
  /* The cancelled call still answers, from the loop: let it, while we are there. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  deadline_drop (&logind->end_of_goodbye);
  lock_release (&logind->goodbye);
  lock_release (&logind->moving);
  g_clear_object (&logind->bus);
  g_object_unref (logind->cancellable);
  g_free (logind);
}
