/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who is on the link: the table of sightings, the resolvers that take turns, and what the child may say. */

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "disco/backend.h"
#include "disco/child-frame.h"
#include "disco/items.h"
#include "disco/sightings.h"

static const guint8 ipv4[] = { 10, 0, 0, 1 };
static const guint8 link_local[16] = { 0xfe, 0x80, [15] = 1 };

static GPtrArray *
make_txt (guint n, gsize size)
{
  GPtrArray *txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autofree char *string = g_strnfill (size, 'x');

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (txt, g_bytes_new (string, size));
  return txt;
}

static Sighting *
make_sighting (const char *instance, guint interface, guint16 port)
{
  return sighting_new (instance, interface, G_SOCKET_FAMILY_IPV4, ipv4, sizeof ipv4, port, NULL);
}

static void
assert_refused (const char *instance, guint interface, GSocketFamily family, const guint8 *address, gsize len,
                guint16 port)
{
  g_autoptr (Sighting) sighting = sighting_new (instance, interface, family, address, len, port, NULL);

  g_assert_null (sighting);
}

static void
test_sighting_checks (void)
{
  static const guint8 any[4], multicast[] = { 224, 0, 0, 1 };
  g_autofree char *longest = g_strnfill (LIMIT_INSTANCE, 'a');
  g_autofree char *longer = g_strnfill (LIMIT_INSTANCE + 1, 'a');
  g_autoptr (Sighting) fits = make_sighting (longest, 2, 5298);

  g_assert_nonnull (fits);
  assert_refused (longer, 2, G_SOCKET_FAMILY_IPV4, ipv4, 4, 5298);
  assert_refused ("", 2, G_SOCKET_FAMILY_IPV4, ipv4, 4, 5298);
  assert_refused ("a\xff", 2, G_SOCKET_FAMILY_IPV4, ipv4, 4, 5298);
  assert_refused ("a", 0, G_SOCKET_FAMILY_IPV4, ipv4, 4, 5298);
  assert_refused ("a", 2, G_SOCKET_FAMILY_IPV4, ipv4, 4, 0);
  assert_refused ("a", 2, G_SOCKET_FAMILY_IPV6, ipv4, 4, 5298);
  assert_refused ("a", 2, G_SOCKET_FAMILY_IPV4, ipv4, 3, 5298);
  assert_refused ("a", 2, G_SOCKET_FAMILY_UNIX, ipv4, 4, 5298);
  assert_refused ("a", 2, G_SOCKET_FAMILY_IPV4, any, 4, 5298);
  assert_refused ("a", 2, G_SOCKET_FAMILY_IPV4, multicast, 4, 5298);
}

static void
test_sighting_scope (void)
{
  static const guint8 global[16] = { 0x20, 1, [15] = 1 };
  g_autoptr (Sighting) local = sighting_new ("a", 7, G_SOCKET_FAMILY_IPV6, link_local, 16, 1, NULL);
  g_autoptr (Sighting) wide = sighting_new ("a", 7, G_SOCKET_FAMILY_IPV6, global, 16, 1, NULL);

  g_assert_cmpuint (g_inet_socket_address_get_scope_id (G_INET_SOCKET_ADDRESS (local->address)), ==, 7);
  g_assert_cmpuint (g_inet_socket_address_get_scope_id (G_INET_SOCKET_ADDRESS (wide->address)), ==, 0);
}

static void
test_sighting_txt (void)
{
  g_autoptr (GPtrArray) fits = make_txt (LIMIT_TXT / 100, 99);
  g_autoptr (GPtrArray) more = make_txt (LIMIT_TXT / 100 + 1, 99);
  g_autoptr (GPtrArray) longer = make_txt (1, LIMIT_TXT_STRING + 1);
  g_autoptr (Sighting) a = sighting_new ("a", 1, G_SOCKET_FAMILY_IPV4, ipv4, 4, 1, fits);
  g_autoptr (Sighting) b = sighting_new ("a", 1, G_SOCKET_FAMILY_IPV4, ipv4, 4, 1, more);
  g_autoptr (Sighting) c = sighting_new ("a", 1, G_SOCKET_FAMILY_IPV4, ipv4, 4, 1, longer);

  g_assert_cmpuint (a->txt->len, ==, LIMIT_TXT / 100);
  g_assert_true (sighting_equal (a, b));
  g_assert_cmpuint (c->txt->len, ==, 0);
  g_assert_false (sighting_equal (a, c));
}

