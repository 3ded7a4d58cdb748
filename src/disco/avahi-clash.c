/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disco/avahi-clash.h"

#include <dlfcn.h>
#include <glib.h>

static gboolean use_core;

void
avahi_clash_use_core (void)
{
  use_core = TRUE;
}

/* The symbol @name of the very library that defines @neighbour. */
static gpointer
look_up_beside (const char *neighbour, const char *name)
{
  gpointer address = dlsym (RTLD_DEFAULT, neighbour);
  gpointer library = NULL;
  Dl_info info;

  if (address != NULL && dladdr (address, &info) != 0)
    library = dlopen (info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  return library != NULL ? dlsym (library, name) : NULL;
}

int avahi_entry_group_free (gpointer first, gpointer second);

/* (AvahiServer *, AvahiSEntryGroup *) in libavahi-core, (AvahiEntryGroup *) in libavahi-client. */
int
avahi_entry_group_free (gpointer first, gpointer second)
{
  gpointer address
      = look_up_beside (use_core ? "avahi_server_new" : "avahi_client_new", "avahi_entry_group_free");

  g_assert (address != NULL && address != (gpointer) avahi_entry_group_free);
  if (!use_core)
    return ((int (*) (gpointer)) address) (first);
  ((void (*) (gpointer, gpointer)) address) (first, second);
  return 0;
}
