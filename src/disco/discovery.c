/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disco/discovery.h"

#include <string.h>

#include "base/limits.h"
#include "disco/backend.h"
#include "disco/interfaces.h"
#include "disco/sightings.h"
#include "presence/name.h"

#define BACKOFF_MAX_MS 30000
#define HEALTHY_US (60 * G_USEC_PER_SEC) /* alive as long as this: the next back-off starts anew */
#define MEMORY_MS 10000                  /* sightings outlive a restart by this */
#define ABSENT_MS 15000  /* in mode AUTO: how long an avahi-daemon that was there may be away */
#define UPDATE_MS 1000   /* between two TXT records (RFC 6762 6) */
#define LOST_MS 1300     /* from losing a name until its winner is looked at */
#define COLLISIONS_MAX 5 /* within COLLISIONS_US; then a pause */
#define COLLISIONS_US (60 * G_USEC_PER_SEC)
#define COLLISIONS_PAUSE_MS 60000
#define GOODBYE_MS 2500 /* a goodbye takes a second; until then caches still show us */

struct _Discovery
{
  DiscoveryMode mode;
  DiscoveryEvents events;
  gpointer user_data;
  Interfaces *interfaces;
  Sightings *sightings;

  /* the responder */
  const BackendClass *class; /* which one, or is to be started */
  Backend *backend;          /* NULL between two lives */
  gboolean is_dead;          /* it failed and waits to be freed */
  gboolean is_ready;
  gboolean was_ready; /* in an earlier life too */
  gint64 ready_at;
  guint failures; /* in a row */
  gboolean is_settled;
  char *problem;

  /* what is to be published, and what is */
  char *wish;
  guint other; /* which name_alternative() of it */
  guint16 port;
  GPtrArray *txt;
  char *trying;    /* given to the backend */
  char *published; /* established */
  char *lost;      /* given up a moment ago */
  char *own;       /* the name that is ours and not shown: @published, and a while longer than that */
  GPtrArray *txt_sent;
  gint64 txt_sent_at;
  gint64 collisions[COLLISIONS_MAX]; /* times of the last ones, a ring */
  guint n_collisions;

  guint restart_source, memory_source, absent_source, settle_source, update_source, publish_source,
      links_source, own_source, lost_source;
};

static const struct
{
  const char *name;
  DiscoveryMode mode;
} modes[] = {
  { "auto", DISCOVERY_AUTO },
  { "avahi", DISCOVERY_AVAHI },
  { "embedded", DISCOVERY_EMBEDDED },
  { "off", DISCOVERY_OFF },
};

gboolean
discovery_mode_from_name (const char *name, DiscoveryMode *mode)
{
  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    if (g_str_equal (name, modes[i].name))
      {
        *mode = modes[i].mode;
        return TRUE;
      }
  return FALSE;
}

static void
set_problem (Discovery *discovery, const char *problem)
{
  if (g_strcmp0 (discovery->problem, problem) == 0)
    return;
  g_free (discovery->problem);
  discovery->problem = g_strdup (problem);
  discovery->events.changed (discovery->user_data);
}

static void
settle (Discovery *discovery)
{
  g_clear_handle_id (&discovery->settle_source, g_source_remove);
  if (discovery->is_settled)
    return;
  discovery->is_settled = TRUE;
  discovery->events.settled (discovery->user_data);
}

static gboolean
on_settle (gpointer user_data)
{
  Discovery *discovery = user_data;

  discovery->settle_source = 0;
  settle (discovery);
  return G_SOURCE_REMOVE;
}

/* Sightings. Our own name is kept in the table but not shown: it may become somebody else's. */

static gboolean
is_shown (Discovery *discovery, const char *instance)
{
  return discovery->own == NULL || !name_equal (discovery->own, instance);
}

static void
tell_gone (Discovery *discovery, const Sighting *sighting)
{
  if (is_shown (discovery, sighting->instance))
    discovery->events.gone (sighting->instance, sighting->interface, sighting->family, discovery->user_data);
}

