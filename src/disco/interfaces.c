/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disco/interfaces.h"

#include <fnmatch.h>
#include <net/if.h>
#include <string.h>

#include "disco/backend.h"

/* What containers and virtual machines make by the dozen: nobody sits there. */
const char *const discovery_default_ignore[]
    = { "docker*", "veth*", "br-*",     "virbr*", "vnet*",  "lxc*",     "lxd*",   "incus*",
        "podman*", "cni*",  "flannel*", "cali*",  "vmnet*", "vboxnet*", "kube-*", NULL };

struct _Interfaces
{
  char **allow;
  char **ignore;
  GArray *allowed; /* guint, sorted */
  GArray *denied;
  char **denied_names;
};

static gboolean
matches (char **globs, const char *name)
{
  for (; globs != NULL && *globs != NULL; globs++)
    if (fnmatch (*globs, name, 0) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
may_use (Interfaces *interfaces, const char *name)
{
  gboolean all = interfaces->allow == NULL || interfaces->allow[0] == NULL;

  return (all || matches (interfaces->allow, name)) && !matches (interfaces->ignore, name);
}

static int
compare_indexes (gconstpointer a, gconstpointer b)
{
  guint x = *(const guint *) a, y = *(const guint *) b;

  return (x > y) - (x < y);
}

static gboolean
has_index (GArray *indexes, guint index)
{
  return g_array_binary_search (indexes, &index, compare_indexes, NULL);
}

static gboolean
same_indexes (GArray *a, GArray *b)
{
  return a->len == b->len && (a->len == 0 || memcmp (a->data, b->data, a->len * sizeof (guint)) == 0);
}

gboolean
interfaces_update (Interfaces *interfaces)
{
  g_autoptr (GArray) before = g_steal_pointer (&interfaces->allowed);
  g_autoptr (GStrvBuilder) denied = g_strv_builder_new ();
  struct if_nameindex *list = if_nameindex ();

  interfaces->allowed = g_array_new (FALSE, FALSE, sizeof (guint));
  g_array_set_size (interfaces->denied, 0);
  for (struct if_nameindex *link = list; link != NULL && link->if_index != 0; link++)
    if (may_use (interfaces, link->if_name))
      {
        if (interfaces->allowed->len < BACKEND_INTERFACES_MAX)
          g_array_append_val (interfaces->allowed, link->if_index);
      }
    else
      {
        g_array_append_val (interfaces->denied, link->if_index);
        g_strv_builder_add (denied, link->if_name);
      }
  if (list != NULL)
    if_freenameindex (list);
  g_array_sort (interfaces->allowed, compare_indexes);
  g_array_sort (interfaces->denied, compare_indexes);
  g_strfreev (interfaces->denied_names);
  interfaces->denied_names = g_strv_builder_end (denied);
  return before == NULL || !same_indexes (before, interfaces->allowed);
}

Interfaces *
interfaces_new (const char *const *allow, const char *const *ignore)
{
  Interfaces *interfaces = g_new0 (Interfaces, 1);

  interfaces->allow = g_strdupv ((char **) allow);
  interfaces->ignore = g_strdupv ((char **) (ignore != NULL ? ignore : discovery_default_ignore));
  interfaces->denied = g_array_new (FALSE, FALSE, sizeof (guint));
  interfaces_update (interfaces);
  return interfaces;
}

void
interfaces_free (Interfaces *interfaces)
{
  if (interfaces == NULL)
    return;
  g_strfreev (interfaces->allow);
  g_strfreev (interfaces->ignore);
  g_strfreev (interfaces->denied_names);
  g_array_unref (interfaces->allowed);
  g_array_unref (interfaces->denied);
  g_free (interfaces);
}

const guint *
interfaces_peek_allowed (Interfaces *interfaces, gsize *n)
{
  *n = interfaces->allowed->len;
  return (const guint *) (gpointer) interfaces->allowed->data;
}

gboolean
interfaces_is_allowed (Interfaces *interfaces, guint index)
{
  char name[IF_NAMESIZE];

  if (has_index (interfaces->allowed, index))
    return TRUE;
  if (has_index (interfaces->denied, index))
    return FALSE;
  return if_indextoname (index, name) != NULL && may_use (interfaces, name);
}

char **
interfaces_dup_denied (Interfaces *interfaces)
{
  return g_strdupv (interfaces->denied_names);
}

char **
interfaces_dup_literal (Interfaces *interfaces)
{
  if (interfaces->allow == NULL || interfaces->allow[0] == NULL)
    return NULL;
  for (char **glob = interfaces->allow; *glob != NULL; glob++)
    if (strpbrk (*glob, "*?[\\") != NULL)
      return NULL;
  return g_strdupv (interfaces->allow);
}
