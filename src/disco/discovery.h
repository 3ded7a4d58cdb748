/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* DNS-SD on the local link (RFC 6762, 6763): publishes one instance of _presence._tcp and tells who else is there.
 * Two backends behind it: avahi-daemon over the system bus, and libavahi-core in a child process of this binary,
 * because whoever parses the link's packets must not be who holds the keys (and one packet aborts libavahi-core 0.8).
 * A backend that dies is started again, with back-off; sightings outlive that by 10 s. Everything happens on the
 * thread-default main context; callbacks never come from within a call. */

typedef struct _Discovery Discovery;

typedef enum
{
  DISCOVERY_AUTO,     /* avahi-daemon where the system bus has it (running or activatable), else embedded; embedded stays until restart */
  DISCOVERY_AVAHI,
  DISCOVERY_EMBEDDED,
  DISCOVERY_OFF,
} DiscoveryMode;

gboolean discovery_mode_from_name (const char *name, DiscoveryMode *mode); /* "auto" "avahi" "embedded" "off" */

/* One instance as one interface and address family show it. */
typedef struct
{
  char           *instance;  /* the unescaped label; UTF-8, ≤ 63 bytes, otherwise hostile */
  guint           interface; /* index */
  GSocketFamily   family;
  GSocketAddress *address;   /* GInetSocketAddress: address, SRV's port, and the scope id for fe80:: */
  GPtrArray      *txt;       /* GBytes in the order of the wire (avahi's lists are reversed) */
} Sighting;

Sighting *sighting_copy (const Sighting *sighting);
void      sighting_free (Sighting *sighting);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Sighting, sighting_free)

typedef struct
{
  DiscoveryMode      mode;
  const char *const *interfaces; /* globs (fnmatch) of interface names to use; NULL or empty: all */
  const char *const *ignore;     /* globs of interfaces never to use; NULL: discovery_default_ignore */
} DiscoveryConfig;

extern const char *const discovery_default_ignore[]; /* docker* veth* br-* virbr* lxc* … NULL */

typedef struct
{
  /* The host's name on the link is known: publishing is possible. Comes again when the host was renamed. */
  void (*ready) (const char *host_name, gpointer user_data);
  /* Our record is established under @instance, perhaps another than asked for ("-1", XEP-0174 2). Again after each rename. */
  void (*published) (const char *instance, gpointer user_data);
  /* Somebody (never we) is there, or his record or address changed. One for each (instance, interface, family). */
  void (*seen) (const Sighting *sighting, gpointer user_data);
  void (*gone) (const char *instance, guint interface, GSocketFamily family, gpointer user_data);
  /* The first complete look at the link is over; once. Comes at once in mode OFF and after a failure. */
  void (*settled) (gpointer user_data);
  /* The state for people changed: see discovery_backend(), discovery_problem(). */
  void (*changed) (gpointer user_data);
} DiscoveryEvents;

/* discovery_new: starts at once, in the background. @events is copied. */
Discovery *discovery_new (const DiscoveryConfig *config, const DiscoveryEvents *events, gpointer user_data);

/* discovery_free: says goodbye for our record and waits until it is on its way (bounded: 500 ms). NULL is fine. */
void discovery_free (Discovery *discovery);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Discovery, discovery_free)

/* discovery_publish: announces @instance at @port on the allowed interfaces, now or as soon as the backend is ready; on a collision
 * under name_alternative(). Published again under the same wish after every restart of the backend. @txt: GBytes, copied. */
void discovery_publish (Discovery *discovery, const char *instance, guint16 port, GPtrArray *txt);

/* discovery_update: new TXT for what is published: no goodbye, no probe. Several within a second become one (RFC 6762 6). */
void discovery_update (Discovery *discovery, GPtrArray *txt);

/* discovery_withdraw: goodbye; browsing goes on. */
void discovery_withdraw (Discovery *discovery);

/* discovery_refresh: something about this instance is in doubt (a connect failed, the network changed): ask the link again. */
void discovery_refresh (Discovery *discovery, const char *instance);

/* discovery_backend: "avahi", "embedded", "off", or "none" while there is none. Static. */
const char *discovery_backend (Discovery *discovery);

/* discovery_problem: what is wrong for people ("avahi-daemon does not let users publish: …"), or NULL. Owned by the discovery. */
const char *discovery_problem (Discovery *discovery);

/* discovery_child_main: the embedded responder: what `hearby` runs as when it was started by discovery_new() with argv[1] =
 * DISCOVERY_CHILD_VERB and a socket as descriptor 3. Answers the exit status. */
#define DISCOVERY_CHILD_VERB "mdns-child"
int discovery_child_main (void);
