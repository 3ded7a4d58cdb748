/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/manifest.h"

/* A manifest on the disk, written and read piece by piece: memory does not grow with it. */

typedef struct _ManifestWriter ManifestWriter;

/* manifest_writer_new: what is written replaces the file @path, 0600, at manifest_writer_finish(). */
ManifestWriter *manifest_writer_new (const char *path, GError **error);
void            manifest_writer_free (ManifestWriter *writer); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ManifestWriter, manifest_writer_free)

/* manifest_writer_add: FALSE where the entry is none (manifest_append()), or the disk does not take it: then it has failed. */
gboolean manifest_writer_add (ManifestWriter *writer, const Entry *entry, GError **error);
gboolean manifest_writer_failed (const ManifestWriter *writer);
gboolean manifest_writer_finish (ManifestWriter *writer, GError **error);

typedef struct _ManifestFile ManifestFile;

ManifestFile *manifest_file_open (const char *path, GError **error);
void          manifest_file_free (ManifestFile *file); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ManifestFile, manifest_file_free)

/* manifest_file_next: the next entry to @out, which must be empty. FALSE without an error: that was all. */
gboolean manifest_file_next (ManifestFile *file, Entry *out, GError **error);

/* manifest_file_peek: the bytes of the next entry, valid until the next call; then manifest_file_skip(). NULL as above. */
const guint8 *manifest_file_peek (ManifestFile *file, gsize *len, GError **error);
void          manifest_file_skip (ManifestFile *file);

gboolean manifest_file_at_end (ManifestFile *file);

void manifest_file_rewind (ManifestFile *file);
