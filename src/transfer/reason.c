/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/reason.h"

#include <string.h>

static const struct
{
  const char *word;
  const char *from_peer; /* NULL: the same */
} reasons[] = {
  { REASON_NONE, NULL },
  { REASON_DECLINED, NULL },
  { REASON_CANCELED, REASON_PEER_CANCELED },
  { REASON_PEER_CANCELED, REASON_CANCELED },
  { REASON_EXPIRED, NULL },
  { REASON_PAUSED, REASON_PEER_PAUSED },
  { REASON_PEER_PAUSED, REASON_PAUSED },
  { REASON_NO_SPACE, REASON_PEER_NO_SPACE },
  { REASON_PEER_NO_SPACE, REASON_NO_SPACE },
  { REASON_QUOTA, NULL },
  { REASON_CONNECTION_LOST, NULL },
  { REASON_STALLED, NULL },
  { REASON_SOURCE_GONE, NULL },
  { REASON_SOURCE_CHANGED, NULL },
  { REASON_SOURCE_UNREADABLE, NULL },
  { REASON_ACCESS_DENIED, NULL },
  { REASON_FILE_ERROR, NULL },
  { REASON_PROTOCOL, NULL },
  { REASON_UNSAFE_NAME, NULL },
  { REASON_UNSAFE_LINK, NULL },
  { REASON_TOO_LARGE, NULL },
  { REASON_PARTIAL, NULL },
  { REASON_UNENCRYPTED, NULL },
  { REASON_KEY_CHANGED, NULL },
  { REASON_BLOCKED, NULL },
  { REASON_NOT_SUPPORTED, NULL },
  { REASON_RESTARTED, NULL },
};

const char *
reason_known (const char *bytes, gssize len)
{
  gsize size = len < 0 ? strlen (bytes) : (gsize) len;

  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    if (strlen (reasons[i].word) == size && memcmp (reasons[i].word, bytes, size) == 0)
      return reasons[i].word;
  return NULL;
}

const char *
reason_from_peer (const char *word, const char *fallback)
{
  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    if (g_strcmp0 (word, reasons[i].word) == 0)
      return reasons[i].from_peer != NULL ? reasons[i].from_peer : reasons[i].word;
  return fallback;
}
