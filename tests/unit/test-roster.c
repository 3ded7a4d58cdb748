/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/roster.h"

#include "base/limits.h"
#include "store.h"

/* Goal: a name means who the user means, a stranger never makes a known peer ambiguous, and strangers do not fill the list. */

typedef struct
{
  Store   store;
  Roster *roster;
} Scene;

static void
set_up (Scene *scene, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  store_setup (&scene->store, NULL);
  scene->roster = roster_new (scene->store.db, &error);
  g_assert_no_error (error);
}

static void
tear_down (Scene *scene, gconstpointer data)
{
  roster_free (scene->roster);
  store_teardown (&scene->store, NULL);
}

static Peer *
peer (Scene *scene, const char *instance)
{
  Peer *found = roster_by_instance (scene->roster, instance);
  g_autoptr (GError) error = NULL;

  if (found == NULL)
    found = roster_add (scene->roster, instance, NULL, NULL, &error);
  g_assert_no_error (error);
  return found;
}

static void
sight (Peer *peer)
{
  g_autoptr (Sighting) sighting = g_new0 (Sighting, 1);

  sighting->instance = g_strdup (peer->row->instance);
  sighting->interface = 1;
  sighting->family = G_SOCKET_FAMILY_IPV4;
  sighting->address = g_inet_socket_address_new_from_string ("10.0.0.7", 5298);
  sighting->txt = g_ptr_array_new ();
  peer_add_sighting (peer, sighting);
}

static Peer *
find (Scene *scene, const char *spec, int code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = roster_find (scene->roster, spec, &error);

  if (code >= 0)
    {
      g_assert_error (error, HEARBY_ERROR, code);
      return NULL;
    }
  g_assert_no_error (error);
  g_assert_cmpuint (found->len, ==, 1);
  return g_ptr_array_index (found, 0);
}

static void
test_order (Scene *scene, gconstpointer data)
{
  Peer *juliet = peer (scene, "juliet@pronto");
  Peer *other = peer (scene, "juliet@verona");
  Peer *nurse = peer (scene, "nurse@pronto");

  g_assert_true (find (scene, "Juliet@PRONTO", -1) == juliet);
  find (scene, "juliet", HEARBY_ERROR_AMBIGUOUS);
  sight (other); /* on the air and the only one there */
  g_assert_true (find (scene, "juliet", -1) == other);
  juliet->row->plaintext = PLAINTEXT_ALLOW; /* known: a stranger on the air does not come before */
  g_assert_true (find (scene, "juliet", -1) == juliet);
  g_assert_true (roster_set_alias (scene->roster, "Juliet", &nurse, 1, NULL));
  g_assert_true (find (scene, "juliet", -1) == nurse); /* an alias is before all */
  g_assert_true (find (scene, "self", -1) == roster_self (scene->roster));
  find (scene, "tybalt", HEARBY_ERROR_NOT_FOUND);
}

static void
test_names (Scene *scene, gconstpointer data)
{
  Peer *juliet = peer (scene, "juliet@pronto");
  Peer *other = peer (scene, "juliet@verona");
  g_autofree char *both = NULL, *first = NULL, *second = NULL, *alias = NULL;

  both = roster_dup_name (scene->roster, juliet);
  g_assert_cmpstr (both, ==, "juliet@pronto");
  sight (juliet);
  first = roster_dup_name (scene->roster, juliet);
  second = roster_dup_name (scene->roster, other);
  g_assert_cmpstr (first, ==, "juliet");
  g_assert_cmpstr (second, ==, "juliet@verona"); /* a name always finds who it names */
  roster_set_alias (scene->roster, "jules", &other, 1, NULL);
  alias = roster_dup_name (scene->roster, other);
  g_assert_cmpstr (alias, ==, "jules");
}

