/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/transfers.h"
#include "pair.h"
#include "tree.h"

/* She sends to him: two messengers, two proxies, a folder of each, and one transfer as either knows it. */

#define SCENE_LARGE (8 * 1024 * 1024)
#define SCENE_HELD (1024 * 1024) /* where a large one stands still */

typedef struct
{
  Side   *juliet, *romeo;
  Proxy  *to_romeo, *to_juliet;
  char   *from, *to;
  guint64 sent, got; /* the newest */
} Scene;

void scene_open (Scene *scene);
void scene_close (Scene *scene);

/* scene_follow: again after his side was started again. */
void scene_follow (Scene *scene);

Transfer *scene_sent (Scene *scene); /* NULL: it is not there */
Transfer *scene_got (Scene *scene);

/* scene_write: a file of @size bytes. scene_assert_same: hers arrived, @as. */
void scene_write (const char *folder, const char *name, gsize size);
void scene_assert_same (Scene *scene, const char *name, const char *as);

/* scene_offer: her file @name, or what comes out of @fd, which is taken. scene_offer_and_see: returns when he knows of it. */
void scene_offer (Scene *scene, const char *name, int fd);
void scene_offer_and_see (Scene *scene, const char *name);
void scene_accept (Scene *scene);

/* scene_wait_counted: before his side starts: what he finds of nobody's offers is removed, and both keep theirs in one place. */
void scene_wait_counted (Scene *scene);

/* scene_begin_large: opens the scene; a part of "large" is over, and the rest does not come before scene_go_on(). */
void scene_begin_large (Scene *scene);
void scene_go_on (Scene *scene);

/* scene_wait: until it is so with her and with him. "" is no reason. */
void scene_wait (Scene *scene, TransferState here, const char *why_here, TransferState there, const char *why_there);
void scene_wait_complete (Scene *scene);
