/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disco/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"
#include "disco/child-frame.h"
#include "disco/sightings.h"

/* The parent's side of the embedded responder: starts the child, passes on what is asked, and checks what
 * comes back. */

#define FIRST_DELAY_MS 250
#define GOODBYE_MS 500
#define FRAMES_AT_ONCE 64 /* then the rest of the daemon gets its turn */
#define LOG_MAX 512

typedef struct
{
  Backend parent;
  GPid pid; /* 0: none */
  int fd;   /* -1 once the child is lost */
  guint source;
  guint failed_source;
  char *failure;
} Embedded;

/* Lets go of a child that is no use any more. */
static void
drop_child (Embedded *embedded)
{
  g_clear_handle_id (&embedded->source, g_source_remove);
  if (embedded->fd >= 0)
    close (embedded->fd);
  embedded->fd = -1;
  if (embedded->pid == 0)
    return;
  kill (embedded->pid, SIGKILL);
  while (waitpid (embedded->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  embedded->pid = 0;
}

static gboolean
on_failed_idle (gpointer user_data)
{
  Embedded *embedded = user_data;

  embedded->failed_source = 0;
  embedded->parent.events->failed (embedded->failure, embedded->parent.user_data);
  return G_SOURCE_REMOVE;
}

static void
fail (Embedded *embedded, const char *why)
{
  drop_child (embedded);
  if (embedded->failed_source != 0)
    return;
  g_free (embedded->failure);
  embedded->failure = g_strdup (why);
  embedded->failed_source = g_idle_add (on_failed_idle, embedded);
}

static void
tell (Embedded *embedded, ChildFrame kind, GVariant *body)
{
  g_autoptr (GVariant) tuple = body != NULL ? g_variant_ref_sink (body) : NULL;

  if (embedded->fd < 0 || child_frame_send (embedded->fd, kind, tuple))
    return;
  /* Not waiting: a child that lets its socket run full does not work any more. */
  if (kind != CHILD_FRAME_REFRESH || (errno != EAGAIN && errno != EWOULDBLOCK))
    fail (embedded, "the mDNS responder does not listen");
}

/* What the child says. Each handler answers FALSE where it is nothing a child of ours would say. */

typedef void (*TextEvent) (const char *text, gpointer user_data);

static gboolean
handle_text (Embedded *embedded, GVariant *body, TextEvent event, gsize max)
{
  const char *text;

  g_variant_get (body, "(&s)", &text);
  if (*text == '\0' || strlen (text) > max)
    return FALSE;
  event (text, embedded->parent.user_data);
  return TRUE;
}

static gboolean
handle_failed (Embedded *embedded, GVariant *body)
{
  const char *why;
  g_autofree char *clean = NULL;

  g_variant_get (body, "(&s)", &why);
  clean = text_clean_line (why, -1, LOG_MAX);
  fail (embedded, clean);
  return TRUE;
}

static gboolean
handle_refused (Embedded *embedded, GVariant *body)
{
  const char *why;
  g_autofree char *clean = NULL;

  g_variant_get (body, "(&s)", &why);
  clean = text_clean_line (why, -1, LOG_MAX);
  embedded->parent.events->refused (clean, embedded->parent.user_data);
  return TRUE;
}

static gboolean
handle_ready (Embedded *embedded, GVariant *body)
{
  return handle_text (embedded, body, embedded->parent.events->ready, LIMIT_INSTANCE);
}

static gboolean
handle_established (Embedded *embedded, GVariant *body)
{
  return handle_text (embedded, body, embedded->parent.events->established, LIMIT_INSTANCE);
}

static gboolean
handle_collision (Embedded *embedded, GVariant *body)
{
  return handle_text (embedded, body, embedded->parent.events->collision, LIMIT_INSTANCE);
}

static gboolean
handle_seen (Embedded *embedded, GVariant *body)
{
  g_autoptr (GVariant) bytes = NULL;
  g_autoptr (GVariant) strings = NULL;
  g_autoptr (GPtrArray) txt = NULL;
  g_autoptr (Sighting) sighting = NULL;
  const char *instance;
  gconstpointer address;
  gsize len;
  guint interface;
  int family;
  guint16 port;

  g_variant_get (body, "(&sui@ayq@aay)", &instance, &interface, &family, &bytes, &port, &strings);
  address = g_variant_get_fixed_array (bytes, &len, 1);
  txt = child_frame_to_txt (strings);
  sighting = sighting_new (instance, interface, (GSocketFamily) family, address, len, port, txt);
  if (sighting == NULL)
    return FALSE;
  embedded->parent.events->seen (sighting, embedded->parent.user_data);
  return TRUE;
}

static gboolean
handle_gone (Embedded *embedded, GVariant *body)
{
  const char *instance;
  guint interface;
  int family;

  g_variant_get (body, "(&sui)", &instance, &interface, &family);
  if (strlen (instance) > LIMIT_INSTANCE)
    return FALSE;
  embedded->parent.events->gone (instance, interface, (GSocketFamily) family, embedded->parent.user_data);
  return TRUE;
}

static gboolean
handle_settled (Embedded *embedded, GVariant *body)
{
  embedded->parent.events->settled (embedded->parent.user_data);
  return TRUE;
}

static gboolean
handle_links (Embedded *embedded, GVariant *body)
{
  embedded->parent.events->links (embedded->parent.user_data);
  return TRUE;
}

static gboolean
handle_log (Embedded *embedded, GVariant *body)
{
  g_autofree char *clean = NULL;
  const char *text;

  g_variant_get (body, "(&s)", &text);
  clean = text_clean_line (text, -1, LOG_MAX);
  g_debug ("mDNS: %s", clean);
  return TRUE;
}

static gboolean (*const handlers[CHILD_FRAME_LAST]) (Embedded *embedded, GVariant *body) = {
  [CHILD_FRAME_READY] = handle_ready,         [CHILD_FRAME_FAILED] = handle_failed,
  [CHILD_FRAME_REFUSED] = handle_refused,     [CHILD_FRAME_ESTABLISHED] = handle_established,
  [CHILD_FRAME_COLLISION] = handle_collision, [CHILD_FRAME_SEEN] = handle_seen,
  [CHILD_FRAME_GONE] = handle_gone,           [CHILD_FRAME_SETTLED] = handle_settled,
  [CHILD_FRAME_LINKS] = handle_links,         [CHILD_FRAME_LOG] = handle_log,
};

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  Embedded *embedded = user_data;

  for (guint i = 0; i < FRAMES_AT_ONCE && embedded->fd >= 0; i++)
    {
      g_autoptr (GVariant) body = NULL;
      ChildFrame kind;
      ChildFrameResult result = child_frame_receive (fd, &kind, &body);

      if (result == CHILD_FRAME_LATER)
        return G_SOURCE_CONTINUE;
      if (result == CHILD_FRAME_END || handlers[kind] == NULL || !handlers[kind](embedded, body))
        {
          embedded->source = 0;
          fail (embedded, "the mDNS responder ended; it is started again");
          return G_SOURCE_REMOVE;
        }
    }
  return embedded->fd >= 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
spawn (Embedded *embedded, GError **error)
{
  const char *const argv[] = { "/proc/self/exe", "hearby", DISCOVERY_CHILD_VERB, NULL };
  const char *const envp[] = { NULL };
  const int targets[] = { CHILD_FRAME_FD };
  int pair[2];
  gboolean ok;

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s", g_strerror (errno));
      return FALSE;
    }
  ok = g_spawn_async_with_pipes_and_fds ("/", argv, envp,
                                         G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_FILE_AND_ARGV_ZERO
                                             | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                                         NULL, NULL, -1, -1, -1, &pair[1], targets, 1, &embedded->pid, NULL,
                                         NULL, NULL, error);
  close (pair[1]);
  if (!ok)
    {
      close (pair[0]);
      return FALSE;
    }
  embedded->fd = pair[0];
  fcntl (embedded->fd, F_SETFL, O_NONBLOCK);
  embedded->source = g_unix_fd_add (embedded->fd, G_IO_IN | G_IO_HUP, on_readable, embedded);
  return TRUE;
}

static Backend *
embedded_start (const BackendLinks *links, const BackendEvents *events, gpointer user_data)
{
  static const char *const none[] = { NULL };
  g_autoptr (GError) err = NULL;
  Embedded *embedded = g_new0 (Embedded, 1);

  embedded->parent = (Backend){ &embedded_backend, events, user_data };
  embedded->fd = -1;
  if (spawn (embedded, &err))
    tell (embedded, CHILD_FRAME_CONFIG,
          g_variant_new ("(^as^as)", links->allow != NULL ? links->allow : (char **) none,
                         links->deny != NULL ? links->deny : (char **) none));
  else
    {
      g_autofree char *why = g_strdup_printf ("the mDNS responder cannot be started: %s", err->message);

      fail (embedded, why);
    }
  return &embedded->parent;
}

static void
embedded_publish (Backend *backend, const char *instance, guint16 port, GPtrArray *txt,
                  const guint *interfaces, gsize n_interfaces)
{
  tell ((Embedded *) backend, CHILD_FRAME_PUBLISH,
        g_variant_new (
            "(sq@aay@au)", instance, port, child_frame_from_txt (txt),
            g_variant_new_fixed_array (G_VARIANT_TYPE_UINT32, interfaces, n_interfaces, sizeof *interfaces)));
}

static void
embedded_update (Backend *backend, GPtrArray *txt)
{
  tell ((Embedded *) backend, CHILD_FRAME_UPDATE, g_variant_new ("(@aay)", child_frame_from_txt (txt)));
}

static void
embedded_withdraw (Backend *backend)
{
  tell ((Embedded *) backend, CHILD_FRAME_WITHDRAW, NULL);
}

static void
embedded_refresh (Backend *backend, const char *instance)
{
  tell ((Embedded *) backend, CHILD_FRAME_REFRESH, g_variant_new ("(s)", instance));
}

/* The child says goodbye when it sees the end of its input, and goes when that is out: its end of the socket
 * closes. */
static void
wait_for_goodbye (int fd)
{
  gint64 deadline = g_get_monotonic_time () + GOODBYE_MS * G_TIME_SPAN_MILLISECOND;
  struct pollfd watch = { .fd = fd, .events = POLLIN };
  char sink[CHILD_FRAME_MAX];

  shutdown (fd, SHUT_WR);
  for (;;)
    {
      gint64 left = (deadline - g_get_monotonic_time ()) / G_TIME_SPAN_MILLISECOND;
      int n = left > 0 ? poll (&watch, 1, (int) left) : 0;

      if (n == 0 || (n < 0 && errno != EINTR))
        return;
      if (n > 0)
        {
          gssize got = recv (fd, sink, sizeof sink, MSG_DONTWAIT);

          if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return;
        }
    }
}

static void
embedded_free (Backend *backend)
{
  Embedded *embedded = (Embedded *) backend;

  if (embedded->fd >= 0)
    wait_for_goodbye (embedded->fd);
  drop_child (embedded);
  g_clear_handle_id (&embedded->failed_source, g_source_remove);
  g_free (embedded->failure);
  g_free (embedded);
}

const BackendClass embedded_backend = {
  .name = "embedded",
  .first_delay_ms = FIRST_DELAY_MS,
  .start = embedded_start,
  .publish = embedded_publish,
  .update = embedded_update,
  .withdraw = embedded_withdraw,
  .refresh = embedded_refresh,
  .free = embedded_free,
};
