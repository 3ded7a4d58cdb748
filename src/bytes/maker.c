/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes/maker.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define BATCH_FILES 64
#define BATCH_BYTES (256 * 1024)

typedef struct
{
  guint32 index;
  char *path;
  Entry entry; /* without texts */
  LandingPlace place;
  gsize offset, len; /* of its content */
  gboolean has_hash;
  guint8 hash[MAKER_HASH];
  int code;
} Item;

typedef struct
{
  Item items[BATCH_FILES];
  guint n;
  GByteArray *content;
} Batch;

struct _Maker
{
  Landing *landing;
  MakerMade made;
  gpointer data;
  Batch *gathered; /* the receiver's */
  Item *begun;     /* behind the last of gathered; NULL: none */

  /* POSIX's own, which sanitizers of threads see through */
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  GThread *thread; /* NULL: not needed so far */
  Batch *given;    /* to the thread, until it is made and was taken back */
  gboolean is_made, ends;
};

static Batch *
batch_new (void)
{
  Batch *batch = g_new0 (Batch, 1);

  batch->content = g_byte_array_new ();
  return batch;
}

static void
item_clear (Item *item)
{
  g_clear_pointer (&item->path, g_free);
  landing_place_clear (&item->place);
}

static void
batch_empty (Batch *batch)
{
  for (guint i = 0; i < batch->n; i++)
    item_clear (&batch->items[i]);
  batch->n = 0;
  g_byte_array_set_size (batch->content, 0);
}

static void
batch_free (Batch *batch)
{
  batch_empty (batch);
  g_byte_array_unref (batch->content);
  g_free (batch);
}

/* One file ------------------------------------------------------------------------------------------------ */

static int
write_all (int fd, const guint8 *bytes, gsize len)
{
  while (len > 0)
    {
      ssize_t n = write (fd, bytes, len);

      if (n < 0 && errno != EINTR)
        return errno;
      bytes += MAX (n, 0);
      len -= (gsize)MAX (n, 0);
    }
  return 0;
}

/* What the disk has, not what was meant for it. */
static int
compare_hash (int fd, const Item *item)
{
  guint8 bytes[MAKER_SMALL], hash[MAKER_HASH];

  if (pread (fd, bytes, item->len, 0) != (ssize_t)item->len)
    return EIO;
  crypto_generichash (hash, sizeof hash, bytes, item->len, NULL, 0);
  return memcmp (hash, item->hash, sizeof hash) == 0 ? 0 : EIO;
}

static int
make (const Landing *landing, const Item *item, const guint8 *content)
{
  int fd = landing_make_file_at (landing, &item->place, item->path, &item->entry);
  int code = fd < 0 ? errno : write_all (fd, content, item->len);

  if (code == 0 && item->has_hash)
    code = compare_hash (fd, item);
  if (code == 0 && !landing_complete_file (landing, fd, item->path, &item->entry, FALSE))
    code = errno;
  if (fd >= 0)
    close (fd);
  if (fd >= 0 && code != 0 && code != ENOSPC && code != EDQUOT)
    unlinkat (item->place.parent->fd, item->place.name, 0);
  return code;
}

static void
make_batch (const Landing *landing, Batch *batch)
{
  for (guint i = 0; i < batch->n; i++)
    batch->items[i].code = make (landing, &batch->items[i], batch->content->data + batch->items[i].offset);
}

/* The thread ---------------------------------------------------------------------------------------------- */

static gpointer
run (gpointer data)
{
  Maker *maker = data;

  pthread_mutex_lock (&maker->mutex);
  while (!maker->ends)
    if (maker->given == NULL || maker->is_made)
      pthread_cond_wait (&maker->changed, &maker->mutex);
    else
      {
        pthread_mutex_unlock (&maker->mutex);
        make_batch (maker->landing, maker->given); /* nobody else touches it now */
        pthread_mutex_lock (&maker->mutex);
        maker->is_made = TRUE;
        pthread_cond_broadcast (&maker->changed);
      }
  pthread_mutex_unlock (&maker->mutex);
  return NULL;
}

static void
tell (Maker *maker, Batch *batch)
{
  for (guint i = 0; i < batch->n; i++)
    maker->made (maker->data, batch->items[i].index, batch->items[i].path, batch->items[i].code);
  batch_empty (batch);
}