static void
test_table_changes (void)
{
  g_autoptr (Sightings) table = sightings_new ();
  g_autoptr (Sighting) first = make_sighting ("Juliet@pronto", 2, 1);
  g_autoptr (Sighting) changed = make_sighting ("Juliet@pronto", 2, 2);
  g_autoptr (Sighting) other = make_sighting ("juliet@PRONTO", 3, 1);
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (Sighting) taken = NULL;

  g_assert_true (sightings_put (table, first));
  g_assert_false (sightings_put (table, first));
  g_assert_true (sightings_put (table, changed));
  g_assert_true (sightings_put (table, other));
  list = sightings_list (table, "JULIET@pronto");
  g_assert_cmpuint (list->len, ==, 2);
  taken = sightings_take (table, "juliet@pronto", 2, G_SOCKET_FAMILY_IPV4);
  g_assert_true (sighting_equal (taken, changed));
  g_assert_null (sightings_take (table, "juliet@pronto", 2, G_SOCKET_FAMILY_IPV4));
}

static void
test_table_doubt (void)
{
  g_autoptr (Sightings) table = sightings_new ();
  g_autoptr (Sighting) kept = make_sighting ("kept", 1, 1);
  g_autoptr (Sighting) lost = make_sighting ("lost", 1, 1);
  g_autoptr (GPtrArray) list = NULL;

  sightings_put (table, kept);
  sightings_put (table, lost);
  sightings_doubt (table);
  g_assert_false (sightings_put (table, kept));
  list = sightings_take_doubted (table);
  g_assert_cmpuint (list->len, ==, 1);
  g_assert_true (sighting_equal (list->pdata[0], lost));
  g_assert_true (sightings_put (table, lost));
}

static void
test_table_limits (void)
{
  g_autoptr (Sightings) table = sightings_new ();
  g_autoptr (Sighting) one_more = make_sighting ("0", LIMIT_SIGHTINGS_PER_PEER + 1, 1);
  g_autoptr (Sighting) one_more_name = make_sighting ("one more", 1, 1);
  g_autoptr (Sighting) gone = NULL;

  for (guint i = 0; i < LIMIT_PEERS; i++)
    {
      g_autofree char *name = g_strdup_printf ("%u", i);
      g_autoptr (Sighting) sighting = make_sighting (name, 1, 1);

      g_assert_true (sightings_put (table, sighting));
    }
  for (guint i = 2; i <= LIMIT_SIGHTINGS_PER_PEER; i++)
    {
      g_autoptr (Sighting) sighting = make_sighting ("0", i, 1);

      g_assert_true (sightings_put (table, sighting));
    }
  g_assert_false (sightings_put (table, one_more));
  g_assert_false (sightings_put (table, one_more_name));
  gone = sightings_take (table, "1", 1, G_SOCKET_FAMILY_IPV4);
  g_assert_true (sightings_put (table, one_more_name));
}

/* Items with resolvers that only count. */

typedef struct
{
  GPtrArray *asked; /* items in the order of the questions */
  guint n_open;
  guint n_gone;
  guint n_settled;
} Link;

static gpointer
open_resolver (Item *item, gpointer user_data)
{
  Link *link = user_data;

  link->n_open++;
  g_ptr_array_add (link->asked, item);
  return item;
}

static void
close_resolver (gpointer resolver, gpointer user_data)
{
  ((Link *) user_data)->n_open--;
}

static void
on_gone (Item *item, gpointer user_data)
{
  ((Link *) user_data)->n_gone++;
}

static void
on_settled (gpointer user_data)
{
  ((Link *) user_data)->n_settled++;
}

static const ItemsClass items_class = { open_resolver, close_resolver, on_gone, on_settled };