static void
on_seen (const Sighting *sighting, gpointer user_data)
{
  Discovery *discovery = user_data;

  if (!interfaces_is_allowed (discovery->interfaces, sighting->interface))
    return;
  if (sightings_put (discovery->sightings, sighting) && is_shown (discovery, sighting->instance))
    discovery->events.seen (sighting, discovery->user_data);
}

static void
on_gone (const char *instance, guint interface, GSocketFamily family, gpointer user_data)
{
  Discovery *discovery = user_data;
  g_autoptr (Sighting) sighting = sightings_take (discovery->sightings, instance, interface, family);

  if (sighting != NULL)
    tell_gone (discovery, sighting);
}

/* Sets our own name, and shows or hides those who are called so. @name is copied. */
static void
set_own (Discovery *discovery, const char *name)
{
  g_autofree char *before = g_steal_pointer (&discovery->own);
  g_autoptr (GPtrArray) hide = NULL;
  g_autoptr (GPtrArray) show = NULL;

  g_clear_handle_id (&discovery->own_source, g_source_remove);
  if (before != NULL && name != NULL && name_equal (before, name))
    {
      discovery->own = g_strdup (name);
      return;
    }
  hide = name != NULL ? sightings_list (discovery->sightings, name) : g_ptr_array_new ();
  for (guint i = 0; i < hide->len; i++)
    tell_gone (discovery, hide->pdata[i]);
  discovery->own = g_strdup (name);
  show = before != NULL ? sightings_list (discovery->sightings, before) : g_ptr_array_new ();
  for (guint i = 0; i < show->len; i++)
    discovery->events.seen (show->pdata[i], discovery->user_data);
}

static gboolean
on_own_over (gpointer user_data)
{
  Discovery *discovery = user_data;

  discovery->own_source = 0;
  set_own (discovery, NULL);
  return G_SOURCE_REMOVE;
}

static gboolean
on_memory_over (gpointer user_data)
{
  Discovery *discovery = user_data;
  g_autoptr (GPtrArray) lost = sightings_take_doubted (discovery->sightings);

  discovery->memory_source = 0;
  for (guint i = 0; i < lost->len; i++)
    tell_gone (discovery, lost->pdata[i]);
  return G_SOURCE_REMOVE;
}

/* Publishing. */

static gboolean
can_publish (Discovery *discovery)
{
  return discovery->wish != NULL && discovery->backend != NULL && !discovery->is_dead && discovery->is_ready;
}

static GPtrArray *
copy_txt (GPtrArray *txt)
{
  return txt != NULL ? g_ptr_array_copy (txt, (GCopyFunc) (void (*) (void)) g_bytes_ref, NULL) : NULL;
}

static void
take_txt (GPtrArray **place, GPtrArray *txt)
{
  if (*place != NULL)
    g_ptr_array_unref (*place);
  *place = txt != NULL ? copy_txt (txt) : g_ptr_array_new ();
  g_ptr_array_set_free_func (*place, (GDestroyNotify) g_bytes_unref);
}

static void
publish_now (Discovery *discovery)
{
  const guint *indexes;
  gsize n;

  g_clear_handle_id (&discovery->publish_source, g_source_remove);
  g_clear_handle_id (&discovery->update_source, g_source_remove);
  if (!can_publish (discovery))
    return;
  g_free (discovery->trying);
  discovery->trying = name_alternative (discovery->wish, discovery->other);
  take_txt (&discovery->txt_sent, discovery->txt);
  indexes = interfaces_peek_allowed (discovery->interfaces, &n);
  discovery->class->publish (discovery->backend, discovery->trying, discovery->port, discovery->txt, indexes,
                             n);
}

static gboolean
on_publish (gpointer user_data)
{
  Discovery *discovery = user_data;

  discovery->publish_source = 0;
  publish_now (discovery);
  return G_SOURCE_REMOVE;
}

static gboolean
txt_differs (Discovery *discovery)
{
  GPtrArray *a = discovery->txt, *b = discovery->txt_sent;

  if (b == NULL || a->len != b->len)
    return TRUE;
  for (guint i = 0; i < a->len; i++)
    if (!g_bytes_equal (a->pdata[i], b->pdata[i]))
      return TRUE;
  return FALSE;
}

