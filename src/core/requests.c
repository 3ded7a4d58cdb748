/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/requests.h"

#include "base/limits.h"
#include "net/deadline.h"

typedef struct
{
  char       *id;
  RequestDone done;
  gpointer    user_data;
  gint64      asked;
} Request;

struct _Requests
{
  GQueue   open; /* Request, the oldest first */
  GSource *timer;
};

static void
finish (Request *request, const Node *answer)
{
  request->done (answer, g_get_monotonic_time () - request->asked, request->user_data);
  g_free (request->id);
  g_free (request);
}

static void
set_timer (Requests *requests)
{
  const Request *oldest = g_queue_peek_head (&requests->open);

  deadline_set (requests->timer, oldest != NULL ? oldest->asked + LIMIT_IQ_WAIT_MS * 1000 : -1);
}

static gboolean
on_timeout (gpointer user_data)
{
  Requests *requests = user_data;
  Request  *late = g_queue_pop_head (&requests->open);

  set_timer (requests); /* before the answer, which may end the stream and us */
  if (late != NULL)
    finish (late, NULL);
  return G_SOURCE_CONTINUE;
}

Requests *
requests_new (void)
{
  Requests *requests = g_new0 (Requests, 1);

  g_queue_init (&requests->open);
  requests->timer = deadline_new (on_timeout, requests);
  return requests;
}

void
requests_free (Requests *requests)
{
  Request *request;

  if (requests == NULL)
    return;
  deadline_drop (&requests->timer);
  while ((request = g_queue_pop_head (&requests->open)) != NULL)
    finish (request, NULL);
  g_free (requests);
}

const char *
requests_add (Requests *requests, RequestDone done, gpointer user_data)
{
  Request *request;

  if (requests->open.length >= LIMIT_IQS_OPEN)
    return NULL;
  request = g_new0 (Request, 1);
  request->id = g_uuid_string_random ();
  request->done = done;
  request->user_data = user_data;
  request->asked = g_get_monotonic_time ();
  g_queue_push_tail (&requests->open, request);
  set_timer (requests);
  return request->id;
}

gboolean
requests_answer (Requests *requests, const Node *answer)
{
  const char *id = node_get (answer, "id");

  for (GList *l = requests->open.head; l != NULL; l = l->next)
    {
      Request *request = l->data;

      if (g_strcmp0 (request->id, id) != 0)
        continue;
      g_queue_delete_link (&requests->open, l);
      set_timer (requests);
      finish (request, answer);
      return TRUE;
    }
  return FALSE;
}
