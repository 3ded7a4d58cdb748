/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "transfer/manifest.h"

/* The folder in which a transfer gathers, and how what is in it gets to its final place. Paths are clean ones (filename_clean_path()), below
 * that folder. What fails answers FALSE or -1 with errno. */

typedef struct _Landing Landing;

/* landing_open: takes @target, the folder for which all is meant, readable. Makes @part in it, or finds it again; without @resume what is in
 * it goes. EPERM: it is there and not ours alone. NULL with errno; the descriptor is closed then. */
Landing *landing_open (int target, const char *part, guint mask, gboolean resume);
void     landing_free (Landing *landing); /* NULL is fine; the folder stays */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Landing, landing_free)

/* landing_trust_umask: this thread's umask is @mask, so that what it makes has its final mode at once. */
void landing_trust_umask (Landing *landing);

/* landing_has_landed: it was complete before: what is missing in it was renamed to its place. */
gboolean landing_has_landed (const Landing *landing);

/* landing_free_space: what can still be written below it. G_MAXUINT64 where nobody knows. */
guint64 landing_free_space (const Landing *landing);

typedef enum
{
  LANDING_ABSENT,
  LANDING_PART,     /* of a file, *size bytes of it */
  LANDING_COMPLETE, /* a file of that size and mtime, or a link that leads there */
} LandingState;

LandingState landing_look (Landing *landing, const char *path, const Entry *entry, gint64 *size);

int landing_open_to_read (Landing *landing, const char *path);

/* landing_make_file: an empty one, in place of what another try left there (where there was none: EEXIST). */
int landing_make_file (Landing *landing, const char *path, const Entry *entry);

/* landing_continue_file: the one that landing_look() found, if it has @size bytes, at its end. ESTALE if not. */
int landing_continue_file (Landing *landing, const char *path, gint64 size);

/* A place below the folder: where a path leads, for another thread to make a file there. */
typedef struct
{
  gint refs; /* atomic */
  int fd;
} LandingParent;

typedef struct
{
  LandingParent *parent;
  const char *name; /* in it: the end of the path that was given */
} LandingPlace;

/* landing_place: FALSE with errno where there is no such folder. */
gboolean landing_place (Landing *landing, const char *path, LandingPlace *place);
void landing_place_clear (LandingPlace *place);

/* landing_make_file_at: as landing_make_file(), from any thread. */
int landing_make_file_at (const Landing *landing, const LandingPlace *place, const char *path, const Entry *entry);

/* landing_complete_file: mode and mtime, which say that it is. @continued: another try made it. From any thread. */
gboolean landing_complete_file (const Landing *landing, int fd, const char *path, const Entry *entry, gboolean continued);
gboolean landing_remove_file (Landing *landing, const char *path);

gboolean landing_make_folder (Landing *landing, const char *path);
gboolean landing_leave_folder (Landing *landing, const char *path, guint32 mode, gint64 mtime_ns);

/* landing_make_link: @target was judged. */
gboolean landing_make_link (Landing *landing, const char *path, const Entry *entry, const char *target);

/* landing_sync_fd: what fsync() (one file, @only) or else syncfs() is to be called with; the caller closes it. */
int landing_sync_fd (Landing *landing, const char *only);

/* landing_land: renames @tops (char *) into the target, never over something. Appends their final names to @paths. What was renamed is
 * written down before, for the next try, until landing_remove(). */
gboolean landing_land (Landing *landing, GPtrArray *tops, GPtrArray *paths);

/* landing_remove: the folder with all that is in it. */
gboolean landing_remove (Landing *landing);

/* landing_remove_part: the same without one that is open; TRUE also where there is none. @target stays the caller's. */
gboolean landing_remove_part (int target, const char *part);