static gboolean on_update (gpointer user_data);

/* Sends the TXT record when it is another than the one that is out, at most one each UPDATE_MS. */
static void
update_soon (Discovery *discovery)
{
  gint64 now = g_get_monotonic_time ();
  gint64 due = discovery->txt_sent_at + UPDATE_MS * G_TIME_SPAN_MILLISECOND;

  if (discovery->update_source != 0 || discovery->published == NULL || !can_publish (discovery)
      || !txt_differs (discovery))
    return;
  if (due > now)
    {
      discovery->update_source
          = g_timeout_add ((guint) ((due - now) / G_TIME_SPAN_MILLISECOND) + 1, on_update, discovery);
      return;
    }
  discovery->txt_sent_at = now;
  take_txt (&discovery->txt_sent, discovery->txt);
  discovery->class->update (discovery->backend, discovery->txt);
}

static gboolean
on_update (gpointer user_data)
{
  Discovery *discovery = user_data;

  discovery->update_source = 0;
  update_soon (discovery);
  return G_SOURCE_REMOVE;
}

static void
on_established (const char *instance, gpointer user_data)
{
  Discovery *discovery = user_data;

  if (g_strcmp0 (instance, discovery->trying) != 0)
    return;
  if (discovery->published == NULL || !g_str_equal (discovery->published, instance))
    {
      g_autofree char *name = g_strdup (instance);

      g_free (discovery->published);
      discovery->published = g_strdup (name);
      set_own (discovery, name);
      discovery->events.published (name, discovery->user_data);
    }
  update_soon (discovery);
}

/* Whether this collision is one too many within a minute; counts it. */
static gboolean
is_storm (Discovery *discovery)
{
  gint64 *slot = &discovery->collisions[discovery->n_collisions++ % COLLISIONS_MAX];
  gint64 now = g_get_monotonic_time ();
  gint64 before = *slot;

  *slot = now;
  return discovery->n_collisions > COLLISIONS_MAX && now - before < COLLISIONS_US;
}

static gboolean
on_lost_over (gpointer user_data)
{
  Discovery *discovery = user_data;
  g_autofree char *lost = g_steal_pointer (&discovery->lost);

  discovery->lost_source = 0;
  if (discovery->own != NULL && name_equal (discovery->own, lost))
    set_own (discovery, discovery->published);
  discovery_refresh (discovery, lost);
  return G_SOURCE_REMOVE;
}

static void
on_collision (const char *instance, gpointer user_data)
{
  Discovery *discovery = user_data;

  if (discovery->wish == NULL || g_strcmp0 (instance, discovery->trying) != 0)
    return;
  discovery->other++;
  g_clear_pointer (&discovery->trying, g_free);
  g_clear_pointer (&discovery->published, g_free);
  /* Whoever won the name was hidden behind our own record; that is out of the caches a second later. */
  g_free (discovery->lost);
  discovery->lost = g_strdup (instance);
  g_clear_handle_id (&discovery->lost_source, g_source_remove);
  discovery->lost_source = g_timeout_add (LOST_MS, on_lost_over, discovery);
  g_clear_handle_id (&discovery->publish_source, g_source_remove);
  discovery->publish_source
      = g_timeout_add (is_storm (discovery) ? COLLISIONS_PAUSE_MS : 0, on_publish, discovery);
}

/* The backend's life. */

static gboolean
on_links_idle (gpointer user_data)
{
  Discovery *discovery = user_data;

  discovery->links_source = 0;
  if (interfaces_update (discovery->interfaces) && discovery->trying != NULL
      && discovery->publish_source == 0)
    publish_now (discovery);
  return G_SOURCE_REMOVE;
}

static void
on_links (gpointer user_data)
{
  Discovery *discovery = user_data;

  if (discovery->links_source == 0)
    discovery->links_source = g_idle_add (on_links_idle, discovery);
}