/* What the thread has, if it is through with it or @waits. NULL where it has nothing, or is busy. */
static Batch *
take_back (Maker *maker, gboolean waits)
{
  Batch *batch = NULL;

  pthread_mutex_lock (&maker->mutex);
  while (waits && maker->given != NULL && !maker->is_made)
    pthread_cond_wait (&maker->changed, &maker->mutex);
  if (maker->given != NULL && maker->is_made)
    batch = g_steal_pointer (&maker->given);
  pthread_mutex_unlock (&maker->mutex);
  return batch;
}

/* The thread has nothing now. */
static void
give (Maker *maker)
{
  pthread_mutex_lock (&maker->mutex);
  maker->given = maker->gathered;
  maker->is_made = FALSE;
  pthread_cond_broadcast (&maker->changed);
  pthread_mutex_unlock (&maker->mutex);
  if (maker->thread == NULL)
    maker->thread = g_thread_new ("maker", run, maker);
}

/* The batch is full: for whom has time for it. */
static void
dispatch (Maker *maker)
{
  Batch *back = take_back (maker, FALSE);
  Batch *fresh;

  if (back == NULL && maker->given != NULL)
    {
      make_batch (maker->landing, maker->gathered);
      tell (maker, maker->gathered);
      return;
    }
  fresh = back != NULL ? back : batch_new ();
  give (maker);
  maker->gathered = fresh;
  tell (maker, fresh);
}

void
maker_finish (Maker *maker)
{
  Batch *back = take_back (maker, TRUE);

  maker_drop (maker);
  if (back != NULL)
    {
      tell (maker, back);
      batch_free (back);
    }
  make_batch (maker->landing, maker->gathered);
  tell (maker, maker->gathered);
}

gboolean
maker_is_idle (const Maker *maker)
{
  return maker->gathered->n == 0 && maker->given == NULL; /* only we set it, and take it back */
}

/* Files --------------------------------------------------------------------------------------------------- */

gboolean
maker_begin (Maker *maker, guint32 index, const char *path, const Entry *entry)
{
  Batch *batch = maker->gathered;
  Item *item = &batch->items[batch->n];

  *item = (Item){ .index = index, .path = g_strdup (path), .offset = batch->content->len };
  item->entry = (Entry){ .type = ENTRY_FILE, .mode = entry->mode, .mtime_ns = entry->mtime_ns, .size = entry->size };
  if (!landing_place (maker->landing, item->path, &item->place))
    {
      g_clear_pointer (&item->path, g_free);
      return FALSE;
    }
  maker->begun = item;
  return TRUE;
}

void
maker_data (Maker *maker, const guint8 *bytes, gsize len)
{
  maker->begun->len += len;
  g_byte_array_append (maker->gathered->content, bytes, (guint)len);
}

void
maker_drop (Maker *maker)
{
  if (maker->begun == NULL)
    return;
  g_byte_array_set_size (maker->gathered->content, (guint)maker->begun->offset);
  item_clear (maker->begun);
  maker->begun = NULL;
}

void
maker_end (Maker *maker, const guint8 *hash)
{
  Batch *batch = maker->gathered;
  Item *item = g_steal_pointer (&maker->begun);

  batch->n++;
  item->has_hash = hash != NULL;
  if (hash != NULL)
    memcpy (item->hash, hash, sizeof item->hash);
  if (batch->n == BATCH_FILES || batch->content->len > BATCH_BYTES - MAKER_SMALL)
    dispatch (maker);
}

Maker *
maker_new (Landing *landing, MakerMade made, gpointer data)
{
  Maker *maker = g_new0 (Maker, 1);

  maker->landing = landing;
  maker->made = made;
  maker->data = data;
  maker->gathered = batch_new ();
  pthread_mutex_init (&maker->mutex, NULL);
  pthread_cond_init (&maker->changed, NULL);
  return maker;
}

void
maker_free (Maker *maker)
{
  if (maker == NULL)
    return;
  pthread_mutex_lock (&maker->mutex);
  maker->ends = TRUE;
  pthread_cond_broadcast (&maker->changed);
  pthread_mutex_unlock (&maker->mutex);
  if (maker->thread != NULL)
    g_thread_join (maker->thread);
  maker_drop (maker);
  g_clear_pointer (&maker->given, batch_free);
  batch_free (maker->gathered);
  pthread_mutex_destroy (&maker->mutex);
  pthread_cond_destroy (&maker->changed);
  g_free (maker);
}