static void
test_groups (Scene *scene, gconstpointer data)
{
  Peer *two[] = { peer (scene, "juliet@pronto"), peer (scene, "nurse@pronto") };
  g_autoptr (GPtrArray) found = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (roster_set_alias (scene->roster, "ops", two, 2, &error));
  found = roster_find (scene->roster, "OPS", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (found->len, ==, 2);
  g_assert_null (two[0]->alias); /* a group is nobody's name */
  g_assert_false (roster_set_alias (scene->roster, "a@b", two, 1, NULL));
  g_assert_false (roster_set_alias (scene->roster, "self", two, 1, NULL));
  g_assert_true (roster_set_alias (scene->roster, "ops", NULL, 0, &error));
  find (scene, "ops", HEARBY_ERROR_NOT_FOUND);
}

static void
test_rename (Scene *scene, gconstpointer data)
{
  Peer *added = roster_add (scene->roster, NULL, "10.0.0.9", NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (find (scene, "10.0.0.9", -1) == added);
  g_assert_true (find (scene, "10.0.0.9:5298", -1) == added);
  g_assert_true (roster_rename (scene->roster, added, "paris@verona", &error));
  g_assert_true (find (scene, "paris", -1) == added);
  g_assert_false (roster_rename (scene->roster, added, "Nurse@pronto", &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_EXISTS);
}

/* At the limit whoever was only seen makes room; who was talked to, named or allowed does not. */
static void
test_limit (Scene *scene, gconstpointer data)
{
  Peer *juliet = peer (scene, "juliet@pronto");
  g_autoptr (GError) error = NULL;

  juliet->row->plaintext = PLAINTEXT_ALLOW;
  for (guint i = roster_peers (scene->roster)->len; i < LIMIT_PEERS; i++)
    {
      g_autofree char *name = g_strdup_printf ("stranger-%u@link", i);

      g_assert_null (roster_superfluous (scene->roster));
      peer (scene, name)->row->last_seen = i;
    }
  g_assert_null (roster_add (scene->roster, "one-more@link", NULL, NULL, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE);
  g_clear_error (&error);
  while (roster_superfluous (scene->roster) != NULL)
    {
      Peer *superfluous = roster_superfluous (scene->roster);

      g_assert_true (superfluous != juliet && !superfluous->is_self);
      roster_remove (scene->roster, superfluous, &error);
      g_assert_no_error (error);
    }
  g_assert_cmpuint (roster_peers (scene->roster)->len, ==, LIMIT_PEERS - 1);
  g_assert_nonnull (roster_add (scene->roster, "one-more@link", NULL, NULL, &error));
}

/* Everything is there again after a restart, under the same ids. */
/* The oldest key that nobody acted on makes room for one more; a friend's never does. */
static void
test_new_keys (Scene *scene, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint8 key[PEER_KEY] = { 9 };
  Peer *friend = roster_add (scene->roster, "friend@link", NULL, key, &error);
  Peer *first = NULL;

  friend->row->trust = TRUST_PINNED;
  for (guint i = 0; i < LIMIT_NEW_KEYS; i++)
    {
      g_autofree char *name = g_strdup_printf ("stranger-%u@link", i);
      Peer *peer;

      g_assert_null (roster_superfluous (scene->roster));
      key[1] = (guint8) (i >> 8);
      key[2] = (guint8) i;
      key[3] = 1;
      peer = roster_add (scene->roster, name, NULL, key, &error);
      g_assert_no_error (error);
      peer->row->last_seen = 100 + i;
      first = first != NULL ? first : peer;
    }
  g_assert_true (roster_superfluous (scene->roster) == first);
}

static void
test_again (Scene *scene, gconstpointer data)
{
  Peer *juliet = peer (scene, "juliet@pronto");
  gint64 id = juliet->row->id;
  g_autoptr (GError) error = NULL;

  roster_set_alias (scene->roster, "jules", &juliet, 1, NULL);
  store_commit (&scene->store);
  g_clear_pointer (&scene->roster, roster_free);
  scene->roster = roster_new (scene->store.db, &error);
  g_assert_no_error (error);
  g_assert_cmpint (find (scene, "jules", -1)->row->id, ==, id);
  g_assert_cmpstr (roster_by_id (scene->roster, id)->row->instance, ==, "juliet@pronto");
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*test) (Scene *scene, gconstpointer data);
  } table[] = {
    { "/roster/new-keys", test_new_keys },
    { "/roster/order", test_order },   { "/roster/names", test_names }, { "/roster/groups", test_groups },
    { "/roster/rename", test_rename }, { "/roster/limit", test_limit }, { "/roster/again", test_again },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    g_test_add (table[i].name, Scene, NULL, set_up, table[i].test, tear_down);
  return g_test_run ();
}
