/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disco/discovery.h"

/* What discovery.c wants of whoever speaks mDNS. A backend is one life of one responder: when it dies it says
 * so once and is freed; the wish to publish, names, restarts and the memory of sightings are discovery.c's.
 *
 * Events never come from within a call to the backend. After failed() none comes any more. */

#define BACKEND_SERVICE_TYPE "_presence._tcp"
#define BACKEND_INTERFACES_MAX 64           /* interfaces that one record is published on */
#define BACKEND_ITEMS_MAX (4 * LIMIT_PEERS) /* (instance, interface, family) that the link may show at once  \
                                             */

typedef struct
{
  void (*ready) (const char *host_name, gpointer user_data); /* again when the host was renamed */
  void (*absent) (const char *why, gpointer user_data);      /* not there; goes on by itself when it comes */
  void (*failed) (const char *why, gpointer user_data);      /* dead */
  void (*refused) (const char *why, gpointer user_data);     /* may browse but not publish */
  void (*established) (const char *instance, gpointer user_data);
  void (*collision) (const char *instance, gpointer user_data); /* nothing is published any more */
  void (*seen) (const Sighting *sighting, gpointer user_data);  /* others only; may repeat itself */
  void (*gone) (const char *instance, guint interface, GSocketFamily family, gpointer user_data);
  void (*settled) (gpointer user_data);
  void (*links) (gpointer user_data); /* interfaces may have come or gone */
} BackendEvents;

typedef struct _BackendClass BackendClass;

/* The head of every backend. */
typedef struct
{
  const BackendClass *class;
  const BackendEvents *events;
  gpointer user_data;
} Backend;

/* Names of interfaces for a responder that can keep away from some: NULL or a list that ends in NULL. */
typedef struct
{
  char **allow;
  char **deny;
} BackendLinks;

struct _BackendClass
{
  const char *name;
  guint first_delay_ms; /* of the back-off */

  Backend *(*start) (const BackendLinks *links, const BackendEvents *events, gpointer user_data);
  /* Publishes on exactly these interfaces; where name and port are as before, only the difference is touched.
   */
  void (*publish) (Backend *backend, const char *instance, guint16 port, GPtrArray *txt,
                   const guint *interfaces, gsize n_interfaces);
  void (*update) (Backend *backend, GPtrArray *txt);
  void (*withdraw) (Backend *backend);
  void (*refresh) (Backend *backend, const char *instance);
  void (*free) (Backend *backend); /* says goodbye, 500 ms at most; never NULL */
};

extern const BackendClass avahi_daemon_backend;
extern const BackendClass embedded_backend;
