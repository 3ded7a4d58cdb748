/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/addresses.h"

/* Goal: addresses compare and are written as people and the wire mean them. */

static GInetSocketAddress *
at (const char *text, guint port)
{
  return G_INET_SOCKET_ADDRESS (g_inet_socket_address_new_from_string (text, port));
}

static void
test_normalize (void)
{
  static const struct
  {
    const char *text, *wanted;
  } table[] = {
    { "lab", "lab" },
    { "lab:5298", "lab" },
    { "lab:5300", "lab:5300" },
    { "192.168.7.20", "192.168.7.20" },
    { "192.168.7.20:5300", "192.168.7.20:5300" },
    { "fe80::1%eth0", "fe80::1%eth0" },
    { "[fd00::1]", "fd00::1" },
    { "fd00::1", "fd00::1" },
    { "[fd00::1]:5298", "fd00::1" },
    { "[fd00::1]:5300", "[fd00::1]:5300" },
    { "", NULL },
    { "juliet@pronto", NULL },
    { "a b", NULL },
    { "lab:0", NULL },
    { "lab:70000", NULL },
    { "http://lab", NULL },
    { "\xc3\xa4", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autofree char *got = addresses_normalize (table[i].text, 5298);

      g_test_message ("%s", table[i].text);
      g_assert_cmpstr (got, ==, table[i].wanted);
    }
}

static void
test_same_host (void)
{
  static const struct
  {
    const char *a, *b;
    gboolean    same;
  } table[] = {
    { "192.168.1.1", "192.168.1.1", TRUE },   { "192.168.1.1", "192.168.1.2", FALSE },
    { "169.254.1.1", "169.254.1.1", TRUE },   { "fd00::1", "fd00::1", TRUE },
    { "fe80::1%lo", "fe80::1%lo", TRUE },     { "fe80::1", "fe80::1%lo", FALSE },
    { "::1", "127.0.0.1", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (GInetSocketAddress) a = at (table[i].a, 1);
      g_autoptr (GInetSocketAddress) b = at (table[i].b, 2);

      g_test_message ("%s %s", table[i].a, table[i].b);
      g_assert_cmpint (addresses_same_host (a, b), ==, table[i].same);
    }
}

static void
test_unmap (void)
{
  g_autoptr (GInetSocketAddress) v4 = addresses_unmap (G_SOCKET_ADDRESS (at ("::ffff:10.0.0.7", 5298)));
  g_autoptr (GInetSocketAddress) v6 = addresses_unmap (G_SOCKET_ADDRESS (at ("fd00::7", 5298)));
  g_autofree char *v4_text = addresses_to_string (v4);
  g_autofree char *v6_text = addresses_to_string (v6);

  g_assert_cmpstr (v4_text, ==, "10.0.0.7");
  g_assert_cmpint (g_inet_socket_address_get_port (v4), ==, 5298);
  g_assert_cmpstr (v6_text, ==, "fd00::7");
  g_assert_null (addresses_unmap (NULL));
}

static void
test_scope (void)
{
  g_autoptr (GInetSocketAddress) address = at ("fe80::1%lo", 5298);
  g_autofree char *text = addresses_to_string (address);

  g_assert_cmpstr (text, ==, "fe80::1%lo");
}

static void
test_up (void)
{
  g_autoptr (GInetSocketAddress) loopback = at ("127.0.0.1", 1);
  g_autoptr (GInetSocketAddress) nobody = at ("192.0.2.77", 1); /* RFC 5737: documentation only */

  g_assert_true (addresses_is_up (loopback));
  g_assert_false (addresses_is_up (nobody));
}

static void
test_beside (void)
{
  g_autoptr (GInetSocketAddress) loopback = at ("127.0.0.1", 5298);
  g_autoptr (GInetSocketAddress) nobody = at ("192.0.2.77", 5298);
  g_autoptr (GPtrArray) found = addresses_beside (loopback);
  g_autoptr (GPtrArray) alone = addresses_beside (nobody);

  g_assert_true (addresses_same_host (g_ptr_array_index (found, 0), loopback));
  for (guint i = 0; i < found->len; i++)
    {
      g_assert_cmpuint (g_inet_socket_address_get_port (g_ptr_array_index (found, i)), ==, 0);
      g_assert_true (addresses_is_up (g_ptr_array_index (found, i)));
      g_assert_cmpint (addresses_same_host (g_ptr_array_index (found, i), loopback), ==, i == 0);
    }
  g_assert_cmpuint (alone->len, ==, 1);
  g_assert_true (addresses_same_host (g_ptr_array_index (alone, 0), nobody));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/addresses/normalize", test_normalize);
  g_test_add_func ("/addresses/same-host", test_same_host);
  g_test_add_func ("/addresses/unmap", test_unmap);
  g_test_add_func ("/addresses/scope", test_scope);
  g_test_add_func ("/addresses/up", test_up);
  g_test_add_func ("/addresses/beside", test_beside);
  return g_test_run ();
}