static void
test_items_stay_open (void)
{
  Link link = { .asked = g_ptr_array_new () };
  Items *items = items_new (&items_class, &link, 10);

  items_add (items, "a", 2, 0, FALSE);
  items_add (items, "A", 2, 0, FALSE); /* the same */
  items_add (items, "a", 2, 1, FALSE);
  items_add (items, "me", 2, 0, TRUE);
  g_assert_cmpuint (link.n_open, ==, 2);
  items_all_for_now (items);
  items_answered (items, link.asked->pdata[0], TRUE);
  g_assert_cmpuint (link.n_settled, ==, 0);
  items_answered (items, link.asked->pdata[1], FALSE);
  g_assert_cmpuint (link.n_settled, ==, 1);
  g_assert_cmpuint (link.n_open, ==, 2);
  items_answered (items, link.asked->pdata[0], FALSE); /* the host does not answer any more */
  g_assert_cmpuint (link.n_gone, ==, 1);
  items_refresh (items, "ME");
  g_assert_cmpuint (link.n_open, ==, 3);
  items_answered (items, link.asked->pdata[2], FALSE);
  g_assert_cmpuint (link.n_settled, ==, 1); /* once */
  items_remove (items, "a", 2, 0);
  g_assert_cmpuint (link.n_gone, ==, 1);
  items_free (items);
  g_assert_cmpuint (link.n_open, ==, 0);
  g_ptr_array_unref (link.asked);
}

/* A resolver that names another host than before is not believed, but the next one is. */
static void
test_items_moved (void)
{
  Link link = { .asked = g_ptr_array_new () };
  Items *items = items_new (&items_class, &link, 10);
  Item *item;

  items_add (items, "a", 2, 0, FALSE);
  item = link.asked->pdata[0];
  g_assert_false (items_moved (items, item, "former.local"));
  items_answered (items, item, TRUE);
  g_assert_false (items_moved (items, item, "FORMER.local"));
  g_assert_false (items_moved (items, item, NULL));
  g_assert_cmpuint (link.asked->len, ==, 1);
  g_assert_true (items_moved (items, item, "present.local"));
  g_assert_cmpuint (link.asked->len, ==, 2);
  g_assert_cmpuint (link.n_open, ==, 1);
  g_assert_false (items_moved (items, item, "present.local"));
  g_assert_cmpuint (link.n_gone, ==, 0);
  items_free (items);
  g_ptr_array_unref (link.asked);
}

static void
test_items_make_room (void)
{
  Link link = { .asked = g_ptr_array_new () };
  Items *items = items_new (&items_class, &link, 2);

  for (char name[] = "a"; *name <= 'e'; (*name)++)
    items_add (items, name, 2, 0, FALSE);
  g_assert_cmpuint (link.n_open, ==, 2);
  for (guint i = 0; i < 5; i++)
    {
      g_assert_cmpuint (link.asked->len, >, i);
      items_answered (items, link.asked->pdata[i], TRUE);
      g_assert_cmpuint (link.n_open, <=, 2);
    }
  g_assert_cmpuint (link.asked->len, ==, 5);
  g_assert_cmpuint (link.n_settled, ==, 0);
  items_all_for_now (items);
  g_assert_cmpuint (link.n_settled, ==, 1);
  g_assert_cmpuint (link.n_open, ==, 2);
  items_free (items);
  g_ptr_array_unref (link.asked);
}

static void
test_items_limit (void)
{
  Link link = { .asked = g_ptr_array_new () };
  Items *items = items_new (&items_class, &link, G_MAXUINT);

  for (guint i = 0; i <= BACKEND_ITEMS_MAX; i++)
    {
      g_autofree char *name = g_strdup_printf ("%u", i);

      items_add (items, name, 2, 0, FALSE);
    }
  g_assert_cmpuint (link.n_open, ==, BACKEND_ITEMS_MAX);
  items_free (items);
  g_ptr_array_unref (link.asked);
}

/* Frames. */

static void
make_pair (int pair[2])
{
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
}

