/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define DRIVER_NAME "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"

/* What everybody may read of a process, or NULL. */
static char *
read_about (guint pid, const char *what)
{
  g_autofree char *path = g_strdup_printf ("/proc/%u/%s", pid, what);
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? g_strchomp (text) : NULL;
}

/* Its root cannot be looked into from where we are, as from a unit with a user namespace of its own, and then nobody's can. Flatpak's
 * programs speak to the bus through its proxy, and have a control group of their own. */
static gboolean
looks_sandboxed (guint pid)
{
  g_autofree char *name = read_about (pid, "comm");
  g_autofree char *group = read_about (pid, "cgroup");

  return name == NULL || group == NULL || g_str_equal (name, "xdg-dbus-proxy") || strstr (group, "/app-flatpak-") != NULL;
}

/* The mark that Flatpak puts into the root of what it runs. */
static gboolean
is_sandboxed (guint pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%u/root", pid);
  int root = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  gboolean clear;
  struct stat info;

  if (root < 0)
    return errno != EACCES || looks_sandboxed (pid);
  clear = fstatat (root, ".flatpak-info", &info, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
  close (root);
  return !clear;
}

/* @pid is 0 for one that is not in our namespace of processes. */
static void
judge (const Call *call, guint pid, CallerDone done)
{
  g_autoptr (GError) error = NULL;

  if (pid == 0 || is_sandboxed (pid))
    g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_ACCESS_DENIED,
                 "names of files are not taken from a sandbox\nopen them there, and pass what you opened: SendFiles");
  done (call, error);
}

static guint
pid_at_socket (sd_bus *bus)
{
  struct ucred who;
  socklen_t len = sizeof who;

  return getsockopt (sd_bus_get_fd (bus), SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 ? (guint) who.pid : 0;
}

typedef struct
{
  GPtrArray   *open; /* owns it */
  Call        *call;
  CallerDone   done;
  sd_bus_slot *slot;
} Question;

static void
question_free (gpointer data)
{
  Question *question = data;

  sd_bus_slot_unref (question->slot);
  g_variant_unref (question->call->arguments);
  call_free (question->call);
  g_free (question);
}

GPtrArray *
caller_questions_new (void)
{
  return g_ptr_array_new_with_free_func (question_free);
}

void
caller_forget (GPtrArray *open, sd_bus *bus)
{
  for (guint i = open->len; i-- > 0;)
    if (sd_bus_message_get_bus (((Question *) g_ptr_array_index (open, i))->call->message) == bus)
      g_ptr_array_remove_index_fast (open, i);
}

static int
on_pid (sd_bus_message *reply, void *user_data, sd_bus_error *unused)
{
  Question *question = user_data;
  guint32 pid;

  if (sd_bus_message_is_method_error (reply, NULL) != 0 || sd_bus_message_read (reply, "u", &pid) <= 0)
    pid = 0; /* gone already */
  judge (question->call, pid, question->done);
  g_ptr_array_remove_fast (question->open, question);
  return 1;
}

static void
ask_bus (GPtrArray *open, const Call *call, CallerDone done)
{
  Question *question = g_new0 (Question, 1);

  question->open = open;
  question->call = call_keep (call);
  question->call->arguments = g_variant_ref (call->arguments);
  question->done = done;
  g_ptr_array_add (open, question);
  if (sd_bus_call_method_async (sd_bus_message_get_bus (call->message), &question->slot, DRIVER_NAME, DRIVER_PATH, DRIVER_NAME,
                                "GetConnectionUnixProcessID", on_pid, question, "s", sd_bus_message_get_sender (call->message)) < 0)
    g_ptr_array_remove_fast (open, question); /* the bus is gone, and so is who asked */
}

void
caller_check_names (GPtrArray *open, const Call *call, CallerDone done)
{
  sd_bus *bus = sd_bus_message_get_bus (call->message);

  if (sd_bus_is_bus_client (bus) > 0)
    ask_bus (open, call, done);
  else
    judge (call, pid_at_socket (bus), done);
}
