/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/requests.h"

#include "base/limits.h"

/* Goal: every request ends once: with its own answer, or without one; and there is a bound to how many are open. */

typedef struct
{
  guint answered, unanswered;
} Count;

static void
on_done (const Node *answer, gint64 rtt, gpointer user_data)
{
  Count *count = user_data;

  g_assert_cmpint (rtt, >=, 0);
  if (answer != NULL)
    count->answered++;
  else
    count->unanswered++;
}

static void
answer (Requests *requests, const char *id)
{
  g_autoptr (Node) iq = node_new ("iq", NULL);

  node_set (iq, "id", id);
  requests_answer (requests, iq);
}

static void
test_answer (void)
{
  Requests *requests = requests_new ();
  Count first = { 0 }, second = { 0 };
  g_autofree char *one = g_strdup (requests_add (requests, on_done, &first));
  g_autofree char *two = g_strdup (requests_add (requests, on_done, &second));

  g_assert_cmpstr (one, !=, two);
  answer (requests, "guessed");
  answer (requests, NULL);
  g_assert_cmpuint (first.answered + second.answered, ==, 0);
  answer (requests, two);
  answer (requests, two); /* a second answer is nobody's */
  g_assert_cmpuint (second.answered, ==, 1);
  requests_free (requests);
  g_assert_cmpuint (first.unanswered, ==, 1); /* ends with the stream */
  g_assert_cmpuint (second.unanswered, ==, 0);
}

static void
test_limit (void)
{
  Requests *requests = requests_new ();
  Count count = { 0 };

  for (guint i = 0; i < LIMIT_IQS_OPEN; i++)
    g_assert_nonnull (requests_add (requests, on_done, &count));
  g_assert_null (requests_add (requests, on_done, &count));
  requests_free (requests);
  g_assert_cmpuint (count.unanswered, ==, LIMIT_IQS_OPEN);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/requests/answer", test_answer);
  g_test_add_func ("/requests/limit", test_limit);
  return g_test_run ();
}
