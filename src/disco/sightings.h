/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disco/discovery.h"

/* Everybody on the link as last seen: a bounded table of sightings by (instance, interface, family). Pure. */

/* sighting_new: NULL where a stranger's data is no sighting: an instance that is not 1-63 bytes of UTF-8,
 * port 0, no interface, an address of another family or of nobody. TXT strings beyond LIMIT_TXT are left out.
 * Keeps references to @txt's bytes. */
Sighting *sighting_new (const char *instance, guint interface, GSocketFamily family, const guint8 *address,
                        gsize address_len, guint16 port, GPtrArray *txt);
gboolean sighting_equal (const Sighting *a, const Sighting *b);

typedef struct _Sightings Sightings;

Sightings *sightings_new (void);
void sightings_free (Sightings *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Sightings, sightings_free)

/* sightings_put: TRUE when it is new or another than before; FALSE also when the table is full. Copies. */
gboolean sightings_put (Sightings *table, const Sighting *sighting);

/* sightings_take: removes one and hands it over, NULL where there is none. */
Sighting *sightings_take (Sightings *table, const char *instance, guint interface, GSocketFamily family);

/* sightings_list: those of one name (compared folded). Elements belong to the table, the array to the caller.
 */
GPtrArray *sightings_list (Sightings *table, const char *instance);

/* sightings_doubt: from now on all are in doubt until put again. */
void sightings_doubt (Sightings *table);

/* sightings_take_doubted: removes those and hands them over. */
GPtrArray *sightings_take_doubted (Sightings *table);