static void
on_ready (const char *host_name, gpointer user_data)
{
  Discovery *discovery = user_data;

  if (discovery->trying != NULL) /* the host was renamed: SRV has to name the new one */
    discovery->class->withdraw (discovery->backend);
  g_clear_pointer (&discovery->trying, g_free);
  g_clear_handle_id (&discovery->absent_source, g_source_remove);
  discovery->is_ready = discovery->was_ready = TRUE;
  discovery->ready_at = g_get_monotonic_time ();
  g_clear_pointer (&discovery->problem, g_free);
  discovery->events.changed (discovery->user_data);
  discovery->events.ready (host_name, discovery->user_data);
  if (discovery->trying == NULL)
    publish_now (discovery);
}

static void
on_backend_settled (gpointer user_data)
{
  settle (user_data);
}

static void
on_refused (const char *why, gpointer user_data)
{
  set_problem (user_data, why);
}

static gboolean
has_embedded_left (Discovery *discovery)
{
  return discovery->mode == DISCOVERY_AUTO && discovery->class == &avahi_daemon_backend;
}

static void start_backend (Discovery *discovery);

static void
forget_backend (Discovery *discovery)
{
  Backend *backend = g_steal_pointer (&discovery->backend);

  discovery->is_dead = discovery->is_ready = FALSE;
  g_clear_pointer (&discovery->trying, g_free);
  g_clear_handle_id (&discovery->update_source, g_source_remove);
  if (backend != NULL)
    discovery->class->free (backend);
}

static gboolean
on_restart (gpointer user_data)
{
  Discovery *discovery = user_data;

  discovery->restart_source = 0;
  start_backend (discovery);
  return G_SOURCE_REMOVE;
}

static gboolean
on_burial (gpointer user_data)
{
  Discovery *discovery = user_data;
  guint64 delay = (guint64) discovery->class->first_delay_ms << MIN (discovery->failures, 16);

  forget_backend (discovery);
  if (has_embedded_left (discovery) && !discovery->was_ready)
    {
      discovery->class = &embedded_backend;
      delay = 0;
    }
  discovery->failures++;
  discovery->restart_source = g_timeout_add ((guint) MIN (delay, BACKOFF_MAX_MS), on_restart, discovery);
  return G_SOURCE_REMOVE;
}

static void
on_failed (const char *why, gpointer user_data)
{
  Discovery *discovery = user_data;
  gboolean was_up = discovery->is_ready;

  if (was_up && g_get_monotonic_time () - discovery->ready_at >= HEALTHY_US)
    discovery->failures = 0;
  discovery->is_dead = TRUE;
  if (was_up && discovery->memory_source == 0)
    {
      sightings_doubt (discovery->sightings);
      discovery->memory_source = g_timeout_add (MEMORY_MS, on_memory_over, discovery);
    }
  g_clear_handle_id (&discovery->restart_source, g_source_remove);
  discovery->restart_source = g_idle_add (on_burial, discovery); /* not from within its own callback */
  if (has_embedded_left (discovery) && !discovery->was_ready)
    return;
  set_problem (discovery, why);
  settle (discovery);
}

static gboolean
on_absent_over (gpointer user_data)
{
  Discovery *discovery = user_data;

  discovery->absent_source = 0;
  forget_backend (discovery);
  discovery->class = &embedded_backend;
  discovery->failures = 0;
  start_backend (discovery);
  return G_SOURCE_REMOVE;
}

static void
on_absent (const char *why, gpointer user_data)
{
  Discovery *discovery = user_data;

  if (has_embedded_left (discovery) && discovery->absent_source == 0)
    discovery->absent_source
        = g_timeout_add (discovery->was_ready ? ABSENT_MS : 0, on_absent_over, discovery);
  if (has_embedded_left (discovery) && !discovery->was_ready)
    return;
  set_problem (discovery, why);
  settle (discovery);
}

static const BackendEvents backend_events = {
  .ready = on_ready,
  .absent = on_absent,
  .failed = on_failed,
  .refused = on_refused,
  .established = on_established,
  .collision = on_collision,
  .seen = on_seen,
  .gone = on_gone,
  .settled = on_backend_settled,
  .links = on_links,
};