static void
test_frame_passes (void)
{
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GPtrArray) txt = make_txt (2, 5);
  g_autoptr (GVariant) strings = NULL;
  g_autoptr (GPtrArray) back = NULL;
  ChildFrame kind;
  int pair[2];

  make_pair (pair);
  g_assert_cmpint (child_frame_receive (pair[1], &kind, &body), ==, CHILD_FRAME_LATER);
  g_assert_true (
      child_frame_send (pair[0], CHILD_FRAME_UPDATE, g_variant_new ("(@aay)", child_frame_from_txt (txt))));
  g_assert_cmpint (child_frame_receive (pair[1], &kind, &body), ==, CHILD_FRAME_GOT);
  g_assert_cmpint (kind, ==, CHILD_FRAME_UPDATE);
  strings = g_variant_get_child_value (body, 0);
  back = child_frame_to_txt (strings);
  g_assert_cmpuint (back->len, ==, 2);
  g_assert_true (g_bytes_equal (back->pdata[1], txt->pdata[1]));
  close (pair[0]);
  g_clear_pointer (&body, g_variant_unref);
  g_assert_cmpint (child_frame_receive (pair[1], &kind, &body), ==, CHILD_FRAME_END);
  close (pair[1]);
}

static void
assert_rubbish (gconstpointer bytes, gsize len)
{
  g_autoptr (GVariant) body = NULL;
  ChildFrame kind;
  int pair[2];

  make_pair (pair);
  g_assert_cmpint (send (pair[0], bytes, len, 0), ==, (gssize) len);
  g_assert_cmpint (child_frame_receive (pair[1], &kind, &body), ==, CHILD_FRAME_END);
  g_assert_null (body);
  close (pair[0]);
  close (pair[1]);
}

static void
test_frame_rubbish (void)
{
  static const char unknown[] = { CHILD_FRAME_LAST, 0 };
  static const char unterminated[] = { CHILD_FRAME_READY, 'a', 'b' };
  static const char not_utf8[] = { CHILD_FRAME_READY, '\xff', 0 };
  static const char short_seen[] = { CHILD_FRAME_SEEN, 'a', 0 };
  g_autofree char *large = g_malloc0 (CHILD_FRAME_MAX + 1);

  assert_rubbish (unknown, sizeof unknown);
  assert_rubbish (unterminated, sizeof unterminated);
  assert_rubbish (not_utf8, sizeof not_utf8);
  assert_rubbish (short_seen, sizeof short_seen);
  memset (large, 'a', CHILD_FRAME_MAX + 1);
  large[0] = CHILD_FRAME_LOG;
  large[CHILD_FRAME_MAX] = '\0';
  assert_rubbish (large, CHILD_FRAME_MAX + 1);
}

static void
test_frame_limit (void)
{
  g_autofree char *fits = g_strnfill (CHILD_FRAME_MAX - 2, 'a'); /* and its NUL, and the kind */
  g_autofree char *longer = g_strnfill (CHILD_FRAME_MAX - 1, 'a');
  g_autoptr (GVariant) body = NULL;
  ChildFrame kind;
  int pair[2];

  make_pair (pair);
  g_assert_false (child_frame_send (pair[0], CHILD_FRAME_LOG, g_variant_new ("(s)", longer)));
  g_assert_true (child_frame_send (pair[0], CHILD_FRAME_LOG, g_variant_new ("(s)", fits)));
  g_assert_cmpint (child_frame_receive (pair[1], &kind, &body), ==, CHILD_FRAME_GOT);
  close (pair[0]);
  close (pair[1]);
}

static void
test_mode_names (void)
{
  DiscoveryMode mode;

  g_assert_true (discovery_mode_from_name ("embedded", &mode));
  g_assert_cmpint (mode, ==, DISCOVERY_EMBEDDED);
  g_assert_false (discovery_mode_from_name ("", &mode));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sighting/checks", test_sighting_checks);
  g_test_add_func ("/sighting/scope", test_sighting_scope);
  g_test_add_func ("/sighting/txt", test_sighting_txt);
  g_test_add_func ("/sightings/changes", test_table_changes);
  g_test_add_func ("/sightings/doubt", test_table_doubt);
  g_test_add_func ("/sightings/limits", test_table_limits);
  g_test_add_func ("/items/stay-open", test_items_stay_open);
  g_test_add_func ("/items/moved", test_items_moved);
  g_test_add_func ("/items/make-room", test_items_make_room);
  g_test_add_func ("/items/limit", test_items_limit);
  g_test_add_func ("/child-frame/passes", test_frame_passes);
  g_test_add_func ("/child-frame/rubbish", test_frame_rubbish);
  g_test_add_func ("/child-frame/limit", test_frame_limit);
  g_test_add_func ("/discovery/mode-names", test_mode_names);
  return g_test_run ();
}