static void
start_backend (Discovery *discovery)
{
  g_auto (GStrv) allow = NULL;
  g_auto (GStrv) deny = NULL;

  interfaces_update (discovery->interfaces);
  allow = interfaces_dup_literal (discovery->interfaces);
  deny = interfaces_dup_denied (discovery->interfaces);
  discovery->backend = discovery->class->start (&(BackendLinks){ allow, deny }, &backend_events, discovery);
}

/* The interface. */

Discovery *
discovery_new (const DiscoveryConfig *config, const DiscoveryEvents *events, gpointer user_data)
{
  Discovery *discovery = g_new0 (Discovery, 1);

  discovery->mode = config->mode;
  discovery->events = *events;
  discovery->user_data = user_data;
  discovery->interfaces = interfaces_new (config->interfaces, config->ignore);
  discovery->sightings = sightings_new ();
  discovery->class = config->mode == DISCOVERY_EMBEDDED ? &embedded_backend : &avahi_daemon_backend;
  if (config->mode == DISCOVERY_OFF)
    discovery->settle_source = g_idle_add (on_settle, discovery);
  else
    {
      discovery->settle_source = g_timeout_add (LIMIT_SETTLE_MS, on_settle, discovery);
      start_backend (discovery);
    }
  return discovery;
}

static void
clear_sources (Discovery *discovery)
{
  guint *sources[] = { &discovery->restart_source, &discovery->memory_source, &discovery->absent_source,
                       &discovery->settle_source,  &discovery->update_source, &discovery->publish_source,
                       &discovery->links_source,   &discovery->own_source,    &discovery->lost_source };

  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    g_clear_handle_id (sources[i], g_source_remove);
}

void
discovery_free (Discovery *discovery)
{
  if (discovery == NULL)
    return;
  forget_backend (discovery);
  clear_sources (discovery);
  g_free (discovery->wish);
  g_free (discovery->trying);
  g_free (discovery->published);
  g_free (discovery->own);
  g_free (discovery->lost);
  g_free (discovery->problem);
  g_clear_pointer (&discovery->txt, g_ptr_array_unref);
  g_clear_pointer (&discovery->txt_sent, g_ptr_array_unref);
  sightings_free (discovery->sightings);
  interfaces_free (discovery->interfaces);
  g_free (discovery);
}

void
discovery_publish (Discovery *discovery, const char *instance, guint16 port, GPtrArray *txt)
{
  gboolean same
      = discovery->wish != NULL && g_str_equal (discovery->wish, instance) && discovery->port == port;

  take_txt (&discovery->txt, txt);
  if (same && discovery->trying != NULL)
    {
      update_soon (discovery);
      return;
    }
  if (!same)
    discovery->other = 0;
  g_free (discovery->wish);
  discovery->wish = g_strdup (instance);
  discovery->port = port;
  if (discovery->publish_source == 0 || !same) /* else it waits out a storm of collisions */
    publish_now (discovery);
}

void
discovery_update (Discovery *discovery, GPtrArray *txt)
{
  if (discovery->wish == NULL)
    return;
  take_txt (&discovery->txt, txt);
  update_soon (discovery);
}

void
discovery_withdraw (Discovery *discovery)
{
  g_clear_handle_id (&discovery->publish_source, g_source_remove);
  g_clear_handle_id (&discovery->update_source, g_source_remove);
  g_clear_pointer (&discovery->wish, g_free);
  if (discovery->trying != NULL)
    discovery->class->withdraw (discovery->backend);
  g_clear_pointer (&discovery->trying, g_free);
  g_clear_pointer (&discovery->published, g_free);
  if (discovery->own != NULL && discovery->own_source == 0)
    discovery->own_source = g_timeout_add (GOODBYE_MS, on_own_over, discovery);
}

void
discovery_refresh (Discovery *discovery, const char *instance)
{
  if (discovery->backend != NULL && !discovery->is_dead && discovery->is_ready)
    discovery->class->refresh (discovery->backend, instance);
}

const char *
discovery_backend (Discovery *discovery)
{
  if (discovery->mode == DISCOVERY_OFF)
    return "off";
  return discovery->is_ready && !discovery->is_dead ? discovery->class->name : "none";
}

const char *
discovery_problem (Discovery *discovery)
{
  return discovery->problem;
}
